"""Training: a generator of epochs, and the state from which a cut run goes on bit for bit.

Axes: B batch, K classes, M bands, T frames, N samples.
"""

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.common.devices import PRECISIONS, choose_precision
from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import AudioDataSet, Batch
from absslab.core.metrics.tagging import tagging_scores, tagging_scores_per_class
from absslab.core.model.separation_model import Prediction, SeparationModel
from absslab.core.training.augmentation import AugmentationConfig, Pairs, augment
from absslab.core.training.config import LOSS, OPTIMIZERS, TrainingConfig
from absslab.core.training.feature_store import FeatureBatch, FeatureStore
from absslab.core.training.losses import TAG_LOSSES, ShareTargets, absent_mask_loss, share_loss
from absslab.core.training.schedules import Schedule


@dataclass(frozen=True)
class EpochResult:
    """What came of one epoch."""

    epoch: int  # from 1
    n_epochs: int
    losses: dict[str, float]  # training: total and its parts
    learning_rate: float  # at the end
    seconds: float
    recordings_per_second: float
    metrics: dict[str, float | None] | None = None  # validation, in epochs that evaluate
    per_class: dict[str, dict[str, float | None]] | None = None  # class → metric → value
    is_best: bool = False
    gpu_memory: int | None = None  # bytes, the most so far

    def to_json(self) -> dict[str, Any]:
        """Plain data, as JSON holds it."""
        return asdict(self)


@dataclass(frozen=True)
class StepDone:
    """A sign of life between epochs."""

    epoch: int
    step: int
    n_steps: int


