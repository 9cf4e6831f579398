"""Errors that a person can understand and act on; the paths in their messages are data."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self


class _PathsError(Exception):
    """The base of the errors below: a message with a field for each path that it names."""

    def __init__(self, message: str, **paths: str | os.PathLike[str]):
        self.template = message
        self.paths = {name: os.fspath(path) for name, path in paths.items()}
        super().__init__(_fill(message, self.paths))

    def wrap(self, message: str, **paths: str | os.PathLike[str]) -> Self:
        """Return an error with more text around this one's; the paths of both stay data.

        Args:
            message: as for a new error; the field `{error}` stands for this error's message.
            paths: the files and folders that the message names.

        Examples:
            >>> inner = InputError("{path} is no file", path="/data/a.wav")
            >>> inner.wrap("{path}: {error}", path="/data/list.csv").with_names()
            'list.csv: a.wav is no file'
        """
        fields = {name: f"{{inner_{name}}}" for name in self.paths}  # both may name a `path`
        inner_paths = {f"inner_{name}": path for name, path in self.paths.items()}
        template = _fill(message, {"error": _fill(self.template, fields)})
        return type(self)(template, **paths, **inner_paths)

    @property
    def path(self) -> Path | None:
        """The first path that the message names, if it names one."""
        return next((Path(path) for path in self.paths.values()), None)

    def with_names(self) -> str:
        """Return the message with the last part of each path: its reader must not see folders."""
        return _fill(self.template, {name: last_part(path) for name, path in self.paths.items()})


class InputError(_PathsError, ValueError):
    """Input that cannot be used.

    Args:
        message: one line that says what came, what is expected and what to do. A path stands in
            it as a field in braces. A message without paths needs no fields and may hold braces.
        paths: the files and folders that the message names, by the names of their fields.

    Examples:
        >>> error = InputError("{path} is not a directory: expected recordings", path="/data/field")
        >>> str(error)
        '/data/field is not a directory: expected recordings'
        >>> error.with_names()
        'field is not a directory: expected recordings'
        >>> error.path.name
        'field'
    """


class WorkError(_PathsError, RuntimeError):
    """Work that failed although its input could be used.

    Args:
        message: one line that says where it failed and which results are kept; see `InputError`.
        paths: the files and folders that the message names.
    """


def describe_error(error: BaseException, *, names_only: bool = False) -> str:
    """Return an error's message for a person.

    Args:
        error: an error of ours or of the operating system; others give their own text.
        names_only: name files without their folders. The text of an error that does not keep
            its paths as data is unchanged.
    """
    if isinstance(error, _PathsError):
        return error.with_names() if names_only else str(error)
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if not error.filename:
            return reason
        path = os.fsdecode(error.filename)
        return f"{last_part(path) if names_only else path}: {reason}"
    return str(error)


def describe_reason(error: BaseException) -> str:
    """Return why something failed, without the file, for a message that names the file itself."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def last_part(path: str) -> str:
    """Return the name of a file or a folder, without the folders that it is in."""
    return Path(path).name or path


def _fill(template: str, paths: Mapping[str, str]) -> str:
    """Put paths into their fields; other braces belong to the text."""
    return re.sub(r"\{(\w+)\}", lambda field: paths.get(field[1], field[0]), template)
