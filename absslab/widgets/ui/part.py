"""Parts of a panel: what they have in common, and how widgets are closed."""

import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import ipywidgets

from absslab.core.common.errors import InputWarning
from absslab.core.common.notices import give_notice, listen_to_notices
from absslab.widgets.ui.main_loop import MainLoop, current_main_loop

_log = logging.getLogger("absslab")
Closable = TypeVar("Closable")


class Part:
    """A panel or a part of one: it has a widget, closes what it opened, and guards its callbacks.

    A subclass sets `widget` in its constructor.

    Args:
        loop: where callbacks are called; the loop that runs now if it is None.
        failed: shows an error to a person. Without it the error of a callback is raised.
    """

    widget: ipywidgets.Widget
    shows_notices = False  # whether it can show them itself

    def __init__(
        self, loop: MainLoop | None = None, failed: Callable[[Exception], Any] | None = None
    ):
        self.loop = current_main_loop() if loop is None else loop
        self.is_closed = False
        self._failed = failed
        self._owned: list[Any] = []

    def guard(self, function: Callable[..., Any]) -> Callable[..., None]:
        """Return a callback for widgets: it calls the function on the main loop.

        Its errors are passed to `fail`, and so is what it tells about its input, also from threads
        that it starts. After `close` the function is not called any more.
        """

        def guarded(*args: Any) -> None:
            self.loop.call(self._try, function, args)

        return guarded

    def fail(self, error: Exception) -> None:
        """Show an error or a notice to the person at the panel."""
        if self._failed is None:
            raise error
        self._failed(error)

    def show_notice(self, notice: InputWarning) -> None:
        """Show what was lost or changed of the input; where nothing can, pass the notice on."""
        if self.is_closed:
            return
        if self._failed is None and not self.shows_notices:
            give_notice(notice)
        else:
            self.fail(notice)

    def own(self, thing: Closable) -> Closable:
        """Close a thing when this part is closed; returns the thing."""
        self._owned.append(thing)
        return thing

    def close(self) -> None:
        """Close what this part owns, the last first, then its widget and what belongs to it."""
        if self.is_closed:
            return
        self.is_closed = True
        while self._owned:
            thing = self._owned.pop()
            try:
                thing.close()
            except Exception:  # the others have to be closed all the same
                _log.exception("%r can't be closed", thing)
        close_tree(self.widget)

    def _try(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if self.is_closed:
            return
        if self._failed is None and not self.shows_notices:
            self._call(function, args)
            return
        with listen_to_notices(lambda notice: self.loop.call(self.show_notice, notice)):
            self._call(function, args)

    def _call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except Exception as error:
            self.fail(error)


def close_tree(widget: ipywidgets.Widget) -> None:
    """Close a widget and all that belong to it: children, layouts and styles."""
    for member in list(_iterate_tree(widget, set())):
        member.close()


def _iterate_tree(widget: ipywidgets.Widget, seen: set[int]) -> Iterator[ipywidgets.Widget]:
    """Yield each widget that belongs to a widget once, and then the widget itself."""
    seen.add(id(widget))
    for name in widget.keys:
        value = getattr(widget, name, None)
        members = value if isinstance(value, tuple | list) else (value,)
        for member in members:
            if isinstance(member, ipywidgets.Widget) and id(member) not in seen:
                yield from _iterate_tree(member, seen)
    yield widget
