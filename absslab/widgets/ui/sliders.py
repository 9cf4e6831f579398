"""Sliders for some settings of some configs: to turn while one looks and listens."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from absslab.core.common.config import Config, from_flags
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.panel import close_tree

Range = tuple[float, float]  # lowest, highest
Choices = Sequence[tuple[str, Any]]  # words, value
GRID = {"grid_template_columns": "repeat(auto-fit, minmax(300px, 1fr))", "grid_gap": "4px 24px"}


class Sliders:
    """A slider per setting that has a range, a list per setting that has choices; `config` is what they say.

    Args:
        settings: config class → field → its range, or what there is to choose from.
        on_change: called while something moves.
    """

    def __init__(
        self,
        settings: Mapping[type[Config], Mapping[str, Range | Choices]],
        on_change: Callable[[], Any],
    ):
        self._on_change, self._is_setting = on_change, False
        self.controls: dict[str, Any] = {}
        explained = []
        for config_class, ranges in settings.items():
            fields = {field.name: field for field in dataclasses.fields(config_class)}
            for name, what in ranges.items():
                control = self.controls[name] = _control(fields[name], what)
                control.observe(self._moved, "value")
                help = ipywidgets.HTML(paragraph(fields[name].metadata["help"]))
                explained.append(ipywidgets.VBox([control, help]))
        self.widget = ipywidgets.GridBox(explained, layout=GRID)

    @property
    def values(self) -> dict[str, Any]:
        """What they say, by field."""
        return {name: control.value for name, control in self.controls.items()}

    def config(self, config_class: type[Config]) -> Any:
        """A config with what they say of it, and its defaults for the rest.

        Raises:
            InputError: values that do not go together.
        """
        return from_flags(config_class, self.values)

    def set(self, **values: Any) -> None:
        """Move some of them.

        Raises:
            KeyError: there is none of this name.
        """
        self._is_setting = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._is_setting = False
        self._on_change()

    def close(self) -> None:
        """Close all controls."""
        close_tree(self.widget)

    def _moved(self, _: Any) -> None:
        if not self._is_setting:
            self._on_change()


def _control(field: "dataclasses.Field[Any]", what: Range | Choices) -> ipywidgets.Widget:
    unit = f" / {field.metadata['unit']}" if field.metadata["unit"] else ""
    about: dict[str, Any] = {
        "value": field.default,
        "description": field.name.replace("_", " ") + unit,
        "tooltip": field.metadata["help"],
        "layout": ipywidgets.Layout(width="auto"),
        "style": {"description_width": "130px"},
    }
    first, second = what[0], what[-1]
    if isinstance(first, tuple):
        return ipywidgets.Dropdown(options=list(what), **about)
    if isinstance(field.default, int):
        return ipywidgets.IntSlider(min=first, max=second, **about)
    low, high = float(str(first)), float(str(second))
    step = _step(high - low)
    digits = max(0, -math.floor(math.log10(step * (1 + 1e-9))))
    return ipywidgets.FloatSlider(
        min=low, max=high, step=step, readout_format=f".{digits}f", **about
    )


def _step(span: float) -> float:
    """A round number, of which a hundred or more make the span."""
    base = 10.0 ** math.floor(math.log10(span / 100))
    return max(base * factor for factor in (1, 2, 5) if base * factor <= span / 100 * (1 + 1e-9))
