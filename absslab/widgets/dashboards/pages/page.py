"""The base of all pages: heading, introduction, heartbeat, and plain error messages."""

import logging
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError, InputWarning
from absslab.plots.html_templates import render_template
from absslab.widgets.dashboards.page_heartbeat import PageHeartbeat
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.ui.compatibility import send_widget_states
from absslab.widgets.ui.panel import Panel

_log = logging.getLogger("absslab")


class Page(Panel):
    """The base of all pages; a page loads its data and makes its widgets in `build`.

    Args:
        config: the settings of the dashboard.
    """

    introduction = ""  # the text below the heading

    def __init__(self, config: DashboardConfig):
        super().__init__()
        self.config = config
        self.heartbeat = self.own(
            PageHeartbeat(on_open=self.guard(self._open), on_leave=self.guard(self.pause))
        )
        self.widget.add_class("absslab-dashboard")

    def build(self) -> None:
        """Load what the page needs, and show its widgets.

        Raises:
            InputError: the settings or the data cannot be used.
        """
        raise NotImplementedError

    def show(self, *children: Any) -> None:
        """Show widgets below the heading and the introduction."""
        heading = render_template(
            "absslab.widgets.dashboards.pages",
            "heading.html.j2",
            title=self.title,
            introduction=self.introduction,
        )
        super().show(ipywidgets.HTML(heading), self.message_line, *children, self.heartbeat)

    def pause(self) -> None:
        """Stop work and updates, because nobody has the page open any more."""

    def resume(self) -> None:
        """Go on, because somebody has the page open."""

    def _open(self) -> None:
        send_widget_states()  # the page shows its widgets now, and may have missed changes before
        self.resume()

    def fail(self, error: BaseException) -> None:
        """Show an error that the visitor can act on; any other goes to the log of the host."""
        if isinstance(error, InputError | InputWarning | OSError):
            super().fail(error)
            return
        _log.error("%s failed", type(self).__name__, exc_info=error)
        self.say(
            "Something went wrong; the host's log has the details. Reload the page to continue.",
            "error",
        )


class ProblemPage(Page):
    """A page that shows why another could not be made.

    Args:
        config: the settings of the dashboard.
        error: raised while the page was made.
    """

    title = "This page can't be shown"

    def __init__(self, config: DashboardConfig, error: Exception):
        super().__init__(config)
        self._error = error

    def build(self) -> None:
        """Show the error."""
        self.show()
        self.fail(self._error)
