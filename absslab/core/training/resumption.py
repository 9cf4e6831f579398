"""Read the checkpoint that a run is resumed from, and change what may change of its settings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from absslab.core.common.config import format_setting
from absslab.core.common.errors import InputError, InputWarning, escape_braces, shorten
from absslab.core.common.notices import give_notice
from absslab.core.data.layouts import TUT_RARE
from absslab.core.model.checkpoint import read_checkpoint
from absslab.core.training.config import TrainingConfig
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.core.training.settings import Settings

PLACES_OF_DATA = ("data_folder", "audio_folder", "yaml_file", "labels")  # may be moved
CHANGEABLE = (
    "n_epochs",
    "n_steps",
    "test_every",
    "patience",
    "device",
    "data_folder",
    "audio_folder",
    "yaml_file",
    "labels",
    "class_columns",
    "in_memory",
    "n_loaders",
    "shard_timeout",
    "save_path",
    "keep_every",
    "choose_thresholds",
    "on_error",
)
_FIELDS: dict[str, tuple[type, ...]] = {  # of the state that `Trainer.state` returns, and data
    "weights": (dict,),
    "optimizer": (dict,),
    "schedule": (dict,),
    "scaler": (dict,),
    "epoch": (int,),
    "best": (float, int, type(None)),
    "evaluations_since_best": (int,),
    "data": (str,),
}


def read_resumable(checkpoint: str | Path) -> tuple[dict[str, Any], Settings]:
    """Read the last.ckpt of a run directory.

    Returns:
        the content, and the settings of the run.

    Raises:
        InputError: it can't be read, is damaged, or is a finished model.
    """
    try:
        content = read_checkpoint(checkpoint)
    except InputError as error:
        if Path(checkpoint).name == "last.ckpt" and "not a checkpoint" in error.template:
            raise _add_advice(error, checkpoint) from None
        raise
    if "resume" not in content:
        raise InputError(
            "{checkpoint} is a finished model: to continue a run, pass its last.ckpt",
            checkpoint=checkpoint,
        )
    problem = _find_problem(content)
    if problem:
        raise damage_error(checkpoint, problem)
    try:
        return content, Settings.from_json(content["made"]["settings"])
    except (KeyError, TypeError, AttributeError) as error:
        raise damage_error(checkpoint, f"it lacks settings, {error}") from None


def change_settings(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Apply changes to settings that do not make it another training.

    Other settings may be given as they are.
    """
    changes = dict(changes)
    if changes.get("audio_folder") and settings.data.data_set_type != TUT_RARE:
        changes["data_folder"] = changes.pop("audio_folder")  # another name of it
    configs = settings.sections().values()
    for name, value in changes.items():
        if name in CHANGEABLE:
            continue
        before = [config for config in configs if hasattr(config, name)]
        if before and replace(before[0], **{name: value}) == before[0]:
            continue
        was = f" from {format_setting(getattr(before[0], name))}" if before else ""
        raise InputError(
            f"{name} can't change{escape_braces(was)} when a run is resumed; what can: "
            f"{', '.join(CHANGEABLE)}"
        )
    changed: dict[str, Any] = {}
    for section in ("data", "training", "run"):
        config = getattr(settings, section)
        own = {
            name: value
            for name, value in changes.items()
            if name in CHANGEABLE and hasattr(config, name)
        }
        changed[section] = replace(config, **own)
    _check_length(settings.training, changed["training"])
    if "n_epochs" in changes:
        changed["training"] = replace(changed["training"], least_steps=0)
    return replace(settings, **changed)


def _check_length(before: TrainingConfig, after: TrainingConfig) -> None:
    """Check that the length of a training is still measured in what it was measured in."""
    if before.n_steps is None and after.n_steps is not None:
        raise InputError(
            f"n_steps is {after.n_steps}, but the length of this run is in epochs: "
            "pass another --n_epochs instead"
        )
    if before.n_steps is not None and after.n_steps is None:
        raise InputError(
            f"n_steps is none, but the length of this run is {before.n_steps} steps: "
            "pass another number"
        )
    if before.n_steps is not None and after.n_epochs != before.n_epochs:
        raise InputError(
            f"n_epochs is {after.n_epochs}, but the length of this run is n_steps "
            f"{after.n_steps}: pass another --n_steps instead"
        )


def damage_error(checkpoint: str | Path, problem: object) -> InputError:
    """Return the error that a checkpoint can't be resumed from, and what to do.

    Args:
        checkpoint: the last.ckpt of a run directory.
        problem: what is wrong with it.
    """
    text = escape_braces(shorten(" ".join(str(problem).split()), 300))
    error = InputError(f"{{checkpoint}} is damaged ({text})", checkpoint=checkpoint)
    return _add_advice(error, checkpoint)


def _add_advice(error: InputError, checkpoint: str | Path) -> InputError:
    best = best_checkpoint_path(Path(checkpoint).resolve().parent)
    if best.is_file():
        return error.wrap(
            "{error}; the best model, {best}, is a file of its own and can be used; "
            "to train on, start a new run with another --save_path",
            best=best,
        )
    return error.wrap("{error}; start a new run with another --save_path")


def _find_problem(content: Mapping[str, Any]) -> str:
    """Return what a state to resume from lacks; empty if nothing."""
    state = content["resume"]
    if not isinstance(state, Mapping):
        return "it lacks the state of the training"
    for name, kinds in _FIELDS.items():
        value = state.get(name)
        if name not in state or not isinstance(value, kinds) or isinstance(value, bool):
            return f"its {name} is not what a training writes"
    if min(state["epoch"], state["evaluations_since_best"]) < 0:
        return "it counts less than 0 epochs"
    progress = state.get("progress")
    if progress is not None and (
        not isinstance(progress, Mapping)
        or not {"n_steps", "n_begun_with", "sums", "seconds", "randomness"} <= set(progress)
    ):
        return "its progress within the epoch is not what a training writes"
    classes = content.get("classes")
    if not isinstance(classes, list | tuple) or not all(isinstance(name, str) for name in classes):
        return "it lacks the classes"
    if not isinstance(content.get("weights"), Mapping):
        return "it lacks the weights"
    return ""


def warn_about_lost_metrics(folder: Path, n_done: int) -> None:
    """Tell if the metrics of epochs that were trained are gone.

    Args:
        folder: the run directory.
        n_done: number of epochs that were trained.
    """
    reader = RunReader.open(folder)
    reader.poll()
    lost = sorted(set(range(1, n_done + 1)) - set(reader.metrics))
    if lost:
        give_notice(
            InputWarning(
                f"{{path}} lacks {len(lost)} of {n_done} epochs, the first {lost[0]}: the training "
                "goes on, but curves and reports lack them",
                path=folder / "metrics.jsonl",
            )
        )
