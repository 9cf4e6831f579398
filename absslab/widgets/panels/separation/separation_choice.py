"""The choice of a model, of an excerpt of a sound file and of a device."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import ipywidgets

from absslab.core.audio import formats
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import mixture_names
from absslab.core.runs.catalogue import find_best_checkpoints
from absslab.core.runs.device_list import Device, cpu_device, list_devices
from absslab.core.training.run_directory import best_checkpoint_path
from absslab.widgets.listening.live_separation import Excerpt
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.separation.upload_folder import UploadFolder
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.part import Part

MAX_DURATION = 120.0  # s of an excerpt: its sources are kept in memory and in the page
WRAP = {"flex_flow": "row wrap"}


class SeparationTask(NamedTuple):
    """What is to be separated, with which model and where."""

    checkpoint: Path
    device: str
    excerpt: Excerpt


class SeparationChoice(Part):
    """Controls for model, file, excerpt and device; they follow the panel's state, and set it.

    Args:
        panel: the panel whose `state.run` and `state.mixture` are chosen.
    """

    def __init__(self, panel: WorkbenchPanel):
        super().__init__(panel.loop, panel.fail)
        self._state = panel.state
        self.uploads = self.own(UploadFolder())
        style = {"description_width": "70px"}
        wide = {"width": "420px"}
        narrow = {"width": "150px"}
        self.model = ipywidgets.Combobox(
            description="model",
            placeholder="a run, or a checkpoint",
            ensure_option=False,
            layout=wide,
            style=style,
        )
        self.path = ipywidgets.Combobox(
            description="file",
            placeholder="a sound file, one of the mixtures, or a folder",
            continuous_update=False,
            layout=wide,
            style=style,
        )
        self.upload = ipywidgets.FileUpload(
            accept=",".join(formats.readable_suffixes()),
            multiple=False,
            description="upload (up to 7 MB)",
            layout={"width": "auto"},
        )
        self.start = ipywidgets.FloatText(0.0, description="from / s", layout=narrow, style=style)
        self.length = ipywidgets.FloatText(
            60.0, description="length / s", layout=narrow, style=style
        )
        self.device = ipywidgets.Dropdown(
            options=["auto", cpu_device().name], description="device", layout=narrow, style=style
        )
        self._devices = self.own(
            LatestOnly(
                self.loop, list_devices, deliver=self.guard(self._offer_devices), failed=self.fail
            )
        )
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HBox([self.model, self.device], layout=WRAP),
                ipywidgets.HBox([self.path, self.upload], layout=WRAP),
                ipywidgets.HBox([self.start, self.length], layout=WRAP),
            ]
        )
        panel.link("mixture", self.path)
        self.upload.observe(self.guard(lambda _: self._take_upload()), "value")
        self.model.observe(self.guard(lambda _: self._select_run()), "value")
        panel.watch(("run", "runs_folder", "runs_changed"), self._offer_models)
        panel.watch(("mixture_folder", "split"), self._offer_mixtures)
        self._offer_models()
        self._offer_mixtures()
        self._devices.request()

    @property
    def checkpoint(self) -> Path:
        """The chosen checkpoint; of a run, that of its best model.

        Raises:
            InputError: no model is chosen, or its file does not exist.
        """
        chosen = self.model.value.strip()
        if not chosen:
            raise InputError("no model is chosen: choose a run, or give the path of a checkpoint")
        path = self._checkpoints().get(chosen, Path(chosen).expanduser())
        if path.is_dir():
            path = best_checkpoint_path(path)
        if not path.is_file():
            raise InputError(
                "{path} does not exist: train a model first, or give the path of a checkpoint",
                path=path,
            )
        return path

    @property
    def file(self) -> Path:
        """The chosen sound file.

        Raises:
            InputError: no file is chosen.
        """
        path = self.path.value.strip()
        if not path:
            raise InputError(
                "no file is chosen: give its path, upload one, or choose a mixture in another panel"
            )
        return Path(path).expanduser()

    @property
    def excerpt(self) -> Excerpt:
        """The chosen excerpt of the file.

        Raises:
            InputError: the file can't be read, or the excerpt lies outside of it or is too long.
        """
        if self.length.value > MAX_DURATION:
            raise InputError(
                f"the excerpt lasts {self.length.value:g} s: expected at most {MAX_DURATION:g} s; "
                "a whole file of any length is separated to a folder"
            )
        return Excerpt.of(self.file, self.start.value, self.length.value)

    @property
    def task(self) -> SeparationTask:
        """All that is chosen.

        Raises:
            InputError: see `checkpoint` and `excerpt`.
        """
        return SeparationTask(self.checkpoint, self.device.value, self.excerpt)

    def choose(self, path: str = "", checkpoint: str = "") -> None:
        """Choose a file and a model.

        Args:
            path: the sound file; if empty, the file stays as it is.
            checkpoint: the model; if empty, the model stays as it is.
        """
        if checkpoint:
            self.model.value = checkpoint
        if path:
            self.path.value = path

    def _checkpoints(self) -> dict[str, Path]:
        """Return the best checkpoints of the runs in the runs folder, by the runs' names."""
        return find_best_checkpoints(self._state.runs_folder)

    def _offer_models(self) -> None:
        checkpoints = self._checkpoints()
        self.model.options = list(checkpoints)
        run = self._state.run
        if run:
            names = {str(path.with_suffix("")): name for name, path in checkpoints.items()}
            self.model.value = names.get(str(Path(run)), run)
        elif checkpoints and not self.model.value:
            self.model.value = next(iter(checkpoints))

    def _offer_mixtures(self) -> None:
        """Offer the mixtures of the chosen folder and split."""
        folder = self._state.mixture_folder
        split = self._state.split
        try:
            names = mixture_names(folder, split) if folder else []
        except (InputError, OSError):  # a file elsewhere can still be given
            names = []
        self.path.options = [str(Path(folder) / split / name) for name in names]

    def _offer_devices(self, available: Sequence[Device]) -> None:
        chosen = self.device.value
        # Other options choose the first of them.
        self.device.options = ["auto", *(device.name for device in available)]
        self.device.value = chosen

    def _select_run(self) -> None:
        """Select the run of the chosen model for all panels, if the model belongs to one."""
        path = self._checkpoints().get(self.model.value)
        if path is not None:
            self._state.run = str(path.with_suffix(""))

    def _take_upload(self) -> None:
        """Save the uploaded file, and choose it.

        Raises:
            InputError: it is not a sound.
        """
        if not self.upload.value:
            return
        (uploaded,) = self.upload.value
        self.upload.value = ()
        self.path.value = str(self.uploads.save(uploaded["name"], uploaded["content"]))
