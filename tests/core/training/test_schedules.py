"""Schedules give the learning rates of torch, also after an interruption."""

from dataclasses import replace

import pytest
import torch
from torch.optim import lr_scheduler

from absslab.core.common.errors import InputError
from absslab.core.training.config import TrainingConfig
from absslab.core.training.schedules import SCHEDULES, build_schedule

N_EPOCHS = 12
STEPS = 3
SCORES = [0.5, 0.6, None, 0.6, 0.55, 0.6, None, 0.59, 0.7, 0.7, 0.6, 0.5]
CONFIGS = {
    "none": {},
    "stepLR": {"scheduler_step_size": 3, "scheduler_gamma": 0.5},
    "multiStepLR": {"scheduler_milestones": (2, 5, 5), "scheduler_gamma": 0.1},
    "reduceLROnPlateau": {"scheduler_patience": 1, "scheduler_gamma": 0.3},
    "oneCycle": {"scheduler_warm_up": 0.25},
}
every_type = pytest.mark.parametrize("name", SCHEDULES)


def config_of(name):
    return TrainingConfig(
        n_epochs=N_EPOCHS, learning_rate=0.01, scheduler_type=name, **CONFIGS[name]
    )


def optimizer_of(optimizer=torch.optim.Adam):
    return optimizer([torch.nn.Parameter(torch.zeros(1))], lr=0.01)


def epoch(optimizer, schedule, number):
    """Return the rate of each step of an epoch, and the one after it."""
    rates = []
    for _ in range(STEPS):
        rates.append(schedule.learning_rate)
        optimizer.step()
        schedule.after_step()
    schedule.after_epoch(SCORES[number])
    return [*rates, schedule.learning_rate]


def learning_rates(name):
    optimizer = optimizer_of()
    schedule = build_schedule(optimizer, config_of(name), STEPS)
    return [epoch(optimizer, schedule, number) for number in range(N_EPOCHS)]


def build_torch_scheduler(name, optimizer):
    """Return the scheduler of torch, and when it steps."""
    return {
        "none": lambda: (None, None),
        "stepLR": lambda: (lr_scheduler.StepLR(optimizer, 3, 0.5), "epoch"),
        "multiStepLR": lambda: (lr_scheduler.MultiStepLR(optimizer, (2, 5, 5), 0.1), "epoch"),
        "reduceLROnPlateau": lambda: (
            lr_scheduler.ReduceLROnPlateau(optimizer, "max", 0.3, 1),
            "score",
        ),
        "oneCycle": lambda: (
            lr_scheduler.OneCycleLR(
                optimizer,
                0.01,
                N_EPOCHS * STEPS + 1,
                pct_start=0.25,
                final_div_factor=100,
                cycle_momentum=False,
            ),
            "step",
        ),
    }[name]()


@every_type
def test_the_course_is_that_of_torchs_own_scheduler(name):
    optimizer = optimizer_of()
    scheduler, when = build_torch_scheduler(name, optimizer)
    expected = []
    for number in range(N_EPOCHS):
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if when == "step":
                scheduler.step()
        if when == "epoch":
            scheduler.step()
        if when == "score" and SCORES[number] is not None:
            scheduler.step(SCORES[number])
        expected.append([*rates, optimizer.param_groups[0]["lr"]])
    assert learning_rates(name) == expected


def test_by_hand_the_thesis_rate_halves_every_so_many_epochs():
    rates = [rates[0] for rates in learning_rates("stepLR")]
    assert rates == [0.01] * 3 + [0.005] * 3 + [0.0025] * 3 + [0.00125] * 3
    assert {rates[0] for rates in learning_rates("none")} == {0.01}


def test_schedules_that_count_steps_are_those_of_torch_stepped_after_each():
    for name in ("stepLR", "multiStepLR"):
        optimizer = optimizer_of()
        config = replace(config_of(name), scheduler_unit="steps")
        schedule = build_schedule(optimizer, config, STEPS)
        rates = []
        for number in range(N_EPOCHS):
            rates += epoch(optimizer, schedule, number)[:STEPS]
        optimizer = optimizer_of()
        scheduler, _ = build_torch_scheduler(name, optimizer)
        expected = []
        for _ in range(N_EPOCHS * STEPS):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert rates == expected


