"""The base of all panels: a message line, the state that panels share, and what all parts have."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import traitlets

from absslab.core.common.errors import InputError, InputWarning
from absslab.plots.html_text import message
from absslab.widgets.ui.error_line import error_line
from absslab.widgets.ui.part import Part
from absslab.widgets.ui.style import CSS

ROLES = {"note": "status", "warning": "alert", "error": "alert"}  # for screen readers, by kind
_N_NOTICES = 3  # number of notices that are shown at a time
_log = logging.getLogger("absslab")


class Panel(Part):
    """The base of all panels.

    Args:
        state: what several panels share; without it the panel makes a state of its own.
    """

    title = ""  # of its tab
    shows_notices = True
    state_class: type[traitlets.HasTraits] = traitlets.HasTraits

    def __init__(self, state: traitlets.HasTraits | None = None):
        super().__init__()
        self.state: Any = self.state_class() if state is None else state
        self.message = ""  # the text in the message line
        self.notices: list[str] = []  # what was lost or changed in files that were read
        self._message_kind = "note"
        self.message_line = ipywidgets.HTML(CSS)
        self.widget = ipywidgets.VBox([self.message_line])
        self.widget.add_class("absslab-panel")

    def show(self, *children: Any) -> None:
        """Show these widgets or parts, below the message line unless it is one of them."""
        above = () if self.message_line in children else (self.message_line,)
        self.widget.children = (*above, *map(_widget_of, children))

    def say(self, text: str, kind: str = "note") -> None:
        """Show a text in the message line; it stays until the next one.

        Args:
            text: shown as it is, never as HTML; an empty text clears the line.
            kind: note, warning or error.
        """
        if self.is_closed:
            return
        kind = kind or "note"
        self.message = text
        self._message_kind = kind
        self._show_messages()

    def _show_messages(self) -> None:
        kind = self._message_kind
        shown = self.notices[-_N_NOTICES:]
        if len(self.notices) > len(shown):
            shown = [f"{len(self.notices)} warnings, the last {len(shown)}:", *shown]
        notices = [message(notice, "warning", ROLES["warning"]) for notice in shown]
        self.message_line.value = "".join([CSS, message(self.message, kind, ROLES[kind]), *notices])

    def fail(self, error: BaseException) -> None:
        """Show an error in the message line; a notice about input is shown below it, and stays.

        An error that a person cannot put right is also written to the log `absslab`, with its
        traceback.
        """
        if isinstance(error, InputWarning):
            self._add_notice(error_line(error))
            return
        if not isinstance(error, InputError | OSError):
            _log.error("%s failed", type(self).__name__, exc_info=error)
        self.say(error_line(error), "error")

    def _add_notice(self, line: str) -> None:
        if self.is_closed or line in self.notices:
            return
        self.notices.append(line)
        self._show_messages()

    def watch(self, names: str | Sequence[str], function: Callable[[], Any]) -> None:
        """Call a function when any of these traits of the state changes, until `close`."""
        handler = self.guard(lambda _: function())
        self.state.observe(handler, names)
        self.own(_Observer(lambda: self.state.unobserve(handler, names)))

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return view_of(self.widget, **options)


def view_of(widget: ipywidgets.Widget, **options: Any) -> Any:
    """Return what a notebook shows of a widget, also of a closed one."""
    if widget.comm is None:
        return {"text/plain": "closed: run the cell again to see it"}
    return widget._repr_mimebundle_(**options)


class _Observer:
    def __init__(self, stop: Callable[[], Any]):
        self.close = stop


def _widget_of(child: Any) -> ipywidgets.Widget:
    return child if isinstance(child, ipywidgets.Widget) else child.widget
