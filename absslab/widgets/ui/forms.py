"""Settings ↔ controls: a control per field of a config, with its unit and its help, made from the dataclass."""

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from absslab.core.common.config import Config, check_setting, format_setting, parse_setting
from absslab.core.common.errors import InputError
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.background import MainLoop
from absslab.widgets.ui.panel import close_tree

GRID = {  # of controls and what they mean
    "grid_template_columns": "minmax(270px, min(440px, 58%)) minmax(0, 1fr)",
    "align_items": "center",
    "grid_gap": "2px 10px",
}
NUMBERS: dict[Any, Any] = {int: ipywidgets.IntText, float: ipywidgets.FloatText}


class Form:
    """Controls of a config. A value that the config does not take is marked, with the config's own words under it.

    Args:
        config_class: whose fields become controls.
        initial: the values to begin with; without, the defaults.
        defaults: take the place of the fields' own, as a recipe's do; names of other configs are passed over.
        only: the fields that get a control; without, all. The others keep their initial values.
        leave_out: fields that get none.
        choices: field → the values to choose from, where the config leaves that open.
        on_change: called when a control has changed, whether its value can be used or not.
    """

    def __init__(
        self,
        config_class: type[Config],
        *,
        initial: Config | None = None,
        defaults: Mapping[str, Any] | None = None,
        only: Sequence[str] | None = None,
        leave_out: Sequence[str] = (),
        choices: Mapping[str, Sequence[Any]] | None = None,
        on_change: Callable[[], Any] | None = None,
    ):
        self.config_class = config_class
        self.defaults = self._with_own(defaults or {})
        self._kept = (
            {name: getattr(initial, name) for name in self.defaults}
            if initial
            else dict(self.defaults)
        )
        self._fields = {field.name: field for field in dataclasses.fields(config_class)}
        self._names = [name for name in (only or self._fields) if name not in leave_out]
        self._choices, self._on_change = choices or {}, on_change
        self._loop, self._is_setting = MainLoop(), False
        self._layout = ipywidgets.Layout(
            width="auto"
        )  # one for all: a form can have dozens of controls
        self._wide = ipywidgets.Layout(width="auto")
        self.controls = {name: self._control(name) for name in self._names}
        self._about = {name: ipywidgets.HTML(layout=self._wide) for name in self._names}
        self._below = ipywidgets.HTML(layout=self._wide)
        pairs = [part for name in self._names for part in (self.controls[name], self._about[name])]
        self.widget = ipywidgets.VBox([ipywidgets.GridBox(pairs, layout=GRID), self._below])
        self._mark()
        for control in self.controls.values():
            control.observe(self._on_control, "value")

    @property
    def config(self) -> Any:
        """The config that the controls show.

        Raises:
            InputError: a value that the config does not take, in one line.
        """
        return self.config_class(**self._kept | {name: self._read(name) for name in self._names})

    def values(self) -> dict[str, Any]:
        """What differs from the defaults, by name.

        Raises:
            InputError: a value that the config does not take.
        """
        config = self.config
        return {
            name: getattr(config, name)
            for name in self.defaults
            if getattr(config, name) != self.defaults[name]
        }

    def set(self, values: Mapping[str, Any]) -> None:
        """Show these values; the others stay.

        Raises:
            InputError: a name that the config does not have, or a value that it does not take; nothing is changed then.
        """
        checked = {
            name: check_setting(self.config_class, name, value) for name, value in values.items()
        }
        self._is_setting = True
        try:
            for name, value in checked.items():
                if name in self.controls:
                    self._put(self.controls[name], self._as_shown(name, value))
                else:
                    self._kept[name] = value
        finally:
            self._is_setting = False
        self._changed()

    def reset(self, defaults: Mapping[str, Any] | None = None) -> None:
        """Show the defaults: the fields' own, and in their place those that are given."""
        self.defaults = self._with_own(defaults or {})
        self.set(self.defaults)

    def offer(self, name: str, options: Sequence[tuple[str, Any]]) -> None:
        """Offer other (label, value) to choose from, in a field that has a choice; what is chosen stays chosen."""
        control = self.controls[name]
        chosen = control.value
        wanted = [
            *options,
            *([] if chosen in [value for _, value in options] else [(str(chosen), chosen)]),
        ]
        if list(control.options) != wanted:
            self._is_setting = True  # a dropdown with other options falls back to the first
            try:
                control.options = wanted
                control.value = chosen
            finally:
                self._is_setting = False

    def close(self) -> None:
        """Close all controls."""
        self._on_change = None
        for widget in (
            self.widget,
            self._layout,
            self._wide,
        ):  # the layouts too where no control has them
            close_tree(widget)

    def _with_own(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        own = {field.name: field.default for field in dataclasses.fields(self.config_class)}
        of_us = {
            name: check_setting(self.config_class, name, value)
            for name, value in defaults.items()
            if name in own
        }
        return own | of_us

    def _control(self, name: str) -> Any:
        """The control that suits a field."""
        field = self._fields[name]
        hint, value = (
            typing.get_type_hints(self.config_class)[name],
            self._as_shown(name, self._kept[name]),
        )
        look = {
            "description": name,
            "tooltip": field.metadata["help"],
            "layout": self._layout,
            "style": {"description_width": "170px"},
        }
        if choices := self._choices.get(name) or field.metadata["choices"]:
            known = list(dict.fromkeys([*choices, value]))
            return ipywidgets.Dropdown(
                options=[(str(choice), choice) for choice in known], value=value, **look
            )
        if hint is bool:
            return ipywidgets.Checkbox(value=value, indent=True, **look)
        if hint in NUMBERS:
            return NUMBERS[hint](value=value, **look)
        return ipywidgets.Text(value=value, continuous_update=False, **look)

    def _put(self, control: Any, value: Any) -> None:
        if isinstance(control, ipywidgets.Dropdown) and value not in [
            choice for _, choice in control.options
        ]:
            control.options = [
                *control.options,
                (str(value), value),
            ]  # open choices: it is nowhere said that these are all
        control.value = value

    def _is_typed(self, name: str) -> bool:
        """Whether the control holds text that has to be parsed, as on the command line."""
        hint = typing.get_type_hints(self.config_class)[name]
        has_choices = self._choices.get(name) or self._fields[name].metadata["choices"]
        return not has_choices and hint not in (bool, str, *NUMBERS)

    def _as_shown(self, name: str, value: Any) -> Any:
        """What a control holds for a value."""
        if not self._is_typed(name):
            return value
        return "none" if value is None else "" if value == () else format_setting(value)

    def _read(self, name: str) -> Any:
        """The value of a control."""
        value = self.controls[name].value
        return parse_setting(self.config_class, name, value) if self._is_typed(name) else value

    def _on_control(self, _: Any) -> None:
        if not self._is_setting:
            self._loop.call(self._changed)

    def _changed(self) -> None:
        self._mark()
        if self._on_change is not None:
            self._on_change()

    def _mark(self) -> None:
        """Under each control its help, and what is wrong with its value; under all what is wrong with them together."""
        problems = {name: problem for name in self._names if (problem := self._problem(name))}
        for name, control in self.controls.items():
            about = self._fields[name].metadata
            help = f"{about['unit']}: {about['help']}" if about["unit"] else about["help"]
            text = paragraph(help) + paragraph(problems.get(name, ""), "wrong", "alert")
            if self._about[name].value != text:
                self._about[name].value = text
                (control.add_class if name in problems else control.remove_class)("absslab-invalid")
        together = ""
        if not problems:
            try:
                _ = self.config
            except InputError as error:
                together = str(error)
        self._below.value = paragraph(together, "wrong", "alert")

    def _problem(self, name: str) -> str:
        try:
            check_setting(self.config_class, name, self._read(name))
        except InputError as error:
            return str(error)
        return ""
