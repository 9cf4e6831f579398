"""A training that an earlier sweep has begun is followed, and goes on where it stopped."""

import subprocess
import sys
from dataclasses import replace

import pytest

from absslab.core.common.errors import WorkError
from absslab.core.common.files import read_json, write_json
from absslab.core.common.progress import run_to_end
from absslab.core.common.run_status import write_child_status
from absslab.core.runs.launcher import Launcher
from absslab.core.runs.sweep_job import Sweep, SweepRun

STOPPING = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
print("begun", flush=True)
while not (folder / "stop").exists() or not (folder / "is followed").exists():
    time.sleep(0.01)
path = folder / "status.json"
(folder / "new").write_text(json.dumps(json.loads(path.read_text()) | {"state": "stopped"}))
os.replace(folder / "new", path)
"""


@pytest.fixture
def run(tmp_path, settings):
    path = str(tmp_path / "a.ckpt")
    return SweepRun("a", 0, {}, (), replace(settings, run=replace(settings.run, save_path=path)))


@pytest.fixture
def stopping(run):
    """A training that was asked to stop, and does so when somebody follows it."""
    folder = run.folder
    folder.mkdir()
    for name in ("config.json", "last.ckpt", "stop"):
        (folder / name).write_text("{}")
    process = subprocess.Popen([sys.executable, "-c", STOPPING, folder], stdout=subprocess.PIPE)
    write_child_status(folder / "status.json", process.pid, "starting")
    assert process.stdout.readline() == b"begun\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def resumed(monkeypatch):
    """Let trainings that are resumed be finished at once; return their folders."""
    folders = []

    def finish(self, folder, n_epochs=None, **flags):
        folders.append(folder)
        status = read_json(folder / "status.json")
        write_json(folder / "status.json", status | {"state": "finished"})

    monkeypatch.setattr(Launcher, "resume", finish)
    return folders


def test_a_training_that_still_stops_is_followed_and_resumed(run, stopping, resumed):
    steps = Sweep("test")._train(run, "cpu")
    assert next(steps) == "starting on cpu"
    (run.folder / "is followed").touch()
    run_to_end(steps)
    assert resumed == [run.folder]


def test_no_training_is_resumed_after_the_end_of_its_sweep(run, stopping, resumed):
    steps = Sweep("test", is_wanted=lambda: False)._train(run, "cpu")
    next(steps)
    (run.folder / "is followed").touch()
    with pytest.raises(WorkError, match="its sweep has ended"):
        run_to_end(steps)
    assert resumed == []
