"""Draw a mixture of recordings as plain data (`MixtureSpec`), then render it to sound.

Axes: N samples. The mixture is exactly the sum of its sources and its background: all of them are
rounded to 16 bit, so that no rounding error is left when they are saved.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.common.rich_result import RichResult
from absslab.core.data.recordings import Recording, classes_of

SAMPLING_RATES = (8000, 16000, 44100)  # Hz
SHORTEST_LENGTH = 0.064  # s: one analysis window
SHORTEST_EVENT = 0.05  # s: an event that is cut shorter than this is left out
PEAK = 0.99  # a mixture that would exceed this is scaled down together with its sources
_ARRAYS = 4  # of the length of a mixture while it is rendered, besides those of its events
_MAX_TRIES = 100  # draws of an onset that satisfies the limits on overlap


@dataclass(frozen=True)
class MixingConfig(Config):
    """Settings for drawing mixtures."""

    length: float = option(10.0, "length of a mixture", unit="s", above=0)
    max_event: int = option(4, "largest number of events in a mixture", at_least=1)
    overlap: bool = option(False, "whether events may overlap")
    max_polyphony: int | None = option(
        None, "with overlap: largest number of events at the same time", at_least=1
    )
    max_overlap: float | None = option(
        None, "with overlap: longest overlap of two events", unit="s", at_least=0
    )
    white_noise_ratio: float = option(
        0.05, "energy of the background, divided by the energy of the events", at_least=0, at_most=1
    )
    snr_range: tuple[float, float] | None = option(
        None,
        "range of the level of the events above the background; replaces white_noise_ratio",
        unit="dB",
    )
    background_folder: str | None = option(
        None, "folder of recordings to use as background instead of white noise", metavar="FOLDER"
    )
    event_gain_range: tuple[float, float] = option(
        (0.0, 0.0), "range of the random gain of each event", unit="dB"
    )
    sampling_rate: int = option(
        16000, "sampling rate of the mixtures", unit="Hz", choices=SAMPLING_RATES
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < SHORTEST_LENGTH:
            raise InputError(
                f"length is {self.length:g}: expected at least {SHORTEST_LENGTH} s, "
                "one analysis window"
            )
        for name in ("snr_range", "event_gain_range"):
            bounds = getattr(self, name)
            if bounds is not None and bounds[0] > bounds[1]:
                raise InputError(
                    f"{name} is {bounds[0]:g} {bounds[1]:g}: expected the lower value first"
                )
        if not self.overlap and (self.max_polyphony is not None or self.max_overlap is not None):
            raise InputError(
                "max_polyphony and max_overlap limit an overlap that is off: "
                "add --overlap True or leave them out"
            )

    @property
    def n_samples(self) -> int:
        """Length of a mixture in samples."""
        return round(self.length * self.sampling_rate)


@dataclass(frozen=True)
class Event:
    """A recording that is part of a mixture, with its time and gain."""

    recording: str  # path of the sound file
    event_label: str
    onset: float  # s
    duration: float  # s, after cutting
    gain: float  # dB

    @property
    def offset(self) -> float:
        """The time at which the event ends, in seconds."""
        return self.onset + self.duration


@dataclass(frozen=True)
class MixtureSpec:
    """Everything that is needed to render a mixture, as plain data."""

    filename: str
    length: float  # s
    sampling_rate: int  # Hz
    events: tuple[Event, ...]  # in the order of their onsets
    snr: float | None  # level of the events above the background, dB; None: no background
    noise_seed: tuple[int, ...]
    background: str | None = None  # path of a recording; None: white noise
    background_start: float = 0.0  # s into that recording

    @property
    def labels(self) -> list[str]:
        """The classes of the events, sorted."""
        return sorted({event.event_label for event in self.events})

    def to_json(self) -> dict[str, Any]:
        """Return the spec as plain data that can be written as JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "MixtureSpec":
        """Make a spec from the data that `to_json` returned."""
        events = tuple(Event(**event) for event in values["events"])
        return cls(**{**values, "events": events, "noise_seed": tuple(values["noise_seed"])})


@dataclass(frozen=True, eq=False)  # arrays can't be compared to a single truth value
class Mixture(RichResult):
    """A rendered mixture with its sources and background; a notebook displays it as a player."""

    mixture: np.ndarray  # (N,) float32
    sources: dict[str, np.ndarray]  # by class, only those present: (N,) float32 each
    background: np.ndarray  # (N,) float32
    sampling_rate: int  # Hz
    silent_events: tuple[int, ...] = ()  # indices of the events that 16 bits round to silence

    def __repr__(self) -> str:
        seconds = len(self.mixture) / self.sampling_rate
        return f"Mixture({seconds:.2f} s at {self.sampling_rate} Hz: {', '.join(self.sources)})"


