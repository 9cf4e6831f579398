"""Ctrl-C where it must not strike."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Ctrl-C waits for the end of the block; processes started in it never get it: it is their parent's to handle."""
    came = []
    in_main = (
        threading.current_thread() is threading.main_thread()
    )  # no other thread may set a handler, or needs to
    handler = signal.signal(signal.SIGINT, lambda *_: came.append(True)) if in_main else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which a new process inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main:
            signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)
