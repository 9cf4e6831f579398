"""Correlations and filters block by block are those of the whole signals."""

import numpy as np
import pytest
import torch

from absslab.core.metrics.block_filter import BlockFilter


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("n_taps", [1, 2, 300, 512])
@pytest.mark.parametrize("n_samples", [1, 100, 2048, 4096, 20_000])
def test_correlations_are_inner_products_with_delayed_signals(n_samples, n_taps):
    others, signal = noise(3, n_samples), noise(n_samples, seed=1)
    blocks = BlockFilter(n_samples, n_taps)
    ours = blocks.correlate(
        blocks.overlapping_spectra(torch.from_numpy(others)),
        blocks.separate_spectra(torch.from_numpy(signal)),
    ).numpy()
    padded = np.concatenate([signal, np.zeros(n_taps)])
    expected = [
        [padded[delay : delay + n_samples] @ other for delay in range(n_taps)] for other in others
    ]
    np.testing.assert_allclose(ours, expected, atol=1e-9)


@pytest.mark.parametrize("n_taps", [1, 2, 300, 512])
@pytest.mark.parametrize("n_samples", [1, 100, 2048, 4096, 20_000])
def test_filters_are_convolutions(n_samples, n_taps):
    signals, filters = noise(3, n_samples), noise(3, n_taps, seed=1)
    blocks = BlockFilter(n_samples, n_taps)
    spectra = blocks.overlapping_spectra(torch.from_numpy(signals))
    ours = blocks.filter_and_add(torch.from_numpy(filters), spectra).numpy()
    expected = sum(np.convolve(*pair) for pair in zip(signals, filters, strict=True))
    np.testing.assert_allclose(ours, expected, atol=1e-9)
