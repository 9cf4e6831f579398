"""Separate a recording repeatedly with other settings; its masks are predicted only once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from torch import Tensor

from absslab.core.separation.masks import Masks, SeparationConfig
from absslab.core.separation.segmentation import (
    Segment,
    Segmentation,
    choose_segmentation,
    concatenate,
    crossfade_segments,
    split_into_segments,
)
from absslab.core.separation.separator import Separation, Separator, check_waveform
from absslab.core.separation.synthesis import MaskSynthesis, build_mask_synthesis


class _PredictedSegment(NamedTuple):
    """The data that are needed to synthesise the sources of a segment."""

    mixture: np.ndarray  # (C, n)
    spectrum: Tensor  # complex (C, F, T)
    predicted: Masks


@dataclass(frozen=True)
class Resynthesis:
    """A recording that is separated repeatedly with other settings; make one with `prepare`.

    It keeps the masks of the model and the spectrum, about 10 bytes per sample and channel, on the
    device of the model.

    Args:
        separator: whose model predicted the masks; its config is not used.
        waveform: (N,) or (C, N).
        sampling_rate: Hz.
        synthesis: makes sources of masks of the spectrum.
        segmentation: how the recording is cut.
        segments: with their predicted masks.

    Examples:
        >>> resynthesis = Resynthesis.prepare(separator, waveform, 16000)
        >>> resynthesis.separate(SeparationConfig(mask_power=2)).sources.shape
        (4, 32000)
    """

    separator: Separator
    waveform: np.ndarray
    sampling_rate: int
    synthesis: MaskSynthesis
    segmentation: Segmentation
    segments: list[_PredictedSegment]

    @classmethod
    def prepare(
        cls, separator: Separator, waveform: np.ndarray, sampling_rate: int
    ) -> "Resynthesis":
        """Predict the masks of a recording.

        Args:
            separator: whose model predicts the masks; its config is not used.
            waveform: (N,) or (C, N).
            sampling_rate: Hz.

        Raises:
            InputError: another shape, no samples, NaN.
        """
        waveform = check_waveform(waveform)
        mixture = np.atleast_2d(waveform)  # (C, N)
        synthesis = build_mask_synthesis(
            separator.model.front_end.config, sampling_rate, separator.device
        )
        segmentation = choose_segmentation(
            sampling_rate=sampling_rate,
            n_channels=len(mixture),
            n_classes=separator.n_sources_at_once,
            hop=separator.hop,
        )
        segments = [
            _PredictedSegment(
                samples,
                synthesis.spectrum(samples),
                separator.predict(separator.to_model_rate(samples, sampling_rate)),
            )
            for samples in split_into_segments([mixture], mixture.shape[1], segmentation)
        ]
        return cls(separator, waveform, sampling_rate, synthesis, segmentation, segments)

    def separate(self, config: SeparationConfig) -> Separation:
        """Return what `Separator(model, config).separate` returns, without running the model."""
        segment = concatenate(list(self.stream(config)))
        return Separation.from_segment(
            segment, self.waveform, self.sampling_rate, self.separator.model
        )

    def stream(self, config: SeparationConfig) -> Iterator[Segment]:
        """Yield what `Separator(model, config).stream` yields, without running the model again.

        Args:
            config: changes to the masks.

        Yields:
            consecutive parts that cover the recording; sources are (J, C, n).
        """
        separator = replace(self.separator, config=config)
        synthesis = separator.choose_synthesis(self.synthesis)

        def separate_segment(segment: _PredictedSegment) -> Segment:
            return separator.synthesise(
                segment.mixture, segment.spectrum, segment.predicted, synthesis
            )

        segments = map(separate_segment, self.segments)
        yield from crossfade_segments(segments, self.waveform.shape[-1], self.segmentation)
