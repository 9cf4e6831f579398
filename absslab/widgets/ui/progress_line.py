"""Long work with a progress bar and a button that cancels it."""

from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets

from absslab.core.common.progress import Progress
from absslab.widgets.ui.background import BackgroundJob
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.main_loop import MainLoop
from absslab.widgets.ui.part import Part


class ProgressLine(Part):
    """A progress bar and a cancel button for one job at a time; hidden while there is no job.

    Args:
        loop: where the callbacks are called.
        failed: is called with the error of a job.
    """

    def __init__(self, loop: MainLoop, failed: Callable[[Exception], Any]):
        super().__init__(loop, failed)
        self._job: BackgroundJob | None = None
        self._next_job: BackgroundJob | None = None  # starts when the job before it has ended
        self._task = ""
        self.bar = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="260px"))
        self.label = ipywidgets.Label()
        self.button = button("cancel", self.cancel)
        self.widget = ipywidgets.HBox(
            [self.bar, self.button, self.label], layout=ipywidgets.Layout(display="none")
        )

    @property
    def is_running(self) -> bool:
        """Whether there is a job, cancelled or not, that has not ended."""
        return self._next_job is not None or (self._job is not None and self._job.is_running)

    def run(
        self,
        steps: Callable[[], Iterator[Progress]],
        *,
        task: str,
        done: Callable[[], Any],
        cancelled: Callable[[], Any] | None = None,
    ) -> None:
        """Start a job, once the one that still runs has ended; that one calls nothing back.

        Args:
            steps: makes the generator to be drained.
            task: what the job does, for the label.
            done: is called when the job has ended.
            cancelled: is called when the job has been cancelled.
        """
        self.drop()
        self._task = task
        self.bar.value = 0.0
        self.label.value = f"{task} …"
        self.button.disabled = False
        self.widget.layout.display = ""
        self._next_job = BackgroundJob(
            self.loop,
            steps,
            progress=self._show_progress,
            done=self._hide_then(done),
            failed=self._hide_then(self.fail),
            cancelled=self._hide_then(cancelled or (lambda: None)),
            ended=self._start_next,
            noticed=self.show_notice,
        )
        if self._job is None or not self._job.is_running:
            self._start_next()

    def cancel(self) -> None:
        """End the job after its current step."""
        if self._next_job is not None:  # it has not started
            self._next_job = None
            self.widget.layout.display = "none"
        elif self._job is not None and self._job.is_running:
            self.button.disabled = True
            self.label.value = f"{self._task}: cancelling …"
            self._job.cancel()

    def drop(self) -> None:
        """Cancel the job that runs and the one that waits, without any callback."""
        self._next_job = None
        self.widget.layout.display = "none"
        if self._job is not None:
            self._job.close()

    def close(self) -> None:
        """Drop the job, and close the widget."""
        self.drop()
        super().close()

    def _start_next(self) -> None:
        if self._next_job is not None:
            self._job = self._next_job
            self._next_job = None
            self._job.start()

    def _show_progress(self, progress: Progress) -> None:
        self.bar.value = progress.done / max(1, progress.total)
        task = f"{self._task}: {progress.stage}" if progress.stage else self._task
        if progress.total:
            self.label.value = f"{task}: {progress.done} of {progress.total}"
        else:
            self.label.value = f"{task} …"

    def _hide_then(self, function: Callable[..., Any]) -> Callable[..., None]:
        """Return a callback that hides the line and calls the function; its errors are shown."""

        def callback(*args: Any) -> None:
            self.widget.layout.display = "none"
            try:
                function(*args)
            except Exception as error:
                self.fail(error)

        return callback
