"""The multitrack player: tracks played in sync, with spectrograms and regions to listen to.

It is one widget and needs no network. Sound and spectrograms go to the page as messages with
buffers, never into traits: a saved notebook holds none of them. Short sounds that are heard are
sent at once; the page asks for all else that it lacks, chunk by chunk, so a sound may have any
length. The messages:

==============  ===================================================================================
the page sends  ready · need {chunks} · tile {track, what, size, axis, start, end} · matched_gains
                mix {gains, mix} · save {name, gains} · brush {number, start, end, low, high, gains}
it receives     tracks {tracks, rate, length, …} · pcm · tile · matched_gains · brush · file
                error {text} · do {command}
==============  ===================================================================================

`version` in `tracks` numbers the tracks together, and is the version of matched gains. Each track
has a version of its own, which its `pcm` and `tile` repeat: what has another version is out of
date. `kept` is how many chunks of each track the page keeps at once, `coming` which tracks are
sent without being asked for.
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
from absslab.widgets.player.mixdown import MixState, mix_tracks
from absslab.widgets.player.playlist import Playlist
from absslab.widgets.player.spectrogram_tiles import (
    AXES,
    Frequencies,
    level_pixels,
    mask_pixels,
    spectrogram_levels,
)
from absslab.widgets.player.tracks import Track, to_one_rate
from absslab.widgets.ui.assets import read_script, read_style
from absslab.widgets.ui.error_line import error_line
from absslab.widgets.ui.main_loop import current_main_loop

_ROWS = {"lane": 40, "large": 160}  # of a tile, by its size
_COLUMNS = {"lane": 500, "large": 1200}
_LONGEST_BRUSH = 120.0  # s
_BRUSH_MARGIN = 0.128  # s of sound around a brushed region that its filter sees
_MAX_CHUNKS = 1000  # that a page may ask for at once
_MAX_SAVED = 60_000_000  # bytes of a file that is saved through the page
_versions = count(1)
Message = tuple[dict[str, Any], list[Any]]  # content and buffers of a message
_log = logging.getLogger("absslab")


class Player(anywidget.AnyWidget):
    """Plays tracks together; show it in a notebook, or as a part of a panel.

    Args:
        tracks: any number, of any lengths and sampling rates. The first one is heard first, and all
            are played at its sampling rate.
        title: a name for the page and for screen readers.

    Raises:
        InputError: if there is no track.
    """

    _esm = read_script("absslab.widgets.player", "player.js")
    _css = read_style("absslab.widgets.player", "player.css")
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(self, tracks: Sequence[Track], *, title: str = ""):
        self._loop = current_main_loop()
        # By name: "sound", "tiles" and "slow", so that sound waits neither for a tile nor for what
        # reads whole tracks.
        self._workers: dict[str, Executor] = {}
        self._is_ready = False  # whether a page shows the player
        self._latest: dict[Any, int] = {}  # number of the latest request of each kind
        self._request_numbers = count()
        self._playlist: Playlist | None = None
        self._load(tracks)
        super().__init__(title=title)
        self.on_msg(self._receive)

    def show(self, tracks: Sequence[Track], *, title: str | None = None) -> None:
        """Play other tracks.

        If they have the names and kinds of the tracks before, the mix stays. If rate, length and
        chunks are the same as well, the sound goes over to them while it plays, and tracks of the
        same sound are not sent again.

        Raises:
            InputError: if there is no track.
        """
        self._load(tracks)
        if title is not None:
            self.title = title
        if self._is_ready:
            self._send_tracks(has_page_before=True)

    @property
    def tracks(self) -> list[Track]:
        """The tracks; none after `close`."""
        return self._playlist.tracks if self._playlist else []

    @property
    def sampling_rate(self) -> int:
        """Sampling rate of all tracks in Hz."""
        return self._playlist.sampling_rate if self._playlist else 0

    @property
    def n_samples(self) -> int:
        """Number of samples of the longest track."""
        return self._playlist.n_samples if self._playlist else 0

    @property
    def mix_state(self) -> MixState:
        """Which tracks are heard, with which gains."""
        return self._mix_state

    def hear(self, *names: str) -> None:
        """Play only these tracks, and silence the others.

        Raises:
            InputError: if a name is unknown.
        """
        numbers = [self._find_track(name) for name in names]
        self._mix_state = MixState.only(self.tracks, numbers)
        self._send_message({"type": "do", "command": "hear", "tracks": numbers})

    def play(self) -> None:
        """Start to play; a browser allows it after a person has clicked on the page."""
        self._send_message({"type": "do", "command": "play"})

    def pause(self) -> None:
        """Stop, and keep the position."""
        self._send_message({"type": "do", "command": "pause"})

    def seek(self, seconds: float) -> None:
        """Go to a position in s."""
        self._send_message({"type": "do", "command": "seek", "seconds": float(seconds)})

    def offer(self, name: str, file_name: str) -> None:
        """Let the browser save a track unchanged.

        Args:
            name: name of the track.
            file_name: without suffix.

        Raises:
            InputError: if the name is unknown.
        """
        gains = [0.0] * len(self.tracks)
        gains[self._find_track(name)] = 1.0
        if self._playlist is not None:
            request = {"gains": gains, "name": file_name}
            self._submit("slow", self._render_file, self._playlist, request)

    def close(self) -> None:
        """Free the sound in the kernel and in the page."""
        for worker in self._workers.values():
            worker.shutdown(wait=False, cancel_futures=True)
        self._is_ready = False
        self._playlist = None
        self.layout.close()
        super().close()

    def _find_track(self, name: str) -> int:
        """Return the number of a track.

        Raises:
            InputError: if the name is unknown.
        """
        known = [track.name for track in self.tracks]
        if name not in known:
            raise InputError(f"there is no track {name!r}: expected {', '.join(known)}")
        return known.index(name)

    def _load(self, tracks: Sequence[Track]) -> None:
        before = self._playlist
        playlist = Playlist(to_one_rate(tracks), next(_versions))
        if before is not None and before.identities == playlist.identities:
            playlist.keep_colours_of(before)  # the colours of the same tracks keep their meaning
            playlist.keep_versions_of(before)
        else:
            self._mix_state = MixState.only(playlist.tracks, [0])
        self._playlist = playlist

    def _send_tracks(self, *, has_page_before: bool = False) -> None:
        """Send a description of the tracks.

        If each track fits into the page as a whole, the tracks that are heard are sent at once.

        Args:
            has_page_before: whether the page got the tracks before these; it keeps the sound of
                those that are the same.
        """
        playlist = self._playlist
        assert playlist is not None
        is_one_chunk = playlist.chunk_length >= playlist.n_samples
        gains = self._mix_state.gains
        heard = [k for k, gain in enumerate(gains) if gain > float("-inf")]
        sent_at_once = heard if is_one_chunk else []
        if has_page_before:
            versions = playlist.track_versions
            sent_at_once = [k for k in sent_at_once if versions[k] == playlist.version]
        descriptions = [
            {
                "name": track.name,
                "kind": track.kind,
                "version": version,
                "has_mask": track.mask is not None,
            }
            for track, version in zip(playlist.tracks, playlist.track_versions, strict=True)
        ]
        content = {
            "type": "tracks",
            "tracks": descriptions,
            "version": playlist.version,
            "rate": playlist.sampling_rate,
            "length": playlist.n_samples,
            "chunk_length": playlist.chunk_length,
            "kept": playlist.n_chunks_kept,
            "coming": sent_at_once,
            "mix": self._mix_state.mix,
        }
        self._send_message(content, [_colour_tables()])
        for track in sent_at_once:
            self._submit("sound", self._encode_chunk, playlist, track, 0)

    def _receive(self, _: Any, content: Mapping[str, Any], buffers: Any) -> None:
        self._loop.call(self._handle, content)

    def _handle(self, content: Mapping[str, Any]) -> None:
        """Handle a message of the page, which may hold anything, and may come after `close`."""
        playlist = self._playlist
        if playlist is None:
            return
        try:
            kind = content["type"]
            if kind == "ready":
                self._is_ready = True
                self._send_tracks()
            elif kind == "need":
                self._submit_chunks(playlist, content)
            elif kind == "tile":
                self._submit_tile(playlist, content)
            elif kind == "matched_gains":
                self._submit("slow", self._match_gains, playlist)
            elif kind == "mix":
                self._mix_state = MixState.from_page(playlist.tracks, content)
            elif kind == "brush":
                number = self._count_request("brush")
                self._submit("sound", self._cut_brush, playlist, dict(content), number)
            elif kind == "save":
                self._submit("slow", self._render_file, playlist, dict(content))
        except (KeyError, TypeError, ValueError) as error:
            _log.debug("a message of the page is not valid: %r", error)

    def _submit_chunks(self, playlist: Playlist, content: Mapping[str, Any]) -> None:
        for track, chunk in content["chunks"][:_MAX_CHUNKS]:
            track_number = playlist.check_track(track)
            chunk_number = playlist.check_chunk(chunk)
            self._submit("sound", self._encode_chunk, playlist, track_number, chunk_number)

    def _submit_tile(self, playlist: Playlist, content: Mapping[str, Any]) -> None:
        content_kind = content["what"]
        size = content["size"]
        axis = content["axis"]
        track = playlist.check_track(content["track"])
        if content_kind not in ("sound", "mask") or size not in _ROWS or axis not in AXES:
            raise ValueError("no such tile")
        stretch = {name: float(content[name]) for name in ("start", "end")}
        key = (track, content_kind, size, axis)
        number = self._count_request(key)
        self._submit("tiles", self._paint_tile, playlist, dict(content) | stretch, number, key)

    def _count_request(self, kind: Any) -> int:
        """Return the number of a new request, which supersedes earlier ones of its kind."""
        self._latest[kind] = next(self._request_numbers)
        return self._latest[kind]

    def _submit(
        self,
        worker: str,
        function: Callable[..., Message | None],
        playlist: Playlist,
        *args: Any,
    ) -> None:
        """Compute a message in a thread and send it, unless other tracks are played by then.

        Args:
            worker: name of the worker thread, which does one task after the other.
            function: makes the message; None if a later request has superseded it.
            playlist: the first argument of the function.
            args: its other arguments.
        """

        def compute() -> None:
            if playlist is not self._playlist:
                return
            try:
                message = function(playlist, *args)
            except Exception as error:
                if not isinstance(error, InputError | OSError):
                    _log.exception("the player failed")
                content = {"type": "error", "text": error_line(error)}
                if function == self._encode_chunk:
                    content |= {"track": args[0], "chunk": args[1]}
                message = content, []
            if message:
                self._loop.call(self._send_message, *message)

        if worker not in self._workers:
            self._workers[worker] = self._loop.make_worker(f"absslab {worker}")
        self._workers[worker].submit(compute)

    def _send_message(self, content: dict[str, Any], buffers: Sequence[Any] = ()) -> None:
        if self._playlist and self.comm is not None:
            self.send(content, list(buffers))

    def _encode_chunk(self, playlist: Playlist, track: int, chunk: int) -> Message:
        first = chunk * playlist.chunk_length
        n_samples = min(playlist.chunk_length, playlist.n_samples - first)
        samples = playlist.tracks[track].sound.read(first, n_samples)  # (C, n)
        version = playlist.track_versions[track]
        content = {"type": "pcm", "track": track, "chunk": chunk, "version": version}
        return _encode_samples(content, samples)

    def _paint_tile(
        self, playlist: Playlist, request: dict[str, Any], number: int, key: Any
    ) -> Message | None:
        if self._latest[key] != number:
            return None
        track = playlist.tracks[int(request["track"])]
        size = str(request["size"])
        start = max(0.0, float(request["start"]))
        end = min(playlist.duration, float(request["end"]))
        if start >= end:
            return None
        frequencies = Frequencies(str(request["axis"]), _ROWS[size], playlist.sampling_rate / 2)
        n_columns = _COLUMNS[size]
        if request["what"] == "mask":
            if track.mask is None:
                return None
            pixels = mask_pixels(track.mask, frequencies, start=start, end=end, n_columns=n_columns)
        else:
            levels = spectrogram_levels(
                track.sound, frequencies, start=start, end=end, n_columns=n_columns
            )  # (R, X)
            pixels = level_pixels(levels, playlist.brightest)
        content = {name: request[name] for name in ("track", "what", "size", "axis")}
        version = playlist.track_versions[int(request["track"])]
        content |= {"type": "tile", "start": start, "end": end, "version": version}
        content |= {"rows": len(pixels), "columns": pixels.shape[1], "top": playlist.brightest}
        return content, [pixels.tobytes()]

    def _match_gains(self, playlist: Playlist) -> Message:
        return {
            "type": "matched_gains",
            "version": playlist.version,
            "gains": playlist.matched_gains,
        }, []

    def _cut_brush(
        self, playlist: Playlist, request: dict[str, Any], number: int
    ) -> Message | None:
        """Cut a region of time and frequency out of the sound that is heard, and fade its ends."""
        if self._latest["brush"] != number:
            return None
        start = max(0.0, float(request["start"]))
        end = float(request["end"])
        if end - start > _LONGEST_BRUSH:
            raise InputError(
                f"the region lasts {end - start:.0f} s: expected at most {_LONGEST_BRUSH:g} s; "
                "zoom in first"
            )
        rate = playlist.sampling_rate
        gains = [float(gain) for gain in request["gains"]]
        first = round(start * rate)
        n_samples = min(playlist.n_samples, round(end * rate)) - first
        margin = round(_BRUSH_MARGIN * rate)
        samples = mix_tracks(
            playlist.tracks, gains, first - margin, n_samples + 2 * margin
        )  # (C, n + 2 margins)
        region = cut_region(
            samples,
            rate,
            start=margin / rate,
            end=(margin + n_samples) / rate,
            low=float(request["low"]),
            high=float(request["high"]),
        )
        content = {
            "type": "brush",
            "number": request["number"],
            "start": first,
            "n": n_samples,
            "version": playlist.version,
        }
        return _encode_samples(content, region[:, margin : margin + n_samples])  # (C, n)

    def _render_file(self, playlist: Playlist, request: dict[str, Any]) -> Message:
        """Render the tracks with gains, a single one unchanged, as a WAV file."""
        gains = [float(gain) for gain in request["gains"]]
        channels = [
            track.sound.n_channels
            for track, gain in zip(playlist.tracks, gains, strict=True)
            if gain
        ]
        bytes_per_second = 2 * max(channels, default=1) * playlist.sampling_rate
        longest = _MAX_SAVED / bytes_per_second  # s
        if playlist.duration > longest:
            raise InputError(
                f"the sound lasts {playlist.duration / 60:.0f} min: "
                f"expected at most {longest / 60:.0f} min to save from here; "
                "absslab separate writes sounds of any length"
            )
        samples = mix_tracks(playlist.tracks, gains, 0, playlist.n_samples)  # (C, N)
        subtype = "PCM_16" if np.abs(samples).max() <= 1 else "FLOAT"
        wav = sound_files.encode(samples, playlist.sampling_rate, subtype=subtype)
        name = _file_name(str(request["name"]))
        return {"type": "file", "name": f"{name}.wav", "mime": "audio/wav"}, [wav]


def _file_name(text: str) -> str:
    letters = [letter if letter.isalnum() or letter in " ._-" else "_" for letter in text]
    return "".join(letters).strip(" .") or "sound"


def _encode_samples(content: dict[str, Any], samples: np.ndarray) -> Message:
    """Encode samples (C, n) as int16 with a common factor, which is added to the content.

    The factor is a power of two, so that 16-bit sound stays exact.
    """
    peak = float(np.abs(samples).max(initial=0))
    scale = 2.0 ** np.ceil(np.log2(peak)) if peak > 2**-40 else 2.0**-40
    integers = np.clip(np.round(samples * (32768 / scale)), -32768, 32767).astype("<i2")
    return content | {"channels": len(samples), "scale": float(scale)}, [integers.tobytes()]


@cache
def _colour_tables() -> bytes:
    """Return two tables of 256 RGB colours: for sounds and for masks."""
    import matplotlib

    tables = [matplotlib.colormaps[name](np.arange(256))[:, :3] for name in ("magma", "cividis")]
    return np.round(255 * np.concatenate(tables)).astype(np.uint8).tobytes()
