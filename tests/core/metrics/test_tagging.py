"""Tagging scores equal those of scikit-learn, per class and averaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from absslab.core.common.errors import InputError
from absslab.core.metrics.tagging import (
    METRICS,
    SCORES,
    best_thresholds,
    tagging_scores,
    tagging_scores_per_class,
)

THRESHOLDED = {
    "f1-score": metrics.f1_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
}
RANKED = {
    "roc_auc_score": metrics.roc_auc_score,
    "average_precision_score": metrics.average_precision_score,
}


def random_labels_and_probabilities(n=60, n_classes=4, seed=0):
    """Draw labels and correlated probabilities; each class is present in some, not in all."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, n_classes)) < np.linspace(0.2, 0.7, n_classes)).astype(np.float32)
    labels[0] = 0
    labels[1] = 1
    return labels, np.clip(0.3 * labels + 0.7 * rng.random((n, n_classes)), 0, 1)


@pytest.mark.parametrize("average", ["macro", "weighted"])
@pytest.mark.parametrize("thresholds", [(0.5,), (0.3,), (0.2, 0.4, 0.6, 0.8)])
@pytest.mark.reference_flaw("matthews_corrcoef raised an error for several classes")
def test_averages_are_those_of_scikit_learn(average, thresholds):
    labels, probabilities = random_labels_and_probabilities()
    scores = tagging_scores(labels, probabilities, thresholds=thresholds, average=average)
    decisions = (probabilities >= np.array(thresholds)).astype(int)
    for name, oracle in RANKED.items():
        assert scores[name] == pytest.approx(oracle(labels, probabilities, average=average))
    for name, oracle in THRESHOLDED.items():
        assert scores[name] == pytest.approx(
            oracle(labels, decisions, average=average, zero_division=0)
        )
    weights = np.ones(4) if average == "macro" else labels.sum(0)
    for name, oracle in {
        "accuracy": metrics.accuracy_score,
        "matthews_corrcoef": metrics.matthews_corrcoef,
    }.items():
        each = [oracle(labels[:, k], decisions[:, k]) for k in range(4)]
        assert scores[name] == pytest.approx(np.average(each, weights=weights))
    assert set(scores) == set(SCORES)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), threshold=st.floats(0, 1))
def test_each_class_has_the_scores_of_scikit_learn(seed, threshold):
    labels, probabilities = random_labels_and_probabilities(n=12, n_classes=2, seed=seed)
    scores = tagging_scores_per_class(labels, probabilities, thresholds=[threshold])
    for k in range(2):
        decisions = probabilities[:, k] >= threshold
        for name, oracle in RANKED.items():
            assert scores[name][k] == pytest.approx(oracle(labels[:, k], probabilities[:, k]))
        for name, oracle in THRESHOLDED.items():
            assert scores[name][k] == pytest.approx(
                oracle(labels[:, k], decisions, zero_division=0)
            )
        assert scores["accuracy"][k] == pytest.approx((decisions == labels[:, k]).mean())


def test_thresholds_change_decisions_but_not_rankings():
    labels, probabilities = random_labels_and_probabilities()
    low, high = (
        tagging_scores(labels, probabilities, thresholds=[threshold]) for threshold in (0.2, 0.8)
    )
    for name in METRICS:
        assert (low[name] == high[name]) == (name in RANKED)
    assert low["equal_error_rate"] == high["equal_error_rate"]


@pytest.mark.reference_flaw("average precision was computed on decisions")
def test_average_precision_is_that_of_the_scores_not_of_the_decisions():
    """All probabilities are above the threshold: decisions are equal, but the order is right."""
    labels = np.array([[0], [0], [1], [1]])
    scores = tagging_scores(labels, np.array([[0.6], [0.7], [0.8], [0.9]]))
    assert scores["average_precision_score"] == 1
    assert scores["roc_auc_score"] == 1
    assert scores["precision"] == 0.5


