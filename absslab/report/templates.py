"""Parts of a page: HTML that a notebook shows, with pictures and sounds inside it.

Axes: N samples.
"""

import base64
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from absslab.core.audio import sound_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PIXELS = 192  # per inch of a figure: two for each of the page's


@dataclass(frozen=True)
class Fragment:
    """HTML that a notebook shows as such."""

    html: str = ""

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:  # what a notebook keeps besides
        return f"Fragment of {len(self.html)} characters"

    def __add__(self, other: "Fragment") -> "Fragment":
        return Fragment(self.html + other.html)


def words(text: str, name: str = "words") -> Fragment:
    """A paragraph; nothing in the text is taken for HTML."""
    return Fragment(f'<p class="absslab-{name}">{html.escape(text)}</p>' if text else "")


def number(value: float, form: str) -> str:
    """A number with a minus, not a hyphen."""
    return f"{value:{form}}".replace("-", "−")


def heading(text: str) -> Fragment:
    """A heading within a section."""
    return Fragment(f"<h3>{html.escape(text)}</h3>")


def group(parts: Iterable[Fragment], name: str) -> Fragment:
    """Parts in a box of class absslab-<name>."""
    return Fragment(f'<div class="absslab-{name}">{"".join(part.html for part in parts)}</div>')


def folded(summary: str, inside: Fragment) -> Fragment:
    """What is seen after a click on its summary."""
    return Fragment(f"<details><summary>{html.escape(summary)}</summary>{inside.html}</details>")


def code(lines: Iterable[str]) -> Fragment:
    """Commands, a line each."""
    return Fragment(
        f'<pre class="absslab-code" tabindex="0">{html.escape(chr(10).join(lines))}</pre>'
    )


def picture(figure: "Figure", alt: str, *, name: str = "chart") -> Fragment:
    """A figure as PNG without a background, for light and for dark pages.

    Args:
        figure: what is drawn.
        alt: what it shows, in words.
        name: of its class, absslab-<name>.
    """
    from PIL import Image  # which matplotlib needs as well

    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", dpi=_PIXELS, facecolor="none", bbox_inches="tight", pad_inches=0.05
    )  # all of it
    width, height = (round(96 / _PIXELS * n) for n in Image.open(buffer).size)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f'width="{width}" height="{height}"'
    image = f'<img alt="{html.escape(alt)}" {size} src="data:image/png;base64,{data}">'
    return Fragment(f'<div class="absslab-{name}">{image}</div>')


def sound(samples: np.ndarray, sampling_rate: int, label: str) -> Fragment:
    """A sound at its true level, to be played by the page.

    Args:
        samples: (N,).
        sampling_rate: Hz.
        label: what it is.
    """
    about = html.escape(label)
    player = f'<audio controls preload="metadata" aria-label="{about}" src="{data_uri(samples, sampling_rate)}"></audio>'
    return Fragment(
        f'<figure class="absslab-sound"><figcaption>{about}</figcaption>{player}</figure>'
    )


def data_uri(samples: np.ndarray, sampling_rate: int) -> str:
    """Samples (N,) as FLAC where 16 bits hold them exactly, otherwise as WAV of floats."""
    if fits_16_bits(samples):
        kind, content = "flac", sound_files.encode(samples, sampling_rate, container="FLAC")
    else:
        kind, content = "wav", sound_files.encode(samples, sampling_rate, subtype="FLOAT")
    return f"data:audio/{kind};base64,{base64.b64encode(content).decode()}"


def fits_16_bits(samples: np.ndarray) -> bool:
    """Whether 16 bits hold samples exactly."""
    return bool(np.array_equal(samples, sound_files.quantise(samples, "PCM_16")))
