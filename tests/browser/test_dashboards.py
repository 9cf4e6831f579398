"""The main action and the sound of every dashboard, in a browser that reaches no other machine."""

import json
import math
import shutil

import numpy as np
import pytest
import soundfile

from absslab.core.evaluation.listening_trials import read_votes

from .conftest import open_watched_page
from .dashboard import LOADED, loudest, open_page, play, probe, until, wait_for_sound

pytestmark = pytest.mark.slow
FOCUSED = (
    "document.activeElement.closest('.absslab-player') ? 'player' : document.activeElement.tagName"
)


def take_pictures(page, screenshots, name):
    """Take screenshots for a laptop and for a phone, light and dark."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(600)
            page.screenshot(
                path=screenshots / f"dashboard_{name}_{width}_{scheme}.png", full_page=True
            )
            page_width = page.evaluate("document.documentElement.scrollWidth")
            assert page_width <= width, f"{name} is {page_width} px wide in a window of {width}"
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")


@pytest.mark.listens
def test_listen(serve, page, run, mixtures, screenshots):
    open_page(page, serve("listen", "--run_directory", run), "Listen")
    play(page)
    names = [track["name"] for track in probe(page)["tracks"]]
    assert names[0] == "mixture"
    reference = next(name for name in names if name.endswith("(reference)"))
    levels = loudest(page)
    assert {name for name, rms in levels.items() if rms > 0} == {"mixture"}
    page.get_by_role("button", name="Hear only this", exact=False).nth(
        names.index(reference)
    ).click()
    page.wait_for_timeout(100)
    assert {name for name, rms in loudest(page).items() if rms > 1e-4} == {reference}
    title = page.locator(".absslab-player .title").first
    assert title.inner_text() == "000000.wav"
    page.get_by_role("button", name="next").click()
    until(page, lambda: title.inner_text() == "000001.wav", what="the next mixture")
    page.get_by_text("SI-SDR / dB").wait_for()
    take_pictures(page, screenshots, "listen")


def test_the_keyboard_leads_to_everything(serve, page, run):
    open_page(page, serve("listen", "--run_directory", run), "Listen")
    page.locator(".absslab-player .track").first.wait_for(timeout=LOADED)
    page.wait_for_timeout(500)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))
    assert {"SELECT", "BUTTON", "player"} <= reached


@pytest.mark.listens
def test_what_is_heard_has_the_level_of_the_file(serve, page, run, mixtures):
    open_page(page, serve("listen", "--run_directory", run), "Listen")
    play(page)
    samples, rate = soundfile.read(mixtures / "test" / "000000.wav")
    window = 2048 / 48000
    loud = max(
        math.sqrt(np.mean(samples[i : i + round(window * rate)] ** 2))
        for i in range(0, len(samples), round(window * rate))
    )
    assert loudest(page, 4.5)["mixture"] == pytest.approx(loud, rel=0.15)


@pytest.mark.listens
def test_separate_an_upload_remove_a_class_hear_it_and_download_it(
    serve, page, run, mixtures, screenshots, tmp_path
):
    dashboard = serve("separate", "--run_directory", run)
    open_page(page, dashboard, "Separate")
    mixture = mixtures / "test" / "000000.wav"
    page.locator("input[type=file]").set_input_files(mixture)
    page.get_by_text("found:").wait_for(timeout=LOADED)
    play(page)
    assert {name for name, rms in loudest(page).items() if rms > 0} == {"before"}
    rows = page.locator(".absslab-keep")
    row_names = [
        rows.nth(i).locator(".widget-label").first.inner_text().partition(",")[0]
        for i in range(rows.count())
    ]
    assert row_names[-1] == "everything else"
    page.get_by_label("What is heard").select_option(label="after")
    before = loudest(page)["after"]
    assert before > 1e-3
    for i in range(rows.count()):
        rows.nth(i).get_by_role("button", name="remove").click()
    until(page, lambda: loudest(page, 0.5)["after"] == 0, 20, "silence where all is removed")
    assert probe(page)["isPlaying"]
    rows.last.get_by_role("button", name="keep").click()
    until(page, lambda: loudest(page, 0.5)["after"] > 0, 20, "the kept part is heard again")
    with page.expect_download() as download:
        page.get_by_role("button", name="download the result").click()
    download.value.save_as(tmp_path / "downloaded.wav")
    downloaded, rate = soundfile.read(tmp_path / "downloaded.wav")
    (folder,) = [visitor for visitor in dashboard.visitors if list(visitor.glob("separated-*"))]
    files = {path.stem: soundfile.read(path)[0] for path in folder.glob("separated-*/*/*.wav")}
    # the residual, and the classes that were not found
    rest = sum(samples for name, samples in files.items() if name not in row_names)
    assert rate == soundfile.info(mixture).samplerate
    np.testing.assert_allclose(downloaded, rest, atol=1e-4)
    assert download.value.suggested_filename.startswith("000000 ")
    page.get_by_role("button", name="keep all").click()
    page.wait_for_timeout(500)
    take_pictures(page, screenshots, "separate")
    page.goto("about:blank")
    until(page, lambda: not folder.exists(), 30, "the upload is removed")


def test_monitor_follows_a_run_that_grows(serve, page, run, screenshots, tmp_path):
    grown = tmp_path / "runs" / "grown"
    shutil.copytree(run, grown)
    lines = (grown / "metrics.jsonl").read_text().splitlines()
    (grown / "metrics.jsonl").write_text(lines[0] + "\n")
    open_page(page, serve("monitor", "--runs_folder", tmp_path / "runs"), "Trainings")
    page.get_by_role("cell", name="grown").first.wait_for()
    page.get_by_role("cell", name="1 of 2").wait_for()
    with (grown / "metrics.jsonl").open("a") as file:
        file.write(lines[1] + "\n")
    page.get_by_role("cell", name="2 of 2").first.wait_for()
    assert page.get_by_role("button", name="start", exact=True).count() == 0
    assert str(tmp_path) not in page.content()
    take_pictures(page, screenshots, "monitor")


@pytest.mark.listens
def test_compare_side_by_side_and_blind(serve, page, run, second_run, screenshots, tmp_path):
    votes = tmp_path / "votes"
    open_page(
        page,
        serve("compare", "--run_directory", run, second_run, "--votes_folder", votes),
        "Compare",
    )
    play(page)
    names = [track["name"] for track in probe(page)["tracks"]]
    a = next(name for name in names if name.endswith(", A") and f"{name[:-3]} (reference)" in names)
    assert f"{a[:-1]}B" in names
    page.get_by_label("What is heard").first.select_option(label=a)
    page.wait_for_timeout(100)
    assert {name for name, rms in loudest(page).items() if rms > 0} == {a}
    take_pictures(page, screenshots, "compare")
    page.get_by_role("tab", name="blind test").click()
    page.get_by_role("button", name="begin").click()
    page.get_by_text("Round 1 of").wait_for()
    page.locator(".absslab-player:visible .track").first.wait_for(timeout=LOADED)
    text = page.locator(".absslab-player:visible").inner_text()
    assert "X" in text
    assert second_run.name not in text
    take_pictures(page, screenshots, "blind")
    number = 1
    while page.get_by_text(f"Round {number} of").count():
        better = page.get_by_role(
            "button", name=("X is better", "Y is better", "no difference")[number % 3]
        )
        until(page, better.is_enabled, 30, "the sound of this round")
        if number == 1:
            visible = [i for i in range(2) if page.locator(".absslab-player").nth(i).is_visible()]
            play(page, visible[0])
            page.get_by_role("button", name="Hear only this (2): X").click()
            page.wait_for_timeout(100)
            assert {name for name, rms in loudest(page, 2.5, visible[0]).items() if rms > 0} == {
                "X"
            }
        better.click()
        number += 1
        until(
            page,
            lambda number=number: (
                page.get_by_text(f"Round {number} of").count() or page.get_by_text("You:").count()
            ),
            what="the next round, or the end",
        )
    page.get_by_text("All listeners so far").wait_for()
    (path,) = votes.glob("*.jsonl")
    stored = read_votes(path)
    assert len(stored) == number - 1 == len(path.read_text().splitlines())
    assert {vote.x for vote in stored} == {run.name, second_run.name}
    assert json.loads(path.read_text().splitlines()[0])["systems"] == [run.name, second_run.name]


CONTEXTS = {
    "waits": "class extends AudioContext { get state() { return 'suspended'; } "
    "resume() { return new Promise(() => {}); } }",
    "refuses": "class { constructor() { throw new Error('no loudspeaker'); } }",
    "resamples": "class extends AudioContext { constructor(options) { "
    "if (options?.sampleRate) throw new DOMException('odd rate', 'NotSupportedError'); "
    "super(options); } }",
}


@pytest.mark.parametrize(
    ("context", "line"),
    [
        ("waits", "the browser does not start its sound: press play again"),
        ("refuses", "this browser can't play sound of 16000 Hz (no loudspeaker)"),
        ("resamples", ""),
    ],
)
def test_a_browser_that_does_not_sound_is_told_in_words(serve, page, run, context, line):
    page.add_init_script(f"window.AudioContext = {CONTEXTS[context]};")
    open_page(page, serve("listen", "--run_directory", run), "Listen")
    play(page)
    if line:
        page.locator(".absslab-player .status.wrong").get_by_text(line).wait_for(timeout=10_000)
        assert not probe(page)["isPlaying"]
        assert page.get_by_role("button", name="Play", exact=True).count()
    else:
        wait_for_sound(page)


def test_two_visitors_do_not_meet(serve, page, browser, watch, run, mixtures):
    dashboard = serve("separate", "--run_directory", run, fresh=True)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    other = open_watched_page(context, watch)
    for visitor_page, name in ((page, "000000.wav"), (other, "000001.wav")):
        open_page(visitor_page, dashboard, "Separate")
        visitor_page.locator("input[type=file]").set_input_files(mixtures / "test" / name)
        visitor_page.get_by_text("found:").wait_for(timeout=LOADED)
    assert page.locator(".absslab-player .title").inner_text() == "000000.wav"
    assert other.locator(".absslab-player .title").inner_text() == "000001.wav"
    assert len(dashboard.visitors) == 2
    assert {folder.stat().st_mode & 0o777 for folder in dashboard.visitors} == {0o700}
    context.close()
    until(
        page,
        lambda: len(dashboard.visitors) == 1,
        40,
        "one of them has left, and the upload is removed",
    )
    page.get_by_role("button", name="keep all").click()
    play(page)
    wait_for_sound(page, "before")
