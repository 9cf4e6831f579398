"""Parts of a page: levels are true, and names are escaped."""

import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from absslab.report.page_parts import (
    Fragment,
    code,
    details,
    format_number,
    heading,
    picture,
    prose,
    sound,
)

HOSTILE = """"><script>alert('x')</script>&amp;"""


def decode(uri):
    kind, _, data = uri.partition(";base64,")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
    return kind, samples, rate


@pytest.mark.parametrize(("samples", "kind"), [
    (np.round(0.01 * np.sin(np.arange(1600)) * 32768) / 32768, "data:audio/flac"),
    (0.01 * np.sin(np.arange(1600)), "data:audio/wav"),
    (1.5 * np.sin(np.arange(1600)), "data:audio/wav"),
    (np.zeros(100), "data:audio/flac"),
])  # fmt: skip
def test_sounds_are_the_very_samples_at_their_level(samples, kind):
    samples = samples.astype(np.float32)
    uri = re.search(r'src="([^"]+)"', sound(samples, 16000, "a").html)[1]
    found_kind, decoded_samples, rate = decode(uri)
    assert found_kind == kind
    assert rate == 16000
    np.testing.assert_array_equal(decoded_samples, samples)


class Tags(HTMLParser):
    """Collects the names of all tags."""

    def __init__(self):
        super().__init__()
        self.names = []

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)


def test_nothing_in_a_name_is_taken_for_html():
    figure = Figure(figsize=(1, 1))
    parts = [
        prose(HOSTILE),
        heading(HOSTILE),
        code([HOSTILE]),
        details(HOSTILE, Fragment()),
        picture(figure, HOSTILE),
    ]
    parts.append(sound(np.zeros(10, np.float32), 8000, HOSTILE))
    for part in parts:
        parser = Tags()
        parser.feed(part.html)
        assert "script" not in parser.names
        assert "<script" not in part.html


def test_a_notebook_keeps_the_html_once():
    assert len(repr(Fragment("x" * 1000))) < 50
    assert Fragment("a")._repr_html_() == "a"
    assert (prose("a") + prose("")).html == prose("a").html
    assert format_number(-1.26, ".1f") == "−1.3"


def test_reports_are_made_without_widgets():
    code = (
        "import sys, absslab.report.report, absslab.report.page\n"
        "print([n for n in ('ipywidgets',) if n in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )
