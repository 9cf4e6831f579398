"""Translate command lines of the thesis' training to those of `absslab train`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from absslab.core.common.config import to_flags
from absslab.core.common.errors import InputError
from absslab.core.thesis.flags import FLAGS, SHORT_FLAGS
from absslab.core.thesis.translation import translate_training

# Only the last version of the thesis' code had these.
_SIGNS = ("mask_model_type", "classifier_model_type")
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
    """A command line of the thesis, in the flags of `absslab train`."""

    arguments: list[str]
    notes: list[str]  # what has no effect, or another one


def is_thesis_command(arguments: Sequence[str]) -> bool:
    """Tell whether arguments are those of the thesis' `main.py --mode train`.

    >>> is_thesis_command(["--mask_model_type", "VGGLikeMaskModel"])
    True
    >>> is_thesis_command(["--recipe", "thesis"])
    False
    """
    return any(name in _SIGNS for name, _ in split_flags(arguments))


def translate_command(arguments: Sequence[str]) -> ThesisCommand:
    """Translate the arguments of the thesis' training; other flags stay as they are.

    Raises:
        InputError: a flag has a wrong value, or one that is not possible here.
    """
    given = {}
    others: list[str] = []
    for name, words in split_flags(arguments):
        name = _OTHER_NAMES.get(name, name)
        if name in FLAGS:
            given[name] = FLAGS[name].parse(name, words)
        else:
            others += [f"--{name}", *words] if name else words
    translation = translate_training(given)
    settings = translation.settings
    if "--recipe" in arguments:
        raise InputError(
            "--recipe names settings of absslab train, but the other flags are the thesis': pass "
            "--recipe thesis with flags of absslab train, or the thesis' flags alone"
        )
    if settings.get("checkpoint_path"):
        return _resume(given, settings, others)
    if not settings["n_epochs"]:
        raise InputError("--n_epochs is missing: expected the number of epochs to train")
    return ThesisCommand([*to_flags(settings), *others], translation.notes)


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
