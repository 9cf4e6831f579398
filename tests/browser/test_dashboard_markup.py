"""Markup in names of classes, runs and files, and in votes, is text on all pages."""

import json

import pytest

from absslab.core.evaluation.listening_trials import votes_path

from .dashboard import LOADED, open_page, play, probe
from .marked_runs import MARKS, mark_mixtures, mark_run

pytestmark = pytest.mark.slow
CLASSES = ("alert", "knock", "pageturn", "speech")
FOREIGN = "img[src=x], svg[onload], .absslab-dashboard script, .absslab-player b"
RUNS = (MARKS[0], "{{7*7}}'\"><svg onload=window.markupHasRun=1>")


@pytest.fixture(scope="module")
def marked(checkpoint, mixtures, tmp_path_factory):
    """Flags for two runs and a folder of mixtures whose names hold markup."""
    folder = tmp_path_factory.mktemp("marked")
    classes = dict(zip(CLASSES, MARKS, strict=True))
    mark_mixtures(mixtures, folder / "set", classes)
    for name in RUNS:
        mark_run(checkpoint, folder / "runs" / name, classes)
    return folder


@pytest.fixture
def markup_stays_text(page):
    """At the end nothing of the markup has run, and none of it is an element."""
    yield
    assert page.evaluate("window.markupHasRun") is None
    assert page.locator(FOREIGN).count() == 0
    assert "49" not in page.title()


def flags(marked, *runs):
    paths = [marked / "runs" / name for name in runs]
    return ("--run_directory", *paths, "--mixture_folder", marked / "set")


def assert_tracks_are_text(page):
    page.locator(".absslab-player .track").first.wait_for(timeout=LOADED)
    names = [track["name"] for track in probe(page)["tracks"]]
    shown = page.locator(".absslab-player .name").all_inner_texts()
    assert shown == names
    return names


def test_listen(serve, page, markup_stays_text, marked):
    open_page(page, serve("listen", *flags(marked, RUNS[0])), "Listen")
    play(page)
    names = assert_tracks_are_text(page)
    assert any(MARKS[0] in name for name in names)
    assert page.locator(".absslab-player .title").inner_text() == f"{MARKS[0]}.wav"
    page.get_by_text("SI-SDR / dB").wait_for(timeout=LOADED)
    text = page.inner_text("body")
    assert MARKS[0] in text
    for _ in range(3):
        page.get_by_role("button", name="next").click()
        page.wait_for_timeout(1500)


def test_separate(serve, page, markup_stays_text, marked, tmp_path):
    open_page(page, serve("separate", *flags(marked, RUNS[0])), "Separate")
    sound = next((marked / "set" / "test").glob("*.wav"))
    page.locator("input[type=file]").set_input_files(
        {"name": f"{MARKS[3]}.wav", "mimeType": "audio/wav", "buffer": sound.read_bytes()}
    )
    page.get_by_role("button", name="download the result").wait_for(timeout=LOADED)
    assert_tracks_are_text(page)
    assert page.locator(".absslab-player .title").inner_text() == f"{MARKS[3]}.wav"
    text = page.text_content("#rendered_cells")
    assert any(mark in text for mark in MARKS[:3])


def test_monitor(serve, page, markup_stays_text, marked):
    open_page(page, serve("monitor", "--runs_folder", marked / "runs"), "Trainings")
    for name in RUNS:
        page.get_by_role("cell", name=name, exact=True).first.wait_for(timeout=LOADED)
    text = page.inner_text("body")
    assert MARKS[1] in text
    assert RUNS[0] in page.text_content("select").replace("\xa0", " ")


def test_compare(serve, page, markup_stays_text, marked):
    votes = marked / "votes"
    path = votes_path(votes, RUNS)
    path.parent.mkdir()
    vote = {"listener": MARKS[1], "mixture": MARKS[0], "label": MARKS[2], "x": RUNS[0]}
    vote |= {"systems": RUNS, "choice": "X", "seconds": 1.0, "time": 0.0, "preferred": RUNS[0]}
    path.write_text(json.dumps(vote) + "\n")
    dashboard = serve("compare", *flags(marked, *RUNS), "--votes_folder", votes)
    open_page(page, dashboard, "Compare")
    play(page)
    assert_tracks_are_text(page)
    page.get_by_role("tab", name="blind test").click()
    page.get_by_role("button", name="begin").click()
    page.get_by_text("Round 1 of").wait_for(timeout=LOADED)
    number = 1
    while page.get_by_text(f"Round {number} of").count():
        better = page.get_by_role("button", name="no difference")
        better.click()
        number += 1
        page.get_by_text(f"Round {number} of").or_(
            page.get_by_text("All listeners so far")
        ).wait_for()
    page.get_by_text("All listeners so far").wait_for()
    assert RUNS[0] in page.inner_text("body")
