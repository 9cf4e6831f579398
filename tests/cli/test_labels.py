"""What the command line says about labels: which classes there are, and what was left out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from absslab.cli.main import main
from absslab.core.common.config import to_flags
from absslab.core.data.audio_data_set import read_split
from absslab.core.data.layouts import DataConfig

NAMES = [f"{name}{take}.wav" for name in ("hum", "tone") for take in (1, 2, 3)]
THIRDS = ["--split_percentages", "34", "33", "33"]


def make_folder(folder):
    """Make a folder of six sounds of two classes, with a table."""
    for name in NAMES:
        write_tone(folder / name)
    write_labels(folder)
    return folder


@pytest.fixture
def folder(tmp_path):
    """A folder of six sounds of two classes, with a table."""
    return make_folder(tmp_path / "set")


def write_tone(path):
    """Write a short tone with noise that is another one for each path."""
    rng = np.random.default_rng(sum(map(ord, str(path))))
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = np.sin(2 * np.pi * (300 if "hum" in path.name else 900) * np.arange(4800) / 16000)
    soundfile.write(path, 0.3 * tone + 0.01 * rng.standard_normal(4800), 16000)


def write_labels(folder, more="", value="", names=NAMES):
    rows = [f"{name},{int('hum' in name)},{int('tone' in name)}{value}" for name in names]
    header = f"filename,hum,tone{more}"
    (folder / "weak_labels.csv").write_text("\n".join([header, *rows]) + "\n")


def write_other_table(path, names, splits=()):
    """Write a table of the format that its name says, and return its path."""
    headers = {"weak.tsv": "filename event_labels", "weak.csv": "filename hum tone"}
    cells = [headers.get(path.name, "filename onset offset event_label").split()]
    for name in names:
        label = name[:-5]
        values = {"weak.tsv": [label], "weak.csv": [int(label == "hum"), int(label == "tone")]}
        cells.append([name, *values.get(path.name, [0.05, 0.2, label])])
    for row, split in zip(cells, ["split", *splits], strict=False):
        row += [split] if splits else []
    separator = "," if path.suffix == ".csv" else "\t"
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in cells))
    return path


def train(small_model, folder, capsys, *flags, layout="weakly_labelled_folder"):
    """Train for an epoch; return the exit status, the output and the messages."""
    values = small_model | {"n_epochs": 1, "save_path": str(folder.parent / "run" / "m.ckpt")}
    values |= {"data_set_type": layout, "data_folder": str(folder)}
    status = main(["train", *to_flags(values), *THIRDS, *map(str, flags)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def test_a_training_names_its_classes_and_those_without_recordings(folder, small_model, capsys):
    write_labels(folder, ",cat,fold", ",0,1")
    status, out, err = train(small_model, folder, capsys)
    assert status == 0
    assert out.splitlines()[0] == "3 classes: hum, tone, cat"
    assert "the column 'fold' is taken for metadata, not for a class" in err
    assert "no training recording has 1 class: cat: the model can't learn to find" in err
    assert "3 classes: hum, tone, cat" in (folder.parent / "run/m/log.txt").read_text()


def test_recordings_that_are_not_there_are_named_or_left_out(folder, small_model, capsys):
    for name in ("hum1", "hum2", "hum3", "hum4", "tone4", "tone5"):
        write_tone(folder / f"{name}.wav")
    names = [*NAMES, "hum4.wav", "hum5.wav", "tone4.wav", "tone5.flac"]
    rows = [f"{name},{int('hum' in name)},{int('tone' in name)}" for name in names]
    (folder / "weak_labels.csv").write_text("\n".join(["filename,hum,tone", *rows]) + "\n")
    status, out, err = train(small_model, folder, capsys)
    assert (status, out) == (2, "")
    assert "2 of 10 files can't be used: (1)" in err
    assert "names hum5.wav, which is not in" in err
    assert "tone5.flac" in err
    assert "did you mean tone5.wav?" in err
    assert "; pass --on_error skip to leave them out" in err
    status, out, err = train(small_model, folder, capsys, "--on_error", "skip")
    assert status == 3
    assert "2 of 10 files were left out" in err
    left_out = (folder.parent / "run" / "m" / "left_out.csv").read_text().splitlines()
    assert len(left_out) == 3
    assert "hum5.wav" in left_out[1]
    assert "tone5.flac" in left_out[2]


def test_a_table_that_names_no_file_is_one_line(folder, small_model, capsys):
    table = folder / "weak_labels.csv"
    table.write_text(table.read_text().replace(".wav", ".flac"))
    status, out, err = train(small_model, folder, capsys)
    assert (status, out) == (2, "")
    assert "none of the 6 recordings that the labels name is found" in err
    assert "did you mean hum1.wav?" in err


# --- which recordings are scored ------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_model):
    """A model, and the folder of six recordings that it was trained on, whose splits are drawn."""
    place = tmp_path_factory.mktemp("trained")
    folder = make_folder(place / "set")
    values = small_model | {"n_epochs": 1, "save_path": str(place / "m.ckpt")}
    values |= {"data_set_type": "weakly_labelled_folder", "data_folder": str(folder)}
    assert main(["train", *to_flags(values), *THIRDS]) == 0
    return place / "m.ckpt", folder


def evaluate(checkpoint, capsys, tmp_path, *flags):
    """Score a model; return the exit status, the scores' JSON and all that was printed."""
    capsys.readouterr()
    output = tmp_path / "scores" / "s.json"
    output.parent.mkdir(exist_ok=True)
    output.unlink(missing_ok=True)
    words = ["--checkpoint_path", checkpoint, "--output", output, "--bss_eval", "none", *flags]
    status = main(["evaluate", *map(str, words), "--device", "cpu"])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    scores = json.loads(output.read_text()) if output.exists() else {}
    return status, scores, out + err


