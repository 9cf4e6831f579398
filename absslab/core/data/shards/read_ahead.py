"""Read ahead in a thread, so that waiting for a server or a disk goes on beside the work."""

import queue
import threading
from collections.abc import Generator
from typing import Generic, TypeVar

Item = TypeVar("Item")
_POLL = 0.1  # s between two looks at whether the reader is still wanted


class _End(Generic[Item]):
    def __init__(self, error: BaseException | None):
        self.error = error


def read_ahead(items: Generator[Item, None, None], n_items: int) -> Generator[Item, None, None]:
    """Yield items that a thread reads ahead; an error comes where its item would.

    Args:
        items: a generator; it is closed by its thread when this iterator is closed or ends.
        n_items: number of items that wait at most.
    """
    waiting: queue.Queue[Item | _End[Item]] = queue.Queue(n_items)
    is_unwanted = threading.Event()

    def put(item: Item | _End[Item]) -> bool:
        while not is_unwanted.is_set():
            try:
                waiting.put(item, timeout=_POLL)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as raised:  # it is raised where the items are used
            error = raised
        finally:
            items.close()
        put(_End(error))

    threading.Thread(target=read, name="absslab reader", daemon=True).start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        is_unwanted.set()
