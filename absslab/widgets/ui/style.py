"""The little CSS that panels need, and text that is shown as text; colours follow the theme of JupyterLab or Voila."""

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
.absslab-scroll { max-height: 720px; overflow: auto; }
.absslab-table { border-collapse: collapse; font-size: 12px; line-height: 1.35; color: var(--jp-ui-font-color1, #1a1a1a); }
.absslab-table th, .absslab-table td { padding: 2px 8px; text-align: left; vertical-align: top; border: 0; max-width: 300px;
  border-bottom: 1px solid var(--jp-border-color2, #ccc); font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
.absslab-table .absslab-number { text-align: right; }
.absslab-table th:first-child { min-width: 8em; }
.absslab-table small { white-space: nowrap; opacity: 0.75; }
.absslab-table thead th { position: sticky; top: 0; background: var(--jp-layout-color1, #fff); vertical-align: bottom; }
.absslab-table tr[aria-current="true"] { background: var(--jp-layout-color2, #eee); font-weight: 600; }
.absslab-panel .widget-html, .absslab-panel .widget-html-content { min-width: 0; }
body[data-jp-theme-light="false"] .absslab-panel { --jp-widgets-dropdown-arrow: url("data:image/svg+xml,%3Csvg \
xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18' fill='%23e0e0e0'%3E%3Cpath d='M5.2 5.9L9 9.7l3.8-3.8 1.2 1.2\
-4.9 5-4.9-5z'/%3E%3C/svg%3E"); }
.absslab-plot, .absslab-plot .jupyter-matplotlib-figure, .absslab-plot .jupyter-matplotlib-canvas-container {
  max-width: 100%; min-width: 0; }
.absslab-plot .jupyter-matplotlib-canvas-div { max-width: 100%; height: auto !important; }
.absslab-plot canvas:first-child { position: static !important; max-width: 100%; height: auto !important; }
.absslab-plot .jupyter-matplotlib-canvas-div { interactivity: inert; } /* it would keep the focus for ever */
.absslab-plot canvas:last-child { display: none !important; } /* ipympl's corner to resize, and its rubber band */
</style>"""
