"""What was left out of a batch: a file that can't be used does not end the work on all others.

`LeftOut` collects the files that a batch of work can't use. A check of many files looks like this::

    left_out = LeftOut("separate", on_error=config.on_error, folder=output_folder)
    for path in paths:
        with left_out.file(path):  # keeps an InputError about this file
            infos.append(sound_files.check(path))
    left_out.stop_if_any()  # with on_error "stop", one error that names all of these files
    …
    with left_out.write_at_end():  # left_out.csv in the folder, before anything is printed
        …
    left_out.stop_if_all()  # an error if no file could be used

`add` is for what is known without an attempt, such as the row of a table that names a file which is
gone. A command returns its `LeftOut`: then `absslab.cli.main` prints `summary` in one line, and the
exit status is 3. Work that has a `LeftOut` takes it as an argument; `None` means that the first
file that can't be used raises its error.
"""

import csv
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absslab.core.common.config import option
from absslab.core.common.errors import InputError, InputWarning, join_errors
from absslab.core.common.files import write_bytes
from absslab.core.common.notices import give_notice
from absslab.core.common.tables import table_text

FILE_NAME = "left_out.csv"
ON_ERROR = ("stop", "skip")
_COLUMNS = ("file", "reason", "command", "result")
_N_LISTED = 10  # number of files that one line names
_CHECK_TIMEOUT = 30.0  # s to check for more faults before work ends


def on_error_option(default: str) -> Any:
    """Declare the field `on_error` of a config.

    Args:
        default: stop or skip.
    """
    return option(
        default,
        "what to do about files that can't be used: stop names them all and does nothing, skip "
        "leaves them out, names them in left_out.csv and ends with exit status 3",
        choices=ON_ERROR,
    )


@dataclass(frozen=True)
class LeftOutFile:
    """A file that a batch could not use.

    Args:
        file: its path, or its name in the table that names it.
        error: why.
    """

    file: str
    error: InputError

    @property
    def reason(self) -> str:
        """Why it was left out, in one line."""
        return " ".join(str(self.error).split())


