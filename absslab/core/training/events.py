"""Events that a training yields while it prepares and runs, as small frozen dataclasses."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from absslab.core.common.left_out import LeftOut


@dataclass(frozen=True)
class TaskStep:
    """A step of a task that is done before the first epoch or after the last one."""

    task: str  # a few words, such as "checking recordings"
    done: int
    total: int


@dataclass(frozen=True)
class TrainingStarted:
    """The preparation is over; the fields say what is trained, and on which device."""

    device: str
    precision: str
    n_recordings: int
    n_validation_recordings: int
    n_classes: int
    epoch: int  # that is done already; 0: a new run
    n_epochs: int
    n_left_out: int = 0  # recordings that can't be used
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepDone:
    """One step of the optimizer is done."""

    epoch: int
    step: int
    n_steps: int


@dataclass(frozen=True)
class EpochResult:
    """The result of one epoch."""

    epoch: int  # from 1
    n_epochs: int
    losses: dict[str, float]  # training: total and its parts
    learning_rate: float  # at the end
    seconds: float
    recordings_per_second: float
    metrics: dict[str, float | None] | None = None  # validation, in epochs that evaluate
    per_class: dict[str, dict[str, float | None]] | None = None  # class → metric → value
    is_best: bool = False
    gpu_memory: int | None = None  # bytes, the most so far
    pcen: dict[str, list[float]] | None = None  # its parameters at the end, if they are learnt
    process_rates: list[float] | None = None  # recordings/s of each process without its waiting

    def to_json(self) -> dict[str, Any]:
        """Return plain data, as JSON holds it."""
        return asdict(self)


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended; its generator returns it."""

    state: str  # finished or stopped
    epoch: int  # the last one that is done
    n_epochs: int  # that were planned
    save_path: Path  # of the best model
    last_checkpoint: Path  # from which the run can be resumed
    left_out: LeftOut = field(default_factory=lambda: LeftOut("train"), compare=False)


TrainingEvent = TaskStep | TrainingStarted | StepDone | EpochResult
