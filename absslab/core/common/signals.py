"""Defer Ctrl-C in code that must not be interrupted, and never lose it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_interrupted = threading.Event()


@contextmanager
def remember_interrupts() -> Iterator[None]:
    """Remember that Ctrl-C was pressed, for `raise_if_interrupted`.

    Python drops the KeyboardInterrupt that comes while it runs a finaliser or a callback of a C
    library; the work would then go on as if nobody had pressed Ctrl-C. Where Ctrl-C is ignored, or
    has another handler, it stays so.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or before is not signal.default_int_handler:
        yield
        return
    _interrupted.clear()
    signal.signal(signal.SIGINT, _remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _interrupted.clear()


def _remember(number: int, frame: FrameType | None) -> None:
    _interrupted.set()
    signal.default_int_handler(number, frame)


def raise_if_interrupted() -> None:
    """Raise the KeyboardInterrupt that was dropped; call it between two steps of long work."""
    if _interrupted.is_set():
        raise KeyboardInterrupt


@contextmanager
def interrupt_on_termination() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C within the block, so that it cleans up before it ends.

    In another thread than the main one, which alone may set a handler, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _remember)  # also where Ctrl-C itself is ignored
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _interrupted.clear()


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Defer Ctrl-C to the end of the block.

    Processes that are started in the block never receive it: their parent handles it.
    """
    received = []
    # Only the main thread may set a handler, and needs one.
    in_main = threading.current_thread() is threading.main_thread()
    handler = None
    if in_main:
        handler = signal.signal(signal.SIGINT, lambda *_: received.append(True))
    # Processes that are started in the block inherit the mask.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main:
            signal.signal(signal.SIGINT, handler)
        if received:
            signal.raise_signal(signal.SIGINT)
