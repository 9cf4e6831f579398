"""Figures of the laboratories: front ends, gradients of poolings, masks of several models.

Axes of the data: M bands, T frames.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from absslab.core.model.feature_inversion import Picture
from absslab.core.model.hand_drawn_mask import HOP, HandDrawnMask, Pooled
from absslab.plots.figures import COLOURS, INK, draw_spectrogram, shorten_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MASKS = "cividis"
FEW = 12  # bins; if a gradient has no more, they are marked, or nobody would see them


class MaskRow(NamedTuple):
    """The masks of several models for one class of a recording."""

    name: str
    power: np.ndarray  # (M, T) of what was mixed, or of the mixture where that is not known
    masks: Mapping[str, np.ndarray]  # model → (M, T) in [0, 1]
    words: Mapping[str, str]  # model → how well it did
    is_mixture: bool = False  # whether the power is that of the mixture


def draw_front_ends(figure: "Figure", pictures: Sequence[Picture]) -> None:
    """Draw pictures of features in two columns, each from its darkest bin to its brightest.

    Args:
        figure: where.
        pictures: what front ends made of one recording.
    """
    grid = figure.subplots(-(-len(pictures) // 2), 2, sharex=True, squeeze=False)
    for axes, picture in zip(grid.flat, pictures, strict=False):
        image = draw_spectrogram(
            axes,
            picture.shades,
            hop=picture.hop,
            centres=picture.centres,
            top=1.0,
            is_mask=True,
        )
        image.set_cmap(COLOURS)
        _style_picture(
            axes,
            f"{picture.name.replace('_', '-').replace('pcen', 'PCEN')}: "
            f"{picture.shades.shape[0]} bands",
        )
    for axes in grid.flat[len(pictures) :]:
        axes.set_visible(False)
    _edges(grid)


def draw_pooling_effects(
    figure: "Figure", mask: HandDrawnMask, pooled: Mapping[str, Pooled], *, n_steps: int
) -> None:
    """Draw a mask, and for each pooling its gradient and the mask after some steps of learning.

    Args:
        figure: where.
        mask: that was pooled.
        pooled: by pooling.
        n_steps: that were made.
    """
    grid = figure.subplots(len(pooled) + 1, 2, sharex=True, sharey=True, squeeze=False)
    shown = _plain(grid[0, 0], mask.values, cmap=MASKS, vmin=0, vmax=1)
    _style_picture(grid[0, 0], "the mask")
    _plain(grid[0, 1], mask.event, cmap=MASKS, vmin=0, vmax=1)
    _style_picture(grid[0, 1], "where the event really is")
    pull = None
    for row, (name, result) in zip(grid[1:], pooled.items(), strict=True):
        largest = max(float(np.abs(result.gradient).max()), 1e-12)
        pull = _plain(row[0], result.gradient / largest, cmap="RdBu_r", vmin=-1, vmax=1)
        if result.n_taught <= FEW:
            bands, frames = np.unravel_index(
                np.argsort(-np.abs(result.gradient), axis=None)[: result.n_taught],
                result.gradient.shape,
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
        _style_picture(row[0], f"{name}: probability {result.probability:.2f}, gradient")
        _plain(row[1], result.learned, cmap=MASKS, vmin=0, vmax=1)
        _style_picture(row[1], f"after {n_steps} steps: probability {result.probability_after:.2f}")
    for axes in grid[:, 0]:
        axes.set_ylabel("band", fontsize=8, color=INK)
    for axes in grid[-1]:
        axes.set_xlabel("time / s", fontsize=8, color=INK)
    if pull is not None:
        _bar(figure, pull, grid[:, 0], "gradient, of its largest: red grows, blue shrinks")
    _bar(figure, shown, grid[:, 1], "mask")


def draw_model_masks(
    figure: "Figure", rows: Sequence[MaskRow], *, hop: float, centres: np.ndarray
) -> None:
    """Draw a row per class: what was mixed, then the mask of each model.

    Args:
        figure: where.
        rows: of one recording; all have the same models.
        hop: s from frame to frame.
        centres: (M,) Hz.
    """
    models = list(rows[0].masks)
    grid = figure.subplots(len(rows), 1 + len(models), sharex=True, sharey=True, squeeze=False)
    loudest = max(float(row.power.max()) for row in rows)
    top = 10 * np.log10(max(loudest, 1e-12))
    for axes, row in zip(grid, rows, strict=True):
        draw_spectrogram(axes[0], row.power, hop=hop, centres=centres, top=top)
        origin = "in the mixture" if row.is_mixture else "as it was mixed"
        _style_picture(axes[0], f"{shorten_name(row.name)}\n{origin}")
        for place, model in zip(axes[1:], models, strict=True):
            mask = row.masks[model]
            draw_spectrogram(place, mask, hop=hop, centres=centres, top=1.0, is_mask=True)
            _style_picture(place, f"{shorten_name(model)}\n{row.words[model]}")
    _edges(grid)


def _plain(axes: "Axes", values: np.ndarray, **colours: Any) -> "AxesImage":
    n_bands, n_frames = values.shape
    extent = (-HOP / 2, (n_frames - 0.5) * HOP, -0.5, n_bands - 0.5)
    return axes.imshow(
        values, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **colours
    )


def _style_picture(axes: "Axes", title: str) -> None:
    """Set a title, and colours for light and for dark pages."""
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
