"""Make miniatures of the data sets that the thesis used, as their own codes write them."""

import json
from pathlib import Path

import h5py
import numpy as np
import scipy.signal
import soundfile
import yaml

RATE = 16000
EVENTS = ("babycry", "glassbreak", "gunshot")
CLASSES = (*EVENTS, "background")
CENTRE = slice(1401, 3401)  # samples of an event in a clip of TUT Rare 2017


def make_tut_rare(folder, *, n_files=3, n_takes=2):
    """Write TUT Rare 2017 with clips of 0.3 s, and return the folder of its packed features.

    Args:
        folder: gets packed_features/logmel, mixed_audio and mixed_yaml.
        n_files: number of event files of each kind of event, in each part.
        n_takes: number of mixtures of each event file.
    """
    for offset, part in enumerate(("training", "testing")):
        names, labels, mixtures = [], [], []
        rng = np.random.default_rng(offset)
        audio = folder / "mixed_audio" / part
        audio.mkdir(parents=True)
        events = [event for event in EVENTS for _ in range(n_files * n_takes)]
        for number, event in enumerate(events):
            file = number % n_files
            background = 0.2 * rng.uniform(-1, 1, int(0.3 * RATE))
            pitch = 500 * (1 + EVENTS.index(event)) + 10 * file + 5 * offset  # Hz
            sound = np.zeros_like(background)
            sound[CENTRE] = 0.5 * np.sin(2 * np.pi * pitch * np.arange(1, 2001) / RATE)
            hot = [float(name == event) for name in EVENTS]
            for kind, samples, row in (
                ("bg", background, [0.0, 0.0, 0.0, 1.0]),
                ("event", sound, [*hot, 0.0]),
                ("mix_0db", np.stack([background, sound], axis=1), [*hot, 1.0]),
            ):
                names.append(f"{number:04d}.{kind}.wav")
                labels.append(row)
                soundfile.write(audio / names[-1], samples, RATE)
            mixtures.append(
                {
                    "event_name": f"{event}/{part}_{file}.wav",
                    "event_type": event,
                    "event_segment": [0.5, 0.5 + 2000 / RATE],
                    "bg_name": f"{number:03d}.wav",
                    "bg_type": "park",
                    "bg_segment": [1.0, 5.0],
                }
            )
        features = folder / "packed_features" / "logmel"
        features.mkdir(parents=True, exist_ok=True)
        with h5py.File(features / f"{part}.h5", "w") as file:
            file.create_dataset("x", data=np.zeros((len(names), 12, 64), np.float32))
            file.create_dataset("y", data=np.array(labels))
            file.create_dataset("na_list", data=np.array(names, dtype="S"))
        lists = folder / "mixed_yaml"
        lists.mkdir(exist_ok=True)
        (lists / f"{part}.csv").write_text(yaml.safe_dump(mixtures))
    return Path(features)


SEGMENT_CLASSES = ["bell", "dog", "rain"]


def make_sound(seed, n_samples):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(n_samples)).astype(np.float32)


def spectra_of(samples, n_fft, n_window, hop, window, *, start=0):
    """Return magnitudes and phases as the thesis' extractors did: (F, T) each, no padding.

    Args:
        samples: (N,).
        n_fft: length of the Fourier transform.
        n_window: length of the window.
        hop: samples between frames.
        window: its name.
        start: where the window stands in a longer frame.
    """
    weights = scipy.signal.get_window(window, n_window)
    starts = range(0, len(samples) - n_window + 1, hop)
    frames = np.zeros((len(starts), n_fft))
    for frame, first in zip(frames, starts, strict=True):
        frame[start : start + n_window] = weights * samples[first : first + n_window]
    spectrum = np.fft.rfft(frames).T  # (F, T)
    return np.abs(spectrum), np.exp(1j * np.angle(spectrum))


def segment_names(n_recordings, n_segments):
    """Return names of segments of YouTube videos: video, beginning, end, number."""
    return [
        f"Y{'abcdefghij'[recording % 10]}-{recording:09d}_30.000_{number}"
        for recording in range(n_recordings)
        for number in range(n_segments)
    ]


def make_segments(folder, *, splits=None, n_samples=1024 * 8):
    """Write AudioSet segments in the layout that is read at once, and return their sounds by name.

    Args:
        folder: gets train_data.hdf5, dev_data.hdf5, test_data.hdf5 and config.json.
        splits: names of the segments of each file; by default no recording is in two of them.
        n_samples: length of a segment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if splits is None:
        names = segment_names(12, 2)
        splits = {"train": names[:12], "dev": names[12:18], "test": names[18:]}
    sounds = {}
    for part, names in splits.items():
        magnitudes, phases = [], []
        for name in names:
            sounds[name] = make_sound(len(sounds), n_samples)
            _, _, spectra = scipy.signal.stft(  # divides by the sum of the window
                sounds[name], RATE, "hamming", 1024, 512, boundary=None, padded=False
            )
            magnitudes.append(np.abs(spectra).astype(np.float32))
            phases.append((spectra / (np.abs(spectra) + 1e-15)).astype(np.complex64))
        labels = [np.roll([1, 0, 0], number) for number in range(len(names))]
        with h5py.File(folder / f"{part}_data.hdf5", "w") as file:
            file["stft_magnitudes"] = np.array(magnitudes)
            file["stft_phases"] = np.array(phases)
            file["mel_spectrograms"] = np.zeros((len(names), 64, magnitudes[0].shape[1]))
            file["labels"] = np.array(labels, dtype=float)
            file["filenames"] = np.array(names, dtype="S")
            file["durations"] = np.full(len(names), n_samples / RATE)
    config = {"sampling_rate": RATE, "STFT_frame_width_ms": 64, "STFT_frame_shift_ms": 32}
    config |= {"STFT_window_function": "hamming", "classes": SEGMENT_CLASSES, "batch_size": 7}
    (folder / "config.json").write_text(json.dumps(config))
    return sounds


def make_single_segments(folder, *, start=0):
    """Write AudioSet segments in a file each, and return their sounds by name.

    Args:
        folder: gets T_….hdf5, D_….hdf5, V_….hdf5 and metadata.json.
        start: where the window stands in a longer frame.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sounds = {}
    for number, name in enumerate(segment_names(9, 1)):
        prefix = "TDV"[number // 3]
        sounds[name] = make_sound(number, 160 + 80 * 49)
        magnitude, phase = spectra_of(sounds[name], 256, 160, 80, "hann", start=start)
        with h5py.File(folder / f"{prefix}_{name}.hdf5", "w") as file:
            file["magnitude"] = magnitude.T
            file["phase"] = np.angle(phase).T
            file["Log_Mel_Filterbank"] = np.zeros((magnitude.shape[1], 40))
            labels = np.zeros((3, magnitude.shape[1]))
            labels[number % 3, 5:9] = 1
            file["labels"] = labels
    metadata = {"classes": SEGMENT_CLASSES, "mean_std": [[0.0], [1.0]]}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return sounds


def change_arrays(path, **arrays):
    """Replace arrays of an HDF5 file; None removes one."""
    with h5py.File(path, "r+") as file:
        for name, values in arrays.items():
            del file[name]
            if values is not None:
                file[name] = values
