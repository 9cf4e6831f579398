"""Listen to a validation mixture as the model of each epoch separates it."""

from collections.abc import Mapping
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.runs.run_data import run_recordings
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.run_directory import RunReader
from absslab.plots.html_text import paragraph
from absslab.widgets.listening.live_separation import Excerpt, LiveModels
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.player.tracks import Track
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.binding import without_feedback
from absslab.widgets.ui.controls import button, offer
from absslab.widgets.ui.panel import Panel
from absslab.widgets.ui.part import Part

NO_CHECKPOINTS = (
    "no models of epochs were kept: set keep_every to 1 to keep the model of each epoch"
)
_MAX_DURATION = 60.0  # s of a mixture that are separated: enough to hear, and quickly done
_NO_EPOCHS = [("–", 0)]  # options of the slider


class EpochListener(Part):
    """The choice of a mixture and of an epoch, and the player.

    Args:
        panel: the panel of this part, which shows errors.
    """

    def __init__(self, panel: Panel):
        super().__init__(panel.loop, panel.fail)
        self.checkpoints: dict[int, Path] = {}  # by epoch
        self._reader: RunReader | None = None
        self._channels: dict[str, Mapping[str, int] | None] = {}  # of true sources, by mixture
        self._has_chosen_epoch = False  # whether the user has chosen one to listen to
        self.mixture = ipywidgets.Dropdown(description="mixture")
        self.epoch = ipywidgets.SelectionSlider(
            options=_NO_EPOCHS, description="epoch", continuous_update=False, disabled=True
        )
        self.button = button("listen", self.guard(self.listen))
        self.recording_view = self.own(RecordingView())
        self._models = self.own(LiveModels())
        self._latest = self.own(
            LatestOnly(
                self.loop,
                self._separate,
                deliver=self.guard(self._show_separation),
                failed=self._show_failure,
                noticed=self.show_notice,
            )
        )
        choice = ipywidgets.HBox(
            [self.mixture, self.epoch, self.button], layout={"flex_flow": "row wrap"}
        )
        self.widget = ipywidgets.VBox([choice, self.recording_view.widget])
        self._on_choice = self.guard(lambda _: self._listen_again())
        self.epoch.observe(self._on_choice, "value")
        self.mixture.observe(self._on_choice, "value")

    def follow(self, reader: RunReader | None) -> None:
        """Offer the validation mixtures of another run, and its epochs; nothing if it is None.

        Raises:
            InputError: if the data of the run can't be read; its epochs are offered all the same.
        """
        self._reader = reader
        self._has_chosen_epoch = False
        self._latest.cancel()
        self.recording_view.clear()
        self.mixture.options = []
        self.update()
        if reader is not None and not self.checkpoints:
            self.recording_view.clear(NO_CHECKPOINTS)
        recordings = [] if reader is None else run_recordings(reader, "validation")
        self._channels = {recording.path: recording.channels for recording in recordings}
        offer(self.mixture, [(_title(recording), recording.path) for recording in recordings])

    def update(self) -> None:
        """Offer the epochs whose models have been kept since the last update."""
        checkpoints = {} if self._reader is None else self._reader.epoch_checkpoints()
        if checkpoints == self.checkpoints:
            return
        if not self.checkpoints:
            self.recording_view.caption.value = ""
        self.checkpoints = checkpoints
        epoch = max(checkpoints, default=0)
        if self._has_chosen_epoch and self.epoch.value in checkpoints:
            epoch = self.epoch.value
        # The slider falls back to its first option when the options change.
        with without_feedback(self._on_choice, self.epoch):
            self.epoch.options = [(str(number), number) for number in checkpoints] or _NO_EPOCHS
            self.epoch.value = epoch
        self.epoch.disabled = not checkpoints

    def listen(self, epoch: int | None = None, mixture: str = "") -> None:
        """Separate a mixture with the model of an epoch, and show it in the player.

        A player that is playing goes on, with the other sources.

        Args:
            epoch: an epoch whose model was kept; the chosen one if it is None.
            mixture: path of a sound file; the chosen mixture if it is empty.

        Raises:
            InputError: if there is no run, no model of this epoch, or no mixture.
        """
        if not self.checkpoints:
            raise InputError(
                "no epoch's model was kept: set keep_every to 1 before a training is started"
            )
        epoch = self.epoch.value if epoch is None else epoch
        if epoch not in self.checkpoints:
            raise InputError(
                f"the model of epoch {epoch} was not kept: "
                f"choose one of {', '.join(map(str, self.checkpoints))}"
            )
        mixture = mixture or self.mixture.value or ""
        if not mixture:
            raise InputError(
                "there is no validation mixture to listen to: choose a run whose data_folder exists"
            )
        with without_feedback(self._on_choice, self.epoch, self.mixture):
            self.epoch.value = epoch
            if mixture in [path for _, path in self.mixture.options]:
                self.mixture.value = mixture
        self._has_chosen_epoch = True
        self.recording_view.caption.value = paragraph("separating …")
        self._latest.request(self.checkpoints[epoch], mixture, epoch)

    def _listen_again(self) -> None:
        """Play what was chosen now, if something was played before."""
        if self.recording_view.player is not None:
            self.listen()

    def _separate(self, checkpoint: Path, mixture: str, epoch: int) -> tuple[list[Track], str, str]:
        """Return the tracks, the caption and the title; runs in a thread."""
        channels = self._channels.get(mixture)
        excerpt = Excerpt.of(mixture, length=_MAX_DURATION, channels=channels)
        result, _ = self._models.separate_excerpt(checkpoint, "cpu", excerpt, SeparationConfig())
        name = Path(mixture).name
        return result.tracks, f"{name}, separated by the model of epoch {epoch}", name

    def _show_separation(self, answer: tuple[list[Track], str, str]) -> None:
        tracks, caption, title = answer
        self.recording_view.show(tracks, caption=caption, title=title)

    def _show_failure(self, error: Exception) -> None:
        self.recording_view.caption.value = ""
        self.fail(error)


def _title(recording: LabelledRecording) -> str:
    """Name a recording and the classes in it."""
    classes = ", ".join(sorted(recording.labels)) or "no class"
    return f"{Path(recording.path).name}: {classes}"
