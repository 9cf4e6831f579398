"""The panel of scores shows a run, opens its mixtures and corrects its labels."""

import asyncio
import csv
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from ipywidgets.widgets.widget import _instances

from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.evaluation.score_files import write_scores
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.evaluation.scores import Scores
from absslab.widgets.panels import State
from absslab.widgets.panels.scores import ScoresPanel
from absslab.widgets.panels.scores.mixture_list import BEST, WORST

HTML = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def evaluation(checkpoint, mixtures):
    """A small model, scored on its test mixtures."""
    evaluation = open_evaluation(
        EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu"),
        scoring=ScoringConfig(n_resamples=50),
    )
    return run_to_end(evaluation.run())


@pytest.fixture
def scored(evaluation, checkpoint, mixtures, tmp_path):
    """A copy of a run with scores, and a copy of its data."""
    shutil.copytree(mixtures, tmp_path / "data")
    shutil.copytree(checkpoint.with_suffix(""), tmp_path / "runs" / "model")
    shutil.copy(checkpoint, tmp_path / "runs" / "model.ckpt")
    table = evaluation.table.assign(
        path=[str(tmp_path / "data" / "test" / name) for name in evaluation.table["mixture"]]
    )
    write_scores(tmp_path / "runs" / "model" / "scores.json", evaluation.scores, table)
    return tmp_path


@pytest.fixture
def panel(scored, settle):
    panel = ScoresPanel(State(runs_folder=str(scored / "runs")))
    settle()
    yield panel
    panel.close()


def run_of(scored):
    return str(scored / "runs" / "model")


def test_the_scores_of_the_selected_run_are_shown(panel, scored, evaluation, settle):
    assert panel.run.options == (run_of(scored),)
    panel.state.run = run_of(scored)
    settle()
    assert panel.message == ""
    assert panel.run.value == run_of(scored)
    for words in ("alert", "pageturn", "SI-SDRi/dB", " to ", "worst mixtures"):
        assert words in panel.table.value
    assert panel.score_control.value == "si_sdr_improvement"
    assert len(panel.mixtures.select.options) == 8
    assert panel.mixtures.select.value is None
    means = evaluation.table.groupby("mixture")["si_sdr_improvement"].mean()
    assert panel.mixtures.select.options[0][1] == means.idxmin()
    n_axes = 3 if evaluation.scores.breakdown else 2
    assert len(panel.chart._plot.figure.axes) == n_axes


def test_a_run_chosen_in_the_panel_is_selected_for_all(panel, scored, settle):
    panel.run.value = run_of(scored)
    settle()
    assert panel.state.run == run_of(scored)
    assert panel.scores is not None
    panel.state.run = ""
    settle()
    assert panel.scores is None
    assert panel.table.value == ""


def test_a_panel_that_opens_on_a_selected_run_shows_it(scored, settle):
    panel = ScoresPanel(State(run=run_of(scored)))
    settle()
    assert panel.scores is not None
    panel.close()


def test_mixtures_are_ranked_by_the_score_that_is_chosen(panel, scored, settle):
    panel.state.run = run_of(scored)
    settle()
    ranked = [name for _, name in panel.mixtures.select.options]
    panel.mixtures.order.value = BEST
    settle()
    assert [name for _, name in panel.mixtures.select.options] == ranked[::-1]
    panel.mixtures.order.value = WORST
    settle()
    panel.score_control.value = "leakage"
    settle()
    leaks = panel.scores.table.groupby("mixture")["leakage"].mean().dropna()
    assert panel.mixtures.select.options[0][1] == leaks.idxmax()
    assert panel.mixtures.select.value is None


def test_a_mixture_that_is_chosen_is_selected_for_all_and_opens_with_its_labels(
    panel, scored, settle
):
    panel.state.run = run_of(scored)
    settle()
    name = panel.mixtures.select.options[0][1]
    panel.mixtures.select.value = name
    settle()
    assert panel.message == ""
    assert panel.state.mixture == str(scored / "data" / "test" / name)
    tracks = panel.recording_view.player.tracks
    assert tracks[0].kind == "mixture"
    assert any(track.kind == "reference" for track in tracks)
    assert set(panel.labels.boxes) == {"alert", "knock", "pageturn", "speech"}
    rows = panel.scores.table[panel.scores.table["mixture"] == name].set_index("class")
    assert {label: box.value for label, box in panel.labels.boxes.items()} == {
        label: bool(value) for label, value in rows["label"].items()
    }
    words = [row.children[1].value for row in panel.labels._rows.children]
    doubts = [
        abs(rows["probability"][label] - rows["label"][label]) for label in panel.labels.boxes
    ]
    assert doubts == sorted(doubts, reverse=True)
    assert words[0] == f"the model: {rows['probability'][next(iter(panel.labels.boxes))]:.3f}"


