"""What is kept of a sound: a row of choices for each class that was found in it."""

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from absslab.plots.html_text import paragraph

GAINS = {"keep": 1.0, "soften": 10 ** (-12 / 20), "remove": 0.0}
_SHORTEST = 0.05  # s that a class sounds for, to be offered at once


class KeepControls:
    """Choices of what is kept, softened (by 12 dB) or removed.

    Args:
        on_change: called when another choice is made.
    """

    def __init__(self, on_change: Callable[..., Any]):
        self._on_change = on_change
        self._controls: dict[str, ipywidgets.ToggleButtons] = {}
        self._is_setting = False
        self._names: list[str] = []
        self.shown: list[str] = []  # what was found; the rest comes last
        self.widget = ipywidgets.VBox()

    @property
    def gains(self) -> dict[str, float]:
        """Linear gains by name; what was not found goes with the rest."""
        chosen = {name: GAINS[control.value] for name, control in self._controls.items()}
        return {name: chosen.get(name, chosen[self.shown[-1]]) for name in self._names}

    @property
    def in_words(self) -> str:
        """What was done, to name a file after it."""
        done = [
            f"{control.value} {name}"
            for name, control in self._controls.items()
            if control.value != "keep"
        ]
        return ", ".join(done)[:80] or "unchanged"

    def offer(self, seconds: Mapping[str, float], *, rest: str) -> None:
        """Offer choices, what sounds longest first; at first all is kept.

        Args:
            seconds: for how long each class sounds.
            rest: what all that no class took is called.
        """
        found = sorted(
            (name for name in seconds if seconds[name] >= _SHORTEST),
            key=lambda name: -seconds[name],
        )
        self._names, self.shown = [*seconds, rest], [*found, rest]
        self._controls = {name: self._control() for name in self.shown}
        rows = [self._row(name, seconds.get(name)) for name in self.shown]
        n = len(found)
        said = (
            f"{n} kind{'s' * (n != 1)} of sound found:"
            if n
            else "Nothing was found that the model knows."
        )
        how = paragraph(
            "“soften” makes a sound 12 dB quieter, “remove” silences it; you hear the result as “after” below"
        )
        other = [name for name in seconds if name not in found]
        not_found = (
            ipywidgets.HTML(paragraph(f"not found: {', '.join(other)}"))
            if other
            else ipywidgets.HTML()
        )
        presets = [
            self._preset("keep all", "keep", "keep"),
            self._preset("remove everything else", "keep", "remove"),
        ]
        heading = ipywidgets.HTML(paragraph(said, "lead") + how)
        self.widget.children = (
            heading,
            *rows,
            ipywidgets.HBox(presets, layout={"flex_flow": "row wrap"}),
            not_found,
        )

    def set(self, choices: Mapping[str, str]) -> None:
        """Make several choices at once."""
        self._is_setting = True
        try:
            for name, choice in choices.items():
                self._controls[name].value = choice
        finally:
            self._is_setting = False
        self._on_change()

    def _control(self) -> ipywidgets.ToggleButtons:
        control = ipywidgets.ToggleButtons(options=list(GAINS), style={"button_width": "82px"})
        control.observe(lambda _: None if self._is_setting else self._on_change(), "value")
        return control

    def _row(self, name: str, seconds: float | None) -> ipywidgets.HBox:
        about = "" if seconds is None else f", {seconds:.1f} s"
        words = ipywidgets.Label(f"{name}{about}", layout={"width": "190px"})
        row = ipywidgets.HBox(
            [words, self._controls[name]], layout={"flex_flow": "row wrap", "align_items": "center"}
        )
        row.add_class("absslab-keep")
        return row

    def _preset(self, words: str, classes: str, rest: str) -> ipywidgets.Button:
        made = ipywidgets.Button(description=words, layout={"width": "auto"})

        def choose(_: Any) -> None:
            self.set({name: rest if name == self.shown[-1] else classes for name in self.shown})

        made.on_click(choose)
        return made
