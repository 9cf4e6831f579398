"""Direction, room, band and clipping: what is heard obeys physics, and the sum stays exact."""

import dataclasses
import json

import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig, MixtureSpec
from absslab.core.data.mixture_drawing import sample_spec
from absslab.core.data.mixture_folder import part_files, read_specs
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_rendering import PEAK, render
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.recording_conditions import (
    PAN_DELAY,
    PAN_LEVEL,
    apply_response,
    compute_response,
    limit_band,
)
from absslab.core.data.recordings import index_recordings

RATE = 16000
PHONE = {"reverberation": (0.2, 0.6), "band": (300, 3400), "clipping": 0.4}
CONDITIONS = [
    {"channels": 2},
    {"reverberation": (0.3, 0.3)},
    {"channels": 2, "reverberation": (0.1, 0.5)},
    {"band": (300, 3400)},
    {"clipping": 0.3},
    {"channels": 2, **PHONE},
    {"pairs": True, "channels": 2, **PHONE},
    {"without_events": 0.5, "channels": 2, **PHONE},
]


@pytest.fixture(scope="module")
def recordings(event_folder):
    return index_recordings(event_folder)


def draw(seed, recordings, **settings):
    config = MixingConfig(**{"length": 1.5, "sampling_rate": RATE} | settings)
    rng = np.random.default_rng(seed)
    has_events = not (config.without_events and seed % 2)
    return sample_spec(rng, recordings, config, noise_seed=[seed], has_events=has_events)


def level_db(samples):
    return 10 * np.log10(np.sum(np.asarray(samples, np.float64) ** 2))


@pytest.mark.parametrize("conditions", CONDITIONS, ids=str)
def test_the_sum_of_the_parts_is_the_mixture_on_the_16_bit_grid(recordings, conditions):
    for seed in range(4):
        rendered = render(draw(seed, recordings, **conditions))
        parts = [*rendered.sources.values(), rendered.background]
        shape = (2, 24000) if conditions.get("channels") == 2 else (24000,)
        for part in [*parts, rendered.mixture]:
            assert part.shape == shape
            assert part.dtype == np.float32
            assert np.abs(part).max() <= PEAK + 1 / 32768
            np.testing.assert_array_equal(part * 32768, np.round(part * 32768))
        np.testing.assert_array_equal(np.sum(parts, axis=0, dtype=np.float64), rendered.mixture)


@pytest.mark.parametrize("conditions", CONDITIONS, ids=str)
def test_a_spec_renders_the_same_again_from_its_json(recordings, conditions):
    spec = draw(2, recordings, **conditions)
    again = MixtureSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    np.testing.assert_array_equal(render(again).mixture, render(spec).mixture)


def test_events_and_background_are_the_same_under_all_conditions(recordings):
    for seed in range(5):
        plain = draw(seed, recordings)
        other = draw(seed, recordings, channels=2, **PHONE)
        events = [dataclasses.replace(event, pan=0.0, place_seed=0) for event in other.events]
        assert tuple(events) == plain.events
        assert (other.snr, other.noise_seed) == (plain.snr, plain.noise_seed)


def test_plain_mixtures_say_nothing_of_conditions(recordings):
    content = draw(0, recordings).to_json()
    assert not {"n_channels", "reverberation", "band", "clipping", "pair_level"} & set(content)
    assert set(content["events"][0]) == {"recording", "event_label", "onset", "duration", "gain"}