def test_the_list_follows_a_mixture_chosen_from_python(panel, scored, settle):
    panel.state.run = run_of(scored)
    settle()
    path = panel.choose("000003.wav")
    settle()
    assert path == scored / "data" / "test" / "000003.wav"
    assert panel.mixtures.select.value == "000003.wav"
    with pytest.raises(InputError, match="there is no mixture '000009"):
        panel.choose("000009.wav")


def test_a_label_is_corrected_noted_and_shown_again(panel, scored, settle):
    panel.state.run = run_of(scored)
    settle()
    panel.choose("000003.wav")
    settle()
    box = panel.labels.boxes["knock"]
    before = box.value
    box.value = not before
    panel.labels._save_button.click()
    settle()
    assert "if it is one of its training recordings" in panel.message
    with open(scored / "data" / "test" / "weak_labels.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["filename"] == "000003.wav")
    assert row["knock"] == str(int(not before))
    assert panel.labels.boxes["knock"].value is not before
    assert "corrected" in panel.labels._about.value
    panel.choose("000001.wav")
    settle()
    assert "<table" not in panel.labels._about.value
    panel.choose("000003.wav")
    settle()
    assert panel.labels.boxes["knock"].value is not before
    assert "<table" in panel.labels._about.value
    assert panel.correct({"knock": before}) == ["knock"]
    assert panel.correct({"knock": before}) == []
    assert "no label was changed" in panel.message
    with pytest.raises(InputError, match="there is no label 'bird'"):
        panel.correct({"bird": True})


def test_a_correction_that_can_t_be_saved_is_said(panel, scored, settle):
    panel.state.run = run_of(scored)
    settle()
    panel.choose("000003.wav")
    settle()
    (scored / "data" / "test" / "weak_labels.csv").unlink()
    panel.labels.boxes["knock"].value = not panel.labels.boxes["knock"].value
    panel.labels._save_button.click()
    settle()
    assert "weak_labels.csv does not exist" in panel.message
    panel.choose("000001.wav")
    settle()
    assert "it has no labels to correct" in panel.labels._about.value
    assert panel.recording_view.player is not None


def test_data_that_moved_are_found_in_the_folder_that_is_chosen_now(panel, scored, settle):
    panel.state.run = run_of(scored)
    settle()
    (scored / "data").rename(scored / "moved")
    panel.mixtures.select.value = "000003.wav"
    settle()
    assert "000003.wav does not exist any more: choose the folder" in panel.message
    panel.state.mixture_folder = str(scored / "moved")
    settle()
    assert panel.choose("000003.wav") == scored / "moved" / "test" / "000003.wav"
    settle()
    assert panel.message != ""
    assert set(panel.labels.boxes) == {"alert", "knock", "pageturn", "speech"}


def test_a_run_without_scores_of_this_split_says_so(panel, scored, settle):
    panel.state.run = run_of(scored)
    settle()
    panel.split.value = "validation"
    settle()
    assert panel.state.split == "validation"
    assert "has no scores of its validation split" in panel.table.value
    assert panel.mixtures.select.options == ()
    panel.state.split = "test"
    settle()
    assert panel.scores is not None


def test_scores_beside_the_run_are_found_as_well(panel, scored, settle):
    for suffix in (".json", ".csv"):
        shutil.move(
            scored / "runs" / "model" / f"scores{suffix}", scored / "runs" / f"scores{suffix}"
        )
    (scored / "runs" / "scores.json").rename(scored / "runs" / "model.json")
    panel.state.run = run_of(scored)
    settle()
    assert panel.scores.path == scored / "runs" / "model.json"


def test_scores_of_another_model_are_said(panel, scored, settle):
    (scored / "runs" / "model.ckpt").write_bytes(b"trained further")
    panel.state.run = run_of(scored)
    settle()
    assert "has the scores of another model" in panel.message
    assert panel.scores is not None


def changed(**change):
    return lambda text: json.dumps(json.loads(text) | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:200], "is not readable JSON"),
        (lambda text: "[]", "does not hold scores"),
        (changed(per_class=None), "score it once more"),
        (changed(per_class={"alert": 3}), "score it once more"),
        (
            changed(ladder=[{"rung": 1}], version="99.0"),
            "it was written by 99.0: score it once more",
        ),
        (changed(intervals={}), "score it once more"),
        (changed(table="none.csv"), "none.csv"),
    ],
)
def test_scores_that_are_torn_or_of_a_newer_version_are_refused_in_one_line(
    panel, scored, change, message, settle
):
    path = scored / "runs" / "model" / "scores.json"
    path.write_text(change(path.read_text()))
    panel.state.run = run_of(scored)
    settle()
    assert message in panel.message
    assert "\n" not in panel.message
    assert panel.scores is None


