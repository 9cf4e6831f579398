"""A process that scores is followed by what it prints."""

from absslab.widgets.scoring_job import ScoringJob
from absslab.widgets.tasks import MainLoop


class Process:
    """Stands for a job: it has said something, and goes on."""

    said = ""

    def poll(self):
        return None

    def tail(self):
        return self.said


def test_the_bar_goes_as_far_as_the_process_says():
    job = ScoringJob(MainLoop(), failed=print, done=print)
    job._job, job._name, job._begun = Process(), "a run", 0.0
    for said, expected in (("reading", 0.0), ("scored: 10 of 80 files\nscored: 60 of 80 files", 0.75)):
        job._job.said = said
        job.look()
        assert job._bar.value == expected
    assert job.is_running
