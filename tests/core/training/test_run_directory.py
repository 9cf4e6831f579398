"""A run directory is written by one process, and any other can follow it."""

import json
import os
import shutil

import pytest

from absslab.core.common.errors import InputError
from absslab.core.common.run_status import (
    RunStatus,
    StatusFile,
    TaskProgress,
    write_child_status,
)
from absslab.core.training.run_directory import (
    RunReader,
    RunWriter,
    estimate_seconds_left,
    request_stop,
    run_directory,
)


def test_a_reader_sees_each_epoch_once_and_waits_for_the_end_of_a_torn_line(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    reader = RunReader.open(tmp_path / "r")
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
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    writer.write_status("stopped")
    writer.last_checkpoint.touch()
    with open(tmp_path / "r/metrics.jsonl", "a") as file:
        file.write('{"epoch": 1}\n{"epoch": 2, "lo')
    RunWriter.begin(tmp_path / "r.ckpt", {}, resume=writer.folder).add_metrics({"epoch": 2})
    reader = RunReader.open(tmp_path / "r")
    assert [line["epoch"] for line in reader.poll()] == [1, 2]


def test_of_two_lines_on_one_epoch_the_later_holds(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    for loss in (1.0, 2.0):
        writer.add_metrics({"epoch": 1, "loss": loss})
    reader = RunReader.open(tmp_path / "r")
    reader.poll()
    assert reader.metrics[1]["loss"] == 2.0


def test_a_run_is_alive_if_its_pid_and_start_say_so_and_on_another_host_if_its_heartbeat_does(
    tmp_path,
):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    writer.write_status("running")
    status = json.loads((tmp_path / "r/status.json").read_text())

    def is_alive(values):
        return RunStatus.from_json(values).is_alive

    assert is_alive(status)
    assert status["pid"] == os.getpid()
    # The pid was given to another process.
    assert not is_alive(status | {"pid_started": status["pid_started"] - 100})
    # Busy for a long time, but alive.
    assert is_alive(status | {"heartbeat": status["heartbeat"] - 3600})
    assert is_alive(status | {"host": "elsewhere", "pid": 2**22 + 1})
    assert not is_alive(status | {"host": "elsewhere", "heartbeat": status["heartbeat"] - 3600})
    assert not is_alive({"state": "running"})
    assert not is_alive(status | {"pid": 2**22 + 1})
    assert not is_alive(status | {"state": "finished"})


def test_a_run_that_is_being_trained_is_not_resumed_twice(tmp_path):
    RunWriter.begin(tmp_path / "r.ckpt", {}).write_status("running")
    with pytest.raises(InputError, match="by another process"):
        RunWriter.begin(tmp_path / "r.ckpt", {}, resume=tmp_path / "r")


def test_a_run_that_never_finished_an_epoch_starts_again_under_its_name(tmp_path):
    RunWriter.begin(tmp_path / "r.ckpt", {}).write_status("failed")
    RunWriter.begin(tmp_path / "r.ckpt", {"n": 2})
    assert RunReader.open(tmp_path / "r").config == {"n": 2}


def test_a_run_is_not_resumed_into_another_runs_directory(tmp_path):
    for name in ("a", "b"):
        writer = RunWriter.begin(tmp_path / f"{name}.ckpt", {"run": name})
        writer.write_status("finished")
        writer.last_checkpoint.touch()
    with pytest.raises(InputError, match="holds a run"):
        RunWriter.begin(tmp_path / "b.ckpt", {}, resume=tmp_path / "a")
    assert RunReader.open(tmp_path / "b").config == {"run": "b"}


def test_an_old_stop_file_does_not_stop_the_next_run(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    writer.write_status("stopped")
    (tmp_path / "r" / "stop").touch()
    assert writer.is_stop_requested
    assert not RunWriter.begin(tmp_path / "r.ckpt", {}, resume=writer.folder).is_stop_requested


def test_only_a_run_directory_can_be_followed(tmp_path):
    with pytest.raises(InputError, match=r"not a run directory.* train writes$"):
        RunReader.open(tmp_path)
    RunWriter.begin(tmp_path / "r.ckpt", {})
    with pytest.raises(InputError, match=r"not a run directory.*; did you mean .*/r\?$"):
        RunReader.open(tmp_path / "r.ckpt")


def test_the_run_directory_stands_beside_the_model():
    assert run_directory("a/b.ckpt").as_posix() == "a/b"
    with pytest.raises(InputError, match=r"ends in \.ckpt"):
        run_directory("a/b.pt")


def test_a_run_that_is_deleted_while_it_is_watched_is_gone_and_one_that_takes_its_place_starts_over(
    tmp_path,
):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    for epoch in (1, 2):
        writer.add_metrics({"epoch": epoch})
    reader = RunReader.open(tmp_path / "r")
    assert len(reader.poll()) == 2
    shutil.rmtree(tmp_path / "r")
    assert (reader.poll(), reader.state(), reader.status(), reader.read_log_end()) == (
        [],
        "gone",
        RunStatus(),
        "",
    )
    assert (reader.epoch_checkpoints(), reader.estimate_seconds_left()) == ({}, None)
    assert sorted(reader.metrics) == [1, 2]  # what was read before remains
    with pytest.raises(InputError, match="does not exist"):
        _ = reader.config
    again = RunWriter.begin(tmp_path / "r.ckpt", {})
    for loss in range(5):
        again.add_metrics({"epoch": 1, "loss": loss})
    assert len(reader.poll()) == 5
    assert reader.metrics == {1: {"epoch": 1, "loss": 4}}


def test_metrics_that_are_replaced_by_fewer_are_read_anew(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    for epoch in (1, 2, 3):
        writer.add_metrics({"epoch": epoch})
    reader = RunReader.open(tmp_path / "r")
    reader.poll()
    # The same file, shorter.
    (tmp_path / "r/metrics.jsonl").write_text('{"epoch": 1, "loss": 2.0}\n')
    assert reader.poll() == [{"epoch": 1, "loss": 2.0}]
    assert reader.metrics == {1: {"epoch": 1, "loss": 2.0}}


@pytest.mark.parametrize("content", ['{"state": "runn', "[1]", "", "\x00\xff"])
def test_a_status_that_is_torn_or_foreign_says_nothing_and_the_run_is_dead(tmp_path, content):
    RunWriter.begin(tmp_path / "r.ckpt", {})
    reader = RunReader.open(tmp_path / "r")
    (tmp_path / "r/status.json").unlink()
    assert (reader.status(), reader.state()) == (RunStatus(), "dead")
    (tmp_path / "r/status.json").write_text(content)
    assert (reader.status().pid, reader.state()) == (None, "dead")


def test_lines_that_are_no_metrics_are_passed_over(tmp_path):
    RunWriter.begin(tmp_path / "r.ckpt", {})
    (tmp_path / "r/metrics.jsonl").write_text(
        '[]\n"text"\n{"epoch": null}\n{"epoch": [1]}\n{}\n\n{"epoch": 3}\n'
    )
    assert RunReader.open(tmp_path / "r").poll() == [{"epoch": 3}]


def test_the_settings_of_a_newer_version_are_plain_data_and_damaged_ones_are_said(tmp_path):
    RunWriter.begin(tmp_path / "r.ckpt", {"training": {"quantum": True}})
    reader = RunReader.open(tmp_path / "r")
    assert reader.config == {"training": {"quantum": True}}
    for content in ("{", "[]"):
        (tmp_path / "r/config.json").write_text(content)
        with pytest.raises(InputError, match=r"config\.json"):
            _ = reader.config


def test_the_status_carries_what_was_said_of_progress(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    writer.write_status("running", epoch=1, n_epochs=5, device="cpu")
    writer.write_status("running", step=2, n_steps=4)
    reader = RunReader.open(tmp_path / "r")
    status = reader.status()
    assert {
        "state",
        "epoch",
        "n_epochs",
        "device",
        "step",
        "n_steps",
        "pid",
        "host",
        "heartbeat",
    } <= set(status.to_json())
    writer.add_metrics({"epoch": 1, "seconds": 10.0})
    reader.poll()
    assert reader.estimate_seconds_left() == pytest.approx(35)
    writer.write_status("stopped")
    assert reader.estimate_seconds_left() is None


def test_a_run_prepares_from_its_first_moment_with_progress_as_numbers(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    reader = RunReader.open(tmp_path / "r")
    assert reader.state() == "preparing"
    writer.report_task("checking recordings", 3, 12)
    assert reader.status().progress == TaskProgress("checking recordings", 3, 12)
    writer.write_status("running", epoch=0)
    assert reader.status().progress is None
    writer.write_heartbeat(step=2)
    assert reader.state() == "running"


def test_a_run_that_ends_while_it_is_prepared_says_how_far_it_was(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    writer.report_task("checking recordings", 3, 12)
    writer.write_status("failed")
    assert RunReader.open(tmp_path / "r").status().progress.done == 3


def test_the_progress_of_a_task_goes_when_a_run_that_trained_has_ended(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    writer.write_status("running")
    writer.report_task("choosing thresholds of events", 3, 12)
    assert RunReader.open(tmp_path / "r").status().progress.done == 3
    writer.write_status("finished")
    assert RunReader.open(tmp_path / "r").status().progress is None


def test_a_run_that_its_launcher_announced_is_begun_by_that_process_alone(tmp_path):
    path = tmp_path / "r" / "status.json"
    path.parent.mkdir()
    write_child_status(path, os.getppid(), "starting")
    with pytest.raises(InputError, match="by another process"):
        RunWriter.begin(tmp_path / "r.ckpt", {})
    path.unlink()
    write_child_status(path, os.getpid(), "starting")
    assert RunReader.open(tmp_path / "r").state() == "preparing"
    assert RunWriter.begin(tmp_path / "r.ckpt", {}).folder == path.parent


def test_a_run_that_is_stopped_before_it_can_say_so_was_stopped(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    status = writer.folder / "status.json"
    values = json.loads(status.read_text())
    status.write_text(json.dumps(values | {"pid_started": 0.0}))
    reader = RunReader.open(writer.folder)
    assert reader.state() == "dead"
    request_stop(writer.folder)
    assert reader.state() == "stopped"


def test_a_status_is_read_as_it_was_written():
    status = RunStatus(
        "preparing", TaskProgress("reading", 1, 2), device="cpu", host="h", pid=1, heartbeat=2.0
    )
    assert RunStatus.from_json(status.to_json()) == status
    assert status.to_json()["version"] == 1
    foreign = {"state": "running", "epoch": "x", "pid": True, "heartbeat": "y", "progress": {}}
    assert RunStatus.from_json(foreign) == RunStatus("running")


def test_the_time_left_follows_the_latest_epochs():
    metrics = {epoch: {"seconds": 100.0 if epoch <= 3 else 2.0} for epoch in range(1, 9)}
    assert estimate_seconds_left(metrics, RunStatus(epoch=8, n_epochs=10)) == 4
    assert estimate_seconds_left(metrics, RunStatus(epoch=10, n_epochs=10)) == 0
    for unknown in ({}, {"epoch": 8}, {"epoch": None, "n_epochs": 10}):
        assert estimate_seconds_left(metrics, RunStatus.from_json(unknown)) is None
    assert estimate_seconds_left({}, RunStatus(epoch=0, n_epochs=10)) is None
    assert estimate_seconds_left({1: {}}, RunStatus(epoch=1, n_epochs=10)) is None


def test_the_tail_of_the_log_is_its_last_lines(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    reader = RunReader.open(tmp_path / "r")
    assert reader.read_log_end() == ""
    for number in range(1000):
        writer.log(f"<b>line {number}</b>")
    tail = reader.read_log_end(3).splitlines()
    assert [line.split("  ")[1] for line in tail] == [
        f"<b>line {number}</b>" for number in (997, 998, 999)
    ]


def test_a_run_is_asked_to_stop_by_its_folder(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    assert not writer.is_stop_requested
    request_stop(tmp_path / "r")
    assert writer.is_stop_requested
    with pytest.raises(InputError, match="not a run directory"):
        request_stop(tmp_path)


def test_models_that_were_kept_are_found_by_epoch(tmp_path):
    writer = RunWriter.begin(tmp_path / "r.ckpt", {})
    reader = RunReader.open(tmp_path / "r")
    assert reader.epoch_checkpoints() == {}
    for epoch in (10, 5):
        writer.epoch_checkpoint_path(epoch).parent.mkdir(exist_ok=True)
        writer.epoch_checkpoint_path(epoch).touch()
    for other in (".000015.ckpt.7.part", "best.ckpt", "notes.txt"):
        (tmp_path / "r/epochs" / other).touch()
    assert reader.epoch_checkpoints() == {
        5: writer.epoch_checkpoint_path(5),
        10: writer.epoch_checkpoint_path(10),
    }
    assert list(reader.epoch_checkpoints()) == [5, 10]


def test_a_run_that_only_prepares_says_that_its_settings_are_to_come(tmp_path):
    folder = tmp_path / "R"
    folder.mkdir()
    StatusFile(folder / "status.json").write("preparing")
    with pytest.raises(InputError, match="only being prepared: its settings are not written yet"):
        _ = RunReader.open(folder).config
    StatusFile(folder / "status.json").write("failed")
    with pytest.raises(InputError, match=r"config\.json does not exist"):
        _ = RunReader.open(folder).config


def test_a_run_directory_is_opened_from_within(tmp_path, monkeypatch):
    (tmp_path / "r/epochs").mkdir(parents=True)
    (tmp_path / "r/config.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "r")
    assert RunReader.open(".").folder.name == "r"
    monkeypatch.chdir(tmp_path / "r/epochs")
    assert RunReader.open("..").folder.name == "r"
    with pytest.raises(InputError, match="epochs is not a run directory"):
        RunReader.open(".")
