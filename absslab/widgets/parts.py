"""Parts of panels: long work with its bar, a chart, something to see and to hear."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets

from absslab.core.events import SoundEvent
from absslab.core.workers import Progress
from absslab.widgets.figures import timeline
from absslab.widgets.panel import close_tree
from absslab.widgets.sounds import Track
from absslab.widgets.style import paragraph
from absslab.widgets.tasks import MainLoop, Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from absslab.widgets.player import Player
    from absslab.widgets.plot import Plot


class WorkLine:
    """Long work, one at a time, with a bar and a button that cancels it; nothing is seen while there is none.

    Args:
        loop: where the callbacks are called.
        failed: called with what the work raises.
    """

    def __init__(self, loop: MainLoop, failed: Callable[[Exception], Any]):
        self._loop, self._failed = loop, failed
        self._work: Work | None = None
        self._next: Work | None = None  # begins when nothing of the one before runs any more
        self.bar = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="260px"))
        self.words = ipywidgets.Label()
        self.button = button("cancel", self.cancel)
        self.widget = ipywidgets.HBox([self.bar, self.button, self.words], layout=ipywidgets.Layout(display="none"))

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
        self._next = Work(
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
        self.words.value = f"{self._words}: {progress.done} of {progress.total}" if progress.total else f"{self._words} …"

    def _ended(self, function: Callable[..., Any]) -> Callable[..., None]:
        def ended(*args: Any) -> None:
            self.widget.layout.display = "none"
            try:
                function(*args)
            except Exception as error:
                self._failed(error)

        return ended


class ChartArea:
    """A place for a plot whose height changes with what it shows."""

    def __init__(self) -> None:
        self.widget = ipywidgets.Box()
        self._plot: Plot | None = None

    def begin(self, height: float) -> "Figure":
        """An empty figure of so many inches."""
        from absslab.widgets.plot import DPI, Plot

        if self._plot is None:
            self._plot = Plot(height=round(height * DPI))
            self.widget.children = (self._plot.widget,)
        self._plot.resize(round(height * DPI))
        self.widget.layout.display = ""
        self._plot.figure.clear()
        return self._plot.figure

    def draw(self) -> None:
        """Show what was drawn."""
        if self._plot is not None:
            self._plot.draw()

    def clear(self) -> None:
        """Show nothing; a canvas of ipympl leaves the page with the whole panel only, so it is kept and hidden."""
        self.widget.layout.display = "none"
        if self._plot is not None:
            self._plot.figure.clear()

    def close(self) -> None:
        """Free the figure."""
        if self._plot is not None:
            self._plot.close()
        self._plot = None


class Listening:
    """A recording to see and to hear: what it is, its events on a timeline, and the player."""

    def __init__(self) -> None:
        self.caption = ipywidgets.HTML()
        self.chart = ChartArea()
        self._place = ipywidgets.VBox()
        self.player: Player | None = None
        self.widget = ipywidgets.VBox([self.caption, self.chart.widget, self._place])

    def show(
        self,
        tracks: Sequence[Track],
        *,
        caption: str,
        title: str = "",
        events: Iterable[SoundEvent] | None = None,
        truth: Iterable[SoundEvent] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        """Show another recording; see `hear` and `describe`.

        Raises:
            InputError: no track.
        """
        self.hear(tracks, title=title)
        self.describe(caption, events=events, truth=truth, classes=classes)

    def hear(self, tracks: Sequence[Track], *, title: str = "") -> None:
        """Let other tracks be heard; of the same names, while they play.

        Args:
            tracks: to hear.
            title: of the player.

        Raises:
            InputError: no track.
        """
        from absslab.widgets.player import Player

        if self.player is None:
            self.player = Player(tracks, title=title)
            self._place.children = (self.player,)
        else:
            self.player.show(tracks, title=title)

    def describe(
        self,
        caption: str,
        *,
        events: Iterable[SoundEvent] | None = None,
        truth: Iterable[SoundEvent] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        """Say what is heard, and when what sounds.

        Args:
            caption: what it is, as text.
            events: what sounds when; without, there is no timeline.
            truth: events to compare with.
            classes: the rows of the timeline; those of which there is no event are left out, unless there is none at all.
        """
        self.caption.value = paragraph(caption)
        if events is None or self.player is None:
            self.chart.clear()
            return
        events, truth = list(events), None if truth is None else list(truth)
        named = {event.event_label for event in [*events, *(truth or [])]}
        classes = [name for name in classes if name in named] or classes
        length = self.player.n_samples / self.player.sampling_rate
        figure = self.chart.begin(0.7 + 0.26 * max(2, len(classes)))
        timeline(figure.subplots(), events, classes, length=length, truth=truth)
        self.chart.draw()

    def clear(self, caption: str = "") -> None:
        """Show nothing but words."""
        self.caption.value = paragraph(caption)
        self.chart.clear()
        self._place.children = ()
        self._free_player()

    def close(self) -> None:
        """Free sound and figure."""
        self.chart.close()
        self._free_player()

    def _free_player(self) -> None:
        if self.player is not None:
            close_tree(self.player)
        self.player = None


def button(words: str, function: Callable[[], Any], *, is_main: bool = False) -> ipywidgets.Button:
    """A button as wide as its words that calls a function; the one that a panel is there for is coloured."""
    made = ipywidgets.Button(description=words, layout=ipywidgets.Layout(width="auto", align_self="flex-start"))
    made.button_style = "primary" if is_main else ""
    made.on_click(lambda _: function())
    return made


def offer(control: Any, options: Sequence[Any]) -> None:
    """Let a control choose from other options, the first of them now."""
    control.options = ()  # nothing is chosen then, so that the first counts as a change even where it is the same
    control.options = options
    control.index = 0 if options else None
