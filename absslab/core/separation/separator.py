"""Separate any recording with a trained model, by applying masks to its spectrum.

Axes: K classes, J of them that are found, C channels, F STFT bins, M bands, T frames, N samples.
Σ sources + residual = input.

The path of a recording: it is split into overlapping segments (segmentation); for each of them the
model predicts masks at its own sampling rate, which are refined and shaped (masks) and applied
to the segment's spectrum (synthesis); then the segments are faded into each other (segmentation).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio import sound_files
from absslab.core.audio.open_sound import LARGEST
from absslab.core.audio.sampling_rates import check_rate
from absslab.core.common.errors import InputError
from absslab.core.common.rich_result import RichResult
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.separation_model import SeparationModel
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.log_synthesis import (
    LogSynthesis,
    build_log_synthesis,
    check_invertible,
)
from absslab.core.separation.masks import IN_LOG, Masks, SeparationConfig, postprocess
from absslab.core.separation.segmentation import (
    Segment,
    choose_segmentation,
    concatenate,
    crossfade_segments,
    split_into_segments,
)
from absslab.core.separation.synthesis import MaskSynthesis, build_mask_synthesis

ALL_SOURCES = "all"
FOUND_SOURCES = "found"
AUTO = "auto"
SOURCES = (AUTO, ALL_SOURCES, FOUND_SOURCES)
_MANY_CLASSES = 50  # of more, auto synthesises those that were found


@dataclass(frozen=True, eq=False)  # arrays can't be compared to a single truth value
class Separation(RichResult):
    """A recording and its separated sources; a notebook displays it as a player."""

    sources: np.ndarray  # (J, C, N) or (J, N), as the input
    residual: np.ndarray  # (C, N) or (N,): the input minus all sources
    probabilities: np.ndarray  # (J,): the highest over the recording
    masks: np.ndarray  # (J, M, T) of the model's frames, as they were applied
    power: np.ndarray  # (M, T) of the mixture
    classes: tuple[str, ...]  # J names: all classes of the model, or those that were found
    sampling_rate: int  # of sources and residual, Hz
    features: FeatureConfig  # of the masks' bands and frames

    @classmethod
    def from_segment(
        cls, segment: Segment, waveform: np.ndarray, sampling_rate: int, model: SeparationModel
    ) -> Self:
        """Make a separation of a segment that covers a whole waveform (N,) or (C, N)."""
        sources = segment.sources.reshape(len(segment.sources), *waveform.shape)  # (J, …)
        return cls(
            sources=sources,
            residual=waveform - sources.sum(0),
            probabilities=segment.probabilities[list(segment.found)],
            masks=segment.masks,
            power=segment.power,
            classes=tuple(model.classes[k] for k in segment.found),
            sampling_rate=sampling_rate,
            features=model.front_end.config,
        )

    def __repr__(self) -> str:
        seconds = self.residual.shape[-1] / self.sampling_rate
        present = ", ".join(
            f"{name} {probability:.2f}"
            for name, probability in zip(self.classes, self.probabilities, strict=True)
        )
        return f"Separation({seconds:.2f} s at {self.sampling_rate} Hz: {present})"


@dataclass
class Separator:
    """Separates recordings with a model.

    Args:
        model: a trained model; it is not changed.
        config: changes to its masks.
        sources: of which classes sources are synthesised: "all", those "found", or "auto": all of
            up to 50 classes, of more those found. The sound of the others stays in the residual.
        found_threshold: a class is found in a segment, of 20 s or less, if it is present there with
            a probability above this.
        named: classes whose sources are synthesised whether they are found or not.

    Examples:
        >>> separator = Separator.from_checkpoint(model)
        >>> separator.separate(waveform, sampling_rate=16000).sources.shape
        (4, 32000)
    """

    model: SeparationModel
    config: SeparationConfig = SeparationConfig()
    sources: str = AUTO
    found_threshold: float = DetectionConfig().tag_threshold
    named: tuple[str, ...] = ()

    @classmethod
    def from_checkpoint(
        cls,
        path: str,
        device: str | torch.device = "cpu",
        config: SeparationConfig | None = None,
        sources: str = AUTO,
    ) -> Self:
        """Load the model of a checkpoint.

        Raises:
            InputError: the checkpoint can't be used.
        """
        model = load_checkpoint(path, device).model
        return cls(model, config or SeparationConfig(), sources)

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in their order."""
        return list(self.model.classes)

    @property
    def has_all_sources(self) -> bool:
        """Whether sources of all classes are synthesised, and not of those found alone.

        Raises:
            InputError: `sources` is none of its values.
        """
        if self.sources not in SOURCES:
            raise InputError(f"sources is {self.sources!r}: expected one of {', '.join(SOURCES)}")
        if self.sources == AUTO:
            return len(self.model.classes) <= _MANY_CLASSES
        return self.sources == ALL_SOURCES

    @property
    def hop(self) -> float:
        """Time from one frame of the masks to the next, in seconds."""
        features = self.model.front_end.config
        return features.hop_size / features.sampling_rate

    @property
    def device(self) -> torch.device:
        """The device on which the model computes."""
        return self.model.device

    def separate(self, waveform: np.ndarray, sampling_rate: int) -> Separation:
        """Separate a recording that is in memory.

        Args:
            waveform: (N,) or (C, N).
            sampling_rate: Hz.

        Shape:
            sources (J, …) and residual as the input.

        Raises:
            InputError: the waveform has another shape, no samples, NaN or far too large ones, the
                rate is none, or the model gives NaN.
        """
        sampling_rate = check_rate(sampling_rate)
        waveform = check_waveform(waveform)
        blocks = [np.atleast_2d(waveform)]
        parts = list(self.stream(blocks, sampling_rate, waveform.shape[-1]))
        return Separation.from_segment(concatenate(parts), waveform, sampling_rate, self.model)

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        sampling_rate: int,
        n_samples: int,
        *,
        with_sources: bool = True,
        tags: np.ndarray | None = None,
        tagged: Sequence[int] = (),
    ) -> Iterator[Segment]:
        """Separate a recording that is given block by block; only one segment is in memory.

        Args:
            blocks: (C, n) each, of any lengths, `n_samples` in all.
            sampling_rate: Hz.
            n_samples: length of the recording.
            with_sources: synthesise the sources; without them it is faster, and the parts
                have 0 sources, and the masks of all classes.
            tags: (K,) presence of the classes, if it is known better than from the model.
            tagged: indices of classes whose sources are synthesised a second time, with masks that
                are refined with `tags`; these come after the others, which are all K then.

        Yields:
            consecutive parts that cover the recording; sources are (J, C, n), then those of the
            tagged.
        """
        if tagged and not self.has_all_sources:
            raise ValueError("tagged needs the sources of all classes")
        source_blocks = iter(blocks)
        first = next(source_blocks)  # (C, n)
        segmentation = choose_segmentation(
            sampling_rate=sampling_rate,
            n_channels=len(first),
            n_classes=self.n_sources_at_once,
            hop=self.hop,
        )
        linear = build_mask_synthesis(self.model.front_end.config, sampling_rate, self.device)
        synthesis = self.choose_synthesis(linear)

        def separate_segment(mixture: np.ndarray) -> Segment:
            predicted = self.predict(self.to_model_rate(mixture, sampling_rate))
            if not with_sources:
                masks = self.postprocess(predicted)
                nothing = np.empty((0, *mixture.shape), np.float32)
                return make_segment(mixture, masks, nothing, range(len(masks.masks)))
            spectrum = linear.spectrum(mixture)
            segment = self.synthesise(mixture, spectrum, predicted, synthesis)
            if not tagged:
                return segment
            refined = self.postprocess(predicted, tags, found=tagged)
            refined_sources = synthesis.sources(spectrum, refined.masks, mixture.shape[1])
            sources = np.concatenate([segment.sources, refined_sources])
            return segment._replace(sources=sources)

        mixtures = split_into_segments(chain([first], source_blocks), n_samples, segmentation)
        yield from crossfade_segments(map(separate_segment, mixtures), n_samples, segmentation)

    def synthesise(
        self,
        mixture: np.ndarray,
        spectrum: Tensor,
        predicted: Masks,
        synthesis: MaskSynthesis | LogSynthesis,
    ) -> Segment:
        """Synthesise the sources of a segment whose masks are predicted.

        Args:
            mixture: the segment (C, n).
            spectrum: of the segment, complex (C, F, T).
            predicted: the result of `predict`.
            synthesis: the result of `choose_synthesis`.
        """
        found = self.find_classes(predicted.probabilities)
        masks = self.postprocess(predicted, found=None if self.has_all_sources else found)
        sources = synthesis.sources(spectrum, masks.masks, mixture.shape[1])  # (J, C, n)
        return make_segment(mixture, masks, sources, found)

    def find_classes(self, probabilities: Tensor) -> list[int]:
        """Return the classes whose sources are synthesised, by their probabilities (K,)."""
        if self.has_all_sources:
            return list(range(len(probabilities)))
        return [
            k
            for k, (name, probability) in enumerate(
                zip(self.classes, probabilities.tolist(), strict=True)
            )
            if probability > self.found_threshold or name in self.named
        ]

    @property
    def n_sources_at_once(self) -> int:
        """About how many sources a segment has, for the choice of its length."""
        return len(self.classes) if self.has_all_sources else min(len(self.classes), _MANY_CLASSES)

    def check_method(self) -> None:
        """Check that the model can separate as the config says, before any work.

        Raises:
            InputError: its features can't be turned back, which the config asks for.
        """
        if self.config.separation_method == IN_LOG:
            check_invertible(self.model.front_end.config)

    def choose_synthesis(self, linear: MaskSynthesis) -> MaskSynthesis | LogSynthesis:
        """Return what synthesises sources as the config says.

        Args:
            linear: synthesis with masks of the spectrum, for the same mixtures.

        Raises:
            InputError: the model's features can't be turned back, which the config asks for.
        """
        if self.config.separation_method == IN_LOG:
            return build_log_synthesis(linear, self.model.front_end, self.model.pcen)
        return linear

    def to_model_rate(self, mixture: np.ndarray, sampling_rate: int) -> Tensor:
        """Mix the channels down and resample them to the model's rate.

        Shape:
            (C, n) → (n′,).
        """
        model_rate = self.model.front_end.config.sampling_rate
        resampled = sound_files.resample(mixture.mean(0), sampling_rate, model_rate)  # (n′,)
        return torch.from_numpy(np.ascontiguousarray(resampled))

    @torch.no_grad()
    def predict(self, waveform: Tensor) -> Masks:
        """Predict the masks of a recording (N,) at the model's rate, before any postprocessing."""
        front_end = self.model.front_end
        spectrum = front_end.stft(waveform[None].to(self.device))  # (1, F, T)
        prediction = self.model.predict(spectrum, len(waveform))
        if not torch.isfinite(prediction.probabilities).all():
            raise InputError(
                "the model gives no numbers (NaN): its weights are damaged, or its training "
                "diverged; choose another checkpoint"
            )
        return Masks(
            prediction.masks[0],
            prediction.probabilities[0],
            front_end.power(spectrum)[0],
        )

    @torch.no_grad()
    def postprocess(
        self,
        predicted: Masks,
        tags: np.ndarray | None = None,
        found: Sequence[int] | None = None,
    ) -> Masks:
        """Refine and shape predicted masks according to the config.

        Args:
            predicted: the result of `predict`.
            tags: (K,) presence of the classes, if it is known better than from the model.
            found: the classes whose masks are returned; None: all.
        """
        return postprocess(
            predicted,
            self.config,
            competing=self.model.competing,
            hop=self.hop,
            tags=None if tags is None else torch.from_numpy(tags).to(self.device),
            found=found,
        )


