"""Pairs: two recordings of different classes that both fill their mixture, at a given level."""

import json

import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig, MixtureSpec
from absslab.core.data.mixture_drawing import sample_spec
from absslab.core.data.mixture_folder import read_manifest, read_specs, source_files
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_rendering import render
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.recordings import index_recordings
from absslab.core.data.strong_labels import read_events

RATE = 8000
LENGTH = 0.5  # s


def save_tones(folder, name, n_takes, *, seconds, level=0.3):
    """Save tones that get louder, so that each of their parts is a different one."""
    for take in range(1, n_takes + 1):
        n = round(seconds * RATE)
        tone = level * np.linspace(0.2, 1, n) * np.sin(np.arange(n) * (0.3 + 0.1 * take))
        sound_files.save(folder / f"{name}{take}.wav", tone.astype(np.float32), RATE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Long, short and soft recordings: three classes."""
    folder = tmp_path_factory.mktemp("tones")
    save_tones(folder, "long", 5, seconds=2.0)
    save_tones(folder, "short", 5, seconds=0.12)
    save_tones(folder, "soft", 5, seconds=LENGTH, level=0.002)
    return folder


@pytest.fixture(scope="module")
def recordings(folder):
    return index_recordings(folder)


def config_of_pairs(**settings):
    return MixingConfig(**{"length": LENGTH, "sampling_rate": RATE, "pairs": True} | settings)


def draw(seed, recordings, **settings):
    return sample_spec(np.random.default_rng(seed), recordings, config_of_pairs(**settings))


def level_db(samples):
    return 10 * np.log10(np.sum(samples.astype(np.float64) ** 2))


def write(folder, output, *, n_files=20, **settings):
    config = MixtureFolderConfig(
        event_folder=str(folder),
        output_folder=str(output),
        n_files=n_files,
        split_percentages=(60, 20, 20),
        n_workers=1,
    )
    return run_to_end(write_mixtures(config, config_of_pairs(**settings)))


def test_both_recordings_fill_the_mixture_and_differ_in_class(recordings):
    seen = set()
    for seed in range(40):
        spec = draw(seed, recordings)
        assert len(spec.labels) == 2
        assert [(event.onset, event.duration) for event in spec.events] == [(0, LENGTH)] * 2
        seen |= {tuple(spec.labels)}
        for source in render(spec).sources.values():
            assert np.abs(source[: RATE // 50]).max() > 0
            assert np.abs(source[-RATE // 50 :]).max() > 0
    assert len(seen) == 3


@pytest.mark.parametrize("level", [-10.0, 0.0, 6.0])
def test_the_level_of_the_second_is_that_of_the_sound(recordings, level):
    for seed in range(12):
        spec = draw(seed, recordings, pair_level=(level, level))
        rendered = render(spec)
        sources = rendered.sources
        first, second = (sources[event.event_label] for event in spec.events)
        assert level_db(second) - level_db(first) == pytest.approx(level, abs=0.05)
        mixture = np.sum(list(sources.values()), axis=0)
        np.testing.assert_allclose(mixture, rendered.mixture, rtol=1e-6, atol=1e-12)


def test_long_recordings_are_cut_anywhere_and_short_ones_repeated(recordings):
    starts = set()
    for seed in range(40):
        spec = draw(seed, recordings)
        sources = render(spec).sources
        for event in spec.events:
            source = sources[event.event_label]
            whole = sound_files.load(event.recording)
            if event.event_label == "short":
                assert event.is_repeated
                expected = np.resize(whole, len(source))
            else:
                first = int(event.start * RATE)
                starts.add(first)
                expected = whole[first : first + len(source)]
            assert np.corrcoef(source, expected)[0, 1] > 0.999
    assert min(starts - {0}) < RATE / 4
    assert max(starts) > RATE


def test_pairs_have_no_background_unless_one_is_asked_for(recordings):
    assert not render(draw(0, recordings)).background.any()
    assert not config_of_pairs().has_background
    rendered = render(draw(0, recordings, snr_range=(10, 10)))
    events = np.sum(list(rendered.sources.values()), axis=0)
    assert level_db(events) - level_db(rendered.background) == pytest.approx(10, abs=0.05)
    assert config_of_pairs(background_folder="streets").has_background


def test_a_pair_is_rendered_again_from_its_json(recordings):
    for seed in range(5):
        spec = draw(seed, recordings, pair_level=(-5, 5))
        again = MixtureSpec.from_json(json.loads(json.dumps(spec.to_json())))
        assert again == spec
        np.testing.assert_array_equal(render(again).mixture, render(spec).mixture)


def test_a_folder_of_pairs_says_what_was_cut_and_repeated(folder, tmp_path):
    with collect_notices() as notices:
        write(folder, tmp_path / "O")
    lines = [notice.with_names() for notice in notices]
    assert any("longer than a mixture and are cut in O to at most 0.5 s" in line for line in lines)
    assert any("shorter than a mixture and are repeated in O to fill 0.5 s" in x for x in lines)
    manifest = read_manifest(tmp_path / "O")
    n_events = {"long": 0, "short": 0}
    for split in manifest.n_mixtures:
        specs = read_specs(tmp_path / "O", split)
        for spec in specs:
            for event in spec.events:
                if event.event_label in n_events:
                    n_events[event.event_label] += 1
            files = source_files(tmp_path / "O" / split / spec.filename)
            assert set(files) == set(spec.labels)
        durations = {spec.filename: LENGTH for spec in specs}
        path = tmp_path / "O" / split / "events.tsv"
        events = read_events(path, classes=manifest.classes, durations=durations)
        assert {(e.onset, e.offset) for part in events.values() for e in part} == {(0, LENGTH)}
    assert sum(manifest.cut_events.values()) == n_events["long"]
    assert sum(manifest.repeated_events.values()) == n_events["short"]


def test_a_pair_of_which_one_part_is_silent_is_told(tmp_path):
    """Of `late` only the end sounds, so that most of its parts are silent."""
    save_tones(tmp_path / "E", "tone", 3, seconds=LENGTH)
    for take in range(1, 4):
        samples = np.zeros(4 * RATE, np.float32)
        samples[-take * 100 :] = 0.3
        sound_files.save(tmp_path / "E" / f"late{take}.wav", samples, RATE)
    with collect_notices() as notices:
        write(tmp_path / "E", tmp_path / "O")
    (line,) = [text for text in (n.with_names() for n in notices) if "would be silent" in text]
    assert "cut the silence off these recordings, or pass a longer --length" in line
    specs = read_specs(tmp_path / "O", "train")
    alone = [spec for spec in specs if spec.labels == ["tone"]]
    assert alone
    mixture = sound_files.load(tmp_path / "O" / "train" / alone[0].filename)
    np.testing.assert_array_equal(render(alone[0]).mixture, mixture)


def test_pairs_of_one_class_are_refused_in_one_line(tmp_path, capsys):
    save_tones(tmp_path / "E", "hum", 6, seconds=1.0)
    flags = ["--event_folder", str(tmp_path / "E"), "--output_folder", str(tmp_path / "O")]
    assert main(["mix", *flags, "--pairs", "True"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "absslab mix: pairs are two recordings of different classes, and all recordings are of "
        "class 'hum': add recordings of another class, or leave out --pairs\n"
    )
    assert not (tmp_path / "O").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overlap": True}, "overlap is True, but pairs are two events that last as long as"),
        ({"max_event": 3}, "max_event is 3, but pairs are two events"),
        ({"event_gain_range": (-6, 6)}, "event_gain_range is -6 6, but pairs are two events"),
        ({"white_noise_ratio": 0.1}, "white_noise_ratio is 0.1, but pairs have white noise only"),
        ({"pair_level": (5, 0)}, "pair_level is 5 0: expected the lower value first"),
    ],
)
def test_settings_that_pairs_do_not_have_are_refused(settings, message):
    with pytest.raises(InputError) as caught:
        config_of_pairs(**settings)
    assert str(caught.value).startswith(message)


def test_a_level_of_pairs_without_pairs_is_refused():
    with pytest.raises(InputError, match="pair_level is 0 5, but mixtures are no pairs"):
        MixingConfig(pair_level=(0, 5))


def test_a_single_class_left_in_a_split_is_refused(recordings):
    one_class = [item for item in recordings if item.event_label == "long"]
    with pytest.raises(InputError, match="all recordings are of class 'long'"):
        draw(0, one_class)
