"""The base of the workbench's panels."""

from collections.abc import Callable
from contextlib import ExitStack

import traitlets

from absslab.core.data.splits import SPLITS
from absslab.widgets.panels.state import State
from absslab.widgets.ui.panel import Panel


class WorkbenchPanel(Panel):
    """A panel that shares the state of a workbench, or has a state of its own."""

    state_class = State
    state: State

    def link(
        self,
        name: str,
        control: traitlets.HasTraits,
        *,
        to_control: Callable[[str], str] = str,
    ) -> None:
        """Keep a trait of the state and the value of a control equal until the panel is closed.

        What a person types comes without surrounding spaces.

        Args:
            name: the trait, a string.
            control: a control whose value is a string; it takes the value of the state now.
            to_control: makes of the state's value one that the control can show.
        """
        selected = (self.state, name)
        shown = (control, "value")
        links = self.own(ExitStack())
        links.callback(traitlets.dlink(selected, shown, to_control).unlink)
        links.callback(traitlets.dlink(shown, selected, str.strip).unlink)


def known_split(split: str) -> str:
    """Return a split that a control offers: the test split in place of an unknown name."""
    return split if split in SPLITS else "test"
