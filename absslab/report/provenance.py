"""What there is to say of a run in words and tables: its settings, its data, how to make it again."""

import dataclasses
import platform
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from absslab.core.common.config import Config, format_setting, to_flags
from absslab.core.common.errors import InputError
from absslab.core.common.version import __version__
from absslab.core.data.layouts import LabelledRecording, find_layout
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import read_manifest
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.recordings import checksum
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.model_evaluation import EvaluationConfig
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.evaluation.scores import Scores
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.settings import Settings

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "librosa",
    "soundfile",
    "soxr",
    "matplotlib",
)
_TABLES = ("manifest.json", "weak_labels.csv", "weak.tsv")  # of a data folder
_CHOICES = ("model_type", "pooling", "masks")  # said even where they are the default
_COLUMNS = 96  # of a line of a command
_PLACES = ("data_folder", "save_path")


def setting_rows(settings: Settings, *, changed: bool) -> list[list[str]]:
    """Rows of part, setting, value, default and meaning: of the settings that are not the default, or of all."""
    rows = []
    for part, config in settings.sections().items():
        for field in dataclasses.fields(config):
            value, unit = getattr(config, field.name), field.metadata["unit"]
            if changed and value == field.default and field.name not in _CHOICES:
                continue
            with_unit = (
                f"{format_setting(value)} {unit}".strip()
                if value is not None
                else format_setting(value)
            )
            rows.append(
                [part, field.name, with_unit, format_setting(field.default), field.metadata["help"]]
            )
    return rows


def changed_settings(settings: Settings) -> dict[str, Any]:
    """The settings that are not the default: enough to make all of them again."""
    found = {}
    for config in settings.sections().values():
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if value != field.default or field.name in _CHOICES:
                found[field.name] = value
    return found


def labelled(settings: Settings, data_folder: str) -> tuple[list[LabelledRecording], list[str]]:
    """The recordings of a run's data with their weak labels, and the classes.

    Raises:
        InputError: they are gone, or can't be read.
    """
    if not Path(data_folder).is_dir():
        raise InputError(f"{data_folder}, the data of the run, is gone")
    return find_layout(settings.data.data_set_type)(
        dataclasses.replace(settings.data, data_folder=data_folder), Path(data_folder)
    )


