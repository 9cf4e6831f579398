"""The panel of runs lists all runs of a folder, and filters, chooses and compares them."""

import asyncio
import itertools
import json
import shutil

import ipywidgets
import pytest

from absslab.core.common.run_status import LIVE_STATES
from absslab.core.training.run_directory import RunWriter
from absslab.core.training.settings import Settings
from absslab.widgets.panels import State
from absslab.widgets.panels.runs import RunsPanel, runs_panel


def make_run(folder, name, *, losses=(1.0, 0.5), state="finished", scores=None, **flags):
    """Write a run directory with some epochs, without training."""
    settings = Settings.from_flags({"n_epochs": 2, "save_path": f"{folder / name}.ckpt"} | flags)
    writer = RunWriter.begin(folder / f"{name}.ckpt", settings.to_json())
    for epoch, loss in enumerate(losses, start=1):
        metrics = {"loss": loss, "roc_auc_score": 1 - loss / 2}
        writer.add_metrics({"epoch": epoch, "losses": {"total": 2 * loss}, "metrics": metrics})
    writer.write_status(state, epoch=len(losses), device="cpu")
    if scores:
        (writer.folder / "scores.json").write_text(json.dumps({"classes": ["x"]} | scores))
    return writer.folder


@pytest.fixture
def panel(tmp_path):
    make_run(
        tmp_path,
        "a",
        model_type="U_Net",
        scores={"tagging": {"auc": 0.5}, "separation": {"sdr": 3.0}},
    )
    make_run(tmp_path, "b", learning_rate=0.01, state="stopped", scores={"tagging": {"auc": 0.7}})
    make_run(tmp_path, "c", losses=())
    panel = RunsPanel(State(runs_folder=str(tmp_path)))
    yield panel
    panel.close()


def heights(axes):
    return [bar.get_height() for bar in itertools.chain.from_iterable(axes.containers)]


def titles(panel):
    return [axes.get_title(loc="left") for axes in panel.plot.figure.axes]


def test_the_table_has_a_row_per_run_with_scores_and_what_differs(panel):
    assert panel.table.value.count("<tr>") == 4
    assert "3 of 3 runs" in panel.table.value
    for text in (
        "roc_auc_score 0.7500, epoch 2",
        "stopped",
        "tags AUC",
        "0.700",
        "BSS SDR / dB",
        "model_type",
        "U_Net",
        "0.01",
    ):
        assert text in panel.table.value


def test_the_filter_leaves_runs_that_fit_and_says_so_where_none_does(panel):
    panel.filter.value = "model_type=U_Net"
    assert [run.name for run in panel.listed] == ["a"]
    assert "1 of 3 runs" in panel.table.value
    panel.filter.value = "nonsense"
    assert "None of the 3 runs fits the filter" in panel.table.value
    assert panel.selection.options == ()
    panel.filter.value = ""
    assert len(panel.selection.options) == 3


def test_one_chosen_run_is_selected_for_the_other_panels(panel, tmp_path):
    panel.select("b")
    assert panel.state.run == str(tmp_path / "b")
    assert "Choose several runs" in panel.differences.value
    assert panel.comparison.layout.display == ""
    panel.select()
    assert panel.comparison.layout.display == "none"
    assert panel.state.run == str(tmp_path / "b")


def test_a_run_that_another_panel_chooses_is_marked_and_shown_but_takes_no_comparison_away(
    panel, tmp_path
):
    panel.state.run = str(tmp_path / "a")
    assert panel.selection.value == (str(tmp_path / "a"),)
    rows = [row for row in panel.table.value.split("<tr") if "<td" in row]
    marked = [row for row in rows if 'aria-current="true"' in row]
    assert len(marked) == 1
    assert "<td>a</td>" in marked[0]
    panel.select("a", "b")
    panel.state.run = str(tmp_path / "c")
    assert panel.selection.value == tuple(
        path for _, path in panel.selection.options if path[-1] in "ab"
    )
    rows = panel.table.value.split("<tr")
    assert "<td>c</td>" in next(row for row in rows if 'aria-current="true"' in row)


