"""How soon a dashboard is there, and what a visitor costs: Voila, Chromium, the model of a run.

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
from typing import Any

import psutil

from absslab.core.training.run_directory import best_checkpoint_path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser.dashboard import LOADED, Dashboard
from browser.session import CHROMIUM, launched

PAGES = {  # what a person waits for
    "listen": ".absslab-player .track",
    "separate": ".absslab-choose",
    "monitor": ".absslab-table",
    "compare": ".absslab-player .track",
}
MIB = 2**20


def opened(browser: Any, url: str, what: str) -> tuple[Any, float, float]:
    """A page in a window of its own, and after how many seconds it had a widget, and what it is there for."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    begun = time.monotonic()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".absslab-dashboard h1", timeout=LOADED)
    first = time.monotonic() - begun
    page.wait_for_selector(what, timeout=LOADED)
    return page, first, time.monotonic() - begun


def ready(dashboard: Dashboard, seconds: float = 60) -> None:
    """Wait until the processes that are kept ready have nothing to do any more."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        processes = [psutil.Process(pid) for pid in dashboard.kernels]
        if processes and sum(process.cpu_percent(0.5) for process in processes) < 5:
            return


def measure(browser: Any, folder: Path, arguments: list[str], n: int) -> None:
    """Print the figures of one dashboard, cold and with one process kept ready."""
    name = arguments[0]
    for preheat in (0, 1):
        firsts, wholes, memory = [], [], []
        for i in range(n):
            with closing(
                Dashboard(folder / f"{name}-{preheat}-{i}", [*arguments, "--preheat", str(preheat)])
            ) as dashboard:
                if preheat:
                    ready(dashboard)
                before = set(dashboard.kernels) if preheat else set()
                page, first, whole = opened(browser, dashboard.url, PAGES[name])
                firsts.append(first)
                wholes.append(whole)
                page.wait_for_timeout(2000)
                (pid, *_) = before or dashboard.kernels
                about = psutil.Process(pid).memory_full_info()
                memory.append((about.rss / MIB, about.uss / MIB))
                page.context.close()
        rss, own = (statistics.median(column) for column in zip(*memory, strict=True))
        kind = "preheated" if preheat else "cold"
        print(
            f"{name:9} {kind:10} first widget {statistics.median(firsts):.1f} s, all {statistics.median(wholes):.1f} s; "
            f"a visitor's process {rss:.0f} MiB, {own:.0f} MiB of it its own",
            flush=True,
        )


def main() -> None:
    """Measure all dashboards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run_directory", type=Path, required=True, help="of a run with a model")
    parser.add_argument("--n_repetitions", type=int, default=3)
    parser.add_argument("--chromium", default=CHROMIUM)
    arguments = parser.parse_args()
    run = arguments.run_directory.absolute()
    with tempfile.TemporaryDirectory() as folder:
        home, other = Path(folder) / "browser", Path(folder) / "other"
        home.mkdir()
        shutil.copytree(run, other)
        shutil.copy(best_checkpoint_path(run), best_checkpoint_path(other))
        with launched(str(shutil.which(arguments.chromium)), home) as browser:
            for name in PAGES:
                runs = [str(run), str(other)] if name == "compare" else [str(run)]
                measure(
                    browser, Path(folder), [name, "--run_directory", *runs], arguments.n_repetitions
                )


if __name__ == "__main__":
    main()
