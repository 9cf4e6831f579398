"""Remember what was found in sound files, so that a training does not search them at each read."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from typing import Any, Generic, ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")
_MOST_BYTES = 64 << 20  # of one kind of findings: some 100,000 files
_PER_OBJECT = 60  # bytes


class _Memory(Generic[Found]):
    """Findings by what they were found for; the ones used last are kept.

    Args:
        most_bytes: about how much memory they may take together.
    """

    def __init__(self, most_bytes: int):
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, tuple[Found, int]] = OrderedDict()  # with their sizes
        self._size = 0  # bytes

    def recall(self, key: Hashable) -> tuple[Found, int] | None:
        """Return a finding and its size; None if there is none."""
        with self._lock:
            entry = self._found.get(key)
            if entry is not None:
                self._found.move_to_end(key)
            return entry

    def keep(self, key: Hashable, found: Found) -> None:
        """Keep a finding, and forget those that were not used for longest."""
        size = _estimate_size(key) + _estimate_size(found)
        with self._lock:
            if key in self._found:
                self._size -= self._found.pop(key)[1]
            self._found[key] = (found, size)
            self._size += size
            while self._size > self._most_bytes:
                _, (_, forgotten) = self._found.popitem(last=False)
                self._size -= forgotten


def remember(
    function: Callable[Given, Found], *, most_bytes: int = _MOST_BYTES
) -> Callable[Given, Found]:
    """Return a function that remembers what another one returned for the same arguments.

    Args:
        function: one of its arguments is the `FileVersion` of the file that it looks at, so that a
            file that has changed is looked at again. What it returns must not be changed.
        most_bytes: about how much memory all that is remembered may take.
    """
    memory: _Memory[Found] = _Memory(most_bytes)

    @functools.wraps(function)
    def remembering(*arguments: Given.args, **named: Given.kwargs) -> Found:
        key = (arguments, tuple(sorted(named.items())))
        entry = memory.recall(key)
        if entry is not None:
            return entry[0]
        found = function(*arguments, **named)
        memory.keep(key, found)
        return found

    return remembering


def _estimate_size(value: Any) -> int:
    """Return about how many bytes a value takes: tuples, lists, documents and plain values."""
    if isinstance(value, bytes | str):
        return _PER_OBJECT + len(value)
    if isinstance(value, tuple | list):
        return _PER_OBJECT + sum(map(_estimate_size, value))
    if is_dataclass(value):
        contents = [getattr(value, field.name) for field in fields(value)]
        return _PER_OBJECT + sum(map(_estimate_size, contents))
    return _PER_OBJECT
