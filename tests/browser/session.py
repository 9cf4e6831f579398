"""Start a JupyterLab and a browser for the duration of a `with` block."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .lab import Lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = os.environ.get("ABSSLAB_CHROMIUM", "chromium")  # a name on the PATH, or a path
LOOPBACK = {"127.0.0.1", "localhost"}


@contextmanager
def launch_browser(chromium: str, home: Path) -> Iterator["Browser"]:
    """Start Chromium without a window; it can reach only this machine.

    Args:
        chromium: path of the browser.
        home: home folder of the browser.
    """
    from playwright.sync_api import sync_playwright

    rules = ", ".join(["MAP * ~NOTFOUND", *(f"EXCLUDE {host}" for host in sorted(LOOPBACK))])
    arguments = ["--no-sandbox", "--no-proxy-server", f"--host-resolver-rules={rules}"]
    environment = {**os.environ, "HOME": str(home)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=arguments, env=environment
        )
        yield browser
        browser.close()


@contextmanager
def browsing(chromium: str) -> Iterator[tuple[Lab, "Browser"]]:
    """Start a JupyterLab in a temporary folder and a browser; at the end both are removed.

    Args:
        chromium: the path of the browser, or its name on the PATH.

    Raises:
        FileNotFoundError: there is no such browser.
    """
    path = shutil.which(chromium)
    if path is None:
        raise FileNotFoundError(f"there is no browser {chromium!r}")
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Lab(Path(folder))) as lab,
        launch_browser(path, lab.home) as browser,
    ):
        yield lab, browser
