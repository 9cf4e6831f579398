"""Pack the recordings of a folder into shards.

Recordings are checked and packed one after the other, so that packing takes little memory however
many there are. Each shard appears whole, and then shards.json with it: an interrupted packing goes
on after its last whole shard, and ends with the bytes of one that was not interrupted.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.config import Config, fingerprint, option
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import (
    check_output_folder,
    remove_unfinished,
    write_json,
)
from absslab.core.common.left_out import FILE_NAME, LeftOut, on_error_option
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.audio_data_set import EmptySplitError, read_split
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.layouts import DataConfig
from absslab.core.data.shards.shard_file import ShardFile
from absslab.core.data.shards.shard_index import (
    COMMAND,
    INDEX_FILE,
    SUFFIX,
    SampleLabels,
    ShardIndex,
    check_index,
    shard_name,
)
from absslab.core.data.splits import ALL, SPLITS
from absslab.core.data.true_sources import check_recording, load_recording

_SHARD_NAME = re.compile(rf"({'|'.join(SPLITS)})-\d{{6,}}\.tar")
_MOST_CHANNELS = 8  # of a FLAC file
_MEGABYTE = 1_000_000
_SETTINGS_OF_DATA = (  # which choose recordings, splits and clips
    "data_set_type",
    "class_columns",
    "class_categories",
    "split_percentages",
    "split_seed",
    "test_fold",
    "origin_pattern",
    "clip_length",
)


@dataclass(frozen=True)
class PackConfig(Config):
    """How recordings are packed into shards."""

    shard_size: float = option(
        256.0, "size of a shard; it is exceeded by at most one recording", unit="MB", above=0
    )
    sampling_rate: int | None = option(
        None,
        "pack recordings as FLAC of one channel at this rate; by default their files are packed as "
        "they are",
        unit="Hz",
        above=0,
    )
    seed: int = option(0, "seed of the order of the recordings", at_least=0)
    on_error: str = on_error_option("stop")


@dataclass(frozen=True)
class Sample:
    """A recording as a shard has it.

    Args:
        labels: what is said of it.
        suffix: of its sound, with a dot.
        sound: the bytes of its sound.
    """

    labels: SampleLabels
    suffix: str
    sound: bytes


@dataclass(frozen=True)
class _Plan:
    """What is packed, in its order."""

    folder: Path
    recordings: Sequence[LabelledRecording]
    classes: Sequence[str]
    clip_length: float
    config: PackConfig

    def name(self, recording: LabelledRecording) -> str:
        """Return the path of a recording in the folder, with slashes."""
        return Path(os.path.relpath(recording.path, self.folder)).as_posix()

    def samples(self, recording: LabelledRecording) -> list[Sample]:
        """Read a recording: one sample, or several if it is long and not tested on.

        Raises:
            InputError: it can't be used.
        """
        header = check_recording(recording)
        longest = self.clip_length if recording.split != "test" else np.inf
        n_clips = max(1, int(np.ceil(header.duration / longest)))
        edges = np.linspace(0, header.n_samples, n_clips + 1).round().astype(int).tolist()
        labels: dict[str, int | None] = {}
        for name in self.classes:
            labels[name] = None if name in recording.unknown else int(name in recording.labels)
        samples = []
        for start, stop in zip(edges[:-1], edges[1:], strict=True):
            sample_labels = SampleLabels(
                self.name(recording),
                labels,
                recording.origin,
                start / header.sampling_rate,
                (stop - start) / header.sampling_rate,
            )
            keeps_length_and_rate = n_clips == 1 and not self.config.sampling_rate
            if keeps_length_and_rate and recording.channels is None:
                samples.append(Sample(sample_labels, *_read_file(recording.path)))
            else:
                samples.append(
                    Sample(sample_labels, ".flac", self._encode(recording, header, start, stop))
                )
        return samples

    def _encode(
        self, recording: LabelledRecording, header: sound_files.AudioInfo, start: int, stop: int
    ) -> bytes:
        """Return a part of a recording as FLAC."""
        rate = self.config.sampling_rate or header.sampling_rate
        is_mono = self.config.sampling_rate or recording.channels is not None
        if is_mono or header.n_channels > _MOST_CHANNELS:
            samples = load_recording(recording, rate, start=start, n_samples=stop - start)
        else:
            samples, _ = sound_files.load_channels(
                recording.path, start=start, n_samples=stop - start
            )
        is_16_bit = self.config.sampling_rate or header.subtype in ("PCM_16", "PCM_U8", "PCM_S8")
        subtype = "PCM_16" if is_16_bit else "PCM_24"
        return sound_files.encode(samples, rate, subtype=subtype, container="FLAC")


def pack_steps(
    data: DataConfig, output: str | Path, config: PackConfig, left_out: LeftOut | None = None
) -> Steps[ShardIndex]:
    """Pack the recordings of a folder, or go on with a packing that was interrupted.

    Args:
        data: the folder, and how to read it.
        output: folder of the shards.
        config: settings of the packing.
        left_out: collects recordings that can't be used.

    Yields:
        how many recordings are packed or left out.

    Returns:
        the list of the shards.

    Raises:
        InputError: the folder can't be read, a recording can't be used and must not be left out,
            or the folder of the shards holds something else.
        OSError: a shard can't be written.
    """
    output = Path(output)
    if left_out is None:
        left_out = LeftOut("pack", on_error=config.on_error)
    _check_output(output)
    plan = _plan(data, config, left_out)
    left_out.stop_if_any()
    index = _begin_index(output, plan, data)
    for name, reason in index.left_out.items():
        left_out.add(os.path.normpath(plan.folder / name), InputError(escape_braces(reason)))
    try:
        remove_unfinished(output)
        index = yield from _pack(plan, output, index, left_out)
    finally:
        if output.is_dir() and not any(output.iterdir()):
            output.rmdir()
    return index


def _plan(data: DataConfig, config: PackConfig, left_out: LeftOut) -> _Plan:
    """Read the labels of a folder, and draw the order of its recordings."""
    labelled = read_split(data, ALL, left_out=left_out)
    rng = np.random.default_rng(config.seed)
    ordered: list[LabelledRecording] = []
    for split in SPLITS:
        of_split = [item for item in labelled.recordings if item.split == split]
        ordered += [of_split[number] for number in rng.permutation(len(of_split))]
    if not ordered or ordered[0].split != "train":
        raise EmptySplitError(
            "{path} has no recordings in its train split: add recordings", path=data.data_folder
        )
    folder = Path(data.data_folder)
    return _Plan(folder, ordered, labelled.classes, data.clip_length, config)


def _check_output(output: Path) -> None:
    """Check that a folder is new, empty, or one of shards.

    Raises:
        InputError: it holds something else.
    """
    check_output_folder(output)
    for path in sorted(output.iterdir()) if output.is_dir() else []:
        is_unfinished = path.name.startswith(".") and path.name.endswith(".part")
        is_known = path.name in (INDEX_FILE, FILE_NAME) or _SHARD_NAME.fullmatch(path.name)
        if not is_unfinished and not is_known:
            raise InputError(
                f"{{path}} holds {escape_braces(path.name)}, which {COMMAND} does not write: "
                "choose a new or an empty folder",
                path=output,
            )


def _begin_index(output: Path, plan: _Plan, data: DataConfig) -> ShardIndex:
    """Return what is packed already, if it is from the same recordings with the same settings.

    Raises:
        InputError: it is not, or there are shards without their list.
    """
    settings: dict[str, object] = {name: data.to_json()[name] for name in _SETTINGS_OF_DATA}
    settings |= plan.config.to_json()
    del settings["on_error"]
    content = [
        [plan.name(item), item.split, sorted(item.labels), sorted(item.unknown), item.origin]
        for item in plan.recordings
    ]
    source = fingerprint([settings, list(plan.classes), content])
    path = output / INDEX_FILE
    if not path.exists():
        _check_unlisted(output, [])
        return ShardIndex(list(plan.classes), settings, source)
    index = ShardIndex.read(path, COMMAND)
    check_index(index, path)
    for name, value in settings.items():
        before = index.config.get(name)
        if before != value:
            raise InputError(
                f"{{path}} was packed with {name} {escape_braces(before)}, not "
                f"{escape_braces(value)}: choose another folder or the same {name}",
                path=output,
            )
    if index.source != source:
        raise InputError(
            "{path} was packed from other recordings or labels: choose another folder",
            path=output,
        )
    for shard in index.shards:
        file = output / shard.name
        if not file.is_file() or file.stat().st_size != shard.n_bytes:
            raise InputError(
                "{path} is missing or has another size than shards.json says: remove the folder, "
                "and pack again",
                path=file,
            )
    listed = [shard.name for shard in index.shards]
    if index.n_packed < len(plan.recordings):  # a shard may be there that was not listed any more
        split = plan.recordings[index.n_packed].split
        listed.append(shard_name(split, len(index.of_split(split))))
    _check_unlisted(output, listed)
    return index


def _check_unlisted(output: Path, known: Sequence[str]) -> None:
    """Check that a folder has no shards of another packing.

    Args:
        output: the folder.
        known: names of shards that it may have.

    Raises:
        InputError: it has others.
    """
    for path in sorted(output.iterdir()) if output.is_dir() else []:
        if _SHARD_NAME.fullmatch(path.name) and path.name not in known:
            raise InputError(
                f"{{path}} is not listed in a {INDEX_FILE} beside it: remove it, or choose a new "
                "or an empty folder",
                path=path,
            )


def _pack(plan: _Plan, output: Path, index: ShardIndex, left_out: LeftOut) -> Steps[ShardIndex]:
    """Pack the recordings that are not in shards yet."""
    total = len(plan.recordings)
    yield Progress(index.n_packed, total)
    while index.n_packed < total:
        split = plan.recordings[index.n_packed].split
        name = shard_name(split, len(index.of_split(split)))
        with ShardFile.create(output / name, index.n_recordings) as shard:
            totals = index.total(split)
            n_packed = index.n_packed
            for recording in _remaining(plan, n_packed, split):
                n_packed += 1
                for sample in _read_samples(plan, recording, left_out, n_packed):
                    shard.add(sample.labels, sample.suffix, sample.sound)
                    totals = totals.add(sample.labels)
                yield Progress(n_packed, total)
                if shard.n_bytes >= plan.config.shard_size * _MEGABYTE:
                    break
            if shard.n_recordings and not index.shards:  # so that no shard is without a list
                write_json(output / INDEX_FILE, index.to_json())
            written = shard.finish(split) if shard.n_recordings else None
        folder = plan.folder
        index = replace(index, n_packed=n_packed, left_out=left_out.reasons(folder))
        if written is not None:
            index = index.grow(written, totals, n_packed)
            write_json(output / INDEX_FILE, index.to_json())
    if not index.of_split("train"):
        raise left_out.to_error()
    if not index.is_finished:
        index = replace(index, is_finished=True)
        write_json(output / INDEX_FILE, index.to_json())
    return index


def _remaining(plan: _Plan, n_packed: int, split: str) -> Iterator[LabelledRecording]:
    """Yield the recordings of a split that are not packed yet."""
    for number in range(n_packed, len(plan.recordings)):
        if plan.recordings[number].split != split:
            return
        yield plan.recordings[number]


def _read_samples(
    plan: _Plan, recording: LabelledRecording, left_out: LeftOut, n_packed: int
) -> list[Sample]:
    """Read a recording; an empty list if it can't be used and may be left out."""
    samples: list[Sample] = []
    n_left_out = len(left_out)
    with left_out.file(recording.path):
        samples = plan.samples(recording)
    if len(left_out) > n_left_out:
        rest = plan.recordings[n_packed:]
        left_out.check_rest_and_stop((item.path, partial(check_recording, item)) for item in rest)
    return samples


def _read_file(path: str) -> tuple[str, bytes]:
    """Return the suffix of a file as its name in a shard has it, and its bytes."""
    suffix = Path(path).suffix.lower()
    return suffix if SUFFIX.fullmatch(suffix) else ".sound", Path(path).read_bytes()
