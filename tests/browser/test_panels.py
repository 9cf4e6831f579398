"""The panels in a browser: masks change while sound plays, a training outlives its kernel."""

import math
import time

import psutil
import pytest

from absslab.core.training.run_directory import RunReader

SMALL = {
    "model_type": "U_Net",
    "unet_channels": (8, 8, 8),
    "fine_channels": 4,
    "context": 8,
    "n_mels": 32,
    "precision": "float32",
    "device": "cpu",
}
PROBE = "document.querySelector('.absslab-player').absslab.probe()"


def probe(page):
    return page.evaluate(PROBE)


def loudest(notebook, page, names, seconds=2.5):
    """Return the highest level of each of these tracks while a loop plays."""
    most = dict.fromkeys(names, 0.0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(60)
        for track in probe(page)["tracks"]:
            if track["name"] in most:
                most[track["name"]] = max(most[track["name"]], track["rms"])
    return most


@pytest.mark.listens
def test_masks_are_changed_while_it_plays(open_notebook, page, checkpoint, mixtures, screenshots):
    run = checkpoint.with_suffix("")
    mixture = mixtures / "test" / "000000.wav"
    notebook = open_notebook(
        "from absslab.widgets.panels.separation import SeparationPanel\n"
        "from absslab.widgets.panels import State",
        f"panel = SeparationPanel(State(run={str(run)!r}, mixture={str(mixture)!r}))\npanel",
    )
    notebook.run_all()
    page.get_by_role("button", name="separate", exact=True).click()
    page.wait_for_selector(".absslab-player .track", timeout=60_000)
    player = page.locator(".absslab-player")
    player.press("l")
    page.click(".absslab-player .play")
    page.get_by_label("What is heard").select_option(label="all sources")
    names = [track["name"] for track in probe(page)["tracks"]][1:-1]
    sources = [
        name
        for name in notebook.execute("' '.join(panel.live_result.probabilities)").strip("'").split()
        if name in names
    ]
    before = loudest(notebook, page, sources)
    assert max(before.values()) > 1e-4
    versions = probe(page)["sounding"]

    page.locator(".widget-slider", has_text="mask threshold").locator(".noUi-handle").press("End")
    notebook.until(lambda: probe(page)["sounding"] != versions, 20, "new sources")
    notebook.until(
        lambda: max(loudest(notebook, page, sources, 0.3).values()) == 0,
        20,
        "masks below 1 take nothing",
    )
    assert probe(page)["isPlaying"], "it never stopped"

    page.locator(".widget-slider", has_text="mask threshold").locator(".noUi-handle").press("Home")
    page.locator(".widget-slider", has_text="mask floor").locator(".noUi-handle").press("End")
    notebook.until(
        lambda: min(loudest(notebook, page, sources, 1.0).values()) > 1e-3,
        20,
        "masks of 1 take everything",
    )
    page.get_by_label("What is heard").select_option(label="mixture")
    mixed = loudest(notebook, page, ["mixture"])["mixture"]
    page.get_by_label("What is heard").select_option(label=sources[0])
    assert loudest(notebook, page, sources)[sources[0]] == pytest.approx(mixed, rel=0.1)

    saved = notebook.execute("[path.exists() for path in panel.save('mine')]")
    assert saved == "[True, True]"
    notebook.screenshot("separation_panel", screenshots)


def test_a_training_is_started_seen_growing_attached_again_after_a_restart_and_stopped(
    open_notebook, page, lab, watch, mixtures, screenshots
):
    runs = lab.root / "runs"
    set_up = (
        "from absslab.widgets.panels.training import TrainingPanel\n"
        "from absslab.widgets.panels import State"
    )
    own = {
        "n_epochs": 500,
        "batch_size": 8,
        "test_every": 1,
        "data_folder": str(mixtures),
        "save_path": str(runs / "first.ckpt"),
    }
    make = f"panel = TrainingPanel(State(runs_folder={str(runs)!r}))"
    show = f"{make}\npanel.form.set({SMALL | own!r})\npanel"
    notebook = open_notebook(set_up, show)
    notebook.run_all()
    page.get_by_role("button", name="start", exact=True).click()
    reader = notebook.until(
        lambda: (runs / "first" / "config.json").exists() and RunReader.open(runs / "first"),
        60,
        "a run",
    )
    notebook.until(lambda: reader.state() == "running", 60, "running")
    pid = reader.status().pid
    count_points = (
        "max([len(line.get_xdata()) for axes in panel.follower.view.plot.figure.axes "
        "for line in axes.lines], default=0)"
    )
    first = notebook.until(
        lambda: int(notebook.execute(count_points)) >= 2 and int(notebook.execute(count_points)),
        60,
        "curves",
    )
    notebook.until(lambda: int(notebook.execute(count_points)) > first, 30, "growing curves")
    page.wait_for_timeout(1500)
    notebook.screenshot("training_running", screenshots)

    notebook.restart_kernel()
    assert psutil.pid_exists(pid)
    notebook.run_cell(0)
    index = notebook.add_and_run(f"{make}\npanel")
    picker = notebook.output(index).get_by_label("run", exact=True)
    picker.select_option(index=1)
    notebook.until(lambda: int(notebook.execute(count_points)) > first, 30, "the same curves")
    assert reader.state() == "running"
    assert reader.status().pid == pid

    notebook.output(index).get_by_role("button", name="stop", exact=True).click()
    notebook.until(lambda: reader.state() == "stopped", 30, "stopped")
    page.wait_for_timeout(2500)
    notebook.screenshot("training_stopped", screenshots)
    reader.poll()
    assert len(reader.metrics) >= 2
    assert all(math.isfinite(epoch["losses"]["total"]) for epoch in reader.metrics.values())
    # These errors come from the old canvas, which stays in the page without a kernel.
    watch.errors = [error for error in watch.errors if "Cannot send" not in error]


def test_every_tab_of_the_workbench_opens(
    open_notebook, page, event_folder, mixtures, checkpoint, screenshots
):
    folders = (
        f"event_folder={str(event_folder)!r}, mixture_folder={str(mixtures)!r}, "
        f"runs_folder={str(checkpoint.parent)!r}"
    )
    notebook = open_notebook(f"import absslab\nworkbench = absslab.workbench({folders})\nworkbench")
    notebook.run_all()
    expected_texts = {
        "recordings": "read the recordings",
        "mixtures": "draw",
        "training": "start",
        "runs": "model",
        "separation": "separate the whole file",
        "report": "score",
    }
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        notebook.command("apputils:change-theme", theme=theme)
        for name, text in expected_texts.items():
            page.locator(".widget-tab .lm-TabBar-tabLabel", has_text=name).first.click()
            notebook.until(
                lambda text=text: text in notebook.output(0).inner_text(),
                30,
                f"{name} shows {text!r}",
            )
            page.wait_for_timeout(700)
            notebook.screenshot(f"workbench_{name}_{theme.rpartition(' ')[2].lower()}", screenshots)
    assert notebook.execute(
        "[panel.message_line.value.count('alert') for panel in workbench._panels.values()]"
    ) == str([0] * 6)
