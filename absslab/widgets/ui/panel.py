"""What all panels have: a message line, callbacks whose errors show in it, and an end that leaves nothing behind."""

import html
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ipywidgets
import traitlets

from absslab.core.common.errors import InputError
from absslab.widgets.ui.main_loop import current_main_loop
from absslab.widgets.ui.style import CSS

KINDS = {"note": ("status", "note"), "warning": ("alert", "warning"), "error": ("alert", "error")}
_log = logging.getLogger("absslab")
Thing = TypeVar("Thing")
_hidden: tuple[str, ...] | None = None  # folders; None: nothing is hidden


class Panel:
    """The base of all panels.

    Args:
        state: what panels share; a panel of its own has its own.
    """

    title = ""  # of its tab
    state_class: type[traitlets.HasTraits] = traitlets.HasTraits

    def __init__(self, state: traitlets.HasTraits | None = None):
        self.state: Any = self.state_class() if state is None else state
        self.loop = current_main_loop()
        self.message = ""  # what the message line says, as text
        self.is_closed = False
        self._line = ipywidgets.HTML(CSS)
        self.widget = ipywidgets.VBox([self._line])
        self.widget.add_class("absslab-panel")
        self._owned: list[Any] = []

    def show(self, *children: Any) -> None:
        """Show these widgets, or things that have one as `.widget`; the message line above, unless it is one of them."""
        above = () if self._line in children else (self._line,)
        self.widget.children = (*above, *map(_widget_of, children))

    def say(self, text: str, kind: str = "note") -> None:
        """Say something in the message line; it stays until something else is said.

        Args:
            text: shown as it is, never as HTML; nothing clears the line.
            kind: note, warning or error.
        """
        if self.is_closed:
            return
        role, name = KINDS[kind or "note"]
        self.message = text
        shown = (
            f'<div class="absslab-message absslab-{name}" role="{role}">{html.escape(text)}</div>'
            if text
            else ""
        )
        self._line.value = CSS + shown

    def guard(self, function: Callable[..., Any]) -> Callable[..., None]:
        """A callback for widgets: the function, called on the main loop, with its errors shown in the message line."""

        def guarded(*args: Any) -> None:
            self.loop.call(self._try, function, args)

        return guarded

    def fail(self, error: BaseException) -> None:
        """Show an error: what a person can put right in one line, else also the traceback in the log `absslab`."""
        if not isinstance(error, InputError | OSError):
            _log.error("%s failed", type(self).__name__, exc_info=error)
        self.say(error_line(error), "error")

    def watch(self, names: str | Sequence[str], function: Callable[[], Any]) -> None:
        """Call a function when any of these traits of the state changes, until the panel is closed."""
        handler = self.guard(lambda _: function())
        self.state.observe(handler, names)
        self.own(_Undo(lambda: self.state.unobserve(handler, names)))

    def own(self, thing: Thing) -> Thing:
        """Close a thing when the panel is closed; returns it."""
        self._owned.append(thing)
        return thing

    def close(self) -> None:
        """Stop all that goes on, and free figures, widgets and their connections."""
        if self.is_closed:
            return
        self.is_closed = True
        while self._owned:
            thing = self._owned.pop()
            try:
                thing.close()
            except Exception:  # the others must be closed all the same
                _log.exception("%r can't be closed", thing)
        close_tree(self.widget)

    def _try(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if self.is_closed:
            return
        try:
            function(*args)
        except Exception as error:
            self.fail(error)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return view_of(self.widget, **options)


def view_of(widget: ipywidgets.Widget, **options: Any) -> Any:
    """What a notebook shows of a widget, also of a closed one."""
    if widget.comm is None:
        return {"text/plain": "closed: make it anew to see it"}
    return widget._repr_mimebundle_(**options)


class _Undo:
    def __init__(self, function: Callable[[], Any]):
        self.close = function


def error_line(error: BaseException) -> str:
    """An error in one line, for a person; without folders, where `hide_folders` was called."""
    if isinstance(error, OSError):
        text = (
            f"{error.filename}: {error.strerror or error}"
            if error.filename
            else str(error.strerror or error)
        )
    elif isinstance(error, InputError):
        text = str(error)
    else:
        text = f"Something went wrong: {type(error).__name__}: {error}"
    line = " ".join(text.split())
    return line if _hidden is None else without_folders(line, _hidden)


def hide_folders(folders: Sequence[str]) -> None:
    """From now on no error says in which folders things are: those who read it are guests.

    Args:
        folders: that are known to be spoken of, whatever their names hold.
    """
    global _hidden
    _hidden = tuple(folders)


def without_folders(text: str, folders: Sequence[str] = ()) -> str:
    """A text in which of paths in these folders, and of absolute paths, only the last part is left."""
    for folder in sorted(filter(None, folders), key=len, reverse=True):
        text = re.sub(rf"{re.escape(folder.rstrip('/'))}/(?:[^\s/:;,'\"()<>]+/)*", "", text)
    return re.sub(r"(?<![\w.:/])(?:/[^\s/:;,'\"()<>]+)*/(?=[^\s/])", "", text)


def close_tree(widget: ipywidgets.Widget) -> None:
    """Close a widget and all that belong to it: children, layouts, styles."""
    for one in list(_tree(widget, set())):
        one.close()


def _tree(widget: ipywidgets.Widget, seen: set[int]) -> Iterator[ipywidgets.Widget]:
    """A widget's parts, each once, before the widget itself."""
    seen.add(id(widget))
    for name in widget.keys:
        value = getattr(widget, name, None)
        parts = value if isinstance(value, tuple | list) else (value,)
        for part in parts:
            if isinstance(part, ipywidgets.Widget) and id(part) not in seen:
                yield from _tree(part, seen)
    yield widget


def _widget_of(child: Any) -> ipywidgets.Widget:
    return child if isinstance(child, ipywidgets.Widget) else child.widget
