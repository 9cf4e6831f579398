"""BSS Eval version 3: split an estimate into its source, other sources, and artefacts.

Axes: J sources, C channels, N samples, L filter taps, Q = J · C reference signals, E estimated
signals, F bins of an FFT.

An estimate is projected on the delays 0 … L − 1 of its own reference, so that a filter does not
count as an error, and on those of all references. The Gram matrix of the delays is factored once
for all estimates of the same references, and everything else is FFTs, which makes it fast. The
numbers are those of `mir_eval` 0.8, which can be chosen as the backend.

Source: Vincent, Gribonval, Févotte, Performance measurement in blind audio source separation, 2006
(sources); Vincent, Araki et al., The signal separation evaluation campaign (2007-2010), 2012
(images).
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.common.config import look_up
from absslab.core.common.errors import InputError
from absslab.core.metrics.toeplitz import toeplitz_solver

FILTER_LENGTH = 512
_SAMPLES_AT_ONCE = 1 << 21  # of estimates at a time: 13 of ten seconds


class SourceScores(NamedTuple):
    """Scores in dB.

    SIR and SAR of a silent estimate and SIR of a single source are undefined: NaN.
    """

    sdr: np.ndarray  # (…, J): source to distortion
    sir: np.ndarray  # (…, J): source to interferences
    sar: np.ndarray  # (…, J): source to artefacts


class ImageScores(NamedTuple):
    """Scores in dB; a filter counts as spatial distortion. NaN as in `SourceScores`."""

    sdr: np.ndarray  # (…, J)
    isr: np.ndarray  # (…, J): image to spatial distortion
    sir: np.ndarray  # (…, J)
    sar: np.ndarray  # (…, J)


@dataclass(frozen=True)
class Decomposition:
    """Energies of the parts of estimates, summed over channels; each (…, J)."""

    image: np.ndarray  # the reference
    estimate: np.ndarray
    error: np.ndarray  # estimate − reference
    own: np.ndarray  # projection on the delays of the own reference
    spatial: np.ndarray  # own − reference
    rest: np.ndarray  # estimate − own
    projection: np.ndarray  # on the delays of all references
    interference: np.ndarray  # projection − own
    artefacts: np.ndarray  # estimate − projection

    def sources(self) -> SourceScores:
        """Return the scores in which a filter does not count as an error."""
        sdr = np.where(self.estimate > 0, _decibel(self.own, self.rest), -np.inf)
        return SourceScores(sdr, self._sir(), self._sar())

    def images(self) -> ImageScores:
        """Return the scores in which a filter is an error."""
        isr = np.where(self.estimate > 0, _decibel(self.image, self.spatial), np.nan)
        return ImageScores(_decibel(self.image, self.error), isr, self._sir(), self._sar())

    def _sir(self) -> np.ndarray:
        if self.own.shape[-1] == 1:
            return np.full_like(self.own, np.nan)
        return _decibel(self.own, self.interference)

    def _sar(self) -> np.ndarray:
        return _decibel(self.projection, self.artefacts)


def bss_eval_sources(
    references: np.ndarray, estimates: np.ndarray, *, device: str = "cpu"
) -> SourceScores:
    """Compute SDR, SIR and SAR of estimated sources of one channel; estimate j is of reference j.

    Args:
        references: (J, N), none silent.
        estimates: (…, J, N); leading axes are systems that are scored on the same references.
        device: device for the computation, in float64.

    Shape:
        (J, N), (…, J, N) → (…, J) each.

    Raises:
        InputError: shapes do not fit, a reference is silent, or there is NaN.
    """
    references = np.asarray(references)
    estimates = np.asarray(estimates)
    _validate(references, estimates, "J, N")
    return _decompose(references[:, None], estimates[..., None, :], device, FILTER_LENGTH).sources()


def bss_eval_images(
    references: np.ndarray, estimates: np.ndarray, *, device: str = "cpu"
) -> ImageScores:
    """Compute SDR, ISR, SIR and SAR of estimated source images of one or more channels.

    Args:
        references: (J, C, N), none silent in all its channels.
        estimates: (…, J, C, N).
        device: device for the computation, in float64.

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
    """Decompose estimates into parts that references explain, and the rest.

    Args:
        references: (J, C, N), none silent in all its channels.
        estimates: (…, J, C, N).
        device: device for the computation, in float64.
        filter_length: L, the taps of a filter that does not count as an error.

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
    leading = estimates.shape[:-3]
    n_sources, n_channels, n_samples = references.shape
    # System by system, and source by source.
    flat = estimates.reshape(-1, n_channels, n_samples)  # (E / C, C, N)
    owners = np.tile(np.arange(n_sources), len(flat) // n_sources)  # (E / C,)
    subspace = _DelaySubspace.span(_to_device(references, device), filter_length)
    step = max(1, _SAMPLES_AT_ONCE // (n_channels * n_samples))
    parts = []
    for start in range(0, len(flat), step):
        batch = _to_device(flat[start : start + step], device)
        parts.append(subspace.energies(batch, owners[start : start + step]))
    energies = torch.cat(parts, 1).cpu().numpy().reshape(-1, *leading, n_sources)  # (9, …, J)
    return Decomposition(*energies)


def _to_device(signals: np.ndarray, device: str) -> Tensor:
    """Copy signals, which may be views of any memory layout."""
    has_doubles = torch.device(device).type != "mps"
    signals = np.array(signals, np.float64, order="C")
    return torch.from_numpy(signals).to(device if has_doubles else "cpu")


@dataclass(frozen=True)
class _DelaySubspace:
    """The space that all delays of the references span, and each reference's own part of it.

    Args:
        references: (J, C, N).
        filter_length: number of delays of each, L.
        size: of the Fourier transforms.
        spectra: of the references, (Q, F).
        solve_own: solves for the filters of the channels of each reference.
        solve_all: solves for the filters of all references together.
    """

    references: Tensor
    filter_length: int
    size: int
    spectra: Tensor
    solve_own: list[Callable[[Tensor], Tensor]]
    solve_all: Callable[[Tensor], Tensor]

    @classmethod
    def span(cls, references: Tensor, filter_length: int) -> "_DelaySubspace":
        """Factorise the correlations of references (J, C, N) and their delays."""
        from scipy.fft import next_fast_len

        n_sources, n_channels, n_samples = references.shape
        size = next_fast_len(n_samples + filter_length - 1, real=True)
        spectra = torch.fft.rfft(references.reshape(-1, n_samples), size)  # (Q, F)
        lags = _correlate_pairs(spectra, size, filter_length)  # (Q, Q, 2 L − 1)
        solve_own = []
        for j in range(n_sources):
            rows = slice(j * n_channels, (j + 1) * n_channels)
            solve_own.append(toeplitz_solver(lags[rows, rows]))
        solve_all = toeplitz_solver(lags) if n_sources > 1 else solve_own[0]
        return cls(references, filter_length, size, spectra, solve_own, solve_all)

    @property
    def n_sources(self) -> int:
        return self.references.shape[0]

    @property
    def n_channels(self) -> int:
        return self.references.shape[1]

    @property
    def n_samples(self) -> int:
        return self.references.shape[2]

    def energies(self, estimates: Tensor, owners: np.ndarray) -> Tensor:
        """Compute the energies of estimates.

        Args:
            estimates: (E / C, C, N).
            owners: the source that each is an estimate of, (E / C,).

        Returns:
            (9, E / C), as `Decomposition` lists them.
        """
        products = self._correlate(estimates)  # (Q, E, L)
        projection = self._project(self.solve_all, self.spectra, products)
        projection = projection.view(*estimates.shape[:2], -1)  # (E / C, C, N + L − 1)
        own_projection = projection
        if self.n_sources > 1:
            own_projection = self._project_on_owners(products, owners)
        pad = (0, self.filter_length - 1)
        owner_indices = torch.from_numpy(owners).to(estimates.device)
        image = nn.functional.pad(self.references[owner_indices], pad)  # (E / C, C, N + L − 1)
        estimate = nn.functional.pad(estimates, pad)  # (E / C, C, N + L − 1)
        zero = estimate.new_zeros(())
        differences = (
            (image, zero),
            (estimate, zero),
            (estimate, image),
            (own_projection, zero),
            (own_projection, image),
            (estimate, own_projection),
            (projection, zero),
            (projection, own_projection),
            (estimate, projection),
        )
        energies = [(first - second).square_().sum((1, 2)) for first, second in differences]
        return torch.stack(energies)  # (9, E / C)

    def _correlate(self, estimates: Tensor) -> Tensor:
        """Correlate estimates (E / C, C, N) with the delays of the references: (Q, E, L)."""
        spectra = torch.fft.rfft(estimates.reshape(-1, self.n_samples), self.size)  # (E, F)
        products = []
        for spectrum in self.spectra:
            correlation = torch.fft.irfft(spectrum.conj() * spectra, self.size)  # (E, size)
            products.append(correlation[:, : self.filter_length])
        return torch.stack(products)  # (Q, E, L)

    def _project_on_owners(self, products: Tensor, owners: np.ndarray) -> Tensor:
        """Project estimates on the delays of their own references: (E / C, C, N + L − 1)."""
        n_padded = self.n_samples + self.filter_length - 1
        own = products.new_empty((len(owners), self.n_channels, n_padded))
        signals = torch.arange(products.shape[1], device=products.device)  # (E,)
        signals = signals.view(-1, self.n_channels)  # (E / C, C)
        for j in range(self.n_sources):
            indices = torch.from_numpy(np.flatnonzero(owners == j)).to(products.device)
            if not len(indices):
                continue
            rows = slice(j * self.n_channels, (j + 1) * self.n_channels)
            columns = signals[indices].flatten()
            projection = self._project(
                self.solve_own[j], self.spectra[rows], products[rows][:, columns]
            )
            own[indices] = projection.view(len(indices), self.n_channels, n_padded)
        return own

    def _project(
        self, solve: Callable[[Tensor], Tensor], spectra: Tensor, products: Tensor
    ) -> Tensor:
        """Project estimates on the delays of some references.

        Args:
            solve: solves systems with the Gram matrix of these delays.
            spectra: spectra of the references, (Q, F).
            products: inner products of the estimates with the delays, (Q, E, L).

        Returns:
            the sums of the filtered references that are nearest to the estimates, (E, N + L − 1).
        """
        n_references, n_estimates, n_taps = products.shape
        right = products.permute(2, 0, 1).reshape(-1, n_estimates)  # (L · Q, E)
        filters = solve(right).view(n_taps, n_references, n_estimates).permute(1, 2, 0)  # (Q, E, L)
        total = sum(
            spectrum * torch.fft.rfft(taps, self.size)
            for spectrum, taps in zip(spectra, filters, strict=True)
        )  # (E, F)
        return torch.fft.irfft(total, self.size)[:, : self.n_samples + self.filter_length - 1]


def _correlate_pairs(spectra: Tensor, size: int, n_lags: int) -> Tensor:
    """Correlate all pairs of references at the lags 1 − L … L − 1.

    Args:
        spectra: of the references, (Q, F).
        size: of the Fourier transforms.
        n_lags: L.

    Shape:
        (Q, F) → (Q, Q, 2 L − 1).
    """
    pairs = []
    for spectrum in spectra:
        lags = torch.fft.irfft(spectrum.conj() * spectra, size)  # (Q, size)
        pairs.append(torch.cat([lags[:, lags.shape[1] - n_lags + 1 :], lags[:, :n_lags]], 1))
    return torch.stack(pairs)  # (Q, Q, 2 L − 1)


def _decibel(energy: np.ndarray, other: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * np.log10(energy / other)


def _validate(references: np.ndarray, estimates: np.ndarray, axes: str) -> None:
    """Check that estimates fit the references, whose axes are J, N or J, C, N."""
    n_axes = axes.count(",") + 1
    if references.ndim != n_axes or estimates.shape[-n_axes:] != references.shape:
        raise InputError(
            f"references are {references.shape} and estimates {estimates.shape}: "
            f"expected ({axes}) and (…, {axes}), the same sources, channels and samples"
        )
    if not (np.isfinite(references).all() and np.isfinite(estimates).all()):
        raise InputError("a signal holds NaN or infinite samples")
    if not references.reshape(len(references), -1).any(1).all():
        raise InputError("a reference is silent: BSS Eval is defined for present classes only")


def _score_with_torch(
    references: np.ndarray, estimates: np.ndarray, device: str
) -> tuple[SourceScores, ImageScores]:
    parts = _decompose(references[:, None], estimates[..., None, :], device, FILTER_LENGTH)
    return parts.sources(), parts.images()


def _score_with_mir_eval(
    references: np.ndarray, estimates: np.ndarray, device: str
) -> tuple[SourceScores, ImageScores]:
    separation = import_mir_eval()
    shape = estimates.shape[:-1]
    sources = np.full((3, *shape), np.nan)
    images = np.full((4, *shape), np.nan)
    sources[0] = images[0] = -np.inf
    for index in np.ndindex(shape[:-1]):
        audible = np.any(estimates[index], axis=-1)  # (J,)
        estimated = estimates[index].astype(np.float64)
        # mir_eval refuses silent estimates; the estimate of another source changes no score.
        estimated[~audible, 0] = 1.0
        with _ignore_warnings():
            *source_scores, _ = separation.bss_eval_sources(
                references.astype(np.float64), estimated, compute_permutation=False
            )
            *image_scores, _ = separation.bss_eval_images(
                references[..., None].astype(np.float64),
                estimated[..., None],
                compute_permutation=False,
            )
        new_scores = [*source_scores, *image_scores]
        for row, values in zip([*sources, *images], new_scores, strict=True):
            row[index] = np.where(audible, values, row[index])
    # Without the image, everything is error.
    images[0] = np.where(estimates.any(-1), images[0], 0.0)
    if len(references) == 1:
        sources[1] = images[2] = np.nan
    return SourceScores(*sources), ImageScores(*images)


@contextmanager
def _ignore_warnings() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", "mir_eval.separation", FutureWarning)
        yield


def import_mir_eval() -> Any:
    """Import the module of mir_eval that scores separation.

    Raises:
        InputError: it is not installed, or has another version.
    """
    try:
        from mir_eval import separation
    except ImportError:
        raise InputError(
            "mir_eval 0.8 is missing: pip install 'mir_eval>=0.8,<0.9', or use bss_eval torch"
        ) from None
    return separation


BACKENDS = {"torch": _score_with_torch, "mir_eval": _score_with_mir_eval}


def bss_eval(
    references: np.ndarray, estimates: np.ndarray, *, backend: str = "torch", device: str = "cpu"
) -> tuple[SourceScores, ImageScores]:
    """Compute both variants of the scores at once, of one channel.

    Args:
        references: (J, N), none silent.
        estimates: (…, J, N).
        backend: torch (this module) or mir_eval (needs mir_eval 0.8).
        device: device on which torch computes.

    Shape:
        (J, N), (…, J, N) → (…, J) each.

    Raises:
        InputError: see `bss_eval_sources`; also if the backend is unknown or mir_eval is missing.
    """
    references = np.asarray(references)
    estimates = np.asarray(estimates)
    _validate(references, estimates, "J, N")
    return look_up("BSS Eval backend", backend, BACKENDS)(references, estimates, device)
