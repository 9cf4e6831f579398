"""Estimate sources with ideal masks, which are computed from the true sources.

Their scores are upper limits for a model; those of the mixture itself are a lower limit.
Axes: J sources, C channels, F STFT bins, M bands, T frames, N samples. The "rest" of a source is
the mixture minus this source.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio.sound_files import resample
from absslab.core.evaluation.score_table import MIXTURE, PHASE_SENSITIVE
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.mask_expander import MaskExpander
from absslab.core.separation.synthesis import build_mask_synthesis


def binary_mask(source: Tensor, rest: Tensor, *, criterion: float = 0.0) -> Tensor:
    """Mark where a source is louder than the rest of the mixture.

    Args:
        source: power of the source.
        rest: power of the rest of the mixture.
        criterion: how much louder the source must be, dB.

    Shape:
        powers (…), (…) → (…), 0 or 1.

    Source: Wang, On ideal binary mask as the computational goal of auditory scene analysis, 2005.
    """
    return (source > rest * 10 ** (criterion / 10)).to(source.dtype)


def ratio_mask(source: Tensor, rest: Tensor) -> Tensor:
    """Divide the power of a source by the sum of its power and that of the rest.

    Shape:
        powers (…), (…) → (…) in [0, 1].

    Source: the generalised Wiener filter with exponent 2: Liutkus, Badeau, ICASSP 2015.
    """
    return source / (source + rest).clamp_min(1e-20)


class IdealMasks:
    """Computes and applies ideal masks, at the resolution of a model.

    Args:
        front_end: front end of the model, for its STFT and its bands.
        criterion: how much louder a source must be for binary masks, dB.
    """

    def __init__(self, front_end: FrontEnd, *, criterion: float = 0.0):
        self.front_end = front_end
        self.criterion = criterion

    @cached_property
    def expander(self) -> MaskExpander:
        """Spreads masks of the model's bands over the bins of its STFT."""
        config = self.front_end.config
        return MaskExpander(config, config.sampling_rate).to(self.front_end.device)

    def powers(self, mixture: np.ndarray, references: np.ndarray) -> tuple[Tensor, Tensor]:
        """Compute the power per band of each source, and of the rest of each source.

        Shape:
            (N,), (J, N) → (J, M, T), (J, M, T).
        """
        spectrum, sources = self._spectra(mixture, references)
        return self.front_end.power(sources), self.front_end.power(spectrum - sources)

    @torch.no_grad()
    def estimates(self, mixture: np.ndarray, references: np.ndarray) -> dict[str, np.ndarray]:
        """Apply each ideal mask to the mixture, and add the mixture itself as an estimate.

        Shape:
            (N,), (J, N) → (J, N) for each name in `BASELINES` and for `PHASE_SENSITIVE`.
        """
        spectrum, sources = self._spectra(mixture, references)  # (F, T), (J, F, T)
        bands = self.front_end.power(sources)  # (J, M, T)
        rest_bands = self.front_end.power(spectrum - sources)  # (J, M, T)
        n_frames = spectrum.shape[-1]

        def expand(mask: Tensor) -> Tensor:
            return self.expander(mask, n_frames)  # (J, M, T) → (J, F, T)

        masks = self._masks(spectrum, sources, bands, rest_bands, expand)
        estimates = {MIXTURE: np.broadcast_to(mixture, references.shape)}
        for name, compute_mask in masks.items():
            masked = compute_mask() * spectrum  # (J, F, T)
            samples = self.front_end.stft.inverse(masked, mixture.shape[-1])  # (J, N)
            estimates[name] = samples.cpu().numpy()
        return estimates

    @torch.no_grad()
    def own_estimates(
        self, mixture: np.ndarray, references: np.ndarray, sampling_rate: int
    ) -> dict[str, np.ndarray]:
        """Apply the same masks to a mixture of any rate and number of channels.

        As in a separation, masks over the model's bands are those of the mean of the channels at
        the model's rate; they are applied to the spectrum of each channel at its own rate.

        Args:
            mixture: the mixture.
            references: the true sources.
            sampling_rate: of both, Hz.

        Shape:
            (C, N), (J, C, N) → (J, C, N) for each name as in `estimates`.
        """
        config = self.front_end.config
        synthesis = build_mask_synthesis(config, sampling_rate, self.front_end.device)
        spectrum = synthesis.spectrum(mixture)  # (C, F, T)
        sources = torch.stack([synthesis.spectrum(source) for source in references])  # (J, C, F, T)
        downmixed = (
            resample(samples.mean(-2), sampling_rate, config.sampling_rate)
            for samples in (mixture, references)
        )
        bands, rest_bands = self.powers(*downmixed)  # (J, M, T′) each

        def expand(mask: Tensor) -> Tensor:
            return synthesis.expander(mask, spectrum.shape[-1])[:, None]  # (J, 1, F, T)

        masks = self._masks(spectrum, sources, bands, rest_bands, expand)
        estimates = {MIXTURE: np.broadcast_to(mixture, references.shape)}
        for name, compute_mask in masks.items():
            masked = compute_mask() * spectrum  # (J, C, F, T)
            samples = synthesis.stft.inverse(masked, mixture.shape[-1])  # (J, C, N)
            estimates[name] = samples.cpu().numpy()
        return estimates

    def _masks(
        self,
        spectrum: Tensor,
        sources: Tensor,
        bands: Tensor,
        rest_bands: Tensor,
        expand: Callable[[Tensor], Tensor],
    ) -> dict[str, Callable[[], Tensor]]:
        """Return what computes each mask.

        Args:
            spectrum: of the mixture: (…, F, T).
            sources: spectra of the sources: (J, …, F, T).
            bands: power of the sources per band: (J, M, T′).
            rest_bands: power of the rest of each: (J, M, T′).
            expand: expands masks of bands to those of bins.
        """
        rests = spectrum - sources
        power = sources.abs().square()
        rest_power = rests.abs().square()

        def phase_sensitive() -> Tensor:
            return (sources * spectrum.conj()).real / spectrum.abs().square().clamp_min(1e-20)

        return {  # functions: only one mask is in memory
            PHASE_SENSITIVE: phase_sensitive,
            "ideal_binary_mask": lambda: binary_mask(power, rest_power, criterion=self.criterion),
            "ideal_ratio_mask": lambda: ratio_mask(power, rest_power),
            "ideal_binary_mask_mel": lambda: expand(
                binary_mask(bands, rest_bands, criterion=self.criterion)
            ),
            "ideal_ratio_mask_mel": lambda: expand(ratio_mask(bands, rest_bands)),
        }

    def _spectra(self, mixture: np.ndarray, references: np.ndarray) -> tuple[Tensor, Tensor]:
        """Transform (N,) and (J, N) → (F, T) and (J, F, T)."""
        both = np.concatenate([mixture[None], references]).astype(np.float32)  # (1 + J, N)
        spectra = self.front_end.stft(torch.from_numpy(both).to(self.front_end.device))
        return spectra[0], spectra[1:]
