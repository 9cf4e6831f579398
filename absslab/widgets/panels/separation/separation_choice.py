"""Which model separates which stretch of which file."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import mixture_names
from absslab.core.runs.catalogue import find_runs
from absslab.core.runs.processes import Device, cpu, devices
from absslab.core.training.run_directory import best_checkpoint_path
from absslab.widgets.listening.live_separation import Excerpt
from absslab.widgets.panels.state import State
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.main_loop import MainLoop

_OF_MODELS = ["run", "runs_folder", "runs_changed"]  # traits of the state
_OF_FILES = ["mixture", "mixture_folder", "split"]
_LONGEST = 120.0  # s of an excerpt: its sources are in memory, and in the page


class SeparationChoice:
    """Controls for model, file, excerpt and device; they follow the state, and set it.

    Args:
        state: `run` and `mixture` are what is chosen.
        loop: where callbacks are called.
        guard: makes a callback of a function, so that its errors show.
    """

    def __init__(
        self,
        state: State,
        loop: MainLoop,
        guard: Callable[[Callable[..., Any]], Callable[..., None]],
    ):
        self._state, self._loop = state, loop
        self._uploads: Path | None = None
        wide = {"layout": ipywidgets.Layout(width="420px"), "style": {"description_width": "70px"}}
        self.model = ipywidgets.Combobox(
            description="model", placeholder="a run, or a checkpoint", ensure_option=False, **wide
        )
        self.path = ipywidgets.Combobox(
            description="file",
            placeholder="a sound file, or one of the mixtures",
            continuous_update=False,
            **wide,
        )
        self.upload = ipywidgets.FileUpload(
            accept=",".join(sound_files.SUFFIXES), multiple=False, description="upload (to 7 MB)"
        )
        self.upload.layout.width = "auto"
        narrow = {
            "layout": ipywidgets.Layout(width="150px"),
            "style": {"description_width": "70px"},
        }
        self.start = ipywidgets.FloatText(0.0, description="from / s", **narrow)
        self.length = ipywidgets.FloatText(60.0, description="length / s", **narrow)
        self.device = ipywidgets.Dropdown(
            options=["auto", cpu().name], description="device", **narrow
        )
        self._devices = LatestOnly(
            loop, devices, deliver=guard(self._offer_devices), failed=guard(_show)
        )
        self.upload.observe(guard(lambda _: self._take_upload()), "value")
        self.model.observe(guard(lambda _: self._take_model()), "value")
        self.path.observe(guard(lambda _: setattr(state, "mixture", self.path.value)), "value")
        self._handlers = [
            (guard(lambda _: self._show_models()), _OF_MODELS),
            (guard(lambda _: self._show_files()), _OF_FILES),
        ]
        for handler, names in self._handlers:
            state.observe(handler, names)
        rows = ([self.model, self.device], [self.path, self.upload], [self.start, self.length])
        self.widget = ipywidgets.VBox(
            [ipywidgets.HBox(row, layout=ipywidgets.Layout(flex_flow="row wrap")) for row in rows]
        )
        self._show_models()
        self._show_files()
        self._devices.request()

    @property
    def checkpoint(self) -> Path:
        """The model that is chosen: a checkpoint, or the best of a run.

        Raises:
            InputError: none is chosen, or it is not there.
        """
        value = self.model.value.strip()
        if not value:
            raise InputError("no model is chosen: choose a run, or give the path of a checkpoint")
        path = next(
            (path for name, path in self._known().items() if value in (name, str(path))),
            Path(value).expanduser(),
        )
        path = best_checkpoint_path(path) if path.is_dir() else path
        if not path.is_file():
            raise InputError(
                f"{path} does not exist: train a model first, or give the path of a checkpoint"
            )
        return path

    @property
    def file(self) -> Path:
        """The sound file that is chosen.

        Raises:
            InputError: none is chosen.
        """
        if not self.path.value.strip():
            raise InputError(
                "no file is chosen: give its path, upload one, or choose a mixture in another panel"
            )
        return Path(self.path.value.strip()).expanduser()

    @property
    def excerpt(self) -> Excerpt:
        """The stretch that is chosen.

        Raises:
            InputError: a file that can't be read, a stretch outside of it or too long.
        """
        if self.length.value > _LONGEST:
            raise InputError(
                f"the excerpt lasts {self.length.value:g} s: expected at most {_LONGEST:g} s; "
                "a whole file of any length is separated to a folder"
            )
        return Excerpt.of(self.file, self.start.value, self.length.value)

    def take(self, path: str = "", checkpoint: str = "") -> None:
        """Choose a file and a model; what is empty stays as it is."""
        if checkpoint:
            self.model.value = checkpoint
        if path:
            self.path.value = path

    def _show_models(self) -> None:
        known = self._known()
        self.model.options = list(known)
        run = self._state.run
        if run:
            self.model.value = next(
                (name for name, path in known.items() if path.with_suffix("") == Path(run)), run
            )
        elif not self.model.value and known:
            self.model.value = next(iter(known))

    def _show_files(self) -> None:
        self.path.options = self._mixtures()
        if self._state.mixture and self._state.mixture != self.path.value:
            self.path.value = self._state.mixture

    def close(self) -> None:
        """Leave the state, and remove what was uploaded."""
        self._devices.close()
        for handler, names in self._handlers:
            self._state.unobserve(handler, names)
        if self._uploads is not None:
            shutil.rmtree(self._uploads, ignore_errors=True)

    def _offer_devices(self, found: Sequence[Device]) -> None:
        chosen = self.device.value
        self.device.options = ["auto", *(one.name for one in found)]  # the first is chosen then
        self.device.value = chosen

    def _mixtures(self) -> list[str]:
        """Those of the set that is worked on."""
        folder, split = self._state.mixture_folder, self._state.split
        try:
            return (
                [str(Path(folder) / split / name) for name in mixture_names(folder, split)]
                if folder
                else []
            )
        except (InputError, OSError):  # any other file can be given
            return []

    def _known(self) -> dict[str, Path]:
        """Runs that have a best model, by name."""
        runs = (one.path for one in find_runs(self._state.runs_folder))
        return {
            run.name: best_checkpoint_path(run)
            for run in runs
            if best_checkpoint_path(run).is_file()
        }

    def _take_model(self) -> None:
        path = self._known().get(self.model.value)
        if path is not None:
            self._state.run = str(path.with_suffix(""))

    def _take_upload(self) -> None:
        """Keep what was uploaded in a folder of this panel's own, under a name that can do no harm.

        Raises:
            InputError: it is no sound.
        """
        if not self.upload.value:
            return
        (uploaded,) = self.upload.value
        name = (
            "".join(
                c if c.isalnum() or c in "._- " else "_" for c in Path(uploaded["name"]).name
            ).strip(" .")
            or "upload"
        )
        self._uploads = self._uploads or Path(tempfile.mkdtemp(prefix="absslab-"))
        path = self._uploads / name
        path.write_bytes(uploaded["content"])
        self.upload.value = ()
        sound_files.check(path)
        self.path.value = str(path)


def _show(error: Exception) -> None:
    raise error
