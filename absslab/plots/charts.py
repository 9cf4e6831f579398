"""Draw charts of tables: a row per class, scores and their distribution.

Axes of the data: K classes.
"""

import math
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from absslab.core.evaluation.scores import BreakdownStep
from absslab.plots.figures import (
    FOUND,
    INK,
    add_colour_legend,
    find_font_families,
    label_rows,
    shorten_name,
    style_chart,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPLIT_COLOURS = {"train": FOUND, "validation": "#e08a1e", "test": "#3f9b58"}
_MOST_NUMBERS = 20  # classes; with more of them the numbers of a map would touch each other
_MARKS = ("|", "x", "+", "d", "o")  # of baselines


def chart_height(n_rows: int) -> float:
    """Return the height in inches that a chart with so many rows needs."""
    return 1.0 + max(n_rows, 2) * (0.22 if n_rows <= 30 else 0.15)


def draw_split_balance(
    axes: "Axes", counts: Mapping[str, Mapping[str, int]], *, unit: str = "recordings"
) -> None:
    """Draw the number of recordings of each class in each split, as stacked bars.

    Args:
        axes: the axes to draw on.
        counts: class → split → number.
        unit: name of the things that are counted.
    """
    from matplotlib.ticker import MaxNLocator

    rows = list(counts)
    label_rows(axes, rows)
    lefts = np.zeros(len(rows))
    used = {split for by_split in counts.values() for split, n in by_split.items() if n}
    splits = [split for split in SPLIT_COLOURS if split in used]
    for split in splits:
        widths = np.array([counts[name].get(split, 0) for name in rows], float)
        axes.barh(
            np.arange(len(rows)), widths, 0.7, left=lefts, color=SPLIT_COLOURS[split], linewidth=0
        )
        lefts += widths
    if splits:
        add_colour_legend(axes, {split: SPLIT_COLOURS[split] for split in splits})
    axes.set_xlim(0, max(lefts.max(initial=0), 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(unit)
    style_chart(axes)


def draw_class_scores(
    axes: "Axes",
    scores: Mapping[str, float | None],
    *,
    label: str,
    intervals: Mapping[str, Sequence[float]] | None = None,
    baselines: Mapping[str, Mapping[str, float | None]] | None = None,
) -> None:
    """Draw a score of each class with its interval, the best on top.

    Args:
        axes: the axes to draw on.
        scores: class → score; classes without a score are left out.
        label: name of the score, and its unit.
        intervals: class → lower and upper end.
        baselines: name of a baseline → class → score; each is drawn as marks.
    """
    defined = _defined(scores)
    rows = sorted(defined, key=defined.__getitem__, reverse=True)
    label_rows(axes, rows)
    places = np.arange(len(rows))
    for y, name in enumerate(rows):
        if ends := (intervals or {}).get(name):
            axes.plot(ends, [y, y], color=FOUND, linewidth=3, alpha=0.4, solid_capstyle="butt")
    axes.plot(
        [defined[name] for name in rows], places, "o", color=FOUND, markersize=5, label="model"
    )
    for mark, (title, values) in zip(_MARKS, (baselines or {}).items(), strict=False):
        marks = _defined(values)
        if places_of := [y for y, name in enumerate(rows) if name in marks]:
            axes.plot(
                [marks[rows[y]] for y in places_of],
                places_of,
                mark,
                color=INK,
                markersize=7,
                label=title,
            )
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=3,
            frameon=False,
            fontsize=9,
            labelcolor=INK,
            borderaxespad=0.2,
        )
    if not rows:
        _write_note(axes, "no class has this score")
    axes.set_xlabel(label)
    style_chart(axes)


def draw_score_distribution(
    axes: "Axes", values: Sequence[float | None] | np.ndarray, *, label: str
) -> None:
    """Draw the distribution of a score over mixtures: a histogram, with the median.

    Args:
        axes: the axes to draw on.
        values: one per mixture; undefined ones are left out.
        label: name of the score, and its unit.
    """
    defined = np.array([value for value in values if value is not None], float)
    defined = defined[np.isfinite(defined)]
    if defined.size:
        n_bins = int(np.clip(np.sqrt(defined.size), 5, 40))
        axes.hist(defined, bins=n_bins, color=FOUND, alpha=0.55, linewidth=0)
        median = float(np.median(defined))
        axes.axvline(median, color=INK, linewidth=1.2)
        axes.set_title(f"median {median:.2f} of {defined.size} mixture{'s' * (defined.size > 1)}")
    else:
        _write_note(axes, "no mixture has this score")
    axes.set_xlabel(label)
    axes.set_ylabel("mixtures")
    style_chart(axes, along="y")


def draw_improvement_breakdown(axes: "Axes", steps: Sequence[BreakdownStep]) -> None:
    """Draw the improvement from ideal masks down to the model, and the cause of each loss.

    Args:
        axes: the axes to draw on.
        steps: `breakdown` of the scores.
    """
    improvements = [step.si_sdr_improvement for step in steps]
    label_rows(axes, [step.system.replace("_", " ") for step in steps])
    axes.barh(
        np.arange(len(improvements)),
        improvements,
        0.6,
        color=[FOUND if step.system == "model" else "#a9c9e3" for step in steps],
    )
    top = max([*improvements, 1e-3])
    for y, (step, value) in enumerate(zip(steps, improvements, strict=True)):
        if step.lost is None:
            cause = f"   the rest is lost to {step.cause}"
        else:
            cause = f"   {-step.lost:+.1f} to {step.cause}"
        text = fill(f"{value:.1f}{cause}".replace("-", "−"), 46)
        text_style: dict[str, Any] = {
            "textcoords": "offset points",
            "xytext": (4, 0),
            "va": "center",
            "linespacing": 1.2,
        }
        axes.annotate(
            text,
            (max(value, 0), y),
            fontsize=9,
            color=INK,
            parse_math=False,
            annotation_clip=False,
            **text_style,
        )
    axes.set_xlim(min([*improvements, 0]), top * 2.2)
    axes.set_xlabel("SI-SDR improvement / dB")
    style_chart(axes)


def draw_confusion(axes: "Axes", rates: np.ndarray, classes: Sequence[str]) -> None:
    """Draw how often a class is tagged where another is present: rows are present, columns tagged.

    Args:
        axes: the axes to draw on.
        rates: (K, K) in [0, 1]; NaN where it is not known.
        classes: K names.
    """
    image = axes.imshow(
        rates, cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="nearest"
    )
    image.cmap = image.cmap.with_extremes(bad="none")
    label_rows(axes, classes)
    axes.set_xticks(range(len(classes)), [shorten_name(name) for name in classes], rotation=90)
    for label in axes.get_xticklabels():
        label.set(parse_math=False, fontfamily=find_font_families())
    if len(classes) <= _MOST_NUMBERS:
        for i, j in np.argwhere(np.nan_to_num(rates) >= 0.005):
            colour = "black" if rates[i, j] > 0.55 else "white"
            axes.text(
                j, i, f"{100 * rates[i, j]:.0f}", ha="center", va="center", fontsize=7, color=colour
            )
    axes.set_xlabel("tagged, in % of the mixtures")
    axes.set_ylabel("in the mixture")
    style_chart(axes)
    axes.grid(False)


def _defined(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in scores.items()
        if value is not None and math.isfinite(value)
    }


def _write_note(axes: "Axes", text: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9, color=INK
    )
