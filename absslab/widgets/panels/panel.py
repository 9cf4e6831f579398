"""The base of the workbench's panels."""

from collections.abc import Callable
from contextlib import ExitStack

import ipywidgets
import traitlets

from absslab.core.data.splits import SPLITS
from absslab.widgets.panels.state import State
from absslab.widgets.ui.panel import Panel


class WorkbenchPanel(Panel):
    """A panel that shares the state of a workbench, or has a separate state."""

    state_class = State
    state: State

    def link(
        self,
        name: str,
        control: ipywidgets.ValueWidget,
        *,
        to_control: Callable[[str], str] = str,
    ) -> None:
        """Keep a trait of the state and the value of a control equal until the panel is closed.

        Spaces around text that the user types are removed.

        Args:
            name: the trait, a string.
            control: a control whose value is a string; it takes the value of the state now.
            to_control: converts the value of the state to one that the control can show.
        """

        def set_state() -> None:
            setattr(self.state, name, control.value.strip())

        # The message of a control may come on another thread: the state changes on the main loop.
        handler = self.guard(lambda _: set_state())
        links = self.own(ExitStack())
        to_shown = traitlets.dlink((self.state, name), (control, "value"), to_control)
        links.callback(to_shown.unlink)
        set_state()  # a control with options may not have been able to show the state's value
        control.observe(handler, "value")
        links.callback(control.unobserve, handler, "value")


def known_split(split: str) -> str:
    """Return a split that a control offers: the test split in place of an unknown name."""
    return split if split in SPLITS else "test"
