"""Both formats of weak labels are read, and tables that can't be used are refused."""

from pathlib import Path

import pytest

from absslab.core.common.config import from_flags
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.data.audio_data_set import open_split, read_split
from absslab.core.data.label_corrections import correct_label
from absslab.core.data.layouts import DataConfig, find_layout
from absslab.core.data.weak_labels import read_weak_labels

from .labelled_folders import RATE, config_of, refusal_of, weak, write_tone


def test_comma_separated_labels_are_read_and_an_empty_list_is_no_class(tmp_path):
    rows = [
        "a.wav\tdog,bell\ttrain",
        "b.wav\t\ttrain",
        "sub/c.wav\tbell\ttest",
        "d.wav\tdog\tvalidation",
    ]
    folder = weak(tmp_path, rows, header="filename\tevent_labels\tsplit", name="weak.tsv")
    with collect_notices() as notices:
        train = open_split(config_of(folder), "train", sampling_rate=RATE)
    assert [str(notice) for notice in notices] == [
        "weak.tsv: 1 of 4 recordings have no label (empty or NaN)"
    ]
    assert list(train.classes) == ["bell", "dog"]
    assert train.labels.tolist() == [[1, 1], [0, 0]]
    with collect_notices():
        test = open_split(config_of(folder), "test", sampling_rate=RATE)
    assert test.path(0) == folder / "sub" / "c.wav"


@pytest.mark.parametrize(
    ("rows", "header", "complaint"),
    [
        ([], "filename,dog,bell", "no rows"),
        (["0.wav,1,0", "0.wav,1,0"], "filename,dog,bell", "0.wav occurs twice"),
        (["0.wav,1,2"], "filename,dog,bell", "bell is '2'; expected 0 or 1"),
        (
            ["0.wav,1,-", "1.wav,0,1"],
            "filename,dog,bell",
            "bell is '-'; expected 0 or 1, or nothing",
        ),
        (["0.wav,,", "1.wav,,NaN"], "filename,dog,bell", "knows no label: the columns dog, bell"),
        (["0.wav,1"], "filename,dog,bell", "2 cells, expected 3"),
        (["0.wav,1,0"], "file,dog,bell", "no column 'filename'"),
        (["0.wav"], "filename", "no class columns"),
        (["0.wav,1,0"], "filename,dog,dog", "'dog' twice"),
        (["0.wav,1,0"], "filename,dog,.b", "'.b' can't be a class"),
        (["0.wav,1,0"], "filename,dog,Dog", "'dog' and 'Dog' differ by case alone"),
        (["0.wav,1,0"], "filename,dog,residual", "'residual'"),
    ],
)
def test_a_table_of_labels_that_cannot_be_used_is_refused(tmp_path, rows, header, complaint):
    assert complaint in refusal_of(config_of(weak(tmp_path, rows, header=header)))


def test_a_list_without_any_label_or_without_its_column_is_refused(tmp_path):
    labels = dict(name="weak.tsv")
    assert "contains no labels" in refusal_of(
        config_of(weak(tmp_path / "1", ["a.wav\t"], header="filename\tevent_labels", **labels))
    )
    assert "no column 'event_labels'" in refusal_of(
        config_of(weak(tmp_path / "2", ["a.wav\tdog"], header="filename\tsounds", **labels))
    )


# --- tables as people have them -------------------------------------------------------------------

SOUNDS = [(name, take) for name in ("tone", "hum") for take in (1, 2, 3)]
ROWS = [f"{name}{take}.wav,{int(name == 'hum')},{int(name == 'tone')}" for name, take in SOUNDS]
MULTI_HOT = "\n".join(["filename,hum,tone", *ROWS]) + "\n"
DECIMAL_COMMAS = MULTI_HOT.replace(",", ";").replace(";0", ";0,0").replace(";1", ";1,0")
LISTS = "filename\tevent_labels\n" + "".join(
    f"{name}{take}.wav\t{name}\n" for name in ("tone", "hum") for take in (1, 2, 3)
)
THIRDS = dict(split_percentages=(34.0, 33.0, 33.0))


