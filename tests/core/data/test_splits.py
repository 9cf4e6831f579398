"""An origin is in one split only, and every class is in all splits, in proportion."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from absslab.core.common.errors import InputError
from absslab.core.data.splits import SPLITS, check_percentages, split_origins

PERCENTAGES = (80.0, 10.0, 10.0)


def single_label(counts):
    return {f"{name}-{i}": [name] for name, count in counts.items() for i in range(count)}


@given(
    counts=st.dictionaries(st.sampled_from("abcdef"), st.integers(3, 40), min_size=1),
    train=st.integers(10, 80),
    seed=st.integers(0, 1000),
)
def test_with_one_class_per_origin_each_class_is_shared_out_exactly(counts, train, seed):
    percentages = (float(train), (100 - train) / 2, (100 - train) / 2)
    dealt = split_origins(single_label(counts), percentages, seed)
    assert dealt.keys() == single_label(counts).keys()
    for name, count in counts.items():
        in_split = Counter(
            split for origin, split in dealt.items() if origin.startswith(f"{name}-")
        )
        for split, part in zip(SPLITS, percentages, strict=True):
            assert in_split[split] >= 1
            # exact to one origin, apart from origins that an otherwise empty split takes
            assert (
                abs(in_split[split] - count * part / 100) < 1
                or in_split[split] == 1
                or count * min(percentages) < 100
            )


def test_twenty_takes_of_a_class_become_sixteen_two_and_two():
    dealt = split_origins(single_label({"keys": 20, "speech": 20}), PERCENTAGES, 0)
    for name in ("keys", "speech"):
        in_split = Counter(split for origin, split in dealt.items() if origin.startswith(name))
        assert in_split == {"train": 16, "validation": 2, "test": 2}


@given(
    rows=st.lists(st.sets(st.sampled_from("abcd"), max_size=3), min_size=9, max_size=40),
    seed=st.integers(0, 100),
)
def test_with_several_classes_per_origin_every_class_is_on_all_sides(rows, seed):
    labels = {f"{i:02d}": sorted(row) for i, row in enumerate(rows)}
    counts = Counter(name for row in rows for name in row)
    assume(counts and min(counts.values()) >= 6)
    dealt = split_origins(labels, PERCENTAGES, seed)
    assert dealt.keys() == labels.keys()
    for name in counts:
        assert {split for origin, split in dealt.items() if name in labels[origin]} == set(SPLITS)


def test_with_several_classes_per_origin_the_shares_come_close():
    labels = {
        f"{i:03d}": [name for bit, name in enumerate("abc") if (i % 7 + 1) >> bit & 1]
        for i in range(210)
    }
    dealt = split_origins(labels, (60.0, 20.0, 20.0), 3)
    for name in "abc":
        in_split = Counter(split for origin, split in dealt.items() if name in labels[origin])
        assert abs(in_split["test"] / 120 - 0.2) < 0.05
        assert abs(in_split["train"] / 120 - 0.6) < 0.08


def test_classes_that_cannot_all_be_on_every_side_are_refused_by_name():
    # class a needs 1, 2 and 3 in three different splits, class b 1, 2 and 4: so 3 and 4 are in the
    # same split, and class d has only two splits for its origins
    labels = {"1": ["a", "b"], "2": ["a", "b"], "3": ["a", "d"], "4": ["b", "d"], "5": ["d"]}
    with pytest.raises(
        InputError, match=r"class '[abd]' can't be in each of train, validation, test"
    ):
        split_origins(labels, PERCENTAGES, 0)


def test_the_same_seed_deals_the_same_and_another_one_does_not():
    labels = single_label({"a": 20, "b": 20})
    assert split_origins(labels, PERCENTAGES, 1) == split_origins(labels, PERCENTAGES, 1)
    assert split_origins(labels, PERCENTAGES, 1) != split_origins(labels, PERCENTAGES, 2)


def test_the_order_in_which_origins_come_does_not_matter():
    labels = single_label({"a": 9, "b": 7}) | {"both": ["a", "b"]}
    backwards = dict(reversed(labels.items()))
    assert split_origins(labels, PERCENTAGES, 5) == split_origins(backwards, PERCENTAGES, 5)


@pytest.mark.parametrize(
    "several", [{}, {"both": ["a", "c"]}], ids=["one class each", "several classes"]
)
def test_a_class_with_too_few_origins_is_named(several):
    with pytest.raises(InputError, match=r"class 'b' has 2 origins: expected at least 3"):
        split_origins(single_label({"a": 5, "b": 2, "c": 5}) | several, PERCENTAGES, 0)
    with pytest.raises(InputError, match=r"class 'b' has 1 origin: expected at least 2"):
        split_origins(single_label({"a": 5, "b": 1, "c": 5}) | several, (50.0, 0.0, 50.0), 0)


def test_a_side_of_nothing_stays_empty():
    assert set(split_origins(single_label({"a": 4}), (50.0, 0.0, 50.0), 0).values()) == {
        "train",
        "test",
    }
    assert set(split_origins(single_label({"a": 1}), (100.0, 0.0, 0.0), 0).values()) == {"train"}


@pytest.mark.parametrize(
    "percentages", [(80, 10, 5), (0, 50, 50), (120, -10, -10), (90, 10, 10), (float("nan"), 10, 10)]
)
def test_percentages_that_do_not_add_up_are_refused(percentages):
    with pytest.raises(InputError, match="split percentages are"):
        check_percentages(percentages)


@pytest.mark.parametrize("classes", [["knock"], []])
def test_one_class_or_none_beside_unlabelled_origins_is_split(classes):
    labels = {f"{i:02d}": classes if i < 20 else [] for i in range(30)}
    dealt = split_origins(labels, PERCENTAGES, 0)
    assert dealt.keys() == labels.keys()
    for origins in (list(labels)[:20], labels):
        assert {dealt[origin] for origin in origins} == set(SPLITS)
    labelled = Counter(dealt[origin] for origin in list(labels)[:20])
    if classes:
        assert labelled == {"train": 16, "validation": 2, "test": 2}
