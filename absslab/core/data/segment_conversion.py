"""Convert AudioSet segments of the thesis to a folder of weakly labelled recordings.

The thesis split these segments without looking at the recordings that they were cut from, so that
most recordings were on both sides. Where names tell the recording (as a video's identifier), it is
kept as the origin, and a split that divides recordings is left out: a training then draws its own.

Axes: F STFT bins, T frames, W samples of a window, N samples.
"""

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.audio.sampling_rates import check_rate
from absslab.core.audio.stft import WINDOWS
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError, InputWarning, describe_value, escape_braces
from absslab.core.common.files import check_output_folder, replace_folder, temporary_sibling
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.class_names import check_class_names, file_stem, normalise
from absslab.core.data.segment_files import Segment, SegmentFolder
from absslab.core.data.video_clips import video_of
from absslab.core.data.weak_labels import MULTI_HOT_FILE

_SUFFIXES = (".wav", ".flac", ".mp3", ".npy", ".h5", ".hdf5")  # of names; others are part of them
_FROM_MS = {  # what the files call the settings that they give in ms
    "window_length": "STFT_frame_width_ms",
    "hop_length": "STFT_frame_shift_ms",
}
_NAMES = {"sampling_rate": "sampling_rate", "window": "STFT_window_function", **_FROM_MS}
_PACKED = {"sampling_rate": 16000, "window_length": 0.064, "hop_length": 0.032, "window": "hamming"}
_SINGLE = {"sampling_rate": 16000, "window_length": 0.010, "hop_length": 0.005, "window": "hann"}
_HIGHEST_PEAK = 1.001  # with what rounding adds
_SMALLEST = 1e-8  # sum of squared windows that a sample is divided by


@dataclass(frozen=True)
class SegmentsConfig(Config):
    """How the spectra of segments were computed; by default as their config.json says."""

    classes: tuple[str, ...] = option(
        (), "names of the classes in the order of the labels, if no file says them", metavar="NAME"
    )
    sampling_rate: int | None = option(None, "of the recordings", unit="Hz", above=0)
    window_length: float | None = option(None, "length of the STFT's window", unit="s", above=0)
    hop_length: float | None = option(None, "distance between frames", unit="s", above=0)
    window: str | None = option(None, "the STFT's window", choices=WINDOWS)
    full_scale: float | None = option(
        None,
        "the number that was full scale in the samples of the spectra, by which these are divided: "
        "32768 for whole numbers of 16 bits; by default 1, or the range of the spectra's own type "
        "where they are whole numbers",
        at_least=1e-6,
        at_most=1e10,
    )


class ConvertedSegments(NamedTuple):
    """What was written."""

    n_segments: int
    classes: list[str]
    has_split: bool


class _WrittenSegment(NamedTuple):
    filename: str
    origin: str
    segment: Segment
    peak: float  # of its samples


def convert_segments(
    folder: str | Path, output: str | Path, config: SegmentsConfig = SegmentsConfig()
) -> Steps[ConvertedSegments]:
    """Write the segments of a folder as sound files with a table of weak labels, whole or not.

    Args:
        folder: of the segments.
        output: the new folder.
        config: how the spectra were computed.

    Yields:
        how many segments are written; their number is not known before the end.

    Raises:
        InputError: the folder has another layout, a file is cut short or does not fit the others,
            or something is in the place of the new folder.
    """
    output = Path(output)
    check_output_folder(output, "OUTPUT")
    if output.is_dir() and any(output.iterdir()):
        raise InputError("{path} is not empty: choose a new folder", path=output)
    opened = SegmentFolder.open(Path(folder))
    classes = [normalise(name) for name in opened.classes(config.classes)]
    check_class_names(classes, opened.path)
    if len(set(classes)) < len(classes):
        raise InputError("{path} has a class twice: expected different names", path=opened.path)
    inverse = _InverseSTFT.of(_choose_settings(config, opened), is_scaled=opened.is_packed)
    unfinished = temporary_sibling(output)
    unfinished.mkdir(parents=True)
    try:
        written: list[_WrittenSegment] = []
        taken: set[str] = set()
        for segment in opened.segments(classes):
            yield Progress(len(written), 0)
            filename = _choose_filename(segment.name, taken)
            samples = inverse(segment.read()) / np.float32(config.full_scale or segment.full_scale)
            sound_files.save(unfinished / filename, samples, inverse.sampling_rate, subtype="FLOAT")
            peak = float(np.abs(samples).max(initial=0))
            written.append(_WrittenSegment(filename, _origin_of(segment.name), segment, peak))
        if not written:
            raise InputError("{path} holds no segments", path=opened.path)
        _tell_loudest(written)
        has_split = _keeps_origins_together(written)
        _write_table(unfinished / MULTI_HOT_FILE, written, classes, has_split=has_split)
        replace_folder(output, unfinished)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    yield Progress(len(written), len(written))
    return ConvertedSegments(len(written), classes, has_split)


def _choose_settings(config: SegmentsConfig, folder: SegmentFolder) -> dict[str, Any]:
    """Return how spectra were computed: as flags say, else as the folder says, else by default."""
    settings: dict[str, Any] = dict(_PACKED if folder.is_packed else _SINGLE)
    for name, stored_name in _NAMES.items():
        given = getattr(config, name)
        stored = _read_setting(folder.settings, name, stored_name, folder.path)
        if given is not None and stored not in (None, given):
            give_notice(
                InputWarning(
                    f"{name} is {given}, as given; the settings in {{path}} say {stored}",
                    path=folder.path,
                )
            )
        chosen = stored if given is None else given
        if chosen is not None:
            settings[name] = chosen
    return settings


