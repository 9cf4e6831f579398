"""The page of a notebook is a single file with contents, and without traces of its making."""

import nbformat
import pytest

from absslab.core.common.errors import WorkError
from absslab.report import page as page_module
from absslab.report.page import render_page


def notebook():
    cells = [
        nbformat.v4.new_markdown_cell("# A run\n\nwords"),
        nbformat.v4.new_markdown_cell("for hands", metadata={"tags": ["by-hand"]}),
        nbformat.v4.new_markdown_cell("## One & two"),
        nbformat.v4.new_code_cell(
            "secret()",
            outputs=[
                nbformat.v4.new_output("stream", name="stderr", text="a warning"),
                nbformat.v4.new_output(
                    "execute_result", {"text/html": "<p>shown</p>", "text/plain": "plain"}
                ),
            ],
        ),
        nbformat.v4.new_markdown_cell("## Three"),
    ]
    return nbformat.v4.new_notebook(cells=cells)


def test_a_page_has_a_title_contents_and_what_cells_show(stands_alone):
    text = render_page(notebook(), "<run> & co")
    about = stands_alone(text)
    assert about.title == "<run> & co"
    assert about.language == "en"
    assert about.anchors == ["#section-0", "#section-1"]
    assert "shown" in text
    for hidden in ("secret", "a warning", "plain</", "for hands", "¶"):
        assert hidden not in text


def test_a_page_that_is_too_large_is_none(monkeypatch):
    monkeypatch.setattr(page_module, "MAX_CHARACTERS", 1000)
    with pytest.raises(WorkError, match="expected less"):
        render_page(notebook(), "run")
