"""A view of a run: its state, its curves, the end of its log.

It reads the run directory and nothing else.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError, shorten
from absslab.core.common.run_status import LIVE_STATES, TaskProgress
from absslab.core.runs.catalogue import LOSS
from absslab.core.runs.launcher import OUTPUT
from absslab.core.runs.processes import read_last_lines
from absslab.core.training.run_directory import RunReader
from absslab.plots.curves import PCEN, RATES, Curves, collect_training_curves
from absslab.plots.html_tables import render_table
from absslab.plots.html_text import paragraph, preformatted
from absslab.widgets.ui.error_line import are_folders_hidden
from absslab.widgets.ui.live_plot import Plot
from absslab.widgets.ui.part import Part

SILENCE_LIMIT = 20  # s without a heartbeat, after which the view says so
ENDED = {
    "finished": "all epochs are done",
    "stopped": "it was stopped; resume continues it",
    "failed": "it failed; its log says why: correct it, then resume or start a new run",
    "dead": ("its process was killed, or ran out of memory; resume continues from its last epoch"),
    "gone": "its folder was deleted",
}


class RunView(Part):
    """Shows a run directory; `update` reads it again.

    Args:
        has_log: whether to show the end of the log, where folders may be named.
    """

    def __init__(self, *, has_log: bool = True) -> None:
        super().__init__()
        self._has_log = has_log
        self._about = ipywidgets.HTML()
        self._log = ipywidgets.HTML()
        self.plot = self.own(Plot(height=300))
        self._curves: dict[str, Curves] = {}  # by title
        self._prepare_axes(collect_training_curves({}, LOSS))
        self.widget = ipywidgets.VBox([self._about, self.plot.widget, self._log])
        self.reader: RunReader | None = None
        self.facts: dict[str, str] = {}  # about the run that are shown, by their titles

    def follow(self, reader: RunReader | None) -> None:
        """Show another run, or none."""
        self.reader = reader
        self._about.value = ""
        self._log.value = ""

    def update(self, state: str) -> None:
        """Read the run directory again, and show what has changed.

        Args:
            state: state of the run, as `Launcher.state` returns it.
        """
        if self.reader is None:
            return
        self.reader.poll()
        self.facts = self._collect_facts(state)
        table = render_table(list(self.facts), [list(self.facts.values())])
        self.reader.poll_warnings()
        warnings = _describe_warnings(list(self.reader.warnings))
        self._about.value = table + paragraph(ENDED.get(state, "")) + warnings
        self._log.value = preformatted(self.log(8))
        self._draw()

    def log(self, n_lines: int = 20) -> str:
        """Return the end of the log; after a failure also the end of what the process printed.

        It is empty where folders are hidden: errors and tracebacks name some.
        """
        if self.reader is None or not self._has_log or are_folders_hidden():
            return ""
        text = self.reader.read_log_end(n_lines)
        if self.reader.state() in ("failed", "dead"):
            printed = read_last_lines(self.reader.folder / OUTPUT, n_lines)
            text = "\n".join(filter(None, [text, printed]))
        return text

    def _collect_facts(self, state: str) -> dict[str, str]:
        """Collect the facts to show of the run, by their titles."""
        reader = self.reader
        assert reader is not None
        status = reader.status()
        last = reader.metrics[max(reader.metrics)] if reader.metrics else {}
        facts = {"run": reader.folder.name, "state": state}
        if state in LIVE_STATES and status.progress is not None:
            facts["state"] = f"{state}: {_describe_progress(status.progress)}"
        silence = time.time() - (status.heartbeat or time.time())
        if state == "running" and silence > SILENCE_LIMIT:
            facts["state"] = f"running, no heartbeat for {format_duration(silence)}"
        epoch = max(reader.metrics, default=0) if status.epoch is None else status.epoch
        facts["epoch"] = f"{epoch} of {_or_unknown(status.n_epochs)}"
        if state == "running" and status.step:
            facts["epoch"] += f", step {status.step} of {_or_unknown(status.n_steps)}"
        facts["device"] = status.device or "–"
        facts["learning rate"] = _format_number(last.get("learning_rate"), "{:.3g}")
        facts["recordings/s"] = _format_number(last.get("recordings_per_second"), "{:.1f}")
        if rates := last.get("process_rates"):
            each = " + ".join(_format_number(rate, "{:.1f}") for rate in rates)
            facts["recordings/s"] += f", of {len(rates)} processes: {each}"
        facts["GPU memory"] = _format_number(_scale(last.get("gpu_memory"), 2**-30), "{:.2f} GiB")
        seconds_left = reader.estimate_seconds_left()
        facts["time left"] = "–" if seconds_left is None else format_duration(seconds_left)
        return facts

    def _draw(self) -> None:
        reader = self.reader
        assert reader is not None
        lines_by_title = collect_training_curves(reader.metrics, self._find_metric())
        self._prepare_axes(lines_by_title)
        changes = [self._curves[title].show(lines) for title, lines in lines_by_title.items()]
        if any(changes):
            self.plot.draw()

    def _prepare_axes(self, titles: Iterable[str]) -> None:
        """Make axes side by side for curves with these titles, if there are others."""
        titles = list(titles)
        if titles == list(self._curves):
            return
        figure = self.plot.figure
        figure.clear()
        widths = [3 if title in (RATES, PCEN) else 4 for title in titles]
        all_axes = figure.subplots(1, len(titles), width_ratios=widths)
        self._curves = {
            title: Curves(axes, title=title, log=title == RATES)
            for title, axes in zip(titles, all_axes, strict=True)
        }

    def _find_metric(self) -> str:
        """Find the metric that selects the best model."""
        try:
            training = self.reader.config.get("training") if self.reader else None
        except InputError:  # damaged or deleted: the curves can be shown all the same
            return LOSS
        if not isinstance(training, Mapping):
            return LOSS
        return str(training.get("metric", LOSS))


def format_duration(seconds: float) -> str:
    """Format a duration in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _format_number(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else "–"


def _scale(value: Any, factor: float) -> Any:
    return value * factor if isinstance(value, int | float) else None


def _describe_progress(progress: TaskProgress) -> str:
    if not progress.total:
        return progress.task
    return f"{progress.task}, {progress.done} of {progress.total}"


def _describe_warnings(warnings: Sequence[str]) -> str:
    """Say what was lost or changed of a run's recordings; the files are named where folders are."""
    if not warnings:
        return ""
    count = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    first = "" if are_folders_hidden() else f"; the first: {shorten(warnings[0], 300)}"
    return paragraph(f"{count} about the recordings, see log.txt{first}", "wrong")


def _or_unknown(number: int | None) -> str:
    return "?" if number is None else str(number)
