"""The settings of a training."""

from dataclasses import dataclass

from absslab.core.common.config import Config, option
from absslab.core.common.devices import PRECISIONS
from absslab.core.metrics.tagging import AVERAGES, METRICS
from absslab.core.training.losses import TAG_LOSSES
from absslab.core.training.optimizers import OPTIMIZERS
from absslab.core.training.schedules import SCHEDULER_UNITS, SCHEDULES

SUPERVISIONS = ("weak", "events", "sources")
LOSS = "loss"  # as a metric: the validation loss


@dataclass(frozen=True)
class TrainingConfig(Config):
    """Settings of the training."""

    n_epochs: int = option(300, "number of passes over the training recordings", at_least=1)
    least_steps: int = option(
        0,
        "train more epochs than n_epochs if these have fewer steps; few recordings need more",
        unit="steps",
        at_least=0,
    )
    n_steps: int | None = option(
        None,
        "length of the training in steps of the optimizer, instead of n_epochs; the last epoch may "
        "be cut short",
        unit="steps",
        at_least=1,
    )
    batch_size: int = option(24, "number of recordings per step", at_least=1)
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
    absent_classes: int = option(
        32,
        "number of classes absent from a batch whose masks a training step computes, half of them "
        "the likeliest, and half drawn at random, which stand for the rest; 0: those of all",
        at_least=0,
    )
    steady_classes: bool = option(
        True,
        "whether the loss on shares looks for classes that sound steadily, such as rain or a fan, "
        "and does not take them for background",
    )
    supervision: str = option(
        "weak",
        "what the masks are trained with: weak labels; events, strong labels; sources, the true "
        "sources that absslab mix saves, as an upper bound",
        choices=SUPERVISIONS,
    )
    optimizer: str = option(
        "Adam", "Adam, or AdamW with decoupled weight decay", choices=OPTIMIZERS
    )
    learning_rate: float = option(
        1e-3, "learning rate of the optimizer; with oneCycle, the highest one", above=0
    )
    weight_decay: float = option(1e-5, "weight decay of the optimizer", at_least=0)
    gradient_clip: float = option(0.0, "largest norm of the gradient; 0: no limit", at_least=0)
    scheduler_type: str = option("stepLR", "schedule of the learning rate", choices=SCHEDULES)
    scheduler_unit: str = option(
        "epochs",
        "stepLR, multiStepLR: what scheduler_step_size and scheduler_milestones count: epochs, or "
        "steps of the optimizer",
        choices=SCHEDULER_UNITS,
    )
    scheduler_step_size: int = option(
        50,
        "stepLR: time from one step of the learning rate to the next, in scheduler_unit",
        at_least=1,
    )
    scheduler_gamma: float = option(
        0.5,
        "stepLR, multiStepLR, reduceLROnPlateau: factor of the learning rate in a step",
        above=0,
        at_most=1,
    )
    scheduler_milestones: tuple[int, ...] = option(
        (150, 300), "multiStepLR: times at which a step is made, in scheduler_unit", at_least=1
    )
    scheduler_patience: int = option(
        5,
        "reduceLROnPlateau: time without improvement before a step",
        unit="evaluations",
        at_least=0,
    )
    scheduler_warm_up: float = option(
        0.2,
        "oneCycle: fraction of the training in which the learning rate rises",
        above=0,
        at_most=0.9,
    )
    average_decay: float = option(
        0.0,
        "decay per step of a running average of the weights, which is saved instead of the last "
        "weights; 0: no average",
        at_least=0,
        at_most=0.99999,
    )
    test_every: int = option(
        10,
        "evaluate after every so many epochs, and after the last; epochs also where n_steps counts "
        "steps",
        unit="epochs",
        at_least=1,
    )
    metric: str = option(
        "roc_auc_score",
        "validation metric by which the best model is chosen",
        choices=(*METRICS, LOSS),
    )
    metric_average: str = option(
        "weighted", "average of the metrics over the classes", choices=AVERAGES
    )
    thresholds: tuple[float, ...] = option(
        (0.5,),
        "probability from which on a class is tagged: one for all, or one per class",
        at_least=0,
        at_most=1,
    )
    patience: int = option(
        0, "stop after so many evaluations without improvement; 0: do not stop early", at_least=0
    )
    precision: str = option(
        "auto", "number format of the mask network's arithmetic", choices=("auto", *PRECISIONS)
    )
    initial_weights: str | None = option(
        None,
        "model to begin with, a checkpoint of the same settings: its weights are copied, those of "
        "a class by the class's name; new classes begin anew",
        metavar="FILE",
    )
    seed: int = option(
        0,
        "random seed of the weights, the order of the recordings and the augmentation",
        at_least=0,
    )

    def count_epochs(self, steps_per_epoch: int) -> int:
        """Return the number of epochs of a training that is not measured in steps."""
        return max(self.n_epochs, -(-self.least_steps // steps_per_epoch))

    def count_steps(self, steps_per_epoch: int) -> int:
        """Return the number of steps of the whole training."""
        if self.n_steps is not None:
            return self.n_steps
        return self.count_epochs(steps_per_epoch) * steps_per_epoch
