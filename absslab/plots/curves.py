"""Draw charts over epochs: lines that grow while a run is followed, and comparisons of runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from absslab.core.runs.catalogue import LOSS, get_epoch_metric
from absslab.plots.figures import INK, style_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Metrics to draw, besides the one that selects the best model.
METRICS = (
    "roc_auc_score",
    "average_precision_score",
    "f1-score",
)
RATES = "learning rate"  # drawn on a logarithmic axis
PCEN = "parameters of PCEN, mean over bands"  # drawn where they are learnt
_DISTINCT = 10  # colours that colour-blind people can tell apart
_SHORT = 12  # longest name, in letters, that leaves room for another one beside it
_FEW = 15  # points; a line with fewer of them has markers
Points = tuple[Sequence[float], Sequence[float]]  # epochs, values


class Curves:
    """Lines over epochs on one pair of axes, which are updated in place.

    Args:
        axes: the axes to draw on.
        title: title of the lines.
        log: whether the values' axis is logarithmic.
    """

    def __init__(self, axes: "Axes", *, title: str, log: bool = False):
        self.axes = axes
        self._lines: dict[str, Line2D] = {}
        self._shown: dict[str, tuple[list[float], list[float]]] = {}
        style_curve_axes(axes, title)
        label_epochs(axes)
        if log:
            axes.set_yscale("log")

    def show(self, series: Mapping[str, Points]) -> bool:
        """Show exactly these lines.

        Args:
            series: the points of each line, by its name.

        Returns:
            whether anything changed.
        """
        wanted = {name: (list(x), list(y)) for name, (x, y) in series.items() if len(x)}
        if wanted == self._shown:
            return False
        self._shown = wanted
        for name in [name for name in self._lines if name not in wanted]:
            self._lines.pop(name).remove()
        for number, (name, (x, y)) in enumerate(wanted.items()):
            if name not in self._lines:
                (self._lines[name],) = self.axes.plot(
                    [], [], linewidth=1.5, color=f"C{number % 10}"
                )
            self._lines[name].set_data(np.asarray(x), np.asarray(y))
            self._lines[name].set_marker("o" if len(x) < _FEW else "")
            self._lines[name].set_markersize(3)
        self.axes.relim()
        self.axes.autoscale_view()
        if list(self._lines) != [self.axes.get_title(loc="left")]:
            ncols = 2 if max(map(len, self._lines), default=0) < _SHORT else 1
            below = {
                "loc": "upper left",
                "bbox_to_anchor": (0, -0.22),
                "ncols": ncols,
                "columnspacing": 1.0,
            }
            add_legend(self.axes, list(self._lines.values()), list(self._lines), **below)
        return True


def collect_training_curves(
    epochs: Mapping[int, Mapping[str, Any]], deciding: str
) -> dict[str, dict[str, Points]]:
    """Collect the curves of a run: title → line → points.

    Args:
        epochs: the lines of metrics.jsonl, by epoch.
        deciding: the metric that selects the best model.
    """
    ordered = {epoch: epochs[epoch] for epoch in sorted(epochs)}
    losses: dict[str, dict[int, Any]] = {}
    for epoch, line in ordered.items():
        by_name = line.get("losses")
        for name, value in by_name.items() if isinstance(by_name, Mapping) else ():
            losses.setdefault(name, {})[epoch] = value
    losses["validation"] = {epoch: get_epoch_metric(line, LOSS) for epoch, line in ordered.items()}
    names = [name for name in dict.fromkeys([*METRICS, deciding]) if name != LOSS]
    metrics = {}
    for name in names:
        metrics[name] = {epoch: get_epoch_metric(line, name) for epoch, line in ordered.items()}
    rates = {"learning rate": {epoch: line.get("learning_rate") for epoch, line in ordered.items()}}
    titled_lines = {
        "loss in training, and on validation": losses,
        "scores on validation": metrics,
        RATES: rates,
    }
    pcen = _collect_pcen(ordered)
    if pcen:
        titled_lines[PCEN] = pcen
    curves = {}
    for title, lines in titled_lines.items():
        curves[title] = {name: _points(values) for name, values in lines.items()}
    return curves


def _collect_pcen(epochs: Mapping[int, Mapping[str, Any]]) -> dict[str, dict[int, Any]]:
    """Collect the parameters of PCEN by epoch: name → epoch → mean over bands."""
    parameters: dict[str, dict[int, Any]] = {}
    for epoch, line in epochs.items():
        by_name = line.get("pcen")
        for name, values in by_name.items() if isinstance(by_name, Mapping) else ():
            parameters.setdefault(name, {})[epoch] = sum(values) / len(values)
    return parameters


def draw_run_comparison(
    figure: "Figure", curves: "pd.DataFrame", scores: "pd.DataFrame", *, title: str
) -> None:
    """Draw the curves of runs, and their test scores; scores in dB have separate axes.

    Args:
        figure: the figure to draw on; it is cleared.
        curves: columns run, epoch, value.
        scores: columns run, score, value.
        title: title of the curves.
    """
    import seaborn
    from matplotlib.patches import Patch

    figure.clear()
    names = list(dict.fromkeys([*curves["run"], *scores["run"]]))
    palette = seaborn.color_palette(
        "colorblind" if len(names) <= _DISTINCT else "husl", max(1, len(names))
    )
    colours = dict(zip(names, palette, strict=False))
    in_db = scores["score"].astype(str).str.endswith("dB")
    parts = [
        (title, part)
        for title, part in (("test", scores[~in_db]), ("test, dB", scores[in_db]))
        if len(part)
    ]
    widths = [3, *(max(1.0, 0.5 * part["score"].nunique()) for _, part in parts)]
    curve_axes, *score_axes = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    draw_run_curves(curve_axes, curves, colours, title=title)
    for axes, (part_title, part) in zip(score_axes, parts, strict=True):
        draw_run_scores(axes, part, colours, title=part_title)
    add_legend(
        figure,
        [Patch(color=colours[name]) for name in names],
        names,
        loc="outside lower left",
        ncols=5,
    )


def draw_run_curves(
    axes: "Axes", table: "pd.DataFrame", colours: Mapping[str, Any], *, title: str
) -> None:
    """Draw a line per run.

    Args:
        axes: the axes to draw on.
        table: columns run, epoch, value.
        colours: colour of each run.
        title: title of the values.
    """
    import seaborn

    style_curve_axes(axes, title)
    for name, rows in table.groupby("run", sort=False):
        marker = {"marker": "o", "markersize": 4, "markeredgewidth": 0} if len(rows) < _FEW else {}
        seaborn.lineplot(
            rows, x="epoch", y="value", color=colours[name], ax=axes, errorbar=None, **marker
        )
    label_epochs(axes)


def draw_run_scores(
    axes: "Axes", table: "pd.DataFrame", colours: Mapping[str, Any], *, title: str
) -> None:
    """Draw a bar per run and score.

    Args:
        axes: the axes to draw on.
        table: columns run, score, value.
        colours: colour of each run.
        title: title of the values.
    """
    import seaborn

    style_curve_axes(axes, title)
    order = [name for name in colours if name in set(table["run"])]
    palette = [colours[name] for name in order]
    # No name is taken for markup.
    numbers = table.assign(run=table["run"].map(order.index).astype(str))
    hue = [str(number) for number in range(len(order))]
    seaborn.barplot(
        numbers,
        x="score",
        y="value",
        hue="run",
        hue_order=hue,
        palette=palette,
        ax=axes,
        legend=False,
    )
    axes.set_xlabel("")
    axes.set_ylabel("")
    axes.tick_params(axis="x", labelrotation=30)


def style_curve_axes(axes: "Axes", title: str) -> None:
    """Set the title of a chart over epochs, and its style."""
    style_axes(axes)
    axes.set_title(title, fontsize=9, loc="left", parse_math=False, color=INK)
    axes.tick_params(which="both", labelsize=8)


def label_epochs(axes: "Axes") -> None:
    """Label the horizontal axis with whole epochs."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch", fontsize=8, color=INK)
    axes.set_ylabel("")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def add_legend(
    parent: "Axes | Figure", handles: Sequence[Any], names: Sequence[str], **options: Any
) -> None:
    """Add a legend, in place of an earlier one.

    Names are shown unchanged: an underscore does not hide them, and they are not parsed as
    mathematics.

    Args:
        parent: the axes or the figure that gets it.
        handles: lines or bars.
        names: names of the handles.
        options: options of matplotlib's `legend`.
    """
    former = parent.get_legend() if hasattr(parent, "get_legend") else None
    if former is not None:
        former.remove()
    if not names:
        return
    look: dict[str, Any] = {"fontsize": 8, "frameon": False, "labelcolor": INK}
    numbers = [str(number) for number in range(len(names))]
    legend = parent.legend(handles, numbers, **look, **options)
    for text, name in zip(legend.get_texts(), names, strict=False):
        text.set_parse_math(False)
        text.set_text(name)


def _points(values: Mapping[int, Any]) -> Points:
    known = {epoch: value for epoch, value in values.items() if isinstance(value, int | float)}
    return list(known), list(known.values())
