"""The panel of isolated recordings."""

from absslab.widgets.panels.recordings.recordings_panel import RecordingsPanel

__all__ = ["RecordingsPanel"]
