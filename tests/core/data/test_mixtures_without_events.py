"""Mixtures that hold only background and have no label: they are drawn, written and read."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.data.audio_data_set import open_split
from absslab.core.data.layouts import DataConfig
from absslab.core.data.mixing import MixingConfig, MixtureSpec
from absslab.core.data.mixture_folder import background_file, part_files, read_manifest, read_specs
from absslab.core.data.mixture_plan import MixtureFolderConfig, plan_mixtures
from absslab.core.data.mixture_rendering import render
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.recordings import index_recordings
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.training.experiment import Experiment
from absslab.widgets.listening.playback import show_recording
from absslab.widgets.listening.recording_view import RecordingView

MIXING = {"length": 2.0, "max_event": 2, "without_events": 0.2}


def configs(event_folder, output, *, n_files=40, **mixing):
    config = MixtureFolderConfig(
        event_folder=str(event_folder),
        output_folder=str(output),
        n_files=n_files,
        split_percentages=(50, 25, 25),
        n_workers=1,
    )
    return config, MixingConfig(**MIXING | mixing)


@pytest.fixture(scope="module")
def folder(event_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("quiet") / "O"
    run_to_end(write_mixtures(*configs(event_folder, folder)))
    return folder


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.9])
def test_the_share_is_spread_evenly_over_each_split(event_folder, tmp_path, share):
    config, mixing = configs(event_folder, tmp_path / "O", without_events=share)
    plan = plan_mixtures(config, mixing, index_recordings(event_folder))
    for split in SPLITS:
        empty = np.array([not plan.spec(split, index).events for index in range(100)])
        for end in (10, 20, 40, 60, 100):
            assert abs(empty[:end].sum() - share * end) <= 0.5


def test_other_mixtures_stay_as_they_were(event_folder, tmp_path):
    plans = []
    for share in (0.0, 0.2):
        config, mixing = configs(event_folder, tmp_path / "O", without_events=share)
        plans.append(plan_mixtures(config, mixing, index_recordings(event_folder)))
    for index in range(20):
        before, now = (plan.spec("train", index) for plan in plans)
        if now.events:
            assert now == before
        else:
            assert now.level_events == before.events
            assert now.labels == []
            np.testing.assert_allclose(
                render(now).background, render(before).background, atol=2 / 32768
            )


def test_only_the_background_sounds(folder):
    for split in SPLITS:
        for spec in read_specs(folder, split):
            path = folder / split / spec.filename
            mixture = sound_files.load(path)
            assert mixture.any()
            np.testing.assert_array_equal(mixture, render(spec).mixture)
            if not spec.events:
                assert part_files(path) == [background_file(path)]
                background = sound_files.load(background_file(path))
                np.testing.assert_array_equal(background, mixture)


def test_such_a_mixture_is_rendered_again_from_its_json(folder):
    spec, *_ = [item for item in read_specs(folder, "test") if not item.events]
    again = MixtureSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.level_events


def test_tables_have_a_row_of_zeros_and_no_event(folder):
    names = [spec.filename for spec in read_specs(folder, "train") if not spec.events]
    assert len(names) == 4
    with open(folder / "train" / "weak_labels.csv", newline="") as file:
        rows = {row.pop("filename"): set(row.values()) for row in csv.DictReader(file)}
    assert all(rows[name] == {"0"} for name in names)
    assert not any(name in (folder / "train" / "events.tsv").read_text() for name in names)
    data = DataConfig(data_folder=str(folder))
    data_set = open_split(data, "train", sampling_rate=16000)
    empty = [data_set.path(index).name for index in np.flatnonzero(~data_set.labels.any(1))]
    assert empty == names
    assert all(len(data_set[index]) == 32000 for index in range(len(data_set)))


def test_a_model_is_trained_and_scored_with_them(folder, settings, tmp_path, capsys):
    settings = dataclasses.replace(
        settings,
        data=dataclasses.replace(settings.data, data_folder=str(folder)),
        run=dataclasses.replace(settings.run, save_path=str(tmp_path / "m.ckpt")),
        training=dataclasses.replace(settings.training, n_epochs=1),
    )
    for _ in Experiment(settings).run():
        pass
    scores = tmp_path / "scores.json"
    flags = ["--checkpoint_path", str(tmp_path / "m.ckpt"), "--output", str(scores)]
    assert main(["evaluate", *flags, "--bss_eval", "none"]) == 0
    flat = read_scores_alone(scores).flat()
    assert np.isfinite(flat["separation.leakage"])
    assert np.isfinite(flat["tagging.auc"])
    with open(scores.with_suffix(".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    present = {row["mixture"] for row in rows if float(row["present"])}
    empty = {spec.filename for spec in read_specs(folder, "test") if not spec.events}
    assert {row["mixture"] for row in rows} - present == empty
    assert all(float(row["leakage"]) < 60 for row in rows if row["mixture"] in empty)


def test_the_player_shows_one(folder):
    spec, *_ = [item for item in read_specs(folder, "test") if not item.events]
    view = RecordingView()
    path = folder / "test" / spec.filename
    show_recording(view, path, read_manifest(folder).classes, caption="")
    assert [track.name for track in view.player.tracks] == ["mixture", "background"]
    view.close()


@pytest.mark.parametrize("mixing", [{"white_noise_ratio": 0}, {"pairs": True, "max_event": 4}])
def test_without_a_background_they_would_be_silent(mixing):
    with pytest.raises(InputError, match=r"without_events is 0.2, but mixtures have no background"):
        MixingConfig(**MIXING | mixing)


def test_a_folder_of_an_earlier_version_is_continued(event_folder, tmp_path):
    config, mixing = configs(event_folder, tmp_path / "O", n_files=4, without_events=0.0)
    run_to_end(write_mixtures(config, mixing))
    path = tmp_path / "O" / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in ("pairs", "pair_level", "without_events"):
        del manifest["config"][name]
    path.write_text(json.dumps(manifest))
    (tmp_path / "O" / "test" / "000000.wav").unlink()
    run_to_end(write_mixtures(config, mixing))
    assert (tmp_path / "O" / "test" / "000000.wav").exists()
    with pytest.raises(InputError, match=r"was made with without_events 0.0, not 0.5"):
        run_to_end(write_mixtures(config, dataclasses.replace(mixing, without_events=0.5)))
