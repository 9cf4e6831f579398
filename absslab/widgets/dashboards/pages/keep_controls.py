"""Choices which classes of a recording are kept: a row for each class found in it."""

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from absslab.plots.html_text import paragraph
from absslab.widgets.ui.binding import without_feedback
from absslab.widgets.ui.main_loop import MainLoop
from absslab.widgets.ui.part import Part

GAINS = {"keep": 1.0, "soften": 10 ** (-12 / 20), "remove": 0.0}
_MIN_DURATION = 0.05  # s; a class that sounds for less than this counts as not found
_HELP = (
    "“soften” makes a sound 12 dB quieter, “remove” silences it; "
    "you hear the result as “after” below"
)


class KeepControls(Part):
    """Choices whether each class is kept, softened (by 12 dB) or removed.

    Args:
        on_change: is called when a choice has changed.
        loop: loop on which it is called; by default the current one.
        failed: shows an error of it. Without it the error is raised.
    """

    def __init__(
        self,
        on_change: Callable[[], Any],
        loop: MainLoop | None = None,
        failed: Callable[[Exception], Any] | None = None,
    ):
        super().__init__(loop, failed)
        self._on_change = on_change
        self._handle_change = self.guard(lambda _: on_change())
        self._controls: dict[str, ipywidgets.ToggleButtons] = {}
        self._all_names: list[str] = []  # found or not; the rest comes last
        self.found_names: list[str] = []  # those that have a control; the rest comes last
        self.widget = ipywidgets.VBox()

    @property
    def gains(self) -> dict[str, float]:
        """The linear gains by name; a class that was not found gets the gain of the rest."""
        if not self.found_names:  # no recording was shown yet
            return {}
        chosen = {name: GAINS[control.value] for name, control in self._controls.items()}
        rest_gain = chosen[self.found_names[-1]]
        return {name: chosen.get(name, rest_gain) for name in self._all_names}

    @property
    def description(self) -> str:
        """A short description of the choices, for the name of a file."""
        changes = [
            f"{control.value} {name}"
            for name, control in self._controls.items()
            if control.value != "keep"
        ]
        return ", ".join(changes)[:80] or "unchanged"

    def set_classes(self, durations: Mapping[str, float], *, rest: str) -> None:
        """Show the choices for another recording, the longest sounding class first; all are kept.

        Args:
            durations: duration of each class, s.
            rest: name of the part that belongs to no class.
        """
        found_classes = [name for name in durations if durations[name] >= _MIN_DURATION]
        found_classes.sort(key=lambda name: -durations[name])
        missing = [name for name in durations if name not in found_classes]
        self._all_names = [*durations, rest]
        self.found_names = [*found_classes, rest]
        self._controls = {name: self._make_control() for name in self.found_names}
        presets = [
            self._make_preset("keep all", classes="keep", rest="keep"),
            self._make_preset("remove everything else", classes="keep", rest="remove"),
        ]
        self.widget.children = (
            ipywidgets.HTML(paragraph(_summary(len(found_classes)), "lead") + paragraph(_HELP)),
            *(self._make_row(name, durations.get(name)) for name in self.found_names),
            ipywidgets.HBox(presets, layout={"flex_flow": "row wrap"}),
            ipywidgets.HTML(paragraph(f"not found: {', '.join(missing)}") if missing else ""),
        )

    def set_choices(self, choices: Mapping[str, str]) -> None:
        """Make several choices at once; the change is reported once.

        Args:
            choices: keep, soften or remove, by the name of the class.
        """
        with without_feedback(self._handle_change, *self._controls.values()):
            for name, choice in choices.items():
                self._controls[name].value = choice
        self._on_change()

    def _make_control(self) -> ipywidgets.ToggleButtons:
        control = ipywidgets.ToggleButtons(options=list(GAINS), style={"button_width": "82px"})
        control.observe(self._handle_change, "value")
        return control

    def _make_row(self, name: str, duration: float | None) -> ipywidgets.HBox:
        text = name if duration is None else f"{name}, {duration:.1f} s"
        label = ipywidgets.Label(text, layout={"width": "190px"})
        layout = {"flex_flow": "row wrap", "align_items": "center"}
        row = ipywidgets.HBox([label, self._controls[name]], layout=layout)
        row.add_class("absslab-keep")
        return row

    def _make_preset(self, text: str, *, classes: str, rest: str) -> ipywidgets.Button:
        def choose(_: Any) -> None:
            *names, rest_name = self.found_names
            self.set_choices(dict.fromkeys(names, classes) | {rest_name: rest})

        preset = ipywidgets.Button(description=text, layout={"width": "auto"})
        preset.on_click(self.guard(choose))
        return preset


def _summary(n_found: int) -> str:
    if n_found == 0:
        return "The model found none of the sounds that it knows."
    return f"{n_found} kind{'s' * (n_found != 1)} of sound found:"
