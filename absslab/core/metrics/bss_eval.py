"""BSS Eval version 3: how much of an estimate is its source, other sources, and artefacts, a filter being forgiven.

Axes: J sources, C channels, N samples, L filter taps, Q = J · C reference signals, E estimated signals, F bins of an FFT.

An estimate is projected on the delays 0 … L − 1 of its own reference, and on those of all references. The Gram matrix of
the delays is factored once, for all estimates of the same references, and everything else is FFTs: that is what makes it
fast. The numbers are those of `mir_eval` 0.8, which can be chosen as the backend.

Source: Vincent, Gribonval, Févotte, Performance measurement in blind audio source separation, 2006 (sources); Vincent,
Araki et al., The signal separation evaluation campaign (2007-2010), 2012 (images).
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from absslab.core.common.config import look_up
from absslab.core.common.errors import InputError
from absslab.core.metrics.toeplitz import toeplitz_solver

FILTER_LENGTH = 512
_SAMPLES_AT_ONCE = 1 << 21  # of estimates: 13 of ten seconds


class SourceScores(NamedTuple):
    """In dB; NaN where it is undefined: SIR and SAR of a silent estimate, SIR where there is one source."""

    sdr: np.ndarray  # (…, J): source to distortion
    sir: np.ndarray  # (…, J): source to interferences
    sar: np.ndarray  # (…, J): source to artefacts


class ImageScores(NamedTuple):
    """In dB; a filter that an estimate went through counts as spatial distortion. NaN as in `SourceScores`."""

    sdr: np.ndarray  # (…, J)
    isr: np.ndarray  # (…, J): image to spatial distortion
    sir: np.ndarray  # (…, J)
    sar: np.ndarray  # (…, J)


@dataclass(frozen=True)
class Decomposition:
    """Energies of what estimates consist of, summed over channels; each (…, J)."""

    image: np.ndarray  # the reference
    estimate: np.ndarray
    error: np.ndarray  # estimate − reference
    own: np.ndarray  # projection on the delays of the own reference
    spatial: np.ndarray  # own − reference
    rest: np.ndarray  # estimate − own
    every: np.ndarray  # projection on the delays of all references
    interference: np.ndarray  # every − own
    artefacts: np.ndarray  # estimate − every

    def sources(self) -> SourceScores:
        """The scores that forgive the estimate a filter."""
        sdr = np.where(self.estimate > 0, _decibel(self.own, self.rest), -np.inf)
        return SourceScores(sdr, self._sir(), _decibel(self.every, self.artefacts))

    def images(self) -> ImageScores:
        """The scores that forgive nothing."""
        isr = np.where(self.estimate > 0, _decibel(self.image, self.spatial), np.nan)
        return ImageScores(
            _decibel(self.image, self.error), isr, self._sir(), _decibel(self.every, self.artefacts)
        )

    def _sir(self) -> np.ndarray:
        several = self.own.shape[-1] > 1
        return _decibel(self.own, self.interference) if several else np.full_like(self.own, np.nan)


def bss_eval_sources(
    references: np.ndarray, estimates: np.ndarray, *, device: str = "cpu"
) -> SourceScores:
    """SDR, SIR and SAR of estimated sources, one channel each; estimate j is of reference j.

    Args:
        references: (J, N), none silent.
        estimates: (…, J, N); leading axes are systems that are scored on the same references.
        device: where it is computed, in float64.

    Shape:
        (J, N), (…, J, N) → (…, J) each.

    Raises:
        InputError: shapes that do not fit, a silent reference, NaN.
    """
    references = np.asarray(references)
    estimates = np.asarray(estimates)
    _validate(references, estimates, "J, N")
    return _decompose(references[:, None], estimates[..., None, :], device, FILTER_LENGTH).sources()


def bss_eval_images(
    references: np.ndarray, estimates: np.ndarray, *, device: str = "cpu"
) -> ImageScores:
    """SDR, ISR, SIR and SAR of estimated source images of one or more channels.

    Args:
        references: (J, C, N), none silent in all its channels.
        estimates: (…, J, C, N).
        device: where it is computed, in float64.

    Shape:
        (J, C, N), (…, J, C, N) → (…, J) each.

    Raises:
        InputError: see `bss_eval_sources`.
    """
    return decompose(references, estimates, device=device).images()


def decompose(
    references: np.ndarray,
    estimates: np.ndarray,
    *,
    device: str = "cpu",
    filter_length: int = FILTER_LENGTH,
) -> Decomposition:
    """Split estimates into what references explain and what they do not.

    Args:
        references: (J, C, N), none silent in all its channels.
        estimates: (…, J, C, N).
        device: where it is computed, in float64.
        filter_length: L, the taps that are forgiven.

    Raises:
        InputError: see `bss_eval_sources`.
    """
    references = np.asarray(references)
    estimates = np.asarray(estimates)
    _validate(references, estimates, "J, C, N")
    return _decompose(references, estimates, device, filter_length)


def _decompose(
    references: np.ndarray, estimates: np.ndarray, device: str, filter_length: int
) -> Decomposition:
    leading, (n_sources, n_channels, n_samples) = estimates.shape[:-3], references.shape
    flat = estimates.reshape(
        -1, n_channels, n_samples
    )  # (E / C, C, N): system by system, source by source
    owners = np.tile(np.arange(n_sources), len(flat) // n_sources)  # (E / C,)
    subspace = _Delays(_on_device(references, device), filter_length)
    step = max(1, _SAMPLES_AT_ONCE // (n_channels * n_samples))
    parts = [
        subspace.energies(_on_device(flat[at : at + step], device), owners[at : at + step])
        for at in range(0, len(flat), step)
    ]
    energies = torch.cat(parts, 1).cpu().numpy().reshape(-1, *leading, n_sources)  # (9, …, J)
    return Decomposition(*energies)


def _on_device(signals: np.ndarray, device: str) -> Tensor:
    """A copy, whatever view was given."""
    return torch.from_numpy(np.array(signals, np.float64, order="C")).to(device)


class _Delays:
    """The space that all delays of the references span, and each reference's own part of it."""

    def __init__(self, references: Tensor, filter_length: int):
        from scipy.fft import next_fast_len

        self.n_sources, self.n_channels, self.n_samples = references.shape
        self.filter_length = filter_length
        self.references = references  # (J, C, N)
        self.size = next_fast_len(self.n_samples + filter_length - 1, real=True)
        self.spectra = torch.fft.rfft(references.reshape(-1, self.n_samples), self.size)  # (Q, F)
        lags = self._lags()  # (Q, Q, 2 L − 1)
        self.solve_own = []
        for j in range(self.n_sources):
            rows = slice(j * self.n_channels, (j + 1) * self.n_channels)
            self.solve_own.append(toeplitz_solver(lags[rows, rows]))
        self.solve_all = toeplitz_solver(lags) if self.n_sources > 1 else self.solve_own[0]

    def _lags(self) -> Tensor:
        """Correlations of all pairs of references at the lags 1 − L … L − 1."""
        n = self.filter_length
        pairs = []
        for spectrum in self.spectra:
            lags = torch.fft.irfft(spectrum.conj() * self.spectra, self.size)  # (Q, size)
            pairs.append(torch.cat([lags[:, lags.shape[1] - n + 1 :], lags[:, :n]], 1))
        return torch.stack(pairs)

    def energies(self, estimates: Tensor, owners: np.ndarray) -> Tensor:
        """Of estimates (E / C, C, N) of the sources `owners` (E / C,): (9, E / C), as `Decomposition` lists them."""
        n_padded = self.n_samples + self.filter_length - 1
        flat = estimates.reshape(-1, self.n_samples)  # (E, N)
        spectra = torch.fft.rfft(flat, self.size)  # (E, F)
        products = torch.stack(
            [
                torch.fft.irfft(one.conj() * spectra, self.size)[:, : self.filter_length]
                for one in self.spectra
            ]
        )  # (Q, E, L)
        filters = self._filters(self.solve_all, products)  # (Q, E, L)
        every = self._filtered(self.spectra, filters).reshape(*estimates.shape[:2], n_padded)
        if self.n_sources == 1:
            own = every
        else:
            own = torch.empty_like(every)
            signals = torch.arange(len(flat), device=flat.device).view(
                -1, self.n_channels
            )  # (E / C, C)
            for j in range(self.n_sources):
                mine = torch.from_numpy(np.flatnonzero(owners == j)).to(flat.device)
                if not len(mine):
                    continue
                rows = slice(j * self.n_channels, (j + 1) * self.n_channels)
                filters = self._filters(
                    self.solve_own[j], products[rows][:, signals[mine].flatten()]
                )
                own[mine] = self._filtered(self.spectra[rows], filters).reshape(
                    len(mine), self.n_channels, n_padded
                )
        pad = (0, self.filter_length - 1)
        image = torch.nn.functional.pad(
            self.references[torch.from_numpy(owners).to(flat.device)], pad
        )
        estimate = torch.nn.functional.pad(estimates, pad)  # (E / C, C, N + L − 1)
        zero = estimate.new_zeros(())
        pairs = [
            (image, zero),
            (estimate, zero),
            (estimate, image),
            (own, zero),
            (own, image),
            (estimate, own),
        ]
        pairs += [(every, zero), (every, own), (estimate, every)]
        return torch.stack([(one - other).square_().sum((1, 2)) for one, other in pairs])

    def _filters(self, solve: Callable[[Tensor], Tensor], products: Tensor) -> Tensor:
        """The filters on some references that come nearest to the estimates: (Q, E, L) → (Q, E, L)."""
        n_references, n_estimates, n_taps = products.shape
        right = products.permute(2, 0, 1).reshape(-1, n_estimates)  # (L · Q, E)
        return solve(right).view(n_taps, n_references, n_estimates).permute(1, 2, 0)

    def _filtered(self, spectra: Tensor, filters: Tensor) -> Tensor:
        """The sum of the filtered references: (Q, F), (Q, E, L) → (E, N + L − 1)."""
        total = sum(
            one * torch.fft.rfft(of_one, self.size)
            for one, of_one in zip(spectra, filters, strict=True)
        )  # (E, F)
        return torch.fft.irfft(total, self.size)[:, : self.n_samples + self.filter_length - 1]


