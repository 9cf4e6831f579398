"""Where shards are read from: a folder, a URL, or a command that writes them to its output.

::

    data/shards                              a folder
    https://example.org/shards/              a URL to which the name of a shard is added
    pipe:aws s3 cp s3://bucket/{name} -      a command, without a shell; {name} is that of a shard

A command runs only where the user of the program has stated it, and not because a file says so.
"""

import atexit
import http.client
import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from absslab.core.common.errors import InputError, Reason, escape_braces, shorten

_COMMAND = "pipe:"
_URLS = ("http://", "https://")
_NAME = "{name}"
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_TEMPORARY = (408, 425, 429)  # and all from 500 on: statuses after which one may try again


class ReadingError(OSError):
    """Reading failed in a way that may pass; its text says how."""


class AddressError(ReadingError):
    """No server answers at an address, or a command fails before its first byte."""


class Source(Protocol):
    """The bytes of a shard from some position on."""

    def read(self, n_bytes: int, /) -> bytes:
        """Read up to so many bytes; none at the end.

        Raises:
            ReadingError: reading failed, and may be tried again.
        """

    def close(self) -> None:
        """Stop reading."""


class Place(Protocol):
    """Where shards are read from."""

    @property
    def is_remote(self) -> bool:
        """Whether reading may fail for a time."""

    def describe(self, name: str) -> str:
        """Return where a file is, for messages."""

    def open(self, name: str, position: int, size: int | None) -> Source:
        """Open a file.

        Args:
            name: of the file.
            position: the first byte to read.
            size: number of bytes that it should have, if that is known.

        Raises:
            InputError: it can't be read.
            ReadingError: it can't be read now, and may be tried again.
        """


def is_remote(data_folder: str) -> bool:
    """Return whether a setting of data_folder is a URL or a command.

    >>> is_remote("https://example.org/shards"), is_remote("pipe:cat {name}"), is_remote("shards")
    (True, True, False)
    """
    return data_folder.startswith((*_URLS, _COMMAND))


def is_command(data_folder: str) -> bool:
    """Return whether a setting of data_folder is a command.

    >>> is_command("pipe:cat {name}"), is_command("https://example.org/shards")
    (True, False)
    """
    return data_folder.startswith(_COMMAND)


def hide_query(data_folder: str) -> str:
    """Return a setting of data_folder for messages: a URL without its query.

    >>> hide_query("https://example.org/shards?token=abc")
    'https://example.org/shards'
    """
    return data_folder.partition("?")[0] if data_folder.startswith(_URLS) else data_folder


def resolve_place(text: str) -> str:
    """Return where data are so that it can be read from another working directory."""
    return text if is_remote(text) else str(Path(text).resolve())


def find_place(data_folder: str, *, timeout: float, may_run_command: bool) -> Place:
    """Return where shards are read from.

    Args:
        data_folder: a folder, a URL or a command.
        timeout: s without a byte after which reading is tried again.
        may_run_command: whether a command has been stated by the user of this program.

    Raises:
        InputError: there is no such folder, a URL is none or has a password, or a command may not
            run or has no place for the name of a shard.
    """
    if data_folder.startswith(_URLS):
        _check_url(data_folder)
        return UrlPlace(data_folder, timeout)
    if not data_folder.startswith(_COMMAND):
        folder = Path(data_folder)
        if not folder.is_dir():
            raise InputError(
                "{path} is not a directory: expected one with shards, a URL, or pipe: and a "
                "command",
                path=folder,
            )
        return FolderPlace(folder)
    try:
        words = shlex.split(data_folder.removeprefix(_COMMAND))
    except ValueError as error:
        words = []
        problem = f" ({error})"
    else:
        problem = ""
    if not words or not any(_NAME in word for word in words[1:]):
        raise InputError(
            f"data_folder is {shorten(data_folder, 200)!r}{problem}: expected pipe: and a command "
            f"with {_NAME} in the place of a shard's name, as in 'pipe:cat /mnt/shards/{_NAME}'"
        )
    if not may_run_command:
        raise InputError(
            f"the shards are read by the command {shorten(data_folder, 200)!r}, which a file says: "
            "to run it, pass it with --data_folder"
        )
    return CommandPlace(tuple(words), timeout)


