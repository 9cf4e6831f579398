"""The player: tracks on one clock, seen, heard, cut out in time and frequency; one widget, without network.

Sound and pictures go to the page as messages with buffers, never into traits: a saved notebook holds none of it. The page
asks for what it lacks, chunk by chunk; so the length of a sound is no matter. What the two say to each other:

=========  ===========================================================================================================
page says  ready · need {chunks} · picture {track, what, start, end, …} · levels · heard {gains, mix} · save {name, gains}
           brush {number, start, end, low, high, gains}
it hears   tracks {tracks, rate, length, chunk, …} · pcm · picture · levels · brush · file · error · do {command}
=========  ===========================================================================================================
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import cache
from itertools import count
from typing import Any

import anywidget
import numpy as np
import traitlets

from absslab.core.audio import sound_files
from absslab.core.audio.region import cut_region
from absslab.core.common.errors import InputError
from absslab.widgets.player.mixdown import MixState, remix
from absslab.widgets.player.playlist import Playlist
from absslab.widgets.player.spectrogram_tiles import (
    AXES,
    Frequencies,
    levels,
    mask_picture,
    picture,
)
from absslab.widgets.player.tracks import Track, alike
from absslab.widgets.ui.assets import read_script, read_style
from absslab.widgets.ui.error_line import error_line
from absslab.widgets.ui.main_loop import current_main_loop

_ROWS = {"lane": 40, "large": 160}  # of pictures
_COLUMNS = {"lane": 500, "large": 1200}
_LONGEST_BRUSH = 120.0  # s
_MOST_CHUNKS = 1000  # that a page may ask for at once
_MOST_SAVED = 60_000_000  # bytes of a file that goes through the page
_AROUND = 0.128  # s that a brush sees around its region
_versions = count(1)
Answer = tuple[dict[str, Any], list[Any]]  # content and buffers of a message
_log = logging.getLogger("absslab")


class Player(anywidget.AnyWidget):
    """Tracks to listen to together; show it in a notebook, or as a part of a panel.

    Args:
        tracks: any number of them, of any lengths and sampling rates; the first is heard first, and its rate is theirs.
        title: what is played, for the page and for screen readers.

    Raises:
        InputError: no track.
    """

    _esm = read_script("absslab.widgets.player", "player.js")
    _css = read_style("absslab.widgets.player", "player.css")
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(self, tracks: Sequence[Track], *, title: str = ""):
        self._loop = current_main_loop()
        self._workers: dict[
            str, Executor
        ] = {}  # of sound, and of what takes long: that does not wait for this
        self._is_ready = False
        self._newest: dict[Any, int] = {}  # wishes that are superseded by later ones of their kind
        self._wishes = count()
        self._shown: Playlist | None = None
        self._set(tracks)
        super().__init__(title=title)
        self.on_msg(self._receive)

    def show(self, tracks: Sequence[Track], *, title: str | None = None) -> None:
        """Play other tracks. Where they have the names of those before, what is heard stays.

        If they are as long as well, the sound goes over to them while it plays.

        Raises:
            InputError: no track.
        """
        self._set(tracks)
        if title is not None:
            self.title = title
        if self._is_ready:
            self._introduce()

    @property
    def tracks(self) -> list[Track]:
        """What is played; nothing after `close`."""
        return self._shown.tracks if self._shown else []

    @property
    def sampling_rate(self) -> int:
        """Of all tracks, Hz."""
        return self._shown.sampling_rate if self._shown else 0

    @property
    def n_samples(self) -> int:
        """Of the longest track."""
        return self._shown.n_samples if self._shown else 0

    @property
    def heard(self) -> MixState:
        """What is heard: which tracks, with which gains."""
        return self._heard

    def hear(self, *names: str) -> None:
        """Hear only these tracks.

        Raises:
            InputError: an unknown name.
        """
        self._heard = MixState.only(self.tracks, [self._number(name) for name in names])
        self._tell({"type": "do", "command": "hear", "tracks": self._heard.mix["solo"]})

    def play(self) -> None:
        """Begin to play; browsers allow it after a person has clicked somewhere on the page."""
        self._tell({"type": "do", "command": "play"})

    def pause(self) -> None:
        """Stop, and stay there."""
        self._tell({"type": "do", "command": "pause"})

    def seek(self, seconds: float) -> None:
        """Go to an instant."""
        self._tell({"type": "do", "command": "seek", "seconds": float(seconds)})

    def offer(self, name: str, file_name: str) -> None:
        """Let the browser save a track, as it is.

        Args:
            name: of the track.
            file_name: without suffix.

        Raises:
            InputError: an unknown name.
        """
        gains = [0.0] * len(self.tracks)
        gains[self._number(name)] = 1.0
        if self._shown is not None:
            self._do("levels", self._file, self._shown, {"gains": gains, "name": file_name})

    def close(self) -> None:
        """Free the sound here and in the page."""
        for worker in self._workers.values():
            worker.shutdown(wait=False, cancel_futures=True)
        self._is_ready, self._shown = False, None
        self.layout.close()
        super().close()

    def _number(self, name: str) -> int:
        """Of a track.

        Raises:
            InputError: there is none of this name.
        """
        known = [track.name for track in self.tracks]
        if name not in known:
            raise InputError(f"there is no track {name!r}: expected {', '.join(known)}")
        return known.index(name)

    def _set(self, tracks: Sequence[Track]) -> None:
        before, shown = self._shown, Playlist(alike(tracks), next(_versions))
        if before is not None and before.names == shown.names:
            shown.top = before.top  # of the same tracks the colours keep their meaning
        else:
            self._heard = MixState.only(shown.tracks, [0])
        self._shown = shown

    def _introduce(self) -> None:
        """Say what there is to play; of a sound that fits into the page as a whole send what is heard at once."""
        shown = self._shown
        assert shown is not None
        is_whole = shown.chunk >= shown.n_samples
        at_once = (
            [k for k, gain in enumerate(self._heard.gains) if gain > float("-inf")]
            if is_whole
            else []
        )
        about = [
            {
                "name": one.name,
                "kind": one.kind,
                "version": shown.version,
                "has_mask": one.mask is not None,
            }
            for one in shown.tracks
        ]
        self._tell(
            {
                "type": "tracks", "tracks": about, "rate": shown.sampling_rate, "length": shown.n_samples,
                "chunk": shown.chunk, "kept": shown.n_kept, "coming": at_once, "mix": self._heard.mix,
            },
            [_colours()],
        )  # fmt: skip
        for track in at_once:
            self._do("sound", self._pcm, shown, track, 0)

    def _receive(self, _: Any, content: Mapping[str, Any], buffers: Any) -> None:
        self._loop.call(self._answer, content)

    def _answer(self, content: Mapping[str, Any]) -> None:
        """What the page says; it may be anything, and come after the end."""
        shown = self._shown
        if shown is None:
            return
        try:
            kind = content["type"]
            if kind == "ready":
                self._is_ready = True
                self._introduce()
            elif kind == "need":
                for track, chunk in content["chunks"][:_MOST_CHUNKS]:
                    self._do(
                        "sound", self._pcm, shown, shown.number(track), shown.chunk_number(chunk)
                    )
            elif kind == "picture":
                key = (
                    shown.number(content["track"]),
                    *(content[name] for name in ("what", "size", "axis")),
                )
                if (
                    content["what"] not in ("sound", "mask")
                    or content["size"] not in _ROWS
                    or content["axis"] not in AXES
                ):
                    raise ValueError("no such picture")
                asked = dict(content) | {name: float(content[name]) for name in ("start", "end")}
                self._do("pictures", self._picture, shown, asked, self._wish(key), key)
            elif kind == "levels":
                self._do("levels", self._level_gains, shown)
            elif kind == "heard":
                self._heard = MixState.from_page(shown.tracks, content)
            elif kind == "brush":
                self._do("sound", self._brush, shown, dict(content), self._wish("brush"))
            elif kind == "save":
                self._do("levels", self._file, shown, dict(content))
        except (KeyError, TypeError, ValueError) as error:
            _log.debug("a message of the page is not understood: %r", error)

    def _wish(self, key: Any) -> int:
        self._newest[key] = next(self._wishes)
        return self._newest[key]

    def _do(
        self, worker: str, function: Callable[..., Answer | None], shown: Playlist, *args: Any
    ) -> None:
        """Compute an answer beside the loop and send it, unless something else is played by then.

        Args:
            worker: whose other work it waits for.
            function, args: what makes the answer; None where it is superseded.
            shown: what is played now.
        """

        def answer() -> None:
            if shown is not self._shown:
                return
            try:
                found = function(shown, *args)
            except Exception as error:
                if not isinstance(error, InputError | OSError):
                    _log.exception("the player failed")
                place = {"track": args[0], "chunk": args[1]} if function == self._pcm else {}
                found = {"type": "error", "text": error_line(error)} | place, []
            if found:
                self._loop.call(self._tell, *found)

        if worker not in self._workers:
            self._workers[worker] = self._loop.make_worker(f"absslab {worker}")
        self._workers[worker].submit(answer)

    def _tell(self, content: dict[str, Any], buffers: Sequence[Any] = ()) -> None:
        if self._shown and self.comm is not None:
            self.send(content, list(buffers))

    def _pcm(self, shown: Playlist, track: int, chunk: int) -> Answer:
        n = min(shown.chunk, shown.n_samples - chunk * shown.chunk)
        samples = shown.tracks[track].sound.read(chunk * shown.chunk, n)  # (C, n)
        return _coded(
            {"type": "pcm", "track": track, "chunk": chunk, "version": shown.version}, samples
        )

    def _picture(
        self, shown: Playlist, asked: dict[str, Any], wish: int, key: Any
    ) -> Answer | None:
        if self._newest[key] != wish:
            return None
        track, size = shown.tracks[int(asked["track"])], str(asked["size"])
        start, end = max(0.0, float(asked["start"])), min(shown.duration, float(asked["end"]))
        frequencies = Frequencies(str(asked["axis"]), _ROWS[size], shown.sampling_rate / 2)
        if start >= end:
            return None
        if asked["what"] == "mask":
            if track.mask is None:
                return None
            pixels = mask_picture(
                track.mask, frequencies, start=start, end=end, n_columns=_COLUMNS[size]
            )
        else:
            level = levels(track.sound, frequencies, start=start, end=end, n_columns=_COLUMNS[size])
            pixels = picture(level, shown.brightest)
        about = {name: asked[name] for name in ("track", "what", "size", "axis")}
        about |= {"type": "picture", "start": start, "end": end, "version": shown.version}
        about |= {"rows": len(pixels), "columns": pixels.shape[1], "top": shown.brightest}
        return about, [pixels.tobytes()]

    def _level_gains(self, shown: Playlist) -> Answer:
        return {"type": "levels", "version": shown.version, "levels": shown.level_gains}, []

    def _brush(self, shown: Playlist, asked: dict[str, Any], wish: int) -> Answer | None:
        """What is heard of a region of time and frequency, faded at its ends."""
        if self._newest["brush"] != wish:
            return None
        start, end = max(0.0, float(asked["start"])), float(asked["end"])
        if end - start > _LONGEST_BRUSH:
            raise InputError(
                f"the region lasts {end - start:.0f} s: expected at most {_LONGEST_BRUSH:g} s; zoom in first"
            )
        rate, gains = shown.sampling_rate, [float(gain) for gain in asked["gains"]]
        first, last = round(start * rate), min(shown.n_samples, round(end * rate))
        around = round(_AROUND * rate)
        samples = remix(shown.tracks, gains, first - around, last - first + 2 * around)  # (C, n)
        low, high = float(asked["low"]), float(asked["high"])
        cut = cut_region(
            samples,
            rate,
            start=around / rate,
            end=(around + last - first) / rate,
            low=low,
            high=high,
        )
        about = {
            "type": "brush",
            "number": asked["number"],
            "start": first,
            "n": last - first,
            "version": shown.version,
        }
        return _coded(about, cut[:, around : around + last - first])

    def _file(self, shown: Playlist, asked: dict[str, Any]) -> Answer:
        """A track as it is, or all that is heard with its gains, as a WAV."""
        gains = [float(gain) for gain in asked["gains"]]
        n_channels = max(
            (one.sound.n_channels for one, gain in zip(shown.tracks, gains, strict=True) if gain),
            default=1,
        )
        longest = _MOST_SAVED / (2 * n_channels * shown.sampling_rate)  # s
        if shown.duration > longest:
            raise InputError(
                f"the sound lasts {shown.duration / 60:.0f} min: expected at most {longest / 60:.0f} min to save from "
                "here; absslab separate writes sounds of any length"
            )
        samples = remix(shown.tracks, gains, 0, shown.n_samples)
        name = (
            "".join(c if c.isalnum() or c in " ._-" else "_" for c in str(asked["name"])).strip(
                " ."
            )
            or "sound"
        )
        wav = sound_files.encode(
            samples,
            shown.sampling_rate,
            subtype="PCM_16" if np.abs(samples).max() <= 1 else "FLOAT",
        )
        return {"type": "file", "name": f"{name}.wav", "mime": "audio/wav"}, [wav]


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
