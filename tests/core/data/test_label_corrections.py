"""Corrections of weak labels keep the original table, and none is lost."""

import csv
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import soundfile

from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.tables import read_table
from absslab.core.data.audio_data_set import open_split
from absslab.core.data.label_corrections import (
    correct_label,
    labels_table,
    read_labels,
    read_recording_labels,
)
from absslab.core.data.layouts import DataConfig
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import read_manifest
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.training.experiment import Experiment

CSV = "filename,split,knock,speech\na.wav,train,1,0\nsub/b.wav,test,0,1\n"
TSV = "filename\tevent_labels\na.wav\tknock\nsub/b.wav\tknock,speech\nc.wav\t\n"


@pytest.fixture
def folder(mixtures, tmp_path) -> Path:
    """A copy of the folder of mixtures."""
    return Path(shutil.copytree(mixtures, tmp_path / "set"))


@pytest.fixture(params=["weak_labels.csv", "weak.tsv"])
def table(request, tmp_path) -> Path:
    (tmp_path / request.param).write_text(CSV if request.param.endswith("csv") else TSV)
    (tmp_path / "sub").mkdir()
    for name in ("a.wav", "sub/b.wav", "c.wav"):
        soundfile.write(tmp_path / name, 0.1 * np.ones(8000), 8000)
    return tmp_path / request.param


def read_corrections(table: Path) -> list[list[str]]:
    with open(table.with_name("corrections.csv"), newline="") as file:
        return list(csv.reader(file))


def original(table: Path) -> Path:
    return table.with_name(f"{table.stem}.original{table.suffix}")


def test_a_label_is_added_and_nothing_else_changes(table):
    before = table.read_text()
    assert correct_label(table, "a.wav", "speech", True)
    assert read_labels(table, "a.wav") == {"knock": True, "speech": True}
    assert read_labels(table, "sub/b.wav")["speech"]
    assert original(table).read_text() == before
    expected = before.replace("a.wav,train,1,0", "a.wav,train,1,1").replace(
        "a.wav\tknock\n", "a.wav\tknock,speech\n"
    )
    assert table.read_text() == expected


def test_corrections_are_noted_and_the_first_original_is_kept(table):
    before = table.read_text()
    correct_label(table, "a.wav", "speech", True)
    correct_label(table, "sub/b.wav", "knock", table.suffix == ".csv")
    correct_label(table, "a.wav", "speech", False)
    assert original(table).read_text() == before
    header, *lines = read_corrections(table)
    assert header == ["time", "filename", "event_label", "from", "to"]
    of_knock = ["0", "1"] if table.suffix == ".csv" else ["1", "0"]
    assert [line[1:] for line in lines] == [
        ["a.wav", "speech", "0", "1"],
        ["sub/b.wav", "knock", *of_knock],
        ["a.wav", "speech", "1", "0"],
    ]
    assert all(datetime.fromisoformat(line[0]).tzinfo for line in lines)
    correct_label(table, "sub/b.wav", "knock", table.suffix != ".csv")
    assert read_table(table, required=(), delimiter="," if table.suffix == ".csv" else "\t")
    assert read_labels(table, "a.wav") == {"knock": True, "speech": False}


def test_an_unknown_label_is_corrected_to_0_and_others_stay_unknown(tmp_path):
    table = tmp_path / "weak_labels.csv"
    table.write_text("filename,knock,speech\na.wav,1,\nb.wav,0,\n")
    assert read_recording_labels(tmp_path / "a.wav").unknown == {"speech"}
    assert correct_label(table, "a.wav", "speech", False)
    assert table.read_text() == "filename,knock,speech\na.wav,1,0\nb.wav,0,\n"
    assert not read_recording_labels(tmp_path / "a.wav").unknown
    assert not correct_label(table, "a.wav", "speech", False)
    assert read_corrections(table)[1][1:] == ["a.wav", "speech", "", "0"]


def test_a_correction_makes_no_empty_cells_unknown_that_are_read_as_0(tmp_path):
    table = tmp_path / "weak_labels.csv"
    table.write_text("filename,knock,speech\na.wav,1,\nb.wav,,1\nc.wav,1,1\n")
    assert correct_label(table, "c.wav", "speech", False)
    assert table.read_text() == "filename,knock,speech\na.wav,1,0\nb.wav,0,1\nc.wav,1,0\n"


def test_what_is_so_already_is_no_correction(table):
    before = table.read_text()
    assert not correct_label(table, "a.wav", "knock", True)
    assert table.read_text() == before
    assert not original(table).exists()
    assert not table.with_name("corrections.csv").exists()


@pytest.mark.parametrize(
    ("filename", "event_label", "message"),
    [
        ("b.wav", "speech", "no recording 'b.wav'"),
        ("../a.wav", "speech", "no recording"),
        ("a.wav", "speach", "no class 'speach'; did you mean speech"),
        ("a.wav", "{path}", r"no class '\{path\}'"),
        ("a.wav", "split", "no class 'split'"),
        ("a.wav", "filename", "no class 'filename'"),
    ],
)
def test_what_there_is_not_is_refused_and_changes_nothing(table, filename, event_label, message):
    before = table.read_text()
    with pytest.raises(InputError, match=message):
        correct_label(table, filename, event_label, True)
    assert table.read_text() == before
    assert not original(table).exists()


def test_a_table_that_is_missing_or_no_table_of_labels_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        correct_label(tmp_path / "weak_labels.csv", "a.wav", "speech", True)
    with pytest.raises(InputError, match="is not a table of weak labels"):
        correct_label(tmp_path / "events.tsv", "a.wav", "speech", True)


