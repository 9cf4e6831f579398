"""The panel of isolated recordings: their number, split and sounds."""

import os
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import LongWork
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.recordings import (
    ClassSummary,
    IndexedFolder,
    Recording,
    classes_of,
    split_recordings,
    summarise_recordings,
)
from absslab.plots.charts import chart_height, draw_split_balance
from absslab.plots.html_tables import render_table
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.panels.event_recordings import (
    BUILT_IN,
    EventSource,
    checked_indexing_steps,
    event_source,
    link_event_folder,
)
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.player.tracks import Track, file_sound
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.controls import button, offer
from absslab.widgets.ui.forms import Form
from absslab.widgets.ui.progress_line import ProgressLine

FIELDS = ("event_folder", "recordings_csv", "origin_pattern", "split_percentages", "seed")
HEADER = ["class", "recordings", "origins", "total / s", "shortest / s", "longest / s"]
MAX_PROBLEMS = 10  # that are shown


class RecordingsPanel(WorkbenchPanel):
    """The recordings of `state.event_folder`: `index` reads them, `choose` plays one of them.

    Args:
        state: shared with other panels.
    """

    title = "recordings"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.recordings: list[Recording] = []
        self._left_out = LeftOut("mix")  # files that can't be used
        self._lost_classes: list[str] = []  # all of whose files are among them
        self._source: EventSource = ("", None, None)  # of the recordings that were read last
        self.form = self.own(
            Form(MixtureFolderConfig, only=FIELDS, on_change=self.guard(self._use_settings))
        )
        self.progress_line = self.own(ProgressLine(self.loop, self.fail))
        self.button = button("read the recordings", self.guard(self.index), is_main=True)
        self.table = ipywidgets.HTML()
        self.chart = self.own(ChartArea())
        layout = {"width": "430px"}
        style = {"description_width": "80px"}
        self.class_control = ipywidgets.Dropdown(description="class", layout=layout, style=style)
        self.recording_control = ipywidgets.Dropdown(
            description="recording", layout=layout, style=style
        )
        self.recording_view = self.own(RecordingView())
        self.class_control.observe(self.guard(lambda _: self._offer_recordings()), "value")
        self.recording_control.observe(self.guard(lambda _: self._play()), "value")
        self.show(
            self.form,
            ipywidgets.HBox([self.button, self.progress_line.widget]),
            self.table,
            ipywidgets.HBox(
                [self.class_control, self.recording_control], layout={"flex_flow": "row wrap"}
            ),
            self.recording_view,
            self.chart,
        )
        link_event_folder(self, self.form)

    def index(self) -> None:
        """Read the folder again, or the built-in recordings if none is chosen; `cancel` stops this.

        Raises:
            InputError: a setting can't be used.
        """
        config = self.form.config
        self._source = event_source(config)
        work = LongWork(checked_indexing_steps(config))  # raises before anything is cleared
        self.recordings = []
        self.table.value = ""
        self.chart.clear()
        self.recording_view.clear()
        offer(self.class_control, ())
        self.say("")
        self.progress_line.run(
            lambda: iter(work),
            task="reading the recordings",
            done=lambda: self._show_recordings(work.result),
            cancelled=lambda: self.say(
                "Cancelled: press “read the recordings” to start again.", "warning"
            ),
        )

    def cancel(self) -> None:
        """Stop reading."""
        self.progress_line.cancel()

    def choose(self, event_label: str, index: int = 0) -> Recording:
        """Play a recording of a class.

        Args:
            event_label: the class.
            index: number of the recording of this class, in the order of their paths.

        Raises:
            InputError: there is no such class or recording.
        """
        recordings = self._recordings_of(event_label)
        if not 0 <= index < len(recordings):
            raise InputError(
                f"there is no recording {index} of {event_label!r}: "
                "expected one of those that were read"
            )
        self.class_control.value = event_label
        self.recording_control.value = recordings[index]
        return recordings[index]

    def _use_settings(self) -> None:
        """Read the recordings if their source has changed; otherwise only show the new split."""
        try:
            config = self.form.config
        except InputError:
            return  # the form shows what is wrong
        if event_source(config) != self._source:
            self.index()
        elif self.recordings:
            self._show_split()

    def _show_recordings(self, indexed: IndexedFolder) -> None:
        self.recordings = indexed.recordings
        self._left_out = indexed.left_out
        self._lost_classes = indexed.lost_classes
        self._show_split()
        offer(self.class_control, classes_of(self.recordings))

    def _show_split(self) -> None:
        """Show errors of files, and the number of recordings in each split."""
        config = self.form.config
        messages = []
        if self._left_out:
            lost = f", all of {', '.join(self._lost_classes)}" if self._lost_classes else ""
            messages.append(
                f"{len(self._left_out)} files can't be used{lost}; no mixtures are made until this "
                "is corrected, unless on_error is skip in the panel of mixtures:"
            )
            messages += [item.reason for item in self._left_out.files[:MAX_PROBLEMS]]
        split: dict[str, list[Recording]] = {}
        try:
            split = split_recordings(
                self.recordings, percentages=config.split_percentages, seed=config.seed
            )
        except InputError as error:
            messages.append(str(error))
        self.say("\n".join(messages), "error")
        summaries = summarise_recordings(self.recordings, split)
        n_seconds = sum(summary.total for summary in summaries)
        caption = (
            f"{config.event_folder or BUILT_IN}: {len(self.recordings)} recordings "
            f"of {len(summaries)} classes, {n_seconds:.0f} s"
        )
        rows = [_table_row(summary) for summary in summaries]
        self.table.value = render_table([*HEADER, *split], rows, caption=caption)
        if not split:
            self.chart.clear()
            return
        counts = {summary.event_label: summary.in_split for summary in summaries}
        draw_split_balance(self.chart.begin(chart_height(len(counts))).subplots(), counts)
        self.chart.draw()

    def _recordings_of(self, event_label: str) -> list[Recording]:
        return [recording for recording in self.recordings if recording.event_label == event_label]

    def _offer_recordings(self) -> None:
        """Offer the recordings of the chosen class."""
        recordings = self._recordings_of(self.class_control.value)
        folders = [Path(recording.path).parent for recording in recordings]
        common_folder = os.path.commonpath(folders) if folders else ""
        options = [
            (os.path.relpath(recording.path, common_folder), recording) for recording in recordings
        ]
        offer(self.recording_control, options)

    def _play(self) -> None:
        recording = self.recording_control.value
        if recording is None:
            return
        caption = (
            f"{recording.path}: {recording.event_label}, {recording.duration:.2f} s, "
            f"origin {recording.origin}"
        )
        track = Track(Path(recording.path).stem, file_sound(recording.path))
        self.recording_view.show([track], caption=caption)


def _table_row(summary: ClassSummary) -> list[object]:
    return [
        summary.event_label,
        summary.n_recordings,
        summary.n_origins,
        f"{summary.total:.1f}",
        f"{summary.shortest:.2f}",
        f"{summary.longest:.2f}",
        *summary.in_split.values(),
    ]
