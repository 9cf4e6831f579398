"""Settings: a frozen dataclass per thing that has some; from it JSON, command-line flags and a fingerprint."""

import argparse
import dataclasses
import difflib
import hashlib
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from absslab.core.common.errors import InputError


def option(
    default: Any,
    help: str,
    *,
    unit: str = "",
    choices: Iterable[Any] = (),
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    aliases: Iterable[str] = (),
    value_aliases: Mapping[Any, Any] | None = None,
) -> Any:
    """A field of a config: its default, what it means, its unit and what it may be.

    Args:
        default: the value when nothing is said.
        help: one line for a person; it becomes the flag's help.
        unit: s, Hz, dB, ….
        choices: the only values allowed.
        at_least, above, at_most: limits; of a tuple they hold for every element.
        aliases: other names of the field, which flags and files of before may use.
        value_aliases: other names of values, and the value that each stands for.
    """
    metadata = dict(
        help=help,
        unit=unit,
        choices=tuple(choices),
        at_least=at_least,
        above=above,
        at_most=at_most,
        aliases=tuple(aliases),
        value_aliases=dict(value_aliases or {}),
    )
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
    """The base of all configs: checks every field's type and limits when it is made."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            object.__setattr__(
                self, field.name, _checked(field, getattr(self, field.name), hints[field.name])
            )

    @classmethod
    def default_config(cls) -> Self:
        """The config with every field at its default."""
        return cls()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The config that `to_json` described.

        Raises:
            InputError: an unknown field, or a value that the field does not take.
        """
        if not isinstance(values, Mapping):
            raise InputError(
                f"settings of {cls.__name__} are {values!r:.50}: expected an object, name: value"
            )
        names = field_names(cls)
        for name in values:
            if name not in names:
                known = [field.name for field in dataclasses.fields(cls)]
                raise InputError(
                    f"{cls.__name__} has no setting {name!r}{suggest_nearest(name, known)}"
                )
        return cls(**resolve_aliases(cls, values))

    def to_json(self) -> dict[str, Any]:
        """Plain data, as JSON holds it: tuples become lists."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ when a setting differs."""
        return fingerprint([type(self).__name__, self.to_json()])


def field_names(config_class: type[Config]) -> dict[str, str]:
    """List all names that settings of a config go by, each with the name of its field."""
    names = {}
    for field in dataclasses.fields(config_class):
        for name in (field.name, *field.metadata["aliases"]):
            names[name] = field.name
    return names


