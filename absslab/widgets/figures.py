"""Arrays → matplotlib axes, in one quiet style. Axes of the data: K classes, M bands, T frames."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

COLOURS = "magma"
RANGE = 70.0  # dB shown below the loudest bin of the mixture


class Separated(NamedTuple):
    """One class of a mixture, as `mask_figure` shows it."""

    name: str
    reference: np.ndarray  # (M, T) power of the source that was mixed
    mask: np.ndarray  # (M, T) in [0, 1]
    estimate: np.ndarray  # (M, T) power of the separated source
    improvement: float  # dB


def mask_figure(mixture: np.ndarray, separated: Sequence[Separated], *, hop: float, centres: np.ndarray) -> "Figure":
    """A mixture and its classes: what was mixed, the mask that was drawn, what was cut out.

    Args:
        mixture: (M, T) power.
        separated: a row per class.
        hop: s from frame to frame.
        centres: (M,) frequencies of the bands in Hz.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.5 + 1.55 * (len(separated) + 1)), layout="constrained", dpi=110)
    grid = figure.subplots(len(separated) + 1, 3, sharex=True, sharey=True)
    top = 10 * np.log10(max(float(mixture.max()), 1e-12))
    grid[0, 0].axis("off")
    grid[0, 2].axis("off")
    image = spectrogram(grid[0, 1], mixture, hop=hop, centres=centres, top=top)
    grid[0, 1].tick_params(labelleft=True)
    grid[0, 1].set_ylabel("frequency / kHz", fontsize=9)
    grid[0, 1].set_title("the mixture: all that the model is given", fontsize=10)
    for column, title in enumerate(("what was mixed", "the mask", "what the mask cut out")):
        grid[1, column].set_title(title, fontsize=10)
    mask_image = None
    for row, one in zip(grid[1:], separated, strict=True):
        spectrogram(row[0], one.reference, hop=hop, centres=centres, top=top)
        mask_image = spectrogram(row[1], one.mask, hop=hop, centres=centres, top=1.0, is_mask=True)
        spectrogram(row[2], one.estimate, hop=hop, centres=centres, top=top)
        row[0].set_ylabel(f"{one.name}\nfrequency / kHz", fontsize=9)
        row[2].text(
            0.99, 0.93, f"+{one.improvement:.1f} dB SI-SDR" if one.improvement >= 0 else f"{one.improvement:.1f} dB SI-SDR",
            transform=row[2].transAxes, ha="right", va="top", color="white", fontsize=9,
        )  # fmt: skip
    for axes in grid[-1]:
        axes.set_xlabel("time / s", fontsize=9)
    bar: dict[str, Any] = {"location": "bottom", "shrink": 0.7, "aspect": 30, "pad": 0.01}
    figure.colorbar(image, ax=grid[:, 2], label="level / dB", **bar)
    if mask_image is not None:
        figure.colorbar(mask_image, ax=grid[:, 1], label="mask: the part that this class takes", **bar)
    return figure


def spectrogram(
    axes: "Axes", values: np.ndarray, *, hop: float, centres: np.ndarray, top: float, is_mask: bool = False
) -> "AxesImage":
    """Draw power (M, T) in dB below `top`, or a mask in [0, 1].

    Args:
        axes: where.
        values: (M, T).
        hop: s from frame to frame.
        centres: (M,) frequencies of the bands in Hz.
        top: dB of the brightest colour.
        is_mask: values are shown as they are, from 0 to 1.
    """
    shown = values if is_mask else 10 * np.log10(np.maximum(values, 1e-12))
    n_bands, n_frames = values.shape
    image = axes.imshow(
        shown,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="cividis" if is_mask else COLOURS,
        vmin=0.0 if is_mask else top - RANGE,
        vmax=1.0 if is_mask else top,
        extent=(-hop / 2, (n_frames - 0.5) * hop, 0, n_bands),  # frame t is centred on t · hop
    )
    marks = [250, 1000, 4000]
    axes.set_yticks(
        [float(np.interp(mark, centres, np.arange(n_bands) + 0.5)) for mark in marks], [f"{m / 1000:g}" for m in marks]
    )
    axes.tick_params(labelsize=8)
    return image
