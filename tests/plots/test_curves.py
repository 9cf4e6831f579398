"""Live figures: lines grow, names stay plain text, and nothing remains after the end."""

import asyncio
import time
import warnings

import ipywidgets
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from absslab.plots.curves import PCEN, RATES, Curves, collect_training_curves, draw_run_comparison
from absslab.plots.figures import INK
from absslab.widgets.ui.live_plot import Plot


@pytest.fixture
def axes():
    return Figure().subplots()


def names_of(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_lines_grow_come_and_go_without_being_drawn_anew(axes):
    curves = Curves(axes, title="loss")
    assert curves.show({"total": ([1, 2], [0.5, 0.4])})
    line = axes.lines[0]
    assert curves.show({"total": ([1, 2, 3], [0.5, 0.4, 0.3]), "tag": ([1], [1.0])})
    assert axes.lines[0] is line
    assert list(line.get_ydata()) == [0.5, 0.4, 0.3]
    assert names_of(axes.legend_) == ["total", "tag"]
    assert axes.get_xlim()[1] > 3
    assert not curves.show({"total": ([1, 2, 3], [0.5, 0.4, 0.3]), "tag": ([1], [1.0])})
    assert curves.show({})
    assert not axes.lines


NAMES = ["_hidden", "$\\frac{1}{2}$", "<b>bold</b>", "größe 音", "100 %"]
CURVES = ["run", "epoch", "value"]
SCORES = ["run", "score", "value"]


def test_runs_are_compared_in_their_own_colours_and_their_names_are_text():
    figure = Figure()
    curves = pd.DataFrame(
        [(name, epoch, epoch / 2) for name in NAMES for epoch in (1, 2)], columns=CURVES
    )
    rows = [(name, score, 0.5) for name in NAMES[1:] for score in ("tags F1", "SDR / dB")]
    with warnings.catch_warnings():
        # Warnings of a font without these letters.
        warnings.filterwarnings("ignore", message="Glyph")
        draw_run_comparison(figure, curves, pd.DataFrame(rows, columns=SCORES), title="$loss$")
        figure.savefig("/dev/null", format="png")
    (legend,) = figure.legends
    colours = [to_hex(patch.get_facecolor()) for patch in legend.get_patches()]
    first, test, in_db = figure.axes
    assert names_of(legend) == NAMES
    assert [list(line.get_xdata()) for line in first.lines] == [[1, 2]] * 5
    assert [to_hex(line.get_color()) for line in first.lines] == colours
    for axes in (test, in_db):
        assert [len(bars) for bars in axes.containers] == [1] * 4
        assert len({to_hex(bars[0].get_facecolor()) for bars in axes.containers}) == 4


def test_nothing_to_compare_is_an_empty_figure():
    figure = Figure()
    draw_run_comparison(
        figure, pd.DataFrame(columns=CURVES), pd.DataFrame(columns=SCORES), title="loss"
    )
    figure.savefig("/dev/null", format="png")
    assert not figure.axes[0].lines


def test_many_runs_have_a_colour_each():
    figure = Figure()
    curves = pd.DataFrame([(f"run-{i}", 1, 1.0) for i in range(40)], columns=CURVES)
    draw_run_comparison(figure, curves, pd.DataFrame(columns=SCORES), title="loss")
    assert len({to_hex(line.get_color()) for line in figure.axes[0].lines}) == 40


def test_all_of_a_comparison_can_be_read_on_light_and_on_dark_pages():
    plot = Plot()
    rows = [("a", epoch, 1 / (1 + epoch)) for epoch in range(4)]
    scores = pd.DataFrame([("a", "tags AUC", 0.9), ("a", "SDR / dB", 7.0)], columns=SCORES)
    draw_run_comparison(plot.figure, pd.DataFrame(rows, columns=CURVES), scores, title="loss")
    assert plot.figure.patch.get_alpha() == 0
    for axes in plot.figure.axes:
        assert to_hex(axes.get_facecolor(), keep_alpha=True) == "#00000000"
        texts = [
            axes.xaxis.label,
            axes.yaxis.label,
            axes._left_title,
            *axes.get_xticklabels(),
            *axes.get_yticklabels(),
        ]
        assert {to_hex(label.get_color()) for label in texts if label.get_text()} == {INK}
    assert {to_hex(text.get_color()) for text in plot.figure.legends[0].get_texts()} == {INK}
    plot.close()


def test_a_plot_is_made_higher_and_lower():
    plot = Plot(400, 200)
    plot.resize(350)
    assert list(plot.figure.bbox.size) == [400, 350]
    plot.close()


def test_a_closed_plot_leaves_nothing_behind():
    before = set(ipywidgets.widgets.widget._instances)
    plot = Plot(400, 200)
    plot.figure.subplots().plot([1, 2])
    plot.draw()
    plot.close()
    plot.close()
    plot.draw()
    assert set(ipywidgets.widgets.widget._instances) == before
    assert plot.figure.axes == []


def test_many_calls_to_draw_are_few_drawings(monkeypatch):
    async def main():
        plot = Plot()
        times = []
        monkeypatch.setattr(
            type(plot.widget), "draw_idle", lambda self: times.append(time.monotonic())
        )
        for _ in range(20):
            plot.draw()
        while len(times) < 2:
            await asyncio.sleep(0.01)
        plot.close()
        return times

    times = asyncio.run(main())
    assert len(times) == 2
    assert times[1] - times[0] >= 0.49


def test_what_a_training_wrote_is_drawn_in_the_order_of_its_epochs():
    epochs = {
        2: {
            "losses": {"total": 1.0},
            "learning_rate": 0.1,
            "metrics": {"loss": 0.5, "roc_auc_score": 0.7},
        },
        1: {"losses": {"total": 2.0, "tag": "torn"}, "metrics": None},
    }
    losses, metrics, rates = collect_training_curves(epochs, "accuracy").values()
    assert losses == {"total": ([1, 2], [2.0, 1.0]), "tag": ([], []), "validation": ([2], [0.5])}
    assert metrics["roc_auc_score"] == ([2], [0.7])
    assert metrics["accuracy"] == ([], [])
    assert rates == {RATES: ([2], [0.1])}
    assert len(collect_training_curves({}, "loss")) == 3


def test_learnt_parameters_of_pcen_have_curves():
    epochs = {n: {"pcen": {"alpha": [0.9 + n / 100, 0.9], "s": [0.04]}} for n in (1, 2)}
    *_, (title, curves) = collect_training_curves(epochs, "loss").items()
    assert title == PCEN
    assert list(curves) == ["alpha", "s"]
    assert curves["alpha"][1] == pytest.approx([0.905, 0.91])


def test_a_single_epoch_has_one_whole_tick():
    axes = Figure().subplots()
    Curves(axes, title="loss").show({"loss": ([1], [0.5])})
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1.0]
