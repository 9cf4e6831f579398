"""Errors that a person can understand and act on.

The paths in their messages are data, and so is what another library said.
"""

import errno
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

_FULL_MEMORY = (  # parts of what libraries say
    "can't allocate memory",
    "out of memory",
    "not enough memory",
    "std::bad_alloc",
    "failed to map segment",
    "annot allocate memory",
    "error return without exception set",
)
_FIELD = re.compile(r"\{(\w+)\}")
_ESCAPED_OR_FIELD = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")


class Reason(NamedTuple):
    """Why another library refused something.

    Args:
        text: what it said, which may name folders.
        kind: what may be said to anybody: the system's own reason, or the kind of the error.
    """

    text: str
    kind: str

    @classmethod
    def of(cls, error: BaseException) -> "Reason":
        """Return the reason that an error gives, without the file that it is about."""
        if isinstance(error, _FieldsError):
            return cls(str(error), error.with_names())
        if isinstance(error, OSError) and error.strerror:
            return cls(error.strerror, error.strerror)
        return cls(str(error), type(error).__name__)


class _FieldsError(Exception):
    """The base of the errors below: a message with fields for paths and for reasons."""

    def __init__(self, message: str, **fields: str | os.PathLike[str] | Reason):
        self.template = message if fields else escape_braces(message)
        self.paths: dict[str, str] = {}
        self.reasons: dict[str, Reason] = {}
        for name, value in fields.items():
            if isinstance(value, Reason):
                self.reasons[name] = value
            else:
                self.paths[name] = os.fspath(value)
        texts = {name: reason.text for name, reason in self.reasons.items()}
        super().__init__(_fill_fields(self.template, self.paths | texts))

    def wrap(self, message: str, **fields: str | os.PathLike[str] | Reason) -> Self:
        """Return an error with more text around this one's; the fields of both stay data.

        Args:
            message: as for a new error; the field `{error}` stands for this error's message.
            fields: the files and folders that the message names, and reasons.

        Examples:
            >>> inner = InputError("{path} is no file", path="/data/a.wav")
            >>> inner.wrap("{path}: {error}", path="/data/list.csv").with_names()
            'list.csv: a.wav is no file'
        """
        own_fields: dict[str, str | Reason] = {**self.paths, **self.reasons}
        # Both messages may name a `path`.
        inner_fields = {f"inner_{name}": value for name, value in own_fields.items()}
        inner_template = _rename_fields(
            self.template, {name: f"inner_{name}" for name in own_fields}
        )
        template = _ESCAPED_OR_FIELD.sub(
            lambda braces: inner_template if braces[2] == "error" else braces[0], message
        )
        if not fields and not inner_fields:
            template = _fill_fields(template, {})  # a message without fields is not escaped
        return type(self)(template, **fields, **inner_fields)

    def change_paths(self, change: Callable[[str], str]) -> Self:
        """Return the same error about other paths."""
        if not self.paths:
            return self
        paths = {name: change(path) for name, path in self.paths.items()}
        return type(self)(self.template, **paths, **self.reasons)

    @property
    def path(self) -> Path | None:
        """The first path that the message names, if it names one."""
        return next((Path(path) for path in self.paths.values()), None)

    def with_names(self) -> str:
        """Return the message for a reader who must not see folders.

        It has the last part of each path, and of a reason only the kind.
        """
        names = {name: file_or_folder_name(path) for name, path in self.paths.items()}
        kinds = {name: reason.kind for name, reason in self.reasons.items()}
        return _fill_fields(self.template, names | kinds)


class InputError(_FieldsError, ValueError):
    """Input that cannot be used.

    Args:
        message: one line that says what came, what is expected and what to do. A path stands in
            it as a field in braces, and so does what another library said; names of classes and
            other texts that may hold braces are put in by `escape_braces`. A message without
            fields may hold braces.
        fields: the files and folders that the message names, and the reasons that it gives, by the
            names of their fields.

    Examples:
        >>> error = InputError("{path} is not a directory: expected recordings", path="/data/field")
        >>> str(error)
        '/data/field is not a directory: expected recordings'
        >>> error.with_names()
        'field is not a directory: expected recordings'
        >>> error.path.name
        'field'
        >>> reason = Reason.of(ValueError("no table in /data/field/a.csv"))
        >>> InputError("{path} can't be read ({reason})", path="a.csv", reason=reason).with_names()
        "a.csv can't be read (ValueError)"
    """


class MissingRecordingError(InputError):
    """A recording that a table names, and that nothing in its folder fits."""


class WorkError(_FieldsError, RuntimeError):
    """Work that failed although its input could be used.

    Args:
        message: one line that says where it failed and which results are kept; see `InputError`.
        fields: the files and folders that the message names, and reasons.
    """


class InputWarning(_FieldsError, UserWarning):  # noqa: N818 (it is a warning)
    """Input that was used, but lost or changed something on the way; see `give_notice`.

    Args:
        message: one line that says what came and what was made of it; see `InputError`.
        fields: the files and folders that the message names, and reasons.
    """


