"""Separate long recordings in overlapping segments, in bounded memory and without audible joins.

Axes: K classes, J of them that are found, C channels, M bands, T frames of the model, N samples;
n and t are those of a part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_OVERLAP_FRAMES = 128  # frames of the model that two neighbouring segments share
_LONGEST_ADVANCE = 20.0  # s
_SAMPLES_AT_ONCE = 1 << 26  # of all sources of a segment


class Segment(NamedTuple):
    """A separated part of a recording."""

    mixture: np.ndarray  # (C, n)
    sources: np.ndarray  # (J, C, n)
    masks: np.ndarray  # (J, M, t) as applied, for the model's frames whose centres lie in this part
    power: np.ndarray  # (M, t) of the mixture, the mean of its channels, at the model's rate
    probabilities: np.ndarray  # (K,), probability that each class is present around this part
    found: tuple[int, ...]  # (J,), the classes that sources and masks are of, in ascending order


@dataclass(frozen=True)
class Segmentation:
    """Lengths for cutting a recording into overlapping segments.

    Args:
        overlap: number of samples that two neighbouring segments share.
        advance: number of samples from the start of a segment to the start of the next.
        frame_length: number of samples from one frame of the model to the next.
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
    """Choose lengths that are multiples of eight frames: about 20 s, or less to limit memory.

    Args:
        sampling_rate: sampling rate of the recording, Hz.
        n_channels: number of channels of the recording.
        n_classes: number of sources at once.
        hop: time from one frame of the model to the next, s.
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
    """Cut a recording that is given block by block into overlapping segments.

    Args:
        blocks: (C, n) each, of any lengths, `n_samples` in all.
        n_samples: length of the recording.
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
        segments: all segments of the recording, in order; their sources are changed.
        n_samples: length of the recording.
        segmentation: lengths of the segments.

    Yields:
        consecutive parts without gaps that cover the recording.
    """
    overlap = segmentation.overlap
    advance = segmentation.advance
    advance_frames = segmentation.advance_frames
    overlap_frames = segmentation.overlap_frames
    start = 0
    tail: Segment | None = None  # the part of the previous segment that overlaps with this one
    for segment in segments:
        if tail is not None:
            found = sorted({*tail.found, *segment.found})
            tail = extend_classes(tail, found)
            segment = extend_classes(segment, found)
            segment = segment._replace(
                sources=_fade_in(tail.sources, segment.sources, overlap),
                # Copies: these may be arrays that a `Resynthesis` uses again.
                masks=_fade_in(tail.masks, segment.masks.copy(), overlap_frames),
                power=_fade_in(tail.power, segment.power.copy(), overlap_frames),
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
            segment.found,
        )
        frames = slice(advance_frames, advance_frames + overlap_frames)
        tail = Segment(  # copies: views would keep the whole segment in memory
            segment.mixture[:, advance:].copy(),
            segment.sources[..., advance:].copy(),
            segment.masks[..., frames].copy(),
            segment.power[:, frames].copy(),
            segment.probabilities,
            segment.found,
        )
        start += advance


def concatenate(parts: Sequence[Segment]) -> Segment:
    """Concatenate consecutive parts; each probability is the highest of all parts."""
    found = sorted({k for part in parts for k in part.found})
    parts = [extend_classes(part, found) for part in parts]
    return Segment(
        np.concatenate([part.mixture for part in parts], -1),  # (C, N)
        np.concatenate([part.sources for part in parts], -1),  # (J, C, N)
        np.concatenate([part.masks for part in parts], -1),  # (J, M, T)
        np.concatenate([part.power for part in parts], -1),  # (M, T)
        np.max([part.probabilities for part in parts], axis=0),  # (K,)
        tuple(found),
    )


def extend_classes(part: Segment, found: Sequence[int]) -> Segment:
    """Add silent sources and masks of 0 for classes that were not found in this part.

    Args:
        part: the part.
        found: all classes that it shall have, in ascending order; they include its own.
    """
    if len(found) == len(part.found):
        return part
    rows = np.searchsorted(found, part.found)
    sources = np.zeros((len(found), *part.sources.shape[1:]), np.float32)  # (J, C, n)
    masks = np.zeros((len(found), *part.masks.shape[1:]), np.float32)  # (J, M, t)
    sources[rows] = part.sources
    masks[rows] = part.masks
    return part._replace(sources=sources, masks=masks, found=tuple(found))


def _fade_in(before: np.ndarray, segment: np.ndarray, overlap: int) -> np.ndarray:
    """Fade from the end of the previous segment into this segment, which is changed and returned.

    The fade takes the middle half of the overlap. In the first and the last quarter, one of the two
    segments has too little context for a good prediction.

    Shape:
        (…, overlap), (…, n) → (…, n).
    """
    start = segment[..., :overlap]  # a last segment may have fewer frames than the overlap
    n = start.shape[-1]
    position = np.clip((np.arange(n) / max(1, n) - 0.25) * 2, 0, 1)  # (n,)
    rising = (0.5 - 0.5 * np.cos(np.pi * position)).astype(np.float32)  # (n,)
    start *= rising
    start += before[..., :n] * (1 - rising)
    return segment
