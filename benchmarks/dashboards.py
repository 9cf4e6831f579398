"""Measure how fast a dashboard opens and how much memory a visitor takes, in a browser.

python benchmarks/dashboards.py --run_directory data/runs/first
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from absslab.core.training.run_directory import best_checkpoint_path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from browser.dashboard import LOADED
from browser.session import CHROMIUM, launch_browser
from dashboard_server import Dashboard

PAGES = {  # page → selector of the element that shows that the page is complete
    "listen": ".absslab-player .track",
    "separate": ".absslab-choose",
    "monitor": ".absslab-table",
    "compare": ".absslab-player .track",
}
MIB = 2**20


def open_timed(browser: Any, url: str, selector: str) -> tuple[Any, float, float]:
    """Open a page in a new window, and measure when its elements appear.

    Returns:
        The page, the seconds until its first widget, and the seconds until the selected element.
    """
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    start = time.monotonic()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".absslab-dashboard h1", timeout=LOADED)
    first = time.monotonic() - start
    page.wait_for_selector(selector, timeout=LOADED)
    return page, first, time.monotonic() - start


def wait_until_preheated(dashboard: Dashboard, seconds: float = 60) -> None:
    """Wait until the processes that were started in advance are idle."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        processes = [psutil.Process(pid) for pid in dashboard.kernels]
        if processes and sum(process.cpu_percent(0.5) for process in processes) < 5:
            return


class Visit(NamedTuple):
    """The measurements of one visit."""

    first_widget: float  # s
    whole_page: float  # s
    rss: float  # MiB of the visitor's process
    unshared: float  # MiB of it that it shares with no other process


def visit(browser: Any, folder: Path, arguments: list[str], *, is_preheated: bool) -> Visit:
    """Start a dashboard, open its page once, and measure."""
    arguments = [*arguments, "--preheat", str(int(is_preheated))]
    with closing(Dashboard(folder, arguments)) as dashboard:
        if is_preheated:
            wait_until_preheated(dashboard)
        preheated = dashboard.kernels if is_preheated else []
        page, first_widget, whole_page = open_timed(browser, dashboard.url, PAGES[arguments[0]])
        page.wait_for_timeout(2000)
        pid = (preheated or dashboard.kernels)[0]
        usage = psutil.Process(pid).memory_full_info()
        page.context.close()
    return Visit(first_widget, whole_page, usage.rss / MIB, usage.uss / MIB)


def measure(browser: Any, folder: Path, arguments: list[str], n_repetitions: int) -> None:
    """Print the measurements of a dashboard, without and with a process started in advance."""
    for kind in ("cold", "preheated"):
        visits = [
            visit(
                browser,
                folder / f"{arguments[0]}-{kind}-{number}",
                arguments,
                is_preheated=kind == "preheated",
            )
            for number in range(n_repetitions)
        ]
        median = Visit(*(statistics.median(values) for values in zip(*visits, strict=True)))
        print(
            f"{arguments[0]:9} {kind:10} first widget {median.first_widget:.1f} s, "
            f"all {median.whole_page:.1f} s; a visitor's process {median.rss:.0f} MiB, "
            f"{median.unshared:.0f} MiB of it not shared",
            flush=True,
        )


def main() -> None:
    """Measure all dashboards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run_directory", type=Path, required=True, help="run directory of a run with a model"
    )
    parser.add_argument("--n_repetitions", type=int, default=3)
    parser.add_argument("--chromium", default=CHROMIUM)
    arguments = parser.parse_args()
    run = arguments.run_directory.absolute()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "browser"
        other = Path(folder) / "other"
        home.mkdir()
        shutil.copytree(run, other)
        shutil.copy(best_checkpoint_path(run), best_checkpoint_path(other))
        with launch_browser(str(shutil.which(arguments.chromium)), home) as browser:
            for name in PAGES:
                runs = [str(run), str(other)] if name == "compare" else [str(run)]
                measure(
                    browser, Path(folder), [name, "--run_directory", *runs], arguments.n_repetitions
                )


if __name__ == "__main__":
    main()
