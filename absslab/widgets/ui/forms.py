"""Forms made from a config: a control for each field, with its unit and its help."""

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from absslab.core.common.config import Config, check_setting, format_setting, parse_setting
from absslab.core.common.errors import InputError
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.binding import without_feedback
from absslab.widgets.ui.main_loop import current_main_loop
from absslab.widgets.ui.part import close_tree

GRID = {  # layout of the controls and their explanations
    "grid_template_columns": "minmax(270px, min(440px, 58%)) minmax(0, 1fr)",
    "align_items": "center",
    "grid_gap": "2px 10px",
}
NUMBERS: dict[Any, Any] = {int: ipywidgets.IntText, float: ipywidgets.FloatText}


class Form:
    """Controls for the fields of a config.

    A value that the config does not take is marked, with the config's message below it.

    Args:
        config_class: the dataclass whose fields become controls.
        initial: the values to begin with; the defaults if it is None.
        defaults: values that replace the fields' own defaults, as those of a recipe do; names that
            the config does not have are ignored.
        only: names of the fields that get a control; all if it is None. The other fields keep their
            initial values.
        leave_out: names of fields that get no control.
        choices: the values to choose from by field, for fields where the config allows any value.
        on_change: is called when a control has changed, with a valid value or not.
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
        self.defaults = self._with_own_defaults(defaults or {})
        self._initial = dict(self.defaults)  # also the values of fields that have no control
        if initial is not None:
            self._initial = {name: getattr(initial, name) for name in self.defaults}
        self._fields = {field.name: field for field in dataclasses.fields(config_class)}
        self._names = [name for name in (only or self._fields) if name not in leave_out]
        self._choices = choices or {}
        self._on_change = on_change
        self._loop = current_main_loop()
        # One layout for all controls: a form can have dozens of them.
        self._layout = ipywidgets.Layout(width="auto")
        self._wide = ipywidgets.Layout(width="auto")
        self.controls = {name: self._make_control(name) for name in self._names}
        self._explanations = {name: ipywidgets.HTML(layout=self._wide) for name in self._names}
        self._below = ipywidgets.HTML(layout=self._wide)
        cells = []
        for name in self._names:
            cells += [self.controls[name], self._explanations[name]]
        self.widget = ipywidgets.VBox([ipywidgets.GridBox(cells, layout=GRID), self._below])
        self._mark_problems()
        for control in self.controls.values():
            control.observe(self._on_control, "value")

    @property
    def config(self) -> Any:
        """The config that the controls show.

        Raises:
            InputError: if the config does not take a value; the message is one line.
        """
        values = {name: self._read(name) for name in self._names}
        return self.config_class(**self._initial | values)

    def values(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, by field.

        Raises:
            InputError: if the config does not take a value.
        """
        config = self.config
        values = {name: getattr(config, name) for name in self.defaults}
        return {name: value for name, value in values.items() if value != self.defaults[name]}

    def set(self, values: Mapping[str, Any]) -> None:
        """Show these values; the other fields stay as they are.

        Raises:
            InputError: if the config does not have a name or does not take a value. Nothing is
                changed then.
        """
        valid = {
            name: check_setting(self.config_class, name, value) for name, value in values.items()
        }
        self._show(valid)
        self._changed()

    def reset(self, defaults: Mapping[str, Any] | None = None) -> None:
        """Show the defaults: the fields' own, replaced by those that are given.

        `on_change` is not called, so that several forms can be reset as one change.
        """
        self.defaults = self._with_own_defaults(defaults or {})
        self._show(self.defaults)

    def offer(self, name: str, options: Sequence[tuple[str, Any]]) -> None:
        """Offer other (label, value) pairs in a dropdown; the chosen value stays chosen."""
        control = self.controls[name]
        chosen = control.value
        offered = list(options)
        if chosen not in [value for _, value in offered]:
            offered.append((str(chosen), chosen))
        if list(control.options) == offered:
            return
        # A dropdown falls back to its first option when the options change.
        with without_feedback(self._on_control, control):
            control.options = offered
            control.value = chosen

    def close(self) -> None:
        """Close all controls."""
        self._on_change = None
        # The layouts have to be closed too where no control uses them.
        for widget in (self.widget, self._layout, self._wide):
            close_tree(widget)

    def _show(self, values: Mapping[str, Any]) -> None:
        """Show valid values."""
        with without_feedback(self._on_control, *self.controls.values()):
            for name, value in values.items():
                if name in self.controls:
                    _set_value(self.controls[name], self._to_control(name, value))
                else:
                    self._initial[name] = value
        self._mark_problems()

    def _with_own_defaults(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        own = {field.name: field.default for field in dataclasses.fields(self.config_class)}
        replaced = {
            name: check_setting(self.config_class, name, value)
            for name, value in defaults.items()
            if name in own
        }
        return own | replaced

    def _make_control(self, name: str) -> Any:
        """Make the control that suits a field."""
        field = self._fields[name]
        hint = typing.get_type_hints(self.config_class)[name]
        value = self._to_control(name, self._initial[name])
        look = {
            "description": name,
            "tooltip": field.metadata["help"],
            "layout": self._layout,
            "style": {"description_width": "170px"},
        }
        choices = self._offered(name)
        if choices:
            options = [(str(choice), choice) for choice in dict.fromkeys([*choices, value])]
            return ipywidgets.Dropdown(options=options, value=value, **look)
        if hint is bool:
            return ipywidgets.Checkbox(value=value, indent=True, **look)
        if hint in NUMBERS:
            return NUMBERS[hint](value=value, **look)
        return ipywidgets.Text(value=value, continuous_update=False, **look)

    def _is_parsed(self, name: str) -> bool:
        """Return whether the control holds text that is parsed as on the command line."""
        hint = typing.get_type_hints(self.config_class)[name]
        return not self._offered(name) and hint not in (bool, str, *NUMBERS)

    def _offered(self, name: str) -> Sequence[Any]:
        """Return the values to choose from; none for a list, which is written as text."""
        hint = typing.get_type_hints(self.config_class)[name]
        if typing.get_origin(hint) is tuple:
            return ()
        return self._choices.get(name) or self._fields[name].metadata["choices"]

    def _to_control(self, name: str, value: Any) -> Any:
        """Return what the control of a field holds for a value."""
        if not self._is_parsed(name):
            return value
        if value is None:
            return "none"
        return "" if value == () else format_setting(value)

    def _read(self, name: str) -> Any:
        """Return the value that a control holds."""
        value = self.controls[name].value
        return parse_setting(self.config_class, name, value) if self._is_parsed(name) else value

    def _on_control(self, _: Any) -> None:
        self._loop.call(self._changed)

    def _changed(self) -> None:
        self._mark_problems()
        if self._on_change is not None:
            self._on_change()

    def _mark_problems(self) -> None:
        """Write the help and the problem of each control beside it.

        Below all controls stands what is wrong with their values together.
        """
        problems = {name: problem for name in self._names if (problem := self._problem(name))}
        for name, control in self.controls.items():
            metadata = self._fields[name].metadata
            unit = f"{metadata['unit']}: " if metadata["unit"] else ""
            problem = paragraph(problems.get(name, ""), "wrong", "alert")
            text = paragraph(f"{unit}{metadata['help']}") + problem
            if self._explanations[name].value == text:
                continue
            self._explanations[name].value = text
            if name in problems:
                control.add_class("absslab-invalid")
            else:
                control.remove_class("absslab-invalid")
        problem = "" if problems else self._problem_of_all()
        self._below.value = paragraph(problem, "wrong", "alert")

    def _problem(self, name: str) -> str:
        try:
            check_setting(self.config_class, name, self._read(name))
        except InputError as error:
            return str(error)
        return ""

    def _problem_of_all(self) -> str:
        try:
            _ = self.config
        except InputError as error:
            return str(error)
        return ""


def _set_value(control: Any, value: Any) -> None:
    """Set a control; a dropdown gets the value as an option first, if it does not offer it yet."""
    if isinstance(control, ipywidgets.Dropdown):
        offered = [choice for _, choice in control.options]
        if value not in offered:
            control.options = [*control.options, (str(value), value)]
    control.value = value