def join_errors(
    errors: Sequence[InputError],
    *,
    before: str = "",
    after: str = "",
    **fields: str | os.PathLike[str] | Reason,
) -> InputError:
    """Return one error with the messages of several, numbered if there is more than one.

    Args:
        errors: at least one.
        before: text before them, with fields in braces; other texts are put in by `escape_braces`.
        after: text after them, likewise.
        fields: the files and folders that these texts name, and reasons.

    Examples:
        >>> errors = [InputError("{path} is empty", path=f"/data/{name}.wav") for name in "ab"]
        >>> join_errors(errors, before="2 files: ").with_names()
        '2 files: (1) a.wav is empty; (2) b.wav is empty'
    """
    templates = []
    joined: dict[str, str | os.PathLike[str] | Reason] = dict(fields)
    for number, error in enumerate(errors, start=1):
        own_fields: dict[str, str | Reason] = {**error.paths, **error.reasons}
        names = {name: f"error_{number}_{name}" for name in own_fields}
        mark = f"({number}) " if len(errors) > 1 else ""
        templates.append(mark + _rename_fields(error.template, names))
        joined |= {names[name]: value for name, value in own_fields.items()}
    template = before + "; ".join(templates) + after
    return InputError(template if joined else _fill_fields(template, {}), **joined)


def describe_error(error: BaseException, *, names_only: bool = False) -> str:
    """Return an error's message for a person.

    Args:
        error: an error of ours or of the operating system; others give their own text.
        names_only: name files without their folders. Of an error that does not keep its paths
            as data only the kind is said.
    """
    if isinstance(error, _FieldsError):
        return error.with_names() if names_only else str(error)
    reason = Reason.of(error)
    text = reason.kind if names_only else reason.text
    if isinstance(error, OSError) and error.filename:
        path = os.fsdecode(error.filename)
        return f"{file_or_folder_name(path) if names_only else path}: {text}"
    return text


def is_complete_without_folders(error: BaseException) -> bool:
    """Tell whether the message without folders differs only in the folders."""
    if isinstance(error, _FieldsError):
        return all(reason.text == reason.kind for reason in error.reasons.values())
    reason = Reason.of(error)
    return reason.text == reason.kind


def describe_shortage(error: BaseException) -> str:
    """Return what the machine has too little of, if an error says so; empty if it does not.

    Libraries say it by errors of many kinds: PyTorch by a plain RuntimeError, the loader of
    libraries by an ImportError or an OSError, the system by the number of an OSError.

    >>> describe_shortage(MemoryError())
    'the memory is full'
    """
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "the memory is full"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "the memory is full"
    text = str(error)
    if isinstance(error, RuntimeError | ImportError | SystemError | OSError):
        if any(part in text for part in _FULL_MEMORY):
            return "the memory is full"
        if "can't start new thread" in text:
            return "the system allows no more threads"
    return ""


def shorten(text: str, n_characters: int = 1000) -> str:
    """Return a text in which the middle is left out if it is longer.

    >>> shorten("9" * 400, 21)
    '9999999999…9999999999'
    """
    if len(text) <= n_characters:
        return text
    half = (n_characters - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def describe_value(value: object, n_characters: int = 100) -> str:
    """Return a value as in Python, shortened if it is long.

    >>> describe_value("a" * 1000, 11)
    "'aaaa…aaaa'"
    """
    try:
        return shorten(repr(value), n_characters)
    except (ValueError, RecursionError):  # Python refuses to write very long numbers
        return f"a very long {type(value).__name__}"


def file_or_folder_name(path: str) -> str:
    """Return the name of a file or a folder, without the folders that it is in."""
    return Path(path).name or path


def escape_braces(text: object) -> str:
    """Return a text for a message with fields, in which `{word}` in the text is no field.

    Examples:
        >>> name = "{path}"
        >>> str(InputError(f"{{path}} lacks {escape_braces(name)}", path="a.csv"))
        'a.csv lacks {path}'
    """
    return _FIELD.sub(r"{{\1}}", str(text))


def _fill_fields(template: str, texts: Mapping[str, str]) -> str:
    """Put texts into their fields, and undo `escape_braces`; other braces stay as they are."""

    def fill(braces: re.Match[str]) -> str:
        escaped, name = braces.groups()
        if escaped:
            return f"{{{escaped}}}"
        return texts.get(name, braces[0])

    return _ESCAPED_OR_FIELD.sub(fill, template)


def _rename_fields(template: str, names: Mapping[str, str]) -> str:
    """Give fields other names, and escape what else stands in braces."""

    def rename(braces: re.Match[str]) -> str:
        escaped, name = braces.groups()
        if escaped:
            return braces[0]
        return f"{{{names[name]}}}" if name in names else escape_braces(braces[0])

    return _ESCAPED_OR_FIELD.sub(rename, template)
