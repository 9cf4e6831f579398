"""Score a run in a separate process, and show its progress."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.files import read_json
from absslab.core.common.notices import give_notice
from absslab.core.common.run_status import read_status, write_child_status
from absslab.core.runs.processes import Job, describe_end, start_process
from absslab.core.runs.run_scores import scores_path
from absslab.core.training.run_directory import best_checkpoint_path
from absslab.plots.html_text import preformatted
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.main_loop import MainLoop, Ticker

_BETWEEN_UPDATES = 1.0  # s
_MOST_LINES = 1000  # of the log, in which warnings are looked for
_WARNING = "absslab evaluate: warning: "  # begins a line of the log


class ScoringJob:
    """Runs `absslab evaluate` for one run at a time.

    Args:
        loop: the loop that widgets belong to.
        failed: called with any error, also with an error of `done`.
        done: called when there are new scores.
        noticed: called with what was lost or changed of the recordings.
    """

    def __init__(
        self,
        loop: MainLoop,
        failed: Callable[[Exception], Any],
        done: Callable[[], Any],
        noticed: Callable[[InputWarning], Any] = give_notice,
    ):
        self._loop = loop
        self._failed = failed
        self._done = done
        self._noticed = noticed
        self._job: Job | None = None
        self._ticker: Ticker | None = None
        self._status_path = Path()
        self._title = ""  # of what is scored
        self._begin = 0.0  # s of the monotonic clock
        self._is_cancelled = False
        self._label = ipywidgets.Label()
        self._log = ipywidgets.HTML()
        self._bar = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="260px"))
        line = ipywidgets.HBox([self._bar, button("cancel", self.cancel), self._label])
        self.widget = ipywidgets.VBox([line, self._log], layout=ipywidgets.Layout(display="none"))

    @property
    def is_running(self) -> bool:
        """Whether a run is being scored."""
        return self._job is not None

    def start(self, run: str, split: str, moved_to: str = "", flags: Sequence[str] = ()) -> None:
        """Start to score a run.

        Args:
            run: run directory.
            split: the split of its data to score.
            moved_to: the folder of these data, if they were moved.
            flags: more flags of the command.

        Raises:
            InputError: no run, no model, or another run is being scored.
            OSError: the process can't be started.
        """
        if self._job is not None:
            raise InputError("a run is being scored: wait for its end, or cancel it")
        if not run:
            raise InputError("no run is selected: choose one, or set state.run")
        checkpoint = best_checkpoint_path(run)
        if not checkpoint.is_file():
            raise InputError(
                "{checkpoint} does not exist: the run has no best model yet, or it was moved",
                checkpoint=checkpoint,
            )
        output = scores_path(run, split)
        self._status_path = output.with_suffix(".status.json")
        command = ["evaluate", "--checkpoint_path", str(checkpoint), "--split", split]
        command += ["--output", str(output), "--status_path", str(self._status_path)]
        if moved_to and not _has_data(run):
            command += ["--data_folder", moved_to]
        self._job = start_process([*command, *flags], output.with_suffix(".log"))
        write_child_status(self._status_path, self._job.pid, "starting")
        self._title = f"{run}, {split}"
        self._begin = time.monotonic()
        self._is_cancelled = False
        self.widget.layout.display = ""
        self._ticker = self._loop.every(_BETWEEN_UPDATES, self.update)
        self.update()

    def update(self) -> None:
        """Show the progress of the process; called every second."""
        if self._job is None:
            return
        exit_status = self._job.poll()
        log = self._job.read_log_end()
        progress = read_status(self._status_path).progress
        seconds = time.monotonic() - self._begin
        self._label.value = f"scoring {self._title}: {seconds:.0f} s"
        self._log.value = preformatted(log)
        self._bar.value = 0.0 if progress is None else progress.fraction
        if exit_status is None:
            return
        warnings = _find_warnings(self._job.read_log_end(_MOST_LINES))
        self._end()
        for warning in warnings:
            self._noticed(warning)
        if exit_status in (0, 3):  # 3: recordings were left out, which the scores say
            try:
                self._done()
            except Exception as error:
                self._failed(error)
        elif not self._is_cancelled:
            last_line = log.splitlines()[-1] if log else "the process printed nothing"
            last_line = describe_end(exit_status) or last_line
            self._failed(InputError(f"{self._title} can't be scored: {last_line}"))

    def cancel(self) -> None:
        """Stop the process; earlier scores are kept."""
        if self._job is not None:
            self._is_cancelled = True
            self._job.stop()

    def close(self) -> None:
        """Stop the process, and no longer watch it."""
        self.cancel()
        self._end()

    def _end(self) -> None:
        self._job = None
        self.widget.layout.display = "none"
        if self._ticker is not None:
            self._ticker.cancel()


def _find_warnings(log: str) -> list[InputWarning]:
    """Return what the command said about its input."""
    texts = [line.removeprefix(_WARNING) for line in log.splitlines() if line.startswith(_WARNING)]
    return [InputWarning(escape_braces(text)) for text in dict.fromkeys(texts)]


def _has_data(run: str) -> bool:
    """Return whether the folder that a run was trained on is still where it was."""
    try:
        return Path(read_json(Path(run) / "config.json")["data"]["data_folder"]).is_dir()
    except (InputError, KeyError, TypeError):
        return True
