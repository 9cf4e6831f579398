"""Summarise the runs of a folder: their states, epochs, scores and settings."""

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from absslab.core.common.config import format_setting
from absslab.core.common.errors import InputError, describe_error, file_or_folder_name
from absslab.core.common.files import read_json
from absslab.core.common.run_status import RunStatus
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.training.run_directory import RunReader, best_checkpoint_path

RUN_FILES = ("config.json", "status.json", "metrics.jsonl", "last.ckpt", "output.txt")
TEST_SCORES = {  # column of a table → dotted name of the score
    "tags AUC": "tagging.auc",
    "tags F1": "tagging.f1",
    "segment F1": "detection.segment.f1",
    "event F1": "detection.event.f1",
    "mask F1": "segmentation.f1",
    "SI-SDRi / dB": "separation.si_sdr_improvement",
    "SDRi / dB": "separation.plain_sdr_improvement",
    "CA-SDRi / dB": "separation.ca_sdr_improvement",
    "BSS SDR / dB": "separation.sdr",
}
TRAINING_LOSS = "training loss"  # a curve: the total loss of each epoch
LOSS = "loss"  # the only metric that is better when it is lower
_NOT_COMPARED = ("save_path",)


@dataclass(frozen=True)
class RunSummary:
    """The summary of a run directory.

    Args:
        path: path of the run directory.
        state: see `RunReader.state`; empty if the run did not begin.
        epoch: number of finished epochs.
        n_epochs: planned number of epochs; None if it is not known.
        metric: metric that selects the best model.
        best: the best value of that metric, on validation.
        best_epoch: the epoch with that value.
        device: device on which it is trained.
        begun: when it was last started, in seconds since 1970.
        settings: settings of all configs, by name.
        scores: scores by the names of `TEST_SCORES`, if it was evaluated.
        problems: why it can't be used or followed.
    """

    path: Path
    state: str = ""
    epoch: int = 0
    n_epochs: int | None = None
    metric: str = ""
    best: float | None = None
    best_epoch: int | None = None
    device: str = ""
    begun: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    problems: tuple[InputError | OSError, ...] = ()

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def problem(self) -> str:
        """All problems in one line; empty if there is none."""
        return self.describe_problems()

    def describe_problems(self, *, names_only: bool = False) -> str:
        """Return all problems in one line; empty if there is none.

        Args:
            names_only: name files without their folders: the reader must not see these.
        """
        return "; ".join(describe_error(error, names_only=names_only) for error in self.problems)


def find_runs(folder: str | Path) -> list[RunSummary]:
    """Find the runs in a folder, the latest first; damaged and foreign ones have problems."""
    try:
        folders = [path for path in Path(folder).iterdir() if _looks_like_run(path)]
    except OSError:
        return []
    return sorted(map(summarise_run, folders), key=lambda run: (-run.begun, run.name))


def find_best_checkpoints(folder: str | Path) -> dict[str, Path]:
    """Find the best checkpoints of the runs in a folder, the latest run first.

    Args:
        folder: the runs folder.

    Returns:
        run name → checkpoint, for the runs that have one.
    """
    checkpoints = {run.name: best_checkpoint_path(run.path) for run in find_runs(folder)}
    return {name: path for name, path in checkpoints.items() if path.is_file()}


def summarise_run(folder: str | Path) -> RunSummary:
    """Summarise a run directory; all that is missing or damaged is among its problems."""
    folder = Path(folder)
    if not folder.is_dir():
        return RunSummary(folder, problems=(InputError("the folder is gone"),))
    problems: list[InputError | OSError] = []
    status = RunStatus()
    state = ""
    if (folder / "status.json").exists():
        status = RunStatus.from_json(_read_mapping(folder / "status.json", problems))
        try:
            state = RunReader.open(folder).state()
        except (InputError, OSError) as error:
            problems.append(error)
    # A run that is just being started has no settings yet, and that is no problem.
    is_new = state == "preparing" and not (folder / "config.json").exists()
    settings = {} if is_new else _read_settings(folder, problems)
    if settings and not status.state and not problems:
        problems.append(InputError("it did not begin"))
    epochs = read_history(folder)
    metric = str(settings.get("metric", ""))
    best_epoch, best = find_best_epoch(epochs, metric)
    n_epochs = status.n_epochs or settings.get("n_epochs")  # the first may be more: least_steps
    return RunSummary(
        path=folder,
        state=state,
        epoch=max(epochs, default=0),
        n_epochs=n_epochs if isinstance(n_epochs, int) else None,
        metric=metric,
        best=best,
        best_epoch=best_epoch,
        device=status.device,
        begun=_start_time(folder),
        settings=settings,
        scores=read_test_scores(folder),
        problems=tuple(problems),
    )


