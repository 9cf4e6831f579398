"""Several processes, as torchrun starts them, train the model that a single one trains."""

import getpass
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import torch
from first_gradient import first_gradients

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common import process_group
from absslab.core.common.config import to_flags
from absslab.core.common.devices import choose_device, split_devices
from absslab.core.common.errors import InputError
from absslab.core.common.process_group import Processes
from absslab.core.common.progress import run_to_end
from absslab.core.training.events import EpochResult
from absslab.core.training.experiment import Experiment
from absslab.core.training.run_directory import RunReader, request_stop
from absslab.core.training.settings import Settings
from absslab.core.training.trainer import build_trainer

HELPER = Path(__file__).parents[2] / "helpers" / "first_gradient.py"
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
N_STEPS = 2
TRAININGS = {  # nothing is drawn at random in them
    "VGG": {"model_type": "VGG_like_CNN", "batch_size": 9},
    "shares": {"masks": "competing", "share_weight": 2.0, "batch_size": 9},
    "presence": {"model_type": "Presence_U_Net", "share_weight": 2.0, "batch_size": 5},
    "sources": {"share_weight": 2.0, "supervision": "sources", "batch_size": 6},
    "independent sources": {
        "masks": "independent",
        "l1_weight": 0.5,
        "supervision": "sources",
        "batch_size": 6,
    },
    "events": {"masks": "independent", "supervision": "events", "batch_size": 6},
    "a last batch of one recording": {"batch_size": 23},
    "PCEN": {"feature_type": "pcen", "train_pcen": True, "batch_size": 6},
    "features on disk": {"batch_size": 7},
    "several lengths": {"share_weight": 2.0, "batch_size": 5},
    "several lengths, features on disk": {"batch_size": 5},
    # a batch has four to eight of twenty classes: all processes have to choose alike, or not to
    "many classes": {
        "model_type": "Presence_U_Net",
        "share_weight": 2.0,
        "batch_size": 4,
        "absent_classes": 12,
    },
}