@pytest.mark.parametrize("constant", [0, 1])
def test_a_class_always_or_never_there_has_no_ranking_score_and_does_not_count_in_the_average(
    constant,
):
    labels, probabilities = random_labels_and_probabilities()
    labels[:, 1] = constant
    per_class = tagging_scores_per_class(labels, probabilities)
    others = [0, 2, 3]
    for average in ("macro", "weighted"):
        scores = tagging_scores(labels, probabilities, average=average)
        for name, oracle in RANKED.items():
            assert per_class[name][1] is None
            assert scores[name] == pytest.approx(
                oracle(labels[:, others], probabilities[:, others], average=average)
            )


def test_where_no_class_has_a_score_there_is_none():
    scores = tagging_scores(np.zeros((3, 2)), np.full((3, 2), 0.4))
    assert scores["roc_auc_score"] is None
    assert scores["average_precision_score"] is None
    assert scores["accuracy"] == 1


@pytest.mark.filterwarnings("error")
def test_classes_that_are_never_there_or_never_found_raise_no_warning():
    labels = np.array([[0, 1], [0, 0], [0, 1]])
    for probability in (0.0, 1.0):
        scores = tagging_scores(labels, np.full((3, 2), probability))
        assert scores["matthews_corrcoef"] == 0


def test_a_single_recording_can_be_scored():
    scores = tagging_scores(np.array([[1, 0]]), np.array([[0.9, 0.1]]))
    assert scores["accuracy"] == 1
    assert scores["roc_auc_score"] is None


@pytest.mark.reference_flaw("a threshold overwrote the probabilities")
def test_labels_and_probabilities_are_left_as_they_are():
    labels, probabilities = random_labels_and_probabilities()
    copies = labels.copy(), probabilities.copy()
    tagging_scores(labels, probabilities)
    np.testing.assert_array_equal(labels, copies[0])
    np.testing.assert_array_equal(probabilities, copies[1])


def test_scores_are_plain_numbers():
    labels, probabilities = random_labels_and_probabilities()
    assert {type(value) for value in tagging_scores(labels, probabilities).values()} == {float}


