"""Make miniatures of the data sets that the thesis used, as their own codes write them."""

from pathlib import Path

import h5py
import numpy as np
import soundfile
import yaml

RATE = 16000
EVENTS = ("babycry", "glassbreak", "gunshot")
CLASSES = (*EVENTS, "background")


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
            tone = np.sin(2 * np.pi * 500 * (1 + EVENTS.index(event)) * np.arange(2000) / RATE)
            sound = np.zeros_like(background)
            sound[1000:3000] = 0.5 * tone
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
                    "event_segment": [0.5, 1.5],
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
