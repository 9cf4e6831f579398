"""Every recipe trains, resumes, separates and streams; sizes are all that differs in some."""

import numpy as np
import pytest

from absslab.core.model.mask_networks import find_mask_net
from absslab.core.model.network_parts import NetworkSize
from absslab.core.separation.separator import Separator
from absslab.core.training.events import EpochResult, StepDone
from absslab.core.training.experiment import Experiment
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings


def test_a_recipe_of_another_size_differs_in_its_network_alone():
    recommended = RECIPES["recommended"]
    for name in ("small", "large"):
        changed = {key for key, value in RECIPES[name].items() if recommended.get(key) != value}
        assert changed == {"presence_channels", "presence_context"}
        assert set(recommended) <= set(RECIPES[name])


def test_the_networks_of_the_recipes_grow_from_small_to_large():
    def count_weights(recipe):
        settings = Settings.from_flags(RECIPES[recipe])
        build = find_mask_net(settings.model.model_type).build
        network = build(settings.mask_net, NetworkSize(1, 64, 12, 11))
        return sum(weights.numel() for weights in network.parameters())

    assert 3 * count_weights("small") < count_weights("recommended")
    assert 3 * count_weights("recommended") < count_weights("large")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_resumes_separates_and_streams(recipe, few_mixtures, tmp_path):
    flags = {
        "data_folder": str(few_mixtures),
        "save_path": str(tmp_path / "model.ckpt"),
        "n_epochs": 2,  # of one step each
        "test_every": 1,
        "batch_size": 6,
        "device": "cpu",
    }
    settings = Settings.from_flags(apply_recipe(RECIPES[recipe], flags))
    run = Experiment(settings).run()
    next(event for event in run if isinstance(event, StepDone) and event.epoch == 2)
    run.close()
    resumed = Experiment.resume(tmp_path / "model" / "last.ckpt").run()
    (result,) = (event for event in resumed if isinstance(event, EpochResult))
    assert result.epoch == 2
    assert np.isfinite(result.losses["total"])

    separator = Separator.from_checkpoint(str(tmp_path / "model.ckpt"))
    noise = np.random.default_rng(0).standard_normal(25 * 16000)  # longer than a segment
    recording = (0.1 * noise).astype(np.float32)
    whole = separator.separate(recording, 16000)
    assert np.isfinite(whole.sources).all()
    np.testing.assert_allclose(whole.sources.sum(0) + whole.residual, recording, atol=1e-6)
    blocks = np.array_split(recording[None], 40, axis=1)
    parts = list(separator.stream(blocks, 16000, len(recording)))
    assert len(parts) > 1
    streamed = np.concatenate([part.sources for part in parts], -1)[:, 0]
    np.testing.assert_allclose(streamed, whole.sources, atol=1e-6)
