"""Make parts of a page: HTML fragments that contain their images and sounds.

Axes: N samples.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from absslab.core.audio import sound_files
from absslab.plots.html_tables import render_table
from absslab.plots.html_templates import render_macro

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHART_WIDTH = 4.9  # inches: two charts stand side by side on a wide page, one fills a narrow page
_PIXELS_PER_INCH = 192  # of a figure: two for each pixel of the page


@dataclass(frozen=True)
class Fragment:
    """HTML that a notebook shows as such."""

    html: str = ""

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:  # a notebook keeps this beside the HTML
        return f"Fragment of {len(self.html)} characters"

    def __add__(self, other: "Fragment") -> "Fragment":
        return Fragment(self.html + other.html)


def prose(text: str, name: str = "words") -> Fragment:
    """Render a paragraph of class absslab-<name>; an empty text gives no paragraph."""
    return _render("prose", text, name) if text else Fragment()


def format_number(value: float, form: str) -> str:
    """Return a number with a minus sign, not a hyphen."""
    return f"{value:{form}}".replace("-", "−")


def heading(text: str) -> Fragment:
    """Render a heading within a section."""
    return _render("heading", text)


def box(parts: Iterable[Fragment], name: str) -> Fragment:
    """Render parts in a box of class absslab-<name>."""
    return _render("box", "".join(part.html for part in parts), name)


def details(summary: str, inside: Fragment) -> Fragment:
    """Render a part that is shown after a click on its summary."""
    return _render("details", summary, inside.html)


def code(lines: Iterable[str]) -> Fragment:
    """Render commands, one per line."""
    return _render("code", "\n".join(lines))


def picture(figure: "Figure", alt: str, *, name: str = "chart") -> Fragment:
    """Render a figure as PNG without a background, for light and for dark pages.

    Args:
        figure: the figure to render.
        alt: a description of the figure.
        name: name of its CSS class, absslab-<name>.
    """
    from PIL import Image  # matplotlib needs it too

    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=_PIXELS_PER_INCH,
        facecolor="none",
        bbox_inches="tight",  # nothing is cut off
        pad_inches=0.05,
    )
    width, height = (round(96 / _PIXELS_PER_INCH * n) for n in Image.open(buffer).size)
    image = _render("picture", alt, width, height, _encode_data_uri("image/png", buffer.getvalue()))
    return box([image], name)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Fragment:
    """Render a table; see `html_table`."""
    return Fragment(render_table(header, rows))


def chart_axes(height: float, *, width: float = CHART_WIDTH) -> "Axes":
    """Return the axes of a new figure with one chart.

    Args:
        height: height of the figure, inches.
        width: width of the figure, inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").subplots()


def chart(axes: "Axes", alt: str, *, name: str = "chart") -> Fragment:
    """Render a chart that was drawn on the axes of `chart_axes`; see `picture`."""
    figure = axes.get_figure()
    assert figure is not None
    return picture(figure, alt, name=name)  # type: ignore[arg-type]


def sound(samples: np.ndarray, sampling_rate: int, label: str) -> Fragment:
    """Render a sound at its true level, to be played by the page.

    Args:
        samples: (N,).
        sampling_rate: Hz.
        label: label of the sound.
    """
    return _render("sound", label, sound_data_uri(samples, sampling_rate))


def sound_data_uri(samples: np.ndarray, sampling_rate: int) -> str:
    """Return samples (N,) as FLAC if 16 bits hold them exactly, otherwise as WAV of floats."""
    if fits_16_bits(samples):
        flac = sound_files.encode(samples, sampling_rate, container="FLAC")
        return _encode_data_uri("audio/flac", flac)
    wav = sound_files.encode(samples, sampling_rate, subtype="FLOAT")
    return _encode_data_uri("audio/wav", wav)


def fits_16_bits(samples: np.ndarray) -> bool:
    """Return whether 16 bits hold samples exactly."""
    return bool(np.array_equal(samples, sound_files.quantise(samples, "PCM_16")))


def _render(macro: str, *values: Any) -> Fragment:
    """Render a macro of parts.html.j2."""
    return Fragment(render_macro("absslab.report", "parts.html.j2", macro, *values))


def _encode_data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
