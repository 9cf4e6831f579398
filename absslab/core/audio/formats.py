"""Which files are sounds, by the suffixes of their names.

What is in a file is told by its content; a suffix only tells whether a file in a folder is meant.
"""

from importlib.util import find_spec
from pathlib import Path

# libsndfile reads these, on every installation.
_PLAIN_SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aiff",
    ".aif",
    ".aifc",
    ".caf",
    ".w64",
    ".rf64",
    ".au",
    ".snd",
    ".xi",
    ".wave",
)
# PyAV reads these: what phones, browsers and cameras record.
_EXTRA_SUFFIXES = (
    ".m4a",
    ".m4b",
    ".aac",
    ".mp4",
    ".m4v",
    ".mov",
    ".webm",
    ".weba",
    ".mkv",
    ".mka",
    ".3gp",
    ".3g2",
    ".amr",
    ".wma",
    ".wmv",
    ".asf",
    ".avi",
    ".ac3",
    ".eac3",
    ".mp2",
    ".mpg",
    ".mpeg",
    ".mts",
    ".m2ts",
    ".ogv",
    ".spx",
    ".wv",
    ".ape",
    ".tta",
)
SUFFIXES = _PLAIN_SUFFIXES + _EXTRA_SUFFIXES
KINDS = ".wav, .flac, .ogg, .opus, .mp3, .m4a, .webm, .aiff, .caf and others"  # in messages
INSTALL_HINT = "pip install 'absslab[formats]'"


def is_audio(path: str | Path) -> bool:
    """Tell whether a file has the suffix of a sound or a video, and is not hidden.

    Files that only the extra `formats` can read count too, so that they are named rather than
    passed over where it is not installed.

    Examples:
        >>> is_audio("memo.m4a"), is_audio("notes.txt"), is_audio(".memo.wav")
        (True, False, False)
    """
    path = Path(path)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def has_extra_formats() -> bool:
    """Tell whether the decoder of the extra `formats` is installed."""
    return find_spec("av") is not None


def readable_suffixes() -> tuple[str, ...]:
    """Return the suffixes of files that can be read on this installation."""
    return SUFFIXES if has_extra_formats() else _PLAIN_SUFFIXES


def readable_kinds() -> str:
    """Return a few of the suffixes that can be read on this installation, for a person."""
    return KINDS if has_extra_formats() else ".wav, .flac, .ogg, .opus, .mp3, .aiff, .caf"
