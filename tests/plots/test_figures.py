"""Figures show the given arrays at the right places."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.evaluation.scores import BreakdownStep
from absslab.plots.charts import (
    chart_height,
    draw_class_scores,
    draw_confusion,
    draw_improvement_breakdown,
    draw_score_distribution,
    draw_split_balance,
)
from absslab.plots.figures import (
    INK,
    RANGE,
    Separated,
    draw_masks,
    draw_spectrogram,
    draw_timeline,
    use_page_colours,
)

CENTRES = np.linspace(100, 7900, 16)
HOP = 0.032


def picture(seed):
    return np.random.default_rng(seed).random((16, 50))


def test_a_row_per_class_shows_reference_mask_and_estimate_on_one_range_of_levels(tmp_path):
    rows = [
        Separated(name, picture(1), picture(2), picture(3), gain)
        for name, gain in (("alert", 12.3), ("knock", -4.5))
    ]
    figure = draw_masks(picture(0), rows, hop=HOP, centres=CENTRES)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) >= 1 + 2 * 3
    levels = {image.get_clim() for image in images if image.get_cmap().name == "magma"}
    assert len(levels) == 1
    np.testing.assert_array_equal(
        next(image.get_array() for image in images if image.get_cmap().name == "cividis"),
        picture(2),
    )
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "+12.3 dB SI-SDR" in texts
    assert "-4.5 dB SI-SDR" in texts
    figure.savefig(tmp_path / "masks.png")
    assert (tmp_path / "masks.png").stat().st_size > 10_000


@pytest.mark.reference_flaw("a figure showed the masks of two classes under each other's names")
def test_each_class_has_its_own_mask_and_source_beside_its_name():
    names = ("babycry", "glassbreak", "gunshot", "background")
    rows = [
        Separated(name, None, picture(number), picture(10 + number), None)
        for number, name in enumerate(names)
    ]
    figure = draw_masks(picture(99), rows, hop=HOP, centres=CENTRES)
    n_columns = 2
    shown = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    for number, name in enumerate(names, start=1):
        mask, source = shown[n_columns * number : n_columns * (number + 1)]
        assert mask.get_ylabel().startswith(f"{name}\n")
        row = rows[number - 1]
        np.testing.assert_array_equal(mask.images[0].get_array(), row.mask)
        np.testing.assert_allclose(
            source.images[0].get_array(), 10 * np.log10(row.estimate), atol=1e-6
        )


def test_what_is_not_known_or_not_there_is_not_drawn_as_if_it_were():
    known = Separated("a_$b", picture(1), picture(2), picture(3), 1.0)
    invented = picture(3)
    figure = draw_masks(
        picture(0),
        [known, Separated("c", None, picture(2), invented, None)],
        hop=HOP,
        centres=CENTRES,
    )
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == [
        "+1.0 dB SI-SDR",
        "not in the mixture",
    ]
    assert len([axes for axes in figure.axes if axes.images]) == 1 + 2 * 3
    unknown = [Separated("a", None, picture(2), picture(3), None)]
    figure = draw_masks(picture(0), unknown, hop=HOP, centres=CENTRES)
    assert [axes.get_title() for axes in figure.axes[:4]][2:] == [
        "mask",
        "separated source",
    ]
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == []
    assert draw_masks(picture(0), [], hop=HOP, centres=CENTRES).axes


def test_in_ink_words_are_read_on_any_page():
    row = Separated("a", picture(1), picture(2), picture(3), 1.0)
    figure = use_page_colours(draw_masks(picture(0), [row], hop=HOP, centres=CENTRES))
    assert {axes.xaxis.label.get_color() for axes in figure.axes} == {INK}
    assert [text.get_color() for axes in figure.axes for text in axes.texts] == ["white"]


def test_a_frame_is_drawn_around_its_own_instant_and_a_band_at_its_own_frequency():
    axes = Figure().subplots()
    power = np.full((16, 50), 1e-9)
    power[8, 25] = 1.0
    image = draw_spectrogram(axes, power, hop=HOP, centres=CENTRES, top=0.0)
    left, right, bottom, top = image.get_extent()
    width = (right - left) / 50
    assert left + (25 + 0.5) * width == pytest.approx(25 * HOP)
    assert (bottom, top) == (0, 16)
    at_4_khz = axes.get_yticks()[2]
    assert np.interp(at_4_khz - 0.5, np.arange(16), CENTRES) == pytest.approx(4000)
    pixels = image.get_array()
    assert pixels[8, 25] == pytest.approx(0.0)
    assert image.get_clim() == (-RANGE, 0.0)


NAMES = [
    "alert",
    "$x_1$ and $",
    "_under_",
    "ключи",
    "<img src=x onerror=alert(1)>",
    "\"quotes\" & 'more'",
]


def render(axes):
    """Draw the figure to pixels; this fails if a name is parsed as mathematics."""
    FigureCanvasAgg(axes.figure).draw()


def names_of(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def bars(axes):
    """Return (row, begin, end) of each bar of a timeline."""
    boxes = [
        path.get_extents() for collection in axes.collections for path in collection.get_paths()
    ]
    return sorted((round((box.y0 + box.y1) / 2), box.x0, box.x1) for box in boxes if box.height > 0)


def test_a_timeline_has_a_bar_per_event_in_the_row_of_its_class():
    axes = Figure().subplots()
    events = [
        SoundEvent("knock", 1.0, 1.5),
        SoundEvent("alert", 0.25, 4.0),
        SoundEvent("knock", 3.0, 3.5),
    ]
    draw_timeline(axes, events, ["alert", "knock", "speech"], length=5.0)
    render(axes)
    assert names_of(axes) == ["alert", "knock", "speech"]
    assert bars(axes) == [(0, 0.25, 4.0), (1, 1.0, 1.5), (1, 3.0, 3.5)]
    assert axes.get_xlim() == (0, 5.0)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first class is on top


def test_truth_is_drawn_above_what_was_found_in_the_same_row():
    axes = Figure().subplots()
    draw_timeline(
        axes,
        [SoundEvent("knock", 1, 2)],
        ["knock"],
        length=5.0,
        truth=[SoundEvent("knock", 1.5, 2)],
    )
    truth, detected = (
        collection.get_paths()[0].get_extents() for collection in axes.collections[:2]
    )
    assert (truth.x0, detected.x0) == (1.5, 1.0)
    assert truth.y1 <= detected.y0 + 1e-9
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["truth", "found"]


def test_of_very_many_classes_a_timeline_shows_those_with_events():
    axes = Figure().subplots()
    draw_timeline(
        axes, [SoundEvent("class 7", 1, 2)], [f"class {k}" for k in range(100)], length=5.0
    )
    assert names_of(axes) == ["class 7"]
    empty = Figure().subplots()
    draw_timeline(empty, [], [], length=5.0)
    render(empty)


def test_names_are_shown_as_they_are_and_long_ones_without_their_middle():
    axes = Figure().subplots()
    draw_timeline(axes, [], [*NAMES, "a" * 50 + "z", "two\nlines"], length=1.0)
    render(axes)
    assert names_of(axes)[: len(NAMES)] == NAMES
    assert names_of(axes)[-2] == "a" * 13 + "…" + "a" * 13 + "z"
    assert names_of(axes)[-1] == "two lines"


def test_the_balance_of_a_split_is_stacked_in_the_order_of_the_splits():
    axes = Figure().subplots()
    counts = {name: {"train": 8, "validation": 0, "test": 2 + k} for k, name in enumerate(NAMES)}
    draw_split_balance(axes, counts)
    render(axes)
    assert names_of(axes) == NAMES
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "test"]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    assert ends == [8.0] * 6 + [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]
    empty_axes = Figure().subplots()
    draw_split_balance(empty_axes, {})
    render(empty_axes)


def test_scores_of_classes_are_sorted_with_intervals_and_baselines_and_absent_ones_left_out():
    axes = Figure().subplots()
    scores = {"alert": 3.0, "knock": None, "speech": 9.0, "keys": float("nan"), "mouse": -1.0}
    draw_class_scores(
        axes,
        scores,
        label="SI-SDRi / dB",
        intervals={"speech": [8.0, 10.0]},
        baselines={"ideal": {"speech": 12.0, "alert": None, "knock": 5.0}, "none": {}},
    )
    render(axes)
    assert names_of(axes) == ["speech", "alert", "mouse"]
    interval, model, ideal = (line.get_xydata().tolist() for line in axes.lines)
    assert interval == [[8.0, 0.0], [10.0, 0.0]]
    assert model == [[9.0, 0.0], [3.0, 1.0], [-1.0, 2.0]]
    assert ideal == [[12.0, 0.0]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["model", "ideal"]


@pytest.mark.parametrize("n_classes", [1, 2, 100])
def test_any_number_of_classes_fits_without_overlap_of_their_names(n_classes):
    figure = Figure(figsize=(8, chart_height(n_classes)), layout="constrained")
    axes = figure.subplots()
    draw_class_scores(axes, {f"class {k}": float(k) for k in range(n_classes)}, label="F1")
    render(axes)
    boxes = sorted(
        (label.get_window_extent() for label in axes.get_yticklabels()), key=lambda box: box.y0
    )
    assert all(
        lower.y1 <= upper.y0 + 1.5 for lower, upper in zip(boxes[:-1], boxes[1:], strict=True)
    )


def test_a_distribution_counts_what_is_defined_and_marks_its_median():
    axes = Figure().subplots()
    draw_score_distribution(axes, [1.0, 2.0, None, float("nan"), 6.0], label="SI-SDRi / dB")
    assert sum(patch.get_height() for patch in axes.patches) == 3
    assert axes.lines[0].get_xdata() == [2.0, 2.0]
    assert "median 2.00 of 3 mixtures" in axes.get_title()


@pytest.mark.parametrize(
    "draw",
    [
        lambda axes: draw_score_distribution(axes, [None], label="x"),
        lambda a: draw_class_scores(a, {}, label="x"),
    ],
)
def test_charts_of_nothing_say_so(draw):
    axes = Figure().subplots()
    draw(axes)
    render(axes)
    assert "has this score" in axes.texts[0].get_text()


def test_the_breakdown_ends_at_the_model_and_names_what_each_step_costs():
    axes = Figure().subplots()
    steps = [
        BreakdownStep("ideal_ratio_mask", 18.0, "the mixture's phase"),
        BreakdownStep("model", 8.0, "the model's masks", lost=10.0),
    ]
    draw_improvement_breakdown(axes, steps)
    render(axes)
    assert names_of(axes) == ["ideal ratio mask", "model"]
    assert [bar.get_width() for bar in axes.patches] == [18.0, 8.0]
    assert "−10.0 to the model's masks" in axes.texts[1].get_text()


@pytest.mark.parametrize("n_classes", [1, 6, 30])
def test_a_map_of_confusions_shows_the_rates_where_rows_and_columns_meet(n_classes):
    axes = Figure(figsize=(5, 5), layout="constrained").subplots()
    names = [*NAMES, *(f"class{k}" for k in range(30))][:n_classes]
    rates = np.eye(n_classes)
    rates[0, -1] = np.nan if n_classes > 1 else 1.0
    draw_confusion(axes, rates, names)
    render(axes)
    np.testing.assert_array_equal(np.ma.filled(axes.images[0].get_array(), np.nan), rates)
    assert names_of(axes)[0] == "alert"
    assert len(axes.get_xticklabels()) == n_classes
    assert [text.get_text() for text in axes.texts] == ["100"] * (
        n_classes if n_classes <= 20 else 0
    )
