"""Folders of mixtures: always the same bytes for the same settings, their content, and errors."""

import csv
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from process_groups import ends, group, wait_for

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.left_out import read_left_out
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import LongWork, Progress, run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import (
    background_file,
    mixture_names,
    part_files,
    read_manifest,
    read_specs,
    source_files,
)
from absslab.core.data.mixture_plan import (
    MixtureFolderConfig,
    count_mixtures,
    plan_mixtures,
    smallest_number,
)
from absslab.core.data.mixture_rendering import render
from absslab.core.data.mixture_writer import WrittenMixtures, write_mixtures
from absslab.core.data.recordings import IndexedFolder, class_of, index_recordings
from absslab.core.data.splits import SPLITS

SHORT = {"length": 0.5, "sampling_rate": 8000}
THIRDS = (60.0, 20.0, 20.0)


def write(event_folder, output, *, mixing=SHORT, **settings):
    """Write a folder of mixtures, and return the number of mixtures in its progress."""
    settings = {"n_files": 30, "split_percentages": THIRDS, "n_workers": 1} | settings
    config = MixtureFolderConfig(
        event_folder=str(event_folder), output_folder=str(output), **settings
    )
    return [step for step in write_mixtures(config, MixingConfig(**mixing)) if not step.stage]


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def rows(path, delimiter=","):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def samples_of(path):
    samples, _ = soundfile.read(path, dtype="int16")
    return samples.astype(np.int64)


