"""absslab mix."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from absslab.cli.parser import Parser
from absslab.core.common.cluster import ClusterConfig
from absslab.core.common.config import add_flags, from_flags
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import run_with_progress
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.thesis.flags import Flag

# Of the thesis' mixing script.
_SHORT_FLAGS = {
    "-l": "--length",
    "-M": "--max_event",
    "-o": "--overlap",
    "-r": "--white_noise_ratio",
    "-sr": "--sampling_rate",
    "-N": "--n_files",
    "-p_tr": "--training_percentage",
    "-p_dev": "--development_percentage",
    "-df": "--event_folder",
    "-of": "--output_folder",
}
_SHARES = {"training_percentage": 0.8, "development_percentage": 0.1}  # with its defaults


def run(arguments: Sequence[str]) -> LeftOut:
    """Write the mixtures that the flags describe, and return what was left out of them."""
    parser = Parser(
        "absslab mix", description="Make a folder of mixtures from isolated recordings."
    )
    add_flags(parser, MixtureFolderConfig)
    add_flags(parser, MixingConfig)
    add_flags(parser, ClusterConfig)
    _add_shares(parser)
    given = _replace_shares(vars(parser.parse(list(_write_out(arguments)))))
    config = from_flags(MixtureFolderConfig, given)
    scheduler = from_flags(ClusterConfig, given).scheduler
    steps = write_mixtures(config, from_flags(MixingConfig, given), scheduler=scheduler)
    written = run_with_progress(steps, "mixtures", "file")
    per_split = ", ".join(f"{n} {split}" for split, n in written.counts.items())
    print(f"{config.n_files} mixtures in {config.output_folder}: {per_split}")
    return written.left_out


def _write_out(arguments: Iterable[str]) -> Iterator[str]:
    """Replace short flags of the thesis, and its words for true and false, by those used here."""
    flag = ""
    for argument in arguments:
        if argument.startswith("-"):
            flag, equals, value = argument.partition("=")
            flag = _SHORT_FLAGS.get(flag, flag)
            yield f"{flag}{equals}{_write_value(flag, value) if equals else ''}"
        else:
            yield _write_value(flag, argument)


def _write_value(flag: str, value: str) -> str:
    """Return the value of a flag as it is written here."""
    return str(Flag(bool).parse("overlap", [value])) if flag == "--overlap" else value


def _add_shares(parser: Parser) -> None:
    """Add the flags by which the thesis' script gave the shares of the splits."""
    group = parser.add_argument_group(
        "Names of the thesis", f"Its short flags are understood as well: {' '.join(_SHORT_FLAGS)}"
    )
    for name, default in _SHARES.items():
        split = "train" if name == "training_percentage" else "validation"
        group.add_argument(
            f"--{name}",
            type=float,
            default=argparse.SUPPRESS,
            metavar="X",
            help=f"share of {split}, instead of split_percentages; test gets what the two leave "
            f"(default {default:g} if the other is given)",
        )


def _replace_shares(given: dict[str, Any]) -> dict[str, Any]:
    """Return the given settings with the shares of the thesis as percentages.

    Raises:
        InputError: the shares are no shares, or percentages are given as well.
    """
    shares = {name: given.pop(name) for name in _SHARES if name in given}
    if not shares:
        return given
    if "split_percentages" in given:
        raise InputError(
            f"--{next(iter(shares))} and --split_percentages both divide the recordings: "
            "pass one of them"
        )
    train, validation = (_SHARES | shares).values()
    if not (train > 0 and validation >= 0 and train + validation <= 1):
        raise InputError(
            f"training_percentage is {train:g} and development_percentage {validation:g}: expected "
            "shares from 0 to 1, as in 0.8 and 0.1, whose sum is at most 1"
        )
    percentages = [round(100 * share, 6) for share in (train, validation, 1 - train - validation)]
    return given | {"split_percentages": tuple(percentages)}
