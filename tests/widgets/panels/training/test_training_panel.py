"""A panel starts, follows, stops and resumes trainings, each in its own process."""

import asyncio
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import ipywidgets
import pytest

from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.run_status import TaskProgress, write_child_status
from absslab.core.runs import processes
from absslab.core.runs.catalogue import find_runs
from absslab.core.training.experiment import Experiment
from absslab.core.training.run_directory import NoticeLog, RunReader, RunWriter, request_stop
from absslab.widgets.panels import State
from absslab.widgets.panels.separation import SeparationPanel
from absslab.widgets.panels.training import TrainingPanel, training_panel
from absslab.widgets.panels.training.run_view import RunView
from absslab.widgets.ui import error_line as error_line_module

LOSS = "loss in training, and on validation"
SMALL = {
    "recipe": "none",
    "model_type": "U_Net",
    "unet_channels": (8, 8, 8),
    "fine_channels": 4,
    "context": 8,
    "n_mels": 32,
    "pooling": "linear_softmax",
    "masks": "competing",
    "precision": "float32",
    "device": "cpu",
    "batch_size": 8,
    "test_every": 1,
    "n_epochs": 2,
}


@pytest.fixture
def state(tmp_path, mixtures):
    return State(runs_folder=str(tmp_path / "runs"), mixture_folder=str(mixtures))


@pytest.fixture
def panel(state):
    panel = TrainingPanel(state)
    panel.form.set(SMALL)
    yield panel
    if panel.follower.is_live:
        panel.stop()
        wait_for(panel, lambda: not panel.follower.is_live)
    panel.close()


@pytest.fixture
def panel_of_visitors(state, tmp_path, monkeypatch):
    """A panel of visitors, whose trainings may write below the runs folder alone.

    `started` are the arguments of trainings that it would have started.
    """
    runs = Path(state.runs_folder)
    (runs / "old").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (runs / "link").symlink_to(outside)
    (runs / "linked.ckpt").symlink_to(outside / "model.ckpt")
    panel = TrainingPanel(state, writes_below=runs)
    panel.started = []
    monkeypatch.setattr(panel, "_launch", lambda folder, device, anyway, launch: launch())
    monkeypatch.setattr(panel.launcher, "start", lambda *arguments: panel.started.append(arguments))
    yield panel
    panel.close()
    assert list(outside.iterdir()) == []


@pytest.fixture(scope="session")
def run_with_epochs(settings, tmp_path_factory):
    """A run directory of two epochs, with the model of each."""
    save_path = tmp_path_factory.mktemp("kept") / "run.ckpt"
    settings = replace(settings, run=replace(settings.run, save_path=str(save_path), keep_every=1))
    for _ in Experiment(settings).run():
        pass
    return save_path.with_suffix("")


@pytest.fixture
def trained(run_with_epochs, tmp_path):
    """A copy of it, which a test may damage."""
    return Path(shutil.copytree(run_with_epochs, tmp_path / "run"))


