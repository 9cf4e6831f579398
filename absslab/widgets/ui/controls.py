"""Small controls that panels share."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets


def button(words: str, function: Callable[[], Any], *, is_main: bool = False) -> ipywidgets.Button:
    """A button as wide as its words that calls a function; the one that a panel is there for is coloured."""
    made = ipywidgets.Button(
        description=words, layout=ipywidgets.Layout(width="auto", align_self="flex-start")
    )
    made.button_style = "primary" if is_main else ""
    made.on_click(lambda _: function())
    return made


def offer(control: Any, options: Sequence[Any]) -> None:
    """Let a control choose from other options, the first of them now."""
    control.options = ()  # nothing is chosen then, so that the first counts as a change even where it is the same
    control.options = options
    control.index = 0 if options else None
