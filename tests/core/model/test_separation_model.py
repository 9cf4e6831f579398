"""The model predicts masks and probabilities, with and without padding."""

import pytest
import torch

from absslab.core.model.mask_networks import VGGLikeCNNConfig
from absslab.core.model.pooling import POOLINGS, GWRPConfig, find_pooling, pool_presence
from absslab.core.model.separation_model import (
    BACKGROUND_BIAS,
    ModelConfig,
    ModelConfigs,
    build_model,
)

from .small_models import (
    CLASSES,
    FEATURES,
    PRESENCE,
    UNET,
    VGG,
    every_kind,
    trained,
    waveforms,
)


def test_masks_that_compete_share_each_bin_with_the_background():
    prediction = trained(UNET)(waveforms(2, 4000))
    total = prediction.masks.sum(1) + prediction.log_background.exp()
    assert torch.allclose(total, torch.ones(()), atol=1e-5)


def test_independent_masks_decide_alone_and_the_background_is_what_none_takes():
    prediction = trained(VGG)(waveforms(2, 4000))
    assert (prediction.masks >= 0).all()
    assert (prediction.masks <= 1).all()
    assert torch.allclose(
        prediction.log_background.exp(), (1 - prediction.masks).prod(1), atol=1e-5
    )
    assert not torch.allclose(prediction.masks.sum(1), torch.ones(()), atol=0.1)


@every_kind
def test_a_prediction_has_a_mask_and_a_probability_per_class(configs):
    prediction = trained(configs)(waveforms(2, 4000))
    n_frames = FEATURES.n_frames(4000)
    assert prediction.probabilities.shape == (2, 3)
    assert prediction.masks.shape == (2, 3, 16, n_frames)
    assert prediction.log_background.shape == (2, 16, n_frames)
    assert ((prediction.probabilities >= 0) & (prediction.probabilities <= 1)).all()


def test_where_masks_compete_everything_starts_as_background():
    torch.manual_seed(0)
    model = build_model(UNET, CLASSES)
    assert model.mask_net.to_masks.bias.tolist() == [0, 0, 0, BACKGROUND_BIAS]
    background = model.eval()(waveforms(2, 4000)).log_background.exp()
    assert background.mean() > 0.6


def test_a_plain_network_may_compete_too():
    configs = ModelConfigs(FEATURES, ModelConfig(masks="competing"), VGG.mask_net, GWRPConfig())
    prediction = build_model(configs, CLASSES).eval()(waveforms(1, 4000))
    assert prediction.masks.shape[1] == 3
    assert prediction.log_background.exp().mean() > 0.6


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_behind_a_recording_is_not_counted_as_frames(pooling):
    """Padding does not change the probabilities of a network whose kernels cover single bins."""
    mapping = ModelConfig(pooling=pooling)
    net = VGGLikeCNNConfig(channels=(4,), kernel_sizes=(1,))
    model = build_model(
        ModelConfigs(FEATURES, mapping, net, find_pooling(pooling)[0].default_config()),
        CLASSES,
    ).eval()
    recording = waveforms(1, 3000)
    padded = torch.nn.functional.pad(recording, (0, 2500))
    alone = model(recording).probabilities
    together = model(padded, torch.tensor([3000])).probabilities
    assert torch.allclose(together, alone, atol=1e-5)


@every_kind
def test_waveforms_spectra_and_features_give_one_prediction(configs):
    model = trained(configs)
    x = waveforms(2, 4000)
    spectra = model.front_end.stft(x)
    lengths = torch.tensor([4000, 3000])
    expected = model(x, lengths)
    n_frames = FEATURES.n_frames(lengths)
    for prediction in (
        model.predict(spectra, n_frames),
        model.predict_from_features(model.front_end(spectra), n_frames),
    ):
        assert torch.equal(prediction.probabilities, expected.probabilities)
        assert torch.equal(prediction.masks, expected.masks)
        assert torch.equal(prediction.log_background, expected.log_background)
    assert model.device == x.device


def test_configs_survive_their_plain_data():
    assert ModelConfigs.from_json(UNET.to_json()) == UNET


def test_tags_are_the_mean_of_what_masks_and_presence_tell():
    prediction = trained(PRESENCE)(waveforms(2, 4000))
    assert prediction.presence is not None
    of_presence = pool_presence(prediction.presence)
    expected = (prediction.of_masks + of_presence) / 2
    assert torch.equal(prediction.probabilities, expected)
    assert not torch.allclose(prediction.of_masks, of_presence)
