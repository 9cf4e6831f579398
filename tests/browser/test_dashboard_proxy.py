"""A dashboard behind a proxy: pages work, or say what the proxy has to do."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import soundfile
from dashboard_server import Dashboard

from .conftest import Watch, open_watched_page
from .dashboard import LOADED, open_page_at, play, until, wait_for_sound
from .proxy import running_proxy

pytestmark = pytest.mark.slow


@dataclass
class IdlePage:
    """A page that nobody touches, and its web sockets since it was opened."""

    page: Any
    dashboard: Dashboard
    watch: Watch
    opened_at: float = 0.0
    sockets: list[Any] = field(default_factory=list)
    closed_sockets: list[Any] = field(default_factory=list)

    def note_socket(self, socket: Any) -> None:
        self.sockets.append(socket)
        socket.on("close", lambda closed: self.closed_sockets.append(closed))


@pytest.fixture(scope="module", autouse=True)
def idle_page(browser, serve, checkpoint) -> Iterator[IdlePage]:
    """A page that is opened before the other tests, and so waits while they run."""
    dashboard = serve("listen", "--run_directory", checkpoint.with_suffix(""), fresh=True)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watch = Watch()
    page = open_watched_page(context, watch)
    idle = IdlePage(page, dashboard, watch)
    page.on("websocket", idle.note_socket)
    with running_proxy(dashboard.port, delay=0.08) as proxy:
        open_page_at(page, proxy.url, "Listen")
        page.locator(".absslab-player .title").first.wait_for(timeout=LOADED)
        idle.opened_at = time.monotonic()
        yield idle
        page.goto("about:blank")
    context.close()
    assert watch.left_loopback == []


def test_a_proxy_of_this_machine_may_replace_the_name(serve, page, run):
    dashboard = serve("monitor", "--run_directory", run, "--token", "none")
    with running_proxy(dashboard.port, keeps_host=False, delay=0.08) as proxy:
        page.goto(proxy.url, wait_until="commit")
        page.get_by_role("heading", name="Trainings", exact=True).wait_for(timeout=LOADED)
        page.get_by_role("cell", name=run.name).first.wait_for(timeout=LOADED)
        assert len(dashboard.kernels) == 1
        page.goto("about:blank")
        until(
            page, lambda: not dashboard.kernels, 30, "the page that was left gives its place back"
        )


def test_a_page_that_can_not_reach_its_process_says_why(serve, page, watch, run):
    dashboard = serve("monitor", "--run_directory", run, "--token", "none")
    name = "sounds.test"
    with running_proxy(dashboard.port, keeps_host=False) as proxy:
        page.route(
            "**/voila/api/opened/**",
            lambda route: route.continue_(
                url=route.request.url.replace("localhost%3A", f"{name}%3A")
            ),
        )
        page.goto(proxy.url, wait_until="commit")
        page.get_by_role("alert").wait_for(timeout=LOADED)
        message = page.get_by_role("alert").inner_text()
        assert f"--public_host {name}." in message
        assert "proxy_set_header Host $http_host" in message
        until(page, lambda: not dashboard.kernels, 30, "its process is ended")
        page.goto("about:blank")
    watch.errors.clear()  # scripts of the page ask for the process that has ended


def test_a_page_below_a_path_works_behind_a_proxy(serve, page, leave, run):
    dashboard = serve("monitor", "--run_directory", run, "--base_url", "/x/", "--token", "none")
    with running_proxy(dashboard.port, keeps_host=False, delay=0.08) as proxy:
        open_page_at(page, f"{proxy.url}x", "Trainings")
        page.get_by_role("cell", name=run.name).first.wait_for(timeout=LOADED)
        assert page.url == f"{proxy.url}x/"
        page.goto("about:blank")


def ignore_lost_connections(watch):
    """Ignore what Chromium says of requests and web sockets that were cut."""
    ignored = ["net::ERR_", "WebSocket", "ChunkLoadError", "Loading chunk", "failed to activate"]
    ignored.append("Cannot send")  # of widgets, on a page that is about to be loaded again
    ignored.append("before initialization")  # of scripts that need one that was cut
    watch.errors[:] = [e for e in watch.errors if not any(word in e for word in ignored)]


def sound(path, seconds):
    """A file of noise and pauses, mono at 44.1 kHz."""
    samples = np.random.default_rng(0).standard_normal(round(seconds * 44100))
    samples *= 0.1 * (np.sin(np.arange(len(samples)) / 10000) > 0)
    soundfile.write(path, samples, 44100)
    return path


@pytest.fixture
def leave(page, watch):
    """Leaves the page before its proxy ends, so that it does not look for it."""
    yield
    page.goto("about:blank")
    ignore_lost_connections(watch)


def test_a_page_goes_on_after_its_connection_was_dropped(serve, page, leave, watch, run):
    dashboard = serve("listen", "--run_directory", run)
    with running_proxy(dashboard.port, delay=0.08) as proxy:
        open_page_at(page, proxy.url, "Listen")
        title = page.locator(".absslab-player .title").first
        title.wait_for(timeout=LOADED)
        for name in ("000001.wav", "000002.wav", "000003.wav"):
            proxy.drop_connections()
            page.get_by_role("button", name="next").click()  # before the page has noticed
            until(page, lambda name=name: title.inner_text() == name, 20, name)
            page.get_by_text("SI-SDR / dB").wait_for(timeout=LOADED)
            proxy.drop_connections()
            page.wait_for_timeout(300)
        play(page)
        wait_for_sound(page)
        page.goto("about:blank")


def test_an_upload_and_a_separation_go_on_where_they_were_cut(serve, page, leave, run, tmp_path):
    path = sound(tmp_path / "long.wav", 90)
    dashboard = serve("separate", "--run_directory", run, fresh=True)
    with running_proxy(dashboard.port, delay=0.08) as proxy:
        open_page_at(page, proxy.url, "Separate")
        page.locator("input[type=file]").set_input_files(path)
        bar = page.get_by_label("upload")
        for share in (0.2, 0.5, 0.8):
            until(page, lambda share=share: bar.evaluate("bar => bar.value") > share, 30, "a part")
            proxy.drop_connections()
        page.get_by_text("separating long.wav").wait_for(timeout=LOADED)
        (folder,) = dashboard.visitors
        (uploaded,) = folder.glob("upload-*-taken.wav")
        np.testing.assert_array_equal(soundfile.read(uploaded)[0], soundfile.read(path)[0])
        for _ in range(3):
            proxy.drop_connections()
            page.wait_for_timeout(700)
        page.get_by_role("button", name="download the result").wait_for(timeout=LOADED)
        play(page)
        wait_for_sound(page, "before", above=1e-3)
        page.goto("about:blank")


@pytest.mark.parametrize("n_requests", [1, 2, 12, 40, 80])
def test_a_page_that_does_not_arrive_whole_is_loaded_again(serve, page, leave, run, n_requests):
    """The connection is dropped with one of its requests."""
    dashboard = serve("listen", "--run_directory", run, "--max_visitors", "3")
    requests = []
    with running_proxy(dashboard.port, delay=0.08) as proxy:

        def drop(request):
            requests.append(request.url)
            if len(requests) == n_requests > 1:
                proxy.drop_connections(after=0.2)

        page.on("request", drop)
        page.goto(proxy.url, wait_until="commit")
        if n_requests == 1:  # of a page of which nothing arrives, the browser itself says so
            proxy.drop_connections()
        page.get_by_role("heading", name="Listen", exact=True).wait_for(timeout=LOADED)
        page.locator(".absslab-player .track").first.wait_for(timeout=LOADED)
        play(page)
        wait_for_sound(page)
        assert len(requests) >= n_requests
        assert page.get_by_text("not found").count() == 0
        until(page, lambda: len(dashboard.kernels) == 1, 40, "one process is left")
        page.goto("about:blank")


@pytest.mark.parametrize("after", [0.0, 0.5, 1.5])
def test_widgets_arrive_though_their_web_socket_was_dropped(serve, page, leave, run, after):
    dashboard = serve("listen", "--run_directory", run, "--max_visitors", "3")
    with running_proxy(dashboard.port, delay=0.08) as proxy:
        proxy.drop_connections_with_web_socket(after=after)
        open_page_at(page, proxy.url, "Listen")  # scripts that were cut too make it load again
        until(page, lambda: proxy.n_web_sockets >= 2, 40, "the page connects again")
        play(page)
        wait_for_sound(page)
        assert page.get_by_text("not found").count() == 0
        page.goto("about:blank")


def test_a_proxy_without_web_sockets_is_told_what_to_pass_on(serve, page, leave, run):
    dashboard = serve("monitor", "--run_directory", run, fresh=True)
    with running_proxy(dashboard.port, web_sockets=False) as proxy:
        page.goto(proxy.url, wait_until="commit")
        line = page.get_by_role("alert")
        line.get_by_text("the web socket of this page is refused").wait_for(timeout=LOADED)
        assert "proxy_set_header Upgrade $http_upgrade" in line.inner_text()
        page.goto("about:blank")
        until(
            page, lambda: not dashboard.kernels, 30, "the page that was left gives its place back"
        )


def test_a_proxy_below_another_path_is_told_the_flag(serve, page, watch, run):
    dashboard = serve("monitor", "--run_directory", run)
    with running_proxy(dashboard.port, path="/listen") as proxy:
        page.route(lambda url: "/listen" not in url, lambda route: route.fulfill(status=404))
        page.goto(f"{proxy.url}listen/", wait_until="commit")
        line = page.get_by_role("alert")
        line.get_by_text("are not found there").wait_for(timeout=LOADED)
        assert "--base_url /listen/" in line.inner_text()
        page.goto("about:blank")
    watch.errors.clear()  # each file that was not found


def test_a_proxy_that_cuts_silent_connections_lets_a_page_load(serve, page, leave, run):
    dashboard = serve("monitor", "--run_directory", run)
    documents = []
    with running_proxy(dashboard.port, silence=5.0) as proxy:
        page.on(
            "request",
            lambda request: request.resource_type == "document" and documents.append(request),
        )
        open_page_at(page, proxy.url, "Trainings")
        page.get_by_role("cell", name=run.name).first.wait_for(timeout=LOADED)
        assert len(documents) == 1  # it was not cut and loaded again
        page.goto("about:blank")


def test_a_page_whose_scripts_take_long_says_that_it_loads(serve, page, run):
    dashboard = serve("monitor", "--run_directory", run)
    held = []
    page.route("**/voila/static/voila.js*", lambda route: held.append(route))
    page.goto(dashboard.url, wait_until="commit")
    page.get_by_text("Loading the page …").wait_for(timeout=LOADED)
    until(page, lambda: held, 20, "the script is asked for")
    page.wait_for_timeout(1000)
    assert page.get_by_text("Loading the page …").is_visible()
    held[0].continue_()
    page.get_by_role("cell", name=run.name).first.wait_for(timeout=LOADED)
    page.get_by_text("Loading the page …").wait_for(state="detached")


def test_a_connection_that_is_lost_is_said_until_it_is_back(serve, page, leave, run):
    dashboard = serve("monitor", "--run_directory", run)
    with running_proxy(dashboard.port) as proxy:
        open_page_at(page, proxy.url, "Trainings")
        page.get_by_role("cell", name=run.name).first.wait_for(timeout=LOADED)
        proxy.refuses = True
        proxy.drop_connections()
        page.get_by_text("The connection to the server is lost").wait_for(timeout=10_000)
        proxy.refuses = False
        page.get_by_text("The connection to the server is lost").wait_for(
            state="detached", timeout=15_000
        )
        page.goto("about:blank")


def test_a_page_whose_process_has_ended_says_so(serve, page, leave, run):
    dashboard = serve("monitor", "--run_directory", run, fresh=True)
    open_page_at(page, dashboard.url, "Trainings")
    page.get_by_role("cell", name=run.name).first.wait_for(timeout=LOADED)
    (kernel,) = dashboard.kernels
    os.kill(kernel, signal.SIGKILL)
    page.get_by_text("The server has ended the process of this page").wait_for(timeout=20_000)
    page.get_by_role("button", name="reload the page").click()
    page.get_by_role("cell", name=run.name).first.wait_for(timeout=LOADED)


def test_a_page_is_used_after_three_minutes_with_the_same_web_socket(idle_page):
    page = idle_page.page
    left = idle_page.opened_at + 180 - time.monotonic()  # the server pings every 30 s
    page.wait_for_timeout(max(left, 0) * 1000)
    assert len(idle_page.sockets) == 1
    assert idle_page.closed_sockets == []
    assert "websocket_ping_timeout" not in idle_page.dashboard.printed
    title = page.locator(".absslab-player .title").first
    page.get_by_role("button", name="next").click()
    until(page, lambda: title.inner_text() == "000001.wav", 20, "the next mixture")
    play(page)
    wait_for_sound(page)
    assert idle_page.watch.errors == []
