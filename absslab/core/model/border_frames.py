"""Leave frames that reach beyond a recording out of what the mask network sees.

The STFT pads both ends of a recording with zeros, so that its inverse covers every sample. With
the setting `borders valid`, the network sees only frames whose windows lie within the recording;
the masks of the first and the last of these frames are repeated for the frames beside them. (A
recording shorter than half a window has no such frame. It is seen by one frame, which in a padded
batch may be silence.)

Axes: B batch, T frames of the STFT, T′ frames that the network sees.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from absslab.core.model.feature_config import FeatureConfig


class SeenFrames(NamedTuple):
    """Frames of a batch that the mask network sees."""

    first: int
    stop: int  # one after the last frame of the longest recording
    counts: Tensor | None  # (B,): number of these frames in each recording; None: all of them

    @property
    def n_frames(self) -> int:
        """Number of frames T′."""
        return self.stop - self.first


def find_seen_frames(
    config: FeatureConfig, n_frames: int, n_samples: Tensor | int | None
) -> SeenFrames:
    """Find the frames that the network sees.

    Args:
        config: features of the model.
        n_frames: T, number of frames of the STFT.
        n_samples: length of each recording without padding (B,), or one length of all that are not
            padded; None: they are not padded, and may have any length that gives T frames.
    """
    if config.borders == "padded":
        counts = config.n_frames(n_samples) if isinstance(n_samples, Tensor) else None
        return SeenFrames(0, n_frames, counts)
    first = min(config.first_inner_frame, n_frames - 1)
    if n_samples is None:
        n_samples = (n_frames - 2) * config.hop_size + 1  # the shortest
    if isinstance(n_samples, Tensor):
        counts = (config.last_inner_frame(n_samples) + 1 - first).clamp_min(1)  # (B,)
        return SeenFrames(first, first + int(counts.max()), counts)
    return SeenFrames(first, max(first, config.last_inner_frame(n_samples)) + 1, None)


def extend_to_borders(values: Tensor, seen: SeenFrames, n_frames: int) -> Tensor:
    """Repeat the first and the last frame that the network saw of each recording.

    Shape:
        (B, …, T′) → (B, …, T).
    """
    if seen.n_frames == n_frames:
        return values
    places = torch.arange(n_frames, device=values.device) - seen.first  # (T,)
    if seen.counts is None:
        return values[..., places.clamp(0, seen.n_frames - 1)]  # (B, …, T)
    last = seen.counts.to(values.device)[:, None] - 1  # (B, 1)
    places = torch.minimum(places.clamp_min(0), last)  # (B, T)
    places = places.reshape(len(places), *[1] * (values.ndim - 2), n_frames)
    return values.gather(-1, places.expand(*values.shape[:-1], n_frames))  # (B, …, T)
