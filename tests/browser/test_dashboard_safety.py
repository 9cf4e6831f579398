"""Visitors can do no harm: with bad files, by leaving at any moment, or without a token."""

import os
import shutil
import signal
import time

import numpy as np
import pytest
import soundfile

from absslab.core.training.run_directory import RunReader, request_stop

from .conftest import open_watched_page
from .dashboard import LOADED, open_page, play, until, wait_for_sound

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def separate(serve, checkpoint):
    run = checkpoint.with_suffix("")
    return serve(
        "separate", "--run_directory", run, "--max_duration", "120", "--max_upload_size", "100"
    )


def noise(path, n_channels=1, rate=16000, seconds=1.0, **options):
    samples = 0.1 * np.random.default_rng(0).standard_normal((round(seconds * rate), n_channels))
    soundfile.write(path, samples, rate, **options)
    return path


def ignore_lost_connections(watch):
    """Ignore errors about lost connections, for which Chromium has several messages."""
    watch.errors[:] = [error for error in watch.errors if "net::ERR_" not in error]


def upload_message(page):
    return page.locator(".absslab-upload .absslab-words")


def test_the_page_shows_no_code_and_no_folder(separate, page, checkpoint):
    open_page(page, separate, "Separate")
    text = page.content()
    assert "open_page" not in text
    assert str(checkpoint.parent) not in text
    assert separate.get("/")[1].count(b"import ") == 0


def test_files_that_are_no_sound_get_one_clear_line(separate, page, tmp_path):
    open_page(page, separate, "Separate")
    text = tmp_path / "words.wav"
    text.write_text("these are words")
    empty = tmp_path / "empty.wav"
    empty.touch()
    corrupt = noise(tmp_path / "corrupt.flac", seconds=3)
    content = bytearray(corrupt.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = os.urandom(4000)
    corrupt.write_bytes(bytes(content))
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(500_000_000)
    long = tmp_path / "long.flac"
    soundfile.write(long, np.tile([0.0, 0.25, 0.0, -0.25], 3 * 3600 * 250), 1000)
    program = tmp_path / "program.py"
    program.write_text("print()")
    expected = {
        text: "words.wav is not a readable sound file",
        empty: "empty.wav is empty (0 bytes)",
        corrupt: "corrupt.flac",
        large: "large.wav has 500 MB: expected at most 100 MB",
        long: "long.flac lasts 180.0 min: expected at most 2 min",
        program: "program.py is of a kind that is not read here",
    }
    for path, line in expected.items():
        page.locator("input[type=file]").set_input_files(path)
        wrong = page.locator(".absslab-upload .absslab-words.wrong")
        until(
            page,
            lambda line=line, wrong=wrong: wrong.count() and line in wrong.inner_text(),
            60,
            line,
        )
        assert "\n" not in upload_message(page).inner_text()
        assert str(tmp_path) not in page.content()
        assert "visitor-" not in upload_message(page).inner_text()
    (folder,) = [visitor for visitor in separate.visitors if visitor.exists()][-1:]
    assert list(folder.iterdir()) == []


def test_many_channels_and_high_rates_are_taken_in_as_what_one_hears(separate, page, tmp_path):
    open_page(page, separate, "Separate")
    page.locator("input[type=file]").set_input_files(noise(tmp_path / "eight.wav", 8, 192000, 0.5))
    page.get_by_text("the mean of its 8 channels and at 48 instead of 192 kHz").wait_for(
        timeout=LOADED
    )
    page.get_by_role("button", name="download the result").wait_for(timeout=LOADED)
    play(page)
    wait_for_sound(page, "before", above=1e-3)


@pytest.mark.parametrize(
    "name",
    ["../../evil.wav", "..\\evil.wav", "<img src=x onerror=alert(1)>.wav", "a\"b'c`;$(id).wav"],
)
def test_a_name_is_nothing_but_text(separate, page, watch, name, tmp_path):
    open_page(page, separate, "Separate")
    content = noise(tmp_path / "a.wav").read_bytes()
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "audio/wav", "buffer": content}
    )
    page.get_by_role("button", name="download the result").wait_for(timeout=LOADED)
    assert name.replace("\\", "/").rpartition("/")[2] in upload_message(page).inner_text()
    assert page.locator("img[src=x]").count() == 0
    assert dialogs == []
    paths = [path for folder in separate.visitors for path in folder.rglob("*")]
    assert not [
        path
        for path in paths
        if "evil" in path.name or "img" in path.name or "id" in path.stem.split("-")
    ]
    assert not list(separate.home.rglob("evil*"))
    with page.expect_download() as download:
        page.get_by_role("button", name="download the result").click()
    assert not set(download.value.suggested_filename) & set("/\\<>\"'`$")