def test_another_folder_without_splits_is_scored_as_a_whole(trained, capsys, tmp_path):
    checkpoint, _ = trained
    other = make_folder(tmp_path / "other")
    status, scores, said = evaluate(checkpoint, capsys, tmp_path, "--data_folder", other)
    assert (status, scores["split"], scores["n_mixtures"]) == (0, "all", 6)
    assert "scoring 6 recordings (all) on cpu" in said
    for split in ("test", "train", "validation"):
        flags = ("--data_folder", other, "--split", split)
        status, scores, said = evaluate(checkpoint, capsys, tmp_path, *flags)
        assert (status, scores["split"], scores["n_mixtures"]) == (0, split, 2)
        assert f"2 of 6 recordings of {other} are scored: the {split} split" in said
        assert "--split all scores all" in said


@pytest.mark.parametrize("name", ["weak.tsv", "weak.csv", "strong.tsv"])
def test_another_table_without_splits_is_scored_as_a_whole(trained, capsys, tmp_path, name):
    checkpoint, _ = trained
    audio = make_folder(tmp_path / "audio")
    table = write_other_table(tmp_path / name, NAMES[1:5])
    flags = ("--labels", table, "--audio_folder", audio)
    status, scores, said = evaluate(checkpoint, capsys, tmp_path, *flags)
    assert (status, scores["split"], scores["n_mixtures"]) == (0, "all", 4)
    assert "does not name 2 sound files of the folder, which are left out" in said
    assert (scores["detection"] is not None) == (name == "strong.tsv")


def test_a_folder_of_one_recording_is_scored(trained, capsys, tmp_path):
    checkpoint, _ = trained
    audio = make_folder(tmp_path / "audio")
    table = write_other_table(tmp_path / "strong.tsv", NAMES[:1])
    flags = ("--labels", table, "--audio_folder", audio)
    status, scores, _ = evaluate(checkpoint, capsys, tmp_path, *flags)
    assert (status, scores["n_mixtures"]) == (0, 1)
    assert scores["missing"]["per_class.tone"].startswith("no recording has it")