@pytest.fixture(scope="module")
def lengths_folder(tmp_path_factory) -> Path:
    """Recordings of 0.5 to 1.1 s."""
    folder = tmp_path_factory.mktemp("lengths")
    rng = np.random.default_rng(0)
    rows = ["filename,hum,hiss,split"]
    for index in range(14):
        waveform = 0.1 * rng.standard_normal(8000 + 800 * index).astype(np.float32)
        sound_files.save(folder / f"{index}.wav", waveform, 16000)
        split = "validation" if index < 3 else "train"
        rows.append(f"{index}.wav,{index % 2},{index % 3 % 2},{split}")
    (folder / "weak_labels.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def many_classes_folder(tmp_path_factory) -> Path:
    """Recordings of 0.5 s: of each pair, one has one of twenty classes and the other two."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    rows = ["filename," + ",".join(f"class{k:02}" for k in range(20)) + ",split"]
    for index in range(24):
        waveform = 0.1 * rng.standard_normal(8000).astype(np.float32)
        sound_files.save(folder / f"{index}.wav", waveform, 16000)
        present = {index % 20} if index % 2 else {index % 20, (index + 7) % 20}
        if index < 4:  # of the validation, which has all classes
            present = set(range(5 * index, 5 * index + 5))
        labels = ",".join(str(int(k in present)) for k in range(20))
        rows.append(f"{index}.wav,{labels},{'validation' if index < 4 else 'train'}")
    (folder / "weak_labels.csv").write_text("\n".join(rows))
    return folder


RANDOM = {  # of which each process draws its own
    "pair_probability": 0.6,
    "roll": True,
    "equaliser": 2.0,
    "share_weight": 2.0,
    "gradient_clip": 1.0,
    "average_decay": 0.9,
    "scheduler_type": "reduceLROnPlateau",
    "scheduler_patience": 0,
    "test_every": 1,
    "n_loaders": 1,
    "in_memory": False,
    "batch_size": 23,
    "n_epochs": 2,
}


@pytest.fixture(scope="module")
def results(mixtures, lengths_folder, many_classes_folder, small_model, tmp_path_factory):
    """What one process and two compute in the first steps, and the states of the two."""
    folder = tmp_path_factory.mktemp("gradients")
    trainings = []
    for name, flags in TRAININGS.items():
        has_lengths = name.startswith("several lengths")
        data = {"data_folder": str(mixtures)}
        if has_lengths:
            data = {
                "data_set_type": "weakly_labelled_folder",
                "data_folder": str(lengths_folder),
            }
        if name == "many classes":
            data = {
                "data_set_type": "weakly_labelled_folder",
                "data_folder": str(many_classes_folder),
            }
        if name.endswith("on disk"):
            data["feature_store"] = str(folder / "store")
        trainings.append(small_model | data | flags | {"save_path": str(folder / "run.ckpt")})
    random = {"data_folder": str(mixtures), "save_path": str(folder / "run.ckpt")} | RANDOM
    (folder / "trainings.json").write_text(json.dumps([*trainings, small_model | random]))
    command = [*TORCHRUN, HELPER, folder / "trainings.json", folder / "two.pt", N_STEPS]
    result = run(*command)
    assert result.returncode == 0, result.stderr
    two = torch.load(folder / "two.pt", weights_only=True)
    one = [first_gradients(flags, N_STEPS) for flags in trainings]
    steps = dict(zip(TRAININGS, zip(one, two["steps"][:-1], strict=True), strict=True))
    return steps, two["states"]


def run(*command: object, **changes: object) -> subprocess.CompletedProcess[str]:
    """Run Python with arguments, each process with one thread."""
    arguments = [sys.executable, *map(str, command)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        arguments, capture_output=True, text=True, env=environment, timeout=200, **changes
    )


def test_processes_have_the_same_state_after_two_epochs(results):
    first, second = results[1]
    assert len(first) > 50
    assert first == second


def norm_of(tensors) -> float:
    return float(torch.stack([tensor.norm() for tensor in tensors]).norm())


@pytest.mark.parametrize("name", TRAININGS)
def test_the_first_gradients_are_those_of_one_process(results, name):
    one, two = results[0][name]
    assert len(one) == len(two) == N_STEPS
    for alone, shared in zip(one, two, strict=True):
        assert shared["losses"] == pytest.approx(alone["losses"], rel=1e-4)
        for key, expected in alone["buffers"].items():
            assert torch.allclose(shared["buffers"][key], expected, rtol=1e-3, atol=1e-5), key
        expected = alone["gradients"]
        assert all(gradient.norm() > 0 for gradient in expected.values())
        # 3e-6 as a rule; where rounding brings a value to the other side of a ReLU, up to 9e-4,
        # also if a single process has the recordings of a batch in another order
        total = norm_of(expected.values())
        for key, gradient in expected.items():
            difference = (shared["gradients"][key] - gradient).norm()
            assert difference < 2e-3 * max(gradient.norm(), 0.1 * total), key
        assert shared["metrics"] == pytest.approx(alone["metrics"], rel=1e-4)


def own_lines(printed: str) -> list[str]:
    """Return the lines of the program, among those of torchrun."""
    return [line for line in printed.splitlines() if re.match("absslab( [a-z-]+)?: ", line)]


def train_command(settings: Settings, save_path: Path, **changes: object) -> list[str]:
    """Return the arguments with which torchrun's two processes begin a training."""
    return [*TORCHRUN, *own_command(settings, save_path, **changes)]


def own_command(settings: Settings, save_path: Path, **changes: object) -> list[str]:
    """Return the arguments with which a process begins a training."""
    values: dict[str, object] = {}
    for config in settings.sections().values():
        values |= config.to_json()
    flags = to_flags(values | {"save_path": str(save_path)} | changes)
    return ["-m", "absslab", "train", *flags]


def with_run(settings: Settings, save_path: Path, **changes: object) -> Settings:
    """Return settings of a training in another run directory."""
    training = replace(settings.training, **changes)
    return replace(settings, training=training, run=replace(settings.run, save_path=str(save_path)))


def test_two_processes_train_and_one_or_two_go_on(settings, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    path = tmp_path / "two.ckpt"
    command = own_command(settings, path, n_epochs=2, device="cpu,cpu")
    result = run(*command)
    assert (result.returncode, result.stderr) == (0, "")
    left = {path.name for path in temporary.iterdir()} - {f"torchinductor_{getpass.getuser()}"}
    assert left == set()  # by itself, PyTorch's launcher leaves a folder of logs each time
    epochs = [line for line in result.stdout.splitlines() if line.startswith("epoch")]
    assert len(epochs) == 2
    assert result.stdout.count("best model:") == 1
    reader = RunReader.open(path.with_suffix(""))
    reader.poll()
    assert reader.state() == "finished"
    assert reader.status().device == "cpu,cpu"
    assert [len(reader.metrics[epoch]["process_rates"]) for epoch in (1, 2)] == [2, 2]
    last = path.with_suffix("") / "last.ckpt"
    result = run(*command)
    assert result.returncode == 2
    assert result.stderr == (
        f"absslab train: {path.with_suffix('')} holds a run: go on with --checkpoint_path {last}, "
        "or choose another --save_path\n"
    )
    resumed = Experiment.resume(last, {"n_epochs": 3, "device": "cpu"}).run()
    assert [event.epoch for event in resumed if isinstance(event, EpochResult)] == [3]
    resuming = ["-m", "absslab", "train", "--checkpoint_path", last]
    result = run(*TORCHRUN, *resuming, "--n_epochs", 4)
    assert result.returncode == 0, result.stderr
    assert "epoch   4/4" in result.stdout


@pytest.mark.slow
def test_losses_of_two_processes_stay_within_the_spread_of_seeds(settings, tmp_path):
    n_epochs = 10
    result = run(*train_command(settings, tmp_path / "two.ckpt", n_epochs=n_epochs))
    assert result.returncode == 0, result.stderr

    def losses(name: str) -> np.ndarray:
        reader = RunReader.open(tmp_path / name)
        reader.poll()
        metrics = [reader.metrics[epoch] for epoch in range(1, n_epochs + 1)]
        return np.array([epoch["losses"]["total"] for epoch in metrics])

    for seed in range(3):
        own = with_run(settings, tmp_path / f"{seed}.ckpt", n_epochs=n_epochs, seed=seed)
        run_to_end(Experiment(own).run())
    alone = [losses(str(seed)) for seed in range(3)]
    spread = np.ptp(alone, axis=0)
    two = losses("two")
    assert (two > np.min(alone, axis=0) - spread).all()
    assert (two < np.max(alone, axis=0) + spread).all()
    assert two[-1] < 0.7 * two[0]


@contextmanager
def running(reader: RunReader, *command: object) -> Iterator[subprocess.Popen[str]]:
    """Start Python with arguments that train a run, and wait until it ends an epoch."""
    arguments = [sys.executable, *map(str, command)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment) as process:
        end = time.monotonic() + 100
        while not reader.poll() and time.monotonic() < end:
            time.sleep(0.1)
        yield process


def test_a_run_that_is_stopped_or_whose_process_is_killed_goes_on(settings, tmp_path):
    path = tmp_path / "run.ckpt"
    reader = RunReader(path.with_suffix(""))
    with running(reader, *train_command(settings, path, n_epochs=500)) as torchrun:
        request_stop(reader.folder)
        _, printed = torchrun.communicate(timeout=100)
    assert (torchrun.returncode, own_lines(printed)) == (0, [])
    assert reader.state() == "stopped"
    last = reader.folder / "last.ckpt"
    again = ["-m", "absslab", "train", "--checkpoint_path", last]
    with running(reader, *TORCHRUN, *again) as torchrun:
        children = psutil.Process(torchrun.pid).children(recursive=True)
        second = [child for child in children if child.environ().get("RANK") == "1"]
        second[0].kill()
        _, printed = torchrun.communicate(timeout=100)
    assert torchrun.returncode == 1
    assert own_lines(printed) == [
        "absslab train: another of the 2 processes has ended, or torchrun was asked to end, so "
        "that this one ends too; a training goes on from its last.ckpt"
    ]
    assert reader.state() == "failed"
    done = max(reader.metrics)
    resumed = Experiment.resume(last, {"n_epochs": done + 1}).run()
    assert [event.epoch for event in resumed if isinstance(event, EpochResult)] == [done + 1]


def test_a_run_that_leaves_recordings_out_is_finished(settings, mixtures, tmp_path):
    shutil.copytree(mixtures, tmp_path / "set")
    damaged = tmp_path / "set" / "train" / "000000.wav"
    soundfile.write(damaged, np.full(32000, np.nan, np.float32), 16000, subtype="FLOAT")
    changes = {"data_folder": str(tmp_path / "set"), "on_error": "skip", "n_epochs": 1}
    command = own_command(settings, tmp_path / "run.ckpt", **changes, device="cpu,cpu")
    result = run(*command)
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("absslab train: 1 of ")
    reader = RunReader.open(tmp_path / "run")
    assert reader.state() == "finished"
    assert "thresholds of events" in reader.read_log_end()


def test_what_only_one_process_can_do_is_refused(checkpoint):
    result = run(*TORCHRUN, "-m", "absslab", "evaluate", "--checkpoint_path", checkpoint)
    assert result.returncode == 1  # that of torchrun
    assert own_lines(result.stderr) == [
        "absslab evaluate: this command works in one process: start it without torchrun, which is "
        "for absslab train"
    ]


def test_processes_that_see_other_data_are_refused(settings, mixtures, tmp_path):
    other = tmp_path / "1"
    shutil.copytree(mixtures, other)
    (tmp_path / "0").symlink_to(mixtures)
    labels = other / "train" / "weak_labels.csv"
    rows = labels.read_text().splitlines()
    labels.write_text("\n".join(rows[:-1]))
    command = train_command(settings, tmp_path / "run.ckpt", data_folder="FOLDER")
    at = command.index("-m", 1)
    program = " ".join(["exec", shlex.quote(sys.executable), *map(shlex.quote, command[at:])])
    program = program.replace("FOLDER", f"{tmp_path}/$RANK")
    result = run(*TORCHRUN, "--no_python", "bash", "-c", program)
    host = socket.gethostname()
    assert own_lines(result.stderr) == [
        f"absslab train: process 1 of 2 on {host} has 31 recordings, but process 0 of 2 on {host} "
        "32: let all see the same data_folder"
    ]
    assert not (tmp_path / "run").exists()


def test_a_batch_that_is_too_small_changes_no_run_and_begins_none(settings, checkpoint, tmp_path):
    command = own_command(settings, tmp_path / "run.ckpt", batch_size=1, device="cpu,cpu")
    result = run(*command)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert list(tmp_path.iterdir()) == []
    shutil.copytree(checkpoint.with_suffix(""), tmp_path / "done")
    before = (tmp_path / "done" / "status.json").read_bytes()
    more = ["--n_epochs", 9, "--device", ",".join(["cpu"] * 9)]  # a batch has 8 recordings
    last = tmp_path / "done" / "last.ckpt"
    result = run("-m", "absslab", "train", "--checkpoint_path", last, *more)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert (tmp_path / "done" / "status.json").read_bytes() == before


@pytest.mark.parametrize(
    ("batch_size", "n_processes", "line"),
    [
        (
            2,
            3,
            "batch_size is 2, but each of the 3 processes needs a recording of each batch or more: "
            "pass --batch_size 3, or start 2 at most",
        ),
        (
            64,
            25,
            "there are 24 training recordings, but each of the 25 processes needs one or more: "
            "start 24 at most",
        ),
    ],
)
def test_more_processes_than_recordings_are_refused(new_run, batch_size, n_processes, line):
    settings = replace(new_run, training=replace(new_run.training, batch_size=batch_size))
    trainer = run_to_end(Experiment(settings).prepare())
    with pytest.raises(InputError) as error:
        build_trainer(
            trainer.model,
            settings.training,
            settings.augmentation,
            trainer.data,
            Processes(0, n_processes),
        )
    assert str(error.value) == line


def test_wrong_variables_of_torchrun_are_told(monkeypatch, capsys):
    variables = {"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "9"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["train"]) == 2
    assert capsys.readouterr().err == (
        "absslab: the environment has RANK=2, WORLD_SIZE=2, LOCAL_RANK=0, LOCAL_WORLD_SIZE=1: "
        "expected numbers as torchrun sets them, RANK below WORLD_SIZE\n"
    )
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(process_group, "_JOIN_TIMEOUT", timedelta(seconds=1))
    assert main(["train"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "can't reach the others at localhost:9" in told


@pytest.mark.parametrize("name", ["cpu,cuda:0", "cuda:0,cuda:0", "cuda,cuda", "auto,auto", ","])
def test_several_devices_are_gpus_or_parts_of_the_cpu(name):
    with pytest.raises(InputError, match="expected one, or different GPUs as in cuda:0,cuda:1"):
        split_devices(name)


def test_a_device_that_is_not_there_is_told_once(monkeypatch, capsys, mixtures, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("absslab.cli.train.start_processes", None)
    flags = to_flags({"data_folder": str(mixtures), "save_path": str(tmp_path / "run.ckpt")})
    assert main(["train", *flags, "--device", "cuda:0,cuda:1"]) == 2
    assert capsys.readouterr().err == (
        "absslab train: device is 'cuda:0', but PyTorch finds no CUDA GPU: use auto or cpu\n"
    )
    assert not (tmp_path / "run").exists()


def test_what_needs_one_device_refuses_several():
    with pytest.raises(InputError) as error:
        choose_device("cpu,cpu")
    assert str(error.value) == (
        "device is 'cpu,cpu', 2 devices for 1 process: expected one; absslab train starts a "
        "process for each"
    )


@pytest.mark.parametrize("name", ["cuda:1", "auto", "cuda"])
def test_each_process_needs_a_gpu_of_its_own(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with pytest.raises(InputError, match="3 processes"):
        choose_device(name, Processes(2, 3, 2, 3))
    if name != "cuda:1":
        assert choose_device(name, Processes(1, 2, 1, 2)) == torch.device("cuda:1")
        assert chosen == [torch.device("cuda:1")]
        assert choose_device("cuda:1,cuda:0", Processes(0, 2, 0, 2)) == torch.device("cuda:1")
    assert choose_device("cpu", Processes(2, 3, 2, 3)) == torch.device("cpu")