def test_a_run_that_vanishes_is_said_and_the_page_stays(serve, page, checkpoint, tmp_path):
    run = tmp_path / "gone"
    shutil.copytree(checkpoint.with_suffix(""), run)
    shutil.copy(checkpoint, run.with_suffix(".ckpt"))
    dashboard = serve("listen", "--run_directory", run, fresh=True)
    open_page(page, dashboard, "Listen")
    page.locator(".absslab-player .track").first.wait_for(timeout=LOADED)
    shutil.rmtree(run)
    run.with_suffix(".ckpt").unlink()
    page.get_by_role("button", name="next").click()
    page.get_by_role("alert").wait_for()
    message = page.get_by_role("alert").inner_text()
    assert "gone.ckpt was deleted" in message
    assert str(tmp_path) not in message
    page.reload(wait_until="commit")
    page.get_by_role("heading", name="This page can't be shown").wait_for(timeout=LOADED)
    assert "Traceback" not in page.content()


def test_a_tab_closed_in_the_middle_of_a_separation_leaves_nothing(
    serve, browser, watch, checkpoint, tmp_path
):
    dashboard = serve("separate", "--run_directory", checkpoint.with_suffix(""), fresh=True)
    context = browser.new_context()
    page = open_watched_page(context, watch)
    open_page(page, dashboard, "Separate")
    long = noise(tmp_path / "long.wav", 2, 44100, 120.0)
    page.locator("input[type=file]").set_input_files(long)
    page.get_by_text("separating long.wav").wait_for(timeout=LOADED)
    assert len(dashboard.visitors) == 1
    page.close()
    end = time.monotonic() + 60
    while dashboard.visitors or dashboard.kernels:
        assert time.monotonic() < end, (dashboard.visitors, dashboard.kernels)
        time.sleep(0.5)
    context.close()
    assert dashboard.stop() == 0
    assert "Traceback" not in dashboard.printed


def test_no_more_visitors_than_the_host_allows(serve, page, browser, watch, checkpoint):
    dashboard = serve(
        "monitor", "--run_directory", checkpoint.with_suffix(""), "--max_visitors", "1", fresh=True
    )
    open_page(page, dashboard, "Trainings")
    status, body = dashboard.get("/")
    assert status == 503
    assert b"All places are taken" in body
    page.goto("about:blank")
    until(page, lambda: not dashboard.kernels, 30, "the place is free again")
    open_page(page, dashboard, "Trainings")
    page.reload(wait_until="commit")
    page.get_by_role("heading", name="Trainings").wait_for(timeout=LOADED)


@pytest.mark.parametrize("by", [signal.SIGHUP, signal.SIGINT])
def test_nothing_is_left_however_the_server_ends(serve, page, watch, checkpoint, tmp_path, by):
    dashboard = serve("separate", "--run_directory", checkpoint.with_suffix(""), fresh=True)
    open_page(page, dashboard, "Separate")
    page.locator("input[type=file]").set_input_files(noise(tmp_path / "a.wav"))
    page.get_by_role("button", name="download the result").wait_for(timeout=LOADED)
    (folder,) = dashboard.visitors
    assert len(list(folder.parent.glob("voila_*/kernel-*.json"))) == 1
    assert dashboard.stop(by=by) == 0
    assert dashboard.printed.splitlines()[1:] == ["stopped"]
    assert not folder.parent.exists()
    assert dashboard.kernels == []
    page.goto("about:blank")
    ignore_lost_connections(watch)


def test_a_token_is_asked_for(serve, page, watch, checkpoint):
    run = checkpoint.with_suffix("")
    dashboard = serve("monitor", "--run_directory", run, "--token", "a-long-secret", fresh=True)
    assert dashboard.get("/")[0] == 302
    assert not dashboard.kernels
    assert dashboard.get("/?token=wrong")[0] == 302
    page.goto(dashboard.url.partition("?")[0], wait_until="commit")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="open").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Token").fill("a-long-secret")
    page.get_by_role("button", name="open").click()
    page.get_by_role("heading", name="Trainings").wait_for(timeout=LOADED)
    assert dashboard.url.endswith("?token=a-long-secret")
    watch.errors[:] = [error for error in watch.errors if "401" not in error]


def test_a_training_goes_on_when_its_dashboard_is_stopped(serve, page, watch, mixtures, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    flags = ("--runs_folder", runs, "--mixture_folder", mixtures, "--allow_training", "True")
    dashboard = serve("monitor", *flags, fresh=True)
    open_page(page, dashboard, "Trainings")
    page.get_by_text("start and stop").click()
    page.get_by_role("button", name="start", exact=True).click()
    reader = until(
        page,
        lambda: (runs / "run-1" / "config.json").exists() and RunReader.open(runs / "run-1"),
        60,
        "the run",
    )
    until(page, lambda: reader.state() == "running", 60, "the training runs")
    until(
        page, lambda: page.get_by_role("cell", name="run-1").count(), 20, "the run is in the table"
    )
    reader.poll()
    before = max(reader.metrics, default=0)
    assert dashboard.stop() == 0
    assert not dashboard.kernels
    page.goto("about:blank")
    ignore_lost_connections(watch)
    end = time.monotonic() + 120
    while max(reader.metrics, default=0) == before:  # the training goes on
        assert time.monotonic() < end
        assert reader.state() in ("running", "finished")
        time.sleep(0.2)
        reader.poll()
    request_stop(runs / "run-1")
    while reader.state() == "running":
        assert time.monotonic() < end
        time.sleep(0.5)
    assert reader.state() in ("stopped", "finished")
