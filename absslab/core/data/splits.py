"""Train, validation and test: an origin is never on two sides, every class is on all of them.

An *origin* is the source recording that a clip was cut from: two clips of one origin are not independent.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from absslab.core.common.errors import InputError

SPLITS = ("train", "validation", "test")
Percentages = tuple[float, float, float]


def split_origins(
    labels: Mapping[str, Sequence[str]], percentages: Percentages, seed: int
) -> dict[str, str]:
    """Deal origins out to the splits, each class in proportion.

    With one class per origin the shares are exact to one origin; with several, iterative stratification comes close.

    Args:
        labels: the classes of each origin.
        percentages: of train, validation and test; their sum is 100.
        seed: of the shuffling.

    Returns:
        the split of each origin.

    Raises:
        InputError: a class has too few origins to be in every split that is to be filled, or the percentages don't add up.

    Source:
        Sechidis, Tsoumakas, Vlahavas, On the stratification of multi-label data, ECML 2011 (several classes).
    """
    wanted = check_percentages(percentages)
    origins = sorted(labels)
    classes = sorted({label for origin in origins for label in labels[origin]})
    for name in classes:
        count = sum(name in labels[origin] for origin in origins)
        if count < len(wanted):
            raise InputError(
                f"class {name!r} has {count} origin{'s' * (count != 1)}: expected at least {len(wanted)}, one for each of "
                f"{', '.join(wanted)}; add recordings, leave the class out or set a percentage to 0"
            )
    rng = np.random.default_rng(seed)
    if all(len(set(labels[origin])) == 1 for origin in origins):
        dealt: dict[str, str] = {}
        for name in classes:
            of_class = [origin for origin in origins if name in labels[origin]]
            rng.shuffle(of_class)
            counts = _shares(len(of_class), wanted)
            dealt |= zip(
                of_class, (split for split in wanted for _ in range(counts[split])), strict=True
            )
        return dealt
    return _complete(
        _deal_multilabel(origins, classes, labels, wanted, rng), classes, labels, wanted
    )


def check_percentages(percentages: Percentages) -> dict[str, float]:
    """The splits that are to be filled, with their percentages.

    Raises:
        InputError: a negative percentage, no training, or a sum other than 100.
    """
    if not (min(percentages) >= 0 and percentages[0] > 0 and abs(sum(percentages) - 100) < 1e-6):
        got = " ".join(f"{part:g}" for part in percentages)
        raise InputError(
            f"split percentages are {got}: expected three of at least 0, the first above 0, their sum 100"
        )
    return {split: part for split, part in zip(SPLITS, percentages, strict=True) if part > 0}


def _shares(n: int, wanted: Mapping[str, float]) -> dict[str, int]:
    """How many of n go to each split: the nearest whole numbers that give each at least one."""
    exact = {split: n * part / 100 for split, part in wanted.items()}
    counts = {split: max(1, int(share)) for split, share in exact.items()}
    while sum(counts.values()) < n:
        counts[max(exact, key=lambda split: exact[split] - counts[split])] += 1
    while sum(counts.values()) > n:
        counts[
            max(
                (s for s in counts if counts[s] > 1), key=lambda split: counts[split] - exact[split]
            )
        ] -= 1
    return counts


def _deal_multilabel(
    origins: list[str],
    classes: list[str],
    labels: Mapping[str, Sequence[str]],
    wanted: Mapping[str, float],
    rng: np.random.Generator,
) -> dict[str, str]:
    """Peel off the last split, then the one before; what is left is the first."""
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    dealt: dict[str, str] = {}
    remaining, rest = list(origins), 100.0
    for split in list(wanted)[:0:-1]:
        table = np.array(
            [[name in labels[origin] for name in classes] for origin in remaining], dtype=int
        )
        n_split = min(max(1, round(len(remaining) * wanted[split] / rest)), len(remaining) - 1)
        splitter = MultilabelStratifiedShuffleSplit(
            n_splits=1,
            test_size=n_split,
            train_size=len(remaining) - n_split,
            random_state=int(rng.integers(1 << 31)),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keep, peeled = next(splitter.split(np.zeros(len(remaining)), table))
        dealt |= {remaining[index]: split for index in peeled}
        remaining, rest = [remaining[index] for index in keep], rest - wanted[split]
    return dealt | {origin: next(iter(wanted)) for origin in remaining}


def _complete(
    dealt: Mapping[str, str],
    classes: list[str],
    labels: Mapping[str, Sequence[str]],
    wanted: Mapping[str, float],
) -> dict[str, str]:
    """Move single origins until every class, the rarest first, is in every split: stratification is only approximate."""
    dealt = dict(dealt)
    held = {
        name: Counter(dealt[origin] for origin in dealt if name in labels[origin])
        for name in classes
    }
    for name in sorted(classes, key=lambda name: held[name].total()):
        for split in wanted:
            if held[name][split]:
                continue
            movable = [
                origin
                for origin in dealt
                if name in labels[origin]
                and all(held[label][dealt[origin]] > 1 for label in set(labels[origin]))
            ]
            if not movable:
                raise InputError(
                    f"class {name!r} can't be on all of {', '.join(wanted)} without another class missing there: "
                    "add recordings, leave the class out or set a percentage to 0"
                )
            moved = max(
                movable,
                key=lambda origin: (held[name][dealt[origin]], -len(labels[origin]), origin),
            )
            for label in set(labels[moved]):
                held[label].update({dealt[moved]: -1, split: 1})
            dealt[moved] = split
    return dealt
