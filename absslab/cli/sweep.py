"""absslab sweep."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from absslab.cli.parser import Parser
from absslab.cli.train import read_settings
from absslab.core.common.cluster import ClusterConfig
from absslab.core.common.config import (
    add_flags,
    format_setting,
    from_flags,
    parse_path,
    to_flags,
)
from absslab.core.common.errors import InputError, WorkError, escape_braces
from absslab.core.common.progress import run_with_progress
from absslab.core.common.signals import interrupt_on_termination
from absslab.core.data.shards.places import is_command, is_remote
from absslab.core.runs.sweep import SweepConfig, SweepRun, run_path, sweep_steps
from absslab.core.runs.sweep_grid import (
    GridRun,
    SweepGrid,
    check_setting,
    copy_grid,
    find_grid,
    is_built_in,
    read_grid,
)
from absslab.core.runs.sweep_results import FailedTrainings, results_path
from absslab.core.thesis.command_line import ContradictionError, split_flags

_FLAGS = tuple(field.name for config in (SweepConfig, ClusterConfig) for field in fields(config))
_COPY = "copy_to"


class _GridSettingError(InputError):
    """A setting of the command that the grid itself sets."""


def run(arguments: Sequence[str]) -> FailedTrainings | None:
    """Train and score the trainings of a grid, and print the results; or copy the grid.

    Returns:
        the trainings that have no scores; None of a copy.
    """
    parser = Parser(
        "absslab sweep",
        usage="absslab sweep GRID.yaml [--output_folder FOLDER] [other flags] [settings]",
        description="Train and score every combination of a grid of settings, as a process each, "
        "one at a time on each device. The same command goes on where it was interrupted: "
        "what is finished is not trained again.",
        epilog="All other flags are settings of every training, those of absslab train or of the "
        "thesis, and take precedence over the grid's common settings. sweeps/thesis.yaml, or "
        "thesis, is the grid of the thesis' results; it comes with the package.",
    )
    parser.add_argument(
        "grid",
        metavar="GRID.yaml",
        help="file with the parts common (settings of all trainings), grid (lists of values, of "
        "which every combination is trained) and runs (further trainings by name), or thesis",
    )
    parser.add_argument(
        f"--{_COPY}",
        metavar="FILE",
        type=parse_path,
        help="write a copy of the grid, to change what it sets, and train nothing",
    )
    add_flags(parser, SweepConfig)
    add_flags(parser, ClusterConfig)
    own, overrides = _separate(arguments)
    given = vars(parser.parse(own))
    name = given.pop("grid")
    path = find_grid(name)
    target = given.pop(_COPY)
    if target is not None:
        _copy(path, target, [*given, *overrides])
        return None
    grid = read_grid(path, _FLAGS)
    own_flags = {**grid.flags, **given}
    config = from_flags(SweepConfig, own_flags)
    scheduler = from_flags(ClusterConfig, own_flags).scheduler
    if not config.output_folder:
        raise InputError("output_folder is missing: pass --output_folder")
    try:
        runs = make_runs(grid, config, overrides)
    except _GridSettingError as error:
        raise error.wrap(f"{{error}}; {_how_to_change(name, path)}", grid=path) from None
    _check_data(runs[0], path)
    _check_commands(runs, path, "data_folder" in overrides)
    with interrupt_on_termination():
        try:
            order = [training.name for training in grid.runs]
            steps = sweep_steps(config, runs, order, scheduler=scheduler)
            results = run_with_progress(steps, "sweep", "training")
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; the same command goes on") from None
    print(results.to_markdown(config.columns, config.class_scores))
    written = results_path(config.output_folder, config.split)
    print(f"→ {written}, {written.stem}.csv, {written.stem}.md")
    chosen = {(training.name, training.seed) for training in runs}
    failed = FailedTrainings(
        tuple(item for item in results.failures if (item.name, item.seed) in chosen)
    )
    if len(failed) == len(runs):
        raise WorkError(escape_braces(failed.summary()))
    return failed


def _copy(path: Path, target: str, others: Sequence[str]) -> None:
    """Copy a grid, and say how it is used.

    Args:
        path: its file.
        target: the copy.
        others: names of flags that are given besides.

    Raises:
        InputError: there are any, or the copy can't be written.
    """
    if others:
        raise InputError(
            f"--{_COPY} copies the grid as it is: leave --{others[0]} out, and change it in the "
            "copy"
        )
    copy_grid(path, target)
    print(f"→ {target}; change it, and train it with absslab sweep {target}")


def _how_to_change(name: str, path: Path) -> str:
    """Return what to do to change what a grid itself sets, with a field for its path."""
    change = "change it in {grid}"
    if is_built_in(path):
        change = f"change it in a copy, which absslab sweep {name} --{_COPY} FILE writes"
    return f"{change}, or choose other trainings by --only"


def make_runs(
    grid: SweepGrid, config: SweepConfig, overrides: Mapping[str, list[str]]
) -> list[SweepRun]:
    """Return the trainings of a sweep, with their settings checked.

    Args:
        grid: the grid.
        config: says which of its trainings, and with which seeds.
        overrides: settings that take precedence over the common ones: name → words.

    Raises:
        InputError: a setting is unknown or wrong, or the grid itself sets one that is overridden.
    """
    return [
        _make_run(grid, training, config, seed, overrides)
        for training in grid.select(config.only)
        for seed in config.seeds
    ]


def _separate(arguments: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Separate the arguments of a sweep from the settings of its trainings."""
    own: list[str] = []
    settings: dict[str, list[str]] = {}
    for name, words in split_flags(arguments):
        if not name:
            own += words
        elif name in ("h", "help"):
            own.append("--help")
        elif name in (*_FLAGS, _COPY):
            own += [f"--{name}", *words]
        else:
            check_setting("the command", name)
            settings[name] = words
    return own, settings