def read_history(folder: str | Path) -> dict[int, dict[str, Any]]:
    """Read the lines of metrics.jsonl by epoch, in order; damaged lines are skipped."""
    try:
        file_status = (Path(folder) / "metrics.jsonl").stat()
        return _read_history(str(folder), file_status.st_mtime_ns, file_status.st_size)
    except (OSError, InputError):
        return {}


def find_best_epoch(
    epochs: Mapping[int, Mapping[str, Any]], metric: str
) -> tuple[int | None, float | None]:
    """Find the epoch with the best value of a validation metric.

    Args:
        epochs: lines of metrics.jsonl, by epoch.
        metric: name of the metric.

    Returns:
        (epoch, value); (None, None) if no epoch was validated.
    """
    values = {}
    for epoch, line in epochs.items():
        value = get_epoch_metric(line, metric)
        if value is not None:
            values[epoch] = value
    if not values:
        return None, None
    choose = min if metric == LOSS else max
    best = choose(values, key=lambda epoch: values[epoch])
    return best, values[best]


def get_epoch_metric(line: Mapping[str, Any], metric: str) -> float | None:
    """Return a validation metric of an epoch's line; None if the line does not have it."""
    metrics = line.get("metrics")
    return _to_number(metrics.get(metric)) if isinstance(metrics, Mapping) else None


def read_test_scores(folder: str | Path) -> dict[str, float]:
    """Read the test scores that `absslab evaluate --output` wrote to R/scores.json or R.json.

    Returns:
        the scores by the names of `TEST_SCORES`; empty if the run was not evaluated.
    """
    folder = Path(folder)
    for path in (folder / "scores.json", folder.with_name(f"{folder.name}.json")):
        try:
            file_status = path.stat()
            values = _read_flat_scores(str(path), file_status.st_mtime_ns, file_status.st_size)
        except (OSError, InputError):
            continue
        return {title: values[name] for title, name in TEST_SCORES.items() if name in values}
    return {}


def filter_runs(runs: Iterable[RunSummary], query: str) -> list[RunSummary]:
    """Select the runs that match all terms of a query.

    Args:
        runs: the runs to select from.
        query: terms with spaces between them: name=value for a setting or the state, or a part of
            the name or of the state.
    """
    selected = list(runs)
    for term in query.lower().split():
        selected = [run for run in selected if _matches(run, term)]
    return selected


def tabulate_differing_settings(
    runs: Sequence[RunSummary], *, names_only: bool = False
) -> pd.DataFrame:
    """Tabulate the settings in which runs differ: a row per setting, a column per run.

    Values are written as on the command line; a setting that a run does not have, because its
    model has other parts, is empty.

    Args:
        runs: in the order of the columns.
        names_only: name files and folders without the folders that they are in.
    """
    settings = [_format_settings(run, names_only) for run in runs]
    known = [values for values in settings if values]
    names: dict[str, None] = {}  # in the order in which they occur
    for values in known:
        names |= dict.fromkeys(values)
    differing = []
    for name in names:
        different_values = {values.get(name) for values in known}
        if name not in _NOT_COMPARED and len(different_values) > 1:
            differing.append(name)
    columns = {}
    for index, values in enumerate(settings):
        columns[index] = [values.get(name, "") for name in differing]
    table = pd.DataFrame(columns, index=pd.Index(differing, name="setting"), dtype=str)
    table.columns = pd.Index([run.name for run in runs])
    return table


def tabulate_runs(
    runs: Sequence[RunSummary], *, n_settings: int = 8, names_only: bool = False
) -> pd.DataFrame:
    """Tabulate runs: a row per run with its state, epochs, scores, differing settings and problem.

    Args:
        runs: the runs, in the order of the rows.
        n_settings: largest number of differing settings to show.
        names_only: name files and folders without the folders that they are in.
    """
    names_of_scores: set[str] = set()
    for run in runs:
        names_of_scores |= run.scores.keys()
    score_names = [name for name in TEST_SCORES if name in names_of_scores]
    settings = tabulate_differing_settings(runs, names_only=names_only)
    n_missing = (settings == "").sum(axis=1)
    settings = settings.loc[n_missing.sort_values(kind="stable").index]  # shared settings first
    rows = []
    for index, run in enumerate(runs):
        row = {
            "run": run.name,
            "state": run.state or "–",
            "epoch": f"{run.epoch} of {run.n_epochs}" if run.n_epochs else str(run.epoch),
            "validation": "–",
        }
        if run.best is not None:
            row["validation"] = f"{run.metric} {run.best:.4f}, epoch {run.best_epoch}"
        for name in score_names:
            row[name] = f"{run.scores[name]:.3f}" if name in run.scores else "–"
        row |= settings.iloc[:n_settings, index].to_dict()
        rows.append(row | {"problem": run.describe_problems(names_only=names_only)})
    table = pd.DataFrame(rows)
    has_problems = any(run.problems for run in runs)
    return table if has_problems or not rows else table.drop(columns="problem")