def check_memory(config: MixingConfig) -> None:
    """Check that the memory of this machine is large enough to render a mixture.

    Raises:
        InputError: it is not.
    """
    import psutil

    n_arrays = _ARRAYS + config.max_event
    needed = 8.0 * config.n_samples * n_arrays
    available = psutil.virtual_memory().total
    if needed > available:
        raise InputError(
            f"length is {config.length:g}: a mixture would take {needed / 2**30:.0f} GiB of memory "
            f"while it is made, and this machine has {available / 2**30:.0f} GiB: expected at most "
            f"{available / 8 / n_arrays / config.sampling_rate:.0f} s"
        )


def sample_spec(
    rng: np.random.Generator,
    recordings: Sequence[Recording],
    config: MixingConfig,
    *,
    filename: str = "",
    backgrounds: Sequence[Recording] = (),
    noise_seed: Sequence[int] = (0,),
) -> MixtureSpec:
    """Draw a mixture.

    The number of events, the class of each and the recording of this class are drawn from uniform
    distributions. Without overlap, the lengths of the silences before, between and after the events
    are drawn from a Dirichlet distribution; an event that reaches beyond the end is cut, or left
    out if less than `SHORTEST_EVENT` would remain. With overlap, onsets are uniform; an event for
    which no onset satisfies the limits on overlap is left out.

    Args:
        rng: source of randomness.
        recordings: the recordings to choose from.
        config: settings for drawing mixtures.
        filename: name of the mixture, stored in the spec.
        backgrounds: recordings to draw the background from; white noise if there are none.
        noise_seed: seed of the white noise, stored in the spec.
    """
    drawn = _draw_recordings(rng, recordings, config.max_event)
    rate = config.sampling_rate
    n = config.n_samples
    sizes = [min(n, max(1, round(recording.duration * rate))) for recording in drawn]
    if config.overlap:
        places = _place_with_overlap(rng, sizes, config)
    else:
        places = _place_without_overlap(rng, sizes, n, rate)
    events = []
    for recording, (start, size) in zip(drawn, places, strict=True):
        if size:
            gain = float(rng.uniform(*config.event_gain_range))
            events.append(
                Event(recording.path, recording.event_label, start / rate, size / rate, gain)
            )
    background = backgrounds[int(rng.integers(len(backgrounds)))] if backgrounds else None
    snr = _draw_snr(rng, config)
    background_start = 0.0
    if background:
        background_start = float(rng.uniform(0, max(0.0, background.duration - config.length)))
    return MixtureSpec(
        filename=filename,
        length=config.length,
        sampling_rate=rate,
        events=tuple(sorted(events, key=lambda event: event.onset)),
        snr=snr,
        noise_seed=tuple(int(part) for part in noise_seed),
        background=background.path if background else None,
        background_start=background_start,
    )


def _draw_recordings(
    rng: np.random.Generator, recordings: Sequence[Recording], max_event: int
) -> list[Recording]:
    """Draw 1 to `max_event` recordings: first a class, then a recording of it."""
    by_class: dict[str, list[Recording]] = {name: [] for name in classes_of(recordings)}
    for recording in recordings:
        by_class[recording.event_label].append(recording)
    groups = list(by_class.values())
    drawn = []
    for _ in range(int(rng.integers(1, max_event + 1))):
        group = groups[rng.integers(len(groups))]
        drawn.append(group[int(rng.integers(len(group)))])
    return drawn


def _draw_snr(rng: np.random.Generator, config: MixingConfig) -> float | None:
    if config.snr_range is not None:
        return float(rng.uniform(*config.snr_range))
    return -10 * math.log10(config.white_noise_ratio) if config.white_noise_ratio else None


def _place_without_overlap(
    rng: np.random.Generator, sizes: list[int], n: int, rate: int
) -> list[tuple[int, int]]:
    """Return (start, size) of each event in samples; a size of 0 means that it is left out."""
    silences = rng.dirichlet(np.ones(len(sizes) + 1)) * max(0, n - sum(sizes))
    starts = np.cumsum(silences[:-1]).astype(int) + np.cumsum([0, *sizes[:-1]])
    places = []
    for start, size in zip(starts.tolist(), sizes, strict=True):
        remaining = min(size, n - start)
        is_kept = remaining >= min(size, SHORTEST_EVENT * rate)
        places.append((start, remaining if is_kept else 0))
    return places


