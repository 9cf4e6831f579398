"""Confusions of classes are those counted by hand."""

import numpy as np
import pandas as pd
import pytest

from absslab.core.evaluation.confusion import Pair, count_confusions

NAN = np.nan


def table(rows):
    """Rows of (mixture, class, label, present, decision)."""
    return pd.DataFrame(rows, columns=["mixture", "class", "label", "present", "decision"])


THREE = table(
    [
        # a is present and found; b is wrongly tagged
        ("1", "a", 1, 1, 1), ("1", "b", 0, 0, 1), ("1", "c", 0, 0, 0),
        # a is present but missed; c is wrongly tagged
        ("2", "a", 1, 1, 0), ("2", "b", 0, 0, 0), ("2", "c", 0, 0, 1),
        # a and b are present and found
        ("3", "a", 1, 1, 1), ("3", "b", 1, 1, 1), ("3", "c", 0, 0, 0),
        # b is present and found; a and c are wrongly tagged
        ("4", "a", 0, 0, 1), ("4", "b", 1, 1, 1), ("4", "c", 0, 0, 1),
    ]
)  # fmt: skip


def test_a_class_is_confused_with_another_where_the_one_is_there_and_the_other_is_not():
    confusions = count_confusions(THREE)
    np.testing.assert_array_equal(confusions.n_mixtures, [[3, 2, 3], [1, 2, 2], [0, 0, 0]])
    np.testing.assert_array_equal(confusions.n_tagged, [[2, 1, 1], [1, 2, 1], [0, 0, 0]])
    np.testing.assert_allclose(
        confusions.rates, [[2 / 3, 1 / 2, 1 / 3], [1, 1, 1 / 2], [NAN, NAN, NAN]]
    )


def test_pairs_are_named_the_highest_rate_first_and_those_of_few_mixtures_not_at_all():
    confusions = count_confusions(THREE)
    pairs = [Pair("b", "a", 1, 1), Pair("a", "b", 1, 2), Pair("b", "c", 1, 2), Pair("a", "c", 1, 3)]
    assert confusions.pairs(min_mixtures=1) == pairs
    assert confusions.pairs(min_mixtures=3) == pairs[-1:]
    assert pairs[-1].rate == pytest.approx(1 / 3)
    assert confusions.pairs() == []


def test_labels_tell_what_is_there_where_sources_do_not():
    np.testing.assert_array_equal(
        count_confusions(THREE.assign(present=NAN)).n_tagged, count_confusions(THREE).n_tagged
    )
    by_sources = THREE.assign(label=0.0)
    np.testing.assert_array_equal(
        count_confusions(by_sources).n_tagged, count_confusions(THREE).n_tagged
    )


def test_mixtures_without_tags_do_not_count_and_none_is_no_confusion():
    partly = THREE.assign(decision=THREE["decision"].where(THREE["mixture"] != "4"))
    np.testing.assert_array_equal(
        count_confusions(partly).n_mixtures, [[3, 2, 3], [0, 1, 1], [0, 0, 0]]
    )
    assert count_confusions(THREE.assign(decision=NAN)) is None
    assert count_confusions(THREE.drop(columns="decision")) is None
    assert count_confusions(THREE.assign(label=NAN, present=NAN)) is None


def test_the_classes_that_are_confused_most_keep_their_order():
    confusions = count_confusions(THREE)
    assert confusions.most_confused(2) == ["a", "b"]
    part = confusions.select(["b", "c"])
    np.testing.assert_array_equal(part.n_tagged, [[2, 1], [0, 0]])
    assert part.classes == ["b", "c"]
