"""A list of recordings to choose from, with buttons for the previous and the next one."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from absslab.widgets.ui.controls import button
from absslab.widgets.ui.main_loop import MainLoop
from absslab.widgets.ui.part import Part


class RecordingChoice(Part):
    """A choice of one of several recordings.

    Args:
        titles: titles of the recordings.
        on_change: is called when another recording is chosen.
        loop: loop on which it is called.
        failed: shows an error of it.
    """

    def __init__(
        self,
        titles: Sequence[str],
        on_change: Callable[[], Any],
        loop: MainLoop,
        failed: Callable[[Exception], Any],
    ):
        super().__init__(loop, failed)
        self.control = ipywidgets.Dropdown(
            options=[(title, index) for index, title in enumerate(titles)],
            layout={"width": "auto", "flex": "1 1 240px"},
        )
        self.control.observe(self.guard(lambda _: on_change()), "value")
        buttons = [
            button("previous", self.guard(lambda: self.step(-1))),
            button("next", self.guard(lambda: self.step(1))),
        ]
        self.widget = ipywidgets.HBox(
            [self.control, ipywidgets.HBox(buttons)], layout={"flex_flow": "row wrap"}
        )

    @property
    def index(self) -> int:
        """The number of the chosen recording."""
        return int(self.control.value)

    def step(self, n_recordings: int) -> None:
        """Move on by a number of recordings; the first follows the last."""
        self.control.value = (self.index + n_recordings) % len(self.control.options)


def recording_title(name: str, labels: Sequence[str]) -> str:
    """Return the title of a recording in a list: its name and its classes."""
    return f"{name}: {', '.join(labels) or 'no class'}"
