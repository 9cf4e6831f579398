"""Settings as frozen dataclasses, with their JSON, their command-line flags and a fingerprint."""

import argparse
import dataclasses
import difflib
import hashlib
import inspect
import json
import math
import operator
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Self

from absslab.core.common.errors import InputError, describe_value

_PATHS = ("FILE", "FOLDER", "PATH")  # what stands for a path in the help
_TRUE = ("True", "true", "1")
_FALSE = ("False", "false", "0")
# In magnitude: seeds have up to 64 bits, and the other numbers are counts, times or factors.
_LARGEST = 2**64
_SMALLEST = 1e-30
_LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "at_least": (operator.ge, "at least"),
    "above": (operator.gt, "more than"),
    "at_most": (operator.le, "at most"),
}


def option(
    default: Any,
    help: str,
    *,
    unit: str = "",
    metavar: str = "",
    required: bool = False,
    choices: Iterable[Any] = (),
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    aliases: Iterable[str] = (),
    value_aliases: Mapping[Any, Any] | None = None,
) -> Any:
    """Describe a field of a config.

    Args:
        default: value if none is given.
        help: one line for the user; it becomes the help of the flag.
        unit: s, Hz, dB, ….
        metavar: name of the value in the help of the flag, such as FILE; by default the type.
        required: the help says "required" instead of the default; commands check that it is given.
        choices: the only values allowed.
        at_least: lowest allowed value; in a tuple, of each element.
        above: values must be higher than this; in a tuple, each element.
        at_most: highest allowed value; in a tuple, of each element.
        aliases: other names of the field, which flags and older files may use.
        value_aliases: other names of values, each with its value.
    """
    metadata = dict(
        help=help,
        unit=unit,
        metavar=metavar,
        required=required,
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
    """The base of all configs; it checks the type and the limits of each field when it is made."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _convert(field, getattr(self, field.name), hints[field.name])
            object.__setattr__(self, field.name, value)  # the config itself is frozen

    @classmethod
    def default_config(cls) -> Self:
        """Return the config with every field at its default."""
        return cls()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make a config from the data that `to_json` returned.

        Args:
            values: settings by the names of the fields, or by their aliases.

        Raises:
            InputError: a field is unknown, or a field does not allow its value.
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
        """Return the config as plain data for JSON: tuples become lists."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that differ when a setting differs."""
        return fingerprint([type(self).__name__, self.to_json()])


def field_names(config_class: type[Config]) -> dict[str, str]:
    """List all names of settings of a config, aliases included, each with the name of its field."""
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
    return rename_settings(names, {name: values[name] for name in values if name in names})


def rename_settings(names: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by the names of their fields; a setting without a field keeps its name.

    Args:
        names: names of settings, each with the name of its field.
        values: settings by name or alias.

    Raises:
        InputError: a setting is given by two of its names, with different values.
    """
    given_as: dict[str, str] = {}
    for name in values:
        other = given_as.setdefault(names.get(name, name), name)
        if other != name and values[other] != values[name]:
            raise InputError(f"{other} and {name} are the same setting: pass one of them")
    return {field_name: values[name] for field_name, name in given_as.items()}


def fingerprint(content: Any) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def suggest_nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint to append to a message about an unknown name.

    >>> suggest_nearest("keybord", ["keys", "keyboard"])
    '; did you mean keyboard?'
    >>> suggest_nearest("zzz", ["keys", "keyboard"])
    '; there is keys, keyboard'
    """
    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if nearest:
        return f"; did you mean {nearest[0]}?"
    return f"; there is {', '.join(known)}" if known else ""


def look_up(kind: str, name: str, registry: Mapping[str, Any]) -> Any:
    """Look a name up in a registry.

    Raises:
        InputError: the name is unknown; the message lists those that are known.
    """
    if name not in registry:
        raise InputError(f"there is no {kind} {name!r}; there is {', '.join(registry)}")
    return registry[name]


def add_flags(
    parser: argparse.ArgumentParser,
    config_class: type[Config],
    *,
    defaults: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
) -> None:
    """Add a flag for each field; the namespace holds only flags that are given.

    Args:
        parser: the parser that gets a group of flags, with the docstring of the class as its title.
        config_class: the config whose fields become flags.
        defaults: shown in the help instead of the fields' own defaults.
        without: names of fields that get no flag.
    """
    hints = typing.get_type_hints(config_class)
    defaults = resolve_aliases(config_class, defaults or {})
    group = parser.add_argument_group(*describe_config(config_class))
    for field in dataclasses.fields(config_class):
        if field.name in without:
            continue
        hint = hints[field.name]
        _, is_tuple, optional = _element_type(hint)
        metavar = _metavar(field, hint)
        names = (field.name, *field.metadata["aliases"])
        group.add_argument(
            *(f"--{name}" for name in names),
            dest=field.name,
            default=argparse.SUPPRESS,
            type=_parser_of(hint, is_path=(optional or is_tuple) and metavar in _PATHS),
            nargs="+" if is_tuple else None,
            metavar=metavar,
            help=_help_text(field, defaults.get(field.name, field.default)).replace("%", "%%"),
        )


def describe_config(config_class: type[Config]) -> tuple[str, str]:
    """Return the title and the description of a config's flags, from the docstring of its class."""
    title, _, description = inspect.cleandoc(config_class.__doc__ or "").partition("\n")
    return title.removesuffix("."), " ".join(description.split())


def _help_text(field: dataclasses.Field[Any], default: Any) -> str:
    """Return a field's help with its choices, default and unit."""
    choices = field.metadata["choices"]
    unit = field.metadata["unit"]
    text = field.metadata["help"]
    if choices:
        text += f"; one of {', '.join(map(str, choices))}"
    note = "required" if field.metadata["required"] else f"default {format_setting(default)}"
    return f"{text} ({note}, {unit})" if unit else f"{text} ({note})"


def from_flags(config_class: type[Config], given: Mapping[str, Any]) -> Any:
    """Return the config with some given settings, and defaults for the others.

    Args:
        config_class: the config.
        given: settings by the names of fields, or by their aliases; those of other configs are
            left out.
    """
    return config_class(**resolve_aliases(config_class, given))


def to_flags(values: Mapping[str, Any]) -> list[str]:
    """Return settings as arguments of a command.

    >>> to_flags({"n_epochs": 12, "channels": (8, 8)})
    ['--n_epochs=12', '--channels', '8', '8']
    """
    flags: list[str] = []
    for name, value in values.items():
        if isinstance(value, tuple | list):
            flags += [f"--{name}", *map(format_setting, value)]
        else:
            text = value if isinstance(value, str) else format_setting(value)
            flags.append(f"--{name}={text}")  # with =, since a text may begin with a dash
    return flags


def format_setting(value: Any) -> str:
    """Return a setting as a person would type it."""
    if isinstance(value, tuple | list):
        return " ".join(map(format_setting, value)) or "none"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else str(value)
    return "none" if value is None or value == "" else str(value)


def check_setting(config_class: type[Config], name: str, value: Any) -> Any:
    """Return a value in the type of its field.

    Args:
        config_class: the config.
        name: name of the field, or an alias.
        value: the value to check.

    Raises:
        InputError: there is no such field, or it does not allow this value.
    """
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    field_name = field_names(config_class).get(name)
    if field_name is None:
        raise InputError(
            f"{config_class.__name__} has no setting {name!r}{suggest_nearest(name, fields)}"
        )
    return _convert(fields[field_name], value, typing.get_type_hints(config_class)[field_name])


def parse_setting(config_class: type[Config], name: str, text: str) -> Any:
    """Parse the value of a field from text that a person has typed, as after a flag.

    Args:
        config_class: the config.
        name: name of the field, or an alias.
        text: the text; an empty text means none, if that is allowed.

    Raises:
        InputError: the field does not allow this value.
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
        raise InputError(f"{name} is {describe_value(text)}: expected {_kind(hint)}") from None
    return check_setting(config_class, name, value)


def _convert(field: dataclasses.Field[Any], value: Any, hint: Any) -> Any:
    """Return a value in the type of its field, with aliases replaced, or raise an error."""
    value = _convert_type(field.name, value, hint)
    value_aliases = field.metadata["value_aliases"]
    if isinstance(value, tuple):
        value = tuple(value_aliases.get(element, element) for element in value)
    else:
        value = value_aliases.get(value, value)
    elements = value if isinstance(value, tuple) else (value,)
    _, is_tuple, optional = _element_type(hint)
    alternative = ", None" if optional and not is_tuple else ""
    for element in elements:
        _check_limits(field.name, element, field.metadata, alternative)
    return value


def _element_type(hint: Any) -> tuple[Any, bool, bool]:
    """Analyse an annotation.

    Returns:
        the type of the value, or of a tuple's elements; whether it is a tuple; whether the value
        may be None.
    """
    optional = isinstance(hint, types.UnionType)
    hint = _without_none(hint)
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True, optional
    return hint, False, optional


def parse_path(text: str, *, alternative: str = "") -> str:
    """Parse the path of a file or a folder in a flag.

    Args:
        text: the path.
        alternative: what is accepted besides.

    Raises:
        argparse.ArgumentTypeError: it is empty, and would mean the current folder.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(f"it is empty: expected a file or a folder{alternative}")
    return text


def _parser_of(hint: Any, *, is_path: bool = False) -> Callable[[str], Any]:
    """Return the function that parses the text of a flag.

    Args:
        hint: annotation of the field.
        is_path: whether the text is the path of a file or a folder, which is never empty.
    """
    element, _, optional = _element_type(hint)

    def parse(text: str) -> Any:
        if optional and text.lower() == "none":
            return None
        if is_path:
            parse_path(text, alternative=" or none" if optional else "")
        if element is bool:
            if text not in (*_TRUE, *_FALSE):
                raise argparse.ArgumentTypeError(
                    f"{describe_value(text)} is neither {', '.join(_TRUE)} nor {', '.join(_FALSE)}"
                )
            return text in _TRUE
        try:
            return _parse_whole_number(text) if element is int else element(text)
        except ValueError:
            kind = {int: "a whole number", float: "a number"}[element]
            raise argparse.ArgumentTypeError(f"{describe_value(text)} is not {kind}") from None

    return parse


def _parse_whole_number(text: str) -> int:
    """Parse a whole number, which may be written as 4.0."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


def _metavar(field: dataclasses.Field[Any], hint: Any) -> str:
    """Return the name of a flag's value in its help."""
    if field.metadata["metavar"]:
        return str(field.metadata["metavar"])
    element, _, _ = _element_type(hint)
    if element is str and field.metadata["choices"]:
        return "NAME"
    return {bool: "True|False", int: "N", float: "X", str: "TEXT"}[element]


def _convert_type(name: str, value: Any, hint: Any) -> Any:
    """Return a value in its field's type: 2 becomes 2.0, a list becomes a tuple."""
    element, is_tuple, optional = _element_type(hint)
    if value is None or (is_tuple and value == [None]):
        if optional:
            return None
        raise InputError(f"{name} is none: expected {_kind(hint)}")
    if not is_tuple:
        return _convert_element(name, value, element, hint)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{name} is {describe_value(value)}: expected {_kind(hint)}")
    size = typing.get_args(_without_none(hint))
    if size[-1] is not Ellipsis and len(value) != len(size):
        raise InputError(
            f"{name} has {len(value)} values ({format_setting(tuple(value))}): expected {len(size)}"
        )
    return tuple(_convert_element(name, part, element, hint) for part in value)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint


def _convert_element(name: str, value: Any, element: type, hint: Any) -> Any:
    numpy = sys.modules.get("numpy")  # its import would take half of the time of `absslab --help`
    if numpy is not None and isinstance(value, numpy.generic):
        value = value.item()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and element in (int, float):
        _check_size(name, value)
    if element is float and is_number:
        value = float(value)
    if not isinstance(value, element) or (isinstance(value, bool) and element is not bool):
        raise InputError(f"{name} is {describe_value(value)}: expected {_kind(hint)}")
    return value


def _check_size(name: str, value: float) -> None:
    """Check that a number can be computed with: no machine holds what others would ask for."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} is {value}: expected a finite number")
    if abs(value) > _LARGEST:
        raise InputError(f"{name} is {describe_value(value)}: expected at most {_LARGEST:g}")
    if 0 < abs(value) < _SMALLEST:
        raise InputError(f"{name} is {value:g}: expected 0, or at least {_SMALLEST:g}")


def _kind(hint: Any) -> str:
    """Describe the values that a field allows."""
    element, is_tuple, _ = _element_type(hint)
    kinds = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
    kind = kinds[element]
    return f"a list, each {kind}" if is_tuple else kind


def _check_limits(name: str, value: Any, about: Mapping[str, Any], alternative: str) -> None:
    if about.get("choices") and value not in about["choices"] and value is not None:
        choices = ", ".join(map(str, about["choices"]))
        raise InputError(
            f"{name} is {describe_value(value)}: expected one of {choices}{alternative}"
        )
    if value is None:
        return
    for key, (keeps_limit, text) in _LIMITS.items():
        limit = about.get(key)
        if limit is not None and not keeps_limit(value, limit):
            raise InputError(
                f"{name} is {format_setting(value)}: expected {text} {format_setting(limit)}"
            )
