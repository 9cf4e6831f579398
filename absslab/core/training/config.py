"""The settings of a training."""

from dataclasses import dataclass
from typing import Any

import torch

from absslab.core.common.config import Config, option
from absslab.core.common.devices import PRECISIONS
from absslab.core.metrics.tagging import AVERAGES, METRICS
from absslab.core.training.losses import TAG_LOSSES
from absslab.core.training.schedules import SCHEDULES

OPTIMIZERS: dict[str, Any] = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}
LOSS = "loss"  # as a metric: the validation loss


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How the model is trained."""

    n_epochs: int = option(300, "passes over the training recordings", at_least=1)
    batch_size: int = option(24, "recordings per step", at_least=1)
    loss: str = option("BCE", "loss of the tags", choices=TAG_LOSSES, aliases=["loss_f"])
    l1_weight: float = option(
        0.3,
        "λ: (1 − λ) · loss of the tags + λ · mean of the masks of absent classes",
        at_least=0,
        at_most=1,
    )
    share_weight: float = option(
        0.0, "weight of the loss on shares of events and background", at_least=0
    )
    optimizer: str = option(
        "Adam", "Adam, or with decoupled weight decay AdamW", choices=OPTIMIZERS
    )
    learning_rate: float = option(1e-3, "of the optimizer; the highest one with oneCycle", above=0)
    weight_decay: float = option(1e-5, "of the optimizer", at_least=0)
    gradient_clip: float = option(0.0, "largest norm of the gradient; 0: any", at_least=0)
    scheduler_type: str = option("stepLR", "course of the learning rate", choices=SCHEDULES)
    scheduler_step_size: int = option(50, "stepLR: every so many", unit="epochs", at_least=1)
    scheduler_gamma: float = option(
        0.5, "stepLR, multiStepLR, reduceLROnPlateau: factor of a step", above=0, at_most=1
    )
    scheduler_milestones: tuple[int, ...] = option(
        (150, 300), "multiStepLR: after these", unit="epochs", at_least=1
    )
    scheduler_patience: int = option(
        5, "reduceLROnPlateau: without improvement", unit="evaluations", at_least=0
    )
    scheduler_warm_up: float = option(
        0.2, "oneCycle: part of the training that rises", above=0, at_most=0.9
    )
    average_decay: float = option(
        0.0,
        "decay per step of the running average of the weights, which is what is saved; 0: none",
        at_least=0,
        at_most=0.99999,
    )
    test_every: int = option(
        10, "evaluate every so many, and after the last", unit="epochs", at_least=1
    )
    metric: str = option(
        "roc_auc_score", "what the best model has best, on validation", choices=(*METRICS, LOSS)
    )
    metric_average: str = option("weighted", "of the metrics over the classes", choices=AVERAGES)
    thresholds: tuple[float, ...] = option((0.5,), "one, or one per class", at_least=0, at_most=1)
    patience: int = option(
        0, "stop after so many evaluations without a better one; 0: never", at_least=0
    )
    precision: str = option(
        "auto", "of the mask network's arithmetic", choices=("auto", *PRECISIONS)
    )
    seed: int = option(
        0, "of the weights, the order of the recordings and all augmentation", at_least=0
    )