def start(event_folder, output, *flags):
    """Start the command in a new process group."""
    command = [
        sys.executable,
        "-m",
        "absslab",
        "mix",
        "--event_folder",
        event_folder,
        "--output_folder",
        output,
    ]
    command += [
        "--length",
        "0.5",
        "--sampling_rate",
        "8000",
        "--split_percentages",
        *map(str, THIRDS),
        *flags,
    ]
    return subprocess.Popen(
        list(map(str, command)),
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def fail(capsys, *arguments):
    """Run a command that must fail, and return its one line of output."""
    assert main(["mix", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("absslab mix: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


@pytest.fixture(scope="module")
def mixture_folder(event_folder, tmp_path_factory):
    """Thirty mixtures of half a second with all sources."""
    output = tmp_path_factory.mktemp("made") / "O"
    write(event_folder, output, sources="all", mixing=SHORT | {"overlap": True})
    return output


def test_the_folder_holds_what_the_manifest_says(event_folder, mixture_folder):
    manifest = read_manifest(mixture_folder)
    assert manifest.classes == sorted({path.name[:-6] for path in event_folder.iterdir()})
    assert manifest.n_mixtures == {"train": 18, "validation": 6, "test": 6}
    assert (manifest.seed, manifest.config["length"], manifest.config["overlap"]) == (
        0,
        0.5,
        True,
    )
    assert sorted(path.name for path in mixture_folder.iterdir()) == [
        "manifest.json",
        "test",
        "train",
        "validation",
    ]
    for split, n_mixtures in manifest.n_mixtures.items():
        names = [f"{i:06d}" for i in range(n_mixtures)]
        tables = ["events.tsv", "mixtures.jsonl", "weak_labels.csv"]
        assert sorted(path.name for path in (mixture_folder / split).iterdir()) == sorted(
            [*names, *(f"{name}.wav" for name in names), *tables]
        )


def test_labels_events_and_specs_agree(mixture_folder):
    classes = read_manifest(mixture_folder).classes
    for split in SPLITS:
        specs = read_specs(mixture_folder, split)
        table = rows(mixture_folder / split / "weak_labels.csv")
        events = rows(mixture_folder / split / "events.tsv", "\t")
        assert list(table[0]) == ["filename", *classes]
        assert list(events[0]) == ["filename", "onset", "offset", "event_label"]
        assert [row["filename"] for row in table] == [spec.filename for spec in specs]
        assert len(events) == sum(len(spec.events) for spec in specs)
        for spec, row in zip(specs, table, strict=True):
            of_file = [event for event in events if event["filename"] == spec.filename]
            assert {row[name] for name in classes} <= {"0", "1"}
            assert {name for name in classes if row[name] == "1"} == {
                event["event_label"] for event in of_file
            }
            assert spec.labels == sorted({event["event_label"] for event in of_file})
            for event in of_file:
                assert 0 <= float(event["onset"]) < float(event["offset"]) <= 0.5


@pytest.mark.reference_flaw("the noise of a mixture was not kept as a source")
def test_mixtures_sources_and_specs_agree_sample_by_sample(mixture_folder):
    for split in SPLITS:
        for spec in read_specs(mixture_folder, split):
            path = mixture_folder / split / spec.filename
            mixture = samples_of(path)
            assert len(mixture) == 4000
            sources = {name: samples_of(source) for name, source in source_files(path).items()}
            assert sources.keys() == set(read_manifest(mixture_folder).classes)
            background = samples_of(background_file(path))
            assert background.any()
            np.testing.assert_array_equal(sum(sources.values()) + background, mixture)
            assert {name for name, source in sources.items() if source.any()} == set(spec.labels)
            np.testing.assert_array_equal(mixture, render(spec).mixture * 32768)


@pytest.mark.reference_flaw("mixtures were split after mixing, so that splits had events in common")
def test_no_recording_and_no_origin_is_in_two_splits(mixture_folder):
    manifest = read_manifest(mixture_folder)
    origins = {
        split: {recording.origin for recording in part}
        for split, part in manifest.recordings.items()
    }
    assert len(set.union(*origins.values())) == sum(map(len, origins.values())) == 20
    for split in SPLITS:
        used = {
            Path(event.recording).name
            for spec in read_specs(mixture_folder, split)
            for event in spec.events
        }
        assert used <= {recording.path for recording in manifest.recordings[split]}


def test_the_manifest_identifies_every_recording(event_folder, mixture_folder):
    for part in read_manifest(mixture_folder).recordings.values():
        for recording in part:
            assert sound_files.info(event_folder / recording.path).duration == recording.duration
            assert recording.path.startswith(recording.event_label)
            assert len(recording.sha256) == 64


@pytest.mark.reference_flaw("sources were written for every class, though most are silent")
def test_active_sources_are_those_that_sound_and_none_are_none(
    event_folder, mixture_folder, tmp_path
):
    for sources in ("none", "active"):
        write(event_folder, tmp_path / sources, sources=sources, mixing=SHORT | {"overlap": True})
        for split in SPLITS:
            for spec in read_specs(mixture_folder, split):
                name = f"{split}/{spec.filename}"
                assert (tmp_path / sources / name).read_bytes() == (
                    mixture_folder / name
                ).read_bytes()
                saved = source_files(tmp_path / sources / name)
                assert set(saved) == (set() if sources == "none" else set(spec.labels))
                background = background_file(tmp_path / sources / name)
                assert (background is None) == (sources == "none")
                for path in part_files(tmp_path / sources / name):
                    before = mixture_folder / path.relative_to(tmp_path / sources)
                    assert path.read_bytes() == before.read_bytes()


@pytest.mark.reference_flaw("mixtures were drawn without a seed")
def test_the_same_seed_makes_the_same_bytes_with_one_worker_and_with_two(event_folder, tmp_path):
    by_one_worker = write(event_folder, tmp_path / "one", n_files=50)
    by_two_workers = write(event_folder, tmp_path / "two", n_files=50, n_workers=2)
    write(event_folder, tmp_path / "other", n_files=50, seed=1)
    assert by_one_worker[-1] == by_two_workers[-1]
    assert [step.done for step in by_two_workers] == sorted(step.done for step in by_two_workers)
    assert (by_one_worker[0].done, by_one_worker[-1].done, by_one_worker[-1].total) == (0, 50, 50)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (
        contents(tmp_path / "one")["train/000000.wav"]
        != contents(tmp_path / "other")["train/000000.wav"]
    )


def test_what_was_killed_goes_on_to_the_same_bytes_and_rewrites_nothing(event_folder, tmp_path):
    process = start(event_folder, tmp_path / "cut", "--n_files", "1200", "--n_workers", "2")
    wait_for(process, lambda: len(list((tmp_path / "cut").glob("*/*.wav"))) >= 30)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (tmp_path / "cut" / "train" / f".000000.wav.{process.pid}.part").write_bytes(b"half a file")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("*/*.wav")}
    steps = write(event_folder, tmp_path / "cut", n_files=1200)
    assert 30 <= steps[0].done == len(before) < 1200
    assert {path: path.stat().st_mtime_ns for path in before} == before
    write(event_folder, tmp_path / "whole", n_files=1200)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_what_was_killed_before_its_manifest_was_whole_starts_anew(event_folder, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "O").mkdir()
    (tmp_path / "O" / f".manifest.json.{ended.pid}.part").write_bytes(b"{")
    write(event_folder, tmp_path / "O", n_files=5)
    assert not [name for name in contents(tmp_path / "O") if name.endswith(".part")]


def test_workers_end_with_their_parent_however_it_went(event_folder, tmp_path):
    process = start(event_folder, tmp_path / "O", "--n_files", "4000", "--n_workers", "2")
    wait_for(process, lambda: len(list((tmp_path / "O").glob("*/*.wav"))) >= 1)
    wait_for(process, lambda: len(group(process)) >= 3)
    process.kill()
    process.communicate()
    assert ends(process)


@pytest.mark.parametrize(
    ("n_workers", "n_processes", "delay", "n_made"),
    [
        (1, 1, 0, 0),
        (1, 1, 0, 1),
        (2, 3, 0, 0),
        (2, 4, 0.02, 0),
        (2, 4, 0.08, 0),
        (2, 4, 0.2, 0),
        (2, 1, 0, 1),
    ],
    ids=[
        "begun",
        "writing",
        "one of two",
        "two starting",
        "two importing",
        "two loading",
        "two writing",
    ],
)
def test_ctrl_c_ends_with_one_line_and_leaves_nothing_half_written(
    event_folder, tmp_path, n_workers, n_processes, delay, n_made
):
    process = start(event_folder, tmp_path / "O", "--n_files", "4000", "--n_workers", n_workers)
    wait_for(process, lambda: (tmp_path / "O" / "manifest.json").exists())
    wait_for(process, lambda: len(group(process)) >= n_processes)
    wait_for(process, lambda: len(list((tmp_path / "O").glob("*/*.wav"))) >= n_made)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    # A slow machine prints lines of progress first.
    lines = [line for line in err.splitlines() if not re.fullmatch(r".+: \d+ of \d+ \w+", line)]
    assert len(lines) == 1
    assert lines[0].startswith("absslab mix: interrupted; ")
    assert not list((tmp_path / "O").rglob("*.part"))
    assert ends(process)


def test_a_folder_that_is_whole_is_left_as_it_is(event_folder, tmp_path):
    write(event_folder, tmp_path / "O")
    before = contents(tmp_path / "O")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "O").rglob("*.wav")}
    assert [(step.done, step.total) for step in write(event_folder, tmp_path / "O")] == [(30, 30)]
    assert contents(tmp_path / "O") == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_the_recordings_may_have_moved_when_one_goes_on(event_folder, tmp_path):
    write(event_folder, tmp_path / "O")
    before = contents(tmp_path / "O")
    shutil.copytree(event_folder, tmp_path / "moved")
    (tmp_path / "O" / "train" / "000003.wav").unlink()
    assert write(tmp_path / "moved", tmp_path / "O")[0].done == 29
    assert contents(tmp_path / "O")["train/000003.wav"] == before["train/000003.wav"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"n_files": 31}, "n_files 30, not 31"),
        ({"sources": "none"}, "sources active, not none"),
        ({"split_percentages": (80.0, 10.0, 10.0)}, "split_percentages"),
        ({"mixing": SHORT | {"max_event": 3}}, "max_event 4, not 3"),
        ({"mixing": SHORT | {"overlap": True}}, "overlap False, not True"),
        ({"mixing": SHORT | {"length": 0.6}}, "length 0.5, not 0.6"),
    ],
)
def test_a_folder_made_with_other_settings_is_refused_and_left_as_it_is(
    event_folder, tmp_path, change, message
):
    write(event_folder, tmp_path / "O")
    before = contents(tmp_path / "O")
    with pytest.raises(InputError, match=f"was made with {message}"):
        write(event_folder, tmp_path / "O", **change)
    assert contents(tmp_path / "O") == before


