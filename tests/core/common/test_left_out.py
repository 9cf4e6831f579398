"""What was left out: collected, written before it is said, and told in one line."""

import pytest

from absslab.core.common.errors import InputError, Reason, join_errors
from absslab.core.common.left_out import LeftOut, read_left_out


def fail_on(left_out, *paths):
    for path in paths:
        with left_out.file(path):
            raise InputError("{path} is broken: replace it", path=path)


def test_good_files_leave_nothing(tmp_path):
    left_out = LeftOut("separate", folder=tmp_path / "new")
    with left_out.file("good.wav"):
        pass
    left_out.stop_if_any()
    left_out.write()
    assert not left_out
    assert list(tmp_path.iterdir()) == []


def test_bad_files_are_written_with_their_reasons(tmp_path):
    left_out = LeftOut("separate", folder=tmp_path)
    left_out.n_files = 5
    fail_on(left_out, "/a/b, c.wav")
    assert left_out.summary() == (
        f"1 of 5 files was left out, see {tmp_path}/left_out.csv: /a/b, c.wav is broken: replace it"
    )
    fail_on(left_out, "/a/d.wav")
    left_out.write()
    assert (tmp_path / "left_out.csv").read_text() == (
        "file,reason,command,result\n"
        '"/a/b, c.wav","/a/b, c.wav is broken: replace it",separate,\n'
        "/a/d.wav,/a/d.wav is broken: replace it,separate,\n"
    )
    assert left_out.summary(names_only=True) == (
        "2 of 5 files were left out, see left_out.csv; the first: b, c.wav is broken: replace it"
    )


def test_other_errors_are_not_caught():
    left_out = LeftOut("mix")
    with pytest.raises(OSError, match="disk"), left_out.file("a.wav"):
        raise OSError("disk full")
    assert not left_out


def test_stop_names_up_to_ten_files_and_the_flag():
    left_out = LeftOut("mix", on_error="stop")
    fail_on(left_out, "/x/0.wav")
    with pytest.raises(InputError) as raised:
        left_out.stop_if_any()
    assert str(raised.value) == (
        "/x/0.wav is broken: replace it; pass --on_error skip to leave it out"
    )
    fail_on(left_out, *(f"/x/{index}.wav" for index in range(1, 12)))
    left_out.n_files = 40
    with pytest.raises(InputError) as raised:
        left_out.stop_if_any()
    message = raised.value.with_names()
    assert message.startswith("12 of 40 files can't be used: (1) 0.wav is broken: replace it; (2)")
    assert message.endswith(
        "(10) 9.wav is broken: replace it; and 2 more; pass --on_error skip to leave them out"
    )


def test_without_a_folder_the_line_names_the_files():
    left_out = LeftOut("evaluate")
    left_out.write()
    fail_on(left_out, "/x/a.wav", "/x/b.wav")
    assert left_out.summary() == (
        "2 files were left out: (1) /x/a.wav is broken: replace it; "
        "(2) /x/b.wav is broken: replace it"
    )


def test_a_repeated_run_replaces_its_own_rows_alone(tmp_path):
    first = LeftOut("train", folder=tmp_path)
    fail_on(first, "a.wav")
    first.write()
    second = LeftOut("evaluate", folder=tmp_path, result="scores.json")
    fail_on(second, "b.wav")
    second.write()
    rows = read_left_out(tmp_path / "left_out.csv")
    assert [(row["file"], row["command"], row["result"]) for row in rows] == [
        ("a.wav", "train", ""),
        ("b.wav", "evaluate", "scores.json"),
    ]
    LeftOut("train", folder=tmp_path).write()
    assert [row["file"] for row in read_left_out(tmp_path / "left_out.csv")] == ["b.wav"]
    LeftOut("evaluate", folder=tmp_path, result="scores.json").write()
    assert not (tmp_path / "left_out.csv").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a,b\n1,2\n", b"my own notes"])
