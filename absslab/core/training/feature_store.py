"""Store features in files, under a key of all that they depend on.

Axes: B batch, C channels, K classes, M bands, T frames. A file holds the features of all recordings
of a data set one behind the other, before normalisation: recordings may have any lengths, and all
of them together may be larger than the memory. The first line says in JSON what is stored; then
come the features as float32, little-endian, (ΣT, C, M). Python's own files are used, which tell a
full disk by an error; libraries that map files into memory are killed by it.
"""

import json
import shutil
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.common.config import fingerprint
from absslab.core.common.errors import InputError, Reason
from absslab.core.common.files import atomic_write
from absslab.core.common.progress import Progress, Steps, run_to_end
from absslab.core.data.audio_data_set import AudioDataSet
from absslab.core.model.front_end import FrontEnd
from absslab.core.training.cluster_features import open_part, part_steps

VERSION = 1  # increase it when the same settings give other features
_FORMAT = "absslab features"
_NUMBER = np.dtype("<f4")
_N_CHANNELS = 1


class FeatureBatch(NamedTuple):
    """Features of recordings that are padded to the longest one."""

    features: Tensor  # (B, C, M, T), not normalised
    n_samples: Tensor | None  # (B,): length of the recordings without padding; None: none is padded
    labels: Tensor  # (B, K)
    indices: Tensor  # (B,): indices of the recordings
    longest: int  # number of samples of the longest recording


class FeatureStore:
    """The features of a data set on disk; `open` opens the file.

    Args:
        file: the open file.
        data_set: the data set of these features; its recordings are not decoded again.
        start: where the features begin in the file, bytes.
        n_bands: M.
        edges: first frame of each recording, and the end of the last one.
    """

    def __init__(
        self,
        file: BinaryIO,
        data_set: AudioDataSet,
        *,
        start: int,
        n_bands: int,
        edges: np.ndarray,
    ):
        self.file = file
        weakref.finalize(self, file.close)
        self.data_set = data_set
        self.start = start
        self.n_bands = n_bands
        self.edges = edges

    @classmethod
    def open(cls, path: Path, data_set: AudioDataSet, expected: str) -> "FeatureStore":
        """Open a file of features.

        Args:
            path: a file that `make_store` wrote.
            data_set: the data set of these features.
            expected: the expected fingerprint.

        Raises:
            InputError: if the file is damaged, or holds the features of other settings or other
                recordings.
            OSError: it can't be read.
        """
        file = open(path, "rb")  # noqa: SIM115 (it stays open)
        try:
            about = json.loads(file.readline())
            start = file.tell()
            edges = np.array(about["edges"], np.int64)
            n_bands = int(about["n_bands"])
            n_bytes = int(edges[-1]) * _N_CHANNELS * n_bands * _NUMBER.itemsize
            is_whole = about["format"] == _FORMAT and path.stat().st_size == start + n_bytes
            made_with = about["fingerprint"]
        except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            file.close()
            raise _damage_error(path, Reason.of(error)) from None
        if not is_whole:
            file.close()
            raise _damage_error(path, Reason("it is not whole", "it is not whole"))
        if made_with != expected:
            file.close()
            raise InputError(
                "{path} holds features made with other settings or recordings: "
                "remove it, then it will be made again",
                path=path,
            )
        return cls(file, data_set, start=start, n_bands=n_bands, edges=edges)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __getitem__(self, index: int) -> Tensor:
        """Return the features of one recording (C, M, T), not normalised."""
        first = int(self.edges[index])
        n_frames = int(self.edges[index + 1]) - first
        frame_size = _N_CHANNELS * self.n_bands
        self.file.seek(self.start + first * frame_size * _NUMBER.itemsize)
        content = self.file.read(n_frames * frame_size * _NUMBER.itemsize)
        frames = np.frombuffer(content, _NUMBER).reshape(n_frames, _N_CHANNELS, self.n_bands)
        features = np.moveaxis(frames, 0, -1).astype(np.float32, order="C")  # (T, C, M) → (C, M, T)
        return torch.from_numpy(features)

    def features_one_by_one(self) -> Iterator[Tensor]:
        """Yield the features of each recording: (1, C, M, T)."""
        return (self[index][None] for index in range(len(self)))

    def batches_of(self, groups: Sequence[list[int]]) -> Iterator[FeatureBatch]:
        """Read batches, as the data set's own `batches_of` does, as features from disk."""
        labels = torch.from_numpy(self.data_set.labels)
        lengths = torch.tensor(self.data_set.lengths)
        for group in groups:
            frames = [self[index].movedim(-1, 0) for index in group]  # (T, C, M) each
            padded = nn.utils.rnn.pad_sequence(frames, batch_first=True)  # (B, T, C, M)
            features = padded.movedim(1, -1)  # (B, C, M, T)
            differ = len(set(lengths[group].tolist())) > 1
            yield FeatureBatch(
                features,
                lengths[group] if differ else None,
                labels[group],
                torch.tensor(group),
                int(lengths[group].max()),
            )


