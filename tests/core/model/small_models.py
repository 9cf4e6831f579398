"""Make small models of both kinds for the tests of the model and of checkpoints."""

import pytest
import torch

from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.mask_networks import PresenceUNetConfig, UNetConfig, VGGLikeCNNConfig
from absslab.core.model.pooling import GWRPConfig, LinearSoftmaxConfig
from absslab.core.model.separation_model import ModelConfig, ModelConfigs, build_model

CLASSES = ["dog", "speech", "bell"]
FEATURES = FeatureConfig(n_mels=16, sampling_rate=8000)
VGG = ModelConfigs(FEATURES, ModelConfig(), VGGLikeCNNConfig(channels=(4, 4)), GWRPConfig())
UNET = ModelConfigs(
    FEATURES,
    ModelConfig(model_type="U_Net", pooling="linear_softmax", masks="competing"),
    UNetConfig(unet_channels=(4, 4, 4), fine_channels=3, context=4),
    LinearSoftmaxConfig(),
)
PRESENCE = ModelConfigs(
    FEATURES,
    ModelConfig(model_type="Presence_U_Net", pooling="linear_softmax", masks="competing"),
    PresenceUNetConfig(presence_channels=(4, 4, 4), presence_context=4),
    LinearSoftmaxConfig(),
)
every_kind = pytest.mark.parametrize("configs", [VGG, UNET], ids=["independent", "competing"])


def waveforms(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def trained(configs):
    """Return a model whose weights, running statistics and normalisation have been changed."""
    torch.manual_seed(1)
    model = build_model(configs, CLASSES)
    front_end = model.front_end
    front_end.fit([front_end.features(front_end.stft(waveforms(2, 4000)))])
    model.train()(waveforms(4, 4000))
    return model.eval()
