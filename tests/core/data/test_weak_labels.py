"""Both formats of weak labels are read, and tables that can't be used are refused."""

import pytest

from absslab.core.common.config import from_flags
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.data.audio_data_set import open_split, read_split
from absslab.core.data.label_corrections import correct_label
from absslab.core.data.layouts import DataConfig, find_layout

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
        (["0.wav,1,", "1.wav,0,1"], "filename,dog,bell", "bell is ''; expected 0 or 1"),
        (["0.wav,1"], "filename,dog,bell", "2 cells, expected 3"),
        (["0.wav,1,0"], "file,dog,bell", "no column 'filename'"),
        (["0.wav"], "filename", "no class columns"),
        (["0.wav,1,0"], "filename,dog,dog", "'dog' twice"),
        (["0.wav,1,0"], "filename,dog,.b", "'.b' can't be a class"),
        (["0.wav,1,0"], "filename,dog,Dog", "'dog' and 'Dog' differ by case alone"),
        (["0.wav,1,0"], "filename,dog,background", "'background'"),
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
        config_of(weak(tmp_path / "2", ["a.wav\tdog"], header="filename\tlabels", **labels))
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


@pytest.mark.parametrize("text", ["NaN", "nan", "", "None", "NULL", "n/a", "[]"])
def test_what_means_no_label_is_none_and_counted(tmp_path, text):
    for take in (1, 2, 3):
        write_tone(tmp_path / f"rest{take}.wav")
    rows = "".join(f"rest{take}.wav\t{text}\n" for take in (1, 2, 3))
    counts, notes = read_folder(tmp_path, LISTS + rows, "weak.tsv")
    assert counts == {"hum": 3, "tone": 3}
    assert "3 of 9 recordings have no label" in notes


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
