"""Tell what is lost or changed while work goes on: sounds and labels never change without a word.

A notice is a warning of one line, whose paths are data like those of an `InputError`. Whoever runs
the work listens: the command line prints each line and counts them, a panel shows them. Where
nobody listens, a notice is an ordinary Python warning.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from absslab.core.common.errors import InputWarning

_listener: ContextVar[Callable[[InputWarning], object] | None] = ContextVar(
    "listener", default=None
)
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
def listen_to_notices(listener: Callable[[InputWarning], object]) -> Iterator[None]:
    """Give the notices of the block to a listener, each text once.

    Threads that the block starts have no listener of their own.
    """
    given: set[str] = set()

    def give_once(notice: InputWarning) -> None:
        if str(notice) not in given:
            given.add(str(notice))
            listener(notice)

    token = _listener.set(give_once)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def collect_notices() -> Iterator[list[InputWarning]]:
    """Collect the notices of the block in a list."""
    notices: list[InputWarning] = []
    with listen_to_notices(notices.append):
        yield notices


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
