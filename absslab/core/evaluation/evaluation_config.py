"""The settings that say which model is scored on which recordings."""

from collections.abc import Sequence
from dataclasses import dataclass

from absslab.core.common.config import Config, option
from absslab.core.common.devices import device_option
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.data.layouts import (
    LAYOUT_ALIASES,
    LAYOUTS,
    audio_folder_option,
    yaml_file_option,
)
from absslab.core.data.splits import ALL, SPLITS


@dataclass(frozen=True)
class EvaluationConfig(Config):
    """The model to score, and the recordings to score it on."""

    checkpoint_path: str = option(
        "",
        "the model to score, unless --estimates and --references are given; its file also holds "
        "the settings of the data that it was trained on",
        metavar="FILE",
        required=True,
    )
    split: str | None = option(
        None,
        "the split whose recordings are scored, or all of them; by default test, but all "
        "recordings of another folder or table that has no splits of its own, without those that "
        "the model was trained on",
        choices=(*SPLITS, ALL),
    )
    data_folder: str | None = option(
        None,
        "another folder with recordings of the same classes, or of some of them",
        metavar="FOLDER",
    )
    audio_folder: str | None = audio_folder_option()
    yaml_file: str | None = yaml_file_option()
    labels: str | None = option(
        None,
        "table of labels, if it does not lie in this folder, or has another name",
        metavar="FILE",
    )
    class_columns: tuple[str, ...] | None = option(
        None,
        "of a table with a column of 0 and 1 per class, the columns that are classes; by default "
        "as in the training",
        metavar="NAME",
    )
    data_set_type: str | None = option(
        None,
        "layout of this folder, where it differs from that of the training data",
        choices=LAYOUTS,
        value_aliases=LAYOUT_ALIASES,
    )
    n_recordings: int | None = option(
        None, "score only the first recordings, this many; by default all", at_least=1
    )
    tagging_thresholds: tuple[float, ...] | None = option(
        None,
        "a class is tagged from this probability on: one for all classes, or one for each in "
        "their order; by default those with the highest F1 on the validation split",
        at_least=0,
        at_most=1,
    )
    at_own_rate: bool = option(
        False,
        "whether mixtures are separated, and their sources scored, at their own rate with all "
        "channels, instead of at the model's rate in one channel",
    )
    self_check: bool = option(
        False,
        "whether the model also hears its own outputs, which judges them without true sources; "
        "this takes several times as long",
    )
    device: str = device_option()


def check_tagging_thresholds(thresholds: Sequence[float], classes: Sequence[str]) -> list[float]:
    """Check that there is one threshold of tags, or one for each class.

    Args:
        thresholds: `tagging_thresholds` of a config.
        classes: of the model.

    Returns:
        the thresholds.

    Raises:
        InputError: there is another number of them.
    """
    if len(thresholds) not in (1, len(classes)):
        raise InputError(
            f"tagging_thresholds has {len(thresholds)} values: expected 1, or {len(classes)}, one "
            f"for each class ({escape_braces(', '.join(classes))})"
        )
    return list(thresholds)
