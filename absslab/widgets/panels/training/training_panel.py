"""The panel of trainings: choose settings, start a process, follow it, and listen."""

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
    """Start, follow, stop and resume trainings, whichever process started them.

    Args:
        state: what is selected; its own if it is None.
        writes_below: the only folder that trainings may write to; any if it is None.
    """

    title = "training"

    def __init__(self, state: State | None = None, *, writes_below: Path | None = None):
        super().__init__(state)
        self._writes_below = writes_below
        self.launcher = Launcher()
        self.form = self.own(
            TrainingForm(devices=[cpu_device()], on_change=self.guard(self._enable))
        )
        self._devices = self.own(
            LatestOnly(
                self.loop, list_devices, deliver=self.guard(self.form.set_devices), failed=self.fail
            )
        )
        self._check = self.own(DeviceCheck(self, self._enable))
        self.start_button = button(
            "start", self.guard(lambda: self.start(anyway=self.anyway.value)), is_main=True
        )
        self.stop_button = button("stop", self.guard(self.stop))
        self.resume_button = button(
            "resume", self.guard(lambda: self._resume_up_to(self.up_to.value))
        )
        self.anyway = ipywidgets.Checkbox(
            description="start anyway", indent=False, layout={"display": "none"}
        )
        self.up_to = ipywidgets.IntText(description="up to epoch", layout={"width": "170px"})
        self.settings = ipywidgets.Accordion(
            [self.form.widget], titles=["settings of a new training"], selected_index=0
        )
        self.follower = self.own(Follower(self, self.launcher, self._handle_run_change))
        refresh_button = button("refresh", self.guard(self._refresh))
        self.show(
            self.settings,
            _row(self.start_button, self.anyway),
            self.message_line,
            _row(self.follower.runs, refresh_button),
            _row(self.stop_button, self.resume_button, self.up_to),
            self.follower,
        )
        self.watch("mixture_folder", self._take_mixture_folder)
        self._take_mixture_folder()
        self.form.set({"save_path": str(_free_path(Path(self.state.runs_folder)))})
        self._enable()
        self._devices.request()
        if self.state.run:
            # Shown from the beginning: later the page would move while the user looks at it.
            self.settings.selected_index = None
            self.guard(self.attach)(self.state.run)

    def start(self, *, anyway: bool = False) -> None:
        """Start a training with the settings of the form, and follow it.

        It starts a moment later, after a check of whether the device is in use. An error of that
        moment, such as that the run exists already, is shown in the message line.

        Args:
            anyway: start it even if the device is in use.

        Raises:
            InputError: if a config does not take a value, the run is being trained, another
                training is being started, or the training would write elsewhere than it may.
        """
        arguments = self.form.arguments(writes_below=self._writes_below)
        run = self.form.settings.run
        folder = run_directory(Path(self._writes_below or "", run.save_path).absolute())
        if self._writes_below is not None:
            folder = folder.resolve()
        self._launch(folder, run.device, anyway, lambda: self.launcher.start(arguments, folder))

    def resume(
        self, n_epochs: int | None = None, *, n_steps: int | None = None, anyway: bool = False
    ) -> None:
        """Continue the run that is followed.

        Args:
            n_epochs: train up to this epoch; as far as was planned if it is None.
            n_steps: train up to this step, if the length of the run is counted in steps; as far
                as was planned if it is None.
            anyway: resume it even if the device is in use.

        Raises:
            InputError: if no run is followed, it is running, or it has no checkpoint to continue
                from.
        """
        folder = self._followed_folder()
        plan = read_plan(folder)
        epochs = None if n_epochs == plan.n_epochs else n_epochs
        steps = None if n_steps == plan.n_steps else n_steps
        self._launch(
            folder,
            plan.device,
            anyway,
            lambda: self.launcher.resume(folder, epochs, n_steps=steps),
        )

    def stop(self) -> None:
        """Stop the run that is followed, after its current step.

        Raises:
            InputError: if no run is followed, or it is not running.
        """
        self.launcher.stop(self._followed_folder())
        self.say(
            "stopping after the current step; "
            "resume continues from the end of the last complete epoch"
        )

    def attach(self, folder: str | Path) -> None:
        """Follow a run that is running or has ended, whichever process started it.

        Raises:
            InputError: if the folder is not a run directory.
        """
        self.follower.attach(folder)

    def listen(self, epoch: int | None = None, mixture: str = "") -> None:
        """Play a validation mixture as the model of an epoch separates it."""
        if epoch not in self.follower.epochs.checkpoints:
            self.follower.update()  # a fast training has ended since it was last looked at
        self.follower.epochs.listen(epoch, mixture)

    def _launch(self, folder: Path, device: str, anyway: bool, launch: Callable[[], None]) -> None:
        self.launcher.check_idle(folder)

        def launch_unless_used(users: list[str]) -> None:
            self.anyway.layout.display = "" if users else "none"
            if users and not anyway:
                self.say(
                    f"{device} is in use by {', '.join(users)}: "
                    "tick “start anyway” and press the button again, or choose another device",
                    "warning",
                )
                return
            launch()
            self.anyway.value = False
            self.anyway.layout.display = "none"
            self.attach(folder)
            self.state.runs_changed += 1

        self._check.request(device, self.state.runs_folder, launch_unless_used)

    def _followed_folder(self) -> Path:
        if self.follower.folder is None:
            raise InputError("no run is followed: choose one from the list, or start a training")
        return self.follower.folder

    def _handle_run_change(self) -> None:
        plan = read_plan(self._followed_folder())
        self.up_to.description = "up to epoch" if plan.n_steps is None else "up to step"
        self.up_to.value = (plan.n_epochs if plan.n_steps is None else plan.n_steps) or 0
        self._enable()

    def _resume_up_to(self, length: int) -> None:
        """Continue the run that is followed, up to an epoch or a step, whichever it counts."""
        is_in_steps = read_plan(self._followed_folder()).n_steps is not None
        lengths = {"n_steps" if is_in_steps else "n_epochs": length}
        self.resume(**lengths, anyway=self.anyway.value)

    def _enable(self) -> None:
        """Enable the buttons that have an effect in the current state."""
        folder = self.follower.folder
        is_live = self.follower.is_live
        is_starting = self._check.is_running
        save_path = Path(self.form.forms["run"].controls["save_path"].value).absolute()
        is_followed = folder is not None and save_path == Path(f"{folder}.ckpt")
        self.start_button.disabled = is_starting or (is_live and is_followed)
        self.stop_button.disabled = not is_live
        self.resume_button.disabled = is_starting or is_live or folder is None

    def _refresh(self) -> None:
        """Update devices, runs, and the run that is followed."""
        self._devices.request()
        self.follower.refresh()
        self.follower.update()

    def _take_mixture_folder(self) -> None:
        """Train on the mixtures that are selected in the state."""
        if self.state.mixture_folder:
            self.form.set({"data_folder": self.state.mixture_folder})


def _row(*widgets: ipywidgets.Widget) -> ipywidgets.HBox:
    return ipywidgets.HBox(widgets, layout={"flex_flow": "row wrap"})


def _free_path(folder: Path) -> Path:
    """Return the first of run-1.ckpt, run-2.ckpt, … that does not exist yet."""
    existing_names = {path.name for path in folder.glob("run-*")}
    number = 1
    while f"run-{number}" in existing_names or f"run-{number}.ckpt" in existing_names:
        number += 1
    return folder / f"run-{number}.ckpt"