def _check_url(url: str) -> None:
    """Check that a URL can be asked for, and has no name of a user.

    Raises:
        InputError: it can't, or has one.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host:
        raise InputError(
            "data_folder is a URL without a valid host: expected one as in "
            "https://example.org/shards"
        )
    if "@" in parts.netloc:
        raise InputError(
            "data_folder is a URL with the name of a user or a password, which would be saved in "
            "the run: leave them out, keep them in ~/.netrc, and read with "
            f"'pipe:curl -sfn https://example.org/shards/{_NAME}'"
        )


@dataclass(frozen=True)
class FolderPlace:
    """A folder of shards."""

    folder: Path
    is_remote = False

    def describe(self, name: str) -> str:
        """Return where a file is, for messages."""
        return str(self.folder / name)

    def open(self, name: str, position: int, size: int | None) -> Source:
        """Open a file; see `Place`."""
        try:
            file = open(self.folder / name, "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise InputError("{path} does not exist", path=self.folder / name) from None
        file.seek(position)
        return file


@dataclass(frozen=True)
class UrlPlace:
    """A URL below which the shards are.

    Args:
        url: of the folder; a query stays behind the name of a shard.
        timeout: s.
    """

    url: str
    timeout: float
    is_remote = True
    _versions: dict[str, str] = field(default_factory=dict, compare=False, repr=False)  # ETags

    def describe(self, name: str) -> str:
        """Return where a file is, for messages: without a query, which may hold a password."""
        parts = urllib.parse.urlsplit(self._address(name))
        return urllib.parse.urlunsplit(parts._replace(query="", fragment=""))

    def _address(self, name: str) -> str:
        parts = urllib.parse.urlsplit(self.url)
        path = f"{parts.path.removesuffix('/')}/{urllib.parse.quote(name)}"
        return urllib.parse.urlunsplit(parts._replace(path=path))

    def open(self, name: str, position: int, size: int | None) -> Source:
        """Open a file; see `Place`."""
        headers = {}
        version = self._versions.get(name, "")
        if position:
            headers["Range"] = f"bytes={position}-"
            if version:  # else the whole file comes
                headers["If-Range"] = version
        shown = self.describe(name)
        try:
            request = urllib.request.Request(self._address(name), headers=headers)
            response = urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _TEMPORARY or error.code >= 500:
                raise ReadingError(f"the server answers {error.code}") from None
            raise InputError(
                f"{{url}} can't be read: the server answers {error.code} "
                f"{escape_braces(error.reason)}; check the address",
                url=shown,
            ) from None
        except (ValueError, http.client.InvalidURL):  # their texts may hold the query
            raise InputError(
                "{url} can't be asked for: expected an address without spaces and control "
                "characters",
                url=shown,
            ) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            is_wrong_name = isinstance(reason, socket.gaierror) and reason.errno != socket.EAI_AGAIN
            is_wrong = is_wrong_name or isinstance(reason, ConnectionRefusedError)
            raise (AddressError if is_wrong else ReadingError)(_describe(error)) from None
        source = _Response(response)
        is_part = response.status == http.HTTPStatus.PARTIAL_CONTENT
        found_version = response.headers.get("ETag", "")
        if found_version.startswith("W/"):  # it does not tell bytes apart
            found_version = ""
        is_other = bool(position and version and found_version not in ("", version))
        if is_other or (is_part and not _is_range_from(response, position, size)):
            source.close()
            raise InputError(
                "{url} changed while it was read, or the server sends another part of it: begin "
                "again when it stays as it is",
                url=shown,
            )
        length = response.headers.get("Content-Length", "")
        if size is not None and length.isdecimal():
            found = int(length) + (position if is_part else 0)
            if found != size:
                source.close()
                raise InputError(
                    f"{{url}} has {found} bytes, but shards.json says {size}: it is cut, or "
                    "another file; copy it there again",
                    url=shown,
                )
        self._versions[name] = found_version
        if position and not is_part:  # a server that can't begin in the middle
            _discard(source, position)
        return source


def _is_range_from(response: http.client.HTTPResponse, position: int, size: int | None) -> bool:
    """Return whether a server says that its answer begins at a position of a file of a size."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != position:
        return False
    return size is None or match[2] in ("*", str(size))


class _Response:
    """The answer of a server."""

    def __init__(self, response: http.client.HTTPResponse):
        self._response = response

    def read(self, n_bytes: int, /) -> bytes:
        try:
            return self._response.read1(n_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ReadingError(_describe(error)) from None

    def close(self) -> None:
        self._response.close()


@dataclass(frozen=True)
class CommandPlace:
    """A command that writes a shard to its standard output.

    Args:
        words: program and arguments, of which some hold {name}.
        timeout: s.
    """

    words: tuple[str, ...]
    timeout: float
    is_remote = True

    def describe(self, name: str) -> str:
        """Return what is run, for messages."""
        return shorten(shlex.join(self._arguments(name)), 200)

    def _arguments(self, name: str) -> list[str]:
        return [word.replace(_NAME, name) for word in self.words]

    def open(self, name: str, position: int, size: int | None) -> Source:
        """Run the command; see `Place`."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            process = subprocess.Popen(
                self._arguments(name),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,  # so that what it starts can be ended with it
            )
        except OSError as error:
            errors.close()
            raise InputError(
                "{program} can't be run: {reason}", program=self.words[0], reason=Reason.of(error)
            ) from None
        source = _Output(process, errors, self.timeout)
        if position:
            _discard(source, position)
        return source


class _Output:
    """The output of a command."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], timeout: float):
        assert process.stdout is not None  # since it is a pipe
        self._process = process
        self._output = process.stdout
        self._errors = errors
        self._timeout = timeout
        self._has_begun = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        atexit.register(self._end_group)

    def read(self, n_bytes: int, /) -> bytes:
        if not self._selector.select(self._timeout):
            raise ReadingError(f"no byte came for {self._timeout:g} s")
        content = os.read(self._output.fileno(), n_bytes)
        if content:
            self._has_begun = True
            return content
        try:
            status = self._process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            raise ReadingError(
                f"it closed its output, but did not end in {self._timeout:g} s"
            ) from None
        if status:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            failure = ReadingError if self._has_begun else AddressError
            raise failure(
                f"its exit status is {status}" + (f": {shorten(last, 200)}" if last else "")
            )
        return b""

    def _end_group(self) -> None:
        """End the command and all that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        self._end_group()
        atexit.unregister(self._end_group)
        self._process.wait()
        self._selector.close()
        self._output.close()
        self._errors.close()


def _discard(source: Source, n_bytes: int) -> None:
    """Read and forget what has been read before.

    Raises:
        ReadingError: there is less.
    """
    try:
        while n_bytes:
            content = source.read(min(n_bytes, 1 << 16))
            if not content:
                raise ReadingError("it ended before the place at which reading goes on")
            n_bytes -= len(content)
    except ReadingError:
        source.close()
        raise


def _describe(error: BaseException) -> str:
    """Return why reading failed."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    if isinstance(error, TimeoutError):
        return "no byte came in time"
    return Reason.of(error).text or type(error).__name__
