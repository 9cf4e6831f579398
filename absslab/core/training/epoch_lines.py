"""Print a training in a terminal or a notebook: a line per epoch."""

import sys
from collections.abc import Generator, Iterable
from typing import Any

from absslab.core.common.streams import printable_text
from absslab.core.training.events import (
    EpochResult,
    StepDone,
    TaskStep,
    TrainingEvent,
)


def print_epochs(events: Iterable[TrainingEvent], metric: str) -> None:
    """Print a line per epoch; in a terminal a bar shows how far the current task or epoch is.

    The training is also closed when printing fails, so that it writes its final state at once.

    Args:
        events: events of a training.
        metric: the metric that selects the best model; each line has its value.
    """
    try:
        _print_events(events, metric)
    finally:
        if isinstance(events, Generator):
            events.close()


def format_score(value: float | None) -> str:
    """Return a score as text, or a dash if there is none."""
    return "–" if value is None else f"{value:.4f}"


def _print_events(events: Iterable[TrainingEvent], metric: str) -> None:
    from tqdm import tqdm

    task = ""
    with tqdm(file=sys.stderr, disable=not sys.stderr.isatty(), leave=False) as bar:
        for event in events:
            match event:
                case EpochResult():
                    with tqdm.external_write_mode():
                        print(printable_text(_format_epoch(event, metric)), flush=True)
                case TaskStep():
                    if event.task != task:
                        _start_task(bar, event.task, "recordings", event.total)
                        task = event.task
                    bar.update(event.done - bar.n)
                case StepDone():
                    if event.step == 1:
                        _start_task(bar, f"epoch {event.epoch}", "steps", event.n_steps)
                    bar.update(event.step - bar.n)


def _start_task(bar: Any, task: str, unit: str, total: int) -> None:
    """Start a new bar for another task."""
    bar.unit = f" {unit}"
    bar.reset(total=total)
    bar.set_description(task, refresh=False)


def _format_epoch(result: EpochResult, metric: str) -> str:
    losses = "  ".join(f"{name} {value:.4f}" for name, value in result.losses.items())
    line = f"epoch {result.epoch:3}/{result.n_epochs}  {result.seconds:6.1f} s  {losses}"
    if not result.metrics:
        return line
    names = dict.fromkeys([metric, "roc_auc_score", "f1-score"])
    scores = "  ".join(f"{name} {format_score(result.metrics[name])}" for name in names)
    best = "  best" if result.is_best else ""
    return f"{line}  |  validation {scores}{best}"
