"""Separate one recording again and again with other settings: its masks are predicted only once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from torch import Tensor

from absslab.core.separation.masks import Masks, SeparationConfig
from absslab.core.separation.segmentation import (
    Segment,
    choose_segmentation,
    concatenate,
    crossfade_segments,
    split_into_segments,
)
from absslab.core.separation.separator import Separation, Separator, check_waveform, make_segment
from absslab.core.separation.synthesis import MaskSynthesis


class _PredictedSegment(NamedTuple):
    """What is needed to synthesise the sources of a segment."""

    mixture: np.ndarray  # (C, n)
    spectrum: Tensor  # complex (C, F, T)
    predicted: Masks


class Resynthesis:
    """A recording that is separated again and again with other settings.

    It keeps the model's masks and the spectrum: some 10 bytes per sample and channel, on the
    model's device.

    Args:
        separator: whose model predicts the masks; its config is not used.
        waveform: (N,) or (C, N).
        sampling_rate: Hz.

    Raises:
        InputError: another shape, no samples, NaN.

    Examples:
        >>> resynthesis = Resynthesis(separator, waveform, 16000)
        >>> resynthesis.separate(SeparationConfig(mask_power=2)).sources.shape
        (4, 32000)
    """

    def __init__(self, separator: Separator, waveform: np.ndarray, sampling_rate: int):
        self._separator = separator
        self._sampling_rate = sampling_rate
        self._waveform = check_waveform(waveform)
        self._mixture = np.atleast_2d(self._waveform)  # (C, N)
        self._synthesis = MaskSynthesis(
            separator.model.front_end.config, sampling_rate, separator.device
        )
        self._segmentation = choose_segmentation(
            sampling_rate=sampling_rate,
            n_channels=len(self._mixture),
            n_classes=len(separator.classes),
            hop=separator.hop,
        )
        self._segments = [
            _PredictedSegment(
                mixture,
                self._synthesis.spectrum(mixture),
                separator.predict(separator.to_model_rate(mixture, sampling_rate)),
            )
            for mixture in split_into_segments(
                [self._mixture], self._mixture.shape[1], self._segmentation
            )
        ]

    def separate(self, config: SeparationConfig) -> Separation:
        """Give what `Separator(model, config).separate` gives, without asking the model again."""
        whole = concatenate(list(self.stream(config)))
        return Separation.from_segment(
            whole, self._waveform, self._sampling_rate, self._separator.model
        )

    def stream(self, config: SeparationConfig) -> Iterator[Segment]:
        """Give what `Separator(model, config).stream` gives, without asking the model again.

        Args:
            config: what is done to the masks.

        Yields:
            parts that follow on each other and cover the recording; sources are (K, C, n).
        """
        separator = replace(self._separator, config=config)

        def separate_segment(segment: _PredictedSegment) -> Segment:
            masks = separator.postprocess(segment.predicted)
            n_samples = segment.mixture.shape[1]
            sources = self._synthesis.sources(segment.spectrum, masks.masks, n_samples)
            return make_segment(segment.mixture, masks, sources)

        segments = map(separate_segment, self._segments)
        yield from crossfade_segments(segments, self._mixture.shape[1], self._segmentation)