def test_a_class_of_a_table_of_lists_does_not_get_lost(tmp_path):
    (tmp_path / "weak.tsv").write_text(TSV)
    with pytest.raises(InputError, match="without it the class would not exist"):
        correct_label(tmp_path / "weak.tsv", "sub/b.wav", "speech", False)
    correct_label(tmp_path / "weak.tsv", "c.wav", "speech", True)
    correct_label(tmp_path / "weak.tsv", "sub/b.wav", "speech", False)
    assert (tmp_path / "weak.tsv").read_text() == TSV.replace("knock,speech", "knock").replace(
        "c.wav\t", "c.wav\tspeech"
    )


@pytest.mark.parametrize("what_fails", ["the table", "the note"])
def test_on_a_full_disk_neither_the_label_nor_its_note_is_changed(tmp_path, full_disk, what_fails):
    table = tmp_path / "weak_labels.csv"
    n_rows = 100 if what_fails == "the table" else 3
    table.write_text("filename,knock,speech\n" + "".join(f"{i}.wav,1,0\n" for i in range(n_rows)))
    correct_label(table, "0.wav", "speech", True)
    before = table.read_bytes()
    notes = read_corrections(table)
    size = (
        300 if what_fails == "the table" else table.with_name("corrections.csv").stat().st_size + 10
    )
    with full_disk(size), pytest.raises(OSError, match=r"weak_labels\.csv|corrections\.csv"):
        correct_label(table, "1.wav", "speech", True)
    assert table.read_bytes() == before
    assert read_corrections(table) == notes
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))
    assert correct_label(table, "1.wav", "speech", True)
    assert len(read_corrections(table)) == len(notes) + 1


def test_corrections_of_several_panels_at_once_are_all_there(tmp_path):
    table = tmp_path / "weak_labels.csv"
    names = [f"{i}.wav" for i in range(12)]
    table.write_text("filename,knock,speech\n" + "".join(f"{name},1,0\n" for name in names))
    all_here = Barrier(4)

    def correct(own_names):
        all_here.wait(20)
        return [correct_label(table, name, "speech", True) for name in own_names]

    with ThreadPoolExecutor(4) as panels:
        changed = list(panels.map(correct, (names[i::4] for i in range(4))))
    assert all(map(all, changed))
    assert all(read_labels(table, name)["speech"] for name in names)
    assert sorted(line[1] for line in read_corrections(table)[1:]) == sorted(names)


def test_the_table_of_a_recording_is_beside_it_or_above(table, monkeypatch):
    assert labels_table(table.parent / "a.wav") == table
    assert labels_table(table.parent / "sub/b.wav") == table
    monkeypatch.chdir(table.parent / "sub")
    assert labels_table("b.wav") == table
    with pytest.raises(InputError, match="has no labels to correct"):
        labels_table(table.parent / "sub/new.wav")


def test_a_correction_in_a_folder_of_mixtures_is_what_training_and_scores_read(folder, checkpoint):
    recording = folder / "test/000000.wav"
    table = labels_table(recording)
    labels = read_labels(table, "000000.wav")
    for name, present in labels.items():
        correct_label(table, "000000.wav", name, not present)
    item = open_split(DataConfig(data_folder=str(folder)), "test", sampling_rate=16000).recordings[
        0
    ]
    assert item.labels == {name for name, present in labels.items() if not present}
    evaluation = open_evaluation(
        EvaluationConfig(checkpoint_path=str(checkpoint), data_folder=str(folder))
    )
    with collect_notices() as notices:
        assert list(evaluation.run())[-1].done
    assert "has no audible source of it" in str(notices[0])  # of what the correction added


def test_going_on_with_a_folder_of_mixtures_does_not_undo_corrections(folder):
    table = folder / "train/weak_labels.csv"
    present = read_labels(table, "000000.wav")["speech"]
    correct_label(table, "000000.wav", "speech", not present)
    corrected = table.read_bytes()
    for name in ("train", "test"):
        (folder / name / "000000.wav").unlink()
    settings = read_manifest(folder).config
    config, mixing = (
        config_type.from_json(
            {name: value for name, value in settings.items() if hasattr(config_type(), name)}
        )
        for config_type in (MixtureFolderConfig, MixingConfig)
    )
    untouched = (folder / "test/weak_labels.csv").read_bytes()
    list(write_mixtures(replace(config, output_folder=str(folder), n_workers=1), mixing))
    assert table.read_bytes() == corrected
    assert (folder / "train/000000.wav").exists()
    assert (folder / "test/weak_labels.csv").read_bytes() == untouched
    table.unlink()
    list(write_mixtures(replace(config, output_folder=str(folder), n_workers=1), mixing))
    assert table.read_bytes() == original(table).read_bytes()


def test_a_run_does_not_go_on_with_corrected_labels_and_says_so(new_run, folder, tmp_path):
    data = replace(new_run.data, data_folder=str(folder))
    list(Experiment(replace(new_run, data=data)).run())
    table = folder / "train/weak_labels.csv"
    correct_label(table, "000000.wav", "speech", not read_labels(table, "000000.wav")["speech"])
    with pytest.raises(
        InputError, match="other recordings or labels than the run began with: start a new run"
    ):
        list(Experiment.resume(tmp_path / "run/last.ckpt", {"n_epochs": 3}).run())
    assert json.loads((tmp_path / "run/config.json").read_text())["training"]["n_epochs"] == 2
