"""Separate sound files, each into a folder.

::

    S/<stem of the file>/speech.wav …   a source per class, or per class that was found, with the
                                        input's rate, channels and length
                         residual.wav   the input minus the sum of all sources
                         remix.wav      the sum of some classes, or of all with gains
                         events.tsv     filename onset offset event_label

Axes: J classes that are written, C channels, N samples, n of a part.
"""

import errno
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from absslab.core.audio import formats, sound_files
from absslab.core.common.config import Config, option, suggest_nearest
from absslab.core.common.devices import device_option
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import (
    check_output_folder,
    check_place,
    fold_name,
    is_case_blind,
    remove_unfinished,
    replace_folder,
    temporary_sibling,
)
from absslab.core.common.left_out import LeftOut, on_error_option
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.class_names import file_stem
from absslab.core.data.layouts import audio_folder_option, yaml_file_option
from absslab.core.data.recordings import audio_files
from absslab.core.data.splits import SPLITS
from absslab.core.data.strong_labels import write_events
from absslab.core.data.true_sources import check_channel
from absslab.core.separation.detection import ActivityCurves, DetectionConfig, find_events
from absslab.core.separation.segmentation import Segment
from absslab.core.separation.separator import AUTO, SOURCES, Separator
from absslab.core.separation.settings import RESIDUAL, check_gains, gains_that_keep, mix_sources

_REMIX = "remix"
_SILENT_BLOCK = 1 << 20  # samples


@dataclass(frozen=True)
class SeparatedFolderConfig(Config):
    """Files to separate, and the folder to write to."""

    checkpoint_path: str = option(
        "", "a model that absslab train wrote", metavar="FILE", required=True
    )
    input: tuple[str, ...] = option(
        (),
        "sound files of nearly any format, or folders of them (without their sub-folders); by "
        "default the recordings of a split of the data that the model was trained on",
        metavar="PATH",
    )
    split: str | None = option(None, "without --input: the split; by default test", choices=SPLITS)
    data_folder: str = option(
        "", "without --input: where these data are, if they were moved", metavar="FOLDER"
    )
    audio_folder: str | None = audio_folder_option("without --input: ")
    yaml_file: str | None = yaml_file_option("without --input: ")
    n_recordings: int | None = option(
        None, "separate only the first recordings, this many; by default all", at_least=1
    )
    output_folder: str = option(
        "", "folder that gets a sub-folder for each file", metavar="FOLDER", required=True
    )
    keep: tuple[str, ...] = option(
        (), "also write remix.wav: the sum of only these classes", metavar="CLASS"
    )
    gains: tuple[str, ...] = option(
        (),
        "also write remix.wav: the sum of sources and residual with these gains, as in "
        "speech=-6 residual=-inf",
        unit="dB",
        metavar="CLASS=GAIN",
    )
    settings: str = option(
        "",
        "JSON file with settings of the masks and gains, as panels and dashboards save it; "
        "flags take precedence over it",
        metavar="FILE",
    )
    sources: str = option(
        AUTO,
        "of which classes sources are written; found: of those whose probability is above "
        "tag_threshold somewhere in the recording, and of those that keep or gains name, the "
        "others stay in residual.wav; all: of all; "
        "auto: all of up to 50 classes, of more those found",
        choices=SOURCES,
    )
    device: str = device_option()
    on_error: str = on_error_option("skip")


