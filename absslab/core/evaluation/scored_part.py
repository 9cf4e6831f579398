"""Choose which recordings of a folder are scored: a split, or all that the model does not know.

A model is scored on the test split of its own data. Another folder, or another table of labels, is
scored as a whole, unless it says its splits itself: then it is not divided anew, which would score
a part of it by chance. What the model was trained or validated on is not scored without a word,
wherever it lies now: a checkpoint holds marks of these recordings (`mark_files`). They are left
out, unless there is nothing else.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.notices import give_notice
from absslab.core.data.audio_data_set import EmptySplitError
from absslab.core.data.identical_files import mark_files
from absslab.core.data.labelled_recordings import LabelledFolder
from absslab.core.data.layouts import SHARDS, DataConfig, find_layout
from absslab.core.data.splits import ALL, SPLITS

_UNDIVIDED = (100.0, 0.0, 0.0)


@dataclass(frozen=True)
class ScoredPart:
    """Which recordings are scored.

    Args:
        split: train, validation, test or all.
        data: the folder, and how to read it.
        without: paths of recordings that are not scored.
    """

    split: str
    data: DataConfig
    without: frozenset[str] = frozenset()


def choose_part(
    data: DataConfig, split: str | None, *, is_other: bool, known: Collection[str] | None
) -> ScoredPart:
    """Choose which recordings are scored, and tell what is not a matter of course.

    Args:
        data: the folder, and how to read it.
        split: the split that was asked for, or all; None: whatever is right.
        is_other: whether the folder or its labels are others than those of the training.
        known: marks of the recordings that the model was trained or validated on; None if its
            checkpoint does not hold them.

    Raises:
        InputError: the folder can't be read, or has splits, but no test split.
    """
    if data.data_set_type == SHARDS:
        if split == ALL:
            raise InputError(
                f"shards are read split by split: expected one of {', '.join(SPLITS)}, not all"
            )
        return ScoredPart(split or "test", data)
    if not is_other and split != ALL:
        return ScoredPart(split or "test", data)
    folder = Path(data.data_folder)
    if not folder.is_dir():
        return ScoredPart(split or "test", data)  # which is refused when it is read
    if split == ALL and data.data_set_type == "mixture_folder":
        raise InputError(
            "{path} has a folder with labels for each of its splits: "
            f"expected one of {', '.join(SPLITS)}, not all",
            path=folder,
        )
    read = find_layout(data.data_set_type)
    undivided = replace(data, split_percentages=_UNDIVIDED)
    labelled = read(undivided, folder)
    if split is None and labelled.has_own_splits:
        _check_has_test(labelled, folder)
        return ScoredPart("test", data)
    if split != ALL and (split or known is None):
        part = ScoredPart(split or "test", data)
        if not labelled.has_own_splits:
            _tell_drawn(part, _draw(part, folder), folder)
        return part
    marks = mark_files(recording.path for recording in labelled.recordings)
    known_marks = set(known or ())
    used = frozenset(path for path, mark in marks.items() if mark in known_marks)
    n_all = len(labelled.recordings)
    if used and split is None and _is_moved(data, used):
        return ScoredPart("test", data)
    if split == ALL or len(used) == n_all:
        if used:
            give_notice(
                InputWarning(
                    f"{len(used)} of {n_all} recordings of {{path}} that are scored are those "
                    "that the model was trained or validated on: these scores say little",
                    path=folder,
                )
            )
        return ScoredPart(ALL, undivided)
    if used:
        give_notice(
            InputWarning(
                f"{len(used)} of {n_all} recordings of {{path}} are not scored, since the model "
                "was trained or validated on them; --split all scores them, too",
                path=folder,
            )
        )
    return ScoredPart(ALL, undivided, used)


def _check_has_test(labelled: LabelledFolder, folder: Path) -> None:
    """Check that a folder with its own splits has something to test on.

    Raises:
        EmptySplitError: it has none; the message says which splits it has.
    """
    splits = [recording.split for recording in labelled.recordings]
    if "test" not in splits and splits and not labelled.missing:
        counts = ", ".join(f"{splits.count(name)} in {name}" for name in SPLITS if name in splits)
        raise EmptySplitError(
            "{path} has no recordings in its test split, but "
            f"{counts}: pass --split with one of these, or --split all",
            path=folder,
        )


def _is_moved(data: DataConfig, used: Collection[str]) -> bool:
    """Tell whether a folder holds the training's data, divided as for the training."""
    try:
        labelled = find_layout(data.data_set_type)(data, Path(data.data_folder))
    except InputError:  # such as a class with too few recordings
        return False
    learned = {item.path for item in labelled.recordings if item.split != "test"}
    return learned == set(used) and len(learned) < len(labelled.recordings)


def _draw(part: ScoredPart, folder: Path) -> LabelledFolder:
    """Divide another folder with the settings of the training.

    Raises:
        InputError: it can't be divided so.
    """
    try:
        return find_layout(part.data.data_set_type)(part.data, folder)
    except InputError as error:
        raise error.wrap(
            f"no {part.split} split can be drawn from {{folder}} ({{error}}); --split all scores "
            "all of its recordings",
            folder=folder,
        ) from None


def _tell_drawn(part: ScoredPart, labelled: LabelledFolder, folder: Path) -> None:
    """Tell that a part of another folder is scored, which the settings of the training draw."""
    n_scored = sum(recording.split == part.split for recording in labelled.recordings)
    give_notice(
        InputWarning(
            f"{n_scored} of {len(labelled.recordings)} recordings of {{path}} are scored: the "
            f"{part.split} split, drawn with the settings of the training, since its labels have "
            "no column split; --split all scores all",
            path=folder,
        )
    )
