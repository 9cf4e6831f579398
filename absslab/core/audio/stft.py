"""Short-time Fourier transform and its inverse.

Axes: B batch, F STFT bins, T frames, W samples of a window, N samples.
"""

import torch
from torch import Tensor, nn

WINDOWS = {"hamming": torch.hamming_window, "hann": torch.hann_window}


def bin_power(spectra: Tensor) -> Tensor:
    """Return the power of each bin: complex (…, F, T) → (…, F, T)."""
    real, imaginary = torch.view_as_real(spectra).unbind(-1)
    return torch.addcmul(real * real, imaginary, imaginary)


def total_energy(spectra: Tensor) -> Tensor:
    """Add up the power of all bins of each spectrum: complex (B, F, T) → (B,)."""
    return torch.linalg.vector_norm(torch.view_as_real(spectra), dim=(1, 2, 3)).square()


def scale_spectra(spectra: Tensor, factors: Tensor) -> Tensor:
    """Multiply spectra by real factors that broadcast; torch would make the factors complex.

    Shape:
        complex (…, F, T) → (…, F, T).
    """
    return torch.view_as_complex(torch.view_as_real(spectra) * factors[..., None])


class STFT(nn.Module):
    """Short-time Fourier transform and its inverse; frames are centred, borders padded with zeros.

    The last frame is centred on the last sample or after it. So the samples at both ends are
    covered as well as those in the middle, and the inverse is exact for any length and overlap.

    Args:
        window_size: samples.
        hop_size: samples.
        window: hamming or hann.

    Shape:
        forward: (…, N) → complex (…, F, T), F = window_size // 2 + 1, T = ⌈N / hop_size⌉ + 1.
        inverse: complex (…, F, T) → (…, n_samples).

    Examples:
        >>> stft = STFT(window_size=1024, hop_size=512)
        >>> stft(torch.zeros(2, 16000)).shape
        torch.Size([2, 513, 33])
    """

    def __init__(self, *, window_size: int, hop_size: int, window: str = "hamming"):
        super().__init__()
        self.window_size = window_size
        self.hop_size = hop_size
        self.window: Tensor
        self.register_buffer("window", WINDOWS[window](window_size), persistent=False)
        self._last_weight: tuple[object, Tensor] | None = None  # recordings have segments alike

    @property
    def scale(self) -> Tensor:
        """Factor that makes the magnitude of a sine its amplitude."""
        return 2 / self.window.sum()

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform a waveform to a complex spectrum."""
        flat = waveform.reshape(-1, waveform.shape[-1])  # (B, N)
        # an odd window needs one sample more than torch.stft adds at both ends
        n_padded = -flat.shape[-1] % self.hop_size + self.window_size % 2
        flat = nn.functional.pad(flat, (0, n_padded))  # (B, N')
        spectrum = torch.stft(
            flat,
            self.window_size,
            self.hop_size,
            window=self.window * self.scale,
            pad_mode="constant",
            return_complex=True,
        )  # (B, F, T)
        axes = (*waveform.shape[:-1], *spectrum.shape[-2:])
        return spectrum.reshape(axes)  # (…, F, T)

    def inverse(self, spectrum: Tensor, n_samples: int) -> Tensor:
        """Transform a complex spectrum to a waveform of `n_samples`."""
        flat = spectrum.reshape(-1, *spectrum.shape[-2:])  # (B, F, T)
        frames = torch.fft.irfft(flat.mT, n=self.window_size) * self.window  # (B, T, W)
        total = self._add_covered(frames, n_samples) / self._weight(frames.shape[1], n_samples)
        return total.reshape(*spectrum.shape[:-2], n_samples)  # (…, N)

    def _weight(self, n_frames: int, n_samples: int) -> Tensor:
        """Return by how much the inverse is too large in each sample: (1, N)."""
        key = (n_frames, n_samples, self.window.device, self.window.dtype)
        last = self._last_weight  # once: another thread may replace it
        if last is not None and last[0] == key:
            return last[1]
        windows = self.window.square().expand(1, n_frames, -1)  # (1, T, W)
        weight = self._add_covered(windows, n_samples) * self.scale
        self._last_weight = (key, weight)
        return weight

    def _add_covered(self, frames: Tensor, n_samples: int) -> Tensor:
        """Add overlapping frames, and cut what lies outside: (B, T, W) → (B, N)."""
        before = self.window_size // 2
        return _add_frames(frames, self.hop_size)[:, before : before + n_samples]


def _add_frames(frames: Tensor, hop_size: int) -> Tensor:
    """Add frames that begin a hop after each other, faster than `torch.istft` does.

    Shape:
        (B, T, W) → (B, N′), N′ ≥ (T − 1) · hop_size + W.
    """
    B, T, W = frames.shape
    n_hops = -(-W // hop_size)  # of a frame
    padded = nn.functional.pad(frames, (0, n_hops * hop_size - W))  # (B, T, n_hops · hop)
    parts = padded.unflatten(-1, (n_hops, hop_size))  # (B, T, n_hops, hop)
    total = frames.new_zeros(B, T + n_hops - 1, hop_size)  # (B, T + n_hops − 1, hop)
    for index in range(n_hops):
        total[:, index : index + T] += parts[:, :, index]
    return total.flatten(1)  # (B, N′)
