"""The main loop: widgets and figures are touched on it alone.

Callbacks of widgets may come on other threads (the subshells of a kernel), and results of long
work always do. Both are handed to the main loop. In a notebook or a dashboard this is the event
loop of the kernel (`AsyncioLoop`). A plain script and most tests have no running loop: there
everything happens at once, in the thread of the caller (`InlineLoop`).
"""

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from absslab.widgets.ui.compatibility import kernel_main_loop

_log = logging.getLogger("absslab")


class MainLoop(ABC):
    """Calls functions where widgets may be touched, and runs long work elsewhere."""

    is_inline: bool  # whether everything happens at once, in the thread of the caller

    @abstractmethod
    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function on the loop, from any thread; at once if it is the loop's own thread."""

    @abstractmethod
    def later(self, seconds: float, function: Callable[[], Any]) -> None:
        """Call a function on the loop once, after a time in seconds."""

    @abstractmethod
    def start_thread(self, function: Callable[[], Any], name: str) -> None:
        """Run a function beside the loop; it does not keep the process from ending."""

    @abstractmethod
    def make_worker(self, name: str) -> Executor:
        """Make a worker that runs functions beside the loop, one after the other."""

    @abstractmethod
    def every(self, seconds: float, function: Callable[[], Any]) -> "Ticker":
        """Call a function again and again, first after `seconds`, until the ticker is cancelled."""


class AsyncioLoop(MainLoop):
    """An event loop that runs; what is handed to it after its end is dropped."""

    is_inline = False

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """See `MainLoop`."""
        if _loop_of_this_thread() is self._loop:
            function(*args)
        else:
            self._enqueue(function, *args)

    def later(self, seconds: float, function: Callable[[], Any]) -> None:
        """See `MainLoop`."""
        self._enqueue(self._loop.call_later, seconds, function)

    def start_thread(self, function: Callable[[], Any], name: str) -> None:
        """See `MainLoop`."""
        threading.Thread(target=function, name=name, daemon=True).start()

    def make_worker(self, name: str) -> Executor:
        """See `MainLoop`."""
        return ThreadPoolExecutor(1, name)

    def every(self, seconds: float, function: Callable[[], Any]) -> "Ticker":
        """See `MainLoop`."""
        ticker = Ticker(self, seconds, function)
        self.later(seconds, ticker.tick)
        return ticker

    def _enqueue(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody can see the result
            _log.debug("dropped %r: the loop is closed", function)


class InlineLoop(MainLoop):
    """No loop at all: every function is called at once, and a ticker never ticks by itself."""

    is_inline = True

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """See `MainLoop`."""
        function(*args)

    def later(self, seconds: float, function: Callable[[], Any]) -> None:
        """Call the function now: there is nothing that waits."""
        function()

    def start_thread(self, function: Callable[[], Any], name: str) -> None:
        """Run the function now."""
        function()

    def make_worker(self, name: str) -> Executor:
        """See `MainLoop`."""
        return _InlineExecutor()

    def every(self, seconds: float, function: Callable[[], Any]) -> "Ticker":
        """Return a ticker that ticks only when its `tick` is called."""
        return Ticker(self, seconds, function)


class Ticker:
    """Calls a function at regular intervals. Made by `MainLoop.every`; the loop keeps it alive."""

    def __init__(self, loop: MainLoop, seconds: float, function: Callable[[], Any]):
        self._loop = loop
        self._seconds = seconds
        self._function = function
        self.is_running = True

    def cancel(self) -> None:
        """Call the function never again."""
        self.is_running = False

    close = cancel

    def tick(self) -> None:
        """Call the function, and again after the interval."""
        if not self.is_running:
            return
        try:
            self._function()
        except Exception:
            _log.exception("the function of a ticker failed")
        finally:
            if self.is_running and not self._loop.is_inline:
                self._loop.later(self._seconds, self.tick)


class _InlineExecutor(Executor):
    """Runs what is submitted at once; its errors are raised in the caller."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*args, **options))
        return future


def current_main_loop() -> MainLoop:
    """Return the loop that runs here, or an `InlineLoop` where none runs.

    On the thread of a kernel's subshell it is the loop of the kernel's main thread.
    """
    loop = _loop_of_this_thread()
    if threading.current_thread() is not threading.main_thread():
        loop = kernel_main_loop() or loop
    return InlineLoop() if loop is None else AsyncioLoop(loop)


def _loop_of_this_thread() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
