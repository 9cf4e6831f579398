"""Estimate sources with ideal masks, which are computed from the true sources.

Their scores are upper limits for a model; those of the mixture itself are a lower limit.
Axes: J sources, F STFT bins, M bands, T frames, N samples. The "rest" of a source is the mixture
minus this source.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from absslab.core.evaluation.score_table import MIXTURE, PHASE_SENSITIVE
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.mask_expander import MaskExpander


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
        rests = spectrum - sources  # (J, F, T)
        power = sources.abs().square()  # (J, F, T)
        rest_power = rests.abs().square()  # (J, F, T)
        bands = self.front_end.power(sources)  # (J, M, T)
        rest_bands = self.front_end.power(rests)  # (J, M, T)
        n_frames = spectrum.shape[-1]

        def phase_sensitive() -> Tensor:
            return (sources * spectrum.conj()).real / spectrum.abs().square().clamp_min(1e-20)

        def expand(mask: Tensor) -> Tensor:
            return self.expander(mask, n_frames)  # (J, M, T) → (J, F, T)

        masks: dict[str, Callable[[], Tensor]] = {  # functions: only one mask is in memory
            PHASE_SENSITIVE: phase_sensitive,
            "ideal_binary_mask": lambda: binary_mask(power, rest_power, criterion=self.criterion),
            "ideal_ratio_mask": lambda: ratio_mask(power, rest_power),
            "ideal_binary_mask_mel": lambda: expand(
                binary_mask(bands, rest_bands, criterion=self.criterion)
            ),
            "ideal_ratio_mask_mel": lambda: expand(ratio_mask(bands, rest_bands)),
        }
        estimates = {MIXTURE: np.broadcast_to(mixture, references.shape)}
        for name, compute_mask in masks.items():
            masked = compute_mask() * spectrum  # (J, F, T)
            samples = self.front_end.stft.inverse(masked, mixture.shape[-1])  # (J, N)
            estimates[name] = samples.cpu().numpy()
        return estimates

    def _spectra(self, mixture: np.ndarray, references: np.ndarray) -> tuple[Tensor, Tensor]:
        """Transform (N,) and (J, N) → (F, T) and (J, F, T)."""
        both = np.concatenate([mixture[None], references]).astype(np.float32)  # (1 + J, N)
        spectra = self.front_end.stft(torch.from_numpy(both).to(self.front_end.device))
        return spectra[0], spectra[1:]
