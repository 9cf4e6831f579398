"""Players and dashboards tell a class named background from what belongs to no class."""

import shutil

import numpy as np
import pytest
import soundfile

from absslab.core.audio import sound_files
from absslab.core.data.mixture_folder import background_file, read_specs, source_files
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.separator import Separator
from absslab.widgets.dashboards.notebook import open_page
from absslab.widgets.listening.live_separation import Excerpt, LiveSeparation
from absslab.widgets.listening.side_by_side import compare_models
from absslab.widgets.player.player import Player
from absslab.widgets.player.tracks import mixture_tracks


@pytest.fixture(scope="module")
def mixture(background_mixtures):
    """A test mixture in which the class sounds."""
    spec = next(
        spec for spec in read_specs(background_mixtures, "test") if "background" in spec.labels
    )
    return background_mixtures / "test" / spec.filename


@pytest.fixture
def separator(background_checkpoint):
    return Separator.from_checkpoint(str(background_checkpoint))


def sounds_of(tracks, name):
    """Return the samples of all tracks of a name, by kind."""
    return {
        track.kind: track.sound.read(0, track.sound.n_samples)[0]
        for track in tracks
        if track.name == name
    }


def test_a_player_has_both_under_one_name_and_they_sum_to_the_mixture(mixture):
    player = Player(mixture_tracks(mixture))
    sounds = sounds_of(player.tracks, "background")
    source = sound_files.load(source_files(mixture)["background"])
    np.testing.assert_array_equal(sounds["reference"], source)
    np.testing.assert_array_equal(sounds["background"], sound_files.load(background_file(mixture)))
    whole, *parts = (track.sound.read(0, len(source))[0] for track in player.tracks)
    np.testing.assert_allclose(sum(parts), whole, atol=1e-6)
    player.close()


def test_a_live_separation_is_scored_with_the_source_of_the_class(mixture, separator, tmp_path):
    scores = LiveSeparation.open(separator, Excerpt.of(mixture)).separate(SeparationConfig()).si_sdr
    copy = shutil.copy(mixture, tmp_path / "a.wav")
    shutil.copytree(mixture.with_suffix(""), tmp_path / "a")
    background_file(copy).unlink()
    alone = LiveSeparation.open(separator, Excerpt.of(copy)).separate(SeparationConfig()).si_sdr
    assert set(scores) == set(source_files(mixture))
    assert scores == alone


def test_both_are_heard_beside_a_live_separation(mixture, separator):
    tracks = LiveSeparation.open(separator, Excerpt.of(mixture)).separate(SeparationConfig()).tracks
    named = [(track.name, track.kind) for track in tracks if track.name.startswith("background")]
    assert named == [
        ("background", "source"),
        ("background (reference)", "reference"),
        ("background", "background"),
    ]


def test_models_are_compared_by_the_source_of_the_class(mixture, separator):
    comparison = compare_models({"A": separator, "B": separator}, mixture)
    assert "background" in {row.name for row in comparison.rows}
    heard = sounds_of(comparison.tracks, "background (reference)")["reference"]
    np.testing.assert_array_equal(heard, sound_files.load(source_files(mixture)["background"]))


def test_a_page_to_listen_shows_the_class_and_its_score(background_checkpoint, mixture, settle):
    page = open_page("listen", run_directory=[str(background_checkpoint.with_suffix(""))])
    settle()
    assert page.message == ""
    page.choice.step(page.files.index(mixture))
    settle()
    player = page.recording_view.player
    assert player.title == mixture.name
    source, _ = soundfile.read(source_files(mixture)["background"], dtype="float32")
    heard = sounds_of(player.tracks, "background (reference)")["reference"]
    np.testing.assert_allclose(heard[: len(source)], source, atol=1e-6)
    assert "background" in page.table.value
    page.close()
