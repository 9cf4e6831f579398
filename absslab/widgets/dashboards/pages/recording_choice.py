"""A list of recordings to choose from, with a step back and on."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from absslab.widgets.ui.controls import button


class RecordingChoice:
    """One of several recordings.

    Args:
        titles: of the recordings.
        guard: makes a callback of a function, so that its errors show.
        chosen: called when another one is chosen.
    """

    def __init__(self, titles: Sequence[str], guard: Callable[..., Any], chosen: Callable[[], Any]):
        wide = ipywidgets.Layout(width="auto", flex="1 1 240px")
        self.control = ipywidgets.Dropdown(
            options=[(title, i) for i, title in enumerate(titles)], layout=wide
        )
        self.control.observe(guard(lambda _: chosen()), "value")
        steps = [
            button(words, guard(lambda by=by: self.step(by)))
            for words, by in (("previous", -1), ("next", 1))
        ]
        row = ipywidgets.HBox(
            [self.control, ipywidgets.HBox(steps)], layout={"flex_flow": "row wrap"}
        )
        self.widget: ipywidgets.Widget = row

    @property
    def index(self) -> int:
        """The number of the recording that is chosen."""
        return int(self.control.value)

    def step(self, by: int) -> None:
        """Go to another recording, from the last on to the first."""
        self.control.value = (self.index + by) % len(self.control.options)


def recording_title(name: str, labels: Sequence[str]) -> str:
    """A recording in a list: its name, and what it holds."""
    return f"{name}: {', '.join(labels) or 'no class'}"
