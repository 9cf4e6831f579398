"""The model: mixture → spectrum → features → masks → probabilities, in one module.

Axes: B batch, K classes, J chosen classes, F STFT bins, M bands, T frames, N samples.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.model.border_frames import SeenFrames, extend_to_borders, find_seen_frames
from absslab.core.model.event_thresholds import EventThresholds
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.learned_pooling import MaskSize, Rescaler
from absslab.core.model.mask_kinds import MASK_KINDS
from absslab.core.model.mask_networks import MASK_NETS, find_mask_net
from absslab.core.model.network_parts import ChooseClasses, ChosenClasses, NetworkSize
from absslab.core.model.pcen import PCEN, PCENChannels, build_pcen
from absslab.core.model.pooling import PLAIN_POOLINGS, POOLINGS, find_pooling, pool_presence
from absslab.core.model.presence_unet import PresenceUNet
from absslab.core.model.vgg_like_mask_model import VGGLikeMaskModel

# Added to the background's output of competing masks, so that an untrained model assigns most of
# each bin to the background.
BACKGROUND_BIAS = 3.0


@dataclass(frozen=True)
class ModelConfig(Config):
    """Parts of the model."""

    model_type: str = option("VGG_like_CNN", "mask network", choices=MASK_NETS)
    pooling: str = option(
        "GWRP",
        "pooling of a mask into a probability",
        choices=POOLINGS,
        aliases=["classification_mapping"],
    )
    masks: str = option(
        "independent",
        "independent: the mask of each class is computed alone (sigmoid); "
        "competing: the masks of the classes and of a background add up to 1 (softmax); "
        "softmax: those of the classes alone do, so that every sound belongs to a class; "
        "complement: as independent, but the background is 1 minus their sum, at least 0",
        choices=MASK_KINDS,
    )
    rescale: bool = option(
        False,
        "learn for each class how to rescale the probabilities that the pooling gives",
        aliases=["rescale_classification"],
    )

    def n_outputs(self, n_classes: int) -> int:
        """Return the number of masks that the network computes."""
        return n_classes + MASK_KINDS[self.masks].has_background


@dataclass(frozen=True)
class ModelConfigs:
    """All configs that are needed to build a model."""

    features: FeatureConfig
    model: ModelConfig
    mask_net: Config
    pooling: Config

    def to_json(self) -> dict[str, Any]:
        """Return the configs as plain data that can be written as JSON."""
        return {
            name: getattr(self, name).to_json()
            for name in ("features", "model", "mask_net", "pooling")
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ModelConfigs":
        """Make configs from the data that `to_json` returned."""
        model = ModelConfig.from_json(values["model"])
        return cls(
            FeatureConfig.from_json(values["features"]),
            model,
            find_mask_net(model.model_type).config.from_json(values["mask_net"]),
            find_pooling(model.pooling).config.from_json(values["pooling"]),
        )


class Prediction(NamedTuple):
    """Predictions of the model for a batch; with `chosen`, J of its classes take the place of K."""

    probabilities: Tensor  # (B, K)
    of_masks: Tensor  # (B, K), probabilities from the masks alone, with which they are trained
    masks: Tensor  # (B, K, M, T)
    log_background: Tensor  # (B, M, T)
    presence: Tensor | None = None  # logits (B, K, T) of all classes, if the network tells it
    chosen: ChosenClasses | None = None


class SeparationModel(nn.Module):
    """Front end, mask network and pooling.

    Training, evaluation and separation all call `predict`; `forward` computes the STFT first.

    Args:
        front_end: complex spectra (B, F, T) → features (B, 1, M, T).
        mask_net: features (B, C, M, T) → logits (B, K, M, T), or K + 1 where masks compete, the
            background last.
        pooling: masks → probabilities (B, K).
        classes: names of the classes, in the order of the masks.
        masks: how logits become masks, one of `MASK_KINDS`.
        rescaler: (B, K) → (B, K), changes the probabilities of the pooling; None: they stay.
        pcen: magnitudes of bands (B, 1, M, T) → features (B, C, M, T); None: the front end's stay.

    Shape:
        forward: (B, N) → `Prediction`.
        predict: complex (B, F, T) → `Prediction`.
        predict_from_features: (B, 1, M, T) → `Prediction`.
    """

    def __init__(
        self,
        *,
        front_end: FrontEnd,
        mask_net: nn.Module,
        pooling: nn.Module,
        classes: Sequence[str],
        masks: str,
        rescaler: nn.Module | None = None,
        pcen: PCEN | PCENChannels | None = None,
    ):
        super().__init__()
        self.front_end = front_end
        self.mask_net = mask_net
        self.pooling = pooling
        self.rescaler = rescaler
        self.pcen = pcen
        self.classes = tuple(classes)
        self.masks = masks
        self.event_thresholds: EventThresholds | None = None  # those chosen for its classes

    @property
    def device(self) -> torch.device:
        """The device on which the model computes."""
        return self.front_end.device

    @property
    def competing(self) -> bool:
        """Whether the masks of the classes compete with a background."""
        return MASK_KINDS[self.masks].has_background

    @property
    def can_choose_classes(self) -> bool:
        """Whether it can compute the masks of some classes alone, see `predict_from_features`."""
        return (
            self.competing
            and self.rescaler is None
            and isinstance(self.pooling, PLAIN_POOLINGS)
            and isinstance(self.mask_net, PresenceUNet)
        )

    def n_frames(self, n_samples: Tensor | None) -> Tensor | None:
        """Compute the number of frames from the number of samples: (B,) → (B,)."""
        return None if n_samples is None else self.front_end.config.n_frames(n_samples)

    def fit_features(self, feature_batches: Iterable[Tensor]) -> Iterator[int]:
        """Set mean and standard deviation of the features that the mask network sees.

        Args:
            feature_batches: features as the front end gives them, before normalisation, of
                recordings without padding, (B, 1, M, T) each.

        Yields:
            how many recordings have been seen.

        Raises:
            InputError: there are no batches.
        """
        yield from self.front_end.fit_steps(feature_batches, self.pcen)

    def forward(
        self,
        waveforms: Tensor,
        n_samples: Tensor | None = None,
        *,
        precision: torch.dtype = torch.float32,
    ) -> Prediction:
        """Predict from waveforms.

        Args:
            waveforms: (B, N), at the model's sampling rate.
            n_samples: (B,), length of each recording without padding; None: no recording is padded.
            precision: see `predict`.
        """
        spectra = self.front_end.stft(waveforms)  # complex (B, F, T)
        lengths = waveforms.shape[-1] if n_samples is None else n_samples
        return self.predict(spectra, lengths, precision=precision)

    def predict(
        self,
        spectra: Tensor,
        n_samples: Tensor | int | None = None,
        *,
        precision: torch.dtype = torch.float32,
    ) -> Prediction:
        """Predict from the spectra of mixtures.

        Args:
            spectra: complex (B, F, T), as the front end's STFT gives them.
            n_samples: (B,), length of each recording without padding; a number: all have this
                length; None: no recording is padded.
            precision: number format in which the mask network (and only this part) computes.
        """
        features = self.front_end(spectra)  # (B, 1, M, T)
        return self.predict_from_features(features, n_samples, precision=precision)

    def predict_from_features(
        self,
        features: Tensor,
        n_samples: Tensor | int | None = None,
        *,
        precision: torch.dtype = torch.float32,
        choose: ChooseClasses | None = None,
    ) -> Prediction:
        """Predict from normalised features (B, 1, M, T), for example stored ones; see `predict`.

        Args:
            features: as the front end gives them.
            n_samples: see `predict`.
            precision: see `predict`.
            choose: chooses J classes whose masks are computed, as if those of all others were
                known from them; None: all. Only for models that `can_choose_classes`.
        """
        T = features.shape[-1]
        seen = find_seen_frames(self.front_end.config, T, n_samples)
        features = features[..., seen.first : seen.stop]  # (B, 1, M, T′)
        if self.pcen is not None:
            features = self.front_end.standardise(self.pcen(features, seen.counts))
        has_reduced_precision = precision is not torch.float32
        with torch.autocast(features.device.type, precision, enabled=has_reduced_precision):
            options = {}  # not all networks can choose
            if choose is not None:
                options["choose"] = partial(_choose, choose, seen)
            # (B, K or K + 1, M′, T″), (B, K, T′)
            logits, presence, chosen = self.mask_net(features, **options)
        logits = logits.float()
        if logits.requires_grad:
            # the gradient of a softmax over channels that lie next to each other in memory is
            # ten times slower
            logits = logits.contiguous()
        masks, log_background = MASK_KINDS[self.masks].activate(logits)
        if chosen is not None:
            masks = masks / chosen.weights[:, None, None]  # (B, J, M, T), each of one class
        counts = _scale_counts(seen.counts, masks.shape[-1], seen.n_frames)
        of_masks = self.pooling(masks, counts)  # (B, K)
        if self.rescaler is not None:
            of_masks = self.rescaler(of_masks)
        if masks.shape[-2:] != features.shape[-2:]:
            masks, log_background = _enlarge(masks, log_background, features.shape[-2:])
        probabilities = of_masks
        if presence is not None:
            presence = presence.float()
            of_presence = presence if chosen is None else presence[:, chosen.indices]
            probabilities = (of_masks + pool_presence(of_presence, seen.counts)) / 2
            presence = extend_to_borders(presence, seen, T)  # (B, K, T)
        masks = extend_to_borders(masks, seen, T)  # (B, K, M, T)
        log_background = extend_to_borders(log_background, seen, T)  # (B, M, T)
        return Prediction(probabilities, of_masks, masks, log_background, presence, chosen)


def _choose(choose: ChooseClasses, seen: SeenFrames, presence: Tensor) -> ChosenClasses:
    """Choose classes by the logits of their presence (B, K, T), which may have fewer frames."""
    return choose(presence, _scale_counts(seen.counts, presence.shape[-1], seen.n_frames))


def _scale_counts(counts: Tensor | None, n_pooled: int, n_frames: int) -> Tensor | None:
    """Return how many frames of masks with fewer frames are not padding: (B,) → (B,)."""
    if counts is None or n_pooled == n_frames:
        return counts
    return (-(-counts * n_pooled // n_frames)).clamp(1, n_pooled)


def _enlarge(masks: Tensor, log_background: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Interpolate masks between the centres of their bins: (B, …, M′, T″) → (B, …, M, T′)."""
    background = log_background.exp()[:, None]
    background = F.interpolate(background, size=size, mode="bilinear")[:, 0]  # (B, M, T′)
    masks = F.interpolate(masks, size=size, mode="bilinear")  # (B, K, M, T′)
    smallest = torch.finfo(background.dtype).tiny  # the gradient of the logarithm of 0 is NaN
    return masks, background.clamp_min(smallest).log()


