"""Poolings give numbers computed by hand, and have the properties that all need."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from absslab.core.common.errors import InputError
from absslab.core.model.learned_pooling import MaskSize
from absslab.core.model.pooling import (
    GAP,
    GMP,
    GWRP,
    POOLINGS,
    ExponentialSoftmax,
    LinearSoftmax,
    find_pooling,
    pool_presence,
)

ALL = [
    GMP(),
    GAP(),
    GWRP(decay=0.9),
    GWRP(decay=0.0),
    GWRP(decay=1.0),
    GWRP(decay_fraction=0.3),
    LinearSoftmax(),
    LinearSoftmax(pseudocount=0.0),
    ExponentialSoftmax(),
    ExponentialSoftmax(sharpness=1000.0),
]


def format_pooling(pooling):
    """Give the class of a pooling and its settings, such as GWRP-decay=0.9."""
    settings = [
        f"{name}={value}"
        for name, value in vars(pooling).items()
        if isinstance(value, float) and not name.startswith("_")
    ]
    return "-".join([type(pooling).__name__, *settings])


each_pooling = pytest.mark.parametrize("pooling", ALL, ids=format_pooling)
HAND = torch.tensor([0.1, 0.4, 0.2, 0.8]).reshape(1, 1, 2, 2)


SIZE = MaskSize(n_classes=3, n_bands=6, n_frames=7)


def random_masks(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (GMP(), 0.8),
        (GAP(), 0.375),
        (GWRP(decay=0.0), 0.8),
        (GWRP(decay=0.5), (0.8 + 0.4 / 2 + 0.2 / 4 + 0.1 / 8) / (1 + 1 / 2 + 1 / 4 + 1 / 8)),
        (GWRP(decay=1.0), 0.375),
        # r = 1 − 1 / (0.5 · 4)
        (
            GWRP(decay_fraction=0.5),
            (0.8 + 0.4 / 2 + 0.2 / 4 + 0.1 / 8) / (1 + 1 / 2 + 1 / 4 + 1 / 8),
        ),
        (GWRP(decay_fraction=0.25), 0.8),  # one bin of four
        (LinearSoftmax(pseudocount=0.0), 0.85 / 1.5),
        (LinearSoftmax(pseudocount=2.0), 0.85 / 3.5),
        (ExponentialSoftmax(sharpness=0.0), 0.375),
        (
            ExponentialSoftmax(sharpness=2.0),
            sum(x * math.exp(2 * x) for x in (0.1, 0.4, 0.2, 0.8))
            / sum(math.exp(2 * x) for x in (0.1, 0.4, 0.2, 0.8)),
        ),
        (ExponentialSoftmax(sharpness=1e4), 0.8),
    ],
)
@pytest.mark.reference_flaw("average pooling was the maximum")
def test_each_pooling_gives_what_one_computes_by_hand(pooling, expected):
    assert pooling(HAND).item() == pytest.approx(expected, rel=1e-5)


def test_GAP_is_a_mean_and_not_a_maximum():
    """In the code of arXiv 1711.03037 it was a maximum."""
    masks = random_masks(2, 3, 8, 9)
    assert torch.allclose(GAP()(masks), masks.mean((2, 3)))
    assert (GAP()(masks) < masks.amax((2, 3)) - 0.3).all()


@pytest.mark.parametrize("r", [0.0, 0.3, 0.99, 0.9998, 1.0])
def test_GWRP_is_its_definition_in_a_loop(r):
    masks = random_masks(2, 3, 8, 9)
    pooled = GWRP(decay=r)(masks)
    for b in range(2):
        for k in range(3):
            ranked = sorted(masks[b, k].flatten().tolist(), reverse=True)
            weights = [r**j for j in range(len(ranked))]
            expected = sum(w * x for w, x in zip(weights, ranked, strict=True)) / sum(weights)
            assert pooled[b, k].item() == pytest.approx(expected, rel=1e-5)


def test_at_0_999_nine_tenths_of_the_weight_lie_on_29_percent_of_a_map_of_7936_bins():
    pooling = GWRP(decay=0.999)
    pooling(torch.zeros(1, 1, 64, 124))
    weights = pooling.weights.double()
    assert ((weights.cumsum(0) / weights.sum() < 0.9).sum() / 7936).item() == pytest.approx(
        0.29, abs=0.005
    )


@pytest.mark.parametrize(("fraction", "n_bins"), [(0.3, 19968), (0.001, 200_000), (0.5, 1)])
def test_weights_by_a_fraction_are_those_of_double_precision(fraction, n_bins):
    pooling = GWRP(decay_fraction=fraction)
    pooling(torch.zeros(1, 1, 1, n_bins))
    decay = max(0.0, 1 - 1 / (fraction * n_bins))
    expected = decay ** np.arange(n_bins)
    np.testing.assert_allclose(pooling.weights, expected, rtol=0, atol=3e-7)


def test_a_fraction_does_not_depend_on_the_size_of_the_map():
    """If a fifth of a mask is 1, `decay_fraction` gives the same for all sizes, `decay` not."""
    small = torch.zeros(1, 1, 10, 10)
    small[:, :, :2] = 1
    large = small.repeat(1, 1, 4, 8)
    pooled = [GWRP(decay_fraction=0.2)(masks).item() for masks in (small, large)]
    assert pooled[0] == pytest.approx(pooled[1], abs=0.01)
    assert abs(GWRP(decay=0.95)(small) - GWRP(decay=0.95)(large)) > 0.1


@each_pooling
@given(
    n_frames=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    n_padding=st.integers(0, 7),
    rubbish=st.floats(0, 1),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=25)
def test_padding_never_changes_the_result(pooling, n_frames, n_padding, rubbish, seed):
    T = max(n_frames) + n_padding
    masks = random_masks(len(n_frames), 2, 3, T, seed=seed)
    for mask, n in zip(masks, n_frames, strict=True):
        mask[..., n:] = rubbish
    together = pooling(masks, torch.tensor(n_frames))
    alone = torch.cat(
        [pooling(mask[None, ..., :n]) for mask, n in zip(masks, n_frames, strict=True)]
    )
    assert torch.allclose(together, alone, atol=1e-5)


@each_pooling
def test_all_frames_being_real_is_the_same_as_no_padding(pooling):
    masks = random_masks(2, 3, 4, 5)
    assert torch.allclose(pooling(masks, torch.tensor([5, 5])), pooling(masks), atol=1e-6)


@each_pooling
def test_a_mask_of_zeros_says_no(pooling):
    assert pooling(torch.zeros(2, 3, 4, 5)).tolist() == [[0.0] * 3] * 2


@each_pooling
def test_a_mask_of_ones_says_yes(pooling):
    n_bins = 40 * 50
    pooled = pooling(torch.ones(2, 3, 40, 50))
    pseudocount = getattr(pooling, "pseudocount", 0)  # LinearSoftmax adds it to the number of bins
    assert torch.allclose(pooled, torch.full((2, 3), n_bins / (n_bins + pseudocount)), atol=1e-5)


@each_pooling
@given(st.lists(st.sampled_from([0.0, 1e-30, 1e-6, 0.3, 1 - 1e-7, 1.0]), min_size=1, max_size=30))
@settings(deadline=None, max_examples=30)
def test_what_comes_out_is_a_probability(pooling, values):
    pooled = pooling(torch.tensor(values)[None, None, None])
    assert torch.isfinite(pooled).all()
    assert -1e-6 <= pooled.item() <= 1 + 1e-6


@each_pooling
def test_where_in_the_map_a_value_lies_does_not_matter(pooling):
    masks = random_masks(2, 3, 6, 7)
    shuffled = masks.flatten(2)[
        ..., torch.randperm(42, generator=torch.Generator().manual_seed(1))
    ].reshape(2, 3, 7, 6)
    assert torch.allclose(pooling(masks), pooling(shuffled), atol=1e-6)


@each_pooling
def test_no_class_hears_another_one(pooling):
    masks = random_masks(2, 3, 6, 7)
    assert torch.allclose(pooling(masks)[:, 1:2], pooling(masks[:, 1:2]), atol=1e-6)


@each_pooling
@pytest.mark.parametrize("n_frames", [None, torch.tensor([4, 2])])
def test_a_gradient_reaches_the_masks_and_not_their_padding(pooling, n_frames):
    masks = random_masks(2, 3, 4, 4).requires_grad_()
    pooling(masks, n_frames).sum().backward()
    assert torch.isfinite(masks.grad).all()
    assert (masks.grad != 0).flatten(2).any(-1).all()
    if n_frames is not None:
        assert not masks.grad[1, ..., 2:].any()


@each_pooling
def test_masks_of_zeros_have_finite_gradients(pooling):
    masks = torch.zeros(1, 2, 4, 4, requires_grad=True)
    pooling(masks).sum().backward()
    assert torch.isfinite(masks.grad).all()


@pytest.mark.parametrize("pooling", [GAP(), GWRP(decay=0.9), GWRP(decay_fraction=0.3)])
def test_ranked_and_mean_pooling_reach_every_bin(pooling):
    masks = random_masks(1, 1, 4, 4).requires_grad_()
    pooling(masks).sum().backward()
    assert (masks.grad > 0).all()


@pytest.mark.reference_flaw("the weights of GWRP were made from a list at every step")
def test_the_weights_of_GWRP_are_a_buffer_that_is_not_saved_and_made_once():
    pooling = GWRP(decay=0.9)
    pooling(torch.zeros(1, 1, 2, 3))
    assert [name for name, _ in pooling.named_buffers()] == ["weights"]
    assert not pooling.state_dict()
    weights = pooling.weights
    pooling(torch.ones(5, 2, 3, 2))
    assert pooling.weights is weights
    pooling(torch.ones(1, 1, 4, 4))
    assert len(pooling.weights) == 16


@each_pooling
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("n_frames", [None, torch.tensor([3, 5])])
def test_masks_of_any_precision_are_pooled(pooling, dtype, n_frames):
    masks = random_masks(2, 3, 4, 5)
    tolerance = 1e-5 if dtype is torch.float64 else 0.02
    assert torch.allclose(
        pooling(masks.to(dtype), n_frames).float(), pooling(masks, n_frames), atol=tolerance
    )


def test_a_model_in_double_precision_takes_GWRP_along():
    pooling = GWRP(decay=0.9)
    pooling(random_masks(1, 1, 2, 2))
    masks = random_masks(1, 1, 2, 2)
    assert pooling.double()(masks.double()).item() == pytest.approx(GWRP(decay=0.9)(masks).item())


@each_pooling
def test_pooling_moves_with_its_device(pooling):
    assert pooling.to("meta")(torch.rand(2, 3, 4, 5, device="meta")).shape == (2, 3)
    pooling.to_empty(device="cpu")
    if isinstance(pooling, GWRP):
        pooling.weights = torch.empty(0)
    masks = random_masks(2, 3, 4, 5)
    assert torch.isfinite(pooling(masks)).all()


def test_every_pooling_is_tested_here_or_with_those_that_learn():
    built = [kind.build(kind.config(), SIZE) for kind in POOLINGS.values()]
    without_weights = [pooling for pooling in built if not list(pooling.parameters())]
    assert {type(pooling) for pooling in without_weights} == {type(pooling) for pooling in ALL}


@pytest.mark.parametrize("name", POOLINGS)
def test_every_name_builds_a_pooling_from_its_default_config(name):
    kind = find_pooling(name)
    assert kind.build(kind.config(), SIZE)(random_masks(2, *SIZE)).shape == (2, 3)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=rf"'max'.*{', '.join(POOLINGS)}"):
        find_pooling("max")


@pytest.mark.parametrize(
    ("name", "setting"), [("GWRP", {"decay": 1.1}), ("GWRP", {"decay_fraction": 0.0})]
)
def test_a_weight_that_is_none_is_refused(name, setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        find_pooling(name).config(**setting)


@pytest.mark.parametrize("size", [(64, 63), (64, 311), (40, 7)])
def test_gwrp_of_a_full_mask_is_no_more_than_1_in_any_arithmetic(size):
    masks = torch.full((2, 3, *size), 1.0)
    assert (GWRP(decay=0.999)(masks) <= 1).all()
    with torch.autocast("cpu", torch.bfloat16):
        assert (GWRP(decay=0.999)(masks) <= 1).all()


def test_presence_in_frames_is_pooled_by_linear_softmax():
    logits = torch.logit(torch.tensor([[[0.8, 0.4, 0.2]]]))
    expected = (0.64 + 0.16 + 0.04) / (0.8 + 0.4 + 0.2 + 1)
    assert pool_presence(logits).item() == pytest.approx(expected)
    shorter = (0.64 + 0.16) / (0.8 + 0.4 + 1)
    assert pool_presence(logits, torch.tensor([2])).item() == pytest.approx(shorter)
