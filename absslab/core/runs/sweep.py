"""Train and score all trainings of a grid as processes, one at a time on each device.

::

    output_folder/results.json, results.csv, results.md
    output_folder/<name>-seed<seed>.ckpt     the best model
    output_folder/<name>-seed<seed>/         its run directory, with scores.json
"""

import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absslab.core.common.config import Config, format_setting, option, to_flags
from absslab.core.common.devices import choose_devices
from absslab.core.common.errors import InputError, InputWarning, WorkError, escape_braces
from absslab.core.common.files import check_output_folder, file_lock
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps
from absslab.core.common.run_status import LIVE_STATES, read_status
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.evaluation.scores import is_score_name
from absslab.core.runs.launcher import KILLED, OUTPUT, Launcher
from absslab.core.runs.processes import (
    describe_end,
    end_process,
    read_last_lines,
    start_process,
)
from absslab.core.runs.result_tables import COLUMNS, measure_cost
from absslab.core.runs.run_scores import are_current, scores_path
from absslab.core.runs.sweep_results import (
    SweepFailure,
    SweepResults,
    SweepRow,
    read_sweep_results,
    results_path,
    write_results,
)
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.core.training.settings import Settings, canonical_config

_LOCK = ".sweep.lock"
_EVALUATION = "evaluation.txt"  # in the run directory: what its evaluation printed
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


@dataclass(frozen=True)
class SweepRun:
    """A training of a sweep.

    Args:
        name: its name, which its seeds share.
        seed: its seed.
        values: what the grid varies: name of the setting → its value, as text.
        arguments: of `absslab train`, without device.
        settings: what these arguments mean.
    """

    name: str
    seed: int
    values: Mapping[str, str]
    arguments: tuple[str, ...]
    settings: Settings

    @property
    def folder(self) -> Path:
        """The run directory."""
        return Path(self.settings.run.save_path).with_suffix("")

    @property
    def title(self) -> str:
        """Its name and its seed."""
        return self.folder.name


def run_path(folder: str | Path, name: str, seed: int) -> Path:
    """Return the path of the best model of a training of a sweep."""
    return Path(folder) / f"{name}-seed{seed}.ckpt"


def sweep_steps(
    config: SweepConfig, runs: Sequence[SweepRun], order: Sequence[str] = ()
) -> Steps[SweepResults]:
    """Train and score; what exists is kept, and what was interrupted goes on.

    Results are written after each training. A training that fails does not end the others. When
    the work is closed or interrupted, its processes are ended; each can be resumed.

    Args:
        config: output, devices and scores.
        runs: the trainings.
        order: names of all trainings of the grid, in the order of the tables; by default those of
            the runs.

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
    devices = choose_devices(config.devices)
    results = _open_results(folder, config.split)
    for run in runs:
        _check_unchanged(run)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with file_lock(folder / _LOCK, waits=False):
            names = order or [run.name for run in runs]
            return (yield from _run_all(config, runs, devices, results.sort(names), names))
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
    active: dict[str, tuple[SweepRun, _RunSteps]] = {}
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


_RunSteps = Generator[str, None, SweepRow]  # yields what is being done


def _advance(run: SweepRun, steps: _RunSteps, stages: list[str]) -> SweepRow | SweepFailure | None:
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
        reason = " ".join(str(error).split())
        give_notice(InputWarning(f"{run.title} has no scores: {escape_braces(reason)}"))
        return SweepFailure(run.name, run.seed, reason)


@dataclass
class Sweep:
    """Trains and scores the trainings of a sweep.

    Args:
        split: the split whose recordings are scored.
    """

    split: str
    _launcher: Launcher = Launcher()

    def is_live(self, run: SweepRun) -> bool:
        """Tell whether a process trains it."""
        return self._launcher.state(run.folder) in LIVE_STATES

    def run(self, run: SweepRun, device: str) -> _RunSteps:
        """Train and score as far as this has not been done; return the row of results.

        Yields:
            what is being done, each time that it is looked at.

        Raises:
            WorkError: the training or its evaluation has failed.
        """
        yield from self._train(run, device)
        scores = scores_path(run.folder, self.split)
        if not are_current(scores, best_checkpoint_path(run.folder)):
            yield from self._evaluate(run, device)
        values = read_scores_alone(scores).flat()
        return SweepRow(run.name, run.seed, run.values, *measure_cost(run.folder), values)

    def _train(self, run: SweepRun, device: str) -> Generator[str, None, None]:
        folder = run.folder
        state = self._launcher.state(folder)
        if state == "finished":
            return
        if state in LIVE_STATES:  # an earlier sweep was killed, but not its training
            pass
        elif (folder / "last.ckpt").exists():
            self._launcher.resume(folder, device=device)
        else:
            arguments = ["train", *run.arguments, *to_flags({"device": device})]
            self._launcher.start(arguments, folder)
        try:
            while self.is_live(run):
                yield self._describe(run, device)
        finally:
            self._launcher.end(folder)
        if self._launcher.state(folder) != "finished":
            raise WorkError(escape_braces(self._find_reason(folder)))

    def _describe(self, run: SweepRun, device: str) -> str:
        status = read_status(run.folder / "status.json")
        if status.state != "running" or status.progress is not None:
            return f"{status.progress.task if status.progress else 'starting'} on {device}"
        n_epochs = status.n_epochs or run.settings.training.n_epochs
        return f"epoch {(status.epoch or 0) + 1} of {n_epochs} on {device}"

    def _find_reason(self, folder: Path) -> str:
        """Find why a training has not finished, in one line."""
        state = self._launcher.state(folder)
        if state == "stopped":
            return "its training was stopped"
        reason = self._launcher.find_problem(folder)
        if not reason:
            reason = KILLED if state == "dead" else read_last_lines(folder / OUTPUT, 1)
        return reason.removeprefix("absslab train: ")

    def _evaluate(self, run: SweepRun, device: str) -> Generator[str, None, None]:
        scores = scores_path(run.folder, self.split)
        flags = {
            "checkpoint_path": str(best_checkpoint_path(run.folder)),
            "split": self.split,
            "bss_eval": "none",
            "device": device,
            "output": str(scores),
        }
        job = start_process(["evaluate", *to_flags(flags)], run.folder / _EVALUATION)
        try:
            while job.poll() is None:
                yield f"scoring on {device}"
        finally:
            if job.poll() is None:
                end_process(job.pid)
        exit_status = job.poll() or 0
        if exit_status in (0, 3) and scores.exists():  # 3: some recordings could not be used
            return
        reason = describe_end(exit_status) or job.read_log_end(1) or "it ended without a message"
        raise WorkError(escape_braces(reason.removeprefix("absslab evaluate: ")))


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