def test_the_own_splits_of_another_table_are_followed(trained, capsys, tmp_path):
    checkpoint, _ = trained
    audio = make_folder(tmp_path / "audio")
    splits = ["test", "test", "train", "test", "validation", "train"]
    table = write_other_table(tmp_path / "strong.tsv", NAMES, splits)
    flags = ("--labels", table, "--audio_folder", audio)
    for split, count in {"test": 3, "train": 2, "all": 6}.items():
        more = () if split == "test" else ("--split", split)
        status, scores, _ = evaluate(checkpoint, capsys, tmp_path, *flags, *more)
        assert (status, scores["split"], scores["n_mixtures"]) == (0, split, count)
    write_other_table(tmp_path / "strong.tsv", NAMES, ["train"] * 4 + ["validation"] * 2)
    status, _, said = evaluate(checkpoint, capsys, tmp_path, *flags)
    assert status == 2
    assert "no recordings in its test split, but 4 in train, 2 in validation" in said


def test_the_data_of_the_training_are_known_again_wherever_they_are(trained, capsys, tmp_path):
    checkpoint, folder = trained
    first = evaluate(checkpoint, capsys, tmp_path)
    assert (first[1]["split"], first[1]["n_mixtures"]) == ("test", 2)
    moved = shutil.copytree(folder, tmp_path / "moved")
    again = evaluate(checkpoint, capsys, tmp_path, "--data_folder", moved)
    for section in ("split", "n_mixtures", "tagging", "detection"):
        assert again[1][section] == first[1][section]
    # With more recordings others would be drawn, such as those that the model has learned.
    for take in range(4, 10):
        write_tone(moved / f"tone{take}.wav")
    names = [*NAMES, *(f"tone{take}.wav" for take in range(4, 10))]
    write_labels(moved, names=names)
    status, scores, said = evaluate(checkpoint, capsys, tmp_path, "--data_folder", moved)
    assert (status, scores["split"], scores["n_mixtures"]) == (0, "all", 8)
    assert "4 of 12 recordings of" in said
    assert "are not scored, since the model was trained or validated on them" in said
    flags = ("--data_folder", moved, "--split", "all")
    status, scores, said = evaluate(checkpoint, capsys, tmp_path, *flags)
    assert scores["n_mixtures"] == 12
    assert "4 of 12 recordings of" in said
    assert "these scores say little" in said


def test_a_folder_of_nothing_but_what_was_learned_is_scored_and_told(trained, capsys, tmp_path):
    checkpoint, folder = trained
    labels = DataConfig(
        data_set_type="weakly_labelled_folder",
        data_folder=str(folder),
        split_percentages=(34, 33, 33),
    )
    learned = [Path(item.path).name for item in read_split(labels, "train").recordings]
    table = write_other_table(tmp_path / "weak.tsv", learned)
    status, scores, said = evaluate(checkpoint, capsys, tmp_path, "--labels", table)
    assert (status, scores["split"], scores["n_mixtures"]) == (0, "all", 2)
    assert "2 of 2 recordings of" in said
    assert "these scores say little" in said


def test_a_checkpoint_of_before_scores_a_split_and_says_so(trained, capsys, tmp_path):
    content = torch.load(trained[0], weights_only=True)
    assert len(content["made"].pop("trained_on")) == 4
    torch.save(content, tmp_path / "before.ckpt")
    other = make_folder(tmp_path / "other")
    flags = ("--data_folder", other)
    status, scores, said = evaluate(tmp_path / "before.ckpt", capsys, tmp_path, *flags)
    assert (status, scores["split"], scores["n_mixtures"]) == (0, "test", 2)
    assert "2 of 6 recordings of" in said
    for name in NAMES[1:3]:  # too few are left to draw a split
        (other / name).unlink()
    write_labels(other, names=[name for name in NAMES if name not in NAMES[1:3]])
    status, _, said = evaluate(tmp_path / "before.ckpt", capsys, tmp_path, *flags)
    assert status == 2
    assert "no test split can be drawn" in said
    assert "--split all scores all of its recordings" in said
    status, scores, _ = evaluate(
        tmp_path / "before.ckpt", capsys, tmp_path, *flags, "--split", "all"
    )
    assert (status, scores["n_mixtures"]) == (0, 4)
