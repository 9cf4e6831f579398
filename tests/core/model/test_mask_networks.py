"""Mask networks share an interface, keep the resolution, and train all of their parameters."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from absslab.core.common.errors import InputError
from absslab.core.model.mask_networks import (
    MASK_NETS,
    PresenceUNetConfig,
    UNetConfig,
    VGGLikeCNNConfig,
    find_mask_net,
)
from absslab.core.model.network_parts import NetworkSize, frequency_channel
from absslab.core.model.vgg_like_mask_model import VGGLikeMaskModelConfig

SMALL = {
    "VGG_like_CNN": VGGLikeCNNConfig(channels=(4, 4), drop_out_probs=(0.1, 0.0)),
    "U_Net": UNetConfig(unet_channels=(4, 4, 4), fine_channels=3, context=4),
    "Presence_U_Net": PresenceUNetConfig(presence_channels=(4, 4, 4), presence_context=4),
    "VGGLikeMaskModel": VGGLikeMaskModelConfig(mask_n_blocks=2, mask_conv_o_c=(4,)),
}
DROP_OUT = {
    "VGG_like_CNN": {"drop_out_probs": (0.0,)},
    "U_Net": {"drop_out": 0.0},
    "Presence_U_Net": {"presence_drop_out": 0.0},
    "VGGLikeMaskModel": {"mask_dropout_probs": (0.0,)},
}
every_net = pytest.mark.parametrize("name", SMALL)


def build(name, *, n_channels=1, n_bands=16, n_outputs=3, **changes):
    torch.manual_seed(0)
    size = NetworkSize(n_channels, n_bands, n_outputs, n_classes=2)
    return find_mask_net(name).build(replace(SMALL[name], **changes), size)


def features(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_small_networks_of_these_tests_are_all_there_are():
    assert set(SMALL) == set(MASK_NETS)


@every_net
def test_a_network_takes_several_channels(name):
    net = build(name, n_channels=3).eval()
    x = features(2, 3, 16, 20).requires_grad_()
    net(x).masks.square().sum().backward()
    assert (x.grad.abs().sum((0, 2, 3)) > 0).all()


@every_net
@settings(deadline=None, max_examples=25)
@given(n_bands=st.integers(3, 70), n_frames=st.integers(1, 40))
def test_masks_have_the_resolution_of_the_features(name, n_bands, n_frames):
    net = build(name, n_bands=n_bands).eval()
    assert net(features(2, 1, n_bands, n_frames)).masks.shape == (2, 3, n_bands, n_frames)


@pytest.mark.parametrize(
    "sizes",
    [
        {"strides": (2, 1)},
        {"strides": (2, 3)},
        {"kernel_sizes": (5, 2)},
        {"kernel_sizes": (3,), "paddings": (0,)},
        {"kernel_sizes": (1,), "paddings": (2,)},
    ],
)
def test_whatever_its_strides_and_paddings_a_plain_network_comes_back_to_the_features_resolution(
    sizes,
):
    assert build("VGG_like_CNN", **sizes)(features(2, 1, 17, 23)).masks.shape == (2, 3, 17, 23)


def test_a_coarser_mask_is_repeated_over_the_bins_it_stands_for():
    net = build("VGG_like_CNN", strides=(2, 1)).eval()
    masks = net(features(1, 1, 16, 24)).masks
    assert torch.equal(masks[..., ::2, ::2], masks[..., 1::2, 1::2])
    assert masks.std() > 0


@every_net
@pytest.mark.parametrize("training", [True, False])
def test_every_parameter_gets_a_gradient(name, training):
    net = build(name, **DROP_OUT[name])
    output = net.train(training)(features(4, 1, 16, 24))
    output.masks.square().mean().backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        # A bias before batch norm has no effect in training.
        assert training or parameter.grad.any(), parameter_name


@pytest.mark.parametrize("use_batch_norm", [True, False])
def test_convolutions_have_a_bias_where_no_batch_norm_follows(use_batch_norm):
    net = build("VGG_like_CNN", use_batch_norm=use_batch_norm)
    convolutions = [layer for layer in net.blocks if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) == 2
    assert all((layer.bias is None) == use_batch_norm for layer in convolutions)
    net(features(2, 1, 16, 8)).masks.square().mean().backward()
    assert all(parameter.grad.any() for parameter in net.parameters())


@every_net
@pytest.mark.parametrize("n_frames", [1, 5, 8, 9, 24])
def test_a_batch_of_one_recording_can_be_learnt_from_however_short_it_is(name, n_frames):
    net = build(name).train()
    net(features(1, 1, 16, n_frames)).masks.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in net.parameters())


@every_net
def test_in_use_a_recording_does_not_depend_on_the_rest_of_its_batch(name):
    net = build(name).eval()
    x = features(3, 1, 16, 24)
    assert torch.allclose(net(x).masks[1:2], net(x[1:2]).masks, atol=1e-5)


@every_net
def test_in_use_the_same_features_give_the_same_masks(name):
    net = build(name).eval()
    x = features(2, 1, 16, 24)
    assert torch.equal(net(x).masks, net(x).masks)


def test_the_recurrent_layer_hears_what_lies_far_away_in_time():
    net = build("U_Net").eval()
    x = features(1, 1, 16, 400)
    y = x.clone()
    y[..., :8] += 3 * torch.sign(y[..., :8])
    assert not torch.equal(net(x).masks[..., -8:], net(y).masks[..., -8:])


def test_the_presence_of_each_class_is_told_for_each_frame():
    net = build("Presence_U_Net").eval()
    assert net(features(2, 1, 16, 21)).presence.shape == (2, 2, 21)
    assert build("U_Net").eval()(features(2, 1, 16, 21)).presence is None


def test_a_class_that_is_not_present_gets_no_bins():
    net = build("Presence_U_Net").eval()
    x = features(1, 1, 16, 24)
    before = net(x)
    with torch.no_grad():
        net.to_presence.bias[0] -= 20
    after = net(x)
    change = after.masks - before.masks
    assert (change[:, 0] < -10).all()
    assert torch.equal(change[:, 1:], torch.zeros_like(change[:, 1:]))
    assert torch.allclose(after.presence[:, 0], before.presence[:, 0] - 20, atol=1e-4)


def test_coordinates_tell_the_network_how_high_a_bin_lies():
    constant = torch.zeros(1, 1, 16, 8)
    blind, seeing = (
        build("VGG_like_CNN", use_coordinates=use, kernel_sizes=(1,)).eval()
        for use in (False, True)
    )
    assert blind(constant).masks.std(2).max() < 1e-6
    assert seeing(constant).masks.std(2).max() > 1e-3


def test_the_frequency_channel_goes_from_minus_one_to_one():
    channel = frequency_channel(torch.zeros(2, 5, 3, 4))
    assert channel.shape == (2, 1, 3, 4)
    assert channel[1, 0, :, 2].tolist() == [-1, 0, 1]


def test_one_value_holds_for_all_blocks_and_the_padding_keeps_the_size():
    config = VGGLikeCNNConfig(channels=(8, 8, 8), kernel_sizes=(5,), drop_out_probs=(0.1, 0.1, 0.0))
    assert config.per_block("kernel_sizes") == (5, 5, 5)
    assert config.per_block("paddings") == (2, 2, 2)
    assert config.per_block("drop_out_probs") == (0.1, 0.1, 0.0)


@pytest.mark.parametrize("name", ["kernel_sizes", "strides", "paddings", "drop_out_probs"])
def test_a_list_that_is_neither_one_value_nor_one_per_block_is_refused(name):
    value = (0.5, 0.5) if name == "drop_out_probs" else (1, 1)
    with pytest.raises(
        InputError, match=f"^{name} has 2 values: expected 3, one per block .* or one for all$"
    ):
        VGGLikeCNNConfig(channels=(8, 8, 8), **{name: value})


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        (VGGLikeCNNConfig, {"channels": (0,)}),
        (VGGLikeCNNConfig, {"channels": ()}),
        (VGGLikeCNNConfig, {"strides": (0,)}),
        (VGGLikeCNNConfig, {"drop_out_probs": (1.0,)}),
        (UNetConfig, {"unet_channels": (1, 2)}),
        (UNetConfig, {"context": 0}),
        (UNetConfig, {"drop_out": -0.1}),
        (PresenceUNetConfig, {"presence_channels": (1, 2)}),
        (PresenceUNetConfig, {"presence_context": 0}),
    ],
)
def test_sizes_of_no_network_are_refused(config, setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        config(**setting)


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'ResNet'.*VGG_like_CNN, U_Net"):
        find_mask_net("ResNet")
