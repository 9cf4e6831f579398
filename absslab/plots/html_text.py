"""Text as HTML in which nothing is taken for markup."""

import html


def paragraph(text: str, name: str = "help", role: str = "") -> str:
    """HTML of a text of class absslab-<name>; nothing in the text is taken for HTML."""
    about = f' role="{role}"' if role else ""
    return f'<div class="absslab-{name}"{about}>{html.escape(text)}</div>' if text else ""


def preformatted(text: str) -> str:
    """HTML of a log, line by line."""
    return f'<pre class="absslab-log" tabindex="0">{html.escape(text)}</pre>' if text else ""
