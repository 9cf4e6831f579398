"""Begin a training with the weights of another model, whose classes may be others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from absslab.core.common.config import format_setting
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.notices import give_notice
from absslab.core.data.class_names import list_classes
from absslab.core.model.checkpoint import Checkpoint, load_checkpoint
from absslab.core.model.learned_pooling import AdaptiveGWRPConfig, Rescaler
from absslab.core.model.separation_model import (
    ModelConfigs,
    SeparationModel,
    build_mask_net,
    build_pooling,
)

_NEEDED = ("model_type", "masks")  # of the model's settings
_LEARNED = ("pooling", "rescaler")  # parts whose weights are copied if both models have the same


@dataclass(frozen=True)
class InitialWeights:
    """A model to begin with; `open` reads it.

    Args:
        path: its file.
        checkpoint: its content.
    """

    path: str
    checkpoint: Checkpoint

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
        before = checkpoint.configs.to_json()
        now = configs.to_json()
        for content in (before, now):
            content["model"] = {name: content["model"][name] for name in _NEEDED}
            del content["pooling"]
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
        return cls(path, checkpoint)

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
        left = self._other_parts(model)
        for name, target in model.state_dict().items():
            if name.split(".")[0] in left:
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

    def _other_parts(self, model: SeparationModel) -> list[str]:
        """Return the learned parts of a new model that are not built as those of the old one."""
        old = self.checkpoint.model

        def describe(part: nn.Module | None) -> object:
            shapes = {} if part is None else part.state_dict()
            return type(part), {name: weights.shape[1:] for name, weights in shapes.items()}

        return [
            part
            for part in _LEARNED
            if describe(getattr(model, part)) != describe(getattr(old, part))
        ]

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
