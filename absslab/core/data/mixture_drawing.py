"""Draw mixtures of recordings as plain data: a `MixtureSpec` can be kept, and rendered again."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.data.mixing import SHORTEST_EVENT, Event, MixingConfig, MixtureSpec
from absslab.core.data.recordings import Recording, classes_of

SEAM_FADE = 0.05  # s: long enough for a seam that does not click, too short for another sound
CUT_FADE = 0.01  # s: end of an event that is cut within the mixture, so that it does not click
_MAX_TRIES = 100  # draws of an onset that satisfies the limits on overlap


def sample_spec(
    rng: np.random.Generator,
    recordings: Sequence[Recording],
    config: MixingConfig,
    *,
    filename: str = "",
    backgrounds: Sequence[Recording] = (),
    noise_seed: Sequence[int] = (0,),
    has_events: bool = True,
) -> MixtureSpec:
    """Draw a mixture.

    The number of events, the class of each and the recording of this class are drawn from uniform
    distributions. Without overlap, the lengths of the silences before, between and after the events
    are drawn from a Dirichlet distribution; an event that reaches beyond the end is cut, or left
    out if less than `SHORTEST_EVENT` would remain. With overlap, onsets are uniform; an event for
    which no onset satisfies the limits on overlap is left out. A number of events that the settings
    fix is kept: without overlap, events that do not fit together are cut to one longest length.

    A pair is two recordings of different classes, both from the beginning to the end of the
    mixture. The classes, and where a longer recording is cut, are drawn from uniform distributions.

    Args:
        rng: source of randomness.
        recordings: the recordings to choose from.
        config: settings for drawing mixtures.
        filename: name of the mixture, stored in the spec.
        backgrounds: recordings to draw the background from; white noise if there are none.
        noise_seed: seed of the white noise, stored in the spec.
        has_events: whether the mixture is to hold events. Without them, its background is as loud
            as it would be with them.

    Raises:
        InputError: pairs are to be drawn, and all recordings are of one class.
    """
    pair_level = None
    if config.pairs:
        events = _draw_pair(rng, recordings, config)
        pair_level = float(rng.uniform(*config.pair_level))
    else:
        events = _draw_events(rng, recordings, config)
    background = backgrounds[int(rng.integers(len(backgrounds)))] if backgrounds else None
    snr = _draw_snr(rng, config)
    background_start = 0.0
    seam_fade = 0.0
    if background:
        is_shorter = round(background.duration * config.sampling_rate) < config.n_samples
        seam_fade = SEAM_FADE if is_shorter else 0.0
        background_start = float(rng.uniform(0, max(0.0, background.duration - config.length)))
    # Drawn last, so that events and background are the same under other conditions.
    events = [_draw_place(rng, event, config) for event in events]
    reverberation = None
    if config.reverberation is not None:
        reverberation = float(rng.uniform(*config.reverberation))
    return MixtureSpec(
        filename=filename,
        length=config.length,
        sampling_rate=config.sampling_rate,
        events=tuple(events) if has_events else (),
        snr=snr,
        noise_seed=tuple(int(part) for part in noise_seed),
        background=background.path if background else None,
        background_start=background_start,
        seam_fade=seam_fade,
        n_channels=config.channels,
        reverberation=reverberation,
        band=config.band,
        clipping=config.clipping,
        pair_level=pair_level,
        event_snr=config.event_snr,
        level_events=() if has_events else tuple(events),
    )


def _draw_events(
    rng: np.random.Generator, recordings: Sequence[Recording], config: MixingConfig
) -> list[Event]:
    """Draw events and their places, and return them in the order of their onsets."""
    drawn = _draw_recordings(rng, recordings, config)
    rate = config.sampling_rate
    n = config.n_samples
    whole_sizes = [max(1, round(recording.duration * rate)) for recording in drawn]
    sizes = _cut_sizes(whole_sizes, config)
    if config.onsets is not None:
        places = _place_at_onsets(sizes, config.onsets, config)
    elif config.overlap:
        places = _place_with_overlap(rng, sizes, config)
    else:
        places = _place_without_overlap(rng, sizes, n, rate)
    events = []
    for recording, whole_size, (start, size) in zip(drawn, whole_sizes, places, strict=True):
        if size:
            gain = float(rng.uniform(*config.event_gain_range))
            is_cut_within = size < whole_size and start + size < n
            events.append(
                Event(
                    recording.path,
                    recording.event_label,
                    start / rate,
                    size / rate,
                    gain,
                    fade=CUT_FADE if is_cut_within else 0.0,
                )
            )
    return sorted(events, key=lambda event: event.onset)


def _draw_pair(
    rng: np.random.Generator, recordings: Sequence[Recording], config: MixingConfig
) -> list[Event]:
    """Draw two recordings of different classes, and where longer ones are cut."""
    groups = _group_by_class(recordings)
    check_classes_of_pairs(list(groups))
    names = list(groups)
    events = []
    for index in rng.choice(len(names), 2, replace=False):
        group = groups[names[index]]
        recording = group[int(rng.integers(len(group)))]
        spare = recording.duration - config.length  # s
        start = float(rng.uniform(0, max(0.0, spare)))
        is_shorter = round(recording.duration * config.sampling_rate) < config.n_samples
        duration = config.n_samples / config.sampling_rate
        events.append(
            Event(recording.path, recording.event_label, 0.0, duration, 0.0, start, is_shorter)
        )
    return events


def _draw_place(rng: np.random.Generator, event: Event, config: MixingConfig) -> Event:
    """Draw where an event comes from, if that is heard."""
    if config.channels > 1:
        event = replace(event, pan=float(rng.uniform(-1, 1)))
    if config.reverberation is not None:
        event = replace(event, place_seed=int(rng.integers(2**32)))
    return event


def check_classes_of_pairs(classes: Sequence[str]) -> None:
    """Check that pairs of different classes can be drawn.

    Raises:
        InputError: there is only one class.
    """
    if len(classes) < 2:
        raise InputError(
            f"pairs are two recordings of different classes, and all recordings are of class "
            f"{classes[0]!r}: add recordings of another class, or leave out --pairs"
        )


def _group_by_class(recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    by_class: dict[str, list[Recording]] = {name: [] for name in classes_of(recordings)}
    for recording in recordings:
        by_class[recording.event_label].append(recording)
    return by_class


def _draw_recordings(
    rng: np.random.Generator, recordings: Sequence[Recording], config: MixingConfig
) -> list[Recording]:
    """Draw as many recordings as the config says: first a class, then a recording of it."""
    groups = list(_group_by_class(recordings).values())
    n_events = config.n_events
    if n_events is None:
        n_events = int(rng.integers(1, config.max_event + 1))
    drawn = []
    for _ in range(n_events):
        group = groups[rng.integers(len(groups))]
        drawn.append(group[int(rng.integers(len(group)))])
    return drawn


def _draw_snr(rng: np.random.Generator, config: MixingConfig) -> float | None:
    if config.snr_range is not None:
        return float(rng.uniform(*config.snr_range))
    if config.event_snr is not None or not config.has_background:
        return None
    return -10 * math.log10(config.white_noise_ratio)


def _cut_sizes(sizes: list[int], config: MixingConfig) -> list[int]:
    """Cut events to the longest that is allowed: sizes in samples."""
    n = config.n_samples
    longest = n
    if config.longest_event is not None:
        longest = min(n, round(config.longest_event * config.sampling_rate))
    if config.n_events is not None and config.onsets is None and not config.overlap:
        longest = min(longest, _find_longest(sizes, n))
    return [min(size, longest) for size in sizes]


def _find_longest(sizes: list[int], n: int) -> int:
    """Return the largest size to which events can be cut so that together they have n samples."""
    remaining = n
    for n_before, size in enumerate(sorted(sizes)):
        share = remaining // (len(sizes) - n_before)
        if size > share:
            return share
        remaining -= size
    return n


def _place_at_onsets(
    sizes: list[int], onsets: Sequence[float], config: MixingConfig
) -> list[tuple[int, int]]:
    """Return (start, size) of each event in samples; without overlap the next event ends it."""
    starts = [round(onset * config.sampling_rate) for onset in onsets]
    ends = [config.n_samples] * len(starts)
    if not config.overlap:
        ends[:-1] = starts[1:]
    return [
        (start, min(size, end - start))
        for start, end, size in zip(starts, ends, sizes, strict=True)
    ]


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
