"""Open the page of a dashboard with the server's settings: the only call in its notebook."""

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from absslab.core.common.config import look_up
from absslab.core.common.notices import listen_to_notices
from absslab.widgets.dashboards.pages.page import Page, ProblemPage
from absslab.widgets.dashboards.registry import DASHBOARDS, Dashboard
from absslab.widgets.dashboards.settings import (
    ENVIRONMENT,
    DashboardConfig,
    settings_from_environment,
)
from absslab.widgets.dashboards.visitors import LOG_NAME, limit_files, limit_memory
from absslab.widgets.ui.error_line import hide_folders

_log = logging.getLogger("absslab")
_MAX_LOG_SIZE = 1_000_000  # bytes


def open_page(name: str, **settings: Any) -> Page:
    """Make the page of a dashboard; if this fails, make a page that shows the error.

    Args:
        name: name of the dashboard.
        settings: fields of `DashboardConfig`, for use in any notebook; by default those of the
            server.

    Raises:
        InputError: there is no such dashboard, or no such setting.
    """
    dashboard: Dashboard = look_up("dashboard", name, DASHBOARDS)
    config = DashboardConfig.from_json(settings) if settings else settings_from_environment()
    page: Page | None = None
    try:
        _log_to_visitors_folder(config)
        if ENVIRONMENT in os.environ:
            hide_folders()  # visitors read the messages
            if not config.allow_training:  # trainings that visitors start would inherit the limits
                limit_files(config.max_disk)
            if not config.allow_training and config.device == "cpu":  # drivers of GPUs map more
                limit_memory(config.max_memory)
        page = dashboard.import_page()(config)
        with listen_to_notices(page.show_notice):
            page.build()
    except Exception as error:
        if page is not None:
            page.close()
        page = ProblemPage(config, error)
        page.build()
    return page


def _log_to_visitors_folder(config: DashboardConfig) -> None:
    """Write the errors of this process to a file that the server shows to its host."""
    if not config.visitors_folder or _log.handlers:
        return
    path = Path(config.visitors_folder) / LOG_NAME.format(pid=os.getpid())
    handler = RotatingFileHandler(
        path, maxBytes=_MAX_LOG_SIZE, backupCount=1, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s visitor %(process)d: %(message)s"))
    _log.addHandler(handler)
    _log.propagate = False
