"""Save a training to its run directory: after each epoch, and within long ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from absslab.core.model.checkpoint import save_checkpoint
from absslab.core.training.events import EpochResult, StepDone, TrainingEvent
from absslab.core.training.recording_length import fix_recording_length
from absslab.core.training.run_directory import RunWriter
from absslab.core.training.settings import Settings
from absslab.core.training.trainer import Trainer


class RunSaver:
    """Saves a training; `begin` says which.

    Args:
        settings: of the training.
        writer: of the run directory; None in processes that write nothing.
    """

    def __init__(self, settings: Settings, writer: RunWriter | None):
        self.settings = settings
        self.writer = writer
        self._trainer: Trainer | None = None
        self._data_state: Mapping[str, Any] = {}
        self._trained_on: Sequence[str] = ()
        self._metrics: Mapping[str, float | None] | None = None
        self._saved_at: tuple[int, int] | None = None  # epoch and step

    def begin(
        self,
        trainer: Trainer,
        data_state: Mapping[str, Any] | None = None,
        trained_on: Sequence[str] = (),
        metrics: Mapping[str, float | None] | None = None,
    ) -> None:
        """Save this training from now on.

        Args:
            trainer: trains.
            data_state: what is saved of the recordings, to resume with.
            trained_on: marks of the recordings.
            metrics: of the epoch before, if the run is resumed.
        """
        self._trainer = trainer
        self._data_state = data_state or {}
        self._trained_on = trained_on
        self._metrics = metrics

    def save(self, event: TrainingEvent) -> None:
        """Save what is to be saved after an event; all processes have to call this.

        The best model comes first, then the metrics, then the state: a kill between loses nothing.
        """
        trainer = self._trainer
        if trainer is None:
            return
        if isinstance(event, EpochResult) and self.writer is not None:
            self._save_epoch(event, trainer, self.writer)
        every = trainer.data.steps_between_saves
        if isinstance(event, StepDone) and every and event.step % every == 0:
            self.save_within_epoch()

    def save_within_epoch(self) -> bool:
        """Save where the training is within a long epoch; all processes have to call this.

        Epochs of other recordings are repeated from their beginning. What has diverged is not
        saved: what was saved before can still be used.

        Returns:
            whether a training that is resumed goes on where this one is.
        """
        trainer = self._trainer
        if trainer is None or not trainer.data.steps_between_saves or trainer.progress is None:
            return False
        at = (trainer.epoch, trainer.progress.n_steps)
        if not trainer.progress.n_steps:
            return trainer.epoch > 0
        if at == self._saved_at:
            return True
        state = trainer.state()
        if not _is_finite(state):
            if self.writer is not None:
                self.writer.log(
                    f"not saved after step {at[1]} of epoch {at[0] + 1}: the loss or the weights "
                    "are not finite"
                )
            return False
        self._saved_at = at
        if self.writer is not None:
            self._save_state(state, trainer, self.writer)
            self.writer.log(f"saved after step {at[1]} of epoch {at[0] + 1}")
        return True

    def _save_epoch(self, result: EpochResult, trainer: Trainer, writer: RunWriter) -> None:
        self._metrics = result.metrics
        configs = fix_recording_length(self.settings.models, trainer.data.train)
        model = trainer.average.model
        made = self._made(trainer)
        if result.is_best:
            save_checkpoint(writer.save_path, model, configs, made)
        keep_every = self.settings.run.keep_every
        if keep_every and result.epoch % keep_every == 0:
            save_checkpoint(writer.epoch_checkpoint_path(result.epoch), model, configs, made)
        writer.add_metrics(result.to_json())
        self._save_state(trainer.state(), trainer, writer)
        metric = self.settings.training.metric
        score = result.metrics[metric] if result.metrics else None
        scores = "" if score is None else f", validation {metric} {score:.4f}"
        writer.log(f"epoch {result.epoch}: loss {result.losses['total']:.4f}{scores}")

    def _save_state(self, state: Mapping[str, Any], trainer: Trainer, writer: RunWriter) -> None:
        configs = fix_recording_length(self.settings.models, trainer.data.train)
        save_checkpoint(
            writer.last_checkpoint,
            trainer.average.model,
            configs,
            self._made(trainer),
            resume={**state, **self._data_state},
        )

    def _made(self, trainer: Trainer) -> dict[str, Any]:
        """Return what a checkpoint says of how it was made."""
        return {
            "settings": self.settings.to_json(),
            "epoch": trainer.epoch,
            "metrics": self._metrics,
            "n_left_out": len(self._data_state["left_out"]),
            "trained_on": list(self._trained_on),
        }


def _is_finite(state: Mapping[str, Any]) -> bool:
    """Return whether the losses of the epoch so far and the weights are finite."""
    values = [*state["progress"]["sums"].values(), *state["weights"].values()]
    return all(bool(torch.isfinite(value).all()) for value in values)
