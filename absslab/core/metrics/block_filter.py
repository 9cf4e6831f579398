"""Correlate and filter long signals with short FFTs, block by block.

Axes: Q signals, N samples, L filter taps or delays, B blocks, F bins of the FFT of a block.
"""

import torch
from torch import Tensor, nn

_SHORTEST_FFT = 2048
_FFT_PER_TAP = 8  # longer blocks leave the cache, shorter ones overlap more


class BlockFilter:
    """Correlates with delays of signals, and filters them, where the signals are cut into blocks.

    Args:
        n_samples: N, of each signal.
        n_taps: L, of each filter; as many delays are correlated.

    Source: the overlap-save method: Oppenheim, Schafer, Discrete-time signal processing, 8.7.3.
    """

    def __init__(self, n_samples: int, n_taps: int):
        self.n_samples = n_samples
        self.n_taps = n_taps
        self.size = max(_SHORTEST_FFT, _FFT_PER_TAP << (n_taps - 1).bit_length())
        self.step = self.size - n_taps + 1
        self.n_blocks = -(-(n_samples + n_taps - 1) // self.step)

    def overlapping_spectra(self, signals: Tensor) -> Tensor:
        """Transform blocks, each with the L − 1 samples before it: (…, N) → (…, B, F)."""
        blocks = self._fill(signals, self.n_taps - 1).unfold(-1, self.size, self.step)
        return torch.fft.rfft(blocks)

    def separate_spectra(self, signals: Tensor) -> Tensor:
        """Transform blocks, each after L − 1 zeros: (…, N) → (…, B, F)."""
        blocks = self._fill(signals, 0).unflatten(-1, (self.n_blocks, self.step))
        return torch.fft.rfft(nn.functional.pad(blocks, (self.n_taps - 1, 0)))

    def _fill(self, signals: Tensor, n_before: int) -> Tensor:
        """Put zeros before signals, and so many after them that whole blocks result."""
        n_after = self.n_blocks * self.step - self.n_samples
        return nn.functional.pad(signals, (n_before, n_after))

    def correlate(self, overlapping: Tensor, separate: Tensor) -> Tensor:
        """Compute the inner products of a signal with the delays 0 … L − 1 of others.

        Args:
            overlapping: spectra of the others, (Q, B, F).
            separate: spectra of the signal, (B, F).

        Shape:
            (Q, B, F), (B, F) → (Q, L).
        """
        conjugate = separate.conj().resolve_conj()  # once, not for each of the others
        products = torch.stack([(other * conjugate).sum(0) for other in overlapping])  # (Q, F)
        return torch.fft.irfft(products.conj(), self.size)[:, : self.n_taps]

    def filter_and_add(self, filters: Tensor, overlapping: Tensor) -> Tensor:
        """Filter signals, and add the results.

        Args:
            filters: (Q, L).
            overlapping: spectra of the signals, (Q, B, F).

        Shape:
            (Q, L), (Q, B, F) → (N + L − 1,).
        """
        first, *others = zip(torch.fft.rfft(filters, self.size), overlapping, strict=True)
        total = first[0] * first[1]  # (B, F)
        for response, spectra in others:
            total.addcmul_(response, spectra)
        filtered = torch.fft.irfft(total, self.size)[:, self.n_taps - 1 :]
        return filtered.flatten()[: self.n_samples + self.n_taps - 1]
