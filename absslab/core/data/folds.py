"""Divide recordings into folds, each of which is the test split once.

Folds are divided before anything is mixed, so that neither a recording nor a background of one fold
is heard in another: an origin, and files with the same bytes, stay within one fold.
"""

from collections.abc import Sequence
from dataclasses import replace

from absslab.core.common.errors import InputError
from absslab.core.data.identical_files import join_copies
from absslab.core.data.recordings import Recording
from absslab.core.data.splits import SPLITS, distribute_origins

FEWEST_FOLDS = 3  # one to test on, one to validate on, and one to train on


def divide_into_folds(
    recordings: Sequence[Recording], *, n_folds: int, seed: int = 0
) -> list[list[Recording]]:
    """Divide recordings into folds by origin, stratified by class.

    Args:
        recordings: the result of `index_recordings`.
        n_folds: number of folds.
        seed: seed of the shuffling.

    Returns:
        the recordings of each fold, in the given order.

    Raises:
        InputError: a class has fewer origins than there are folds.
    """
    origins = join_copies({recording.path: recording.origin for recording in recordings})
    joined = [replace(recording, origin=origins[recording.path]) for recording in recordings]
    labels: dict[str, list[str]] = {}
    for recording in joined:
        labels.setdefault(recording.origin, []).append(recording.event_label)
    for name in sorted({recording.event_label for recording in joined}):
        n_origins = sum(name in classes for classes in labels.values())
        if n_origins < n_folds:
            raise InputError(
                f"class {name!r} has {n_origins} {'origin' if n_origins == 1 else 'origins'}: "
                f"expected at least {n_folds}, one for each fold; add recordings of it, leave the "
                "class out or pass a smaller --n_folds (copies of a file are of one origin)"
            )
    names = [f"fold {number}" for number in range(1, n_folds + 1)]
    fold_of_origin = distribute_origins(labels, dict.fromkeys(names, 100 / n_folds), seed)
    folds: dict[str, list[Recording]] = {name: [] for name in names}
    for recording in joined:
        folds[fold_of_origin[recording.origin]].append(recording)
    return list(folds.values())


def choose_splits(
    folds: Sequence[Sequence[Recording]], holdout_fold: int
) -> dict[str, list[Recording]]:
    """Return the splits in which one fold is the test split.

    Args:
        folds: the result of `divide_into_folds`.
        holdout_fold: number of the fold to test on, from 1; the fold before it is the validation
            split, and all others are trained on.
    """
    tested = holdout_fold - 1
    validating = (tested - 1) % len(folds)
    parts: dict[str, list[Recording]] = {name: [] for name in SPLITS}
    for number, fold in enumerate(folds):
        split = {tested: "test", validating: "validation"}.get(number, "train")
        parts[split] += fold
    return parts


def shares_of_splits(n_folds: int) -> tuple[float, float, float]:
    """Return the percentages of train, validation and test where one fold is tested."""
    share = 100 / n_folds
    return 100 - 2 * share, share, share
