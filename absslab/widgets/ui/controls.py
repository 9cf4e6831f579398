"""Small controls that panels share."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets


def button(label: str, function: Callable[[], Any], *, is_main: bool = False) -> ipywidgets.Button:
    """Make a button as wide as its label that calls a function.

    Args:
        label: its text.
        function: is called when it is pressed.
        is_main: whether it is the main button of a panel, which has a colour.
    """
    layout = ipywidgets.Layout(width="auto", align_self="flex-start")
    widget = ipywidgets.Button(description=label, layout=layout)
    widget.button_style = "primary" if is_main else ""
    widget.on_click(lambda _: function())
    return widget


def offer(control: Any, options: Sequence[Any]) -> None:
    """Let a control choose from other options, and choose the first of them."""
    # Nothing is chosen first, so that the new choice counts as a change even if it is the old one.
    control.options = ()
    control.options = options
    control.index = 0 if options else None