def test_a_folder_made_from_other_recordings_is_refused(event_folder, tmp_path):
    shutil.copytree(event_folder, tmp_path / "events")
    write(tmp_path / "events", tmp_path / "O")
    name = sorted(event_folder.iterdir())[0].name
    sound_files.save(tmp_path / "events" / name, sound_files.load(event_folder / name)[:-1], 44100)
    with pytest.raises(InputError, match="was made from other recordings"):
        write(tmp_path / "events", tmp_path / "O")


@pytest.mark.parametrize("name", ["thesis.doc", ".hidden", "000000.wav", "sub/deep.txt"])
def test_a_folder_that_is_not_ours_is_refused_and_left_untouched(event_folder, tmp_path, name):
    path = tmp_path / "O" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="is not empty and holds no mixtures of ABSSLab"):
        write(event_folder, tmp_path / "O")
    assert contents(tmp_path / "O") == {name: b"precious"}


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[]", b"{", b'{"format": "other"}', b'{"format": "absslab mixtures", "version": 99}'],
)
def test_a_manifest_that_is_not_ours_is_refused_and_left_untouched(event_folder, tmp_path, content):
    (tmp_path / "O").mkdir()
    (tmp_path / "O" / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match="O"):
        write(event_folder, tmp_path / "O")
    assert contents(tmp_path / "O") == {"manifest.json": content}


