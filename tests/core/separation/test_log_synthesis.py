"""Masks of normalised features give what one computes step by step, for each kind of features."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import torch

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.model.checkpoint import load_checkpoint, save_checkpoint
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import COMPRESSIONS, DECOMPRESSIONS, FrontEnd
from absslab.core.model.mask_networks import VGGLikeCNNConfig
from absslab.core.model.pcen import build_pcen
from absslab.core.model.pooling import GWRPConfig
from absslab.core.model.separation_model import ModelConfig, ModelConfigs, build_model
from absslab.core.separation.log_synthesis import build_log_synthesis
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.resynthesis import Resynthesis
from absslab.core.separation.separator import Separator
from absslab.core.separation.synthesis import build_mask_synthesis

RATE = 8000
IN_LOG = SeparationConfig(separation_method="in_log")
INVERTIBLE = ("spectrogram", "log_spectrogram", "mel", "log_mel", "log1p_mel", "decibel_mel")
every_type = pytest.mark.parametrize("feature_type", [*INVERTIBLE, "pcen"])


def features(feature_type, **options):
    return FeatureConfig(
        sampling_rate=RATE,
        window_length=0.032,
        hop_length=0.016,
        n_mels=12,
        feature_type=feature_type,
        **options,
    )


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def fitted(config):
    """Return a front end whose normalisation is that of noise."""
    front_end = FrontEnd(config)
    front_end.fit([front_end.features(front_end.stft(torch.from_numpy(noise(2, 4000, seed=5))))])
    return front_end


def configs_of(feature_type):
    return ModelConfigs(
        features(feature_type), ModelConfig(), VGGLikeCNNConfig(channels=(4, 4)), GWRPConfig()
    )


def separator_of(feature_type):
    torch.manual_seed(0)
    model = build_model(configs_of(feature_type), ["dog", "bell"]).eval()
    front_end = model.front_end
    features = front_end.features(front_end.stft(torch.from_numpy(noise(2, 4000, seed=5))))
    for _ in model.fit_features([features]):
        pass
    return Separator(model, IN_LOG)


def test_all_kinds_of_features_are_tested():
    assert tuple(DECOMPRESSIONS) == INVERTIBLE
    assert set(COMPRESSIONS) - set(DECOMPRESSIONS) == {"pcen"}


@pytest.mark.reference_flaw("in_log gave no sources for ln(x + 1e-15)")
@pytest.mark.parametrize("feature_type", INVERTIBLE)
@pytest.mark.parametrize("mel_area", ["mean", "slaney"])
@pytest.mark.parametrize("normalisation", ["band", "scalar", "min_max"])
def test_sources_are_those_of_the_formula(feature_type, mel_area, normalisation):
    config = features(feature_type, mel_area=mel_area, normalisation=normalisation, log_offset=1e-5)
    front_end = fitted(config)
    linear = build_mask_synthesis(config, RATE, torch.device("cpu"))
    synthesis = build_log_synthesis(linear, front_end)
    mixture = noise(1, 3000)
    spectrum = linear.spectrum(mixture)  # (1, F, T)
    masks = torch.rand(2, config.n_bands, spectrum.shape[-1], generator=torch.manual_seed(1))
    sources = synthesis.sources(spectrum, masks, 3000)
    assert sources.shape == (2, 1, 3000)

    magnitude = spectrum[0].abs().double().numpy()
    weights = np.eye(len(magnitude))
    if config.is_mel:
        weights = front_end.filters.double().numpy()
        if mel_area == "slaney":
            weights = weights * front_end.band_scale.double().numpy()
    bands = weights @ magnitude
    log = math.log(10) / 10
    transforms = {
        "spectrogram": (lambda x: x, lambda y: y),
        "mel": (lambda x: x, lambda y: y),
        "log_spectrogram": (lambda x: np.log(x + 1e-5), lambda y: np.exp(y) - 1e-5),
        "log_mel": (lambda x: np.log(x + 1e-5), lambda y: np.exp(y) - 1e-5),
        "log1p_mel": (lambda x: np.log1p(x) / log, lambda y: np.expm1(y * log)),
        "decibel_mel": (lambda x: 20 * np.log10(np.maximum(x, 1e-5)), lambda y: 10 ** (y / 20)),
    }
    compress, invert = transforms[feature_type]
    mean = front_end.mean.double().numpy()
    std = front_end.std.double().numpy()
    scaled = (compress(bands) - mean) / std
    largest = np.abs(scaled).max()
    inverse = np.linalg.pinv(weights)
    for mask, source in zip(masks.double().numpy(), sources, strict=True):
        changed = invert((mask * (scaled + largest) - largest) * std + mean)
        bins = np.maximum(inverse @ np.maximum(changed, 0), 0)
        masked = torch.from_numpy(bins) * torch.exp(1j * spectrum[0].angle().double())
        expected = linear.stft.double().inverse(masked[None], 3000)[0]
        linear.stft.float()
        np.testing.assert_allclose(source[0], expected, atol=2e-5)


@pytest.mark.parametrize("feature_type", ["spectrogram", "log_spectrogram"])
def test_without_bands_masks_of_1_give_the_mixture(feature_type):
    config = features(feature_type)
    linear = build_mask_synthesis(config, RATE, torch.device("cpu"))
    synthesis = build_log_synthesis(linear, fitted(config))
    mixture = noise(2, 3000)
    spectrum = linear.spectrum(mixture)
    masks = torch.ones(1, config.n_bands, spectrum.shape[-1])
    np.testing.assert_allclose(synthesis.sources(spectrum, masks, 3000)[0], mixture, atol=1e-5)


@every_type
@pytest.mark.parametrize("rate", [RATE, 22050, 4000])
def test_sources_and_residual_are_the_mixture_at_any_rate(feature_type, rate):
    separator = separator_of(feature_type)
    mixture = noise(2, 9000)
    separation = separator.separate(mixture, rate)
    assert separation.sources.shape == (2, 2, 9000)
    assert np.isfinite(separation.sources).all()
    assert np.abs(separation.sources).max() > 1e-4
    total = separation.sources.sum(0) + separation.residual
    np.testing.assert_allclose(total, mixture, atol=1e-6)
    again = Resynthesis.prepare(separator, mixture, rate).separate(IN_LOG)
    np.testing.assert_allclose(again.sources, separation.sources, atol=1e-6)


@every_type
def test_silence_stays_finite(feature_type):
    separation = separator_of(feature_type).separate(np.zeros(3000, np.float32), RATE)
    assert np.abs(separation.sources).max() < 1e-2


def test_no_source_is_louder_than_the_mixture_in_its_bands():
    config = features("log_mel")
    linear = build_mask_synthesis(config, RATE, torch.device("cpu"))
    synthesis = build_log_synthesis(linear, fitted(config))
    spectrum = linear.spectrum(noise(1, 3000))
    masks = torch.rand(3, 12, spectrum.shape[-1], generator=torch.manual_seed(2))
    quiet, loud = (
        np.square(synthesis.sources(spectrum, levels, 3000)).sum() for levels in (masks / 2, masks)
    )
    assert quiet < loud


@pytest.mark.reference_flaw("in_log gave magnitudes of bands instead of sources for PCEN")
@pytest.mark.parametrize("direction", ["causal", "both"])
def test_sources_of_pcen_are_those_of_the_formula(direction):
    config = features("pcen", pcen_direction=direction, pcen_s=0.1)
    pcen = build_pcen(config)
    front_end = FrontEnd(config)
    front_end.mean.fill_(0.3)
    front_end.std.fill_(0.7)
    linear = build_mask_synthesis(config, RATE, torch.device("cpu"))
    spectrum = linear.spectrum(noise(1, 3000))  # (1, F, T)
    mask = torch.rand(1, config.n_bands, spectrum.shape[-1], generator=torch.manual_seed(1))
    (source,) = build_log_synthesis(linear, front_end, pcen).sources(spectrum, mask, 3000)

    weights = front_end.filters.double().numpy()
    bands = weights @ spectrum[0].abs().double().numpy()  # (M, T)
    level = smooth(bands)
    if direction == "both":
        level = smooth(level[:, ::-1])[:, ::-1]
    alpha, delta, r = config.pcen_alpha, config.pcen_delta, config.pcen_r
    divisor = (config.pcen_eps + level) ** alpha
    scaled = ((bands / divisor + delta) ** r - delta**r - 0.3) / 0.7
    largest = np.abs(scaled).max()
    masked = (mask[0].double().numpy() * (scaled + largest) - largest) * 0.7 + 0.3
    magnitudes = (np.maximum(masked + delta**r, 0) ** (1 / r) - delta) * divisor
    bins = np.maximum(np.linalg.pinv(weights) @ np.maximum(magnitudes, 0), 0)
    changed = torch.from_numpy(bins) * torch.exp(1j * spectrum[0].angle().double())
    expected = linear.stft.double().inverse(changed[None], 3000)[0]
    linear.stft.float()
    np.testing.assert_allclose(source[0], expected, atol=2e-5)


def smooth(bands):
    """Return L[t] = 0.9 L[t − 1] + 0.1 E[t], which begins at E[0]."""
    state = 0.9 * bands[:, :1]
    return scipy.signal.lfilter([0.1], [1, -0.9], bands, axis=-1, zi=state)[0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pcen_direction": "both"},
        {"mel_area": "slaney"},
        {"train_pcen": True, "train_pcen_per_band": True},
        {"train_pcen": True, "normalisation": "scalar", "train_pcen_s": (0.02, 0.2)},
        {
            "train_pcen": True,
            "standardise": False,
            "train_pcen_b": (0.1,),
            "train_pcen_a": (1, -0.9),
        },
    ],
)
def test_masks_of_1_give_the_same_sources_with_pcen_as_with_mel_magnitudes(options):
    torch.manual_seed(0)
    config = features("pcen", **options)
    pcen = build_pcen(config)
    if pcen.norm is not None:
        pcen.train()(torch.rand(3, 1, config.n_bands, 40))  # moments are learnt
    pcen.eval()
    plain = features("mel", mel_area=config.mel_area)
    linear = build_mask_synthesis(config, RATE, torch.device("cpu"))
    spectrum = linear.spectrum(noise(2, 3000))
    masks = torch.ones(1, config.n_bands, spectrum.shape[-1])
    sources = build_log_synthesis(linear, FrontEnd(config), pcen).sources(spectrum, masks, 3000)
    expected = build_log_synthesis(linear, FrontEnd(plain)).sources(spectrum, masks, 3000)
    np.testing.assert_allclose(sources, expected, atol=1e-5)


def test_features_that_can_not_be_turned_back_are_refused(capsys, checkpoint, tmp_path):
    configs = configs_of("pcen")
    several = replace(configs.features, train_pcen=True, train_pcen_channels=2)
    configs = replace(configs, features=several)
    model = build_model(configs, ["dog", "bell"]).eval()
    with pytest.raises(InputError, match="the model has 2 PCENs, and the masked features of each"):
        Separator(model, IN_LOG).separate(noise(3000), RATE)
    path = tmp_path / "model.ckpt"
    save_checkpoint(path, model, configs, load_checkpoint(checkpoint).made)
    for command in (["evaluate"], ["separate", "--output_folder", str(tmp_path / "out")]):
        model_flags = ["--checkpoint_path", str(path), "--separation_method", "in_log"]
        assert main([*command, *model_flags]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(
            "separation_method is in_log, but the model has 2 PCENs, and the masked features of "
            "each would be another spectrum: pass --separation_method in_lin"
        )
    assert not (tmp_path / "out").exists()


def test_the_usual_method_is_unchanged_by_the_new_one():
    separator = separator_of("log_mel")
    usual = replace(separator, config=SeparationConfig())
    masks = usual.separate(noise(3000), RATE).masks
    np.testing.assert_array_equal(separator.separate(noise(3000), RATE).masks, masks)
