"""Separating files writes the expected folders."""

import os
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.model.event_thresholds import ClassThresholds, EventThresholds
from absslab.core.separation import separated_folder
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.segmentation import Segment
from absslab.core.separation.separated_folder import find_inputs, separate_file
from absslab.core.separation.separator import Separator


@pytest.fixture(scope="module")
def separator(checkpoint) -> Separator:
    return Separator.from_checkpoint(str(checkpoint))


def write(path, n=20000, channels=1, rate=16000, subtype="PCM_16", scale=0.2):
    samples = scale * np.random.default_rng(1).standard_normal((n, channels))
    soundfile.write(path, np.clip(samples, -1, 0.99), rate, subtype=subtype)
    return path


def read(path):
    return soundfile.read(path, dtype="float64", always_2d=True)


@pytest.mark.parametrize(
    ("name", "channels", "rate", "subtype", "tolerance"),
    [
        ("a.wav", 1, 16000, "PCM_16", 0),
        ("a.wav", 2, 44100, "PCM_16", 0),
        ("a.wav", 8, 48000, "PCM_24", 0),
        ("a.wav", 1, 8000, "PCM_U8", 0),
        ("a.wav", 2, 22050, "FLOAT", 1e-6),
        ("a.flac", 1, 44100, "PCM_24", 0),
        ("a.ogg", 2, 44100, "VORBIS", 1e-6),
        ("a.mp3", 1, 44100, "MPEG_LAYER_III", 1e-6),
    ],
)
def test_the_files_add_up_to_the_input_at_its_rate_channels_and_length(
    separator, tmp_path, name, channels, rate, subtype, tolerance
):
    path = write(tmp_path / name, channels=channels, rate=rate, subtype=subtype)
    list(separate_file(separator, path, tmp_path / "out"))
    samples, _ = read(path)
    folder = tmp_path / "out" / "a"
    files = sorted(folder.glob("*.wav"))
    assert [file.stem for file in files] == ["alert", "knock", "pageturn", "residual", "speech"]
    total = np.zeros_like(samples)
    for file in files:
        part, part_rate = read(file)
        assert part_rate == rate
        total += part
    assert np.abs(total - samples).max() <= tolerance


def test_each_file_holds_the_source_of_its_class(separator, mixtures, tmp_path, monkeypatch):
    """The mask of class k is (k + 1) / 10 everywhere."""
    predict = Separator.predict

    def predict_levels(self, waveform):
        predicted = predict(self, waveform)
        levels = (torch.arange(len(self.classes)) + 1) / 10
        return predicted._replace(
            masks=levels[:, None, None].expand_as(predicted.masks),
            probabilities=torch.ones(len(self.classes)),
        )

    monkeypatch.setattr(Separator, "predict", predict_levels)
    path = mixtures / "test/000000.wav"
    list(separate_file(separator, path, tmp_path))
    mixture = sound_files.load(path, 16000)
    for index, name in enumerate(separator.classes):
        source = sound_files.load(tmp_path / "000000" / f"{name}.wav", 16000)
        level = source @ mixture / (mixture @ mixture)
        assert level == pytest.approx((index + 1) / 10, abs=0.01)


@pytest.mark.parametrize("gains", [(0.9, 0.9, 0.9, 0.9), (-0.9, -0.9, 0.5, 0.3)])
def test_a_recording_at_full_scale_is_the_sum_of_its_files_too(
    separator, tmp_path, monkeypatch, gains
):
    """Sources that exceed full scale must not be clipped."""
    samples = np.sign(np.sin(np.arange(8000) / 7)) * 0.999
    soundfile.write(tmp_path / "loud.wav", samples, 16000)

    def stream(self, blocks, rate, n_samples):
        mixture = np.concatenate(list(blocks), 1)
        sources = np.stack([gain * mixture for gain in gains])
        yield Segment(
            mixture, sources, np.zeros((4, 8, 16)), np.zeros((8, 16)), np.zeros(4), range(4)
        )

    monkeypatch.setattr(Separator, "stream", stream)
    list(separate_file(separator, tmp_path / "loud.wav", tmp_path / "out"))
    total = sum(read(path)[0] for path in (tmp_path / "out/loud").glob("*.wav"))
    np.testing.assert_array_equal(total, read(tmp_path / "loud.wav")[0])


def test_a_folder_written_before_is_replaced_whole(separator, tmp_path):
    path = write(tmp_path / "a.wav")
    list(separate_file(separator, path, tmp_path / "out", keep=("speech",)))
    list(separate_file(separator, path, tmp_path / "out"))
    assert not (tmp_path / "out/a/remix.wav").exists()
    assert [folder.name for folder in (tmp_path / "out").iterdir()] == ["a"]


