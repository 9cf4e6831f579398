"""Plan the mixtures of a folder: split the recordings, then draw mixtures of each split."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from absslab.core.common.config import Config, format_setting, option
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.left_out import LeftOut, on_error_option
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Steps, run_to_end
from absslab.core.data.folds import (
    FEWEST_FOLDS,
    choose_splits,
    divide_into_folds,
    shares_of_splits,
)
from absslab.core.data.mixing import MixingConfig, MixtureSpec
from absslab.core.data.mixture_drawing import check_classes_of_pairs, sample_spec
from absslab.core.data.recordings import (
    IndexedFolder,
    Recording,
    background_steps,
    classes_of,
    indexing_steps,
    split_recordings,
)
from absslab.core.data.splits import SPLITS, Percentages, check_percentages


@dataclass(frozen=True)
class MixtureFolderConfig(Config):
    """The folder of recordings, and the folder of mixtures to write."""

    event_folder: str = option(
        "",
        "folder of isolated recordings of nearly any format, one sound each",
        metavar="FOLDER",
        required=True,
        aliases=("DCASE_2013_stereo_data_folder",),
    )
    output_folder: str = option(
        "", "folder to write: new, empty, or one to continue", metavar="FOLDER", required=True
    )
    n_files: int = option(2000, "number of mixtures", at_least=1)
    split_percentages: tuple[float, float, float] = option(
        (80.0, 10.0, 10.0), "train, validation and test", unit="%"
    )
    n_folds: int | None = option(
        None,
        "instead of split_percentages, divide the recordings into so many folds",
        at_least=FEWEST_FOLDS,
    )
    holdout_fold: int | None = option(
        None,
        "with n_folds: the fold of the test split, from 1; the fold before it is the validation "
        "split, and the others are the train split",
        at_least=1,
    )
    splits: tuple[str, ...] = option(
        SPLITS, "the splits to write; recordings are divided as for all of them", choices=SPLITS
    )
    recordings_csv: str | None = option(
        None, "table with filename, event_label and, if known, origin", metavar="FILE"
    )
    origin_pattern: str | None = option(
        None,
        "regular expression that finds the origin (the longer recording) in a file name; none: "
        "each file is its own, but takes of a clip named as in ESC-50 (1-17367-A-10.wav) are one",
        metavar="PATTERN",
    )
    background_origin_pattern: str | None = option(
        None, "the same for background_folder; none: origin_pattern", metavar="PATTERN"
    )
    sources: str = option("active", "which sources to save", choices=("none", "active", "all"))
    seed: int = option(0, "random seed of the split and of the mixtures", at_least=0)
    n_workers: int = option(0, "number of processes; 0: one per core", at_least=0)
    on_error: str = on_error_option("stop")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_folds()
        shares = check_percentages(self.percentages)
        if not set(self.splits) & set(shares):
            raise InputError(
                f"splits is {format_setting(self.splits)}: expected one of more than 0 % "
                f"({', '.join(shares)})"
            )

    def _check_folds(self) -> None:
        if self.n_folds is None and self.holdout_fold is None:
            return
        if self.n_folds is None:
            raise InputError(
                f"holdout_fold is {self.holdout_fold}, but there are no folds: pass --n_folds 4"
            )
        if self.holdout_fold is None or self.holdout_fold > self.n_folds:
            raise InputError(
                f"holdout_fold is {format_setting(self.holdout_fold)}: expected the number of the "
                f"fold to test on, 1 to {self.n_folds}, as in --holdout_fold 1"
            )
        if self.split_percentages != type(self).split_percentages:
            raise InputError(
                f"split_percentages is {format_setting(self.split_percentages)}, and n_folds "
                f"{self.n_folds}: both divide the recordings; pass one of them"
            )

    @property
    def percentages(self) -> Percentages:
        """The percentages of the recordings and mixtures in train, validation and test."""
        return self.split_percentages if self.n_folds is None else shares_of_splits(self.n_folds)

    def divide(self, recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
        """Divide recordings into train, validation and test, by folds or by percentages."""
        if self.n_folds is None or self.holdout_fold is None:
            return split_recordings(recordings, percentages=self.percentages, seed=self.seed)
        folds = divide_into_folds(recordings, n_folds=self.n_folds, seed=self.seed)
        return choose_splits(folds, self.holdout_fold)


@dataclass(frozen=True)
class MixturePlan:
    """The mixtures to be written to a folder, before they are rendered; see `plan_mixtures`.

    Args:
        config: number of mixtures, seed and folders.
        mixing: settings for drawing mixtures.
        recordings: all recordings of the event folder.
        split: the recordings of each split, from which its mixtures are drawn.
        backgrounds: background recordings of each split; empty if backgrounds are noise.
    """

    config: MixtureFolderConfig
    mixing: MixingConfig
    recordings: Sequence[Recording]
    split: dict[str, list[Recording]]
    backgrounds: dict[str, list[Recording]]

    @property
    def classes(self) -> list[str]:
        """Classes of all splits, sorted."""
        return classes_of(self.recordings)

    @property
    def counts(self) -> dict[str, int]:
        """Number of mixtures in each split that is written, and has any."""
        counts = count_mixtures(self.config.n_files, self.config.percentages)
        written = self.config.splits
        return {split: count for split, count in counts.items() if count and split in written}

    def give_notice_of_empty_splits(self) -> None:
        """Tell which splits have no mixture because there are so few."""
        percentages = self.config.percentages
        counts = count_mixtures(self.config.n_files, percentages)
        empty = [name for name in self.config.splits if counts.get(name) == 0]
        if empty:
            given = " ".join(f"{part:g}" for part in percentages)
            give_notice(
                InputWarning(
                    f"{', '.join(empty)}: no mixture, since n_files is {self.config.n_files} and "
                    f"split_percentages {given}; pass --n_files {smallest_number(percentages)} or "
                    "more to have some"
                )
            )

    def spec(self, split: str, index: int) -> MixtureSpec:
        """Draw a mixture of a split; any index is allowed, also beyond those that are written.

        Args:
            split: train, validation or test.
            index: index of the mixture in its split.

        Returns:
            the same mixture for the same arguments.

        Raises:
            InputError: the split has no recordings.
        """
        if not self.split[split]:
            raise InputError(
                f"the {split} split has 0 % of the recordings: "
                "choose another split or other percentages"
            )
        seed = [self.config.seed, SPLITS.index(split), index]
        return sample_spec(
            np.random.default_rng(seed),
            self.split[split],
            self.mixing,
            filename=f"{index:06d}.wav",
            backgrounds=self.backgrounds[split],
            noise_seed=[*seed, 1],
            has_events=not _is_due(index, self.mixing.without_events),
        )


def count_mixtures(n_files: int, percentages: Percentages) -> dict[str, int]:
    """Return the number of mixtures in each split of more than 0 %.

    It is rounded down; the rest is train's.
    """
    shares = check_percentages(percentages)
    counts = {split: int(n_files * part / 100) for split, part in shares.items()}
    counts["train"] += n_files - sum(counts.values())
    return counts


def smallest_number(percentages: Percentages) -> int:
    """Return the smallest number of mixtures of which each split of more than 0 % has one."""
    held_out = [part for split, part in check_percentages(percentages).items() if split != "train"]
    n_files = max(1, int(100 / min(held_out, default=100)))  # or one or two more, due to rounding
    while 0 in count_mixtures(n_files, percentages).values():
        n_files += 1
    return n_files


def _is_due(index: int, share: float) -> bool:
    """Tell whether an index is among a share of all indices that is spread evenly."""
    return math.floor((index + 1) * share + 0.5) > math.floor(index * share + 0.5)


def event_steps(
    config: MixtureFolderConfig, left_out: LeftOut | None = None
) -> Steps[IndexedFolder]:
    """Index the recordings that mixtures are made from; see `indexing_steps`."""
    return indexing_steps(
        config.event_folder,
        csv=config.recordings_csv,
        origin_pattern=config.origin_pattern,
        left_out=left_out,
    )


def planning_steps(
    config: MixtureFolderConfig,
    mixing: MixingConfig,
    recordings: Sequence[Recording],
    left_out: LeftOut | None = None,
) -> Steps[MixturePlan]:
    """Read the background recordings if there are any, and split all recordings.

    Args:
        config: number of mixtures, seed and folders.
        mixing: settings for drawing mixtures.
        recordings: all recordings of the event folder.
        left_out: the files of the event folder that were left out; collects background recordings
            that can't be used.

    Yields:
        how many background recordings have been decoded.

    Returns:
        the plan.

    Raises:
        InputError: there are no recordings, or a class or the background folder has too few for
            the split; files can't be used and must not be left out.
    """
    if left_out is None:
        left_out = LeftOut("mix", on_error=config.on_error)
    background_recordings: list[Recording] = []
    if mixing.background_folder is not None:
        background_recordings = yield from background_steps(
            mixing.background_folder,
            origin_pattern=config.background_origin_pattern or config.origin_pattern,
            left_out=left_out,
            events=recordings,
        )
    left_out.stop_if_any()
    if left_out and not recordings:
        raise left_out.to_error()
    if mixing.pairs and recordings:
        check_classes_of_pairs(classes_of(recordings))
    split = config.divide(recordings)
    backgrounds: dict[str, list[Recording]] = {name: [] for name in SPLITS}
    if mixing.background_folder is not None:
        backgrounds = _split_backgrounds(
            background_recordings, mixing.background_folder, config, left_out
        )
    return MixturePlan(config, mixing, recordings, split, backgrounds)


def plan_mixtures(
    config: MixtureFolderConfig,
    mixing: MixingConfig,
    recordings: Sequence[Recording],
    left_out: LeftOut | None = None,
) -> MixturePlan:
    """Plan the mixtures of a folder; see `planning_steps`."""
    return run_to_end(planning_steps(config, mixing, recordings, left_out))


def _split_backgrounds(
    recordings: Sequence[Recording],
    folder: str,
    config: MixtureFolderConfig,
    left_out: LeftOut,
) -> dict[str, list[Recording]]:
    n_origins = len({recording.origin for recording in recordings})
    n_splits = config.n_folds or len(check_percentages(config.percentages))
    if n_origins < n_splits:
        part = "split" if config.n_folds is None else "fold"
        lost = f"; {left_out.to_error()}" if left_out else ""
        origins = "origin" if n_origins == 1 else "origins"
        of_origins = f" of {n_origins} {origins}" if n_origins < len(recordings) else ""
        raise InputError(
            f"background_folder {{path}} has {len(recordings)} recordings{of_origins}: "
            f"expected at least {n_splits}, one for each {part}{escape_braces(lost)}",
            path=folder,
        )
    return config.divide(recordings)
