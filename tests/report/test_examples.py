"""The report shows the worst, median and best mixtures."""

import pytest

from absslab.core.runs.run_scores import RankedMixture
from absslab.report.examples import choose_examples, interleave


def ranking(n):
    return [RankedMixture(str(i), "", (), float(i)) for i in range(n)]


@pytest.mark.parametrize(
    ("n", "n_each", "names"),
    [
        (9, 1, ("0", "4", "8")),
        (9, 2, ("01", "34", "87")),
        (4, 1, ("0", "1", "3")),
        (2, 1, ("0", "", "1")),
        (1, 3, ("0", "", "")),
        (5, 2, ("01", "2", "43")),
        (5, 0, ("", "", "")),
        (0, 2, ("", "", "")),
    ],
)
def test_the_worst_the_median_and_the_best_none_twice(n, n_each, names):
    parts = choose_examples(ranking(n), n_each)
    assert list(parts) == ["worst", "median", "best"]
    assert tuple("".join(ranked.mixture for ranked in part) for part in parts.values()) == names


def test_where_there_is_no_room_for_all_there_is_for_some_of_each():
    parts = choose_examples(ranking(5), 2)
    assert [(name, ranked.mixture) for name, ranked in interleave(parts)] == [
        ("worst", "0"), ("median", "2"), ("best", "4"), ("worst", "1"), ("best", "3")
    ]  # fmt: skip
