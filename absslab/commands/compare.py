"""absslab compare."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absslab.cli import Parser
from absslab.core.comparison import ComparisonConfig, compare
from absslab.core.config import add_flags, from_flags
from absslab.core.errors import InputError
from absslab.core.files import check_output, write_json


def run(arguments: Sequence[str]) -> None:
    """Compare as the flags say."""
    parser = Parser("absslab compare", description="Put scores of the same mixtures side by side.")
    parser.add_argument("scores", nargs="+", metavar="SCORES.json", help="what absslab evaluate --output wrote")
    add_flags(parser, ComparisonConfig)
    parser.add_argument("--output", metavar="TEXT", help="write the comparison as JSON")
    given = vars(parser.parse(arguments))
    if given["output"]:
        check_output(given["output"])
        if Path(given["output"]).resolve() in [Path(path).resolve() for path in given["scores"]]:
            raise InputError(f"output is {given['output']}, which is one of the scores: choose another name")
    compared = compare(given["scores"], from_flags(ComparisonConfig, given))
    print(table(compared))
    if given["output"]:
        write_json(given["output"], compared)
        print(f"→ {given['output']}")


def table(compared: Mapping[str, Any]) -> str:
    """A comparison as a table for a terminal; of single classes only the improvement and the leakage."""
    names = _short_names(compared["systems"])
    scores = {name: row for name, row in compared["scores"].items() if not name.startswith("per_class.")}
    shown = ("si_sdr_improvement", "leakage")
    scores |= {name: row for name, row in compared["scores"].items() if name not in scores and name.endswith(shown)}
    lines = [["score", names[0], *(cell for name in names[1:] for cell in (name, "difference", "95 % interval"))]]
    for score, row in scores.items():
        cells = [_number(row["values"][0])]
        for value, difference, interval in zip(
            row["values"][1:], row["differences"][1:], row["intervals"][1:], strict=True
        ):
            cells += [_number(value), _number(difference, "+"), _interval(interval)]
        lines.append([score, *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join([f"{first:{widths[0]}}", *_aligned(rest, widths[1:])]).rstrip() for first, *rest in lines]
    head = f"{compared['n_mixtures']} mixtures; differences from {names[0]}, mixture by mixture"
    return "\n".join([head, *text, "* the 95 % interval excludes 0"])


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else format(value, f"{sign}.3f")


def _interval(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "– "
    star = "*" if interval[0] > 0 or interval[1] < 0 else " "
    return f"{interval[0]:+.3f} to {interval[1]:+.3f}{star}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]


def _short_names(paths: Sequence[str]) -> list[str]:
    """File names where they differ, otherwise with their folders."""
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)
