"""Files that a table names are found in whatever spelling, or the message says what is meant."""

import os
import unicodedata

import pytest

from absslab.core.common.errors import InputError, MissingRecordingError
from absslab.core.data import audio_finder
from absslab.core.data.audio_finder import AudioFinder


@pytest.fixture
def finder(tmp_path):
    for name in (
        "audio/tone1.wav",
        "audio/sub/Ton 2.WAV",
        "hum1.wav",
        "64760.wav",
        "x.wav",
        " lead.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / unicodedata.normalize("NFD", "tür.flac")).write_bytes(b"")
    return AudioFinder(tmp_path, tmp_path / "weak.tsv")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("hum1.wav", "hum1.wav"),
        ("./hum1.wav", "hum1.wav"),
        ("audio\\tone1.wav", "audio/tone1.wav"),
        (".\\audio\\tone1.wav", "audio/tone1.wav"),
        ("audio\\sub\\Ton 2.WAV", "audio/sub/Ton 2.WAV"),
        ("C:\\Users\\me\\audio\\tone1.wav", "audio/tone1.wav"),
        ("\\\\server\\share\\audio\\tone1.wav", "audio/tone1.wav"),
        ("/home/me/corpus/audio/tone1.wav", "audio/tone1.wav"),
        ("/home/me/audio/sub/ton 2.wav", "audio/sub/Ton 2.WAV"),
        ("file:///home/me/audio/tone1.wav", "audio/tone1.wav"),
        ("file://localhost/home/me/audio/sub/Ton%202.WAV", "audio/sub/Ton 2.WAV"),
        ("file:///C:/Users/me/audio/tone1.wav", "audio/tone1.wav"),
        ("FILE:///C:\\Users\\me\\hum1.wav", "hum1.wav"),
        ("hum1.WAV", "hum1.wav"),
        ("HUM1.wav", "hum1.wav"),
        ("64760", "64760.wav"),
        ("audio/tone1", "audio/tone1.wav"),
        ("audio\\tone1", "audio/tone1.wav"),
        (" lead.wav", " lead.wav"),
        ("lead.wav", " lead.wav"),
        ("lead", " lead.wav"),
        ("tür.flac", unicodedata.normalize("NFD", "tür.flac")),
    ],
)
def test_a_file_is_found_however_its_path_is_written(finder, name, found):
    assert os.path.relpath(finder.find(name), finder.folder) == os.path.normpath(found)


def test_absolute_paths_in_the_folder_itself_are_found(finder):
    assert finder.find(str(finder.folder / "hum1.wav")) == finder.folder / "hum1.wav"


def test_what_was_found_in_another_spelling_is_counted_and_said(finder):
    finder.find("hum1.wav")
    assert finder.notes == []
    finder.find("audio\\tone1.wav")
    finder.find("64760")
    (note,) = finder.notes
    assert "2 names were found in another spelling" in note
    assert "audio\\tone1.wav as audio/tone1.wav" in note


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tone1.wav", "; did you mean audio/tone1.wav?"),
        ("other/tone1.wav", "; did you mean audio/tone1.wav?"),
        ("hum1.mp3", "; did you mean hum1.wav?"),
        ("humm1.wav", "; did you mean hum1.wav?"),
        ("nothing.wav", "which is not in"),
        ("", "which is not in"),
        ("..", "which is not in"),
        ("../hum1.wav", "which is not in"),
        ("..\\hum1.wav", "which is not in"),
        ("a" * 5000, "which is not in"),
    ],
)
def test_what_is_not_there_is_refused_with_what_may_be_meant(finder, name, hint):
    with pytest.raises(InputError) as caught:
        finder.find(name)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_spelling_that_fits_two_files_is_refused_with_both(finder):
    (finder.folder / "x.flac").write_bytes(b"")
    with pytest.raises(InputError, match=r"did you mean x\.flac or x\.wav\?"):
        finder.find("x")
    (finder.folder / "HUM1.wav").write_bytes(b"")
    if len(list(finder.folder.glob("*um1.wav"))) == 2:  # the disk tells case apart
        finder.find("HUM1.wav")


def test_a_name_that_lies_in_several_folders_is_refused_with_them(finder):
    (finder.folder / "audio" / "sub" / "tone1.wav").write_bytes(b"")
    for name in ("tone1.wav", "C:\\other\\tone1.wav", "other/tone1.flac"):
        with pytest.raises(InputError, match=r"mean audio/sub/tone1\.wav or audio/tone1\.wav\?"):
            finder.find(name)


def test_files_that_were_not_looked_for_are_counted_and_named(finder):
    for name in ("hum1.wav", "x.wav", "64760", "audio\\tone1.wav", "lead.wav"):
        finder.find(name)
    (note,) = finder.note_unnamed()
    assert "weak.tsv does not name 2 sound files of the folder, which are left out" in note
    assert "audio/sub/Ton 2.WAV" in note
    (finder.folder / "hum1").mkdir()
    (finder.folder / "hum1" / "hum.wav").write_bytes(b"")  # a source of the mixture hum1.wav
    finder.find("tür.flac")
    finder.find("audio/sub/Ton 2.WAV")
    assert finder.note_unnamed() == []


def test_two_names_of_one_file_are_refused(finder):
    finder.find("hum1.wav")
    with pytest.raises(InputError, match=r"twice, as 'hum1\.wav' and as '\./hum1\.wav'"):
        finder.find("./hum1.wav")


def test_a_loop_of_links_ends(finder):
    (finder.folder / "audio" / "again").symlink_to(finder.folder)
    with pytest.raises(InputError, match="did you mean audio/tone1"):
        finder.find("tone1.wav")


def test_similar_names_are_looked_for_only_for_the_first_missing_ones(finder, monkeypatch):
    asked = []
    monkeypatch.setattr(
        audio_finder, "suggest_nearest", lambda name, known: asked.append(name) or ""
    )
    for index in range(30):
        with pytest.raises(MissingRecordingError, match="which is not in"):
            finder.find(f"missing{index}.wav")
    assert asked == [f"missing{index}.wav" for index in range(10)]
