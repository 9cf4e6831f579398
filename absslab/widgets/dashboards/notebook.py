"""What the notebook of a dashboard calls: it opens the page that its server names."""

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from absslab.core.common.config import look_up
from absslab.widgets.dashboards.pages.page import Page, ProblemPage
from absslab.widgets.dashboards.settings import (
    DASHBOARDS,
    ENVIRONMENT,
    DashboardConfig,
    settings_from_environment,
)
from absslab.widgets.dashboards.visitors import LOG_NAME
from absslab.widgets.ui.error_line import hide_folders

_log = logging.getLogger("absslab")
_LARGEST_LOG = 1_000_000  # bytes


def open_page(name: str, **settings: Any) -> Page:
    """The page of a dashboard, with what its server tells; where there is none, with these settings.

    Args:
        name: of the dashboard.
        settings: fields of `ServedConfig`, for a notebook of one's own.

    Raises:
        InputError: there is no such dashboard, or no such setting.
    """
    look_up("dashboard", name, DASHBOARDS)
    shown = DashboardConfig.from_json(settings) if settings else settings_from_environment()
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
            hide_folders(
                [*folders, *(os.path.dirname(run) for run in shown.run_directory), str(Path.home())]
            )
        page_class = _page_class(name)
        page = page_class.__new__(page_class)
        page.__init__(shown)  # type: ignore[misc]  # in two steps, so that a page that is half made can be closed
    except Exception as error:
        if page is not None and hasattr(page, "widget"):
            page.close()
        return ProblemPage(shown, error)
    return page


def _log_to(shown: DashboardConfig) -> None:
    if shown.visitors_folder and not _log.handlers:
        path = Path(shown.visitors_folder) / LOG_NAME.format(pid=os.getpid())
        handler = RotatingFileHandler(path, maxBytes=_LARGEST_LOG, backupCount=1, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s visitor %(process)d: %(message)s"))
        _log.addHandler(handler)
        _log.propagate = False


def _page_class(name: str) -> type[Page]:
    """The class of a dashboard's page; no page costs the memory of the others."""
    match name:
        case "listen":
            from absslab.widgets.dashboards.pages.listen_page import ListenPage

            return ListenPage
        case "separate":
            from absslab.widgets.dashboards.pages.separate_page import SeparatePage

            return SeparatePage
        case "monitor":
            from absslab.widgets.dashboards.pages.monitor_page import MonitorPage

            return MonitorPage
        case _:
            from absslab.widgets.dashboards.pages.compare_page import ComparePage

            return ComparePage
