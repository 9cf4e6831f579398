"""Text as HTML in which nothing is taken for markup."""

import html


def paragraph(text: str, name: str = "help", role: str = "") -> str:
    """Return a text as HTML of class absslab-<name>; nothing in the text is taken for HTML."""
    about = f' role="{role}"' if role else ""
    return f'<div class="absslab-{name}"{about}>{html.escape(text)}</div>' if text else ""


def preformatted(text: str) -> str:
    """Return a log as HTML, line by line."""
    return f'<pre class="absslab-log" tabindex="0">{html.escape(text)}</pre>' if text else ""


def message(text: str, kind: str, role: str) -> str:
    """Return a text as a message of a panel.

    Args:
        text: shown as it is; nothing is shown if it is empty.
        kind: note, warning or error.
        role: for screen readers: status or alert.
    """
    name = f"absslab-message absslab-{kind}"
    return f'<div class="{name}" role="{role}">{html.escape(text)}</div>' if text else ""
