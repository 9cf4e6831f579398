"""Sliders for settings of configs, to be moved while one looks and listens."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from absslab.core.common.config import Config, from_flags
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.binding import without_feedback
from absslab.widgets.ui.part import close_tree

# lowest value, highest value and, where it is not to be chosen by their distance, the step
Range = tuple[float, float] | tuple[float, float, float]
Choices = Sequence[tuple[str, Any]]  # (label, value)
GRID = {"grid_template_columns": "repeat(auto-fit, minmax(300px, 1fr))", "grid_gap": "4px 24px"}


class Sliders:
    """A slider for each setting that has a range, and a dropdown for each that has choices.

    Args:
        settings: for each config class its fields, each with its range or its choices.
        on_change: is called whenever a control moves.
    """

    def __init__(
        self,
        settings: Mapping[type[Config], Mapping[str, Range | Choices]],
        on_change: Callable[[], Any],
    ):
        self._on_change = on_change
        self.controls: dict[str, Any] = {}
        explained_controls = []
        for config_class, fields in settings.items():
            definitions = {field.name: field for field in dataclasses.fields(config_class)}
            for name, values in fields.items():
                control = _make_control(definitions[name], values)
                control.observe(self._on_control, "value")
                self.controls[name] = control
                help = ipywidgets.HTML(paragraph(definitions[name].metadata["help"]))
                explained_controls.append(ipywidgets.VBox([control, help]))
        self.widget = ipywidgets.GridBox(explained_controls, layout=GRID)

    @property
    def values(self) -> dict[str, Any]:
        """Values of all controls, by field."""
        return {name: control.value for name, control in self.controls.items()}

    def config(self, config_class: type[Config]) -> Any:
        """Return a config with the values of the controls, and defaults for its other fields.

        Raises:
            InputError: if the values do not go together.
        """
        return from_flags(config_class, self.values)

    def set(self, **values: Any) -> None:
        """Move some of the controls; `on_change` is called once.

        Raises:
            KeyError: if there is no control of this name.
        """
        with without_feedback(self._on_control, *self.controls.values()):
            for name, value in values.items():
                self.controls[name].value = value
        self._on_change()

    def close(self) -> None:
        """Close all controls."""
        close_tree(self.widget)

    def _on_control(self, _: Any) -> None:
        self._on_change()


def _make_control(field: "dataclasses.Field[Any]", values: Range | Choices) -> ipywidgets.Widget:
    unit = f" / {field.metadata['unit']}" if field.metadata["unit"] else ""
    look: dict[str, Any] = {
        "value": field.default,
        "description": field.name.replace("_", " ") + unit,
        "tooltip": field.metadata["help"],
        "layout": ipywidgets.Layout(width="auto"),
        "style": {"description_width": "130px"},
    }
    if isinstance(values[0], tuple):
        return ipywidgets.Dropdown(options=list(values), **look)
    if isinstance(field.default, int):
        return ipywidgets.IntSlider(min=values[0], max=values[1], **look)
    low = float(str(values[0]))
    high = float(str(values[1]))
    step = float(str(values[2])) if len(values) > 2 else _round_step(high - low)
    digits = max(0, -math.floor(math.log10(step * (1 + 1e-9))))
    readout_format = f".{digits}f"
    return ipywidgets.FloatSlider(
        min=low, max=high, step=step, readout_format=readout_format, **look
    )


def _round_step(span: float) -> float:
    """Return a round number that fits into the span a hundred times or more."""
    base = 10.0 ** math.floor(math.log10(span / 100))
    return max(base * factor for factor in (1, 2, 5) if base * factor <= span / 100 * (1 + 1e-9))
