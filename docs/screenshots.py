"""The README's picture of the player, made anew: the separation panel on a typical test mixture of the demo.

python docs/screenshots.py --demo demo
"""

import argparse
import sys
from pathlib import Path

from absslab.core.run_scores import scores_path, typical_mixture
from absslab.core.score_table import read_scores

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser.notebook import Notebook
from browser.session import CHROMIUM, browsing

SHOW = """
from absslab.widgets.separation_panel import SeparationPanel
from absslab.widgets.state import State
panel = SeparationPanel(State(run={run!r}, mixture={mixture!r}))
panel
"""


def typical(demo: Path) -> Path:
    """The test mixture of three classes or more whose mean improvement is the median."""
    _, table = read_scores(scores_path(demo / "model", "test"))
    return demo / "mixtures" / "test" / typical_mixture(table)


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=Path("demo"), help="what absslab demo wrote")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("player.png"))
    parser.add_argument("--chromium", default=CHROMIUM)
    arguments = parser.parse_args()
    demo = arguments.demo.absolute()
    with browsing(arguments.chromium) as (lab, browser):
        page = browser.new_context(viewport={"width": 1180, "height": 2400}, device_scale_factor=1.25).new_page()
        notebook = Notebook(page, lab, "picture", [SHOW.format(run=str(demo / "model"), mixture=str(typical(demo)))])
        notebook.run_all()
        notebook.command("application:toggle-left-area")
        page.get_by_role("button", name="separate", exact=True).click()
        page.wait_for_selector(".absslab-player .track", timeout=120_000)
        player = page.locator(".absslab-player")
        player.press("2")
        page.get_by_label("Picture", exact=True).select_option("both")
        notebook.execute("panel.listening.player.seek(4.2)")
        page.wait_for_timeout(3000)
        player.screenshot(path=arguments.output)


if __name__ == "__main__":
    main()
