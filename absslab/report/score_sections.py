"""Render the sections of a report on scores: charts per class, and the confusion of classes."""

from collections.abc import Sequence

from absslab.core.evaluation.confusion import MIN_MIXTURES, Confusion, count_confusions
from absslab.core.evaluation.score_table import CEILING
from absslab.core.evaluation.score_text import BASELINE_TITLES
from absslab.core.evaluation.scores import BreakdownStep
from absslab.core.runs.run_scores import TAG_ERROR, RunScores
from absslab.plots.charts import (
    chart_height,
    draw_class_scores,
    draw_confusion,
    draw_improvement_breakdown,
    draw_score_distribution,
)
from absslab.report.page_parts import Fragment, box, chart, chart_axes, heading, prose

_CLASS_SCORES = (  # scores of classes that have a chart
    "si_sdr_improvement",
    "event_f1",
    "average_precision",
    "segmentation_f1",
    "leakage",
)
_MAX_CLASSES = 30  # of the map of confusions
_MAX_PAIRS = 10  # of confused classes in the list


def render_score_charts(scores: RunScores) -> Fragment:
    """Render the scores of each class, their spread, and where improvement is lost."""
    choices = scores.class_score_titles
    charts = [_draw_class_scores(scores, name) for name in _CLASS_SCORES if name in choices]
    charts.append(_draw_distribution(scores))
    text = "Dots are the model's scores."
    if any(scores.intervals(name) for name in _CLASS_SCORES):
        text += " Bars, where a score has them, are 95 % intervals over resampled mixtures."
    parts = prose(text) + box(charts, "charts")
    if scores.scores.breakdown:
        parts += heading("Where improvement is lost")
        parts += prose("From the improvement of the best possible mask down to that of the model:")
        parts += _draw_breakdown(scores.scores.breakdown)
    return parts


def render_confusion(scores: RunScores) -> Fragment:
    """Render how often each class is tagged where another one is present."""
    confusions = count_confusions(scores.table)
    if confusions is None:
        return prose("Tags were not scored, so confusions of classes are not known.")
    most_confused = confusions.select(confusions.most_confused(_MAX_CLASSES))
    parts = prose(
        "Each row is a class that is present. The diagonal shows how often this class is tagged, "
        "the other columns how often another class is tagged without being present."
    )
    parts += _draw_confusion(most_confused)
    if len(most_confused.classes) < len(confusions.classes):
        parts += prose(
            f"The {len(most_confused.classes)} classes that are confused most are shown, of "
            f"{len(confusions.classes)}."
        )
    note = f"Pairs that can be counted in fewer than {MIN_MIXTURES} mixtures are left out."
    pairs = confusions.pairs()[:_MAX_PAIRS]
    if not pairs:
        return parts + prose(f"No class was tagged where it is absent. {note}")
    parts += prose(f"Classes tagged where they are absent, the most frequent pairs first. {note}")
    for pair in pairs:
        share = f"{100 * pair.rate:.0f}\u00a0%"
        parts += prose(
            f"{pair.tagged} where {pair.present} is present: "
            f"in {pair.n_tagged} of {pair.n_mixtures} ({share})",
            "item",
        )
    return parts


def _draw_class_scores(scores: RunScores, name: str) -> Fragment:
    title = scores.class_score_titles[name].replace("/dB", " / dB")
    values = scores.per_class(name)
    baselines = {}
    if name == "si_sdr_improvement":
        baselines[BASELINE_TITLES[CEILING]] = scores.per_class("ceiling")
    axes = chart_axes(chart_height(len(values)))
    intervals = scores.intervals(name)
    draw_class_scores(axes, values, label=title, intervals=intervals, baselines=baselines)
    alt = f"{title} of each class"
    return chart(axes, f"{alt} with its 95 % interval" if intervals else alt)


def _draw_distribution(scores: RunScores) -> Fragment:
    name, values = scores.per_mixture("si_sdr_improvement")
    label = "mean |label − probability|" if name == TAG_ERROR else "SI-SDRi / dB, mean of a mixture"
    axes = chart_axes(3.0)
    draw_score_distribution(axes, values.to_list(), label=label)
    return chart(axes, f"{label}: number of mixtures")


def _draw_breakdown(steps: Sequence[BreakdownStep]) -> Fragment:
    axes = chart_axes(3.2, width=7.5)
    draw_improvement_breakdown(axes, steps)
    values = ", ".join(
        f"{step.system.replace('_', ' ')} {step.si_sdr_improvement:.1f}" for step in steps
    )
    return chart(axes, f"SI-SDR improvement in dB: {values}", name="wide")


def _draw_confusion(confusions: Confusion) -> Fragment:
    n_classes = len(confusions.classes)
    width = min(9.5, 2.2 + 0.33 * max(8, n_classes))
    axes = chart_axes(1.6 + 0.28 * n_classes, width=width)
    draw_confusion(axes, confusions.rates, confusions.classes)
    alt = "How often each class is tagged where another one is; the pairs are listed below"
    return chart(axes, alt, name="wide")
