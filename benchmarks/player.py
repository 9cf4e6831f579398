"""How soon one hears something, and what it costs: the player and the separation panel in JupyterLab and Chromium.

python benchmarks/player.py --checkpoint_path R.ckpt --mixture data/mixtures/test/000000.wav
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser.lab import Lab
from browser.notebook import Notebook
from browser.session import CHROMIUM, browsing

PLAYER = "document.querySelector('.absslab-player')"
PROBE = f"{PLAYER}.absslab.probe()"
SOUNDS = """
import gc, os, numpy as np, psutil, absslab
from IPython.display import clear_output, display
rng = np.random.default_rng(0)
sounds = {f"track {i}": (0.1 * rng.standard_normal(160000)).astype(np.float32) for i in range(12)}
"""
FIRST_SOUND = f"""
const begun = performance.now();
app.commands.execute("notebook:run-cell");
const next = () => new Promise(requestAnimationFrame);
let shown = null;
while (true) {{
    await next();
    const player = {PLAYER};
    const play = player?.querySelector(".play");
    if (!play) continue;
    shown ??= performance.now() - begun;
    const state = player.absslab.probe();
    if (!state.isPlaying) play.click();
    if (state.out > 1e-4) return [shown, performance.now() - begun];
}}
"""
SLIDER = f"""
const slider = document.querySelectorAll(".jp-NotebookPanel:not(.lm-mod-hidden) .widget-slider .noUi-handle")[argument[0]];
const before = {PROBE}.sounding[argument[1]];
const begun = performance.now();
slider.dispatchEvent(new KeyboardEvent("keydown", {{ key: argument[2], keyCode: argument[2] === "ArrowRight" ? 39 : 37 }}));
while (true) {{
    await new Promise(requestAnimationFrame);
    if ({PROBE}.sounding[argument[1]] !== before) return performance.now() - begun;
}}
"""


class Wire:
    """Bytes that a page got through its web sockets."""

    def __init__(self, page: Any):
        self.n_bytes = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._count))

    def _count(self, frame: Any) -> None:
        self.n_bytes += len(frame if isinstance(frame, bytes) else frame.encode())


def open_page(browser: Any) -> Any:
    """A new page in a window of its own."""
    return browser.new_context(viewport={"width": 1280, "height": 900}).new_page()


def opened(page: Any, lab: Lab, name: str, *cells: str) -> Notebook:
    """A notebook whose first cell has run, in a page that was clicked, which sound needs."""
    notebook = Notebook(page, lab, name, cells)
    notebook.run_cell(0)
    page.mouse.click(700, 400)
    page.wait_for_timeout(500)
    return notebook


def first_sound(browser: Any, lab: Lab, n: int) -> None:
    """From running a cell to hearing 10 s in 12 tracks."""
    shown, heard, wire = [], [], 0
    for i in range(n):
        page = open_page(browser)
        counter = Wire(page)
        notebook = opened(
            page, lab, f"first{i}", SOUNDS, "player = absslab.listen(sounds, 16000)\nplayer"
        )
        notebook.execute("import absslab.widgets.player.player")
        notebook.in_page("panel.content.activeCellIndex = 1")
        before = counter.n_bytes
        times = notebook.in_page(FIRST_SOUND)
        shown.append(times[0])
        heard.append(times[1])
        page.wait_for_timeout(3000)
        wire = counter.n_bytes - before
        notebook.close()
        page.context.close()
    print(f"cell to player, 12 tracks of 10 s: {statistics.median(shown):.0f} ms (median of {n})")
    print(
        f"cell to first sound: {statistics.median(heard):.0f} ms, {min(heard):.0f} to {max(heard):.0f}"
    )
    print(
        f"over the wire, sound and pictures: {wire / 1e6:.2f} MB (the sound alone: {12 * 160000 * 2 / 1e6:.2f} MB)"
    )


def slider(browser: Any, lab: Lab, checkpoint: Path, mixture: Path, n: int) -> None:
    """From moving a slider to hearing it."""
    page = open_page(browser)
    make = "from absslab.widgets.panels.separation import SeparationPanel\n"
    make += "from absslab.widgets.panels import State\n"
    make += f"panel = SeparationPanel(State(mixture={str(mixture)!r}, run={str(checkpoint.with_suffix(''))!r}))"
    notebook = opened(page, lab, "slider", make, "panel")
    notebook.run_cell(1)
    page.get_by_role("button", name="separate", exact=True).click()
    page.wait_for_selector(".absslab-player .track", timeout=120_000)
    page.locator(".absslab-player").press("l")
    page.locator(".absslab-player").press("2")
    page.click(".absslab-player .play")
    page.wait_for_timeout(3000)
    times = []
    for i in range(n):
        times.append(notebook.in_page(SLIDER, [0, 1, "ArrowRight" if i % 2 else "ArrowLeft"]))
        page.wait_for_timeout(700)
    n_tracks = page.locator(".absslab-player .track").count()
    print(
        f"slider to new sound, {n_tracks} tracks: {statistics.median(times):.0f} ms (median of {n}; most {max(times):.0f})"
    )
    notebook.close()
    page.context.close()


def memory(browser: Any, lab: Lab, n: int) -> None:
    """What opening and closing the player leaves, in the kernel and in the page."""
    page = open_page(browser)
    notebook = opened(page, lab, "memory", SOUNDS, "pass")
    again = """
player = absslab.listen(sounds, 16000)
clear_output(); display(player)
"""
    session = page.context.new_cdp_session(page)
    kernel = psutil.Process(int(notebook.execute("os.getpid()")))
    notebook.in_page("panel.content.widgets[1].model.sharedModel.setSource(argument)", again)
    for i in range(n):
        notebook.run_cell(1)
        page.wait_for_selector(".absslab-player .track")
        page.wait_for_timeout(150)
        notebook.execute("player.close(); del player; gc.collect()")
        if i + 1 in (5, n):
            page.wait_for_timeout(1000)
            session.send("HeapProfiler.collectGarbage")
            heap = session.send("Runtime.getHeapUsage")["usedSize"] / 2**20
            left = notebook.execute("import ipywidgets; len(ipywidgets.widgets.widget._instances)")
            rss = kernel.memory_info().rss / 2**20
            print(
                f"after {i + 1:2} times: kernel {rss:.0f} MiB, {left} widgets; page {heap:.1f} MiB of JavaScript"
            )
    notebook.close()
    page.context.close()


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint_path", type=Path, help="a model, for the slider")
    parser.add_argument("--mixture", type=Path, help="a mixture of its classes")
    parser.add_argument("--n_repetitions", type=int, default=9)
    parser.add_argument("--n_players", type=int, default=50, help="opened and closed")
    parser.add_argument("--chromium", default=CHROMIUM)
    arguments = parser.parse_args()
    with browsing(arguments.chromium) as (lab, browser):
        begun = time.monotonic()
        first_sound(browser, lab, arguments.n_repetitions)
        if arguments.checkpoint_path and arguments.mixture:
            paths = arguments.checkpoint_path.absolute(), arguments.mixture.absolute()
            slider(browser, lab, *paths, 4 * arguments.n_repetitions)
        memory(browser, lab, arguments.n_players)
        print(f"({time.monotonic() - begun:.0f} s in all)")


if __name__ == "__main__":
    main()
