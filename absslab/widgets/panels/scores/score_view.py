"""Scores of a run as charts, and as a list of mixtures."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from absslab.core.evaluation.score_table import CEILING
from absslab.core.evaluation.score_text import BASELINE_TITLES
from absslab.core.runs.run_scores import DOUBT, RankedMixture, RunScores
from absslab.plots.charts import chart_height, class_scores, distribution, ladder
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.chart_area import ChartArea

MOST_LISTED = 200  # mixtures
WORST, BEST = "worst first", "best first"


def draw_scores(area: ChartArea, scores: RunScores, score: str) -> None:
    """Draw a score of each class, its spread over mixtures, and what the model loses to what."""
    title = scores.choices[score].replace("/dB", " / dB")
    steps = scores.scores["ladder"] or []
    heights = [chart_height(len(scores.per_class(score))), 2.2, *([2.4] if steps else [])]
    axes = area.begin(sum(heights)).subplots(len(heights), height_ratios=heights)
    ceilings = {}
    if score == "si_sdr_improvement":
        ceilings = {BASELINE_TITLES[CEILING]: scores.per_class("ceiling")}
    class_scores(
        axes[0],
        scores.per_class(score),
        label=title,
        intervals=scores.intervals(score),
        baselines=ceilings,
    )
    used, values = scores.per_mixture(score)
    label = "mean |label − probability|" if used == DOUBT else f"{title}, mean of a mixture"
    distribution(axes[1], values.to_list(), label=label)
    if steps:
        ladder(axes[2], steps)
    area.draw()


class MixtureList:
    """Mixtures to choose from, the worst or the best first; none is chosen before a person does so.

    Args:
        guard: makes callbacks whose errors are shown.
        opened: called with the name of the mixture that is chosen.
    """

    def __init__(self, guard: Callable[..., Any], opened: Callable[[str], Any]):
        self._opened = opened
        self._ranked: Sequence[RankedMixture] = ()
        self._chosen: str | None = None
        self.order = ipywidgets.Dropdown(
            options=[WORST, BEST], layout=ipywidgets.Layout(width="160px")
        )
        self.select = ipywidgets.Select(rows=8, layout=ipywidgets.Layout(width="auto"))
        about = ipywidgets.HTML(
            paragraph("mixtures by this score, with their classes: choose one to hear it")
        )
        self.widget = ipywidgets.VBox(
            [ipywidgets.HBox([self.order, about], layout={"align_items": "center"}), self.select]
        )
        self.order.observe(guard(lambda _: self.show(self._ranked)), "value")
        self.select.observe(guard(lambda _: self._open()), "value")
        self.show(())

    def show(self, ranked: Sequence[RankedMixture]) -> None:
        """Offer these, ranked from the worst to the best; of very many the first."""
        self._ranked, self._chosen = ranked, None
        ordered = ranked[::-1] if self.order.value == BEST else ranked
        self.select.options = ()  # else the first would be chosen where one was
        self.select.options = [
            (f"{one.score:.2f}   {one.mixture}   {', '.join(one.classes)}", one.mixture)
            for one in ordered[:MOST_LISTED]
        ]
        self.widget.layout.display = "" if ranked else "none"

    def find(self, mixture: str) -> RankedMixture | None:
        """One of them by its name."""
        return next((one for one in self._ranked if one.mixture == mixture), None)

    def mark(self, mixture: str) -> None:
        """Show one as chosen."""
        self._chosen = mixture
        if any(name == mixture for _, name in self.select.options):
            self.select.value = mixture

    def _open(self) -> None:
        if self.select.value not in (None, self._chosen):
            self._opened(self.select.value)
