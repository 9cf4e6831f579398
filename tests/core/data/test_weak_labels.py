"""Both formats of weak labels are read, and tables that can't be used are refused."""

import pytest

from absslab.core.data.audio_data_set import open_split

from .labelled_folders import RATE, config_of, refusal_of, weak


def test_comma_separated_labels_are_read_and_an_empty_list_is_no_class(tmp_path):
    rows = [
        "a.wav\tdog,bell\ttrain",
        "b.wav\t\ttrain",
        "sub/c.wav\tbell\ttest",
        "d.wav\tdog\tvalidation",
    ]
    folder = weak(tmp_path, rows, header="filename\tevent_labels\tsplit", name="weak.tsv")
    train = open_split(config_of(folder), "train", sampling_rate=RATE)
    assert list(train.classes) == ["bell", "dog"]
    assert train.labels.tolist() == [[1, 1], [0, 0]]
    assert (
        open_split(config_of(folder), "test", sampling_rate=RATE).path(0)
        == folder / "sub" / "c.wav"
    )


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
