"""The panel that shows the scores of a run and corrects labels."""

from absslab.widgets.panels.scores.scores_panel import ScoresPanel

__all__ = ["ScoresPanel"]
