"""The panel of mixtures: how they are drawn, one at a time to see and to hear, and whole sets to write."""

from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import mixture_names, read_manifest
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.splits import SPLITS
from absslab.widgets.listening.listening import Listening
from absslab.widgets.listening.playback import listen_to
from absslab.widgets.panels.event_recordings import follow_event_folder, source_of, write_steps
from absslab.widgets.panels.mixtures.mixture_preview import MixturePreview
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.forms import Form
from absslab.widgets.ui.work_line import WorkLine

DRAWN, WRITTEN = "drawn anew", "of the written set"


class MixturesPanel(WorkbenchPanel):
    """Mixtures: `draw` makes one to listen to, `write` a set, `browse` shows one of the set in `state.mixture_folder`.

    Args:
        state: what panels share.
    """

    title = "mixtures"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self._shown: tuple[Any, ...] | None = None  # which mixture, drawn how
        self.mixing = self.own(Form(MixingConfig, on_change=self.guard(self._refresh)))
        self.folder = self.own(Form(MixtureFolderConfig, on_change=self.guard(self._refresh)))
        self.writing = self.own(WorkLine(self.loop, self.fail))
        self.listening = self.own(Listening())
        self.drawing = self.own(MixturePreview(self.loop, self.listening, self.fail))
        self.which = ipywidgets.ToggleButtons(options=[DRAWN, WRITTEN])
        narrow = {"layout": {"width": "170px"}, "style": {"description_width": "55px"}}
        self.split = ipywidgets.Dropdown(options=SPLITS, description="split", **narrow)
        self.index = ipywidgets.BoundedIntText(min=0, max=999_999, description="number", **narrow)
        for control in (self.which, self.split, self.index):
            control.observe(self.guard(lambda _: self._refresh()), "value")
        parts = [
            self.mixing.widget,
            ipywidgets.VBox([self.folder.widget, button("write the set", self.guard(self.write))]),
        ]
        forms = ipywidgets.Accordion(
            parts, titles=["how mixtures are drawn", "write a set of them"], selected_index=0
        )
        show = button("show it", self.guard(self._show), is_main=True)
        moves = [
            button(words, self.guard(partial(self.step, by)))
            for words, by in {"previous": -1, "next": 1}.items()
        ]
        number = ipywidgets.HBox(
            [self.split, self.index, show, *moves], layout={"flex_flow": "row wrap"}
        )
        self.show(forms, self.writing, self._line, self.which, number, self.drawing, self.listening)
        follow_event_folder(self, self.folder)
        self._follow()
        self.split.observe(
            self.guard(lambda change: self.state.set_trait("split", change["new"])), "value"
        )
        self.watch(("split", "mixture_folder"), self._follow)

    def draw(self, index: int = 0, split: str | None = None) -> None:
        """Draw a mixture and play it: the same one for the same number, split and settings.

        Args:
            index: its number in the split; it may be beyond those that a set would hold.
            split: train, validation or test; without, the one that is chosen.

        Raises:
            InputError: settings or recordings that can't be used.
        """
        self._choose(DRAWN, index, split)

    def browse(self, index: int = 0, split: str | None = None) -> None:
        """Play a mixture of the written set and select it for all panels, as `state.mixture`.

        Raises:
            InputError: there is no such set, split or mixture.
        """
        self._choose(WRITTEN, index, split)

    def step(self, by: int) -> None:
        """Go to the next mixture, or to the previous one."""
        self._choose(self.which.value, max(0, self.index.value + by), None)

    def write(self) -> None:
        """Write a set of mixtures beside the loop; one that was cancelled is gone on with.

        Raises:
            InputError: settings that can't be used.
        """
        config, mixing = self.folder.config, self.mixing.config
        if self.writing.is_running:
            raise InputError("a set is being written: wait for its end, or cancel it")
        if not config.output_folder:
            raise InputError("output_folder is missing: say where the set is to be written")
        self.say("")
        self.writing.run(
            lambda: write_steps(config, mixing),
            task=f"writing {config.output_folder}",
            done=lambda: self._written(config.output_folder),
            cancelled=lambda: self.say(
                f"Cancelled: “write the set” goes on with {config.output_folder}.", "warning"
            ),
        )

    def cancel(self) -> None:
        """Stop writing and reading."""
        for work in (self.writing, self.drawing.reading):
            work.cancel()

    def _written(self, folder: str) -> None:
        counts = read_manifest(folder)["n_mixtures"]
        self.state.mixture_folder = folder
        self.say(
            f"{folder} holds {', '.join(f'{n} {split}' for split, n in counts.items())} mixtures."
        )

    def _follow(self) -> None:
        self.split.value = self.state.split if self.state.split in SPLITS else "test"
        self._refresh()

    def _choose(self, which: str, index: int, split: str | None) -> None:
        self._shown = None  # nothing is shown before all is chosen
        self.which.value, self.index.value, self.split.value = (
            which,
            index,
            split or self.split.value,
        )
        self._show()

    def _wanted(self) -> tuple[Any, ...]:
        chosen = (self.which.value, self.split.value, self.index.value)
        if self.which.value == WRITTEN:
            return *chosen, self.state.mixture_folder
        config = self.folder.config
        return (
            *chosen,
            self.mixing.config,
            config.split_percentages,
            config.seed,
            *source_of(config),
        )

    def _refresh(self) -> None:
        """Show what is chosen now, if something was shown before."""
        if self._shown is not None and self._shown != self._wanted():
            self._show()

    def _show(self) -> None:
        self._shown = self._wanted()
        self.say("")
        if self.which.value == WRITTEN:
            self._show_written(self.state.mixture_folder, self.split.value, self.index.value)
        else:
            self.drawing.request(
                self.folder.config, self.mixing.config, self.split.value, self.index.value
            )

    def _show_written(self, folder: str, split: str, index: int) -> None:
        if not folder:
            raise InputError("no set of mixtures is chosen: write one, or set state.mixture_folder")
        names = mixture_names(folder, split)
        if index >= len(names):
            raise InputError(
                f"{folder} has {len(names)} {split} mixtures: expected a number up to {len(names) - 1}"
            )
        path = Path(folder) / split / names[index]
        classes = read_manifest(folder)["classes"]
        listen_to(self.listening, path, classes, caption=f"{path}, number {index} of {len(names)}")
        self.state.mixture = str(path)
