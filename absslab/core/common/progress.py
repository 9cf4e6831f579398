"""How far long work is, and a way to show it in a terminal."""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a long work is."""

    done: int
    total: int


BETWEEN_LINES = 5.0  # s between two signs of life where stderr is a file


def run_with_progress(progress: Iterable[Any], words: str, unit: str) -> None:
    """Iterate over a long work and show how far it is: a bar in a terminal, elsewhere a line now and then."""
    if not sys.stderr.isatty():
        said = time.monotonic()
        for step in progress:
            if time.monotonic() - said >= BETWEEN_LINES:
                print(f"{words}: {step.done} of {step.total} {unit}s", file=sys.stderr, flush=True)
                said = time.monotonic()
        return
    from tqdm import tqdm

    with tqdm(
        desc=words, unit=f" {unit}s", file=sys.stderr, leave=False, unit_scale=unit == "sample"
    ) as bar:
        for step in progress:
            bar.total = step.total
            bar.update(step.done - bar.n)
