"""Take screenshots of the player, a dashboard and the report, with the output of the demo.

python docs/screenshots.py --demo demo
"""

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from absslab.core.evaluation.score_files import read_scores
from absslab.core.runs.run_scores import scores_path, typical_mixture

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from browser.dashboard import open_page
from browser.notebook import Notebook
from browser.session import CHROMIUM, browsing
from dashboard_server import Dashboard

PICTURES = Path(__file__).parent / "pictures"
SHOW = """
from absslab.widgets.panels.separation import SeparationPanel
from absslab.widgets.panels import State
panel = SeparationPanel(State(run={run!r}, mixture={mixture!r}))
panel
"""


def typical(demo: Path) -> Path:
    """Find the test mixture of three classes or more whose mean improvement is the median."""
    _, table = read_scores(scores_path(demo / "model", "test"))
    return demo / "mixtures" / "test" / typical_mixture(table)


def new_page(browser: Any, height: int) -> Any:
    """Open a page in a new window that is high enough to need no scrolling."""
    return browser.new_context(
        viewport={"width": 1180, "height": height}, device_scale_factor=1.25
    ).new_page()


def player(browser: Any, lab: Any, demo: Path, output: Path) -> None:
    """Take a screenshot of the player in the separation panel: a mixture under a mask."""
    page = new_page(browser, 2400)
    notebook = Notebook(
        page, lab, "picture", [SHOW.format(run=str(demo / "model"), mixture=str(typical(demo)))]
    )
    notebook.run_all()
    notebook.command("application:toggle-left-area")
    page.get_by_role("button", name="separate", exact=True).click()
    page.wait_for_selector(".absslab-player .track", timeout=120_000)
    shown = page.locator(".absslab-player")
    shown.press("2")
    page.get_by_label("Picture", exact=True).select_option("both")
    notebook.execute("panel.recording_view.player.seek(4.2)")
    page.wait_for_timeout(3000)
    shown.screenshot(path=output)


def dashboard(browser: Any, demo: Path, output: Path) -> None:
    """Take a screenshot of the dashboard: a mixture without one of its classes and the noise."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["separate", "--run_directory", str(demo / "model")]
        with closing(Dashboard(Path(folder), arguments)) as served:
            page = new_page(browser, 900)
            open_page(page, served, "Separate")
            page.locator("input[type=file]").set_input_files(typical(demo))
            page.wait_for_selector(".absslab-player .track", timeout=120_000)
            rows = page.locator(".absslab-keep")
            for row in (rows.first, rows.last):
                row.get_by_role("button", name="remove").click()
            page.get_by_label("What is heard").select_option(label="after")
            page.wait_for_timeout(3000)
            page.locator(".absslab-dashboard").screenshot(path=output)
            page.context.close()


def report(browser: Any, demo: Path, output: Path) -> None:
    """Take a screenshot of the worst mixture in the report."""
    page = new_page(browser, 1100)
    page.goto((demo / "report.html").as_uri())
    page.get_by_role("heading", name="Mixtures to see and to hear").evaluate(
        "(heading) => heading.scrollIntoView()"
    )
    page.wait_for_timeout(500)
    page.screenshot(path=output)


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--demo", type=Path, default=Path("demo"), help="folder that absslab demo wrote"
    )
    parser.add_argument("--output", type=Path, default=PICTURES, help="the folder of the pictures")
    parser.add_argument("--chromium", default=CHROMIUM)
    arguments = parser.parse_args()
    demo = arguments.demo.absolute()
    output = arguments.output
    with browsing(arguments.chromium) as (lab, browser):
        player(browser, lab, demo, output / "player.png")
        dashboard(browser, demo, output / "dashboard.png")
        report(browser, demo, output / "report.png")


if __name__ == "__main__":
    main()