def counts(items: Sequence[LabelledRecording], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """In how many recordings of each split a class is: class → split → how many."""
    found = {name: dict.fromkeys(SPLITS, 0) for name in classes}
    for item in items:
        for name in item.labels:
            found[name][item.split] += 1
    return found


def manifest_of(data_folder: str) -> dict[str, Any] | None:
    """How the mixtures were made; None where the data are none, or were made by something else."""
    try:
        return read_manifest(data_folder)
    except InputError:
        return None


def recording_counts(manifest: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Isolated recordings per class and split that mixtures were drawn from."""
    found = {name: dict.fromkeys(SPLITS, 0) for name in manifest["classes"]}
    for split, recordings in manifest["recordings"].items():
        for one in recordings:
            found[one["event_label"]][split] += 1
    return found


def mixing_rows(manifest: Mapping[str, Any]) -> list[list[str]]:
    """Rows of setting, value and meaning: how mixtures were drawn."""
    fields = [
        field
        for config in (MixingConfig, MixtureFolderConfig)
        for field in dataclasses.fields(config)
    ]
    settings = manifest["config"]
    return [
        [
            field.name,
            f"{format_setting(settings[field.name])} {field.metadata['unit']}".strip(),
            field.metadata["help"],
        ]
        for field in fields
        if settings.get(field.name) is not None
    ]


def commands(
    settings: Settings,
    *,
    run: Path,
    data_folder: str,
    scoring: Mapping[str, Any],
    page: Mapping[str, Any],
) -> list[str]:
    """The commands that make all of it again.

    Args:
        settings: of the training.
        run: its directory.
        data_folder: where its data are.
        scoring, page: flags of `absslab evaluate` and `absslab report`, but for the model; None: not given.
    """
    lines = []
    if manifest := manifest_of(data_folder):
        defaults = (
            MixingConfig.default_config().to_json() | MixtureFolderConfig.default_config().to_json()
        )
        known = {name: value for name, value in manifest["config"].items() if name in defaults}
        changed = {
            name: value
            for name, value in known.items()
            if value != defaults[name] or name == "seed"
        }
        lines.append(_command("mix", changed | {"output_folder": data_folder}))
    training = changed_settings(settings)
    places = {name: training.pop(name, None) for name in _PLACES}
    lines.append(
        _command(
            "train",
            training | {"seed": settings.training.seed} | places | {"data_folder": data_folder},
        )
    )
    lines.append(_command("evaluate", {"checkpoint_path": f"{run}.ckpt", **scoring}))
    lines.append(_command("report", {"run_directory": str(run), **page}))
    return lines


def scoring_flags(known: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """What a run was scored with otherwise than by default, of the `settings` of its scores."""
    found: dict[str, Any] = {}
    kinds: dict[str, type[Config]] = {
        "evaluation": EvaluationConfig,
        "separation": SeparationConfig,
        "detection": DetectionConfig,
        "scoring": ScoringConfig,
    }
    for section, config in kinds.items():
        defaults = config.default_config().to_json()
        values = known.get(section, {})
        found |= {
            name: value
            for name, value in values.items()
            if name in defaults and value != defaults[name]
        }
    return {name: value for name, value in found.items() if name != "checkpoint_path"}


def training_dates(run: Path) -> dict[str, str]:
    """When the training began and last said something, by its log."""
    try:
        lines = (run / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    stamps = [line[:19] for line in lines if re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", line)]
    known = [moment(datetime.fromisoformat(stamp).timestamp()) for stamp in stamps]  # local time
    return {"training began": known[0], "its last word": known[-1]} if known else {}


def seeds(settings: Settings, scores: Scores, data_folder: str) -> dict[str, str]:
    """What was drawn with which seed."""
    found = {"training (weights, order, augmentation)": format_setting(settings.training.seed)}
    if manifest := manifest_of(data_folder):
        found["mixtures, and the split of their recordings"] = format_setting(manifest["seed"])
    else:
        found["split of the recordings, where the data have none of their own"] = format_setting(
            settings.data.split_seed
        )
    resampling = scores.settings.get("scoring", {}).get("resampling_seed")
    return found | (
        {"resampling for the intervals": format_setting(resampling)}
        if resampling is not None
        else {}
    )


def versions() -> dict[str, str]:
    """What this report is made with."""
    found = {
        "absslab": __version__,
        "Python": platform.python_version(),
        "system": platform.platform(terse=True),
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def checksums(run: Path, data_folder: str) -> list[list[str]]:
    """Rows of what, file and SHA-256: of the model, of its settings and of the table that the data are told by."""
    folder = Path(data_folder)
    files = {"best model": Path(f"{run}.ckpt"), "settings": run / "config.json"}
    files |= {f"data: {name}": folder / name for name in _TABLES}
    files |= {f"labels: {split}": folder / split / "weak_labels.csv" for split in SPLITS}
    return [[what, str(path), checksum(path)] for what, path in files.items() if path.is_file()]


def when(path: Path) -> str:
    """When a file was last written."""
    return moment(path.stat().st_mtime) if path.exists() else "–"


def moment(seconds: float) -> str:
    """A moment, in seconds since 1970, with its distance from universal time."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")


def _command(name: str, settings: Mapping[str, Any]) -> str:
    """A command for a shell, in lines that a page has room for."""
    words = [
        shlex.quote(word)
        for word in to_flags({key: value for key, value in settings.items() if value is not None})
    ]
    lines = [f"absslab {name}"]
    for word in words:
        if len(lines[-1]) + len(word) < _COLUMNS:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}")
    return " \\\n".join(lines)
