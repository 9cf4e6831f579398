"""Clips of videos: their names begin with that of the video, as in Y<video>_30.000.wav."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from absslab.core.data.audio_finder import list_audio

_VIDEO = re.compile(r"^Y?([\w-]{11})(?=_\d|\.|$)")  # the video in the name of a clip


def video_of(path: Path) -> str:
    """Return the video that a clip is called after; empty if it is called otherwise."""
    match = _VIDEO.match(path.name)
    return match[1] if match else ""


def index_videos(folder: Path) -> dict[str, list[Path]]:
    """Return the sound files below a folder by the video that their name begins with."""
    by_video: dict[str, list[Path]] = {}
    for name in sorted(list_audio(folder)):
        path = folder / name
        stem = path.stem
        for video in {stem[:11], stem[1:12] if stem.startswith("Y") else ""}:
            by_video.setdefault(video, []).append(path)
    return by_video


def find_clip(by_video: Mapping[str, Sequence[Path]], video: str, start: str) -> Path | None:
    """Find the file of a clip: called after the video, or the video and the clip's beginning."""
    try:
        seconds = float(start)
    except ValueError:
        return None
    numbers = {f"{seconds:.3f}", f"{seconds:.1f}", f"{seconds:g}", f"{seconds * 1000:.0f}"}
    plain = None
    for path in by_video.get(video, ()):
        for prefix in (video, f"Y{video}"):
            if not path.stem.startswith(prefix):
                continue
            rest = path.stem[len(prefix) :]
            if rest.lstrip("_-").partition("_")[0] in numbers:
                return path
            if not rest:
                plain = path
    return plain
