"""A run directory: written by one process, followed by any."""

import json
import os

import pytest

from absslab.core.errors import InputError
from absslab.core.runs import RunReader, RunWriter, is_alive, run_directory


def test_a_reader_sees_each_epoch_once_and_waits_for_the_end_of_a_torn_line(tmp_path):
    writer = RunWriter(tmp_path / "r.ckpt", {})
    reader = RunReader(tmp_path / "r")
    assert reader.poll() == []
    writer.add_metrics({"epoch": 1})
    assert [line["epoch"] for line in reader.poll()] == [1]
    with open(tmp_path / "r/metrics.jsonl", "a") as file:
        file.write('{"epoch": 2, "loss"')
        file.flush()
        assert reader.poll() == []
        file.write(": 0.5}\n")
    assert reader.poll() == [{"epoch": 2, "loss": 0.5}]
    assert reader.poll() == []


def test_after_a_kill_a_torn_line_is_passed_over_and_the_next_is_whole(tmp_path):
    writer = RunWriter(tmp_path / "r.ckpt", {})
    writer.status("stopped")
    writer.last.touch()
    with open(tmp_path / "r/metrics.jsonl", "a") as file:
        file.write('{"epoch": 1}\n{"epoch": 2, "lo')
    RunWriter(tmp_path / "r.ckpt", {}, resume=writer.folder).add_metrics({"epoch": 2})
    reader = RunReader(tmp_path / "r")
    assert [line["epoch"] for line in reader.poll()] == [1, 2]


def test_of_two_lines_on_one_epoch_the_later_holds(tmp_path):
    writer = RunWriter(tmp_path / "r.ckpt", {})
    for loss in (1.0, 2.0):
        writer.add_metrics({"epoch": 1, "loss": loss})
    reader = RunReader(tmp_path / "r")
    reader.poll()
    assert reader.metrics[1]["loss"] == 2.0


def test_a_run_is_alive_if_its_pid_and_start_say_so_and_on_another_host_if_its_heartbeat_does(tmp_path):
    writer = RunWriter(tmp_path / "r.ckpt", {})
    writer.status("running")
    status = json.loads((tmp_path / "r/status.json").read_text())
    assert is_alive(status)
    assert status["pid"] == os.getpid()
    assert not is_alive(status | {"pid_started": status["pid_started"] - 100})  # the pid was given to another process
    assert is_alive(status | {"heartbeat": status["heartbeat"] - 3600})  # busy for long, but there
    assert is_alive(status | {"host": "elsewhere", "pid": 2**22 + 1})
    assert not is_alive(status | {"host": "elsewhere", "heartbeat": status["heartbeat"] - 3600})
    assert not is_alive({"state": "running"})
    assert not is_alive(status | {"pid": 2**22 + 1})
    assert not is_alive(status | {"state": "finished"})


def test_a_run_that_is_being_trained_is_not_resumed_twice(tmp_path):
    RunWriter(tmp_path / "r.ckpt", {}).status("running")
    with pytest.raises(InputError, match="by another process"):
        RunWriter(tmp_path / "r.ckpt", {}, resume=tmp_path / "r")


def test_a_run_that_never_finished_an_epoch_starts_again_under_its_name(tmp_path):
    RunWriter(tmp_path / "r.ckpt", {}).status("failed")
    RunWriter(tmp_path / "r.ckpt", {"n": 2})
    assert RunReader(tmp_path / "r").config == {"n": 2}


def test_a_run_is_not_resumed_into_another_runs_directory(tmp_path):
    for name in ("a", "b"):
        writer = RunWriter(tmp_path / f"{name}.ckpt", {"run": name})
        writer.status("finished")
        writer.last.touch()
    with pytest.raises(InputError, match="holds a run"):
        RunWriter(tmp_path / "b.ckpt", {}, resume=tmp_path / "a")
    assert RunReader(tmp_path / "b").config == {"run": "b"}


def test_an_old_stop_file_does_not_stop_the_next_run(tmp_path):
    writer = RunWriter(tmp_path / "r.ckpt", {})
    writer.status("stopped")
    (tmp_path / "r" / "stop").touch()
    assert writer.stop_wanted
    assert not RunWriter(tmp_path / "r.ckpt", {}, resume=writer.folder).stop_wanted


def test_only_a_run_directory_can_be_followed(tmp_path):
    with pytest.raises(InputError, match="no run directory"):
        RunReader(tmp_path)


def test_the_run_directory_stands_beside_the_model():
    assert run_directory("a/b.ckpt").as_posix() == "a/b"
    with pytest.raises(InputError, match=r"ends in \.ckpt"):
        run_directory("a/b.pt")
