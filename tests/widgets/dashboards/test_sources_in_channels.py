"""Dashboards of a run on TUT Rare 2017 play the sum of the two channels, which are its sources."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from thesis_miniatures import make_tut_rare

from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.training.experiment import Experiment
from absslab.core.training.settings import Settings
from absslab.widgets.dashboards.notebook import open_page
from absslab.widgets.panels.training import TrainingPanel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("tut")
    make_tut_rare(root)
    return root


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory, small_model):
    save_path = tmp_path_factory.mktemp("runs") / "model.ckpt"
    flags = small_model | {
        "data_set_type": "TUT_rare_2017",
        "data_folder": str(folder),
        "save_path": str(save_path),
        "n_epochs": 1,
        "keep_every": 1,
    }
    with collect_notices():
        run_to_end(Experiment(Settings.from_flags(flags)).run())
    return save_path


def check_tracks(player, folder, part):
    """Check that the mixture is the sum of the channels of its file, and of its references."""
    samples, _ = soundfile.read(folder / "mixed_audio" / part / player.title, dtype="float32")
    mixture = samples[:, 0] + samples[:, 1]
    first, *others = player.tracks
    np.testing.assert_array_equal(first.sound.read(0, len(mixture))[0], mixture)
    references = [track.sound for track in others if track.kind == "reference"]
    assert len(references) == 2
    total = sum(sound.read(0, len(mixture))[0] for sound in references)
    np.testing.assert_array_equal(total, mixture)


@pytest.mark.parametrize("name", ["listen", "compare"])
def test_a_page_plays_the_sum(name, folder, model, tmp_path, settle):
    runs = [model.with_suffix("")]
    if name == "compare":
        runs.append(Path(shutil.copytree(runs[0], tmp_path / "other")))
        shutil.copy(model, tmp_path / "other.ckpt")
    page = open_page(name, run_directory=[str(run) for run in runs], visitors_folder=str(tmp_path))
    settle()
    assert page.message == ""
    check_tracks(page.recording_view.player, folder, "testing")
    page.close()


def test_an_epoch_is_heard_with_the_sum(folder, model, settle):
    panel = TrainingPanel()
    panel.state.run = str(model.with_suffix(""))
    settle()
    panel.listen()
    settle()
    assert panel.message == ""
    check_tracks(panel.follower.epochs.recording_view.player, folder, "training")
    panel.close()
