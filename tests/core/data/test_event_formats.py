"""Events are converted from and to the tables of Audacity and Raven, and come back."""

import pytest

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.data.event_formats import (
    ConversionConfig,
    LabelledEvent,
    convert_events,
    read_any_events,
)
from absslab.core.data.strong_labels import SoundEvent, read_events

AUDACITY = "0.050000\t0.500000\ttone\n\\\t300.0\t900.0\n0.6\t0.7\tChirp, tweet\n"
RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\t"
    "Low Freq (Hz)\tHigh Freq (Hz)\tAnnotation\n"
    "1\tWaveform 1\t1\t0.05\t0.5\t300.0\t900.0\ttone\n"
    "1\tSpectrogram 1\t1\t0.05\t0.5\t300.0\t900.0\ttone\n"
    "2\tSpectrogram 1\t1\t0.6\t0.7\t300.0\t900.0\tChirp, tweet\n"
)
EVENTS = [
    LabelledEvent("a.wav", 0.05, 0.5, "tone"),
    LabelledEvent("a.wav", 0.6, 0.7, "Chirp, tweet"),
]


def convert(tmp_path, text, name="a.txt", to="events", output="out", **options):
    (tmp_path / name).write_text(text)
    config = ConversionConfig(
        input=(str(tmp_path / name),), output=str(tmp_path / output), to=to, **options
    )
    return convert_events(config)


@pytest.mark.parametrize(
    "text",
    [
        AUDACITY,
        AUDACITY.replace("0.", "0,"),
        AUDACITY.replace("\n", "\r\n"),
        RAVEN,
        RAVEN.replace("Annotation", "Species"),
        RAVEN.replace("0.05", "0,05"),
        "filename\tonset\toffset\tevent_label\na.wav\t0.05\t0.5\ttone\n"
        "a.wav\t0.6\t0.7\tChirp, tweet\nb.wav\tNaN\tNaN\tNaN\n",
    ],
)  # fmt: skip
def test_events_of_each_program_are_read(tmp_path, text):
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert read_any_events(tmp_path / "a.txt") == EVENTS


def test_a_file_of_raven_may_be_called_after_the_recording_in_its_own_way(tmp_path):
    (tmp_path / "a.Table.1.selections.txt").write_text(RAVEN)
    assert read_any_events(tmp_path / "a.Table.1.selections.txt") == EVENTS


def test_several_recordings_in_a_table_of_raven_are_told_apart(tmp_path):
    text = (
        "Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tType\n"
        "1\t60.5\t61.0\tb.wav\t0.5\tbird\n"
    )
    (tmp_path / "t.txt").write_text(text)
    assert read_any_events(tmp_path / "t.txt") == [LabelledEvent("b.wav", 0.5, 1.0, "bird")]


def test_the_column_of_labels_is_chosen_or_asked_for(tmp_path):
    (tmp_path / "a.txt").write_text(RAVEN.replace("Annotation", "my notes"))
    with pytest.raises(InputError, match="pass one as --label_column"):
        read_any_events(tmp_path / "a.txt")
    with pytest.raises(InputError, match="no column 'my note'; did you mean my notes"):
        read_any_events(tmp_path / "a.txt", label_column="my note")
    assert read_any_events(tmp_path / "a.txt", label_column="my notes") == EVENTS


def test_labels_without_text_are_left_out_and_counted(tmp_path):
    (tmp_path / "a.txt").write_text("0.1\t0.2\t\n0.1\t0.2\n0.5\t0.6\tx\n")
    with collect_notices() as notices:
        assert len(read_any_events(tmp_path / "a.txt")) == 1
    assert "2 events without a label left out" in str(notices[0])


@pytest.mark.parametrize("to", ["audacity", "raven"])
def test_what_was_converted_comes_back(tmp_path, to):
    text = (
        "filename\tonset\toffset\tevent_label\n"
        "a.wav\t0.050000\t0.500000\tChirp, tweet\nsub/b.wav\t1.000000\t2.250000\ttone\n"
    )
    files = convert(tmp_path, text, "events.tsv", to)
    assert len(files) == 2
    events = [event for path in files for event in read_any_events(path)]
    assert [event[1:] for event in events] == [(0.05, 0.5, "Chirp, tweet"), (1.0, 2.25, "tone")]
    assert [event.filename for event in events] == ["a.wav", "b.wav"]


