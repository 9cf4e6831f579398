"""All settings of a training as controls, the most used ones first."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.config import Config, look_up, suggest_nearest, to_flags
from absslab.core.common.errors import InputError
from absslab.core.data.layouts import LAYOUTS, DataConfig
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.mask_networks import find_mask_net
from absslab.core.model.pooling import find_pooling
from absslab.core.model.separation_model import ModelConfig
from absslab.core.runs.device_list import Device
from absslab.core.training.augmentation import AugmentationConfig
from absslab.core.training.config import TrainingConfig
from absslab.core.training.recipes import RECIPES
from absslab.core.training.settings import RunConfig, Settings, canonical_names
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.forms import GRID, Form
from absslab.widgets.ui.main_loop import current_main_loop
from absslab.widgets.ui.part import close_tree

NO_RECIPE = "none"
FIRST_OF_DATA = ("data_folder", "data_set_type")
FIRST_OF_TRAINING = ("n_epochs", "batch_size", "learning_rate", "seed")
FIRST = ("run", "data", "model", "training")  # in view; the others are folded away
PLACES = ("run", "data", "other data")  # what no recipe changes
PATHS = ("data_folder", "save_path", "feature_store")


class TrainingForm:
    """Every field of a training's configs, as a control.

    Args:
        recipe: to begin with; with none each field has its own default.
        devices: to choose from.
        on_change: called when anything has changed.
    """

    def __init__(
        self,
        *,
        recipe: str = "recommended",
        devices: Sequence[Device] = (),
        on_change: Callable[[], Any] | None = None,
    ):
        self._on_change, self._loop, self._is_setting = on_change, current_main_loop(), False
        about = {
            "description": "recipe",
            "style": {"description_width": "170px"},
            "layout": {"width": "auto"},
        }
        self.recipe = ipywidgets.Dropdown(options=[NO_RECIPE, *RECIPES], value=recipe, **about)
        help = ipywidgets.HTML(
            paragraph("sets many of the fields below at once; each can still be changed")
        )
        self.forms: dict[str, Form] = {"model": self._form(ModelConfig)}
        self.forms |= {
            "run": self._form(
                RunConfig, initial=RunConfig(keep_every=1), choices={"device": ["auto"]}
            ),
            "data": self._form(
                DataConfig, only=FIRST_OF_DATA, choices={"data_set_type": list(LAYOUTS)}
            ),
            "training": self._form(TrainingConfig, only=FIRST_OF_TRAINING),
            "mask network": self._form(self._parts()["mask network"]),
            "pooling": self._form(self._parts()["pooling"]),
            "features": self._form(FeatureConfig),
            "augmentation": self._form(AugmentationConfig),
            "other training": self._form(TrainingConfig, leave_out=FIRST_OF_TRAINING),
            "other data": self._form(DataConfig, leave_out=FIRST_OF_DATA),
        }
        self._rest = ipywidgets.Accordion()
        self._place()
        first = [self.forms[name].widget for name in FIRST]
        self.widget = ipywidgets.VBox(
            [ipywidgets.GridBox([self.recipe, help], layout=GRID), *first, self._rest]
        )
        self.set_devices(devices)
        self.recipe.observe(lambda _: self._loop.call(self._recipe_changed), "value")

    def values(self) -> dict[str, Any]:
        """All fields that differ from the recipe's, or from their own defaults.

        Raises:
            InputError: a value that can't be used.
        """
        return {
            name: value for form in self.forms.values() for name, value in form.values().items()
        }

    @property
    def settings(self) -> Settings:
        """The settings that the controls show.

        Raises:
            InputError: values that can't be used.
        """
        return Settings.from_flags(self._defaults | self.values())

    def arguments(self) -> list[str]:
        """Return the arguments of `absslab train` for these settings, with absolute paths.

        Raises:
            InputError: values that can't be used.
        """
        _ = self.settings
        values = self.values()
        values |= {name: str(Path(values[name]).absolute()) for name in PATHS if values.get(name)}
        recipe = [] if self.recipe.value == NO_RECIPE else [f"--recipe={self.recipe.value}"]
        return ["train", *recipe, *to_flags(values)]

    def set(self, values: Mapping[str, Any]) -> None:
        """Show these values; the others stay. The name recipe chooses one, before all else.

        Raises:
            InputError: a name that the chosen parts do not have, or a value that can't be used.
        """
        rest = canonical_names(values)
        if "recipe" in rest:
            name = rest.pop("recipe") or NO_RECIPE
            look_up("recipe", name, {NO_RECIPE: {}} | RECIPES)
            self.recipe.value = name
        for title in ("model", *self.forms):  # the model first: with it come other fields
            form = self.forms[title]
            own = {name: rest.pop(name) for name in list(rest) if name in form.controls}
            if own:
                form.set(own)
        if rest:
            known = [name for form in self.forms.values() for name in form.controls]
            unknown = next(iter(rest))
            raise InputError(f"there is no setting {unknown!r}{suggest_nearest(unknown, known)}")

    def set_devices(self, devices: Sequence[Device]) -> None:
        """Offer these devices; what is chosen stays chosen."""
        described = [(f"{device.name}: {device.description}", device.name) for device in devices]
        self.forms["run"].offer("device", [("auto", "auto"), *described])

    def close(self) -> None:
        """Close all controls."""
        self._on_change = None
        for form in self.forms.values():
            form.close()
        close_tree(self.widget)

    @property
    def _defaults(self) -> dict[str, Any]:
        return RECIPES.get(self.recipe.value, {})

    def _form(self, config_class: type[Config], **options: Any) -> Form:
        return Form(config_class, defaults=self._defaults, on_change=self._changed, **options)

    def _parts(self) -> dict[str, type[Config]]:
        """Return the config classes of the chosen mask network and pooling."""
        chosen = {
            name: self.forms["model"].controls[name].value for name in ("model_type", "pooling")
        }
        return {
            "mask network": find_mask_net(chosen["model_type"])[0],
            "pooling": find_pooling(chosen["pooling"])[0],
        }

    def _recipe_changed(self) -> None:
        self._is_setting = True
        try:
            self.forms["model"].reset(self._defaults)
            self._replace_parts()
            for name, form in self.forms.items():
                if name not in PLACES:
                    form.reset(self._defaults)
        finally:
            self._is_setting = False
        self._changed()

    def _changed(self) -> None:
        if self._is_setting or "other data" not in self.forms:
            return
        self._replace_parts()
        if self._on_change is not None:
            self._on_change()

    def _replace_parts(self) -> None:
        """Where another model was chosen, show its settings instead."""
        replaced = []
        for title, config_class in self._parts().items():
            if self.forms[title].config_class is not config_class:
                replaced.append(self.forms[title])
                self.forms[title] = self._form(config_class)
        if replaced:
            self._place()
            for form in replaced:
                form.close()

    def _place(self) -> None:
        controls = self.forms["model"].controls
        titles = {
            "mask network": f"mask network: {controls['model_type'].value}",
            "pooling": f"pooling: {controls['pooling'].value}",
            "other training": "more of the training",
            "other data": "more of the data",
        }
        rest = [name for name in self.forms if name not in FIRST]
        opened = self._rest.selected_index
        self._rest.children = [self.forms[name].widget for name in rest]
        for index, name in enumerate(rest):
            self._rest.set_title(index, titles.get(name, name))
        self._rest.selected_index = opened
