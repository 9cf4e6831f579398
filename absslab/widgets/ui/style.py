"""The style sheet of all panels; its colours follow the theme of JupyterLab or Voila."""

from absslab.plots.html_templates import render_template
from absslab.widgets.ui.assets import read_style

CSS = render_template(
    "absslab.widgets.ui", "style.html.j2", css=read_style("absslab.widgets.ui", "panel.css")
)
