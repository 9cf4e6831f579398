"""Draw the figures of the laboratories: front ends, effects of poolings, masks of models.

Axes of the data: M bands, T frames.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from absslab.core.model.feature_inversion import ScaledFeatures
from absslab.core.model.hand_drawn_mask import HOP, HandDrawnMask, Pooled
from absslab.plots.figures import COLOURS, INK, draw_spectrogram, shorten_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MASKS = "cividis"
FEW = 12  # bins; if a gradient has no more, circles mark them: single bins are too small to see


class MaskRow(NamedTuple):
    """The masks of several models for one class of a recording."""

    name: str
    power: np.ndarray  # (M, T) of the source, or of the mixture if the source is not known
    masks: Mapping[str, np.ndarray]  # model → (M, T) in [0, 1]
    captions: Mapping[str, str]  # model → its scores as text
    is_mixture: bool = False  # whether the power is that of the mixture


def draw_front_ends(figure: "Figure", features: Sequence[ScaledFeatures]) -> None:
    """Draw the features of one recording by several front ends, in two columns.

    Args:
        figure: the figure to draw on.
        features: the features by each front end.
    """
    grid = figure.subplots(-(-len(features) // 2), 2, sharex=True, squeeze=False)
    for axes, scaled in zip(grid.flat, features, strict=False):
        image = draw_spectrogram(
            axes,
            scaled.shades,
            hop=scaled.hop,
            centres=scaled.centres,
            top=1.0,
            is_mask=True,
        )
        image.set_cmap(COLOURS)
        _style_axes(
            axes,
            f"{scaled.name.replace('_', '-').replace('pcen', 'PCEN')}: "
            f"{scaled.shades.shape[0]} bands",
        )
    for axes in grid.flat[len(features) :]:
        axes.set_visible(False)
    _label_edges(grid)


def draw_pooling_effects(
    figure: "Figure", mask: HandDrawnMask, pooled: Mapping[str, Pooled], *, n_steps: int
) -> None:
    """Draw a mask, and for each pooling its gradient and the mask after some steps of learning.

    Args:
        figure: the figure to draw on.
        mask: the mask that was pooled.
        pooled: the results, by pooling.
        n_steps: number of steps in which the mask learned.
    """
    grid = figure.subplots(len(pooled) + 1, 2, sharex=True, sharey=True, squeeze=False)
    mask_image = _draw_values(grid[0, 0], mask.values, cmap=MASKS, vmin=0, vmax=1)
    _style_axes(grid[0, 0], "the mask")
    _draw_values(grid[0, 1], mask.event, cmap=MASKS, vmin=0, vmax=1)
    _style_axes(grid[0, 1], "true place of the event")
    gradient_image = None
    for row, (name, result) in zip(grid[1:], pooled.items(), strict=True):
        largest = max(float(np.abs(result.gradient).max()), 1e-12)
        gradient_image = _draw_values(
            row[0], result.gradient / largest, cmap="RdBu_r", vmin=-1, vmax=1
        )
        if result.n_trained_bins <= FEW:
            bands, frames = np.unravel_index(
                np.argsort(-np.abs(result.gradient), axis=None)[: result.n_trained_bins],
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
        _style_axes(row[0], f"{name}: probability {result.probability:.2f}, gradient")
        _draw_values(row[1], result.learned, cmap=MASKS, vmin=0, vmax=1)
        _style_axes(row[1], f"after {n_steps} steps: probability {result.probability_after:.2f}")
    for axes in grid[:, 0]:
        axes.set_ylabel("band", fontsize=8, color=INK)
    for axes in grid[-1]:
        axes.set_xlabel("time / s", fontsize=8, color=INK)
    if gradient_image is not None:
        label = "gradient, relative to its maximum: red bins grow, blue bins shrink"
        _add_colour_bar(figure, gradient_image, grid[:, 0], label)
    _add_colour_bar(figure, mask_image, grid[:, 1], "mask")


def draw_model_masks(
    figure: "Figure", rows: Sequence[MaskRow], *, hop: float, centres: np.ndarray
) -> None:
    """Draw a row per class: the spectrogram of its source, then the mask of each model.

    Args:
        figure: the figure to draw on.
        rows: the masks of one recording; all rows have the same models.
        hop: time from one frame to the next, s.
        centres: centre frequencies (M,) of the bands, Hz.
    """
    models = list(rows[0].masks)
    grid = figure.subplots(len(rows), 1 + len(models), sharex=True, sharey=True, squeeze=False)
    loudest = max(float(row.power.max()) for row in rows)
    top = 10 * np.log10(max(loudest, 1e-12))
    for axes, row in zip(grid, rows, strict=True):
        draw_spectrogram(axes[0], row.power, hop=hop, centres=centres, top=top)
        origin = "in the mixture" if row.is_mixture else "reference"
        _style_axes(axes[0], f"{shorten_name(row.name)}\n{origin}")
        for mask_axes, model in zip(axes[1:], models, strict=True):
            mask = row.masks[model]
            draw_spectrogram(mask_axes, mask, hop=hop, centres=centres, top=1.0, is_mask=True)
            _style_axes(mask_axes, f"{shorten_name(model)}\n{row.captions[model]}")
    _label_edges(grid)


def _draw_values(axes: "Axes", values: np.ndarray, **colours: Any) -> "AxesImage":
    n_bands, n_frames = values.shape
    extent = (-HOP / 2, (n_frames - 0.5) * HOP, -0.5, n_bands - 0.5)
    return axes.imshow(
        values, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **colours
    )


def _style_axes(axes: "Axes", title: str) -> None:
    """Set a title, and colours for light and for dark pages."""
    axes.set_title(title, fontsize=9, loc="left", color=INK, parse_math=False)
    axes.tick_params(colors=INK, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _label_edges(grid: np.ndarray) -> None:
    for axes in grid[:, 0]:
        axes.set_ylabel("frequency / kHz", fontsize=8, color=INK)
    for axes in grid[-1]:
        axes.set_xlabel("time / s", fontsize=8, color=INK)


def _add_colour_bar(figure: "Figure", image: "AxesImage", axes: np.ndarray, label: str) -> None:
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=30, pad=0.01)
    bar.set_label(label, fontsize=8, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_visible(False)