def test_an_output_folder_among_the_recordings_is_refused(event_folder, tmp_path):
    shutil.copytree(event_folder, tmp_path / "events")
    with pytest.raises(InputError, match="lies in the event_folder"):
        write(tmp_path / "events", tmp_path / "events" / "O")
    assert not (tmp_path / "events" / "O").exists()


@pytest.mark.reference_flaw("backgrounds of training were in the test set as well")
def test_backgrounds_are_split_as_well_and_may_be_called_anything(event_folder, tmp_path):
    noise = np.random.default_rng(0)
    for i in range(5):
        sound_files.save(
            tmp_path / "streets" / f"background {i}.flac", noise.uniform(-1, 1, 8000), 8000
        )
    write(
        event_folder,
        tmp_path / "O",
        mixing=SHORT | {"background_folder": str(tmp_path / "streets")},
    )
    manifest = read_manifest(tmp_path / "O")
    for split, n in zip(SPLITS, (3, 1, 1), strict=True):
        used = {Path(spec.background).name for spec in read_specs(tmp_path / "O", split)}
        known = {background.path for background in manifest.backgrounds[split]}
        assert len(known) == n
        assert used <= known
    assert "background" not in manifest.classes
    with pytest.raises(InputError, match=r"other backgrounds"):
        write(event_folder, tmp_path / "O")


def test_few_files_go_to_train_first(event_folder, tmp_path):
    write(event_folder, tmp_path / "O", n_files=1)
    assert read_manifest(tmp_path / "O").n_mixtures == {"train": 1}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_full_disk_is_said_in_one_line_and_leaves_nothing_half_written(
    event_folder, tmp_path, capsys, full_disk, n_workers
):
    flags = [
        "--event_folder",
        event_folder,
        "--output_folder",
        tmp_path / "O",
        "--length",
        "20",
        "--n_files",
        "60",
    ]
    with full_disk(200_000):
        message = fail(capsys, *flags, "--n_workers", n_workers)
    # The message of the system here; on a full disk it is "No space left on device".
    assert "File too large" in message
    assert str(tmp_path / "O") in message
    paths = [path for path in (tmp_path / "O").rglob("*") if path.is_file()]
    assert {path.suffix for path in paths} <= {".json", ".flac"}
    for path in paths:
        if path.suffix == ".flac":
            assert sound_files.check(path).duration == 20


