"""A training from its settings to its run directory: started, followed, stopped, resumed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from absslab.core.audio import sound_files
from absslab.core.common.config import fingerprint, format_setting
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import open_split
from absslab.core.model.checkpoint import read_checkpoint, save_checkpoint
from absslab.core.model.separation_model import build_model
from absslab.core.training.feature_store import open_store
from absslab.core.training.run_directory import (
    RunReader,
    RunWriter,
    best_checkpoint_path,
    run_directory,
)
from absslab.core.training.settings import Settings, canonical_names
from absslab.core.training.trainer import EpochResult, StepDone, TrainingManager

CHANGEABLE = (
    "n_epochs", "test_every", "patience", "device", "data_folder", "in_memory", "n_loaders", "save_path", "keep_every"
)  # fmt: skip


@dataclass
class Experiment:
    """A training that is ready to run.

    Args:
        settings: of everything.
        state: content of a `last.ckpt` to go on from.
        resumed: the run directory that it is from.

    Raises:
        InputError: settings, folders or labels that can't be used; a run that is already there.
    """

    settings: Settings
    state: Mapping[str, Any] | None = None
    resumed: Path | None = None

    def __post_init__(self) -> None:
        settings = self.settings
        if not settings.run.save_path:
            raise InputError(
                "save_path is missing: say it with --save_path, as in --save_path runs/first.ckpt"
            )
        run_directory(settings.run.save_path)
        self.device = choose_device(settings.run.device)
        rate = settings.features.sampling_rate
        data = replace(
            settings.data, in_memory=settings.data.in_memory and not settings.data.feature_store
        )
        classes = None if self.state is None else self.state["classes"]
        train = open_split(data, "train", sampling_rate=rate, classes=classes, cut=True)
        validation = open_split(
            data, "validation", sampling_rate=rate, classes=train.classes, cut=True
        )
        self.data_fingerprint = fingerprint(
            [[Path(one.path).name, sorted(one.labels)] for one in train.recordings]
        )
        if self.state is not None and self.state["resume"]["data"] != self.data_fingerprint:
            raise InputError(
                "{data_folder} has other recordings or labels than the run began with: start a new run",
                data_folder=settings.data.data_folder,
            )
        torch.manual_seed(settings.training.seed)
        model = build_model(settings.models, train.classes).to(self.device)
        stores = None
        if folder := settings.data.feature_store:
            stores = (
                open_store(folder, train, model.front_end),
                open_store(folder, validation, model.front_end),
            )
        self.manager = TrainingManager(
            model,
            settings.training,
            settings.augmentation,
            train,
            validation,
            stores,
            settings.data.n_loaders,
        )
        if self.state is None:
            for item in validation.recordings:
                sound_files.check(
                    item.path
                )  # training recordings are decoded for the normalisation; these would come late
            self.manager.fit_normalisation()
        else:
            self.manager.load_state(self.state["resume"], self.state["weights"])
        self.writer = RunWriter.begin(
            settings.run.save_path, settings.to_json(), resume=self.resumed
        )

    @classmethod
    def resume(
        cls, checkpoint: str | Path, changes: Mapping[str, Any] | None = None
    ) -> "Experiment":
        """Go on from a run's last.ckpt.

        Args:
            checkpoint: last.ckpt of the run directory.
            changes: settings to change, of those in `CHANGEABLE`.

        Raises:
            InputError: not a checkpoint to resume from, or a change that would make it another training.
        """
        content = read_checkpoint(checkpoint)
        if "resume" not in content:
            raise InputError(
                "{checkpoint} is a finished model: to go on with a run give its last.ckpt",
                checkpoint=checkpoint,
            )
        try:
            settings = Settings.from_json(content["made"]["settings"])
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{{checkpoint}} is damaged: it lacks settings ({error})", checkpoint=checkpoint
            ) from None
        folder = (
            Path(checkpoint).resolve().parent
        )  # the run may have been moved, or is resumed from elsewhere
        settings = replace(
            settings, run=replace(settings.run, save_path=str(best_checkpoint_path(folder)))
        )
        changes = dict(changes or {})
        for name in changes:
            if name not in CHANGEABLE:
                raise InputError(
                    f"{name} can't change when a run is resumed; what can: {', '.join(CHANGEABLE)}"
                )
        if (
            settings.training.scheduler_type == "oneCycle"
            and changes.get("n_epochs", 0) > settings.training.n_epochs
        ):
            raise InputError(
                f"n_epochs can't grow beyond {settings.training.n_epochs}: oneCycle planned the learning rate for them; "
                "start a new run"
            )
        parts = {}
        for part in ("data", "training", "run"):
            config = getattr(settings, part)
            parts[part] = replace(
                config, **{name: value for name, value in changes.items() if hasattr(config, name)}
            )
        return cls(replace(settings, **parts), content, folder)

    def run(self) -> Iterator[StepDone | EpochResult]:
        """Train, and keep the run directory up to date.

        Raises:
            KeyboardInterrupt: Ctrl-C; the run directory says "stopped" and can be resumed.
        """
        writer, manager, config = self.writer, self.manager, self.settings.training
        writer.write_status(
            "running",
            epoch=manager.epoch,
            n_epochs=config.n_epochs,
            device=str(self.device),
            n_recordings=len(manager.train),
        )
        writer.log(
            f"training on {self.device}, {len(manager.train)} recordings, from epoch {manager.epoch + 1}"
        )
        state = "failed"
        try:
            for event in manager.run():
                if isinstance(event, EpochResult):
                    self._save(event)
                elif writer.is_stop_requested:
                    state = "stopped"
                    return
                else:
                    writer.write_heartbeat(
                        epoch=event.epoch - 1, step=event.step, n_steps=event.n_steps
                    )
                yield event
            state = "finished"
        except (KeyboardInterrupt, GeneratorExit):
            state = "stopped"
            raise
        except Exception as error:
            writer.log(f"failed: {error}")
            raise
        finally:
            writer.log(f"{state} after epoch {manager.epoch}")
            writer.write_status(state, epoch=manager.epoch)

    def _save(self, result: EpochResult) -> None:
        """The best model first, then the metrics, then the state: a kill between any two loses nothing."""
        manager, configs = self.manager, self.settings.models
        made = {
            "settings": self.settings.to_json(),
            "epoch": result.epoch,
            "metrics": result.metrics,
        }
        if result.is_best:
            save_checkpoint(self.writer.save_path, manager.averaged, configs, made)
        if (every := self.settings.run.keep_every) and result.epoch % every == 0:
            save_checkpoint(
                self.writer.epoch_checkpoint_path(result.epoch), manager.averaged, configs, made
            )
        self.writer.add_metrics(result.to_json())
        save_checkpoint(
            self.writer.last_checkpoint,
            manager.averaged,
            configs,
            made,
            resume=manager.state() | {"data": self.data_fingerprint},
        )
        name = self.settings.training.metric
        score = result.metrics[name] if result.metrics else None
        scores = f", validation {name} {score:.4f}" if score is not None else ""
        self.writer.log(f"epoch {result.epoch}: loss {result.losses['total']:.4f}{scores}")
        self.writer.write_status("running", epoch=result.epoch, step=0)


def train_or_resume(values: Mapping[str, Any]) -> Iterator[StepDone | EpochResult]:
    """Train as flags say, or go on with that training where it was cut; one that is finished is not trained again.

    Args:
        values: of any fields of any of the configs, by the fields' names.

    Raises:
        InputError: what `Experiment` refuses, or a run of other settings in the same place.
    """
    places = {
        name: str(Path(values[name]).resolve())
        for name in ("data_folder", "save_path")
        if values.get(name)
    }
    settings = Settings.from_flags({**values, **places})
    folder = run_directory(settings.run.save_path)
    if not (folder / "last.ckpt").exists():
        yield from Experiment(settings).run()
        return
    reader = RunReader(folder)
    config = reader.config
    for section, values_now in settings.to_json().items():
        values_before = canonical_names(config[section])
        for name, now in values_now.items():
            before = values_before.get(name)
            if before != now and section != "run" and name != "data_folder":
                words = f"{folder} was trained with {name} {format_setting(before)}, not {format_setting(now)}"
                raise InputError(f"{words}: choose another place, or remove it")
    if reader.state() != "finished":
        yield from Experiment.resume(folder / "last.ckpt", {"device": settings.run.device}).run()
