"""Tables as HTML, of scores and of anything."""

import re
from collections.abc import Iterable, Sequence

from absslab.core.evaluation.score_text import interval_rows, score_remarks, score_rows
from absslab.core.runs.run_scores import RunScores
from absslab.plots.html_templates import render_template
from absslab.plots.html_text import paragraph


def render_score_table(scores: RunScores, *, caption: str = "", remarks: bool = True) -> str:
    """Render scores: a row per class and per baseline, with 95 % intervals.

    Args:
        scores: scores of a run.
        caption: above the table; without, the file of the scores and their split.
        remarks: whether remarks on the scores follow.
    """
    header, *rows = score_rows(scores.scores)
    intervals = interval_rows(scores.scores)[1:]
    cells = []
    for row, row_intervals in zip(rows, intervals, strict=True):
        pairs = zip(row, row_intervals, strict=True)
        cells.append([f"{cell}\n{interval}".strip() for cell, interval in pairs])
    cells.insert(0, cells.pop(len(scores.scores.per_class)))
    n = scores.scores.n_mixtures
    n_left_out = len(scores.scores.left_out)
    left_out = f" ({n_left_out} left out)" if n_left_out else ""
    split = scores.scores.split or "given"
    caption = (
        caption
        or f"{scores.path}: {n} recordings{left_out} of the {split} split; 95 % intervals stand "
        "below the scores"
    )
    return render_table(header, cells, caption=caption) + "".join(
        map(paragraph, score_remarks(scores.scores) if remarks else ())
    )


def render_table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    caption: str = "",
    marked: int | None = None,
) -> str:
    """Render a table: numbers stand on the right, further lines of a cell are small.

    Nothing in the cells is taken for HTML.

    Args:
        header: titles of the columns.
        rows: the cells of each row.
        caption: above the table.
        marked: the number of a row that stands out.
    """
    texts = [list(map(str, row)) for row in rows]
    columns = zip(*texts, strict=True) if texts else [()] * len(header)
    return render_template(
        "absslab.plots",
        "table.html.j2",
        caption=paragraph(caption),
        header=header,
        looks=["absslab-number" if all(map(_is_number, column)) else "" for column in columns],
        cells=[list(map(_split_cell, row)) for row in texts],
        marked=marked,
    )


def _split_cell(content: str) -> tuple[str, str]:
    """Return the first line of a cell, and its further lines."""
    first_line, _, further_lines = content.partition("\n")
    return first_line, further_lines


def _is_number(content: str) -> bool:
    return re.fullmatch(r"[-−+]?[\d.]+(e[-+]?\d+)?|–?", content.partition("\n")[0]) is not None
