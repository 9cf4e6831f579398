"""Train and score all trainings of a grid as processes, one at a time on each device.

::

    output_folder/results.json, results.csv, results.md
    output_folder/<name>-seed<seed>.ckpt     the best model
    output_folder/<name>-seed<seed>/         its run directory, with scores.json
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absslab.core.common.cluster import check_scheduler
from absslab.core.common.config import Config, format_setting, option
from absslab.core.common.devices import choose_devices
from absslab.core.common.errors import InputError, InputWarning, WorkError, escape_braces
from absslab.core.common.files import check_output_folder, file_lock
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.scores import is_score_name
from absslab.core.runs.cluster_sweep import train_on_cluster
from absslab.core.runs.result_tables import COLUMNS
from absslab.core.runs.sweep_job import Sweep, SweepRun, TrainingSteps, describe_failure
from absslab.core.runs.sweep_results import (
    SweepFailure,
    SweepResults,
    SweepRow,
    read_sweep_results,
    results_path,
    write_results,
)
from absslab.core.training.run_directory import RunReader
from absslab.core.training.settings import canonical_config

_LOCK = ".sweep.lock"
_INTERVAL = 0.5  # s between two looks at the processes
_SHOWN = (
    "tagging.auc",
    "detection.event.f1",
    "separation.si_sdr_improvement",
    "minutes",
)
_NOT_COMPARED = (  # settings that do not change what is trained
    "save_path",
    "device",
    "n_loaders",
    "in_memory",
    "feature_store",
    "keep_every",
    "on_error",
)


@dataclass(frozen=True)
class SweepConfig(Config):
    """Output, devices and scores of a sweep."""

    output_folder: str = option(
        "", "folder to write: new, empty, or one to continue", metavar="FOLDER", required=True
    )
    devices: tuple[str, ...] = option(
        ("auto",),
        "devices, each of which trains one model at a time: cpu, cuda:0, cuda:1, …; auto: all "
        "GPUs, or the CPU if there is none",
        metavar="DEVICE",
    )
    seeds: tuple[int, ...] = option((0,), "seeds, each of every training", at_least=0)
    split: str = option("test", "the split whose recordings are scored", choices=SPLITS)
    columns: tuple[str, ...] = option(
        _SHOWN, "columns of results.md: dotted names of scores", metavar="NAME"
    )
    class_scores: tuple[str, ...] = option(
        ("auc",),
        "scores of which results.md has a table with a column per class; none: no such table",
        metavar="NAME",
    )
    only: tuple[str, ...] = option(
        (), "names of the trainings to do, * for any letters; none: all", metavar="NAME"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(
                f"seeds is {format_setting(self.seeds)}: expected one or more, each once"
            )
        for name in self.columns:
            if name not in COLUMNS and not is_score_name(name):
                raise InputError(
                    f"columns names {escape_braces(name)}, which is no score: expected dotted "
                    "names as in results.csv, such as tagging.auc"
                )
        for name in self.class_scores:
            if not is_score_name(f"per_class.a.{name}"):
                raise InputError(
                    f"class_scores names {escape_braces(name)}, which is no score of a class: "
                    "expected names such as auc, f1 or si_sdr_improvement"
                )


def run_path(folder: str | Path, name: str, seed: int) -> Path:
    """Return the path of the best model of a training of a sweep."""
    return Path(folder) / f"{name}-seed{seed}.ckpt"


def sweep_steps(
    config: SweepConfig,
    runs: Sequence[SweepRun],
    order: Sequence[str] = (),
    *,
    scheduler: str = "",
) -> Steps[SweepResults]:
    """Train and score; what exists is kept, and what was interrupted goes on.

    Results are written after each training. A training that fails does not end the others. When
    the work is closed or interrupted, its processes are ended; each can be resumed.

    Args:
        config: output, devices and scores.
        runs: the trainings.
        order: names of all trainings of the grid, in the order of the tables; by default those of
            the runs.
        scheduler: address of a dask scheduler whose workers train one model at a time; empty: this
            machine trains.

    Yields:
        how many trainings are done; the stage says what is being done.

    Returns:
        all results of the folder on this split, also those of earlier calls.

    Raises:
        InputError: the folder holds something else, another sweep works in it, or it holds a
            training of the same name with other settings.
        OSError: the folder can't be written.
    """
    folder = Path(config.output_folder)
    if scheduler and len(config.devices) > 1:
        raise InputError(
            f"devices is {format_setting(config.devices)}, but each worker of a scheduler trains "
            "on one: pass one, such as auto"
        )
    check_scheduler(scheduler, single_threads=True)
    devices = config.devices if scheduler else choose_devices(config.devices)
    results = _open_results(folder, config.split)
    for run in runs:
        _check_unchanged(run)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with file_lock(folder / _LOCK, waits=False):
            names = order or [run.name for run in runs]
            results = results.sort(names)
            if scheduler:
                return (yield from _run_on_cluster(config, runs, results, names, scheduler))
            return (yield from _run_all(config, runs, devices, results, names))
    except BlockingIOError:
        raise InputError(
            "another sweep works in {folder}: wait for its end, or choose another output_folder",
            folder=folder,
        ) from None


def _run_all(
    config: SweepConfig,
    runs: Sequence[SweepRun],
    devices: Sequence[str],
    results: SweepResults,
    names: Sequence[str],
) -> Steps[SweepResults]:
    folder = Path(config.output_folder)
    write_results(folder, results, config.columns, config.class_scores)
    work = Sweep(config.split)
    # A training that outlived an earlier sweep comes first: it takes a device already.
    waiting = deque(sorted(runs, key=lambda run: not work.is_live(run)))
    active: dict[str, tuple[SweepRun, TrainingSteps]] = {}
    n_done = 0
    try:
        while waiting or active:
            stages: list[str] = []
            for device in devices:
                if device not in active and waiting:
                    run = waiting.popleft()
                    active[device] = run, work.run(run, device)
                if device not in active:
                    continue
                run, steps = active[device]
                result = _advance(run, steps, stages)
                if result is not None:
                    del active[device]
                    n_done += 1
                    results = results.add(result).sort(names)
                    write_results(folder, results, config.columns, config.class_scores)
            yield Progress(n_done, len(runs), "; ".join(stages))
            if len(stages) == len(active) and active:
                time.sleep(_INTERVAL)
    finally:
        for _, steps in active.values():
            steps.close()
    return results


def _run_on_cluster(
    config: SweepConfig,
    runs: Sequence[SweepRun],
    results: SweepResults,
    names: Sequence[str],
    scheduler: str,
) -> Steps[SweepResults]:
    folder = Path(config.output_folder)
    write_results(folder, results, config.columns, config.class_scores)
    yield Progress(0, len(runs))
    device = config.devices[0]
    with closing(train_on_cluster(runs, folder, config.split, device, scheduler)) as outcomes:
        for n_done, (run, result) in enumerate(outcomes, start=1):
            if isinstance(result, SweepFailure):
                _tell_failure(run, result)
            results = results.add(result).sort(names)
            write_results(folder, results, config.columns, config.class_scores)
            yield Progress(n_done, len(runs))
    return results


def _advance(
    run: SweepRun, steps: TrainingSteps, stages: list[str]
) -> SweepRow | SweepFailure | None:
    """Look at a training once.

    Args:
        run: the training.
        steps: its steps.
        stages: gets what is being done.

    Returns:
        its result; None if it goes on.
    """
    try:
        stages.append(f"{run.title}: {next(steps)}")
        return None
    except StopIteration as end:
        row: SweepRow = end.value
        return row
    except (InputError, WorkError) as error:
        failure = describe_failure(run, error)
        _tell_failure(run, failure)
        return failure


def _tell_failure(run: SweepRun, failure: SweepFailure) -> None:
    reason = escape_braces(failure.reason)
    give_notice(InputWarning(f"{run.title} has no scores: {reason}"))


def _open_results(folder: Path, split: str) -> SweepResults:
    """Return the results that a folder holds already.

    Raises:
        InputError: the folder holds something else.
    """
    check_output_folder(folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if results_path(folder, split).name in names:
        return read_sweep_results(folder, split)
    others = [other for other in SPLITS if results_path(folder, other).name in names]
    if names - {_LOCK} and not others:
        raise InputError(
            "{path} is not empty and holds no sweep of ABSSLab: choose a new or an empty one",
            path=folder,
        )
    for other in others:
        read_sweep_results(folder, other)
    return SweepResults(split)


def _check_unchanged(run: SweepRun) -> None:
    """Check that what is trained already has the settings that the grid has now.

    Raises:
        InputError: a setting is another one.
    """
    if not (run.folder / "last.ckpt").exists():
        return
    before = _compared(RunReader.open(run.folder).config)
    now = _compared(run.settings.to_json())
    for name in {**now, **before}:
        if before.get(name) != now.get(name):
            was, wanted = (format_setting(_to_value(part.get(name))) for part in (before, now))
            raise InputError(
                f"{{folder}} was trained with {name} {escape_braces(was)}, not "
                f"{escape_braces(wanted)}: choose another output_folder, or the same {name}",
                folder=run.folder,
            )


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings on which a training depends, by name."""
    return {
        name: value
        for section in canonical_config(config).values()
        for name, value in section.items()
        if name not in _NOT_COMPARED
    }


def _to_value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
