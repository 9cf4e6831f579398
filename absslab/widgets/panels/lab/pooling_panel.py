"""A laboratory of poolings: shape a mask, and see where the gradient of each pooling pulls it."""

from typing import Any

import ipywidgets

from absslab.core.model.hand_drawn_mask import (
    HandDrawnMask,
    HandDrawnMaskConfig,
    Pooled,
    PoolingComparison,
    compare_poolings,
)
from absslab.core.model.pooling import ExponentialSoftmaxConfig, GWRPConfig, LinearSoftmaxConfig
from absslab.plots.html_tables import render_table
from absslab.plots.laboratory import draw_pooling_effects
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.sliders import Sliders

MAX_STEPS = 60
MASK_HEIGHT = 1.3  # inches of the chart for the mask itself
ROW_HEIGHT = 1.15  # inches of the chart for each pooling
CONTROLS: dict[Any, Any] = {  # config class → field → range
    HandDrawnMaskConfig: {
        "duration": (0.04, 4.0),
        "bandwidth": (1, 32),
        "height": (0.0, 1.0),
        "noise": (0.0, 0.5),
        "n_stray": (0, 30),
    },
    GWRPConfig: {"decay": (0.98, 1.0)},
    LinearSoftmaxConfig: {"pseudocount": (0.0, 400.0)},
    ExponentialSoftmaxConfig: {"sharpness": (0.0, 40.0)},
}
HEADER = [
    "pooling",
    "probability",
    "gradient in the event / %",
    "bins with 90 % of the gradient",
    "probability after the steps",
]


class PoolingPanel(WorkbenchPanel):
    """A mask that sliders shape, with the probability and the gradient of each pooling.

    It also shows the mask after some steps of learning.

    Args:
        state: shared with other panels.
    """

    title = "poolings"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.comparison: PoolingComparison | None = None
        deliver = self.guard(self._show_comparison)
        self._latest = self.own(
            LatestOnly(self.loop, compare_poolings, deliver=deliver, failed=self.fail)
        )
        request = self.guard(lambda *_: self._request())
        self.sliders = self.own(Sliders(CONTROLS, request))
        self.label = ipywidgets.ToggleButtons(options=[("is present", 1), ("is not present", 0)])
        self.n_steps = ipywidgets.IntSlider(
            12,
            0,
            MAX_STEPS,
            description="steps of learning",
            style={"description_width": "130px"},
            layout={"width": "auto"},
        )
        self.label.observe(request, "value")
        self.n_steps.observe(request, "value")
        label_row = ipywidgets.HBox([ipywidgets.Label("the label says that the class"), self.label])
        self.chart = self.own(ChartArea())
        self.table = ipywidgets.HTML()
        self.show(self.sliders, label_row, self.n_steps, self.table, self.chart)
        self._request()

    def _request(self) -> None:
        self._latest.request(self.sliders.values, self.label.value, self.n_steps.value)

    def _show_comparison(self, comparison: PoolingComparison) -> None:
        self.comparison = comparison
        self.say("")
        mask, pooled, n_steps = comparison
        rows = [_table_row(name, result, mask) for name, result in pooled.items()]
        self.table.value = render_table(HEADER, rows)
        figure = self.chart.begin(MASK_HEIGHT + ROW_HEIGHT * len(rows))
        draw_pooling_effects(figure, mask, pooled, n_steps=n_steps)
        self.chart.draw()


def _table_row(name: str, pooled: Pooled, mask: HandDrawnMask) -> list[str]:
    n_bins = pooled.n_trained_bins
    return [
        name,
        f"{pooled.probability:.3f}",
        f"{100 * pooled.share(mask.event):.0f}",
        f"{n_bins}\n{100 * n_bins / mask.values.size:.0f} % of the mask",
        f"{pooled.probability_after:.3f}",
    ]