def store_fingerprint(data_set: AudioDataSet, front_end: FrontEnd) -> str:
    """Return a key of all that features depend on: code, front end without normalisation, files."""
    settings = front_end.config.to_json()
    for name in list(settings):
        if name in ("standardise", "normalisation", "borders") or "pcen_" in name:
            del settings[name]
    del settings["train_pcen"]
    if settings["mel_area"] == "mean":  # as in all stores that were made before there was another
        del settings["mel_area"]
    files = [
        (item.path, Path(item.path).stat().st_size, Path(item.path).stat().st_mtime_ns)
        for item in data_set.recordings
    ]
    return fingerprint([VERSION, settings, files, data_set.clips])


def store_path(folder: str | Path, data_set: AudioDataSet, front_end: FrontEnd) -> Path:
    """Return the file that holds the features of a data set, if they have been computed."""
    return Path(folder) / f"features-{store_fingerprint(data_set, front_end)}.bin"


def store_steps(
    folder: str | Path, data_set: AudioDataSet, front_end: FrontEnd, scheduler: str = ""
) -> Steps[FeatureStore]:
    """Open the store of a data set's features, and make it first if there is none.

    Args:
        folder: folder of the stores, with one file per data set and front end.
        data_set: the data set of these features.
        front_end: front end that computes them.
        scheduler: address of a dask scheduler whose workers compute them, on their CPUs; empty:
            this process does.

    Yields:
        how many recordings are done.

    Returns:
        the store.
    """
    key = store_fingerprint(data_set, front_end)
    path = store_path(folder, data_set, front_end)
    if not path.exists():
        yield from make_store(path, key, data_set, front_end, scheduler)
    return FeatureStore.open(path, data_set, key)


def open_store(folder: str | Path, data_set: AudioDataSet, front_end: FrontEnd) -> FeatureStore:
    """Open the store of a data set's features; see `store_steps`."""
    return run_to_end(store_steps(folder, data_set, front_end))


def make_store(
    path: Path, key: str, data_set: AudioDataSet, front_end: FrontEnd, scheduler: str = ""
) -> Steps[None]:
    """Write the features of every recording, whole or not at all.

    Yields:
        how many recordings are done.

    Raises:
        OSError: the file can't be written, the disk is full.
    """
    config = front_end.config
    n_frames = [config.n_frames(length) for length in data_set.lengths]
    about = {
        "format": _FORMAT,
        "fingerprint": key,
        "n_bands": config.n_bands,
        "edges": np.concatenate([[0], np.cumsum(n_frames)]).tolist(),
    }
    parts: list[Path] = []
    if scheduler:
        parts = yield from part_steps(path, data_set, config, _compute_features, scheduler)
    with atomic_write(path) as unfinished, open(unfinished, "wb") as file:
        file.write(json.dumps(about).encode() + b"\n")
        for part in parts:
            with open_part(part) as source:
                shutil.copyfileobj(source, file)
        for index in range(len(data_set)) if not scheduler else ():
            file.write(_compute_features(data_set[index], front_end))
            yield Progress(index + 1, len(data_set))
    for part in parts:
        part.unlink(missing_ok=True)


def _damage_error(path: Path, reason: Reason) -> InputError:
    return InputError(
        "{path} is not a feature store ({reason}): remove it, then it will be made again",
        path=path,
        reason=reason,
    )


@torch.no_grad()
def _compute_features(waveform: Tensor, front_end: FrontEnd) -> bytes:
    """Return features before normalisation as they are stored: (N,) → (T, C, M)."""
    spectra = front_end.stft(waveform.to(front_end.device)[None])  # (1, F, T)
    features = front_end.features(spectra)[0].cpu().numpy()  # (1, M, T)
    return np.moveaxis(features, -1, 0).astype(_NUMBER).tobytes()  # (T, C, M)
