"""A server answers by its own names, and by those that its host has named."""

import socket

import pytest

from absslab.core.common.errors import InputError
from absslab.widgets.dashboards.host_names import HostNames, host_name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8866", "localhost"),
        ("LOCALHOST", "localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:8866", "::1"),
        ("sounds.example.org", "sounds.example.org"),
        ("", ""),
    ],
)
def test_the_name_of_a_host(host, name):
    assert host_name(host) == name


def test_a_server_of_this_machine_has_no_other_name():
    names = HostNames((), is_local=True)
    assert all(map(names.accepts, ("localhost:1", "127.0.0.1:1", "[::1]:1")))
    assert not any(map(names.accepts, ("evil.example", "192.0.2.1", "", "localhost.evil.example")))


def test_a_server_that_others_reach_has_its_name_and_any_address():
    names = HostNames((), is_local=False)
    assert all(map(names.accepts, (f"{socket.gethostname()}:1", "192.0.2.1:1", "localhost")))
    assert not names.accepts("evil.example")


def test_names_of_the_host_are_accepted():
    names = HostNames(("Sounds.example.org.", "b.example.org:8443"), is_local=True)
    assert names.accepts("sounds.example.org:443")
    assert names.accepts("b.example.org")
    assert not names.accepts("other.example.org")


def test_an_address_in_place_of_a_name_is_refused():
    with pytest.raises(InputError, match=r"expected a name such as sounds\.example\.org"):
        HostNames(("https://sounds.example.org/",), is_local=True)


def test_a_proxy_that_decides_may_use_any_name():
    assert HostNames((), is_local=True, accepts_all=True).accepts("any.example")


@pytest.mark.parametrize(
    ("page", "host", "is_accepted"),
    [
        ("sounds.example.org", "sounds.example.org", True),
        ("localhost:9201", "127.0.0.1:9101", True),  # a proxy of this machine
        ("sounds.example.org", "127.0.0.1:9101", True),  # named with public_host
        ("evil.example", "127.0.0.1:9101", False),
        ("192.0.2.7", "127.0.0.1:9101", False),
        ("localhost:3000", "192.0.2.7:9101", False),
        ("", "", False),
    ],
)
def test_a_page_opens_a_socket_from_an_accepted_name(page, host, is_accepted):
    names = HostNames(("sounds.example.org",), is_local=True, accepts_all=True)
    assert names.accepts_page(page, host) is is_accepted
