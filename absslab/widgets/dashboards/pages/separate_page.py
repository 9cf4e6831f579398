"""The page separate: find the sounds in a recording, and remove some of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress
from absslab.core.common.tables import read_table
from absslab.core.data.class_names import file_stem
from absslab.core.data.strong_labels import EVENT_COLUMNS
from absslab.core.runs.run_data import run_recordings
from absslab.core.separation.separated_folder import separate_file
from absslab.core.separation.separator import Separator
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.widgets.dashboards.pages.keep_controls import KeepControls
from absslab.widgets.dashboards.pages.page import Page
from absslab.widgets.dashboards.pages.recording_choice import recording_title
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.dashboards.visitors import create_visitor_folder
from absslab.widgets.listening.live_separation import LiveModels
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.player.mixdown import MixedSound
from absslab.widgets.player.tracks import Track, file_sound
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.disk_quota import DiskQuota
from absslab.widgets.ui.progress_line import ProgressLine
from absslab.widgets.ui.upload import Limits, Upload, Uploaded

_N_EXAMPLES = 30  # recordings of the run that are offered for a try
_REST = "everything else"


class SeparatePage(Page):
    """Upload or choose a recording, keep or remove its classes, listen, and download the result."""

    title = "Separate"
    introduction = (
        "Upload a recording: the model finds the sounds in it. Keep what you want, remove the "
        "rest, listen, and download the result."
    )

    def __init__(self, config: DashboardConfig):
        super().__init__(config)
        self.folder = create_visitor_folder(config.visitors_folder)
        self.name = ""  # of the recording that is shown
        self._tracks: list[Track] = []  # one for each class, and the rest
        self._n_separated = 0

    def build(self) -> None:
        """Show the upload and the examples.

        Raises:
            InputError: not exactly one run is given.
        """
        config = self.config
        if len(config.run_directory) != 1:
            raise InputError("expected one run: absslab dashboard separate --run_directory R")
        self._run = Path(config.run_directory[0])
        self._models = self.own(LiveModels())
        limits = Limits(
            round(1e6 * config.max_upload_size), config.max_uploads, config.max_duration
        )
        self._quota = DiskQuota(self.folder, round(1e6 * config.max_disk))
        self.upload = self.own(
            Upload(self.folder, limits, quota=self._quota, arrived=self.guard(self._upload_done))
        )
        self.examples = ipywidgets.Dropdown(
            options=[("… or try one of these", ""), *self._examples()],
            layout={"width": "auto", "max_width": "100%"},
        )
        self.examples.observe(self.guard(lambda _: self._example_chosen()), "value")
        self.progress_line = self.own(ProgressLine(self.loop, self.fail))
        self.keep_controls = self.own(KeepControls(self._choices_changed, self.loop, self.fail))
        self.recording_view = self.own(RecordingView())
        self.download = button(
            "download the result", self.guard(self.download_result), is_main=True
        )
        self.result = ipywidgets.VBox(
            [self.keep_controls.widget, self.download, self.recording_view.widget],
            layout={"display": "none"},
        )
        self.show(self.upload, self.examples, self.progress_line, self.result)

    def separate(self, path: Path, name: str) -> None:
        """Separate a recording into files of this visitor, and show the result.

        Args:
            path: path of the recording.
            name: its name for the visitor.
        """
        self.clear()
        self._n_separated += 1
        folder = self.folder / f"separated-{self._n_separated}"

        def separate_steps() -> Iterator[Progress]:
            yield from self._quota.watch(separate_file(self._separator(), path, folder), name)

        self.progress_line.run(
            separate_steps,
            task=f"separating {name}, samples",
            done=lambda: self._show_result(path, name, folder / path.stem),
            cancelled=lambda: self.say("Cancelled.", "warning"),
        )

    def download_result(self) -> None:
        """Let the browser save the recording with the chosen classes kept or removed.

        Raises:
            InputError: nothing was separated yet.
        """
        if self.recording_view.player is None:
            raise InputError("there is nothing to download yet: upload or choose a recording first")
        file_name = f"{Path(self.name).stem} {self.keep_controls.description}"
        self.recording_view.player.offer("after", file_name)

    def clear(self) -> None:
        """Hide the result, and delete its files."""
        self.progress_line.drop()
        self.say("")
        self.result.layout.display = "none"
        self.recording_view.clear()
        for folder in self.folder.glob("separated-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def pause(self) -> None:
        """Cancel the separation and the upload, because the visitor has left."""
        self.progress_line.cancel()
        self.upload.cancel()

    def close(self) -> None:
        """Close the page, and delete the uploads and their results."""
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _separator(self) -> Separator:
        return self._models.separator(best_checkpoint_path(self._run), self.config.device)

    def _upload_done(self, uploaded: Uploaded) -> None:
        self.examples.value = ""
        self.separate(uploaded.path, uploaded.name)

    def _example_chosen(self) -> None:
        if self.examples.value:
            path = Path(self.examples.value)
            self.separate(path, path.name)

    def _show_result(self, path: Path, name: str, folder: Path) -> None:
        self.name = name
        classes = [
            label
            for label in self._separator().classes
            if (folder / f"{file_stem(label)}.wav").exists()  # of many, those that were found
        ]
        self._tracks = [
            Track(label, file_sound(folder / f"{file_stem(label)}.wav"), "source")
            for label in classes
        ]
        self._tracks.append(Track(_REST, file_sound(folder / "residual.wav"), "residual"))
        self._before = Track("before", file_sound(path), "mixture")
        durations = dict.fromkeys(classes, 0.0) | _event_durations(folder / "events.tsv")
        self.keep_controls.set_classes(durations, rest=_REST)
        self._update_player()
        self.result.layout.display = ""

    def _choices_changed(self) -> None:
        if self.recording_view.player is not None:
            self._update_player()

    def _update_player(self) -> None:
        gains = tuple(self.keep_controls.gains[track.name] for track in self._tracks)
        after = Track("after", MixedSound(tuple(self._tracks), gains))
        found_tracks = [
            track for track in self._tracks if track.name in self.keep_controls.found_names
        ]
        self.recording_view.show_tracks([self._before, after, *found_tracks], title=self.name)

    def _examples(self) -> list[tuple[str, str]]:
        """Return titles and paths of recordings of the run; empty if its data are missing."""
        reader = RunReader.open(self._run)
        try:
            recordings = run_recordings(
                reader, self.config.split, data_folder=self.config.mixture_folder
            )
        except InputError:  # the model alone is enough for this page
            return []
        return [
            (recording_title(Path(item.path).name, sorted(item.labels)), item.path)
            for item in recordings[:_N_EXAMPLES]
        ]


def _event_durations(path: Path) -> dict[str, float]:
    """Return the duration (s) of each class, from a table of detected events."""
    rows = read_table(path, required=EVENT_COLUMNS, delimiter="\t", key=None, may_be_empty=True)
    durations: dict[str, float] = {}
    for row in rows:
        label = row["event_label"]
        duration = float(row["offset"]) - float(row["onset"])
        durations[label] = durations.get(label, 0.0) + duration
    return durations
