"""All settings of a training: one config per section of config.json."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from absslab.core.common.config import Config, field_names, from_flags, option
from absslab.core.data.layouts import DataConfig
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.mask_networks import MASK_NETS, find_mask_net
from absslab.core.model.pooling import POOLINGS, find_pooling
from absslab.core.model.separation_model import ModelConfig, ModelConfigs
from absslab.core.training.augmentation import AugmentationConfig
from absslab.core.training.config import TrainingConfig


@dataclass(frozen=True)
class RunConfig(Config):
    """Where the run goes, and what it keeps."""

    save_path: str = option(
        "",
        "file of the best model, R.ckpt; the run directory R stands beside it",
        metavar="FILE",
        required=True,
    )
    device: str = option("auto", "auto: a GPU if there is one; cpu, cuda, cuda:1, …")
    keep_every: int = option(
        0,
        "also keep the model of every so many, to hear how it learns; 0: none",
        unit="epochs",
        at_least=0,
    )


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
        mask_net, _ = find_mask_net(model.model_type)
        pooling, _ = find_pooling(model.pooling)
        return {
            "features": FeatureConfig,
            "model": ModelConfig,
            "mask_net": mask_net,
            "pooling": pooling,
            "data": DataConfig,
            "augmentation": AugmentationConfig,
            "training": TrainingConfig,
            "run": RunConfig,
        }

    @classmethod
    def from_flags(cls, values: Mapping[str, Any]) -> "Settings":
        """Return the settings that flags name, with defaults for the others.

        Args:
            values: of any fields of any of the configs, by the fields' names or aliases.
        """
        classes = cls.config_classes(from_flags(ModelConfig, values))
        configs: dict[str, Any] = {
            name: from_flags(config_class, values) for name, config_class in classes.items()
        }
        return cls(**configs)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Settings":
        """Return the settings that `to_json` described."""
        classes = cls.config_classes(ModelConfig.from_json(values["model"]))
        configs: dict[str, Any] = {
            name: config_class.from_json(values[name]) for name, config_class in classes.items()
        }
        return cls(**configs)

    def to_json(self) -> dict[str, Any]:
        """Return plain data, as JSON holds it."""
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
    """Return settings under the names of today, where they came under an alias.

    Names that no config knows stay as they are: a newer version may have written them.
    """
    canonical: dict[str, str] = {}
    for config_class in _all_config_classes():
        canonical |= field_names(config_class)
    return {canonical.get(name, name): value for name, value in values.items()}


def _all_config_classes() -> Iterable[type[Config]]:
    """Yield every config class of a training, whichever mask network and pooling are chosen."""
    yield from Settings.config_classes(ModelConfig()).values()
    for config_class, _ in (*MASK_NETS.values(), *POOLINGS.values()):
        yield config_class
