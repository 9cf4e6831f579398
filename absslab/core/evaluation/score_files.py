"""Scores on disk: a JSON file, and the table of an evaluation beside it as CSV."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from absslab.core.common.errors import InputError, Reason, escape_braces
from absslab.core.common.files import (
    atomic_write,
    check_output_path,
    read_json,
    write_json,
    write_text,
)
from absslab.core.evaluation.scores import EvaluationResult, Scores

_REQUIRED_COLUMNS = ("mixture", "class", "label", "present")
_LONGEST_HEADER = 10_000  # characters
_TEXT_COLUMNS = ("mixture", "class", "path")


def table_path(path: str | Path) -> Path:
    """Return the path of the table that belongs to a file of scores: a.csv for a.json."""
    return Path(path).with_suffix(".csv")


def check_scores_path(path: str | Path) -> None:
    """Check, before long work, that scores and their table can be written.

    An earlier evaluation may have written them, also one that was killed between its two files.

    Raises:
        InputError: see `check_output_path`; also if something else lies where the table goes.
    """
    check_output_path(path)
    table = table_path(path)
    if table.exists() and not Path(path).exists() and not _is_table(table):
        raise InputError(
            "output is {output}, but {table}, the place of its table, is something else",
            output=path,
            table=table,
        )


def write_scores(path: str | Path, scores: Scores, table: pd.DataFrame) -> None:
    """Write scores as JSON, and the table beside them as CSV of the same name.

    Each file appears whole or not at all, and never beside one of an earlier evaluation.

    Raises:
        OSError: a file can't be written; those of an earlier evaluation stay.
    """
    csv_path = table_path(path)
    with atomic_write(path) as unfinished_scores, atomic_write(csv_path) as unfinished_table:
        write_text(unfinished_table, table.to_csv(index=False, float_format="%.7g"))
        write_json(unfinished_scores, {**scores.to_json(), "table": csv_path.name})
        Path(path).unlink(missing_ok=True)


def read_scores(path: str | Path) -> EvaluationResult:
    """Read what `absslab evaluate --output` wrote: the scores, and the table beside them.

    Raises:
        InputError: a file is missing, damaged, of a newer version or of another kind.
    """
    content = read_json(path)
    if not isinstance(content, Mapping) or "table" not in content or "classes" not in content:
        raise InputError(
            "{path} does not hold scores with a table: write it with absslab evaluate --output",
            path=path,
        )
    table = _read_table(Path(path).parent / str(content["table"]), path)
    return EvaluationResult(_parse(path, content), table)


def read_scores_alone(path: str | Path) -> Scores:
    """Read scores without their table.

    Raises:
        InputError: the file is missing, damaged, of a newer version or of another kind.
    """
    return _parse(path, read_json(path))


def _parse(path: str | Path, content: object) -> Scores:
    if isinstance(content, Mapping):
        content = {name: value for name, value in content.items() if name != "table"}
    try:
        return Scores.from_json(content)
    except InputError as error:
        raise error.wrap("{path} can't be read: {error}", path=path) from None


def _is_table(path: Path) -> bool:
    """Tell whether a file begins like the table of an evaluation."""
    try:
        with open(path, encoding="utf-8") as file:
            columns = file.readline(_LONGEST_HEADER).strip().split(",")
    except (OSError, UnicodeDecodeError):
        return False
    return set(_REQUIRED_COLUMNS) <= set(columns)


def _read_table(path: Path, scores_path: str | Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(_TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values=[""],
        )
    except (OSError, ValueError) as error:
        raise InputError(
            "{path}, the table of {scores_path}, can't be read ({reason}): evaluate once more",
            path=path,
            scores_path=scores_path,
            reason=Reason.of(error),
        ) from None
    missing = [name for name in _REQUIRED_COLUMNS if name not in table]
    if missing or table.empty:
        raise InputError(
            f"{{path}} lacks {', '.join(missing) or 'rows'}: evaluate once more", path=path
        )
    for name in ("mixture", "class"):
        n_empty = int(table[name].isna().sum())
        if n_empty:
            raise InputError(
                f"{{path}}: the column {name} is empty in {n_empty} rows: evaluate once more",
                path=path,
            )
    _check_pairs(table, path)
    for name in table.columns.difference(_TEXT_COLUMNS, sort=False):
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(
                f"{{path}}: the column {escape_braces(name)} holds other things "
                "than numbers: evaluate once more",
                path=path,
            )
    return table


def _check_pairs(table: pd.DataFrame, path: Path) -> None:
    """Check that there is one row for each pair of a mixture and a class."""
    pairs = table[["mixture", "class"]]
    repeated = pairs[pairs.duplicated()]
    if len(repeated):
        mixture, name = map(str, repeated.iloc[0])
        raise InputError(
            f"{{path}} has the row of {escape_braces(mixture)} and {escape_braces(name)} twice: "
            f"evaluate once more",
            path=path,
        )
    n_mixtures = table["mixture"].nunique()
    n_classes = table["class"].nunique()
    if len(table) != n_mixtures * n_classes:
        raise InputError(
            f"{{path}} has {len(table)} rows: expected one for each of {n_mixtures} mixtures and "
            f"{n_classes} classes; evaluate once more",
            path=path,
        )
