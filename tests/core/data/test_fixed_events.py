"""Mixtures with a fixed number, fixed onsets, a longest event and a level of each event."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.mixing import (
    SHORTEST_EVENT,
    MixingConfig,
    MixtureSpec,
    leave_out_events,
)
from absslab.core.data.mixture_drawing import CUT_FADE, sample_spec
from absslab.core.data.mixture_rendering import render
from absslab.core.data.recordings import Recording, index_recordings

RATE = 8000
KONG = {"length": 10.0, "n_events": 3, "onsets": (0.5, 3.0, 5.5), "longest_event": 2.0}


def make_entries(durations):
    """Recordings that only exist as entries: their files are never read."""
    return [
        Recording(f"{i}.wav", f"class{i % 3}", f"{i}", duration)
        for i, duration in enumerate(durations)
    ]


def draw(seed, recordings, **settings):
    config = MixingConfig(**{"length": 3.0, "sampling_rate": RATE} | settings)
    return sample_spec(np.random.default_rng(seed), recordings, config, noise_seed=[seed])


def mean_power(samples):
    return float(np.mean(samples.astype(np.float64) ** 2))


def level_above(samples, background):
    return 10 * np.log10(mean_power(samples) / mean_power(background))


def sounding_part(source, event):
    return source[round(event.onset * RATE) : round(event.offset * RATE)]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three classes: a long loud, a short soft, and one with all its energy behind 2 s."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    late = np.full(4 * RATE, 0.01)
    late[2 * RATE :] = 0.5
    levels = {"loud": np.full(3 * RATE, 0.3), "soft": np.full(RATE // 2, 0.003), "late": late}
    for name, level in levels.items():
        noise = level * rng.uniform(-1, 1, len(level))
        sound_files.save(folder / f"{name}1.wav", noise.astype(np.float32), RATE)
    return index_recordings(folder)


@given(
    st.integers(0, 2**32), st.lists(st.floats(0.02, 6), min_size=1, max_size=6), st.integers(1, 20)
)
def test_the_number_of_events_is_exact_and_none_overlaps(seed, durations, n_events):
    spec = draw(seed, make_entries(durations), n_events=n_events)
    assert len(spec.events) == n_events
    spans = [(round(event.onset * RATE), round(event.offset * RATE)) for event in spec.events]
    for (_, stop), (start, _) in itertools.pairwise(spans):
        assert stop <= start
    assert spans[-1][1] <= 3 * RATE


def test_events_that_do_not_fit_are_cut_to_one_length():
    recordings = make_entries([5.0])
    spec = draw(0, recordings, n_events=4)
    assert [event.duration for event in spec.events] == [0.75] * 4
    assert [event.onset for event in spec.events] == [0.0, 0.75, 1.5, 2.25]
    assert [event.fade for event in spec.events] == [CUT_FADE] * 3 + [0.0]  # the end cuts the last


def test_with_overlap_the_number_of_events_is_exact_too():
    specs = [draw(seed, make_entries([0.7, 5.0]), n_events=5, overlap=True) for seed in range(50)]
    assert {len(spec.events) for spec in specs} == {5}


def test_events_begin_at_the_onsets_and_last_no_longer_than_allowed():
    for seed in range(20):
        spec = draw(seed, make_entries([0.5, 1.7, 9.0]), **KONG)
        assert [event.onset for event in spec.events] == [0.5, 3.0, 5.5]
        for event in spec.events:
            whole = (0.5, 1.7, 9.0)[int(event.recording[0])]
            assert event.duration == min(2.0, whole)
            assert event.fade == (CUT_FADE if whole > 2 else 0)


def test_without_overlap_the_next_onset_ends_an_event():
    settings = {"n_events": 2, "onsets": (0.5, 1.25)}
    spec = draw(0, make_entries([9.0]), **settings)
    assert [event.duration for event in spec.events] == [0.75, 1.75]
    spec = draw(0, make_entries([9.0]), overlap=True, **settings)
    assert [event.duration for event in spec.events] == [2.5, 1.75]


def test_an_event_that_is_cut_fades_and_a_whole_one_does_not(recordings):
    for seed in range(10):
        spec = draw(seed, recordings, **KONG | {"n_events": 1, "onsets": (0.5,)})
        (event,) = spec.events
        (source,) = render(spec).sources.values()
        end = np.abs(sounding_part(source, event))[-8:].max()
        before = np.abs(sounding_part(source, event))[-400:-100].max()
        assert (end < before / 4) == (event.event_label != "soft")


@pytest.mark.parametrize("event_snr", [20.0, 0.0, -5.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_level_is_that_of_what_each_event_has_in_the_mixture(recordings, event_snr, channels):
    """The energy of class late lies behind its cut: the level of the whole file would be wrong."""
    heard = set()
    for seed in range(40):
        spec = draw(seed, recordings, **KONG, event_snr=event_snr, channels=channels)
        if len(spec.labels) < 3:
            continue  # two events in one source
        rendered = render(spec)
        background = np.atleast_2d(rendered.background)[0]
        for event in spec.events:
            source = np.atleast_2d(rendered.sources[event.event_label])
            power = np.mean([mean_power(sounding_part(channel, event)) for channel in source])
            level = 10 * np.log10(power / mean_power(background))
            assert level == pytest.approx(event_snr, abs=0.2)
            heard.add(event.event_label)
    assert heard == {"late", "loud", "soft"}


def test_the_same_events_are_heard_at_another_level(recordings):
    for seed in range(5):
        louder = draw(seed, recordings, **KONG, event_snr=20)
        softer = draw(seed, recordings, **KONG, event_snr=0)
        assert louder.events == softer.events
        assert louder.noise_seed == softer.noise_seed
        names = list(render(softer).sources)
        assert names == list(render(louder).sources)


def test_a_mixture_without_its_events_has_their_background(recordings):
    config = MixingConfig(**KONG, sampling_rate=RATE, event_snr=0)
    parts = []
    for has_events in (True, False):
        rng = np.random.default_rng(3)
        spec = sample_spec(rng, recordings, config, noise_seed=[3], has_events=has_events)
        parts.append(render(spec).background)
    np.testing.assert_allclose(parts[0], parts[1], atol=1 / 32768)


def test_a_mixture_that_lost_all_its_events_is_silent(recordings):
    spec = leave_out_events(draw(1, recordings, **KONG, event_snr=3), [0, 1, 2])
    assert not render(spec).mixture.any()


def test_a_folder_does_not_depend_on_the_number_of_workers(event_folder, tmp_path):
    flags = "--n_files 10 --sampling_rate 22050 --length 3 --n_events 2 --onsets 0.2 1.4 --seed 3"
    flags += f" --longest_event 0.6 --event_snr 5 --event_folder {event_folder}"
    for n_workers in (1, 2):
        output = ["--output_folder", str(tmp_path / str(n_workers))]
        assert main(["mix", *flags.split(), *output, "--n_workers", str(n_workers)]) == 0
    first, second = (sorted(tmp_path.glob(f"{n}/*/*")) for n in (1, 2))
    files = [path for path in first if path.is_file()]
    assert len(files) == 10 + 3 * 3  # and three tables for each split
    for one, other in zip(files, [path for path in second if path.is_file()], strict=True):
        assert one.read_bytes() == other.read_bytes()
    (events,) = tmp_path.glob("1/test/events.tsv")
    assert {line.split("\t")[1] for line in events.read_text().splitlines()[1:]} == {
        "0.200000",
        "1.400000",
    }


def test_a_spec_is_rendered_again_from_its_json(recordings):
    spec = draw(1, recordings, **KONG, event_snr=3)
    again = MixtureSpec.from_json(spec.to_json())
    assert again == spec
    np.testing.assert_array_equal(render(again).mixture, render(spec).mixture)
    plain = draw(1, make_entries([0.5]))
    assert not {"event_snr", "fade"} & {*plain.to_json(), *plain.to_json()["events"][0]}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_events": 3, "max_event": 5}, "n_events is 3, and max_event 5: n_events alone decides"),
        ({"n_events": 3, "overlap": True, "max_polyphony": 2}, "n_events is 3, and max_polyphony"),
        ({"n_events": 300}, "n_events is 300: expected at most 200 in 10 s"),
        ({"onsets": (1, 2)}, "onsets has 2 values, and n_events is none: expected an onset for"),
        ({"n_events": 2, "onsets": (1,)}, "onsets has 1 values, and n_events is 2"),
        ({"n_events": 2, "onsets": (1, 10)}, "onsets is 1 10: expected at most 9.95 s"),
        ({"n_events": 2, "onsets": (3, 1)}, "onsets is 3 1: expected each at least 0.05 s after"),
        ({"n_events": 1, "onsets": (-1,)}, "onsets is -1: expected at least 0"),
        ({"longest_event": 0.01}, "longest_event is 0.01: expected at least 0.05"),
        ({"event_snr": 0, "snr_range": (0, 5)}, "event_snr is 0, and snr_range 0 5: event_snr"),
        ({"event_snr": 0, "white_noise_ratio": 0.1}, "event_snr is 0, and white_noise_ratio 0.1"),
        ({"event_snr": 0, "event_gain_range": (0, 3)}, "event_snr is 0, and event_gain_range 0 3"),
        ({"pairs": True, "n_events": 2}, "n_events is 2, but pairs are two events that last as"),
        ({"pairs": True, "event_snr": 2}, "event_snr is 2, but pairs are two events that last as"),
        ({"pairs": True, "longest_event": 2}, "longest_event is 2, but pairs are two events"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(InputError) as caught:
        MixingConfig(**settings)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_shortest_event_is_the_one_of_other_mixtures():
    config = MixingConfig(longest_event=SHORTEST_EVENT)
    assert config.longest_event == SHORTEST_EVENT
