"""Make small folders of labelled recordings for the tests of the data."""

import zlib

import numpy as np
import pytest
import soundfile

from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import build_data_set, open_split
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.layouts import DataConfig

RATE = 8000


def tone(n, rate=RATE, frequency=440.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(n) / rate)


def write(path, samples, rate=RATE, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)


def write_tone(path):
    """Write a short tone that is another one for each path: copies would be of one origin."""
    write(path, tone(800, frequency=300 + zlib.crc32(str(path).encode()) / 2**22))


def weak(folder, rows, *, header="filename,dog,bell", name="weak_labels.csv"):
    """Write a folder with a table, and a short tone for every file that the table names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    for row in rows:
        path = folder / row.split("\t" if name.endswith("tsv") else ",")[0]
        if not path.exists():
            write_tone(path)
    return folder


def config_of(folder, **changes):
    return DataConfig(data_set_type="weakly_labelled_folder", data_folder=str(folder), **changes)


def read_all(config, split="train", **options):
    data_set = open_split(config, split, sampling_rate=RATE, **options)
    return [data_set[index] for index in range(len(data_set))]


def refusal_of(config, split="train", **options):
    """Return the message with which a folder is refused, a single line."""
    with pytest.raises(InputError) as error:
        read_all(config, split, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def data_set_of(folder, waveforms, labels=("dog",), **options):
    """Write waveforms at RATE, in 16 bit, and return a data set of them."""
    items = []
    for index, waveform in enumerate(waveforms):
        write(folder / f"{index}.wav", waveform)
        items.append(LabelledRecording(str(folder / f"{index}.wav"), frozenset(labels), str(index)))
    return build_data_set(items, ["dog", "bell"], RATE, **options)


TEN = [f"{i}.wav,{int(i % 2 == 0)},{int(i % 2)}" for i in range(10)]
