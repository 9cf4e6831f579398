"""Poolings that learn: numbers computed by hand, gradients of all weights, other lengths."""

import math

import pytest
import torch
import torch.nn.functional as F

from absslab.core.common.errors import InputError
from absslab.core.model.learned_pooling import (
    AdaptiveGWRP,
    AdaptiveGWRPConfig,
    Attention,
    AutoPool,
    FullyConnected,
    MaskSize,
    PerClassLinear,
    Rescaler,
    pool_windows,
)
from absslab.core.model.pooling import GAP, GWRP, POOLINGS, ExponentialSoftmax

SIZE = MaskSize(n_classes=3, n_bands=12, n_frames=13)
SETTINGS = {
    "adaptive_GWRP": [{}, {"first_decay": (0.5, 0.9, 0.99)}],
    "auto_pool": [{}],
    "attention": [{}],
    "FC": [{}, {"fc_sort": True}, {"fc_bias": False}, {"fc_activation": "softmax"}],
    "CNN_FC": [
        {},
        {"cnn_n_blocks": 2, "cnn_conv_k_f": (3,), "cnn_conv_k_t": (3,), "cnn_conv_s_f": (2,)}
        | {"cnn_conv_s_t": (2,), "cnn_conv_p_f": (1,), "cnn_conv_p_t": (1,), "fc_sort": True},
        {"cnn_pooling_type": "avg", "cnn_pool_k_f": (2,), "cnn_pool_k_t": (1,)}
        | {"cnn_pool_s_f": (1,), "cnn_pool_s_t": (1,), "cnn_use_batch_norm": True},
    ],
    "RNN_FC": [
        {},
        {"rnn_cell": "LSTM", "rnn_layers": 2, "rnn_bidirectional": True, "rnn_drop_out": 0.5},
        {"rnn_cell": "Elman", "rnn_units": 3, "rnn_bias": False, "fc_sort": True},
        {"rnn_cell": "RNN", "rnn_bidirectional": True},
    ],
}
CASES = [(name, settings) for name, cases in SETTINGS.items() for settings in cases]
each_pooling = pytest.mark.parametrize(
    ("name", "settings"), CASES, ids=[f"{name}-{len(settings)}" for name, settings in CASES]
)


def build(name, settings=None, size=SIZE):
    torch.manual_seed(0)
    kind = POOLINGS[name]
    return kind.build(kind.config(**(settings or {})), size).eval()


