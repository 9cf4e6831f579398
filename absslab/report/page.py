"""An executed notebook → one page that stands alone: nothing is fetched from anywhere."""

import html
import re
from itertools import count
from typing import Any

from absslab.core.common.errors import WorkError
from absslab.report.report import LIMIT

FOR_HANDS = "by-hand"  # tag of cells that are of use in a notebook alone
_HEADING = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)
STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #fff; --shade: #f3f4f6; --line: #d5d8dc; --quiet: #59626c;
  --accent: #1f6feb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --paper: #16191d; --shade: #22262c; --line: #3a4048;
  --quiet: #a3acb6; --accent: #6cb0ff; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 64rem; margin: 0 auto;
  padding: 1rem; overflow-wrap: break-word; }
h1 { line-height: 1.2; } h2 { margin: 2.5rem 0 0.5rem; padding-top: 0.5rem; border-top: 1px solid var(--line); }
h3 { margin: 1.5rem 0 0.25rem; overflow-wrap: anywhere; } p { margin: 0.5rem 0; }
a { color: var(--accent); } summary { cursor: pointer; margin: 0.75rem 0; color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; list-style: none; padding: 0; }
img { max-width: 100%; height: auto; display: block; }
.absslab-help { color: var(--quiet); font-size: 0.85rem; margin: 0.35rem 0; overflow-wrap: anywhere; }
.absslab-item { margin: 0; }
.absslab-numbers { display: flex; flex-wrap: wrap; gap: 0.75rem; margin: 1rem 0; }
.absslab-number > p, .absslab-number { margin: 0; }
.absslab-numbers .absslab-number { background: var(--shade); border-radius: 8px; padding: 0.6rem 0.9rem; flex: 1 1 9rem; }
.absslab-value { font-size: 1.6rem; font-weight: 600; line-height: 1.2; }
.absslab-what { color: var(--quiet); font-size: 0.85rem; }
.absslab-charts { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.absslab-wide, .absslab-scroll { overflow-x: auto; }
.absslab-wide img { max-width: max(100%, 42rem); }
.absslab-table { border-collapse: collapse; font-size: 0.85rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
.absslab-table th, .absslab-table td { padding: 0.25rem 0.5rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); max-width: 26rem; overflow-wrap: break-word; }
.absslab-table th { vertical-align: bottom; }
.absslab-table td:first-child { min-width: 6.5rem; }
.absslab-table td:nth-child(5):last-child { min-width: 14rem; }
.absslab-table tr > :first-child { position: sticky; left: 0; background: var(--paper); }
.absslab-table .absslab-number { text-align: right; white-space: nowrap; }
.absslab-table small { font-size: 0.7rem; white-space: nowrap; color: var(--quiet); }
.absslab-table th:empty { padding: 0; }
.absslab-columns { display: flex; flex-wrap: wrap; gap: 0 2rem; } .absslab-column { flex: 1 1 20rem; min-width: 0; }
.absslab-code { background: var(--shade); border-radius: 8px; padding: 0.75rem; font-size: 0.8rem; overflow-x: auto; }
.absslab-pair { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; }
.absslab-class { margin: 0.75rem 0 0; font-weight: 600; }
.absslab-sound { margin: 0.25rem 0; flex: 0 1 22rem; min-width: 0; }
.absslab-sound figcaption { font-size: 0.85rem; color: var(--quiet); }
audio { width: 22rem; max-width: 100%; height: 2.5rem; }
@media print { :root { --ink: #000; --paper: #fff; --shade: #f3f4f6; --quiet: #444; --line: #bbb; }
  body { max-width: none; }
  nav, .absslab-sounds { display: none; } .absslab-table { font-size: 0.6rem; } .absslab-table small { font-size: 0.45rem; }
  details::details-content { content-visibility: visible; display: block; }
  .absslab-chart, .absslab-table tr { break-inside: avoid; } .absslab-scroll { overflow: visible; }
  .absslab-table td, .absslab-table th { padding: 0.1rem 0.25rem; } .absslab-wide img { max-width: 100%; } }
"""


def page(notebook: Any, title: str) -> str:
    """The page of an executed notebook: its text and what its cells show, without code, prompts and messages.

    Args:
        notebook: of nbformat.
        title: of the page.

    Raises:
        WorkError: it is larger than a report may be.
    """
    body = _body(notebook)
    sections = _HEADING.findall(body)
    contents = "".join(
        f'<li><a href="#section-{n}">{text}</a></li>' for n, text in enumerate(sections)
    )
    numbers = count()
    body = _HEADING.sub(lambda match: f'<h2 id="section-{next(numbers)}">{match[1]}</h2>', body)
    nav = f'<nav aria-label="Contents"><ul>{contents}</ul></nav>'
    body = body.replace("</h1>", f"</h1>{nav}", 1)
    whole = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n{body}\n</main></body></html>\n"
    )
    if len(whole.encode()) > LIMIT:
        raise WorkError(
            f"the report would take {len(whole) / 1e6:.1f} MB: expected less than {LIMIT / 1e6:.0f} MB"
        )
    return whole


def _body(notebook: Any) -> str:
    from nbconvert import HTMLExporter

    without_messages = notebook.copy()
    without_messages.cells = [
        _shown(cell) for cell in notebook.cells if FOR_HANDS not in cell.metadata.get("tags", ())
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


def _shown(cell: Any) -> Any:
    """A cell without what was printed on the way."""
    if cell.cell_type != "code":
        return cell
    kept = cell.copy()
    kept.outputs = [output for output in cell.outputs if output.output_type != "stream"]
    return kept
