"""The dashboards: the purpose, the needs and the page of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from absslab.widgets.dashboards.pages.page import Page


@dataclass(frozen=True)
class Dashboard:
    """The properties of a dashboard that the command line, the checks and its notebook need.

    Args:
        purpose: its purpose in one line.
        n_runs: number of runs with a model that it shows; None: all runs of a folder.
        needs_recordings: whether the split must hold recordings.
        import_page: imports the class of its page. The other pages are not imported, since they
            would only take memory.
    """

    purpose: str
    n_runs: int | None
    needs_recordings: bool
    import_page: Callable[[], type[Page]]


def _import_listen_page() -> type[Page]:
    from absslab.widgets.dashboards.pages.listen_page import ListenPage

    return ListenPage


def _import_separate_page() -> type[Page]:
    from absslab.widgets.dashboards.pages.separate_page import SeparatePage

    return SeparatePage


def _import_monitor_page() -> type[Page]:
    from absslab.widgets.dashboards.pages.monitor_page import MonitorPage

    return MonitorPage


def _import_compare_page() -> type[Page]:
    from absslab.widgets.dashboards.pages.compare_page import ComparePage

    return ComparePage


DASHBOARDS = {  # each is the notebook of this name
    "listen": Dashboard(
        "see and hear the test mixtures of a run, with references and scores",
        n_runs=1,
        needs_recordings=True,
        import_page=_import_listen_page,
    ),
    "separate": Dashboard(
        "separate a recording, keep or remove its classes, hear it before and after, download it",
        n_runs=1,
        needs_recordings=False,
        import_page=_import_separate_page,
    ),
    "monitor": Dashboard(
        "the progress of trainings",
        n_runs=None,
        needs_recordings=False,
        import_page=_import_monitor_page,
    ),
    "compare": Dashboard(
        "two runs on the same mixtures, and a blind listening test that stores its votes",
        n_runs=2,
        needs_recordings=True,
        import_page=_import_compare_page,
    ),
}