def test_a_file_of_somebody_elses_is_not_replaced(tmp_path, content):
    (tmp_path / "left_out.csv").write_bytes(content)
    left_out = LeftOut("separate", folder=tmp_path)
    with pytest.raises(InputError, match="was not written by ABSSLab"), left_out.write_at_end():
        pass
    assert (tmp_path / "left_out.csv").read_bytes() == content


def test_the_table_is_written_when_the_work_ends_in_any_way(tmp_path):
    left_out = LeftOut("separate", folder=tmp_path)
    fail_on(left_out, "a.wav")
    (tmp_path / "left_out.csv").unlink(missing_ok=True)
    with pytest.raises(KeyboardInterrupt), left_out.write_at_end():
        raise KeyboardInterrupt
    assert (tmp_path / "left_out.csv").exists()
    again = LeftOut("separate", folder=tmp_path)
    with again.write_at_end():
        assert not (tmp_path / "left_out.csv").exists()
    assert not (tmp_path / "left_out.csv").exists()


def test_work_ends_if_no_file_can_be_used():
    left_out = LeftOut("separate")
    left_out.stop_if_all()
    left_out.n_files = 2
    fail_on(left_out, "a.wav")
    left_out.stop_if_all()
    fail_on(left_out, "b.wav")
    with pytest.raises(InputError, match=r"2 of 2 files can't be used: \(1\) a.wav is broken"):
        left_out.stop_if_all()


def test_a_name_that_is_not_utf_8_can_be_written(tmp_path):
    left_out = LeftOut("separate", folder=tmp_path)
    fail_on(left_out, "a\udcff.wav", "b\n{path}.wav")
    left_out.write()
    rows = read_left_out(tmp_path / "left_out.csv")
    assert [row["file"] for row in rows] == ["a\\udcff.wav", "b\n{path}.wav"]
    assert rows[1]["reason"] == "b {path}.wav is broken: replace it"


def test_joined_errors_keep_their_fields_apart():
    errors = [
        InputError("{path} ({reason})", path="/a/x", reason=Reason("long /a/x", "short")),
        InputError("{path} lacks {names}", path="/b/{path}"),
        InputError("plain {path}"),
    ]
    joined = join_errors(errors, before="{folder}: ", after=" end", folder="/f/g")
    assert str(joined) == (
        "/f/g: (1) /a/x (long /a/x); (2) /b/{path} lacks {names}; (3) plain {path} end"
    )
    assert joined.with_names() == "g: (1) x (short); (2) {path} lacks {names}; (3) plain {path} end"
    assert str(join_errors([InputError("plain {path}")], after="!")) == "plain {path}!"


def test_the_rest_is_looked_at_before_work_stops_and_what_there_is_no_time_for_is_counted():
    def refuse(name):
        raise InputError(f"{name} is silent")

    looked_at = []
    left_out = LeftOut("evaluate", on_error="stop")
    left_out.check_rest_and_stop([("a", lambda: looked_at.append("a"))])
    assert looked_at == []  # nothing is wrong: the work goes on
    left_out.n_files = 9
    left_out.add("a", InputError("a is gone"))
    rest = [("a", lambda: refuse("a")), ("b", lambda: refuse("b")), ("c", lambda: None)]
    with pytest.raises(
        InputError, match=r"2 of 9 files can't be used: \(1\) a is gone; \(2\) b is"
    ):
        left_out.check_rest_and_stop(rest)
    late = LeftOut("evaluate", on_error="stop")
    late.add("a", InputError("a is gone"))
    with pytest.raises(
        InputError, match="a is gone; 2 more files were not looked at; pass --on_err"
    ):
        late.check_rest_and_stop(rest, seconds=0)
    skipping = LeftOut("evaluate", on_error="skip")
    skipping.add("a", InputError("a is gone"))
    skipping.check_rest_and_stop(rest)
    assert len(skipping) == 1
