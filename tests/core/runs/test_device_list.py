"""The devices of this machine are listed with the processes that use them."""

import os
import stat

import psutil
import pytest

from absslab.core.runs.device_list import Device, find_device_users, join_gpus, list_devices
from absslab.core.training.run_directory import RunWriter


@pytest.fixture
def fake_gpus(tmp_path, monkeypatch):
    """Put a fake nvidia-smi on the PATH: two GPUs, of which this process uses the first."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '*query-gpu*) echo "0, GPU-a1, Brand X, 900, 1000"; echo "1, GPU-b2, Other, 0, 2000";;\n'
        f'*) echo "GPU-a1, {os.getpid()}, 800"; echo "GPU-a1, 4194305, [N/A]";;\n'
        "esac\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


def test_without_nvidia_smi_there_is_the_cpu_only(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [device.name for device in list_devices()] == ["cpu"]


def test_gpus_are_told_with_who_uses_them(fake_gpus):
    cpu, first, second = list_devices()
    assert (cpu.name, first.name, second.name) == ("cpu", "cuda:0", "cuda:1")
    assert first.description == "Brand X, 900 of 1000 MiB in use"
    name = psutil.Process().name()
    assert first.in_use_by == (
        f"process {os.getpid()} ({name}, 800 MiB)",
        "process 4194305 (unknown, [N/A] MiB)",
    )
    assert second.in_use_by == ()


def test_who_uses_one_of_several_gpus_is_told(fake_gpus, tmp_path):
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    writer = RunWriter(tmp_path / "runs" / "first.ckpt")
    writer.write_status("running", device="cuda:1,cuda:2")
    assert find_device_users("cuda:1", tmp_path / "runs") == ["the training first"]
    assert find_device_users("cuda:3,cuda:2", tmp_path / "runs") == ["the training first"]
    assert find_device_users("cuda:3", tmp_path / "runs") == []
    assert len(find_device_users("cuda:0,cuda:1", tmp_path / "runs")) == 3


@pytest.mark.parametrize(
    ("n_gpus", "expected"),
    [
        (1, []),
        (2, ["cuda:0,cuda:1"]),
        (3, ["cuda:0,cuda:1", "cuda:0,cuda:2", "cuda:1,cuda:2", "cuda:0,cuda:1,cuda:2"]),
        (5, ["cuda:0,cuda:1", "cuda:0,cuda:1,cuda:2,cuda:3", "cuda:0,cuda:1,cuda:2,cuda:3,cuda:4"]),
    ],
)
def test_several_gpus_can_be_chosen_together(n_gpus, expected):
    devices = [Device("cpu", ""), *(Device(f"cuda:{n}", "") for n in range(n_gpus))]
    assert [device.name for device in join_gpus(devices)] == expected


def test_gpus_are_counted_as_pytorch_counts_them(fake_gpus, monkeypatch):
    for chosen, expected in {
        "1": ["Other"],
        "1,0": ["Other", "Brand X"],
        "GPU-a1": ["Brand X"],
        "": [],
        "-1": [],
    }.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert [device.description.split(",")[0] for device in list_devices()[1:]] == expected


@pytest.mark.parametrize("script", ["exit 9", "echo nonsense", "echo 'a, b'"])
def test_an_nvidia_smi_that_does_not_answer_is_no_gpu(fake_gpus, script):
    fake_gpus.write_text(f"#!/bin/sh\n{script}\n")
    assert [device.name for device in list_devices()] == ["cpu"]
