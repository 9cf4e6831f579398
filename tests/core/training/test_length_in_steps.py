"""A training that is measured in steps: its length, its schedule, and going on with it."""

from dataclasses import replace

import pytest
import torch

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.model.checkpoint import read_checkpoint
from absslab.core.runs.benchmark import training_steps
from absslab.core.training.events import EpochResult, StepDone
from absslab.core.training.experiment import Experiment
from absslab.core.training.recipes import apply_recipe
from absslab.core.training.settings import Settings


@pytest.fixture
def make_settings(mixtures, tmp_path):
    """Return a function that makes settings of a small training; an epoch has 3 steps."""

    def make(name, **changes):
        flags = {
            "data_folder": str(mixtures),
            "save_path": str(tmp_path / f"{name}.ckpt"),
            "channels": (4, 4),
            "drop_out_probs": (0.1,),
            "batch_size": 8,
            "test_every": 1,
            "n_steps": 5,
            "choose_thresholds": "none",
            "device": "cpu",
        }
        return Settings.from_flags(flags | changes)

    return make


def run(experiment):
    return list(experiment.run())


def steps_of(events):
    return [(event.epoch, event.step, event.n_steps) for event in events if type(event) is StepDone]


def results_of(events):
    return [event for event in events if isinstance(event, EpochResult)]


def test_the_last_epoch_has_the_steps_that_are_left(make_settings):
    events = run(Experiment(make_settings("a")))
    assert steps_of(events) == [(1, 1, 3), (1, 2, 3), (1, 3, 3), (2, 1, 2), (2, 2, 2)]
    first, last = results_of(events)
    assert (first.n_epochs, last.n_epochs) == (2, 2)
    assert last.metrics is not None
    assert 0.1 < last.losses["total"] / first.losses["total"] < 2  # a mean over its own steps


def test_its_progress_in_a_benchmark_never_falls(make_settings):
    steps = training_steps(Experiment(make_settings("a")).run(), "trained")
    progress = [step for step in steps if step.stage == "trained"]
    assert [step.done for step in progress] == [1, 2, 3, 4, 5]
    assert {step.total for step in progress} == {6}  # of two whole epochs


def test_steps_replace_epochs_and_those_of_a_recipe(make_settings):
    events = run(Experiment(make_settings("a", n_steps=2, n_epochs=7, least_steps=9)))
    assert steps_of(events) == [(1, 1, 2), (1, 2, 2)]
    recipe = {"n_steps": 10_000, "batch_size": 24}
    assert apply_recipe(recipe, {"n_epochs": 2}) == {"n_epochs": 2, "batch_size": 24}
    assert apply_recipe(recipe, {"n_steps": 9}) == recipe | {"n_steps": 9}


def test_few_evaluations_count_epochs_and_the_last_is_made(make_settings):
    results = results_of(run(Experiment(make_settings("a", n_steps=8, test_every=2))))
    assert [result.metrics is not None for result in results] == [False, True, True]


@pytest.mark.parametrize("scheduler", ["stepLR", "multiStepLR", "reduceLROnPlateau", "oneCycle"])
def test_a_run_that_was_cut_ends_with_the_same_weights(make_settings, tmp_path, scheduler):
    schedule = dict(
        scheduler_type=scheduler, scheduler_step_size=2, scheduler_milestones=(1, 4), n_steps=8
    )
    whole = make_settings("whole", scheduler_unit="steps", **schedule)
    run(Experiment(whole))
    cut = replace(whole, run=replace(whole.run, save_path=str(tmp_path / "cut.ckpt")))
    steps = Experiment(cut).run()
    next(event for event in steps if isinstance(event, StepDone) and event.epoch == 2)
    steps.close()
    resumed = run(Experiment.resume(tmp_path / "cut/last.ckpt"))
    assert [step[:2] for step in steps_of(resumed)] == [(2, 1), (2, 2), (2, 3), (3, 1), (3, 2)]
    expected, found = (
        read_checkpoint(tmp_path / name / "last.ckpt")["resume"] for name in ("whole", "cut")
    )
    assert expected["schedule"] == found["schedule"]
    for name, value in expected["weights"].items():
        assert torch.equal(value, found["weights"][name]), name
    for state, other in zip(
        expected["optimizer"]["state"].values(), found["optimizer"]["state"].values(), strict=True
    ):
        assert all(torch.equal(state[name], other[name]) for name in state)


def test_the_steps_change_the_rate_within_an_epoch(make_settings, tmp_path):
    changes = {"scheduler_unit": "steps", "scheduler_step_size": 2, "scheduler_gamma": 0.1}
    (_, last) = results_of(run(Experiment(make_settings("a", learning_rate=0.01, **changes))))
    assert last.learning_rate == pytest.approx(1e-4)  # after 2 and 4 of 5 steps


def test_a_finished_run_goes_on_with_more_steps_and_with_exactly_these(make_settings, tmp_path):
    run(Experiment(make_settings("a")))
    last = tmp_path / "a/last.ckpt"
    assert steps_of(run(Experiment.resume(last))) == []
    longer = run(Experiment.resume(last, {"n_steps": 9}))
    assert steps_of(longer) == [(3, 1, 3), (3, 2, 3), (3, 3, 3), (4, 1, 1)]
    assert read_checkpoint(last)["resume"]["schedule"]["n_steps_done"] == 9


def test_a_run_goes_on_with_the_settings_that_began_it(make_settings, tmp_path):
    run(Experiment(make_settings("a", n_epochs=7)))
    resumed = Experiment.resume(tmp_path / "a/last.ckpt", {"n_epochs": 7, "n_steps": 5})
    assert resumed.settings.training.n_steps == 5


@pytest.mark.parametrize(
    ("n_steps", "changes", "message"),
    [
        (5, {"n_steps": 4}, "n_steps is 4, but 5 steps are done: pass a larger number"),
        (
            5,
            {"n_epochs": 9},
            "n_epochs is 9, but the length of this run is n_steps 5: pass another",
        ),
        (None, {"n_steps": 9}, "n_steps is 9, but the length of this run is in epochs: pass"),
        (
            5,
            {"n_steps": None},
            "n_steps is none, but the length of this run is 5 steps: pass another",
        ),
        (5, {"scheduler_unit": "steps"}, "scheduler_unit can't change from epochs when a run is"),
    ],
)
def test_another_kind_of_length_is_refused(make_settings, tmp_path, n_steps, changes, message):
    run(Experiment(make_settings("a", n_steps=n_steps, n_epochs=1)))
    with pytest.raises(InputError) as caught:
        Experiment.resume(tmp_path / "a/last.ckpt", changes)
    assert str(caught.value).startswith(message)


def test_loaders_that_read_ahead_end_with_the_training(make_settings):
    events = run(Experiment(make_settings("a", in_memory=False, n_loaders=1)))
    assert len(steps_of(events)) == 5


def test_the_command_says_how_many_epochs_the_steps_take(mixtures, tmp_path, capsys):
    flags = f"--data_folder {mixtures} --save_path {tmp_path}/m.ckpt --n_steps 4 --channels 4 4"
    flags += " --batch_size 8 --device cpu --choose_thresholds none"
    assert main(["train", *flags.split()]) == 0
    assert "4 steps, in 2 epochs" in capsys.readouterr().out
    assert main(["train", "--checkpoint_path", f"{tmp_path}/m/last.ckpt"]) == 0
    assert "--n_steps N (more than 4)" in capsys.readouterr().out
