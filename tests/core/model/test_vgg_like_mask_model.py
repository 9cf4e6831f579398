"""The thesis' mask network: its sizes, its order of layers, its settings, and wrong ones."""

import pytest
import torch
import torch.nn.functional as F

from absslab.core.common.errors import InputError
from absslab.core.model.checkpoint import load_checkpoint, save_checkpoint
from absslab.core.model.convolution_blocks import fewest_frames, size_after
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.network_parts import NetworkSize
from absslab.core.model.pooling import GWRPConfig
from absslab.core.model.separation_model import ModelConfig, ModelConfigs, build_model
from absslab.core.model.vgg_like_mask_model import (
    VGGLikeMaskModelConfig,
    build_vgg_like_mask_model,
)

RUNS = dict(  # of the thesis
    mask_n_blocks=3,
    mask_conv_k_f=(5,),
    mask_conv_k_t=(5,),
    mask_conv_p_f=(2,),
    mask_conv_p_t=(2,),
    mask_dropout_probs=(0.1, 0.1, 0.0),
)
SMALL = dict(mask_n_blocks=2, mask_conv_o_c=(4,), mask_dropout_probs=(0.0,))


def build(n_bands=16, n_outputs=3, **settings):
    torch.manual_seed(0)
    config = VGGLikeMaskModelConfig(**{**SMALL, **settings})
    return build_vgg_like_mask_model(config, NetworkSize(1, n_bands, n_outputs, n_outputs)).eval()


def features(n_bands=16, n_frames=20):
    return torch.randn(2, 1, n_bands, n_frames, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("settings", "n_weights"), [(RUNS, 130_032), ({}, 158_256)], ids=["runs", "defaults"]
)
def test_it_has_as_many_weights_as_in_the_thesis(settings, n_weights):
    network = build_vgg_like_mask_model(
        VGGLikeMaskModelConfig(**settings), NetworkSize(1, 64, 16, 16)
    )
    assert sum(weights.numel() for weights in network.parameters()) == n_weights
    stored = [name for name in network.state_dict() if name.endswith(("weight", "bias"))]
    assert sum(network.state_dict()[name].numel() for name in stored) == n_weights


def test_a_block_is_padding_convolution_norm_activation():
    network = build()
    x = features()
    for index, block in enumerate(network.blocks):
        weights = block.convolution.weight
        norm = block.norm
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        x = F.conv2d(F.pad(x, (1, 1, 1, 1)), weights, block.convolution.bias)
        x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        if index == 0:
            x = torch.where(x > 0, x, 0.01 * x)
    assert torch.allclose(network(features()).masks, x, atol=1e-5)


def test_zeros_or_reflections_are_padded():
    zero = build(mask_use_batch_norm=False)
    reflection = build(mask_use_batch_norm=False, mask_conv_pad_type="reflection")
    reflection.load_state_dict(zero.state_dict())
    a = zero(features()).masks
    b = reflection(features()).masks
    inner = (..., slice(2, -2), slice(2, -2))
    assert torch.allclose(a[inner], b[inner], atol=1e-6)
    assert not torch.allclose(a[..., 0, :], b[..., 0, :], atol=1e-3)


def test_kernels_strides_and_paddings_differ_per_axis():
    network = build(
        mask_conv_k_f=(5, 3),
        mask_conv_k_t=(3,),
        mask_conv_s_f=(2, 1),
        mask_conv_s_t=(1,),
        mask_conv_p_f=(2, 1),
        mask_conv_p_t=(1, 0),
    )
    assert network(features()).masks.shape == (2, 3, 8, 18)
    assert size_after([block.config for block in network.blocks], (16, 20))[0] == 8


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.reference_flaw("the padding of a pooling was that of the other axis")
def test_pooling_follows_the_activation(kind):
    network = build(
        mask_pooling_type=kind,
        mask_pool_k_f=(2,),
        mask_pool_k_t=(3,),
        mask_pool_s_f=(2,),
        mask_pool_s_t=(1,),
        mask_pool_p_t=(1,),
    )
    last = network.blocks[1]
    plain = build()
    plain.load_state_dict(network.state_dict())
    x = F.pad(plain.blocks[0](features()), (1, 1, 0, 0), mode="reflect")
    pool = F.max_pool2d if kind == "max" else F.avg_pool2d
    expected = last(pool(x, (2, 3), (2, 1)))
    assert torch.allclose(network(features()).masks, expected, atol=1e-6)
    assert expected.shape == (2, 3, 8, 20)
    assert size_after([block.config for block in network.blocks], (16, 20))[0] == 8


