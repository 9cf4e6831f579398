"""Least squares with the delays of signals: symmetric block Toeplitz systems, factored fast.

Axes: Q signals, L delays. Unknowns are ordered delay by delay: (L · Q).
"""

from collections.abc import Callable

import torch
from torch import Tensor

_DENSE_UP_TO = 2048  # unknowns: below, the dense factorisation is as fast
_N_REFINEMENTS = 3


def toeplitz_solver(lags: Tensor) -> Callable[[Tensor], Tensor]:
    """What solves gram · x = right in the sense of least squares, gram being the inner products of all delays.

    Signals that repeat each other, or have nothing in a band, make it singular up to rounding. Then a trace is added to its
    diagonal, and what that costs is mended by going over what is left a few times.

    Args:
        lags: correlations of the signals p and q, Σ p(t) q(t + l), at the lags l = 1 − L … L − 1.

    Shape:
        (Q, Q, 2 L − 1) → a function of (L · Q, E) → (L · Q, E).
    """
    n_signals = len(lags)
    n_delays = (lags.shape[-1] + 1) // 2
    around = lags.flip(-1)  # (Q, Q, 2 L − 1): from the largest lag on
    if n_signals * n_delays > _DENSE_UP_TO:
        triangle = factor(around[..., n_delays - 1 :].permute(0, 2, 1))
        if triangle is not None:
            return lambda right: torch.cholesky_solve(right, triangle, upper=True)
    gram = lags.new_empty((n_delays, n_signals, n_delays, n_signals))
    for a in range(n_delays):  # delay a of one signal and b of another: the lag a − b
        gram[a] = around[..., n_delays - 1 - a : 2 * n_delays - 1 - a].permute(0, 2, 1)  # (Q, L, Q)
    return _dense_solver(gram.view(n_signals * n_delays, -1))


def factor(first_row: Tensor) -> Tensor | None:
    """The upper triangle R of which Rᵀ · R is a positive definite symmetric block Toeplitz matrix; None where it is not.

    The matrix differs from itself shifted by a block in its first row and column only. R is built block row by block row
    from that difference, which hyperbolic rotations carry from each row to the next: L² · Q³ steps instead of L³ · Q³.

    Args:
        first_row: of blocks.

    Shape:
        (Q, L, Q) → (L · Q, L · Q).

    Source: the generalised Schur algorithm: Kailath, Sayed, Displacement structure, SIAM Review 37, 1995; mixed form of
    the rotations: Bojanczyk, Brent, Van Dooren, de Hoog, A note on downdating the Cholesky factorization, 1987.
    """
    size, n_blocks, _ = first_row.shape
    corner, failed = torch.linalg.cholesky_ex(first_row[:, 0])
    if int(failed):
        return None
    adds = torch.linalg.solve_triangular(
        corner, first_row.reshape(size, -1), upper=False
    )  # (Q, L · Q)
    takes = torch.cat([torch.zeros_like(corner), adds[:, size:]], 1)
    triangle = first_row.new_zeros((size * n_blocks, size * n_blocks))
    triangle[:size] = adds
    for k in range(1, n_blocks):
        adds = adds[:, :-size]
        takes = takes[:, size:]
        ratio = torch.linalg.solve_triangular(
            adds[:, :size], takes[:, :size], upper=True, left=False
        )  # (Q, Q)
        left, sines, right = torch.linalg.svd(ratio)
        if not float(sines[0]) < 1:
            return None
        cosines = ((1 - sines) * (1 + sines)).sqrt()
        turn = (right.T / cosines) @ right
        basis, _ = torch.linalg.qr(turn @ (adds[:, :size] - ratio.T @ takes[:, :size]))
        turn = basis.T @ turn  # so that the next block is triangular
        adds = torch.addmm(turn @ adds, turn @ ratio.T, takes, alpha=-1)
        takes = torch.addmm((left * cosines) @ left.T @ takes, ratio @ basis, adds, alpha=-1)
        triangle[k * size : (k + 1) * size, k * size :] = adds
    return triangle


def _dense_solver(gram: Tensor) -> Callable[[Tensor], Tensor]:
    lower, failed = torch.linalg.cholesky_ex(gram)
    if not int(failed):
        return lambda right: torch.cholesky_solve(right, lower)
    trace = 1e-14 * gram.diagonal().mean()
    while int(failed):
        shifted = gram.clone()
        shifted.diagonal().add_(trace)
        lower, failed = torch.linalg.cholesky_ex(shifted)
        trace = 10 * trace

    def solve(right: Tensor) -> Tensor:
        solution = torch.cholesky_solve(right, lower)
        for _ in range(_N_REFINEMENTS):
            solution = solution + torch.cholesky_solve(right - gram @ solution, lower)
        return solution

    return solve
