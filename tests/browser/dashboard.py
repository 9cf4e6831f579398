"""Use the page of a dashboard: open it, wait for what it shows, and hear what it plays."""

import time
from collections.abc import Callable
from typing import Any

from dashboard_server import Dashboard

LOADED = 60_000  # ms, within which a page must be loaded
PROBE = "document.querySelectorAll('.absslab-player')[{}].absslab.probe()"


def until(page: Any, condition: Callable[[], Any], seconds: float = 30, what: str = "") -> Any:
    """Wait until a condition is true, while the page keeps running, and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        page.wait_for_timeout(100)
    return value


def open_page(page: Any, dashboard: Dashboard, heading: str) -> None:
    """Open a dashboard, and wait for its heading."""
    open_page_at(page, dashboard.url, heading)


def open_page_at(page: Any, url: str, heading: str) -> None:
    """Open the page of a dashboard at an address, and wait for its heading."""
    page.goto(url, wait_until="commit")
    page.get_by_role("heading", name=heading, exact=True).wait_for(timeout=LOADED)


def probe(page: Any, player: int = 0) -> Any:
    """Return the state of a player."""
    return page.evaluate(PROBE.format(player))


def loudest(page: Any, seconds: float = 2.5, player: int = 0) -> dict[str, float]:
    """Return the highest level of each track while it plays."""
    most: dict[str, float] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(50)
        for track in probe(page, player)["tracks"]:
            most[track["name"]] = max(most.get(track["name"], 0.0), track["rms"])
    return most


def wait_for_sound(page: Any, track: str = "", *, above: float = 0.0) -> None:
    """Wait until a track is heard.

    Args:
        page: where a player plays.
        track: name of the track; by default any.
        above: level that its sound exceeds.
    """

    def is_heard() -> bool:
        tracks = probe(page)["tracks"]
        return any(each["rms"] > above and track in ("", each["name"]) for each in tracks)

    until(page, is_heard, what=f"{track or 'a track'} is heard")


def play(page: Any, player: int = 0) -> None:
    """Play the tracks of a player in a loop."""
    page.locator(".absslab-player").nth(player).locator(".track").first.wait_for(timeout=LOADED)
    page.locator(".absslab-player").nth(player).press("l")
    page.locator(".absslab-player .play").nth(player).click()