def find_inputs(
    inputs: Sequence[str], output_folder: str | Path = "", left_out: LeftOut | None = None
) -> list[Path]:
    """List the given files, and the sound files in the given folders; each file once.

    Args:
        inputs: files and folders.
        output_folder: the folder to write to.
        left_out: collects folders without sounds, and files of which no folder can be written:
            two files of one name, or a folder of this name that `absslab separate` did not write.
            By default they are errors.

    Raises:
        InputError: the output folder can't be used.
    """
    collected = LeftOut("separate", on_error="stop") if left_out is None else left_out
    check_output_folder(output_folder)
    files: dict[Path, Path] = {}  # by the file itself, which may be given twice
    for name in inputs:
        path = Path(name)
        if not os.path.isdir(path):
            files.setdefault(path.absolute(), path)
            continue
        if os.path.realpath(path) == os.path.realpath(output_folder):
            raise InputError(
                "{path} is both input and output_folder: choose another folder to write to",
                path=path,
            )
        found: list[Path] = []
        with collected.file(path):
            found = _list_folder(path)
        files.update((file.absolute(), file) for file in found if file.absolute() not in files)
    collected.n_files = len(files) + len(collected)
    by_stem: dict[str, Path] = {}
    for path in files.values():
        with collected.file(path):
            _check_folder_of(path, output_folder, by_stem)
            by_stem[path.stem] = path
    if left_out is None and collected:
        raise collected.to_error()
    return list(by_stem.values())


def _list_folder(folder: Path) -> list[Path]:
    """List the sound files of a folder.

    Raises:
        InputError: there are none, or the folder can't be read.
    """
    found = audio_files(folder)
    if not found:
        raise InputError(
            f"{{path}} holds no sound file: expected {formats.readable_kinds()}", path=folder
        )
    return found


def _check_folder_of(path: Path, output_folder: str | Path, by_stem: Mapping[str, Path]) -> None:
    """Check that a file's folder can be written, and is not that of another file."""
    if path.stem in by_stem:
        raise InputError(
            f"{{path}} and {{other}} would both write to {escape_braces(path.stem)}/: "
            "separate them into different folders",
            path=path,
            other=by_stem[path.stem],
        )
    folded = fold_name(path.stem)
    alike = [other for stem, other in by_stem.items() if fold_name(stem) == folded]
    if alike and is_case_blind(output_folder):
        raise InputError(
            "{path} and {other} differ only by case, which the disk of {folder} does not tell "
            "apart: separate them into different folders",
            path=path,
            other=alike[0],
            folder=output_folder,
        )
    folder = Path(output_folder) / path.stem
    check_place(folder, "the folder of a file", shown=folder)
    _check_replaceable(folder, path)


def checking_steps(files: Sequence[Path], left_out: LeftOut) -> Steps[None]:
    """Decode all files, if none may be left out, so that all faults are told before the work.

    Args:
        files: what `find_inputs` returned.
        left_out: what `find_inputs` has left out; collects more.

    Yields:
        how many files are done.

    Raises:
        InputError: files can't be used and must not be left out.
    """
    if left_out.on_error != "stop":
        return
    for n_done, path in enumerate(files):
        yield Progress(n_done, len(files))
        with left_out.file(path):
            sound_files.check(path, may_be_silent=True)
    left_out.stop_if_any()


def separate_files(
    separator: Separator,
    files: Sequence[Path],
    output_folder: str | Path,
    left_out: LeftOut,
    *,
    keep: Sequence[str] = (),
    gains: Mapping[str, float] | None = None,
    detection: DetectionConfig = DetectionConfig(),
    channels: Mapping[Path, Sequence[int]] | None = None,
) -> Generator[tuple[Path, Steps[bool]], None, None]:
    """Separate files one after the other, and go on after those that can't be used.

    Args:
        separator: the model.
        files: what `find_inputs` returned.
        output_folder: gets a folder for each file, and left_out.csv if files are left out.
        left_out: collects the files that can't be used.
        keep: see `separate_file`.
        gains: see `separate_file`.
        detection: settings for finding events.
        channels: of files that are the sum of some of their channels.

    Yields:
        each file with its steps, to be run before the next; they return whether its folder is
        written.

    Raises:
        InputError: no file can be used, or one can't and must not be left out; see also
            `separate_file`.
        OSError: the folder can't be written, or the disk is full.
    """
    check_remix(keep, gains or {}, separator.classes)

    def steps_of(path: Path) -> Steps[bool]:
        with left_out.file(path):
            yield from separate_file(
                separator,
                path,
                output_folder,
                keep=keep,
                gains=gains,
                detection=detection,
                channels=(channels or {}).get(path),
            )
            return True
        left_out.stop_if_any()
        return False

    with left_out.write_at_end():
        for path in files:
            yield path, steps_of(path)
    left_out.stop_if_all()


