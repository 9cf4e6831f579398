"""Schedules of the learning rate, per epoch or per step."""

import warnings
from typing import Any, Self

import torch
from torch.optim import lr_scheduler

from absslab.core.common.errors import InputWarning
from absslab.core.common.notices import give_notice

SCHEDULER_UNITS = ("epochs", "steps")


class Schedule:
    """A constant learning rate; the other schedules are derived from it.

    Args:
        optimizer: whose rate it sets.
        scheduler: PyTorch's own, where there is one.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, scheduler: Any = None):
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.n_steps_done = 0

    @classmethod
    def build(cls, optimizer: torch.optim.Optimizer, config: Any, steps_per_epoch: int) -> Self:
        """Build the schedule that a config describes.

        Args:
            optimizer: whose rate it sets.
            config: the `TrainingConfig`, which takes its choices from the registry below.
            steps_per_epoch: optimizer steps of an epoch.
        """
        return cls(optimizer)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def after_step(self) -> None:
        """Call after each step of the optimizer."""
        self.n_steps_done += 1

    def after_epoch(self, score: float | None) -> None:
        """Call after each epoch, with the score (larger is better) if it was evaluated."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is needed for resuming, as plain data."""
        state = self.scheduler.state_dict() if self.scheduler else {}
        plain = {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in state.items()
            if isinstance(value, int | float | str | list | dict | bool)
        }
        return {"n_steps_done": self.n_steps_done, "scheduler": plain}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self.n_steps_done = state["n_steps_done"]
        if self.scheduler:
            self.scheduler.load_state_dict({**self.scheduler.state_dict(), **state["scheduler"]})


class CountingSchedule(Schedule):
    """The base of schedules that count epochs, or steps of the optimizer.

    Args:
        optimizer: whose rate it sets.
        scheduler: PyTorch's own.
        unit: what it counts, one of `SCHEDULER_UNITS`.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, scheduler: Any, unit: str):
        super().__init__(optimizer, scheduler)
        self.unit = unit

    def after_step(self) -> None:
        """Count the step."""
        super().after_step()
        if self.unit == "steps":
            self.scheduler.step()

    def after_epoch(self, score: float | None) -> None:
        """Count the epoch."""
        if self.unit == "epochs":
            with warnings.catch_warnings():
                # A run that goes on after the last step of an epoch has not called the optimizer.
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
                self.scheduler.step()


class StepSchedule(CountingSchedule):
    """Multiplies the rate by a factor after every so many epochs or steps."""

    @classmethod
    def build(cls, optimizer: torch.optim.Optimizer, config: Any, steps_per_epoch: int) -> Self:
        """Build the schedule that a config describes."""
        scheduler = lr_scheduler.StepLR(
            optimizer, config.scheduler_step_size, config.scheduler_gamma
        )
        return cls(optimizer, scheduler, config.scheduler_unit)


class MilestoneSchedule(CountingSchedule):
    """Multiplies the rate by a factor after certain epochs or steps."""

    @classmethod
    def build(cls, optimizer: torch.optim.Optimizer, config: Any, steps_per_epoch: int) -> Self:
        """Build the schedule that a config describes."""
        scheduler = lr_scheduler.MultiStepLR(
            optimizer, config.scheduler_milestones, config.scheduler_gamma
        )
        return cls(optimizer, scheduler, config.scheduler_unit)


class PlateauSchedule(Schedule):
    """Multiplies the rate by a factor when the score has not risen for so many evaluations."""

    @classmethod
    def build(cls, optimizer: torch.optim.Optimizer, config: Any, steps_per_epoch: int) -> Self:
        """Build the schedule that a config describes."""
        scheduler = lr_scheduler.ReduceLROnPlateau(
            optimizer,
            mode="max",
            factor=config.scheduler_gamma,
            patience=config.scheduler_patience,
            threshold_mode="abs",  # a relative one takes an equal negative score for better
        )
        return cls(optimizer, scheduler)

    def after_epoch(self, score: float | None) -> None:
        """Count the evaluation, if there was one."""
        if score is not None:
            self.scheduler.step(score)


class OneCycleSchedule(Schedule):
    """Raises the rate step by step, then lowers it to almost 0 at the end of the training.

    Args:
        optimizer: whose rate it sets.
        scheduler: PyTorch's own.
        total_steps: of the whole training.
        steps_per_epoch: optimizer steps of an epoch.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        scheduler: Any,
        total_steps: int,
        steps_per_epoch: int,
    ):
        super().__init__(optimizer, scheduler)
        self.total_steps = total_steps
        self.steps_per_epoch = steps_per_epoch

    @classmethod
    def build(cls, optimizer: torch.optim.Optimizer, config: Any, steps_per_epoch: int) -> Self:
        """Build the schedule that a config describes."""
        total_steps = config.count_steps(steps_per_epoch)
        n_rates = total_steps + 1
        shortest_rise = 1.5 / n_rates  # PyTorch divides by 0 if the rise is a whole step
        scheduler = lr_scheduler.OneCycleLR(
            optimizer,
            config.learning_rate,
            total_steps=n_rates,
            pct_start=max(config.scheduler_warm_up, shortest_rise),
            final_div_factor=100,
            cycle_momentum=False,
        )
        return cls(optimizer, scheduler, total_steps, steps_per_epoch)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; one of another length goes on at its place in the new plan."""
        planned_rates = state["scheduler"].get("total_steps", self.total_steps + 1)
        if planned_rates == self.total_steps + 1:
            super().load_state_dict(state)
            return
        self.n_steps_done = state["n_steps_done"]
        n_rates_passed = min(self.n_steps_done, self.total_steps)
        self.scheduler.load_state_dict(
            {
                **self.scheduler.state_dict(),
                "_step_count": state["scheduler"].get("_step_count", 2),
                "last_epoch": n_rates_passed - 1,
            }
        )
        self.scheduler.step()  # sets the rate of the next step
        if self.n_steps_done < self.total_steps:
            n_planned = planned_rates - 1
            unit = "steps"
            n_now = self.total_steps
            if n_now % self.steps_per_epoch == n_planned % self.steps_per_epoch == 0:
                unit = "epochs"
                n_now //= self.steps_per_epoch
                n_planned //= self.steps_per_epoch
            give_notice(
                InputWarning(
                    f"oneCycle plans the learning rate anew, for {n_now} {unit} instead of "
                    f"{n_planned}: it goes on at {self.learning_rate:.2g}"
                )
            )

    def after_step(self) -> None:
        """Set the rate of the next step."""
        super().after_step()
        if self.n_steps_done <= self.total_steps:
            self.scheduler.step()


SCHEDULES: dict[str, type[Schedule]] = {
    "none": Schedule,
    "stepLR": StepSchedule,
    "multiStepLR": MilestoneSchedule,
    "reduceLROnPlateau": PlateauSchedule,
    "oneCycle": OneCycleSchedule,
}


def build_schedule(optimizer: torch.optim.Optimizer, config: Any, steps_per_epoch: int) -> Schedule:
    """Build the schedule that a config names."""
    return SCHEDULES[config.scheduler_type].build(optimizer, config, steps_per_epoch)