def with_index(title):
    """Return the table with the column that pandas writes before the others."""
    lines = enumerate(MULTI_HOT.splitlines())
    return "".join(f"{i if i else title},{line}\n" for i, line in lines)


def read_folder(folder, text, name="weak_labels.csv", **changes):
    """Return what is read from a table beside six sounds, and what is said about it."""
    for stem in ("tone1", "tone2", "tone3", "hum1", "hum2", "hum3"):
        write_tone(folder / f"{stem}.wav")
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    config = config_of(folder, **(THIRDS | changes))
    labelled = find_layout(config.data_set_type)(config, folder)
    counts = dict.fromkeys(labelled.classes, 0)
    for recording in labelled.recordings:
        for label in recording.labels:
            counts[label] += 1
    return counts, " ".join(labelled.notes)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("weak_labels.csv", MULTI_HOT, ""),
        ("weak_labels.csv", MULTI_HOT.encode("utf-16"), ""),
        ("weak_labels.csv", MULTI_HOT.replace(",", ";"), ""),
        ("weak_labels.csv", MULTI_HOT.replace(",", "\t"), ""),
        ("weak_labels.csv", "sep=,\r\n" + MULTI_HOT.replace("\n", "\r\n"), ""),
        ("weak_labels.csv", MULTI_HOT.replace("filename", "Filename"), ""),
        ("weak_labels.csv", MULTI_HOT.replace(",0", ",0.0").replace(",1", ",1.0"), ""),
        ("weak_labels.csv", DECIMAL_COMMAS, ""),
        ("weak_labels.csv", MULTI_HOT.replace(",0", ",False").replace(",1", ",True"), ""),
        ("weak_labels.csv", MULTI_HOT.replace(",0", ",FALSE").replace(",1", ",TRUE"), ""),
        ("weak_labels.csv", MULTI_HOT.replace(",0", ",no").replace(",1", ",yes"), ""),
        ("weak_labels.csv", MULTI_HOT.replace(",0", ","), "6 empty cells are read as 0"),
        ("weak_labels.csv", MULTI_HOT.replace(",0", ",NaN"), "6 empty cells are read as 0"),
        ("weak_labels.csv", MULTI_HOT + ",,\n,,\n", ""),
        ("weak_labels.csv", MULTI_HOT.replace("\n", ",\n"), ""),
        ("weak_labels.csv", with_index(""), "index column without a name (column 1) is left out"),
        ("weak_labels.csv", with_index("Unnamed: 0"), "index column 'Unnamed: 0' is left out"),
        ("weak.tsv", LISTS, ""),
        ("weak.tsv", LISTS.replace("\t", ","), ""),
        ("weak.tsv", LISTS.replace("labels", "label"), ""),
        ("weak.tsv", LISTS.replace("\thum", "\t['hum']"), ""),
        ("weak.tsv", LISTS.replace("\thum", '\t"hum"'), ""),
        ("weak.tsv", LISTS.replace("\thum", "\thum "), ""),
        ("weak.tsv", LISTS.encode("utf-16"), ""),
    ],
)  # fmt: skip
def test_a_table_of_a_spreadsheet_or_of_pandas_is_read_as_it_is_meant(tmp_path, name, text, said):
    counts, notes = read_folder(tmp_path, text, name)
    assert counts == {"hum": 3, "tone": 3}
    assert said in notes
    assert bool(said) == bool(notes)


