"""Building blocks of the built-in recordings: struck objects, noises, voices and a room.

Axes: N samples, P modes of vibration, R formants, V vowels, Q blocks of 5 ms.
"""

import numpy as np
from numpy.random import Generator
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

SAMPLING_RATE = 44100
T60_IN_TIME_CONSTANTS = 6.91  # ln(10^3): a decay by 60 dB
HIGHEST_FREQUENCY = 18000.0  # Hz
SHORTEST = 0.2  # s
LONGEST = 3.0  # s
TRIM_LEVEL = 10 ** (-50 / 20)  # edges more than 50 dB below the peak are cut
FORMANT_BLOCK = 220  # samples, 5 ms

FREE_BAR = np.array([1.0, 2.756, 5.404, 8.933, 13.34])  # partials of a bar with free ends
BELL = np.array([0.5, 1.0, 1.183, 1.506, 2.0, 2.514, 3.011])  # hum, prime, tierce, quint, …
# F1 to F3 (Hz) of i, I, e, ae, a, o, u, V spoken by men: Peterson and Barney,
# J. Acoust. Soc. Am. 24(2), 1952.
VOWELS = np.array(
    [
        [270, 390, 530, 660, 730, 570, 300, 640],
        [2290, 1990, 1840, 1720, 1090, 840, 870, 1190],
        [3010, 2550, 2480, 2410, 2440, 2410, 2240, 2390],
    ]
)  # (3, 8)
HIGHER_FORMANTS = np.array([3500.0, 4500.0])  # Hz
BANDWIDTHS = np.array([70.0, 100.0, 140.0, 250.0, 300.0])  # Hz
NEUTRAL = 7  # the vowel of 'up'
OPEN = 4  # the vowel of 'father'


def n_samples(duration: float) -> int:
    """Return the length in samples of a duration in seconds."""
    return max(1, round(duration * SAMPLING_RATE))


def interpolate(blend: float, own: float, other: float) -> float:
    """Interpolate between a class's own value (blend 0) and that of another class (blend 1)."""
    return own + blend * (other - own)


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """Draw a frequency or a ratio evenly over octaves."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def normalise_peak(sound: np.ndarray) -> np.ndarray:
    """Scale a sound to a peak of one."""
    return sound / np.max(np.abs(sound))


def mix_at(parts: list[tuple[float, np.ndarray]]) -> np.ndarray:
    """Add sounds up, each from its own onset on.

    Args:
        parts: pairs of onset (seconds) and sound.

    Shape: parts of any lengths -> (N,), up to the end of the last part.
    """
    starts = [round(onset * SAMPLING_RATE) for onset, _ in parts]
    ends = [start + len(sound) for start, (_, sound) in zip(starts, parts, strict=True)]
    out = np.zeros(max(ends))  # (N,)
    for start, (_, sound) in zip(starts, parts, strict=True):
        out[start : start + len(sound)] += sound
    return out


def envelope(times: list[float], levels: list[float]) -> np.ndarray:
    """Draw straight lines through points (time in seconds, level), from 0 to the last time.

    Shape: -> (N,)
    """
    return np.interp(np.arange(n_samples(times[-1])) / SAMPLING_RATE, times, levels)


def wander(rng: Generator, duration: float, rate: float, spread: float) -> np.ndarray:
    """Draw a slow random walk around zero.

    Args:
        rng: the randomness.
        duration: seconds.
        rate: new directions per second.
        spread: standard deviation.

    Shape: -> (N,)
    """
    knots = np.arange(int(duration * rate) + 2) / rate
    return np.interp(
        np.arange(n_samples(duration)) / SAMPLING_RATE, knots, rng.normal(0, spread, len(knots))
    )


def noise(rng: Generator, duration: float, low: float, high: float) -> np.ndarray:
    """Draw Gaussian noise of unit RMS between two frequencies (Hz), 12 dB per octave outside.

    Shape: -> (N,)
    """
    band = butter(
        2, [low, min(high, HIGHEST_FREQUENCY)], "bandpass", fs=SAMPLING_RATE, output="sos"
    )
    out = sosfilt(band, rng.standard_normal(n_samples(duration)))
    return out / np.sqrt(np.mean(out**2))


def noise_burst(
    rng: Generator, low: float, high: float, t60: float, attack: float = 0.001
) -> np.ndarray:
    """Draw band-limited noise that rises and falls.

    Args:
        rng: the randomness.
        low: Hz.
        high: Hz.
        t60: seconds in which it falls by 60 dB.
        attack: seconds in which it rises.

    Shape: -> (N,)
    """
    t = np.arange(n_samples(attack + t60)) / SAMPLING_RATE
    shape = np.minimum(t / attack, np.exp(-T60_IN_TIME_CONSTANTS * np.maximum(t - attack, 0) / t60))
    return shape * noise(rng, attack + t60, low, high)


def modes(frequencies: np.ndarray, t60s: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Compute the impulse response of a vibrating body: a sum of damped sines.

    Args:
        frequencies: frequencies of the modes, Hz.
        t60s: seconds in which each falls by 60 dB.
        gains: amplitudes at the strike.

    Shape: three times (P,) -> (N,)
    Source: Adrien, "The missing link: modal synthesis", 1991; van den Doel and Pai,
        Presence 7(4), 1998.
    """
    t = np.arange(n_samples(float(np.max(t60s)))) / SAMPLING_RATE
    partials = np.exp(-T60_IN_TIME_CONSTANTS * t / t60s[:, None]) * np.sin(
        2 * np.pi * frequencies[:, None] * t
    )
    # Not a matrix product: BLAS would add up in an order that depends on its threads.
    return np.sum(gains[:, None] * partials, axis=0)  # (P, N) -> (N,)