def check_remix(keep: Sequence[str], gains: Mapping[str, float], classes: Sequence[str]) -> None:
    """Check that the remix is given in at most one way, and only by classes of the model.

    Raises:
        InputError: keep and gains are both given, or name an unknown class.
    """
    if keep and gains:
        raise InputError(
            "keep and gains (or the settings' gains) both define remix.wav: give one of them"
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
    channels: Sequence[int] | None = None,
) -> Steps[None]:
    """Separate a file of any length, rate and channel count; memory hardly grows with its length.

    Args:
        separator: the model.
        path: a sound file.
        output_folder: a folder named after the file appears in it, complete or not at all, and
            replaces one that was written there before.
        keep: classes whose sum becomes remix.wav.
        gains: dB, by class or "residual": remix.wav becomes the sum of all sounds with these gains;
            sounds without a gain have 0 dB. The file holds floats, since the sum may exceed full
            scale.
        detection: settings for finding events; its `tag_threshold` also tells which classes are
            found. Classes that keep or gains name are written in any case.
        channels: those whose sum is the recording; None: all are separated, each alone.

    Yields:
        how many samples are done.

    Raises:
        InputError: the file can't be used, a class is unknown, both keep and gains are given, there
            is a folder of this name that `absslab separate` did not write.
        OSError: the folder can't be written, or the disk is full.
    """
    path = Path(path)
    folder = Path(output_folder) / path.stem
    gains = gains or {}
    check_remix(keep, gains, separator.classes)
    remix_gains = gains_that_keep(keep, separator.classes) if keep else gains
    separator = replace(
        separator,
        found_threshold=detection.tag_threshold,
        named=tuple(name for name in (*keep, *gains) if name != RESIDUAL),
    )
    info = sound_files.check(path, may_be_silent=True)
    for channel in channels or ():
        check_channel(path, channel, info.n_channels)
    _check_replaceable(folder, path)
    # a sum of channels may exceed full scale
    subtype = "FLOAT" if channels else sound_files.derived_subtype(info.subtype)
    known = [*separator.classes, RESIDUAL] if separator.has_all_sources else [RESIDUAL]
    subtypes = dict.fromkeys(known, subtype)
    if remix_gains:
        subtypes[_REMIX] = "FLOAT" if gains else subtype
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder.parent, below=False)
    _check_space(folder.parent, info, subtypes.values())
    unfinished = temporary_sibling(folder)
    n_channels = 1 if channels else info.n_channels
    files = _SynchronousFiles(
        lambda name: sound_files.WavWriter.open(
            unfinished / f"{file_stem(name)}.wav",
            info.sampling_rate,
            n_channels,
            info.n_samples,
            subtypes.get(name, subtype),
        ),
        n_channels,
    )
    chosen = separator.model.event_thresholds
    curves = ActivityCurves(separator.hop, detection, chosen)
    try:
        blocks = sound_files.read_blocks(path)
        if channels:
            blocks = (block[list(channels)].sum(0, keepdims=True) for block in blocks)
        for part in separator.stream(blocks, info.sampling_rate, info.n_samples):
            found = [separator.classes[k] for k in part.found]
            sources, residual = _round_outputs(part, subtype)
            outputs = {**dict(zip(found, sources, strict=True)), RESIDUAL: residual}
            if remix_gains:
                known_gains = {name: gain for name, gain in remix_gains.items() if name in outputs}
                outputs[_REMIX] = mix_sources(sources, residual, found, known_gains)
            files.write(outputs)
            curves.add(part.masks, part.power, part.probabilities, part.found)
            yield Progress(files.n_written, info.n_samples)
        files.close()
        events = find_events(
            curves.gated(),
            separator.hop,
            separator.classes,
            detection,
            length=info.duration,
            chosen=chosen,
        )
        rows = [(path.name, event.onset, event.offset, event.event_label) for event in events]
        write_events(unfinished / "events.tsv", rows)
        replace_folder(folder, unfinished)
    finally:
        files.discard()
        shutil.rmtree(unfinished, ignore_errors=True)


