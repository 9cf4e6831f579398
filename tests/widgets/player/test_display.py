"""Results are displayed as players: one per result, which lives as long as the result."""

import asyncio
import gc

import ipywidgets
import numpy as np
import pytest

from absslab.core.data.mixture_rendering import Mixture
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.separation.separator import Separation
from absslab.widgets.player.display import player_of
from absslab.widgets.ui.main_loop import current_main_loop

RATE = 8000
VIEW = "application/vnd.jupyter.widget-view+json"


def mixture():
    tone = np.sin(np.arange(RATE)).astype(np.float32)
    return Mixture(tone, {"speech": tone}, np.zeros(RATE, np.float32), RATE)


def separation():
    features = FeatureConfig()
    masks = np.ones((1, features.n_mels, 3), np.float32)
    part = np.zeros(RATE, np.float32)
    return Separation(part[None], part, np.ones(1), masks, masks[0], ("speech",), RATE, features)


def widgets():
    return set(ipywidgets.widgets.widget._instances)


@pytest.mark.parametrize("make", [mixture, separation])
def test_however_often_a_result_is_shown_it_has_one_player_which_goes_with_it(make, settle):
    before = widgets()
    result = make()
    model_ids = {result._repr_mimebundle_()[0][VIEW]["model_id"] for _ in range(10)}
    assert len(model_ids) == 1
    n_of_a_player = len(widgets() - before)
    other = make()
    assert other._repr_mimebundle_()[0][VIEW]["model_id"] not in model_ids
    assert len(widgets() - before) == 2 * n_of_a_player
    del result, other
    gc.collect()
    settle()
    assert widgets() == before


def test_where_a_loop_runs_the_player_goes_when_the_loop_is_free():
    async def run():
        before = widgets()
        result = mixture()
        result._repr_mimebundle_()
        del result
        gc.collect()
        await current_main_loop().until(lambda: widgets() == before)

    asyncio.run(run())


def test_a_player_that_was_closed_is_made_anew():
    result = mixture()
    player_of(result).close()
    assert player_of(result).tracks
    player_of(result).close()