def strike(
    rng: Generator, frequencies: np.ndarray, *, tan_phi: float, contact: float
) -> np.ndarray:
    """Strike a body of a given material at a random place; the peak is near one.

    Args:
        rng: the randomness.
        frequencies: frequencies of the body's modes, Hz.
        tan_phi: internal friction: about 0.002 for steel, 0.02 for plastic, 0.06 for a
            wooden door.
        contact: seconds of contact; a soft or slow blow lasts longer and excites fewer high modes.

    Shape: (P,) -> (N,)
    Source: Wildes and Richards, "Recovering material properties from sound", 1988:
        t60 = T60_IN_TIME_CONSTANTS / (pi f tan_phi).
    """
    frequencies = frequencies[frequencies < HIGHEST_FREQUENCY]
    t60s = np.clip(T60_IN_TIME_CONSTANTS / (np.pi * frequencies * tan_phi), 0.004, 0.9)
    # The contact force is half a sine.
    gains = rng.uniform(-1, 1, len(frequencies)) / (1 + (2 * frequencies * contact) ** 2)
    out = modes(frequencies, t60s, gains)
    return out / np.max(np.abs(out))


def plate(rng: Generator, lowest: float, n_modes: int) -> np.ndarray:
    """Draw the mode frequencies (Hz) of a thin panel of random proportions, from its lowest up.

    Shape: -> (P,)
    Source: Fletcher and Rossing, "The physics of musical instruments", 3.3:
        f(m, n) ~ (m / a)^2 + (n / b)^2.
    """
    m, n = np.meshgrid(np.arange(1, 7), np.arange(1, 7))
    squares = np.sort((m**2 + rng.uniform(0.15, 0.6) * n**2).ravel())[:n_modes]
    return lowest * squares / squares[0] * rng.normal(1, 0.02, n_modes)


def click(rng: Generator, *, body: float, snap: float, tan_phi: float) -> np.ndarray:
    """Click a small plastic mechanism: its shell (`body`, Hz) and its spring (`snap`, Hz)."""
    shell = strike(rng, plate(rng, body, 6), tan_phi=tan_phi, contact=0.0004)
    spring = strike(rng, snap * FREE_BAR[:3] * rng.normal(1, 0.05, 3), tan_phi=0.02, contact=0.0001)
    scrape = noise_burst(rng, snap / 2, snap * 3, t60=0.012, attack=0.0005)
    return mix_at([(0.0, shell), (0.0, 0.8 * spring), (0.0, 0.2 * scrape)])


def tone(frequencies: list[float], duration: float, drive: float) -> np.ndarray:
    """Play sines (Hz) of equal strength through a small loudspeaker, overdriven by `drive`.

    They rise and fall within 5 ms.
    """
    t = np.arange(n_samples(duration)) / SAMPLING_RATE
    tone = np.tanh(
        drive * np.sum([np.sin(2 * np.pi * f * t) for f in frequencies], axis=0) / len(frequencies)
    )
    return tone * envelope([0, 0.005, duration - 0.005, duration], [0, 1, 1, 0])[: len(t)]


def glottis(rng: Generator, f0: np.ndarray, *, breath: float, roughness: float = 0.0) -> np.ndarray:
    """Compute the flow derivative of vibrating vocal folds, with noise while they are open.

    Args:
        rng: the randomness.
        f0: pitch of every sample, Hz.
        breath: share of noise in [0, 1].
        roughness: how much periods differ in length and strength, from 0; a modal voice has 0.02.

    Shape: (N,) -> (N,)
    Source: Klatt and Klatt, J. Acoust. Soc. Am. 87(2), 1990: the KLGLOTT88 source.
    """
    open_quotient = 0.55 + 0.25 * breath
    drift = wander(rng, len(f0) / SAMPLING_RATE, 200, 1.0)
    periods = np.cumsum(f0 * (1 + (0.01 + roughness) * drift)) / SAMPLING_RATE
    x = (periods % 1) / open_quotient
    strength = 1 + (0.03 + roughness) * rng.normal(0, 1, int(periods[-1]) + 1)[periods.astype(int)]
    pulses = np.where(x < 1, 2 * x - 3 * x**2, 0.0) * strength
    aspiration = rng.standard_normal(len(f0)) * np.where(x < 1, 1.0, 0.3)
    return (1 - breath) * pulses + 0.6 * breath * aspiration


