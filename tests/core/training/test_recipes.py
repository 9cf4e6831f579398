"""The recipes reach their scores on recordings that were not used in training."""

import os

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from torch.nn import Conv2d, Dropout, Parameter

from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.synthetic.recording_files import cached_recordings
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.model.border_frames import find_seen_frames
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.pooling import GWRP
from absslab.core.model.separation_model import build_model
from absslab.core.training.experiment import Experiment
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.schedules import build_schedule
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
@pytest.mark.longest
def test_the_recommended_recipe_tags_and_separates_after_a_short_training(tmp_path):
    events = os.environ.get("ABSSLAB_EVENTS") or cached_recordings()
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


def build_by_recipe(recipe, n_classes):
    settings = Settings.from_flags(RECIPES[recipe])
    model = build_model(settings.models, [f"class {index}" for index in range(n_classes)])
    return settings, model


def count_weights(model):
    return sum(weights.numel() for weights in model.parameters())


def test_the_recipe_of_2018_has_the_network_and_features_of_its_code():
    settings, model = build_by_recipe("Kong_2018", 41)  # classes of DCASE 2018, task 2
    assert count_weights(model) == 587_593
    features = settings.features
    assert (features.window_size, features.hop_size, features.n_bands) == (2048, 1024, 64)
    assert find_seen_frames(features, features.n_frames(320_000), 320_000).n_frames == 311
    assert isinstance(model.pooling, GWRP)
    convolutions = [part for part in model.mask_net.modules() if isinstance(part, Conv2d)]
    assert [part.out_channels for part in convolutions] == [32] * 2 + [64] * 2 + [128] * 4 + [41]
    assert [part.kernel_size[0] for part in convolutions] == [3] * 8 + [1]
    training = settings.training
    assert (training.n_steps, training.batch_size, training.weight_decay) == (10_000, 24, 0)
    assert (training.learning_rate, training.l1_weight) == (1e-3, 0)


def test_the_recipe_of_2017_has_the_network_and_features_of_its_code():
    settings, model = build_by_recipe("Kong_2017", 3)  # classes of TUT Rare Sound Events 2017
    assert count_weights(model) == 259_843
    features = settings.features
    assert (features.window_size, features.hop_size, features.n_bands) == (1024, 528, 64)
    assert find_seen_frames(features, features.n_frames(64_000), 64_000).n_frames == 120
    parts = [part for part in model.mask_net.blocks if isinstance(part, Conv2d | Dropout)]
    one_pair = [Conv2d, Conv2d, Dropout]
    assert [type(part) for part in parts] == one_pair * 4
    assert {part.p for part in parts if isinstance(part, Dropout)} == {0.3}
    training = settings.training
    assert (training.n_steps, training.batch_size, training.learning_rate) == (10_001, 20, 1e-4)
    assert settings.model.masks == "complement"


def test_by_hand_the_rate_of_kong_falls_by_a_tenth_every_200_steps():
    settings = Settings.from_flags(RECIPES["Kong_2018"])
    optimizer = torch.optim.Adam([Parameter(torch.zeros(1))], lr=1e-3)
    schedule = build_schedule(optimizer, settings.training, 250)
    rates = []
    for step in range(1, 1001):
        rates.append(schedule.learning_rate)
        optimizer.step()
        schedule.after_step()
        if step % 250 == 0:
            schedule.after_epoch(None)
    for step in (0, 199, 200, 399, 400, 999):
        assert rates[step] == pytest.approx(1e-3 * 0.9 ** (step // 200))


LEVELS = (0.1, 1e-4, 1e-7, 0.0)  # from loud to silence


def waveform_of_levels(rate):
    """Return noise of 1 s at each level."""
    noise = np.random.default_rng(0).standard_normal((len(LEVELS), rate))
    return (noise * np.array(LEVELS)[:, None]).ravel().astype(np.float32)


def log_mel_of_kong(waveform, config, window):
    """Return features as both codes compute them: magnitudes divided by √Σw², and ln(x + 1e-8)."""
    _, _, magnitudes = scipy.signal.spectrogram(
        waveform.astype(np.float64),
        window=window,
        nperseg=config.window_size,
        noverlap=config.window_size - config.hop_size,
        detrend=False,
        mode="magnitude",
    )
    bands = librosa.filters.mel(
        sr=config.sampling_rate, n_fft=config.window_size, n_mels=64, fmin=config.f_min
    )
    return np.log(bands @ magnitudes + 1e-8)


@pytest.mark.parametrize("recipe", ["Kong_2017", "Kong_2018"])
@pytest.mark.parametrize(("is_symmetric", "tolerance"), [(False, 1e-3), (True, 5e-3)])
def test_the_features_of_kong_agree_apart_from_a_constant(recipe, is_symmetric, tolerance):
    """The normalisation removes the constant. Kong's window is symmetric; ours is periodic."""
    config = Settings.from_flags(RECIPES[recipe]).features
    window = scipy.signal.get_window("hamming", config.window_size, fftbins=not is_symmetric)
    waveform = waveform_of_levels(config.sampling_rate)
    front_end = FrontEnd(config)
    features = front_end.features(front_end.stft(torch.from_numpy(waveform)[None]))[0, 0]
    seen = find_seen_frames(config, features.shape[-1], len(waveform))
    found = features[:, seen.first : seen.stop].numpy()
    start = seen.first * config.hop_size - config.window_size // 2  # of the first frame
    expected = log_mel_of_kong(waveform[start:], config, window)[:, : found.shape[1]]
    assert expected[:, -1] == pytest.approx(np.log(1e-8))  # silence
    scale = np.sqrt(np.sum(window**2)) / np.sum(window)
    assert config.log_offset == pytest.approx(1e-8 * scale, rel=1e-3)
    np.testing.assert_allclose(found - expected, np.log(scale), atol=tolerance)
