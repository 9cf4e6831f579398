"""Recordings of a split are separated as the data set reads them, also where the data moved."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from thesis_miniatures import make_tut_rare

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.layouts import DataConfig
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.runs.run_data import run_recordings
from absslab.core.separation.checkpoint_split import list_checkpoint_split
from absslab.core.separation.separator import Separator
from absslab.core.training.experiment import Experiment
from absslab.core.training.run_directory import RunReader
from absslab.core.training.settings import Settings
from absslab.report.provenance import read_labelled_recordings


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """TUT Rare 2017 whose sounds and lists do not lie beside the features."""
    root = tmp_path_factory.mktemp("tut")
    make_tut_rare(root / "made")
    shutil.move(root / "made" / "mixed_audio", root / "sounds")
    shutil.move(root / "made" / "mixed_yaml", root / "lists")
    return root


@pytest.fixture(scope="module")
def places(folder):
    """Where the data are, as settings say it."""
    return {
        "data_folder": str(folder / "made"),
        "audio_folder": str(folder / "sounds"),
        "yaml_file": str(folder / "lists"),
    }


@pytest.fixture(scope="module")
def settings(places, tmp_path_factory, small_model):
    save_path = tmp_path_factory.mktemp("runs") / "model.ckpt"
    flags = small_model | places | {"data_set_type": "TUT_rare_2017", "n_epochs": 1}
    return Settings.from_flags(flags | {"save_path": str(save_path)})


@pytest.fixture(scope="module")
def model(settings):
    with collect_notices():
        run_to_end(Experiment(settings).run())
    return Path(settings.run.save_path)


def test_a_split_whose_sources_are_channels_is_separated_as_it_is_scored(
    model, tmp_path, monkeypatch
):
    heard = []
    stream = Separator.stream

    def listen(self, *arguments, **keywords):
        parts = []
        for part in stream(self, *arguments, **keywords):
            parts.append(part.probabilities)
            yield part
        heard.append(parts)

    monkeypatch.setattr(Separator, "stream", listen)
    output = tmp_path / "out"
    flags = f"--checkpoint_path {model} --output_folder {output} --n_recordings 3 --device cpu"
    assert main(["separate", *flags.split(), "--on_error", "stop"]) == 0
    monkeypatch.undo()
    evaluation = open_evaluation(
        EvaluationConfig(checkpoint_path=str(model), split="test", device="cpu")
    )
    assert len(heard) == 3
    for index, parts in enumerate(heard):
        (probabilities,) = parts
        truth = evaluation.truth(index)
        np.testing.assert_array_equal(probabilities, evaluation.estimate(truth).probabilities)
        path = evaluation.data_set.path(index)
        files = sorted((output / path.stem).glob("*.wav"))
        assert len(files) == 5  # and the residual
        sounds = [soundfile.read(file, dtype="float32")[0] for file in files]
        np.testing.assert_allclose(sum(sounds), truth.mixture, atol=1e-6)
        np.testing.assert_allclose(soundfile.read(path)[0].sum(1), truth.mixture, atol=1e-6)


def test_a_file_that_lacks_a_channel_is_left_out(folder, model, tmp_path, capsys):
    moved = Path(shutil.copytree(folder / "made", tmp_path / "moved"))
    shutil.copytree(folder / "sounds", moved / "mixed_audio")
    shutil.copytree(folder / "lists", moved / "mixed_yaml")
    mono = moved / "mixed_audio" / "testing" / "0000.mix_0db.wav"
    soundfile.write(mono, soundfile.read(mono)[0][:, 0], 16000)
    flags = ["--checkpoint_path", str(model), "--data_folder", str(moved), "--device", "cpu"]
    flags += ["--output_folder", str(tmp_path / "out"), "--n_recordings", "2"]
    assert main(["separate", *flags, "--on_error", "stop"]) == 2
    assert "has 1 channel: expected a true source in channel 2" in capsys.readouterr().err
    assert not (tmp_path / "out" / mono.stem).exists()


def test_what_belongs_to_a_folder_is_kept_unless_the_data_moved(tmp_path):
    data = DataConfig("TUT_rare_2017", str(tmp_path), audio_folder="sounds", yaml_file="lists")
    for same in ("", str(tmp_path), f"{tmp_path}/."):
        assert data.move(same) == data
    moved = data.move("elsewhere")
    assert (moved.data_folder, moved.audio_folder, moved.yaml_file) == ("elsewhere", None, None)
    assert moved.move(data.data_folder).data_set_type == "TUT_rare_2017"


def test_moved_data_are_found_with_their_own_sounds_and_lists(folder, settings, model, tmp_path):
    moved = Path(shutil.copytree(folder / "made", tmp_path / "moved"))
    shutil.copytree(folder / "sounds", moved / "mixed_audio")
    shutil.copytree(folder / "lists", moved / "mixed_yaml")
    made = load_checkpoint(model, torch.device("cpu")).made
    reader = RunReader(model.with_suffix(""))

    def list_all(data_folder):
        config = EvaluationConfig(str(model), "test", data_folder, device="cpu")
        scored = open_evaluation(config).data_set.recordings
        labelled = read_labelled_recordings(settings, data_folder).recordings
        return [
            list_checkpoint_split(made, "test", checkpoint_path=model, data_folder=data_folder),
            run_recordings(reader, "test", data_folder=data_folder),
            [item for item in labelled if item.split == "test"],
            scored,
        ]

    for data_folder, sounds in (
        (moved, moved / "mixed_audio"),
        (folder / "made", folder / "sounds"),
    ):
        for recordings in list_all(str(data_folder)):
            assert len(recordings) == 54  # 18 mixtures, their events and backgrounds
            assert all(Path(item.path).is_relative_to(sounds) for item in recordings)


@pytest.fixture
def apart(folder, tmp_path):
    """The same data elsewhere, in three places that do not lie together."""
    copied = {"data_folder": "made", "audio_folder": "sounds", "yaml_file": "lists"}
    for name, place in copied.items():
        shutil.copytree(folder / place, tmp_path / name / "below" / "it" / "here" / place)
    return {n: str(tmp_path / n / "below" / "it" / "here" / p) for n, p in copied.items()}


@pytest.mark.parametrize("moved", [False, True])
def test_the_line_of_a_training_of_the_thesis_evaluates_and_separates(
    moved, model, places, apart, tmp_path, capsys
):
    own = apart if moved else places
    line = [word for name, value in own.items() for word in (f"--{name}", value)]
    line += ["-m", "VGGLikeMaskModel", "-d", "ICASSP2018JointSeparationClassificationDataSet"]
    line += ["--checkpoint_path", str(model), "--device", "cpu", "--n_recordings", "2"]
    scores = ["--bss_eval", "none", "--n_resamples", "0", "--output", str(tmp_path / "a.json")]
    assert main(["--mode", "evaluate", *line, *scores]) == 0, capsys.readouterr().err
    assert own["audio_folder"] in (tmp_path / "a.json").read_text()
    said = capsys.readouterr()
    assert "scoring 2 recordings (the test split)" in said.out
    output = ["--separated_audio_folder", str(tmp_path / "out")]
    assert main(["--mode", "separate", *line, *output]) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    assert f"{own['audio_folder']}/testing/0000.mix_0db.wav" in said.out
    assert "audio_folder" not in said.err.replace(own["audio_folder"], "")


def test_two_folders_are_refused_with_other_layouts_and_one_has_two_names():
    data = DataConfig(data_folder="a")
    assert data.move("", audio_folder="b").data_folder == "b"
    with pytest.raises(InputError, match="data_folder and audio_folder are two folders"):
        data.move("b", audio_folder="c")
    other = data.move("b", audio_folder="c", data_set_type="TUT_rare_2017")
    assert (other.data_folder, other.audio_folder) == ("b", "c")
