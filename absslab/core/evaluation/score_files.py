"""Scores on disk: a JSON file, and the table of an evaluation beside it as CSV."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from absslab.core.common.errors import InputError, Reason, escape_braces
from absslab.core.common.files import read_json, write_json, write_text
from absslab.core.evaluation.scores import EvaluationResult, Scores

_TEXT_COLUMNS = ("mixture", "class", "path")


def table_path(path: str | Path) -> Path:
    """Return the path of the table that belongs to a file of scores: a.csv for a.json."""
    return Path(path).with_suffix(".csv")


def write_scores(path: str | Path, scores: Scores, table: pd.DataFrame) -> None:
    """Write scores as JSON, and the table beside them as CSV of the same name.

    Each file appears whole or not at all.
    """
    csv_path = table_path(path)
    write_text(csv_path, table.to_csv(index=False, float_format="%.7g"))
    write_json(path, {**scores.to_json(), "table": csv_path.name})


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
    missing = [name for name in ("mixture", "class", "label", "present") if name not in table]
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
    for name in table.columns.difference(_TEXT_COLUMNS, sort=False):
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(
                f"{{path}}: the column {escape_braces(name)} holds other things "
                "than numbers: evaluate once more",
                path=path,
            )
    return table
