"""What the laboratories show: front ends beside each other, what poolings pull at, masks of several models.

Axes of the data: M bands, T frames.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from absslab.core.model.feature_inversion import Picture
from absslab.core.model.toy_masks import HOP, Pooled, ToyMask
from absslab.plots.figures import COLOURS, INK, short, spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MASKS = "cividis"
FEW = 12  # bins that are so few that they are marked, else nobody would see them


class MaskRow(NamedTuple):
    """One class of a recording, as several models have it."""

    name: str
    power: np.ndarray  # (M, T) of what was mixed, or of the mixture where that is not known
    masks: Mapping[str, np.ndarray]  # model → (M, T) in [0, 1]
    words: Mapping[str, str]  # model → how well it did
    is_mixture: bool = False  # whether the power is that of the mixture


def front_end_pictures(figure: "Figure", pictures: Sequence[Picture]) -> None:
    """Pictures in two columns, each from its darkest bin to its brightest.

    Args:
        figure: where.
        pictures: what front ends made of one recording.
    """
    grid = figure.subplots(-(-len(pictures) // 2), 2, sharex=True, squeeze=False)
    for axes, one in zip(grid.flat, pictures, strict=False):
        image = spectrogram(
            axes, one.shades, hop=one.hop, centres=one.centres, top=1.0, is_mask=True
        )
        image.set_cmap(COLOURS)
        _named(
            axes,
            f"{one.name.replace('_', '-').replace('pcen', 'PCEN')}: {one.shades.shape[0]} bands",
        )
    for axes in grid.flat[len(pictures) :]:
        axes.set_visible(False)
    _edges(grid)


def pooling_effects(
    figure: "Figure", mask: ToyMask, pooled: Mapping[str, Pooled], *, n_steps: int
) -> None:
    """The mask; then a row per pooling: its gradient, and the mask after some steps of learning.

    Args:
        figure: where.
        mask: that was pooled.
        pooled: by pooling.
        n_steps: that were made.
    """
    grid = figure.subplots(len(pooled) + 1, 2, sharex=True, sharey=True, squeeze=False)
    shown = _plain(grid[0, 0], mask.values, cmap=MASKS, vmin=0, vmax=1)
    _named(grid[0, 0], "the mask")
    _plain(grid[0, 1], mask.event, cmap=MASKS, vmin=0, vmax=1)
    _named(grid[0, 1], "where the event really is")
    pull = None
    for row, (name, one) in zip(grid[1:], pooled.items(), strict=True):
        largest = max(float(np.abs(one.gradient).max()), 1e-12)
        pull = _plain(row[0], one.gradient / largest, cmap="RdBu_r", vmin=-1, vmax=1)
        if one.n_taught <= FEW:
            bands, frames = np.unravel_index(
                np.argsort(-np.abs(one.gradient), axis=None)[: one.n_taught], one.gradient.shape
            )
            row[0].plot(
                frames * HOP,
                bands,
                "o",
                color="#b2182b",
                markerfacecolor="none",
                markersize=9,
                markeredgewidth=1.5,
            )
        _named(row[0], f"{name}: probability {one.probability:.2f}, gradient")
        _plain(row[1], one.learned, cmap=MASKS, vmin=0, vmax=1)
        _named(row[1], f"after {n_steps} steps: probability {one.probability_after:.2f}")
    for axes in grid[:, 0]:
        axes.set_ylabel("band", fontsize=8, color=INK)
    for axes in grid[-1]:
        axes.set_xlabel("time / s", fontsize=8, color=INK)
    if pull is not None:
        _bar(figure, pull, grid[:, 0], "gradient, of its largest: red grows, blue shrinks")
    _bar(figure, shown, grid[:, 1], "mask")


def masks_side_by_side(
    figure: "Figure", rows: Sequence[MaskRow], *, hop: float, centres: np.ndarray
) -> None:
    """A row per class: what was mixed, then the mask of each model.

    Args:
        figure: where.
        rows: of one recording; all have the same models.
        hop: s from frame to frame.
        centres: (M,) Hz.
    """
    models = list(rows[0].masks)
    grid = figure.subplots(len(rows), 1 + len(models), sharex=True, sharey=True, squeeze=False)
    top = 10 * np.log10(max(max(float(one.power.max()) for one in rows), 1e-12))
    for axes, one in zip(grid, rows, strict=True):
        spectrogram(axes[0], one.power, hop=hop, centres=centres, top=top)
        _named(
            axes[0],
            f"{short(one.name)}\n{'in the mixture' if one.is_mixture else 'as it was mixed'}",
        )
        for place, model in zip(axes[1:], models, strict=True):
            spectrogram(place, one.masks[model], hop=hop, centres=centres, top=1.0, is_mask=True)
            _named(place, f"{short(model)}\n{one.words[model]}")
    _edges(grid)


def _plain(axes: "Axes", values: np.ndarray, **colours: Any) -> "AxesImage":
    n_bands, n_frames = values.shape
    extent = (-HOP / 2, (n_frames - 0.5) * HOP, -0.5, n_bands - 0.5)
    return axes.imshow(
        values, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **colours
    )


def _named(axes: "Axes", title: str) -> None:
    """A title, and what is readable on light and on dark pages."""
    axes.set_title(title, fontsize=9, loc="left", color=INK, parse_math=False)
    axes.tick_params(colors=INK, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _edges(grid: np.ndarray) -> None:
    for axes in grid[:, 0]:
        axes.set_ylabel("frequency / kHz", fontsize=8, color=INK)
    for axes in grid[-1]:
        axes.set_xlabel("time / s", fontsize=8, color=INK)


def _bar(figure: "Figure", image: "AxesImage", axes: np.ndarray, label: str) -> None:
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=30, pad=0.01)
    bar.set_label(label, fontsize=8, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_visible(False)
