"""Convert documents on disk from JSON to frozen dataclasses, checking each field, and back.

A field may be a number, text, a truth value, another dataclass, a list, tuple or mapping of
these; it may also allow None. A field of type `object` may have any value.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, describe_value
from absslab.core.common.files import check_version, read_json

Document = TypeVar("Document")

_HEAD = ("format", "version")  # they stand before the fields of a saved document
_LARGEST = 2**64  # of whole numbers
_SCALARS: dict[Any, tuple[type | tuple[type, ...], str]] = {
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    str: (str, "text"),
}


def document_from_json(kind: type[Document], content: object, name: str = "") -> Document:
    """Make a document from plain data.

    Args:
        kind: a dataclass.
        content: plain data, as its `to_json` returned them.
        name: name of the content in errors.

    Raises:
        InputError: a field is unknown or missing, or a value has another type.
    """
    if not isinstance(content, Mapping):
        raise InputError(
            f"{name or 'the content'} is {describe_value(content, 50)}: expected named fields"
        )
    types_of_fields = _field_types(kind)  # type: ignore[arg-type]
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in content:
        if key not in known:
            where = f"{name} has" if name else "there is"
            raise InputError(f"{where} an unknown field {key!r}{suggest_nearest(key, known)}")
    values = {}
    for key, field in known.items():
        full_name = f"{name}.{key}" if name else key
        if key in content:
            values[key] = _read(types_of_fields[key], content[key], full_name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{full_name} is missing")
    return kind(**values)


def document_to_json(value: object) -> Any:
    """Return a document as plain data that can be written as JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: document_to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: document_to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [document_to_json(item) for item in value]
    return value


class SavedDocument:
    """Base of documents that are files of their own: they begin with their format and version."""

    FORMAT: ClassVar[str]
    VERSION: ClassVar[int]

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain data."""
        return {"format": self.FORMAT, "version": self.VERSION, **document_to_json(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> Self:
        """Read what `to_json` returned.

        Raises:
            InputError: a field is missing, unknown, or of another kind.
        """
        fields = {name: value for name, value in content.items() if name not in _HEAD}
        return document_from_json(cls, fields)

    @classmethod
    def read(
        cls, path: str | Path, command: str, *, otherwise: Mapping[str, object] | None = None
    ) -> Self:
        """Read the file of a document.

        Args:
            path: the file.
            command: the command that writes such files, for messages.
            otherwise: format and version of a file that says none.

        Raises:
            InputError: it is missing or damaged, the command has not written it, or a newer
                version has.
        """
        content = read_json(path)
        if isinstance(content, dict):
            content = {**(otherwise or {}), **content}
        return cls.from_content(content, path, command)

    @classmethod
    def from_content(cls, content: object, path: str | Path, command: str) -> Self:
        """Make a document from what its file holds.

        Args:
            content: of the file, as JSON.
            path: of the file, for messages.
            command: the command that writes such files, for messages.

        Raises:
            InputError: see `read`.
        """
        if not isinstance(content, dict) or content.get("format") != cls.FORMAT:
            raise InputError(f"{{path}} was not written by {command}", path=path)
        check_version(content, path, newest=cls.VERSION)
        try:
            return cls.from_json(content)
        except InputError as error:
            raise error.wrap("{path} is damaged: {error}", path=path) from None


@cache
def _field_types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, content: object, name: str) -> Any:
    """Read a value of a type."""
    if kind is object:
        return content
    if kind in _SCALARS:
        return _read_scalar(kind, content, name)
    if is_dataclass(kind):
        return document_from_json(kind, content, name)  # type: ignore[arg-type]
    origin = get_origin(kind)
    arguments = get_args(kind)
    if origin in (Union, types.UnionType):
        if content is None and type(None) in arguments:
            return None
        (kind,) = (argument for argument in arguments if argument is not type(None))
        return _read(kind, content, name)
    if origin in (list, tuple):
        if not isinstance(content, Sequence) or isinstance(content, str):
            raise InputError(f"{name} is {describe_value(content, 50)}: expected a list")
        return origin(
            _read(arguments[0], item, f"{name}[{index}]") for index, item in enumerate(content)
        )
    if not isinstance(content, Mapping):
        raise InputError(f"{name} is {describe_value(content, 50)}: expected named values")
    return {key: _read(arguments[1], item, f"{name}.{key}") for key, item in content.items()}


def _read_scalar(kind: Any, content: object, name: str) -> object:
    expected, description = _SCALARS[kind]
    is_truth_value = isinstance(content, bool) and kind is not bool
    if is_truth_value or not isinstance(content, expected):
        raise InputError(f"{name} is {describe_value(content, 50)}: expected {description}")
    if isinstance(content, int) and abs(content) > _LARGEST:
        raise InputError(f"{name} is {describe_value(content, 50)}: expected at most {_LARGEST:g}")
    return content
