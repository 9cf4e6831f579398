"""What masks could do at best: estimates by masks that are drawn from the sources themselves. Ceilings, and a floor.

Axes: J sources, F STFT bins, M bands, T frames, N samples. What is not a source, of the mixture, is its rest.
"""

import numpy as np
import torch
from torch import Tensor

from absslab.core.evaluation.score_table import MIXTURE, PHASE_SENSITIVE
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.mask_expander import MaskExpander


def binary_mask(source: Tensor, rest: Tensor, *, criterion: float = 0.0) -> Tensor:
    """Where a source is louder than the rest of the mixture by more than `criterion` dB.

    Shape:
        powers (…), (…) → (…), 0 or 1.

    Source: Wang, On ideal binary mask as the computational goal of auditory scene analysis, 2005.
    """
    return (source > rest * 10 ** (criterion / 10)).to(source.dtype)


def ratio_mask(source: Tensor, rest: Tensor) -> Tensor:
    """The source's part of the sum of its power and that of the rest.

    Shape:
        powers (…), (…) → (…) in [0, 1].

    Source: the generalised Wiener filter with exponent 2: Liutkus, Badeau, ICASSP 2015.
    """
    return source / (source + rest).clamp_min(1e-20)


class IdealMasks:
    """Draws and applies ideal masks, at the resolution of a model.

    Args:
        front_end: of the model: its STFT and its bands.
        criterion: of binary masks, dB.
    """

    def __init__(self, front_end: FrontEnd, *, criterion: float = 0.0):
        self.front_end, self.criterion = front_end, criterion
        self.expander = MaskExpander(front_end.config, front_end.config.sampling_rate).to(
            front_end.device
        )

    def powers(self, mixture: np.ndarray, references: np.ndarray) -> tuple[Tensor, Tensor]:
        """Power per band of the sources, and of what else the mixture holds.

        Shape:
            (N,), (J, N) → (J, M, T), (J, M, T).
        """
        spectrum, sources = self._spectra(mixture, references)
        return self.front_end.power(sources), self.front_end.power(spectrum - sources)

    @torch.no_grad()
    def estimates(self, mixture: np.ndarray, references: np.ndarray) -> dict[str, np.ndarray]:
        """What each ideal mask cuts out of the mixture, and the mixture itself.

        Shape:
            (N,), (J, N) → (J, N) per name in `BASELINES`, and of `PHASE_SENSITIVE`.
        """
        spectrum, sources = self._spectra(mixture, references)  # (F, T), (J, F, T)
        power, rest = sources.abs().square(), (spectrum - sources).abs().square()  # (J, F, T)
        bands, other_bands = (
            self.front_end.power(sources),
            self.front_end.power(spectrum - sources),
        )  # (J, M, T)
        binary = binary_mask(bands, other_bands, criterion=self.criterion)
        masks = (  # drawn when they are applied: one at a time is in memory
            (
                PHASE_SENSITIVE,
                lambda: (sources * spectrum.conj()).real / spectrum.abs().square().clamp_min(1e-20),
            ),
            ("ideal_binary_mask", lambda: binary_mask(power, rest, criterion=self.criterion)),
            ("ideal_ratio_mask", lambda: ratio_mask(power, rest)),
            ("ideal_binary_mask_mel", lambda: self.expander(binary, spectrum.shape[-1])),
            (
                "ideal_ratio_mask_mel",
                lambda: self.expander(ratio_mask(bands, other_bands), spectrum.shape[-1]),
            ),
        )
        estimates = {MIXTURE: np.broadcast_to(mixture, references.shape)}
        for name, draw in masks:
            estimates[name] = (
                self.front_end.stft.inverse(draw() * spectrum, mixture.shape[-1]).cpu().numpy()
            )
        return estimates

    def _spectra(self, mixture: np.ndarray, references: np.ndarray) -> tuple[Tensor, Tensor]:
        both = np.concatenate([mixture[None], references]).astype(np.float32)
        spectra = self.front_end.stft(torch.from_numpy(both).to(self.front_end.device))
        return spectra[0], spectra[1:]