def test_several_chosen_runs_are_compared_by_curves_scores_and_settings(panel):
    panel.select("a", "b")
    first, tags, in_db = panel.plot.figure.axes
    assert titles(panel) == ["validation loss", "test", "test, dB"]
    assert [list(line.get_ydata()) for line in first.lines] == [[1.0, 0.5], [1.0, 0.5]]
    assert sorted(text.get_text() for text in panel.plot.figure.legends[0].get_texts()) == [
        "a",
        "b",
    ]
    assert sorted(heights(tags)) == [0.5, 0.7]
    assert heights(in_db) == [3.0]
    assert "learning_rate" in panel.differences.value
    assert "save_path" not in panel.differences.value
    panel.metric.value = "training loss"
    assert list(panel.plot.figure.axes[0].lines[0].get_ydata()) == [2.0, 1.0]
    panel.select("c")
    assert titles(panel) == ["training loss"]
    assert not panel.plot.figure.axes[0].lines


def test_what_is_chosen_stays_chosen_when_other_runs_come(panel, tmp_path):
    panel.select("a", "b")
    make_run(tmp_path, "d")
    panel.state.runs_changed += 1
    assert [run.name for run in panel.runs].count("d") == 1
    assert sorted(run.name for run in panel.selected) == ["a", "b"]


def test_another_folder_shows_its_runs_and_an_empty_one_says_what_to_do(panel, tmp_path):
    (tmp_path / "empty").mkdir()
    panel.folder.value = str(tmp_path / "empty")
    assert panel.state.runs_folder == str(tmp_path / "empty")
    assert "start a training, or choose another folder" in panel.table.value
    panel.state.runs_folder = str(tmp_path)
    assert panel.folder.value == str(tmp_path)
    assert "3 of 3 runs" in panel.table.value
    panel.state.runs_folder = str(tmp_path / "<b>nowhere</b>")
    assert "&lt;b&gt;nowhere" in panel.table.value


def test_names_and_settings_are_text_and_never_html(tmp_path):
    make_run(tmp_path, "<img src=x onerror=alert(1)>", data_folder="/\"<b>&'")
    make_run(tmp_path, "größe $x_1$ 音", data_folder="/b")
    panel = RunsPanel(State(runs_folder=str(tmp_path)))
    panel.select(*(run.name for run in panel.runs))
    for widget in (panel.table, panel.differences):
        assert "<img" not in widget.value
        assert "&lt;img src=x onerror=alert(1)&gt;" in widget.value
        assert "<b>&" not in widget.value
    panel.close()


def test_a_run_that_is_torn_deleted_newer_or_never_began_has_its_row(panel, tmp_path):
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    config["training"]["teacher"] = 1
    (tmp_path / "a" / "config.json").write_text(json.dumps(config))
    (tmp_path / "b" / "status.json").write_text("{")
    with open(tmp_path / "b" / "metrics.jsonl", "ab") as file:
        file.write(b'\xff{"epoch"\n{"epoch": 3, "metrics": []}\n{"ep')
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "output.txt").touch()
    panel.select("a", "b", "c")
    shutil.rmtree(tmp_path / "c")
    panel.refresh()
    assert panel.table.value.count("<tr>") == 4
    for text in ("no setting &#39;teacher&#39;", "dead", "did not begin"):
        assert text in panel.table.value
    assert sorted(run.name for run in panel.selected) == ["a", "b"]
    assert panel.message == ""


@pytest.mark.parametrize("state", LIVE_STATES)
def test_a_live_run_is_looked_at_again_until_it_ends(tmp_path, monkeypatch, state):
    monkeypatch.setattr(runs_panel, "POLL_INTERVAL", 0.02)

    async def main():
        folder = make_run(tmp_path, "a", state=state)
        panel = RunsPanel(State(runs_folder=str(tmp_path)))
        ticker = panel._ticker
        status = json.loads((folder / "status.json").read_text())
        (folder / "status.json").write_text(json.dumps(status | {"state": "finished"}))
        await panel.loop.until(lambda: not ticker.is_running)
        assert panel.runs[0].state == "finished"
        panel.close()

    asyncio.run(main())


def test_a_closed_panel_leaves_nothing_behind(tmp_path):
    before = set(ipywidgets.widgets.widget._instances)
    make_run(tmp_path, "a", state="running")
    state = State(runs_folder=str(tmp_path))
    panel = RunsPanel(state)
    panel.select("a")
    panel.close()
    panel.close()
    state.runs_changed += 1
    assert set(ipywidgets.widgets.widget._instances) == before
    assert panel.plot.figure.axes == []
