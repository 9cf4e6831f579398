"""HTML templates: values are escaped, and a value that is missing is an error."""

import jinja2
import pytest

from absslab.plots.html_templates import render_macro, render_template


def test_values_are_never_taken_for_html():
    heading = render_template(
        "absslab.widgets.dashboards.pages", "heading.html.j2", title="<b>", introduction="a & b"
    )
    assert "<h1>&lt;b&gt;</h1>" in heading
    assert '<div class="absslab-lead">a &amp; b</div>' in heading
    log = render_macro("absslab.plots", "text.html.j2", "preformatted", "<i>\n1 < 2")
    assert log == '<pre class="absslab-log" tabindex="0">&lt;i&gt;\n1 &lt; 2</pre>'


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render_template("absslab.widgets.dashboards.pages", "heading.html.j2")
