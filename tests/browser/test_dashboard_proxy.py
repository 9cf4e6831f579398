"""A dashboard behind a proxy: pages work, or say what the proxy has to do."""

import http.client

import pytest

from .dashboard import LOADED, until
from .proxy import running_proxy

pytestmark = pytest.mark.slow


def get(port, path, host):
    """Status, location and text of a page, asked for by a name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("Location"), text


def test_a_proxy_of_this_machine_may_replace_the_name(serve, page, run):
    dashboard = serve("monitor", "--run_directory", run, "--token", "none", fresh=True)
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
    dashboard = serve("monitor", "--run_directory", run, "--token", "none", fresh=True)
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
        assert "proxy_set_header Host $host" in message
        until(page, lambda: not dashboard.kernels, 30, "its process is ended")
        page.goto("about:blank")
    watch.errors.clear()  # scripts of the page ask for the process that has ended


def test_a_name_that_is_not_known_is_said_with_what_to_do(serve, run):
    dashboard = serve("monitor", "--run_directory", run, "--token", "a-long-secret")
    status, _, text = get(dashboard.port, "/", "sounds.test")
    assert status == 403
    assert "<code>--public_host sounds.test</code>" in text
    assert "There is nothing here" not in text
    status, _, text = get(dashboard.port, "/", "<script>alert(1)</script>")
    assert status in (400, 403)
    assert "<script>alert" not in text


def test_a_name_that_the_host_gave_is_answered_below_a_path(serve, run):
    dashboard = serve(
        *("monitor", "--run_directory", run, "--public_host", "sounds.test"),
        *("--base_url", "/x/", "--token", "none"),
    )
    assert get(dashboard.port, "/x", "sounds.test")[:2] == (301, "/x/")
    assert get(dashboard.port, "/x/voila/static/labvariables.css", "sounds.test")[0] == 200


def test_wrong_tokens_are_slowed_down_and_appear_in_no_log(serve, run):
    dashboard = serve("monitor", "--run_directory", run, "--token", "another-secret", fresh=True)
    for number in range(15):
        assert get(dashboard.port, f"/?token=guess-{number}", "localhost")[0] == 302
    assert get(dashboard.port, "/?token=another-secret", "localhost")[0] == 302
    assert "guess-" not in dashboard.printed
    assert "Traceback" not in dashboard.printed


def test_a_page_goes_on_after_its_connection_was_dropped(serve, page, watch, run):
    dashboard = serve("listen", "--run_directory", run)
    with running_proxy(dashboard.port, delay=0.08) as proxy:
        page.goto(proxy.url, wait_until="commit")
        page.get_by_role("heading", name="Listen", exact=True).wait_for(timeout=LOADED)
        title = page.locator(".absslab-player .title").first
        title.wait_for(timeout=LOADED)
        page.get_by_text("SI-SDR / dB").wait_for(timeout=LOADED)  # all has arrived
        proxy.drop_connections()
        page.wait_for_timeout(3000)
        page.get_by_role("button", name="next").click()
        until(page, lambda: title.inner_text() == "000001.wav", 60, "the next mixture")
        page.goto("about:blank")
    forgiven = ("net::ERR_", "WebSocket")
    watch.errors[:] = [e for e in watch.errors if not any(word in e for word in forgiven)]
