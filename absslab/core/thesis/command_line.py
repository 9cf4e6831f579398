"""Translate command lines of the thesis' training to those of `absslab train`."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from absslab.core.common.config import to_flags
from absslab.core.common.errors import InputError
from absslab.core.thesis.flags import FLAGS, SHORT_FLAGS
from absslab.core.thesis.translation import DATA_SETS, translate_training

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
    for name, words in _split(arguments):
        if name in _SIGNS or (name == "data_set_type" and words[:1] and words[0] in DATA_SETS):
            return True
    return False


def translate_command(arguments: Sequence[str]) -> ThesisCommand:
    """Translate the arguments of the thesis' training; other flags stay as they are.

    Raises:
        InputError: a flag has a wrong value, or one that is not possible here.
    """
    given = {}
    others: list[str] = []
    for name, words in _split(arguments):
        name = _OTHER_NAMES.get(name, name)
        if name in FLAGS:
            given[name] = FLAGS[name].parse(name, words)
        else:
            others += [f"--{name}", *words] if name else words
    translation = translate_training(given)
    settings = translation.settings
    if settings.get("checkpoint_path"):
        kept = {"checkpoint_path", *(_CHANGEABLE[name] for name in given if name in _CHANGEABLE)}
        settings = {name: value for name, value in settings.items() if name in kept}
    elif not settings["n_epochs"]:
        raise InputError("--n_epochs is missing: expected the number of epochs to train")
    return ThesisCommand([*to_flags(settings), *others], translation.notes)


def _split(arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
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
