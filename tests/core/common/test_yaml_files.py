"""YAML files: plain data alone, and one line for everything else."""

import os

import pytest

from absslab.core.common.errors import InputError
from absslab.core.common.yaml_files import read_yaml


@pytest.fixture
def read(tmp_path):
    """Write a YAML file, and read it."""

    def write_and_read(content):
        path = tmp_path / "a.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_yaml(path, "a list of names")

    return write_and_read


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ("", None),
        ("- a\n- {b: [1, 2.5, true, null]}", ["a", {"b": [1, 2.5, True, None]}]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        ("é: ü", {"é": "ü"}),
    ],
)
def test_plain_data_are_read(read, content, data):
    assert read(content) == data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\xff", r"can't be read \(.*\): expected a list of names"),
        ("a: [", r"is no YAML of plain names, texts, .* \(.*\): expected a list of names"),
        ("[" * 5000, "is no YAML of plain names"),
        ("2026-99-99", "is no YAML of plain names"),
        ("a: 1\n---\nb: 2", "is no YAML of plain names"),
        ("{[a]: b}", "is no YAML of plain names"),
        ("- !!python/object/apply:os.mkdir [trap]", "is no YAML of plain names"),
        ("- !!python/name:os.system", "is no YAML of plain names"),
        ("a: 1\nb: 2\na: 3", "a occurs 2 times in what begins in line 1: expected once"),
        ("- {'{path}': 1, '{path}': 2}", r"\{path\} occurs 2 times in what begins in line 1"),
    ],
)
def test_other_content_is_refused_in_one_line(read, tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        read(content)
    assert error.value.path.name == "a.yaml"
    assert "\n" not in str(error.value)
    assert not (tmp_path / "trap").exists()


def test_folders_are_left_out_where_visitors_read(read, tmp_path):
    with pytest.raises(InputError) as error:
        read_yaml(tmp_path, "a list of names")
    assert str(tmp_path) in str(error.value)
    assert str(tmp_path) not in error.value.with_names()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe: expected a file with a list of names"):
        read_yaml(tmp_path / "pipe", "a list of names")
