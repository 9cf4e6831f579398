"""In which frames classes may sound, or surely do.

Axes: B batch, K classes, T frames, E events.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from absslab.core.audio.stft import STFT
from absslab.core.data.batches import Events


class FrameLabels(NamedTuple):
    """What strong labels say of each frame."""

    possible: Tensor  # (B, K, T) bool: the frame's window meets an event of the class
    certain: Tensor  # (B, K, T) bool: the frame's centre lies in an event of the class

    def join(self, other: "FrameLabels") -> "FrameLabels":
        """Return the labels of a sum of recordings."""
        return FrameLabels(self.possible | other.possible, self.certain | other.certain)


def roll_events(events: Events, shifts: Tensor, lengths: Tensor) -> Events:
    """Shift events circularly, as their recordings are; one that meets the end is cut in two.

    Args:
        events: the events.
        shifts: of the recordings (B,), from 0 to below their lengths, samples.
        lengths: of the recordings (B,), samples.
    """
    length = lengths[events.recordings]  # (E,)
    onsets = (events.onsets + shifts[events.recordings]) % length  # (E,)
    offsets = onsets + events.offsets - events.onsets  # (E,)
    whole = events._replace(onsets=onsets, offsets=torch.minimum(offsets, length))
    rest = events._replace(onsets=torch.zeros_like(onsets), offsets=offsets - length)
    parts = (torch.cat(pair) for pair in zip(whole, rest, strict=True))
    return _select(Events(*parts), torch.cat([torch.ones_like(length) > 0, offsets > length]))


def label_frames(events: Events, shape: tuple[int, int, int], stft: STFT) -> FrameLabels:
    """Tell in which frames classes may sound, or surely do.

    Args:
        events: the events.
        shape: (B, K, T).
        stft: whose frames they are.
    """
    T = shape[-1]
    centres = torch.arange(T, device=events.onsets.device) * stft.hop_size  # (T,)
    onsets = events.onsets[:, None]  # (E, 1)
    offsets = events.offsets[:, None]  # (E, 1)
    reach = stft.window_size / 2
    meets = (centres + reach > onsets) & (centres - reach < offsets)  # (E, T)
    lies_in = (centres >= onsets) & (centres < offsets) & events.are_exact[:, None]  # (E, T)
    return FrameLabels(_join(events, meets, shape), _join(events, lies_in, shape))


def _join(events: Events, frames: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Join the frames of events (E, T) to those of recordings and classes (B, K, T)."""
    B, K, T = shape
    rows = events.recordings * K + events.classes  # (E,)
    counts = torch.zeros(B * K, T, device=frames.device).index_add(0, rows, frames.float())
    return (counts > 0).reshape(B, K, T)


def _select(events: Events, kept: Tensor) -> Events:
    return Events(*(part[kept] for part in events))
