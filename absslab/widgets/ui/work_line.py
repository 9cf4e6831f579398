"""Long work with a progress bar and a button that cancels it."""

from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets

from absslab.core.common.progress import Progress
from absslab.widgets.ui.background import BackgroundJob
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.main_loop import MainLoop


class WorkLine:
    """Long work, one at a time, with a bar and a button that cancels it; nothing is seen while there is none.

    Args:
        loop: where the callbacks are called.
        failed: called with what the work raises.
    """

    def __init__(self, loop: MainLoop, failed: Callable[[Exception], Any]):
        self._loop, self._failed = loop, failed
        self._work: BackgroundJob | None = None
        self._next: BackgroundJob | None = (
            None  # begins when nothing of the one before runs any more
        )
        self.bar = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="260px"))
        self.words = ipywidgets.Label()
        self.button = button("cancel", self.cancel)
        self.widget = ipywidgets.HBox(
            [self.bar, self.button, self.words], layout=ipywidgets.Layout(display="none")
        )

    @property
    def is_running(self) -> bool:
        """Whether there is work, cancelled or not, that has not ended."""
        return self._next is not None or (self._work is not None and self._work.is_running)

    def run(
        self,
        steps: Callable[[], Iterator[Progress]],
        *,
        words: str,
        done: Callable[[], Any],
        cancelled: Callable[[], Any] | None = None,
    ) -> None:
        """Begin, as soon as what runs already, which is dropped with its callbacks, has ended.

        Args:
            steps: makes the generator to be drained.
            words: what is done.
            done, cancelled: called when it has ended, or has been cancelled.
        """
        self.drop()
        self._words, self.bar.value, self.words.value = words, 0.0, f"{words} …"
        self.button.disabled, self.widget.layout.display = False, ""
        self._next = BackgroundJob(
            self._loop,
            steps,
            progress=self._show,
            done=self._ended(done),
            failed=self._ended(self._failed),
            cancelled=self._ended(cancelled or (lambda: None)),
            ended=self._begin_next,
        )
        if self._work is None or not self._work.is_running:
            self._begin_next()

    def cancel(self) -> None:
        """End the work after the step that is being done."""
        if self._next is not None:  # it has not begun
            self._next = None
            self.widget.layout.display = "none"
        elif self._work is not None and self._work.is_running:
            self.button.disabled, self.words.value = True, f"{self._words}: cancelling …"
            self._work.cancel()

    def drop(self) -> None:
        """Cancel, and call nothing back of what runs, or was about to."""
        self._next = None
        self.widget.layout.display = "none"
        if self._work is not None:
            self._work.close()

    close = drop

    def _begin_next(self) -> None:
        if self._next is not None:
            self._work, self._next = self._next, None
            self._work.start()

    def _show(self, progress: Progress) -> None:
        self.bar.value = progress.done / max(1, progress.total)
        self.words.value = (
            f"{self._words}: {progress.done} of {progress.total}"
            if progress.total
            else f"{self._words} …"
        )

    def _ended(self, function: Callable[..., Any]) -> Callable[..., None]:
        def ended(*args: Any) -> None:
            self.widget.layout.display = "none"
            try:
                function(*args)
            except Exception as error:
                self._failed(error)

        return ended