@pytest.mark.parametrize(
    ("labels", "probabilities", "complaint"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3)), r"\(3, 2\).*\(3, 3\)"),
        (np.zeros(3), np.zeros(3), r"\(n, K\)"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "no recordings"),
        (np.full((3, 2), 0.5), np.zeros((3, 2)), "other values than 0 and 1"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), "NaN"),
        (np.zeros((3, 2)), np.full((3, 2), 1.5), r"outside \[0, 1\]"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_its_shapes(labels, probabilities, complaint):
    with pytest.raises(InputError, match=complaint):
        tagging_scores(labels, probabilities)
    with pytest.raises(InputError, match=complaint):
        tagging_scores_per_class(labels, probabilities)


def test_thresholds_are_one_or_one_per_class():
    labels, probabilities = random_labels_and_probabilities()
    with pytest.raises(InputError, match="there are 3 thresholds: expected 1, or 4, one per class"):
        tagging_scores(labels, probabilities, thresholds=(0.1, 0.2, 0.3))


def test_an_average_that_there_is_not_is_refused():
    labels, probabilities = random_labels_and_probabilities()
    with pytest.raises(InputError, match=r"'each'.*weighted, macro, micro, samples"):
        tagging_scores(labels, probabilities, average="each")


def test_the_average_over_samples_is_that_of_scikit_learn():
    labels, probabilities = random_labels_and_probabilities()
    has_both = (labels.sum(1) % labels.shape[1]) > 0
    labels = labels[has_both]
    probabilities = probabilities[has_both]
    scores = tagging_scores(labels, probabilities, average="samples")
    decisions = (probabilities >= 0.5).astype(int)
    for name, oracle in RANKED.items():
        assert scores[name] == pytest.approx(oracle(labels, probabilities, average="samples"))
    assert scores["f1-score"] == pytest.approx(
        metrics.f1_score(labels, decisions, average="samples", zero_division=0)
    )


def test_the_equal_error_rate_is_what_one_computes_by_hand():
    """Of class 0 the ROC passes (0, 1/2), (1/3, 1/2), (1/3, 1): it is cut at FPR 1/3."""
    labels = np.array([[1, 1], [0, 1], [1, 0], [0, 0], [0, 0]])
    probabilities = np.array([[0.9, 0.9], [0.6, 0.5], [0.4, 0.5], [0.1, 0.1], [0.05, 0.1]])
    rates = tagging_scores_per_class(labels, probabilities)["equal_error_rate"]
    assert rates == pytest.approx([1 / 3, 1 / 5])
    assert tagging_scores(labels, probabilities)["equal_error_rate"] == pytest.approx(4 / 15)
    assert tagging_scores_per_class(np.ones((3, 1)), np.full((3, 1), 0.5))["equal_error_rate"] == [
        None
    ]


@pytest.mark.parametrize("thresholds", [(0.5,), (0.2, 0.4, 0.6, 0.8)])
def test_micro_scores_are_those_of_all_decisions_together(thresholds):
    labels, probabilities = random_labels_and_probabilities()
    scores = tagging_scores(labels, probabilities, thresholds=thresholds, average="micro")
    decisions = (probabilities >= np.array(thresholds)).astype(int)
    for name, oracle in RANKED.items():
        assert scores[name] == pytest.approx(oracle(labels, probabilities, average="micro"))
    for name, oracle in THRESHOLDED.items():
        assert scores[name] == pytest.approx(oracle(labels, decisions, average="micro"))
    assert scores["accuracy"] == pytest.approx((labels == decisions).mean())
    assert scores["matthews_corrcoef"] == pytest.approx(
        metrics.matthews_corrcoef(labels.ravel(), decisions.ravel())
    )
    assert {type(value) for value in scores.values()} == {float}


def test_micro_counts_decisions_and_macro_classes():
    """One class is present in three of four and always found, the other in one and never found."""
    labels = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.1]])
    assert tagging_scores(labels, probabilities, average="micro")["recall"] == 3 / 4
    assert tagging_scores(labels, probabilities, average="macro")["recall"] == 1 / 2
    assert tagging_scores(labels, probabilities, average="weighted")["recall"] == 3 / 4


def test_micro_ranks_classes_that_are_always_or_never_there_against_each_other():
    labels = np.array([[0, 1], [0, 1]])
    assert (
        tagging_scores(labels, np.array([[0.1, 0.8], [0.3, 0.6]]), average="micro")["roc_auc_score"]
        == 1
    )
    assert (
        tagging_scores(labels, np.array([[0.1, 0.8], [0.7, 0.6]]), average="micro")["roc_auc_score"]
        == 3 / 4
    )
    assert (
        tagging_scores(np.zeros((2, 2)), np.full((2, 2), 0.3), average="micro")["roc_auc_score"]
        is None
    )


# choice of thresholds


def test_the_best_threshold_lies_in_the_middle_below_the_last_one_that_helps():
    """From 0.6 on two true and one false tag, F1 0.8; from 0.9 on one of two true ones, 2/3."""
    labels = np.array([[1], [1], [0], [0]])
    probabilities = np.array([[0.9], [0.6], [0.7], [0.2]])
    assert best_thresholds(labels, probabilities) == pytest.approx([0.4])


def test_of_equally_good_thresholds_it_is_the_highest():
    """From 0.8 on one true tag of two, F1 2/3; from 0.2 on two true and two false ones, 2/3 too."""
    labels = np.array([[1], [0], [0], [1]])
    probabilities = np.array([[0.8], [0.6], [0.4], [0.2]])
    assert best_thresholds(labels, probabilities) == pytest.approx([0.7])


def test_where_all_that_is_said_counts_the_threshold_is_half_the_lowest():
    labels = np.array([[1], [0], [1]])
    probabilities = np.array([[0.6], [0.6], [0.6]])
    assert best_thresholds(labels, probabilities) == pytest.approx([0.3])
    assert best_thresholds(labels, 0 * probabilities) == [0]


