"""The player: tracks on one clock, seen, heard, cut out in time and frequency; one widget, without network or build step.

Sound and pictures go to the page as messages with buffers, never into traits: a saved notebook holds none of it. The page
asks for what it lacks, chunk by chunk; so the length of a sound is no matter. What the two say to each other:

=========  ===========================================================================================================
page says  ready · need {tracks, chunks} · picture {track, what, start, end, …} · levels · heard {gains, solo} · brush
           {start, end, low, high, gains} · save {what, gains}
it hears   tracks {tracks, rate, length, chunk, …} · pcm · picture · levels · brush · file · error · do {command}
=========  ===========================================================================================================
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from itertools import count
from typing import Any

import anywidget
import numpy as np
import traitlets

from absslab.core import audio
from absslab.core.errors import InputError
from absslab.core.loudness import matched_gains
from absslab.core.region import cut_region
from absslab.widgets.heard import Heard, level_of, remix
from absslab.widgets.panel import error_line
from absslab.widgets.pictures import Frequencies, levels, mask_picture, picture
from absslab.widgets.sounds import Track, alike
from absslab.widgets.tasks import MainLoop

BUDGET = 30_000_000  # bytes of samples that the page holds at once
_ROWS = {"lane": 40, "large": 160}  # of pictures
_COLUMNS = {"lane": 500, "large": 1200}
_LONGEST_BRUSH = 120.0  # s
_LONGEST_SAVED = 3600.0  # s
_versions = count(1)
_log = logging.getLogger("absslab")


def _asset(name: str) -> str:
    return (files("absslab.widgets") / "js" / name).read_text(encoding="utf-8")


def _module() -> str:
    """The player's modules as one, since a widget is one: what they import of each other is there already."""
    lines = "\n".join(_asset(f"{name}.mjs") for name in ("logic", "engine", "picture", "view", "player")).splitlines()
    return "\n".join(line for line in lines if not (line.startswith("import ") and ' from "./' in line))


