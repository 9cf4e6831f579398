"""The main loop: widgets and figures are touched on it alone.

Callbacks of widgets may come on other threads (the subshells of a kernel), and results of long
work always do. Both are handed to the main loop, which is an asyncio event loop.

In a notebook or a dashboard this is the event loop of the kernel. In a plain script no event loop
runs. Its work is done in threads all the same, and the results wait until the script lets the loop
run, with `MainLoop.settle` or `MainLoop.run_until`. Tests drive panels in the same way.
"""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any
from weakref import WeakValueDictionary, finalize

from absslab.widgets.ui.compatibility import kernel_main_loop

_TIME_LIMIT = 60.0  # s
_log = logging.getLogger("absslab")


class MainLoop:
    """Calls functions where widgets may be touched, and runs long work elsewhere.

    What is handed to it after the end of its event loop is dropped.

    Args:
        loop: the event loop.
        thread: where it runs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread):
        self._loop = loop
        self._thread = thread
        self._unfinished: set[object] = set()  # has an object for all that `settle` waits for
        self._has_called = asyncio.Event()  # is set after each call on the loop

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function on the loop, from any thread; at once if it is the loop's own thread."""
        if threading.current_thread() is self._thread and not self._loop.is_closed():
            self._call(function, *args)
        else:
            self._enqueue(self._call, function, *args)

    def later(self, seconds: float, function: Callable[[], Any]) -> None:
        """Call a function on the loop once, after a time in seconds."""
        self._call_later(seconds, _finish_after(function, self.begin()))

    def start_thread(self, function: Callable[[], Any], name: str) -> None:
        """Run a function beside the loop; it does not keep the process from ending.

        Raises:
            RuntimeError: if the system allows no more threads.
        """
        finish = self.begin()
        target = _finish_after(function, finish)
        # What the function tells about its input reaches the panel that began it.
        context = contextvars.copy_context()
        try:
            threading.Thread(target=lambda: context.run(target), name=name, daemon=True).start()
        except BaseException:  # the function will not run: `settle` must not wait for it
            finish()
            raise

    def make_worker(self, name: str) -> Executor:
        """Make a worker that runs functions beside the loop, one after the other.

        `settle` waits for these functions, but not for what is added to their futures with
        `add_done_callback`: hand results over with `call`.
        """
        return _Worker(self, name)

    def every(self, seconds: float, function: Callable[[], Any]) -> "Ticker":
        """Call a function again and again, first after `seconds`, until the ticker is cancelled."""
        ticker = Ticker(function)

        def tick() -> None:
            ticker.tick()
            if ticker.is_running:
                self._call_later(seconds, tick)

        self._call_later(seconds, tick)
        return ticker

    async def until(self, condition: Callable[[], Any], *, seconds: float = _TIME_LIMIT) -> None:
        """Wait until a condition is true; it is tested after each call on the loop.

        Args:
            condition: depends on what happens on the loop alone.
            seconds: how long to wait at most.

        Raises:
            TimeoutError: if it did not become true in this time.
        """
        async with asyncio.timeout(seconds):
            while not condition():
                self._has_called.clear()
                await self._has_called.wait()

    def run_until(self, condition: Callable[[], Any], *, seconds: float = _TIME_LIMIT) -> None:
        """Let a loop that nobody else runs run until a condition is true; see `until`.

        Raises:
            RuntimeError: if a loop runs in this thread, as in a notebook: await `until` there.
            TimeoutError: if the condition did not become true in this time.
        """
        if _running_loop() is not None:
            raise RuntimeError("the main loop runs by itself here: await its `until` instead")
        self._loop.run_until_complete(self.until(condition, seconds=seconds))

    def settle(self, *, seconds: float = _TIME_LIMIT) -> None:
        """Let the loop run until no work is left; tickers go on, but are not waited for.

        Args:
            seconds: how long to wait at most.

        Raises:
            RuntimeError: if a loop runs in this thread, as in a notebook.
            TimeoutError: if some work has not ended in this time.
        """
        self.run_until(lambda: not self._unfinished, seconds=seconds)

    def begin(self) -> Callable[[], None]:
        """Make `settle` wait until the function that is returned is called, from any thread."""
        work = object()
        self._unfinished.add(work)
        return lambda: self._enqueue(self._call, self._unfinished.discard, work)

    def _call(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            function(*args)
        finally:
            self._has_called.set()

    def _call_later(self, seconds: float, function: Callable[[], Any]) -> None:
        self._enqueue(self._loop.call_later, seconds, self._call, function)

    def _enqueue(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody can see the result
            _log.debug("dropped %r: the loop is closed", function)


def _finish_after(function: Callable[[], Any], finish: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls both, the second one also after an error of the first."""

    def finishing() -> None:
        try:
            function()
        finally:
            finish()

    return finishing


class Ticker:
    """Calls a function at regular intervals. Made by `MainLoop.every`; the loop keeps it alive."""

    def __init__(self, function: Callable[[], Any]):
        self._function = function
        self.is_running = True

    def cancel(self) -> None:
        """Call the function never again."""
        self.is_running = False

    close = cancel

    def tick(self) -> None:
        """Call the function now, unless the ticker is cancelled; its errors are logged."""
        if not self.is_running:
            return
        try:
            self._function()
        except Exception:
            _log.exception("the function of a ticker failed")


class _Worker(ThreadPoolExecutor):
    """Runs functions one after the other; the loop's `settle` waits for them."""

    def __init__(self, loop: MainLoop, name: str):
        super().__init__(1, name)
        self._main_loop = loop

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        # What the function tells about its input reaches the panel that began it.
        context = contextvars.copy_context()
        future = super().submit(context.run, function, *args, **options)
        finish = self._main_loop.begin()
        future.add_done_callback(lambda _: finish())
        return future


class _LoopOfThread(threading.local):
    """Per thread: the loop that nobody runs, if one was needed."""

    loop: MainLoop | None = None
    closer: "_Closer | None" = None


class _Closer:
    """Closes an event loop at the end of its thread or of the process.

    The loop does not refer to it. It refers to the `MainLoop` as long as a call waits in it: a
    finalizer of that would keep both alive.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop):
        finalize(self, loop.close)


_running_loops: WeakValueDictionary[asyncio.AbstractEventLoop, MainLoop] = WeakValueDictionary()
_running_loops_lock = threading.Lock()
_loop_of_thread = _LoopOfThread()


def current_main_loop() -> MainLoop:
    """Return the loop that runs in this thread, or one that nobody runs where there is none.

    On the thread of a kernel's subshell it is the loop of the kernel's main thread. Another thread
    where no loop runs gets a loop of its own, as the main thread of a plain script does. It has to
    let this loop run itself: what is left in it at the end of the thread is dropped.
    """
    thread = threading.current_thread()
    kernel_loop = None if thread is threading.main_thread() else kernel_main_loop()
    if kernel_loop is not None:
        return _wrap(kernel_loop, threading.main_thread())
    running = _running_loop()
    if running is not None:
        return _wrap(running, thread)
    if _loop_of_thread.loop is None:
        loop = asyncio.new_event_loop()
        _loop_of_thread.loop = MainLoop(loop, thread)
        _loop_of_thread.closer = _Closer(loop)
    return _loop_of_thread.loop


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _wrap(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> MainLoop:
    """Return the one main loop of a running event loop."""
    with _running_loops_lock:
        main_loop = _running_loops.get(loop)
        if main_loop is None:
            main_loop = _running_loops[loop] = MainLoop(loop, thread)
        return main_loop
