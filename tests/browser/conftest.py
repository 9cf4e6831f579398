"""A JupyterLab and a browser for tests of the pages.

Without a browser these tests are skipped; if the variable CI is set, they fail instead.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .lab import Lab
from .session import CHROMIUM, LOOPBACK, launch_browser


@dataclass
class Watch:
    """The requests of a page to other machines, and the errors on its console."""

    left_loopback: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    n_requests: int = 0

    def request(self, url: str) -> None:
        parts = urlsplit(url)
        self.n_requests += 1
        if parts.scheme not in {"data", "blob", "about"} and parts.hostname not in LOOPBACK:
            self.left_loopback.append(url)

    def error(self, text: str) -> None:
        self.errors.append(text)


def open_watched_page(context: Any, watch: Watch) -> Any:
    """Open a page in a browser window, and watch all pages of this window."""
    context.on("request", lambda request: watch.request(request.url))
    context.on(
        "console", lambda message: watch.error(message.text) if message.type == "error" else None
    )
    context.on("weberror", lambda error: watch.error(str(error.error)))
    page = context.new_page()
    page.on("websocket", lambda socket: watch.request(socket.url))
    return page


def missing(requirement: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"the tests in a browser need {requirement}")
    pytest.skip(f"needs {requirement}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser: ABSSLAB_CHROMIUM, or chromium on the PATH."""
    path = shutil.which(CHROMIUM)
    if not path:
        missing("chromium (Debian: apt install chromium), or its path in ABSSLAB_CHROMIUM")
    for module in ("jupyterlab", "voila", "playwright"):
        try:
            __import__(module)
        except ImportError:
            missing(f"{module} (pip install 'absslab[dev]')")
    return path


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory) -> Iterator[Lab]:
    """A JupyterLab, the same for all tests."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.close()


# ends after each module: while Playwright runs, asyncio sees a running loop in the tests' thread
@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory) -> Iterator[Any]:
    """Chromium without a window, which reaches no other machine."""
    with launch_browser(chromium, tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def watch() -> Watch:
    """Requests and errors of the test's page; a test that expects an error removes it from here."""
    return Watch()


@pytest.fixture
def page(browser, watch, request, screenshots) -> Iterator[Any]:
    """A new browser window.

    At the end no request may have left this machine, and no error may be on the console.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = open_watched_page(context, watch)
    page.on("dialog", lambda dialog: dialog.accept())  # leave a page with unsaved changes
    yield page
    if request.node.stash.get(FAILED, False):
        page.screenshot(path=screenshots / f"failed_{request.node.name}.png")
    context.close()
    assert watch.left_loopback == []
    assert watch.errors == []


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    """The folder for screenshots: ABSSLAB_SCREENSHOTS, or a temporary one."""
    folder = os.environ.get("ABSSLAB_SCREENSHOTS")
    folder = Path(folder) if folder else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_notebook(page, lab, request) -> Iterator[Callable[..., Any]]:
    """`open_notebook("a = 1", "a + 1")` opens a notebook of these cells, and runs none of them."""
    from .notebook import Notebook

    opened: list[Notebook] = []

    def open_it(*cells: str) -> Notebook:
        name = re.sub(r"\W+", "_", request.node.name)[:60]
        opened.append(Notebook(page, lab, f"{name}_{len(opened)}", cells))
        return opened[-1]

    yield open_it
    for notebook in opened:
        notebook.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def run(checkpoint):
    return checkpoint.with_suffix("")


@pytest.fixture
def second_run(other_checkpoint):
    return other_checkpoint.with_suffix("")
