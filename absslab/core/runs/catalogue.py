"""Runs side by side: what each is, how far it came, how well it did, and in which settings they differ."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from absslab.core.common.config import format_setting
from absslab.core.common.errors import InputError
from absslab.core.common.files import read_json
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.core.training.run_status import RunStatus

FILES = (
    "config.json",
    "status.json",
    "metrics.jsonl",
    "last.ckpt",
    "output.txt",
)  # one of them makes a folder a run
SCORES = {  # test scores of a table, and where absslab evaluate puts them
    "tags AUC": "tagging.auc",
    "tags F1": "tagging.f1",
    "segment F1": "detection.segment.f1",
    "event F1": "detection.event.f1",
    "mask F1": "segmentation.f1",
    "SI-SDRi / dB": "separation.si_sdr_improvement",
    "SDR / dB": "separation.sdr",
}
TRAINING_LOSS = "training loss"  # of `curves`: the total
LOSS = "loss"  # of the metrics the one that is better when it is lower
_NOT_COMPARED = ("save_path",)


@dataclass(frozen=True)
class RunSummary:
    """A run directory, in short."""

    path: Path
    state: str = ""  # running, stopped, finished, failed, dead; nothing: it did not begin
    epoch: int = 0  # done so far
    n_epochs: int | None = None
    metric: str = ""  # that the best model has best
    best: float | None = None  # of that metric, on validation
    best_epoch: int | None = None
    device: str = ""
    begun: float = 0.0  # s since 1970: when it was started, or started again
    settings: dict[str, Any] = field(default_factory=dict)  # by name, of all configs
    scores: dict[str, float] = field(
        default_factory=dict
    )  # by the names of `SCORES`, where it was evaluated
    problem: str = ""  # why it can't be used, or followed, in full

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.path.name


def find_runs(folder: str | Path) -> list[RunSummary]:
    """The runs in a folder, the latest first; what is torn or foreign has its `problem`, and nothing is raised."""
    try:
        folders = [
            path for path in Path(folder).iterdir() if any((path / name).exists() for name in FILES)
        ]
    except OSError:
        return []
    return sorted(map(summarise_run, folders), key=lambda run: (-run.begun, run.name))


def summarise_run(folder: str | Path) -> RunSummary:
    """What a run directory tells; whatever it lacks is in `problem`."""
    folder = Path(folder)
    if not folder.is_dir():
        return RunSummary(folder, problem="the folder is gone")
    problems: list[str] = []
    status = RunStatus()
    state = ""
    if (folder / "status.json").exists():
        status = RunStatus.from_json(_read_mapping(folder / "status.json", problems))
        try:
            state = RunReader(folder).state()
        except (InputError, OSError) as error:
            problems.append(str(error))
    # A run that is just being started has no settings yet, and that is no problem.
    is_new = state == "preparing" and not (folder / "config.json").exists()
    settings = {} if is_new else _settings(folder, problems)
    if settings and not status.state and not problems:
        problems.append("it did not begin")
    epochs, metric = read_history(folder), str(settings.get("metric", ""))
    best_epoch, best = find_best_epoch(epochs, metric)
    n_epochs = settings.get("n_epochs")
    return RunSummary(
        path=folder,
        state=state,
        epoch=max(epochs, default=0),
        n_epochs=n_epochs if isinstance(n_epochs, int) else None,
        metric=metric,
        best=best,
        best_epoch=best_epoch,
        device=status.device,
        begun=_begun(folder),
        settings=settings,
        scores=scores_on_test(folder),
        problem="; ".join(problems),
    )


def read_history(folder: str | Path) -> dict[int, dict[str, Any]]:
    """The lines of metrics.jsonl by epoch, in order; torn ones are passed over, and no file is no lines."""
    try:
        about = (Path(folder) / "metrics.jsonl").stat()
        return _history(str(folder), about.st_mtime_ns, about.st_size)
    except (OSError, InputError):
        return {}


def find_best_epoch(
    epochs: Mapping[int, Mapping[str, Any]], metric: str
) -> tuple[int | None, float | None]:
    """(epoch, value) where a validation metric is best; none where nothing was evaluated."""
    values = {
        epoch: value
        for epoch, line in epochs.items()
        if (value := epoch_metric(line, metric)) is not None
    }
    if not values:
        return None, None
    best = (min if metric == LOSS else max)(values, key=lambda epoch: values[epoch])
    return best, values[best]


def epoch_metric(line: Mapping[str, Any], metric: str) -> float | None:
    """A validation metric of an epoch's line, if it has one."""
    metrics = line.get("metrics")
    return _number(metrics.get(metric)) if isinstance(metrics, Mapping) else None


def scores_on_test(folder: str | Path) -> dict[str, float]:
    """What `absslab evaluate --output` wrote to R/scores.json or R.json, by the names of `SCORES`; else nothing."""
    folder = Path(folder)
    for path in (folder / "scores.json", folder.with_name(f"{folder.name}.json")):
        try:
            values = read_scores_alone(path).flat()
        except InputError:
            continue
        return {title: values[name] for title, name in SCORES.items() if name in values}
    return {}


def filter_runs(runs: Iterable[RunSummary], words: str) -> list[RunSummary]:
    """The runs that all words fit: name=value a setting or the state, any other word a part of the name or of the state."""
    return [run for run in runs if all(_fits(run, word.lower()) for word in words.split())]


