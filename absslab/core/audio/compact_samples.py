"""Keep samples in memory in half the space, where 16 bits represent them exactly.

Axes: N samples.
"""

import numpy as np
import torch
from torch import Tensor


def compress(waveform: np.ndarray) -> np.ndarray:
    """Return a waveform (N,) as 16-bit integers if they represent it exactly."""
    scaled = waveform * 32768
    fits = np.abs(scaled).max(initial=0) < 32768 and np.array_equal(scaled, np.round(scaled))
    return scaled.astype(np.int16) if fits else waveform


def decompress(samples: np.ndarray) -> Tensor:
    """Return the waveform that `compress` was given."""
    waveform = torch.from_numpy(samples)
    return waveform / 32768 if waveform.dtype == torch.int16 else waveform
