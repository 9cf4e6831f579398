"""What all pages have: a heading, what they are for, an eye on whether someone looks, plain words where something fails."""

import logging
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.plots.html_text import paragraph
from absslab.widgets.dashboards.page_heartbeat import PageHeartbeat
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.ui.panel import Panel

_log = logging.getLogger("absslab")


class Page(Panel):
    """The base of all pages.

    Args:
        shown: what the host serves.
    """

    words = ""  # what the page is for

    def __init__(self, shown: DashboardConfig):
        super().__init__()
        self.shown = shown
        self.presence = self.own(
            PageHeartbeat(gone=self.guard(self.gone), back=self.guard(self.back))
        )
        self.widget.add_class("absslab-dashboard")

    def show(self, *children: Any) -> None:
        """Show these below the heading."""
        heading = ipywidgets.HTML(f"<h1>{self.title}</h1>{paragraph(self.words, 'lead')}")
        super().show(heading, self._line, *children, self.presence)

    def gone(self) -> None:
        """Nobody looks any more: what costs something ends, what publishes stops."""

    def back(self) -> None:
        """Somebody looks."""

    def fail(self, error: BaseException) -> None:
        """Show an error; what a visitor can't put right is for the host's log, and they are only told that."""
        if isinstance(error, InputError | OSError):
            super().fail(error)
        else:
            _log.error("%s failed", type(self).__name__, exc_info=error)
            self.say(
                "Something went wrong here; the host's log says what. Load the page again to go on.",
                "error",
            )


class ProblemPage(Page):
    """Stands where a page can't be made."""

    title = "This page can't be shown"

    def __init__(self, shown: DashboardConfig, error: Exception):
        super().__init__(shown)
        self.show()
        self.fail(error)
