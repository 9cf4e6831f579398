"""The places of visitors: each has a process of their own, until the page is left."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

FETCH_TIMEOUT = 20.0  # s after its notebook ran, by which a browser has opened the page
CONNECT_TIMEOUT = 120.0  # s after which a page that a browser opened must have connected
NOTEBOOK_TIMEOUT = 180.0  # s that the notebook of a page may run


@dataclass
class _UnopenedPage:
    """A process that waits for its page."""

    first_seen: float  # s
    ready: float  # s; when its notebook had run, or when a browser opened the page
    is_opened: bool = False  # whether a browser shows the page

    def is_abandoned(self, now: float) -> bool:
        limit = CONNECT_TIMEOUT if self.is_opened else FETCH_TIMEOUT
        return (
            now - self.ready > limit or now - self.first_seen > CONNECT_TIMEOUT + NOTEBOOK_TIMEOUT
        )


class VisitorPlaces:
    """Whose process waits for its page, for how long, and how many places an address has.

    A visitor *arrives* until the process of the page exists. The page is *opened* when a browser
    has received it and runs its first script. It is *connected* when it has loaded all scripts and
    has opened its web socket, which takes long over a slow network.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._waits: dict[str, _UnopenedPage] = {}
        self._connected: set[str] = set()
        self._addresses: dict[str, str] = {}  # process -> address of its visitor
        self._arriving: Counter[str] = Counter()  # address -> visitors without a process yet

    def arrive(self, address: str) -> None:
        """Keep a place for a visitor whose process does not exist yet."""
        self._arriving[address] += 1

    def end_arrival(self, address: str, kernel_id: str | None) -> None:
        """Give the place to the process of the visitor's page, or back if there is none."""
        self._arriving[address] -= 1
        self._arriving += Counter()  # forgets addresses with none
        if kernel_id is not None:
            self._addresses[kernel_id] = address

    def count(self, kernel_ids: Collection[str], address: str | None = None) -> int:
        """Return how many places are taken.

        Args:
            kernel_ids: all processes of visitors.
            address: counts only the places of visitors from there.
        """
        if address is None:
            return len(kernel_ids) + self._arriving.total()
        n_processes = sum(self._addresses.get(kernel_id) == address for kernel_id in kernel_ids)
        return n_processes + self._arriving[address]

    def note_opened(self, kernel_id: str) -> None:
        """Note that a browser shows the page of a process."""
        now = self._clock()
        wait = self._waits.setdefault(kernel_id, _UnopenedPage(now, now))
        wait.ready = now
        wait.is_opened = True

    def find_abandoned(
        self, kernel_ids: Collection[str], connected: Collection[str], busy: Collection[str]
    ) -> list[str]:
        """Return the processes whose page was fetched but not opened, or never connected.

        Args:
            kernel_ids: all processes of visitors.
            connected: those whose page is connected now.
            busy: those that still start or run the notebook.
        """
        now = self._clock()
        known = set(kernel_ids)
        self._connected = (self._connected | set(connected)) & known
        self._addresses = {key: self._addresses[key] for key in known & self._addresses.keys()}
        waits = {
            key: self._waits.get(key, _UnopenedPage(now, now)) for key in known - self._connected
        }
        for kernel_id in waits.keys() & set(busy):
            waits[kernel_id].ready = now
        self._waits = waits
        return [kernel_id for kernel_id, wait in waits.items() if wait.is_abandoned(now)]
