"""Listen to one validation mixture as the models of the epochs separate it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.runs.run_data import run_recordings
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.run_directory import RunReader
from absslab.plots.html_text import paragraph
from absslab.widgets.listening.live_separation import Excerpt, LiveModels
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.player.tracks import Track
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.controls import button, offer
from absslab.widgets.ui.main_loop import MainLoop

NONE_KEPT = "no epoch can be listened to: with keep_every 1 a training keeps the model of each"
_LONGEST = 60.0  # s of a mixture that are separated: enough to hear, and soon there


class EpochListener:
    """Choice of a mixture and of an epoch, and the player.

    Args:
        loop: where callbacks are called.
        guard: makes a callback of a function, so that its errors show.
        failed: called with what goes wrong while it separates.
    """

    def __init__(
        self,
        loop: MainLoop,
        guard: Callable[[Callable[..., Any]], Callable[..., None]],
        failed: Callable[[Exception], Any],
    ):
        self.kept: dict[int, Path] = {}
        self._failed = failed
        self._reader: RunReader | None = None
        self._is_setting = self._is_asked = False  # asked: an epoch was chosen to be heard
        self._models = LiveModels()
        self._latest = LatestOnly(loop, self._separated, deliver=self._deliver, failed=self._fail)
        self.mixture = ipywidgets.Dropdown(description="mixture")
        self.epoch = ipywidgets.SelectionSlider(
            options=[("–", 0)], description="epoch", continuous_update=False, disabled=True
        )
        self.button = button("listen", guard(self.listen))
        self.listening = RecordingView()
        choice = ipywidgets.HBox(
            [self.mixture, self.epoch, self.button], layout=ipywidgets.Layout(flex_flow="row wrap")
        )
        self.widget = ipywidgets.VBox([choice, self.listening.widget])
        changed = guard(lambda _: self._choice_changed())
        self.epoch.observe(changed, "value")
        self.mixture.observe(changed, "value")

    def follow(self, reader: RunReader | None) -> None:
        """Offer the validation mixtures of another run, and its epochs; or nothing.

        Raises:
            InputError: its data can't be read; its epochs are offered all the same.
        """
        self._reader, self._is_asked = reader, False
        self._latest.cancel()
        self.listening.clear()
        self.mixture.options = []
        self.update()
        if reader and not self.kept:
            self.listening.clear(NONE_KEPT)
        items = run_recordings(reader, "validation") if reader else []
        titles = [
            f"{Path(one.path).name}: {', '.join(sorted(one.labels)) or 'nothing'}" for one in items
        ]
        offer(self.mixture, [(title, one.path) for title, one in zip(titles, items, strict=True)])

    def update(self) -> None:
        """Look for models that were kept since."""
        kept = self._reader.epoch_checkpoints() if self._reader else {}
        if kept == self.kept:
            return
        if not self.kept:
            self.listening.caption.value = ""
        self.kept = kept
        is_heard = self._is_asked and self.epoch.value in kept
        value = self.epoch.value if is_heard else max(kept, default=0)
        with self._setting():  # with other options it falls back to the first
            self.epoch.options = [(str(epoch), epoch) for epoch in kept] or [("–", 0)]
            self.epoch.value = value
        self.epoch.disabled = not kept

    def listen(self, epoch: int | None = None, mixture: str = "") -> None:
        """Separate a mixture with the model of an epoch, and show it in the player.

        A player that is playing goes on, with the other sources.

        Args:
            epoch: one of those that were kept; without, the one that is chosen.
            mixture: a sound file; without, the one that is chosen.

        Raises:
            InputError: no run, no such epoch, no mixture.
        """
        if not self.kept:
            raise InputError(
                "no epoch's model was kept: set keep_every to 1 before a training is started"
            )
        epoch = self.epoch.value if epoch is None else epoch
        if epoch not in self.kept:
            raise InputError(
                f"the model of epoch {epoch} was not kept: "
                f"there is {', '.join(map(str, self.kept))}"
            )
        mixture = mixture or self.mixture.value or ""
        if not mixture:
            raise InputError(
                "there is no validation mixture to listen to: "
                "choose a run whose data_folder is there"
            )
        with self._setting():
            self.epoch.value = epoch
            if mixture in [path for _, path in self.mixture.options]:
                self.mixture.value = mixture
        self._is_asked = True
        self.listening.caption.value = paragraph("separating …")
        self._latest.request(self.kept[epoch], mixture, epoch)

    def close(self) -> None:
        """Free sound and models."""
        self._latest.close()
        self._models.close()
        self.listening.close()

    @contextmanager
    def _setting(self) -> Iterator[None]:
        """Change controls without taking that for a choice of the person."""
        self._is_setting = True
        try:
            yield
        finally:
            self._is_setting = False

    def _choice_changed(self) -> None:
        if self.listening.player is not None and not self._is_setting:
            self.listen()

    def _separated(
        self, checkpoint: Path, mixture: str, epoch: int
    ) -> tuple[list[Track], str, str]:
        """Tracks, caption and title; in a thread."""
        answer, _ = self._models.answer(
            checkpoint, "cpu", Excerpt.of(mixture, length=_LONGEST), SeparationConfig()
        )
        name = Path(mixture).name
        return answer.tracks, f"{name}, separated by the model of epoch {epoch}", name

    def _fail(self, error: Exception) -> None:
        self.listening.caption.value = ""
        self._failed(error)

    def _deliver(self, answer: tuple[list[Track], str, str]) -> None:
        tracks, caption, title = answer
        self.listening.show(tracks, caption=caption, title=title)
