"""Courses of the learning rate, under one name from the command line to the step."""

from typing import Any

import torch
from torch.optim import lr_scheduler

from absslab.core.training.config import TrainingConfig


class Schedule:
    """Sets the learning rate: after each step (oneCycle), each epoch, or each evaluation (reduceLROnPlateau).

    Args:
        optimizer: whose rate it sets.
        config: type and parameters.
        steps_per_epoch: optimizer steps of an epoch.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, config: TrainingConfig, steps_per_epoch: int
    ):
        self.optimizer, self.type, self.n_steps_done = optimizer, config.scheduler_type, 0
        self.total_steps = config.n_epochs * steps_per_epoch
        self.scheduler: Any = None
        match self.type:
            case "stepLR":
                self.scheduler = lr_scheduler.StepLR(
                    optimizer, config.scheduler_step_size, config.scheduler_gamma
                )
            case "multiStepLR":
                self.scheduler = lr_scheduler.MultiStepLR(
                    optimizer, config.scheduler_milestones, config.scheduler_gamma
                )
            case "reduceLROnPlateau":
                self.scheduler = lr_scheduler.ReduceLROnPlateau(
                    optimizer,
                    mode="max",
                    factor=config.scheduler_gamma,
                    patience=config.scheduler_patience,
                    threshold_mode="abs",  # a relative one takes an equal negative score for a better one
                )
            case "oneCycle":
                self.scheduler = lr_scheduler.OneCycleLR(
                    optimizer,
                    config.learning_rate,
                    total_steps=self.total_steps + 1,
                    pct_start=max(
                        config.scheduler_warm_up, 1.5 / (self.total_steps + 1)
                    ),  # of a whole step, torch divides by 0
                    final_div_factor=100,
                    cycle_momentum=False,
                )

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def after_step(self) -> None:
        """Call after each step of the optimizer."""
        self.n_steps_done += 1
        if self.type == "oneCycle" and self.n_steps_done <= self.total_steps:
            self.scheduler.step()

    def after_epoch(self, score: float | None) -> None:
        """Call after each epoch, with the score (larger is better) where it was evaluated."""
        if self.type in ("stepLR", "multiStepLR"):
            self.scheduler.step()
        elif self.type == "reduceLROnPlateau" and score is not None:
            self.scheduler.step(score)

    def state_dict(self) -> dict[str, Any]:
        """All that resuming needs, as plain data."""
        inner = self.scheduler.state_dict() if self.scheduler else {}
        kept = {
            key: value
            for key, value in inner.items()
            if isinstance(value, int | float | str | list | dict | bool)
        }
        return {
            "n_steps_done": self.n_steps_done,
            "scheduler": {k: dict(v) if isinstance(v, dict) else v for k, v in kept.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.n_steps_done = state["n_steps_done"]
        if self.scheduler:
            self.scheduler.load_state_dict({**self.scheduler.state_dict(), **state["scheduler"]})
