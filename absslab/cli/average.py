"""absslab average."""

from collections.abc import Sequence
from pathlib import Path

from absslab.cli.parser import Parser
from absslab.core.common.config import parse_path
from absslab.core.common.errors import InputError
from absslab.core.common.files import check_output_path, write_json
from absslab.core.evaluation.fold_average import average_folds, average_text


def run(arguments: Sequence[str]) -> None:
    """Average the scores that are given by the arguments."""
    parser = Parser(
        "absslab average",
        description="Average the scores of folds: mean and standard deviation of each score.",
    )
    parser.add_argument(
        "scores",
        nargs="+",
        metavar="SCORES.json",
        help="file that absslab evaluate --output wrote, one for each fold",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=parse_path,
        help="write the averages as JSON, with those of each class",
    )
    given = parser.parse(arguments)
    if given.output:
        check_output_path(given.output)
        if Path(given.output).resolve() in [Path(path).resolve() for path in given.scores]:
            raise InputError(
                f"output is {given.output}, which is one of the scores: choose another name"
            )
    average = average_folds(given.scores)
    if given.output:
        write_json(given.output, average.to_json())
    print(average_text(average))
    if given.output:
        print(f"→ {given.output}")
