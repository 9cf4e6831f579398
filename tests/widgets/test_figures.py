"""Figures show the arrays they are given, where they belong."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from absslab.widgets.figures import RANGE, Separated, mask_figure, spectrogram

CENTRES = np.linspace(100, 7900, 16)
HOP = 0.032


def picture(seed):
    return np.random.default_rng(seed).random((16, 50))


def test_a_row_per_class_shows_reference_mask_and_estimate_on_one_range_of_levels(tmp_path):
    rows = [Separated(name, picture(1), picture(2), picture(3), gain) for name, gain in (("alert", 12.3), ("knock", -4.5))]
    figure = mask_figure(picture(0), rows, hop=HOP, centres=CENTRES)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) >= 1 + 2 * 3
    levels = {image.get_clim() for image in images if image.get_cmap().name == "magma"}
    assert len(levels) == 1
    np.testing.assert_array_equal(
        next(image.get_array() for image in images if image.get_cmap().name == "cividis"), picture(2)
    )
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "+12.3 dB SI-SDR" in texts
    assert "-4.5 dB SI-SDR" in texts
    figure.savefig(tmp_path / "masks.png")
    assert (tmp_path / "masks.png").stat().st_size > 10_000


def test_a_frame_is_drawn_around_its_own_instant_and_a_band_at_its_own_frequency():
    axes = Figure().subplots()
    power = np.full((16, 50), 1e-9)
    power[8, 25] = 1.0
    image = spectrogram(axes, power, hop=HOP, centres=CENTRES, top=0.0)
    left, right, bottom, top = image.get_extent()
    width = (right - left) / 50
    assert left + (25 + 0.5) * width == pytest.approx(25 * HOP)
    assert (bottom, top) == (0, 16)
    at_4_khz = axes.get_yticks()[2]
    assert np.interp(at_4_khz - 0.5, np.arange(16), CENTRES) == pytest.approx(4000)
    shown = image.get_array()
    assert shown[8, 25] == pytest.approx(0.0)
    assert image.get_clim() == (-RANGE, 0.0)
