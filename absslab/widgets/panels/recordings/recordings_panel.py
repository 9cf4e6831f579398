"""The panel of isolated recordings: how many of which class, how they are split, how they sound."""

import os
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.common.progress import LongWork
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.recordings import (
    IndexedFolder,
    Recording,
    classes_of,
    split_recordings,
    summarise_recordings,
)
from absslab.plots.charts import chart_height, split_balance
from absslab.plots.html_tables import html_table
from absslab.widgets.listening.listening import Listening
from absslab.widgets.panels.event_recordings import (
    follow_event_folder,
    index_steps,
    shown_folder,
    source_of,
)
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.player.tracks import Track, file_sound
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.controls import button, offer
from absslab.widgets.ui.forms import Form
from absslab.widgets.ui.work_line import WorkLine

FIELDS = ("event_folder", "recordings_csv", "origin_pattern", "split_percentages", "seed")
_MOST_PROBLEMS = 10  # that are shown


class RecordingsPanel(WorkbenchPanel):
    """Recordings of a folder: `index` finds them, `choose` plays one. The folder is `state.event_folder`.

    Args:
        state: what panels share.
    """

    title = "recordings"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.recordings: list[Recording] = []
        self._problems: list[str] = []  # with files
        self._indexed: tuple[Any, ...] = (
            "",
            None,
            None,
        )  # what was indexed last: folder, CSV, pattern
        self.form = self.own(
            Form(MixtureFolderConfig, only=FIELDS, on_change=self.guard(self._changed))
        )
        self.line = self.own(WorkLine(self.loop, self.fail))
        self.button = button("read the recordings", self.guard(self.index), is_main=True)
        self.table = ipywidgets.HTML()
        self.chart = self.own(ChartArea())
        look = {"layout": ipywidgets.Layout(width="430px"), "style": {"description_width": "80px"}}
        self.class_control = ipywidgets.Dropdown(description="class", **look)
        self.recording_control = ipywidgets.Dropdown(description="recording", **look)
        self.listening = self.own(Listening())
        self.class_control.observe(self.guard(lambda _: self._offer()), "value")
        self.recording_control.observe(self.guard(lambda _: self._listen()), "value")
        chosen = ipywidgets.HBox(
            [self.class_control, self.recording_control],
            layout=ipywidgets.Layout(flex_flow="row wrap"),
        )
        first = ipywidgets.HBox([self.button, self.line.widget])
        self.show(self.form, first, self.table, chosen, self.listening, self.chart)
        follow_event_folder(self, self.form)

    def index(self) -> None:
        """Read the folder again, or the built-in recordings where none is chosen; `cancel` ends that.

        Raises:
            InputError: a setting that can't be used.
        """
        config = self.form.config
        self._indexed = source_of(config)
        work = LongWork(index_steps(config, skip_bad_files=True))
        self.recordings, self.table.value = [], ""
        self.chart.clear()
        self.listening.clear()
        offer(self.class_control, ())
        self.say("")
        self.line.run(
            lambda: iter(work),
            task="reading the recordings",
            done=lambda: self._show_found(work.result),
            cancelled=lambda: self.say(
                "Cancelled: nothing is shown. Read the recordings to begin again.", "warning"
            ),
        )

    def cancel(self) -> None:
        """Stop reading."""
        self.line.cancel()

    def choose(self, event_label: str, index: int = 0) -> Recording:
        """Play a recording of a class.

        Raises:
            InputError: there is no such class or recording.
        """
        of_class = [one for one in self.recordings if one.event_label == event_label]
        if not 0 <= index < len(of_class):
            raise InputError(
                f"there is no recording {index} of {event_label!r}: expected one of those that were read"
            )
        self.class_control.value = event_label
        self.recording_control.value = of_class[index]
        return of_class[index]

    def _changed(self) -> None:
        """The folder is read when it is another one; of the same one only the split is shown anew."""
        try:
            config = self.form.config
        except InputError:
            return  # the form says it
        if source_of(config) != self._indexed:
            self.index()
        elif self.recordings:
            self._show_split()

    def _show_found(self, found: IndexedFolder) -> None:
        self.recordings, self._problems = found.recordings, found.problems
        self._show_split()
        offer(self.class_control, classes_of(self.recordings))

    def _show_split(self) -> None:
        config, problems = self.form.config, self._problems[:_MOST_PROBLEMS]
        if self._problems:
            problems.insert(
                0,
                f"{len(self._problems)} files can't be used; no mixtures are made until that is put right:",
            )
        try:
            split = split_recordings(
                self.recordings, percentages=config.split_percentages, seed=config.seed
            )
        except InputError as error:
            problems.append(str(error))
            split = {}
        self.say("\n".join(problems), "error")
        found = summarise_recordings(self.recordings, split)
        header = [
            "class",
            "recordings",
            "origins",
            "total / s",
            "shortest / s",
            "longest / s",
            *split,
        ]
        rows = [
            [one.event_label, one.n_recordings, one.n_origins, f"{one.total:.1f}", f"{one.shortest:.2f}",
             f"{one.longest:.2f}", *one.in_split.values()]
            for one in found
        ]  # fmt: skip
        n, total = len(self.recordings), sum(one.total for one in found)
        words = f"{shown_folder(config.event_folder)}: {n} recordings of {len(found)} classes, {total:.0f} s"
        self.table.value = html_table(header, rows, caption=words)
        if split:
            counts = {one.event_label: one.in_split for one in found}
            split_balance(self.chart.begin(chart_height(len(counts))).subplots(), counts)
            self.chart.draw()
        else:
            self.chart.clear()

    def _offer(self) -> None:
        """The recordings of the chosen class, to choose from."""
        of_class = [one for one in self.recordings if one.event_label == self.class_control.value]
        folder = os.path.commonpath([Path(one.path).parent for one in of_class]) if of_class else ""
        offer(
            self.recording_control, [(os.path.relpath(one.path, folder), one) for one in of_class]
        )

    def _listen(self) -> None:
        if one := self.recording_control.value:
            words = f"{one.path}: {one.event_label}, {one.duration:.2f} s, origin {one.origin}"
            self.listening.show([Track(Path(one.path).stem, file_sound(one.path))], caption=words)
