"""Paths are absolute on workers, and are those of the caller when an error comes home."""

import os

import pytest

from absslab.core.common.cluster_files import SentPaths, measure_files
from absslab.core.common.errors import InputError


@pytest.mark.parametrize(
    ("given", "about", "expected"),
    [
        ("set/test/a.wav", "set/test/a.wav", "set/test/a.wav"),
        ("set/test/a.wav", "set/test/a/knock.flac", "set/test/a/knock.flac"),
        ("set/test/a.wav", "set/events.tsv", "set/events.tsv"),
        ("a.wav", "b.wav", "b.wav"),
        ("../other/a.wav", "../other/b.wav", "../other/b.wav"),
        ("{here}/set/a.wav", "set/b.wav", "{here}/set/b.wav"),
        ("set/a.wav", "/elsewhere/b.wav", "/elsewhere/b.wav"),
    ],
)
def test_errors_name_paths_as_they_were_given(tmp_path, monkeypatch, given, about, expected):
    monkeypatch.chdir(tmp_path)
    given, expected = (path.format(here=tmp_path) for path in (given, expected))
    paths = SentPaths()
    assert paths.send(given) == os.path.abspath(given)
    error = InputError("{path} is {{braces}} empty", path=os.path.abspath(about))
    assert str(error.change_paths(paths.restore)) == f"{expected} is {{braces}} empty"


def test_files_of_each_kind_are_compared_from_the_first_folder_to_the_last(tmp_path):
    kinds = []
    for kind, n_folders in (("events", 40), ("backgrounds", 1)):
        paths = [tmp_path / kind / f"{number:02}" / "a.wav" for number in range(n_folders)]
        for path in paths:
            path.parent.mkdir(parents=True)
            path.write_bytes(b"sound")
        kinds.append(paths)
    compared = [path for path, _ in measure_files(kinds)]
    assert len(compared) == 11
    assert {str(kinds[0][0]), str(kinds[0][-1]), str(kinds[1][0])} <= set(compared)
