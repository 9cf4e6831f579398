"""Begin a training with the weights of another model, whose classes may be others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from absslab.core.common.config import format_setting
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.notices import give_notice
from absslab.core.data.class_names import list_classes
from absslab.core.model.checkpoint import Checkpoint, load_checkpoint
from absslab.core.model.convolution_blocks import BlocksConfig
from absslab.core.model.learned_pooling import AdaptiveGWRPConfig, Rescaler
from absslab.core.model.separation_model import (
    ModelConfigs,
    SeparationModel,
    build_mask_net,
    build_pooling,
)

_NEEDED = ("model_type", "masks")  # of the model's settings


@dataclass(frozen=True)
class InitialWeights:
    """A model to begin with; `open` reads it.

    Args:
        path: its file.
        checkpoint: its content.
        configs: of the new model.
    """

    path: str
    checkpoint: Checkpoint
    configs: ModelConfigs

    @classmethod
    def open(cls, path: str, configs: ModelConfigs) -> "InitialWeights":
        """Read a model, and check that it is built as the new one.

        Args:
            path: the file.
            configs: of the new model.

        Raises:
            InputError: it can't be read, or was built with other settings.
        """
        checkpoint = load_checkpoint(path)
        before = _describe_parts(checkpoint.configs)
        now = _describe_parts(configs)
        differences = []
        for section, values in now.items():
            for name, value in values.items():
                if name in before[section] and before[section][name] != value:
                    own = format_setting(before[section][name])
                    differences.append(f"{name} {own} instead of {format_setting(value)}")
        if differences:
            raise InputError(
                f"{{path}} has {escape_braces(', '.join(differences))}: initial weights fit only "
                "a model of the same settings; pass these, or train without --initial_weights",
                path=path,
            )
        mask_net = configs.mask_net
        if isinstance(mask_net, BlocksConfig) and mask_net.per_block("conv_groups")[-1] > 1:
            raise InputError(
                f"mask_conv_groups is {format_setting(mask_net.get('conv_groups'))}: the masks of "
                "a class are then computed from some channels alone, so that initial weights "
                "can't be copied by class; train without --initial_weights"
            )
        return cls(path, checkpoint, configs)

    @property
    def trained_on(self) -> list[str]:
        """Marks of the recordings that the model was trained or validated on, if it knows them."""
        return list(self.checkpoint.made.get("trained_on", []))

    @torch.no_grad()
    def copy_to(self, model: SeparationModel) -> None:
        """Copy the weights to a new model, and tell which classes are copied.

        What a layer has for each class is copied by the name of the class; other classes keep the
        weights that the new model has. The statistics of the features are copied, too.

        Args:
            model: the new model, with fresh weights.
        """
        old = self.checkpoint.model
        copied = [name for name in model.classes if name in old.classes]
        rows = [(model.classes.index(name), old.classes.index(name)) for name in copied]
        background = (len(model.classes), len(old.classes))
        per_class = find_class_weights(self.checkpoint.configs, len(old.classes))
        weights = old.state_dict()
        new_parts = self._find_new_parts(model)
        for name, target in model.state_dict().items():
            if name.split(".")[0] in new_parts:
                continue
            if name not in per_class:
                target.copy_(weights[name])
                continue
            blocks = target.split(per_class[name])
            old_blocks = weights[name].split(per_class[name])
            has_background = len(blocks) > len(model.classes)
            for row, old_row in [*rows, background] if has_background else rows:
                blocks[row].copy_(old_blocks[old_row])
        self._tell_classes(model.classes, copied)

    def _find_new_parts(self, model: SeparationModel) -> list[str]:
        """Find the learned parts that are not built as those of the other model, and tell them."""
        old = self.checkpoint.model
        parts = []
        has_same_pooling = _describe_pooling(self.configs) == _describe_pooling(
            self.checkpoint.configs
        )
        # pooling of recordings of another length has other weights
        if not has_same_pooling or _shapes(model.pooling) != _shapes(old.pooling):
            parts.append("pooling")
        if (model.rescaler is None) != (old.rescaler is None):
            parts.append("rescaler")
        for part in parts:
            if _shapes(getattr(model, part)):
                text = f"{{path}} was not trained with this {part}, which begins without knowledge"
                give_notice(InputWarning(text, path=self.path))
        return parts

    def _tell_classes(self, classes: Sequence[str], copied: Sequence[str]) -> None:
        """Tell which classes begin anew, and which are left out, if there are such."""
        new = [name for name in classes if name not in copied]
        left = [name for name in self.checkpoint.model.classes if name not in copied]
        parts = []
        if new:
            parts.append(f"does not know {list_classes(new)}, which begin without knowledge")
        if left:
            parts.append(f"also knows {list_classes(left)}, which the training leaves out")
        if parts:
            text = escape_braces("; it ".join(parts))
            give_notice(InputWarning(f"{{path}} {text}", path=self.path))


def _describe_parts(configs: ModelConfigs) -> dict[str, dict[str, Any]]:
    """Return the settings of features and network, by section, that must be the same."""
    content = configs.to_json()
    content["model"] = {name: content["model"][name] for name in _NEEDED}
    content["features"]["f_max"] = configs.features.highest
    del content["pooling"]
    mask_net = configs.mask_net
    if isinstance(mask_net, BlocksConfig):
        for name in mask_net.unused_at_last:
            values = mask_net.per_block(name)
            content["mask_net"][mask_net.prefix + name] = list(values[:-1])
    return content


def _describe_pooling(configs: ModelConfigs) -> object:
    settings = configs.pooling.to_json()
    for name in ("first_decay", "recording_frames"):  # where it begins; known by its weights
        settings.pop(name, None)
    return configs.model.pooling, settings


def _shapes(part: nn.Module | None) -> dict[str, object]:
    """Return the shapes of a part's weights, apart from the number of classes."""
    weights = {} if part is None else part.state_dict()
    return {name: (weight.ndim, weight.shape[1:]) for name, weight in weights.items()}


def find_class_weights(configs: ModelConfigs, n_classes: int) -> dict[str, int]:
    """Find the weights of a model that have rows for each class.

    They are those whose shape changes with the number of classes. Where masks compete, those of
    the mask network have as many rows more at the end, for the background.

    Args:
        configs: of the model.
        n_classes: number of its classes.

    Returns:
        the number of rows that each has for a class, by name.
    """
    if isinstance(configs.pooling, AdaptiveGWRPConfig):  # it may have a number for each class
        configs = replace(configs, pooling=AdaptiveGWRPConfig())

    def shapes(n: int) -> dict[str, Tensor]:
        with torch.device("meta"):  # nothing is computed
            mask_net = build_mask_net(configs, n)
            parts = {"mask_net": mask_net, "pooling": build_pooling(configs, mask_net, n)}
            if configs.model.rescale:
                parts["rescaler"] = Rescaler(n)
        return nn.ModuleDict(parts).state_dict()

    more = shapes(n_classes + 1)
    return {
        name: len(more[name]) - len(weights)
        for name, weights in shapes(n_classes).items()
        if weights.shape != more[name].shape
    }
