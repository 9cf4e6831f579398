"""Collect what a run was made of: settings, data, commands, seeds, dates, versions, checksums."""

import dataclasses
import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from absslab.core.common.config import Config, format_setting, to_flags
from absslab.core.common.errors import InputError
from absslab.core.common.files import checksum
from absslab.core.common.version import __version__
from absslab.core.data.labelled_recordings import LabelledFolder, LabelledRecording
from absslab.core.data.layouts import find_layout
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import Manifest, read_manifest
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.evaluation.scores import Scores
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.run_directory import RunReader
from absslab.core.training.settings import Settings

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "soundfile",
    "soxr",
    "matplotlib",
)
_TABLES = ("manifest.json", "weak_labels.csv", "weak.tsv")  # of a data folder
_ALWAYS_GIVEN = ("model_type", "pooling", "masks")  # also if they have their defaults
_MAX_COLUMNS = 96  # of a line of a command
_PATHS = ("data_folder", "save_path")
_SCORING_CONFIGS: dict[str, type[Config]] = {  # by their sections in scores
    "evaluation": EvaluationConfig,
    "separation": SeparationConfig,
    "detection": DetectionConfig,
    "scoring": ScoringConfig,
}


def tabulate_settings(settings: Settings, *, changed_only: bool) -> list[list[str]]:
    """Tabulate settings: rows of part, setting, value, default and meaning.

    Args:
        settings: settings of a training.
        changed_only: leave out settings that have their defaults.
    """
    rows = []
    for part, config in settings.sections().items():
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if changed_only and not _is_given(field, value):
                continue
            text = format_setting(value)
            if value is not None:
                text = f"{text} {field.metadata['unit']}".strip()
            default = format_setting(field.default)
            rows.append([part, field.name, text, default, field.metadata["help"]])
    return rows


def find_changed_settings(settings: Settings) -> dict[str, Any]:
    """Find the settings that differ from their defaults: all settings can be made from them."""
    changed = {}
    for config in settings.sections().values():
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if _is_given(field, value):
                changed[field.name] = value
    return changed


def read_labelled_recordings(settings: Settings, data_folder: str) -> LabelledFolder:
    """Read the recordings of a run's data with their weak labels, and the classes.

    Raises:
        InputError: the data are gone, or can't be read.
    """
    if not Path(data_folder).is_dir():
        raise InputError("{folder}, the data of the run, is gone", folder=data_folder)
    config = settings.data.move(data_folder)
    return find_layout(config.data_set_type)(config, Path(data_folder))


