"""Any recording → its sources: masks of the model, applied to the recording's own spectrum, channel by channel.

Axes: K classes, C channels, F STFT bins, M bands, T frames, N samples. Σ sources + residual = input.

Long recordings are separated in overlapping segments, faded into each other where both see enough around them: memory is
bounded, and there are no seams.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from absslab.core import audio
from absslab.core.config import Config, option
from absslab.core.errors import InputError
from absslab.core.features import STFT, MaskExpander
from absslab.core.model import SeparationModel, load_checkpoint

_OVERLAP_FRAMES = 128  # of the model: two neighbouring segments share this many
_SAMPLES_AT_ONCE = 1 << 26  # of all sources of a segment


@dataclass(frozen=True)
class SeparationConfig(Config):
    """What is done to the masks of a model whose masks compete, before they are applied."""

    smoothing: float = option(
        0.5,
        "bins that several classes claim go to the one that claims most around that instant; 0: off",
        unit="s",
        at_least=0,
    )
    tag_exponent: float = option(1.0, "classes that are not in the recording yield; 0: off", at_least=0)


class Segment(NamedTuple):
    """A part of a recording, separated; parts follow on each other without gaps."""

    mixture: np.ndarray  # (C, n)
    sources: np.ndarray  # (K, C, n)
    masks: np.ndarray  # (K, M, t): of the model's frames whose centres lie in this part, as they were applied
    power: np.ndarray  # (M, t): of the mixture, the mean of its channels, at the model's rate
    probabilities: np.ndarray  # (K,): that a class is in the stretch around this part


class Separation(NamedTuple):
    """A recording and what it was taken apart into."""

    sources: np.ndarray  # (K, C, N) or (K, N), as the input
    residual: np.ndarray  # (C, N) or (N,): what no class took
    probabilities: np.ndarray  # (K,): the highest over the recording
    masks: np.ndarray  # (K, M, T) of the model's frames, as they were applied
    power: np.ndarray  # (M, T) of the mixture


@dataclass
class Separator:
    """Takes recordings apart with a model.

    Args:
        model: a trained model; it is not changed.
        config: what is done to its masks.

    >>> separator = Separator.from_checkpoint("R.ckpt")                         # doctest: +SKIP
    >>> separator.separate(waveform, sampling_rate=44100).sources.shape        # doctest: +SKIP
    """

    model: SeparationModel
    config: SeparationConfig = SeparationConfig()

    @classmethod
    def from_checkpoint(cls, path: str, device: str | torch.device = "cpu", config: SeparationConfig | None = None) -> Self:
        """The separator of a saved model.

        Raises:
            InputError: the checkpoint can't be used.
        """
        return cls(load_checkpoint(path, device).model, config or SeparationConfig())

    @property
    def classes(self) -> list[str]:
        """The names of the sources, in their order."""
        return list(self.model.classes)

    @property
    def hop(self) -> float:
        """Seconds from one frame of the activity to the next."""
        features = self.model.front_end.config
        return features.hop_size / features.sampling_rate

    def separate(self, waveform: np.ndarray, sampling_rate: int) -> Separation:
        """Separate a recording that is in memory.

        Args:
            waveform: (N,) or (C, N).
            sampling_rate: Hz.

        Shape:
            sources (K, …) and residual as the input.

        Raises:
            InputError: another shape, no samples, NaN.
        """
        if waveform.ndim not in (1, 2) or not waveform.size:
            raise InputError(f"the waveform has the shape {waveform.shape}: expected (N,) or (C, N), at least one sample")
        if not np.issubdtype(waveform.dtype, np.floating) or not np.isfinite(waveform).all():
            raise InputError(f"the waveform ({waveform.dtype}) is not of finite floats: expected samples in [−1, 1]")
        waveform = waveform.astype(np.float32, copy=False)
        parts = list(self.stream([np.atleast_2d(waveform)], sampling_rate, waveform.shape[-1]))
        sources = np.concatenate([part.sources for part in parts], -1)  # (K, C, N)
        sources = sources.reshape(len(sources), *waveform.shape)
        return Separation(
            sources,
            waveform - sources.sum(0),
            np.max([part.probabilities for part in parts], axis=0),
            np.concatenate([part.masks for part in parts], -1),
            np.concatenate([part.power for part in parts], -1),
        )

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        sampling_rate: int,
        n_samples: int,
        *,
        apply: bool = True,
        tags: np.ndarray | None = None,
    ) -> Iterator[Segment]:
        """Separate a recording that comes block by block; only a segment of it is in memory.

        Args:
            blocks: (C, n) each, of any lengths, n_samples in all.
            sampling_rate: Hz.
            n_samples: of the recording.
            apply: cut out the sources as well; without, there are none of them in the parts, and it is faster.
            tags: (K,), known better than by the model: masks are refined by them.

        Yields:
            parts that follow on each other and cover the recording.
        """
        source_blocks = iter(blocks)
        buffer = next(source_blocks)  # (C, n)
        features = self.model.front_end.config
        expander = MaskExpander(features, sampling_rate).to(self._device)
        stft = STFT(window_size=expander.window_size, hop_size=expander.hop_size, window=features.window).to(self._device)
        overlap, advance = self._segmentation(sampling_rate, len(buffer))
        start, tail = 0, None
        while True:
            is_last = start + advance + overlap >= n_samples
            wanted = (n_samples - start) if is_last else advance + overlap
            while buffer.shape[1] < wanted:
                buffer = np.concatenate([buffer, next(source_blocks)], 1)  # (C, n)
            segment = self._separate_segment(buffer[:, :wanted], sampling_rate, stft, expander, apply, tags)
            _, sources, masks, power, probabilities = segment
            frames = round(overlap / sampling_rate / self.hop)
            if tail is not None:
                sources[..., :overlap] = _crossfade(tail.sources, sources[..., :overlap])
                masks[..., :frames] = _crossfade(tail.masks, masks[..., :frames])
                power[:, :frames] = _crossfade(tail.power, power[:, :frames])
            if is_last:
                yield segment
                return
            cut = round(advance / sampling_rate / self.hop)
            yield Segment(
                segment.mixture[:, :advance], sources[..., :advance], masks[..., :cut], power[:, :cut], probabilities
            )
            tail = Segment(
                segment.mixture[:, advance:],
                sources[..., advance:].copy(),
                masks[..., cut : cut + frames].copy(),
                power[:, cut : cut + frames].copy(),
                probabilities,
            )
            buffer, start = buffer[:, advance:], start + advance

    def masks(self, waveform: Tensor, tags: np.ndarray | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Masks as they are applied, of one recording at the model's rate.

        Shape:
            (N,) → masks (K, M, T), probabilities (K,), power (M, T).
        """
        with torch.no_grad():
            spectrum = self.model.front_end.stft(waveform[None].to(self._device))  # (1, F, T)
            features = self.model.front_end.normalise(self.model.front_end.picture(spectrum.abs()))
            prediction = self.model.predict(features)
            power = self.model.front_end.power(spectrum)[0]  # (M, T)
            masks = prediction.masks[0]
            if self.model.competing:
                refining = prediction.probabilities[0] if tags is None else torch.from_numpy(tags).to(self._device)
                masks = refine(masks, power, refining, self.config, self.hop)
            return masks, prediction.probabilities[0], power

    @property
    def _device(self) -> torch.device:
        return self.model.front_end.shift.device

    def _segmentation(self, sampling_rate: int, n_channels: int) -> tuple[int, int]:
        """(overlap, advance) in samples: whole multiples of eight of the model's frames, about 20 s where memory allows."""
        unit = 8 * self.hop  # s
        overlap = _OVERLAP_FRAMES * self.hop
        seconds = _SAMPLES_AT_ONCE / (sampling_rate * n_channels * len(self.classes))
        advance = max(overlap, min(20.0, seconds - overlap) // unit * unit)
        return round(overlap * sampling_rate), round(advance * sampling_rate)

    def _separate_segment(
        self,
        mixture: np.ndarray,
        sampling_rate: int,
        stft: STFT,
        expander: MaskExpander,
        apply: bool,
        tags: np.ndarray | None,
    ) -> Segment:
        n_samples, device = mixture.shape[1], self._device
        own_rate = self.model.front_end.config.sampling_rate
        mono = audio.resample(mixture.mean(0), sampling_rate, own_rate)  # (N′,)
        masks, probabilities, power = self.masks(torch.from_numpy(np.ascontiguousarray(mono)), tags)
        with torch.no_grad():
            sources = np.empty((len(masks) if apply else 0, *mixture.shape), np.float32)  # (K, C, n)
            if apply:
                spectrum = stft(torch.from_numpy(np.ascontiguousarray(mixture)).to(device))  # (C, F, T)
                for k, mask in enumerate(masks):  # one class at a time: a complex spectrum of all would not be bounded
                    linear = expander(mask[None], spectrum.shape[-1])  # (1, F, T)
                    sources[k] = stft.inverse(linear * spectrum, n_samples).cpu().numpy()
        return Segment(mixture, sources, masks.cpu().numpy(), power.cpu().numpy(), probabilities.cpu().numpy())


def refine(masks: Tensor, power: Tensor, probabilities: Tensor, config: SeparationConfig, hop: float) -> Tensor:
    """Give bins that several classes claim to those that sound around that instant, and that are in the recording.

    What all classes together take of a bin does not change: only its division among them.

    Shape:
        masks (K, M, T), power (M, T), probabilities (K,) → (K, M, T).
    """
    claims = masks
    if config.smoothing:
        n_frames = round(config.smoothing / hop) // 2 * 2 + 1
        presence = (masks * power.clamp_min(0) ** 0.25).sum(1)  # (K, T)
        presence = F.avg_pool1d(presence[None], n_frames, 1, n_frames // 2, count_include_pad=False)[0]
        claims = claims * (presence / presence.sum(0).clamp_min(1e-9))[:, None]
    if config.tag_exponent:
        claims = claims * (probabilities + 1e-3)[:, None, None] ** config.tag_exponent
    return claims / claims.sum(0).clamp_min(1e-12) * masks.sum(0)


def _crossfade(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """From one to the other over the middle half of (…, n): the first and last quarter see too little around them."""
    n = after.shape[-1]
    position = np.clip((np.arange(n) / max(1, n) - 0.25) * 2, 0, 1)
    rising = (0.5 - 0.5 * np.cos(np.pi * position)).astype(np.float32)
    return before[..., :n] * (1 - rising) + after * rising
