"""Work beside the main loop, which alone touches widgets and figures.

Callbacks of widgets may come on threads of their own (subshells), results of long work always do: both are handed to the
loop. Where none runs, as in a plain script or a test, everything happens at once in the caller's thread.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from absslab.core.common.progress import Progress
from absslab.widgets.ui.compatibility import kernel_main_loop

_BETWEEN_PROGRESS = 0.2  # s
_log = logging.getLogger("absslab")


class MainLoop:
    """The loop that widgets and figures belong to: the one that runs where this is made, if one does."""

    def __init__(self) -> None:
        self._loop = _running_loop()

    @property
    def exists(self) -> bool:
        """Whether there is a loop; without one things happen at once."""
        return self._loop is not None

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function on the loop, from any thread: at once where that is this thread, else as soon as it can.

        What comes after the loop's end is dropped.
        """
        if self._loop is None or _current_loop() is self._loop:
            function(*args)
        else:
            self._enqueue(function, *args)

    def every(self, seconds: float, function: Callable[[], Any]) -> "Ticker":
        """Call a function again and again, the first time after `seconds`, until the ticker is cancelled."""
        return Ticker(self, seconds, function)

    def later(self, seconds: float, function: Callable[[], Any]) -> None:
        """Call a function once, after so many seconds; without a loop, never."""
        if self._loop is not None:
            self._enqueue(self._loop.call_later, seconds, function)

    def _enqueue(self, function: Callable[..., Any], *args: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody is there to see it
            _log.debug("dropped %r: the loop is closed", function)


class Ticker:
    """Calls a function every so many seconds. Made by `MainLoop.every`; the loop keeps it alive."""

    def __init__(self, loop: MainLoop, seconds: float, function: Callable[[], Any]):
        self._loop, self._seconds, self._function = loop, seconds, function
        self.is_running = True
        loop.later(seconds, self._tick)

    def cancel(self) -> None:
        """Never call it again."""
        self.is_running = False

    close = cancel

    def _tick(self) -> None:
        if not self.is_running:
            return
        try:
            self._function()
        except Exception:
            _log.exception("a ticker's function failed")
        finally:
            if self.is_running:
                self._loop.later(self._seconds, self._tick)


class BackgroundJob:
    """Long work in a thread, with progress and cancel.

    Args:
        loop: where the callbacks are called.
        steps: makes the generator to be drained; it can be cancelled between two of its steps.
        progress: called with a Progress, at most five times a second, and with the last.
        done: called when the generator has ended, though `cancel` came after its last step.
        failed: called with the exception that it raised.
        cancelled: called when it was ended by `cancel`.
        ended: called last, however it ended, also after `close`: nothing of it runs any more.
    """

    def __init__(
        self,
        loop: MainLoop,
        steps: Callable[[], Iterator[Progress]],
        *,
        progress: Callable[[Progress], Any],
        done: Callable[[], Any],
        failed: Callable[[Exception], Any],
        cancelled: Callable[[], Any] | None = None,
        ended: Callable[[], Any] | None = None,
    ):
        self._loop, self._steps = loop, steps
        self._progress, self._done, self._failed, self._cancelled = (
            progress,
            done,
            failed,
            cancelled,
        )
        self._ended = ended
        self._stop = threading.Event()
        self._is_closed = False
        self.is_running = False

    def start(self) -> None:
        """Begin; does nothing while it runs, or after `close`."""
        if self.is_running or self._is_closed:
            return
        self.is_running = True
        self._stop.clear()
        if self._loop.exists:
            threading.Thread(target=self._run, name="absslab work", daemon=True).start()
        else:
            self._run()

    def cancel(self) -> None:
        """End after the step that is being done; what it wrote so far is up to the generator's own clean-up."""
        self._stop.set()

    def close(self) -> None:
        """Cancel, and call nothing back any more."""
        self._is_closed = True
        self.cancel()

    def _run(self) -> None:
        error: Exception | None = None
        is_whole = False
        shown: Progress | None = None
        latest: Progress | None = None
        shown_at = 0.0
        try:
            steps = self._steps()
            try:
                for latest in steps:
                    if self._stop.is_set():
                        break
                    if time.monotonic() - shown_at >= _BETWEEN_PROGRESS:
                        shown, shown_at = latest, time.monotonic()
                        self._loop.call(self._show, shown)
                else:
                    is_whole = True
            finally:
                if isinstance(steps, Generator):
                    steps.close()
        except Exception as raised:
            error = raised
        if latest is not None and latest is not shown:
            self._loop.call(self._show, latest)
        self._loop.call(self._end, error, is_whole)

    def _show(self, progress: Progress) -> None:
        if not self._is_closed and not self._stop.is_set():
            self._progress(progress)

    def _end(self, error: Exception | None, is_whole: bool) -> None:
        self.is_running = False
        try:
            self._tell(error, is_whole)
        finally:
            if self._ended is not None:
                self._ended()

    def _tell(self, error: Exception | None, is_whole: bool) -> None:
        if self._is_closed:
            return
        if is_whole and error is None:
            self._done()
        elif self._stop.is_set():
            if self._cancelled is not None:
                self._cancelled()
        elif error is not None:
            self._failed(error)


class LatestOnly:
    """Answers requests in a thread, one at a time: the latest wins, what is superseded is never delivered.

    Args:
        loop: where the callbacks are called.
        function: computes an answer.
        deliver: called with the answer to the latest request.
        failed: called with the exception that the latest request raised.
    """

    def __init__(
        self,
        loop: MainLoop,
        function: Callable[..., Any],
        *,
        deliver: Callable[[Any], Any],
        failed: Callable[[Exception], Any],
    ):
        self._loop, self._function, self._deliver, self._failed = loop, function, deliver, failed
        self._lock = threading.Lock()
        self._newest = 0  # number of the latest request
        self._waiting: tuple[Any, ...] | None = None
        self._is_busy = self._is_closed = False

    @property
    def is_running(self) -> bool:
        """Whether an answer is being computed."""
        return self._is_busy

    def request(self, *args: Any) -> None:
        """Ask for `function(*args)`; what was asked before is no longer wanted."""
        with self._lock:
            if self._is_closed:
                return
            self._newest += 1
            self._waiting = args
            if self._is_busy:
                return
            self._is_busy = True
        if self._loop.exists:
            threading.Thread(target=self._run, name="absslab latest", daemon=True).start()
        else:
            self._run()

    def cancel(self) -> None:
        """Drop what was asked for."""
        with self._lock:
            self._newest += 1
            self._waiting = None

    def close(self) -> None:
        """Drop what is being computed, and answer nothing more."""
        with self._lock:
            self._is_closed, self._waiting = True, None

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._waiting is None:
                    self._is_busy = False
                    return
                args, number, self._waiting = self._waiting, self._newest, None
            try:
                answer, callback = self._function(*args), self._deliver
            except Exception as error:
                answer, callback = error, self._failed
            try:
                self._loop.call(self._hand_over, number, callback, answer)
            except BaseException:  # where there is no loop: it is for who asked
                self._is_busy = False
                raise

    def _hand_over(self, number: int, callback: Callable[[Any], Any], answer: Any) -> None:
        if not self._is_closed and number == self._newest:
            callback(answer)


def _current_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs here; on a subshell's thread of a kernel that of the kernel's main thread."""
    if threading.current_thread() is threading.main_thread():
        return _current_loop()
    return kernel_main_loop() or _current_loop()
