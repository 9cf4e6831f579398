"""Tables are read back as written; ambiguous ones are refused, with the place of the error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from absslab.core.common import delimited_text
from absslab.core.common.delimited_text import strip_blanks
from absslab.core.common.errors import InputError
from absslab.core.common.tables import open_table, read_table, write_table


def read(tmp_path, text, **options):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, **{"required": ("filename", "speech"), **options})


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_what_was_written_is_read_back(tmp_path, delimiter):
    rows = [{"filename": 'a, "b"\tc.wav', "speech": "1"}, {"filename": "ü.wav", "speech": "0"}]
    write_table(tmp_path / "t", ["filename", "speech"], rows, delimiter=delimiter)
    assert read_table(tmp_path / "t", required=("filename", "speech"), delimiter=delimiter) == rows


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_blank_lines_a_byte_order_mark_and_spaces_do_not_matter(tmp_path, ending):
    text = "\ufeff" + ending.join(["filename, speech", "a.wav, 1", "", "b.wav ,0", ""])
    assert read(tmp_path, text) == [
        {"filename": "a.wav", "speech": "1"},
        {"filename": "b.wav", "speech": "0"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'filename'"),
        ("filename\na.wav\n", "no column 'speech'"),
        ("filename,speech\n", "no rows below its header"),
        ("filename,speech,speech\na.wav,1,1\n", "the column 'speech' twice"),
        ("filename,speech\na.wav,1\na.wav,0\n", "line 3: a.wav occurs twice"),
        ("filename,speech\n{path},1\n{path},0\n", "line 3: {path} occurs twice"),
        ("filename,speech,{path},{path}\na.wav,1,1,1\n", "the column '{path}' twice"),
        ("filename,speech\n\n\na.wav\n", "line 4: 1 cells, expected 2"),
        ("filename,speech\na.wav,1,1\n", "line 2: 3 cells, expected 2"),
        (b"filename,speech\n\xff.wav,1\n", "can't be read as a table"),
        ("filename,speech\na.wav," + "1" * 200_000, "can't be read as a table"),
    ],
)
def test_a_table_that_leaves_doubt_is_refused_with_its_name_and_place(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "labels.csv" in str(caught.value)


def test_a_column_that_nobody_asked_for_is_refused_where_the_columns_are_fixed(tmp_path):
    with pytest.raises(InputError, match="unknown column 'orgin'"):
        read(tmp_path, "filename,speech,orgin\na.wav,1,x\n", optional=("origin",))


def test_repetitions_may_be_allowed(tmp_path):
    assert len(read(tmp_path, "filename,speech\na.wav,1\na.wav,0\n", key=None)) == 2


def test_a_missing_table_or_a_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv does not exist"):
        read_table(tmp_path / "none.csv", required=())
    with pytest.raises(InputError, match="can't be read as a table"):
        read_table(tmp_path, required=())


# --- tables of spreadsheets, pandas and editors ---------------------------------------------------

EXPECTED = [{"filename": "a.wav", "speech": "1"}, {"filename": "ü.wav", "speech": "0"}]
PLAIN = "filename,speech\na.wav,1\nü.wav,0\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_encoding_that_spreadsheets_write_is_read(tmp_path, encoding, ending):
    assert read(tmp_path, PLAIN.replace("\n", ending).encode(encoding)) == EXPECTED


def test_utf_16_of_both_orders_is_read_with_its_mark(tmp_path):
    assert read(tmp_path, b"\xff\xfe" + PLAIN.encode("utf-16-le")) == EXPECTED
    assert read(tmp_path, b"\xfe\xff" + PLAIN.encode("utf-16-be")) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        "sep=,\r\n" + PLAIN,
        "sep=;\n" + PLAIN.replace(",", ";"),
        '"sep=;"\n' + PLAIN.replace(",", ";"),
        "SEP=\t\n" + PLAIN.replace(",", "\t"),
        "Filename,Speech\na.wav,1\nü.wav,0\n",
        "FILENAME,speech\na.wav,1\nü.wav,0\n",
        "filename,speech,\na.wav,1,\nü.wav,0,\n",
        "filename,speech,,\na.wav,1,,\nü.wav,0\n",
        PLAIN + ",\n,\n",
        PLAIN + "\n  \n\u00a0\n",
        "\n\n" + PLAIN,
        ",filename,speech\n0,a.wav,1\n1,ü.wav,0\n",
        "Unnamed: 0,filename,speech\n0,a.wav,1\n1,ü.wav,0\n",
        '"filename","speech"\n"a.wav","1"\n"ü.wav","0"\n',
        'filename, "speech"\n"a.wav" , "1"\nü.wav, 0\n',
        "filename\u00a0, speech \n a.wav,1\u200b\nü.wav ,\u00a00\n",
    ],
)
def test_what_spreadsheets_pandas_and_editors_write_is_read(tmp_path, text):
    assert read(tmp_path, text) == EXPECTED


def test_an_index_column_that_is_left_out_is_said(tmp_path):
    (tmp_path / "labels.csv").write_text("Unnamed: 0,filename\n0,a.wav\n")
    table = open_table(tmp_path / "labels.csv", required=("filename",))
    assert table.notes == ["labels.csv: the index column 'Unnamed: 0' is left out"]
    assert [row.line for row in table.rows] == [2]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (PLAIN.encode("latin-1"), "line 3 is not UTF-8; save it in UTF-8"),
        (b"filename,speech\na.wav,1\n\0\0\0\0", "line 3 holds NUL bytes"),
        (b"filename,sp\0eech\na.wav,1\n", "line 1 holds NUL bytes"),
        (b"PK\x03\x04\x14\x00", "a workbook of Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old workbook of Excel"),
        (b"\x1f\x8b\x08\x00", "a gzip file"),
        (b"<!doctype html><html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b'filename,speech\n"a.wav,1\nb.wav,0\n', "line 2 opens a quote that is never closed"),
        (b"filename,speech,\na.wav,1,0\n", "column 3 has no name"),
        (b"file;speech\na.wav;1\n", "found 'file;speech'"),
    ],
)
def test_what_is_no_such_table_is_refused_with_the_cause_in_one_line(tmp_path, content, cause):
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert cause in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ['""', "x", '","'])
def test_many_lines_in_quotes_are_read_once_each(tmp_path, monkeypatch, line):
    n_split = []
    split_line = delimited_text.split_line

    def count(text, delimiter):
        n_split.append(len(text))
        return split_line(text, delimiter)

    monkeypatch.setattr(delimited_text, "split_line", count)
    text = 'filename,speech\na.wav,"' + f"{line}\n" * 2000
    with pytest.raises(InputError, match="line 2 opens a quote that is never closed"):
        read(tmp_path, text)
    assert sum(n_split) < 20 * len(text)


def test_several_cells_of_a_record_may_hold_line_breaks(tmp_path):
    text = 'filename,speech,text\n"a\n\n.wav","1\n""2""\n","x""\ny"\nb.wav,0,"z"\n'
    assert read(tmp_path, text) == [
        {"filename": "a\n\n.wav", "speech": '1\n"2"', "text": 'x"\ny'},
        {"filename": "b.wav", "speech": "0", "text": "z"},
    ]


def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_breaks(tmp_path):
    assert read(tmp_path, 'filename,speech\n"a, ""b""\nc.wav",1\n') == [
        {"filename": 'a, "b"\nc.wav', "speech": "1"}
    ]


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([",", "\t"]),
)
def test_whatever_is_written_is_read_back(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    written = [dict(zip(("filename", "speech"), row, strict=True)) for row in rows]
    write_table(path, ["filename", "speech"], written, delimiter=delimiter)
    table = open_table(
        path, required=("filename", "speech"), delimiter=delimiter, key=None, may_be_empty=True
    )
    stripped = [{name: strip_blanks(cell) for name, cell in row.items()} for row in written]
    assert [row.cells for row in table.rows] == [row for row in stripped if any(row.values())]


def test_a_device_that_never_ends_is_no_table():
    with pytest.raises(InputError, match="/dev/zero is a device"):
        read_table("/dev/zero", required=("filename",))
