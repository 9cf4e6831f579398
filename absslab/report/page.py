"""Make one page of an executed notebook; it stands alone: nothing is fetched from anywhere."""

import re
from typing import Any

from absslab.core.common.errors import WorkError
from absslab.plots.html_templates import render_template

MAX_CHARACTERS = 15_000_000  # of a page
NOTEBOOK_ONLY = "by-hand"  # tag of cells that are of use in a notebook alone
_HEADING = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)  # of nbconvert's HTML


def render_page(notebook: Any, title: str) -> str:
    """Render the text of an executed notebook and what its cells show, without code and messages.

    Args:
        notebook: of nbformat.
        title: of the page.

    Raises:
        WorkError: the page is larger than a report may be.
    """
    body = _render_cells(notebook)
    before_sections, *pieces = _HEADING.split(body)
    opening, heading_end, introduction = before_sections.partition("</h1>")
    text = render_template(
        "absslab.report",
        "page.html.j2",
        title=title,
        opening=opening + heading_end,
        introduction=introduction,
        sections=list(zip(pieces[::2], pieces[1::2], strict=True)),
    )
    if len(text.encode()) > MAX_CHARACTERS:
        raise WorkError(
            f"the report would take {len(text) / 1e6:.1f} MB: "
            f"expected less than {MAX_CHARACTERS / 1e6:.0f} MB"
        )
    return text


def _render_cells(notebook: Any) -> str:
    from nbconvert import HTMLExporter

    without_messages = notebook.copy()
    without_messages.cells = [
        _without_messages(cell)
        for cell in notebook.cells
        if NOTEBOOK_ONLY not in cell.metadata.get("tags", ())
    ]
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_notebook_node(without_messages)
    return body


def _without_messages(cell: Any) -> Any:
    """Return a cell without what it printed."""
    if cell.cell_type != "code":
        return cell
    cleaned = cell.copy()
    cleaned.outputs = [output for output in cell.outputs if output.output_type != "stream"]
    return cleaned
