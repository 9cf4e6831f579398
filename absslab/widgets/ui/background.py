"""Long work beside the main loop: with progress and cancel, or for the latest request only."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from absslab.core.common.errors import InputWarning
from absslab.core.common.notices import listen_to_notices
from absslab.core.common.progress import Progress
from absslab.widgets.ui.main_loop import MainLoop

_PROGRESS_INTERVAL = 0.2  # s
Noticed = Callable[[InputWarning], Any]


def _hand_notices(loop: MainLoop, noticed: Noticed | None) -> AbstractContextManager[None]:
    """Hand the notices of a block in a thread over to the main loop, if somebody wants them."""
    if noticed is None:
        return nullcontext()
    return listen_to_notices(lambda notice: loop.call(noticed, notice))


class BackgroundJob:
    """Drains a generator in a thread, with progress and cancel.

    Args:
        loop: where the callbacks are called.
        steps: makes the generator; it can be cancelled between two of its steps.
        progress: is called with a Progress at most five times a second, and with the last one.
        done: is called when the generator has ended, even if `cancel` came after its last step.
        failed: is called with the exception that the generator raised, or that of the system
            where no thread can be started.
        cancelled: is called when `cancel` has ended the generator.
        ended: is called last, however the job ended, also after `close`: nothing of it still runs.
        noticed: is called with each notice of the generator. Without it they reach whoever listens
            where `start` is called, which may be nobody: a panel's methods can be called anywhere.
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
        noticed: Noticed | None = None,
    ):
        self._loop = loop
        self._steps = steps
        self._progress = progress
        self._done = done
        self._failed = failed
        self._cancelled = cancelled
        self._ended = ended
        self._noticed = noticed
        self._stop = threading.Event()
        self._is_closed = False
        self.is_running = False

    def start(self) -> None:
        """Begin; does nothing while the job runs, or after `close`."""
        if self.is_running or self._is_closed:
            return
        self.is_running = True
        self._stop.clear()
        try:
            self._loop.start_thread(self._run, "absslab job")
        except RuntimeError as error:  # the system allows no more threads
            self._loop.call(self._end, error, False)

    def cancel(self) -> None:
        """End the job after its current step; the generator cleans up what it has written."""
        self._stop.set()

    def close(self) -> None:
        """Cancel the job, and call no callback but `ended` any more."""
        self._is_closed = True
        self.cancel()

    def _run(self) -> None:
        error: Exception | None = None
        is_complete = False
        try:
            with _hand_notices(self._loop, self._noticed):
                is_complete = self._drain()
        except Exception as raised:
            error = raised
        self._loop.call(self._end, error, is_complete)

    def _drain(self) -> bool:
        """Drain the generator, and return whether it came to its end."""
        latest: Progress | None = None
        reported: Progress | None = None
        reported_at = 0.0
        steps = self._steps()
        try:
            for latest in steps:
                if self._stop.is_set():
                    return False
                if time.monotonic() - reported_at >= _PROGRESS_INTERVAL:
                    reported = latest
                    reported_at = time.monotonic()
                    self._loop.call(self._report, reported)
            return True
        finally:
            if isinstance(steps, Generator):
                steps.close()
            if latest is not None and latest is not reported:
                self._loop.call(self._report, latest)

    def _report(self, progress: Progress) -> None:
        if not self._is_closed and not self._stop.is_set():
            self._progress(progress)

    def _end(self, error: Exception | None, is_complete: bool) -> None:
        self.is_running = False
        try:
            self._call_back(error, is_complete)
        finally:
            if self._ended is not None:
                self._ended()

    def _call_back(self, error: Exception | None, is_complete: bool) -> None:
        if self._is_closed:
            return
        if is_complete:
            self._done()
        elif self._stop.is_set():
            if self._cancelled is not None:
                self._cancelled()
        elif error is not None:
            self._failed(error)


class LatestOnly:
    """Answers requests in a thread, one at a time; the answer to a superseded request is dropped.

    Args:
        loop: where the callbacks are called.
        function: computes an answer.
        deliver: is called with the answer to the latest request.
        failed: is called with the exception that the latest request raised, or that of the system
            where no thread can be started.
        noticed: is called with each notice of the function; see `BackgroundJob`.
    """

    def __init__(
        self,
        loop: MainLoop,
        function: Callable[..., Any],
        *,
        deliver: Callable[[Any], Any],
        failed: Callable[[Exception], Any],
        noticed: Noticed | None = None,
    ):
        self._loop = loop
        self._function = function
        self._deliver = deliver
        self._failed = failed
        self._noticed = noticed
        self._lock = threading.Lock()
        self._latest_number = 0  # of the latest request
        self._waiting: tuple[Any, ...] | None = None
        self._is_busy = False
        self._is_closed = False

    @property
    def is_running(self) -> bool:
        """Whether an answer is being computed."""
        return self._is_busy

    def request(self, *args: Any) -> None:
        """Ask for `function(*args)`; earlier requests are no longer answered."""
        with self._lock:
            if self._is_closed:
                return
            self._latest_number += 1
            self._waiting = args
            if self._is_busy:
                return
            self._is_busy = True
        try:
            self._loop.start_thread(self._run, "absslab latest request")
        except RuntimeError as error:  # the system allows no more threads
            self._give_up(error)

    def cancel(self) -> None:
        """Drop the request that waits or is being answered."""
        with self._lock:
            self._latest_number += 1
            self._waiting = None

    def close(self) -> None:
        """Drop what is being computed, and answer no more requests."""
        with self._lock:
            self._is_closed = True
            self._waiting = None

    def _give_up(self, error: Exception) -> None:
        """Drop the request that waits, since no thread answers it."""
        with self._lock:
            self._is_busy = False
            self._waiting = None
            number = self._latest_number
        self._loop.call(self._hand_over, number, self._failed, error)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._waiting is None:
                    self._is_busy = False
                    return
                args = self._waiting
                number = self._latest_number
                self._waiting = None
            callback = self._deliver
            try:
                with _hand_notices(self._loop, self._noticed):
                    result = self._function(*args)
            except Exception as error:
                callback = self._failed
                result = error
            self._loop.call(self._hand_over, number, callback, result)

    def _hand_over(self, number: int, callback: Callable[[Any], Any], result: Any) -> None:
        if not self._is_closed and number == self._latest_number:
            callback(result)
