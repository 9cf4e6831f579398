"""Tagging scores: scikit-learn's, class by class and averaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from absslab.core.errors import InputError
from absslab.core.metrics.tagging import METRICS, tagging_scores, tagging_scores_per_class

THRESHOLDED = {
    "f1-score": metrics.f1_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
}
RANKED = {
    "roc_auc_score": metrics.roc_auc_score,
    "average_precision_score": metrics.average_precision_score,
}


def some(n=60, n_classes=4, seed=0):
    """Labels and probabilities that know something of them; every class is sometimes there and sometimes not."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, n_classes)) < np.linspace(0.2, 0.7, n_classes)).astype(np.float32)
    labels[0], labels[1] = 0, 1
    return labels, np.clip(0.3 * labels + 0.7 * rng.random((n, n_classes)), 0, 1)


@pytest.mark.parametrize("average", ["macro", "weighted"])
@pytest.mark.parametrize("thresholds", [(0.5,), (0.3,), (0.2, 0.4, 0.6, 0.8)])
def test_averages_are_those_of_scikit_learn(average, thresholds):
    labels, probabilities = some()
    scores = tagging_scores(labels, probabilities, thresholds=thresholds, average=average)
    decisions = (probabilities >= np.array(thresholds)).astype(int)
    for name, oracle in RANKED.items():
        assert scores[name] == pytest.approx(oracle(labels, probabilities, average=average))
    for name, oracle in THRESHOLDED.items():
        assert scores[name] == pytest.approx(oracle(labels, decisions, average=average, zero_division=0))
    weights = np.ones(4) if average == "macro" else labels.sum(0)
    for name, oracle in {"accuracy": metrics.accuracy_score, "matthews_corrcoef": metrics.matthews_corrcoef}.items():
        each = [oracle(labels[:, k], decisions[:, k]) for k in range(4)]
        assert scores[name] == pytest.approx(np.average(each, weights=weights))
    assert set(scores) == set(METRICS)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), threshold=st.floats(0, 1))
def test_each_class_has_the_scores_of_scikit_learn(seed, threshold):
    labels, probabilities = some(n=12, n_classes=2, seed=seed)
    scores = tagging_scores_per_class(labels, probabilities, thresholds=[threshold])
    for k in range(2):
        said = probabilities[:, k] >= threshold
        for name, oracle in RANKED.items():
            assert scores[name][k] == pytest.approx(oracle(labels[:, k], probabilities[:, k]))
        for name, oracle in THRESHOLDED.items():
            assert scores[name][k] == pytest.approx(oracle(labels[:, k], said, zero_division=0))
        assert scores["accuracy"][k] == pytest.approx((said == labels[:, k]).mean())


def test_thresholds_change_decisions_but_not_rankings():
    labels, probabilities = some()
    low, high = (tagging_scores(labels, probabilities, thresholds=[threshold]) for threshold in (0.2, 0.8))
    for name in METRICS:
        assert (low[name] == high[name]) == (name in RANKED)


def test_average_precision_is_that_of_the_scores_not_of_the_decisions():
    """All of them are above the threshold: decisions say nothing, the order says everything."""
    labels = np.array([[0], [0], [1], [1]])
    scores = tagging_scores(labels, np.array([[0.6], [0.7], [0.8], [0.9]]))
    assert scores["average_precision_score"] == 1
    assert scores["roc_auc_score"] == 1
    assert scores["precision"] == 0.5


@pytest.mark.parametrize("constant", [0, 1])
def test_a_class_that_is_always_or_never_there_has_no_ranking_score_and_does_not_count_in_the_average(constant):
    labels, probabilities = some()
    labels[:, 1] = constant
    per_class = tagging_scores_per_class(labels, probabilities)
    others = [0, 2, 3]
    for average in ("macro", "weighted"):
        scores = tagging_scores(labels, probabilities, average=average)
        for name, oracle in RANKED.items():
            assert per_class[name][1] is None
            assert scores[name] == pytest.approx(oracle(labels[:, others], probabilities[:, others], average=average))


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


def test_labels_and_probabilities_are_left_as_they_are():
    labels, probabilities = some()
    copies = labels.copy(), probabilities.copy()
    tagging_scores(labels, probabilities)
    np.testing.assert_array_equal(labels, copies[0])
    np.testing.assert_array_equal(probabilities, copies[1])


def test_scores_are_plain_numbers():
    labels, probabilities = some()
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
    labels, probabilities = some()
    with pytest.raises(InputError, match="there are 3 thresholds: expected 1, or 4, one per class"):
        tagging_scores(labels, probabilities, thresholds=(0.1, 0.2, 0.3))


def test_an_average_that_there_is_not_is_refused():
    labels, probabilities = some()
    with pytest.raises(InputError, match=r"'micro'.*weighted, macro"):
        tagging_scores(labels, probabilities, average="micro")