def make_segment(
    mixture: np.ndarray, masks: Masks, sources: np.ndarray, found: Iterable[int]
) -> Segment:
    """Make a segment of NumPy arrays.

    Args:
        mixture: (C, n).
        masks: those that were applied.
        sources: (J, C, n).
        found: the classes (J,) that sources and masks are of.
    """
    return Segment(
        mixture,
        sources,
        masks.masks.cpu().numpy(),
        masks.power.cpu().numpy(),
        masks.probabilities.cpu().numpy(),
        tuple(found),
    )


def check_waveform(waveform: np.ndarray) -> np.ndarray:
    """Check a waveform, and convert it to float32.

    Raises:
        InputError: the shape is not (N,) or (C, N), or the waveform has no samples or NaN.
    """
    if waveform.ndim not in (1, 2) or not waveform.size:
        raise InputError(
            f"the waveform has the shape {waveform.shape}: expected (N,) or (C, N), "
            "at least one sample"
        )
    if not np.issubdtype(waveform.dtype, np.floating) or not np.isfinite(waveform).all():
        raise InputError(
            f"the waveform ({waveform.dtype}) is not of finite floats: expected samples in [−1, 1]"
        )
    largest = float(np.abs(waveform).max())
    if largest > LARGEST:
        raise InputError(
            f"the waveform has samples of up to {largest:.2g}: expected [−1, 1]; scale it"
        )
    return np.ascontiguousarray(waveform, dtype=np.float32)  # torch has no negative strides