def build_mask_net(configs: ModelConfigs, n_classes: int) -> nn.Module:
    """Build the mask network of a model, with fresh weights."""
    return find_mask_net(configs.model.model_type).build(
        configs.mask_net,
        NetworkSize(
            configs.features.n_channels,
            configs.features.n_bands,
            configs.model.n_outputs(n_classes),
            n_classes,
        ),
    )


def build_pooling(configs: ModelConfigs, mask_net: nn.Module, n_classes: int) -> nn.Module:
    """Build the pooling of a model, with fresh weights, for the masks of its network.

    Raises:
        InputError: the pooling needs recordings of one length, and the config does not say which.
    """
    kind = find_pooling(configs.model.pooling)
    n_frames: int | None = None
    if kind.has_fixed_size:
        n_frames = getattr(configs.pooling, "recording_frames", None)
        if n_frames is None:
            raise InputError(
                f"the pooling {configs.model.pooling} needs recordings of one length: "
                "expected their number of frames, as in --recording_frames 311"
            )
    n_bands = configs.features.n_bands
    if isinstance(mask_net, VGGLikeMaskModel):
        n_bands, n_frames = mask_net.mask_size(n_bands, n_frames)
    return kind.build(configs.pooling, MaskSize(n_classes, n_bands, n_frames))


def build_model(configs: ModelConfigs, classes: Sequence[str]) -> SeparationModel:
    """Build a model with fresh weights.

    Args:
        configs: configs of its parts.
        classes: names of the classes to tell apart.

    Raises:
        InputError: the parts do not fit each other.
    """
    n_classes = len(classes)
    mask_net = build_mask_net(configs, n_classes)
    # convolutions of most devices are faster where the channels of a bin lie next to each other
    mask_net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if MASK_KINDS[configs.model.masks].has_background:
        to_masks: Any = mask_net.to_masks
        nn.init.zeros_(to_masks.bias)
        nn.init.constant_(to_masks.bias[-1], BACKGROUND_BIAS)
    return SeparationModel(
        front_end=FrontEnd(configs.features),
        mask_net=mask_net,
        pooling=build_pooling(configs, mask_net, n_classes),
        classes=classes,
        masks=configs.model.masks,
        rescaler=Rescaler(n_classes) if configs.model.rescale else None,
        pcen=build_pcen(configs.features),
    )
