"""The scores of a run as charts."""

from absslab.core.evaluation.score_table import CEILING
from absslab.core.evaluation.score_text import BASELINE_TITLES
from absslab.core.runs.run_scores import TAG_ERROR, RunScores
from absslab.plots.charts import (
    chart_height,
    draw_class_scores,
    draw_improvement_breakdown,
    draw_score_distribution,
)
from absslab.widgets.ui.chart_area import ChartArea

DISTRIBUTION_HEIGHT = 2.2  # inches
BREAKDOWN_HEIGHT = 2.4  # inches


def draw_scores(area: ChartArea, scores: RunScores, score: str) -> None:
    """Draw a score by class, its distribution over mixtures, and where separation is lost.

    Args:
        area: the area to draw on.
        scores: scores of a run.
        score: the name of the score.
    """
    title = scores.class_score_titles[score].replace("/dB", " / dB")
    breakdown = scores.scores.breakdown or ()
    heights = [chart_height(len(scores.per_class(score))), DISTRIBUTION_HEIGHT]
    if breakdown:
        heights.append(BREAKDOWN_HEIGHT)
    axes = area.begin(sum(heights)).subplots(len(heights), height_ratios=heights)
    ceilings = {}
    if score == "si_sdr_improvement":
        ceilings = {BASELINE_TITLES[CEILING]: scores.per_class("ceiling")}
    draw_class_scores(
        axes[0],
        scores.per_class(score),
        label=title,
        intervals=scores.intervals(score),
        baselines=ceilings,
    )
    drawn_score, values = scores.per_mixture(score)
    label = f"{title}, mean of a mixture"
    if drawn_score == TAG_ERROR:
        label = "mean |label − probability|"
    draw_score_distribution(axes[1], values.to_list(), label=label)
    if breakdown:
        draw_improvement_breakdown(axes[2], breakdown)
    area.draw()