def test_an_output_folder_that_cannot_be_written_is_said_in_one_line(
    event_folder, tmp_path, capsys
):
    (tmp_path / "file").write_bytes(b"precious")
    for output in (tmp_path / "file" / "O", tmp_path / "file"):
        message = fail(
            capsys, "--event_folder", event_folder, "--output_folder", output, "--n_files", "3"
        )
        assert str(tmp_path / "file") in message
    assert contents(tmp_path) == {"file": b"precious"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--length 0", "length is 0"),
        ("--length 0.05", "length is 0.05: expected at least 0.064 s, one analysis window"),
        ("--length long", "--length: 'long' is not a number"),
        ("--max_event 0", "max_event is 0: expected at least 1"),
        ("--white_noise_ratio 2", "white_noise_ratio is 2: expected at most 1"),
        ("--sampling_rate 11025", "sampling_rate is 11025: expected one of 8000, 16000, 22050"),
        ("--overlap maybe", "--overlap is 'maybe': expected one of yes, true, t, y, 1, or of no"),
        ("--n_files 0", "n_files is 0: expected at least 1"),
        ("--n_files 2.5", "'2.5' is not a whole number"),
        ("--split_percentages 80 10 5", "split percentages are 80 10 5"),
        ("--split_percentages 80 20", "split_percentages has 2 values (80 20): expected 3"),
        ("--sources some", "sources is 'some': expected one of none, active, all"),
        ("--snr_range 10 0", "snr_range is 10 0: expected the lower value first"),
        ("--max_polyphony 2", "limit an overlap that is off"),
        ("--seed -1", "seed is -1: expected at least 0"),
        ("--n_fils 3", "unknown flag --n_fils; did you mean --n_files?"),
        ("--background_folder /nowhere", "/nowhere is not a directory"),
        ("--recordings_csv /nowhere.csv", "/nowhere.csv does not exist"),
        ("--origin_pattern (", "not a regular expression"),
    ],
)
def test_a_bad_setting_is_said_in_one_line_and_makes_no_folder(
    event_folder, tmp_path, capsys, flags, message
):
    error_line = fail(
        capsys, "--event_folder", event_folder, "--output_folder", tmp_path / "O", *flags.split(" ")
    )
    assert message in error_line
    assert not (tmp_path / "O").exists()


@pytest.mark.parametrize("missing", ["--event_folder", "--output_folder"])
def test_a_missing_folder_is_said_in_one_line(tmp_path, capsys, missing):
    (other,) = {"--event_folder", "--output_folder"} - {missing}
    assert f"pass {missing}" in fail(capsys, other, tmp_path / "O")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "is not a directory"),
        (
            lambda folder: [path.unlink() for path in folder.iterdir()],
            "holds nothing: expected recordings",
        ),
        (
            lambda folder: [path.rename(path.with_suffix(".txt")) for path in folder.iterdir()],
            "holds no sound file",
        ),
        (
            lambda folder: (folder / "alert01.wav").write_bytes(b""),
            "alert01.wav is not a readable sound file",
        ),
        (
            lambda folder: (folder / "alert01.wav").write_text("text"),
            "alert01.wav is not a readable sound file",
        ),
        (
            lambda folder: sound_files.save(folder / "alert01.wav", np.zeros(99), 8000),
            "alert01.wav is silent",
        ),
        (
            lambda folder: sound_files.save(
                folder / "alert01.wav", np.full(99, np.nan), 8000, subtype="FLOAT"
            ),
            "alert01.wav holds NaN",
        ),
        (
            lambda folder: soundfile.write(folder / "alert01.wav", np.zeros(0), 8000),
            "alert01.wav holds 0 samples",
        ),
        (
            lambda folder: sound_files.save(folder / "lonely1.wav", np.ones(99) / 2, 8000),
            "class 'lonely' has 1 origin",
        ),
        (
            lambda folder: sound_files.save(folder / "residual1.wav", np.ones(99) / 2, 8000),
            "can't be called 'residual'",
        ),
        (
            lambda folder: sound_files.save(folder / "sub" / "a.wav", np.ones(99) / 2, 8000),
            "both directly",
        ),
    ],
)
def test_a_bad_recording_or_folder_is_said_in_one_line_and_makes_no_folder(
    event_folder, tmp_path, capsys, spoil, message
):
    shutil.copytree(event_folder, tmp_path / "events")
    spoil(tmp_path / "events")
    assert message in fail(
        capsys, "--event_folder", tmp_path / "events", "--output_folder", tmp_path / "O"
    )
    assert not (tmp_path / "O").exists()


def test_the_command_says_what_it_made_and_the_thesis_name_of_the_folder_is_understood(
    event_folder, tmp_path, capsys
):
    flags = [
        "--DCASE_2013_stereo_data_folder",
        event_folder,
        "--output_folder",
        tmp_path / "O",
        "--length",
        "3",
    ]
    assert (
        main(list(map(str, ["mix", *flags, "--n_files", "5", "--split_percentages", *THIRDS]))) == 0
    )
    assert capsys.readouterr() == (
        f"5 mixtures in {tmp_path / 'O'}: 3 train, 1 validation, 1 test\n",
        "",
    )


def test_splits_without_a_mixture_are_told(event_folder, tmp_path, capsys):
    flags = ["--event_folder", event_folder, "--output_folder", tmp_path / "O", "--length", "3"]
    assert main(list(map(str, ["mix", *flags, "--n_files", "5"]))) == 0
    assert capsys.readouterr() == (
        f"5 mixtures in {tmp_path / 'O'}: 5 train\n",
        "absslab mix: warning: validation, test: no mixture, since n_files is 5 and "
        "split_percentages 80 10 10; pass --n_files 10 or more to have some\n",
    )


