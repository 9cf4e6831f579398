"""Defer Ctrl-C in code that must not be interrupted."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
