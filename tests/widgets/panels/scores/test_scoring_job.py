"""A scoring process is followed through its status.json."""

import pytest

from absslab.core.common.run_status import StatusFile
from absslab.widgets.panels.scores.scoring_job import ScoringJob
from absslab.widgets.ui.main_loop import current_main_loop


class Process:
    """A fake job that has printed something and still runs."""

    printed = ""
    status = None

    def poll(self):
        return self.status

    def read_log_end(self, n_lines=20):
        return self.printed


@pytest.fixture
def scoring(tmp_path):
    """`scoring(failed=…)` makes a job with a fake process."""

    def make(**callbacks):
        job = ScoringJob(current_main_loop(), **({"failed": print, "done": print} | callbacks))
        job._job = Process()
        job._title = "a run"
        job._begin = 0.0
        job._status_path = tmp_path / "status.json"
        return job

    return make


def test_the_bar_goes_as_far_as_the_process_says(scoring):
    job = scoring()
    job._job.printed = "scored: 1 of 2 files"
    job.update()
    assert job._bar.value == 0.0
    for done, total, expected in ((0, 0, 0.0), (60, 80, 0.75), (80, 80, 1.0)):
        status = StatusFile(job._status_path)  # its first report is written at once
        status.report("scoring", done, total)
        job.update()
        assert job._bar.value == expected
    assert job.is_running


def test_an_error_when_the_scores_are_shown_is_said(scoring):
    errors = []

    def done():
        raise OSError("the disk is gone")

    job = scoring(failed=errors.append, done=done)
    job._job.status = 0
    job.update()
    assert [str(error) for error in errors] == ["the disk is gone"]
    assert not job.is_running


def test_what_the_process_lost_of_its_input_is_said_once_it_has_ended(scoring):
    notices = []
    job = scoring(noticed=notices.append)
    lines = [f"absslab evaluate: warning: /data/{name}.wav is cut short" for name in "aab"]
    job._job.printed = "\n".join(
        ["scoring on cpu", *lines, "absslab evaluate: 3 warnings, see above"]
    )
    job.update()
    assert notices == []
    job._job.status = 0
    job.update()
    assert [str(notice) for notice in notices] == [
        "/data/a.wav is cut short",
        "/data/b.wav is cut short",
    ]


def test_a_process_that_was_killed_is_told_in_words_and_not_by_what_it_printed_last(scoring):
    errors = []
    job = scoring(failed=errors.append)
    job._job.printed = "scored: 3 of 20 files"
    job._job.status = -9
    job.update()
    assert [str(error) for error in errors] == [
        "a run can't be scored: it was ended from outside (SIGKILL), perhaps because the memory "
        "was full"
    ]
    assert not job.is_running