def test_a_folder_of_someone_elses_and_the_inputs_own_are_not_touched(separator, tmp_path):
    path = write(tmp_path / "a.wav")
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "out/a/song.wav").write_text("mine")
    with pytest.raises(InputError, match="was not written by absslab separate"):
        list(separate_file(separator, path, tmp_path / "out"))
    assert (tmp_path / "out/a/song.wav").read_text() == "mine"
    (tmp_path / "bell").mkdir()
    inside = write(tmp_path / "bell/bell.wav")
    before = inside.read_bytes()
    with pytest.raises(InputError, match="lies in"):
        list(separate_file(separator, inside, tmp_path))
    assert inside.read_bytes() == before


def test_the_remix_is_the_sum_of_the_classes_that_are_kept(separator, tmp_path):
    path = write(tmp_path / "a.wav")
    list(separate_file(separator, path, tmp_path / "out", keep=("speech", "alert")))
    parts = {
        name: read(tmp_path / "out/a" / f"{name}.wav")[0] for name in ("speech", "alert", "remix")
    }
    np.testing.assert_array_equal(parts["speech"] + parts["alert"], parts["remix"])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_with_gains_the_remix_is_the_sum_of_the_files_with_them_and_nothing_is_cut_off(
    separator, tmp_path, subtype
):
    path = write(tmp_path / "a.wav", subtype=subtype, scale=0.3)
    gains = {"speech": 20.0, "alert": -6.0, "residual": -np.inf}
    list(separate_file(separator, path, tmp_path / "out", gains=gains))
    names = ("alert", "knock", "pageturn", "speech", "residual")
    parts = {name: read(tmp_path / "out/a" / f"{name}.wav")[0] for name in names}
    assert np.abs(sum(parts.values()) - read(path)[0]).max() <= (1e-6 if subtype == "FLOAT" else 0)
    expected = 10 * parts["speech"] + 10**-0.3 * parts["alert"] + parts["knock"] + parts["pageturn"]
    remixed = read(tmp_path / "out/a/remix.wav")[0]
    np.testing.assert_allclose(remixed, expected, atol=1e-6)
    assert soundfile.info(tmp_path / "out/a/remix.wav").subtype == "FLOAT"


