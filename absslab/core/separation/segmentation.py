"""Separate long recordings in overlapping segments: memory is bounded, and there are no seams.

Axes: K classes, C channels, M bands, T frames of the model, N samples; n and t are those of a part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_OVERLAP_FRAMES = 128  # of the model: two neighbouring segments share this many
_LONGEST_ADVANCE = 20.0  # s
_SAMPLES_AT_ONCE = 1 << 26  # of all sources of a segment


class Segment(NamedTuple):
    """A separated part of a recording."""

    mixture: np.ndarray  # (C, n)
    sources: np.ndarray  # (K, C, n)
    masks: np.ndarray  # (K, M, t) as applied: of the model's frames whose centres lie in this part
    power: np.ndarray  # (M, t) of the mixture, the mean of its channels, at the model's rate
    probabilities: np.ndarray  # (K,) that a class is present around this part


@dataclass(frozen=True)
class Segmentation:
    """How a recording is cut into overlapping segments.

    Args:
        overlap: samples that two neighbouring segments share.
        advance: samples from the start of a segment to the start of the next.
        frame_length: samples from one of the model's frames to the next.
    """

    overlap: int
    advance: int
    frame_length: float

    @property
    def overlap_frames(self) -> int:
        """The overlap in frames of the model."""
        return round(self.overlap / self.frame_length)

    @property
    def advance_frames(self) -> int:
        """The advance in frames of the model."""
        return round(self.advance / self.frame_length)


def choose_segmentation(
    *, sampling_rate: int, n_channels: int, n_classes: int, hop: float
) -> Segmentation:
    """Choose lengths that are multiples of eight frames: about 20 s, or less where memory is short.

    Args:
        sampling_rate: of the recording, Hz.
        n_channels: of the recording.
        n_classes: how many sources it is separated into.
        hop: seconds from one of the model's frames to the next.
    """
    unit = 8 * hop  # s
    overlap = _OVERLAP_FRAMES * hop  # s
    seconds = _SAMPLES_AT_ONCE / (sampling_rate * n_channels * n_classes)
    advance = max(overlap, min(_LONGEST_ADVANCE, seconds - overlap) // unit * unit)  # s
    return Segmentation(
        overlap=round(overlap * sampling_rate),
        advance=round(advance * sampling_rate),
        frame_length=hop * sampling_rate,
    )


def split_into_segments(
    blocks: Iterable[np.ndarray], n_samples: int, segmentation: Segmentation
) -> Iterator[np.ndarray]:
    """Cut a recording that comes block by block into overlapping segments.

    Args:
        blocks: (C, n) each, of any lengths, `n_samples` in all.
        n_samples: of the recording.
        segmentation: lengths of the segments.

    Yields:
        (C, n) each.
    """
    source_blocks = iter(blocks)
    buffer = next(source_blocks)  # (C, n)
    advance = segmentation.advance
    for start in range(0, max(1, n_samples - segmentation.overlap), advance):
        wanted = min(n_samples - start, advance + segmentation.overlap)
        while buffer.shape[1] < wanted:
            buffer = np.concatenate([buffer, next(source_blocks)], 1)  # (C, n)
        yield buffer[:, :wanted]
        buffer = buffer[:, advance:]


def crossfade_segments(
    segments: Iterable[Segment], n_samples: int, segmentation: Segmentation
) -> Iterator[Segment]:
    """Fade overlapping segments into each other.

    Args:
        segments: of the whole recording, in order.
        n_samples: of the recording.
        segmentation: lengths of the segments.

    Yields:
        parts that follow on each other without gaps and cover the recording.
    """
    overlap = segmentation.overlap
    advance = segmentation.advance
    advance_frames = segmentation.advance_frames
    overlap_frames = segmentation.overlap_frames
    start = 0
    tail: Segment | None = None  # of the segment before: what overlaps with this one
    for segment in segments:
        if tail is not None:
            segment = segment._replace(
                sources=_fade_in(tail.sources, segment.sources, overlap),
                masks=_fade_in(tail.masks, segment.masks, overlap_frames),
                power=_fade_in(tail.power, segment.power, overlap_frames),
            )
        if start + segment.mixture.shape[1] == n_samples:
            yield segment
            return
        yield Segment(
            segment.mixture[:, :advance],
            segment.sources[..., :advance],
            segment.masks[..., :advance_frames],
            segment.power[:, :advance_frames],
            segment.probabilities,
        )
        frames = slice(advance_frames, advance_frames + overlap_frames)
        tail = Segment(  # copies: views would keep the whole segment in memory
            segment.mixture[:, advance:].copy(),
            segment.sources[..., advance:].copy(),
            segment.masks[..., frames].copy(),
            segment.power[:, frames].copy(),
            segment.probabilities,
        )
        start += advance


def concatenate(parts: Sequence[Segment]) -> Segment:
    """Concatenate parts that follow on each other; a probability is the highest of all parts."""
    return Segment(
        np.concatenate([part.mixture for part in parts], -1),  # (C, N)
        np.concatenate([part.sources for part in parts], -1),  # (K, C, N)
        np.concatenate([part.masks for part in parts], -1),  # (K, M, T)
        np.concatenate([part.power for part in parts], -1),  # (M, T)
        np.max([part.probabilities for part in parts], axis=0),  # (K,)
    )


def _fade_in(before: np.ndarray, segment: np.ndarray, overlap: int) -> np.ndarray:
    """Fade from the end of the segment before into the start of this segment.

    The fade takes the middle half of the overlap: in its first and last quarter one of the two
    segments sees too little of what is around it.

    Shape:
        (…, overlap), (…, n) → (…, n).
    """
    start = segment[..., :overlap]  # a last segment may have fewer frames than the overlap
    n = start.shape[-1]
    position = np.clip((np.arange(n) / max(1, n) - 0.25) * 2, 0, 1)  # (n,)
    rising = (0.5 - 0.5 * np.cos(np.pi * position)).astype(np.float32)  # (n,)
    faded = before[..., :n] * (1 - rising) + start * rising
    return np.concatenate([faded, segment[..., n:]], -1)
