"""Separate: what is in a sound, and without what one would rather have it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress
from absslab.core.common.tables import read_table
from absslab.core.data.strong_labels import COLUMNS
from absslab.core.runs.run_data import run_recordings
from absslab.core.separation.separated_folder import separate_file
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.widgets.dashboards.pages.recording_choice import recording_title
from absslab.widgets.dashboards.pages.keep_controls import KeepControls
from absslab.widgets.dashboards.pages.page import Page
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.dashboards.visitors import create_visitor_folder
from absslab.widgets.listening.listening import Listening
from absslab.widgets.listening.live_separation import LiveModels
from absslab.widgets.player.mixdown import Remix
from absslab.widgets.player.tracks import Track, file_sound
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.upload import Limits, Upload, Uploaded
from absslab.widgets.ui.work_line import WorkLine

_EXAMPLES = 30  # of the run's recordings, to try it with
_REST = "everything else"


class SeparatePage(Page):
    """Bring a sound or choose one, see what is in it, keep or remove it, hear it before and after, download it."""

    title = "Separate"
    words = (
        "Bring a recording: the model finds what is in it. Keep what you want, remove the rest, "
        "listen, and download it."
    )

    def __init__(self, shown: DashboardConfig):
        super().__init__(shown)
        self.folder = create_visitor_folder(shown.visitors_folder)
        if len(shown.run_directory) != 1:
            raise InputError("no run is shown: absslab dashboard separate --run_directory R")
        self._run, self.name = Path(shown.run_directory[0]), ""  # name: of what is shown
        self._models = self.own(LiveModels())
        self._tracks: list[Track] = []
        self._n_separated = 0
        limits = Limits(round(1e6 * shown.max_upload_size), shown.max_uploads, shown.max_duration)
        self.upload = self.own(Upload(self.folder, limits, arrived=self.guard(self._arrived)))
        self.examples = ipywidgets.Dropdown(
            options=[("… or try one of these", ""), *self._examples()],
            layout={"width": "auto", "max_width": "100%"},
        )
        self.line = self.own(WorkLine(self.loop, self.fail))
        self.keeping = KeepControls(self.guard(self._kept_changed))
        self.listening = self.own(Listening())
        self.download = button("download the result", self.guard(self.offer), is_main=True)
        self.result = ipywidgets.VBox(
            [self.keeping.widget, self.download, self.listening.widget], layout={"display": "none"}
        )
        self.examples.observe(self.guard(lambda _: self._example_chosen()), "value")
        self.show(self.upload, self.examples, self.line, self.result)

    def separate(self, path: Path, name: str) -> None:
        """Take the sound of a path apart, into files of this visitor's own; they call it `name`."""
        self.clear()
        self._n_separated += 1
        folder = self.folder / f"separated-{self._n_separated}"

        def steps() -> Iterator[Progress]:
            yield from separate_file(
                self._models.separator(best_checkpoint_path(self._run), self.shown.device),
                path,
                folder,
            )

        self.line.run(
            steps,
            task=f"taking {name} apart, samples",
            done=lambda: self._show(path, name, folder / path.stem),
            cancelled=lambda: self.say("Cancelled.", "warning"),
        )

    def offer(self) -> None:
        """Let the browser save what is left after keeping and removing.

        Raises:
            InputError: nothing was separated yet.
        """
        if self.listening.player is None:
            raise InputError("there is nothing to download yet: bring a recording first")
        self.listening.player.offer("after", f"{Path(self.name).stem} {self.keeping.in_words}")

    def clear(self) -> None:
        """Show no result, and keep no files of one."""
        self.line.drop()
        self.say("")
        self.result.layout.display = "none"
        self.listening.clear()
        for folder in self.folder.glob("separated-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def gone(self) -> None:
        """Nobody waits for the result any more."""
        self.line.cancel()
        self.upload.cancel()

    def close(self) -> None:
        """Remove what the visitor brought, and what was made of it."""
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _arrived(self, uploaded: Uploaded) -> None:
        self.examples.value = ""
        self.separate(uploaded.path, uploaded.name)

    def _example_chosen(self) -> None:
        if self.examples.value:
            path = Path(self.examples.value)
            self.separate(path, path.name)

    def _show(self, path: Path, name: str, folder: Path) -> None:
        rows = read_table(
            folder / "events.tsv", required=COLUMNS, delimiter="\t", key=None, may_be_empty=True
        )
        classes = self._models.separator(best_checkpoint_path(self._run), self.shown.device).classes
        seconds = dict.fromkeys(classes, 0.0)
        for row in rows:
            seconds[row["event_label"]] += float(row["offset"]) - float(row["onset"])
        self.name = name
        self._tracks = [Track(one, file_sound(folder / f"{one}.wav"), "source") for one in classes]
        self._tracks.append(Track(_REST, file_sound(folder / "residual.wav"), "residual"))
        self._before = Track("before", file_sound(path), "mixture")
        self.keeping.offer(seconds, rest=_REST)
        self._hear()
        self.result.layout.display = ""

    def _kept_changed(self) -> None:
        if self.listening.player is not None:
            self._hear()

    def _hear(self) -> None:
        gains = tuple(self.keeping.gains[track.name] for track in self._tracks)
        after = Track("after", Remix(tuple(self._tracks), gains))
        found = [track for track in self._tracks if track.name in self.keeping.shown]
        self.listening.hear([self._before, after, *found], title=self.name)

    def _examples(self) -> list[tuple[str, str]]:
        try:
            items = run_recordings(
                RunReader(self._run), self.shown.split, data_folder=self.shown.mixture_folder
            )
        except InputError:  # the model is enough
            return []
        return [
            (recording_title(Path(one.path).name, sorted(one.labels)), one.path)
            for one in items[:_EXAMPLES]
        ]