def test_a_converted_table_is_what_scores_read(tmp_path, capsys):
    (tmp_path / "a.txt").write_text(AUDACITY)
    output = tmp_path / "events.tsv"
    arguments = ["labels", "convert", "--input", str(tmp_path / "a.txt"), "--output", str(output)]
    assert main(arguments) == 0
    assert read_events(output, classes=["tone", "Chirp, tweet"], durations={"a.wav": 1.0}) == {
        "a.wav": [SoundEvent("tone", 0.05, 0.5), SoundEvent("Chirp, tweet", 0.6, 0.7)]
    }
    before = output.read_bytes()
    assert main(arguments) == 2
    assert "exists: choose another output" in capsys.readouterr().err
    assert output.read_bytes() == before


def test_a_folder_of_label_tracks_becomes_one_table(tmp_path):
    (tmp_path / "tracks").mkdir()
    for name in ("a", "b"):
        (tmp_path / "tracks" / f"{name}.txt").write_text(AUDACITY)
    config = ConversionConfig(input=(str(tmp_path / "tracks"),), output=str(tmp_path / "e.tsv"))
    convert_events(config)
    assert (tmp_path / "e.tsv").read_text().count("a.wav\t") == 2
    assert (tmp_path / "e.tsv").read_text().count("b.wav\t") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.1\t0.2\tx\n0.3 0.4 y\n", "line 2: expected onset, offset and label"),
        ("0.1\t0.2\tx\n1:03\t2\ty\n", "line 2: '1:03' is no time"),
        (RAVEN.replace("0.6", "soon"), "'soon' is no time"),
        ("what is this\n", "no column 'filename'"),
        ("filename\tonset\toffset\tevent_label\n../a.wav\t0\t1\tx\n", "leads out"),
        ("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tx\na.mp3\t0\t1\tx\n", "the same file"),
    ],
)
def test_what_can_not_be_converted_is_one_line_and_writes_nothing(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        convert(tmp_path, text, to="audacity")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_expects(capsys):
    for arguments in (["labels"], ["labels", "copy"], ["labels", "convert"]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_an_event_of_no_class_is_left_out_and_counted(tmp_path):
    rows = "filename\tonset\toffset\tevent_label\nb.wav\t3\t1\tNaN\na.wav\t0\t1\ttone\n"
    with collect_notices() as notices:
        (path,) = convert(tmp_path, rows, "events.tsv")
    assert "events.tsv: 1 event without a label left out" in str(notices[0])
    assert path.read_text().splitlines()[1:] == ["a.wav\t0.000000\t1.000000\ttone", "b.wav\t\t\t"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("b.txt", ""),
        ("b.txt", "\n"),
        ("b.Table.1.selections.txt", RAVEN.splitlines()[0] + "\n"),
        ("e.tsv", "filename\tonset\toffset\tevent_label\nb.wav\n"),
        ("e.tsv", "filename\tonset\toffset\tevent_label\nb.wav\tNaN\tNaN\tNaN\n"),
    ],
)
def test_a_recording_without_events_does_not_disappear(tmp_path, name, text):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(AUDACITY)
    for to, written in (("events", None), ("audacity", "b"), ("raven", "b.Table.1.selections")):
        output = tmp_path / to
        (tmp_path / "in" / name).write_text(text)
        convert_events(ConversionConfig(input=(str(tmp_path / "in"),), output=str(output), to=to))
        if written:
            output /= f"{written}.txt"
        table = tmp_path / f"{to}.tsv"
        convert_events(ConversionConfig(input=(str(output),), output=str(table)))
        durations = {"b.wav": 1.0} if written else {"a.wav": 1.0, "b.wav": 1.0}
        assert table.read_text().splitlines()[-1] == "b.wav\t\t\t"
        events = read_events(table, classes=["tone", "Chirp, tweet"], durations=durations)
        assert events["b.wav"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5\t0.1\tx\n", "line 1: the event ends at 0.1 s, not after its onset at 0.5 s"),
        (RAVEN.replace("0.7", "0.5"), "line 4: the event ends at 0.5 s"),
        ("filename\tonset\toffset\tevent_label\na.wav\t3\t1\tx\n", "line 2: the event ends at 1 s"),
        ("filename\tonset\toffset\tevent_label\n\t1\t3\tx\n", "line 2: there is no filename"),
    ],
)  # fmt: skip
def test_impossible_events_are_not_converted(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        convert(tmp_path, text)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()
