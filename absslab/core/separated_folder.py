"""What separating a file leaves on disk.

::

    S/<stem of the file>/speech.wav …   a source per class, at the input's rate, channels and length
                         residual.wav   what no class took: Σ sources + residual = input
                         remix.wav      the classes that were asked to be kept
                         events.tsv     filename onset offset event_label

Axes: K classes, C channels, N samples, T frames.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from absslab.core import audio
from absslab.core.config import Config, nearest, option
from absslab.core.detection import DetectionConfig, find_events
from absslab.core.errors import InputError
from absslab.core.files import remove_unfinished
from absslab.core.mixture_folder import Progress
from absslab.core.recordings import audio_files
from absslab.core.separation import Segment, Separator
from absslab.core.tables import write_table

_SUBTYPES = {"PCM_U8": "PCM_16", "PCM_S8": "PCM_16", "PCM_16": "PCM_16", "PCM_24": "PCM_24"}  # others: FLOAT


@dataclass(frozen=True)
class SeparatedFolderConfig(Config):
    """What is separated, and where it goes."""

    checkpoint_path: str = option("", "the model, as absslab train writes it")
    input: tuple[str, ...] = option((), "sound files, or folders of them")
    output_folder: str = option("", "a folder per file is written in it")
    keep: tuple[str, ...] = option((), "also write remix.wav: the sum of just these classes")
    device: str = option("auto", "auto: a GPU if there is one; cpu, cuda, cuda:1, …")


def find_inputs(inputs: Sequence[str]) -> list[Path]:
    """The files that were named, and those in the folders that were named.

    Raises:
        InputError: nothing there, a folder without audio, two files that would write to the same folder, a file that is
            corrupt, cut short, silent or holds NaN.
    """
    files: list[Path] = []
    for name in inputs:
        path = Path(name)
        if path.is_dir() and not audio_files(path):
            raise InputError(f"{path} holds no sound file: expected {', '.join(audio.SUFFIXES)}")
        files += audio_files(path) if path.is_dir() else [path]
    by_stem: dict[str, Path] = {}
    for path in files:
        audio.check(path)
        if path.stem in by_stem:
            raise InputError(f"{path} and {by_stem[path.stem]} would both write to {path.stem}/: separate them apart")
        by_stem[path.stem] = path
    return files


def check_kept(keep: Sequence[str], classes: Sequence[str]) -> None:
    """See that the classes to keep are the model's.

    Raises:
        InputError: one is not.
    """
    for name in keep:
        if name not in classes:
            raise InputError(f"the model knows no class {name!r}{nearest(name, classes)}")


def separate_file(
    separator: Separator,
    path: str | Path,
    output_folder: str | Path,
    *,
    keep: Sequence[str] = (),
    detection: DetectionConfig = DetectionConfig(),
) -> Iterator[Progress]:
    """Separate a file of any length, rate and channel count; memory does not grow with its length.

    Args:
        separator: the model.
        path: a file that `find_inputs` has seen.
        output_folder: a folder named after the file is written in it, whole or not at all.
        keep: classes whose sum becomes remix.wav.
        detection: how events are found.

    Yields:
        how many samples are done.

    Raises:
        OSError: the folder can't be written, the disk is full.
    """
    path, folder = Path(path), Path(output_folder) / Path(path).stem
    check_kept(keep, separator.classes)
    about = audio.check(path)
    subtype = _SUBTYPES.get(about.subtype, "FLOAT")
    names = [*separator.classes, "residual", *(["remix"] if keep else [])]
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)
    _check_space(folder, about, len(names), subtype)
    writers: list[audio.Writer] = []
    activity: list[np.ndarray] = []
    try:
        for name in names:
            writers.append(
                audio.Writer(folder / f"{name}.wav", about.sampling_rate, about.n_channels, about.n_samples, subtype)
            )
        done = 0
        for part in separator.stream(audio.blocks(path), about.sampling_rate, about.n_samples):
            for writer, samples in zip(writers, _outputs(part, separator.classes, keep, subtype), strict=True):
                writer.write(samples)
            heard = part.probabilities > detection.tag_threshold  # (K,)
            activity.append(part.activity * heard[:, None])
            done += part.mixture.shape[1]
            yield Progress(done, about.n_samples)
        events = find_events(np.concatenate(activity, 1), separator.hop, separator.classes, detection)
        for writer in writers:
            writer.close()
        rows = [
            {
                "filename": path.name,
                "onset": f"{event.onset:.3f}",
                "offset": f"{min(event.offset, about.duration):.3f}",
                "event_label": event.event_label,
            }
            for event in events
        ]
        write_table(folder / "events.tsv", ["filename", "onset", "offset", "event_label"], rows, delimiter="\t")
    finally:
        for writer in writers:
            writer.discard()


def _outputs(part: Segment, classes: list[str], keep: Sequence[str], subtype: str) -> list[np.ndarray]:
    """Sources, residual and remix (C, n) of a part, rounded first: so the sum is exact on disk as well."""
    sources = [audio.on_grid(source, subtype) for source in part.sources]
    outputs = [*sources, part.mixture - np.sum(sources, axis=0)]
    if keep:
        outputs.append(np.sum([sources[classes.index(name)] for name in keep], axis=0))
    return outputs


def _check_space(folder: Path, about: audio.AudioInfo, n_files: int, subtype: str) -> None:
    needed = audio.size(about.n_samples, about.n_channels, subtype) * n_files
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(f"{folder} needs {needed / 1e9:.2f} GB, but {free / 1e9:.2f} GB are free: choose another disk")
