"""Make miniatures of published corpora, as they are unpacked: a few clips of 0.3 s each."""

import json

import numpy as np
import soundfile

RATE = 16000
CLASSES = ("dog", "rain", "siren")


def write_clip(path, label, seed):
    """Write a tone whose frequency belongs to the class, with some noise."""
    rng = np.random.default_rng(seed)
    frequency = 300 * (1 + CLASSES.index(label)) if label in CLASSES else 900
    tone = np.sin(2 * np.pi * frequency * np.arange(int(0.3 * RATE)) / RATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * tone + 0.01 * rng.standard_normal(len(tone)), RATE)


def write_table(path, header, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [delimiter.join(map(str, row)) for row in [header, *rows]]
    path.write_text("\n".join(lines) + "\n")


def make_esc50(folder):
    rows = []
    for fold in range(1, 6):
        for target, label in enumerate(CLASSES):
            for take in "AB":  # two clips of one upload
                source = 1000 * fold + target
                name = f"{fold}-{source}-{take}-{target}.wav"
                write_clip(folder / "audio" / name, label, fold)
                rows.append((name, fold, target, label, False, source, take))
    header = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    write_table(folder / "meta" / "esc50.csv", header, rows)
    return folder


def make_urbansound8k(folder):
    rows = []
    for fold in range(1, 11):
        for target, label in enumerate(CLASSES):
            upload = 100 * fold + target
            for piece in range(2):
                name = f"{upload}-{target}-0-{piece}.wav"
                write_clip(folder / "audio" / f"fold{fold}" / name, label, fold)
                rows.append((name, upload, 0.0, 0.3, 1, fold, target, label))
    header = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
    write_table(folder / "metadata" / "UrbanSound8K.csv", header, rows)
    return folder


def make_fsd50k(folder):
    tables = {"dev": [], "eval": []}
    number = 64000
    for part, splits in {"dev": ("train", "train", "val"), "eval": ("",)}.items():
        for split in splits:
            for label in CLASSES:
                number += 1
                write_clip(folder / f"FSD50K.{part}_audio" / f"{number}.wav", label, number)
                labels = '"dog,Domestic_sounds_and_animals"' if label == "dog" else label
                row = (number, labels, "/m/0bt9lr")
                tables[part].append((*row, split) if split else row)
    truth = folder / "FSD50K.ground_truth"
    write_table(truth / "dev.csv", ("fname", "labels", "mids", "split"), tables["dev"])
    write_table(truth / "eval.csv", ("fname", "labels", "mids"), tables["eval"])
    return folder


AUDIOSET_NAMES = {"/m/1": "Male speech, man speaking", "/m/2": "Gush/Hiss", "/m/3": "Siren"}


def make_audioset(folder):
    names = [(i, mid, f'"{name}"') for i, (mid, name) in enumerate(AUDIOSET_NAMES.items())]
    write_table(folder / "class_labels_indices.csv", ("index", "mid", "display_name"), names)
    number = 0
    for part, n_clips in {"balanced_train": 12, "eval": 6}.items():
        lines = ["# Segments csv created Sun Mar  5 10:54:25 2017", "# num_ytids=9"]
        lines.append("# YTID, start_seconds, end_seconds, positive_labels")
        for clip in range(n_clips):
            number += 1
            video = f"-{number:02d}ab_cdeFG"
            mid = list(AUDIOSET_NAMES)[clip % 3]
            labels = f"{mid},/m/3" if clip % 5 == 0 else mid
            lines.append(f'{video}, 30.000, 40.000, "{labels}"')
            name = [f"{video}.wav", f"Y{video}.wav", f"{video}_30.000.wav"][clip % 3]
            name = f"Y{video}_30.000_40.000.wav" if clip == 4 else name
            if clip != 7:  # a video that is gone
                write_clip(folder / "clips" / part / name, CLASSES[clip % 3], number)
        (folder / f"{part}_segments.csv").write_text("\n".join(lines) + "\n")
    return folder


def make_desed(folder, *, with_eval=True):
    def name_of(number):
        return f"Y{number:011d}_30.000_40.000.wav"

    weak = []
    for number in range(12):
        label = CLASSES[number % 3]
        write_clip(folder / "audio/train/weak" / name_of(number), label, number)
        weak.append((name_of(number), f"{label},rain" if number == 3 else label))
    weak.append((name_of(99), "dog"))  # a video that is gone
    write_table(folder / "metadata/train/weak.tsv", ("filename", "event_labels"), weak, "\t")
    write_table(folder / "metadata/train/unlabel_in_domain.tsv", ("filename",), [("x.wav",)], "\t")
    header = ("filename", "onset", "offset", "event_label")
    for place, first in {
        "train/synthetic21_train/soundscapes": 20,
        "validation/validation": 40,
    }.items():
        write_strong(folder, place, first, header)
    if with_eval:
        write_strong(folder, "eval/public", 60, header)
    return folder


def write_strong(folder, place, first, header):
    rows = []
    for number in range(first, first + 6):
        name = f"{number}.wav" if "train" in place else f"Y{number:011d}_0.000_10.000.wav"
        label = CLASSES[number % 3]
        write_clip(folder / "audio" / place / name, label, number)
        rows.append((name, 0.05, 0.25, label))
    rows.append((rows[0][0], 0.1, 0.2, rows[0][3]))
    rows.append(("Ygone_gone_1_0.000_10.000.wav", 0.1, 0.2, "dog"))
    write_table(folder / "metadata" / f"{place}.tsv", header, rows, "\t")


def make_urban_sed(folder):
    number = 0
    for part, n_files in {"train": 6, "validate": 3, "test": 3}.items():
        for index in range(n_files):
            number += 1
            label = CLASSES[index % 3]
            stem = f"soundscape_{part}_uniform{number}"
            write_clip(folder / "audio" / part / f"{stem}.wav", label, number)
            value = {"label": label, "role": "foreground", "source_time": 0.0}
            data = [
                {"time": 0.0, "duration": 0.3, "value": {"label": "noise", "role": "background"}},
                {"time": 0.05, "duration": 0.2, "value": value},
            ]
            if index == 1:  # as earlier versions of JAMS wrote it
                data = {key: [item[key] for item in data] for key in ("time", "duration", "value")}
            content = {"annotations": [{"namespace": "scaper", "data": data}], "file_metadata": {}}
            path = folder / "annotations" / part / f"{stem}.jams"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
    return folder


MINIATURES = {
    "desed": make_desed,
    "audioset": make_audioset,
    "fsd50k": make_fsd50k,
    "esc50": make_esc50,
    "urbansound8k": make_urbansound8k,
    "urban_sed": make_urban_sed,
}