class Player(anywidget.AnyWidget):
    """Tracks to listen to together; show it in a notebook, or as a part of a panel.

    Args:
        tracks: any number of them, of any lengths and sampling rates; the first is heard first, and its rate is theirs.
        title: what is played, for the page and for screen readers.

    Raises:
        InputError: no track.
    """

    _esm = _module()  # as text: of a widget that watches a file nothing is ever freed
    _css = _asset("player.css")
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(self, tracks: Sequence[Track], *, title: str = ""):
        self._loop = MainLoop()
        n_threads = 2  # while one measures a long sound, the other goes on
        self._worker = ThreadPoolExecutor(n_threads, "absslab player") if self._loop.exists else None
        self._on_heard: list[Callable[[], Any]] = []
        self._is_ready = False
        self._set(tracks)
        super().__init__(title=title)
        self.on_msg(self._receive)

    def show(self, tracks: Sequence[Track], *, title: str | None = None) -> None:
        """Play other tracks. Where they have the names of those before, the sound goes over to them while it plays.

        Raises:
            InputError: no track.
        """
        self._set(tracks)
        if title is not None:
            self.title = title
        if self._is_ready:
            self._introduce()

    @property
    def heard(self) -> Heard:
        """What is heard: which tracks, with which gains."""
        return self._heard

    def on_heard(self, function: Callable[[], Any]) -> None:
        """Call a function when something else is heard."""
        self._on_heard.append(function)

    def hear(self, *names: str) -> None:
        """Hear only these tracks.

        Raises:
            InputError: an unknown name.
        """
        known = [track.name for track in self.tracks]
        for name in names:
            if name not in known:
                raise InputError(f"there is no track {name!r}: expected {', '.join(known)}")
        self._heard = Heard.only(self.tracks, [known.index(name) for name in names])
        self._tell({"type": "do", "command": "hear", "tracks": list(self._heard.solo)})

    def play(self) -> None:
        """Begin to play; browsers allow it after a person has clicked somewhere on the page."""
        self._tell({"type": "do", "command": "play"})

    def pause(self) -> None:
        """Stop, and stay there."""
        self._tell({"type": "do", "command": "pause"})

    def seek(self, seconds: float) -> None:
        """Go to an instant."""
        self._tell({"type": "do", "command": "seek", "seconds": float(seconds)})

    def close(self) -> None:
        """Free the sound here and in the page."""
        if self._worker is not None:
            self._worker.shutdown(wait=False, cancel_futures=True)
        self._is_ready, self._on_heard = False, []
        self.tracks: list[Track] = []
        self.layout.close()
        super().close()

    def _set(self, tracks: Sequence[Track]) -> None:
        before = [(track.name, track.kind) for track in getattr(self, "tracks", [])]
        found = alike(tracks)
        self.tracks = found
        self.sampling_rate = found[0].sound.sampling_rate
        self.n_samples = max(track.sound.n_samples for track in found)
        self._chunk, self._n_kept = _chunking(found, self.n_samples)
        self._revision = next(_versions)
        self._levels: dict[str, list[float]] | None = None
        if before != [(track.name, track.kind) for track in found]:
            self._heard = Heard.only(found, [0])
            self._top: float | None = None  # of the same tracks the colours keep their meaning

    def _introduce(self) -> None:
        """Say what there is to play; of a sound that fits into the page as a whole send what is heard at once."""
        at_once = self._heard.solo if self._chunk >= self.n_samples else ()
        about = [
            {"name": one.name, "kind": one.kind, "version": self._revision, "has_mask": one.mask is not None}
            for one in self.tracks
        ]
        self._tell(
            {
                "type": "tracks", "tracks": about, "rate": self.sampling_rate, "length": self.n_samples,
                "chunk": self._chunk, "kept": self._n_kept, "coming": list(at_once), "solo": list(self._heard.solo),
            },
            [_colours()],
        )  # fmt: skip
        for track in at_once:
            self._do(self._pcm, track, 0, self._revision)

    def _receive(self, _: Any, content: Mapping[str, Any], buffers: Any) -> None:
        self._loop.call(self._answer, content)

    def _answer(self, content: Mapping[str, Any]) -> None:
        """What the page says; it may be anything, and come after the end."""
        if not self.tracks:
            return
        try:
            kind, revision = content["type"], self._revision
            if kind == "ready":
                self._is_ready = True
                self._introduce()
            elif kind == "need":
                for track, chunk in content["chunks"]:
                    self._do(self._pcm, int(track), int(chunk), revision)
            elif kind == "picture":
                self._do(self._picture, dict(content), revision)
            elif kind == "levels":
                self._do(self._level_gains, revision)
            elif kind == "heard":
                self._heard = Heard.from_page(self.tracks, content)
                for function in list(self._on_heard):
                    function()
            elif kind == "brush":
                self._do(self._brush, dict(content), revision)
            elif kind == "save":
                self._do(self._file, dict(content))
        except (KeyError, TypeError, ValueError, InputError) as error:
            _log.debug("a message of the page is not understood: %r", error)

    def _do(self, function: Callable[..., tuple[dict[str, Any], list[Any]] | None], *args: Any) -> None:
        """Compute an answer beside the loop, one after the other, and send it; errors are shown in the page."""

        def answer() -> None:
            try:
                found = function(*args)
            except Exception as error:
                if not isinstance(error, InputError | OSError):
                    _log.exception("the player failed")
                found = {"type": "error", "text": error_line(error)}, []
            if found:
                self._loop.call(self._tell, *found)

        if self._worker is None:
            answer()
        elif self.tracks:
            self._worker.submit(answer)

    def _tell(self, content: dict[str, Any], buffers: Sequence[Any] = ()) -> None:
        if self.tracks and self.comm is not None:
            self.send(content, list(buffers))

    def _pcm(self, track: int, chunk: int, revision: int) -> tuple[dict[str, Any], list[Any]] | None:
        if revision != self._revision:
            return None
        n = min(self._chunk, self.n_samples - chunk * self._chunk)
        samples = self.tracks[track].sound.read(chunk * self._chunk, n)  # (C, n)
        about = {"type": "pcm", "track": track, "chunk": chunk, "version": revision}
        return _coded(about, samples)

    def _picture(self, asked: dict[str, Any], revision: int) -> tuple[dict[str, Any], list[Any]] | None:
        if revision != self._revision:
            return None
        track, size = self.tracks[int(asked["track"])], str(asked["size"])
        duration = self.n_samples / self.sampling_rate
        start, end = max(0.0, float(asked["start"])), min(duration, float(asked["end"]))
        frequencies = Frequencies(str(asked["axis"]), _ROWS[size], self.sampling_rate / 2)
        if start >= end:
            return None
        if asked["what"] == "mask":
            if track.mask is None:
                return None
            pixels = mask_picture(track.mask, frequencies, start=start, end=end, n_columns=_COLUMNS[size])
        else:
            level = levels(track.sound, frequencies, start=start, end=end, n_columns=_COLUMNS[size])
            pixels = picture(level, self._brightest())
        names = ("track", "what", "size", "axis")
        about = {name: asked[name] for name in names} | {"start": start, "end": end, "version": revision}
        about |= {"type": "picture", "rows": len(pixels), "columns": pixels.shape[1], "top": self._brightest()}
        return about, [pixels.tobytes()]

    def _brightest(self) -> float:
        """dB of the brightest colour of all pictures: the loudest that any track has, in the coarsest of pictures."""
        if self._top is None:
            duration, frequencies = self.n_samples / self.sampling_rate, Frequencies("mel", 40, self.sampling_rate / 2)
            loudest = (levels(one.sound, frequencies, start=0, end=duration, n_columns=200).max() for one in self.tracks)
            self._top = float(max(loudest))
        return self._top

    def _level_gains(self, revision: int) -> tuple[dict[str, Any], list[Any]] | None:
        """Gains in dB that make all tracks equally loud, or their peaks equal."""
        if self._levels is None:
            measured = [level_of(one.sound) for one in self.tracks]
            loudness, peaks = [one.loudness for one in measured], [one.peak for one in measured]
            self._levels = {mode: matched_gains(loudness, peaks, mode) for mode in ("loudness", "peak")}
        return {"type": "levels", "version": revision, "levels": self._levels}, []

    def _brush(self, asked: dict[str, Any], revision: int) -> tuple[dict[str, Any], list[Any]] | None:
        start, end = max(0.0, float(asked["start"])), float(asked["end"])
        if end - start > _LONGEST_BRUSH:
            raise InputError(f"the region lasts {end - start:.0f} s: expected at most {_LONGEST_BRUSH:g} s; zoom in first")
        first, last = round(start * self.sampling_rate), min(self.n_samples, round(end * self.sampling_rate))
        samples = remix(self.tracks, [float(gain) for gain in asked["gains"]], first, last - first)  # (C, n)
        low, high = float(asked["low"]), float(asked["high"])
        cut = cut_region(
            samples, self.sampling_rate, start=0.0, end=(last - first) / self.sampling_rate, low=low, high=high
        )
        about = {"type": "brush", "start": first, "n": last - first, "low": low, "high": high, "version": revision}
        return _coded(about, cut)

    def _file(self, asked: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        """A track as it is, or all that is heard with its gains, as a WAV."""
        if self.n_samples > _LONGEST_SAVED * self.sampling_rate:
            raise InputError(
                f"the sound lasts {self.n_samples / self.sampling_rate / 60:.0f} min: expected at most "
                f"{_LONGEST_SAVED / 60:g} min to save from here; absslab separate writes sounds of any length"
            )
        gains = [float(gain) for gain in asked["gains"]]
        samples = remix(self.tracks, gains, 0, self.n_samples)
        peak = float(np.abs(samples).max())
        name = "".join(c if c.isalnum() or c in " ._-" else "_" for c in str(asked["name"])).strip(" .") or "sound"
        wav = audio.encode(samples, self.sampling_rate, subtype="PCM_16" if peak <= 1 else "FLOAT")
        return {"type": "file", "name": f"{name}.wav", "mime": "audio/wav"}, [wav]


def _chunking(tracks: Sequence[Track], n_samples: int) -> tuple[int, int]:
    """(samples of a chunk, how many the page keeps); a sound that fits is one chunk."""
    rate = tracks[0].sound.sampling_rate
    per_second = 2 * rate * sum(track.sound.n_channels for track in tracks)  # bytes
    if per_second * n_samples / rate <= BUDGET:
        return n_samples, 1
    seconds = int(np.clip(BUDGET / 8 / per_second, 1, 20))
    return seconds * rate, max(4, int(BUDGET / per_second / seconds))


def _coded(about: dict[str, Any], samples: np.ndarray) -> tuple[dict[str, Any], list[Any]]:
    """Samples (C, n) as int16 and what they are to be multiplied with: a power of two, so that 16-bit sound stays exact."""
    peak = float(np.abs(samples).max(initial=0))
    scale = 2.0 ** np.ceil(np.log2(peak)) if peak > 2**-40 else 2.0**-40
    whole = np.clip(np.round(samples * (32768 / scale)), -32768, 32767).astype("<i2")
    return about | {"channels": len(samples), "scale": float(scale)}, [whole.tobytes()]


@cache
def _colours() -> bytes:
    """Two tables of 256 RGB values: of sound and of masks."""
    import matplotlib

    tables = [matplotlib.colormaps[name](np.arange(256))[:, :3] for name in ("magma", "cividis")]
    return np.round(255 * np.concatenate(tables)).astype(np.uint8).tobytes()
