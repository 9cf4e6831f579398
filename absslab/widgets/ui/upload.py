"""Files of visitors: they come piece by piece, within limits, and are decoded before anything else sees them.

=========  =================================================================================
page says  begin {number, name, size} · piece {number, offset} with its bytes · cancel
it hears   next {number, offset} · busy {text, share} · done {text} · refused {text}
=========  =================================================================================

What the page says may be anything: a piece that was not asked for ends the upload.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from absslab.core.audio import sound_files
from absslab.core.audio.untrusted import inspect_upload, transcode_upload
from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress
from absslab.widgets.ui.assets import read_script, read_style
from absslab.widgets.ui.background import BackgroundJob
from absslab.widgets.ui.main_loop import current_main_loop
from absslab.widgets.ui.panel import error_line

_LARGEST_PIECE = 4 << 20  # bytes
_SPACE = 4  # times as much as a file must be free: it is decoded, and something made of it
_log = logging.getLogger("absslab")


@dataclass(frozen=True)
class Limits:
    """What may be uploaded."""

    size: int  # bytes of a file
    count: int  # files
    duration: float  # s of a sound


@dataclass(frozen=True)
class Uploaded:
    """A sound that was taken in."""

    path: Path  # of the WAV that it became
    name: str  # that it had, as text
    words: str  # what it is


class Upload(anywidget.AnyWidget):
    """A place to drop a sound file.

    Args:
        folder: where uploads are kept; one at a time.
        limits: of what may come.
        arrived: called with each that was taken in; the one before is removed after that.
    """

    _esm = read_script("absslab.widgets.ui", "upload.js")
    _css = read_style("absslab.widgets.ui", "upload.css")
    accept = traitlets.Unicode(",".join(sound_files.SUFFIXES)).tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)

    def __init__(self, folder: Path, limits: Limits, *, arrived: Callable[[Uploaded], Any]):
        self._loop, self._folder, self.limits, self._arrived = (
            current_main_loop(),
            folder,
            limits,
            arrived,
        )
        self._n_begun = 0
        self._number: Any = None  # of the upload that is coming
        self._name, self._size, self._offset = "", 0, 0
        self._raw: Path | None = None
        self._kept: Path | None = None
        self._work: BackgroundJob | None = None
        limit = f"to {limits.size / 1e6:g} MB and {limits.duration / 60:g} min; it is removed when you leave"
        super().__init__(hint=f"or drop it here: {', '.join(sound_files.SUFFIXES)}, {limit}")
        self.on_msg(self._receive)

    def cancel(self) -> None:
        """Forget what is coming, or being decoded."""
        self._number = None
        if self._work is not None:
            self._work.close()
        if self._raw is not None:
            self._raw.unlink(missing_ok=True)
        self._raw = self._work = None

    def remove(self) -> None:
        """Remove what was kept."""
        if self._kept is not None:
            self._kept.unlink(missing_ok=True)
        self._kept = None

    def close(self) -> None:
        """Forget and remove everything."""
        self.cancel()
        self.remove()
        super().close()

    def _receive(self, _: Any, content: Any, buffers: Sequence[Any]) -> None:
        self._loop.call(self._answer, content, list(buffers))

    def _answer(self, content: Any, buffers: list[Any]) -> None:
        try:
            if not isinstance(content, Mapping):
                return
            kind = content.get("type")
            if kind == "begin":
                self._begin(content)
            elif (
                kind == "piece"
                and self._number is not None
                and content.get("number") == self._number
            ):
                self._append(content, buffers)
            elif kind == "cancel":
                self.cancel()
        except Exception as error:
            self._refuse(error)

    def _begin(self, content: Mapping[str, Any]) -> None:
        self.cancel()
        self._name, size = _shown_name(content.get("name")), content.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
            raise InputError(f"{self._name} is empty (0 bytes): choose another file")
        if size > self.limits.size:
            raise InputError(
                f"{self._name} has {size / 1e6:.0f} MB: expected at most {self.limits.size / 1e6:g} MB; send a part of it"
            )
        if Path(self._name).suffix.lower() not in sound_files.SUFFIXES:
            raise InputError(
                f"{self._name} is of a kind that is not read here: expected {', '.join(sound_files.SUFFIXES)}"
            )
        if self._n_begun >= self.limits.count:
            raise InputError(
                f"there were {self.limits.count} uploads already: no more are taken from one page"
            )
        free = shutil.disk_usage(self._folder).free
        if free < _SPACE * size:
            raise InputError(f"there is no room for {self._name} at the moment: try again later")
        self._n_begun += 1
        self._raw = (
            self._folder / f"upload-{self._n_begun}{Path(self._name).suffix.lower()}"
        )  # never a name from outside
        self._raw.touch()
        self._number, self._size, self._offset = content.get("number"), size, 0
        self._tell("next", number=self._number, offset=0)

    def _append(self, content: Mapping[str, Any], buffers: list[Any]) -> None:
        assert self._raw is not None
        piece = bytes(buffers[0]) if len(buffers) == 1 else b""
        if content.get("offset") != self._offset or not piece or len(piece) > _LARGEST_PIECE:
            raise InputError(f"{self._name} came in the wrong order: send it again")
        if self._offset + len(piece) > self._size:
            raise InputError(f"{self._name} is larger than was said: send it again")
        with open(self._raw, "ab") as file:
            file.write(piece)
        self._offset += len(piece)
        if self._offset < self._size:
            self._tell("next", number=self._number, offset=self._offset)
        else:
            self._decode(self._raw, self._number)

    def _decode(self, raw: Path, number: Any) -> None:
        kept, name, limit = raw.with_name(f"{raw.stem}-taken.wav"), self._name, self.limits.duration

        def steps() -> Iterator[Progress]:
            yield from transcode_upload(raw, kept, name=name, max_duration=limit)

        def done() -> None:
            words = inspect_upload(raw, name=name, max_duration=limit).words
            before, self._kept = self._kept, kept
            self.cancel()
            self._tell("done", number=number, text=f"{name}: {words}")
            self._arrived(Uploaded(kept, name, words))
            if before is not None:
                before.unlink(missing_ok=True)

        def ended() -> None:
            if self._kept != kept:  # it was cancelled when the file was whole already
                kept.unlink(missing_ok=True)

        self._work = BackgroundJob(
            self._loop,
            steps,
            progress=lambda step: self._tell(
                "busy", number=number, text=f"reading {name} …", share=step.done / step.total
            ),
            done=lambda: self._try(done),
            failed=self._refuse,
            ended=ended,
        )
        self._tell("busy", number=number, text=f"reading {name} …", share=0.0)
        self._work.start()

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
        self._tell("refused", text=error_line(error), **number)

    def _tell(self, kind: str, **content: Any) -> None:
        if self.comm is not None:
            self.send({"type": kind} | content)


def _shown_name(name: Any) -> str:
    """The last part of a name, in one line and not too long; it is shown as text and never used as a path."""
    text = " ".join(str(name).replace("\\", "/").rpartition("/")[2].split()) or "the file"
    text = "".join(letter if letter.isprintable() else "_" for letter in text)
    return text if len(text) <= 60 else f"{text[:28]}…{text[-28:]}"
