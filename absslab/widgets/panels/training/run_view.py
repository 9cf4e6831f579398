"""A run as one follows it: where it is, its curves, the end of its log. It reads the run directory and nothing else."""

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

SILENCE = 20  # s without a sign of life that are worth a word
ENDED = {
    "finished": "all epochs are done",
    "stopped": "it was stopped; resume goes on where it was",
    "failed": "it failed; see the log below for what to change, then resume or start anew",
    "dead": "it died: its process is gone, killed or out of memory; resume goes on from its last epoch",
    "gone": "its folder was deleted",
}


class RunView:
    """Shows a run directory; `update` looks at it again.

    Args:
        has_log: the end of the log is shown too; it names files and folders of the machine.
    """

    def __init__(self, *, has_log: bool = True) -> None:
        self._has_log = has_log
        self._about, self._log = ipywidgets.HTML(), ipywidgets.HTML()
        self.plot = Plot(height=300)
        titled = zip(
            self.plot.figure.subplots(1, 3, width_ratios=(4, 4, 3)),
            collect_training_curves({}, LOSS),
            strict=True,
        )
        self._curves = [Curves(axes, title=title, log=title == RATES) for axes, title in titled]
        self.widget = ipywidgets.VBox([self._about, self.plot.widget, self._log])
        self.reader: RunReader | None = None
        self.facts: dict[str, str] = {}  # what is shown of the run, in words

    def follow(self, reader: RunReader | None) -> None:
        """Show another run, or none."""
        self.reader = reader
        self._about.value = self._log.value = ""

    def update(self, state: str) -> None:
        """Look again, and publish what changed.

        Args:
            state: of the run, as the launcher tells it.
        """
        if self.reader is None:
            return
        self.reader.poll()
        self.facts = self._facts(state)
        about = render_table(list(self.facts), [list(self.facts.values())]) + paragraph(
            ENDED.get(state, "")
        )
        for widget, text in ((self._about, about), (self._log, preformatted(self.log(8)))):
            if widget.value != text:
                widget.value = text
        self._draw()

    def log(self, n_lines: int = 20) -> str:
        """The end of the log, and of what the process printed where it ended otherwise than well."""
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

    def _facts(self, state: str) -> dict[str, str]:
        """What there is to say of a run, by its title."""
        reader = self.reader
        assert reader is not None
        status = reader.status()
        last = reader.metrics[max(reader.metrics)] if reader.metrics else {}
        facts = {"run": reader.folder.name, "state": state}
        if state == "preparing" and status.progress is not None:
            facts["state"] = f"preparing: {_describe_progress(status.progress)}"
        silence = time.time() - (status.heartbeat or time.time())
        if state == "running" and silence > SILENCE:
            facts["state"] = f"running, no sign of life for {in_words(silence)}"
        epoch = max(reader.metrics, default=0) if status.epoch is None else status.epoch
        facts["epoch"] = f"{epoch} of {_or_unknown(status.n_epochs)}"
        if state == "running" and status.step:
            facts["epoch"] += f", step {status.step} of {_or_unknown(status.n_steps)}"
        facts["device"] = status.device or "–"
        facts["learning rate"] = _shown(last.get("learning_rate"), "{:.3g}")
        facts["recordings/s"] = _shown(last.get("recordings_per_second"), "{:.1f}")
        facts["GPU memory"] = _shown(_scaled(last.get("gpu_memory"), 2**-30), "{:.2f} GiB")
        left = reader.estimate_seconds_left()
        facts["time left"] = "–" if left is None else in_words(left)
        return facts

    def _draw(self) -> None:
        reader = self.reader
        assert reader is not None
        drawn = collect_training_curves(reader.metrics, self._deciding()).values()
        changes = [curves.show(lines) for curves, lines in zip(self._curves, drawn, strict=True)]
        if any(changes):
            self.plot.draw()

    def _deciding(self) -> str:
        """The metric that the best model has best."""
        try:
            training = self.reader.config.get("training") if self.reader else None
        except InputError:  # damaged, or gone: its curves can be seen all the same
            training = None
        return str(training.get("metric", LOSS)) if isinstance(training, Mapping) else LOSS


def in_words(seconds: float) -> str:
    """A time, as coarse as one wants it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _shown(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else "–"


def _scaled(value: Any, factor: float) -> Any:
    return value * factor if isinstance(value, int | float) else None


def _describe_progress(progress: TaskProgress) -> str:
    if not progress.total:
        return progress.task
    return f"{progress.task}, {progress.done} of {progress.total}"


def _or_unknown(number: int | None) -> str:
    return "?" if number is None else str(number)