@pytest.mark.parametrize("mark", ["", "NaN", "n/a", "?"])
def test_an_empty_cell_beside_zeros_is_unknown_and_counted(tmp_path, mark):
    text = MULTI_HOT.replace("tone1.wav,0,1", f"tone1.wav,{mark},1")
    text = text.replace("hum2.wav,1,0", f"hum2.wav,{mark},{mark}")
    counts, notes = read_folder(tmp_path, text, split_percentages=(50.0, 50.0, 0.0))
    assert counts == {"hum": 2, "tone": 3}
    assert notes == (
        "weak_labels.csv: 3 of 12 labels are unknown, since their cells are empty: losses and "
        "scores leave them out; no label of 1 of 6 recordings is known"
    )
    rows = {row.filename: row for row in read_weak_labels(tmp_path / "weak_labels.csv").rows}
    assert rows["tone1.wav"].unknown == ("hum",)
    assert rows["hum2.wav"].unknown == ("hum", "tone")
    assert rows["hum1.wav"].unknown == ()
    with collect_notices():
        data_set = open_split(
            config_of(tmp_path, split_percentages=(100.0, 0.0, 0.0)), "train", sampling_rate=RATE
        )
    by_name = {data_set.path(i).name: row for i, row in enumerate(data_set.labels.tolist())}
    assert str(by_name["tone1.wav"]) == "[nan, 1.0]"
    assert str(by_name["hum2.wav"]) == "[nan, nan]"
    assert by_name["hum1.wav"] == [1.0, 0.0]


def test_of_two_columns_of_a_class_the_known_one_counts(tmp_path):
    names = ("caf\u00e9", "cafe\u0301")
    weak(tmp_path, ["0.wav,,0", "1.wav,1,", "2.wav,,"], header=f"filename,{','.join(names)}")
    rows = read_weak_labels(tmp_path / "weak_labels.csv").rows
    assert [row.labels for row in rows] == [[], [names[0]], []]
    assert [row.unknown for row in rows] == [(), (), (names[0],)]


@pytest.mark.parametrize("separator", [";", "|", "; "])
def test_labels_with_other_separators_are_several_and_said(tmp_path, separator):
    counts, notes = read_folder(
        tmp_path, LISTS.replace("\thum", f"\thum{separator}tone"), "weak.tsv"
    )
    assert counts == {"hum": 3, "tone": 6}
    assert f"separated by {separator.strip()!r}" in notes


def test_two_separators_at_once_are_refused(tmp_path):
    text = LISTS.replace("hum1.wav\thum", "hum1.wav\thum;tone").replace(
        "hum2.wav\thum", "hum2.wav\thum,tone"
    )
    with pytest.raises(InputError, match="expected one separator"):
        read_folder(tmp_path, text, "weak.tsv")


def test_the_names_of_AudioSet_are_classes_as_they_are(tmp_path):
    names = {"tone": "Male speech, man speaking", "hum": "Gush/Hiss"}
    text = MULTI_HOT.replace("hum,tone", f'{names["hum"]},"{names["tone"]}"')
    counts, notes = read_folder(tmp_path / "1", text)
    assert counts == {"Gush/Hiss": 3, "Male speech, man speaking": 3}
    lists = LISTS
    for short, name in names.items():
        lists = lists.replace(f"\t{short}", f'\t"{name}"')
    assert read_folder(tmp_path / "2", lists, "weak.tsv")[0] == counts
    assert notes == ""
    one_and_both = lists.replace(
        'hum1.wav\t"Gush/Hiss"', 'hum1.wav\t"Male speech, man speaking",Gush/Hiss'
    )
    assert read_folder(tmp_path / "3", one_and_both, "weak.tsv")[0] == {
        "Gush/Hiss": 3,
        "Male speech, man speaking": 4,
    }


def test_a_name_with_a_comma_outside_of_quotes_is_two_labels_and_said(tmp_path):
    counts, notes = read_folder(tmp_path, LISTS.replace("\thum", "\thum, tone"), "weak.tsv")
    assert counts == {"hum": 3, "tone": 6}
    assert "'hum, tone' is read as 2 labels" in notes


