"""Runs are compared; incomplete, foreign, newer or missing ones are reported, not raised."""

import json
import os
import shutil
from pathlib import Path

import pytest

from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.runs import catalogue
from absslab.core.runs.catalogue import (
    filter_runs,
    find_best_epoch,
    find_runs,
    read_history,
    summarise_run,
    tabulate_curves,
    tabulate_differing_settings,
    tabulate_runs,
)
from absslab.core.runs.launcher import read_plan
from absslab.core.training.run_directory import RunWriter
from absslab.core.training.settings import Settings

WRITTEN = Path(__file__).parents[2] / "fixtures" / "version_0_1_0"


def make_run(folder, name, *, losses=(1.0, 0.5), state="finished", **flags):
    """Write a run directory with some epochs, without training."""
    settings = Settings.from_flags(
        {"n_epochs": 2, "metric": "roc_auc_score", "save_path": f"{folder / name}.ckpt"} | flags
    )
    writer = RunWriter.begin(folder / f"{name}.ckpt", settings.to_json())
    for epoch, loss in enumerate(losses, start=1):
        metrics = {"loss": loss, "roc_auc_score": 1 - loss / 2}
        writer.add_metrics({"epoch": epoch, "losses": {"total": 2 * loss}, "metrics": metrics})
    writer.write_status(state, epoch=len(losses), device="cpu")
    return writer.folder


@pytest.fixture
def two(tmp_path):
    make_run(tmp_path, "a", model_type="U_Net", pooling="GAP")
    make_run(tmp_path, "b", losses=(1.0, 0.2, 0.4), learning_rate=0.01, state="stopped")
    return sorted(find_runs(tmp_path), key=lambda run: run.name)


def test_a_summary_tells_state_epochs_and_the_best_validation_score(two):
    b = two[1]
    assert (b.name, b.state, b.epoch, b.n_epochs, b.device, b.problem) == (
        "b",
        "stopped",
        3,
        2,
        "cpu",
        "",
    )
    assert (b.metric, b.best, b.best_epoch) == ("roc_auc_score", 0.9, 2)
    assert b.settings["learning_rate"] == 0.01


def test_epochs_are_those_that_a_training_has_not_those_of_its_settings(tmp_path):
    folder = make_run(tmp_path, "a", losses=(1.0, 0.5, 0.2), state="stopped", least_steps=100)
    assert (summarise_run(folder).n_epochs, read_plan(folder)) == (2, (2, None, "auto"))
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps(status | {"n_epochs": 5}))
    assert (summarise_run(folder).n_epochs, read_plan(folder)) == (5, (5, None, "auto"))
    assert tabulate_runs([summarise_run(folder)])["epoch"].tolist() == ["3 of 5"]


def test_of_the_loss_the_lowest_is_best():
    epochs = {
        1: {"metrics": {"loss": 2.0}},
        2: {"metrics": {"loss": 1.0}},
        3: {"metrics": None},
        4: {},
    }
    assert find_best_epoch(epochs, "loss") == (2, 1.0)
    assert find_best_epoch({}, "loss") == (None, None)


def test_no_folder_and_an_empty_one_hold_no_runs(tmp_path):
    assert find_runs(tmp_path) == []
    assert find_runs(tmp_path / "nowhere") == []
    assert tabulate_runs([]).empty
    assert tabulate_differing_settings([]).empty
    (tmp_path / "notes").mkdir()
    (tmp_path / "a.ckpt").touch()
    assert find_runs(tmp_path) == []


def test_a_run_whose_process_is_gone_is_dead(tmp_path):
    folder = make_run(tmp_path, "a", state="running")
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(
        json.dumps(status | {"pid_started": status["pid_started"] - 100})
    )
    assert summarise_run(folder).state == "dead"


def test_a_run_of_a_newer_version_is_followed_and_said_to_be_so(tmp_path):
    folder = make_run(tmp_path, "a")
    config = json.loads((folder / "config.json").read_text())
    config["training"]["teacher"] = "large"
    (folder / "config.json").write_text(json.dumps(config))
    run = summarise_run(folder)
    assert "no setting 'teacher'" in run.problem
    assert "another version" in run.problem
    assert (run.state, run.epoch, run.best) == ("finished", 2, 0.75)


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"model": 3}', "\x00\xff"])
@pytest.mark.parametrize("name", ["config.json", "status.json"])
def test_torn_and_foreign_files_are_said_and_the_rest_is_told(tmp_path, name, content):
    folder = make_run(tmp_path, "a")
    (folder / name).write_text(content)
    run = summarise_run(folder)
    assert run.problem or run.state == "dead"
    assert run.epoch == 2
    assert len(tabulate_runs([run])) == 1


def test_torn_lines_are_passed_over(tmp_path):
    folder = make_run(tmp_path, "a")
    with open(folder / "metrics.jsonl", "ab") as file:
        file.write(
            b'{"epoch": 3, "los\n\xff\xfe\n{"epoch": "four"}\n[1]\n'
            b'{"epoch": 5, "metrics": 7, "losses": []}\n{"epoch": 6'
        )
    assert list(read_history(folder)) == [1, 2, 5]
    assert summarise_run(folder).epoch == 5
    assert list(tabulate_curves([summarise_run(folder)], "training loss")["value"]) == [2.0, 1.0]


