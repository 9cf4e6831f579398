"""A laboratory of poolings: shape a mask, and see what each of them makes of it and where its gradient pulls."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import ipywidgets

from absslab.core.common.config import from_flags
from absslab.core.model.pooling import ExponentialSoftmaxConfig, GWRPConfig, LinearSoftmaxConfig
from absslab.core.model.toy_masks import (
    Pooled,
    ToyMask,
    ToyMaskConfig,
    build_poolings,
    pool,
    toy_mask,
)
from absslab.plots.html_tables import html_table
from absslab.plots.laboratory import pooling_effects
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.sliders import Sliders

MOST_STEPS = 60
TURNED: dict[Any, Any] = {
    ToyMaskConfig: {
        "duration": (0.04, 4.0),
        "bandwidth": (1, 32),
        "height": (0.0, 1.0),
        "noise": (0.0, 0.5),
        "n_stray": (0, 30),
    },
    GWRPConfig: {"dc": (0.98, 1.0)},
    LinearSoftmaxConfig: {"pseudocount": (0.0, 400.0)},
    ExponentialSoftmaxConfig: {"sharpness": (0.0, 40.0)},
}
HEADER = [
    "pooling",
    "probability",
    "gradient in the event / %",
    "bins with 90 % of the gradient",
    "after the steps",
]


class Effects(NamedTuple):
    """What came of a setting."""

    mask: ToyMask
    pooled: dict[str, Pooled]
    n_steps: int


class PoolingPanel(WorkbenchPanel):
    """A mask that sliders shape, every pooling's probability and gradient, and the mask after some steps of learning.

    Args:
        state: what panels share.
    """

    title = "poolings"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.effects: Effects | None = None
        self._latest = self.own(
            LatestOnly(self.loop, _effects, deliver=self.guard(self._deliver), failed=self.fail)
        )
        request = self.guard(self._request)
        self.sliders = self.own(Sliders(TURNED, request))
        wide = {"style": {"description_width": "130px"}, "layout": {"width": "auto"}}
        self.label = ipywidgets.ToggleButtons(options=[("it is there", 1), ("it is not", 0)])
        says = ipywidgets.HBox([ipywidgets.Label("the label says"), self.label])
        self.n_steps = ipywidgets.IntSlider(
            12, 0, MOST_STEPS, description="steps of learning", **wide
        )
        for control in (self.label, self.n_steps):
            control.observe(lambda _: request(), "value")
        self.chart = self.own(ChartArea())
        self.table = ipywidgets.HTML()
        self.show(self.sliders, says, self.n_steps, self.table, self.chart)
        self._request()

    def _request(self) -> None:
        self._latest.request(self.sliders.values, self.label.value, self.n_steps.value)

    def _deliver(self, effects: Effects) -> None:
        self.effects = effects
        self.say("")
        rows = [_row(name, one, effects.mask) for name, one in effects.pooled.items()]
        self.table.value = html_table(HEADER, rows)
        pooling_effects(
            self.chart.begin(1.3 + 1.15 * len(rows)),
            effects.mask,
            effects.pooled,
            n_steps=effects.n_steps,
        )
        self.chart.draw()


def _effects(values: Mapping[str, Any], label: int, n_steps: int) -> Effects:
    mask = toy_mask(from_flags(ToyMaskConfig, values))
    poolings = build_poolings(values)
    pooled = {
        name: pool(one, mask.values, label=label, n_steps=n_steps) for name, one in poolings.items()
    }
    return Effects(mask, pooled, n_steps)


def _row(name: str, pooled: Pooled, mask: ToyMask) -> list[str]:
    share, n = 100 * pooled.share(mask.event), pooled.n_taught
    of_all = f"{n}\n{100 * n / mask.values.size:.0f} % of the mask"
    return [
        name,
        f"{pooled.probability:.3f}",
        f"{share:.0f}",
        of_all,
        f"{pooled.probability_after:.3f}",
    ]
