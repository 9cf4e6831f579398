"""A status.json tells how far a process is, and how it ended."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from absslab.core.common.progress import Progress, run_to_end
from absslab.core.common.run_status import (
    RunStatus,
    TaskProgress,
    read_status,
    report_state,
    report_steps,
    write_child_status,
)


def work():
    yield Progress(1, 2)
    yield Progress(2, 2)
    return "result"


def test_work_is_told_in_numbers_and_its_end_with_the_state(tmp_path):
    path = tmp_path / "status.json"
    with report_state(path) as file:
        assert (read_status(path).state, read_status(path).is_alive) == ("preparing", True)
        assert run_to_end(report_steps(file, work(), "scoring")) == "result"
        assert read_status(path).state == "running"
        assert read_status(path).progress == TaskProgress("scoring", 2, 2)
    assert (read_status(path).state, read_status(path).is_alive) == ("finished", False)
    assert json.loads(path.read_text())["version"] == 1


@pytest.mark.parametrize(
    ("error", "state"), [(ValueError, "failed"), (KeyboardInterrupt, "stopped")]
)
def test_work_that_ends_early_says_so(tmp_path, error, state):
    path = tmp_path / "status.json"
    with pytest.raises(error), report_state(path):
        raise error
    assert read_status(path).state == state


def test_without_a_path_nothing_is_written_and_nothing_is_read(tmp_path):
    with report_state(None) as file:
        run_to_end(report_steps(file, work(), "scoring"))
    assert list(tmp_path.iterdir()) == []
    assert read_status(tmp_path / "status.json") == RunStatus()


@pytest.mark.parametrize("shift", [-3600, -1, 1, 3600, 86400 * 365])
def test_a_clock_that_is_set_makes_no_process_dead(tmp_path, monkeypatch, shift):
    """The system tells when a process was started by the clock as it is set now."""
    path = tmp_path / "status.json"
    with report_state(path) as file:
        boot_time = psutil.boot_time
        create_time = psutil.Process.create_time
        now = time.time
        monkeypatch.setattr(psutil, "boot_time", lambda: boot_time() + shift)
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: create_time(self) + shift)
        monkeypatch.setattr(time, "time", lambda: now() + shift)
        assert read_status(path).is_alive
        another = replace(read_status(path), pid_started=read_status(path).pid_started - 100)
        assert not another.is_alive
        seconds = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: seconds + 60)
        before = read_status(path).heartbeat
        file.write_heartbeat()
        assert read_status(path).heartbeat - before == pytest.approx(shift, abs=30)
        assert read_status(path).is_alive


def test_a_process_that_was_killed_is_dead_though_nobody_asked_how_it_ended(tmp_path):
    """In a container that has no proper first process it stays as a zombie for ever."""
    code = "import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        write_child_status(tmp_path / "status.json", process.pid, "starting")
        status = read_status(tmp_path / "status.json")
        assert status.is_alive
        process.kill()
        end = time.monotonic() + 30
        while status.is_alive:
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()


def test_a_status_of_an_earlier_version_is_read(tmp_path):
    path = tmp_path / "status.json"
    with report_state(path):
        values = json.loads(path.read_text())
        del values["boot_time"]
        assert RunStatus.from_json(values).is_alive
