"""A run is scored in a process of its own, and followed."""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.common.files import read_json
from absslab.core.runs.processes import Job, start_process
from absslab.core.runs.run_scores import scores_path
from absslab.core.training.run_directory import best_checkpoint_path
from absslab.plots.html_text import preformatted
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.main_loop import MainLoop, Ticker

_BETWEEN_LOOKS = 1.0  # s
_COUNTS = re.compile(r"(\d+) of (\d+) files")  # as the command line says how far it is


class ScoringJob:
    """`absslab evaluate` of one run at a time.

    Args:
        loop: that widgets belong to.
        failed: called with what goes wrong, in `done` too.
        done: called when there are new scores.
    """

    def __init__(self, loop: MainLoop, failed: Callable[[Exception], Any], done: Callable[[], Any]):
        self._loop, self._failed, self._done = loop, failed, done
        self._job: Job | None = None
        self._ticker: Ticker | None = None
        self._words = ipywidgets.Label()
        self._log = ipywidgets.HTML()
        self._bar = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="260px"))
        line = ipywidgets.HBox([self._bar, button("cancel", self.cancel), self._words])
        self.widget = ipywidgets.VBox([line, self._log], layout=ipywidgets.Layout(display="none"))

    @property
    def is_running(self) -> bool:
        """Whether a run is being scored."""
        return self._job is not None

    def start(self, run: str, split: str, moved_to: str = "", flags: Sequence[str] = ()) -> None:
        """Start to score a run.

        Args:
            run: its directory.
            split: of the data that it was trained on.
            moved_to: where these data are if they are no longer where they were.
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
                f"{checkpoint} does not exist: the run has no best model yet, or it was moved"
            )
        moved = ["--data_folder", moved_to] if moved_to and not _has_data(run) else []
        output = scores_path(run, split)
        command = [
            "evaluate",
            "--checkpoint_path",
            str(checkpoint),
            "--split",
            split,
            "--output",
            str(output),
        ]
        self._job = start_process([*command, *moved, *flags], output.with_suffix(".log"))
        self._name, self._begun, self._is_cancelled = f"{run}, {split}", time.monotonic(), False
        self.widget.layout.display, self._bar.value = "", 0.0
        self._ticker = self._loop.every(_BETWEEN_LOOKS, self.look)
        self.look()

    def look(self) -> None:
        """Show how far it is; called every second."""
        if self._job is None:
            return
        status, text = self._job.poll(), self._job.tail()
        self._words.value = f"scoring {self._name}: {time.monotonic() - self._begun:.0f} s"
        self._log.value = preformatted(text)
        if counts := _COUNTS.findall(text):
            done, total = map(int, counts[-1])
            self._bar.value = done / max(1, total)
        if status is None:
            return
        self._end()
        if status == 0:
            try:
                self._done()
            except Exception as error:
                self._failed(error)
        elif not self._is_cancelled:
            last = (text.splitlines() or ["it said nothing"])[-1]
            self._failed(InputError(f"{self._name} can't be scored: {last}"))

    def cancel(self) -> None:
        """Stop it; what was scored before stays."""
        if self._job is not None:
            self._is_cancelled = True
            self._job.stop()

    def close(self) -> None:
        """Stop it, and look no more."""
        self.cancel()
        self._end()

    def _end(self) -> None:
        self._job = None
        self.widget.layout.display = "none"
        if self._ticker is not None:
            self._ticker.cancel()


def _has_data(run: str) -> bool:
    """Whether the folder that a run was trained on is still where it was."""
    try:
        return Path(read_json(Path(run) / "config.json")["data"]["data_folder"]).is_dir()
    except (InputError, KeyError, TypeError):
        return True