def test_with_gains_of_0_dB_the_remix_is_the_input(separator, tmp_path):
    path = write(tmp_path / "a.wav")
    list(separate_file(separator, path, tmp_path / "out", gains={"speech": 0.0}))
    np.testing.assert_array_equal(read(tmp_path / "out/a/remix.wav")[0], read(path)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": ("speech",), "gains": {"speech": 1.0}}, "give one of them"),
        ({"gains": {"speach": 1.0}}, "did you mean speech"),
    ],
)
def test_gains_that_can_not_be_meant_are_refused_before_anything_is_written(
    separator, tmp_path, options, message
):
    path = write(tmp_path / "a.wav")
    with pytest.raises(InputError, match=message):
        list(separate_file(separator, path, tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()


def test_a_class_that_the_model_does_not_know_is_named_with_the_nearest(separator, tmp_path):
    path = write(tmp_path / "a.wav")
    with pytest.raises(InputError, match="did you mean speech"):
        list(separate_file(separator, path, tmp_path / "out", keep=("speach",)))
    assert not (tmp_path / "out").exists()


def test_events_are_within_the_file_and_carry_its_name(separator, mixtures, tmp_path):
    path = mixtures / "test" / "000000.wav"
    list(separate_file(separator, path, tmp_path))
    lines = (tmp_path / "000000" / "events.tsv").read_text().splitlines()
    assert lines[0] == "filename\tonset\toffset\tevent_label"
    for line in lines[1:]:
        name, onset, offset, label = line.split("\t")
        assert (name, label in separator.classes) == ("000000.wav", True)
        assert 0 <= float(onset) < float(offset) <= 2.0


def test_events_are_found_with_the_thresholds_of_the_model(checkpoint, mixtures, tmp_path):
    path = mixtures / "test" / "000000.wav"
    separator = Separator.from_checkpoint(str(checkpoint))
    always = dict.fromkeys(separator.classes, ClassThresholds(0.0, 0.0))
    for name, thresholds in {"all": always, "none": {}}.items():
        separator.model.event_thresholds = EventThresholds(thresholds)
        config = DetectionConfig(tag_threshold=0.0, close_gaps=2.0)
        list(separate_file(separator, path, tmp_path / name, detection=config))
    lines = (tmp_path / "all" / "000000" / "events.tsv").read_text().splitlines()
    assert {line.split("\t")[3] for line in lines[1:]} == set(separator.classes)
    other_lines = (tmp_path / "none" / "000000" / "events.tsv").read_text().splitlines()
    assert other_lines != lines


def test_leaving_in_the_middle_leaves_nothing_half_written(separator, tmp_path):
    path = write(tmp_path / "a.wav", n=16000 * 50)
    run = separate_file(separator, path, tmp_path / "out")
    next(run)
    run.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(checkpoint, tmp_path):
    path = write(tmp_path / "a.wav", n=16000 * 4)
    flags = ["--checkpoint_path", checkpoint, "--input", path, "--output_folder", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-m", "absslab", "separate", *flags],
        capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "disk full" in done.stderr
    assert list((tmp_path / "out").rglob("*.*")) == []


def test_folders_stand_for_the_sound_files_in_them(tmp_path):
    write(tmp_path / "a.wav")
    write(tmp_path / "b.flac")
    (tmp_path / "notes.txt").write_text("not a sound")
    assert [path.name for path in find_inputs([str(tmp_path)])] == ["a.wav", "b.flac"]


def test_inputs_that_would_write_to_one_folder_are_refused(tmp_path):
    write(tmp_path / "a.wav")
    write(tmp_path / "a.flac")
    with pytest.raises(InputError, match="both write"):
        find_inputs([str(tmp_path)])


def test_names_that_differ_by_case_alone_share_a_folder_on_a_case_blind_disk(tmp_path, monkeypatch):
    for name in ("Take.wav", "take.flac"):
        write(tmp_path / name)
    assert len(find_inputs([str(tmp_path)], tmp_path / "out")) == 2
    monkeypatch.setattr(separated_folder, "is_case_blind", lambda folder: True)
    with pytest.raises(InputError, match=r"Take\.wav differ only by case"):
        find_inputs([str(tmp_path)], tmp_path / "out")


def test_files_of_any_name_are_separated_each_into_its_folder(separator, tmp_path):
    names = [b"x" * 246, b"caf\xe9", "tür".encode(), b" blank", b"-dash", b"a:b", b"new\nline"]
    inputs = tmp_path / "in"
    inputs.mkdir()
    for name in names:
        write(tmp_path / "a.wav", n=4000).rename(inputs / os.fsdecode(name + b".wav"))
    files = find_inputs([str(inputs)], tmp_path / "out")
    for path in files:
        list(separate_file(separator, path, tmp_path / "out"))
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == sorted(names)
    for path in files:
        parts = (tmp_path / "out" / path.stem).glob("*.wav")
        total = sum(sound_files.load(part) for part in parts)
        np.testing.assert_array_equal(total, sound_files.load(path))


def test_a_folder_that_is_replaced_when_the_process_ends_is_written_again(
    separator, tmp_path, monkeypatch
):
    path = write(tmp_path / "a.wav")
    output = tmp_path / "out"
    list(separate_file(separator, path, output))
    before = {file.name: file.read_bytes() for file in (output / "a").iterdir()}

    def end_while_removing(folder, **_):
        for file in list(folder.glob("*.wav"))[:1]:
            file.unlink()
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("absslab.core.common.files.shutil.rmtree", end_while_removing)
        with pytest.raises(SystemExit):
            list(separate_file(separator, path, output))
    assert {file.name: file.read_bytes() for file in (output / "a").iterdir()} == before
    monkeypatch.setattr("absslab.core.common.files.is_process_running", lambda process: False)
    list(separate_file(separator, path, output))
    assert [folder.name for folder in output.iterdir()] == ["a"]


def test_a_full_disk_ends_a_batch_and_no_file_is_blamed(checkpoint, mixtures, tmp_path, capsys):
    usage = shutil.disk_usage(tmp_path)
    flags = ["--checkpoint_path", checkpoint, "--input", mixtures / "test"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=100_000))
        assert main(["separate", *map(str, flags), "--output_folder", str(tmp_path / "o")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"o: 0\.32 MB are needed, but 0\.10 MB are free: choose another disk$", line)
    assert not list((tmp_path / "o").iterdir())


def test_a_link_to_itself_is_left_out(tmp_path):
    good = write(tmp_path / "in.wav")
    loop = tmp_path / "loop.wav"
    loop.symlink_to(loop)
    left_out = LeftOut("separate", on_error="skip")
    files = find_inputs([str(good), str(loop)], tmp_path / "out", left_out)
    assert good in files
