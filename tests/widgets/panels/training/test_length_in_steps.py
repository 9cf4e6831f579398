"""A training whose length is counted in steps is lengthened in steps."""

import time
from dataclasses import replace

import pytest

from absslab.core.training.experiment import Experiment
from absslab.core.training.run_directory import RunReader
from absslab.widgets.panels import State
from absslab.widgets.panels.training import TrainingPanel


@pytest.fixture
def run_of_three_steps(settings, tmp_path):
    save_path = tmp_path / "runs" / "short.ckpt"
    training = replace(settings.training, n_steps=3)
    run = replace(settings.run, save_path=str(save_path), device="cpu")
    for _ in Experiment(replace(settings, training=training, run=run)).run():
        pass
    return save_path.with_suffix("")


@pytest.fixture
def panel(tmp_path):
    panel = TrainingPanel(State(runs_folder=str(tmp_path / "runs")))
    yield panel
    panel.close()


def read_n_steps(folder):
    return RunReader.open(folder).config["training"]["n_steps"]


def test_a_training_in_steps_is_lengthened_by_the_button(panel, run_of_three_steps, settle):
    panel.attach(run_of_three_steps)
    assert (panel.up_to.description, panel.up_to.value) == ("up to step", 3)
    panel.up_to.value = 5
    panel.resume_button.click()
    settle()
    end = time.monotonic() + 120
    while panel.follower.is_live:
        assert time.monotonic() < end
        time.sleep(0.05)
        panel.follower.update()
    assert panel.follower.state == "finished", panel.message
    assert read_n_steps(run_of_three_steps) == 5


def test_python_lengthens_it_too_and_as_planned_means_no_flag(
    panel, run_of_three_steps, settle, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        panel.launcher, "resume", lambda folder, n_epochs, *, n_steps: asked.append(n_steps)
    )
    panel.attach(run_of_three_steps)
    for n_steps in (7, 3, None):
        panel.resume(n_steps=n_steps)
        settle()
    assert asked == [7, None, None]


def test_another_run_is_lengthened_in_epochs(panel, run_of_three_steps, checkpoint):
    panel.attach(run_of_three_steps)
    panel.attach(checkpoint.with_suffix(""))
    assert panel.up_to.description == "up to epoch"
    assert panel.up_to.value == RunReader.open(checkpoint.with_suffix("")).status().n_epochs
