"""No class and no sound is lost without a word when mixtures are made."""

import os
import shutil

import numpy as np
import pytest
import soundfile
from sound_kinds import encode, tone

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut, read_left_out
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import read_manifest, read_specs
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.recordings import index_backgrounds, index_recordings, indexing_steps

RATE = 8000


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a sub-folder for each of two classes."""
    for name, frequency in (("hum", 200), ("beep", 1500)):
        (tmp_path / "events" / name).mkdir(parents=True)
        for number in range(3):
            samples = tone(0.2 + number / 10, RATE, frequency)
            soundfile.write(tmp_path / "events" / name / f"{number}.wav", samples, RATE)
    return tmp_path / "events"


@pytest.fixture
def closed(monkeypatch):
    """Return a function that makes a folder unreadable, for root too."""
    folders = []
    scan = os.scandir

    def scandir(path="."):
        if str(path) in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", scandir)
    return lambda path: folders.append(str(path))


def mix(folder, output, *flags):
    arguments = ["mix", "--event_folder", str(folder), "--output_folder", str(output)]
    arguments += ["--n_files", "6", "--sampling_rate", "8000", "--n_workers", "1"]
    arguments += ["--split_percentages", "34", "33", "33"]
    return main([*arguments, "--length", "1", *flags])


def test_a_sub_folder_that_may_not_be_read_stops_the_work(folder, tmp_path, closed, capsys):
    closed(folder / "hum")
    assert mix(folder, tmp_path / "O") == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{folder}/hum can't be read: Permission denied" in said[0]
    assert "--on_error skip" in said[0]
    assert not (tmp_path / "O").exists()


def test_a_sub_folder_that_may_not_be_read_is_left_out_and_its_class_is_named(
    folder, tmp_path, closed, capsys
):
    closed(folder / "hum")
    assert mix(folder, tmp_path / "O", "--on_error", "skip") == 3
    said = capsys.readouterr().err
    assert "lack hum: no file can be used" in said
    assert [row["file"] for row in read_left_out(tmp_path / "O" / "left_out.csv")] == [
        f"{folder}/hum"
    ]
    assert list(read_manifest(tmp_path / "O").left_out) == ["hum"]


@pytest.mark.parametrize("deep", [False, True])
def test_no_folder_below_backgrounds_is_passed_over(folder, closed, deep):
    inner = folder / "hum" / "deep" if deep else folder / "hum"
    inner.mkdir(exist_ok=True)
    closed(inner)
    with pytest.raises(InputError, match=r"can't be read: Permission denied"):
        index_backgrounds(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rec1", encode(tone(0.3, RATE), RATE, "WAV", "PCM_16")),
        ("rec1.data", encode(tone(0.3, RATE), RATE, "FLAC", "PCM_16")),
        ("rec1.wav.bak", encode(tone(0.3), 16000, "MP3", "MPEG_LAYER_III")),
        ("rec1.x", b"ID3\4\0\0" + bytes(4) + encode(tone(0.3), 16000, "MP3", "MPEG_LAYER_III")),
        ("rec1.ogx", encode(tone(0.3), 16000, "OGG", "VORBIS")),
    ],
)
def test_a_sound_without_the_suffix_of_one_is_named(folder, tmp_path, name, content, capsys):
    (folder / "hum" / name).write_bytes(content)
    assert mix(folder, tmp_path / "O") == 2
    said = capsys.readouterr().err
    assert f"{folder}/hum/{name} holds a sound, but its name has no suffix of one: rename" in said
    assert not (tmp_path / "O").exists()
    assert mix(folder, tmp_path / "O", "--on_error", "skip") == 3
    assert len(read_left_out(tmp_path / "O" / "left_out.csv")) == 1


def test_a_class_all_of_whose_sounds_lack_a_suffix_is_named(folder, tmp_path, capsys):
    for path in list((folder / "hum").iterdir()):
        path.rename(path.with_suffix(""))
    assert mix(folder, tmp_path / "O", "--on_error", "skip") == 3
    assert "lack hum: no file can be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ([], "holds nothing: there is no class hum"),
        (["a.txt"], "holds no sound, only a.txt: there is no class hum"),
        (["a.txt", "b.pcm", "c"], "holds no sound, only 3 other files such as a.txt: there is no"),
        ([".a.wav"], "holds nothing: there is no class hum"),
    ],
)
def test_a_sub_folder_without_sounds_is_no_class_and_this_is_said(folder, files, line):
    shutil.rmtree(folder / "hum")
    (folder / "hum").mkdir()
    for name in files:
        (folder / "hum" / name).write_text("nothing to hear")
    with collect_notices() as notices:
        recordings = index_recordings(folder)
    assert {recording.event_label for recording in recordings} == {"beep"}
    assert len(notices) == 1
    assert notices[0].with_names().startswith(f"hum {line}")


def test_other_files_beside_sounds_need_no_word(folder):
    for name in ("notes.txt", "labels.csv", "hum/readme.md", "beep/cover.jpg", "hum/photo.heic"):
        (folder / name).write_bytes(b"\0\0\0\x18ftypheic" if "heic" in name else b"nothing")
    left_out = LeftOut("mix")
    with collect_notices() as notices:
        indexed = run_to_end(indexing_steps(folder, left_out=left_out))
    assert len(indexed.recordings) == 6
    assert notices == []
    assert not left_out


# --- events that do not fit into their mixtures


def write(folder, output, **mixing):
    config = MixtureFolderConfig(
        event_folder=str(folder),
        output_folder=str(output),
        n_files=6,
        n_workers=1,
        split_percentages=(34, 33, 33),
    )
    with collect_notices() as notices:
        run_to_end(write_mixtures(config, MixingConfig(sampling_rate=8000, **mixing)))
    return [notice.with_names() for notice in notices]


@pytest.mark.parametrize("overlap", [False, True])
def test_events_longer_than_their_mixtures_are_counted_and_named(folder, tmp_path, overlap):
    for number in range(3):
        os.unlink(folder / "hum" / f"{number}.wav")
        soundfile.write(folder / "hum" / f"{number}.wav", tone(1.5 + number / 10, RATE, 200), RATE)
    lines = write(folder, tmp_path / "O", length=1.0, overlap=overlap)
    manifest = read_manifest(tmp_path / "O")
    specs = [spec for split in manifest.n_mixtures for spec in read_specs(tmp_path / "O", split)]
    events = [event for spec in specs for event in spec.events]
    long = [event for event in events if event.event_label == "hum"]
    names = {os.path.basename(event.recording) for event in long}
    assert len(long) > 1
    assert len(lines) == 1
    assert lines[0].startswith(f"{len(long)} events of ")
    assert all(name in lines[0] for name in names)
    assert "are longer than a mixture and are cut in O to at most 1 s: pass a longer" in lines[0]
    in_manifest = manifest.cut_events.items()
    counts = {path: count for path, count in in_manifest if path.startswith("hum/")}
    assert sum(counts.values()) == len(long)
    assert set(counts) == {f"hum/{name}" for name in names}
    assert write(folder, tmp_path / "O", length=1.0, overlap=overlap) == lines  # and again


def test_events_that_are_longer_by_the_padding_of_a_codec_are_counted_alone(folder, tmp_path):
    for number, path in enumerate(sorted(folder.glob("hum/*.wav"))):
        path.unlink()
        soundfile.write(path, tone(3.005, RATE, 200 + number), RATE)
    assert write(folder, tmp_path / "O", length=3.0) == []
    assert any(path.startswith("hum/") for path in read_manifest(tmp_path / "O").cut_events)


def test_events_that_fit_need_no_word(folder, tmp_path):
    assert write(folder, tmp_path / "O", length=3.0) == []
    assert read_manifest(tmp_path / "O").cut_events == {}
    assert "cut_events" not in (tmp_path / "O" / "manifest.json").read_text()


# --- nothing is left of what was refused


def test_a_length_that_takes_more_memory_than_there_is_leaves_nothing(folder, tmp_path, capsys):
    assert mix(folder, tmp_path / "O", "--length", "1e9") == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "length is 1e+09: a mixture would take " in said[0]
    assert "GiB of memory" in said[0]
    assert not (tmp_path / "O").exists()


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("exists", [False, True])
def test_work_that_fails_at_its_first_mixture_leaves_nothing(
    folder, tmp_path, monkeypatch, error, exists
):
    if exists:
        (tmp_path / "O").mkdir()

    def fail(*_):
        raise error

    monkeypatch.setattr("absslab.core.data.mixture_writer.render", fail)
    with pytest.raises(type(error)):
        write(folder, tmp_path / "O")
    assert (tmp_path / "O").exists() == exists
    assert not exists or list((tmp_path / "O").iterdir()) == []


def test_work_that_fails_later_keeps_what_is_done(folder, tmp_path, monkeypatch):
    from absslab.core.data import mixture_writer

    render = mixture_writer.render
    calls = []

    def fail_at_third(spec):
        calls.append(spec)
        if len(calls) == 3:
            raise MemoryError
        return render(spec)

    monkeypatch.setattr(mixture_writer, "render", fail_at_third)
    with pytest.raises(MemoryError):
        write(folder, tmp_path / "O")
    assert (tmp_path / "O" / "manifest.json").exists()
    assert len(list((tmp_path / "O").rglob("*.wav"))) == 2
    monkeypatch.setattr(mixture_writer, "render", render)
    write(folder, tmp_path / "O")
    assert len(list((tmp_path / "O").rglob("*.wav"))) == 6
    assert np.isfinite(soundfile.read(tmp_path / "O" / "train" / "000000.wav")[0]).all()


def test_too_few_backgrounds_are_told_with_why_the_others_can_not_be_used(folder, tmp_path, capsys):
    backgrounds = tmp_path / "backgrounds"
    backgrounds.mkdir()
    for number in range(3):
        (backgrounds / f"{number}.wav").write_text("no sound")
    flags = ["--background_folder", str(backgrounds), "--on_error", "skip"]
    assert mix(folder, tmp_path / "O", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "has 0 recordings: expected at least 3, one for each split; 3 of 9 files can't be" in line
    )
    assert f"{backgrounds}/0.wav is not a readable sound file" in line
