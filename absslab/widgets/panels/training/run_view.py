"""A view of a run: its state, its curves, the end of its log.

It reads the run directory and nothing else.
"""

import time
from collections.abc import Mapping
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.runs.catalogue import LOSS
from absslab.core.runs.launcher import OUTPUT
from absslab.core.runs.processes import read_last_lines
from absslab.core.training.run_directory import RunReader
from absslab.core.training.run_status import TaskProgress
from absslab.plots.curves import RATES, Curves, collect_training_curves
from absslab.plots.html_tables import render_table
from absslab.plots.html_text import paragraph, preformatted
from absslab.widgets.ui.live_plot import Plot

SILENCE = 20  # s without a heartbeat after which that is shown
ENDED = {
    "finished": "all epochs are done",
    "stopped": "it was stopped; resume goes on where it was",
    "failed": "it failed; see the log below for what to change, then resume or start anew",
    "dead": (
        "it died: its process is gone, killed or out of memory; resume goes on from its last epoch"
    ),
    "gone": "its folder was deleted",
}


class RunView:
    """Shows a run directory; `update` looks at it again.

    Args:
        has_log: whether the end of the log is shown; it names files and folders of the machine.
    """

    def __init__(self, *, has_log: bool = True) -> None:
        self._has_log = has_log
        self._about = ipywidgets.HTML()
        self._log = ipywidgets.HTML()
        self.plot = Plot(height=300)
        titled = zip(
            self.plot.figure.subplots(1, 3, width_ratios=(4, 4, 3)),
            collect_training_curves({}, LOSS),
            strict=True,
        )
        self._curves = [Curves(axes, title=title, log=title == RATES) for axes, title in titled]
        self.widget = ipywidgets.VBox([self._about, self.plot.widget, self._log])
        self.reader: RunReader | None = None
        self.facts: dict[str, str] = {}  # that are shown of the run, by their titles

    def follow(self, reader: RunReader | None) -> None:
        """Show another run, or none."""
        self.reader = reader
        self._about.value = self._log.value = ""

    def update(self, state: str) -> None:
        """Read the run directory again, and show what changed.

        Args:
            state: of the run, as the launcher tells it.
        """
        if self.reader is None:
            return
        self.reader.poll()
        self.facts = self._collect_facts(state)
        about = render_table(list(self.facts), [list(self.facts.values())]) + paragraph(
            ENDED.get(state, "")
        )
        for widget, text in ((self._about, about), (self._log, preformatted(self.log(8)))):
            if widget.value != text:
                widget.value = text
        self._draw()

    def log(self, n_lines: int = 20) -> str:
        """Return the end of the log; after a failure also the end of what the process printed."""
        if self.reader is None or not self._has_log:
            return ""
        text = self.reader.read_log_end(n_lines)
        if self.reader.state() in ("failed", "dead"):
            text = "\n".join(
                filter(None, [text, read_last_lines(self.reader.folder / OUTPUT, n_lines)])
            )
        return text

    def close(self) -> None:
        """Free the figure."""
        self.plot.close()

    def _collect_facts(self, state: str) -> dict[str, str]:
        """Collect the facts to show of the run, by their titles."""
        reader = self.reader
        assert reader is not None
        status = reader.status()
        last = reader.metrics[max(reader.metrics)] if reader.metrics else {}
        facts = {"run": reader.folder.name, "state": state}
        if state == "preparing" and status.progress is not None:
            facts["state"] = f"preparing: {_describe_progress(status.progress)}"
        silence = time.time() - (status.heartbeat or time.time())
        if state == "running" and silence > SILENCE:
            facts["state"] = f"running, no sign of life for {format_duration(silence)}"
        epoch = max(reader.metrics, default=0) if status.epoch is None else status.epoch
        facts["epoch"] = f"{epoch} of {_or_unknown(status.n_epochs)}"
        if state == "running" and status.step:
            facts["epoch"] += f", step {status.step} of {_or_unknown(status.n_steps)}"
        facts["device"] = status.device or "–"
        facts["learning rate"] = _format_number(last.get("learning_rate"), "{:.3g}")
        facts["recordings/s"] = _format_number(last.get("recordings_per_second"), "{:.1f}")
        facts["GPU memory"] = _format_number(_scale(last.get("gpu_memory"), 2**-30), "{:.2f} GiB")
        left = reader.estimate_seconds_left()
        facts["time left"] = "–" if left is None else format_duration(left)
        return facts

    def _draw(self) -> None:
        reader = self.reader
        assert reader is not None
        lines_by_title = collect_training_curves(reader.metrics, self._find_metric()).values()
        changes = [
            curves.show(lines) for curves, lines in zip(self._curves, lines_by_title, strict=True)
        ]
        if any(changes):
            self.plot.draw()

    def _find_metric(self) -> str:
        """Find the metric that selects the best model."""
        try:
            training = self.reader.config.get("training") if self.reader else None
        except InputError:  # damaged, or gone: its curves can be seen all the same
            training = None
        return str(training.get("metric", LOSS)) if isinstance(training, Mapping) else LOSS


def format_duration(seconds: float) -> str:
    """Format a duration in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _format_number(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else "–"


def _scale(value: Any, factor: float) -> Any:
    return value * factor if isinstance(value, int | float) else None


def _describe_progress(progress: TaskProgress) -> str:
    if not progress.total:
        return progress.task
    return f"{progress.task}, {progress.done} of {progress.total}"


def _or_unknown(number: int | None) -> str:
    return "?" if number is None else str(number)
