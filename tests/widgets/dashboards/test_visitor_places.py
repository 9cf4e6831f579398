"""A process without a page gives its place back; one whose page loads slowly keeps it."""

import pytest

from absslab.widgets.dashboards.visitor_places import (
    CONNECT_TIMEOUT,
    FETCH_TIMEOUT,
    NOTEBOOK_TIMEOUT,
    VisitorPlaces,
)


class Clock:
    """A clock that tests set."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def places(clock):
    return VisitorPlaces(clock)


def test_a_page_that_no_browser_opens_gives_its_place_back(places, clock):
    assert places.find_abandoned(["a"], [], busy=["a"]) == []
    clock.seconds += 30  # its notebook runs
    assert places.find_abandoned(["a"], [], busy=["a"]) == []
    clock.seconds += FETCH_TIMEOUT - 1
    assert places.find_abandoned(["a"], [], busy=[]) == []
    clock.seconds += 2
    assert places.find_abandoned(["a"], [], busy=[]) == ["a"]
    assert FETCH_TIMEOUT <= 30


def test_a_page_that_loads_over_a_slow_network_keeps_its_place(places, clock):
    places.find_abandoned(["a"], [], busy=[])
    places.note_opened("a")
    clock.seconds += CONNECT_TIMEOUT - 1
    assert places.find_abandoned(["a"], [], busy=[]) == []
    clock.seconds += 2
    assert places.find_abandoned(["a"], [], busy=[]) == ["a"]


def test_a_page_that_was_connected_is_not_ended_when_its_socket_breaks(places, clock):
    places.find_abandoned(["a"], ["a"], busy=[])
    clock.seconds += 10 * CONNECT_TIMEOUT
    assert places.find_abandoned(["a"], [], busy=[]) == []


def test_a_notebook_that_never_ends_gives_its_place_back(places, clock):
    places.find_abandoned(["a"], [], busy=["a"])
    clock.seconds += CONNECT_TIMEOUT + NOTEBOOK_TIMEOUT + 1
    assert places.find_abandoned(["a"], [], busy=["a"]) == ["a"]


def test_the_places_of_an_address_are_counted(places):
    for kernel_id, address in (("a", "192.0.2.1"), ("b", "192.0.2.1"), ("c", "192.0.2.2")):
        places.arrive(address)
        places.end_arrival(address, kernel_id)
    assert places.count(["a", "b", "c", "d"]) == 4
    assert places.count(["a", "b", "c", "d"], "192.0.2.1") == 2
    assert places.count(["b", "c"], "192.0.2.1") == 1
    places.find_abandoned(["a", "c"], [], busy=[])  # b has ended
    assert places.count(["a", "b", "c"], "192.0.2.1") == 1


def test_who_arrives_has_a_place_before_their_process_exists(places):
    places.arrive("192.0.2.1")
    places.arrive("192.0.2.1")
    places.arrive("192.0.2.2")
    assert places.count([]) == 3
    assert places.count([], "192.0.2.1") == 2
    places.end_arrival("192.0.2.1", None)
    assert places.count([], "192.0.2.1") == 1
    assert places.count([], "192.0.2.3") == 0