def read_rests(folder, mark):
    """Read three recordings more, with a mark for their labels, and return what is said."""
    for take in (1, 2, 3):
        write_tone(folder / f"rest{take}.wav")
    rows = "".join(f"rest{take}.wav\t{mark}\n" for take in (1, 2, 3))
    counts, notes = read_folder(folder, LISTS + rows, "weak.tsv")
    assert counts == {"hum": 3, "tone": 3}
    assert "3 of 9 recordings have no label" in notes
    return notes


@pytest.mark.parametrize("text", ["NaN", "nan", "", "None", "NULL", "n/a", "[]"])
def test_what_means_no_label_is_none_and_counted(tmp_path, text):
    read_rests(tmp_path, text)


def test_a_column_that_means_no_label_is_left_out_and_said(tmp_path):
    text = "\n".join(["filename,hum,tone,NaN", *(f"{row},0" for row in ROWS)])
    counts, notes = read_folder(tmp_path, text)
    assert counts == {"hum": 3, "tone": 3}
    assert "the column 'NaN' is left out" in notes


def test_blanks_and_unicode_forms_make_no_other_class_and_case_is_refused(tmp_path):
    text = LISTS.replace("hum1.wav\thum", "hum1.wav\tcafe\u0301 ").replace("\thum", "\t café")
    assert read_folder(tmp_path / "1", text, "weak.tsv")[0] == {"café": 3, "tone": 3}
    with pytest.raises(InputError, match="'Hum' and 'hum' differ by case alone"):
        read_folder(tmp_path / "2", LISTS.replace("hum1.wav\thum", "hum1.wav\tHum"), "weak.tsv")


def test_paths_of_windows_and_names_without_suffix_are_found_and_said(tmp_path):
    for name, spelled in (("1", "hum\\1"), ("2", "C:\\data\\hum1.wav"), ("3", "hum1")):
        folder = tmp_path / name
        text = LISTS.replace("hum1.wav", spelled)
        if name == "1":
            write_tone(folder / "hum" / "1.wav")
        counts, notes = read_folder(folder, text, "weak.tsv")
        assert counts == {"hum": 3, "tone": 3}
        assert "1 name was found in another spelling" in notes


@pytest.mark.parametrize("name", ["train.tsv", "labels.csv", "weak.txt"])
def test_the_table_may_lie_elsewhere_and_have_any_name(tmp_path, name):
    (tmp_path / "metadata").mkdir()
    table = tmp_path / "metadata" / name
    table.write_text(MULTI_HOT if name.endswith("csv") else LISTS)
    for stem in ("tone1", "tone2", "tone3", "hum1", "hum2", "hum3"):
        write_tone(tmp_path / "audio" / f"{stem}.wav")
    values = {"labels": str(table), "audio_folder": str(tmp_path / "audio")}
    config = from_flags(DataConfig, values | THIRDS)
    assert config.data_set_type == "weakly_labelled_folder"
    labelled = read_split(config, "train")
    assert labelled.classes == ["hum", "tone"]
    assert len(labelled.recordings) == 2


def test_a_table_of_events_is_one_of_weak_labels_too(tmp_path):
    rows = [f"{name}{take}.wav\t0.0\t0.1\t{name}" for name in ("tone", "hum") for take in (1, 2, 3)]
    rows += ["tone1.wav\t0.05\t0.1\ttone", "tone1.wav\t0.05\t0.1\thum"]
    (tmp_path / "events.tsv").write_text("\n".join(["filename\tonset\toffset\tevent_label", *rows]))
    counts, _ = read_folder(tmp_path / "audio", "", "none", labels=str(tmp_path / "events.tsv"))
    assert counts == {"hum": 4, "tone": 3}


def test_what_is_said_is_a_notice_when_a_split_is_read(tmp_path):
    read_folder(tmp_path, MULTI_HOT.replace(",0", ","))
    with collect_notices() as notices:
        read_split(config_of(tmp_path, **THIRDS), "train")
    assert ["6 empty cells" in str(notice) for notice in notices] == [True]


STRONG = "filename\tonset\toffset\tevent_label"