def test_one_cycle_ends_with_the_last_step_where_length_is_in_steps():
    config = TrainingConfig(n_steps=7, learning_rate=0.01, scheduler_type="oneCycle")
    assert build_schedule(optimizer_of(), config, STEPS).total_steps == 7


def test_milestones_multiply_the_rate_and_a_double_one_twice():
    rates = [rates[0] for rates in learning_rates("multiStepLR")]
    assert rates == pytest.approx([0.01] * 2 + [0.001] * 3 + [0.00001] * 7)


def test_the_rate_falls_when_the_score_has_not_risen_for_longer_than_the_patience():
    """The rate is multiplied by 0.3 after two validations without improvement.

    The score is 0.6 in epoch 2; it is not better in 4 and 5, in 6 and 8, nor in 10 and 11.
    """
    rates = [rates[0] for rates in learning_rates("reduceLROnPlateau")]
    assert rates == pytest.approx([0.01] * 5 + [0.003] * 3 + [0.0009] * 3 + [0.00027])


def test_one_cycle_rises_to_the_learning_rate_and_ends_near_zero():
    rates = [rate for rates in learning_rates("oneCycle") for rate in rates[:STEPS]]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.01, rel=0.01)  # the peak lies between two steps
    assert top == pytest.approx(0.25 * len(rates), abs=1)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.0001


@every_type
@pytest.mark.parametrize("cut", [1, 4, 6, 11])
@pytest.mark.reference_flaw("a resumed training forgot its learning-rate schedule")
def test_a_course_that_is_cut_goes_on_as_if_it_were_not(name, cut, tmp_path):
    optimizer = optimizer_of()
    schedule = build_schedule(optimizer, config_of(name), STEPS)
    rates = [epoch(optimizer, schedule, number) for number in range(cut)]
    torch.save([optimizer.state_dict(), schedule.state_dict()], tmp_path / "state")
    of_optimizer, of_schedule = torch.load(tmp_path / "state", weights_only=True)
    optimizer = optimizer_of()
    schedule = build_schedule(optimizer, config_of(name), STEPS)
    optimizer.load_state_dict(of_optimizer)
    schedule.load_state_dict(of_schedule)
    rates += [epoch(optimizer, schedule, number) for number in range(cut, N_EPOCHS)]
    assert rates == learning_rates(name)


def test_more_steps_than_planned_leave_one_cycle_at_its_end():
    optimizer = optimizer_of()
    schedule = build_schedule(optimizer, config_of("oneCycle"), STEPS)
    for number in [*range(N_EPOCHS), 0]:
        rates = epoch(optimizer, schedule, number)
    assert len(set(rates)) == 1


@every_type
@pytest.mark.reference_flaw(
    "a schedule had one name where it was built and another where it was stepped"
)
def test_the_name_on_the_command_line_is_the_name_of_the_schedule(name):
    assert type(build_schedule(optimizer_of(), config_of(name), STEPS)) is SCHEDULES[name]


def test_an_unknown_name_is_refused():
    with pytest.raises(
        InputError, match=r"scheduler_type is 'StepLR': expected one of none, stepLR"
    ):
        TrainingConfig(scheduler_type="StepLR")


def test_a_score_that_is_negative_and_stays_the_same_is_no_improvement():
    optimizer = optimizer_of()
    schedule = build_schedule(optimizer, config_of("reduceLROnPlateau"), STEPS)
    for _ in range(4):
        schedule.after_epoch(-1.0)  # a loss, negated so that larger is better
    assert schedule.learning_rate < 0.01


@pytest.mark.parametrize("n_steps", range(1, 11))
@pytest.mark.parametrize("warm_up", [0.1, 0.2, 0.25, 0.5, 0.9])
def test_one_cycle_has_a_course_however_short_the_training(n_steps, warm_up):
    config = TrainingConfig(
        n_epochs=1, learning_rate=0.01, scheduler_type="oneCycle", scheduler_warm_up=warm_up
    )
    optimizer = optimizer_of()
    schedule = build_schedule(optimizer, config, n_steps)
    for _ in range(n_steps):
        assert 0 < schedule.learning_rate <= 0.01
        optimizer.step()
        schedule.after_step()
