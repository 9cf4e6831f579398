"""A class may be called background; what belongs to no class is still told apart from it."""

import json
from pathlib import Path

import numpy as np

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.data.audio_data_set import open_split
from absslab.core.data.class_names import class_of_stem, file_stem
from absslab.core.data.layouts import DataConfig
from absslab.core.data.mixture_folder import background_file, read_specs, source_files
from absslab.core.data.mixture_rendering import render
from absslab.core.data.splits import SPLITS
from absslab.widgets.player.any_sound import make_tracks
from absslab.widgets.player.tracks import mixture_tracks

from .labelled_folders import RATE

CLASSES = ["background", "knock"]


def test_its_file_is_another_than_that_of_the_background():
    assert file_stem("background") == "%62ackground"
    assert class_of_stem(file_stem("background")) == "background"


def test_its_source_and_the_background_are_both_saved(background_mixtures):
    n_both = 0
    for split in SPLITS:
        for spec in read_specs(background_mixtures, split):
            path = background_mixtures / split / spec.filename
            rendered = render(spec)
            sources = source_files(path)
            assert set(sources) == set(spec.labels)
            for name, file in sources.items():
                np.testing.assert_array_equal(sound_files.load(file), rendered.sources[name])
            saved = sound_files.load(background_file(path))
            np.testing.assert_array_equal(saved, rendered.background)
            n_both += "background" in spec.labels
    assert n_both


def test_its_source_is_trained_with(background_mixtures):
    data_set = open_split(
        DataConfig(data_folder=str(background_mixtures)), "train", sampling_rate=RATE
    )
    assert list(data_set.classes) == CLASSES
    data_set.has_sources = True
    for index, spec in enumerate(read_specs(background_mixtures, "train")):
        assert {CLASSES[k] for k in data_set.sources(index)} == set(spec.labels)


def test_it_is_heard_beside_the_background(background_mixtures):
    split, spec = next(
        (split, spec)
        for split in SPLITS
        for spec in read_specs(background_mixtures, split)
        if "background" in spec.labels
    )
    tracks = mixture_tracks(background_mixtures / split / spec.filename)
    kinds = [track.kind for track in tracks if track.name == "background"]
    assert kinds == ["reference", "background"]


def test_it_is_learned_separated_and_scored(background_mixtures, background_checkpoint, tmp_path):
    scores = tmp_path / "scores.json"
    given = ["--checkpoint_path", str(background_checkpoint)]
    assert main(["evaluate", *given, "--output", str(scores), "--bss_eval", "none"]) == 0
    assert set(json.loads(scores.read_text())["per_class"]) == set(CLASSES)
    estimates = tmp_path / "estimates"
    test = background_mixtures / "test"
    assert main(["separate", *given, "--input", str(test), "--output_folder", str(estimates)]) == 0
    spec = read_specs(background_mixtures, "test")[0]
    folder = estimates / spec.filename.removesuffix(".wav")
    sounds = {path.name for path in folder.glob("*.wav")}
    assert sounds == {"%62ackground.wav", "knock.wav", "residual.wav"}
    assert {(track.name, track.kind) for track in make_tracks(folder)} == {
        ("background", "source"),
        ("knock", "source"),
        ("residual", "residual"),
    }
    given = ["--estimates", str(estimates), "--references", str(test)]
    assert main(["evaluate", *given, "--output", str(scores), "--bss_eval", "none"]) == 0
    assert set(json.loads(scores.read_text())["per_class"]) == set(CLASSES)


def test_the_manual_names_its_file():
    page = Path(__file__).parents[3] / "docs" / "tasks" / "separate.md"
    assert f"`{file_stem('background')}.wav`" in page.read_text()
