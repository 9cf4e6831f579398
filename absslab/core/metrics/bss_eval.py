"""BSS Eval version 3: split an estimate into its source, other sources, and artefacts.

Axes: J sources, C channels, N samples, L filter taps, Q = J · C reference signals, E estimated
signals, B blocks, F bins of the FFT of a block.

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
from absslab.core.metrics.block_filter import BlockFilter
from absslab.core.metrics.toeplitz import toeplitz_solver

FILTER_LENGTH = 512


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
    n_sources = len(references)
    flat = estimates.reshape(-1, *references.shape[1:])  # (E / C, C, N): system by system
    energies = _DelaySubspace.span(references, filter_length, device).energies(flat)  # (9, E / C)
    return Decomposition(*energies.cpu().numpy().reshape(-1, *leading, n_sources))  # (9, …, J)


def _to_device(signals: np.ndarray, device: str) -> Tensor:
    """Copy signals, which may be views of any memory layout."""
    has_doubles = torch.device(device).type != "mps"
    signals = np.array(signals, np.float64, order="C")
    return torch.from_numpy(signals).to(device if has_doubles else "cpu")


@dataclass(frozen=True)
class _DelaySubspace:
    """The space that all delays of the references span, and each reference's own part of it.

    Args:
        references: with L − 1 zeros after them, (J, C, N + L − 1).
        device: where everything is computed.
        blocks: filters the references.
        spectra: of their blocks, (Q, B, F).
        solve_all: solves for the filters of all references together.
        solve_own: solves for the filters of the channels of each reference; of a single reference
            there is none, since these are all.
    """

    references: Tensor
    device: str
    blocks: BlockFilter
    spectra: Tensor
    solve_all: Callable[[Tensor], Tensor]
    solve_own: list[Callable[[Tensor], Tensor]]

    @classmethod
    def span(cls, references: np.ndarray, filter_length: int, device: str) -> "_DelaySubspace":
        """Factorise the correlations of references (J, C, N) and their delays 0 … L − 1."""
        n_sources, n_channels, n_samples = references.shape
        blocks = BlockFilter(n_samples, filter_length)
        signals = _to_device(references, device)  # (J, C, N)
        spectra = blocks.overlapping_spectra(signals.flatten(0, 1))  # (Q, B, F)
        lags = _correlate_pairs(blocks, signals.flatten(0, 1), spectra)  # (Q, Q, 2 L − 1)
        solve_own = []
        if n_sources > 1:
            for j in range(n_sources):
                rows = slice(j * n_channels, (j + 1) * n_channels)
                solve_own.append(toeplitz_solver(lags[rows, rows]))
        padded = nn.functional.pad(signals, (0, filter_length - 1))  # (J, C, N + L − 1)
        return cls(padded, device, blocks, spectra, toeplitz_solver(lags), solve_own)

    @property
    def n_sources(self) -> int:
        return self.references.shape[0]

    @property
    def n_channels(self) -> int:
        return self.references.shape[1]

    def energies(self, estimates: np.ndarray) -> Tensor:
        """Compute the energies of estimates, of which one at a time is in memory.

        Args:
            estimates: (E / C, C, N), of the first source, the second …, then of the first again.

        Returns:
            (9, E / C), as `Decomposition` lists them.
        """
        products = torch.stack(
            [self._correlate(_to_device(estimate, self.device)) for estimate in estimates], 1
        )  # (Q, E / C, C, L)
        filters = _find_filters(self.solve_all, products)  # (E / C, C, Q, L)
        own_filters = [
            _find_filters(solve, products[self._rows(j), j :: self.n_sources])
            for j, solve in enumerate(self.solve_own)
        ]  # (E / Q, C, C, L) each
        columns = []
        for number, samples in enumerate(estimates):
            system, owner = divmod(number, self.n_sources)
            projection = self._filter(filters[number], slice(None))  # (C, N + L − 1)
            own = projection
            if own_filters:
                own = self._filter(own_filters[owner][system], self._rows(owner))
            estimate = _to_device(samples, self.device)
            columns.append(_compute_energies(self.references[owner], estimate, own, projection))
        return torch.stack(columns, 1)

    def _rows(self, source: int) -> slice:
        """Return the rows of a source among Q."""
        return slice(source * self.n_channels, (source + 1) * self.n_channels)

    def _correlate(self, estimate: Tensor) -> Tensor:
        """Correlate an estimate (C, N) with the delays of the references: (Q, C, L)."""
        separate = self.blocks.separate_spectra(estimate)  # (C, B, F)
        return torch.stack(
            [self.blocks.correlate(self.spectra, channel) for channel in separate], 1
        )

    def _filter(self, filters: Tensor, rows: slice) -> Tensor:
        """Filter some references (C, Q, L), and add them for each channel: (C, N + L − 1)."""
        spectra = self.spectra[rows]
        return torch.stack([self.blocks.filter_and_add(taps, spectra) for taps in filters])


def _correlate_pairs(blocks: BlockFilter, signals: Tensor, spectra: Tensor) -> Tensor:
    """Correlate all pairs of signals at the lags 1 − L … L − 1.

    Args:
        blocks: correlates.
        signals: (Q, N).
        spectra: of their overlapping blocks, (Q, B, F).

    Shape:
        (Q, N) → (Q, Q, 2 L − 1).
    """
    separate = blocks.separate_spectra(signals)  # (Q, B, F)
    # (Q, Q, L): of the delays of the first with the second.
    later = torch.stack([blocks.correlate(spectra, other) for other in separate], 1)
    earlier = later.transpose(0, 1)[..., 1:].flip(-1)
    return torch.cat([earlier, later], -1)


def _find_filters(solve: Callable[[Tensor], Tensor], products: Tensor) -> Tensor:
    """Find the filters that project estimates on the delays of some references.

    Args:
        solve: solves systems with the Gram matrix of these delays.
        products: inner products of the estimates with the delays, (Q, E / C, C, L).

    Shape:
        (Q, E / C, C, L) → (E / C, C, Q, L).
    """
    right = products.permute(0, 3, 1, 2)  # (Q, L, E / C, C)
    filters = solve(right.flatten(2)).view(right.shape)
    return filters.permute(2, 3, 0, 1)


def _compute_energies(image: Tensor, estimate: Tensor, own: Tensor, projection: Tensor) -> Tensor:
    """Compute the energies (9,) of an estimate (C, N); the others are (C, N + L − 1)."""
    padded = nn.functional.pad(estimate, (0, image.shape[-1] - estimate.shape[-1]))
    parts = (
        image,
        padded,
        padded - image,
        own,
        own - image,
        padded - own,
        projection,
        projection - own,
        padded - projection,
    )
    return torch.stack([part.square().sum() for part in parts])


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
