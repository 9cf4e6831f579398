"""Processes outlive the one that started them, keep their output, and can be stopped."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from absslab.core.runs.processes import describe_end, end_process, read_last_lines, start_process


def wait_for(job):
    while job.poll() is None:
        time.sleep(0.02)
    return job.poll()


def test_a_process_is_of_its_own_session_and_its_output_is_kept(tmp_path):
    job = start_process(["train", "--n_epochs", "0"], tmp_path / "new" / "output.txt")
    assert os.getsid(job.pid) == job.pid
    assert wait_for(job) == 2
    assert job.read_log_end() == "absslab train: n_epochs is 0: expected at least 1"


def test_a_process_that_ended_is_no_zombie_although_nobody_asked(tmp_path):
    job = start_process(["--version"], tmp_path / "output.txt")
    while psutil.pid_exists(job.pid):
        time.sleep(0.02)
    assert job.poll() == 0


def test_a_stopped_process_is_interrupted(tmp_path, event_folder):
    arguments = [
        "mix",
        "--event_folder",
        str(event_folder),
        "--output_folder",
        str(tmp_path / "o"),
        "--n_files",
        "5000",
    ]
    job = start_process(arguments, tmp_path / "output.txt")
    while not (tmp_path / "o").exists() and not list(tmp_path.glob(".o*")):
        assert job.poll() is None, job.read_log_end()
    job.stop()
    assert wait_for(job) == 130
    job.stop()


@pytest.mark.parametrize(
    ("signal_number", "words"),
    [
        (signal.SIGKILL, "memory was full"),
        (signal.SIGABRT, "memory was full"),
        (signal.SIGTERM, ""),
    ],
)
def test_a_process_that_a_signal_ended_is_told_in_words(tmp_path, signal_number, words):
    job = start_process(["fetch"], tmp_path / "output.txt")
    os.kill(job.pid, signal_number)
    text = describe_end(wait_for(job))
    assert "was ended from outside" in text
    assert signal_number.name in text
    assert words in text
    assert describe_end(3) == describe_end(0) == ""


def test_a_process_that_ignores_interrupts_is_terminated():
    code = (
        "import signal, time; signal.signal(2, signal.SIG_IGN); print(flush=True); time.sleep(99)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    end_process(process.pid, patience=0.2)
    assert not psutil.pid_exists(process.pid)
    end_process(process.pid)
    process.communicate()


def test_the_end_of_a_log_is_shown_and_no_log_is_nothing(tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"\xff\n" + b"".join(b"line %d\n" % i for i in range(10000)))
    assert read_last_lines(path, 2) == "line 9998\nline 9999"
    assert read_last_lines(tmp_path / "none.txt") == ""
