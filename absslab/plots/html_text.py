"""Text as HTML in which nothing is taken for markup."""

from absslab.plots.html_templates import render_macro


def paragraph(text: str, name: str = "help", role: str = "") -> str:
    """Return a text as HTML of class absslab-<name>; nothing in the text is taken for HTML."""
    return _render("paragraph", text, name, role)


def preformatted(text: str) -> str:
    """Return a log as HTML, line by line."""
    return _render("preformatted", text)


def message(text: str, kind: str, role: str) -> str:
    """Return a text as a message of a panel.

    Args:
        text: the text, which is escaped; an empty text gives nothing.
        kind: note, warning or error.
        role: for screen readers: status or alert.
    """
    return _render("message", text, kind, role)


def _render(macro: str, text: str, *values: str) -> str:
    return render_macro("absslab.plots", "text.html.j2", macro, text, *values) if text else ""
