"""The recipes reach their scores on recordings that were not used in training."""

import os

import pytest
import torch

from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.synthetic.recording_files import cached_recordings
from absslab.core.evaluation.model_evaluation import EvaluationConfig, open_evaluation
from absslab.core.model.border_frames import find_seen_frames
from absslab.core.model.separation_model import build_model
from absslab.core.training.experiment import Experiment
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_made_of_settings_that_exist(recipe):
    settings = Settings.from_flags(RECIPES[recipe])
    setting_names = {name for part in settings.to_json().values() for name in part}
    assert set(RECIPES[recipe]) <= setting_names


def scores_of(recipe, event_folder, tmp_path, **flags):
    config = MixtureFolderConfig(
        event_folder=str(event_folder),
        output_folder=str(tmp_path / "mixtures"),
        n_files=400,
        split_percentages=(80, 10, 10),
    )
    for _ in write_mixtures(config, MixingConfig()):
        pass
    flags = {
        "data_folder": str(tmp_path / "mixtures"),
        "save_path": str(tmp_path / "model.ckpt"),
        "device": "cpu",
    } | flags
    for _ in Experiment(Settings.from_flags(apply_recipe(RECIPES[recipe], flags))).run():
        pass
    evaluation = open_evaluation(
        EvaluationConfig(checkpoint_path=str(tmp_path / "model.ckpt"), device="cpu")
    )
    return run_to_end(evaluation.run()).scores.to_json()


@pytest.mark.slow
@pytest.mark.parametrize("recordings", ["built-in", "real"])
def test_the_recommended_recipe_tags_and_separates_after_a_short_training(recordings, tmp_path):
    if recordings == "real" and "ABSSLAB_EVENTS" not in os.environ:
        pytest.skip("ABSSLAB_EVENTS names no folder of real recordings")
    events = os.environ["ABSSLAB_EVENTS"] if recordings == "real" else cached_recordings()
    scores = scores_of("recommended", events, tmp_path, n_epochs=10)
    assert scores["tagging"]["auc"] > 0.9
    assert scores["separation"]["si_sdr_improvement"] > 6.0
    assert scores["separation"]["leakage"] < -30.0


@pytest.mark.parametrize(("recipe", "l1_weight"), [("thesis", 0), ("thesis_L1", 0.3)])
def test_the_thesis_recipes_have_the_network_of_its_runs(recipe, l1_weight):
    settings = Settings.from_flags(RECIPES[recipe])
    model = build_model(settings.models, [f"class {index}" for index in range(16)])
    assert sum(weights.numel() for weights in model.parameters()) == 130_032
    assert settings.training.l1_weight == l1_weight
    assert settings.training.batch_size == 32
    prediction = model(torch.zeros(1, 160_000))
    assert prediction.masks.shape == (1, 16, 64, 314)
    seen = find_seen_frames(settings.features, 314, 160_000)
    assert seen.n_frames == 311
