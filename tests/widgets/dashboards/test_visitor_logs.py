"""The host reads all that visitors' processes have logged, and nothing of it is kept."""

import logging
import os
import subprocess
import sys
from logging.handlers import RotatingFileHandler

import pytest

from absslab.widgets.dashboards import visitor_logs
from absslab.widgets.dashboards.visitor_logs import VisitorLogs

OWN = os.getpid()


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_is_new_is_shown(tmp_path, capsys):
    logs = VisitorLogs(tmp_path)
    path = tmp_path / f"log-{OWN}.txt"
    logs.show()
    path.write_text("one\n")
    logs.show()
    logs.show()
    with path.open("a") as file:
        file.write("two\x1b[2J\n")
    logs.show()
    assert capsys.readouterr().err == "one\ntwo?[2J\n"
    assert path.exists()


@pytest.mark.parametrize("n_lines", [1, 3])
def test_a_log_that_is_full_goes_on_in_a_new_file(tmp_path, capsys, n_lines):
    logs = VisitorLogs(tmp_path)
    path = tmp_path / f"log-{OWN}.txt"
    handler = RotatingFileHandler(path, maxBytes=100, backupCount=1, delay=True)

    def log(text):
        handler.emit(logging.LogRecord("", logging.ERROR, "", 0, text, (), None))

    log("a" * 60)
    logs.show()
    log("b" * 30)  # the last that fits
    for number in range(n_lines):
        log(f"{number}" * 30)
    for _ in range(3):
        logs.show()
    handler.close()
    shown = capsys.readouterr().err.split()
    assert shown == ["a" * 60, "b" * 30, *(f"{number}" * 30 for number in range(n_lines))]


def test_the_log_of_a_process_that_ended_is_removed_when_it_was_shown(
    tmp_path, capsys, monkeypatch, ended
):
    monkeypatch.setattr(visitor_logs, "_MAX_PART", 4)
    logs = VisitorLogs(tmp_path)
    for name in (f"log-{ended}.txt", f"log-{ended}.txt.1", f"log-{OWN}.txt", "log-x.txt"):
        (tmp_path / name).write_text("a\nb\nc\n")
    logs.show()
    assert len(list(tmp_path.iterdir())) == 4
    for _ in range(3):
        logs.show()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"log-{OWN}.txt", "log-x.txt"]
    assert capsys.readouterr().err.split() == ["a", "b"] * 2 + ["c"] * 2
    assert list(logs._shown) == [OWN]


def test_a_full_log_alone_is_removed_too(tmp_path, ended):
    (tmp_path / f"log-{ended}.txt.1").write_text("full\n")
    VisitorLogs(tmp_path).show()
    assert list(tmp_path.iterdir()) == []
