"""Tables are read back as written; ambiguous ones are refused, with the place of the error."""

import pytest

from absslab.core.common.errors import InputError
from absslab.core.common.tables import read_table, write_table


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
