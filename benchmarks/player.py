"""Measure delay, data and memory of the player, in JupyterLab and Chromium.

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
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

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
const start = performance.now();
app.commands.execute("notebook:run-cell");
const next = () => new Promise(requestAnimationFrame);
let shown = null;
while (true) {{
    await next();
    const player = {PLAYER};
    const play = player?.querySelector(".play");
    if (!play) continue;
    shown ??= performance.now() - start;
    const state = player.absslab.probe();
    if (!state.isPlaying) play.click();
    if (state.out > 1e-4) return [shown, performance.now() - start];
}}
"""
SLIDER = f"""
const [number, track, key] = argument;
const handles = ".jp-NotebookPanel:not(.lm-mod-hidden) .widget-slider .noUi-handle";
const slider = document.querySelectorAll(handles)[number];
const before = {PROBE}.sounding[track];
const start = performance.now();
const keyCode = key === "ArrowRight" ? 39 : 37;
slider.dispatchEvent(new KeyboardEvent("keydown", {{ key, keyCode }}));
while (true) {{
    await new Promise(requestAnimationFrame);
    if ({PROBE}.sounding[track] !== before) return performance.now() - start;
}}
"""


class ByteCounter:
    """Counts the bytes that a page receives through its web sockets."""

    def __init__(self, page: Any):
        self.n_bytes = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._count))

    def _count(self, frame: Any) -> None:
        self.n_bytes += len(frame if isinstance(frame, bytes) else frame.encode())


def open_page(browser: Any) -> Any:
    """Open a page in a new window."""
    return browser.new_context(viewport={"width": 1280, "height": 900}).new_page()


def open_notebook(page: Any, lab: Lab, name: str, *cells: str) -> Notebook:
    """Open a notebook, run its first cell, and click on the page: browsers play no sound before."""
    notebook = Notebook(page, lab, name, cells)
    notebook.run_cell(0)
    page.mouse.click(700, 400)
    page.wait_for_timeout(500)
    return notebook


def measure_first_sound(browser: Any, lab: Lab, n: int) -> None:
    """Measure the time from running a cell to the sound of 12 tracks of 10 s."""
    times_to_player = []
    times_to_sound = []
    n_bytes = 0
    for i in range(n):
        page = open_page(browser)
        counter = ByteCounter(page)
        notebook = open_notebook(
            page, lab, f"first{i}", SOUNDS, "player = absslab.listen(sounds, 16000)\nplayer"
        )
        notebook.execute("import absslab.widgets.player.player")
        notebook.in_page("panel.content.activeCellIndex = 1")
        before = counter.n_bytes
        to_player, to_sound = notebook.in_page(FIRST_SOUND)
        times_to_player.append(to_player)
        times_to_sound.append(to_sound)
        page.wait_for_timeout(3000)
        n_bytes = counter.n_bytes - before
        notebook.close()
        page.context.close()
    median = statistics.median(times_to_player)
    print(f"cell to player, 12 tracks of 10 s: {median:.0f} ms (median of {n})")
    median = statistics.median(times_to_sound)
    fastest = min(times_to_sound)
    slowest = max(times_to_sound)
    print(f"cell to first sound: {median:.0f} ms, {fastest:.0f} to {slowest:.0f}")
    sound = 12 * 160000 * 2 / 1e6  # MB
    print(f"bytes to the page: {n_bytes / 1e6:.2f} MB (the sound alone: {sound:.2f} MB)")


def measure_slider(browser: Any, lab: Lab, checkpoint: Path, mixture: Path, n: int) -> None:
    """Measure the time from the move of a slider to the new sound."""
    page = open_page(browser)
    run = checkpoint.with_suffix("")
    setup = "from absslab.widgets.panels.separation import SeparationPanel\n"
    setup += "from absslab.widgets.panels import State\n"
    setup += f"panel = SeparationPanel(State(mixture={str(mixture)!r}, run={str(run)!r}))"
    notebook = open_notebook(page, lab, "slider", setup, "panel")
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
    median = statistics.median(times)
    print(
        f"slider to new sound, {n_tracks} tracks: {median:.0f} ms "
        f"(median of {n}; slowest {max(times):.0f})"
    )
    notebook.close()
    page.context.close()


def measure_memory(browser: Any, lab: Lab, n: int) -> None:
    """Measure the memory of kernel and page after the player was opened and closed many times."""
    page = open_page(browser)
    notebook = open_notebook(page, lab, "memory", SOUNDS, "pass")
    show_player = """
player = absslab.listen(sounds, 16000)
clear_output(); display(player)
"""
    session = page.context.new_cdp_session(page)
    kernel = psutil.Process(int(notebook.execute("os.getpid()")))
    notebook.in_page("panel.content.widgets[1].model.sharedModel.setSource(argument)", show_player)
    for i in range(n):
        notebook.run_cell(1)
        page.wait_for_selector(".absslab-player .track")
        page.wait_for_timeout(150)
        notebook.execute("player.close(); del player; gc.collect()")
        if i + 1 in (5, n):
            page.wait_for_timeout(1000)
            session.send("HeapProfiler.collectGarbage")
            heap = session.send("Runtime.getHeapUsage")["usedSize"] / 2**20
            n_widgets = notebook.execute(
                "import ipywidgets; len(ipywidgets.widgets.widget._instances)"
            )
            rss = kernel.memory_info().rss / 2**20
            print(
                f"after {i + 1:2} times: kernel {rss:.0f} MiB, {n_widgets} widgets; "
                f"page {heap:.1f} MiB of JavaScript"
            )
    notebook.close()
    page.context.close()


def main() -> None:
    """Measure the first sound, a slider and the memory, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint_path", type=Path, help="a model, for measuring the slider")
    parser.add_argument("--mixture", type=Path, help="a mixture with classes of the model")
    parser.add_argument("--n_repetitions", type=int, default=9)
    parser.add_argument(
        "--n_players", type=int, default=50, help="number of players to open and close"
    )
    parser.add_argument("--chromium", default=CHROMIUM)
    arguments = parser.parse_args()
    with browsing(arguments.chromium) as (lab, browser):
        start = time.monotonic()
        measure_first_sound(browser, lab, arguments.n_repetitions)
        if arguments.checkpoint_path and arguments.mixture:
            paths = arguments.checkpoint_path.absolute(), arguments.mixture.absolute()
            measure_slider(browser, lab, *paths, 4 * arguments.n_repetitions)
        measure_memory(browser, lab, arguments.n_players)
        print(f"({time.monotonic() - start:.0f} s in all)")


if __name__ == "__main__":
    main()
