"""Separate a recording with a trained model, and change its masks while it plays."""

from dataclasses import replace
from pathlib import Path

import ipywidgets

from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import LongWork, Steps, name_stage
from absslab.core.separation.separated_folder import checking_steps, find_inputs, separate_files
from absslab.plots.html_tables import render_table
from absslab.widgets.listening.live_separation import LiveModels, LiveResult, LiveSeparation
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.separation.mask_controls import MaskControls
from absslab.widgets.panels.separation.saved_remix import save_remix
from absslab.widgets.panels.separation.separation_choice import SeparationChoice, SeparationTask
from absslab.widgets.panels.state import State
from absslab.widgets.player.any_sound import make_tracks
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.progress_line import ProgressLine

DESCRIPTION_DELAY = 0.3  # s without a newer sound before events and scores are shown


class SeparationPanel(WorkbenchPanel):
    """Separate `state.mixture`, or any other file, with the model of `state.run`.

    The masks can be changed while the separated sources play.

    Args:
        state: shared with other panels.
    """

    title = "separation"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.live_result: LiveResult | None = None
        self._task: SeparationTask | None = None  # of the sources that are shown
        self._models = self.own(LiveModels())
        self._latest = self.own(
            LatestOnly(
                self.loop,
                self._models.separate_excerpt,
                deliver=self.guard(self._play),
                failed=self.fail,
                noticed=self.show_notice,
            )
        )
        self.choice = self.own(SeparationChoice(self))
        self.button = button("separate", self.guard(self.separate), is_main=True)
        self.masks = self.own(MaskControls(self.guard(self._change_masks)))
        self.recording_view = self.own(RecordingView())
        self.scores = ipywidgets.HTML()
        self.save_path = ipywidgets.Text("heard", description="save as")
        self.output_folder = ipywidgets.Text(
            "separated", description="folder", style={"description_width": "50px"}
        )
        self.on_error = ipywidgets.Dropdown(
            options=[("are left out", "skip"), ("stop it", "stop")],
            description="of a folder, files that can't be used",
            layout={"width": "340px"},
            style={"description_width": "220px"},
        )
        self.progress_line = self.own(ProgressLine(self.loop, self.fail))
        whole_button = button(
            "separate the whole file, or all of a folder, to a folder",
            self.guard(self.separate_whole),
        )
        save_button = button("save what you hear", self.guard(self.save))
        self._save_row = ipywidgets.HBox([self.save_path, save_button], layout={"display": "none"})
        self.show(
            self.choice,
            ipywidgets.HBox(
                [self.button, whole_button, self.output_folder, self.on_error],
                layout={"flex_flow": "row wrap"},
            ),
            self.progress_line,
            self.message_line,
            ipywidgets.Accordion(
                [self.masks.widget], titles=["masks: change them while it plays"], selected_index=0
            ),
            self.recording_view,
            self.scores,
            self._save_row,
        )

    def separate(self, path: str = "", checkpoint: str = "") -> None:
        """Separate an excerpt, and show its sources.

        Args:
            path: a sound file; if empty, the one that is chosen.
            checkpoint: a model; if empty, the one that is chosen.

        Raises:
            InputError: no file or no model is chosen, the excerpt lies outside the file, or there
                is no such device.
        """
        self.choice.choose(path, checkpoint)
        choose_device(self.choice.device.value)
        self._task = self.choice.task
        self.say("separating …")
        self._latest.request(*self._task, self.masks.config)

    def save(self, path: str = "") -> tuple[Path, Path]:
        """Save what is heard as a WAV file, and the settings that make it as a JSON file.

        `absslab separate --settings` takes the JSON file.

        Args:
            path: path of the two files, without a suffix; if empty, the path in the panel.

        Returns:
            the WAV file and the JSON file.

        Raises:
            InputError: nothing is separated yet, or a track is heard that no model makes.
            OSError: the files can't be written.
        """
        player = self.recording_view.player
        if player is None or self.live_result is None:
            raise InputError("there is nothing to save: separate a recording first")
        wav, json = save_remix(
            player, self.live_result.config, path or self.save_path.value or "heard"
        )
        self.say(
            f"saved {wav} and {json}: absslab separate --settings {json} does the same to any file"
        )
        return wav, json

    def separate_whole(self) -> None:
        """Separate the whole file, or all files of a folder, as `absslab separate` does.

        `cancel` stops this.

        Raises:
            InputError: no file or no model is chosen, or the folder can't be used.
        """
        path = self.choice.file
        checkpoint = self.choice.checkpoint
        device = self.choice.device.value
        folder = Path(self.output_folder.value).expanduser()
        config = self.masks.config

        left_out = LeftOut("separate", on_error=self.on_error.value, folder=folder)

        def separate() -> Steps[list[Path]]:
            separator = replace(self._models.separator(checkpoint, device), config=config)
            files = find_inputs([str(path)], folder, left_out)
            yield from name_stage(checking_steps(files, left_out), "checking the files")
            written = []
            for file, steps in separate_files(separator, files, folder, left_out):
                if (yield from name_stage(steps, file.name)):
                    written.append(folder / file.stem)
            return written

        work = LongWork(separate())
        self.progress_line.run(
            lambda: iter(work),
            task=f"separating {path.name}, samples",
            done=lambda: self._show_folders(folder, work.result, left_out),
            cancelled=lambda: self.say("Cancelled; complete folders are kept.", "warning"),
        )

    def cancel(self) -> None:
        """Stop separating the whole file."""
        self.progress_line.cancel()

    def _change_masks(self) -> None:
        if self._task is not None:
            self._latest.request(*self._task, self.masks.config)

    def _play(self, result_and_separation: tuple[LiveResult, LiveSeparation]) -> None:
        """Play new sources at once; events and scores follow when no newer sources come."""
        result, live = result_and_separation
        self.live_result = result
        self._save_row.layout.display = ""
        self.recording_view.show_tracks(result.tracks, title=live.excerpt.path.name)
        self.loop.later(DESCRIPTION_DELAY, self.guard(lambda: self._describe(result, live)))

    def _describe(self, result: LiveResult, live: LiveSeparation) -> None:
        if self.live_result is not result:
            return
        excerpt = live.excerpt
        caption = f"{excerpt.path.name}, {excerpt.start:.1f} to {excerpt.end:.1f} s"
        self.recording_view.describe(
            caption, events=result.events, truth=live.truth, classes=live.separator.classes
        )
        self.masks.disable_unused(competing=live.separator.model.competing)
        self.scores.value = render_table(*result.table())
        self.say("")

    def _show_folders(self, folder: Path, written: list[Path], left_out: LeftOut) -> None:
        """Show the sources of the first file, and say how many were written and left out."""
        self._show_folder(written[0])
        if left_out.n_files > 1:
            kind = "warning" if left_out else ""
            text = f"{len(written)} files are written to {folder}; {written[0].name} is shown."
            self.say(f"{text} {left_out.summary()}" if left_out else text, kind)

    def _show_folder(self, folder: Path) -> None:
        """Show the sources of a whole file."""
        # The sliders would change an excerpt that is no longer shown.
        self.live_result = None
        self._task = None
        self._save_row.layout.display = "none"
        caption = f"{folder}: the whole file"
        self.recording_view.show(make_tracks(folder), caption=caption, title=folder.name)
        self.scores.value = ""
        self.say(
            f"written to {folder}; the sliders change nothing here: "
            "press “separate” to go on with an excerpt"
        )
