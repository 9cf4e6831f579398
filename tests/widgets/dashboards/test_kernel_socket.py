"""What a page sends is passed on to its kernel only if it is sound, in time and not too much."""

import asyncio
from types import SimpleNamespace

import pytest

from absslab.widgets.dashboards.host_names import HostNames
from absslab.widgets.dashboards.kernel_socket import KernelSocketHandler, SocketLimits

from .test_kernel_messages import message


@pytest.fixture
def handler():
    """A handler whose kernel and log are lists: `passed` and `logged`."""
    handler = KernelSocketHandler.__new__(KernelSocketHandler)
    handler.passed = []
    handler.logged = []
    handler.connection = SimpleNamespace(handle_incoming_message=handler.passed.append)
    handler.ws_connection = SimpleNamespace(close=lambda code, reason: handler.logged.append(code))
    handler.application = SimpleNamespace(settings={})
    handler._limits = SocketLimits()
    return handler


def test_a_message_is_passed_on(handler):
    asyncio.run(handler.on_message(message()))
    assert handler.passed == [message()]


def test_a_message_on_a_socket_that_the_server_has_closed_is_dropped(handler):
    handler.ws_connection = None
    asyncio.run(handler.on_message(message()))
    assert handler.passed == []


def test_a_message_that_waits_while_the_socket_is_closed_is_dropped(handler, monkeypatch):
    monkeypatch.setattr(handler._limits, "delay", lambda size: 0.05)

    async def send():
        sending = asyncio.ensure_future(handler.on_message(message()))
        await asyncio.sleep(0)
        handler.ws_connection = None
        await sending

    asyncio.run(send())
    assert handler.passed == []


def test_a_message_that_is_not_sound_closes_the_socket(handler):
    asyncio.run(handler.on_message(b"\xff" * 8))
    assert handler.passed == []
    assert handler.logged == [1008]


def test_what_a_kernel_says_to_a_page_that_has_gone_is_dropped(handler):
    handler.ws_connection = None
    assert handler.write_message(b"\xff" * 8, binary=True) is None


@pytest.mark.parametrize(
    ("origin", "is_accepted"),
    [
        ("http://localhost:8866", True),
        ("http://evil.example", False),
        ("null", False),
        ("file://", False),
    ],
)
def test_a_page_of_another_site_opens_no_socket(handler, origin, is_accepted):
    names = HostNames((), is_local=True)
    handler.application.settings["voila"] = SimpleNamespace(host_names=names)
    handler.request = SimpleNamespace(host="localhost:8866")
    assert handler.check_origin(origin) is is_accepted


def test_messages_beyond_a_rate_wait():
    limits = SocketLimits()
    assert [limits.delay(100) for _ in range(300)] == [0.0] * 300
    assert max(limits.delay(100) for _ in range(300)) > 0
    assert SocketLimits().delay(1 << 20) == 0