def differing_settings(runs: Sequence[RunSummary]) -> pd.DataFrame:
    """Settings in which runs differ, as one would type them: a row per setting, a column per run, in their order.

    A setting that a run does not have, because its model has other parts, is empty.
    """
    settings = [
        {name: format_setting(value) for name, value in run.settings.items()}
        for run in runs
        if run.settings
    ]
    names = dict.fromkeys(name for one in settings for name in one if name not in _NOT_COMPARED)
    different = [name for name in names if len({one.get(name) for one in settings}) > 1]
    columns = {
        i: [
            format_setting(run.settings[name]) if name in run.settings else "" for name in different
        ]
        for i, run in enumerate(runs)
    }
    table = pd.DataFrame(columns, index=pd.Index(different, name="setting"), dtype=str)
    table.columns = pd.Index([run.name for run in runs])
    return table


def run_table(runs: Sequence[RunSummary], *, n_settings: int = 8) -> pd.DataFrame:
    """A row per run: state, epochs, validation and test scores, the first settings in which they differ, what is wrong."""
    scores = [name for name in SCORES if any(name in run.scores for run in runs)]
    different = differing_settings(runs)
    different = different.loc[
        (different == "").sum(axis=1).sort_values(kind="stable").index
    ]  # what most have comes first
    rows = []
    for i, run in enumerate(runs):
        of = f" of {run.n_epochs}" if run.n_epochs else ""
        row = {"run": run.name, "state": run.state or "–", "epoch": f"{run.epoch}{of}"}
        row["validation"] = (
            "–" if run.best is None else f"{run.metric} {run.best:.4f}, epoch {run.best_epoch}"
        )
        row |= {name: f"{run.scores[name]:.3f}" if name in run.scores else "–" for name in scores}
        rows.append(row | different.iloc[:n_settings, i].to_dict() | {"problem": run.problem})
    table = pd.DataFrame(rows)
    return table if any(run.problem for run in runs) or not rows else table.drop(columns="problem")


def curves(runs: Sequence[RunSummary], metric: str) -> pd.DataFrame:
    """Columns run, epoch, value: of a validation metric, or of `TRAINING_LOSS`."""
    rows = []
    for run in runs:
        for epoch, line in read_history(run.path).items():
            losses = line.get("losses")
            total = _number(losses.get("total")) if isinstance(losses, Mapping) else None
            value = total if metric == TRAINING_LOSS else epoch_metric(line, metric)
            if value is not None:
                rows.append((run.name, epoch, value))
    return pd.DataFrame(rows, columns=["run", "epoch", "value"])


def scores(runs: Sequence[RunSummary]) -> pd.DataFrame:
    """Columns run, score, value: the test scores, those that are there."""
    rows = [(run.name, name, value) for run in runs for name, value in run.scores.items()]
    return pd.DataFrame(rows, columns=["run", "score", "value"])


def _settings(folder: Path, problems: list[str]) -> dict[str, Any]:
    """All settings of a run by their names; what this version does not know is a problem, but shown."""
    if not (folder / "config.json").exists():
        problems.append("it did not begin: there is no config.json; see output.txt")
        return {}
    config = _read_mapping(folder / "config.json", problems)
    from absslab.core.training.settings import SECTIONS, canonical_names

    parts = [
        canonical_names(config[name]) for name in SECTIONS if isinstance(config.get(name), Mapping)
    ]
    if config and (problem := _problem(config)):
        problems.append(problem)
    return {
        name: tuple(value) if isinstance(value, list) else value
        for part in parts
        for name, value in part.items()
    }


def _problem(config: Mapping[str, Any]) -> str:
    from absslab.core.training.settings import Settings

    try:
        Settings.from_json(config)
    except InputError as error:
        return f"{error}: made by another version of absslab?"
    except (KeyError, TypeError, AttributeError):
        return "config.json does not hold the settings of a training"
    return ""


def _read_mapping(path: Path, problems: list[str]) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except InputError as error:
        problems.append(str(error))
        return {}
    if not isinstance(content, Mapping):
        problems.append(f"{path.name} holds no object")
        return {}
    return content


@functools.lru_cache(maxsize=1024)
def _history(folder: str, changed: int, size: int) -> dict[int, dict[str, Any]]:
    reader = RunReader(Path(folder))
    reader.poll()
    epochs = {epoch: line for epoch, line in reader.metrics.items() if isinstance(epoch, int)}
    return dict(sorted(epochs.items()))


def _begun(folder: Path) -> float:
    for name in ("config.json", "output.txt"):
        try:
            return (folder / name).stat().st_mtime
        except OSError:
            continue
    return 0.0


def _fits(run: RunSummary, word: str) -> bool:
    name, equals, value = word.partition("=")
    if equals:
        known = {"state": run.state, "device": run.device} | run.settings
        return any(
            key.lower() == name and format_setting(has).lower() == value
            for key, has in known.items()
        )
    return word in run.name.lower() or word in run.state


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def find_best_checkpoints(folder: str | Path) -> dict[str, Path]:
    """Find the best checkpoints of the runs in a folder, the latest run first.

    Args:
        folder: the runs folder.

    Returns:
        run name → checkpoint, for the runs that have one.
    """
    checkpoints = {run.name: best_checkpoint_path(run.path) for run in find_runs(folder)}
    return {name: path for name, path in checkpoints.items() if path.is_file()}
