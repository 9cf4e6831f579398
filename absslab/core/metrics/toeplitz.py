"""Least squares with the delays of signals: a fast factorisation of block Toeplitz systems.

Axes: Q signals, L delays, E right sides.
"""

from collections.abc import Callable

import numpy as np
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
        (Q, Q, 2 L − 1) → a function of (Q, L, E) → (Q, L, E).
    """
    n_signals = len(lags)
    n_delays = (lags.shape[-1] + 1) // 2
    if n_signals * n_delays > _DENSE_UP_TO:
        first_row = lags[..., :n_delays].flip(-1)  # (Q, Q, L): the lags 0, −1 …
        triangle = factor(first_row.transpose(1, 2))  # (L · Q, L · Q)
        if triangle is not None:
            return lambda right: _solve_by_delays(triangle, right)
    solve = _dense_solver(_gram(lags))
    return lambda right: solve(right.flatten(0, 1)).view(right.shape)


def _solve_by_delays(triangle: Tensor, right: Tensor) -> Tensor:
    """Solve triangleᵀ · triangle · x = right, where unknowns are ordered delay by delay.

    Shape:
        (L · Q, L · Q), (Q, L, E) → (Q, L, E).
    """
    by_delay = right.transpose(0, 1)  # (L, Q, E)
    solution = torch.cholesky_solve(by_delay.flatten(0, 1), triangle, upper=True)
    return solution.view(by_delay.shape).transpose(0, 1)


def _gram(lags: Tensor) -> Tensor:
    """Arrange lags as the inner products of all delays: (Q, Q, 2 L − 1) → (Q · L, Q · L)."""
    n_signals, _, n_lags = lags.shape
    n_delays = (n_lags + 1) // 2
    # Delay a of one signal and b of another: the lag a − b. NumPy's views run backwards, too.
    descending = lags.cpu().numpy()[..., ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(descending, n_delays, axis=-1)
    gram = np.array(windows[:, :, ::-1].transpose(0, 2, 1, 3), order="C")  # (Q, L, Q, L)
    return torch.from_numpy(gram.reshape(n_signals * n_delays, -1)).to(lags.device)


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
