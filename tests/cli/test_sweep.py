"""A sweep trains and scores a grid as processes, goes on, and names what failed."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from absslab.cli.main import main
from absslab.cli.sweep import make_runs
from absslab.core.common.files import file_lock
from absslab.core.common.run_status import read_status
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.runs.catalogue import find_runs
from absslab.core.runs.launcher import Launcher
from absslab.core.runs.run_scores import read_run_scores
from absslab.core.runs.sweep import SweepConfig
from absslab.core.runs.sweep_grid import find_grid, read_grid
from absslab.core.runs.sweep_results import (
    FailedTrainings,
    SweepFailure,
    SweepResults,
    SweepRow,
    read_sweep_results,
    write_results,
)

GRID = """
common: {{data_folder: {data}, model_type: U_Net, n_mels: 16, unet_channels: [4, 4, 4],
  fine_channels: 4, context: 4, n_epochs: {n_epochs}, batch_size: 12, test_every: 1,
  choose_thresholds: none}}
grid: {{pooling: [GMP, GAP]}}
"""


@pytest.fixture
def grid(tmp_path, mixtures):
    """Write a grid of two small trainings, with other text appended."""

    def write(more="", n_epochs=1):
        path = tmp_path / "grid.yaml"
        path.write_text(GRID.format(data=mixtures, n_epochs=n_epochs) + more)
        return path

    return write


def arguments(grid, folder, *flags):
    words = [grid, "--output_folder", folder, "--devices", "cpu", *flags]
    return ["sweep", *map(str, words)]


def fail(capsys, words):
    """Run a command that must fail with status 2, and return its one line."""
    assert main(list(map(str, words))) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_grid_is_trained_and_scored_and_only_once(grid, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "S"
    path = grid("runs: {broken: {initial_weights: no.ckpt}}")
    assert main(arguments(path, folder, "--columns", "tagging.auc", "minutes")) == 3
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "| training | seeds | tagging AUC | training, min |"
    assert [line.split(" | ")[:2] for line in lines[2:4]] == [
        ["| pooling=GMP", "0"],
        ["| pooling=GAP", "0"],
    ]
    assert "AUC of each class, test split:" in out
    assert "| training | seeds | alert | knock | pageturn | speech |" in lines
    assert "- no scores of broken, seed 0: " in out
    assert err.splitlines()[-1].startswith(
        "absslab sweep: 1 training has no scores (broken, seed 0: "
    )
    results = read_sweep_results(folder)
    assert [row.values for row in results.rows] == [{"pooling": "GMP"}, {"pooling": "GAP"}]
    assert (folder / "results.md").read_text() + "\n" == out.rpartition("→")[0]
    with open(folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["pooling"] for row in rows] == ["GMP", "GAP"]
    assert float(rows[0]["per_class.alert.auc"]) == pytest.approx(
        results.rows[0].scores["per_class.alert.auc"], rel=1e-5
    )

    summaries = {run.name: run for run in find_runs(folder)}  # as the panel of runs finds them
    assert set(summaries) == {"pooling=GMP-seed0", "pooling=GAP-seed0", "broken-seed0"}
    assert summaries["pooling=GMP-seed0"].state == "finished"
    assert summaries["pooling=GMP-seed0"].scores["tags AUC"] == pytest.approx(
        results.rows[0].scores["tagging.auc"]
    )
    assert read_run_scores(folder / "pooling=GMP-seed0", "test").is_old is False

    assert fail(capsys, arguments(path, folder, "--n_epochs", 2)) == (
        f"absslab sweep: {folder / 'pooling=GMP-seed0'} was trained with n_epochs 1, not 2: choose "
        "another output_folder, or the same n_epochs\n"
    )
    last = folder / "pooling=GMP-seed0" / "last.ckpt"
    before = last.stat().st_mtime_ns
    assert main(arguments(path, folder, "--only", "*GMP", "--split", "validation")) == 0
    assert last.stat().st_mtime_ns == before
    assert read_scores_alone(last.with_name("scores-validation.json")).split == "validation"
    assert len(read_sweep_results(folder, "validation").rows) == 1

    def start(*_):
        raise AssertionError("nothing is left to do")

    monkeypatch.setattr("absslab.core.runs.launcher.start_process", start)
    monkeypatch.setattr("absslab.core.runs.sweep_job.start_process", start)
    assert main(arguments(path, folder, "--only", "pooling=*")) == 0
    assert read_sweep_results(folder).rows == results.rows
    assert len(read_sweep_results(folder).failures) == 1


@pytest.mark.parametrize("page", ["docs/tasks/sweep.md", "absslab/core/runs/sweep_grid.py"])
def test_the_grid_of_the_manual_is_understood(page, tmp_path):
    text = (Path(__file__).parents[2] / page).read_text()
    marks = ("```yaml\n", "```") if page.endswith("md") else ("::\n", "\nSettings are")
    path = tmp_path / "grid.yaml"
    path.write_text(text.split(marks[0])[1].split(marks[1])[0])
    content = read_grid(path, ("output_folder", "seeds", "split"))
    config = SweepConfig(**({"output_folder": str(tmp_path)} | dict(content.flags)))
    runs = make_runs(content, config, {})
    assert len(runs) == 15
    assert {run.name for run in runs} > {"slow"}
    assert all(run.settings.model.model_type == "Presence_U_Net" for run in runs)


def wait_for(condition, process):
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)


def begin_sweep(words, run, n_before):
    """Start a sweep as a process, and wait until a run has more epochs than before."""
    command = [sys.executable, "-m", "absslab", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def is_training():
        status = read_status(run / "status.json")
        return status.state == "running" and (status.epoch or 0) > n_before

    wait_for(is_training, process)
    return process


def test_an_interrupted_or_killed_sweep_goes_on(grid, tmp_path):
    folder = tmp_path / "S"
    run = folder / "pooling=GMP-seed0"
    words = arguments(grid(n_epochs=60), folder, "--only", "*GMP")
    process = begin_sweep(words, run, 0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "absslab sweep: stopped; the same command goes on"
    status = read_status(run / "status.json")
    assert status.state == "stopped"  # its process has ended too
    assert not read_sweep_results(folder).rows

    process = begin_sweep(words, run, status.epoch)
    process.kill()
    process.communicate()
    pid = read_status(run / "status.json").pid
    assert Launcher().state(run) == "running"  # it outlives the sweep, and the next follows it
    assert main(words) == 0
    assert read_status(run / "status.json").pid == pid
    (row,) = read_sweep_results(folder).rows
    assert row.epochs == 60
    first, second = re.findall(r"from epoch (\d+)", (run / "log.txt").read_text())
    assert (first, int(second)) == ("1", status.epoch + 1)


@pytest.mark.parametrize(
    ("more", "flags", "message"),
    [
        ("runs: {a: {poling: GMP}}", "", "a: unknown flag --poling; did you mean --pooling"),
        ("runs: {a: {pooling: best}}", "", "a: pooling is 'best': expected one of GMP"),
        ("runs: {a: {n_epochs: many}}", "", "a: argument --n_epochs: 'many' is not a whole"),
        ("", "--learnin_rate 1", "pooling=GMP: unknown flag --learnin_rate; did you mean"),
        ("", "--pooling GWRP", "the grid itself sets pooling to GMP for pooling=GMP; change it in"),
        ("", "--seed 3", "the setting seed, which a sweep gives to each training itself: pass"),
        ("", "--seeds 0 0", "seeds is 0 0: expected one or more, each once"),
        ("seeds: 3", "", "seeds is 3: expected a list, each a whole number"),
        ("split: best", "", "split is 'best': expected one of train, validation, test"),
        ("", "--devices cpu cpu", "devices is cpu cpu: expected auto, or one or more, each once"),
        ("", "--devices tpu", "device is 'tpu': expected auto, cpu"),
        ("", "--columns tagging.auk", "columns names tagging.auk, which is no score"),
        ("", "--class_scores auk", "class_scores names auk, which is no score of a class"),
        ("", "--only GWRP", "no training of the grid is called 'GWRP'"),
        ("", "--data_folder /nowhere", "data_folder /nowhere is not a directory"),
        ("", "more", "unexpected 'more': expected a flag"),
    ],
)
def test_bad_input_is_told_before_anything_is_trained(grid, tmp_path, capsys, more, flags, message):
    words = arguments(grid(more), tmp_path / "S")
    flags = flags.split()
    at = 2 if flags == ["more"] else len(words)
    assert message in fail(capsys, [*words[:at], *flags, *words[at:]])
    assert not (tmp_path / "S").exists()


def test_a_missing_file_or_folder_is_told_in_one_line(grid, tmp_path, capsys, mixtures):
    assert "output_folder is missing: pass" in fail(capsys, ["sweep", grid()])
    err = fail(capsys, arguments(tmp_path / "no.yaml", tmp_path / "S"))
    assert "no.yaml does not exist or is no file: expected a grid in YAML, or one of" in err
    path = tmp_path / "without.yaml"
    path.write_text("runs: {a: {n_epochs: 1}}")
    assert "names no data_folder: pass --data_folder" in fail(
        capsys, arguments(path, tmp_path / "S")
    )
    assert "the following arguments are required: GRID.yaml" in fail(capsys, ["sweep"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--pooling gap",
            "GMP-sigmoid: --classifier_model_type GlobalMaxPooling2d and --pool",
        ),
        ("--classifier_model_type ChannelWiseFC2d", "sets classifier_model_type to GlobalMaxPool"),
    ],
)
def test_what_a_grid_of_the_package_sets_is_changed_in_a_copy(flags, message, tmp_path, capsys):
    words = ["--data_folder", tmp_path, "--output_folder", tmp_path / "S"]
    err = fail(capsys, ["sweep", "thesis", *words, *flags.split()])
    assert message in err
    assert "; change it in a copy, which absslab sweep thesis --copy_to FILE writes, or" in err


def test_a_grid_is_copied_and_its_copy_is_changed(tmp_path, capsys):
    copy = tmp_path / "my.yaml"
    assert main(["sweep", "thesis", "--copy_to", str(copy)]) == 0
    assert capsys.readouterr().out.startswith(f"→ {copy}; change it, and train it with absslab")
    text = copy.read_text()
    assert text == find_grid("thesis").read_text()
    copy.write_text(text.replace("GlobalMaxPooling2d", "GlobalAvgPooling2d"))
    config = SweepConfig(output_folder=str(tmp_path), only=("GMP-sigmoid",))
    (run,) = make_runs(read_grid(copy, ()), config, {"data_folder": [str(tmp_path)]})
    assert run.settings.model.pooling == "GAP"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--copy_to my.yaml", "my.yaml exists already: choose another place"),
        (
            "--copy_to my.json",
            "copy_to is 'my.json': expected the name of a file that ends in",
        ),
        ("--copy_to other.yaml --n_epochs 3", "copies the grid as it is: leave --n_epochs out"),
        ("--copy_to other.yaml --seeds 3", "copies the grid as it is: leave --seeds out"),
        ("--copy_to", "argument --copy_to: expected one argument"),
    ],
)
def test_a_copy_that_is_not_possible_is_one_line(flags, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text("precious")
    assert message in fail(capsys, ["sweep", "thesis", *flags.split()])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_a_folder_with_something_else_or_another_sweep_is_left_alone(grid, tmp_path, capsys):
    folder = tmp_path / "S"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    assert "is not empty and holds no sweep of ABSSLab" in fail(capsys, arguments(grid(), folder))
    (folder / "results.json").write_text('{"format": "something else"}')
    assert "was not written by absslab sweep" in fail(capsys, arguments(grid(), folder))
    write_results(folder, SweepResults("test"), (), ())
    with file_lock(folder / ".sweep.lock"):
        assert "another sweep works in" in fail(capsys, arguments(grid(), folder))


def make_row(seed, auc, **scores):
    scores = {"per_class.a.b.auc": auc, "per_class.c.auc": 1.0, **scores}
    return SweepRow("GMP", seed, {"pooling": "GMP"}, 3, 0.5, 20.0, scores)


def test_the_tables_show_means_and_deviations_over_seeds():
    results = SweepResults("validation")
    for seed in (1, 0):
        results = results.add(make_row(seed, 0.5 + 0.1 * seed, **{"tagging.auc": 0.75}))
    results = results.add(SweepFailure("GAP", 0, "no memory")).sort(["GMP", "GAP"])
    assert results.to_markdown(("tagging.auc", "minutes"), ("auc",)).splitlines() == [
        "| training | seeds | tagging AUC | training, min |",
        "| --- | --- | --- | --- |",
        "| GMP | 0, 1 | 0.750 ± 0.000 | 0.5 ± 0.0 |",
        "",
        "AUC of each class, validation split:",
        "",
        "| training | seeds | a.b | c |",
        "| --- | --- | --- | --- |",
        "| GMP | 0, 1 | 0.550 ± 0.071 | 1.000 ± 0.000 |",
        "",
        "- no scores of GAP, seed 0: no memory",
    ]
    again = results.add(SweepRow("GAP", 0, {}, 3, 0.5, 20.0, {}))
    assert not again.failures


def test_results_of_another_split_have_files_of_their_own(tmp_path):
    results = SweepResults("validation", (make_row(0, 0.5),))
    write_results(tmp_path, results, ("tagging.auc",), ())
    assert read_sweep_results(tmp_path, "validation") == results
    assert sorted(os.listdir(tmp_path)) == [
        "results-validation.csv",
        "results-validation.json",
        "results-validation.md",
    ]


def test_what_failed_is_named_with_its_reason():
    failures = tuple(SweepFailure(f"run{index}", 0, "no memory") for index in range(12))
    text = FailedTrainings(failures).summary()
    assert text.startswith("12 trainings have no scores (run0, seed 0: no memory; run1")
    assert text.endswith("; and 2 more): the same command tries again")
    assert not FailedTrainings(())


def test_a_command_of_a_grid_does_not_run(grid, tmp_path, capsys):
    common = "data_set_type: weakly_labelled_shards, data_folder: 'pipe:touch {name}'"
    path = tmp_path / "command.yaml"
    path.write_text(f"common: {{{common}}}\nruns: {{a: {{n_epochs: 1}}}}")
    words = ["sweep", str(path), "--output_folder", str(tmp_path / "S")]
    assert "says a command as data_folder: to run it, pass it" in fail(capsys, words)
    assert not (tmp_path / "S").exists()


@pytest.mark.parametrize("place", ["https://example.org/x", "pipe:cat /mnt/{name}"])
def test_a_sweep_on_shards_elsewhere_begins(grid, tmp_path, monkeypatch, place):
    begun = []

    def begin(config, runs, order, scheduler):
        begun.extend(run.settings.data.data_folder for run in runs)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("absslab.cli.sweep.sweep_steps", begin)
    words = arguments(grid(), tmp_path / "S")
    words += ["--data_folder", place, "--data_set_type", "weakly_labelled_shards"]
    main(words)
    assert set(begun) == {place}
