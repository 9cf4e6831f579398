"""What a terminal or a notebook prints of a training: a line per epoch."""

import sys
from collections.abc import Iterable

from absslab.core.training.trainer import EpochResult, StepDone


def print_epochs(events: Iterable[StepDone | EpochResult], metric: str) -> None:
    """Print a line per epoch, and show between them how far it is."""
    from tqdm import tqdm

    with tqdm(unit=" steps", file=sys.stderr, disable=not sys.stderr.isatty(), leave=False) as bar:
        for event in events:
            if isinstance(event, EpochResult):
                with tqdm.external_write_mode():
                    print(_line(event, metric), flush=True)
                continue
            if event.step == 1:
                bar.reset(total=event.n_steps)
                bar.set_description(f"epoch {event.epoch}", refresh=False)
            bar.update()


def _line(result: EpochResult, metric: str) -> str:
    parts = "  ".join(f"{name} {value:.4f}" for name, value in result.losses.items())
    line = f"epoch {result.epoch:3}/{result.n_epochs}  {result.seconds:6.1f} s  {parts}"
    if result.metrics:
        names = dict.fromkeys([metric, "roc_auc_score", "f1-score"])
        scores = "  ".join(f"{name} {format_score(result.metrics[name])}" for name in names)
        line += f"  |  validation {scores}{'  best' * result.is_best}"
    return line


def format_score(value: float | None) -> str:
    """A score, or a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"
