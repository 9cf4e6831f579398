"""Show a recording: its caption, its events on a timeline, and the player."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import ipywidgets

from absslab.core.data.strong_labels import SoundEvent
from absslab.plots.figures import draw_timeline
from absslab.plots.html_text import paragraph
from absslab.widgets.player.tracks import Track
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.part import Part, close_tree

if TYPE_CHECKING:
    from absslab.widgets.player.player import Player


class RecordingView(Part):
    """A view of a recording: its caption, its events on a timeline, and the player."""

    def __init__(self) -> None:
        super().__init__()
        self.caption = ipywidgets.HTML()
        self.chart = self.own(ChartArea())
        self._player_box = ipywidgets.VBox()
        self.player: Player | None = None
        self.widget = ipywidgets.VBox([self.caption, self.chart.widget, self._player_box])

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
        """Show another recording; see `show_tracks` and `describe`.

        Raises:
            InputError: if there is no track.
        """
        self.show_tracks(tracks, title=title)
        self.describe(caption, events=events, truth=truth, classes=classes)

    def show_tracks(self, tracks: Sequence[Track], *, title: str = "") -> None:
        """Put other tracks into the player; see `Player.show` for what goes on playing.

        Args:
            tracks: tracks to play.
            title: title of the player.

        Raises:
            InputError: if there is no track.
        """
        from absslab.widgets.player.player import Player

        if self.player is None:
            self.player = Player(tracks, title=title)
            self._player_box.children = (self.player,)
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
        """Show the caption and the timeline of the recording.

        Args:
            caption: plain text.
            events: events of the recording; None: no timeline.
            truth: events to compare with.
            classes: the rows of the timeline. Classes without an event are left out, unless there
                is no event at all.
        """
        self.caption.value = paragraph(caption)
        if events is None or self.player is None:
            self.chart.clear()
            return
        events = list(events)
        truth = None if truth is None else list(truth)
        present = {event.event_label for event in [*events, *(truth or [])]}
        rows = [name for name in classes if name in present] or classes
        length = self.player.n_samples / self.player.sampling_rate  # s
        figure = self.chart.begin(0.7 + 0.26 * max(2, len(rows)))
        draw_timeline(figure.subplots(), events, rows, length=length, truth=truth)
        self.chart.draw()

    def clear(self, caption: str = "") -> None:
        """Show only a caption."""
        self.caption.value = paragraph(caption)
        self.chart.clear()
        self._player_box.children = ()
        self._free_player()

    def close(self) -> None:
        """Free the sound and the figure."""
        self._free_player()
        super().close()

    def _free_player(self) -> None:
        if self.player is not None:
            close_tree(self.player)
        self.player = None
