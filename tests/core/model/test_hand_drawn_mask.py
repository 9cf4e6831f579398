"""Poolings have their known gradients on an artificial mask, and change it accordingly."""

import numpy as np
import pytest

from absslab.core.model.hand_drawn_mask import (
    N_BANDS,
    HandDrawnMaskConfig,
    build_poolings,
    make_hand_drawn_mask,
    pool,
)
from absslab.core.model.pooling import POOLINGS

SETTINGS = {"pseudocount": 0.0, "decay": 0.99, "first_decay": (0.99,), "sharpness": 10.0}
POOLS = build_poolings(SETTINGS, n_bands=N_BANDS)


@pytest.fixture
def mask():
    return make_hand_drawn_mask(HandDrawnMaskConfig(n_stray=0, noise=0.05, height=0.7))


def test_a_mask_has_the_event_and_the_stray_bins_that_were_asked_for():
    config = HandDrawnMaskConfig(duration=0.5, bandwidth=8, height=0.5, noise=0.1, n_stray=5)
    mask = make_hand_drawn_mask(config)
    assert mask.values.shape == (32, 125)
    assert mask.event.sum() == 8 * 16
    assert mask.values[mask.event].mean() == pytest.approx(0.5, abs=0.02)
    assert (mask.values[~mask.event] > 0.99).sum() == 5
    np.testing.assert_array_equal(make_hand_drawn_mask(config).values, mask.values)


def test_every_pooling_is_there_that_needs_no_training():
    expected = [name for name, kind in POOLINGS.items() if not kind.needs_training]
    assert list(POOLS) == expected
    assert set(POOLINGS) - set(POOLS) == {"FC", "CNN_FC", "RNN_FC"}


@pytest.mark.parametrize("name", POOLS)
def test_the_gradient_is_that_of_small_differences(name, mask):
    pooled = pool(POOLS[name], mask.values)
    place = np.unravel_index(np.argmax(np.abs(pooled.gradient)), mask.values.shape)
    other = mask.values.copy()
    other[place] -= 2e-2
    change = pooled.probability - pool(POOLS[name], other).probability
    if name == "GMP":
        assert 0 < change <= 2e-2 + 1e-6, "a small step may make another bin the largest"
    else:
        assert change == pytest.approx(2e-2 * pooled.gradient[place], rel=0.2, abs=2e-6)


def test_GMP_teaches_one_bin_and_GAP_all_alike(mask):
    largest = pool(POOLS["GMP"], mask.values)
    mean = pool(POOLS["GAP"], mask.values)
    assert (largest.n_trained_bins, largest.share(mask.event)) == (1, 1.0)
    assert mean.n_trained_bins == pytest.approx(0.9 * mask.values.size, abs=1)
    assert mean.share(mask.event) == pytest.approx(mask.event.mean(), rel=1e-3)


def test_linear_softmax_lowers_bins_below_half_its_probability(mask):
    pooled = pool(POOLS["linear_softmax"], mask.values)
    np.testing.assert_array_equal(
        pooled.gradient < 0, mask.values < np.float32(pooled.probability / 2)
    )
    learned = pool(POOLS["linear_softmax"], mask.values, n_steps=20).learned
    assert learned[mask.event].mean() > 0.9
    assert learned[~mask.event].mean() < 0.01


def test_stray_bins_take_the_lesson_from_GMP():
    drawn = make_hand_drawn_mask(HandDrawnMaskConfig(n_stray=3))
    pooled = pool(POOLS["GMP"], drawn.values, n_steps=20)
    assert pooled.share(drawn.event) == 0.0
    np.testing.assert_allclose(pooled.learned[drawn.event], drawn.values[drawn.event], atol=1e-5)


@pytest.mark.parametrize("name", POOLS)
def test_steps_follow_the_label(name, mask):
    before = pool(POOLS[name], mask.values).probability
    assert pool(POOLS[name], mask.values, label=1, n_steps=5).probability_after > before
    assert pool(POOLS[name], mask.values, label=0, n_steps=5).probability_after < before
    assert pool(POOLS[name], mask.values).probability_after == pytest.approx(before, abs=1e-5)