def _make_run(
    grid: SweepGrid,
    training: GridRun,
    config: SweepConfig,
    seed: int,
    overrides: Mapping[str, list[str]],
) -> SweepRun:
    twice = sorted(training.own.keys() & overrides.keys())
    if twice:
        raise _GridSettingError(
            f"the grid itself sets {twice[0]} to {format_setting(training.own[twice[0]])} for "
            f"{training.name}"
        )
    save_path = run_path(config.output_folder, training.name, seed)
    arguments = (
        *_to_arguments({**grid.common, **training.own, **overrides}),
        *to_flags({"seed": seed, "save_path": str(save_path)}),
    )
    try:
        settings = read_settings(arguments)
    except ContradictionError as error:
        kind = _GridSettingError if overrides else InputError
        raise kind(f"{training.name}: {error}") from None
    except InputError as error:
        raise error.wrap(f"{escape_braces(training.name)}: {{error}}") from None
    return SweepRun(training.name, seed, training.values, arguments, settings)


def _to_arguments(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield settings as flags; a list of one value is written as the value."""
    for name, value in settings.items():
        is_alone = isinstance(value, list) and len(value) == 1
        yield from to_flags({name: value[0] if is_alone else value})


def _check_data(run: SweepRun, grid: Path) -> None:
    """Check before the first training that there are recordings to train on."""
    folder = run.settings.data.data_folder
    if not folder:
        raise InputError(
            "{grid} names no data_folder: pass --data_folder, or name it below common", grid=grid
        )
    if not is_remote(folder) and not Path(folder).is_dir():
        raise InputError(
            "data_folder {folder} is not a directory: pass --data_folder, a folder of recordings "
            "with weak labels",
            folder=folder,
        )


def _check_commands(runs: Sequence[SweepRun], grid: Path, is_stated: bool) -> None:
    """Check that no command runs because a grid says so.

    Raises:
        InputError: the grid says one.
    """
    if not is_stated and any(is_command(run.settings.data.data_folder) for run in runs):
        raise InputError(
            "{grid} says a command as data_folder: to run it, pass it with --data_folder",
            grid=grid,
        )