@pytest.mark.parametrize(
    "percentages", [(80, 10, 10), (60, 20, 20), (1, 49.5, 49.5), (97, 2.9, 0.1), (100, 0, 0)]
)
def test_the_smallest_number_of_mixtures_is_the_smallest(percentages):
    number = smallest_number(percentages)
    assert 0 not in count_mixtures(number, percentages).values()
    assert number == 1 or 0 in count_mixtures(number - 1, percentages).values()


@pytest.mark.skipif(
    "ABSSLAB_EVENTS" not in os.environ, reason="ABSSLAB_EVENTS names no folder of real recordings"
)
def test_real_recordings_are_mixed(tmp_path):
    write(
        os.environ["ABSSLAB_EVENTS"],
        tmp_path / "O",
        n_files=20,
        mixing={},
        split_percentages=(80.0, 10.0, 10.0),
    )
    manifest = json.loads((tmp_path / "O" / "manifest.json").read_text())
    assert manifest["n_mixtures"] == {"train": 16, "validation": 2, "test": 2}
    for split in SPLITS:
        for spec in read_specs(tmp_path / "O", split):
            path = tmp_path / "O" / split / spec.filename
            mixture = samples_of(path)
            assert len(mixture) == 160000
            assert 0 < np.abs(mixture).max() < 32768
            np.testing.assert_array_equal(sum(map(samples_of, part_files(path))), mixture)
    assert sum(map(len, contents(tmp_path / "O").values())) < 20 * 1e6


def test_a_plan_draws_what_is_written_and_more(event_folder, tmp_path):
    write(event_folder, tmp_path / "O")
    config = MixtureFolderConfig(
        event_folder=str(event_folder),
        output_folder=str(tmp_path / "O"),
        n_files=30,
        split_percentages=THIRDS,
    )
    plan = plan_mixtures(config, MixingConfig(**SHORT), index_recordings(event_folder))
    assert plan.counts == read_manifest(tmp_path / "O").n_mixtures
    for split in SPLITS:
        assert [plan.spec(split, index) for index in range(plan.counts[split])] == read_specs(
            tmp_path / "O", split
        )
    assert plan.spec("test", 1000) == plan.spec("test", 1000)
    config = dataclasses.replace(config, split_percentages=(50.0, 0.0, 50.0))
    with pytest.raises(InputError, match="the validation split has 0 %"):
        plan_mixtures(config, MixingConfig(**SHORT), plan.recordings).spec("validation", 0)


