"""The model: waveform → features → masks → probabilities, in one module that is saved and loaded whole.

Axes: B batch, K classes, M bands, T frames, N samples.
"""

import io
import pickle
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.common.files import write_bytes
from absslab.core.common.version import __version__
from absslab.core.data.recordings import check_class_name
from absslab.core.model.front_end import FeatureConfig, FrontEnd
from absslab.core.model.mask_networks import MASK_NETS, find_mask_net
from absslab.core.model.pooling import POOLINGS, find_pooling

FORMAT, VERSION = "absslab checkpoint", 1
BACKGROUND_BIAS = (
    3.0  # where masks compete everything starts as background, and classes have to earn their bins
)


@dataclass(frozen=True)
class ModelConfig(Config):
    """Which parts the model has."""

    model_type: str = option("VGG_like_CNN", "mask network", choices=MASK_NETS)
    classification_mapping: str = option(
        "GWRP", "pooling of a mask into a probability", choices=POOLINGS
    )
    masks: str = option(
        "independent",
        "independent: each class decides alone (sigmoid); competing: classes and a background share each bin (softmax)",
        choices=("independent", "competing"),
    )


@dataclass(frozen=True)
class ModelConfigs:
    """All that builds a model but its classes."""

    features: FeatureConfig
    model: ModelConfig
    mask_net: Config
    pooling: Config

    def to_json(self) -> dict[str, Any]:
        """Plain data, as JSON holds it."""
        return {
            name: getattr(self, name).to_json()
            for name in ("features", "model", "mask_net", "pooling")
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ModelConfigs":
        """The configs that `to_json` described."""
        model = ModelConfig.from_json(values["model"])
        return cls(
            FeatureConfig.from_json(values["features"]),
            model,
            find_mask_net(model.model_type)[0].from_json(values["mask_net"]),
            find_pooling(model.classification_mapping)[0].from_json(values["pooling"]),
        )


class Prediction(NamedTuple):
    """What the model says of a batch."""

    probabilities: Tensor  # (B, K)
    masks: Tensor  # (B, K, M, T)
    log_background: Tensor  # (B, M, T)


class SeparationModel(nn.Module):
    """Front end, mask network and pooling.

    Args:
        front_end: waveform (B, N) → features (B, 1, M, T).
        mask_net: features → logits (B, K, M, T), or K + 1 where masks compete, the background last.
        pooling: masks → probabilities (B, K).
        classes: their names, in the order of the masks.
        competing: softmax over classes and background instead of a sigmoid per class.

    Shape:
        forward: (B, N) → Prediction.
    """

    def __init__(
        self,
        *,
        front_end: FrontEnd,
        mask_net: nn.Module,
        pooling: nn.Module,
        classes: Sequence[str],
        competing: bool,
    ):
        super().__init__()
        self.front_end, self.mask_net, self.pooling = front_end, mask_net, pooling
        self.classes, self.competing = tuple(classes), competing

    def forward(self, waveforms: Tensor, n_samples: Tensor | None = None) -> Prediction:
        """Predict from waveforms; `n_samples` (B,) says how long each is without its padding."""
        n_frames = None if n_samples is None else self.front_end.config.n_frames(n_samples)
        return self.predict(self.front_end(waveforms), n_frames)

    def predict(
        self,
        features: Tensor,
        n_frames: Tensor | None = None,
        *,
        precision: torch.dtype = torch.float32,
    ) -> Prediction:
        """Predict from normalised features (B, 1, M, T); the mask network, and nothing else, computes in `precision`."""
        with torch.autocast(
            features.device.type, precision, enabled=precision is not torch.float32
        ):
            logits = self.mask_net(features).float()  # (B, K or K + 1, M, T)
        if self.competing:
            log_shares = logits.log_softmax(1)  # (B, K + 1, M, T)
            masks, log_background = log_shares[:, :-1].exp(), log_shares[:, -1]
        else:
            masks = logits.sigmoid()
            log_background = nn.functional.logsigmoid(-logits).sum(1)  # that no class takes the bin
        return Prediction(self.pooling(masks, n_frames), masks, log_background)


def build_model(configs: ModelConfigs, classes: Sequence[str]) -> SeparationModel:
    """A model with fresh weights.

    Args:
        configs: of its parts.
        classes: what it is to tell apart.
    """
    competing = configs.model.masks == "competing"
    _, build_mask_net = find_mask_net(configs.model.model_type)
    _, build_pooling = find_pooling(configs.model.classification_mapping)
    mask_net = build_mask_net(configs.mask_net, configs.features.n_bands, len(classes) + competing)
    if competing:
        nn.init.zeros_(mask_net.to_masks.bias)
        nn.init.constant_(mask_net.to_masks.bias[-1], BACKGROUND_BIAS)
    return SeparationModel(
        front_end=FrontEnd(configs.features),
        mask_net=mask_net,
        pooling=build_pooling(configs.pooling),
        classes=classes,
        competing=competing,
    )


class Checkpoint(NamedTuple):
    """A model on disk, with how it was made."""

    model: SeparationModel
    configs: ModelConfigs
    made: dict[str, Any]  # training and data configs, scores, epoch, versions


def save_checkpoint(
    path: str | Path,
    model: SeparationModel,
    configs: ModelConfigs,
    made: Mapping[str, Any],
    **more: Any,
) -> None:
    """Write a model, whole or not at all.

    Args:
        path: the file.
        model, configs: the model and what built it.
        made: plain data about how it was made.
        more: tensors and plain data that resuming needs.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "configs": configs.to_json(),
        "classes": list(model.classes),
        "weights": model.state_dict(),
        "made": {
            "absslab": __version__,
            "torch": str(torch.__version__),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            **made,
        },
        **more,
    }
    buffer = io.BytesIO()  # a full disk is then an OSError of Python's
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU; nothing in it is executed.

    Raises:
        InputError: the file is missing, truncated, from another program or from a newer version.
    """
    if not Path(path).is_file():
        raise InputError(
            f"{path} does not exist or is no file: expected a checkpoint, as absslab train writes"
        )
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # torch has opinions on other programs' files
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path} holds more than weights and plain data, or is no checkpoint: not loaded; expected one that absslab "
            "train wrote"
        ) from None
    except Exception as error:  # torch's readers raise many kinds on damaged files
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{path} is truncated or no checkpoint ({reason}): expected one that absslab train wrote"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(
            f"{path} is from another program: expected a checkpoint that absslab train wrote"
        )
    if not isinstance(content.get("version"), int):
        raise InputError(f"{path} is damaged: it lacks its format version")
    if content["version"] > VERSION:
        raise InputError(
            f"{path} has format version {content['version']}, newer than {VERSION}: update ABSSLab"
        )
    return content


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Load a model, ready to predict.

    Args:
        path: the file.
        device: where the model goes.

    Raises:
        InputError: see `read_checkpoint`; also weights that don't fit their own configs.
    """
    content = read_checkpoint(path)
    try:
        configs = ModelConfigs.from_json(content["configs"])
        classes, made = content["classes"], dict(content["made"])
        for name in classes:
            check_class_name(name, path)  # it will name files
        model = build_model(configs, classes)
        model.load_state_dict(content["weights"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = textwrap.shorten(str(error), 300)  # torch lists every weight on a line of its own
        raise InputError(f"{path} is damaged: its parts do not fit together ({reason})") from None
    return Checkpoint(model.to(device).eval(), configs, made)