class _SynchronousFiles:
    """Sound files of one length that are written block by block, some not from the beginning.

    Args:
        open_file: begins the file of a name.
        n_channels: of each file.
    """

    def __init__(self, open_file: Callable[[str], sound_files.WavWriter], n_channels: int):
        self.n_written = 0  # samples of each file
        self._open = open_file
        self._n_channels = n_channels
        self._writers: dict[str, sound_files.WavWriter] = {}

    def write(self, blocks: Mapping[str, np.ndarray]) -> None:
        """Append blocks (C, n), and silence to the files without one; a new one begins silent."""
        (n_samples,) = {block.shape[1] for block in blocks.values()}
        for name in blocks:
            if name not in self._writers:
                self._writers[name] = self._open(name)
                self._write_silence(self._writers[name], self.n_written)
        for name, writer in self._writers.items():
            if name in blocks:
                writer.write(blocks[name])
            else:
                self._write_silence(writer, n_samples)
        self.n_written += n_samples

    def close(self) -> None:
        """Finish all files."""
        for writer in self._writers.values():
            writer.close()

    def discard(self) -> None:
        """Remove incomplete files; do nothing after `close`."""
        for writer in self._writers.values():
            writer.discard()

    def _write_silence(self, writer: sound_files.WavWriter, n_samples: int) -> None:
        for start in range(0, n_samples, _SILENT_BLOCK):
            n = min(_SILENT_BLOCK, n_samples - start)
            writer.write(np.zeros((self._n_channels, n), np.float32))


def _check_replaceable(folder: Path, path: Path) -> None:
    """Check that a folder does not exist, or that `absslab separate` wrote all of its files."""
    if os.path.realpath(folder) == os.path.dirname(os.path.realpath(path)):  # links may be loops
        raise InputError(
            "{path} lies in {folder}, which would be written: choose another output_folder",
            path=path,
            folder=folder,
        )
    if not folder.exists():
        return
    is_ours = folder.is_dir()
    if is_ours:
        contents = list(folder.iterdir())
        names = {content.name for content in contents}
        is_ours = all(
            content.name == "events.tsv" or content.suffix == ".wav" for content in contents
        ) and (not names or {"residual.wav", "events.tsv"} <= names)
    if not is_ours:
        raise InputError(
            "{folder} exists and was not written by absslab separate: choose another output_folder",
            folder=folder,
        )


def _round_outputs(part: Segment, subtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Round sources (J, C, n) and residual (C, n), so that their sum is exact on disk as well.

    The residual of a loud recording may exceed full scale. The excess is then added to the source
    whose sample is largest with the opposite sign; this only makes that sample smaller.
    """
    sources = part.sources.copy()  # (J, C, n)
    for source in sources:
        source[:] = sound_files.quantise(source, subtype)
    residual = part.mixture - sources.sum(0)  # (C, n)
    if subtype != "FLOAT" and len(sources):
        excess = residual - sound_files.quantise(residual, subtype)  # (C, n)
        if excess.any():
            furthest = np.argmin(sources * np.sign(excess), axis=0)[None]  # (1, C, n)
            is_furthest = furthest == np.arange(len(sources))[:, None, None]  # (J, C, n)
            sources = np.where(is_furthest, sources + excess, sources)
            residual = residual - excess
    return sources, residual


def _check_space(folder: Path, info: sound_files.AudioInfo, subtypes: Iterable[str]) -> None:
    needed = sum(
        sound_files.size_in_bytes(info.n_samples, info.n_channels, subtype) for subtype in subtypes
    )
    free = shutil.disk_usage(folder).free
    if needed > free:
        # Not an InputError: no file is at fault that a batch could leave out.
        raise OSError(
            errno.ENOSPC,
            f"{needed / 1e6:.2f} MB are needed, but {free / 1e6:.2f} MB are free: "
            "choose another disk",
            str(folder),
        )
