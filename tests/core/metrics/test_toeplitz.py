"""The fast solution of block Toeplitz systems equals that of the full matrix."""

import numpy as np
import pytest
import torch

from absslab.core.metrics import toeplitz
from absslab.core.metrics.toeplitz import factor, toeplitz_solver


def delay_signals(signals, n_delays):
    """Delay signals (Q, N) by 0 … L − 1, ordered by delay: (L · Q, N + L − 1)."""
    padded = np.pad(signals, ((0, 0), (0, n_delays - 1)))
    return np.concatenate([np.roll(padded, delay, axis=1) for delay in range(n_delays)])


def project(signals, target):
    """Project targets (E, N + L − 1) on the delays of signals with the fast solution."""
    basis = delay_signals(signals, 20)  # (L · Q, N + L − 1)
    right = torch.from_numpy(basis @ target.T).unflatten(0, (20, len(signals)))  # (L, Q, E)
    solution = toeplitz_solver(lags_of(signals, 20))(right.transpose(0, 1))  # (Q, L, E)
    return basis.T @ solution.transpose(0, 1).flatten(0, 1).numpy()  # (N + L − 1, E)


def lags_of(signals, n_delays):
    """Compute correlations at the lags 1 − L … L − 1 directly."""
    n = signals.shape[1]
    full = [
        [np.correlate(q, p, "full")[n - n_delays : n + n_delays - 1] for q in signals]
        for p in signals
    ]
    return torch.from_numpy(np.array(full))  # (Q, Q, 2 L − 1)


def noise(n_signals, n=300, seed=0):
    return np.random.default_rng(seed).standard_normal((n_signals, n))


def low(signals):
    """Make signals with little high frequencies: the matrix is ill-conditioned, not singular."""
    smooth = np.apply_along_axis(np.convolve, 1, signals, np.hanning(9), "same")
    return smooth + 1e-3 * noise(*signals.shape, seed=1)


@pytest.mark.parametrize("shape", [lambda x: x, low])
@pytest.mark.parametrize("n_signals", [1, 2, 5])
@pytest.mark.parametrize("n_delays", [1, 2, 30])
def test_the_triangle_is_that_of_the_inner_products_of_all_delays(n_signals, n_delays, shape):
    signals = shape(noise(n_signals))
    lags = lags_of(signals, n_delays)
    triangle = factor(lags.flip(-1)[..., n_delays - 1 :].permute(0, 2, 1)).numpy()
    gram = delay_signals(signals, n_delays) @ delay_signals(signals, n_delays).T
    np.testing.assert_allclose(triangle.T @ triangle, gram, atol=1e-11 * gram.max())
    np.testing.assert_allclose(triangle, np.triu(triangle), atol=1e-11 * triangle.max())


@pytest.mark.parametrize("dense_up_to", [0, 10_000])
@pytest.mark.parametrize("n_signals", [1, 3])
def test_the_solution_is_that_of_least_squares(monkeypatch, n_signals, dense_up_to):
    monkeypatch.setattr(toeplitz, "_DENSE_UP_TO", dense_up_to)
    basis = delay_signals(noise(n_signals), 20)
    target = noise(2, basis.shape[1], seed=2)
    expected = basis.T @ np.linalg.lstsq(basis.T, target.T, rcond=None)[0]
    np.testing.assert_allclose(project(noise(n_signals), target), expected, atol=1e-9)


@pytest.mark.parametrize("dense_up_to", [0, 10_000])
def test_of_signals_that_repeat_each_other_the_projection_is_that_of_one_of_them(
    monkeypatch, dense_up_to
):
    monkeypatch.setattr(toeplitz, "_DENSE_UP_TO", dense_up_to)
    single = noise(1)
    twice = np.concatenate([noise(1), noise(1)])
    target = noise(1, 300 + 19, seed=2)
    np.testing.assert_allclose(project(single, target), project(twice, target), atol=1e-6)


def test_what_is_not_positive_definite_has_no_triangle():
    twice = np.concatenate([noise(1), noise(1)])
    lags = lags_of(twice, 20)
    assert factor(lags.flip(-1)[..., 19:].permute(0, 2, 1)) is None
    indefinite = torch.tensor([[[1.0], [2.0]]], dtype=torch.float64)  # [[1, 2], [2, 1]]
    assert factor(indefinite) is None
