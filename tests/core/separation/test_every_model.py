"""Every kind of features, mask network and pooling works with every other one."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from absslab.core.model.checkpoint import load_checkpoint, save_checkpoint
from absslab.core.model.feature_config import FEATURE_TYPES, FeatureConfig
from absslab.core.model.mask_kinds import MASK_KINDS
from absslab.core.model.mask_networks import MASK_NETS
from absslab.core.model.pooling import POOLINGS
from absslab.core.model.separation_model import ModelConfig, ModelConfigs, build_model
from absslab.core.separation.separator import Separator

RATE = 8000
N_SAMPLES = 6000
CLASSES = ["bell", "dog"]
NETWORKS = {
    "VGG_like_CNN": {"channels": (4, 4)},
    "U_Net": {"unet_channels": (4, 4, 4), "fine_channels": 3, "context": 4, "drop_out": 0.0},
    "Presence_U_Net": {
        "presence_channels": (4, 4, 4),
        "presence_context": 4,
        "presence_drop_out": 0.0,
    },
    "VGGLikeMaskModel": {
        "mask_n_blocks": 2,
        "mask_conv_o_c": (4,),
        "mask_conv_s_f": (2, 1),
        "mask_conv_s_t": (2, 1),
        "mask_dropout_probs": (0.0,),
    },
}
# What differs from case to case, so that each combines with each over all cases.
SCALES = [
    {},
    {"mel_area": "slaney", "normalisation": "scalar", "borders": "valid"},
    {"normalisation": "min_max", "window": "hann", "hop_length": 0.016},
    {"standardise": False, "borders": "valid"},
]
LEARNT = {  # kinds of features with parameters that are learnt
    "learnt_pcen": {"feature_type": "pcen", "train_pcen": True},
    "pcen_channels": {"feature_type": "pcen", "train_pcen": True, "train_pcen_channels": 3},
}
FRONT_ENDS = {name: {"feature_type": name} for name in FEATURE_TYPES} | LEARNT
CASES = list(product(FRONT_ENDS, NETWORKS, POOLINGS))


def make_configs(index, front_end, network, pooling):
    scale = dict(SCALES[index % len(SCALES)])
    if front_end in LEARNT and scale.get("normalisation") == "min_max":
        scale["normalisation"] = "scalar"
    features = FeatureConfig(sampling_rate=RATE, n_mels=24, **FRONT_ENDS[front_end], **scale)
    kind = POOLINGS[pooling]
    config = kind.config()
    if kind.has_fixed_size:
        config = replace(config, recording_frames=features.n_frames(N_SAMPLES))
    model = ModelConfig(
        model_type=network,
        pooling=pooling,
        masks=list(MASK_KINDS)[index % len(MASK_KINDS)],
        rescale=index % 5 == 0,
    )
    return ModelConfigs(features, model, MASK_NETS[network].config(**NETWORKS[network]), config)


def test_these_are_all_networks():
    assert set(NETWORKS) == set(MASK_NETS)


@pytest.mark.parametrize(
    ("index", "case"), list(enumerate(CASES)), ids=["-".join(case) for case in CASES]
)
def test_a_model_trains_is_saved_and_separates(index, case, tmp_path):
    configs = make_configs(index, *case)
    torch.manual_seed(0)
    model = build_model(configs, CLASSES).train()
    waveforms = 0.2 * torch.randn(4, N_SAMPLES)
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    front_end = model.front_end
    for _ in model.fit_features([front_end.features(front_end.stft(waveforms))]):
        pass
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        prediction = model(waveforms)
        loss = torch.nn.functional.binary_cross_entropy(prediction.probabilities, labels)
        (loss + 0.1 * prediction.masks.mean((2, 3)).square().mean()).backward()
        for name, weights in model.named_parameters():
            if weights.requires_grad:
                assert weights.grad is not None, name
                assert torch.isfinite(weights.grad).all(), name
        optimizer.step()
    is_fixed = [not weights.requires_grad for weights in model.parameters()]
    assert sum(is_fixed) == (5 if case[0] == "pcen" else 0)
    path = tmp_path / "model.ckpt"
    save_checkpoint(path, model, configs, {})
    separator = Separator(load_checkpoint(path).model)
    recording = waveforms[0].numpy()
    separation = separator.separate(recording, RATE)
    with torch.no_grad():
        expected = model.eval()(waveforms[:1]).probabilities[0]
    assert torch.allclose(torch.from_numpy(separation.probabilities), expected, atol=1e-6)
    total = separation.sources.sum(0) + separation.residual
    assert total == pytest.approx(recording, abs=1e-5)
