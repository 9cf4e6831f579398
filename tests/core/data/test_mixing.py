"""Drawn mixtures satisfy their settings, and rendered ones obey physics."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.mixing import (
    SAMPLING_RATES,
    SHORTEST_EVENT,
    Event,
    MixingConfig,
    MixtureSpec,
)
from absslab.core.data.mixture_drawing import sample_spec
from absslab.core.data.mixture_rendering import PEAK, render
from absslab.core.data.recordings import Recording, index_recordings

STEP = 1 / 32768
seeds = st.integers(0, 2**32)
durations = st.lists(st.floats(0.005, 6), min_size=1, max_size=6)


def make_entries(durations):
    """Recordings that only exist as entries: their files are never read."""
    return [
        Recording(f"{i}.wav", f"class{i % 3}", f"{i}", duration)
        for i, duration in enumerate(durations)
    ]


def draw(seed, recordings, **settings):
    config = MixingConfig(**{"length": 3.0, "sampling_rate": 8000} | settings)
    return sample_spec(np.random.default_rng(seed), recordings, config, noise_seed=[seed])


def db(energy_ratio):
    return 10 * math.log10(energy_ratio)


def energy(samples):
    return float(np.sum(samples.astype(np.float64) ** 2))


def places(spec):
    """Return the first sample of each event, and the one after its last."""
    return [
        (round(e.onset * spec.sampling_rate), round(e.offset * spec.sampling_rate))
        for e in spec.events
    ]


@pytest.fixture(scope="module")
def recordings(event_folder):
    return index_recordings(event_folder)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """A long and a short tone of full level, and a quiet one."""
    folder = tmp_path_factory.mktemp("tones")
    for name, seconds, level in (("long1", 2.0, 0.9), ("short1", 0.3, 0.9), ("quiet1", 1.0, 0.05)):
        time = np.arange(round(seconds * 8000)) / 8000
        sound_files.save(
            folder / f"{name}.wav",
            (level * np.sin(2 * np.pi * 500 * time)).astype(np.float32),
            8000,
        )
    return {recording.event_label: recording for recording in index_recordings(folder)}


def one_event(recording, onset=0.5, duration=None, gain=0.0, **fields):
    event = Event(
        recording.path, recording.event_label, onset, duration or recording.duration, gain
    )
    fields = {
        "filename": "",
        "length": 2.0,
        "sampling_rate": 8000,
        "snr": None,
        "noise_seed": (1,),
    } | fields
    return MixtureSpec(events=(event,), **fields)


@given(seeds, durations, st.integers(1, 9))
def test_without_overlap_events_follow_each_other_within_the_length(seed, durations, max_event):
    spec = draw(seed, make_entries(durations), max_event=max_event)
    assert 1 <= len(spec.events) <= max_event
    ends = 0
    for start, end in places(spec):
        assert ends <= start < end <= 24000
        ends = end


@given(seeds, durations, st.integers(1, 9), st.booleans())
def test_events_are_whole_unless_the_end_cuts_them_and_no_scrap_is_kept(
    seed, durations, max_event, overlap
):
    recordings = make_entries(durations)
    spec = draw(seed, recordings, max_event=max_event, overlap=overlap)
    full_lengths = {
        recording.path: max(1, round(recording.duration * 8000)) for recording in recordings
    }
    for event, (start, end) in zip(spec.events, places(spec), strict=True):
        assert end <= 24000
        if end - start < full_lengths[event.recording]:
            assert end == 24000
            assert end - start >= SHORTEST_EVENT * 8000


@pytest.mark.parametrize("duration", [0.0395, 0.05, 0.0999])
def test_events_that_just_fit_are_all_whole(duration):
    max_event = int(0.2 / duration)
    size = round(duration * 8000)
    specs = [
        draw(seed, make_entries([duration]), length=0.2, max_event=max_event) for seed in range(200)
    ]
    assert {len(spec.events) for spec in specs} == set(range(1, max_event + 1))
    assert all(end - start == size for spec in specs for start, end in places(spec))


def test_events_that_fit_are_all_there_and_one_that_does_not_is_cut():
    fits = draw(0, make_entries([0.1]), max_event=8)
    assert all(event.duration == pytest.approx(0.1) for event in fits.events)
    numbers = {len(draw(seed, make_entries([0.1]), max_event=8).events) for seed in range(200)}
    assert numbers == set(range(1, 9))
    cut = draw(0, make_entries([9.0]), max_event=1)
    assert [(event.onset, event.duration) for event in cut.events] == [(0.0, 3.0)]


@given(seeds, durations, st.integers(1, 3), st.just(0.0) | st.floats(1e-6, 1))
def test_with_overlap_its_bounds_hold(seed, durations, max_polyphony, max_overlap):
    spec = draw(
        seed,
        make_entries(durations),
        max_event=9,
        overlap=True,
        max_polyphony=max_polyphony,
        max_overlap=max_overlap,
    )
    assert 1 <= len(spec.events) <= 9
    at_once = np.zeros(24000, int)
    for i, (start, end) in enumerate(places(spec)):
        assert 0 <= start < end <= 24000
        at_once[start:end] += 1
        for other_start, other_end in places(spec)[:i]:
            assert min(end, other_end) - max(start, other_start) <= max_overlap * 8000
    assert at_once.max() <= max_polyphony


def test_with_overlap_events_do_overlap_and_starts_are_spread_over_the_length():
    specs = [
        draw(seed, make_entries([0.5, 0.7, 0.6]), max_event=4, overlap=True) for seed in range(300)
    ]
    assert any(
        start < end
        for s in specs
        for (_, end), (start, _) in zip(places(s), places(s)[1:], strict=False)
    )
    onsets = np.array([event.onset for spec in specs for event in spec.events])
    quarters, _ = np.histogram(onsets, bins=4, range=(0, 3.0))
    assert quarters.min() > 0.2 * len(onsets)


def test_classes_are_drawn_alike_however_many_recordings_they_have():
    recordings = [Recording(f"{i}", "common" if i else "rare", f"{i}", 0.1) for i in range(20)]
    labels = [event.event_label for seed in range(300) for event in draw(seed, recordings).events]
    assert 0.42 < labels.count("rare") / len(labels) < 0.58


def test_the_same_generator_draws_the_same_and_another_does_not():
    recordings = make_entries([0.1, 0.2, 0.3])
    assert draw(5, recordings) == draw(5, recordings)
    assert draw(5, recordings).events != draw(6, recordings).events


@given(seeds, st.tuples(st.integers(-30, 0), st.integers(0, 30)))
def test_gains_and_snr_stay_in_their_ranges(seed, bounds):
    spec = draw(seed, make_entries([0.2]), event_gain_range=bounds, snr_range=bounds)
    assert all(bounds[0] <= event.gain <= bounds[1] for event in spec.events)
    assert bounds[0] <= spec.snr <= bounds[1]


def test_the_noise_ratio_is_the_energy_of_the_noise_over_that_of_the_events():
    assert draw(0, make_entries([0.2]), white_noise_ratio=0.05).snr == pytest.approx(
        13.0103, abs=1e-4
    )
    assert draw(0, make_entries([0.2]), white_noise_ratio=1).snr == 0
    assert draw(0, make_entries([0.2]), white_noise_ratio=0).snr is None


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("rate", SAMPLING_RATES)
def test_a_mixture_is_exactly_the_sum_of_its_parts_on_the_16_bit_grid(recordings, overlap, rate):
    for seed in range(5):
        spec = draw(
            seed,
            recordings,
            sampling_rate=rate,
            overlap=overlap,
            max_event=6,
            event_gain_range=(-6, 20),
        )
        rendered = render(spec)
        parts = [*rendered.sources.values(), rendered.background]
        assert rendered.mixture.shape == (3 * rate,)
        for part in [*parts, rendered.mixture]:
            assert part.dtype == np.float32
            assert np.abs(part).max() < 1
            np.testing.assert_array_equal(part * 32768, np.round(part * 32768))
        np.testing.assert_array_equal(np.sum(parts, axis=0, dtype=np.float64), rendered.mixture)


def test_labels_are_the_classes_that_sound(recordings):
    for seed in range(20):
        spec = draw(seed, recordings, max_event=6, overlap=bool(seed % 2))
        sounding = {name for name, source in render(spec).sources.items() if source.any()}
        assert (
            spec.labels == sorted(sounding) == sorted({event.event_label for event in spec.events})
        )


def test_a_source_sounds_only_during_its_events(recordings):
    for seed in range(10):
        spec = draw(seed, recordings, max_event=5)
        for name, source in render(spec).sources.items():
            silent = np.ones(len(source), bool)
            for event, (start, end) in zip(spec.events, places(spec), strict=True):
                if event.event_label == name:
                    silent[start:end] = False
            assert not source[silent].any()


@pytest.mark.parametrize("snr", [-10.0, 0.0, 13.01, 30.0])
@pytest.mark.reference_flaw("the SNR was that of the whole event, before it was cut")
def test_the_snr_is_that_of_what_is_in_the_mixture(tones, snr):
    for spec in (
        one_event(tones["short"], snr=snr),
        one_event(tones["long"], onset=1.8, duration=0.2, snr=snr),  # cut to a tenth
        one_event(tones["quiet"], gain=10.0, snr=snr),
    ):
        rendered = render(spec)
        (source,) = rendered.sources.values()
        assert db(energy(source) / energy(rendered.background)) == pytest.approx(snr, abs=0.02)


def test_the_snr_drawn_from_a_range_is_that_of_the_sound(recordings):
    for seed in range(10):
        spec = draw(seed, recordings, snr_range=(0, 20), max_event=4)
        rendered = render(spec)
        dry = np.sum(list(rendered.sources.values()), axis=0)
        assert db(energy(dry) / energy(rendered.background)) == pytest.approx(spec.snr, abs=0.05)


@pytest.mark.reference_flaw(
    "white noise was uniform between 0 and 1, three quarters of it an offset"
)
def test_the_noise_is_gaussian_white_and_without_offset(tones):
    noise = render(
        one_event(tones["long"], onset=0.0, snr=0.0, length=8.0, noise_seed=(3, 1, 4))
    ).background
    noise = noise / noise.std()
    n = len(noise)
    assert abs(noise.mean()) < 4 / math.sqrt(n)
    assert abs((noise**3).mean()) < 4 * math.sqrt(15 / n)
    assert (noise**4).mean() == pytest.approx(3, abs=4 * math.sqrt(96 / n))
    power = np.abs(np.fft.rfft(noise)) ** 2
    thirds = [part.mean() for part in np.array_split(power[1:], 3)]
    assert max(thirds) / min(thirds) < 1.1


def test_other_seeds_make_other_noise(tones):
    first, other = (
        render(one_event(tones["long"], snr=0.0, noise_seed=(seed,))).background for seed in (1, 2)
    )
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.05


def test_a_gain_in_decibels_is_one_of_the_level(tones):
    plain, louder = (
        render(one_event(tones["quiet"], gain=gain)).sources["quiet"] for gain in (0.0, 12.0)
    )
    assert db(energy(louder) / energy(plain)) == pytest.approx(12, abs=0.01)


def test_without_background_the_mixture_is_the_event_where_it_was_put(tones):
    rendered = render(one_event(tones["quiet"], onset=0.5))
    assert not rendered.background.any()
    np.testing.assert_array_equal(
        rendered.mixture[4000:12000], sound_files.load(tones["quiet"].path)
    )
    assert not rendered.mixture[:4000].any()
    assert not rendered.mixture[12000:].any()


def test_what_would_clip_is_scaled_down_with_its_parts(tones):
    rendered = render(one_event(tones["long"], onset=0.0, gain=20.0, snr=10.0))
    assert np.abs(rendered.mixture).max() == pytest.approx(PEAK, abs=2 * STEP)
    dry = rendered.sources["long"]
    assert db(energy(dry) / energy(rendered.background)) == pytest.approx(10, abs=0.02)
    assert np.corrcoef(dry, sound_files.load(tones["long"].path))[0, 1] > 0.999999


def test_two_events_of_a_class_are_added_in_its_source(tones):
    single = one_event(tones["quiet"], onset=0.0)
    both = dataclasses.replace(
        single, events=(*single.events, dataclasses.replace(single.events[0], onset=0.5))
    )
    assert both.labels == ["quiet"]
    assert energy(render(both).mixture[4000:8000]) == pytest.approx(
        4 * energy(render(single).mixture[4000:8000]), rel=1e-3
    )


@pytest.mark.parametrize("rate", [8000, 22050])
def test_a_background_recording_shorter_than_the_mixture_is_repeated(tones, tmp_path, rate):
    hum = np.random.default_rng(0).uniform(-0.5, 0.5, rate // 2).astype(np.float32)  # 0.5 s
    sound_files.save(tmp_path / "hum.wav", hum, rate)
    spec = one_event(tones["short"], snr=0.0, background=str(tmp_path / "hum.wav"))
    rendered = render(spec)
    first, *others = np.split(rendered.background, 4)
    assert first.any()
    for other in others:
        np.testing.assert_array_equal(other, first)
    assert db(energy(rendered.sources["short"]) / energy(rendered.background)) == pytest.approx(
        0, abs=0.02
    )


def test_a_background_recording_longer_than_the_mixture_is_cut_anywhere(tones, tmp_path):
    ramp = np.linspace(0.001, 1, 80000).astype(np.float32)
    sound_files.save(tmp_path / "ramp.wav", ramp, 8000, subtype="FLOAT")
    background = Recording(str(tmp_path / "ramp.wav"), "background", "ramp", 10.0)
    config = MixingConfig(length=2.0, sampling_rate=8000, white_noise_ratio=1)
    starts = []
    for seed in range(30):
        spec = sample_spec(
            np.random.default_rng(seed), [tones["short"]], config, backgrounds=[background]
        )
        assert spec.background == background.path
        assert 0 <= spec.background_start <= 8
        starts.append(spec.background_start)
        part = render(spec).background
        first = round(spec.background_start * 8000)
        assert np.corrcoef(part, ramp[first : first + 16000])[0, 1] > 0.999
    assert min(starts) < 2
    assert max(starts) > 6


@given(seeds, durations, st.booleans())
def test_a_spec_survives_json(seed, durations, overlap):
    spec = draw(seed, make_entries(durations), overlap=overlap, snr_range=(-5, 5))
    assert MixtureSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_spec_from_json_renders_the_same_bytes(recordings):
    spec = draw(3, recordings, event_gain_range=(-6, 6))
    again = MixtureSpec.from_json(json.loads(json.dumps(spec.to_json())))
    np.testing.assert_array_equal(render(again).mixture, render(spec).mixture)


def test_rendering_changes_no_recording(tones):
    before = sound_files.load_event(tones["quiet"].path, 8000).copy()
    render(one_event(tones["quiet"], gain=20.0))
    np.testing.assert_array_equal(sound_files.load_event(tones["quiet"].path, 8000), before)


def test_a_recording_that_was_replaced_is_read_again(tmp_path):
    sound_files.save(tmp_path / "a1.wav", np.full(800, 0.25, np.float32), 8000)
    (recording,) = index_recordings(tmp_path)
    assert render(one_event(recording, onset=0.0)).mixture[0] == 0.25
    sound_files.save(tmp_path / "a1.wav", np.full(900, 0.5, np.float32), 8000)
    assert render(one_event(recording, onset=0.0)).mixture[0] == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 0}, "length is 0: expected more than 0"),
        ({"length": -1}, "length is -1: expected more than 0"),
        ({"length": 0.01}, "length is 0.01: expected at least 0.064 s, one analysis window"),
        ({"max_event": 0}, "max_event is 0: expected at least 1"),
        ({"white_noise_ratio": 2}, "white_noise_ratio is 2: expected at most 1"),
        ({"white_noise_ratio": -0.1}, "white_noise_ratio is -0.1: expected at least 0"),
        ({"sampling_rate": 11025}, "sampling_rate is 11025: expected one of 8000, 16000, 22050"),
        ({"snr_range": (10, 0)}, "snr_range is 10 0: expected the lower value first"),
        ({"event_gain_range": (3, -3)}, "event_gain_range is 3 -3: expected the lower value first"),
        ({"overlap": True, "max_polyphony": 0}, "max_polyphony is 0: expected at least 1"),
        ({"overlap": True, "max_overlap": -1}, "max_overlap is -1: expected at least 0"),
        ({"max_polyphony": 2}, "max_polyphony and max_overlap limit an overlap that is off"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(InputError) as caught:
        MixingConfig(**settings)
    assert str(caught.value).startswith(message)


def test_the_defaults_are_those_of_the_thesis():
    config = MixingConfig.default_config()
    assert (config.length, config.max_event, config.overlap) == (10, 4, False)
    assert (config.white_noise_ratio, config.sampling_rate, config.n_samples) == (
        0.05,
        16000,
        160000,
    )
