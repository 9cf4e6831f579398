"""Areas under curves are those computed by hand; binned ones keep to the bound of their error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn import metrics

from absslab.core.common.errors import InputError
from absslab.core.metrics.ranking import (
    BinnedCounts,
    area_under_roc,
    average_precision,
    equal_error_rate,
)

ORACLES = {"auc": metrics.roc_auc_score, "average_precision": metrics.average_precision_score}


def count(probabilities, truth):
    """Return the binned counts of one class."""
    binned = BinnedCounts(1)
    binned.add(np.asarray(probabilities)[None], np.asarray(truth, bool)[None])
    return binned


def near_both_ends(rng, n):
    """Draw values near 0 and 1, some so near that they equal 0 or 1 in single precision."""
    return 1 / (1 + np.exp(-rng.normal(0, 12, n)))


SPREADS = {
    "everywhere": lambda rng, n: rng.random(n),
    "near both ends": near_both_ends,
    "near both ends in single precision": lambda rng, n: near_both_ends(rng, n).astype(np.float32),
    "near 0": lambda rng, n: 1e-9 * rng.random(n),
    "near 1": lambda rng, n: 1 - 1e-9 * rng.random(n),
    "exactly 0 and exactly 1": lambda rng, n: rng.integers(0, 2, n).astype(float),
    "the ends and the middle": lambda rng, n: rng.integers(0, 3, n) / 2,
    "within a bin": lambda rng, n: 0.3 + 1e-6 * rng.random(n),
    "all equal": lambda rng, n: np.full(n, 0.7),
}


def test_the_area_under_ROC_is_how_often_a_positive_is_above_a_negative():
    """Levels are low, middle, high.

    The middle positive is above two negatives and ties with one; each high one is above three.
    """
    assert area_under_roc(np.array([0, 1, 2]), np.array([2, 1, 0])) == pytest.approx(
        (2.5 + 3 + 3) / 9
    )


def test_average_precision_is_the_mean_precision_at_the_levels_of_the_positives():
    """Precision is 2 / 2 at the high level, and 3 / 4 from the middle level on."""
    assert average_precision(np.array([0, 1, 2]), np.array([2, 1, 0])) == pytest.approx(
        (1 + 1 + 3 / 4) / 3
    )


def test_where_all_tie_the_area_is_a_half_and_the_precision_the_share_of_positives():
    assert area_under_roc(np.array([0, 3, 0]), np.array([0, 9, 0])) == 0.5
    assert average_precision(np.array([0, 3, 0]), np.array([0, 9, 0])) == 0.25


@pytest.mark.parametrize(("order", "area", "precision"), [(1, 1, 1), (-1, 0, (1 / 4 + 2 / 5) / 2)])
def test_a_perfect_order_has_an_area_of_1_and_the_reverse_of_0(order, area, precision):
    positives = np.array([0, 0, 0, 1, 1])[::order]
    negatives = np.array([1, 1, 1, 0, 0])[::order]
    assert area_under_roc(positives, negatives) == area
    assert average_precision(positives, negatives) == pytest.approx(precision)


def test_levels_without_counts_do_not_matter():
    positives = np.array([1, 0, 2, 1])
    negatives = np.array([3, 1, 0, 1])
    spread = np.zeros((2, 9), int)
    spread[:, [1, 2, 5, 7]] = positives, negatives
    assert area_under_roc(*spread) == area_under_roc(positives, negatives)
    assert average_precision(*spread) == average_precision(positives, negatives)


@pytest.mark.filterwarnings("error")
def test_without_positives_or_negatives_there_is_nothing_to_rank():
    none = np.zeros(3, int)
    counts = np.array([1, 2, 0])
    assert np.isnan(area_under_roc(none, counts))
    assert np.isnan(area_under_roc(counts, none))
    assert np.isnan(average_precision(none, counts))
    assert np.isnan(average_precision(none, none))
    assert average_precision(counts, none) == 1


def test_weights_count_as_repetitions_do():
    positives = np.array([0.5, 0, 1.5])
    negatives = np.array([1.0, 2.5, 0.5])
    assert area_under_roc(positives, negatives) == pytest.approx(
        (0.5 * 0.5 + 1.5 * (3.5 + 0.25)) / (2 * 4)
    )
    assert average_precision(positives, negatives) == pytest.approx(
        (1.5 * 1.5 / 2 + 0.5 * 2 / 6) / 2
    )
    np.testing.assert_allclose(
        area_under_roc(4 * positives, 2 * negatives), area_under_roc(positives, negatives)
    )
    np.testing.assert_allclose(
        average_precision(3 * positives, 3 * negatives), average_precision(positives, negatives)
    )


def test_leading_axes_are_ranked_one_by_one():
    counts = np.random.default_rng(0).integers(0, 5, (2, 3, 4, 10))
    for score in (area_under_roc, average_precision):
        together = score(*counts)
        assert together.shape == (3, 4)
        assert together.tolist() == [[score(*counts[:, i, j]) for j in range(4)] for i in range(3)]


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("skill", [0.0, 0.8])
def test_binned_areas_are_never_further_from_the_exact_ones_than_they_say(spread, share, skill):
    rng = np.random.default_rng(0)
    probabilities = spread(rng, 4000)
    ranks = probabilities.argsort().argsort() / 4000
    truth = (1 - skill) * rng.random(4000) + skill * ranks > 1 - share
    truth[:2] = False, True
    binned = count(probabilities, truth)
    for name, oracle in ORACLES.items():
        error = binned.errors[name][0]
        assert abs(binned.areas[name][0] - oracle(truth, probabilities)) <= error + 1e-12
        assert 0 <= error <= 1


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1) | st.floats(0, 1, width=32) | st.floats(0.4999, 0.5001), st.booleans()
        ),
        min_size=2,
    )
)
def test_whatever_was_counted_the_error_is_a_bound(cases):
    probabilities, truth = map(np.array, zip(*cases, strict=True))
    binned = count(probabilities, truth)
    for name, oracle in ORACLES.items():
        if truth.all() or not truth.any():
            continue
        assert (
            abs(binned.areas[name][0] - oracle(truth, probabilities))
            <= binned.errors[name][0] + 1e-12
        )


def test_of_many_values_the_error_is_small():
    rng = np.random.default_rng(0)
    truth = rng.random(50_000) < 0.1
    binned = count(1 / (1 + np.exp(-rng.normal(3.0 * truth - 3, 2))), truth)
    assert binned.errors["auc"][0] < 1e-3
    assert binned.errors["average_precision"][0] < 2e-3


def test_the_error_is_none_where_the_bins_hold_one_kind_each_or_one_value_alone():
    binned = count([0.1, 0.2, 0.2, 0.6, 0.7], [False, False, False, True, True])
    assert binned.errors["auc"][0] == 0
    assert binned.errors["average_precision"][0] == 0
    assert binned.areas["auc"][0] == 1


def test_the_error_of_a_bin_of_both_kinds_is_what_its_worst_order_would_change():
    """A positive and a negative share a bin: the area may be 1 or 0, the precision 1 or ½."""
    binned = count([0.3, 0.3], [True, False])
    assert (binned.areas["auc"][0], binned.errors["auc"][0]) == (0.5, 0.5)
    assert (binned.areas["average_precision"][0], binned.errors["average_precision"][0]) == (
        0.5,
        0.5,
    )


@pytest.mark.filterwarnings("error")
def test_classes_that_are_never_or_always_there_have_no_area():
    binned = BinnedCounts(3)
    truth = np.array([[False] * 4, [True] * 4, [True, False] * 2])
    binned.add(np.tile([0.1, 0.9, 0.3, 0.4], (3, 1)), truth)
    assert np.isnan(binned.areas["auc"]).tolist() == [True, True, False]
    assert np.isnan(binned.areas["average_precision"]).tolist() == [True, False, False]
    assert np.isnan(binned.errors["auc"]).tolist() == [True, True, False]
    assert np.isnan(binned.errors["average_precision"]).tolist() == [True, False, False]
    assert binned.areas["average_precision"][1] == 1


def test_memory_does_not_grow_with_what_is_counted():
    rng = np.random.default_rng(0)
    binned = BinnedCounts(3)
    shape = binned.counts.shape
    n_bytes = binned.counts.nbytes
    dtype = binned.counts.dtype
    for _ in range(200):
        binned.add(rng.random((3, 50)), rng.random((3, 50)) < 0.5)
    assert (binned.counts.shape, binned.counts.nbytes, binned.counts.dtype) == (
        shape,
        n_bytes,
        dtype,
    )
    assert binned.counts.sum((0, 2)).tolist() == [10_000] * 3


def test_neither_order_nor_batches_nor_further_axes_matter():
    rng = np.random.default_rng(0)
    probabilities = rng.random((2, 60))
    truth = rng.random((2, 60)) < 0.4
    at_once = BinnedCounts(2)
    split = BinnedCounts(2)
    folded = BinnedCounts(2)
    at_once.add(probabilities, truth)
    order = rng.permutation(60)
    for part in np.split(order, [0, 1, 8, 50]):
        split.add(probabilities[:, part], truth[:, part])
    folded.add(probabilities.reshape(2, 3, 4, 5), truth.reshape(2, 3, 4, 5))
    np.testing.assert_array_equal(split.counts, at_once.counts)
    np.testing.assert_array_equal(folded.counts, at_once.counts)


def test_each_class_is_counted_for_itself():
    rng = np.random.default_rng(0)
    probabilities = rng.random((3, 40))
    truth = rng.random((3, 40)) < 0.4
    together = BinnedCounts(3)
    together.add(probabilities, truth)
    for k in range(3):
        alone = count(probabilities[k], truth[k])
        assert together.areas["auc"][k] == alone.areas["auc"][0]
        assert together.decisions[:, k].tolist() == alone.decisions[:, 0].tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decisions_are_those_of_a_half_and_more(dtype):
    rng = np.random.default_rng(0)
    half = np.float32(0.5)
    corners = [
        0,
        1,
        half,
        np.nextafter(half, np.float32(0)),
        np.nextafter(half, np.float32(1)),
        1e-30,
        0.49999,
    ]
    probabilities = np.concatenate([rng.random(1000), corners * 3]).astype(dtype)
    truth = rng.random(len(probabilities)) < 0.5
    decisions = probabilities >= 0.5
    expected = [(decisions & truth).sum(), (decisions & ~truth).sum(), (~decisions & truth).sum()]
    assert count(probabilities, truth).decisions[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("probability", "is_said"),
    [
        (np.float32(0.5), True),
        (np.nextafter(np.float32(0.5), np.float32(0)), False),
        (np.nextafter(np.float32(0.5), np.float32(1)), True),
    ],
)
def test_the_numbers_next_to_a_half_are_on_their_sides(probability, is_said):
    assert count(np.array([probability]), [True]).decisions[:, 0].tolist() == [
        is_said,
        0,
        not is_said,
    ]
    assert count(np.array([probability]), [False]).decisions[:, 0].tolist() == [0, is_said, 0]


@pytest.mark.parametrize(
    ("positives", "negatives", "expected"),
    [
        ([0, 0, 2], [3, 1, 0], 0),  # all positives above all negatives
        ([2, 0], [0, 1], 1),
        ([2], [3], 1 / 2),  # all equal
        ([0, 1, 1], [1, 1, 0], 1 / 4),  # from (0, 1/2) to (1/2, 1)
        ([0, 0, 1, 0, 1], [1, 1, 0, 1, 0], 1 / 3),  # from (1/3, 1/2) to (1/3, 1)
    ],
)
def test_the_equal_error_rate_is_where_the_roc_meets_the_diagonal(positives, negatives, expected):
    rate = equal_error_rate(np.array(positives), np.array(negatives))
    assert rate == pytest.approx(expected)


def distance_to_diagonal(rate, false, true):
    return 1 - rate - np.interp(rate, false, true)


def test_the_equal_error_rate_is_that_of_a_root_of_the_curve():
    rng = np.random.default_rng(3)
    for _ in range(20):
        truth = np.append(rng.random(30) < 0.4, [True, False])
        probabilities = np.round(rng.random(32) + 0.4 * truth, 1) / 2
        false, true, _ = metrics.roc_curve(truth, probabilities, drop_intermediate=False)
        root = brentq(distance_to_diagonal, 0, 1, (false, true))
        level = np.unique(probabilities, return_inverse=True)[1]
        rate = equal_error_rate(np.bincount(level, truth), np.bincount(level, ~truth))
        assert rate == pytest.approx(root)


def test_without_positives_or_negatives_there_is_no_equal_error_rate():
    assert np.isnan(equal_error_rate(np.array([[0, 0], [1, 1]]), np.array([[1, 1], [0, 0]]))).all()


@pytest.mark.parametrize("threshold", [0.0, 1e-12, 0.2, np.float32(0.3), 0.9, 1 - 1e-12, 1.0])
def test_any_threshold_counts_each_value_on_its_side(threshold):
    threshold = float(threshold)
    rng = np.random.default_rng(0)
    near = np.clip([threshold, np.nextafter(threshold, 0), np.nextafter(threshold, 2)], 0, 1)
    probabilities = np.concatenate([rng.random(500), near])
    truth = rng.random(len(probabilities)) < 0.5
    binned = BinnedCounts(1, threshold=threshold)
    binned.add(probabilities[None], truth[None])
    decided = probabilities >= threshold
    expected = [(decided & truth).sum(), (decided & ~truth).sum(), (~decided & truth).sum()]
    assert binned.decisions[:, 0].tolist() == expected


def test_nothing_may_be_added():
    binned = count([0.3, 0.8], [False, True])
    before = binned.counts.copy()
    binned.add(np.zeros((1, 0)), np.zeros((1, 0), bool))
    np.testing.assert_array_equal(binned.counts, before)


def test_what_is_counted_is_not_modified():
    probabilities = np.array([[0.0, 0.3, 1.0]])
    truth = np.array([[True, False, True]])
    copies = probabilities.copy(), truth.copy()
    count(probabilities[0], truth[0])
    np.testing.assert_array_equal(probabilities, copies[0])
    np.testing.assert_array_equal(truth, copies[1])


@pytest.mark.parametrize(
    ("probabilities", "truth", "complaint"),
    [
        (np.full((2, 3), np.nan), np.zeros((2, 3), bool), "NaN"),
        (np.full((2, 3), 1.1), np.zeros((2, 3), bool), r"outside \[0, 1\]"),
        (np.full((2, 3), -0.1), np.zeros((2, 3), bool), r"outside \[0, 1\]"),
        (np.full((2, 3), np.inf), np.zeros((2, 3), bool), r"outside \[0, 1\]"),
        (np.zeros((2, 3)), np.zeros((2, 4), bool), r"\(2, 3\).*\(2, 4\)"),
        (np.zeros((2, 3)), np.zeros((2, 3, 1), bool), r"\(2, 3\).*\(2, 3, 1\)"),
        (np.zeros((3, 2)), np.zeros((3, 2), bool), r"\(3, 2\).*\(3, 2\)"),
        (np.zeros(3), np.zeros(3, bool), r"\(3,\)"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_counts_nothing(probabilities, truth, complaint):
    binned = BinnedCounts(2)
    with pytest.raises(InputError, match=complaint):
        binned.add(probabilities, truth)
    assert not binned.counts.any()


def test_what_is_exactly_0_is_no_question_of_binning():
    """Most activities are 0, because a tag excludes the class: they are known to be equal."""
    rng = np.random.default_rng(0)
    probabilities = np.where(rng.random(5000) < 0.9, 0.0, rng.random(5000))
    truth = rng.random(5000) < 0.1 + 0.5 * probabilities
    counts = BinnedCounts(1)
    counts.add(probabilities[None], truth[None])
    for name, exact in (
        ("auc", metrics.roc_auc_score),
        ("average_precision", metrics.average_precision_score),
    ):
        assert (
            abs(counts.areas[name][0] - exact(truth, probabilities))
            <= counts.errors[name][0] + 1e-12
        )
        assert counts.errors[name][0] < 0.01
