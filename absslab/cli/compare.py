"""absslab compare."""

from collections.abc import Sequence
from pathlib import Path

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags, parse_path
from absslab.core.common.errors import InputError
from absslab.core.common.files import check_output_path, write_json
from absslab.core.evaluation.comparison import ComparisonConfig, compare, comparison_text


def run(arguments: Sequence[str]) -> None:
    """Compare the systems whose scores are given by the arguments."""
    parser = Parser(
        "absslab compare", description="Compare systems by their scores of the same mixtures."
    )
    parser.add_argument(
        "scores", nargs="+", metavar="SCORES.json", help="file that absslab evaluate --output wrote"
    )
    add_flags(parser, ComparisonConfig)
    parser.add_argument(
        "--output", metavar="FILE", type=parse_path, help="write the comparison as JSON"
    )
    given = vars(parser.parse(arguments))
    if given["output"]:
        check_output_path(given["output"])
        if Path(given["output"]).resolve() in [Path(path).resolve() for path in given["scores"]]:
            raise InputError(
                f"output is {given['output']}, which is one of the scores: choose another name"
            )
    compared = compare(given["scores"], from_flags(ComparisonConfig, given))
    if given["output"]:
        write_json(given["output"], compared.to_json())
    print(comparison_text(compared))
    if given["output"]:
        print(f"→ {given['output']}")
