"""The laboratories: front ends, poolings and models side by side follow their sliders."""

import asyncio

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from absslab.core.common.errors import InputError
from absslab.core.model.feature_inversion import FRONT_ENDS, FrontEndConfig
from absslab.core.model.hand_drawn_mask import HandDrawnMaskConfig
from absslab.widgets.panels import State
from absslab.widgets.panels.lab import FrontEndsPanel, PoolingPanel, SideBySidePanel
from absslab.widgets.ui.sliders import Sliders


@pytest.fixture
def front_ends(mixtures, settle):
    panel = FrontEndsPanel(State(mixture=str(mixtures / "test" / "000000.wav")))
    settle()
    yield panel
    panel.close()


@pytest.fixture
def poolings(settle):
    panel = PoolingPanel()
    settle()
    yield panel
    panel.close()


@pytest.fixture
def side_by_side(checkpoint, mixtures, settle):
    panel = SideBySidePanel(
        {"first": checkpoint, "again": checkpoint}, State(mixture_folder=str(mixtures))
    )
    settle()
    yield panel
    panel.close()


def figure_of(panel):
    return panel.chart._plot.figure


def test_sliders_say_what_they_are_set_to_and_every_default_can_be_reached():
    seen = []
    sliders = Sliders(
        {
            HandDrawnMaskConfig: {"duration": (0.04, 4.0), "n_stray": (0, 30)},
            FrontEndConfig: {"shades": (("all", 0), ("8", 8))},
        },
        lambda: seen.append(1),
    )
    assert sliders.values == {"duration": 1.0, "n_stray": 3, "shades": 0}
    sliders.set(duration=2.0, shades=8)
    assert (
        len(seen),
        sliders.config(HandDrawnMaskConfig).duration,
        sliders.config(FrontEndConfig).shades,
    ) == (1, 2.0, 8)
    sliders.controls["n_stray"].value = 4
    assert len(seen) == 2
    sliders.close()


@pytest.mark.parametrize("panel_class", [FrontEndsPanel, PoolingPanel])
def test_a_slider_can_come_back_to_its_default(panel_class):
    panel = panel_class()
    for name, control in panel.sliders.controls.items():
        if hasattr(control, "step"):
            steps = (control.value - control.min) / control.step
            assert steps == pytest.approx(round(steps), abs=1e-6), name
            assert (control.max - control.min) / control.step >= 20, name
    panel.close()


def test_front_ends_are_seen_and_heard_and_follow_the_sliders(front_ends, settle):
    assert [track.name for track in front_ends.recording_view.player.tracks] == [
        "recording",
        *FRONT_ENDS,
    ]
    assert [axes.get_title(loc="left").split(":")[0] for axes in figure_of(front_ends).axes] == [
        "spectrogram", "mel", "log-mel", "PCEN",
    ]  # fmt: skip
    before = front_ends.comparison.sounds["mel"]
    front_ends.sliders.set(carrier="noise", n_mels=16)
    settle()
    assert front_ends.comparison.features[1].shades.shape[0] == 16
    assert not np.array_equal(front_ends.comparison.sounds["mel"], before)
    figure_of(front_ends).canvas.draw()
    assert front_ends.message == ""


def test_front_ends_follow_the_selected_recording_and_say_what_is_wrong(
    front_ends, mixtures, settle
):
    before = front_ends.comparison.recording
    front_ends.look(mixtures / "test" / "000001.wav")
    settle()
    assert not np.array_equal(front_ends.comparison.recording, before)
    front_ends.state.mixture = "nowhere.wav"
    settle()
    assert "nowhere.wav does not exist" in front_ends.message
    front_ends.state.mixture = ""
    settle()
    assert "no recording is chosen" in front_ends.message