def read_strong(folder, rows, header=STRONG, **changes):
    """Return what is read from a table of strong labels elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.tsv").write_text("\n".join([header, *rows]) + "\n")
    for row in rows:
        write_tone(folder / "audio" / row.split("\t")[0])
    config = config_of(folder / "audio", labels=str(folder / "events.tsv"), **(THIRDS | changes))
    return find_layout(config.data_set_type)(config, folder / "audio")


def test_the_split_and_the_origin_of_strong_labels_are_followed(tmp_path):
    split_of = {"1": "train", "2": "validation", "3": "test"}
    rows = [
        f"{name}{take}.wav\t0\t0.1\t{name}\t{split_of[take]}\tsource {name}{take}"
        for name in ("tone", "hum")
        for take in "123"
    ]
    rows.append("tone1.wav\t0\t0.1\thum\t\t")  # filled in one of its rows is enough
    labelled = read_strong(tmp_path / "1", rows, f"{STRONG}\tSplit\torigin")
    for recording in labelled.recordings:
        stem = Path(recording.path).stem
        assert recording.split == split_of[stem[-1]]
        assert recording.origin == f"source {stem}"
    assert labelled.recordings[0].labels == {"tone", "hum"}
    contradiction = [*rows, "tone1.wav\t0\t0.1\thum\ttest\t"]
    with pytest.raises(InputError, match="has the split 'test', and 'train' in an earlier row"):
        read_strong(tmp_path / "2", contradiction, f"{STRONG}\tsplit\torigin")
    origins = [f"{row.rpartition(chr(9))[0]}\tx" for row in rows]
    with pytest.raises(InputError, match="origin 'x' is in"):
        read_strong(tmp_path / "3", origins, f"{STRONG}\tsplit\torigin")


METADATA = (
    ("fold", "1"), ("is_verified", "0"), ("index", "1"), ("duration", "3.5"), ("ID", "17"),
)  # fmt: skip


@pytest.mark.parametrize(("column", "value"), METADATA)
def test_a_column_of_metadata_is_no_class_unless_it_is_said_to_be_one(tmp_path, column, value):
    lines = MULTI_HOT.splitlines()
    text = "\n".join([f"{lines[0]},{column}", *(f"{line},{value}" for line in lines[1:])]) + "\n"
    counts, notes = read_folder(tmp_path, text)
    assert counts == {"hum": 3, "tone": 3}
    assert f"the column '{column}' is taken for metadata, not for a class" in notes
    assert "--class_columns" in notes
    chosen = read_folder(tmp_path, text, class_columns=["tone"])
    assert chosen == ({"tone": 3}, "")
    with pytest.raises(InputError, match="has no class column 'tonne'; did you mean tone"):
        read_folder(tmp_path, text, class_columns=["tonne"])
    if value == "1":
        assert read_folder(tmp_path, text, class_columns=["hum", column])[0] == {
            "hum": 3,
            column: 6,
        }


def test_several_columns_of_metadata_are_one_sentence(tmp_path):
    text = MULTI_HOT.replace("\n", ",1,2\n").replace("tone,1,2", "tone,fold,take")
    counts, notes = read_folder(tmp_path, text)
    assert counts == {"hum": 3, "tone": 3}
    assert "the columns 'fold', 'take' are taken for metadata" in notes
    with pytest.raises(InputError, match=r"no class columns.*'fold' is taken for metadata"):
        read_folder(tmp_path, "filename,fold\nhum1.wav,1\n")


@pytest.mark.parametrize("mark", ["-", "--", "?", "–", "none", "n/a", "No label", "unlabelled"])
def test_a_mark_for_nothing_is_no_class_and_said(tmp_path, mark):
    notes = read_rests(tmp_path, mark)
    if mark not in ("none", "n/a"):  # which the sentence about empty cells covers
        assert f"'{mark}' is no class, it means that there is no label (3 times)" in notes
    events = [
        f"{row.split(chr(9))[0]}\t0\t0.1\t{row.split(chr(9))[1]}" for row in LISTS.split("\n")[1:-1]
    ]
    events += [f"rest{take}.wav\t0\t0.1\t{mark}" for take in (1, 2, 3)]
    assert read_strong(tmp_path / "strong", events).classes == ["hum", "tone"]


def test_a_mark_beside_labels_and_as_a_column_is_left_out_and_said(tmp_path):
    counts, notes = read_folder(tmp_path, LISTS.replace("\thum", "\thum,none"), "weak.tsv")
    assert counts == {"hum": 3, "tone": 3}
    assert "'none' is no class, it means that there is no label (3 times)" in notes
    (tmp_path / "weak.tsv").unlink()
    text = "\n".join(["filename,hum,tone,-", *(f"{row},0" for row in ROWS)])
    counts, notes = read_folder(tmp_path, text)
    assert counts == {"hum": 3, "tone": 3}
    assert "the column '-' is left out" in notes


@pytest.mark.parametrize(
    "written",
    [
        '["hum", "tone"]', "['hum','tone']", "('hum', 'tone')", "{'hum', 'tone'}",
        "['hum' 'tone']", '"[""hum"",""tone""]"', "hum , tone", '"hum,tone"',
    ],
)  # fmt: skip
def test_lists_of_other_programs_are_several_labels(tmp_path, written):
    text = LISTS.replace("hum1.wav\thum", f"hum1.wav\t{written}")
    assert read_folder(tmp_path, text, "weak.tsv")[0] == {"hum": 3, "tone": 4}


@pytest.mark.parametrize("written", ["{'hum': 1, 'tone': 0}", "[hum, 1", "[1, 2]", "[null]"])
def test_what_only_looks_like_a_list_is_refused(tmp_path, written):
    if written == "[hum, 1":
        written += "]"
    with pytest.raises(InputError, match="is no list of labels"):
        read_folder(tmp_path, LISTS.replace("hum1.wav\thum", f"hum1.wav\t{written}"), "weak.tsv")


def test_one_name_in_brackets_is_one_label(tmp_path):
    text = LISTS.replace("\thum", "\t('hum')")
    assert read_folder(tmp_path, text, "weak.tsv")[0] == {"hum": 3, "tone": 3}


def test_rows_with_a_label_each_are_joined_and_said(tmp_path):
    text = LISTS + "hum1.wav\ttone \nhum2.wav\tHUM\n".replace("HUM", "hum")
    counts, notes = read_folder(tmp_path, text, "weak.tsv")
    assert counts == {"hum": 3, "tone": 4}
    assert "1 recording has a row for each label, which are joined (hum1.wav: hum, tone)" in notes
    assert "1 row repeats a recording and its label, read once" in notes


@pytest.mark.parametrize(("labels", "said"), [("hum,tone", "the same"), ("hum", "other")])
def test_two_rows_of_a_recording_among_lists_are_refused(tmp_path, labels, said):
    text = LISTS.replace("hum1.wav\thum", "hum1.wav\thum,tone") + f"hum1.wav\t{labels}\n"
    with pytest.raises(InputError, match=f"occurs twice, first in line 5 with {said} labels"):
        read_folder(tmp_path, text, "weak.tsv")


@pytest.mark.parametrize("column", ["label", "Labels", "category", "class", "tags"])
def test_a_column_that_names_classes_is_found_by_its_content(tmp_path, column):
    text = LISTS.replace("event_labels", column).replace("\t", ",").replace("\n", ",1\n")
    text = text.replace(f"{column},1", f"{column},fold")
    assert read_folder(tmp_path, text)[0] == {"hum": 3, "tone": 3}
    coded = text.replace(",hum", ",0").replace(",tone", ",1")
    with pytest.raises(InputError, match="holds only 0 and 1: expected names of classes"):
        read_folder(tmp_path, coded)
    assert read_folder(tmp_path, coded.replace(",0", ",2"))[0] == {"1": 3, "2": 3}


def test_a_header_that_is_repeated_is_left_out_and_said(tmp_path):
    lines = MULTI_HOT.splitlines(keepends=True)
    counts, notes = read_folder(tmp_path, "".join([*lines[:4], lines[0], *lines[4:]]))
    assert counts == {"hum": 3, "tone": 3}
    assert "1 line repeats the header, left out" in notes


def test_a_workbook_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"a workbook of Excel .* save it as CSV"):
        read_folder(tmp_path, b"PK\x03\x04 and so on", "weak_labels.csv")
    (tmp_path / "weak_labels.csv").rename(tmp_path / "labels.xlsx")
    config = config_of(tmp_path, **THIRDS)
    with pytest.raises(InputError, match=r"there is labels\.xlsx: save it as weak_labels\.csv"):
        find_layout(config.data_set_type)(config, tmp_path)
    (tmp_path / "my labels.csv").write_text(MULTI_HOT)
    with pytest.raises(InputError, match=r"there is my labels\.csv: pass it with --labels"):
        find_layout(config.data_set_type)(config, tmp_path)


def test_a_list_with_the_commas_of_the_table_is_refused_with_what_to_do(tmp_path):
    text = LISTS.replace("\t", ",").replace("hum1.wav,hum", "hum1.wav,hum,tone")
    with pytest.raises(InputError, match="3 cells, expected 2; a cell with commas needs quotes"):
        read_folder(tmp_path, text, "weak.tsv")


def test_a_correction_keeps_names_with_commas(tmp_path):
    lists = LISTS.replace("\thum", '\t"Chirp, tweet"')
    read_folder(tmp_path, lists, "weak.tsv")
    correct_label(tmp_path / "weak.tsv", "tone1.wav", "Chirp, tweet", True)
    assert read_folder(tmp_path, (tmp_path / "weak.tsv").read_bytes(), "weak.tsv")[0] == {
        "Chirp, tweet": 4,
        "tone": 3,
    }


@pytest.mark.parametrize("separator", ["\t", ","])
def test_in_quotes_a_comma_with_a_blank_belongs_to_the_name(tmp_path, separator):
    """Spreadsheets quote whole lists, and other programs every cell."""
    text = LISTS.replace("hum1.wav\thum", 'hum1.wav\t"Chirp, tweet"')
    text = text.replace("hum2.wav\thum", 'hum2.wav\t"hum,Chirp, tweet"')
    text = text.replace("hum3.wav\thum", 'hum3.wav\t"hum, tone"').replace("\t", separator)
    text = text.replace("tone3.wav", '"tone3.wav"')
    expected = {"Chirp, tweet": 2, "hum": 2, "tone": 4}
    counts, notes = read_folder(tmp_path / "1", text, "weak.tsv", split_percentages=(100, 0, 0))
    assert counts == expected
    assert bool(notes) == (separator == "\t")
    lines = [line.split(separator, 1) for line in text.replace('"', "").splitlines()]
    quoted = "".join(f'"{name}"{separator}"{labels}"\n' for name, labels in lines)
    assert read_folder(tmp_path / "2", quoted, "weak.tsv", split_percentages=(100, 0, 0))[0] == (
        expected
    )


def test_a_column_that_pandas_has_numbered_is_left_out_if_it_repeats_the_first(tmp_path):
    lines = MULTI_HOT.splitlines()
    text = "\n".join([lines[0] + ",hum.1", *(f"{line},{line.split(',')[1]}" for line in lines[1:])])
    counts, notes = read_folder(tmp_path, text)
    assert counts == {"hum": 3, "tone": 3}
    assert "the column 'hum.1' is left out: it repeats 'hum'" in notes
    other = text.replace("hum1.wav,1,0,1", "hum1.wav,1,0,0")
    with pytest.raises(InputError, match=r"'hum' and 'hum\.1', which differ"):
        read_folder(tmp_path, other)