@pytest.mark.parametrize("pan", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_the_nearer_channel_is_louder_and_earlier(pan):
    rate = 44100
    left, right = compute_response(n_channels=2, sampling_rate=rate, pan=pan)
    assert level_db(right) - level_db(left) == pytest.approx(pan * PAN_LEVEL, abs=1e-6)
    assert level_db([left, right]) == pytest.approx(level_db([1, 1]))
    delay = np.argmax(left) - np.argmax(right)
    assert delay == np.sign(pan) * round(abs(pan) * PAN_DELAY * rate)


def test_events_come_from_both_sides(recordings):
    pans = [event.pan for seed in range(40) for event in draw(seed, recordings, channels=2).events]
    assert min(pans) < -0.8
    assert max(pans) > 0.8
    assert abs(np.mean(pans)) < 0.2


@pytest.mark.parametrize("t60", [0.2, 0.8])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_room_decays_by_60_db_in_its_time(t60, n_channels):
    response = compute_response(
        n_channels=n_channels, sampling_rate=RATE, reverberation=t60, seed=3
    )
    assert np.sum(response**2) == pytest.approx(n_channels)
    assert np.all(response[:, 0] ** 2 == pytest.approx(0.5))  # as much direct as reflected
    tail = response[:, RATE // 100 :]
    decay = 10 * np.log10(np.cumsum((tail**2).sum(0)[::-1])[::-1])  # Schroeder's integral
    first, last = (int(np.argmax(decay < decay[0] - drop)) for drop in (5, 25))
    assert 3 * (last - first) / RATE == pytest.approx(t60, rel=0.15)


def test_events_of_a_room_have_responses_of_their_own(recordings):
    spec = draw(1, recordings, reverberation=(0.3, 0.5), max_event=6)
    assert 0.3 <= spec.reverberation <= 0.5
    seeds = [event.place_seed for event in spec.events]
    assert len(set(seeds)) == len(seeds) > 1


def test_a_room_is_heard_after_the_event(recordings):
    spec = draw(1, recordings, reverberation=(0.5, 0.5), max_event=1)
    (event,) = spec.events
    dry = render(dataclasses.replace(spec, reverberation=None)).sources[event.event_label]
    wet = render(spec).sources[event.event_label]
    after = round(event.offset * RATE)
    assert not dry[after:].any()
    assert wet[after : after + RATE // 10].any()
    assert not wet[: round(event.onset * RATE)].any()


def test_a_response_without_reflections_changes_nothing():
    response = compute_response(n_channels=1, sampling_rate=RATE)
    samples = np.random.default_rng(0).standard_normal(100)
    np.testing.assert_array_equal(apply_response(samples, response), samples[None])


@pytest.mark.parametrize("frequency", [37.5, 75, 300, 1000, 3400, 8000])
def test_tones_lose_what_a_filter_of_order_4_takes_from_them(frequency):
    rate = 44100
    tone = np.sin(2 * np.pi * frequency * np.arange(2 * rate) / rate)
    limited = limit_band(tone, (300, 3400), rate)
    measured = level_db(limited[rate:]) - level_db(tone[rate:])
    low, high, tone_at = np.tan(np.pi * np.array([300, 3400, frequency]) / rate)  # bilinear
    distance = (tone_at**2 - low * high) / (tone_at * (high - low))
    expected = -10 * np.log10(1 + distance**8)  # Butterworth, from low pass to band pass
    assert measured == pytest.approx(expected, abs=0.1)


def test_the_band_holds_for_events_and_background(recordings):
    rendered = render(draw(0, recordings, band=(300, 3400)))
    for part in [*rendered.sources.values(), rendered.background]:
        power = np.abs(np.fft.rfft(part)) ** 2
        frequencies = np.fft.rfftfreq(len(part), 1 / RATE)
        outside = (frequencies < 150) | (frequencies > 6500)
        assert power[outside].sum() < 1e-3 * power.sum()


def test_the_snr_is_that_in_the_room_and_band(recordings):
    spec = draw(3, recordings, snr_range=(7, 7), channels=2, reverberation=(0.3, 0.6))
    spec = dataclasses.replace(spec, band=(300.0, 3400.0))
    rendered = render(spec)
    events = np.sum(list(rendered.sources.values()), axis=0)
    assert level_db(events) - level_db(rendered.background) == pytest.approx(7, abs=0.05)


def test_clipping_is_in_the_background_and_leaves_sources_alone(recordings):
    spec = draw(4, recordings, clipping=0.3)
    clipped = render(spec)
    plain = render(dataclasses.replace(spec, clipping=None))
    peak = np.abs(plain.mixture).max()
    limit = np.abs(clipped.mixture).max()
    assert limit == pytest.approx(0.3 * peak, abs=1 / 32768)
    np.testing.assert_array_equal(clipped.mixture, np.clip(plain.mixture, -limit, limit))
    for name, source in plain.sources.items():
        np.testing.assert_array_equal(clipped.sources[name], source)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 3}, "channels is 3: expected one of 1, 2"),
        ({"reverberation": (0.5, 0.2)}, "reverberation is 0.5 0.2: expected the lower value first"),
        ({"reverberation": (0, 1)}, "reverberation is 0: expected more than 0"),
        ({"band": (3400, 300)}, "band is 3400 300: expected the lower value first"),
        ({"band": (300, 300)}, "band is 300 300: expected the lower value first"),
        ({"band": (300, 8000)}, "band is 300 8000: expected less than half the sampling_rate"),
        ({"clipping": 0}, "clipping is 0: expected more than 0"),
        ({"clipping": 1.5}, "clipping is 1.5: expected at most 1"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InputError) as caught:
        MixingConfig(**settings)
    assert str(caught.value).startswith(message)


def test_stereo_mixtures_are_written_and_scored(event_folder, checkpoint, tmp_path):
    folder = tmp_path / "stereo"
    config = MixtureFolderConfig(
        event_folder=str(event_folder),
        output_folder=str(folder),
        n_files=5,
        split_percentages=(60, 20, 20),
        n_workers=1,
    )
    mixing = MixingConfig(length=2.0, sampling_rate=44100, channels=2, max_event=2)
    run_to_end(write_mixtures(config, mixing))
    (spec,) = read_specs(folder, "test")
    path = folder / "test" / spec.filename
    mixture, rate = sound_files.load_channels(path)
    assert (mixture.shape, rate) == ((2, 88200), 44100)
    parts = [sound_files.load_channels(file)[0] for file in part_files(path)]
    np.testing.assert_array_equal(np.sum(parts, axis=0, dtype=np.float64), mixture)
    assert np.abs(mixture[0] - mixture[1]).max() > 0.01
    scores = tmp_path / "scores.json"
    flags = ["--checkpoint_path", str(checkpoint), "--data_folder", str(folder)]
    assert main(["evaluate", *flags, "--output", str(scores), "--bss_eval", "none"]) == 0
    assert scores.exists()
