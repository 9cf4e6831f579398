"""Train: choose settings, start a process that outlives the notebook, follow and hear it."""

from collections.abc import Callable
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.runs.device_list import cpu_device, list_devices
from absslab.core.runs.launcher import Launcher, read_plan
from absslab.core.training.run_directory import run_directory
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.panels.training.device_check import DeviceCheck
from absslab.widgets.panels.training.follower import Follower
from absslab.widgets.panels.training.training_form import TrainingForm
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.controls import button


class TrainingPanel(WorkbenchPanel):
    """Start, follow, stop and resume trainings, whichever process started them."""

    title = "training"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.launcher = Launcher()
        self.form = self.own(
            TrainingForm(devices=[cpu_device()], on_change=self.guard(self._enable))
        )
        self._devices = self.own(
            LatestOnly(self.loop, list_devices, deliver=self.form.set_devices, failed=self.fail)
        )
        self._check = self.own(DeviceCheck(self, self._enable))
        self.start_button = button(
            "start", self.guard(lambda: self.start(anyway=self.anyway.value)), is_main=True
        )
        self.stop_button = button("stop", self.guard(self.stop))
        self.resume_button = button(
            "resume", self.guard(lambda: self.resume(self.up_to.value, anyway=self.anyway.value))
        )
        self.anyway = ipywidgets.Checkbox(
            description="start anyway", indent=False, layout={"display": "none"}
        )
        self.up_to = ipywidgets.IntText(description="up to epoch", layout={"width": "170px"})
        self.settings = ipywidgets.Accordion(
            [self.form.widget], titles=["settings of a new training"], selected_index=0
        )
        self.follower = self.own(Follower(self, self.launcher, self._run_changed))
        look = button("look again", self.guard(self._look_again))
        ending = [self.stop_button, self.resume_button, self.up_to]
        rows = [self.start_button, self.anyway], [self.follower.runs, look], ending
        first, *others = [ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows]
        self.show(self.settings, first, self._line, *others, self.follower.widget)
        self.watch("mixture_folder", self._take_folder)
        self._take_folder()
        self.form.set({"save_path": str(_free_path(Path(self.state.runs_folder)))})
        self._enable()
        self._devices.request()
        if self.state.run:
            self.settings.selected_index = None  # never later: what one looks at would move away
            self.guard(self.attach)(self.state.run)

    def start(self, *, anyway: bool = False) -> None:
        """Start a training with the settings of the form, and follow it.

        In a notebook it starts a moment later, when its device was looked at.

        Args:
            anyway: also on a device that is in use; otherwise nothing is started on it.

        Raises:
            InputError: settings that can't be used, an existing run, or one that is being started.
        """
        arguments, run = self.form.arguments(), self.form.settings.run
        folder = run_directory(Path(run.save_path).absolute())
        self._launch(folder, run.device, anyway, lambda: self.launcher.start(arguments, folder))

    def resume(self, n_epochs: int | None = None, *, anyway: bool = False) -> None:
        """Go on with the run that is followed.

        Args:
            n_epochs: up to this epoch; without, as far as it was to go.
            anyway: also on a device that is in use.

        Raises:
            InputError: no run, one that is running, or one with nothing to go on from.
        """
        folder = self._folder()
        n_planned, device = read_plan(folder)
        self._launch(
            folder,
            device,
            anyway,
            lambda: self.launcher.resume(folder, None if n_epochs == n_planned else n_epochs),
        )

    def stop(self) -> None:
        """Stop the run that is followed, after the step that it is at.

        Raises:
            InputError: no run, or one that is not running.
        """
        self.launcher.stop(self._folder())
        self.say(
            "stopping after the step that it is at; resume goes on from the end of the epoch before"
        )

    def attach(self, folder: str | Path) -> None:
        """Follow a run, of this or of any other process, that runs or has ended.

        Raises:
            InputError: the folder is not a run directory.
        """
        self.follower.attach(folder)

    def listen(self, epoch: int | None = None, mixture: str = "") -> None:
        """Play a validation mixture as the model of an epoch separates it."""
        self.follower.epochs.listen(epoch, mixture)

    def _launch(self, folder: Path, device: str, anyway: bool, launch: Callable[[], None]) -> None:
        self.launcher.check_idle(folder)

        def unless_used(users: list[str]) -> None:
            self.anyway.layout.display = "" if users else "none"
            if users and not anyway:
                words = "tick “start anyway” and start, or choose another"
                self.say(f"{device} is in use by {', '.join(users)}: {words}", "warning")
                return
            launch()
            self.anyway.value, self.anyway.layout.display = False, "none"
            self.attach(folder)
            self.state.runs_changed += 1

        self._check.request(device, self.state.runs_folder, unless_used)

    def _folder(self) -> Path:
        if self.follower.folder is None:
            raise InputError("no run is followed: choose one, or start one")
        return self.follower.folder

    def _run_changed(self) -> None:
        self.up_to.value = read_plan(self._folder())[0] or 0
        self._enable()

    def _enable(self) -> None:
        """Let those buttons be pressed that would do something."""
        follower, path = self.follower, self.form.forms["run"].controls["save_path"].value
        is_this = follower.folder is not None and Path(path).absolute() == Path(
            f"{follower.folder}.ckpt"
        )
        self.start_button.disabled = self._check.is_running or (follower.is_live and is_this)
        self.stop_button.disabled = not follower.is_live
        self.resume_button.disabled = (
            self._check.is_running or follower.is_live or follower.folder is None
        )

    def _look_again(self) -> None:
        self._devices.request()
        self.follower.refresh()
        self.follower.update()

    def _take_folder(self) -> None:
        if self.state.mixture_folder:
            self.form.set({"data_folder": self.state.mixture_folder})


def _free_path(folder: Path) -> Path:
    """Return the first of run-1.ckpt, run-2.ckpt, … that does not exist yet."""
    taken = {path.name for path in folder.glob("run-*")}
    return next(
        folder / f"run-{n}.ckpt"
        for n in range(1, 10**6)
        if not {f"run-{n}", f"run-{n}.ckpt"} & taken
    )