def test_poolings_are_shown_and_follow_the_sliders(poolings, settle):
    names = list(poolings.comparison.pooled)
    assert {"GMP", "GWRP", "adaptive_GWRP", "auto_pool", "attention"} <= set(names)
    assert all(name in poolings.table.value for name in names)
    assert len([axes for axes in figure_of(poolings).axes if axes.images]) >= 2 * (1 + len(names))
    before = poolings.comparison.pooled["GWRP"].probability
    poolings.sliders.controls["decay"].value = 1.0
    settle()
    after = poolings.comparison.pooled
    assert after["GWRP"].probability < before
    assert after["GWRP"].probability == pytest.approx(after["GAP"].probability, rel=1e-5)
    poolings.label.value = 0
    poolings.n_steps.value = 30
    settle()
    assert poolings.comparison.pooled["GAP"].probability_after < after["GAP"].probability
    assert "after 30 steps" in figure_of(poolings).axes[3].get_title(loc="left")
    figure_of(poolings).canvas.draw()
    assert poolings.message == ""


def test_models_are_compared_class_by_class_and_the_same_model_does_the_same(side_by_side):
    comparison = side_by_side.comparison
    assert side_by_side.message == ""
    classes = [row.name for row in comparison.rows]
    assert [track.name for track in comparison.tracks][:4] == [
        "mixture", f"{classes[0]} (reference)", f"{classes[0]}, first", f"{classes[0]}, again",
    ]  # fmt: skip
    for row in comparison.rows:
        np.testing.assert_array_equal(row.masks["first"], row.masks["again"])
        assert row.masks["first"].shape == row.power.shape
        assert "dB" in row.captions["first"]
    assert [row[1:3] for row in comparison.table] == [row[3:5] for row in comparison.table]
    assert len(figure_of(side_by_side).axes) == 3 * len(classes)
    figure_of(side_by_side).canvas.draw()


def test_the_next_mixture_is_compared_and_selected_for_all_panels(
    side_by_side, mixtures, tmp_path, settle
):
    first = side_by_side.comparison
    side_by_side._step(1)
    settle()
    assert side_by_side.comparison is not first
    assert side_by_side.state.mixture == str(mixtures / "test" / "000001.wav")
    side_by_side.index.value = 99
    settle()
    assert "has 8 test mixtures: expected a number up to 7" in side_by_side.message
    alone = tmp_path / "alone.wav"
    alone.write_bytes((mixtures / "test" / "000002.wav").read_bytes())
    side_by_side.compare(alone)
    settle()
    assert len(side_by_side.comparison.rows) == 3, (
        "the most probable classes are shown if no sources are known"
    )
    assert {track.kind for track in side_by_side.comparison.tracks} == {"mixture", "source"}


def test_what_can_t_be_compared_is_said(mixtures, tmp_path, settle):
    with pytest.raises(InputError, match="there is no model to compare"):
        SideBySidePanel({})
    panel = SideBySidePanel({"lost": tmp_path / "lost.ckpt"}, State(mixture_folder=str(mixtures)))
    settle()
    assert "lost.ckpt was deleted" in panel.message
    panel.close()


def test_in_a_notebook_they_work_beside_the_loop(mixtures, checkpoint):
    async def look():
        panels = (
            FrontEndsPanel(State(mixture=str(mixtures / "test" / "000000.wav"))),
            PoolingPanel(),
            SideBySidePanel({"model": checkpoint}, State(mixture_folder=str(mixtures))),
        )
        await panels[0].loop.until(lambda: all(panel.comparison for panel in panels))
        messages = [panel.message for panel in panels]
        for panel in panels:
            panel.close()
        return messages

    assert asyncio.run(look()) == ["", "", ""]


def test_closing_frees_all_widgets(mixtures, checkpoint):
    before = set(_instances)
    state = State(mixture_folder=str(mixtures), mixture=str(mixtures / "test" / "000000.wav"))
    panels = [
        FrontEndsPanel(state),
        PoolingPanel(state),
        SideBySidePanel({"model": checkpoint}, state),
    ]
    for panel in panels:
        panel.close()
        panel.close()
    state.mixture = ""
    assert set(_instances) <= before
