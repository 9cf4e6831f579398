"""Progress of long work, and functions that run it to its end.

Long work is a generator that yields its progress and *returns* its result. A command, a panel and
a test run the same generator.
"""

import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from absslab.core.common.signals import raise_if_interrupted

Step = TypeVar("Step")
Result = TypeVar("Result")
LINE_INTERVAL = 5.0  # s between two lines of progress if stderr is a file


@dataclass(frozen=True)
class Progress:
    """Progress of long work.

    Args:
        done: number of items that are done.
        total: number of all items; 0 as long as it is not known.
        stage: name of the current stage, a few words; empty in the main stage.
    """

    done: int
    total: int
    stage: str = ""


Steps = Generator[Progress, None, Result]  # long work with a result


def run_to_end(steps: Generator[object, None, Result]) -> Result:
    """Run long work without showing its progress, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


class LongWork(Generic[Step, Result]):
    """Long work that keeps its result: iterate over it, then take `result`.

    Args:
        steps: generator that yields the progress and returns the result.
    """

    result: Result

    def __init__(self, steps: Generator[Step, None, Result]):
        self._steps = steps

    def __iter__(self) -> Iterator[Step]:
        """Yield the progress; keep the result at the end."""
        self.result = yield from self._steps


def name_stage(steps: Steps[Result], stage: str) -> Steps[Result]:
    """Yield the steps of a part of long work with the name of its stage, and return its result.

    Args:
        steps: steps of the part.
        stage: name of the stage, a few words.
    """
    work = LongWork(steps)
    for step in work:
        yield replace(step, stage=stage)
    return work.result


def run_with_progress(steps: Steps[Result], text: str, unit: str) -> Result:
    """Run long work and show its progress: a bar in a terminal, otherwise a line now and then.

    If the progress can't be shown, the work is closed too, so that it cleans up at once.

    Args:
        steps: generator that yields the progress and returns the result.
        text: description of the work, such as "scored".
        unit: name of an item, in the singular.

    Returns:
        the result of the work.
    """
    work = LongWork(steps)
    with closing(steps):
        if sys.stderr.isatty():
            _show_bar(work, text, unit)
        else:
            _print_lines(work, text, unit)
    return work.result


def _print_lines(steps: Iterable[Progress], text: str, unit: str) -> None:
    printed_at = time.monotonic()
    for step in steps:
        raise_if_interrupted()
        if time.monotonic() - printed_at >= LINE_INTERVAL:
            task = step.stage or text
            print(f"{task}: {step.done} of {step.total} {unit}s", file=sys.stderr, flush=True)
            printed_at = time.monotonic()


def _show_bar(steps: Iterable[Progress], text: str, unit: str) -> None:
    from tqdm import tqdm

    with tqdm(
        desc=text, unit=f" {unit}s", file=sys.stderr, leave=False, unit_scale=unit == "sample"
    ) as bar:
        stage = ""
        for step in steps:
            raise_if_interrupted()
            if step.stage != stage:
                stage = step.stage
                bar.reset()
                bar.set_description(stage or text)
            bar.total = step.total
            bar.update(step.done - bar.n)
