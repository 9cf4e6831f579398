"""A status.json tells how far a process is, and how it ended."""

import json

import pytest

from absslab.core.common.progress import Progress, run_to_end
from absslab.core.common.run_status import (
    RunStatus,
    TaskProgress,
    read_status,
    report_state,
    report_steps,
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
