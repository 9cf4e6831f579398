"""Where shards are read from: a folder, a URL, or a command that writes them to its output.

::

    data/shards                              a folder
    https://example.org/shards/              a URL to which the name of a shard is added
    pipe:aws s3 cp s3://bucket/{name} -      a command, without a shell; {name} is that of a shard

A command runs only where the user of the program has stated it, and not because a file says so.
"""

import http.client
import os
import selectors
import shlex
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from absslab.core.common.errors import InputError, Reason, escape_braces, shorten

_COMMAND = "pipe:"
_URLS = ("http://", "https://")
_NAME = "{name}"
_TEMPORARY = (408, 425, 429)  # and all from 500 on: statuses after which one may try again


class ReadingError(OSError):
    """Reading failed in a way that may pass; its text says how."""


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


def resolve_place(text: str) -> str:
    """Return where data are so that it can be read from another working directory."""
    return text if is_remote(text) else str(Path(text).resolve())


def find_place(data_folder: str, *, timeout: float, may_run: bool) -> Place:
    """Return where shards are read from.

    Args:
        data_folder: a folder, a URL or a command.
        timeout: s without a byte after which reading is tried again.
        may_run: whether a command has been stated by the user of this program.

    Raises:
        InputError: there is no such folder, or a command that may not run or has no place for the
            name of a shard.
    """
    if data_folder.startswith(_URLS):
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
    if not may_run:
        raise InputError(
            f"the shards are read by the command {shorten(data_folder, 200)!r}, which a file says: "
            "to run it, pass it with --data_folder"
        )
    return CommandPlace(tuple(words), timeout)


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

    def describe(self, name: str) -> str:
        """Return where a file is, for messages: without a query, which may hold a password."""
        parts = urllib.parse.urlsplit(self._address(name))
        host = parts.netloc.rpartition("@")[2]
        return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))

    def _address(self, name: str) -> str:
        parts = urllib.parse.urlsplit(self.url)
        path = f"{parts.path.removesuffix('/')}/{urllib.parse.quote(name)}"
        return urllib.parse.urlunsplit(parts._replace(path=path))

    def open(self, name: str, position: int, size: int | None) -> Source:
        """Open a file; see `Place`."""
        headers = {"Range": f"bytes={position}-"} if position else {}
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
        except (OSError, http.client.HTTPException) as error:
            raise ReadingError(_describe(error)) from None
        except ValueError as error:  # no address at all
            raise InputError(
                "{url} is no address ({reason})", url=shown, reason=Reason.of(error)
            ) from None
        source = _Response(response)
        is_part = response.status == http.HTTPStatus.PARTIAL_CONTENT
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
        if position and not is_part:  # a server that can't begin in the middle
            _discard(source, position)
        return source


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
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    def read(self, n_bytes: int, /) -> bytes:
        if not self._selector.select(self._timeout):
            raise ReadingError(f"no byte came for {self._timeout:g} s")
        content = os.read(self._output.fileno(), n_bytes)
        if content:
            return content
        status = self._process.wait()
        if status:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").split("\n")
            said = next((line.strip() for line in reversed(lines) if line.strip()), "")
            raise ReadingError(
                f"its exit status is {status}" + (f": {shorten(said, 200)}" if said else "")
            )
        return b""

    def close(self) -> None:
        self._process.kill()
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