def test_recordings_that_are_indexed_already_are_not_read_again(event_folder, tmp_path):
    config = MixtureFolderConfig(
        event_folder=str(event_folder), output_folder=str(tmp_path / "O"), n_files=5, n_workers=1
    )
    recordings = index_recordings(event_folder)[:15]
    list(write_mixtures(config, MixingConfig(**SHORT), IndexedFolder(recordings)))
    held = read_manifest(tmp_path / "O").recordings.values()
    assert sum(len(part) for part in held) == 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": None}, "config is None: expected named values"),
        ({"n_mixtures": {"train": "all"}}, "n_mixtures.train is 'all': expected a whole number"),
        ({"recordings": {"train": [{"path": "a.wav"}]}}, "event_label is missing"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_a_damaged_manifest_is_said_with_what_is_wrong(mixture_folder, tmp_path, change, message):
    content = json.loads((mixture_folder / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=message) as error:
        read_manifest(tmp_path)
    assert error.value.path == tmp_path / "manifest.json"


@pytest.mark.parametrize("is_indexed", [True, False])
def test_progress_begins_before_the_first_file_is_read(event_folder, tmp_path, is_indexed):
    streets = tmp_path / "streets"
    for i in range(3):
        samples = np.random.default_rng(i).uniform(-1, 1, 8000)
        sound_files.save(streets / f"{i}.flac", samples, 8000)
    config = MixtureFolderConfig(
        event_folder=str(event_folder), output_folder=str(tmp_path / "O"), n_files=5, n_workers=1
    )
    mixing = MixingConfig(**SHORT, background_folder=str(streets))
    indexed = IndexedFolder(index_recordings(event_folder)) if is_indexed else None
    work = LongWork(write_mixtures(config, mixing, indexed))
    steps = list(work)
    n_recordings = len(list(event_folder.iterdir()))
    stages = [
        Progress(0, n_recordings, "reading recordings"),
        Progress(0, 3, "reading backgrounds"),
        Progress(0, n_recordings + 3, "checksums of recordings"),
        Progress(0, 5),
    ]
    assert [step for step in steps if step.done == 0] == stages[is_indexed:]
    assert steps[-1] == Progress(5, 5)
    folder = tmp_path / "O"
    counts = {"train": 5}
    assert work.result == WrittenMixtures(folder, read_manifest(folder).n_mixtures)
    assert work.result.counts == counts


@pytest.mark.reference_flaw("files of mixtures had random names")
def test_mixtures_are_named_in_the_order_of_their_table(event_folder, tmp_path):
    write(event_folder, tmp_path / "O")
    assert mixture_names(tmp_path / "O", "test") == [f"{index:06d}.wav" for index in range(6)]
    with pytest.raises(InputError, match="expected a folder that absslab mix has finished"):
        mixture_names(tmp_path / "O", "other")


def write_bad(folder):
    """Copy recordings into a folder with others that can't be used, and return these."""
    sound_files.save(folder / "hum01.wav", np.zeros(800, np.float32), 8000)
    (folder / "hum02.wav").write_bytes(b"no sound")
    (folder / "hum03.m4a").write_bytes(b"no sound either")
    (folder / "hum04.wav").symlink_to(folder / "nowhere.wav")
    opposite = np.random.default_rng(0).uniform(-0.5, 0.5, 800)
    sound_files.save(folder / "hum05.wav", np.stack([opposite, -opposite]), 8000)
    sound_files.save(folder / "12.wav", opposite, 8000)
    return ["12.wav", "hum01.wav", "hum02.wav", "hum03.m4a", "hum04.wav", "hum05.wav"]


def write_skipping(events, folder, **settings):
    config = MixtureFolderConfig(
        event_folder=str(events), output_folder=str(folder), n_files=12, n_workers=1, **settings
    )
    return run_to_end(write_mixtures(config, MixingConfig(**SHORT)))


def test_all_recordings_that_can_not_be_used_are_told_at_once_before_anything_is_written(
    event_folder, tmp_path
):
    events = tmp_path / "events"
    shutil.copytree(event_folder, events)
    bad = write_bad(events)
    streets = tmp_path / "streets"
    streets.mkdir()
    (streets / "a.wav").write_bytes(b"no sound")
    mixing = MixingConfig(**SHORT, background_folder=str(streets))
    config = MixtureFolderConfig(event_folder=str(events), output_folder=str(tmp_path / "O"))
    n_files = len(list(events.iterdir())) + 1
    with pytest.raises(InputError, match=f"7 of {n_files} files can't be used") as error:
        run_to_end(write_mixtures(config, mixing))
    for name in [*bad, "a.wav", "pass --on_error skip to leave them out"]:
        assert name in str(error.value)
    assert not (tmp_path / "O").exists()


def test_recordings_that_are_left_out_change_nothing_else_and_stand_in_the_manifest(
    event_folder, tmp_path
):
    events = tmp_path / "events"
    shutil.copytree(event_folder, events)
    bad = write_bad(events)
    with pytest.warns(InputWarning, match="lack hum: no file can be used"):
        written = write_skipping(events, tmp_path / "O", on_error="skip")
    assert len(written.left_out) == 6
    left_out = read_left_out(tmp_path / "O/left_out.csv")
    assert sorted(Path(row["file"]).name for row in left_out) == bad
    manifest = read_manifest(tmp_path / "O")
    assert sorted(manifest.left_out) == bad
    assert manifest.left_out["hum01.wav"].startswith("hum01.wav is silent")
    write_skipping(event_folder, tmp_path / "without")
    ours = contents(tmp_path / "O")
    for name, content in contents(tmp_path / "without").items():
        if name.endswith((".wav", ".flac", "weak_labels.csv", "events.tsv")):
            assert ours[name] == content, name

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "O").rglob("*.wav")}
    with pytest.warns(InputWarning, match="lack hum"):
        write_skipping(events, tmp_path / "O", on_error="skip")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(InputError, match=r"6 of \d+ files can't be used"):
        write_skipping(events, tmp_path / "O")
    assert len(read_left_out(tmp_path / "O/left_out.csv")) == 6
    for name in bad:
        (events / name).unlink()
    write_skipping(events, tmp_path / "O")
    assert not (tmp_path / "O/left_out.csv").exists()
    samples, rate = soundfile.read(events / "alert01.wav")
    soundfile.write(events / "alert06.wav", samples / 2, rate)
    with pytest.raises(InputError, match=r"from other recordings than these \(6 were left out"):
        write_skipping(events, tmp_path / "O")


