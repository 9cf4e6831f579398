"""Waiting in a cell for a training that will start, that ends, or that fails."""

import asyncio
import json

import pytest

from absslab.core.common.errors import InputError
from absslab.core.runs.launcher import Launcher
from absslab.core.training.run_directory import RunWriter
from absslab.widgets.panels import State
from absslab.widgets.panels.training import TrainingPanel, waiting
from absslab.widgets.panels.training.waiting import start_or_follow, wait_for_training, wait_until


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(waiting, "_POLL_INTERVAL", 0.02)


def test_a_condition_is_waited_for_while_the_loop_goes_on():
    async def wait():
        items = []
        asyncio.get_running_loop().call_later(0.1, items.append, "it")
        return await wait_until(lambda: items, seconds=5)

    assert asyncio.run(wait()) == ["it"]
    with pytest.raises(InputError, match=r"the condition did not become true within 0.1 s"):
        asyncio.run(wait_until(lambda: False, seconds=0.1))


def test_a_training_that_has_ended_is_read(checkpoint):
    reader = asyncio.run(wait_for_training(checkpoint.with_suffix("")))
    assert reader.state() == "finished"
    assert sorted(reader.metrics) == [1, 2]


def test_a_training_that_begins_later_is_waited_for_till_its_end(tmp_path):
    async def wait():
        waiting_for = asyncio.create_task(wait_for_training(tmp_path / "run"))
        await asyncio.sleep(0.1)
        writer = RunWriter.begin(tmp_path / "run.ckpt", {"data": {}})
        writer.write_status("running")
        await asyncio.sleep(0.1)
        assert not waiting_for.done()
        writer.add_metrics({"epoch": 1})
        writer.write_status("stopped")
        return await waiting_for

    reader = asyncio.run(wait())
    assert (reader.state(), list(reader.metrics)) == ("stopped", [1])


def test_one_that_never_begins_that_takes_too_long_or_that_failed_is_said(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no training has begun there"):
        asyncio.run(wait_for_training(tmp_path / "none", seconds=0.1))
    writer = RunWriter.begin(tmp_path / "run.ckpt", {"data": {}})
    writer.write_status("running")
    with pytest.raises(InputError, match=r"is still running after 0.1 s: wait again"):
        asyncio.run(wait_for_training(tmp_path / "run", seconds=0.1))
    writer.write_status("failed")
    with pytest.raises(InputError, match=r"did not finish, its state is failed: see its log.txt"):
        asyncio.run(wait_for_training(tmp_path / "run"))


@pytest.mark.parametrize("state", ["preparing", "running"])
def test_a_training_that_was_killed_is_told_within_a_moment(tmp_path, state):
    writer = RunWriter.begin(tmp_path / "run.ckpt", {"data": {}})
    writer.write_status(state)
    path = tmp_path / "run/status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid_started": 1.0}))
    (tmp_path / "run/output.txt").write_text("terminate called after std::bad_alloc\n")
    with pytest.raises(
        InputError, match="its state is dead: its process was ended from outside, p"
    ):
        asyncio.run(wait_for_training(tmp_path / "run"))
    if state == "preparing":
        problem = Launcher().find_problem(tmp_path / "run")
        assert problem.startswith("its process was ended from outside, perhaps because the memory")
        assert problem.endswith("it printed: terminate called after std::bad_alloc")
        assert "bad_alloc" not in Launcher().find_problem(tmp_path / "run", names_only=True)


def test_a_training_that_fails_in_its_preparation_says_why_it_did_not_begin(tmp_path):
    writer = RunWriter.begin(tmp_path / "run.ckpt", {"data": {}})
    writer.report_task("checking recordings", 3, 12)
    writer.write_status("failed")
    (tmp_path / "run/output.txt").write_text("absslab train: a.wav is broken\n")
    assert Launcher().find_problem(tmp_path / "run") == "absslab train: a.wav is broken"


def test_a_training_that_is_killed_while_it_chooses_thresholds_had_begun(tmp_path):
    writer = RunWriter.begin(tmp_path / "run.ckpt", {"data": {}})
    writer.write_status("running")
    writer.report_task("choosing thresholds of events", 3, 12)
    path = tmp_path / "run/status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid_started": 1.0}))
    assert Launcher().state(tmp_path / "run") == "dead"
    assert Launcher().find_problem(tmp_path / "run") == ""


def test_a_run_that_is_there_is_followed_and_not_started_again(checkpoint, mixtures):
    run = checkpoint.with_suffix("")
    panel = TrainingPanel(State(mixture_folder=str(mixtures), runs_folder=str(run.parent)))
    panel.form.set({"save_path": str(checkpoint)})
    assert start_or_follow(panel) == run
    assert (panel.follower.folder, panel.follower.state) == (run, "finished")
    panel.close()
