"""What the command line says about labels: which classes there are, and what was left out."""

import numpy as np
import pytest
import soundfile

from absslab.cli.main import main
from absslab.core.common.config import to_flags

NAMES = [f"{name}{take}.wav" for name in ("hum", "tone") for take in (1, 2, 3)]
THIRDS = ["--split_percentages", "34", "33", "33"]


@pytest.fixture
def folder(tmp_path):
    """A folder of six sounds of two classes, with a table."""
    for name in NAMES:
        write_tone(tmp_path / "set" / name)
    write_labels(tmp_path / "set")
    return tmp_path / "set"


def write_tone(path):
    """Write a short tone with noise that is another one for each path."""
    rng = np.random.default_rng(sum(map(ord, str(path))))
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = np.sin(2 * np.pi * (300 if "hum" in path.name else 900) * np.arange(4800) / 16000)
    soundfile.write(path, 0.3 * tone + 0.01 * rng.standard_normal(4800), 16000)


def write_labels(folder, more="", value=""):
    rows = [f"{name},{int('hum' in name)},{int('tone' in name)}{value}" for name in NAMES]
    header = f"filename,hum,tone{more}"
    (folder / "weak_labels.csv").write_text("\n".join([header, *rows]) + "\n")


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
    assert "1 class has no training recording" in err
    assert ": cat;" in err
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
