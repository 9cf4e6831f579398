"""The style sheet of all panels; its colours follow the theme of JupyterLab or Voila."""

from absslab.widgets.ui.assets import read_style

CSS = f"<style>\n{read_style('absslab.widgets.ui', 'panel.css')}</style>"
