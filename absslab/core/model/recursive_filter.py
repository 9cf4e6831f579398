"""Recursive filters along frames, without a loop over frames, and differentiable.

y[t] = (Σ bᵢ x[t − i] − Σ aⱼ y[t − j]) / a₀, for i from 0, j from 1. Within a chunk of frames this
is a triangular system of equations, which is the same for all recordings, and is solved for all
at once. The last outputs of a chunk go on into the next.

Axes: B batch, C bands (or other channels), T frames, P and Q coefficients.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_CHUNK = 256  # frames; a system of equations has this size, a solution costs its square


def filter_frames(values: Tensor, numerator: Tensor, denominator: Tensor) -> Tensor:
    """Filter along time, from the steady state of the first value.

    Args:
        values: x.
        numerator: b.
        denominator: a.

    Shape:
        values (B, C, T), numerator (C, P) or (1, P), denominator (C, Q) or (1, Q) → (B, C, T).

    Source: scipy.signal.lfilter, with the state of lfilter_zi.
    """
    C = values.shape[1]
    numerator = numerator / denominator[:, :1]
    denominator = denominator / denominator[:, :1]
    first = values[..., :1]  # (B, C, 1)
    forward = _convolve(F.pad(values - first, (numerator.shape[1] - 1, 0)), numerator, C)
    steady = numerator.sum(1) / denominator.sum(1)  # (C,) or (1,)
    return _divide(forward, denominator) + first * steady[:, None]  # (B, C, T)


def filter_both_ways(
    values: Tensor, numerator: Tensor, denominator: Tensor, counts: Tensor | None
) -> Tensor:
    """Filter forward and then backward, each time from the steady state of the first value.

    Args:
        values: x.
        numerator: b.
        denominator: a.
        counts: (B,), frames of each recording without padding; None: all of them. Padding has no
            effect on the other frames.

    Shape:
        as `filter_frames`.

    Source: scipy.signal.filtfilt with padlen=0.
    """
    forward = filter_frames(values, numerator, denominator)
    if counts is not None:
        forward = _repeat_last(forward, counts)
    return filter_frames(forward.flip(-1), numerator, denominator).flip(-1)


def find_reflections(denominator: Sequence[float]) -> list[float]:
    """Return the reflection coefficients of a filter; it is stable if all are between −1 and 1.

    Args:
        denominator: a, Q coefficients, the first of which is not 0.

    Source: step-down recursion; Oppenheim, Schafer, Discrete-Time Signal Processing, 3rd ed.,
    section 11.7.
    """
    rest = [value / denominator[0] for value in denominator[1:]]
    reflections: list[float] = []
    while rest:
        *rest, last = rest
        reflections.insert(0, last)
        if abs(last) >= 1:  # not stable, whatever comes before
            break
        mirrored = rest[::-1]
        rest = [
            (value - last * mirror) / (1 - last**2)
            for value, mirror in zip(rest, mirrored, strict=True)
        ]
    return reflections


def denominator_of(reflections: Tensor) -> Tensor:
    """Return the denominator with given reflection coefficients: (C, Q − 1) → (C, Q).

    Source: step-up recursion, the inverse of `find_reflections`.
    """
    rest = reflections[:, :0]
    for place in range(reflections.shape[1]):
        last = reflections[:, place : place + 1]
        rest = torch.cat([rest + last * rest.flip(-1), last], 1)
    first = reflections.new_ones(len(reflections), 1)
    return torch.cat([first, rest], 1)


def _convolve(values: Tensor, taps: Tensor, n_channels: int) -> Tensor:
    """Return Σ taps[i] · values[t − i] where it is defined: (B, C, T) → (B, C, T − P + 1)."""
    kernels = taps.flip(-1)[:, None].expand(n_channels, 1, -1)  # (C, 1, P)
    return F.conv1d(values, kernels, groups=n_channels)


def _divide(values: Tensor, denominator: Tensor) -> Tensor:
    """Solve Σ aⱼ y[t − j] = values[t], a₀ = 1, y = 0 before the first frame: (B, C, T)."""
    n_states = denominator.shape[1] - 1
    if not n_states:
        return values
    B, C, T = values.shape
    size = min(_CHUNK, T)
    lags = torch.arange(size, device=values.device)
    lags = lags[:, None] - lags  # (n, n)
    is_tap = (lags >= 0) & (lags <= n_states)
    system = denominator[:, lags.clamp(0, n_states)] * is_tap  # (C or 1, n, n)
    state = values.new_zeros(B, C, n_states)
    chunks: list[Tensor] = []
    for start in range(0, T, size):
        chunk = values[..., start : start + size]
        n = chunk.shape[-1]
        before = F.pad(state, (0, n_states - 1))  # (B, C, 2 (Q − 1) − 1)
        carried = _convolve(before, denominator[:, 1:], C)[..., :n]  # (B, C, ≤ Q − 1)
        right = chunk - F.pad(carried, (0, n - carried.shape[-1]))
        right = right.permute(1, 2, 0)  # (C, n, B)
        if len(system) == 1:
            right = right.transpose(0, 1).reshape(1, n, C * B)
        solved = torch.linalg.solve_triangular(system[:, :n, :n], right, upper=False)
        if len(system) == 1:
            solved = solved.reshape(n, C, B).transpose(0, 1)
        solved = solved.permute(2, 0, 1)  # (B, C, n)
        chunks.append(solved)
        state = torch.cat([state, solved], -1)[..., -n_states:]
    return torch.cat(chunks, -1)  # (B, C, T)


def _repeat_last(values: Tensor, counts: Tensor) -> Tensor:
    """Replace padding by the last frame before it: (B, C, T), (B,) → (B, C, T)."""
    frames = torch.arange(values.shape[-1], device=values.device)  # (T,)
    places = torch.minimum(frames, counts.to(values.device)[:, None] - 1)  # (B, T)
    return values.gather(-1, places[:, None].expand_as(values))  # (B, C, T)