def _place_with_overlap(
    rng: np.random.Generator, sizes: list[int], config: MixingConfig
) -> list[tuple[int, int]]:
    """Return (start, size) of each event in samples; a size of 0 means that no place was found."""
    shortest = math.ceil(SHORTEST_EVENT * config.sampling_rate)
    places: list[tuple[int, int]] = []
    for size in sizes:
        for _ in range(_MAX_TRIES):
            start = int(rng.integers(0, max(1, config.n_samples - min(size, shortest) + 1)))
            place = (start, min(size, config.n_samples - start))
            if _satisfies_limits(place, places, config):
                break
        else:
            place = (0, 0)
        places.append(place)
    return places


def _satisfies_limits(
    place: tuple[int, int], earlier: list[tuple[int, int]], config: MixingConfig
) -> bool:
    """Tell whether an event's place satisfies the limits on overlap with the earlier events."""
    start, size = place
    stop = start + size
    spans = [(other, other + length) for other, length in earlier if length]  # (start, stop)
    if config.max_overlap is not None:
        longest = config.max_overlap * config.sampling_rate
        for other_start, other_stop in spans:
            if min(stop, other_stop) - max(start, other_start) > longest:
                return False
    if config.max_polyphony is not None:
        # Polyphony can only grow where an event begins.
        instants = [start, *(other for other, _ in spans if start < other < stop)]
        for instant in instants:
            if _count_sounding(spans, instant) >= config.max_polyphony:
                return False
    return True


def _count_sounding(spans: list[tuple[int, int]], instant: int) -> int:
    return sum(start <= instant < stop for start, stop in spans)


def render(spec: MixtureSpec) -> Mixture:
    """Render a mixture to sound.

    The background is scaled so that the SNR of the spec holds for the energy of the events as they
    are in the mixture, after cutting. Sources and background are rounded to 16 bit; their sum is
    the mixture. A class whose events are all silent then has no source.

    Args:
        spec: the mixture to render.

    Returns:
        the mixture with its sources (N,) and its background (N,).

    Raises:
        InputError: a recording can't be read or is silent.
    """
    n = round(spec.length * spec.sampling_rate)
    sources: dict[str, np.ndarray] = {}
    peaks = []  # of the events
    for event in spec.events:
        source = sources.setdefault(event.event_label, np.zeros(n, np.float64))
        samples = sound_files.load_event(event.recording, spec.sampling_rate)
        start = round(event.onset * spec.sampling_rate)
        samples = samples[: min(round(event.duration * spec.sampling_rate), n - start)]
        source[start : start + len(samples)] += samples * 10 ** (event.gain / 20)
        peaks.append(float(np.abs(samples).max(initial=0)) * 10 ** (event.gain / 20))
    events = np.sum(list(sources.values()), axis=0)  # (N,)
    background = _load_background(spec, n)
    energy = float(np.sum(background**2))
    if spec.snr is not None and energy > 0:
        background *= math.sqrt(float(np.sum(events**2)) / 10 ** (spec.snr / 10) / energy)
    else:
        background = np.zeros(n)
    parts = [*sources.values(), background, events + background]
    peak = max(float(np.abs(part).max()) for part in parts)
    scale = min(1.0, PEAK / max(1e-12, peak))
    silent = [index for index, peak in enumerate(peaks) if not _round_to_16_bit(peak * scale)]
    audible = leave_out_events(spec, silent).labels
    rounded = {
        label: _round_to_16_bit(source * scale)
        for label, source in sources.items()
        if label in audible
    }
    rounded_background = _round_to_16_bit(background * scale)
    mixture = np.sum([*rounded.values(), rounded_background], axis=0)  # (N,)
    return Mixture(mixture, rounded, rounded_background, spec.sampling_rate, tuple(silent))


def leave_out_events(spec: MixtureSpec, indices: Sequence[int]) -> MixtureSpec:
    """Return a mixture without some of its events."""
    events = [event for index, event in enumerate(spec.events) if index not in indices]
    return dataclasses.replace(spec, events=tuple(events))


def _load_background(spec: MixtureSpec, n: int) -> np.ndarray:
    """Return the background (n,) before it is scaled: Gaussian noise or a recording.

    A recording that is too short is repeated.
    """
    if spec.background is None:
        return np.random.default_rng(spec.noise_seed).standard_normal(n)
    file_rate = sound_files.info(spec.background).sampling_rate
    start = int(spec.background_start * file_rate)
    needed = math.ceil(n / spec.sampling_rate * file_rate) + 1
    samples = sound_files.load(spec.background, spec.sampling_rate, start=start, n_samples=needed)
    return np.resize(samples, n).astype(np.float64)  # np.resize repeats


def _round_to_16_bit(samples: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.round(samples * 32768) / 32768, dtype=np.float32)