def count_recordings(
    recordings: Sequence[LabelledRecording], classes: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Count the recordings with each class in each split: class → split → number."""
    counts = {name: dict.fromkeys(SPLITS, 0) for name in classes}
    for recording in recordings:
        for name in recording.labels:
            counts[name][recording.split] += 1
    return counts


def find_manifest(data_folder: str) -> Manifest | None:
    """Read how mixtures were made; None if this is not known (see `explain_missing_manifest`)."""
    try:
        return read_manifest(data_folder)
    except InputError:
        return None


def explain_missing_manifest(data_folder: str) -> str:
    """Say why a manifest can't be read; empty if it can, or if the folder has none."""
    if not (Path(data_folder) / "manifest.json").exists():
        return ""
    try:
        read_manifest(data_folder)
    except InputError as error:
        return str(error)
    return ""


def count_sources(manifest: Manifest) -> dict[str, dict[str, int]]:
    """Count the isolated recordings that mixtures are drawn from: class → split → number."""
    counts = {name: dict.fromkeys(SPLITS, 0) for name in manifest.classes}
    for split, recordings in manifest.recordings.items():
        for recording in recordings:
            counts[recording.event_label][split] += 1
    return counts


def tabulate_mixing(manifest: Manifest) -> list[list[str]]:
    """Tabulate how mixtures were drawn: rows of setting, value and meaning."""
    settings = manifest.config
    fields = [*dataclasses.fields(MixingConfig), *dataclasses.fields(MixtureFolderConfig)]
    rows = []
    for field in fields:
        if settings.get(field.name) is not None:
            value = f"{format_setting(settings[field.name])} {field.metadata['unit']}".strip()
            rows.append([field.name, value, field.metadata["help"]])
    return rows


def list_commands(
    settings: Settings,
    *,
    run: Path,
    data_folder: str,
    scoring: Mapping[str, Any],
    page: Mapping[str, Any],
) -> list[str]:
    """List the commands that reproduce the run, its scores and this report.

    Args:
        settings: settings of the training.
        run: run directory.
        data_folder: folder of its data.
        scoring: flags of `absslab evaluate` but for the model; those that are None are left out.
        page: flags of `absslab report` but for the run; those that are None are left out.
    """
    commands = []
    if manifest := find_manifest(data_folder):
        defaults = MixingConfig.default_config().to_json()
        defaults |= MixtureFolderConfig.default_config().to_json()
        mixing = {
            name: value
            for name, value in manifest.config.items()
            if name in defaults and (value != defaults[name] or name == "seed")
        }
        commands.append(_format_command("mix", mixing | {"output_folder": data_folder}))
    training = find_changed_settings(settings)
    paths = {name: training.pop(name, None) for name in _PATHS}
    training |= {"seed": settings.training.seed} | paths | {"data_folder": data_folder}
    commands.append(_format_command("train", training))
    commands.append(_format_command("evaluate", {"checkpoint_path": f"{run}.ckpt", **scoring}))
    commands.append(_format_command("report", {"run_directory": str(run), **page}))
    return commands


def find_scoring_flags(scoring_settings: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """Find the settings of a scoring that differ from their defaults.

    Args:
        scoring_settings: settings by section, as in the scores.
    """
    flags: dict[str, Any] = {}
    for section, config in _SCORING_CONFIGS.items():
        defaults = config.default_config().to_json()
        for name, value in scoring_settings.get(section, {}).items():
            if name in defaults and value != defaults[name]:
                flags[name] = value
    flags.pop("checkpoint_path", None)
    if flags.get("split") == "test":  # what no split means for the data of the training
        del flags["split"]
    return flags


def find_training_dates(reader: RunReader) -> dict[str, str]:
    """Find when a training began, and when it last wrote to its log."""
    times = reader.read_log_times()
    if not times:
        return {}
    return {"training began": format_time(times[0]), "last line of its log": format_time(times[-1])}


def list_seeds(settings: Settings, scores: Scores, data_folder: str) -> dict[str, str]:
    """List the seeds, by what was drawn with them."""
    seeds = {"training (weights, order, augmentation)": format_setting(settings.training.seed)}
    if manifest := find_manifest(data_folder):
        seeds["mixtures, and the split of their recordings"] = format_setting(manifest.seed)
    else:
        split_seed = format_setting(settings.data.split_seed)
        seeds["split of the recordings, if the data do not define one"] = split_seed
    resampling = scores.settings.get("scoring", {}).get("resampling_seed")
    if resampling is not None:
        seeds["resampling for the intervals"] = format_setting(resampling)
    return seeds


def list_versions() -> dict[str, str]:
    """List the versions of the software that makes this report."""
    versions = {
        "absslab": __version__,
        "Python": platform.python_version(),
        "system": platform.platform(terse=True),
    }
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def tabulate_checksums(run: Path, data_folder: str) -> list[list[str]]:
    """Tabulate checksums of model, settings and tables of the data: what, file and SHA-256."""
    folder = Path(data_folder)
    files = {"best model": Path(f"{run}.ckpt"), "settings": run / "config.json"}
    files |= {f"data: {name}": folder / name for name in _TABLES}
    files |= {f"labels: {split}": folder / split / "weak_labels.csv" for split in SPLITS}
    return [
        [content, str(path), checksum(path)] for content, path in files.items() if path.is_file()
    ]


def format_file_time(path: Path) -> str:
    """Return the time when a file was last written; a dash if there is no such file."""
    return format_time(path.stat().st_mtime) if path.exists() else "–"


def format_time(seconds: float) -> str:
    """Return a time, given in seconds since 1970, as local time with its offset from UTC."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")


def _is_given(field: "dataclasses.Field[Any]", value: Any) -> bool:
    """Tell whether a command needs this setting to do the same again."""
    return value != field.default or field.name in _ALWAYS_GIVEN


def _format_command(name: str, settings: Mapping[str, Any]) -> str:
    """Return a command for a shell, broken into lines that fit a page."""
    given = {key: value for key, value in settings.items() if value is not None}
    lines = [f"absslab {name}"]
    for flag in map(shlex.quote, to_flags(given)):
        if len(lines[-1]) + len(flag) < _MAX_COLUMNS:
            lines[-1] += f" {flag}"
        else:
            lines.append(f"  {flag}")
    return " \\\n".join(lines)
