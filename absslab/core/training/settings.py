"""All settings of a training: one config per section of config.json."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from absslab.core.common.config import Config, field_names, from_flags, option, rename_settings
from absslab.core.common.devices import device_option
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import on_error_option
from absslab.core.data.layouts import DataConfig
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.mask_networks import MASK_NETS, MaskNetKind, find_mask_net
from absslab.core.model.pooling import POOLINGS, PoolingKind, find_pooling
from absslab.core.model.separation_model import ModelConfig, ModelConfigs
from absslab.core.training.augmentation import AugmentationConfig
from absslab.core.training.config import TrainingConfig


@dataclass(frozen=True)
class RunConfig(Config):
    """Files and device of the run."""

    save_path: str = option(
        "",
        "file for the best model, R.ckpt; the run directory R is made beside it",
        metavar="FILE",
        required=True,
    )
    device: str = device_option(more="; cuda:0,cuda:1 trains in two processes")
    keep_every: int = option(
        0,
        "also keep the model after every so many epochs, to hear how it learns; 0: do not",
        unit="epochs",
        at_least=0,
    )
    choose_thresholds: str = option(
        "auto",
        "how the kind of activity and the thresholds of events are chosen for the best model, on "
        "the validation recordings: events, by event F1 against their strong labels; tags, by "
        "their weak labels alone; auto, by strong labels if there are any; none, they are not",
        choices=("auto", "events", "tags", "none"),
    )
    on_error: str = on_error_option("stop")


@dataclass(frozen=True)
class Settings:
    """All configs of a training; the fields are the sections of config.json."""

    features: FeatureConfig
    model: ModelConfig
    mask_net: Config
    pooling: Config
    data: DataConfig
    augmentation: AugmentationConfig
    training: TrainingConfig
    run: RunConfig

    @staticmethod
    def config_classes(model: ModelConfig) -> dict[str, type[Config]]:
        """Return the config class of each section, for the mask network and pooling of a model."""
        return {
            "features": FeatureConfig,
            "model": ModelConfig,
            "mask_net": find_mask_net(model.model_type).config,
            "pooling": find_pooling(model.pooling).config,
            "data": DataConfig,
            "augmentation": AugmentationConfig,
            "training": TrainingConfig,
            "run": RunConfig,
        }

    @classmethod
    def from_flags(cls, values: Mapping[str, Any]) -> "Settings":
        """Return the settings that flags name, with defaults for the others.

        Args:
            values: values of any fields of the configs, by their names or aliases.
        """
        classes = cls.config_classes(from_flags(ModelConfig, values))
        configs: dict[str, Any] = {
            name: from_flags(config_class, values) for name, config_class in classes.items()
        }
        return cls(**configs)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Settings":
        """Make settings from the data that `to_json` returned."""
        classes = cls.config_classes(ModelConfig.from_json(values["model"]))
        configs: dict[str, Any] = {
            name: config_class.from_json(values[name]) for name, config_class in classes.items()
        }
        return cls(**configs)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data that can be written as JSON."""
        return {name: config.to_json() for name, config in self.sections().items()}

    def sections(self) -> dict[str, Config]:
        """Return the configs by the names of their sections."""
        return {name: getattr(self, name) for name in SECTIONS}

    @property
    def models(self) -> ModelConfigs:
        """The configs that build the model."""
        return ModelConfigs(self.features, self.model, self.mask_net, self.pooling)


SECTIONS = tuple(field.name for field in fields(Settings))


def canonical_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace aliases of settings by their current names.

    Names that no config knows are not changed: a newer version may have written them.

    Raises:
        InputError: a setting is given by two of its names, with different values.
    """
    return rename_settings(_canonical_names_of_settings(), values)


def is_setting(name: str) -> bool:
    """Tell whether a config has a setting of this name, or had one."""
    return name in _canonical_names_of_settings()


def canonical_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace aliases of settings and of their values by the current names.

    Names and values that no config knows are not changed.

    Raises:
        InputError: a setting is given by two of its names, with different values.
    """
    return {name: _canonical_value(name, value) for name, value in canonical_names(values).items()}


def canonical_config(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the content of a config.json with current names and values, by section.

    A config that this version can't use, or a part of a config, is translated as far as its names
    are known.
    """
    try:
        return Settings.from_json(config).to_json()
    except (InputError, KeyError, TypeError, AttributeError):
        return {
            section: _translate_if_possible(config[section])
            for section in SECTIONS
            if isinstance(config.get(section), Mapping)
        }


def _translate_if_possible(values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return canonical_settings(values)
    except InputError:
        return dict(values)


def find_other_part(name: str) -> str:
    """Tell which mask network or pooling has a setting; empty if none has it.

    >>> find_other_part("decay")
    'it is a setting of --pooling GWRP'
    """
    registries: dict[str, Mapping[str, MaskNetKind | PoolingKind]] = {
        "model_type": MASK_NETS,
        "pooling": POOLINGS,
    }
    for flag, registry in registries.items():
        for part, kind in registry.items():
            if name in field_names(kind.config):
                return f"it is a setting of --{flag} {part}"
    return ""


def canonical_term(name: str, text: str) -> tuple[str, str]:
    """Return the current name and value of a setting that a person has typed, in any case.

    >>> canonical_term("Data_Set_Type", "dcase2013_remixed_data_set")
    ('data_set_type', 'mixture_folder')
    """
    names = {known.lower(): today for known, today in _canonical_names_of_settings().items()}
    name = names.get(name.lower(), name)
    values = {str(old).lower(): new for old, new in _value_aliases().get(name, {}).items()}
    return name, str(values.get(text.lower(), text))


def _canonical_value(name: str, value: Any) -> Any:
    aliases = _value_aliases().get(name, {})
    if not aliases or not isinstance(value, str):
        return value
    return aliases.get(value, value)


@cache
def _canonical_names_of_settings() -> dict[str, str]:
    """List all names of all settings of a training, each with its current name."""
    names: dict[str, str] = {}
    for config_class in _all_config_classes():
        names |= field_names(config_class)
    return names


@cache
def _value_aliases() -> dict[str, Mapping[Any, Any]]:
    """List the other names of values, by the names of the settings that have some."""
    aliases: dict[str, Mapping[Any, Any]] = {}
    for config_class in _all_config_classes():
        for field in fields(config_class):
            if field.metadata["value_aliases"]:
                aliases[field.name] = field.metadata["value_aliases"]
    return aliases


def _all_config_classes() -> Iterable[type[Config]]:
    """Yield every config class of a training, for all mask networks and poolings."""
    yield from Settings.config_classes(ModelConfig()).values()
    for mask_net in MASK_NETS.values():
        yield mask_net.config
    for pooling in POOLINGS.values():
        yield pooling.config
