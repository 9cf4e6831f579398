"""Take a recording apart with a trained model, listen, and change its masks while it plays."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ipywidgets

from absslab.core.audio import sound_files
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress
from absslab.core.separation.separated_folder import separate_file
from absslab.core.separation.settings import SeparationSettings, write_settings
from absslab.plots.html_tables import html_table
from absslab.widgets.listening.listening import Listening
from absslab.widgets.listening.live_separation import Answer, Excerpt, LiveModels, LiveSeparation
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.separation.mask_controls import MaskControls
from absslab.widgets.panels.separation.separation_choice import SeparationChoice
from absslab.widgets.panels.state import State
from absslab.widgets.player.any_sound import tracks_of
from absslab.widgets.player.mixdown import remix, remix_gains
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.work_line import WorkLine

_SETTLED = 0.3  # s without a newer sound


class SeparationPanel(WorkbenchPanel):
    """Separate `state.mixture`, or a file of one's own, with the model of `state.run`, and change the masks by ear.

    Args:
        state: what panels share.
    """

    title = "separation"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.answer: Answer | None = None
        self._about: tuple[Path, str, Excerpt] | None = (
            None  # what is shown: model, device, stretch
        )
        self._models = self.own(LiveModels())
        self._latest = self.own(
            LatestOnly(self.loop, self._models.answer, deliver=self._deliver, failed=self.fail)
        )
        self.choice = self.own(SeparationChoice(self.state, self.loop, self.guard))
        self.button = button("separate", self.guard(self.separate), is_main=True)
        self.masks = MaskControls(self.guard(self._masks_changed))
        self.listening = self.own(Listening())
        self.scores = ipywidgets.HTML()
        self.save_path = ipywidgets.Text("heard", description="save as")
        self.output_folder = ipywidgets.Text(
            "separated", description="folder", style={"description_width": "50px"}
        )
        self.line = self.own(WorkLine(self.loop, self.fail))
        save = button("save what is heard", self.guard(self.save))
        whole = button("separate the whole file to a folder", self.guard(self.separate_whole))
        starting = ipywidgets.HBox(
            [self.button, whole, self.output_folder], layout={"flex_flow": "row wrap"}
        )
        masks = ipywidgets.Accordion(
            [self.masks.widget], titles=["masks: changed while it plays"], selected_index=0
        )
        self._saving = ipywidgets.VBox(
            [ipywidgets.HBox([self.save_path, save]), self._line], layout={"display": "none"}
        )
        self.show(
            self.choice,
            starting,
            self.line,
            self._line,
            masks,
            self.listening,
            self.scores,
            self._saving,
        )

    def separate(self, path: str = "", checkpoint: str = "") -> None:
        """Separate and show.

        Args:
            path: a sound file; without, what is chosen.
            checkpoint: a model; without, what is chosen.

        Raises:
            InputError: no file or no model is chosen, the excerpt lies outside the file, there is no such device.
        """
        self.choice.take(path, checkpoint)
        choose_device(self.choice.device.value)
        self._about = self.choice.checkpoint, self.choice.device.value, self.choice.excerpt
        self.say("separating …")
        self._latest.request(*self._about, self.masks.config)

    def save(self, path: str = "") -> tuple[Path, Path]:
        """Save what is heard as a WAV, and the settings that make it as a JSON that `absslab separate --settings` takes.

        Args:
            path: of the two, without suffix.

        Raises:
            InputError: nothing is separated yet, or something is heard that no model makes.
            OSError: the files can't be written.
        """
        player = self.listening.player
        if player is None or self.answer is None:
            raise InputError("there is nothing to save: separate a recording first")
        stem = Path(
            (path or self.save_path.value or "heard").removesuffix(".wav").removesuffix(".json")
        ).expanduser()
        settings = SeparationSettings(self.answer.config, remix_gains(player.tracks, player.heard))
        gains = [10 ** (gain / 20) for gain in player.heard.gains]
        samples = remix(player.tracks, gains, 0, player.n_samples)
        wav, json = stem.with_name(f"{stem.name}.wav"), stem.with_name(f"{stem.name}.json")
        sound_files.save(
            wav,
            samples,
            player.sampling_rate,
            subtype="PCM_16" if abs(samples).max() <= 1 else "FLOAT",
        )
        write_settings(json, settings)
        self.say(
            f"saved {wav} and {json}: absslab separate --settings {json} does the same to any file"
        )
        return wav, json

    def separate_whole(self) -> None:
        """Separate the whole file, however long, to a folder, as `absslab separate` does; `cancel` ends that.

        Raises:
            InputError: no file or no model is chosen, or the folder can't be used.
        """
        path, checkpoint, device = (
            self.choice.file,
            self.choice.checkpoint,
            self.choice.device.value,
        )
        folder, config = Path(self.output_folder.value).expanduser(), self.masks.config

        def steps() -> Iterator[Progress]:
            separator = replace(self._models.separator(checkpoint, device), config=config)
            yield from separate_file(separator, path, folder)

        self.line.run(
            steps,
            words=f"separating {path.name}, samples",
            done=lambda: self._show_folder(folder / path.stem),
            cancelled=lambda: self.say("Cancelled; nothing was written.", "warning"),
        )

    def cancel(self) -> None:
        """Stop writing the whole file."""
        self.line.cancel()

    def _masks_changed(self) -> None:
        if self._about is not None:
            self._latest.request(*self._about, self.masks.config)

    def _deliver(self, answered: tuple[Answer, LiveSeparation]) -> None:
        """The sound at once; what is read and looked at when no newer sound follows."""
        answer, live = answered
        self.answer, self._saving.layout.display = answer, ""
        self.listening.hear(answer.tracks, title=live.excerpt.path.name)
        self.loop.later(_SETTLED, self.guard(lambda: self._describe(answer, live)))

    def _describe(self, answer: Answer, live: LiveSeparation) -> None:
        if self.answer is not answer:
            return
        excerpt, classes = live.excerpt, live.separator.classes
        caption = f"{excerpt.path.name}, {excerpt.start:.1f} to {excerpt.end:.1f} s"
        self.listening.describe(caption, events=answer.events, truth=live.truth, classes=classes)
        self.masks.fit(competing=live.separator.model.competing)
        self.scores.value = html_table(*answer.table())
        self.say("")

    def _show_folder(self, folder: Path) -> None:
        self.answer, self._about, self._saving.layout.display = (
            None,
            None,
            "none",
        )  # the sliders would change another
        self.listening.show(
            tracks_of(folder), caption=f"{folder}: the whole file", title=folder.name
        )
        self.scores.value = ""
        self.say(
            f"written to {folder}; the sliders change nothing here: press “separate” to go on with an excerpt"
        )
