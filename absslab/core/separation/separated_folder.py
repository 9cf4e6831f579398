"""What separating a file leaves on disk.

::

    S/<stem of the file>/speech.wav …   a source per class, at the input's rate, channels and length
                         residual.wav   what no class took: Σ sources + residual = input
                         remix.wav      the classes that were asked to be kept, or all with the gains asked for
                         events.tsv     filename onset offset event_label

Axes: K classes, C channels, N samples, T frames.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.config import Config, option, suggest_nearest
from absslab.core.common.errors import InputError
from absslab.core.common.files import remove_unfinished, temporary_sibling
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.recordings import audio_files
from absslab.core.data.strong_labels import write_events
from absslab.core.separation.detection import DetectionConfig, find_events, frame_activity
from absslab.core.separation.segmentation import Segment
from absslab.core.separation.separator import Separator
from absslab.core.separation.settings import check_gains, gains_that_keep, remix

_SUBTYPES = {
    "PCM_U8": "PCM_16",
    "PCM_S8": "PCM_16",
    "PCM_16": "PCM_16",
    "PCM_24": "PCM_24",
}  # others: FLOAT


@dataclass(frozen=True)
class SeparatedFolderConfig(Config):
    """What is separated, and where it goes."""

    checkpoint_path: str = option("", "the model, as absslab train writes it")
    input: tuple[str, ...] = option(
        (), "sound files, or folders of them (not what lies in their sub-folders)"
    )
    output_folder: str = option("", "a folder per file is written in it")
    keep: tuple[str, ...] = option((), "also write remix.wav: the sum of just these classes")
    gains: tuple[str, ...] = option(
        (),
        "also write remix.wav: sources and residual, some louder or softer, as in speech=-6 residual=-inf",
        unit="dB",
    )
    settings: str = option(
        "",
        "JSON file of settings of the masks and of gains, as saved while listening; flags go before it",
    )
    device: str = option("auto", "auto: a GPU if there is one; cpu, cuda, cuda:1, …")


def find_inputs(inputs: Sequence[str], output_folder: str | Path = "") -> list[Path]:
    """The files that were named, and those in the folders that were named.

    Raises:
        InputError: nothing there, a folder without audio, two files that would write to the same folder, a file that is
            corrupt, cut short, silent or holds NaN.
    """
    files: list[Path] = []
    if Path(output_folder).is_file():
        raise InputError(f"{output_folder} is a file: expected a folder to write to")
    for name in inputs:
        path = Path(name)
        if path.is_dir() and not audio_files(path):
            raise InputError(
                f"{path} holds no sound file: expected {', '.join(sound_files.SUFFIXES)}"
            )
        if path.is_dir() and path.resolve() == Path(output_folder).resolve():
            raise InputError(
                f"{path} is both input and output_folder: choose another folder to write to"
            )
        files += audio_files(path) if path.is_dir() else [path]
    by_stem: dict[str, Path] = {}
    for path in files:
        sound_files.check(path)
        if path.stem in by_stem:
            raise InputError(
                f"{path} and {by_stem[path.stem]} would both write to {path.stem}/: separate them apart"
            )
        by_stem[path.stem] = path
    return files


def check_remix(keep: Sequence[str], gains: Mapping[str, float], classes: Sequence[str]) -> None:
    """See that one thing at most is said of the remix, and that it speaks of the model's classes.

    Raises:
        InputError: it does not.
    """
    if keep and gains:
        raise InputError(
            "keep and gains (or the settings' gains) both say what remix.wav holds: give one of them"
        )
    for name in keep:
        if name not in classes:
            raise InputError(f"the model knows no class {name!r}{suggest_nearest(name, classes)}")
    check_gains(gains, classes)


def separate_file(
    separator: Separator,
    path: str | Path,
    output_folder: str | Path,
    *,
    keep: Sequence[str] = (),
    gains: Mapping[str, float] | None = None,
    detection: DetectionConfig = DetectionConfig(),
) -> Steps[None]:
    """Separate a file of any length, rate and channel count; memory hardly grows with its length.

    Args:
        separator: the model.
        path: a sound file.
        output_folder: a folder named after the file appears in it, whole or not at all, in place of one that was written
            there before.
        keep: classes whose sum becomes remix.wav.
        gains: dB by class, or "residual", of the sum of all that becomes remix.wav instead; what is not named stays. It is
            written as floats: gains may lead beyond full scale.
        detection: how events are found.

    Yields:
        how many samples are done.

    Raises:
        InputError: a file that can't be used, an unknown class, both keep and gains, a folder of that name that is not
            ours, too little space.
        OSError: the folder can't be written, the disk is full.
    """
    path, folder = Path(path), Path(output_folder) / Path(path).stem
    gains = gains or {}
    check_remix(keep, gains, separator.classes)
    in_remix = gains_that_keep(keep, separator.classes) if keep else gains
    about = sound_files.check(path)
    _refuse_foreign(folder, path)
    subtype = _SUBTYPES.get(about.subtype, "FLOAT")
    subtypes = dict.fromkeys([*separator.classes, "residual"], subtype)
    if in_remix:
        subtypes["remix"] = "FLOAT" if gains else subtype
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder.parent, below=False)
    _check_space(folder.parent, about, subtypes.values())
    unfinished, writers = temporary_sibling(folder), []
    activity: list[np.ndarray] = []
    try:
        for name, kind in subtypes.items():
            target = unfinished / f"{name}.wav"
            writers.append(
                sound_files.WavWriter(
                    target, about.sampling_rate, about.n_channels, about.n_samples, kind
                )
            )
        done = 0
        for part in separator.stream(
            sound_files.read_blocks(path), about.sampling_rate, about.n_samples
        ):
            for writer, samples in zip(
                writers, _outputs(part, separator.classes, in_remix, subtype), strict=True
            ):
                writer.write(samples)
            activity.append(
                frame_activity(part.masks, part.power, part.probabilities, detection)
            )  # (K, t)
            done += part.mixture.shape[1]
            yield Progress(done, about.n_samples)
        for writer in writers:
            writer.close()
        events = find_events(
            np.concatenate(activity, 1),
            separator.hop,
            separator.classes,
            detection,
            length=about.duration,
        )
        rows = [(path.name, one.onset, one.offset, one.event_label) for one in events]
        write_events(unfinished / "events.tsv", rows)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        for writer in writers:
            writer.discard()
        shutil.rmtree(unfinished, ignore_errors=True)


def _refuse_foreign(folder: Path, path: Path) -> None:
    """See that nothing is lost when a folder takes the place of the one there."""
    if folder.resolve() == path.resolve().parent:
        raise InputError(
            f"{path} lies in {folder}, which would be written: choose another output_folder"
        )
    if not folder.exists():
        return
    if not folder.is_dir() or any(
        one.name != "events.tsv" and one.suffix != ".wav" for one in folder.iterdir()
    ):
        raise InputError(
            f"{folder} is there and was not written by absslab separate: choose another output_folder"
        )
    if any(folder.iterdir()) and not {"residual.wav", "events.tsv"} <= {
        one.name for one in folder.iterdir()
    }:
        raise InputError(
            f"{folder} is there and was not written by absslab separate: choose another output_folder"
        )


def _outputs(
    part: Segment, classes: list[str], gains: Mapping[str, float], subtype: str
) -> list[np.ndarray]:
    """Sources, residual and remix (C, n) of a part, rounded first: so the sum is exact on disk as well.

    Of a loud recording the residual may exceed full scale. What would be cut off goes back to the source that is furthest
    on the other side, whose samples it only makes smaller.
    """
    sources = np.stack(
        [sound_files.quantise(source, subtype) for source in part.sources]
    )  # (K, C, n)
    residual = part.mixture - sources.sum(0)  # (C, n)
    excess = (
        residual - sound_files.quantise(residual, subtype) if subtype != "FLOAT" else np.zeros(1)
    )
    if excess.any():
        furthest = np.argmin(sources * np.sign(excess), axis=0)[None]  # (1, C, n)
        np.put_along_axis(sources, furthest, np.take_along_axis(sources, furthest, 0) + excess, 0)
        residual = residual - excess
    return [*sources, residual, *([remix(sources, residual, classes, gains)] if gains else [])]


def _check_space(folder: Path, about: sound_files.AudioInfo, subtypes: Iterable[str]) -> None:
    needed = sum(
        sound_files.size_in_bytes(about.n_samples, about.n_channels, subtype)
        for subtype in subtypes
    )
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder} needs {needed / 1e9:.2f} GB, but {free / 1e9:.2f} GB are free: choose another disk"
        )
