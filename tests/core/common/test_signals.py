"""Ctrl-C is never lost."""

import signal
import sys

import pytest

from absslab.core.common.progress import Progress, run_with_progress
from absslab.core.common.signals import interrupt_on_termination, remember_interrupts


class Finaliser:
    """Presses Ctrl-C when it is removed, where Python drops the exception."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def steps(done):
    for number in range(3):
        if number == 1:
            Finaliser()
        yield Progress(number, 3)
        done.append(number)


@pytest.fixture
def interruptible(monkeypatch):
    """Gives Ctrl-C its usual meaning, and drops what Python says of the lost exception."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: None)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_python_drops_ends_the_work_at_its_next_step(interruptible):
    done = []
    with pytest.raises(KeyboardInterrupt), remember_interrupts():
        run_with_progress(steps(done), "counted", "number")
    assert done == [0]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run_with_progress(steps(done), "counted", "number")  # what was remembered is over
    assert done == [0, 0, 1, 2]


def test_where_interrupts_are_ignored_they_stay_so(interruptible):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    done = []
    with remember_interrupts():
        run_with_progress(steps(done), "counted", "number")
    assert done == [0, 1, 2]


def test_termination_is_taken_for_an_interrupt_within_the_block(interruptible):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for jobs in the background
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interrupt_on_termination():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    done = []
    run_with_progress(steps(done), "counted", "number")
    assert done == [0, 1, 2]
