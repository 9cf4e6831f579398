"""Tell what is lost or changed while work goes on: sounds and labels never change without a word.

A notice is a warning of one line, whose paths are data like those of an `InputError`. Whoever runs
the work listens: the command line prints each line and counts them, a panel shows them. Where
nobody listens, a notice is an ordinary Python warning.
"""

import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import TypeVar

from absslab.core.common.errors import InputWarning

Listener = Callable[[InputWarning], object]
Step = TypeVar("Step")
Result = TypeVar("Result")
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_are_left_to_parent = False


def leave_notices_to_parent(_number: int = 0) -> None:
    """Give no notice in this process any more: the one that it shares work with gives them.

    Args:
        _number: which worker of a `DataLoader` this is, whose `worker_init_fn` this may be.
    """
    global _are_left_to_parent
    _are_left_to_parent = True


def give_notice(notice: InputWarning) -> None:
    """Tell whoever listens, unless this process leaves it to its parent."""
    if _are_left_to_parent:
        return
    listener = _listener.get()
    if listener is None:
        warnings.warn(notice, stacklevel=2)
    else:
        listener(notice)


@contextmanager
def listen_to_notices(listener: Listener) -> Iterator[None]:
    """Give the notices of the block to a listener, each text once.

    Threads that the block starts have no listener of their own.
    """
    with _replace_listener(_give_once(listener)):
        yield


def copy_notices(
    steps: Generator[Step, None, Result], listener: Listener
) -> Generator[Step, None, Result]:
    """Give the notices of long work to one more listener, each text once.

    Whoever drains the work hears them as before.

    Args:
        steps: of the work; they are closed with this generator.
        listener: hears its notices too.

    Yields:
        the steps.

    Returns:
        the result of the work.
    """
    give_once = _give_once(listener)
    with closing(steps):
        while True:
            # The listener of whoever drains this may be another one at each step.
            with _replace_listener(_give_both(give_once, _listener.get())):
                try:
                    step = next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return result
            yield step


def _give_once(listener: Listener) -> Listener:
    given: set[str] = set()

    def give_once(notice: InputWarning) -> None:
        if str(notice) not in given:
            given.add(str(notice))
            listener(notice)

    return give_once


def _give_both(listener: Listener, other: Listener | None) -> Listener:
    def give_both(notice: InputWarning) -> None:
        listener(notice)
        if other is None:
            warnings.warn(notice, stacklevel=3)
        else:
            other(notice)

    return give_both


@contextmanager
def _replace_listener(listener: Listener) -> Iterator[None]:
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def collect_notices() -> Iterator[list[InputWarning]]:
    """Collect the notices of the block in a list, also in a process that otherwise gives none."""
    global _are_left_to_parent
    are_left_to_parent = _are_left_to_parent
    _are_left_to_parent = False
    notices: list[InputWarning] = []
    try:
        with listen_to_notices(notices.append):
            yield notices
    finally:
        _are_left_to_parent = are_left_to_parent


def summarise_notices(notices: list[InputWarning], *, names_only: bool = False) -> str:
    """Return a line about notices: the first, and how many more there are; empty if none.

    Args:
        notices: of some work.
        names_only: name files without their folders.
    """
    if not notices:
        return ""
    first = notices[0].with_names() if names_only else str(notices[0])
    n_more = len(notices) - 1
    return f"{first} (and {n_more} more)" if n_more else first