def _read_setting(settings: Mapping[str, Any], name: str, stored_name: str, path: Path) -> Any:
    value = settings.get(stored_name)
    if value is None:
        return None
    is_right = value in WINDOWS if name == "window" else _is_positive(value)
    if not is_right:
        expected = f"one of {', '.join(WINDOWS)}" if name == "window" else "a number above 0"
        raise InputError(
            f"the settings in {{path}} have {stored_name} {describe_value(value)}: expected "
            f"{expected}; pass --{name}",
            path=path,
        )
    if name == "sampling_rate":
        return int(value)
    return value / 1000 if name in _FROM_MS else value


def _is_positive(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value < np.inf  # type: ignore[operator]


@dataclass(frozen=True)
class _InverseSTFT:
    """The inverse of an STFT without frames beyond the borders: weighted overlap and add.

    Args:
        window: (W,).
        hop: samples.
        sampling_rate: Hz.
        scale: number by which spectra were divided.
    """

    window: np.ndarray
    hop: int
    sampling_rate: int
    scale: float

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, is_scaled: bool) -> "_InverseSTFT":
        """Make the inverse of the STFT that settings describe.

        Args:
            settings: sampling rate, window and hop.
            is_scaled: spectra were divided by the sum of the window, as SciPy's are.
        """
        rate = check_rate(settings["sampling_rate"])
        n_window = round(settings["window_length"] * rate)
        hop = round(settings["hop_length"] * rate)
        if not 1 <= hop <= n_window:
            raise InputError(
                f"the window has {n_window} samples and the hop {hop}: expected a hop of at least "
                "1 sample that is no longer than the window"
            )
        window = WINDOWS[settings["window"]](n_window).double().numpy()
        return cls(window, hop, rate, float(window.sum()) if is_scaled else 1.0)

    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the waveform whose frames are nearest to those of a spectrum.

        Shape:
            complex (F, T) → (N,).

        Raises:
            InputError: the spectrum has too few bins for the window.

        Source:
            Griffin, Lim, Signal estimation from modified short-time Fourier transform, 1984, eq. 6.
        """
        n_bins, n_frames = spectrum.shape
        n_window = len(self.window)
        if n_window > 2 * (n_bins - 1):
            raise InputError(
                f"a spectrum has {n_bins} bins, too few for a window of {n_window} samples: pass "
                "the --sampling_rate and --window_length that it was computed with"
            )
        frames = self.scale * np.fft.irfft(spectrum.T)  # (T, 2 (F − 1))
        # Shorter windows stand at the beginning of a frame, or in its middle.
        middle = (frames.shape[1] - n_window) // 2
        parts = [frames[:, start : start + n_window] for start in (0, middle)]
        frames = max(parts, key=lambda part: float(np.square(part).sum()))  # (T, W)
        total = np.zeros((n_frames - 1) * self.hop + n_window)
        weights = np.zeros_like(total)
        for number, frame in enumerate(frames):
            place = slice(number * self.hop, number * self.hop + n_window)
            total[place] += self.window * frame
            weights[place] += self.window**2
        samples = np.where(weights > _SMALLEST, total / np.maximum(weights, _SMALLEST), 0.0)
        return samples.astype(np.float32)


def _plain_name(name: str) -> str:
    """Return the name of a segment without folders and without the suffix of a file."""
    plain = name.replace("\\", "/").rpartition("/")[2]
    suffix = next((end for end in _SUFFIXES if plain.lower().endswith(end)), "")
    return plain[: len(plain) - len(suffix)]


def _origin_of(name: str) -> str:
    """Return the recording that a segment was cut from, as far as its name tells it."""
    plain = _plain_name(name)
    video = video_of(Path(plain))
    return f"youtube {video}" if video else plain


def _choose_filename(name: str, taken: set[str]) -> str:
    """Return a name of a sound file that no other segment has yet."""
    stem = file_stem(normalise(_plain_name(name)) or "segment")
    chosen = stem
    number = 1
    while chosen.casefold() in taken:
        number += 1
        chosen = f"{stem}_{number}"
    taken.add(chosen.casefold())
    return f"{chosen}.wav"


def _tell_loudest(written: list[_WrittenSegment]) -> None:
    """Say it if samples are beyond full scale: the spectra may be those of whole numbers."""
    n_loud = sum(item.peak > _HIGHEST_PEAK for item in written)
    if n_loud:
        loudest = max(written, key=lambda item: item.peak)
        give_notice(
            InputWarning(
                f"samples of {n_loud} of {len(written)} segments are outside of −1 to 1, up to "
                f"{loudest.peak:.4g} in {escape_braces(loudest.segment.name)} of {{path}}: they "
                "are written as they are; if their spectra are those of whole numbers, pass "
                "--full_scale, such as 32768 for 16 bits",
                path=loudest.segment.path,
            )
        )


def _keeps_origins_together(written: list[_WrittenSegment]) -> bool:
    """Tell whether no recording has segments in two splits, and say how many have."""
    splits: dict[str, set[str]] = {}
    for item in written:
        splits.setdefault(item.origin, set()).add(item.segment.split)
    n_divided = sum(len(of_origin) > 1 for of_origin in splits.values())
    if n_divided:
        give_notice(
            InputWarning(
                f"{n_divided} of {len(splits)} recordings have segments in several splits: the "
                "splits are not kept, and a training draws others, by recording"
            )
        )
    return not n_divided


def _write_table(
    path: Path, written: list[_WrittenSegment], classes: list[str], *, has_split: bool
) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", *(["split"] if has_split else []), "origin", *classes])
        for item in written:
            split = [item.segment.split] if has_split else []
            labels = [int(name in item.segment.labels) for name in classes]
            writer.writerow([item.filename, *split, item.origin, *labels])
