"""Draw figures of arrays (spectrograms, masks, timelines), and set the style of all charts.

Axes of the data: K classes, M bands, T frames.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from absslab.core.data.strong_labels import SoundEvent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

COLOURS = "magma"
RANGE = 70.0  # dB shown below the loudest bin of the mixture
INK = "#7e7e7e"  # text and lines: it has the same contrast on a white as on a dark page
FOUND = "#2f86c9"
TRUTH = "#8f8f8f"
_FALLBACKS = (
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
)
_LONGEST_NAME = 28  # letters
_MOST_ROWS = 30  # of a timeline; with more of them classes without events are left out


class Separated(NamedTuple):
    """A class of a mixture: a row of `draw_masks`.

    Args:
        name: name of the class.
        reference: (M, T) power of the true source; None if it is absent or not known.
        mask: (M, T) in [0, 1].
        estimate: (M, T) power of the separated source.
        improvement: improvement of its SI-SDR, dB; None if it is not known.
    """

    name: str
    reference: np.ndarray | None
    mask: np.ndarray
    estimate: np.ndarray
    improvement: float | None


def draw_masks(
    mixture: np.ndarray, separated: Sequence[Separated], *, hop: float, centres: np.ndarray
) -> "Figure":
    """Draw a mixture, and of each class its reference if known, its mask and its estimate.

    Args:
        mixture: (M, T) power.
        separated: a row per class.
        hop: time from one frame to the next, s.
        centres: centre frequencies (M,) of the bands, Hz.
    """
    from matplotlib.figure import Figure

    titles = ["reference", "mask", "separated source"]
    titles = titles if any(source.reference is not None for source in separated) else titles[1:]
    figure = Figure(figsize=(11, 1.5 + 1.55 * (len(separated) + 1)), layout="constrained", dpi=110)
    grid = figure.subplots(len(separated) + 1, len(titles), sharex=True, sharey=True, squeeze=False)
    top = 10 * np.log10(max(float(mixture.max()), 1e-12))
    for axes in grid[0]:
        axes.axis("off")
    above = grid[0, -2]
    above.axis("on")
    image = draw_spectrogram(above, mixture, hop=hop, centres=centres, top=top)
    above.tick_params(labelleft=True)
    above.set_ylabel("frequency / kHz", fontsize=9)
    above.set_title("mixture: the input of the model", fontsize=10)
    for axes, title in zip(grid[1] if separated else (), titles, strict=False):
        axes.set_title(title, fontsize=10)
    mask_image = None
    for row, source in zip(grid[1:], separated, strict=True):
        if len(titles) == 3:
            reference = np.zeros_like(mixture) if source.reference is None else source.reference
            draw_spectrogram(row[0], reference, hop=hop, centres=centres, top=top)
        mask_image = draw_spectrogram(
            row[-2], source.mask, hop=hop, centres=centres, top=1.0, is_mask=True
        )
        draw_spectrogram(row[-1], source.estimate, hop=hop, centres=centres, top=top)
        row[0].set_ylabel(
            f"{shorten_name(source.name)}\nfrequency / kHz",
            fontsize=9,
            parse_math=False,
            fontfamily=find_font_families(),
        )
        if source.improvement is not None:
            sign = "+" if source.improvement >= 0 else ""
            _write_note(row[-1], f"{sign}{source.improvement:.1f} dB SI-SDR")
        elif len(titles) == 3:
            _write_note(row[0], "not in the mixture")
    for axes in grid[-1]:
        axes.set_xlabel("time / s", fontsize=9)
    bar: dict[str, Any] = {"location": "bottom", "shrink": 0.7, "aspect": 30, "pad": 0.01}
    figure.colorbar(image, ax=grid[:, -1], label="level / dB", **bar)
    if mask_image is not None:
        figure.colorbar(mask_image, ax=grid[:, -2], label="mask: share of this class", **bar)
    return figure


def _write_note(axes: "Axes", text: str) -> None:
    axes.text(
        0.99, 0.93, text, transform=axes.transAxes, ha="right", va="top", color="white", fontsize=9
    )


def use_page_colours(figure: "Figure") -> "Figure":
    """Give the text and the frames of a figure the colour `INK`, except for text in pictures."""
    for axes in figure.axes:
        axes.tick_params(which="both", colors=INK)
        for part in (axes.xaxis.label, axes.yaxis.label, axes.title):
            part.set_color(INK)
        for spine in axes.spines.values():
            spine.set_color(INK)
    return figure


def draw_spectrogram(
    axes: "Axes",
    values: np.ndarray,
    *,
    hop: float,
    centres: np.ndarray,
    top: float,
    is_mask: bool = False,
) -> "AxesImage":
    """Draw power (M, T) in dB below `top`, or a mask in [0, 1].

    Args:
        axes: the axes to draw on.
        values: (M, T).
        hop: time from one frame to the next, s.
        centres: centre frequencies (M,) of the bands, Hz.
        top: level of the brightest colour, dB.
        is_mask: whether values are a mask, drawn from 0 to 1.
    """
    pixels = values if is_mask else 10 * np.log10(np.maximum(values, 1e-12))
    n_bands, n_frames = values.shape
    image = axes.imshow(
        pixels,
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
        [float(np.interp(mark, centres, np.arange(n_bands) + 0.5)) for mark in marks],
        [f"{m / 1000:g}" for m in marks],
    )
    axes.tick_params(labelsize=8)
    return image


def draw_timeline(
    axes: "Axes",
    events: Iterable[SoundEvent],
    classes: Sequence[str],
    *,
    length: float,
    truth: Iterable[SoundEvent] | None = None,
) -> None:
    """Draw a timeline: a row per class, a bar per event.

    Args:
        axes: the axes to draw on.
        events: those of one recording.
        classes: the rows, from top to bottom; if there are very many, only those with events.
        length: length of the recording, s.
        truth: events to compare with, drawn above the others in each row.
    """
    events = list(events)
    true_events = [] if truth is None else list(truth)
    named = {event.event_label for event in [*events, *true_events]}
    rows = [name for name in classes if name in named or len(classes) <= _MOST_ROWS]
    label_rows(axes, rows)
    half = 0.36 if truth is not None else 0.0
    for which, colour, top, height in (
        (true_events, TRUTH, -0.38, half),
        (events, FOUND, -0.38 + half, 0.76 - half),
    ):
        for event in which:
            if event.event_label in rows:
                vertical_range = (rows.index(event.event_label) + top, height)
                axes.broken_barh(
                    [(event.onset, event.offset - event.onset)],
                    vertical_range,
                    color=colour,
                    alpha=0.8,
                    linewidth=0,
                )
    if truth is not None:
        add_colour_legend(axes, {"truth": TRUTH, "found": FOUND})
    axes.set_xlim(0, length)
    axes.set_xlabel("time / s")
    axes.hlines(np.arange(len(rows) - 1) + 0.5, 0, length, color=INK, alpha=0.2, linewidth=0.6)
    style_chart(axes)


def label_rows(axes: "Axes", names: Sequence[str]) -> None:
    """Label rows from top to bottom; the middle of long names is left out."""
    size = 9 if len(names) <= _MOST_ROWS else 7
    axes.set_yticks(range(len(names)), [shorten_name(name) for name in names])
    for label in axes.get_yticklabels():
        label.set(parse_math=False, fontsize=size, fontfamily=find_font_families())
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)


def shorten_name(name: str) -> str:
    """Return a name in one line, without its middle if it is long."""
    name = " ".join(name.split())
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


@cache
def find_font_families() -> list[str]:
    """Find the installed fonts that together have letters of many scripts."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _FALLBACKS if name in installed)]


def add_colour_legend(axes: "Axes", colours: dict[str, str]) -> None:
    """Explain colours above the axes."""
    from matplotlib.patches import Patch

    axes.legend(
        handles=[Patch(color=colour, label=name) for name, colour in colours.items()],
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(colours),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        borderaxespad=0.2,
        handlelength=1.0,
    )


def style_axes(axes: "Axes", *, grid: Literal["x", "y", "both"] = "both") -> None:
    """Style axes for light and for dark pages: a faint grid, no frame above and on the right."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(which="both", colors=INK)
    axes.grid(axis=grid, color=INK, alpha=0.2, linewidth=0.6)
    axes.set_axisbelow(True)


def style_chart(axes: "Axes", *, along: Literal["x", "y"] = "x") -> None:
    """Style a chart: no frame, a grid along one axis."""
    style_axes(axes, grid=along)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)
    axes.tick_params(axis=along, labelsize=9)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set(color=INK, fontsize=9)
