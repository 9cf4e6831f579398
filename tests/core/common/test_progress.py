"""The progress of long work is printed or not, and its result is returned."""

import pytest

from absslab.core.common import progress
from absslab.core.common.progress import (
    LongWork,
    Progress,
    name_stage,
    run_to_end,
    run_with_progress,
)


def count_to(total):
    for done in range(1, total + 1):
        yield Progress(done, total)
    return f"counted to {total}"


def test_each_way_to_run_long_work_returns_its_result(capsys):
    assert run_to_end(count_to(3)) == "counted to 3"
    assert run_with_progress(count_to(3), "counted", "number") == "counted to 3"
    assert capsys.readouterr().err == ""


def test_long_work_keeps_its_result():
    work = LongWork(count_to(2))
    assert not hasattr(work, "result")
    assert list(work) == [Progress(1, 2), Progress(2, 2)]
    assert work.result == "counted to 2"


def test_an_error_in_long_work_is_raised():
    def fail():
        yield Progress(0, 1)
        raise OSError("the disk is full")

    for run in (run_to_end, lambda steps: run_with_progress(steps, "done", "file")):
        with pytest.raises(OSError, match="the disk is full"):
            run(fail())


def two_stages():
    yield from name_stage(count_to(2), "reading")
    return (yield from count_to(3))


def test_a_stage_of_long_work_has_a_name(monkeypatch, capsys):
    work = LongWork(two_stages())
    assert list(work)[1:3] == [Progress(2, 2, "reading"), Progress(1, 3)]
    assert work.result == "counted to 3"
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.0)
    run_with_progress(two_stages(), "counted", "number")
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:3] == ["reading: 2 of 2 numbers", "counted: 1 of 3 numbers"]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run_with_progress(two_stages(), "counted", "number")
    bars = capsys.readouterr().err
    assert "reading:" in bars
    assert "counted:" in bars


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run_with_progress(count_to(3), "counted", "number") == "counted to 3"
    assert "counted" in capsys.readouterr().err


def test_long_work_is_closed_when_its_progress_can_not_be_shown(monkeypatch):
    closed = []

    def steps():
        try:
            yield Progress(1, 2)
        finally:
            closed.append(True)

    def fail(*args, **options):
        raise BrokenPipeError("nobody reads")

    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.0)
    monkeypatch.setattr("builtins.print", fail)
    with pytest.raises(BrokenPipeError) as raised:
        run_with_progress(steps(), "scored", "file")
    assert raised.value.__traceback__ is not None  # which would keep the work alive
    assert closed == [True]