def test_a_run_that_never_began_and_one_that_is_gone_say_so(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "output.txt").write_text("absslab train: …")
    (run,) = find_runs(tmp_path)
    assert (run.state, run.problem) == (
        "",
        "it did not begin: there is no config.json; see output.txt",
    )
    assert summarise_run(tmp_path / "gone").problem == "the folder is gone"


def test_differences_are_the_settings_that_differ_as_one_would_type_them(two):
    table = tabulate_differing_settings(two)
    assert list(table.columns) == ["a", "b"]
    assert table.loc["learning_rate"].tolist() == ["0.001", "0.01"]
    assert table.loc["model_type"].tolist() == ["U_Net", "VGG_like_CNN"]
    assert table.loc["kernel_sizes"].tolist() == ["", "3"]
    assert "n_epochs" not in table.index
    assert "save_path" not in table.index


def test_the_table_has_test_scores_where_a_run_was_evaluated(two):
    scores = {
        "classes": ["x"],
        "tagging": {"auc": 0.5, "f1": None},
        "detection": None,
        "separation": {"sdr": 3.0},
    }
    (two[0].path / "scores.json").write_text(json.dumps(scores))
    two[1].path.with_name("b.json").write_text("{")
    runs = [summarise_run(run.path) for run in two]
    assert [run.scores for run in runs] == [{"tags AUC": 0.5, "BSS SDR / dB": 3.0}, {}]
    table = tabulate_runs(runs)
    assert table["tags AUC"].tolist() == ["0.500", "–"]
    assert table["validation"].tolist() == [
        "roc_auc_score 0.7500, epoch 2",
        "roc_auc_score 0.9000, epoch 2",
    ]
    assert table["epoch"].tolist() == ["2 of 2", "3 of 2"]
    assert "problem" not in table


def test_scores_are_read_again_only_when_their_file_has_changed(tmp_path, monkeypatch):
    folder = tmp_path / "unet"
    shutil.copytree(WRITTEN / "unet", folder)
    read = []

    def watched(path):
        read.append(path)
        return read_scores_alone(path)

    monkeypatch.setattr(catalogue, "read_scores_alone", watched)
    before = summarise_run(folder).scores
    assert before
    assert summarise_run(folder).scores == before
    assert len(read) == 1
    (folder / "scores.json").write_text((folder / "scores.json").read_text() + " ")
    assert summarise_run(folder).scores == before
    assert len(read) == 2
    (folder / "scores.json").unlink()
    assert summarise_run(folder).scores == {}


def test_words_choose_by_name_state_and_setting(two):
    def names(words):
        return "".join(run.name for run in filter_runs(two, words))

    assert names("") == "ab"
    assert names("STOP") == "b"
    assert names("model_type=u_net") == "a"
    assert names("learning_rate=0.01 state=stopped") == "b"
    assert names("learning_rate=0.01 model_type=U_Net") == ""
    assert names("nonsense=1") == ""


def test_runs_of_before_and_of_today_are_found_and_compared_alike(tmp_path):
    flags = {"data_set_type": "mixture_folder", "loss": "BCE", "pooling": "GWRP", "decay": 0.999}
    make_run(tmp_path, "today", **flags)
    folder = make_run(tmp_path, "before", **flags)
    config = json.loads((folder / "config.json").read_text())
    config["data"]["data_set_type"] = "DCASE2013_remixed_data_set"
    for section, name, alias in (
        ("training", "loss", "loss_f"),
        ("model", "pooling", "classification_mapping"),
        ("pooling", "decay", "dc"),
    ):
        config[section][alias] = config[section].pop(name)
    (folder / "config.json").write_text(json.dumps(config))
    runs = find_runs(tmp_path)
    assert tabulate_differing_settings(runs).empty
    for term in (
        "data_set_type=mixture_folder",
        "data_set_type=DCASE2013_remixed_data_set",
        "dc=0.999",
        "decay=0.999",
        "loss_f=BCE",
        "classification_mapping=GWRP",
    ):
        assert {run.name for run in filter_runs(runs, term)} == {"today", "before"}, term
    assert filter_runs(runs, "loss_f=MultiLabelSoftMarginLoss") == []


def test_curves_are_long_and_in_order_of_epochs(two):
    table = tabulate_curves(two, "loss")
    assert table["run"].tolist() == ["a", "a", "b", "b", "b"]
    assert table["value"].tolist() == [1.0, 0.5, 1.0, 0.2, 0.4]
    assert tabulate_curves(two, "nonsense").empty


def test_what_a_run_adds_is_seen_at_the_next_look(tmp_path):
    folder = make_run(tmp_path, "a", losses=(1.0,))
    assert list(read_history(folder)) == [1]
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 2}\n')
    assert list(read_history(folder)) == [1, 2]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_that_may_not_be_read_are_said(tmp_path):
    folder = make_run(tmp_path, "a")
    (folder / "config.json").chmod(0)
    assert "config.json" in summarise_run(folder).problem
