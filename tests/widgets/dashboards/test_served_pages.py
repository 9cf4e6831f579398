"""A dashboard serves its page and nothing else, to as many as its host allows."""

import gzip
import http.client
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from dashboard_server import wait_until
from visitor import Visitor, connect, encode, make_header, run_visit

pytestmark = pytest.mark.slow
OUTSIDE = ("..", "..%2f", "%2e%2e/", "....//", "..%5c", "%252e%252e/")
ROUTES = (
    "/voila/files/",
    "/voila/static/",
    "/voila/templates/absslab/static/",
    "/voila/labextensions/",
    "/voila/api/themes/",
    "/",
)


@pytest.fixture(scope="module")
def separate(serve, run):
    return serve("separate", "--run_directory", run)


def get(port, path, host):
    """Status, location and text of a page, asked for by a name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("Location"), text


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_leads_out_of_what_is_served(separate, route, checkpoint):
    secret = checkpoint.with_name("secret.txt")
    secret.write_text("the secret")
    for up in OUTSIDE:
        for depth in (1, 3, 8, 15):
            status, body = separate.get(
                f"{route}{(up.rstrip('/') + '/') * depth}{str(secret).lstrip('/')}"
            )
            assert status != 200 or b"the secret" not in body, (up, depth)
            status, body = separate.get(f"{route}{(up.rstrip('/') + '/') * depth}etc/passwd")
            assert b"root:" not in body, (up, depth)


@pytest.mark.parametrize(
    "path",
    [
        "/voila/files/separate.ipynb",
        "/voila/files/voila.json",
        "/voila/files/voila/templates/absslab/page.html",
        "/voila/files/a.png",
        "/api/kernels",
        "/api/contents",
        "/api/sessions",
        "/api/terminals",
        "/voila/tree",
        "/voila/render/separate.ipynb",
        "/tree",
        "/lab",
        "/nothing/here",
        "/%00",
        "/%0d%0aSet-Cookie:a=b",
        "/%ff",
    ],
)
def test_nothing_but_the_page_is_served(separate, path):
    status, body = separate.get(path)
    assert status in (302, 403, 404)
    assert b"open_page" not in body
    assert b"Traceback" not in body
    assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"https://" not in body


def test_no_code_can_be_run_over_the_socket(separate, tmp_path):
    """The server passes on only the messages of widgets."""
    target = tmp_path / "run by a visitor"
    code = {"code": f"open({str(target)!r}, 'w')", "silent": False, "store_history": False}

    async def visit():
        visitor = await Visitor.open(separate.port)
        assert (await visitor.ask("comm_info_request"))["status"] == "ok"
        message = encode("shell", make_header("execute_request"), code)
        await visitor.socket.write_message(message, binary=True)
        assert await visitor.close_code() == 1008
        honest = await connect(separate.port, visitor.page)
        honest.close()

    run_visit(visit)
    assert not target.exists()


def test_a_page_that_is_left_without_a_word_is_ended(serve, run):
    """A closed laptop sends no message when it leaves the page."""
    dashboard = serve("monitor", "--run_directory", run, "--idle_time", "10", fresh=True)
    assert dashboard.get("/")[0] == 200  # no browser runs it, so it never ends its process
    wait_until(lambda: len(dashboard.kernels) == 1, what="its process")
    wait_until(lambda: not dashboard.kernels, 90, "the process is ended")


def test_who_come_at_the_same_time_are_counted_as_well(serve, run):
    dashboard = serve("monitor", "--run_directory", run, "--max_visitors", "2", fresh=True)
    with ThreadPoolExecutor(5) as pool:
        statuses = list(pool.map(lambda _: dashboard.get("/")[0], range(5)))
    assert sorted(statuses) == [200, 200, 503, 503, 503]
    assert len(dashboard.kernels) == 2


def test_who_is_kept_ready_for_counts_when_they_come(serve, run):
    dashboard = serve(
        "monitor", "--run_directory", run, "--max_visitors", "1", "--preheat", "1", fresh=True
    )
    with ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(lambda _: dashboard.get("/")[0], range(3)))
    assert sorted(statuses) == [200, 503, 503]


def test_a_name_that_is_not_this_machines_is_not_answered(separate):
    assert separate.get("/", headers={"Host": "evil.example"})[0] == 403


def test_ctrl_c_is_one_quiet_line_while_a_page_is_made(serve, run):
    dashboard = serve("monitor", "--run_directory", run, fresh=True)
    with socket.create_connection(("127.0.0.1", dashboard.port)) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_until(lambda: dashboard.kernels, what="its process")
        assert dashboard.stop(by=signal.SIGINT) == 0
    assert dashboard.printed.splitlines()[1:] == ["stopped"]
    assert dashboard.kernels == []


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
    assert dashboard.printed.count("another-secret") == 1  # in the address for the host alone
    assert "Traceback" not in dashboard.printed


def test_a_proxy_that_takes_the_path_away_is_told_where_the_dashboard_is(serve, run):
    dashboard = serve("monitor", "--run_directory", run, "--base_url", "/x/")
    for path in ("/", "/voila/static/labvariables.css", "/xy/"):
        status, _, text = get(dashboard.port, path, "localhost")
        assert status == 404
        assert '<a href="/x/">' in text
        assert "takes the path away" in text


def test_scripts_travel_in_little_space(serve, run):
    dashboard = serve("monitor", "--run_directory", run)
    sizes = {}
    for encoding in ("identity", "gzip"):
        connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=30)
        connection.request("GET", "/voila/static/voila.js", headers={"Accept-Encoding": encoding})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        sizes[encoding] = len(body), len(gzip.decompress(body) if encoding == "gzip" else body)
        connection.close()
    assert sizes["gzip"][1] == sizes["identity"][1]
    assert sizes["gzip"][0] < 0.4 * sizes["identity"][0]