def tabulate_curves(runs: Sequence[RunSummary], metric: str) -> pd.DataFrame:
    """Tabulate a curve of runs over their epochs: columns run, epoch and value.

    Args:
        runs: the runs.
        metric: a validation metric, or `TRAINING_LOSS`.
    """
    rows = []
    for run in runs:
        for epoch, line in read_history(run.path).items():
            losses = line.get("losses")
            total = _to_number(losses.get("total")) if isinstance(losses, Mapping) else None
            value = total if metric == TRAINING_LOSS else get_epoch_metric(line, metric)
            if value is not None:
                rows.append((run.name, epoch, value))
    return pd.DataFrame(rows, columns=["run", "epoch", "value"])


def tabulate_scores(runs: Sequence[RunSummary]) -> pd.DataFrame:
    """Tabulate the test scores of runs: columns run, score and value."""
    rows: list[tuple[str, str, float]] = []
    for run in runs:
        rows += [(run.name, name, value) for name, value in run.scores.items()]
    return pd.DataFrame(rows, columns=["run", "score", "value"])


def _looks_like_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in RUN_FILES)


def _format_settings(run: RunSummary, names_only: bool) -> dict[str, str]:
    settings = run.settings
    if names_only:
        settings = {name: _leave_names(value) for name, value in settings.items()}
    return {name: format_setting(value) for name, value in settings.items()}


def _leave_names(value: Any) -> Any:
    """Return a setting without the folders of the paths in it."""
    if isinstance(value, str) and os.path.isabs(value):
        return file_or_folder_name(value)
    if isinstance(value, tuple | list):
        return tuple(map(_leave_names, value))
    if isinstance(value, Mapping):
        return {name: _leave_names(item) for name, item in value.items()}
    return value


def _read_settings(folder: Path, problems: list[InputError | OSError]) -> dict[str, Any]:
    """Read all settings of a run by their names; unknown ones are kept, and noted as a problem."""
    if not (folder / "config.json").exists():
        problems.append(InputError("it did not begin: there is no config.json; see output.txt"))
        return {}
    config = _read_mapping(folder / "config.json", problems)
    from absslab.core.training.settings import canonical_config

    if config and (problem := _find_problem(config)) is not None:
        problems.append(problem)
    settings = {}
    for values in canonical_config(config).values():
        for name, value in values.items():
            settings[name] = tuple(value) if isinstance(value, list) else value
    return settings


def _find_problem(config: Mapping[str, Any]) -> InputError | None:
    """Find why settings can't be used; None if they can."""
    from absslab.core.training.settings import Settings

    try:
        Settings.from_json(config)
    except InputError as error:
        return error.wrap("{error}: made by another version of absslab?")
    except (KeyError, TypeError, AttributeError):
        return InputError("config.json does not hold the settings of a training")
    return None


def _read_mapping(path: Path, problems: list[InputError | OSError]) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except InputError as error:
        problems.append(error)
        return {}
    if not isinstance(content, Mapping):
        problems.append(InputError(f"{path.name} does not hold an object"))
        return {}
    return content


@functools.lru_cache(maxsize=1024)
def _read_history(folder: str, modified: int, size: int) -> dict[int, dict[str, Any]]:
    """Read metrics.jsonl once for each time of modification and size."""
    reader = RunReader.open(folder)
    reader.poll()
    epochs = {epoch: line for epoch, line in reader.metrics.items() if isinstance(epoch, int)}
    return dict(sorted(epochs.items()))


@functools.lru_cache(maxsize=1024)
def _read_flat_scores(path: str, modified: int, size: int) -> Mapping[str, float]:
    """Read a file of scores once for each time of modification and size."""
    return read_scores_alone(path).flat()


def _start_time(folder: Path) -> float:
    """Return when a run was last started, in seconds since 1970; 0 if that is not known."""
    for name in ("config.json", "output.txt", "status.json"):
        try:
            return (folder / name).stat().st_mtime
        except OSError:
            continue
    return 0.0


def _matches(run: RunSummary, term: str) -> bool:
    name, equals, text = term.partition("=")
    if not equals:
        return term in run.name.lower() or term in run.state
    from absslab.core.training.settings import canonical_term

    name, value = canonical_term(name, text)
    settings = {"state": run.state, "device": run.device} | run.settings
    return any(
        setting.lower() == name.lower() and format_setting(own).lower() == value.lower()
        for setting, own in settings.items()
    )


def _to_number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
