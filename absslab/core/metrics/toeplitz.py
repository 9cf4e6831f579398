"""Least squares with the delays of signals: a fast factorisation of block Toeplitz systems.

Axes: Q signals, L delays. Unknowns are ordered delay by delay: (L · Q).
"""

from collections.abc import Callable

import torch
from torch import Tensor

_DENSE_UP_TO = 2048  # unknowns; up to this number the dense factorisation is as fast
_N_REFINEMENTS = 3


def toeplitz_solver(lags: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function that solves gram · x = right in the sense of least squares.

    The Gram matrix holds the inner products of all delays. It is singular up to rounding if signals
    repeat each other or are empty in a band. A small value is then added to its diagonal, and a few
    steps of iterative refinement remove the error that this causes.

    Args:
        lags: correlations of the signals p and q, Σ p(t) q(t + l), at the lags l = 1 − L … L − 1.

    Shape:
        (Q, Q, 2 L − 1) → a function of (L · Q, E) → (L · Q, E).
    """
    n_signals = len(lags)
    n_delays = (lags.shape[-1] + 1) // 2
    descending = lags.flip(-1)  # (Q, Q, 2 L − 1): the largest lag first
    if n_signals * n_delays > _DENSE_UP_TO:
        triangle = factor(descending[..., n_delays - 1 :].permute(0, 2, 1))  # (L · Q, L · Q)
        if triangle is not None:
            return lambda right: torch.cholesky_solve(right, triangle, upper=True)
    gram = lags.new_empty((n_delays, n_signals, n_delays, n_signals))
    for a in range(n_delays):  # delay a of one signal and b of another: the lag a − b
        start = n_delays - 1 - a
        gram[a] = descending[..., start : start + n_delays].permute(0, 2, 1)  # (Q, L, Q)
    return _dense_solver(gram.view(n_signals * n_delays, -1))


def factor(first_row: Tensor) -> Tensor | None:
    """Factor a symmetric block Toeplitz matrix as Rᵀ · R, R an upper triangle.

    The matrix differs from itself shifted by a block in its first row and column only. R is built
    block row by block row from that difference, which hyperbolic rotations carry from each row to
    the next: L² · Q³ steps instead of L³ · Q³.

    Args:
        first_row: first row of blocks.

    Returns:
        R; None if the matrix is not positive definite.

    Shape:
        (Q, L, Q) → (L · Q, L · Q).

    Source:
        the generalised Schur algorithm: Kailath, Sayed, Displacement structure, SIAM Review 37,
        1995; mixed form of the rotations: Bojanczyk, Brent, Van Dooren, de Hoog, A note on
        downdating the Cholesky factorization, 1987.
    """
    size, n_blocks, _ = first_row.shape
    corner, failed = torch.linalg.cholesky_ex(first_row[:, 0])
    if int(failed):
        return None
    # The matrix minus itself shifted by a block is positiveᵀ · positive − negativeᵀ · negative.
    row = first_row.reshape(size, -1)  # (Q, L · Q)
    positive = torch.linalg.solve_triangular(corner, row, upper=False)  # (Q, L · Q)
    negative = torch.cat([torch.zeros_like(corner), positive[:, size:]], 1)
    triangle = first_row.new_zeros((size * n_blocks, size * n_blocks))
    triangle[:size] = positive
    for k in range(1, n_blocks):
        positive = positive[:, :-size]
        negative = negative[:, size:]
        ratio = torch.linalg.solve_triangular(
            positive[:, :size], negative[:, :size], upper=True, left=False
        )  # (Q, Q)
        left, sines, right = torch.linalg.svd(ratio)
        if not float(sines[0]) < 1:
            return None
        cosines = ((1 - sines) * (1 + sines)).sqrt()
        rotation = (right.T / cosines) @ right
        basis, _ = torch.linalg.qr(rotation @ (positive[:, :size] - ratio.T @ negative[:, :size]))
        rotation = basis.T @ rotation  # makes the next block triangular
        positive = torch.addmm(rotation @ positive, rotation @ ratio.T, negative, alpha=-1)
        negative = torch.addmm(
            (left * cosines) @ left.T @ negative, ratio @ basis, positive, alpha=-1
        )
        triangle[k * size : (k + 1) * size, k * size :] = positive
    return triangle


def _dense_solver(gram: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function that solves gram · x = right, also if gram is singular up to rounding."""
    lower, failed = torch.linalg.cholesky_ex(gram)
    if not int(failed):
        return lambda right: torch.cholesky_solve(right, lower)
    shift = 1e-14 * gram.diagonal().mean()
    while int(failed):
        shifted = gram.clone()
        shifted.diagonal().add_(shift)
        lower, failed = torch.linalg.cholesky_ex(shifted)
        shift = 10 * shift

    def solve(right: Tensor) -> Tensor:
        solution = torch.cholesky_solve(right, lower)
        for _ in range(_N_REFINEMENTS):
            solution = solution + torch.cholesky_solve(right - gram @ solution, lower)
        return solution

    return solve
