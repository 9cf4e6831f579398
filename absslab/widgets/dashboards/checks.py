"""Checks of a dashboard's settings before its server starts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from absslab.core.common.config import look_up
from absslab.core.common.errors import InputError
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.widgets.dashboards.registry import DASHBOARDS, Dashboard
from absslab.widgets.dashboards.settings import DashboardConfig, same_run_error


def validate_settings(name: str, config: DashboardConfig) -> DashboardConfig:
    """Check that a dashboard can be served, and return its settings with absolute paths.

    Args:
        name: name of the dashboard.
        config: the given settings.

    Raises:
        InputError: there is no such dashboard, the number of runs is wrong, a run has no model, a
            folder or the device does not exist, or the split holds no recording.
    """
    dashboard: Dashboard = look_up("dashboard", name, DASHBOARDS)
    runs = [Path(run).absolute() for run in config.run_directory]
    _check_runs(name, dashboard.n_runs, runs)
    runs_folder = Path(config.runs_folder or (runs[0].parent if runs else "runs")).absolute()
    if dashboard.n_runs is None and not runs_folder.is_dir():
        raise InputError(
            "{folder} is not a directory: pass the folder with the runs with --runs_folder",
            folder=runs_folder,
        )
    if config.mixture_folder and not Path(config.mixture_folder).is_dir():
        raise InputError(
            "mixture_folder is '{folder}': expected a directory", folder=config.mixture_folder
        )
    if dashboard.n_runs is not None:
        _check_device(config)
    if dashboard.needs_recordings:
        _check_recordings(runs[0], config)
    return replace(
        config,
        run_directory=tuple(map(str, runs)),
        runs_folder=str(runs_folder),
        mixture_folder=_absolute(config.mixture_folder),
        votes_folder=_absolute(config.votes_folder) or str(runs_folder / "listening_tests"),
        visitors_folder=_absolute(config.visitors_folder),
    )


def _check_runs(name: str, n_expected: int | None, runs: Sequence[Path]) -> None:
    """Check that there are as many runs as the dashboard shows, with models where it needs them."""
    if n_expected is not None and len(runs) != n_expected:
        raise InputError(
            f"run_directory names {len(runs)} runs: {name} shows {n_expected}; "
            f"pass as many with --run_directory"
        )
    for run in runs:
        RunReader.open(run)
        checkpoint = best_checkpoint_path(run)
        if n_expected is not None and not checkpoint.is_file():
            raise InputError(
                "{run} has no model yet ({checkpoint} does not exist): "
                "wait for its first validation",
                run=run,
                checkpoint=checkpoint,
            )
    if n_expected == 2 and runs[0].samefile(runs[1]):
        raise same_run_error(runs[0])


def _check_device(config: DashboardConfig) -> None:
    """Check that the device exists."""
    # imports torch, which the monitor does not need
    from absslab.core.common.devices import choose_device

    choose_device(config.device)


def _check_recordings(run: Path, config: DashboardConfig) -> None:
    """Check that there are recordings to listen to."""
    # imports torch, which the monitor does not need
    from absslab.core.runs.run_data import require_recordings

    require_recordings(RunReader.open(run), config.split, data_folder=config.mixture_folder)


def _absolute(folder: str) -> str:
    return str(Path(folder).absolute()) if folder else ""
