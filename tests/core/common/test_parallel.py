"""Work is shared by processes, whatever script starts it, or done by one where it can't be."""

import math
import multiprocessing.context
import os
import subprocess
import sys
import time

import pytest

from absslab.core.common.errors import WorkError
from absslab.core.common.notices import collect_notices
from absslab.core.common.parallel import map_in_processes

SCRIPT = """
import math
from absslab.core.common.parallel import map_in_processes
print("started")
print(sorted(map_in_processes(math.sqrt, [1, 4, 9], n_workers=2)))
"""


@pytest.mark.parametrize("how", ["file", "standard input", "-c"])
def test_a_script_needs_no_guard_around_its_calls(tmp_path, how):
    (tmp_path / "s.py").write_text(SCRIPT)
    arguments = {"file": ["s.py"], "standard input": ["-"], "-c": ["-c", SCRIPT]}[how]
    done = subprocess.run(
        [sys.executable, *arguments],
        input=SCRIPT if how == "standard input" else "",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("started\n[1.0, 2.0, 3.0]\n", "")


def test_a_process_that_is_ended_from_outside_is_told_in_one_line():
    with pytest.raises(WorkError, match=r"one of 2 processes was ended from outside") as error:
        list(map_in_processes(os._exit, [1, 1], n_workers=2))
    assert "\n" not in str(error.value)


def test_jobs_that_need_not_be_finished_end_with_the_work():
    results = map_in_processes(time.sleep, [0, 3600, 3600], n_workers=2, finish=False)
    assert next(results) is None
    results.close()  # as Ctrl-C does
    assert multiprocessing.active_children() == []


def test_where_processes_can_share_nothing_one_does_it_all(monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(multiprocessing.context.BaseContext, "Lock", refuse)
    monkeypatch.setenv("JOBLIB_MULTIPROCESSING", "0")
    with collect_notices() as notices:
        assert list(map_in_processes(math.sqrt, [1, 4], n_workers=2)) == [1, 2]
    (notice,) = notices
    assert "(No space left on device; is /dev/shm full?)" in str(notice)


def test_a_process_that_may_start_no_others_does_it_all(monkeypatch):
    process = multiprocessing.current_process()
    monkeypatch.setattr(type(process), "daemon", True)
    with collect_notices() as notices:
        assert list(map_in_processes(math.sqrt, [1, 4], n_workers=2)) == [1, 2]
    (notice,) = notices
    assert "daemonic process" in str(notice)
