"""Any recording → its sources: masks of the model, applied to the recording's own spectrum, channel by channel.

Axes: K classes, C channels, F STFT bins, M bands, T frames, N samples. Σ sources + residual = input.

Long recordings are separated in overlapping segments, faded into each other where both see enough around them: memory is
bounded, and there are no seams. The path of a segment: predict (the model's masks) → applied (refined and shaped, as the
config says) → cut (sources); segments are then joined.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from absslab.core.audio import sound_files
from absslab.core.audio.stft import STFT
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.common.rich_result import RichResult
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.mask_expander import MaskExpander
from absslab.core.model.separation_model import SeparationModel

_OVERLAP_FRAMES = 128  # of the model: two neighbouring segments share this many
_SAMPLES_AT_ONCE = 1 << 26  # of all sources of a segment


@dataclass(frozen=True)
class SeparationConfig(Config):
    """What is done to the masks before they are applied; smoothing and tag_exponent only where masks compete."""

    smoothing: float = option(
        0.5,
        "bins that several classes claim go to the one that claims most around that instant; 0: off",
        unit="s",
        at_least=0,
    )
    tag_exponent: float = option(
        1.0, "classes that are not in the recording yield; 0: off", at_least=0
    )
    mask_power: float = option(
        1.0, "exponent of the masks; above 1 what is doubtful shrinks", at_least=0
    )
    mask_threshold: float = option(0.0, "masks below this become 0", at_least=0, at_most=1)
    wiener: float = option(
        0.0,
        "exponent of a Wiener-style division of each bin among the classes and the rest; 0: off",
        at_least=0,
    )
    mask_floor: float = option(
        0.0, "what every class gets of the mixture at least", at_least=0, at_most=1
    )


class Masks(NamedTuple):
    """Masks of one recording or segment, and what is needed to refine them."""

    masks: Tensor  # (K, M, T)
    probabilities: Tensor  # (K,)
    power: Tensor  # (M, T) of the mixture


class Segment(NamedTuple):
    """A part of a recording, separated; parts follow on each other without gaps."""

    mixture: np.ndarray  # (C, n)
    sources: np.ndarray  # (K, C, n)
    masks: (
        np.ndarray
    )  # (K, M, t): of the model's frames whose centres lie in this part, as they were applied
    power: np.ndarray  # (M, t): of the mixture, the mean of its channels, at the model's rate
    probabilities: np.ndarray  # (K,): that a class is in the stretch around this part


@dataclass(frozen=True, eq=False)  # arrays have no one equality
class Separation(RichResult):
    """A recording and what it was taken apart into; a notebook shows it as a player."""

    sources: np.ndarray  # (K, C, N) or (K, N), as the input
    residual: np.ndarray  # (C, N) or (N,): what no class took
    probabilities: np.ndarray  # (K,): the highest over the recording
    masks: np.ndarray  # (K, M, T) of the model's frames, as they were applied
    power: np.ndarray  # (M, T) of the mixture
    classes: tuple[str, ...]  # K names
    sampling_rate: int  # of sources and residual, Hz
    features: FeatureConfig  # of the masks' bands and frames

    def __repr__(self) -> str:
        there = ", ".join(
            f"{name} {at:.2f}" for name, at in zip(self.classes, self.probabilities, strict=True)
        )
        return f"Separation({self.residual.shape[-1] / self.sampling_rate:.2f} s at {self.sampling_rate} Hz: {there})"


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
    def from_checkpoint(
        cls, path: str, device: str | torch.device = "cpu", config: SeparationConfig | None = None
    ) -> Self:
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
        waveform = checked_waveform(waveform)
        return gathered(
            self.stream([np.atleast_2d(waveform)], sampling_rate, waveform.shape[-1]),
            waveform,
            sampling_rate,
            self.model,
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
        cutter = self.cutter(sampling_rate)
        segments = (
            cutter.cut(
                mixture, *self.masks(self.at_own_rate(mixture, sampling_rate), tags), apply=apply
            )
            for mixture in self.segments(blocks, sampling_rate, n_samples)
        )
        yield from self.joined(segments, sampling_rate, n_samples)

    def segments(
        self, blocks: Iterable[np.ndarray], sampling_rate: int, n_samples: int
    ) -> Iterator[np.ndarray]:
        """The overlapping segments (C, n) of a recording that comes block by block."""
        source_blocks = iter(blocks)
        buffer = next(source_blocks)  # (C, n)
        overlap, advance = self._segmentation(sampling_rate, len(buffer))
        for start in range(0, max(1, n_samples - overlap), advance):
            wanted = min(n_samples - start, advance + overlap)
            while buffer.shape[1] < wanted:
                buffer = np.concatenate([buffer, next(source_blocks)], 1)  # (C, n)
            yield buffer[:, :wanted]
            buffer = buffer[:, advance:]

    def joined(
        self, segments: Iterable[Segment], sampling_rate: int, n_samples: int
    ) -> Iterator[Segment]:
        """Overlapping segments, faded into each other: parts that follow on each other and cover the recording."""
        start, tail = 0, None
        for mixture, sources, masks, power, probabilities in segments:
            overlap, advance = self._segmentation(sampling_rate, len(mixture))
            cut, frames = (
                round(length / sampling_rate / self.hop) for length in (advance, overlap)
            )
            if tail is not None:
                sources[..., :overlap] = _crossfade(tail.sources, sources[..., :overlap])
                masks[..., :frames] = _crossfade(tail.masks, masks[..., :frames])
                power[:, :frames] = _crossfade(tail.power, power[:, :frames])
            if start + mixture.shape[1] == n_samples:
                yield Segment(mixture, sources, masks, power, probabilities)
                return
            yield Segment(
                mixture[:, :advance],
                sources[..., :advance],
                masks[..., :cut],
                power[:, :cut],
                probabilities,
            )
            tail = Segment(
                mixture[:, advance:],
                sources[..., advance:].copy(),
                masks[..., cut : cut + frames].copy(),
                power[:, cut : cut + frames].copy(),
                probabilities,
            )
            start += advance

    def masks(self, waveform: Tensor, tags: np.ndarray | None = None) -> Masks:
        """Masks as they are applied, of one recording (N,) at the model's rate."""
        return self.applied(self.predict(waveform), tags)

    def predict(self, waveform: Tensor) -> Masks:
        """Masks as the model draws them, of one recording (N,) at its rate."""
        with torch.no_grad():
            spectrum = self.model.front_end.stft(waveform[None].to(self._device))  # (1, F, T)
            prediction = self.model.predict(spectrum)
            return Masks(
                prediction.masks[0],
                prediction.probabilities[0],
                self.model.front_end.power(spectrum)[0],
            )

    def applied(self, predicted: Masks, tags: np.ndarray | None = None) -> Masks:
        """Masks as they are applied, of those that the model drew: refined where they compete, then shaped."""
        masks, probabilities, power = predicted
        with torch.no_grad():
            if self.model.competing:
                refining = (
                    probabilities if tags is None else torch.from_numpy(tags).to(self._device)
                )
                masks = refine(masks, power, refining, self.config, self.hop)
            return Masks(shape_masks(masks, self.config), probabilities, power)

    def at_own_rate(self, mixture: np.ndarray, sampling_rate: int) -> Tensor:
        """What the model hears of (C, n): the mean of the channels, at its rate."""
        own_rate = self.model.front_end.config.sampling_rate
        return torch.from_numpy(
            np.ascontiguousarray(sound_files.resample(mixture.mean(0), sampling_rate, own_rate))
        )  # (N′,)

    def cutter(self, sampling_rate: int) -> "Cutter":
        """What cuts sources out of recordings of this rate."""
        return Cutter(self.model.front_end.config, sampling_rate, self._device)

    @property
    def _device(self) -> torch.device:
        return self.model.device

    def _segmentation(self, sampling_rate: int, n_channels: int) -> tuple[int, int]:
        """(overlap, advance) in samples: whole multiples of eight of the model's frames, about 20 s where memory allows."""
        unit = 8 * self.hop  # s
        overlap = _OVERLAP_FRAMES * self.hop
        seconds = _SAMPLES_AT_ONCE / (sampling_rate * n_channels * len(self.classes))
        advance = max(overlap, min(20.0, seconds - overlap) // unit * unit)
        return round(overlap * sampling_rate), round(advance * sampling_rate)


class Cutter:
    """Cuts sources out of segments by their masks.

    Args:
        features: of the model that draws the masks.
        sampling_rate: of the segments, Hz.
        device: where it computes.
    """

    def __init__(self, features: FeatureConfig, sampling_rate: int, device: torch.device):
        self.device = device
        self.expander = MaskExpander(features, sampling_rate).to(device)
        self.stft = STFT(
            window_size=self.expander.window_size,
            hop_size=self.expander.hop_size,
            window=features.window,
        ).to(device)

    def spectrum(self, mixture: np.ndarray) -> Tensor:
        """(C, n) → complex (C, F, T)."""
        with torch.no_grad():
            return self.stft(torch.from_numpy(np.ascontiguousarray(mixture)).to(self.device))

    def cut(
        self,
        mixture: np.ndarray,
        masks: Tensor,
        probabilities: Tensor,
        power: Tensor,
        *,
        apply: bool = True,
        spectrum: Tensor | None = None,
    ) -> Segment:
        """The segment of a mixture (C, n), with sources where they are to be applied; its spectrum may be known already."""
        sources = np.empty((len(masks) if apply else 0, *mixture.shape), np.float32)  # (K, C, n)
        if apply:
            spectrum = self.spectrum(mixture) if spectrum is None else spectrum  # (C, F, T)
            with torch.no_grad():
                for k, mask in enumerate(
                    masks
                ):  # one class at a time: all at once need more memory and are no faster
                    linear = self.expander(mask[None], spectrum.shape[-1])  # (1, F, T)
                    sources[k] = (
                        self.stft.inverse(linear * spectrum, mixture.shape[1]).cpu().numpy()
                    )
        copies = (
            tensor.cpu().numpy().copy() for tensor in (masks, power, probabilities)
        )  # they are faded in place
        return Segment(mixture, sources, *copies)


def checked_waveform(waveform: np.ndarray) -> np.ndarray:
    """A waveform as float32.

    Raises:
        InputError: a shape other than (N,) or (C, N), no samples, NaN.
    """
    if waveform.ndim not in (1, 2) or not waveform.size:
        raise InputError(
            f"the waveform has the shape {waveform.shape}: expected (N,) or (C, N), at least one sample"
        )
    if not np.issubdtype(waveform.dtype, np.floating) or not np.isfinite(waveform).all():
        raise InputError(
            f"the waveform ({waveform.dtype}) is not of finite floats: expected samples in [−1, 1]"
        )
    return waveform.astype(np.float32, copy=False)


def gathered(
    parts: Iterable[Segment], waveform: np.ndarray, sampling_rate: int, model: SeparationModel
) -> Separation:
    """The parts of a recording (N,) or (C, N) as one."""
    parts = list(parts)
    sources = np.concatenate([part.sources for part in parts], -1)  # (K, C, N)
    sources = sources.reshape(len(sources), *waveform.shape)
    return Separation(
        sources,
        waveform - sources.sum(0),
        np.max([part.probabilities for part in parts], axis=0),
        np.concatenate([part.masks for part in parts], -1),
        np.concatenate([part.power for part in parts], -1),
        tuple(model.classes),
        sampling_rate,
        model.front_end.config,
    )


def refine(
    masks: Tensor, power: Tensor, probabilities: Tensor, config: SeparationConfig, hop: float
) -> Tensor:
    """Give bins that several classes claim to those that sound around that instant, and that are in the recording.

    What all classes together take of a bin does not change: only its division among them.

    Shape:
        masks (K, M, T), power (M, T), probabilities (K,) → (K, M, T).
    """
    claims = masks
    if config.smoothing:
        n_frames = round(config.smoothing / hop) // 2 * 2 + 1
        presence = (masks * power.clamp_min(0) ** 0.25).sum(1)  # (K, T)
        presence = F.avg_pool1d(
            presence[None], n_frames, 1, n_frames // 2, count_include_pad=False
        )[0]
        claims = claims * (presence / presence.sum(0).clamp_min(1e-9))[:, None]
    if config.tag_exponent:
        claims = claims * (probabilities + 1e-3)[:, None, None] ** config.tag_exponent
    return claims / claims.sum(0).clamp_min(1e-12) * masks.sum(0)


def shape_masks(masks: Tensor, config: SeparationConfig) -> Tensor:
    """Power, threshold, Wiener-style division, floor, in this order; with their defaults the masks stay as they are.

    The division gives a class w = mᵖ / (Σ mᵖ + rᵖ) of a bin, where the rest r = max(0, 1 − Σ m) is no class's.

    Shape:
        (K, M, T) → (K, M, T).
    """
    if config.mask_power != 1:
        masks = masks**config.mask_power
    if config.mask_threshold:
        masks = masks * (masks >= config.mask_threshold)
    if config.wiener:
        rest = (1 - masks.sum(0, keepdim=True)).clamp_min(0)  # (1, M, T)
        claims = torch.cat([masks, rest])  # (K + 1, M, T)
        claims = (
            claims / claims.amax(0)
        ) ** config.wiener  # of the largest: a high power must not lose them all
        masks = (claims / claims.sum(0))[:-1]  # (K, M, T)
    if config.mask_floor:
        masks = config.mask_floor + (1 - config.mask_floor) * masks
    return masks


def _crossfade(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """From one to the other over the middle half of (…, n): the first and last quarter see too little around them."""
    n = after.shape[-1]
    position = np.clip((np.arange(n) / max(1, n) - 0.25) * 2, 0, 1)
    rising = (0.5 - 0.5 * np.cos(np.pi * position)).astype(np.float32)
    return before[..., :n] * (1 - rising) + after * rising
