"""Events are converted from and to the tables of Audacity and Raven, and come back."""

import os

import pytest

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import read_left_out
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
    return convert_events(config).files


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


# --- folders of tracks


@pytest.fixture
def tracks(tmp_path):
    """Return a function that writes a folder of label tracks."""

    def write(**texts):
        for name, text in texts.items():
            path = tmp_path / "tracks" / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(tmp_path / "tracks")

    return write


TRACK = "0.1\t0.2\ttone\n"


def convert_tracks(tmp_path, *inputs, to="events", on_error="stop"):
    output = tmp_path / ("events.tsv" if to == "events" else "out")
    config = ConversionConfig(input=inputs, output=str(output), to=to, on_error=on_error)
    return convert_events(config)


def names_in(path):
    return [line.split("\t")[0] for line in path.read_text().splitlines()[1:]]


def test_sub_folders_and_suffixes_in_any_case_are_read(tmp_path, tracks):
    folder = tracks(
        a_TXT=TRACK, b_Txt=TRACK, c_txt=TRACK, site__a_txt=TRACK, site__deep__a_TXT=TRACK
    )
    convert_tracks(tmp_path, folder)
    assert sorted(names_in(tmp_path / "events.tsv")) == [
        "a.wav",
        "b.wav",
        "c.wav",
        "site/a.wav",
        "site/deep/a.wav",
    ]
    again = ConversionConfig(
        input=(str(tmp_path / "events.tsv"),), output=str(tmp_path / "out"), to="audacity"
    )
    assert len(convert_events(again).files) == 5
    assert (tmp_path / "out/site/deep/a.txt").read_text() == "0.100000\t0.200000\ttone\n"


def test_a_table_in_a_sub_folder_names_recordings_beside_it(tmp_path, tracks):
    table = "filename\tonset\toffset\tevent_label\na.wav\t0\t1\tx\nb.wav\t\t\t\n"
    convert_tracks(tmp_path, tracks(site__events_tsv=table))
    assert names_in(tmp_path / "events.tsv") == ["site/a.wav", "site/b.wav"]


def test_two_tracks_of_one_recording_are_refused_by_name(tmp_path, tracks):
    folder = tracks(one__a_txt=TRACK, two__a_txt=TRACK)
    with pytest.raises(InputError) as caught:
        convert_tracks(tmp_path, f"{folder}/one", f"{folder}/two")
    assert f"{folder}/two/a.txt and {folder}/one/a.txt are both of the recording 'a.wav'" in str(
        caught.value
    )
    assert not (tmp_path / "events.tsv").exists()
    folder = tracks(three__a_txt=TRACK, three__a_TXT=TRACK)
    with pytest.raises(InputError, match=r"are both of the recording 'a\.wav'"):
        convert_tracks(tmp_path, f"{folder}/three")


@pytest.mark.parametrize("to", ["events", "audacity"])
def test_a_foreign_file_is_named_or_left_out(tmp_path, tracks, to, capsys):
    folder = tracks(a_txt=TRACK, b_txt=TRACK, readme_txt="Recorded in May.\n")
    output = tmp_path / ("events.tsv" if to == "events" else "out")
    flags = ["labels", "convert", "--input", folder, "--output", str(output), "--to", to]
    assert main(flags) == 2
    said = capsys.readouterr().err
    assert "readme.txt has no column 'filename'" in said
    assert "--on_error skip" in said
    assert not output.exists()
    assert main([*flags, "--on_error", "skip"]) == 3
    assert "1 of 3 files was left out" in capsys.readouterr().err
    table = tmp_path / "left_out.csv" if to == "events" else output / "left_out.csv"
    assert [row["file"] for row in read_left_out(table)] == [f"{folder}/readme.txt"]
    assert output.exists()


def test_nothing_is_written_if_no_file_can_be_read(tmp_path, tracks, capsys):
    folder = tracks(readme_txt="Recorded in May.\n")
    with pytest.raises(InputError, match=r"readme\.txt has no column"):
        convert_tracks(tmp_path, folder, on_error="skip")
    assert [path.name for path in tmp_path.iterdir()] == ["tracks"]


def test_a_pipe_is_one_line_and_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.txt")
    output = tmp_path / "events.tsv"
    for given in (tmp_path / "pipe.txt", tmp_path):
        flags = ["labels", "convert", "--input", str(given), "--output", str(output)]
        assert main(flags) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "pipe.txt is a pipe" in line
        assert not output.exists()


# --- what programs write besides


def test_frequencies_and_points_of_audacity(tmp_path):
    text = "0.5\t0.5\tpoint\n1.0\t2.0\ttone\n\\\t100.0\t2000.0\n\\\t-1\t-1\n-0.000000\t1e-01\tx\n"
    (tmp_path / "a.txt").write_text(text)
    events = read_any_events(tmp_path / "a.txt")
    assert [event[1:] for event in events] == [
        (0.5, 0.5, "point"),
        (1.0, 2.0, "tone"),
        (0.0, 0.1, "x"),
    ]


def test_a_track_whose_first_label_has_an_odd_time_is_known_too(tmp_path):
    (tmp_path / "a.txt").write_text("-0.0\t1e-3\tx\n")
    assert read_any_events(tmp_path / "a.txt") == [("a.wav", 0.0, 0.001, "x")]
    (tmp_path / "a.txt").write_text("-0.5\t1.0\tx\n")
    with pytest.raises(InputError, match=r"a\.txt, line 1: '-0\.5' is no time in seconds"):
        read_any_events(tmp_path / "a.txt")


@pytest.mark.parametrize("comma", [False, True])
def test_rows_of_several_views_and_channels_are_one_event(tmp_path, comma):
    head = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tAnnotation\n"
    rows = [
        "1\tWaveform 1\t1\t0.5\t0.75\ttone\n",
        "1\tSpectrogram 1\t1\t0.5\t0.75\ttone\n",
        "2\tSpectrogram 1\t2\t0.5\t0.75\ttone\n",
        "3\tSpectrogram 1\t1\t0.5\t0.75\thum\n",
    ]
    text = head + "".join(rows)
    (tmp_path / "a.txt").write_text(text.replace(".", ",") if comma else text)
    with collect_notices() as notices:
        events = read_any_events(tmp_path / "a.txt")
    assert [event[1:] for event in events] == [(0.5, 0.75, "tone"), (0.5, 0.75, "hum")]
    assert [notice.with_names() for notice in notices] == [
        "a.txt: 1 event that stands there twice left out"
    ]


def test_a_comma_among_points_may_mean_thousands_and_is_refused(tmp_path):
    head = "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n"
    path = tmp_path / "a.txt"
    path.write_text(head + "1\t0.5\t0.75\ttone\n2\t1,234\t1,300\ttone\n")
    expected = r"'0\.5' in line 2 and '1,234' in line 3: expected one decimal separator"
    with pytest.raises(InputError, match=expected):
        read_any_events(path)
    path.write_text(head + "1\t0.5\t0.75\ttone\n2\t1,234.5\t1,300.5\ttone\n")
    assert [event.onset for event in read_any_events(path)] == [0.5, 1234.5]
