"""Re-synthesis while one listens: predict a recording once, cut it anew whenever the settings of its masks change."""

from dataclasses import replace

import numpy as np

from absslab.core.separation.separator import (
    Separation,
    SeparationConfig,
    Separator,
    checked_waveform,
    gathered,
)


class Resynthesis:
    """A recording that is separated again and again with other settings.

    It keeps the model's masks and the spectrum: some 10 bytes per sample and channel, on the model's device.

    Args:
        separator: whose model draws the masks; its config is not used.
        waveform: (N,) or (C, N).
        sampling_rate: Hz.

    Raises:
        InputError: another shape, no samples, NaN.

    >>> resynthesis = Resynthesis(separator, waveform, 16000)                       # doctest: +SKIP
    >>> resynthesis.separate(SeparationConfig(mask_power=2)).sources.shape          # doctest: +SKIP
    """

    def __init__(self, separator: Separator, waveform: np.ndarray, sampling_rate: int):
        self._separator, self._sampling_rate = separator, sampling_rate
        self._waveform = checked_waveform(waveform)
        self._cutter = separator.cutter(sampling_rate)
        blocks = [np.atleast_2d(self._waveform)]
        self._segments = [
            (
                mixture,
                self._cutter.spectrum(mixture),
                separator.predict(separator.at_own_rate(mixture, sampling_rate)),
            )
            for mixture in separator.segments(blocks, sampling_rate, self._waveform.shape[-1])
        ]

    def separate(self, config: SeparationConfig) -> Separation:
        """What `Separator(model, config).separate` gives, without asking the model again."""
        separator = replace(self._separator, config=config)
        segments = (
            self._cutter.cut(mixture, *separator.applied(predicted), spectrum=spectrum)
            for mixture, spectrum, predicted in self._segments
        )
        parts = separator.joined(segments, self._sampling_rate, self._waveform.shape[-1])
        return gathered(parts, self._waveform, self._sampling_rate, separator.model)