def test_coordinates_are_a_channel_of_every_convolution():
    network = build(mask_freq_coord_conv=True)
    assert [block.convolution.in_channels for block in network.blocks] == [2, 5]
    with torch.no_grad():  # only the coordinates of the first block count
        first = network.blocks[0]
        first.convolution.weight.zero_()
        first.convolution.weight[:, 1, 1, 1] = 1
        first.convolution.bias.zero_()
        x = F.pad(features(), (1, 1, 1, 1))
        output = first.convolution(torch.cat([x, _rows(18).expand(2, 1, 18, 22)], 1))
    assert torch.allclose(output[0, 0, :, 0], torch.arange(1, 17) / 18)
    assert torch.allclose(first(features()), first.activation(first.norm(output)), atol=1e-6)


@pytest.mark.reference_flaw("a model with coordinates could not be built from its own settings")
def test_a_model_with_coordinates_is_built_from_its_settings(tmp_path):
    network = VGGLikeMaskModelConfig(**SMALL, mask_freq_coord_conv=True)
    model_config = ModelConfig(model_type="VGGLikeMaskModel")
    configs = ModelConfigs(FeatureConfig(n_mels=16), model_config, network, GWRPConfig())
    model = build_model(configs, ["bell", "dog"]).eval()
    save_checkpoint(tmp_path / "model.ckpt", model, configs, {})
    loaded = load_checkpoint(tmp_path / "model.ckpt")
    assert loaded.configs == configs
    waveform = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.model.eval()(waveform).masks, model(waveform).masks)


def _rows(n_rows):
    return (torch.arange(n_rows) / n_rows)[:, None]


def test_dropout_drops_single_values_or_whole_channels():
    for kind, whole in (("1D", False), ("2D", True)):
        block = build(mask_dropout_type=kind, mask_dropout_probs=(0.5, 0.9)).blocks[0].train()
        block.norm = torch.nn.Identity()
        with torch.no_grad():
            block.convolution.weight.zero_()
            block.convolution.bias.fill_(1)
        share = (block(features()) == 0).float().mean((2, 3))  # (B, C)
        assert bool(((share == 0) | (share == 1)).all()) == whole


def test_the_mask_layer_has_no_dropout():
    network = build(mask_dropout_probs=(0.0, 0.9))
    network.train()
    for block in network.blocks:
        block.norm.eval()
    assert torch.equal(network(features()).masks, network.eval()(features()).masks)


def test_weights_begin_as_kaiming_says():
    network = build(n_bands=64, n_outputs=64, mask_conv_o_c=(64,), mask_n_blocks=3)
    stds = [block.convolution.weight.std().item() for block in network.blocks]
    expected = [(2 / 9) ** 0.5, (2 / (9 * 64)) ** 0.5, (1 / (9 * 64)) ** 0.5]
    assert stds == pytest.approx(expected, rel=0.06)


def test_every_weight_gets_a_gradient():
    network = build(
        mask_freq_coord_conv=True,
        mask_activations=("softmax",),
        mask_conv_groups=(1,),
        mask_pooling_type="avg",
        mask_pool_k_f=(2,),
        mask_pool_k_t=(2,),
        mask_pool_s_f=(1,),
        mask_pool_s_t=(1,),
        mask_use_batch_norm=False,
    )
    network(features()).masks.square().sum().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().sum() > 0, name


def test_groups_are_computed_apart():
    network = build(n_outputs=4, mask_conv_groups=(1, 2))
    x = network.blocks[0](features())
    changed = x.clone()
    changed[:, 2:] += 1
    difference = (network.blocks[1](x) - network.blocks[1](changed)).abs().amax((0, 2, 3))
    assert difference[:2].tolist() == [0, 0]
    assert (difference[2:] > 0).all()


def test_too_short_recordings_are_named():
    network = build(mask_conv_p_t=(0,))
    assert fewest_frames([block.config for block in network.blocks]) == 5
    assert network(features(n_frames=5)).masks.shape == (2, 3, 16, 1)
    with pytest.raises(InputError, match="has 4 frames: the mask network needs 5 for"):
        network(features(n_frames=4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_conv_k_f": (3, 3, 3)}, "mask_conv_k_f has 3 values: expected 2, one per block"),
        ({"mask_conv_groups": (2, 1)}, "mask_conv_groups is 2 in block 1, which has 1 channels"),
        ({"mask_conv_groups": (1, 2)}, "mask_conv_groups is 2 in block 2, which has 3 channels"),
        ({"mask_pooling_type": "max"}, "mask_pool_k_f is 0 with mask_pooling_type max"),
        ({"mask_conv_k_f": (21,)}, "leave no bands of 16: their kernels"),
        (
            {"mask_conv_p_f": (16,), "mask_conv_pad_type": "reflection"},
            "leave no bands of 16: their kernels",
        ),
        ({"mask_activations": ("tanh",)}, "expected one of relu, lr, sig, softmax"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        build(**settings)
