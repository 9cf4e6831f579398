"""A recording to see and to hear: its caption, its events on a timeline, and the player."""

from typing import TYPE_CHECKING

from absslab.widgets.ui.chart_area import ChartArea

if TYPE_CHECKING:
    from absslab.widgets.player.player import Player


from collections.abc import Iterable, Sequence

import ipywidgets

from absslab.core.data.strong_labels import SoundEvent
from absslab.plots.figures import timeline
from absslab.plots.html_text import paragraph
from absslab.widgets.player.tracks import Track
from absslab.widgets.ui.part import close_tree


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
        from absslab.widgets.player.player import Player

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
