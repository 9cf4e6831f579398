"""Strong labels are read back as written; impossible ones are refused, with their place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.data.strong_labels import EVENT_COLUMNS, SoundEvent, read_events, write_events

CLASSES = ["cough", "knock", "speech"]
DURATIONS = {"a.wav": 10.0, "b.wav": 2.0}
HEADER = "filename\tonset\toffset\tevent_label\n"


def read(folder, *rows, durations=DURATIONS):
    (folder / "events.tsv").write_text(
        HEADER + "".join(row.replace(" ", "\t") + "\n" for row in rows), encoding="utf-8"
    )
    return read_events(folder / "events.tsv", classes=CLASSES, durations=durations)


def refusal_of(folder, *rows):
    """Return the message with which a file is refused, a single line."""
    with pytest.raises(InputError) as caught:
        read(folder, *rows)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_written_is_read_back(tmp_path):
    rows = [
        ("b.wav", 0.25, 1.0, "knock"),
        ("a.wav", 3.000001, 9.5, "speech"),
        ("a.wav", 0.0, 10.0, "cough"),
    ]
    write_events(tmp_path / "events.tsv", rows)
    assert read_events(tmp_path / "events.tsv", classes=CLASSES, durations=DURATIONS) == {
        "a.wav": [SoundEvent("speech", 3.000001, 9.5), SoundEvent("cough", 0.0, 10.0)],
        "b.wav": [SoundEvent("knock", 0.25, 1.0)],
    }


def test_the_table_is_that_of_DCASE(tmp_path):
    write_events(
        tmp_path / "events.tsv", [("a.wav", 0.5, 1.25, "cough"), ("a.wav", 1 / 3, 2, "knock")]
    )
    assert (tmp_path / "events.tsv").read_bytes() == (
        b"filename\tonset\toffset\tevent_label\na.wav\t0.500000\t1.250000\tcough\na.wav\t0.333333\t2.000000\tknock\n"
    )
    assert tuple(HEADER.split()) == EVENT_COLUMNS


def test_nothing_to_write_is_a_header_alone_and_reads_as_silence(tmp_path):
    write_events(tmp_path / "events.tsv", [])
    assert (tmp_path / "events.tsv").read_text() == HEADER
    assert read_events(tmp_path / "events.tsv", classes=CLASSES, durations=DURATIONS) == {
        "a.wav": [],
        "b.wav": [],
    }


@pytest.mark.parametrize("mark", ["NaN", "-", "none"])
def test_an_event_without_a_label_is_left_out_and_counted(tmp_path, mark):
    with collect_notices() as notices:
        events = read(tmp_path, f"a.wav 1 2 {mark}", "a.wav 3 4 knock")
    assert events["a.wav"] == [SoundEvent("knock", 3.0, 4.0)]
    assert ["1 event without a label, left out, in line 2" in str(item) for item in notices] == [
        True
    ]


def test_names_may_hold_anything(tmp_path):
    names = ['a "b".wav', "tab\there.wav", "ü ß, comma.wav"]
    write_events(tmp_path / "events.tsv", [(name, 0.0, 1.0, "cough") for name in names])
    events_of_files = read_events(
        tmp_path / "events.tsv", classes=CLASSES, durations=dict.fromkeys(names, 2.0)
    )
    assert events_of_files == {name: [SoundEvent("cough", 0.0, 1.0)] for name in names}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a.wav", "b.wav"]),
            st.floats(0, 3600),
            st.floats(1e-3, 3600),
            st.sampled_from(CLASSES),
        ),
        max_size=5,
    )
)
def test_times_are_kept_to_the_microsecond(tmp_path_factory, rows_drawn):
    rows = [(name, onset, onset + length, label) for name, onset, length, label in rows_drawn]
    path = tmp_path_factory.mktemp("events") / "events.tsv"
    write_events(path, rows)
    events_of_files = read_events(path, classes=CLASSES, durations=dict.fromkeys(DURATIONS, 7200.1))
    for name, events in events_of_files.items():
        expected = [row for row in rows if row[0] == name]
        assert [event.event_label for event in events] == [row[3] for row in expected]
        assert [event.onset for event in events] == pytest.approx(
            [row[1] for row in expected], abs=1e-6
        )
        assert [event.offset for event in events] == pytest.approx(
            [row[2] for row in expected], abs=1e-6
        )


def test_recordings_that_the_table_does_not_name_have_no_events(tmp_path):
    assert read(tmp_path, "a.wav 0 1 cough")["b.wav"] == []


def test_a_row_with_a_name_alone_says_that_nothing_sounds(tmp_path):
    assert read(tmp_path, "a.wav   ", "b.wav 0 1 cough") == {
        "a.wav": [],
        "b.wav": [SoundEvent("cough", 0.0, 1.0)],
    }


def test_rows_of_other_recordings_that_are_there_are_skipped_whatever_they_say(tmp_path):
    (tmp_path / "other.wav").write_bytes(b"")
    assert read(tmp_path, "other.wav 5 4 bark", "b.wav 0 1 cough")["b.wav"] == [
        SoundEvent("cough", 0.0, 1.0)
    ]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other.wav").write_bytes(b"")
    assert read(tmp_path, "deep/other.wav 0 1 cough", "b.wav 0 1 cough")["a.wav"] == []


def test_a_table_of_other_recordings_alone_is_refused(tmp_path):
    (tmp_path / "other.wav").write_bytes(b"")
    assert "names only other recordings: expected recordings such as a.wav" in refusal_of(
        tmp_path, "other.wav 0 1 cough"
    )


def test_names_are_the_same_however_their_path_is_written(tmp_path):
    assert read(tmp_path, "./b.wav 0 1 cough")["b.wav"] == [SoundEvent("cough", 0.0, 1.0)]


def test_a_recording_that_is_not_there_is_refused_with_the_nearest_that_is(tmp_path):
    message = refusal_of(tmp_path, "a.wav 0 1 cough", "bb.wav 0 1 cough")
    assert "events.tsv, row 3" in message
    assert "no recording 'bb.wav'" in message
    assert "did you mean b.wav?" in message
    (tmp_path / "folder.wav").mkdir()
    assert "no recording 'folder.wav'" in refusal_of(tmp_path, "folder.wav 0 1 cough")
    assert "no recording ''" in refusal_of(tmp_path, " 0 1 cough")


def test_an_event_may_end_up_to_a_tenth_of_a_second_behind_the_recording_and_is_cut(tmp_path):
    assert read(tmp_path, "b.wav 1.5 2.000001 cough", "b.wav 1.5 2.1 knock")["b.wav"] == [
        SoundEvent("cough", 1.5, 2.0),
        SoundEvent("knock", 1.5, 2.0),
    ]


def test_an_event_that_ends_further_behind_is_cut_and_counted(tmp_path):
    with collect_notices() as notices:
        events = read(tmp_path, "b.wav 1.5 2.101 cough", "a.wav 1 2 knock", "b.wav 1 9 knock")
    assert events["b.wav"] == [SoundEvent("cough", 1.5, 2.0), SoundEvent("knock", 1.0, 2.0)]
    (notice,) = map(str, notices)
    assert "events.tsv: 2 events cut at the end of the recording, the first in line 2" in notice


def test_what_lies_behind_the_recording_altogether_is_cut_to_nothing(tmp_path):
    with collect_notices() as notices:
        assert read(tmp_path, "b.wav 2 2.05 cough", "b.wav 2.05 2.1 cough")["b.wav"] == []
    assert "2 events behind the end of the recording, left out" in str(notices[0])
    with collect_notices() as notices:
        assert read(tmp_path, "b.wav 3 4 cough")["b.wav"] == []
    assert "1 event behind the end of the recording, left out, in line 2" in str(notices[0])


def test_events_without_length_are_left_out_and_counted(tmp_path):
    with collect_notices() as notices:
        events = read(tmp_path, "a.wav 1 1 cough", "a.wav 0 0 knock", "b.wav 0.1 0.5 cough")
    assert events == {"a.wav": [], "b.wav": [SoundEvent("cough", 0.1, 0.5)]}
    (notice,) = map(str, notices)
    assert "2 events without length, left out, the first in line 2" in notice


@pytest.mark.parametrize("rest", [" NaN NaN NaN", " nan nan nan", "   ", "", " N/A NULL None"])
def test_a_row_of_nan_says_that_nothing_sounds(tmp_path, rest):
    assert read(tmp_path, f"a.wav{rest}", "b.wav 0 1 cough") == {
        "a.wav": [],
        "b.wav": [SoundEvent("cough", 0.0, 1.0)],
    }


def test_decimal_commas_are_read_but_not_beside_points(tmp_path):
    assert read(tmp_path, "a.wav 0,05 0,5 cough", "b.wav 1 1,5 knock") == {
        "a.wav": [SoundEvent("cough", 0.05, 0.5)],
        "b.wav": [SoundEvent("knock", 1.0, 1.5)],
    }
    message = refusal_of(tmp_path, "a.wav 0.5 1 cough", "a.wav 0,5 1 cough")
    assert "row 3: onset is '0,5'" in message
    assert "decimal points as in other rows" in message


def test_names_of_recordings_are_found_however_they_are_written(tmp_path):
    durations = {"sub/a.wav": 2.0, "b.wav": 2.0}
    for spelled in ("sub\\a.wav", "sub/A.WAV", "sub/a", "C:\\data\\sub\\a.wav", "/data/sub/a.wav"):
        assert read(tmp_path, f"{spelled} 0 1 cough", durations=durations)["sub/a.wav"]


def test_files_of_other_programs_are_named(tmp_path):
    (tmp_path / "a.txt").write_text("0.05\t0.5\tcough\n\\\t300.0\t900.0\n")
    with pytest.raises(InputError, match=r"a\.txt is a label track of Audacity: .* labels convert"):
        read_events(tmp_path / "a.txt", classes=CLASSES, durations=DURATIONS)
    (tmp_path / "r.txt").write_text("Selection\tBegin Time (s)\tEnd Time (s)\n1\t0\t1\n")
    with pytest.raises(InputError, match=r"r\.txt is a selection table of Raven"):
        read_events(tmp_path / "r.txt", classes=CLASSES, durations=DURATIONS)


@pytest.mark.parametrize(("onset", "offset"), [("2", "1"), ("1.5", "1.4999"), ("1", "0")])
def test_an_event_that_ends_before_it_begins_is_refused(tmp_path, onset, offset):
    message = refusal_of(tmp_path, "b.wav 0 1 cough", f"a.wav {onset} {offset} cough")
    assert "events.tsv, row 3" in message
    assert f"ends at {offset} s, not after its onset at {onset} s" in message


@pytest.mark.parametrize("label", ["couhg", "Cough", "coughs"])
def test_an_unknown_class_is_refused_with_the_nearest(tmp_path, label):
    message = refusal_of(tmp_path, f"a.wav 0 1 {label}")
    assert "events.tsv, row 2" in message
    assert f"unknown class '{label}'; did you mean cough?" in message


def test_a_class_that_is_near_to_none_is_refused_with_all_there_are(tmp_path):
    assert "unknown class 'xyz'; there is cough, knock, speech" in refusal_of(
        tmp_path, "a.wav 0 1 xyz"
    )
    assert "unknown class ''" in refusal_of(tmp_path, "a.wav 0 1 ")


@pytest.mark.parametrize(
    "text", ["-0.5", "nan", "inf", "-inf", "1,5,0", "1_5", "1:05", "one", "", "0x1"]
)
@pytest.mark.parametrize("column", ["onset", "offset"])
def test_times_that_are_none_are_refused_as_they_stand(tmp_path, column, text):
    row = f"a.wav {text} 2 cough" if column == "onset" else f"a.wav 0 {text} cough"
    message = refusal_of(tmp_path, "b.wav 0 1 cough", row)
    assert f"events.tsv, row 3: {column} is {text!r}: expected seconds" in message


def test_a_table_without_its_columns_or_none_at_all_is_refused(tmp_path):
    (tmp_path / "events.tsv").write_text("filename\tonset\toffset\na.wav\t0\t1\n")
    with pytest.raises(InputError, match="no column 'event_label'"):
        read_events(tmp_path / "events.tsv", classes=CLASSES, durations=DURATIONS)
    with pytest.raises(InputError, match=r"none\.tsv does not exist"):
        read_events(tmp_path / "none.tsv", classes=CLASSES, durations=DURATIONS)


def test_line_endings_and_a_byte_order_mark_do_not_matter(tmp_path):
    (tmp_path / "events.tsv").write_bytes(
        ("\ufeff" + HEADER + "a.wav\t0\t1\tcough\n").replace("\n", "\r\n").encode()
    )
    events_of_files = read_events(tmp_path / "events.tsv", classes=CLASSES, durations=DURATIONS)
    assert events_of_files["a.wav"] == [SoundEvent("cough", 0.0, 1.0)]


SEMICOLONS = "filename;onset;offset;event_label\na.wav;0,05;0,5;cough\n"
PLAIN = HEADER + "a.wav\t0.05\t0.5\tcough\n"


@pytest.mark.parametrize(
    "text",
    [
        SEMICOLONS,
        "sep=;\r\n" + SEMICOLONS,
        SEMICOLONS.encode("utf-16"),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\t", ","),
        SEMICOLONS.replace("0,05", '"0,05"').replace("0,5", '"0,5"').replace(";", ","),
        '"filename"\t"onset"\t"offset"\t"event_label"\n"a.wav"\t"0.05"\t"0.5"\t"cough"\n',
        PLAIN.replace("filename", "Filename").replace("onset", "Onset"),
        PLAIN.replace("event_label", "event_labels"),
        PLAIN.replace("filename", "\tfilename").replace("a.wav", "0\ta.wav"),
        PLAIN.replace("cough", " cough ") + "\t\t\t\n",
    ],
)
def test_a_table_of_a_spreadsheet_or_of_pandas_is_read_as_it_is_meant(tmp_path, text):
    path = tmp_path / "events.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with collect_notices():
        events = read_events(path, classes=CLASSES, durations=DURATIONS)
    assert events == {"a.wav": [SoundEvent("cough", 0.05, 0.5)], "b.wav": []}


def test_rows_may_repeat_and_overlap_in_the_order_of_the_file(tmp_path):
    rows = ["a.wav 3 4 cough", "a.wav 0 9 cough", "a.wav 3 4 cough"]
    assert read(tmp_path, *rows)["a.wav"] == [
        SoundEvent("cough", 3, 4),
        SoundEvent("cough", 0, 9),
        SoundEvent("cough", 3, 4),
    ]
