"""What can't be served is said before anything is."""

from dataclasses import replace
from pathlib import Path

from absslab.core.errors import InputError
from absslab.core.runs import RunReader
from absslab.serving.settings import ServedConfig

_N_RUNS = {"listen": 1, "separate": 1, "compare": 2}


def checked(name: str, shown: ServedConfig) -> ServedConfig:
    """The settings of a dashboard with absolute paths, once what they name was seen to be there.

    Raises:
        InputError: runs that are missing or too many, a run without a model, a folder that is not there.
    """
    runs = [Path(run).absolute() for run in shown.run_directory]
    wanted = _N_RUNS.get(name)
    if wanted is not None and len(runs) != wanted:
        raise InputError(f"run_directory names {len(runs)} runs: {name} shows {wanted}; say --run_directory with as many")
    for run in runs:
        RunReader(run)
        if wanted is not None and not model_of(run).is_file():
            raise InputError(f"{run} has no model yet ({model_of(run)} is not there): wait for its first validation")
    folder = Path(shown.runs_folder or (runs[0].parent if runs else "runs")).absolute()
    if name == "monitor" and not folder.is_dir():
        raise InputError(f"{folder} is no folder: say with --runs_folder where the runs are")
    mixtures = Path(shown.mixture_folder).absolute() if shown.mixture_folder else None
    if mixtures is not None and not mixtures.is_dir():
        raise InputError(f"mixture_folder is {shown.mixture_folder!r}: expected a folder that is there")
    votes = Path(shown.votes_folder).absolute() if shown.votes_folder else folder / "listening_tests"
    return replace(
        shown,
        run_directory=tuple(map(str, runs)),
        runs_folder=str(folder),
        mixture_folder=str(mixtures or ""),
        votes_folder=str(votes),
    )


def model_of(run: Path) -> Path:
    """The best model of a run."""
    return run.with_name(f"{run.name}.ckpt")