def resolve_aliases(config_class: type[Config], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of one config by the names of its fields; other settings are left out.

    Args:
        config_class: the config.
        values: settings by name or alias.

    Raises:
        InputError: a setting is given by two of its names, with different values.
    """
    names = field_names(config_class)
    given_as: dict[str, str] = {}
    for name in values:
        if name not in names:
            continue
        other = given_as.setdefault(names[name], name)
        if other != name and values[other] != values[name]:
            raise InputError(f"{other} and {name} are the same setting: pass one of them")
    return {field_name: values[name] for field_name, name in given_as.items()}


def fingerprint(content: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def suggest_nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean X?', or what there is, to be put behind an unknown name."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return (
        f"; did you mean {close[0]}?"
        if close
        else f"; there is {', '.join(known)}"
        if known
        else ""
    )


def look_up(kind: str, name: str, registry: Mapping[str, Any]) -> Any:
    """Look a name up in a registry.

    Raises:
        InputError: the name is not there; the message lists those that are.
    """
    if name not in registry:
        raise InputError(f"there is no {kind} {name!r}; there is {', '.join(registry)}")
    return registry[name]


def add_flags(
    parser: argparse.ArgumentParser,
    config_class: type[Config],
    *,
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Add a flag per field; one that is not given leaves no trace in the namespace.

    Args:
        parser: where the flags go, in a group named after the class.
        config_class: the config whose fields become flags.
        defaults: what the help says instead of the fields' own defaults.
    """
    hints = typing.get_type_hints(config_class)
    defaults = resolve_aliases(config_class, defaults or {})
    group = parser.add_argument_group(
        config_class.__name__, (config_class.__doc__ or "").partition("\n")[0]
    )
    for field in dataclasses.fields(config_class):
        hint, about = hints[field.name], field.metadata
        unit = f", {about['unit']}" if about["unit"] else ""
        choices = f"; one of {', '.join(map(str, about['choices']))}" if about["choices"] else ""
        default = format_setting(defaults.get(field.name, field.default))
        text = f"{about['help']}{choices} (default {default}{unit})"
        group.add_argument(
            *(f"--{name}" for name in (field.name, *about["aliases"])),
            dest=field.name,
            default=argparse.SUPPRESS,
            type=_parser_of(hint),
            nargs="+" if _element_type(hint)[1] else None,
            metavar=_metavar(hint),
            help=text.replace("%", "%%"),
        )


def from_flags(config_class: type[Config], given: Mapping[str, Any]) -> Any:
    """The config with the fields that `given` has, and its defaults for the others."""
    return config_class(**resolve_aliases(config_class, given))


def to_flags(values: Mapping[str, Any]) -> list[str]:
    """Settings as the command line takes them: --n_epochs=12 --channels 8 8."""
    flags: list[str] = []
    for name, value in values.items():
        is_list = isinstance(value, tuple | list)
        text = value if isinstance(value, str) else format_setting(value)
        flags += (
            [f"--{name}", *map(format_setting, value)] if is_list else [f"--{name}={text}"]
        )  # a text may begin with a dash
    return flags


def format_setting(value: Any) -> str:
    """A setting as one would type it."""
    if isinstance(value, tuple | list):
        return " ".join(map(format_setting, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else str(value)
    return "none" if value is None else str(value) or "none"


def check_setting(config_class: type[Config], name: str, value: Any) -> Any:
    """One field's value in the field's own type.

    Raises:
        InputError: there is no such field, or it does not take this value.
    """
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    field_name = field_names(config_class).get(name)
    if field_name is None:
        raise InputError(
            f"{config_class.__name__} has no setting {name!r}{suggest_nearest(name, fields)}"
        )
    return _checked(fields[field_name], value, typing.get_type_hints(config_class)[field_name])


def parse_setting(config_class: type[Config], name: str, text: str) -> Any:
    """One field's value from what a person typed, as after a flag; nothing says none, where that is allowed.

    Raises:
        InputError: the field does not take this.
    """
    hint = typing.get_type_hints(config_class)[field_names(config_class).get(name, name)]
    _, is_tuple, optional = _element_type(hint)
    text = text.strip()
    if optional and not text:
        return None
    parse = _parser_of(hint)
    try:
        value = [parse(word) for word in text.split()] if is_tuple else parse(text)
    except argparse.ArgumentTypeError:
        raise InputError(f"{name} is {text!r}: expected {_kind(hint)}") from None
    return check_setting(config_class, name, value)


def _checked(field: Any, value: Any, hint: Any) -> Any:
    value = _typed(field.name, value, hint)
    value_aliases = field.metadata["value_aliases"]
    if isinstance(value, tuple):
        value = tuple(value_aliases.get(element, element) for element in value)
    else:
        value = value_aliases.get(value, value)
    for element in value if isinstance(value, tuple) else (value,):
        _check_limits(field.name, element, field.metadata)
    return value


def _element_type(hint: Any) -> tuple[Any, bool, bool]:
    """(type of the value or of a tuple's elements, is it a tuple, may it be None) of an annotation."""
    optional = isinstance(hint, types.UnionType)
    if optional:
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True, optional
    return hint, False, optional


def _parser_of(hint: Any) -> Any:
    element, _, optional = _element_type(hint)

    def parse(text: str) -> Any:
        if optional and text.lower() == "none":
            return None
        if element is bool:
            if text not in ("True", "true", "1", "False", "false", "0"):
                raise argparse.ArgumentTypeError(
                    f"{text!r} is neither True, true, 1 nor False, false, 0"
                )
            return text in ("True", "true", "1")
        try:
            return element(text)
        except ValueError:
            kind = {int: "a whole number", float: "a number"}[element]
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind}") from None

    return parse


def _metavar(hint: Any) -> str:
    element, _, _ = _element_type(hint)
    return {bool: "True|False", int: "N", float: "X", str: "TEXT"}[element]


def _typed(name: str, value: Any, hint: Any) -> Any:
    """The value in the field's own type (2 becomes 2.0, a list a tuple), or an error."""
    element, is_tuple, optional = _element_type(hint)
    if value is None or (is_tuple and value == [None]):
        if optional:
            return None
        raise InputError(f"{name} is none: expected {_kind(hint)}")
    if not is_tuple:
        return _typed_element(name, value, element, hint)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{name} is {value!r}: expected {_kind(hint)}")
    size = typing.get_args(_without_none(hint))
    if size[-1] is not Ellipsis and len(value) != len(size):
        raise InputError(
            f"{name} has {len(value)} values ({format_setting(tuple(value))}): expected {len(size)}"
        )
    return tuple(_typed_element(name, part, element, hint) for part in value)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint


def _typed_element(name: str, value: Any, element: type, hint: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if element is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, element) or (isinstance(value, bool) and element is not bool):
        raise InputError(f"{name} is {value!r}: expected {_kind(hint)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} is {value}: expected a finite number")
    return value


def _kind(hint: Any) -> str:
    element, is_tuple, _ = _element_type(hint)
    one = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}[element]
    return f"a list, each {one}" if is_tuple else one


def _check_limits(name: str, value: Any, about: Mapping[str, Any]) -> None:
    if about.get("choices") and value not in about["choices"] and value is not None:
        raise InputError(
            f"{name} is {value!r}: expected one of {', '.join(map(str, about['choices']))}"
        )
    limits = (
        ("at_least", lambda limit: value >= limit, "at least"),
        ("above", lambda limit: value > limit, "more than"),
        ("at_most", lambda limit: value <= limit, "at most"),
    )
    for key, holds, words in limits:
        limit = about.get(key)
        if limit is not None and value is not None and not holds(limit):
            raise InputError(
                f"{name} is {format_setting(value)}: expected {words} {format_setting(limit)}"
            )
