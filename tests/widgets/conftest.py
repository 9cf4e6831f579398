"""The main loop of tests: it runs only when a test lets it run, with `settle` and `run_until`."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from absslab.widgets.ui import main_loop
from absslab.widgets.ui.main_loop import MainLoop


@pytest.fixture(autouse=True)
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[MainLoop]:
    """The main loop of one test; all that the test has begun has ended before the next one."""
    event_loop = asyncio.new_event_loop()
    errors: list[dict] = []
    event_loop.set_exception_handler(lambda _, context: errors.append(context))
    loop = MainLoop(event_loop, threading.current_thread())
    monkeypatch.setattr(main_loop._loop_of_thread, "loop", loop)
    monkeypatch.setattr("absslab.widgets.panels.separation.separation_panel.DESCRIPTION_DELAY", 0.0)
    monkeypatch.setattr("absslab.widgets.ui.live_plot._DRAWING_INTERVAL", 0.0)
    yield loop
    loop.settle()
    event_loop.close()
    assert not errors, "errors of callbacks, which a person does not see"


@pytest.fixture
def settle(loop: MainLoop) -> Callable[[], None]:
    """Let the main loop run until the work that was begun has ended."""
    return loop.settle