@dataclass
class TrainingManager:
    """Trains a model; iterate over `run`.

    Args:
        model: on its device; `fit_normalisation` comes before the first epoch.
        config, augmentation: how.
        train, validation: the recordings.
        stores: features of train and validation, if they are not to be computed again and again.
        n_loaders: processes that read ahead.

    Raises:
        InputError: thresholds that don't fit the classes, augmentation that stored features can't have, a precision that
            the device lacks.
    """

    model: SeparationModel
    config: TrainingConfig
    augmentation: AugmentationConfig
    train: AudioDataSet
    validation: AudioDataSet
    stores: tuple[FeatureStore, FeatureStore] | None = None
    n_loaders: int = 0
    epoch: int = 0  # done so far
    best: float | None = None  # score of the best model, larger is better
    evaluations_since_best: int = 0
    averaged: SeparationModel = field(init=False)  # what is evaluated and saved

    def __post_init__(self) -> None:
        config, n_classes = self.config, len(self.model.classes)
        if len(config.thresholds) not in (1, n_classes):
            raise InputError(
                f"thresholds has {len(config.thresholds)} values: expected 1, or {n_classes}, one per class"
            )
        if self.stores and (self.augmentation.needs_waveforms or config.share_weight):
            raise InputError(
                "feature_store keeps features, but augmentation and share_weight need waveforms: leave it out, or "
                "set pair_probability, equaliser, gain_range and share_weight to 0 and roll to False"
            )
        self.device = self.model.device
        self.precision = PRECISIONS[choose_precision(config.precision, self.device)]
        self.averaged = (
            copy.deepcopy(self.model).to(self.device) if config.average_decay else self.model
        )
        self.targets = (
            ShareTargets(self.model.front_end).to(self.device) if config.share_weight else None
        )
        self.optimizer = OPTIMIZERS[config.optimizer](
            parameter_groups(self.model, config), lr=config.learning_rate
        )
        self.n_steps = -(-len(self.train) // config.batch_size)
        self.schedule = Schedule(self.optimizer, config, self.n_steps)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=self.precision is torch.float16
        )

    def run(self) -> Iterator[StepDone | EpochResult]:
        """Train what is left of the epochs; between steps and after each epoch the state can be saved or left.

        An epoch depends on the state at its start and on its number only: a run that is cut and resumed from the end of any
        epoch ends with the same weights as one that is not.
        """
        while self.epoch < self.config.n_epochs and not self.is_out_of_patience:
            yield from self._train_epoch()

    @property
    def is_out_of_patience(self) -> bool:
        """Whether early stopping has struck."""
        return 0 < self.config.patience <= self.evaluations_since_best

    def fit_normalisation(self) -> None:
        """Take mean and deviation of the features from the training recordings."""
        if self.stores:
            self.model.front_end.fit(self.stores[0].pictures())
        else:
            size = (
                1 if len(set(self.train.lengths)) > 1 else self.config.batch_size
            )  # padding is no sound to learn from
            batches = self.train.batches(size, n_loaders=self.n_loaders)
            front_end = self.model.front_end
            front_end.fit(
                front_end.features(front_end.stft(batch.waveforms.to(self.device)))
                for batch in batches
            )
        if self.averaged is not self.model:
            self.averaged.front_end.load_state_dict(self.model.front_end.state_dict())

    def _train_epoch(self) -> Iterator[StepDone | EpochResult]:
        config, start = self.config, time.perf_counter()
        rng = np.random.default_rng([config.seed, self.epoch])
        torch.manual_seed(int(rng.integers(1 << 62)))  # dropout
        self.model.train()
        sums: dict[str, Tensor] = {}
        for step, batch in enumerate(self._batches(is_training=True, rng=rng), start=1):
            for name, value in self._step(batch, rng).items():
                sums[name] = sums.get(name, 0) + value.detach()
            yield StepDone(self.epoch + 1, step, self.n_steps)
        losses = {name: float(value) / self.n_steps for name, value in sums.items()}
        if not np.isfinite(losses["total"]):
            raise InputError(
                f"the loss is {losses['total']} in epoch {self.epoch + 1}: lower learning_rate, or try gradient_clip 1 or "
                "precision float32"
            )
        seconds = time.perf_counter() - start
        self.epoch += 1
        result = EpochResult(
            self.epoch, config.n_epochs, losses, self.schedule.learning_rate, seconds, len(self.train) / seconds,
            gpu_memory=torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None,
        )  # fmt: skip
        if self.epoch % config.test_every == 0 or self.epoch == config.n_epochs:
            result = self._evaluated(result)
        self.schedule.after_epoch(self._score(result.metrics) if result.metrics else None)
        yield result

    def _batches(
        self, *, is_training: bool, rng: np.random.Generator | None = None
    ) -> Iterator[Batch | FeatureBatch]:
        """Batches on the model's device: of waveforms, or of stored features."""
        data_set = self.train if is_training else self.validation
        size = self.config.batch_size if is_training or len(set(data_set.lengths)) == 1 else 1
        batches: Iterator[Batch | FeatureBatch] = (
            self.stores[0 if is_training else 1].batches(size, rng=rng)
            if self.stores
            else data_set.batches(size, rng=rng, n_loaders=self.n_loaders)
        )
        for batch in batches:
            on_device = (
                None if part is None else part.to(self.device, non_blocking=True) for part in batch
            )
            yield type(batch)(*on_device)  # type: ignore[arg-type]

    def _step(self, batch: Batch | FeatureBatch, rng: np.random.Generator) -> dict[str, Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        losses, _ = self._losses(batch, rng)
        self.scaler.scale(losses["total"]).backward()
        if self.config.gradient_clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.after_step()
        self._average()
        return losses

    def _losses(
        self, batch: Batch | FeatureBatch, rng: np.random.Generator | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Total and parts of the loss of a batch, and probabilities (B, K); without a generator nothing is augmented."""
        model = self.model if self.model.training else self.averaged
        front_end = model.front_end
        stft = front_end.stft
        if isinstance(batch, FeatureBatch):
            n_frames = model.n_frames(batch.n_samples)
            prediction = model.predict_from_features(
                front_end.normalise(batch.features), n_frames, precision=self.precision
            )
            return self._tag_losses(prediction, batch.labels, n_frames), prediction.probabilities
        if rng is None:
            spectra = stft(batch.waveforms)
            pairs = Pairs(
                spectra,
                torch.zeros_like(spectra),
                batch.labels,
                torch.zeros_like(batch.labels),
                batch.n_samples,
            )
        else:
            pairs = augment(batch, self.augmentation, stft, front_end.config.sampling_rate, rng)
        total = pairs.first + pairs.second  # complex (B, F, T)
        n_frames = model.n_frames(pairs.n_samples)
        prediction = model.predict(total, n_frames, precision=self.precision)
        losses = self._tag_losses(
            prediction, torch.maximum(pairs.labels_first, pairs.labels_second), n_frames
        )
        if self.targets is not None:
            powers = (front_end.power(spectra) for spectra in (pairs.first, pairs.second, total))
            shares = self.targets(*powers, n_frames)
            losses["share"] = share_loss(
                prediction.masks,
                prediction.log_background,
                shares,
                pairs.labels_first,
                pairs.labels_second,
            )
            losses["total"] = losses["total"] + self.config.share_weight * losses["share"]
        return losses, prediction.probabilities

    def _tag_losses(
        self, prediction: Prediction, labels: Tensor, n_frames: Tensor | None
    ) -> dict[str, Tensor]:
        tag = TAG_LOSSES[self.config.loss](prediction.probabilities.float(), labels)
        absent = absent_mask_loss(prediction.masks, labels, n_frames)
        total = (1 - self.config.l1_weight) * tag + self.config.l1_weight * absent
        return {"total": total, "tag": tag, "absent": absent}

    @torch.no_grad()
    def _average(self) -> None:
        if self.averaged is self.model:
            return
        steps = self.schedule.n_steps_done
        decay = min(
            self.config.average_decay, steps / (steps + 10)
        )  # early on the average follows quickly
        for kept, new in zip(
            self.averaged.state_dict().values(), self.model.state_dict().values(), strict=True
        ):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)

    @torch.no_grad()
    def evaluate(self) -> tuple[dict[str, float | None], dict[str, dict[str, float | None]]]:
        """Loss and tagging scores on validation: averaged, and of each class.

        Of a recording that was cut the highest probability of its pieces counts, as when it is separated.
        """
        self.model.eval()
        self.averaged.eval()
        pieces, total = np.zeros(self.validation.labels.shape, np.float32), 0.0
        for batch in self._batches(is_training=False):
            losses, probabilities = self._losses(batch, None)
            total += float(losses["total"]) * len(batch.labels)
            pieces[batch.indices.cpu().numpy()] = probabilities.cpu().numpy()
        truth, said = self.validation.max_per_recording(pieces)
        thresholds = self.config.thresholds
        metrics = tagging_scores(
            truth, said, thresholds=thresholds, average=self.config.metric_average
        )
        by_metric = tagging_scores_per_class(truth, said, thresholds=thresholds)
        per_class = {
            name: {metric: values[k] for metric, values in by_metric.items()}
            for k, name in enumerate(self.model.classes)
        }
        return {LOSS: total / len(self.validation)} | metrics, per_class

    def _evaluated(self, result: EpochResult) -> EpochResult:
        metrics, per_class = self.evaluate()
        score = self._score(metrics)
        is_best = self.best is None or score > self.best
        self.best = score if is_best else self.best
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        return EpochResult(
            **{**vars(result), "metrics": metrics, "per_class": per_class, "is_best": is_best}
        )

    def _score(self, metrics: Mapping[str, float | None]) -> float:
        """The declared metric, turned so that larger is better; where it is undefined, the worst."""
        value = metrics[self.config.metric]
        if value is None:
            return -np.inf
        return -value if self.config.metric == LOSS else value

    def state(self) -> dict[str, Any]:
        """All that resuming needs besides the averaged weights: tensors and plain data."""
        return {
            "weights": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "best": self.best,
            "evaluations_since_best": self.evaluations_since_best,
        }

    def load_state(self, state: Mapping[str, Any], averaged: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned; `averaged` is the state of the model that was saved."""
        self.model.load_state_dict(state["weights"])
        self.averaged.load_state_dict(averaged)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.best = state["epoch"], state["best"]
        self.evaluations_since_best = state["evaluations_since_best"]


def parameter_groups(model: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """What decays: with Adam everything, as the thesis had it; with AdamW weights, but not biases and norms."""
    decays = [p for p in model.parameters() if p.ndim > 1 or config.optimizer == "Adam"]
    others = [p for p in model.parameters() if p.ndim <= 1 and config.optimizer != "Adam"]
    groups = [
        {"params": decays, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
