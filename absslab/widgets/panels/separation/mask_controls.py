"""Sliders for what is done to the masks, made from the settings of a separation."""

import dataclasses
from collections.abc import Callable
from typing import Any

import ipywidgets

from absslab.core.separation.masks import SeparationConfig
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.controls import button

HIGHEST = {
    "mask_power": 4.0,
    "mask_threshold": 1.0,
    "wiener": 4.0,
    "mask_floor": 1.0,
    "smoothing": 2.0,
    "tag_exponent": 4.0,
}
ONLY_COMPETING = ("smoothing", "tag_exponent")  # have no effect on other masks


class MaskControls:
    """A slider per setting; `config` is what they say.

    Args:
        on_change: called while a slider moves.
    """

    def __init__(self, on_change: Callable[[], Any]):
        self._on_change, self._is_setting = on_change, False
        fields = {field.name: field for field in dataclasses.fields(SeparationConfig)}
        self.sliders = {
            name: self._slider(fields[name], highest) for name, highest in HIGHEST.items()
        }
        grid = ipywidgets.Layout(
            grid_template_columns="repeat(auto-fit, minmax(300px, 1fr))", grid_gap="6px 24px"
        )
        explained = [
            ipywidgets.VBox([slider, ipywidgets.HTML(paragraph(fields[name].metadata["help"]))])
            for name, slider in self.sliders.items()
        ]
        reset = button("back to the model's own", lambda: self.set(SeparationConfig()))
        self.widget = ipywidgets.VBox([ipywidgets.GridBox(explained, layout=grid), reset])

    @property
    def config(self) -> SeparationConfig:
        """The settings that the sliders show."""
        return SeparationConfig(**{name: slider.value for name, slider in self.sliders.items()})

    def set(self, config: SeparationConfig) -> None:
        """Move the sliders; what a slider can't reach it shows as far as it goes."""
        self._is_setting = True
        try:
            for name, slider in self.sliders.items():
                slider.value = getattr(config, name)
        finally:
            self._is_setting = False
        self._on_change()

    def fit(self, *, competing: bool) -> None:
        """Disable the sliders that do nothing to a model's masks."""
        for name in ONLY_COMPETING:
            self.sliders[name].disabled = not competing

    def _slider(self, field: "dataclasses.Field[Any]", highest: float) -> ipywidgets.FloatSlider:
        unit = f" / {field.metadata['unit']}" if field.metadata["unit"] else ""
        slider = ipywidgets.FloatSlider(
            value=field.default,
            min=0.0,
            max=highest,
            step=highest / 100,
            description=field.name.replace("_", " ") + unit,
            tooltip=field.metadata["help"],
            continuous_update=True,
            layout=ipywidgets.Layout(width="auto"),
            style={"description_width": "130px"},
        )
        slider.observe(self._moved, "value")
        return slider

    def _moved(self, _: Any) -> None:
        if not self._is_setting:
            self._on_change()
