"""Split recordings into train, validation and test.

An *origin* is the longer recording that a clip was cut from. Two clips of one origin are not
independent, so all clips of an origin are put into the same split. Every split has every class.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from absslab.core.common.errors import InputError

SPLITS = ("train", "validation", "test")
ALL = "all"  # in place of a split: all recordings, whatever their split
Percentages = tuple[float, float, float]


def split_origins(
    labels: Mapping[str, Sequence[str]], percentages: Percentages, seed: int
) -> dict[str, str]:
    """Distribute origins over the splits, so that each class has the given percentages.

    If each origin has one class, the number of origins is exact to one; if origins have several
    classes, iterative stratification gives it approximately.

    Args:
        labels: the classes of each origin.
        percentages: those of train, validation and test; their sum is 100.
        seed: seed of the shuffling.

    Returns:
        the split of each origin.

    Raises:
        InputError: a class has too few origins to be in every split of more than 0 %, or the
            percentages do not add up.

    Source:
        Sechidis, Tsoumakas, Vlahavas, On the stratification of multi-label data, ECML 2011
        (several classes).
    """
    shares = check_percentages(percentages)
    origins = sorted(labels)
    classes = sorted(set().union(*labels.values()))
    for name in classes:
        count = sum(name in labels[origin] for origin in origins)
        if count < len(shares):
            raise InputError(
                f"class {name!r} has {count} {'origin' if count == 1 else 'origins'}: "
                f"expected at least {len(shares)}, one for each of {', '.join(shares)}; "
                "add recordings of it, leave the class out or set one of split_percentages to 0 "
                "(a recording without an origin counts as one origin)"
            )
    return distribute_origins(labels, shares, seed)


def distribute_origins(
    labels: Mapping[str, Sequence[str]], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Distribute origins over parts of any names; see `split_origins`.

    Args:
        labels: the classes of each origin; each class has at least as many origins as there are
            parts.
        shares: percentages of the parts, by their names; their sum is 100.
        seed: seed of the shuffling.

    Returns:
        the name of the part of each origin.

    Raises:
        InputError: origins have several classes, and not every class can be in every part.
    """
    origins = sorted(labels)
    classes = sorted(set().union(*labels.values()))
    rng = np.random.default_rng(seed)
    if all(len(set(labels[origin])) == 1 for origin in origins):
        return _split_by_class(origins, classes, labels, shares, rng)
    stratified = _stratify(origins, classes, labels, shares, rng)
    return _fill_gaps(stratified, classes, labels, shares)


def check_percentages(percentages: Percentages) -> dict[str, float]:
    """Return the splits of more than 0 %, with their percentages.

    Raises:
        InputError: a percentage is negative, train has 0 %, or the sum is not 100.
    """
    if not (min(percentages) >= 0 and percentages[0] > 0 and abs(sum(percentages) - 100) < 1e-6):
        given = " ".join(f"{part:g}" for part in percentages)
        raise InputError(
            f"split percentages are {given}: "
            "expected three of at least 0, the first above 0, their sum 100"
        )
    return {split: part for split, part in zip(SPLITS, percentages, strict=True) if part > 0}


def _split_by_class(
    origins: list[str],
    classes: list[str],
    labels: Mapping[str, Sequence[str]],
    shares: Mapping[str, float],
    rng: np.random.Generator,
) -> dict[str, str]:
    """Split origins that have one class each, class by class."""
    split_of_origin: dict[str, str] = {}
    for name in classes:
        members = [origin for origin in origins if name in labels[origin]]
        rng.shuffle(members)
        start = 0
        for split, count in _counts(len(members), shares).items():
            for origin in members[start : start + count]:
                split_of_origin[origin] = split
            start += count
    return split_of_origin


def _counts(n: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Divide n among the splits: whole numbers near their shares, at least 1 each."""
    exact = {split: n * percentage / 100 for split, percentage in shares.items()}
    counts = {split: max(1, int(share)) for split, share in exact.items()}
    while sum(counts.values()) < n:
        neediest = max(exact, key=lambda split: exact[split] - counts[split])
        counts[neediest] += 1
    while sum(counts.values()) > n:
        reducible = [split for split in counts if counts[split] > 1]
        fullest = max(reducible, key=lambda split: counts[split] - exact[split])
        counts[fullest] -= 1
    return counts


def _stratify(
    origins: list[str],
    classes: list[str],
    labels: Mapping[str, Sequence[str]],
    shares: Mapping[str, float],
    rng: np.random.Generator,
) -> dict[str, str]:
    """Choose the origins of the last split, then of the one before; the rest is the first split."""
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    split_of_origin: dict[str, str] = {}
    remaining = list(origins)
    remaining_share = 100.0
    for split in list(shares)[:0:-1]:
        table = np.zeros((len(remaining), len(classes)), int)
        for row, origin in zip(table, remaining, strict=True):
            row[:] = [name in labels[origin] for name in classes]
        if len(classes) < 2:  # the stratifier takes several columns only
            is_labelled = table.any(axis=1, keepdims=True)
            table = np.hstack([is_labelled, ~is_labelled]).astype(int)  # (n, 2)
        n_split = max(1, round(len(remaining) * shares[split] / remaining_share))
        n_split = min(n_split, len(remaining) - 1)
        splitter = MultilabelStratifiedShuffleSplit(
            n_splits=1,
            test_size=n_split,
            train_size=len(remaining) - n_split,
            random_state=int(rng.integers(1 << 31)),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            remaining_indices, split_indices = next(splitter.split(np.zeros(len(remaining)), table))
        for index in split_indices:
            split_of_origin[remaining[index]] = split
        remaining = [remaining[index] for index in remaining_indices]
        remaining_share -= shares[split]
    first_split = next(iter(shares))
    return split_of_origin | dict.fromkeys(remaining, first_split)


def _fill_gaps(
    stratified: Mapping[str, str],
    classes: list[str],
    labels: Mapping[str, Sequence[str]],
    shares: Mapping[str, float],
) -> dict[str, str]:
    """Move single origins until every class is in every split, starting with the rarest class.

    This is needed because stratification is only approximate.
    """
    split_of_origin = dict(stratified)
    counts: dict[str, Counter[str]] = {name: Counter() for name in classes}  # origins in each split
    for origin, split in split_of_origin.items():
        for name in set(labels[origin]):
            counts[name][split] += 1

    def is_movable(origin: str) -> bool:
        return all(counts[name][split_of_origin[origin]] > 1 for name in labels[origin])

    for name in sorted(classes, key=lambda name: counts[name].total()):
        members = [origin for origin in split_of_origin if name in labels[origin]]
        for split in shares:
            if counts[name][split]:
                continue
            movable = [origin for origin in members if is_movable(origin)]
            if not movable:
                raise InputError(
                    f"class {name!r} can't be in each of {', '.join(shares)} without another class "
                    "missing there: add recordings of it, leave the class out or set one of "
                    "split_percentages to 0"
                )
            sizes = {origin: counts[name][split_of_origin[origin]] for origin in movable}
            moved = max(movable, key=lambda origin: (sizes[origin], -len(labels[origin]), origin))
            for label in set(labels[moved]):
                counts[label].update({split_of_origin[moved]: -1, split: 1})
            split_of_origin[moved] = split
    return split_of_origin
