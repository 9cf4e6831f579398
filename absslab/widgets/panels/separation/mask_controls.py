"""Sliders for the settings of masks."""

from collections.abc import Callable
from typing import Any

import ipywidgets

from absslab.core.separation.masks import SeparationConfig
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.part import Part
from absslab.widgets.ui.sliders import Sliders

RANGES: dict[str, Any] = {  # field → lowest value, highest value and step, or choices
    "mask_power": (0.0, 4.0, 0.04),
    "mask_threshold": (0.0, 1.0, 0.01),
    "wiener": (0.0, 4.0, 0.04),
    "mask_floor": (0.0, 1.0, 0.01),
    "smoothing": (0.0, 2.0, 0.02),
    "tag_exponent": (0.0, 4.0, 0.04),
    "binary_masks": (("no", False), ("yes", True)),
    "separation_method": (("in_lin", "in_lin"), ("in_log", "in_log")),
}
ONLY_COMPETING = ("smoothing", "tag_exponent")  # have no effect on independent masks


class MaskControls(Part):
    """A slider, or a choice, for each setting of the masks.

    Args:
        on_change: is called whenever a slider moves.
    """

    def __init__(self, on_change: Callable[[], Any]):
        super().__init__()
        self._sliders = self.own(Sliders({SeparationConfig: RANGES}, on_change))
        reset = button("reset to the model's own masks", lambda: self.set(SeparationConfig()))
        self.widget = ipywidgets.VBox([self._sliders.widget, reset])

    @property
    def sliders(self) -> dict[str, Any]:
        """The sliders and dropdowns by setting."""
        return self._sliders.controls

    @property
    def config(self) -> SeparationConfig:
        """The settings of the sliders."""
        config: SeparationConfig = self._sliders.config(SeparationConfig)
        return config

    def set(self, config: SeparationConfig) -> None:
        """Move the sliders; a value beyond the range of a slider becomes the end of its range."""
        self._sliders.set(**{name: getattr(config, name) for name in RANGES})

    def disable_unused(self, *, competing: bool) -> None:
        """Disable the sliders that have no effect on a model's masks.

        Args:
            competing: whether the masks of the model compete.
        """
        for name in ONLY_COMPETING:
            self.sliders[name].disabled = not competing
