"""A training from its settings to its run directory: prepare, run, stop and resume it."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from absslab.core.common.config import format_setting
from absslab.core.common.devices import choose_device, split_devices
from absslab.core.common.errors import (
    InputError,
    WorkError,
    describe_shortage,
    escape_braces,
    shorten,
)
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import copy_notices
from absslab.core.common.process_group import Processes, find_processes
from absslab.core.data.batches import explain_killed_loaders
from absslab.core.data.class_names import list_classes
from absslab.core.data.layouts import SHARDS
from absslab.core.data.shards.places import resolve_place
from absslab.core.model.separation_model import SeparationModel, build_model
from absslab.core.training.event_thresholds import threshold_steps
from absslab.core.training.events import (
    EpochResult,
    StepDone,
    TaskStep,
    TrainingEvent,
    TrainingOutcome,
    TrainingStarted,
)
from absslab.core.training.folder_source import FolderPreparation, report_task
from absslab.core.training.initial_weights import InitialWeights
from absslab.core.training.recording_length import fix_recording_length
from absslab.core.training.resumption import (
    PLACES_OF_DATA,
    change_settings,
    damage_error,
    read_resumable,
    warn_about_lost_metrics,
)
from absslab.core.training.run_directory import (
    NoticeLog,
    RunReader,
    RunWriter,
    best_checkpoint_path,
    check_save_path,
    run_directory,
)
from absslab.core.training.saving import RunSaver
from absslab.core.training.settings import Settings, canonical_config
from absslab.core.training.shard_source import ShardedRecordings
from absslab.core.training.supervision import check_supervision
from absslab.core.training.trainer import Trainer, build_trainer, check_batch
from absslab.core.training.training_labels import Labels, check_alike, read_labels
from absslab.core.training.training_source import RecordingSet

TrainingSteps = Generator[TrainingEvent, None, TrainingOutcome]
Preparation = Generator[TaskStep, None, Trainer]
_LAST = "last.ckpt"


@dataclass(frozen=True)
class Experiment:
    """A training; `run` prepares and trains.

    Args:
        settings: all settings.
        checkpoint: content of the `last.ckpt` of a run to resume.
        resumed: the run directory of this checkpoint.
        scheduler: address of a dask scheduler whose workers fill the feature store; empty: none.
        may_run_command: whether the user has stated `data_folder`, which may be a command, rather
            than a checkpoint or another file.
    """

    settings: Settings
    checkpoint: Mapping[str, Any] | None = None
    resumed: Path | None = None
    scheduler: str = ""
    may_run_command: bool = False

    @classmethod
    def resume(
        cls, checkpoint: str | Path, changes: Mapping[str, Any] | None = None
    ) -> "Experiment":
        """Return the training that continues a run.

        Args:
            checkpoint: last.ckpt of the run directory.
            changes: settings in `CHANGEABLE` to change; others may be given as they are.

        Raises:
            InputError: not a checkpoint to resume from, or a change that would make it another
                training.
        """
        content, settings = read_resumable(checkpoint)
        # The run may have been moved, or is resumed from another working directory.
        folder = Path(checkpoint).resolve().parent
        save_path = str(best_checkpoint_path(folder))
        settings = replace(settings, run=replace(settings.run, save_path=save_path))
        settings = change_settings(settings, changes or {})
        n_done = content["resume"]["epoch"]
        training = settings.training
        n_steps_done = content["resume"]["schedule"].get("n_steps_done", 0)
        if training.n_steps is not None and training.n_steps < n_steps_done:
            raise InputError(
                f"n_steps is {training.n_steps}, but {n_steps_done} steps are done: "
                "pass a larger number"
            )
        is_in_epochs = training.n_steps is None and not training.least_steps
        if is_in_epochs and training.n_epochs < n_done:
            raise InputError(
                f"n_epochs is {training.n_epochs}, but {n_done} epochs are done: "
                "pass a larger number"
            )
        return cls(settings, content, folder, may_run_command="data_folder" in (changes or {}))

    def run(self) -> TrainingSteps:
        """Prepare and train, and keep the run directory up to date, with all notices in its log.

        Settings and labels are checked first. Then the run directory is written, and only then is
        the first recording opened. All recordings are decoded before the first epoch. Those that
        can't be used end the run, or are left out and named in left_out.csv; a run that is resumed
        leaves out the same.

        Yields:
            `TaskStep`, then one `TrainingStarted`, then `StepDone` after each step and
            `EpochResult` after each epoch, then `TaskStep` of the choice of thresholds.

        Returns:
            how the training ended.

        Raises:
            InputError: settings, folders or labels that can't be used; a run that is already there.
            LostProcessError: another process that trains the same model has ended.
            KeyboardInterrupt: Ctrl-C; the run directory says "stopped" and can be resumed.
        """
        notices = NoticeLog()
        return (yield from copy_notices(self._run(notices), notices.write))

    def _run(self, notices: NoticeLog) -> TrainingSteps:
        settings = self.settings
        self._check_settings()
        check_save_path(settings.run.save_path)
        processes = find_processes()
        left_out = LeftOut(
            "train",
            on_error=settings.run.on_error,
            folder=run_directory(settings.run.save_path),
        )
        left_out.check()
        labels = self._read_recordings(left_out)
        check_alike(processes, settings, self.checkpoint, labels)
        initial = self._open_initial_weights()
        if not processes.is_first:
            return (yield from self._assist(processes, labels, left_out, initial))
        writer = RunWriter.begin(settings.run.save_path, settings.to_json(), resume=self.resumed)
        notices.begin(writer)
        writer.log(list_classes(labels.classes))
        epoch = 0 if self.checkpoint is None else self.checkpoint["resume"]["epoch"]
        warn_about_lost_metrics(writer.folder, epoch)
        n_epochs = settings.training.n_epochs
        state = "failed"
        saver = RunSaver(settings, writer)
        try:
            with explain_killed_loaders(settings.data.n_loaders):
                for event in self._prepare_and_train(labels, left_out, saver, writer, initial):
                    if isinstance(event, TrainingStarted):
                        n_epochs = event.n_epochs
                    if isinstance(event, EpochResult):
                        epoch = event.epoch
                    elif _shall_stop(event, processes, writer.is_stop_requested):
                        saver.save_within_epoch()
                        state = "stopped"
                        break
                    _report(event, writer)
                    yield event
                else:
                    state = "finished"
        except (KeyboardInterrupt, GeneratorExit):
            if processes.size == 1:  # several may be at different steps
                saver.save_within_epoch()
            state = "stopped"
            raise
        except BaseException as error:
            goes_on = False
            with suppress(OSError):  # on a full disk the error that is raised says so
                if processes.size == 1 and isinstance(error, InputError | WorkError):
                    goes_on = saver.save_within_epoch()  # recordings may be read later
                writer.log(f"failed: {shorten(' '.join(str(error).split()))}")
                writer.log(f"failed after epoch {epoch}")
                writer.write_status("failed", epoch=epoch)
            if goes_on and isinstance(error, InputError | WorkError) and _LAST not in str(error):
                raise error.wrap("{error}; the training goes on from its " + _LAST) from None
            raise
        finally:
            if state != "failed":
                writer.log(f"{state} after epoch {epoch}")
                writer.write_status(state, epoch=epoch)
        return TrainingOutcome(
            state, epoch, n_epochs, writer.save_path, writer.last_checkpoint, left_out
        )

    def _assist(
        self,
        processes: Processes,
        labels: Labels | ShardedRecordings,
        left_out: LeftOut,
        initial: InitialWeights | None,
    ) -> TrainingSteps:
        """Train as a process that is not the first one, and writes nothing."""
        state = "finished"
        saver = RunSaver(self.settings, None)
        with explain_killed_loaders(self.settings.data.n_loaders):
            trainer = yield from self._prepare(labels, left_out, initial)
            saver.begin(trainer)
            for event in trainer.run():
                saver.save(event)
                if _shall_stop(event, processes):
                    saver.save_within_epoch()
                    state = "stopped"
                    break
                yield event
        writer = RunWriter(self.settings.run.save_path)
        return TrainingOutcome(
            state,
            trainer.epoch,
            trainer.n_epochs,
            writer.save_path,
            writer.last_checkpoint,
            left_out,
        )

    def prepare(self) -> Preparation:
        """Read the recordings and take the statistics of their features.

        Yields:
            how far each task is.

        Returns:
            the trainer.

        Raises:
            InputError: settings, folders, labels or recordings that can't be used.
        """
        self._check_settings()
        left_out = LeftOut("train", on_error=self.settings.run.on_error)
        recordings = self._read_recordings(left_out)
        return (yield from self._prepare(recordings, left_out, self._open_initial_weights()))

    def _read_recordings(self, left_out: LeftOut) -> Labels | ShardedRecordings:
        """Read which recordings there are, without opening one."""
        if self.settings.data.data_set_type == SHARDS:
            return ShardedRecordings.open(
                self.settings, self.checkpoint, may_run_command=self.may_run_command
            )
        return read_labels(self.settings, self.checkpoint, left_out)

    def _check_settings(self) -> None:
        """Check the settings that can be checked without reading files."""
        settings = self.settings
        if not settings.run.save_path:
            raise InputError("save_path is missing: pass it, as in --save_path runs/first.ckpt")
        run_directory(settings.run.save_path)
        processes = find_processes()
        choose_device(settings.run.device, processes)
        check_batch(settings.training.batch_size, processes)
        check_supervision(settings)

    def _open_initial_weights(self) -> InitialWeights | None:
        """Read the model to begin with, if there is one and the run is not resumed."""
        path = self.settings.training.initial_weights
        if path is None or self.checkpoint is not None:
            return None
        return InitialWeights.open(path, self.settings.models)

    def _prepare(
        self,
        recordings: Labels | ShardedRecordings,
        left_out: LeftOut,
        initial: InitialWeights | None,
    ) -> Preparation:
        settings = self.settings
        processes = find_processes()

        def build(train: RecordingSet) -> SeparationModel:
            torch.manual_seed(settings.training.seed)
            device = choose_device(settings.run.device, processes)
            model = build_model(fix_recording_length(settings.models, train), recordings.classes)
            if initial is not None:
                initial.copy_to(model)
            return model.to(device)

        if isinstance(recordings, ShardedRecordings):
            steps = recordings.run(build)
        else:
            folder = FolderPreparation(
                recordings, settings, self.checkpoint, left_out, processes, self.scheduler
            )
            steps = folder.run(build)
        model, data = yield from steps
        trainer = build_trainer(model, settings.training, settings.augmentation, data, processes)
        if self.checkpoint is not None:
            self._load_state(trainer, self.checkpoint)
            return trainer
        if processes.is_first:
            # initial weights come with the statistics of the features
            for n_read in trainer.examine_recordings(fit_features=initial is None):
                yield TaskStep("reading training recordings", n_read, data.n_examined)
        trainer.copy_from_first()
        return trainer

    def _load_state(self, trainer: Trainer, content: Mapping[str, Any]) -> None:
        try:
            trainer.load_state(content["resume"], content["weights"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if describe_shortage(error):
                raise
            checkpoint = run_directory(self.settings.run.save_path) / "last.ckpt"
            raise damage_error(checkpoint, error) from None

    def _prepare_and_train(
        self,
        recordings: Labels | ShardedRecordings,
        left_out: LeftOut,
        saver: RunSaver,
        writer: RunWriter,
        initial: InitialWeights | None,
    ) -> Iterator[TrainingEvent]:
        trainer = yield from self._prepare(recordings, left_out, initial)
        left_out.write()
        if left_out:
            writer.log(left_out.summary())
        data_state = {
            "data": trainer.data.fingerprint(),
            "left_out": left_out.reasons(self.settings.data.data_folder),
        }
        # By which recordings are known again where the model is scored on others.
        before: Sequence[str] = ()  # of the model to begin with
        metrics: Mapping[str, float | None] | None = None
        if initial is not None:
            before = initial.trained_on
        elif self.checkpoint is not None:
            before = self.checkpoint["made"].get("trained_on", ())
            metrics = self.checkpoint["made"].get("metrics")
        trained_on = sorted({*before, *trainer.data.marks().values()})
        saver.begin(trainer, data_state, trained_on, metrics)
        names = self.settings.run.device
        yield TrainingStarted(
            device=names if len(split_devices(names)) > 1 else str(trainer.model.device),
            precision=trainer.precision,
            n_recordings=len(trainer.data.train),
            n_validation_recordings=len(trainer.data.validation),
            n_classes=len(recordings.classes),
            epoch=trainer.epoch,
            n_epochs=trainer.n_epochs,
            n_left_out=len(left_out),
            classes=tuple(recordings.classes),
        )
        for event in trainer.run():
            saver.save(event)
            yield event
        reader = recordings.event_readers["validation"]
        yield from report_task(
            "choosing thresholds of events",
            threshold_steps(self.settings, trainer, writer, reader),
        )


def _shall_stop(event: TrainingEvent, processes: Processes, is_requested: bool = False) -> bool:
    """Return whether to stop after an event; several processes stop after the same step.

    Args:
        event: the event; all processes have all steps of the optimizer, but not all others.
        processes: that train together.
        is_requested: whether the first process was asked to.
    """
    if processes.size == 1:
        return is_requested
    return isinstance(event, StepDone) and processes.share(is_requested)


def _report(event: TrainingEvent, writer: RunWriter) -> None:
    """Write the progress of the training to the run directory."""
    match event:
        case TaskStep():
            writer.report_task(event.task, event.done, event.total)
        case TrainingStarted():
            writer.write_status(
                "running",
                epoch=event.epoch,
                n_epochs=event.n_epochs,
                device=event.device,
                n_recordings=event.n_recordings,
            )
            writer.log(
                f"training on {event.device}, {event.n_recordings} recordings, "
                f"from epoch {event.epoch + 1}"
            )
        case StepDone():
            writer.write_heartbeat(epoch=event.epoch - 1, step=event.step, n_steps=event.n_steps)
        case EpochResult():
            writer.write_status("running", epoch=event.epoch, step=0)


def train_or_resume(
    values: Mapping[str, Any],
) -> Generator[TrainingEvent, None, TrainingOutcome | None]:
    """Train with the given settings, or continue an interrupted training; keep a finished one.

    Args:
        values: values of any fields of the configs, by their names or aliases.

    Yields:
        the events of `Experiment.run`.

    Returns:
        how the training ended; None if it was finished before.

    Raises:
        InputError: see `Experiment.run`; also a run of other settings in the same place.
    """
    places = {
        name: resolve_place(values[name])
        for name in (*PLACES_OF_DATA, "save_path", "initial_weights")
        if values.get(name)
    }
    settings = Settings.from_flags({**values, **places})
    folder = run_directory(settings.run.save_path)
    last_checkpoint = folder / "last.ckpt"
    if not last_checkpoint.exists():
        return (yield from Experiment(settings, may_run_command=True).run())
    reader = RunReader.open(folder)
    _check_same_settings(folder, reader.config, settings)
    if reader.state() == "finished":
        return None
    # The data may have been moved since.
    data = settings.data
    changes = {name: getattr(data, name) for name in PLACES_OF_DATA}
    changes["device"] = settings.run.device
    return (yield from Experiment.resume(last_checkpoint, changes).run())


def _check_same_settings(folder: Path, config: Mapping[str, Any], settings: Settings) -> None:
    """Check that a run was trained with these settings, apart from the paths of its files."""
    config = canonical_config(config)
    for section, values_now in settings.to_json().items():
        if section == "run":
            continue
        values_before = config.get(section, {})
        for name, now in values_now.items():
            before = values_before.get(name)
            if before != now and name not in PLACES_OF_DATA:
                raise InputError(
                    f"{{folder}} was trained with {name} {escape_braces(format_setting(before))}, "
                    f"not {escape_braces(format_setting(now))}: choose another place, or remove it",
                    folder=folder,
                )