@pytest.fixture
def busy_gpu(tmp_path, monkeypatch):
    """A fake nvidia-smi with one GPU, which this process uses."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$*" in *query-gpu*) echo "0, GPU-a, Brand X, 9, 10";; '
        f'*) echo "GPU-a, {os.getpid()}, 8";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def slow_gpu(tmp_path, monkeypatch):
    """A fake nvidia-smi with a busy GPU, which answers only when this file exists."""
    program = tmp_path / "bin" / "nvidia-smi"
    answer = tmp_path / "answer"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nwhile [ ! -e "{answer}" ]; do sleep 0.02; done\n'
        'case "$*" in *query-gpu*) echo "0, GPU-a, Brand X, 9, 10";; '
        f'*) echo "GPU-a, {os.getpid()}, 8";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return answer


def wait_for(panel, condition, seconds=120):
    end = time.monotonic() + seconds
    panel.loop.settle()
    while not condition():
        assert time.monotonic() < end, (
            panel.follower.state,
            panel.message,
            panel.follower.view.log(),
        )
        time.sleep(0.05)
        panel.follower.update()
        panel.loop.settle()


def lines_of(panel):
    """Return the drawn curves: title → name → number of points."""
    curves = {}
    for axes in panel.follower.view.plot.figure.axes:
        title = axes.get_title(loc="left")
        names = (
            [text.get_text() for text in axes.legend_.get_texts()]
            if axes.legend_
            else [title] * len(axes.lines)
        )
        curves[title] = {
            name: len(line.get_xdata()) for name, line in zip(names, axes.lines, strict=True)
        }
    return curves


def html_of(widget):
    return "".join(child.value for child in widget.children if isinstance(child, ipywidgets.HTML))


def test_a_training_is_started_followed_attached_to_stopped_and_resumed(panel, state, settle):
    panel.form.set({"n_epochs": 400})
    panel.start_button.click()
    settle()
    folder = panel.follower.folder
    assert panel.follower.state == "preparing"
    assert panel.message == "run-1 is being prepared: recordings and features are read"
    assert panel.start_button.disabled
    with pytest.raises(InputError, match="is being trained: stop it first"):
        panel.start()
    wait_for(
        panel,
        lambda: len(panel.follower.view.reader.metrics if panel.follower.view.reader else ()) >= 2,
    )
    assert panel.follower.state == "running"
    assert panel.message == ""
    n_points = lines_of(panel)[LOSS]["total"]
    wait_for(panel, lambda: lines_of(panel)[LOSS]["total"] > n_points)
    assert lines_of(panel)["scores on validation"]["roc_auc_score"] > 1
    assert {"state", "epoch", "learning rate", "recordings/s", "time left", "GPU memory"} <= set(
        panel.follower.view.facts
    )
    assert panel.follower.view.facts["time left"] != "–"

    # As after a restart of the kernel: only the folder is known.
    other = TrainingPanel(State(runs_folder=state.runs_folder))
    settle()
    assert "run-1: running" in [label for label, _ in other.follower.runs.options]
    other.follower.runs.value = str(folder)
    settle()
    assert other.follower.state == "running"
    assert other.follower.view.reader.metrics
    other.form.set(SMALL | {"save_path": f"{folder}.ckpt", "data_folder": state.mixture_folder})
    with pytest.raises(InputError, match="is being trained"):
        other.start()
    other.stop_button.click()
    settle()
    wait_for(other, lambda: other.follower.state == "stopped")
    other.close()

    panel.follower.update()
    assert panel.follower.state == "stopped"
    assert not panel.resume_button.disabled
    n_done = max(panel.follower.view.reader.metrics)
    panel.start()
    settle()
    assert "holds a run: choose another save_path" in panel.message
    panel.up_to.value = n_done + 1
    panel.resume_button.click()
    settle()
    assert panel.follower.state == "preparing"
    wait_for(panel, lambda: not panel.follower.is_live)
    assert panel.follower.state == "finished", panel.follower.view.log()
    assert max(panel.follower.view.reader.metrics) == n_done + 1
    assert state.run == str(folder)


def test_a_training_is_followed_by_itself_once_a_second_until_it_ends(state, monkeypatch):
    async def main():
        panel = TrainingPanel(state)
        panel.form.set(SMALL)
        panel.start()
        await panel.loop.until(lambda: panel.follower.is_live)
        ticker = panel.follower._ticker
        assert ticker.is_running
        await panel.loop.until(lambda: not panel.follower.is_live, seconds=120)
        assert not ticker.is_running
        assert panel.follower.state == "finished", panel.follower.view.log()
        assert list(panel.follower.epochs.checkpoints) == [1, 2]
        panel.listen(1)
        await panel.loop.until(lambda: panel.follower.epochs.recording_view.player or panel.message)
        assert panel.message == ""
        names = [track.name for track in panel.follower.epochs.recording_view.player.tracks]
        panel.close()
        return names

    names = asyncio.run(main())
    assert names[0] == "mixture"
    assert {"alert", "knock", "pageturn", "speech", "residual"} <= set(names)


def test_a_training_that_cannot_start_says_why_and_what_was_printed(panel, tmp_path, settle):
    panel.form.set({"data_folder": str(tmp_path)})
    panel.start()
    settle()
    wait_for(panel, lambda: not panel.follower.is_live)
    assert panel.message.startswith("run-1 was not started: absslab train: ")
    assert "has neither train/ nor training/" in panel.message
    assert not panel.start_button.disabled
    other = TrainingPanel(State(runs_folder=panel.state.runs_folder))
    settle()
    other.attach(panel.follower.folder)
    settle()
    assert other.message == panel.message
    other.close()


def test_a_training_that_is_stopped_before_python_is_up_was_stopped(tmp_path):
    (tmp_path / "output.txt").write_text("Traceback (most recent call last):\nKeyboardInterrupt\n")
    write_child_status(tmp_path / "status.json", 2**22 + 1, "starting")
    request_stop(tmp_path)
    launcher = training_panel.Launcher()
    assert launcher.state(tmp_path) == "stopped"
    assert launcher.find_problem(tmp_path) == "it was stopped while it was being prepared"


def test_a_training_is_preparing_within_a_second_of_the_press_of_start(panel, settle):
    pressed = time.monotonic()
    panel.start_button.click()
    settle()
    reader = RunReader.open(Path(panel.state.runs_folder) / "run-1")
    assert reader.state() == "preparing"
    assert time.monotonic() - pressed < 1
    assert reader.status().progress == TaskProgress("starting")
    (run,) = find_runs(panel.state.runs_folder)
    assert (run.state, run.problem) == ("preparing", "")


def test_a_training_that_is_stopped_while_it_is_set_up_ends_at_once(panel, settle):
    panel.start()
    settle()
    assert panel.follower.state == "preparing"
    panel.stop_button.click()
    settle()
    wait_for(panel, lambda: not panel.follower.is_live)
    assert panel.message == "run-1 was not started: it was stopped while it was being prepared"
    assert not panel.follower.folder.joinpath("last.ckpt").exists()
    panel.start()
    settle()
    wait_for(panel, lambda: panel.follower.state == "finished")


def test_bad_settings_start_no_process(panel, monkeypatch, settle):
    monkeypatch.setattr(
        processes.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started")
    )
    panel.form.forms["training"].controls["n_epochs"].value = 0
    panel.start_button.click()
    settle()
    assert panel.message == "n_epochs is 0: expected at least 1"
    assert not panel.start_button.disabled


def test_start_pressed_twice_starts_once(panel, monkeypatch, settle):
    started = []
    real = training_panel.Launcher.start
    monkeypatch.setattr(
        training_panel.Launcher,
        "start",
        lambda self, arguments, folder: (started.append(folder), real(self, arguments, folder)),
    )
    panel.start_button.click()
    settle()
    panel.start_button.click()
    settle()
    assert len(started) == 1
    assert "is being trained" in panel.message


def test_a_gpu_in_use_is_said_and_only_a_deliberate_second_step_starts_on_it(
    busy_gpu, panel, monkeypatch, settle
):
    started = []
    monkeypatch.setattr(
        training_panel.Launcher, "start", lambda self, arguments, folder: started.append(arguments)
    )
    monkeypatch.setattr(panel.follower, "attach", lambda folder: None)
    for device in ("auto", "cuda", "cuda:0"):
        panel.form.set({"device": device})
        panel.start_button.click()
        settle()
        panel.start_button.click()
        settle()
        assert f"{device} is in use by process {os.getpid()} (" in panel.message
    assert started == []
    panel.anyway.value = True
    panel.start_button.click()
    settle()
    assert "--device=cuda:0" in started[0]
    assert not panel.anyway.value
    assert panel.anyway.layout.display == "none"
    panel.form.set({"device": "cpu"})
    panel.start_button.click()
    settle()
    assert len(started) == 2
    labels = [label for label, _ in panel.form.forms["run"].controls["device"].options]
    assert "cuda:0: Brand X, 9 of 10 MiB in use" in labels


def test_a_slow_nvidia_smi_holds_nothing_up_and_its_gpus_come_when_they_are_known(slow_gpu, state):
    def names(panel):
        return [name for _, name in panel.form.forms["run"].controls["device"].options]

    async def main():
        panel = TrainingPanel(state)
        separation = SeparationPanel(state)
        try:
            assert names(panel) == list(separation.choice.device.options) == ["auto", "cpu"]
            separation.choice.device.value = "cpu"
            panel.form.set({"device": "cpu"})
            slow_gpu.touch()
            await panel.loop.until(
                lambda: "cuda:0" in names(panel) and "cuda:0" in separation.choice.device.options
            )
            assert separation.choice.device.value == "cpu"
            assert panel.form.settings.run.device == "cpu"
            slow_gpu.unlink()
            panel._refresh()
            slow_gpu.touch()
            await panel.loop.until(lambda: not panel._devices.is_running)
        finally:
            slow_gpu.touch()
            panel.close()
            separation.close()

    asyncio.run(main())


def test_while_a_slow_nvidia_smi_is_asked_a_training_is_started_once_and_the_page_lives(
    slow_gpu, state, monkeypatch
):
    started = []
    monkeypatch.setattr(
        training_panel.Launcher, "start", lambda self, arguments, folder: started.append(folder)
    )

    async def main():
        panel = TrainingPanel(state)
        monkeypatch.setattr(panel.follower, "attach", lambda folder: None)
        panel.form.set(SMALL | {"device": "cuda:0"})
        try:
            panel.start_button.click()
            assert panel.start_button.disabled
            panel.start_button.click()
            assert panel.message == "a training is being started: wait until it has begun"
            slow_gpu.touch()
            await panel.loop.until(lambda: "cuda:0 is in use by process" in panel.message)
            assert not panel.start_button.disabled
            assert started == []
            slow_gpu.unlink()
            panel.anyway.value = True
            panel.start_button.click()
            panel.start_button.click()
            slow_gpu.touch()
            await panel.loop.until(lambda: started)
            await panel.loop.until(lambda: not panel.start_button.disabled)

            def refuse(self, arguments, folder):
                raise InputError("not now")

            monkeypatch.setattr(training_panel.Launcher, "start", refuse)
            panel.form.set({"device": "cpu"})
            panel.start_button.click()
            await panel.loop.until(lambda: panel.message == "not now")
            assert not panel.start_button.disabled
        finally:
            slow_gpu.touch()
            panel.close()

    asyncio.run(main())
    assert len(started) == 1


def test_a_live_run_on_the_same_device_is_said(panel, state, trained, settle):
    folder = Path(shutil.copytree(trained, Path(state.runs_folder) / "other"))
    status = json.loads((folder / "status.json").read_text())
    # The process that uses it is this one.
    (folder / "status.json").write_text(json.dumps(status | {"state": "running"}))
    panel.start()
    settle()
    assert "cpu is in use by the training other" in panel.message
    assert panel.follower.folder is None


def test_without_a_run_nothing_fails(panel, state):
    assert panel.follower.runs.options == (("choose a run", ""),)
    for act in (panel.stop, panel.resume):
        with pytest.raises(InputError, match="no run is followed"):
            act()
    with pytest.raises(InputError, match="no epoch's model was kept"):
        panel.listen()
    with pytest.raises(InputError, match="is not a run directory"):
        panel.attach(state.runs_folder)
    state.run = "/nowhere/run"
    assert "/nowhere/run is not a run directory" in panel.message
    assert panel.stop_button.disabled
    assert panel.resume_button.disabled


def test_two_panels_on_one_run_show_the_same(trained, settle):
    first = TrainingPanel()
    second = TrainingPanel()
    first.attach(trained)
    second.attach(trained)
    settle()
    assert lines_of(first) == lines_of(second)
    assert lines_of(first)[LOSS]["total"] == 2
    first.close()
    second.follower.update()
    assert second.follower.state == "finished"
    second.close()


def test_the_same_mixture_is_heard_as_each_epochs_model_separates_it(panel, trained, settle):
    panel.attach(trained)
    settle()
    epochs = panel.follower.epochs
    assert epochs.epoch.value == 2
    assert len(epochs.mixture.options) == 8
    epochs.button.click()
    settle()
    player = epochs.recording_view.player
    names = [track.name for track in player.tracks]
    references = [name for name in names if name.endswith(" (reference)")]
    assert references
    assert all(name.removesuffix(" (reference)") in names for name in references)
    before = player.tracks[1].sound.read(0, 8000)
    epochs.epoch.value = 1
    settle()
    assert epochs.recording_view.player is player
    assert [track.name for track in player.tracks] == names
    assert (player.tracks[1].sound.read(0, 8000) != before).any()
    assert "epoch 1" in epochs.recording_view.caption.value
    epochs.mixture.value = epochs.mixture.options[1][1]
    settle()
    assert player.title == "000001.wav"
    with pytest.raises(InputError, match="epoch 7 was not kept: choose one of 1, 2"):
        panel.listen(7)
    (trained / "epochs" / "000002.ckpt").unlink()
    panel.listen(2)
    settle()
    assert "was deleted" in panel.message


def test_epochs_since_the_last_look_are_heard(panel, trained, settle):
    kept = trained / "epochs"
    away = trained / "away"
    kept.rename(away)
    panel.attach(trained)
    settle()
    away.rename(kept)  # as a fast training writes them between two looks
    panel.listen(1)
    settle()
    assert panel.message == ""
    assert "epoch 1" in panel.follower.epochs.recording_view.caption.value


def test_what_a_gpu_holds_is_said(panel, trained, settle):
    panel.attach(trained)
    settle()
    assert "GiB" not in html_of(panel.follower.view.widget)
    with open(trained / "metrics.jsonl", "a") as file:
        file.write(
            json.dumps({"epoch": 3, "losses": {"total": 1.0}, "gpu_memory": 3 * 2**29}) + "\n"
        )
    panel.follower.view.update(panel.follower.state)
    assert "1.50 GiB" in html_of(panel.follower.view.widget)


def test_the_rate_of_each_process_is_said(panel, trained, settle):
    panel.attach(trained)
    settle()
    assert "processes" not in html_of(panel.follower.view.widget)
    epoch = {"epoch": 3, "losses": {"total": 1.0}, "recordings_per_second": 7.0}
    with open(trained / "metrics.jsonl", "a") as file:
        file.write(json.dumps(epoch | {"process_rates": [3.5, 3.75]}) + "\n")
    panel.follower.view.update(panel.follower.state)
    assert "7.0, of 2 processes: 3.5 + 3.8" in html_of(panel.follower.view.widget)


def test_a_run_that_died_says_so_and_how_to_go_on(panel, trained, settle):
    status = json.loads((trained / "status.json").read_text())
    (trained / "status.json").write_text(
        json.dumps(status | {"state": "running", "pid_started": 1.0})
    )
    (trained / "output.txt").write_text("Killed <b>here</b>\n")
    panel.attach(trained)
    settle()
    assert panel.follower.state == "dead"
    assert "resume continues from its last epoch" in panel.message
    assert "Killed &lt;b&gt;here&lt;/b&gt;" in html_of(panel.follower.view.widget)
    assert not panel.resume_button.disabled


def test_visitors_see_nothing_that_a_training_printed(
    panel, trained, tmp_path, monkeypatch, settle
):
    monkeypatch.setattr(error_line_module, "_hides_folders", True)
    status = json.loads((trained / "status.json").read_text())
    (trained / "status.json").write_text(json.dumps(status | {"state": "failed"}))
    (trained / "output.txt").write_text(f"KeyError: {tmp_path}\n")
    with open(trained / "log.txt", "a") as log:
        log.write(f"failed: {tmp_path}\n")
    panel.attach(trained)
    settle()
    assert panel.follower.state == "failed"
    assert "its log says why" in panel.message
    assert str(tmp_path) not in html_of(panel.follower.view.widget)
    assert panel.follower.view.log() == ""


def test_visitors_see_no_folder_of_a_training_that_cannot_start(
    panel, tmp_path, monkeypatch, settle
):
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "output.txt").write_text(f"absslab train: error: {tmp_path} is empty\n")
    write_child_status(folder / "status.json", 2**22 + 1, "starting")
    shown = []
    for hidden in (False, True):
        monkeypatch.setattr(error_line_module, "_hides_folders", hidden)
        panel.attach(folder)
        settle()
        shown.append(panel.message)
    assert shown == [
        f"new was not started: absslab train: error: {tmp_path} is empty",
        "new was not started: the file output.txt in its folder says why",
    ]


def test_a_run_that_is_deleted_while_one_watches_says_so(panel, trained, settle):
    panel.attach(trained)
    settle()
    shutil.rmtree(trained)
    panel.follower.update()
    panel.follower.update()
    assert panel.follower.state == "gone"
    assert panel.message.endswith("its folder was deleted")
    panel._refresh()


def test_a_run_of_a_newer_version_is_followed_as_far_as_it_can_be(panel, trained, settle):
    config = json.loads((trained / "config.json").read_text())
    config["data"]["teacher"] = {"<b>new</b>": 1}
    (trained / "config.json").write_text(json.dumps(config))
    panel.attach(trained)
    settle()
    assert "no setting 'teacher'" in panel.message
    assert lines_of(panel)[LOSS]["total"] == 2


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"state": "running", "epoch": "<b>x</b>", "heartbeat": "y"}', '{"st']
)
def test_a_torn_or_foreign_status_is_followed(panel, trained, content, settle):
    (trained / "status.json").write_text(content)
    with open(trained / "metrics.jsonl", "ab") as file:
        file.write(
            b'{"epoch": 3, "losses": [], "metrics": 5, "learning_rate": "fast"}\n'
            b'\xff\xfe{"epoch": 4, "lo'
        )
    panel.attach(trained)
    settle()
    assert panel.follower.state == "dead"
    assert lines_of(panel)[LOSS]["total"] == 2
    assert "<b>" not in html_of(panel.follower.view.widget)


def test_data_that_is_gone_is_said_and_the_curves_are_shown(panel, trained, settle):
    config = json.loads((trained / "config.json").read_text())
    config["data"]["data_folder"] = "/nowhere"
    (trained / "config.json").write_text(json.dumps(config))
    panel.attach(trained)
    settle()
    assert "/nowhere, the data of the run" in panel.message
    assert lines_of(panel)[LOSS]["total"] == 2


def test_a_closed_panel_leaves_no_widget_no_figure_and_no_ticker(state, trained):
    async def main():
        before = set(ipywidgets.widgets.widget._instances)
        status = json.loads((trained / "status.json").read_text())
        (trained / "status.json").write_text(json.dumps(status | {"state": "running"}))
        panel = TrainingPanel(state)
        state.run = str(trained)
        assert panel.follower.state == "running"
        ticker = panel.follower._ticker
        figure = panel.follower.view.plot.figure
        panel.listen(1)
        await panel.loop.until(lambda: panel.follower.epochs.recording_view.player)
        panel.close()
        panel.close()
        state.run = "elsewhere"
        assert not ticker.is_running
        assert figure.axes == []
        return set(ipywidgets.widgets.widget._instances) - before

    assert asyncio.run(main()) == set()


ELSEWHERE = (
    *("../x.ckpt", "../runs2/x.ckpt", "new/../../x.ckpt", "/tmp/x.ckpt", "/x.ckpt"),
    *("link/x.ckpt", "link/new/x.ckpt", "link.ckpt", "linked.ckpt", "link/../../x.ckpt"),
    *("old/../link/x.ckpt", "new/../link/x.ckpt", "x\0.ckpt", "~root/../../x.ckpt"),
)


def test_a_visitor_can_not_write_outside_the_runs_folder(panel_of_visitors):
    for setting in ("save_path", "feature_store"):
        taken = panel_of_visitors.form.values()[setting] if setting == "save_path" else None
        for name in ELSEWHERE:
            panel_of_visitors.form.set({setting: name})
            with pytest.raises(InputError, match=f"{setting} is .*expected a name in the folder"):
                panel_of_visitors.start()
        panel_of_visitors.form.set({setting: taken})
    assert panel_of_visitors.started == []


def test_a_visitor_can_write_below_the_runs_folder(panel_of_visitors, state):
    panel_of_visitors.start()  # with the name that is offered
    for name in ("new.ckpt", "sub/new.ckpt", "old/../new.ckpt", "./~x/new.ckpt"):
        panel_of_visitors.form.set({"save_path": name, "feature_store": "store"})
        panel_of_visitors.start()
    paths = ["run-1.ckpt", "new.ckpt", "sub/new.ckpt", "new.ckpt", "~x/new.ckpt"]
    for (arguments, folder), name in zip(panel_of_visitors.started, paths, strict=True):
        path = f"{state.runs_folder}/{name}"
        assert folder == Path(path.removesuffix(".ckpt"))
        assert f"--save_path={path}" in arguments
    assert f"--feature_store={state.runs_folder}/store" in arguments


@pytest.mark.parametrize("state", ["preparing", "running"])
def test_the_view_of_a_run_tells_how_far_its_task_is(tmp_path, state):
    writer = RunWriter.begin(tmp_path / "run.ckpt", {})
    writer.write_status(state)
    writer.report_task("choosing thresholds of events", 3, 12)
    view = RunView()
    view.follow(RunReader.open(tmp_path / "run"))
    view.update(state)
    assert f"{state}: choosing thresholds of events, 3 of 12" in html_of(view.widget)
    view.close()


@pytest.mark.parametrize("are_hidden", [False, True])
def test_what_a_run_lost_of_its_recordings_is_said_in_its_view(tmp_path, monkeypatch, are_hidden):
    monkeypatch.setattr(error_line_module, "_hides_folders", are_hidden)
    writer = RunWriter.begin(tmp_path / "run.ckpt", {})
    log = NoticeLog()
    for name in "<a>b":
        log.write(InputWarning("{path} is cut short", path=f"/data/{name}.wav"))
    log.begin(writer)
    view = RunView()
    view.follow(RunReader.open(tmp_path / "run"))
    view.update("running")
    html = html_of(view.widget)
    assert "4 warnings about the recordings, see log.txt" in html
    assert ("the first: /data/&lt;.wav is cut short" in html) is not are_hidden
    view.close()
