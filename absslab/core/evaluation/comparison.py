"""Compare systems by their scores of the same mixtures: differences with 95 % intervals.

All systems are scored on the same resamples of the mixtures. A mixture that is hard for all of
them then changes all their scores together, and does not widen the interval of the difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from absslab.core.common.config import Config, option
from absslab.core.common.documents import SavedDocument
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import stems_if_distinct
from absslab.core.evaluation.score_files import read_scores
from absslab.core.evaluation.score_table import (
    CONFIDENCE,
    DETECTION_KINDS,
    EXTENT,
    TRUTHS,
    Statistics,
    interval,
)
from absslab.core.evaluation.scores import EvaluationResult, Scores
from absslab.core.metrics.undefined import number

KEYS = ["mixture", "class"]
_DETECTION_COLUMNS = tuple(f"{kind}_" for kind in DETECTION_KINDS)  # how their names begin
_N_LISTED = 10  # mixtures that one line names
PLAIN = (  # scores that only the JSON holds, not the table: compared without intervals
    "detection.frame.auc",
    "detection.frame.average_precision",
    "detection.psds.psds1",
    "detection.psds.psds2",
    "detection.psds_ungated.psds1",
    "detection.psds_ungated.psds2",
    "segmentation.auc",
    "segmentation.average_precision",
)
_COMPARED_TOGETHER = (  # columns that a class has for the same mixtures in all tables
    ("label", "probability", "decision"),
    ("si_sdr",),
    ("si_sdr_improvement",),
    ("plain_sdr",),
    ("plain_sdr_improvement",),
    ("leakage",),
)
# Settings in which two evaluations may differ.
_MAY_DIFFER = {
    "bss_eval",
    "n_resamples",
    "resampling_seed",
    "on_error",
    "truth",  # see `_align_truths`
}


@dataclass(frozen=True)
class ComparisonConfig(Config):
    """Settings of a comparison of systems."""

    n_resamples: int = option(
        2000, "number of resamples of the mixtures for 95 % intervals", at_least=100
    )
    resampling_seed: int = option(0, "random seed for resampling", at_least=0)


@dataclass(frozen=True)
class ComparedScore:
    """A score of all systems; None for systems that do not have it."""

    values: list[float | None]
    differences: list[float | None]  # from the first system; None for the first itself
    intervals: list[list[float] | None]  # of the differences


@dataclass(frozen=True)
class Comparison(SavedDocument):
    """Scores of systems, as `absslab compare --output` writes them."""

    FORMAT = "absslab comparison"
    VERSION = 1

    systems: list[str]
    n_mixtures: int
    confidence: float
    n_resamples: int
    scores: dict[str, ComparedScore]  # by dotted name
    notes: tuple[str, ...] = ()  # which classes could not be compared, and why


@dataclass(frozen=True)
class _System:
    """Scores of a system, and those of resampled mixtures, by dotted name."""

    values: Mapping[str, float | None]
    resampled: Mapping[str, np.ndarray]  # (R,) each
    n_mixtures: int


def read_comparison(path: str | Path) -> Comparison:
    """Read the comparison that `absslab compare --output` wrote.

    Raises:
        InputError: it is missing or damaged, holds something else, or has a newer version.
    """
    # Version 0.1.0 wrote neither format nor version.
    head = {"format": Comparison.FORMAT, "version": 1}
    return Comparison.read(path, "absslab compare", otherwise=head)


def compare(
    paths: Sequence[str | Path], config: ComparisonConfig = ComparisonConfig()
) -> Comparison:
    """Compare systems by the files that `absslab evaluate --output` wrote for them.

    Args:
        paths: the JSON files; the others are compared with the first.
        config: settings of the comparison.

    Returns:
        the scores of each system and their differences; scores in `PLAIN` have no intervals.

    Raises:
        InputError: there are fewer than two files, a file can't be read, or the systems were
            scored on different mixtures, classes or labels.
    """
    if len(paths) < 2:
        raise InputError(
            f"there is {len(paths)} file to compare: expected at least two that absslab "
            "evaluate wrote"
        )
    results = [_sort_table(read_scores(path)) for path in paths]
    results, truth_notes = _align_truths(results, paths)
    results, left_out_notes = _keep_common(results)
    first_path, *other_paths = map(str, paths)
    first_result, *other_results = results
    for path, result in zip(other_paths, other_results, strict=True):
        check_scoring_settings(first_path, first_result.scores, path, result.scores)
        _check_rows(first_path, first_result.table, path, result.table)
    results, notes = _blank_partial_classes(results, list(map(str, paths)))
    notes = [*truth_notes, *_describe_detection(results, paths), *left_out_notes, *notes]
    systems = [_summarise_system(result, config) for result in results]
    scores = {}
    for name, value in systems[0].values.items():
        others_have_it = any(system.values.get(name) is not None for system in systems[1:])
        if value is not None and others_have_it and not name.startswith("baselines."):
            scores[name] = _compare_score(name, systems)
    return Comparison(
        systems=[str(path) for path in paths],
        n_mixtures=systems[0].n_mixtures,
        confidence=CONFIDENCE,
        n_resamples=config.n_resamples,
        scores=scores,
        notes=tuple(notes),
    )


def _align_truths(
    results: Sequence[EvaluationResult], paths: Sequence[str | Path]
) -> tuple[list[EvaluationResult], list[str]]:
    """Compare events against the same truth: a score may be of the other one as well.

    Returns:
        the results, with the scores of the common truth as those of detection, or without scores
        of detection; what was chosen, a sentence, if the truths differ.
    """
    truths = [_truths_of(result.scores) for result in results]
    known = [names for names in truths if names]
    if len({names[0] for names in known}) < 2:
        return list(results), []
    common = [name for name in known[0] if all(name in names for names in known)]
    if not common:
        dropped = [_drop_detection(result) for result in results]
        others = ", ".join(
            f"{path} by {names[0]}" for path, names in zip(paths, truths, strict=True) if names
        )
        return dropped, [f"detection is not compared, since true events differ: {others}"]
    target = common[0]
    aligned = [
        _take_other_truth(result, target) if names and names[0] != target else result
        for result, names in zip(results, truths, strict=True)
    ]
    return aligned, [f"detection is compared by {target}, the true events that all have"]


def _describe_detection(
    results: Sequence[EvaluationResult], paths: Sequence[str | Path]
) -> list[str]:
    """Say by which activity events were found, if it differs: two versions differ by it alone."""
    sections = [result.scores.detection for result in results]
    kinds = [section and section.activity for section in sections]
    if len({kind for kind in kinds if kind}) < 2:
        return []
    ways = [f"{path} by {kind}" for path, kind in zip(paths, kinds, strict=True) if kind]
    return [f"events were found in different ways: {', '.join(ways)}"]


def _truths_of(scores: Scores) -> list[str]:
    """Return the truths that events were scored against, that of `detection` first."""
    if scores.detection is None:
        return []
    first = scores.detection.truth or EXTENT  # earlier versions knew no other truth
    others = [name for name in TRUTHS if getattr(scores, f"detection_{name}") is not None]
    return [first, *others]


def _drop_detection(result: EvaluationResult) -> EvaluationResult:
    """Remove the scores of detection from a result."""
    columns = [name for name in result.table if str(name).startswith(_DETECTION_COLUMNS)]
    scores = replace(result.scores, detection=None)
    return EvaluationResult(scores, result.table.drop(columns=columns))


def _take_other_truth(result: EvaluationResult, truth: str) -> EvaluationResult:
    """Make the scores against the other truth those of detection."""
    detection = getattr(result.scores, f"detection_{truth}")
    dropped = _drop_detection(result)
    prefix = f"{truth}."
    names = {
        name: name.removeprefix(prefix) for name in dropped.table if str(name).startswith(prefix)
    }
    scores = replace(
        dropped.scores, detection=detection, detection_activity=None, detection_extent=None
    )
    return EvaluationResult(scores, dropped.table.rename(columns=names))


def _blank_partial_classes(
    results: Sequence[EvaluationResult], paths: Sequence[str]
) -> tuple[list[EvaluationResult], list[str]]:
    """Empty the scores of classes that a table lacks for mixtures of others, in all tables.

    Means over other mixtures, or over other classes, could not be compared. A table that has a
    score of no class at all does not count.

    Returns:
        the results; why classes have no score, a sentence each.
    """
    tables = [result.table.copy() for result in results]
    classes = list(dict.fromkeys(tables[0]["class"]))
    notes = []
    for columns in _COMPARED_TOGETHER:
        for name in classes:
            partial = _find_partial(tables, name, columns)
            if partial is None:
                continue
            index, lacks_all = partial
            for table in tables:
                own = [column for column in columns if column in table]
                table.loc[table["class"] == name, own] = np.nan
            extent = "" if lacks_all else " for some mixtures"
            notes.append(f"class {name} has no {columns[0]}: {paths[index]} lacks it{extent}")
    blanked = [result._replace(table=table) for result, table in zip(results, tables, strict=True)]
    return blanked, notes


def _find_partial(
    tables: Sequence[pd.DataFrame], class_name: str, columns: tuple[str, ...]
) -> tuple[int, bool] | None:
    """Find the table that lacks columns of a class for mixtures where another table has them.

    Returns:
        its index, and whether it lacks them for all mixtures; None if there is no such table.
    """
    known = {}
    for index, table in enumerate(tables):
        own = [column for column in columns if column in table]
        is_known = table[own].notna().all(axis=1)
        if own and is_known.any():
            known[index] = is_known[table["class"] == class_name].to_numpy()
    expected = np.any(list(known.values()), axis=0)
    for index, is_known in known.items():
        if (is_known != expected).any():
            return index, not is_known.any()
    return None


def _keep_common(results: Sequence[EvaluationResult]) -> tuple[list[EvaluationResult], list[str]]:
    """Keep the mixtures that all have, if the others were left out because of an error.

    Scores that can't be computed again from the tables are dropped then, since they are of
    different mixtures.

    Returns:
        the results, and a note if mixtures were dropped.
    """
    names = [set(result.table["mixture"]) for result in results]
    common = set.intersection(*names)
    dropped = set.union(*names) - common
    left_out: set[str] = set().union(*(result.scores.left_out for result in results))
    if not dropped or not common or not dropped <= left_out:
        return list(results), []
    kept = []
    for result in results:
        table = result.table[result.table["mixture"].isin(common)].reset_index(drop=True)
        kept.append(
            EvaluationResult(Scores(result.scores.classes, settings=result.scores.settings), table)
        )
    were = "mixture was" if len(dropped) == 1 else "mixtures were"
    named = ", ".join(sorted(dropped)[:_N_LISTED])
    more = f" and {len(dropped) - _N_LISTED} more" if len(dropped) > _N_LISTED else ""
    return kept, [
        f"{len(dropped)} {were} left out of some of the scores: compared on the "
        f"{len(common)} that all have (without {named}{more})"
    ]


def _sort_table(result: EvaluationResult) -> EvaluationResult:
    table = result.table.sort_values(KEYS, kind="stable").reset_index(drop=True)
    return result._replace(table=table)


def _summarise_system(result: EvaluationResult, config: ComparisonConfig) -> _System:
    statistics = Statistics.from_table(result.table)
    plain = result.scores.flat()
    return _System(
        {
            **{name: number(value[0]) for name, value in statistics.scores().items()},
            **{name: plain.get(name) for name in PLAIN},
        },
        statistics.resampled(n_resamples=config.n_resamples, seed=config.resampling_seed),
        len(statistics.mixtures),
    )


def _compare_score(name: str, systems: Sequence[_System]) -> ComparedScore:
    first, *others = systems
    differences: list[float | None] = [None]
    intervals: list[list[float] | None] = [None]
    first_value = first.values[name]
    for system in others:
        value = system.values.get(name)
        if value is None or first_value is None:
            differences.append(None)
            intervals.append(None)
            continue
        differences.append(value - first_value)
        ends = None
        if name in system.resampled and name in first.resampled:
            resampled = system.resampled[name] - first.resampled[name]  # (R,)
            ends = None if np.isnan(resampled).all() else interval(resampled)
        intervals.append(ends)
    values = [system.values.get(name) for system in systems]
    return ComparedScore(values, differences, intervals)


def check_scoring_settings(path: str, scores: Scores, other_path: str, other: Scores) -> None:
    """Check that two systems were scored with the same settings.

    Raises:
        InputError: they differ in one on which scores depend.
    """
    settings = scores.settings.get("scoring", {})
    other_settings = other.settings.get("scoring", {})
    for name in (settings.keys() & other_settings.keys()) - _MAY_DIFFER:
        if settings[name] != other_settings[name]:
            raise InputError(
                f"{{path}} was scored with {name} {escape_braces(settings[name])}, "
                f"{{other_path}} with {escape_braces(other_settings[name])}: "
                "evaluate both with the same settings",
                path=path,
                other_path=other_path,
            )


def _check_rows(path: str, table: pd.DataFrame, other_path: str, other: pd.DataFrame) -> None:
    """Check that two tables are of the same mixtures, classes and labels."""
    for key, plural in zip(KEYS, ("mixtures", "classes"), strict=True):
        names = set(table[key])
        other_names = set(other[key])
        if names != other_names:
            lacking = sorted(names - other_names) or sorted(other_names - names)
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            raise InputError(
                f"{{path}} and {{other_path}} were scored on different {plural}: only one has "
                f"{escape_braces(', '.join(lacking[:3]))}{more}",
                path=path,
                other_path=other_path,
            )
    for column in ("label", "present"):
        values = table[column].to_numpy(float)
        other_values = other[column].to_numpy(float)
        differ = (values != other_values) & ~np.isnan(values) & ~np.isnan(other_values)
        if differ.any():
            mixture, name = table.loc[int(np.argmax(differ)), KEYS]
            raise InputError(
                f"{{path}} and {{other_path}} differ in whether {escape_braces(mixture)} "
                f"holds {escape_braces(name)}: "
                "they were scored on different data",
                path=path,
                other_path=other_path,
            )


def comparison_text(comparison: Comparison, *, names: Sequence[str] = ()) -> str:
    """Format a comparison for a terminal; single classes show only improvement and leakage.

    Args:
        comparison: the result of `compare`.
        names: names of the systems; by default the names of their files.
    """
    names = list(names) or stems_if_distinct(comparison.systems)
    header = ["score", names[0]]
    for name in names[1:]:
        header += [name, "difference", "95 % interval"]
    rows = [header]
    for name in _select_scores(comparison):
        score = comparison.scores[name]
        rows.append([name, _format_number(score.values[0])])
        for value, difference, ends in zip(
            score.values[1:], score.differences[1:], score.intervals[1:], strict=True
        ):
            rows[-1] += [
                _format_number(value),
                _format_number(difference, "+"),
                _format_interval(ends),
            ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{comparison.n_mixtures} mixtures; differences from {names[0]}, mixture by mixture"]
    for title, *cells in rows:
        aligned = [f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([f"{title:{widths[0]}}", *aligned]).rstrip())
    return "\n".join([*lines, "* the 95 % interval excludes 0", *comparison.notes])


def _select_scores(comparison: Comparison) -> list[str]:
    """Select the scores of all classes, then the improvement and the leakage of each class."""
    per_class = [name for name in comparison.scores if name.startswith("per_class.")]
    overall = [name for name in comparison.scores if name not in per_class]
    return overall + [
        name for name in per_class if name.endswith(("si_sdr_improvement", "leakage"))
    ]


def _format_number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else format(value, f"{sign}.3f")


def _format_interval(ends: Sequence[float] | None) -> str:
    if ends is None:
        return "– "
    star = "*" if ends[0] > 0 or ends[1] < 0 else " "
    return f"{ends[0]:+.3f} to {ends[1]:+.3f}{star}"
