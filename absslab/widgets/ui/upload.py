"""Files of visitors: they come in pieces, within limits, and are decoded before they are read.

==============  ======================================================================
the page sends  begin {number, name, size} · piece {number, offset} with bytes · cancel
it receives     next {number, offset} · busy {text, share} · done {text} · refused {text}
==============  ======================================================================

The page may send anything. A piece that was not asked for ends the upload.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from absslab.core.audio import formats
from absslab.core.audio.uploaded_sounds import transcode_upload
from absslab.core.common.errors import InputError
from absslab.core.common.progress import LongWork, Progress
from absslab.widgets.ui.assets import read_script, read_style
from absslab.widgets.ui.background import BackgroundJob
from absslab.widgets.ui.disk_quota import DiskQuota
from absslab.widgets.ui.error_line import error_line
from absslab.widgets.ui.main_loop import current_main_loop

_LARGEST_PIECE = 1 << 20  # bytes, as in upload.mjs
_SPACE_FACTOR = (
    4  # free space that is needed, as a multiple of the file: it is decoded and processed
)
_MOST_SAID = 1 << 60  # bytes; the page may send a number that no float can hold
_LONGEST_NAME = 60  # characters
_log = logging.getLogger("absslab")


@dataclass(frozen=True)
class Limits:
    """Limits of what a visitor may upload."""

    size: int  # bytes of a file
    count: int  # files
    duration: float  # s of a sound


@dataclass(frozen=True)
class Uploaded:
    """A sound that was accepted and decoded."""

    path: Path  # of the decoded WAV file
    name: str  # of the visitor's file, as text to show
    description: str


class Upload(anywidget.AnyWidget):
    """A place to drop a sound file.

    Args:
        folder: where the uploaded file is kept, one at a time.
        limits: of what may be uploaded.
        quota: of the folder; without one only the disk limits what it holds.
        arrived: is called with each accepted upload; the one before is removed after that.
    """

    _esm = read_script("absslab.widgets.ui", "upload.js")
    _css = read_style("absslab.widgets.ui", "upload.css")
    accept = traitlets.Unicode(",".join(formats.readable_suffixes())).tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        *,
        quota: DiskQuota | None = None,
        arrived: Callable[[Uploaded], Any],
    ):
        self._loop = current_main_loop()
        self._folder = folder
        self.limits = limits
        self._quota = quota or DiskQuota(folder, 0)
        self._arrived = arrived
        self._n_begun = 0
        self._number: Any = None  # of the upload that is coming
        self._name = ""
        self._size = 0  # bytes
        self._offset = 0  # bytes that have come
        self._raw: Path | None = None  # the file as it comes
        self._accepted: Path | None = None  # the decoded file
        self._job: BackgroundJob | None = None
        kinds = formats.readable_kinds()
        limit = f"to {limits.size / 1e6:g} MB and {limits.duration / 60:g} min"
        super().__init__(hint=f"or drop it here: {kinds}, {limit}; it is removed when you leave")
        self.on_msg(self._receive)

    def cancel(self) -> None:
        """Stop and forget the upload that is coming or being decoded."""
        self._number = None
        if self._job is not None:
            self._job.close()
        if self._raw is not None:
            self._raw.unlink(missing_ok=True)
        self._raw = None
        self._job = None

    def remove(self) -> None:
        """Remove the accepted file."""
        if self._accepted is not None:
            self._accepted.unlink(missing_ok=True)
        self._accepted = None

    def close(self) -> None:
        """Cancel the upload, and remove all files."""
        self.cancel()
        self.remove()
        super().close()

    def _receive(self, _: Any, content: Any, buffers: Sequence[Any]) -> None:
        self._loop.call(self._handle, content, list(buffers))

    def _handle(self, content: Any, buffers: list[Any]) -> None:
        try:
            if not isinstance(content, Mapping):
                return
            kind = content.get("type")
            is_expected = self._number is not None and content.get("number") == self._number
            if kind == "begin":
                self._begin(content)
            elif kind == "piece" and is_expected:
                self._append(content, buffers)
            elif kind == "cancel":
                self.cancel()
        except Exception as error:
            self._refuse(error)

    def _begin(self, content: Mapping[str, Any]) -> None:
        self.cancel()
        self._name = _printable_name(content.get("name"))
        size = self._check_size(content.get("size"))
        self._n_begun += 1
        # A name from outside is never used as a path.
        suffix = Path(self._name).suffix.lower()
        self._raw = self._folder / f"upload-{self._n_begun}{suffix}"
        self._raw.touch()
        self._number = content.get("number")
        self._size = size
        self._offset = 0
        self._send_message("next", number=self._number, offset=0)

    def _check_size(self, size: Any) -> int:
        """Return the size of the announced file in bytes.

        Raises:
            InputError: if the file is not accepted.
        """
        name = self._name
        if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
            raise InputError(f"{name} is empty (0 bytes): choose another file")
        if size > self.limits.size:
            megabytes = min(size, _MOST_SAID) / 1e6
            raise InputError(
                f"{name} has {megabytes:.0f} MB: expected at most {self.limits.size / 1e6:g} MB; "
                "send a part of it"
            )
        if Path(name).suffix.lower() not in formats.readable_suffixes():
            kinds = formats.readable_kinds()
            raise InputError(f"{name} is of a kind that is not read here: expected {kinds}")
        if self._n_begun >= self.limits.count:
            raise InputError(
                f"there were {self.limits.count} uploads already: "
                "no more are accepted from one page"
            )
        if shutil.disk_usage(self._folder).free < _SPACE_FACTOR * size:
            raise InputError(f"there is no room for {name} at the moment: try again later")
        self._quota.require(size, name)
        return size

    def _append(self, content: Mapping[str, Any], buffers: list[Any]) -> None:
        assert self._raw is not None
        piece = bytes(buffers[0]) if len(buffers) == 1 else b""
        if content.get("offset") != self._offset or not piece or len(piece) > _LARGEST_PIECE:
            raise InputError(f"{self._name} came in the wrong order: send it again")
        if self._offset + len(piece) > self._size:
            raise InputError(f"{self._name} is larger than was announced: send it again")
        with open(self._raw, "ab") as file:
            file.write(piece)
        self._offset += len(piece)
        if self._offset < self._size:
            self._send_message("next", number=self._number, offset=self._offset)
        else:
            self._decode(self._raw, self._number)

    def _decode(self, raw: Path, number: Any) -> None:
        """Decode the file in the background, then accept or refuse it."""
        decoded = raw.with_name(f"{raw.stem}-taken.wav")
        name = self._name
        max_duration = self.limits.duration
        text = f"reading {name} …"

        decoding = transcode_upload(raw, decoded, name=name, max_duration=max_duration)
        work = LongWork(self._quota.watch(decoding, name))

        def steps() -> Iterator[Progress]:
            yield from work

        def accept() -> None:
            description = work.result.description
            before = self._accepted
            self._accepted = decoded
            self.cancel()
            self._send_message("done", number=number, text=f"{name}: {description}")
            self._arrived(Uploaded(decoded, name, description))
            if before is not None:
                before.unlink(missing_ok=True)

        def ended() -> None:
            if self._accepted != decoded:  # the upload was cancelled after the file was decoded
                decoded.unlink(missing_ok=True)

        def progress(step: Progress) -> None:
            self._send_message("busy", number=number, text=text, share=step.done / step.total)

        self._job = BackgroundJob(
            self._loop,
            steps,
            progress=progress,
            done=lambda: self._try(accept),
            failed=self._refuse,
            ended=ended,
        )
        self._send_message("busy", number=number, text=text, share=0.0)
        self._job.start()

    def _try(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except Exception as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        if not isinstance(error, InputError | OSError):
            _log.error("an upload failed", exc_info=error)
        number = {} if self._number is None else {"number": self._number}
        self.cancel()
        self._send_message("refused", text=error_line(error), **number)

    def _send_message(self, kind: str, **content: Any) -> None:
        if self.comm is not None:
            self.send({"type": kind} | content)


def _printable_name(name: Any) -> str:
    """Return the last part of a name in one line, shortened; it is shown, never used as a path."""
    last_part = str(name).replace("\\", "/").rpartition("/")[2]
    text = " ".join(last_part.split()) or "the file"
    text = "".join(letter if letter.isprintable() else "_" for letter in text)
    return text if len(text) <= _LONGEST_NAME else f"{text[:28]}…{text[-28:]}"
