"""The little CSS that panels need, and text that is shown as text; colours follow the theme of JupyterLab or Voila."""

import html

CSS = """<style>
.absslab-message { padding: 6px 10px; border-left: 4px solid var(--jp-info-color1, #1976d2); line-height: 1.4;
  white-space: pre-wrap; overflow-wrap: anywhere;
  color: var(--jp-ui-font-color1, #1a1a1a); background: var(--jp-layout-color2, #eee); }
.absslab-warning { border-color: var(--jp-warn-color1, #b26a00); }
.absslab-error { border-color: var(--jp-error-color1, #c62828); }
.absslab-help { color: var(--jp-ui-font-color2, #555); font-size: 12px; line-height: 1.35; overflow-wrap: anywhere; }
.absslab-wrong { color: var(--jp-error-color1, #c62828); font-size: 12px; line-height: 1.35; overflow-wrap: anywhere; }
.absslab-invalid input { border-color: var(--jp-error-color1, #c62828) !important;
  box-shadow: inset 0 0 0 1px var(--jp-error-color1, #c62828) !important; }
.absslab-log { max-height: 220px; overflow: auto; margin: 0; padding: 6px 8px; font-size: 12px; line-height: 1.35;
  white-space: pre-wrap; overflow-wrap: anywhere; color: var(--jp-ui-font-color1, #1a1a1a);
  background: var(--jp-layout-color2, #eee); }
.absslab-scroll { max-height: 420px; overflow: auto; }
.absslab-table { border-collapse: collapse; font-size: 12px; color: var(--jp-ui-font-color1, #1a1a1a); }
.absslab-table th, .absslab-table td { padding: 2px 8px; text-align: left; vertical-align: top; border: 0;
  border-bottom: 1px solid var(--jp-border-color2, #ccc); font-variant-numeric: tabular-nums; max-width: 420px;
  overflow-wrap: anywhere; }
.absslab-table thead th { position: sticky; top: 0; background: var(--jp-layout-color1, #fff); }
</style>"""


def paragraph(text: str, name: str = "help", role: str = "") -> str:
    """HTML of a text of class absslab-<name>; nothing in the text is taken for HTML."""
    about = f' role="{role}"' if role else ""
    return f'<div class="absslab-{name}"{about}>{html.escape(text)}</div>' if text else ""


def preformatted(text: str) -> str:
    """HTML of a log, line by line."""
    return f'<pre class="absslab-log" tabindex="0">{html.escape(text)}</pre>' if text else ""