def test_a_table_that_is_torn_or_deleted_is_said(panel, scored, settle):
    table = scored / "runs" / "model" / "scores.csv"
    table.write_text(table.read_text()[:300].replace("label", "lable"))
    panel.state.run = run_of(scored)
    settle()
    assert "lacks label" in panel.message
    table.unlink()
    panel.guard(panel.read)()
    settle()
    assert "scores.csv" in panel.message
    shutil.rmtree(scored / "runs")
    panel.guard(panel.read)()
    settle()
    assert "has no scores" in panel.table.value


def test_names_are_text_whatever_they_hold_and_a_hundred_classes_are_shown(panel, tmp_path, settle):
    names = [
        HTML,
        "\"quotes\" & 'more'",
        "ключи",
        "$x_1$",
        "_under_",
        *(f"class {k}" for k in range(95)),
    ]
    rng = np.random.default_rng(0)
    rows = []
    for i in range(3):
        for k, name in enumerate(names):
            rows.append(
                {
                    "mixture": f"{HTML}{i}.wav",
                    "path": f"/gone/{i}.wav",
                    "class": name,
                    "label": float(k == i),
                    "present": np.nan,
                    "probability": rng.random(),
                    "decision": 0.0,
                }
            )
    tags = {"auc": 0.5, "average_precision": 0.5, "f1": 0.5, "thresholds_from": "validation"}
    empty = ("detection", "segmentation", "separation", "baselines", "breakdown", "mixtures")
    scores = dict.fromkeys(empty) | {
        "split": "test",
        "n_mixtures": 3,
        "classes": names,
        "tagging": tags,
        "missing": {"separation": HTML},
        "per_class": {name: {"n_labelled": 1, "auc": 0.5, "f1": None} for name in names},
        "intervals": {"scores": {}},
        "version": "0.1",
    }
    path = tmp_path / "runs" / "other" / "scores.json"
    write_scores(path, Scores.from_json(scores), pd.DataFrame(rows))
    panel.state.run = str(tmp_path / "runs" / "other")
    settle()
    assert panel.message == ""
    assert HTML not in panel.table.value
    assert panel.score_control.value == "auc"
    assert len(panel.mixtures.select.options) == 3
    panel.chart._plot.figure.canvas.draw()
    panel.mixtures.select.value = f"{HTML}1.wav"
    settle()
    assert "does not exist any more" in panel.message
    assert HTML not in panel.widget.children[0].value


@pytest.mark.parametrize("state", [{}, {"run": "/nowhere/run"}])
def test_a_run_that_can_t_be_scored_says_why(state, settle):
    panel = ScoresPanel(State(**state))
    settle()
    panel.guard(panel.score)()
    settle()
    assert (
        "no run is selected" if not state else "/nowhere/run.ckpt does not exist"
    ) in panel.message
    assert not panel.job.is_running
    panel.close()


def test_a_run_is_scored_in_a_process_of_its_own_once_at_a_time(scored):
    for suffix in (".json", ".csv"):
        (scored / "runs" / "model" / f"scores{suffix}").unlink()

    async def score():
        panel = ScoresPanel(State(run=run_of(scored), mixture_folder=str(scored / "data")))
        panel.score("--device", "cpu", "--n_resamples", "0")
        with pytest.raises(InputError, match="is being scored"):
            panel.score()
        await panel.loop.until(lambda: not panel.job.is_running, seconds=300)
        await panel.loop.until(lambda: panel.scores is not None or panel.message)
        result = panel.message, panel.scores.path, panel.state.runs_changed
        panel.score("--no_such_flag", "1")
        await panel.loop.until(lambda: not panel.job.is_running, seconds=300)
        failed = panel.message
        panel.score()
        panel.cancel()
        await panel.loop.until(lambda: not panel.job.is_running, seconds=300)
        cancelled = panel.message
        panel.score()
        process = panel.job._job
        panel.close()
        while process.poll() is None:
            await asyncio.sleep(0.05)
        return *result, failed, cancelled

    message, path, n_changed, failed, cancelled = asyncio.run(score())
    assert (message, path, n_changed) == ("", scored / "runs" / "model" / "scores.json", 1)
    assert "unknown flag --no_such_flag" in failed
    assert cancelled == ""


def test_closing_frees_all_widgets(scored, settle):
    before = set(_instances)
    panel = ScoresPanel(State(run=run_of(scored)))
    settle()
    panel.choose("000003.wav")
    settle()
    panel.close()
    panel.close()
    panel.state.run = ""
    settle()
    assert set(_instances) <= before