def _decibel(energy: np.ndarray, other: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * np.log10(energy / other)


def _validate(references: np.ndarray, estimates: np.ndarray, axes: str) -> None:
    """See that estimates are of the references, whose axes are J, N or J, C, N."""
    n_axes = axes.count(",") + 1
    if references.ndim != n_axes or estimates.shape[-n_axes:] != references.shape:
        raise InputError(
            f"references are {references.shape} and estimates {estimates.shape}: expected ({axes}) and (…, {axes}), "
            "the same sources, channels and samples"
        )
    if not (np.isfinite(references).all() and np.isfinite(estimates).all()):
        raise InputError("a signal holds NaN or infinite samples")
    if not references.reshape(len(references), -1).any(1).all():
        raise InputError("a reference is silent: BSS Eval is defined for present classes only")


def _torch(
    references: np.ndarray, estimates: np.ndarray, device: str
) -> tuple[SourceScores, ImageScores]:
    parts = _decompose(references[:, None], estimates[..., None, :], device, FILTER_LENGTH)
    return parts.sources(), parts.images()


def _mir_eval(
    references: np.ndarray, estimates: np.ndarray, device: str
) -> tuple[SourceScores, ImageScores]:
    separation = import_mir_eval()
    shape = estimates.shape[:-1]
    sources = np.full((3, *shape), np.nan)
    images = np.full((4, *shape), np.nan)
    sources[0] = images[0] = -np.inf
    for index in np.ndindex(shape[:-1]):
        heard = np.any(estimates[index], axis=-1)  # (J,)
        estimated = estimates[index].astype(np.float64)
        estimated[~heard, 0] = (
            1.0  # it refuses silent estimates; that of another source does not change a score
        )
        with _quiet():
            *found, _ = separation.bss_eval_sources(
                references.astype(np.float64), estimated, compute_permutation=False
            )
            *of_images, _ = separation.bss_eval_images(
                references[..., None].astype(np.float64),
                estimated[..., None],
                compute_permutation=False,
            )
        for kept, new in ((sources, found), (images, of_images)):
            for row, values in zip(kept, new, strict=True):
                row[index] = np.where(heard, values, row[index])
    images[0] = np.where(
        estimates.any(-1), images[0], 0.0
    )  # nothing of the image: all of it is error
    if len(references) == 1:
        sources[1] = images[2] = np.nan
    return SourceScores(*sources), ImageScores(*images)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", "mir_eval.separation", FutureWarning)
        yield


def import_mir_eval() -> Any:
    """The module of mir_eval that separation is scored by.

    Raises:
        InputError: it is not there, or another version.
    """
    try:
        from mir_eval import separation
    except ImportError:
        raise InputError(
            "mir_eval 0.8 is not there: pip install 'mir_eval>=0.8,<0.9', or use bss_eval torch"
        ) from None
    return separation


BACKENDS = {"torch": _torch, "mir_eval": _mir_eval}


def bss_eval(
    references: np.ndarray, estimates: np.ndarray, *, backend: str = "torch", device: str = "cpu"
) -> tuple[SourceScores, ImageScores]:
    """Both variants at once, of one channel.

    Args:
        references: (J, N), none silent.
        estimates: (…, J, N).
        backend: torch (ours) or mir_eval (needs mir_eval 0.8).
        device: where ours computes.

    Shape:
        (J, N), (…, J, N) → (…, J) each.

    Raises:
        InputError: see `bss_eval_sources`; an unknown backend, mir_eval is missing.
    """
    references = np.asarray(references)
    estimates = np.asarray(estimates)
    _validate(references, estimates, "J, N")
    return look_up("BSS Eval backend", backend, BACKENDS)(references, estimates, device)
