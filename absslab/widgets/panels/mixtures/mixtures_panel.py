"""The panel of mixtures: draw a mixture to see and hear it, or write a set of mixtures."""

from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.common.progress import LongWork
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import mixture_names, read_manifest
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import WrittenMixtures
from absslab.core.data.splits import SPLITS
from absslab.widgets.listening.playback import show_recording
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.panels.event_recordings import event_source, link_event_folder, writing_steps
from absslab.widgets.panels.mixtures.mixture_preview import MixturePreview
from absslab.widgets.panels.panel import WorkbenchPanel, known_split
from absslab.widgets.panels.state import State
from absslab.widgets.ui.binding import without_feedback
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.forms import Form
from absslab.widgets.ui.progress_line import ProgressLine

DRAWN = "newly drawn"
WRITTEN = "from the set"


class MixturesPanel(WorkbenchPanel):
    """Panel that draws, plays and writes mixtures.

    `draw` makes one to listen to, `write` makes a set, `browse` plays one of the set in
    `state.mixture_folder`.

    Args:
        state: shared with other panels.
    """

    title = "mixtures"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self._shown: tuple[Any, ...] | None = None  # the choice and settings of what is shown
        self.mixing = self.own(Form(MixingConfig, on_change=self.guard(self._refresh)))
        self.folder = self.own(Form(MixtureFolderConfig, on_change=self.guard(self._refresh)))
        self.writing = self.own(ProgressLine(self.loop, self.fail))
        self.recording_view = self.own(RecordingView())
        self.preview = self.own(MixturePreview(self.loop, self.recording_view, self.fail))
        self.which = ipywidgets.ToggleButtons(options=[DRAWN, WRITTEN])
        narrow = {"layout": {"width": "170px"}, "style": {"description_width": "55px"}}
        self.split = ipywidgets.Dropdown(options=SPLITS, description="split", **narrow)
        self.index = ipywidgets.BoundedIntText(min=0, max=999_999, description="number", **narrow)
        write_button = button("write the set", self.guard(self.write))
        forms = ipywidgets.Accordion(
            [self.mixing.widget, ipywidgets.VBox([self.folder.widget, write_button])],
            titles=["settings for drawing mixtures", "write a set of mixtures"],
            selected_index=0,
        )
        show_button = button("show the mixture", self.guard(self._show), is_main=True)
        previous_button = button("previous", self.guard(partial(self.step, -1)))
        next_button = button("next", self.guard(partial(self.step, 1)))
        number_row = ipywidgets.HBox(
            [self.split, self.index, show_button, previous_button, next_button],
            layout={"flex_flow": "row wrap"},
        )
        self.show(
            forms,
            self.writing,
            self.message_line,
            self.which,
            number_row,
            self.preview,
            self.recording_view,
        )
        link_event_folder(self, self.folder)
        self.link("split", self.split, to_control=known_split)
        self._on_choice = self.guard(lambda _: self._refresh())
        for control in (self.which, self.split, self.index):
            control.observe(self._on_choice, "value")
        self.watch("mixture_folder", self._refresh)

    def draw(self, index: int = 0, split: str | None = None) -> None:
        """Draw a mixture and play it; the same number, split and settings give the same mixture.

        Args:
            index: its number in the split; it may exceed the number of mixtures in a written set.
            split: train, validation or test; if None, the one that is chosen.

        Raises:
            InputError: settings or recordings can't be used.
        """
        self._choose(DRAWN, index, split)

    def browse(self, index: int = 0, split: str | None = None) -> None:
        """Play a mixture of the written set, and select it for all panels as `state.mixture`.

        Args:
            index: its number in the split.
            split: train, validation or test; if None, the one that is chosen.

        Raises:
            InputError: there is no such set, split or mixture.
        """
        self._choose(WRITTEN, index, split)

    def step(self, by: int) -> None:
        """Go to the next mixture, or to the previous one.

        Args:
            by: number of mixtures to move; negative goes back.
        """
        self._choose(self.which.value, max(0, self.index.value + by), None)

    def write(self) -> None:
        """Write a set of mixtures in the background; a set that was cancelled is continued.

        Raises:
            InputError: settings can't be used, or a set is being written.
        """
        config = self.folder.config
        mixing = self.mixing.config
        folder = config.output_folder
        if self.writing.is_running:
            raise InputError("a set is being written: wait until it is complete, or cancel it")
        if not folder:
            raise InputError("output_folder is missing: choose where the set is to be written")
        self.say("")
        work = LongWork(writing_steps(config, mixing))
        self.writing.run(
            lambda: iter(work),
            task=f"writing {folder}",
            done=lambda: self._select_written(work.result),
            cancelled=lambda: self.say(
                f"Cancelled: “write the set” continues {folder}.", "warning"
            ),
        )

    def cancel(self) -> None:
        """Stop writing mixtures and reading recordings."""
        self.writing.cancel()
        self.preview.reading.cancel()

    def _select_written(self, written: WrittenMixtures) -> None:
        """Select a set that was written for all panels."""
        folder = str(written.folder)
        self.state.mixture_folder = folder
        text = ", ".join(f"{n_mixtures} {split}" for split, n_mixtures in written.counts.items())
        if written.left_out:
            self.say(f"{folder} holds {text} mixtures. {written.left_out.summary()}", "warning")
        else:
            self.say(f"{folder} holds {text} mixtures.")

    def _choose(self, which: str, index: int, split: str | None) -> None:
        # Nothing is shown before all three are chosen.
        with without_feedback(self._on_choice, self.which, self.index, self.split):
            self.which.value = which
            self.index.value = index
            self.split.value = split or self.split.value
        self._show()

    def _selection(self) -> tuple[Any, ...]:
        """Return the choice, and the settings on which the chosen mixture depends."""
        choice = (self.which.value, self.split.value, self.index.value)
        if self.which.value == WRITTEN:
            return *choice, self.state.mixture_folder
        config = self.folder.config
        division = (config.percentages, config.holdout_fold, config.seed)
        return *choice, self.mixing.config, *division, *event_source(config)

    def _refresh(self) -> None:
        """Show the mixture that is chosen now, if one was shown before."""
        if self._shown is not None and self._shown != self._selection():
            self._show()

    def _show(self) -> None:
        self._shown = self._selection()
        self.say("")
        split = self.split.value
        index = self.index.value
        if self.which.value == WRITTEN:
            self._play_written(self.state.mixture_folder, split, index)
        else:
            self.preview.request(self.folder.config, self.mixing.config, split, index)

    def _play_written(self, folder: str, split: str, index: int) -> None:
        if not folder:
            raise InputError("no set of mixtures is chosen: write one, or set state.mixture_folder")
        names = mixture_names(folder, split)
        if index >= len(names):
            raise InputError(
                f"{{folder}} has {len(names)} {split} mixtures: "
                f"expected a number up to {len(names) - 1}",
                folder=folder,
            )
        path = Path(folder) / split / names[index]
        caption = f"{path}, number {index} of {len(names)}"
        show_recording(self.recording_view, path, read_manifest(folder).classes, caption=caption)
        self.state.mixture = str(path)