class LeftOut:
    """Collects the files that a batch can't use; true if there is any.

    Args:
        command: the command that does the work, such as "separate".
        on_error: "skip" leaves the files out; with "stop", `stop_if_any` raises.
        folder: the folder whose left_out.csv `write` writes; None: there is no such file.
        result: the file that lacks them, where the folder holds results of several calls of a
            command, such as scores.json.
    """

    def __init__(
        self,
        command: str,
        *,
        on_error: str = "skip",
        folder: str | Path | None = None,
        result: str = "",
    ):
        self.command = command
        self.on_error = on_error
        self.folder = folder
        self.result = result
        self.files: list[LeftOutFile] = []
        self.expected: list[LeftOutFile] = []  # see `add_expected`
        self._names: set[str] = set()
        self.n_files = 0  # of the whole batch, these included; 0 as long as it is not known
        self._n_unchecked = 0  # files that `check_rest_and_stop` had no time for

    def __len__(self) -> int:
        return len(self.files)

    @property
    def path(self) -> Path | None:
        """The table that `write` writes."""
        return None if self.folder is None else Path(self.folder) / FILE_NAME

    def add(self, file: str | Path, error: InputError) -> None:
        """Leave a file out; one that is left out already keeps its first reason.

        Args:
            file: its path, or its name in the table that names it.
            error: why.
        """
        if str(file) not in self._names:
            self._names.add(str(file))
            self.files.append(LeftOutFile(str(file), error))

    def add_expected(self, file: str | Path, error: InputError) -> None:
        """Name a file in the table that nobody expects to be there, such as a video that is gone.

        It does not count as left out: with "stop" the work goes on, and the exit status is 0.

        Args:
            file: its path, or its name in the table that names it.
            error: why it is not there.
        """
        if str(file) not in self._names:
            self._names.add(str(file))
            self.expected.append(LeftOutFile(str(file), error))

    @contextmanager
    def file(self, file: str | Path) -> Iterator[None]:
        """Leave a file out if the block raises an `InputError`; the error ends there."""
        try:
            yield
        except InputError as error:
            self.add(file, error)

    def stop_if_any(self) -> None:
        """End the work if files can't be used and must not be left out.

        Raises:
            InputError: on_error is "stop", and there are such files; the line names up to ten.
        """
        if self.on_error == "stop" and self.files:
            them = "it" if len(self.files) == 1 else "them"
            unchecked = ""
            if self._n_unchecked:
                files = "file was" if self._n_unchecked == 1 else "files were"
                unchecked = f"; {self._n_unchecked} more {files} not looked at"
            raise self.to_error(f"{unchecked}; pass --on_error skip to leave {them} out")

    def check_rest_and_stop(
        self,
        rest: Iterable[tuple[str | Path, Callable[[], object]]],
        *,
        seconds: float = _CHECK_TIMEOUT,
    ) -> None:
        """End the work if there are faults, but first look for more of them: all are told at once.

        Args:
            rest: files, and what raises an `InputError` if one can't be used.
            seconds: how long to check at most; the files that are left then are counted.

        Raises:
            InputError: see `stop_if_any`.
        """
        if self.on_error != "stop" or not self.files:
            return
        end = time.monotonic() + seconds
        for file, check in rest:
            if str(file) in self._names:
                continue
            if time.monotonic() >= end:
                self._n_unchecked += 1
                continue
            with self.file(file):
                check()
        self.stop_if_any()

    def stop_if_all(self) -> None:
        """End the work if no file can be used.

        Raises:
            InputError: all of `n_files` were left out; the line names up to ten.
        """
        if self.files and len(self.files) >= self.n_files:
            raise self.to_error()

    def to_error(self, hint: str = "") -> InputError:
        """Return one error about all files, for work that can't go on without them.

        Args:
            hint: what to do, which ends the message.
        """
        errors = [item.error for item in self.files[:_N_LISTED]]
        if len(self.files) == 1:
            return join_errors(errors, after=hint)
        before = f"{self._count()} can't be used: "
        return join_errors(errors, before=before, after=self._more(hint))

    def summary(self, *, names_only: bool = False) -> str:
        """Return one line that says how many files were left out, and which or where this stands.

        Args:
            names_only: name files without their folders.
        """
        were = "was" if len(self.files) == 1 else "were"
        before = f"{self._count()} {were} left out"
        errors = [item.error for item in self.files[:_N_LISTED]]
        if self.path is None:
            error = join_errors(errors, before=f"{before}: ", after=self._more())
        elif len(self.files) == 1:
            error = join_errors(errors, before=f"{before}, see {{table}}: ", table=self.path)
        else:
            before = f"{before}, see {{table}}; the first: "
            error = join_errors(errors[:1], before=before, table=self.path)
        return error.with_names() if names_only else str(error)

    def reasons(self, folder: str | Path) -> dict[str, str]:
        """Return the reasons by the paths of the files from a folder, which may be moved."""
        return {os.path.relpath(item.file, folder): item.error.with_names() for item in self.files}

    def give_notice(self) -> None:
        """Tell whoever listens what was left out, if there is any; see `notices.give_notice`."""
        if self.files:
            give_notice(InputWarning(self.summary()))

    def check(self) -> None:
        """Check, before long work, that `write` will not find another file in its place.

        Raises:
            InputError: there is one.
        """
        if self.path is not None:
            read_left_out(self.path)

    @contextmanager
    def write_at_end(self) -> Iterator[None]:
        """Remove the table of an earlier call, and write that of this one when the block ends.

        It is also written if the block raises an error. A batch of a single file has none if the
        file can't be used: the error says it all.

        Raises:
            InputError: there is another file of this name.
            OSError: the table can't be written.
        """
        if self.n_files != 1 or not self.files:
            self.write()
        try:
            yield
        finally:
            if self.n_files != 1:
                self.write()

    def write(self) -> None:
        """Write left_out.csv with the columns file, reason, command and result.

        Rows that other commands, or calls with another result, have written are kept, and those
        of an earlier call are replaced. A table without rows is removed.

        Raises:
            InputError: there is another file of this name.
            OSError: the table can't be written.
        """
        if self.path is None:
            return
        rows = [row for row in read_left_out(self.path) if not self._is_own(row)]
        for item in (*self.files, *self.expected):
            rows.append(
                {
                    "file": item.file,
                    "reason": item.reason,
                    "command": self.command,
                    "result": self.result,
                }
            )
        if not rows:
            self.path.unlink(missing_ok=True)
            return
        # Names on a disk need not be UTF-8.
        content = table_text(_COLUMNS, rows).encode(errors="backslashreplace")
        write_bytes(self.path, content)

    def _is_own(self, row: dict[str, str]) -> bool:
        return row["command"] == self.command and row["result"] == self.result

    def _count(self) -> str:
        n_files = max(self.n_files, len(self.files))
        total = f" of {n_files}" if self.n_files else ""
        files = "file" if n_files == 1 else "files"
        return f"{len(self.files)}{total} {files}"

    def _more(self, hint: str = "") -> str:
        n_more = len(self.files) - _N_LISTED
        return f"; and {n_more} more{hint}" if n_more > 0 else hint


def read_left_out(path: str | Path) -> list[dict[str, str]]:
    """Read the rows of a left_out.csv; there are none if the file does not exist.

    Raises:
        InputError: it is another file.
    """
    if not os.path.lexists(path):
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [{name: row[name] or "" for name in _COLUMNS} for row in reader]
            is_ours = tuple(reader.fieldnames or ()) == _COLUMNS
    except (OSError, UnicodeDecodeError, csv.Error, KeyError):
        is_ours = False
    if not is_ours:
        raise InputError(
            "{path} was not written by ABSSLab, which names there what it leaves out: rename it",
            path=path,
        )
    return rows
