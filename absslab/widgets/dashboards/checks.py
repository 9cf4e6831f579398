"""What can't be served is said before anything is."""

from dataclasses import replace
from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.widgets.dashboards.settings import DashboardConfig

_N_RUNS = {"listen": 1, "separate": 1, "compare": 2}


def validate_settings(name: str, shown: DashboardConfig) -> DashboardConfig:
    """The settings of a dashboard with absolute paths, once what they name was seen to be there.

    Raises:
        InputError: runs that are missing or too many, a run without a model, a folder that is not there.
    """
    runs = [Path(run).absolute() for run in shown.run_directory]
    wanted = _N_RUNS.get(name)
    if wanted is not None and len(runs) != wanted:
        raise InputError(
            f"run_directory names {len(runs)} runs: {name} shows {wanted}; say --run_directory with as many"
        )
    for run in runs:
        RunReader(run)
        if wanted is not None and not best_checkpoint_path(run).is_file():
            raise InputError(
                f"{run} has no model yet ({best_checkpoint_path(run)} is not there): wait for its first validation"
            )
    if wanted == 2 and runs[0].samefile(runs[1]):
        raise InputError(f"{runs[0]} is named twice: expected two runs to compare")
    folder = Path(shown.runs_folder or (runs[0].parent if runs else "runs")).absolute()
    if name == "monitor" and not folder.is_dir():
        raise InputError(f"{folder} is no folder: say with --runs_folder where the runs are")
    mixtures = Path(shown.mixture_folder).absolute() if shown.mixture_folder else None
    if mixtures is not None and not mixtures.is_dir():
        raise InputError(
            f"mixture_folder is {shown.mixture_folder!r}: expected a folder that is there"
        )
    if wanted is not None:
        _check_use(name, runs[0], shown)
    votes = (
        Path(shown.votes_folder).absolute() if shown.votes_folder else folder / "listening_tests"
    )
    return replace(
        shown,
        run_directory=tuple(map(str, runs)),
        runs_folder=str(folder),
        mixture_folder=str(mixtures or ""),
        votes_folder=str(votes),
        visitors_folder=str(Path(shown.visitors_folder).absolute())
        if shown.visitors_folder
        else "",
    )


def _check_use(name: str, run: Path, shown: DashboardConfig) -> None:
    """See that the device is there, and the recordings that are heard."""
    from absslab.core.common.devices import choose_device
    from absslab.core.runs.run_data import (
        run_recordings,
    )  # with torch, which what is only looked at does not need

    choose_device(shown.device)
    if name == "separate":
        return
    if not run_recordings(RunReader(run), shown.split, data_folder=shown.mixture_folder):
        raise InputError(
            f"the {shown.split} split of {run.name} holds no recording: choose another with --split"
        )
