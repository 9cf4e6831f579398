"""Translate command lines of the thesis to those of `absslab train`, `evaluate` and `separate`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from absslab.core.common.config import format_setting, to_flags
from absslab.core.common.errors import InputError
from absslab.core.thesis.flags import FLAGS, OLDEST_FLAGS, SHORT_FLAGS, Flag
from absslab.core.thesis.translation import (
    DATA_SETS,
    Translation,
    translate_scoring,
    translate_separation,
    translate_training,
)
from absslab.core.training.settings import canonical_names, is_setting

# Only the last version of the thesis' code had these, and often names them.
_SIGNS = ("mask_model_type", "classifier_model_type")
_SHARED = ("mode", "checkpoint_path", "use_gpu", "gpu_no")  # with commands of another spelling
_SIGNS_OF_OTHERS = ("recipe", "model_type", "pooling", "classification_mapping")
_OUTPUT_FOLDER = "separated_audio_folder"  # of its separation, which has no other flag of its own
# Flags that evaluate and separate do not have here.
_SIGNS_OF_USE = (
    *(*_SIGNS, *OLDEST_FLAGS, _OUTPUT_FOLDER),
    *("threshold", "use_gpu", "use_cuda", "gpu_no"),
)
_FLAGS_OF_USE = FLAGS | {name: Flag(str, []) for name in OLDEST_FLAGS}
# What flags of the thesis become in evaluate and separate, where it is not what a training has.
_SETTINGS_OF_FLAGS_IN_USE = {
    "use_gpu": "device",
    "gpu_no": "device",
    "threshold": "tagging_thresholds",
    _OUTPUT_FOLDER: "output_folder",
}
_SETTINGS_OF_FLAGS = {name: flag.here for name, flag in FLAGS.items()}  # in a training
_OTHER_NAMES = {"use_cuda": "use_gpu"}  # in all of its scripts, but never read
_NUMBER = re.compile(r"-\.?\d")
# What may change when a training goes on, by the thesis' names, with the names of `absslab train`.
_CHANGEABLE = {
    "data_folder": "data_folder",
    "n_loaders": "n_loaders",
    "n_epochs": "n_epochs",
    "test_every": "test_every",
    "use_gpu": "device",
    "gpu_no": "device",
}


class ThesisCommand(NamedTuple):
    """A command line of the thesis, in the flags of a command here."""

    arguments: list[str]
    notes: list[str]  # what has no effect, or another one


class ContradictionError(InputError):
    """Two flags of a command, one of the thesis and one of today, that set one setting."""


def is_thesis_command(arguments: Sequence[str]) -> bool:
    """Tell whether arguments are those of the thesis' `main.py --mode train`.

    >>> is_thesis_command(["--mask_model_type", "VGGLikeMaskModel"])
    True
    >>> is_thesis_command(["--l1_loss_lambda", "0.3"])
    True
    >>> is_thesis_command(["--recipe", "thesis"])
    False
    """
    names = {name for name, _ in split_flags(arguments)}
    if names.intersection(_SIGNS) or SHORT_FLAGS.keys() & set(arguments):
        return True
    alone = {name for name in FLAGS if name not in _SHARED and not is_setting(name)}
    return bool(names & alone) and not names.intersection(_SIGNS_OF_OTHERS)


def translate_command(arguments: Sequence[str]) -> ThesisCommand:
    """Translate the arguments of the thesis' training; other flags stay as they are.

    Raises:
        InputError: a flag has a wrong value, or one that is not possible here, or contradicts
            another.
    """
    given, others = _parse(arguments, FLAGS)
    translation = translate_training(given)
    settings = translation.settings
    if "--recipe" in arguments:
        raise InputError(
            "--recipe names settings of absslab train, but the other flags are the thesis': pass "
            "--recipe thesis with flags of absslab train, or the thesis' flags alone"
        )
    _check_agreement(arguments, others, settings, _SETTINGS_OF_FLAGS)
    if settings.get("checkpoint_path"):
        return _resume(given, settings, others)
    if "n_epochs" not in given:
        raise InputError("--n_epochs is missing: expected the number of epochs to train")
    if given["n_epochs"] < 1:
        raise InputError(f"--n_epochs is {given['n_epochs']}: expected at least 1")
    return ThesisCommand([*to_flags(settings), *others], translation.notes)


def is_thesis_use(arguments: Sequence[str]) -> bool:
    """Tell whether arguments are those of the thesis' `--mode evaluate` or `--mode separate`.

    >>> is_thesis_use(["--checkpoint_path", "a.ckpt", "--separated_audio_folder", "sounds"])
    True
    >>> is_thesis_use(["--checkpoint_path", "a.ckpt", "--metric", "f1-score"])
    False
    """
    return any(
        name in _SIGNS_OF_USE or (name == "data_set_type" and set(words) & set(DATA_SETS))
        for name, words in split_flags(arguments)
    )


def translate_evaluate_command(arguments: Sequence[str]) -> ThesisCommand:
    """Translate the arguments of the thesis' evaluation to those of `absslab evaluate`.

    Raises:
        InputError: a flag has a wrong value, or one that is not possible here.
    """
    given, others = _parse(arguments, _FLAGS_OF_USE)
    return _put_together(arguments, translate_scoring(given), others)


def translate_separate_command(arguments: Sequence[str]) -> ThesisCommand:
    """Translate the arguments of the thesis' separation to those of `absslab separate`.

    Raises:
        InputError: a flag has a wrong value.
    """
    flags = _FLAGS_OF_USE | {_OUTPUT_FOLDER: Flag(str, "", "output_folder")}
    given, others = _parse(arguments, flags)
    output_folder = given.pop(_OUTPUT_FOLDER, "")
    return _put_together(arguments, translate_separation(given, output_folder), others)


def _put_together(
    arguments: Sequence[str], translation: Translation, others: Sequence[str]
) -> ThesisCommand:
    """Return a command, in which flags of today replace what the thesis did without a flag.

    Raises:
        InputError: a flag of today contradicts one of the thesis that is given.
    """
    _check_agreement(arguments, others, translation.settings, _SETTINGS_OF_FLAGS_IN_USE)
    given_today = {name for name, _ in split_flags(others)}
    if "input" in given_today:  # other sounds than those of the split
        given_today |= {"split", "data_folder", "audio_folder", "yaml_file"}
    settings = {
        name: value for name, value in translation.settings.items() if name not in given_today
    }
    return ThesisCommand([*to_flags(settings), *others], translation.notes)


def _check_agreement(
    arguments: Sequence[str],
    others: Sequence[str],
    settings: Mapping[str, Any],
    settings_of_flags: Mapping[str, str],
) -> None:
    """Check that no flag of today contradicts a given flag of the thesis.

    Args:
        arguments: of the command.
        others: those of them that are not the thesis'.
        settings: what the flags of the thesis became.
        settings_of_flags: flags of the thesis, each with the settings that it becomes.

    Raises:
        ContradictionError: two flags set one setting to different values.
    """
    for name, words in split_flags(others):
        (setting,) = canonical_names({name: words})
        if setting not in settings or _agree(setting, settings[setting], words):
            continue
        for flag, own_words in split_flags(arguments):
            if setting in settings_of_flags.get(_OTHER_NAMES.get(flag, flag), "").split(", "):
                raise ContradictionError(
                    f"{_write_flag(flag, own_words)} and {_write_flag(name, words)} contradict "
                    f"each other, since both set {setting}: pass one of them"
                )


def _write_flag(name: str, words: Sequence[str]) -> str:
    return " ".join([f"--{name}", *words])


def _agree(setting: str, value: Any, words: Sequence[str]) -> bool:
    """Tell whether words of a command line mean the value of a setting."""
    if setting == "device" and value == "auto":  # any GPU
        return words != ["cpu"]
    expected = format_setting(value).split()
    given = " ".join(words).split()
    return list(map(_normalise, expected)) == list(map(_normalise, given))


def _normalise(word: str) -> float | str:
    """Return the number that a word is; otherwise the word, without regard to capitals."""
    try:
        return float(word)
    except ValueError:
        return word.lower()


def _parse(arguments: Sequence[str], flags: Mapping[str, Flag]) -> tuple[dict[str, Any], list[str]]:
    """Read the flags of the thesis.

    Args:
        arguments: of a command.
        flags: those that its command had.

    Returns:
        their values by name; the other arguments as they are.
    """
    given = {}
    others: list[str] = []
    for name, words in split_flags(arguments):
        name = _OTHER_NAMES.get(name, name)
        if name in flags:
            given[name] = flags[name].parse(name, words)
        else:
            others += [f"--{name}", *words] if name else words
    return given, others


def _resume(
    given: Mapping[str, Any], settings: Mapping[str, Any], others: Sequence[str]
) -> ThesisCommand:
    kept = {"checkpoint_path", *(_CHANGEABLE[name] for name in given if name in _CHANGEABLE)}
    fixed = [name for name in given if name not in (*_CHANGEABLE, "checkpoint_path", "mode")]
    notes = []
    if fixed:
        notes.append(
            f"a training that goes on keeps its settings: {', '.join(fixed)} "
            f"{'has' if len(fixed) == 1 else 'have'} no effect; to begin another training with its "
            "weights, pass --initial_weights instead of --checkpoint_path"
        )
    flags = to_flags({name: value for name, value in settings.items() if name in kept})
    return ThesisCommand([*flags, *others], notes)


def split_flags(arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each flag without dashes, with its values; first the words before any flag, as ""."""
    name = ""
    words: list[str] = []
    for word in arguments:
        if not word.startswith("-") or _NUMBER.match(word):
            words.append(word)
            continue
        if name or words:
            yield name, words
        flag, _, value = word.partition("=")
        name = SHORT_FLAGS.get(flag, flag.lstrip("-"))
        words = [value] if value else []
    if name or words:
        yield name, words