def random_masks(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_every_pooling_that_learns_is_tested():
    learn = {name for name in POOLINGS if list(build(name).parameters())}
    assert learn == set(SETTINGS)


@each_pooling
def test_what_comes_out_is_a_probability_per_class(name, settings):
    pooled = build(name, settings)(random_masks(4, *SIZE))
    assert pooled.shape == (4, 3)
    assert ((pooled >= 0) & (pooled <= 1)).all()
    if settings.get("fc_activation") == "softmax":
        assert torch.allclose(pooled.sum(1), torch.ones(4))


@each_pooling
@pytest.mark.reference_flaw("the RNN mapping and a choice of the CNN mapping could not be built")
def test_every_weight_and_every_mask_gets_a_gradient(name, settings):
    pooling = build(name, settings).train()
    masks = random_masks(4, *SIZE).requires_grad_()
    F.binary_cross_entropy(pooling(masks), torch.eye(4)[:, :3]).backward()
    for weight_name, weight in pooling.named_parameters():
        assert weight.grad is not None, weight_name
        assert torch.isfinite(weight.grad).all(), weight_name
        # a bias before batch norm has no effect in training
        if not (settings.get("cnn_use_batch_norm") and weight_name.endswith("convolution.bias")):
            assert weight.grad.any(), weight_name
    assert masks.grad.flatten(2).any(-1).all()


@each_pooling
def test_a_class_is_pooled_from_its_own_mask(name, settings):
    if settings.get("fc_activation") == "softmax":
        pytest.skip("a softmax compares the classes")
    pooling = build(name, settings)
    masks = random_masks(2, *SIZE)
    other = masks.clone()
    other[:, 1] = random_masks(2, *SIZE[1:], seed=1)
    differs = (pooling(masks) - pooling(other)).abs() > 1e-7
    assert differs.tolist() == [[False, True, False]] * 2


@each_pooling
def test_recordings_of_a_padded_batch_are_pooled_as_alone(name, settings):
    pooling = build(name, settings)
    lengths = torch.tensor([39, 31, 14, 13, 8, 5, 1])
    masks = random_masks(len(lengths), 3, 12, 39)
    together = pooling(masks, lengths)
    for index, length in enumerate(lengths.tolist()):
        alone = pooling(masks[index : index + 1, ..., :length])
        assert torch.allclose(together[index], alone[0], atol=1e-5)


@each_pooling
@pytest.mark.parametrize("n_frames", [1, 5, 14, 60])
def test_recordings_of_other_lengths_are_pooled(name, settings, n_frames):
    pooled = build(name, settings)(random_masks(2, 3, 12, n_frames))
    assert pooled.shape == (2, 3)
    assert torch.isfinite(pooled).all()


def test_adaptive_GWRP_begins_as_GWRP():
    masks = random_masks(2, *SIZE)
    for decay in (0.3, 0.9, 0.999):
        pooled = AdaptiveGWRP([decay] * 3)(masks)
        assert torch.allclose(pooled, GWRP(decay=decay)(masks), atol=1e-5)


@pytest.mark.reference_flaw("adaptive GWRP had no gradient through its decay and was the average")
def test_the_gradient_of_adaptive_GWRP_passes_through_its_decay():
    """In the thesis it was cut, so that r never changed."""
    masks = random_masks(1, 1, 4, 5)
    pooling = AdaptiveGWRP([0.8]).double()
    assert torch.autograd.gradcheck(
        lambda logits: torch.func.functional_call(pooling, {"logits": logits}, masks.double()),
        torch.tensor([1.2], dtype=torch.float64, requires_grad=True),
    )


def test_adaptive_GWRP_finds_the_decay_of_its_labels():
    masks = random_masks(64, 2, 8, 10) ** 3
    targets = torch.cat([GWRP(decay=0.6)(masks[:, :1]), GWRP(decay=0.97)(masks[:, 1:])], 1)
    pooling = AdaptiveGWRP([0.9, 0.9])
    optimizer = torch.optim.Adam(pooling.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        (pooling(masks) - targets).square().sum().backward()
        optimizer.step()
    assert pooling.decays.tolist() == pytest.approx([0.6, 0.97], abs=0.003)


def test_adaptive_GWRP_is_finite_at_its_limits():
    masks = random_masks(1, 2, 64, 311).requires_grad_()
    pooling = AdaptiveGWRP([0.5, 0.5])
    with torch.no_grad():
        pooling.logits.copy_(torch.tensor([-200.0, 200.0]))
    pooled = pooling(masks)
    expected = [masks[0, 0].max().item(), masks[0, 1].mean().item()]
    assert pooled[0].tolist() == pytest.approx(expected, rel=1e-3)
    pooled.sum().backward()
    assert torch.isfinite(masks.grad).all()
    assert torch.isfinite(pooling.logits.grad).all()


def test_as_many_decays_as_classes_or_one():
    assert AdaptiveGWRPConfig().for_classes(2) == (0.9, 0.9)
    config = AdaptiveGWRPConfig(first_decay=(0.5, 0.6))
    assert config.for_classes(2) == (0.5, 0.6)
    with pytest.raises(InputError, match="first_decay has 2 values: expected 3, one per class"):
        config.for_classes(3)


def test_auto_pool_begins_as_exponential_softmax():
    masks = random_masks(2, *SIZE)
    pooled = AutoPool(n_classes=3, sharpness=2.5)(masks)
    assert torch.allclose(pooled, ExponentialSoftmax(sharpness=2.5)(masks), atol=1e-6)


def test_attention_begins_as_the_mean_and_may_become_one_bin():
    masks = random_masks(2, *SIZE)
    pooling = Attention(n_classes=3, n_bands=12)
    assert torch.allclose(pooling(masks), GAP()(masks), atol=1e-6)
    masks[0, 1, 4, 7] = 2.0
    with torch.no_grad():
        pooling.bands[1, 4] = 100
        pooling.frames[1, 4] = 500
    assert pooling(masks.clamp(max=1))[0, 1] == 1


def test_a_fully_connected_layer_is_a_weighted_sum_of_its_class():
    pooling = FullyConnected(size=MaskSize(2, 1, 2))
    with torch.no_grad():
        pooling.linear.weight.copy_(torch.tensor([[1.0, 2.0], [-3.0, 1.0]]))
        pooling.linear.bias.copy_(torch.tensor([0.5, -1.0]))
    masks = torch.tensor([[[[0.1, 0.4]], [[0.2, 0.7]]]])
    expected = [1 / (1 + math.exp(-(0.1 + 0.8 + 0.5))), 1 / (1 + math.exp(0.6 - 0.7 + 1))]
    assert pooling(masks)[0].tolist() == pytest.approx(expected)
    pooling.sort = True
    expected[0] = 1 / (1 + math.exp(-(0.4 + 0.2 + 0.5)))
    assert pooling(masks)[0, 0].item() == pytest.approx(expected[0])


def test_linear_layers_begin_as_those_of_torch():
    layer = PerClassLinear(200, 50)
    assert layer.weight.abs().max() <= 1 / math.sqrt(50)
    assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(3 * 50), rel=0.05)


@pytest.mark.parametrize(("n_blocks", "n_values"), [(1, 20 * 103), (2, 6 * 33), (3, 1 * 10)])
def test_convolutions_leave_as_many_values_as_in_the_thesis(n_blocks, n_values):
    pooling = build("CNN_FC", {"cnn_n_blocks": n_blocks}, MaskSize(4, 64, 311))
    assert pooling.fully_connected.linear.weight.shape == (4, n_values)


def test_the_largest_window_counts():
    masks = random_masks(1, 1, 2, 10)
    pooled = pool_windows(lambda window: window.mean((2, 3)), masks, None, 4)
    expected = max(masks[..., start : start + 4].mean() for start in (0, 2, 4, 6))
    assert pooled.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("n_frames", [3, 4, 5, 10])
def test_no_window_holds_only_padding(n_frames):
    """Silence would be the most probable here."""
    pooling = FullyConnected(size=MaskSize(1, 1, 4))
    with torch.no_grad():
        pooling.linear.weight.fill_(-1)
        pooling.linear.bias.fill_(2)
    masks = torch.ones(1, 1, 1, 10)
    pooled = pooling(masks, torch.tensor([n_frames]))
    expected = 1 / (1 + math.exp(min(4, n_frames) - 2))
    assert pooled.item() == pytest.approx(expected)


def test_convolutions_too_large_for_the_masks_are_refused():
    with pytest.raises(InputError, match="leave no bands of 4: their kernels"):
        build("CNN_FC", {}, MaskSize(3, 4, 50))


@pytest.mark.reference_flaw("a rescaled probability was never below 0.5")
def test_the_rescaler_begins_without_effect_and_moves_logits():
    rescaler = Rescaler(2)
    probabilities = torch.tensor([[0.2, 0.9]])
    assert torch.allclose(rescaler(probabilities), probabilities, atol=1e-6)
    with torch.no_grad():
        rescaler.weight.copy_(torch.tensor([2.0, 1.0]))
        rescaler.bias.copy_(torch.tensor([0.0, -1.0]))
    odds = rescaler(probabilities) / (1 - rescaler(probabilities))
    assert odds[0].tolist() == pytest.approx([0.25**2, 9 / math.e], rel=1e-4)
    rescaler(torch.tensor([[0.0, 1.0]])).sum().backward()
    assert torch.isfinite(rescaler.weight.grad).all()
