"""Processes that go on, and the devices they can use."""

import os
import stat
import time

import psutil
import pytest

from absslab.core.runs.device_list import list_devices
from absslab.core.runs.processes import read_last_lines, start_process


def wait_for(job):
    while job.poll() is None:
        time.sleep(0.02)
    return job.poll()


@pytest.fixture
def fake_gpus(tmp_path, monkeypatch):
    """Put an nvidia-smi on the PATH that lists two GPUs; this process uses the first."""
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


def test_a_process_is_of_its_own_session_and_its_output_is_kept(tmp_path):
    job = start_process(["train", "--n_epochs", "0"], tmp_path / "new" / "output.txt")
    assert os.getsid(job.pid) == job.pid
    assert wait_for(job) == 2
    assert job.read_log_end() == "absslab train: n_epochs is 0: expected at least 1"


def test_a_process_that_ended_is_no_zombie_although_nobody_asked(tmp_path):
    job = start_process(["--version"], tmp_path / "output.txt")
    while psutil.pid_exists(job.pid):
        time.sleep(0.02)
    assert job.poll() == 0


def test_a_stopped_process_is_interrupted(tmp_path, event_folder):
    arguments = [
        "mix",
        "--event_folder",
        str(event_folder),
        "--output_folder",
        str(tmp_path / "o"),
        "--n_files",
        "5000",
    ]
    job = start_process(arguments, tmp_path / "output.txt")
    while not (tmp_path / "o").exists() and not list(tmp_path.glob(".o*")):
        assert job.poll() is None, job.read_log_end()
    job.stop()
    assert wait_for(job) == 130
    job.stop()


def test_the_end_of_a_log_is_shown_and_no_log_is_nothing(tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"\xff\n" + b"".join(b"line %d\n" % i for i in range(10000)))
    assert read_last_lines(path, 2) == "line 9998\nline 9999"
    assert read_last_lines(tmp_path / "none.txt") == ""


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
