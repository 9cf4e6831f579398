"""A process that scores is followed by what it prints."""

from absslab.widgets.panels.scores.scoring_job import ScoringJob
from absslab.widgets.ui.main_loop import current_main_loop


class Process:
    """Stands for a job: it has said something, and goes on."""

    said, status = "", None

    def poll(self):
        return self.status

    def tail(self):
        return self.said


def scoring(**callbacks):
    job = ScoringJob(current_main_loop(), **({"failed": print, "done": print} | callbacks))
    job._job, job._name, job._begun, job._is_cancelled = Process(), "a run", 0.0, False
    return job


def test_the_bar_goes_as_far_as_the_process_says():
    job = scoring()
    for said, expected in (
        ("reading", 0.0),
        ("scored: 0 of 0 files", 0.0),
        ("scored: 10 of 80 files\nscored: 60 of 80 files", 0.75),
    ):
        job._job.said = said
        job.look()
        assert job._bar.value == expected
    assert job.is_running


def test_an_error_when_the_scores_are_shown_is_said():
    said = []

    def done():
        raise OSError("the disk is gone")

    job = scoring(failed=said.append, done=done)
    job._job.status = 0
    job.look()
    assert [str(error) for error in said] == ["the disk is gone"]
    assert not job.is_running
