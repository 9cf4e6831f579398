"""The mixtures of a run, ranked by a score, to choose from."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from absslab.core.runs.run_scores import RankedMixture
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.main_loop import MainLoop
from absslab.widgets.ui.part import Part

MAX_LISTED = 200  # mixtures
WORST = "worst first"
BEST = "best first"


class MixtureList(Part):
    """A list of mixtures, the worst or the best first; at first none is chosen.

    Args:
        loop: the loop that the widgets belong to.
        failed: shows an error.
        on_choice: is called with the name of the mixture that is chosen.
    """

    def __init__(
        self,
        loop: MainLoop,
        failed: Callable[[Exception], Any],
        on_choice: Callable[[str], Any],
    ):
        super().__init__(loop, failed)
        self._on_choice = on_choice
        self._ranked: Sequence[RankedMixture] = ()
        self._chosen: str | None = None
        self.order = ipywidgets.Dropdown(
            options=[WORST, BEST], layout=ipywidgets.Layout(width="160px")
        )
        self.select = ipywidgets.Select(rows=8, layout=ipywidgets.Layout(width="auto"))
        explanation = ipywidgets.HTML(
            paragraph("Mixtures ranked by this score, with their classes: choose one to hear it.")
        )
        header = ipywidgets.HBox([self.order, explanation], layout={"align_items": "center"})
        self.widget = ipywidgets.VBox([header, self.select])
        self.order.observe(self.guard(lambda _: self.show(self._ranked)), "value")
        self.select.observe(self.guard(lambda _: self._choose()), "value")
        self.show(())

    def show(self, ranked: Sequence[RankedMixture]) -> None:
        """List mixtures, at most `MAX_LISTED`.

        Args:
            ranked: ranked mixtures, the worst first.
        """
        self._ranked = ranked
        self._chosen = None
        ordered = ranked[::-1] if self.order.value == BEST else ranked
        # Without this, the first mixture would be chosen if one was chosen before.
        self.select.options = ()
        self.select.options = [
            (f"{row.score:.2f}   {row.mixture}   {', '.join(row.classes)}", row.mixture)
            for row in ordered[:MAX_LISTED]
        ]
        self.widget.layout.display = "" if ranked else "none"

    def find(self, mixture: str) -> RankedMixture | None:
        """Find a mixture by its name, listed or not."""
        return next((row for row in self._ranked if row.mixture == mixture), None)

    def mark(self, mixture: str) -> None:
        """Mark a mixture as chosen."""
        self._chosen = mixture
        if any(name == mixture for _, name in self.select.options):
            self.select.value = mixture

    def _choose(self) -> None:
        if self.select.value not in (None, self._chosen):
            self._on_choice(self.select.value)
