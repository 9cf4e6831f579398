"""Errors: their messages are complete, and their paths can be reduced to names."""

import pickle
from pathlib import Path

import pytest

from absslab.core.common.errors import (
    InputError,
    Reason,
    WorkError,
    describe_error,
    escape_braces,
    is_complete_without_folders,
)


@pytest.mark.parametrize("error_class", [InputError, WorkError])
def test_a_message_names_its_paths_in_full_or_by_name(error_class):
    error = error_class("{table} names {path}: expected 0 or 1", table="/a/b.csv", path=Path("c/d"))
    assert str(error) == "/a/b.csv names c/d: expected 0 or 1"
    assert error.with_names() == "b.csv names d: expected 0 or 1"
    assert error.path == Path("/a/b.csv")


def test_a_plain_message_needs_no_paths_and_may_hold_braces():
    error = InputError("{'a': 1} is no list of {names}")
    assert str(error) == error.with_names() == "{'a': 1} is no list of {names}"
    assert error.path is None


def test_a_path_may_hold_braces_and_be_a_root():
    error = InputError("{path} and {folder} in {other}", path="/x/{folder}", folder="/", other=".")
    assert str(error) == "/x/{folder} and / in ."
    assert error.with_names() == "{folder} and / in ."


def test_an_error_in_another_keeps_its_paths():
    inner = InputError("{path} names {x}", path="/a b/c.wav")
    error = inner.wrap("{path}: {error}, see {table}", path="/d e/f.csv", table="/g/h.csv")
    assert isinstance(error, InputError)
    assert str(error) == "/d e/f.csv: /a b/c.wav names {x}, see /g/h.csv"
    assert error.with_names() == "f.csv: c.wav names {x}, see h.csv"
    assert error.path == Path("/d e/f.csv")


def test_braces_of_an_inner_message_are_no_fields_of_the_outer_one():
    for inner in (
        InputError("the class '{path}' or '{table}' is unknown"),
        InputError("{path}: the class '{table}' is unknown", path="/a/b.csv"),
    ):
        outer = inner.wrap("{path}: {error}, see {table}", path="/d/f.csv", table="/g/h.csv")
        assert str(outer) == f"/d/f.csv: {inner}, see /g/h.csv"
        assert outer.with_names() == f"f.csv: {inner.with_names()}, see h.csv"
        again = outer.wrap("{path}: {error}", path="/x")
        assert str(again) == f"/x: {outer}"
        assert again.with_names() == f"x: {outer.with_names()}"


def test_a_wrapped_message_without_fields_may_hold_braces():
    error = InputError("{'a': {b}} is no {{list}}").wrap("{error} of {error_kind}")
    assert str(error) == error.with_names() == "{'a': {b}} is no {{list}} of {error_kind}"
    name = escape_braces("{error}")
    assert str(InputError("no {x}").wrap(f"{name}: {{error}}")) == "{error}: no {x}"


@pytest.mark.parametrize("name", ["{path}", "{{path}}", "{{{path}}}", "{", "a{x}b"])
def test_escaped_braces_stay_as_they_are(name):
    error = InputError(f"{{path}} has no class {escape_braces(name)!r}", path="/a/b.csv")
    assert str(error) == f"/a/b.csv has no class {name!r}"
    wrapped = error.wrap(f"{{path}}: {{error}} {escape_braces(name)}", path="/c")
    assert str(wrapped) == f"/c: {error} {name}"
    assert wrapped.with_names() == f"c: b.csv has no class {name!r} {name}"


def test_an_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(InputError("{path} is {empty}", path="/a/b.wav")))
    assert (str(error), error.with_names(), error.path) == (
        "/a/b.wav is {empty}",
        "b.wav is {empty}",
        Path("/a/b.wav"),
    )


def test_errors_of_the_system_are_described_with_and_without_folders(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "missing.wav").read_text()
    error = caught.value
    assert describe_error(error) == f"{tmp_path}/missing.wav: No such file or directory"
    assert describe_error(error, names_only=True) == "missing.wav: No such file or directory"
    assert Reason.of(error) == ("No such file or directory", "No such file or directory")
    assert is_complete_without_folders(error)
    assert describe_error(OSError("the disk is full")) == "the disk is full"
    assert describe_error(OSError("/a/b is full"), names_only=True) == "OSError"
    assert not is_complete_without_folders(OSError("/a/b is full"))


def test_errors_of_ours_and_of_others_are_described():
    error = InputError("{path} is empty", path="/a/b.wav")
    assert describe_error(error) == Reason.of(error).text == "/a/b.wav is empty"
    assert Reason.of(error).kind == "b.wav is empty"
    assert describe_error(error, names_only=True) == "b.wav is empty"
    assert describe_error(KeyError("x")) == "'x'"
    assert describe_error(KeyError("/a/b.wav"), names_only=True) == "KeyError"
    assert not is_complete_without_folders(KeyError("/a/b.wav"))


def test_what_another_library_said_is_data_as_well():
    reason = Reason.of(ValueError("no table in /a/b.csv"))
    error = InputError("{path} can't be read ({reason}): {hint}", path="/a/b.csv", reason=reason)
    assert str(error) == "/a/b.csv can't be read (no table in /a/b.csv): {hint}"
    assert error.with_names() == "b.csv can't be read (ValueError): {hint}"
    assert error.path == Path("/a/b.csv")
    assert not is_complete_without_folders(error)
    wrapped = error.wrap("{path}: {error} ({reason})", path="/c/d", reason=Reason.of(KeyError("e")))
    assert wrapped.with_names() == "d: b.csv can't be read (ValueError): {hint} (KeyError)"
    again = pickle.loads(pickle.dumps(wrapped))
    assert (str(again), again.with_names()) == (str(wrapped), wrapped.with_names())
