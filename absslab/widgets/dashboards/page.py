"""What all pages have: a heading, what they are for, an eye on whether someone looks, plain words where something fails."""

import importlib
import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.config import find
from absslab.core.errors import InputError
from absslab.serving.settings import DASHBOARDS, ENVIRONMENT, ServedConfig, served
from absslab.serving.visitors import LOG
from absslab.widgets.panel import Panel, hide_folders
from absslab.widgets.presence import Presence
from absslab.widgets.style import paragraph

_LARGEST_LOG = 1_000_000  # bytes
_log = logging.getLogger("absslab")


class Page(Panel):
    """The base of all pages.

    Args:
        shown: what the host serves.
    """

    words = ""  # what the page is for

    def __init__(self, shown: ServedConfig):
        super().__init__()
        self.shown = shown
        self.presence = self.own(Presence(gone=self.guard(self.gone), back=self.guard(self.back)))
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
            self.say("Something went wrong here; the host's log says what. Load the page again to go on.", "error")


class Problem(Page):
    """Stands where a page can't be made."""

    title = "This page can't be shown"

    def __init__(self, shown: ServedConfig, error: Exception):
        super().__init__(shown)
        self.show()
        self.fail(error)


def open_page(name: str, **settings: Any) -> Page:
    """The page of a dashboard, with what its server tells; where there is none, with these settings.

    Args:
        name: of the dashboard.
        settings: fields of `ServedConfig`, for a notebook of one's own.

    Raises:
        InputError: there is no such dashboard, or no such setting.
    """
    find("dashboard", name, DASHBOARDS)
    shown = ServedConfig.from_json(settings) if settings else served()
    page: Page | None = None
    try:
        _log_to(shown)
        if ENVIRONMENT in os.environ:
            folders = (
                *shown.run_directory,
                shown.runs_folder,
                shown.mixture_folder,
                shown.votes_folder,
                shown.visitors_folder,
            )
            hide_folders([*folders, *(os.path.dirname(run) for run in shown.run_directory), str(Path.home())])
        module = importlib.import_module(f"absslab.widgets.dashboards.{name}_page")  # none costs the memory of the others
        page = module.PAGE.__new__(module.PAGE)
        page.__init__(shown)  # type: ignore[misc]  # in two steps, so that a page that is half made can be closed
    except Exception as error:
        if page is not None and hasattr(page, "widget"):
            page.close()
        return Problem(shown, error)
    return page


def _log_to(shown: ServedConfig) -> None:
    if shown.visitors_folder and not _log.handlers:
        path = Path(shown.visitors_folder) / LOG.format(pid=os.getpid())
        handler = RotatingFileHandler(path, maxBytes=_LARGEST_LOG, backupCount=1, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s visitor %(process)d: %(message)s"))
        _log.addHandler(handler)
        _log.propagate = False