def test_rows_of_files_that_are_gone_are_left_out(event_folder, tmp_path):
    names = sorted(path.name for path in event_folder.iterdir())
    lines = ["filename,event_label", *(f"{name},{class_of(name)}" for name in names)]
    table = tmp_path / "t.csv"
    table.write_text("\n".join([*lines, "gone1.wav,speech", "gone2.wav,/", "../x.wav,speech"]))
    with pytest.raises(InputError, match=r"3 of \d+ files .*gone1.*gone2.*x\.wav"):
        write_skipping(event_folder, tmp_path / "O", recordings_csv=str(table))
    written = write_skipping(
        event_folder, tmp_path / "O", recordings_csv=str(table), on_error="skip"
    )
    assert [item.file for item in written.left_out.files] == ["gone1.wav", "gone2.wav", "../x.wav"]


def test_nothing_is_written_if_all_recordings_are_left_out(tmp_path):
    write_bad(tmp_path / "events")
    with pytest.raises(InputError, match="6 of 6 files can't be used"):
        write_skipping(tmp_path / "events", tmp_path / "O", on_error="skip")
    assert not (tmp_path / "O").exists()


@pytest.mark.parametrize("sources", ["active", "none"])
def test_events_that_sixteen_bits_round_to_silence_are_in_no_label(tmp_path, sources, monkeypatch):
    """Of `faint` nothing is left; `late` begins with silence, and only its beginning is used."""
    find = Path.glob

    def list_late(folder, pattern):  # as a shared disk may do
        return iter(()) if "silent" in pattern else find(folder, pattern)

    rng = np.random.default_rng(0)
    events = tmp_path / "events"
    events.mkdir()
    for take in range(1, 4):
        for name, level in [("tone", 0.3), ("faint", 1e-6), ("late", 0.3)]:
            samples = level * rng.standard_normal(16000)
            samples = np.concatenate([np.zeros(20000), samples]) if name == "late" else samples
            soundfile.write(events / f"{name}{take}.wav", samples, 16000, subtype="FLOAT")
    config = MixtureFolderConfig(
        event_folder=str(events),
        output_folder=str(tmp_path / "out"),
        n_files=20,
        n_workers=1,
        sources=sources,
    )
    mixing = MixingConfig(length=1.0, max_event=2)
    with collect_notices() as notices, monkeypatch.context() as patch:
        patch.setattr(Path, "glob", list_late)
        run_to_end(write_mixtures(config, mixing))
    before = contents(tmp_path / "out")
    assert len(notices) == 2
    assert "would be silent in the mixtures of out, which have 16 bits" in notices[0].with_names()
    assert "faint3.wav" in notices[0].with_names()
    assert "late1.wav" in notices[1].with_names()
    assert "are longer than a mixture and are cut" in notices[1].with_names()
    for split in ("train", "validation", "test"):
        folder = tmp_path / "out" / split
        table = (folder / "weak_labels.csv").read_text().splitlines()
        assert table[0] == "filename,faint,late,tone"
        assert not any(row.split(",")[1] == "1" for row in table[1:])
        assert "faint" not in (folder / "events.tsv").read_text()
        specs = read_specs(tmp_path / "out", split)
        for spec, row in zip(specs, table[1:], strict=True):
            assert (
                row == f"{spec.filename},0,{int('late' in spec.labels)},{'tone' in spec.labels:d}"
            )
            if sources == "active":
                stem = Path(spec.filename).stem
                saved = {path.stem for path in (folder / stem).iterdir()}
                assert saved == {*spec.labels, "background"}
    with collect_notices() as again:  # a folder that is complete gives the same tables
        run_to_end(write_mixtures(config, mixing))
    assert [str(notice) for notice in again] == [str(notice) for notice in notices]
    assert contents(tmp_path / "out") == before
