"""Recorded backgrounds: their origins, and folders with silent, short and stereo files."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import read_left_out
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_drawing import SEAM_FADE, sample_spec
from absslab.core.data.mixture_folder import read_manifest, read_specs
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_rendering import render
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.recordings import Recording, index_backgrounds, index_recordings
from absslab.core.data.splits import SPLITS

RATE = 8000


def save_noise(path, *, seconds=1.0, seed=0, channels=()):
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (*channels, round(seconds * RATE)))
    sound_files.save(path, noise.astype(np.float32), RATE)


def write(event_folder, backgrounds, output, *, length=0.5, **settings):
    config = MixtureFolderConfig(
        event_folder=str(event_folder),
        output_folder=str(output),
        n_workers=1,
        **{"n_files": 15, "split_percentages": (60, 20, 20)} | settings,
    )
    mixing = MixingConfig(
        length=length, sampling_rate=RATE, background_folder=str(backgrounds), snr_range=(0, 5)
    )
    return run_to_end(write_mixtures(config, mixing))


def origins_in_splits(folder):
    manifest = read_manifest(folder)
    return [{item.origin for item in manifest.backgrounds[split]} for split in SPLITS]


@pytest.fixture
def streets(tmp_path):
    for index in range(4):
        save_noise(tmp_path / "streets" / f"street {index}.wav", seed=index)
    return tmp_path / "streets"


@pytest.mark.parametrize("name", ["{fold}-{clip}-{take}-10.wav", "rain_{fold}-{clip}-{take}.ogg"])
def test_takes_of_a_clip_from_freesound_are_one_origin(event_folder, tmp_path, name):
    folder = tmp_path / "backgrounds"
    folder.mkdir()
    for index, clip in enumerate([17367, 29561, 26222, 50060]):
        for take in "ABC":
            path = folder / name.format(fold=index % 3 + 1, clip=clip, take=take)
            save_noise(path.with_suffix(".wav"), seed=index * 10 + ord(take))
            path.with_suffix(".wav").rename(path)
    recordings = index_backgrounds(folder)
    assert {item.origin for item in recordings} == {
        f"freesound:{clip}" for clip in (17367, 29561, 26222, 50060)
    }
    write(event_folder, folder, tmp_path / "O")
    parts = origins_in_splits(tmp_path / "O")
    assert sum(map(len, parts)) == len(set().union(*parts)) == 4


@pytest.mark.parametrize(
    "name",
    [
        "street 1-2.wav",
        "1-17367.wav",
        "take_1-A.wav",
        "2026-11-26.wav",
        "7-17367-A.wav",
        "a1-2-B.wav",
    ],
)
def test_other_names_are_origins_of_their_own(tmp_path, name):
    save_noise(tmp_path / name)
    (recording,) = index_backgrounds(tmp_path)
    assert recording.origin == name


def test_a_class_before_the_clip_is_the_class_of_an_event(tmp_path):
    for take in "AB":
        save_noise(tmp_path / f"sea_waves_2-100-{take}.wav", seed=ord(take))
    assert {(item.event_label, item.origin) for item in index_recordings(tmp_path)} == {
        ("sea_waves", "freesound:100")
    }


@pytest.mark.skipif(
    "ABSSLAB_BACKGROUNDS" not in os.environ, reason="ABSSLAB_BACKGROUNDS names no folder"
)
def test_real_backgrounds_are_split_by_their_clips(event_folder, tmp_path):
    folder = os.environ["ABSSLAB_BACKGROUNDS"]
    write(event_folder, folder, tmp_path / "O", split_percentages=(80, 10, 10), n_files=10)
    clips = {path.stem.split("-")[1] for path in Path(folder).glob("*.ogg")}
    parts = origins_in_splits(tmp_path / "O")
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(clips)
    assert min(map(len, parts)) > 1


def test_backgrounds_and_events_may_have_patterns_of_their_own(event_folder, tmp_path):
    for place in range(3):
        for hour in range(2):
            save_noise(tmp_path / "B" / f"place{place}_hour{hour}.wav", seed=10 * place + hour)
    both = {"origin_pattern": r"([a-z]+\d\d)\.", "background_origin_pattern": r"(place\d)_"}
    write(event_folder, tmp_path / "B", tmp_path / "O", **both)
    parts = origins_in_splits(tmp_path / "O")
    assert sorted(map(sorted, parts)) == [["place0"], ["place1"], ["place2"]]
    with pytest.raises(InputError, match=r"origin pattern .* does not match place0_hour0.wav"):
        write(event_folder, tmp_path / "B", tmp_path / "P", origin_pattern=r"([a-z]+\d\d)\.")


def test_too_few_origins_of_backgrounds_are_told_in_one_line(event_folder, tmp_path, capsys):
    for take in "ABC":
        save_noise(tmp_path / "B" / f"1-17367-{take}-10.wav", seed=ord(take))
    flags = ["--event_folder", event_folder, "--background_folder", tmp_path / "B"]
    flags += ["--output_folder", tmp_path / "O", "--snr_range", "0", "5"]
    assert main(["mix", *map(str, flags)]) == 2
    assert capsys.readouterr().err == (
        f"absslab mix: background_folder {tmp_path / 'B'} has 3 recordings of 1 origin: "
        "expected at least 3, one for each split\n"
    )
    assert not (tmp_path / "O").exists()


def test_a_silent_background_is_told_or_left_out(event_folder, streets, tmp_path, capsys):
    sound_files.save(streets / "silent.wav", np.zeros(RATE, np.float32), RATE)
    opposite = np.random.default_rng(0).uniform(-0.5, 0.5, RATE)
    sound_files.save(streets / "opposite.wav", np.stack([opposite, -opposite]), RATE)
    flags = ["--event_folder", event_folder, "--background_folder", streets, "--n_files", "4"]
    flags += ["--output_folder", tmp_path / "O", "--length", "0.5", "--sampling_rate", "8000"]
    assert main(["mix", *map(str, flags)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "2 of 26 files can't be used" in err
    assert "silent.wav is silent: every sample is 0; replace or remove it" in err
    assert "pass --on_error skip to leave them out" in err
    assert not (tmp_path / "O").exists()
    assert main(["mix", *map(str, flags), "--on_error", "skip"]) == 3
    left_out = read_left_out(tmp_path / "O" / "left_out.csv")
    assert [Path(row["file"]).name for row in left_out] == ["opposite.wav", "silent.wav"]
    used = {
        spec.background for split in SPLITS for spec in read_specs_if_any(tmp_path / "O", split)
    }
    assert used <= {str(streets / f"street {index}.wav") for index in range(4)}


def test_a_background_with_the_sound_of_a_class_is_told_or_left_out(
    event_folder, streets, tmp_path, capsys
):
    events = tmp_path / "E"
    shutil.copytree(event_folder, events)
    for clip in range(3):
        save_noise(events / f"rain_1-{clip}-A.wav", seed=10 + clip)
    save_noise(streets / "rain_1-2-B.wav", seed=20)
    shutil.copy(event_folder / "alert01.wav", streets / "street 9.wav")
    flags = ["--event_folder", events, "--background_folder", streets, "--n_files", "4"]
    flags += ["--output_folder", tmp_path / "O", "--length", "0.5", "--sampling_rate", "8000"]
    assert main(["mix", *map(str, flags)]) == 2
    hint = "sound in backgrounds without its label: remove it from one of the two folders"
    err = capsys.readouterr().err
    assert err == (
        f"absslab mix: 2 of 29 files can't be used: (1) {streets / 'rain_1-2-B.wav'} is a take of "
        f"the same clip as {events / 'rain_1-2-A.wav'}, so class rain would {hint}; "
        f"(2) {streets / 'street 9.wav'} is the same sound as {events / 'alert01.wav'}, "
        f"so class alert would {hint}; pass --on_error skip to leave them out\n"
    )
    assert not (tmp_path / "O").exists()
    assert main(["mix", *map(str, flags), "--on_error", "skip"]) == 3
    left_out = read_left_out(tmp_path / "O" / "left_out.csv")
    assert [Path(row["file"]).name for row in left_out] == ["rain_1-2-B.wav", "street 9.wav"]
    used = set().union(*origins_in_splits(tmp_path / "O"))
    assert used == {f"street {index}.wav" for index in range(4)}


def test_events_are_no_backgrounds(event_folder, tmp_path, capsys):
    flags = ["--event_folder", event_folder, "--background_folder", event_folder]
    assert main(["mix", *map(str, flags), "--output_folder", str(tmp_path / "O")]) == 2
    err = capsys.readouterr().err
    path = event_folder / "alert01.wav"
    assert f"(1) {path} is in the event folder as well: {path}, so class alert would sound" in err
    assert not (tmp_path / "O").exists()


def read_specs_if_any(folder, split):
    return read_specs(folder, split) if (folder / split).is_dir() else []


def test_short_backgrounds_are_repeated_without_a_click_and_counted(
    event_folder, streets, tmp_path
):
    shutil.rmtree(streets)
    for index in range(3):
        save_noise(streets / f"{index}.wav", seconds=0.3, seed=index)
    with collect_notices() as notices:
        write(event_folder, streets, tmp_path / "O", length=1.0)
    (line,) = [line for line in (n.with_names() for n in notices) if "repeated" in line]
    assert line.startswith("15 backgrounds of ")
    assert "are shorter than a mixture and are repeated in O to fill 1 s" in line
    manifest = read_manifest(tmp_path / "O")
    assert sum(manifest.repeated_backgrounds.values()) == 15
    assert set(manifest.repeated_backgrounds) == {"0.wav", "1.wav", "2.wav"}


def test_the_seams_of_a_repeated_background_are_crossfaded(event_folder, tmp_path):
    """A sweep jumps at its seams if it is only repeated: its end and beginning are far apart."""
    n = round(0.4 * RATE)
    slope = 0.5 * np.cos(np.pi * np.arange(n) / n)  # from 0.5 to −0.5
    sound_files.save(tmp_path / "slope.wav", slope.astype(np.float32), RATE)
    background = Recording(str(tmp_path / "slope.wav"), "background", "slope", n / RATE)
    config = MixingConfig(length=2.0, sampling_rate=RATE, snr_range=(0, 0), max_event=1)
    recordings = index_recordings(event_folder)
    rng = np.random.default_rng(0)
    spec = sample_spec(rng, recordings, config, backgrounds=[background])
    assert spec.seam_fade == SEAM_FADE
    sound = render(spec).background
    sound = sound / np.abs(sound).max()
    assert np.abs(np.diff(sound)).max() < 0.02
    period = n - round(SEAM_FADE * RATE)
    np.testing.assert_allclose(sound[period : 2 * period], sound[2 * period : 3 * period])


def test_noise_is_as_loud_in_the_seams_as_elsewhere(event_folder, tmp_path):
    save_noise(tmp_path / "noise.wav", seconds=0.4)
    background = Recording(str(tmp_path / "noise.wav"), "background", "noise", 0.4)
    config = MixingConfig(length=2.0, sampling_rate=RATE, snr_range=(0, 0), max_event=1)
    rng = np.random.default_rng(0)
    spec = sample_spec(rng, index_recordings(event_folder), config, backgrounds=[background])
    sound = render(spec).background
    n_fade = round(SEAM_FADE * RATE)
    period = round(0.4 * RATE) - n_fade
    seam = sound[period : period + n_fade]
    assert np.sqrt(np.mean(seam**2) / np.mean(sound**2)) == pytest.approx(1, abs=0.1)


def test_a_stereo_background_is_mixed_down(event_folder, streets, tmp_path):
    shutil.rmtree(streets)
    for index in range(3):
        save_noise(streets / f"{index}.wav", seed=index, channels=(2,))
    write(event_folder, streets, tmp_path / "O")
    (spec, *_) = read_specs(tmp_path / "O", "train")
    start = int(spec.background_start * RATE)
    expected = sound_files.load(spec.background)[start:]
    rendered = render(spec).background
    assert np.corrcoef(rendered, expected[: len(rendered)])[0, 1] > 0.999
