"""Average the scores of folds: mean and deviation over models that were trained apart."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.documents import SavedDocument
from absslab.core.common.errors import InputError
from absslab.core.evaluation.comparison import check_scoring_settings
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.evaluation.scores import Scores

_PER_CLASS = "per_class."


@dataclass(frozen=True)
class AveragedScore:
    """A score of each fold; mean and deviation are None where it is not defined in all folds."""

    mean: float | None
    deviation: float | None  # of a sample, divided by the number of folds minus 1
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class FoldAverage(SavedDocument):
    """Scores over folds, as `absslab average --output` writes them."""

    FORMAT = "absslab average"
    VERSION = 1

    folds: tuple[str, ...]  # paths of the scores
    n_mixtures: tuple[int, ...]  # that were scored in each
    scores: dict[str, AveragedScore]  # by dotted name


def average_folds(paths: Sequence[str | Path]) -> FoldAverage:
    """Average scores over folds, each fold counting the same.

    Args:
        paths: files that `absslab evaluate --output` wrote, one for each fold.

    Raises:
        InputError: there are fewer than two, one can't be read, or they are of different classes,
            settings of the scoring or splits, or of one model.
    """
    files = [str(path) for path in paths]
    if len(files) < 2:
        raise InputError(f"there is only {files[0]}: expected the scores of two folds or more")
    if len({Path(path).resolve() for path in files}) < len(files):
        raise InputError("a file of scores is given twice: expected one for each fold")
    folds = [read_scores_alone(path) for path in files]
    for path, scores in zip(files[1:], folds[1:], strict=True):
        _check_fold(path, scores, files[0], folds[0])
    _check_models(files, folds)
    numbers = [scores.flat() for scores in folds]
    names = dict.fromkeys(name for of_fold in numbers for name in of_fold)
    return FoldAverage(
        folds=tuple(files),
        n_mixtures=tuple(scores.n_mixtures for scores in folds),
        scores={name: _average([of_fold.get(name) for of_fold in numbers]) for name in names},
    )


def average_text(average: FoldAverage) -> str:
    """Format an average for a terminal; scores of single classes are left out."""
    numbered = [str(number) for number in range(1, len(average.folds) + 1)]
    rows = [["score", "mean ± deviation", *numbered]]
    for name, score in average.scores.items():
        if name.startswith(_PER_CLASS):
            continue
        mean = "–"
        if score.mean is not None and score.deviation is not None:
            mean = f"{score.mean:z.3f} ± {score.deviation:.3f}"
        rows.append([name, mean, *map(_format_number, score.values)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{len(average.folds)} folds, each counting the same:"]
    lines += [
        f"{number}  {path}, {n} mixtures"
        for number, path, n in zip(numbered, average.folds, average.n_mixtures, strict=True)
    ]
    for title, *cells in rows:
        aligned = [f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([f"{title:{widths[0]}}", *aligned]))
    return "\n".join(lines)


def _average(values: Sequence[float | None]) -> AveragedScore:
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return AveragedScore(None, None, tuple(values))
    return AveragedScore(statistics.mean(defined), statistics.stdev(defined), tuple(values))


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:z.3f}"


def _check_fold(path: str, scores: Scores, first_path: str, first: Scores) -> None:
    """Check that scores mean the same in two folds."""
    check_scoring_settings(path, scores, first_path, first)
    for name in ("classes", "split"):
        if getattr(scores, name) != getattr(first, name):
            raise InputError(
                f"{{path}} and {{first_path}} have other {name}: expected folds of the same "
                "recordings, each scored on the same split",
                path=path,
                first_path=first_path,
            )


def _check_models(files: Sequence[str], folds: Sequence[Scores]) -> None:
    """Check that each fold has a model of its own: another one was trained on what it tests."""
    seen: dict[str, str] = {}  # path of the scores, by the checksum of the model
    for path, scores in zip(files, folds, strict=True):
        checksum = scores.checkpoint_checksum
        if checksum is None:
            continue
        other = seen.setdefault(checksum, path)
        if other != path:
            raise InputError(
                "{path} and {other} are scores of one model: expected a model for each fold, "
                "trained on the other folds",
                path=path,
                other=other,
            )
