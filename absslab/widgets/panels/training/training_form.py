"""All settings of a training as controls, the most used ones first."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.config import Config, format_setting, look_up, suggest_nearest, to_flags
from absslab.core.common.errors import InputError
from absslab.core.common.files import lies_below
from absslab.core.data.layouts import LAYOUTS
from absslab.core.data.shards.places import is_remote
from absslab.core.model.separation_model import ModelConfig
from absslab.core.runs.device_list import Device, join_gpus
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import SECTIONS, RunConfig, Settings, canonical_names
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.forms import GRID, Form
from absslab.widgets.ui.part import Part

NO_RECIPE = "none"
VISIBLE = ("run", "data", "model", "training")  # forms above the others, which are folded away
# The order of the sections in flags; sections that it does not name come last.
ORDER = ("model", "run", "data", "training", "mask_net", "pooling", "features", "augmentation")
# The fields of long sections that are visible; the others have a form "other <section>".
MAIN_FIELDS = {
    "training": ("n_epochs", "batch_size", "learning_rate", "seed"),
    "data": ("data_folder", "labels", "data_set_type"),
}
FORM_OPTIONS: dict[str, dict[str, Any]] = {  # of `Form`, by section
    "run": {"initial": RunConfig(keep_every=1), "choices": {"device": ["auto"]}},
    "data": {"only": MAIN_FIELDS["data"], "choices": {"data_set_type": list(LAYOUTS)}},
    "training": {"only": MAIN_FIELDS["training"]},
}
KEPT_BY_RECIPES = ("run", "data", "other data")  # forms that no recipe changes
PATHS = ("data_folder", "labels", "save_path", "feature_store", "initial_weights")
WRITTEN_PATHS = ("save_path", "feature_store")


class TrainingForm(Part):
    """A control for every field of a training's configs.

    Args:
        recipe: initial recipe; with "none" each field has its own default.
        devices: devices to choose from.
        on_change: is called when a control has changed.
    """

    def __init__(
        self,
        *,
        recipe: str = "recommended",
        devices: Sequence[Device] = (),
        on_change: Callable[[], Any] | None = None,
    ):
        super().__init__()
        self._on_change = on_change
        self.recipe = ipywidgets.Dropdown(
            options=[NO_RECIPE, *RECIPES],
            value=recipe,
            description="recipe",
            style={"description_width": "170px"},
            layout={"width": "auto"},
        )
        recipe_help = ipywidgets.HTML(
            paragraph("sets many of the fields below at once; each can still be changed")
        )
        self.forms: dict[str, Form] = {}
        self._has_own_n_epochs = False  # another number than the recipe's
        self._make_forms()
        self._folded = ipywidgets.Accordion()
        self._place_folded()
        visible = [self.forms[name].widget for name in VISIBLE]
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.GridBox([self.recipe, recipe_help], layout=GRID),
                *visible,
                self._folded,
            ]
        )
        self.set_devices(devices)
        self.recipe.observe(self.guard(lambda _: self._apply_recipe()), "value")

    def values(self) -> dict[str, Any]:
        """Return all fields that differ from the recipe's, or from their own defaults.

        Raises:
            InputError: if a config does not take a value.
        """
        values: dict[str, Any] = {}
        for form in self.forms.values():
            values |= form.values()
        if "n_epochs" in values:  # which would else leave out the recipe's steps
            other = self.forms["other training"].config
            values["least_steps"] = other.least_steps
            if other.n_steps is not None:
                values["n_steps"] = other.n_steps
        return values

    @property
    def settings(self) -> Settings:
        """The settings that the controls show.

        Raises:
            InputError: if a config does not take a value.
        """
        return Settings.from_flags(apply_recipe(self._recipe_values, self.values()))

    def arguments(self, *, writes_below: Path | None = None) -> list[str]:
        """Return the arguments of `absslab train` for these settings, with absolute paths.

        Args:
            writes_below: the only folder that the training may write to; names of files are then
                relative to it.

        Raises:
            InputError: if a config does not take a value, or names a file elsewhere.
        """
        _ = self.settings  # checks all values together
        values = self.values()
        for name in PATHS:
            if values.get(name) and not (name == "data_folder" and is_remote(values[name])):
                values[name] = str(Path(values[name]).absolute())
        if writes_below is not None and is_remote(values.get("data_folder", "")):
            raise InputError(
                "data_folder is a URL or a command: here, expected a folder of this machine"
            )
        if writes_below is not None:
            shown = self.values()
            for name in WRITTEN_PATHS:
                if shown.get(name):
                    values[name] = _path_below(writes_below, name, shown[name])
        recipe = [] if self.recipe.value == NO_RECIPE else [f"--recipe={self.recipe.value}"]
        return ["train", *recipe, *to_flags(values)]

    def set(self, values: Mapping[str, Any]) -> None:
        """Show these values; the others stay.

        Args:
            values: by the names or aliases of fields. The name "recipe" chooses a recipe, before
                the other values are set.

        Raises:
            InputError: if the chosen configs do not have a name, or do not take a value.
        """
        remaining = canonical_names(values)
        if "recipe" in remaining:
            recipe = remaining.pop("recipe") or NO_RECIPE
            look_up("recipe", recipe, {NO_RECIPE: {}} | RECIPES)
            self.recipe.value = recipe
        for section in list(self.forms):  # the model first: it decides which other fields exist
            form = self.forms[section]
            names = [name for name in remaining if name in form.controls]
            if names:
                form.set({name: remaining.pop(name) for name in names})
        if remaining:
            known: list[str] = []
            for form in self.forms.values():
                known += form.controls
            unknown = next(iter(remaining))
            raise InputError(f"there is no setting {unknown!r}{suggest_nearest(unknown, known)}")

    def set_devices(self, devices: Sequence[Device]) -> None:
        """Offer these devices; the chosen one stays chosen."""
        offered = [*devices, *join_gpus(devices)]
        described = [(f"{device.name}: {device.description}", device.name) for device in offered]
        self.forms["run"].offer("device", [("auto", "auto"), *described])

    def close(self) -> None:
        """Close all controls."""
        self._on_change = None
        for form in self.forms.values():
            form.close()
        super().close()

    @property
    def _recipe_values(self) -> dict[str, Any]:
        return RECIPES.get(self.recipe.value, {})

    def _make_forms(self) -> None:
        self.forms["model"] = self._make_form("model", ModelConfig)
        classes = self._config_classes()
        for section in dict.fromkeys([*ORDER, *SECTIONS]):
            if section != "model":
                self.forms[section] = self._make_form(section, classes[section])
        for section, fields in MAIN_FIELDS.items():
            title = f"other {section}"
            self.forms[title] = self._make_form(title, classes[section], leave_out=fields)

    def _make_form(self, name: str, config_class: type[Config], **options: Any) -> Form:
        return Form(
            config_class,
            defaults=self._recipe_values,
            on_change=self._handle_change,
            **FORM_OPTIONS.get(name, {}),
            **options,
        )

    def _config_classes(self) -> dict[str, type[Config]]:
        """Return the config class of each section, for the chosen mask network and pooling."""
        controls = self.forms["model"].controls
        return Settings.config_classes(
            ModelConfig(model_type=controls["model_type"].value, pooling=controls["pooling"].value)
        )

    def _apply_recipe(self) -> None:
        """Show the values of the chosen recipe, as one change."""
        self.forms["model"].reset(self._recipe_values)
        self._replace_forms()
        for name, form in self.forms.items():
            if name not in KEPT_BY_RECIPES:
                form.reset(self._recipe_values)
        self._handle_change()

    def _handle_change(self) -> None:
        if self._show_steps():
            return  # that is a change of a control, too
        self._replace_forms()
        if self._on_change is not None:
            self._on_change()

    def _show_steps(self) -> bool:
        """Show that the recipe's steps do not count if its number of epochs is changed.

        Another number of steps, which somebody has chosen, stays.

        Returns:
            whether what is shown had to be changed.
        """
        training = self.forms["training"]
        is_own = training.controls["n_epochs"].value != training.defaults["n_epochs"]
        if is_own == self._has_own_n_epochs:
            return False
        self._has_own_n_epochs = is_own
        other = self.forms["other training"]
        changes = {}
        for name, without in (("least_steps", 0), ("n_steps", None)):
            of_recipe = other.defaults[name]
            before, after = (of_recipe, without) if is_own else (without, of_recipe)
            is_unchanged = str(other.controls[name].value) == format_setting(before)
            if is_unchanged and before != after:
                changes[name] = after
        if changes:
            other.set(changes)
        return bool(changes)

    def _replace_forms(self) -> None:
        """Show the fields of the chosen mask network and pooling where others were shown."""
        replaced = []
        for section, config_class in self._config_classes().items():
            if self.forms[section].config_class is not config_class:
                replaced.append(self.forms[section])
                self.forms[section] = self._make_form(section, config_class)
        if replaced:
            self._place_folded()
            for form in replaced:
                form.close()

    def _place_folded(self) -> None:
        """Put the forms that are not always visible into the accordion, with their titles."""
        controls = self.forms["model"].controls
        titles = {
            "mask_net": f"mask network: {controls['model_type'].value}",
            "pooling": f"pooling: {controls['pooling'].value}",
            "other training": "more settings of the training",
            "other data": "more settings of the data",
        }
        names = [name for name in self.forms if name not in VISIBLE]
        opened = self._folded.selected_index
        self._folded.children = [self.forms[name].widget for name in names]
        for index, name in enumerate(names):
            self._folded.set_title(index, titles.get(name, name))
        self._folded.selected_index = opened


def _path_below(folder: Path, name: str, value: str) -> str:
    """Return the path of a setting, without links.

    Raises:
        InputError: it, or the run directory beside it, is not below the folder.
    """
    path = folder.absolute() / value
    written = (path, str(path).removesuffix(".ckpt"))
    if not all(lies_below(each, folder) for each in written):
        raise InputError(
            f"{name} is {value!r}: expected a name in the folder of the runs, such as run-1.ckpt"
        )
    return os.path.realpath(path)