def test_classes_that_are_told_apart_have_their_threshold_between():
    labels = np.array([[0, 1], [1, 0], [1, 0]])
    probabilities = np.array([[0.1, 0.03], [0.7, 0.01], [0.9, 0.0]])
    assert best_thresholds(labels, probabilities) == pytest.approx([0.4, 0.02])


@pytest.mark.parametrize("constant", [0, 1])
def test_a_class_that_is_never_or_always_there_keeps_its_threshold(constant):
    labels, probabilities = random_labels_and_probabilities(n_classes=3)
    labels[:, 1] = constant
    chosen = best_thresholds(labels, probabilities)
    assert chosen[1] == 0.5
    assert best_thresholds(labels, probabilities, otherwise=(0.2,)) == [chosen[0], 0.2, chosen[2]]
    assert best_thresholds(labels, probabilities, otherwise=(0.1, 0.2, 0.3)) == [
        chosen[0],
        0.2,
        chosen[2],
    ]


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 1000),
    n_levels=st.sampled_from([2, 5, 1000]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_no_other_threshold_has_a_higher_F1(seed, n_levels, dtype):
    labels, probabilities = random_labels_and_probabilities(n=15, n_classes=2, seed=seed)
    probabilities = (np.round(probabilities * n_levels) / n_levels).astype(dtype)
    chosen = best_thresholds(labels, probabilities)
    assert [type(threshold_of_class) for threshold_of_class in chosen] == [float, float]
    for truth, probability, threshold in zip(labels.T, probabilities.T, chosen, strict=True):
        others = [
            metrics.f1_score(truth, probability >= other, zero_division=0)
            for other in [*np.unique(probability), 0.5, 1.0]
        ]
        assert metrics.f1_score(truth, probability >= threshold) == pytest.approx(max(others))


def test_thresholds_are_chosen_from_what_can_be_scored_only():
    with pytest.raises(InputError, match=r"\(3, 2\).*\(3, 3\)"):
        best_thresholds(np.zeros((3, 2)), np.zeros((3, 3)))
    with pytest.raises(InputError, match="NaN"):
        best_thresholds(np.zeros((3, 2)), np.full((3, 2), np.nan))


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
def test_unknown_labels_count_nowhere(average):
    """Scores are those of each class without its unknown recordings."""
    labels, probabilities = random_labels_and_probabilities()
    is_known = np.random.default_rng(5).random(labels.shape) < 0.6
    partly = np.where(is_known, labels, np.nan)
    scores = tagging_scores(partly, probabilities, average=average)
    columns = [(labels[known, k], probabilities[known, k]) for k, known in enumerate(is_known.T)]
    if average == "micro":
        expected = metrics.roc_auc_score(labels[is_known], probabilities[is_known])
    else:
        areas = [metrics.roc_auc_score(*column) for column in columns]
        weights = [1 if average == "macro" else truth.sum() for truth, _ in columns]
        expected = np.average(areas, weights=weights)
    assert scores["roc_auc_score"] == pytest.approx(expected)
    other = np.where(is_known, probabilities, 1 - probabilities)
    assert tagging_scores(partly, other, average=average) == scores
    thresholds = best_thresholds(partly, probabilities)
    for column, threshold in zip(columns, thresholds, strict=True):
        assert threshold == best_thresholds(*(part[:, None] for part in column))[0]


def test_a_class_of_which_nothing_is_known_has_no_score():
    labels = np.array([[1, np.nan], [0, np.nan]])
    probabilities = np.array([[0.9, 0.3], [0.2, 0.8]])
    per_class = tagging_scores_per_class(labels, probabilities)
    assert {values[1] for values in per_class.values()} == {None}
    assert tagging_scores(labels, probabilities)["roc_auc_score"] == 1
    nothing = tagging_scores(np.full((2, 2), np.nan), probabilities, average="micro")
    assert set(nothing.values()) == {None}
    assert best_thresholds(labels, probabilities, otherwise=(0.4,))[1] == 0.4
