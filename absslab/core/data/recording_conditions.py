"""What a recording does to sounds: direction, room, band and clipping.

Axes: C channels, N samples, L samples of a response.
"""

import math

import numpy as np

PAN_LEVEL = 10.0  # dB: level of the nearer channel above the other, of a sound from one side
PAN_DELAY = 0.0005  # s: delay of the farther channel
_TAIL_DELAY = 0.002  # s: from the direct sound to the first reflections
_BAND_ORDER = 4


def compute_response(
    *,
    n_channels: int,
    sampling_rate: int,
    pan: float = 0.0,
    reverberation: float | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Compute how a sound arrives at the microphones: directly, and from the walls.

    The direct sound is louder and earlier in the nearer channel. Reflections are Gaussian noise
    that decays exponentially, independent in each channel, with the energy of the direct sound.
    The energy of the response is 1 per channel, on average.

    Args:
        n_channels: 1, or 2 for left and right.
        sampling_rate: Hz.
        pan: direction: −1 (left) to 1 (right); of no effect in one channel.
        reverberation: time until the reflections have decayed by 60 dB, s; None: there are none.
        seed: of the reflections.

    Shape:
        (C, L).
    """
    gains = np.ones(n_channels)
    delays = np.zeros(n_channels, int)
    if n_channels == 2:
        ratio = 10 ** (pan * PAN_LEVEL / 20)  # of right to left
        gains = np.array([1.0, ratio]) * math.sqrt(2 / (1 + ratio**2))
        delay = round(abs(pan) * PAN_DELAY * sampling_rate)
        delays[0 if pan > 0 else 1] = delay
    n_tail = round((reverberation or 0.0) * sampling_rate)
    first = round(_TAIL_DELAY * sampling_rate)
    response = np.zeros((n_channels, int(delays.max()) + 1 + (first + n_tail if n_tail else 0)))
    response[np.arange(n_channels), delays] = gains
    if n_tail:
        decay = 10 ** (-3 * np.arange(n_tail) / n_tail)  # 60 dB
        tail = np.random.default_rng(seed).standard_normal((n_channels, n_tail)) * decay
        tail *= math.sqrt(n_channels / float(np.sum(tail**2)))
        response[:, -n_tail:] += tail
        response /= math.sqrt(float(np.sum(response**2)) / n_channels)
    return response


def apply_response(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Apply a response to a sound.

    Shape:
        (N,), (C, L) → (C, N + L − 1).
    """
    if response.shape[1] == 1:
        return samples * response
    from scipy.signal import oaconvolve  # imported late: it takes long

    return np.asarray(oaconvolve(samples[None], response, axes=-1))


def limit_band(samples: np.ndarray, band: tuple[float, float], sampling_rate: int) -> np.ndarray:
    """Keep the frequencies of a band (Butterworth filter, 24 dB per octave on either side).

    Args:
        samples: (…, N).
        band: lowest and highest frequency, Hz.
        sampling_rate: Hz.
    """
    from scipy.signal import butter, sosfilt  # imported late: it takes long

    sections = butter(_BAND_ORDER, band, "bandpass", fs=sampling_rate, output="sos")
    return np.asarray(sosfilt(sections, samples, axis=-1))


def clip_peaks(samples: np.ndarray, share: float) -> np.ndarray:
    """Clip a sound at a share of its highest peak, rounded to 16 bit.

    Args:
        samples: samples of any shape.
        share: of the peak.
    """
    limit = round(float(np.abs(samples).max(initial=0)) * share * 32768) / 32768
    return np.clip(samples, -limit, limit)
