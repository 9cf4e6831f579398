"""Systems side by side: scores of the same mixtures, their differences, and how sure these are.

Axes: R resamples, n mixtures. The same mixtures are drawn for all systems, so that what makes a mixture hard for all of
them does not blur their difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.evaluation.score_table import CONFIDENCE, Statistics, interval, read_scores
from absslab.core.metrics.undefined import number

KEYS = ["mixture", "class"]
PLAIN = (  # scores that the table does not tell, only the JSON: compared without intervals
    "detection.frame.auc",
    "detection.frame.average_precision",
    "detection.psds.psds1",
    "detection.psds.psds2",
    "segmentation.auc",
    "segmentation.average_precision",
)


@dataclass(frozen=True)
class ComparisonConfig(Config):
    """How systems are compared."""

    n_resamples: int = option(2000, "of the mixtures, for 95 % intervals", at_least=100)
    resampling_seed: int = option(0, "of what is resampled", at_least=0)


def compare(
    paths: Sequence[str | Path], config: ComparisonConfig = ComparisonConfig()
) -> dict[str, Any]:
    """Compare systems by what `absslab evaluate --output` wrote of them.

    Args:
        paths: of the JSON files; the first is what the others are compared with.
        config: how.

    Returns:
        {"systems", "n_mixtures", "scores": {name: {"values", "differences", "intervals"}}}: a value per system, None where
        it has none; differences from the first system, None for the first itself; and their intervals, None also of
        scores in `PLAIN`.

    Raises:
        InputError: fewer than two files, files that can't be read, other mixtures, classes or labels.
    """
    if len(paths) < 2:
        raise InputError(
            f"there is {len(paths)} file to compare: expected at least two that absslab evaluate wrote"
        )
    read = [read_scores(path) for path in paths]
    tables = [table.sort_values(KEYS, kind="stable").reset_index(drop=True) for _, table in read]
    for path, table, (scores_of, _) in zip(paths[1:], tables[1:], read[1:], strict=True):
        _check_settings(str(paths[0]), read[0][0], str(path), scores_of)
        _check_same(str(paths[0]), tables[0], str(path), table)
    statistics = [Statistics(table) for table in tables]
    values = [
        {name: number(value[0]) for name, value in one.scores().items()} for one in statistics
    ]
    drawn = [
        one.resampled(n_resamples=config.n_resamples, seed=config.resampling_seed)
        for one in statistics
    ]
    for of_one, (plain, _) in zip(values, read, strict=True):
        of_one |= {name: _look_up(plain, name) for name in PLAIN}
    scores = {}
    for name, first in values[0].items():
        of_all = [one.get(name) for one in values]
        if (
            name.startswith("baselines.")
            or first is None
            or all(value is None for value in of_all[1:])
        ):
            continue
        differences: list[float | None] = [None]
        intervals: list[list[float] | None] = [None]
        for value, resampled in zip(of_all[1:], drawn[1:], strict=True):
            differences.append(None if value is None else value - first)
            known = value is not None and name in resampled and name in drawn[0]
            apart = resampled[name] - drawn[0][name] if known else np.array([np.nan])
            intervals.append(None if np.isnan(apart).all() else interval(apart))
        scores[name] = {"values": of_all, "differences": differences, "intervals": intervals}
    return {
        "systems": [str(path) for path in paths],
        "n_mixtures": len(statistics[0].mixtures),
        "confidence": CONFIDENCE,
        "n_resamples": config.n_resamples,
        "scores": scores,
    }


def _look_up(scores: Any, name: str) -> float | None:
    """A score by its dotted name; None where there is none."""
    for key in name.split("."):
        scores = scores.get(key) if isinstance(scores, Mapping) else None
    return scores if isinstance(scores, int | float) else None


def _check_settings(
    path: str, scores: Mapping[str, Any], other_path: str, other: Mapping[str, Any]
) -> None:
    """See that two systems were scored alike."""
    here, there = (
        dict((of.get("settings") or {}).get("ScoringConfig") or {}) for of in (scores, other)
    )
    for name in (set(here) & set(there)) - {"bss_eval", "n_resamples", "resampling_seed"}:
        if here[name] != there[name]:
            raise InputError(
                f"{path} was scored with {name} {here[name]}, {other_path} with {there[name]}: evaluate both alike"
            )


def _check_same(path: str, table: pd.DataFrame, other_path: str, other: pd.DataFrame) -> None:
    """See that two tables speak of the same."""
    for key, plural in zip(KEYS, ("mixtures", "classes"), strict=True):
        here, there = set(table[key]), set(other[key])
        if here != there:
            only = sorted(here - there) or sorted(there - here)
            raise InputError(
                f"{path} and {other_path} were scored on other {plural}: only one has {', '.join(only[:3])}"
                + (f" and {len(only) - 3} more" if len(only) > 3 else "")
            )
    if len(table) != len(other):
        raise InputError(
            f"{path} has {len(table)} rows, {other_path} {len(other)}: expected one per mixture and class"
        )
    for column in ("label", "present"):
        ours, theirs = table[column].to_numpy(float), other[column].to_numpy(float)
        apart = (ours != theirs) & ~np.isnan(ours) & ~np.isnan(theirs)
        if apart.any():
            mixture, name = table.loc[int(np.argmax(apart)), KEYS]
            raise InputError(
                f"{path} and {other_path} differ in whether {mixture} holds {name}: they are of other data"
            )


def comparison_text(compared: Mapping[str, Any], *, names: Sequence[str] = ()) -> str:
    """A comparison as a table for a terminal; of single classes only the improvement and the leakage.

    Args:
        compared: what `compare` returned.
        names: of the systems; without, those of their files.
    """
    names = list(names) or _short_names(compared["systems"])
    scores = {
        name: row for name, row in compared["scores"].items() if not name.startswith("per_class.")
    }
    shown = ("si_sdr_improvement", "leakage")
    scores |= {
        name: row
        for name, row in compared["scores"].items()
        if name not in scores and name.endswith(shown)
    }
    lines = [
        [
            "score",
            names[0],
            *(cell for name in names[1:] for cell in (name, "difference", "95 % interval")),
        ]
    ]
    for score, row in scores.items():
        cells = [_number(row["values"][0])]
        for value, difference, ends in zip(
            row["values"][1:], row["differences"][1:], row["intervals"][1:], strict=True
        ):
            cells += [_number(value), _number(difference, "+"), _interval(ends)]
        lines.append([score, *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [
        "  ".join([f"{first:{widths[0]}}", *_aligned(rest, widths[1:])]).rstrip()
        for first, *rest in lines
    ]
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