def draw_formants(rng: Generator, vowels: list[int] | np.ndarray, length: float) -> np.ndarray:
    """Draw the formants of a vocal tract.

    Args:
        rng: the randomness.
        vowels: columns of `VOWELS`.
        length: relative; 1: a man's, 0.8: a child's.

    Shape: -> (5, number of vowels), in Hz
    """
    targets = VOWELS[:, vowels] * rng.normal(1, 0.04, (3, len(vowels)))
    higher = np.repeat(HIGHER_FORMANTS[:, None], len(vowels), axis=1)
    return np.concatenate([targets, higher]) / length


def vocal_tract(source: np.ndarray, formants: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    """Send a source through formants in cascade, which move in steps of 5 ms between shapes.

    Args:
        source: the sound of the glottis or of a constriction.
        formants: Hz, one column for each shape of the tract, spread evenly over the time.
        bandwidths: Hz.

    Shape: (N,), (R, any number), (R,) -> (N,)
    Source: Klatt, "Software for a cascade/parallel formant synthesizer",
        J. Acoust. Soc. Am. 67(3), 1980, eq. 2.
    """
    n_blocks = 1 if formants.shape[1] == 1 else -(-len(source) // FORMANT_BLOCK)
    positions = np.linspace(0, formants.shape[1] - 1, n_blocks)
    tracks = np.stack(
        [np.interp(positions, np.arange(formants.shape[1]), track) for track in formants]
    )  # (R, Q)
    radius = np.exp(-np.pi * bandwidths / SAMPLING_RATE)[:, None]  # (R, 1)
    sections = np.zeros((n_blocks, len(formants), 6))
    sections[..., 3] = 1.0
    sections[..., 4] = (-2 * radius * np.cos(2 * np.pi * tracks / SAMPLING_RATE)).T
    sections[..., 5] = (radius**2).T
    sections[..., 0] = sections[..., 3:].sum(axis=-1)  # unit gain at 0 Hz
    blocks = np.array_split(source, n_blocks)
    state = np.zeros((len(formants), 2))
    for q, block in enumerate(blocks):
        blocks[q], state = sosfilt(sections[q], block, zi=state)
    return np.concatenate(blocks)


def equalise(rng: Generator, samples: np.ndarray) -> np.ndarray:
    """Colour a sound like an unknown microphone and table: three broad random peaks or dips.

    Shape: (N,) -> (N,)
    Source: Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients": the
        peaking filter.
    """
    for _ in range(3):
        w = 2 * np.pi * log_uniform(rng, 100, 10000) / SAMPLING_RATE
        amplitude = 10 ** (rng.normal(0, 4) / 40)
        alpha = np.sin(w) / (2 * 0.7)  # Q = 0.7
        middle = -2 * np.cos(w)
        b = [1 + alpha * amplitude, middle, 1 - alpha * amplitude]
        samples = lfilter(b, [1 + alpha / amplitude, middle, 1 - alpha / amplitude], samples)
    return samples


def room(rng: Generator, samples: np.ndarray, *, t60: float, level: float) -> np.ndarray:
    """Add a small office: six early reflections, then a diffuse tail.

    Args:
        rng: the randomness.
        samples: the dry sound.
        t60: reverberation time, seconds.
        level: energy of the reverberation, dB below that of the direct sound.

    Shape: (N,) -> (N + t60 in samples - 1,)
    """
    tail = noise_burst(rng, 150, 7000, t60, attack=0.02)
    # Detours of 0.7 to 10 m take 2 to 30 ms.
    reflections = rng.integers(n_samples(0.002), n_samples(0.03), 6)
    tail[reflections] += rng.uniform(-4, 4, 6)
    response = tail * 10 ** (-level / 20) / np.sqrt(np.sum(tail**2))
    response[0] += 1.0
    return fftconvolve(samples, response)


def add_room_and_colour(rng: Generator, dry: np.ndarray) -> np.ndarray:
    """Make a recording of a dry sound: add colour and room, trim, fade, and vary the level.

    The level varies by 12 dB.

    Shape: (N,) -> (another N,), float32
    """
    dry = np.pad(dry, (n_samples(0.005), 0))  # the fade must spare the first attack
    wet = room(rng, equalise(rng, dry), t60=rng.uniform(0.15, 0.45), level=rng.uniform(11, 20))
    wet = sosfilt(butter(2, 40, "highpass", fs=SAMPLING_RATE, output="sos"), wet)
    loud = np.flatnonzero(np.abs(wet) > TRIM_LEVEL * np.max(np.abs(wet)))
    start = max(0, loud[0] - n_samples(0.005))
    stop = min(
        max(loud[-1] + n_samples(0.02), start + n_samples(SHORTEST)),
        start + n_samples(LONGEST),
        len(wet),
    )
    wet = wet[start:stop]
    length = (stop - start) / SAMPLING_RATE
    fades = envelope([0, 0.003, length - 0.02, length], [0, 1, 1, 0])
    wet = fades * (wet - np.sum(fades * wet) / np.sum(fades))  # no offset, and none at the edges
    return (wet * (10 ** (-rng.uniform(1, 13) / 20) / np.max(np.abs(wet)))).astype(np.float32)
