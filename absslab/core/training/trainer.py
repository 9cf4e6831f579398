"""Training: one loop over epochs and batches, and the state for resuming an interrupted run.

A run that is interrupted and resumed ends with exactly the weights of an uninterrupted one.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.common.devices import PRECISIONS, choose_precision
from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.notices import give_notice
from absslab.core.common.process_group import ALONE, Processes
from absslab.core.common.signals import defer_interrupts
from absslab.core.data.batches import Batch
from absslab.core.model.separation_model import SeparationModel
from absslab.core.model.shared_batch_norm import share_batch_norms
from absslab.core.training.augmentation import AugmentationConfig
from absslab.core.training.batch_gradient import (
    BatchGradient,
    BatchPart,
    build_batch_gradient,
)
from absslab.core.training.config import TrainingConfig
from absslab.core.training.epoch_progress import EpochProgress
from absslab.core.training.events import EpochResult, StepDone
from absslab.core.training.losses import ShareTargets
from absslab.core.training.objective import Objective
from absslab.core.training.optimizers import OPTIMIZERS
from absslab.core.training.schedules import Schedule, build_schedule
from absslab.core.training.steady_classes import find_steady_classes
from absslab.core.training.training_source import BatchParts, TrainingSource
from absslab.core.training.validation import ValidationScores, choose_metric, validate
from absslab.core.training.weight_average import WeightAverage, build_weight_average


class Trainer:
    """Trains a model; iterate over `run`. Make one with `build_trainer`.

    Args:
        model: on its device, with the statistics of its features set (`examine_recordings`).
        config: settings of the training.
        data: the recordings.
        precision: in which the mask network computes, by name.
        average: the weights that are evaluated and saved.
        objective: the loss.
        optimizer: of the model's parameters.
        schedule: of the learning rate.
        scaler: of the gradients.
        gradient: computes the gradient of a batch, alone or with other processes.
        metric: by which the best model is chosen.
    """

    def __init__(
        self,
        model: SeparationModel,
        config: TrainingConfig,
        data: TrainingSource,
        *,
        precision: str,
        average: WeightAverage,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        scaler: torch.amp.GradScaler,
        gradient: BatchGradient,
        metric: str,
    ):
        self.model = model
        self.config = config
        self.data = data
        self.precision = precision
        self.average = average
        self.objective = objective
        self.optimizer = optimizer
        self.schedule = schedule
        self.scaler = scaler
        self.gradient = gradient
        self.processes = gradient.processes
        self.metric = metric
        self.epoch = 0  # done so far
        self.progress: EpochProgress | None = None  # within an epoch that has begun
        self.best: float | None = None  # rank of the best model, larger is better
        self.evaluations_since_best = 0

    def run(self) -> Iterator[StepDone | EpochResult]:
        """Train the remaining epochs; after each event the state may be saved.

        The result of an epoch depends only on the state at its start and on its number, also if
        it is saved within the epoch and goes on.

        Raises:
            InputError: the loss is not finite.
            LostProcessError: another process of the group has ended.
        """
        config = self.config
        while self.epoch < self.n_epochs and not self.is_out_of_patience:
            start = time.perf_counter()
            progress = self.progress or EpochProgress(self.processes.size)
            self.progress = progress
            n_epochs, n_steps = self.n_epochs, self.n_steps
            own_rng, parts = self._begin_epoch(progress)
            self.model.train()
            n_own = 0  # recordings of this process
            waiting = 0.0  # s that it waited for the others
            remaining = islice(parts, n_steps - progress.n_steps)
            with closing(parts):
                for step, part in enumerate(remaining, progress.n_steps + 1):
                    n_own += 0 if part.batch is None else len(part.batch.labels)
                    part = part._replace(batch=_move(part.batch, self.model.device))
                    with self._whole_step():
                        self.optimizer.zero_grad(set_to_none=True)
                        waiting += self.processes.wait()
                        losses = self.gradient.backward(part, own_rng, self.scaler)
                        if config.gradient_clip:
                            self.scaler.unscale_(self.optimizer)
                            nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
                        self.scaler.step(self.optimizer)
                        self.scaler.update()
                        self.schedule.after_step()
                        self.average.update(self.schedule.n_steps_done)
                        progress.add(losses, own_rng)
                    yield StepDone(self.epoch + 1, step, n_steps)
            seconds = progress.seconds + time.perf_counter() - start
            result = self._epoch_result(progress.sums, seconds, n_epochs, n_steps)
            if self.processes.size > 1:
                own_seconds = time.perf_counter() - start
                rates = self.processes.gather(n_own / max(1e-3, own_seconds - waiting))
                result = replace(result, process_rates=rates)
            rank = None
            if result.epoch % config.test_every == 0 or result.epoch == n_epochs:
                scores = self.validate()
                rank = scores.rank(self.metric)
                is_best = self._count_evaluation(rank)
                result = replace(
                    result, metrics=scores.metrics, per_class=scores.per_class, is_best=is_best
                )
            self.schedule.after_epoch(rank)
            self.epoch += 1
            self.progress = None
            yield result

    def _begin_epoch(self, progress: EpochProgress) -> tuple[np.random.Generator, BatchParts]:
        """Return the randomness of the augmentation and the batches from a place in an epoch on."""
        processes = self.processes
        seed = [self.config.seed, self.epoch]
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(rng.integers(1 << 62)) + processes.rank)  # dropout
        own_rng = rng  # for the augmentation
        if not processes.is_first:
            own_rng = np.random.default_rng([*seed, processes.rank])
        parts = self.data.train_parts(
            self.config.batch_size,
            rng,
            processes,
            n_done=progress.n_steps,
            n_begun_with=progress.n_begun_with,
        )
        if progress.n_steps in (0, self.n_steps):
            return own_rng, parts
        first = list(islice(parts, 1))  # what reads batches draws a seed when it begins
        progress.restore_randomness(own_rng, seed, processes, self.model.device)
        return own_rng, _go_on(first, parts)

    @contextmanager
    def _whole_step(self) -> Iterator[None]:
        """Let Ctrl-C wait for the end of a step where the state within an epoch is saved."""
        can_wait = self.data.steps_between_saves and self.processes.size == 1
        with defer_interrupts() if can_wait else nullcontext():
            yield

    @property
    def n_epochs(self) -> int:
        """Number of epochs of the whole training; call it between two epochs."""
        n_steps = steps_per_epoch(self.data, self.config)
        if self.config.n_steps is None:
            return self.config.count_epochs(n_steps)
        return self.epoch + max(0, -(-self._n_steps_left // n_steps))

    @property
    def n_steps(self) -> int:
        """Number of steps of the epoch that begins: the last one may be cut short."""
        n_steps = steps_per_epoch(self.data, self.config)
        return n_steps if self.config.n_steps is None else min(n_steps, self._n_steps_left)

    @property
    def _n_steps_left(self) -> int:
        """Number of steps from the beginning of the epoch on, in a training of n_steps."""
        n_within = self.progress.n_steps if self.progress else 0
        return (self.config.n_steps or 0) - self.schedule.n_steps_done + n_within

    @property
    def is_out_of_patience(self) -> bool:
        """Whether early stopping ends the training."""
        return 0 < self.config.patience <= self.evaluations_since_best

    def examine_recordings(self, *, fit_features: bool = True) -> Iterator[int]:
        """Read the training recordings once, for what has to be known of all of them.

        This is mean and standard deviation of their features, and which classes are steady, if the
        loss on shares needs to know.

        Args:
            fit_features: whether the statistics of the features are not known yet.

        Yields:
            how many recordings have been read.
        """
        front_end = self.model.front_end
        data = self.data
        if data.stores:
            if fit_features:
                yield from self.model.fit_features(data.stores[0].features_one_by_one())
        elif fit_features or self.objective.share_targets is not None:
            # One at a time if lengths differ, because padding must not count.
            size = 1 if len(set(data.train.lengths)) > 1 else self.config.batch_size
            features = self._examine(data.examined_batches(size))
            if fit_features:
                yield from self.model.fit_features(features)
            for n_read, _ in enumerate(features, start=1):  # if nothing has read them yet
                yield n_read * size
        if self.average.model is not self.model:
            self.average.model.front_end.load_state_dict(front_end.state_dict())

    def copy_from_first(self) -> None:
        """Take what the first process learnt by `examine_recordings`."""
        for model in dict.fromkeys((self.model, self.average.model)):
            self.processes.copy_from_first(model.state_dict().values())
        targets = self.objective.share_targets
        if targets is not None:
            steady_classes = self.processes.share(_on_cpu(targets.steady_classes))
            if steady_classes is not None:
                targets.steady_classes = steady_classes.to(self.model.device)

    @torch.no_grad()
    def _examine(self, batches: Iterator[Batch]) -> Iterator[Tensor]:
        """Yield the features of batches, and find the steady classes at the end."""
        front_end = self.model.front_end
        targets = self.objective.share_targets if self.config.steady_classes else None
        # Small arrays that are kept between large ones that are not would leave holes in memory.
        steady_parts = np.empty(self.data.n_examined, np.float32)  # (n,)
        labels = np.empty((self.data.n_examined, len(self.model.classes)), np.float32)  # (n, K)
        n_read = 0
        for batch in batches:
            spectra = front_end.stft(batch.waveforms.to(front_end.device))
            if targets is not None:
                rows = slice(n_read, n_read + len(batch.labels))
                steady_parts[rows] = targets.steady_parts(front_end.power(spectra)).cpu()
                labels[rows] = batch.labels
                n_read = rows.stop
            yield front_end.features(spectra)
        if targets is not None and n_read:
            is_steady = find_steady_classes(steady_parts[:n_read], labels[:n_read])
            targets.steady_classes = torch.from_numpy(is_steady).float().to(front_end.device)

    def validate(self) -> ValidationScores:
        """Score the model that would be saved on the validation recordings."""
        self.model.eval()
        batches = self.data.validation_batches(self.config.batch_size, self.processes)
        return validate(
            self.average.model,
            self.objective,
            self.data.validation,
            (_move(batch, self.model.device) for batch in batches),
            self.config,
            self.processes,
        )

    def state(self) -> dict[str, Any]:
        """Return the state for resuming, apart from averaged weights, as tensors and plain data.

        Within an epoch all processes have to call this, after the same step.
        """
        progress = {}
        if self.progress is not None:
            progress = {"progress": self.progress.to_state(self.processes, self.model.device)}
        return progress | {
            "weights": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "best": self.best,
            "evaluations_since_best": self.evaluations_since_best,
            "steady_classes": self._steady_classes,
        }

    @property
    def _steady_classes(self) -> Tensor | None:
        targets = self.objective.share_targets
        return None if targets is None else targets.steady_classes

    def load_state(self, state: Mapping[str, Any], averaged: Mapping[str, Tensor]) -> None:
        """Restore a state.

        Args:
            state: the result of `state`.
            averaged: averaged weights, those of the saved model.
        """
        self.model.load_state_dict(state["weights"])
        self.average.model.load_state_dict(averaged)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch = state["epoch"]
        if "progress" in state:
            self.progress = EpochProgress.from_state(
                state["progress"], self.processes, self.model.device
            )
        self.best = state["best"]
        self.evaluations_since_best = state["evaluations_since_best"]
        steady_classes = state.get("steady_classes")  # runs of earlier versions have none
        if self.objective.share_targets is not None and steady_classes is not None:
            self.objective.share_targets.steady_classes = steady_classes.to(self.model.device)

    def _epoch_result(
        self, sums: Mapping[str, Tensor], seconds: float, n_epochs: int, n_steps: int
    ) -> EpochResult:
        """Return the result of an epoch that took so many seconds, before its evaluation."""
        epoch = self.epoch + 1
        names = self.processes.share(list(sums))  # the first process has a part of every batch
        nothing = torch.zeros((), device=self.model.device)
        totals = self.processes.sum(torch.stack([sums.get(name, nothing) for name in names]))
        losses = {name: float(total) / n_steps for name, total in zip(names, totals, strict=True)}
        if not np.isfinite(losses["total"]):
            raise InputError(
                f"the loss is {losses['total']} in epoch {epoch}: lower learning_rate, "
                "or try gradient_clip 1 or precision float32"
            )
        device = self.model.device
        is_gpu = device.type == "cuda"
        pcen = self.average.model.pcen  # that of the model which would be saved
        n_recordings = min(len(self.data.train), n_steps * self.config.batch_size)
        return EpochResult(
            epoch,
            n_epochs,
            losses,
            self.schedule.learning_rate,
            seconds,
            n_recordings / seconds,
            gpu_memory=torch.cuda.max_memory_allocated(device) if is_gpu else None,
            pcen=pcen.values() if pcen is not None and pcen.is_learnt else None,
        )

    def _count_evaluation(self, rank: float) -> bool:
        """Count an evaluation, and return whether it is the best so far."""
        is_best = self.best is None or rank > self.best
        if is_best:
            self.best = rank
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        return is_best


def build_trainer(
    model: SeparationModel,
    config: TrainingConfig,
    augmentation: AugmentationConfig,
    data: TrainingSource,
    processes: Processes = ALONE,
) -> Trainer:
    """Build a trainer from configs, a model and data.

    Args:
        model: on its device.
        config: settings of the training.
        augmentation: how training recordings are varied.
        data: the recordings.
        processes: that train the model together; all of them have to call this.

    Raises:
        InputError: the device does not support the precision, or there are more processes than
            recordings in a batch.
    """
    _check_processes(processes, config, augmentation, data)
    precision = choose_precision(config.precision, model.device)
    dtype = PRECISIONS[precision]
    targets = None
    if config.share_weight or config.supervision == "sources":
        targets = ShareTargets(model.front_end).to(model.device)
    if processes.size > 1:
        share_batch_norms(model)
    objective = Objective(config, augmentation, dtype, targets)
    groups = parameter_groups(model, config)
    optimizer = OPTIMIZERS[config.optimizer](groups, lr=config.learning_rate)
    return Trainer(
        model,
        config,
        data,
        precision=precision,
        average=build_weight_average(model, config.average_decay),
        objective=objective,
        optimizer=optimizer,
        schedule=build_schedule(optimizer, config, steps_per_epoch(data, config)),
        scaler=torch.amp.GradScaler(model.device.type, enabled=dtype is torch.float16),
        gradient=build_batch_gradient(
            model,
            objective,
            processes,
            n_smallest=(len(data.train) - 1) % config.batch_size + 1,
            differ_in_length=len(set(data.train.lengths)) > 1,
        ),
        metric=choose_metric(config, *data.validation.label_counts()),
    )


def check_batch(batch_size: int, processes: Processes) -> None:
    """Check that each process gets a part of a batch.

    Raises:
        InputError: there are more processes than recordings in a batch.
    """
    if processes.size > batch_size:
        raise InputError(
            f"batch_size is {batch_size}, but each of the {processes.size} processes needs a "
            f"recording of each batch or more: pass --batch_size {processes.size}, or start "
            f"{batch_size} at most"
        )


def _check_processes(
    processes: Processes,
    config: TrainingConfig,
    augmentation: AugmentationConfig,
    data: TrainingSource,
) -> None:
    """Check that each process gets recordings, and say where it gets too few for pairs.

    Raises:
        InputError: there are more processes than recordings, in a batch or in all.
    """
    check_batch(config.batch_size, processes)
    n_processes = processes.size
    if n_processes > len(data.train):
        raise InputError(
            f"there are {len(data.train)} training recordings, but each of the {n_processes} "
            f"processes needs one or more: start {len(data.train)} at most"
        )
    if n_processes > 1 and augmentation.pair_probability and config.batch_size < 2 * n_processes:
        give_notice(
            InputWarning(
                f"some of the {n_processes} processes have only one recording of each batch, which "
                f"then is part of no pair: for pairs pass --batch_size {2 * n_processes} or more"
            )
        )


def _go_on(first: list[BatchPart], parts: BatchParts) -> BatchParts:
    """Yield parts of which the first were taken already."""
    with closing(parts):
        yield from first
        yield from parts


def _on_cpu(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.cpu()


def _move(content: Any, device: torch.device) -> Any:
    """Return tensors, also within named tuples, on a device; anything else stays."""
    if isinstance(content, Tensor):
        return content.to(device, non_blocking=True)
    if not isinstance(content, tuple):
        return content
    return type(content)(*(_move(part, device) for part in content))


def steps_per_epoch(data: TrainingSource, config: TrainingConfig) -> int:
    """Count the batches of an epoch; the last one may be smaller."""
    return -(-len(data.train) // config.batch_size)


def parameter_groups(model: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Group parameters by weight decay: with Adam all decay, as in the thesis, with AdamW weights.

    Biases and norms do not decay with AdamW, and parameters of PCEN never: they are logits and
    logarithms, of which 0 is no smaller value than others.
    """
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 or config.optimizer == "Adam"
        decays = decays and not name.startswith("pcen.")
        (decaying if decays else others).append(parameter)
    groups = [
        {"params": decaying, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
