"""Compute the first gradients of trainings, alone or as one of several processes of torchrun.

python first_gradient.py TRAININGS.json RESULTS.pt N_STEPS: a list of the flags of trainings. The
file holds, for each, the losses of the first steps, the gradient of each parameter, all buffers and
the validation scores, with nothing dropped out; and what each process knows after two epochs.
"""

import json
import sys

import numpy as np
import torch
from torch import nn

from absslab.core.common.process_group import join_processes
from absslab.core.common.progress import run_to_end
from absslab.core.training.events import EpochResult
from absslab.core.training.experiment import Experiment
from absslab.core.training.settings import Settings


def first_gradients(flags: dict[str, object], n_steps: int) -> list[dict[str, object]]:
    """Return the losses, gradients and buffers after each of the first steps."""
    trainer = run_to_end(Experiment(Settings.from_flags(flags)).prepare())
    trainer.model.train()
    for module in trainer.model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    parts = trainer.data.train_parts(
        trainer.config.batch_size, np.random.default_rng(0), trainer.processes
    )
    steps = []
    for part, _ in zip(parts, range(n_steps), strict=False):
        trainer.optimizer.zero_grad()
        losses = trainer.gradient.backward(part, np.random.default_rng(0), trainer.scaler)
        names = trainer.processes.share(list(losses))
        parts_of_losses = torch.stack([losses.get(name, torch.zeros(())) for name in names])
        totals = trainer.processes.sum(parts_of_losses)
        model = trainer.model
        steps.append(
            {
                "losses": dict(zip(names, totals.tolist(), strict=True)),
                "gradients": {n: p.grad.clone() for n, p in model.named_parameters()},
                "buffers": {n: b.clone() for n, b in model.named_buffers()},
                "metrics": trainer.validate().metrics,
            }
        )
        trainer.model.train()
    return steps


def describe_processes(flags: dict[str, object]) -> list[list[float]]:
    """Train, and return numbers that describe the state of each process after two epochs."""
    trainer = run_to_end(Experiment(Settings.from_flags(flags)).prepare())
    for event in trainer.run():
        if isinstance(event, EpochResult) and event.epoch == 2:
            break
    state = trainer.state()
    averages = trainer.average.model.state_dict()
    moments = [
        value for moments in state["optimizer"]["state"].values() for value in moments.values()
    ]
    numbers = [*state["weights"].values(), *averages.values(), *moments]
    own = [float(values.double().abs().sum()) for values in numbers]
    rates = [group["lr"] for group in state["optimizer"]["param_groups"]]
    return trainer.processes.gather([*own, *rates, trainer.best, trainer.evaluations_since_best])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        trainings = json.load(file)
    with join_processes() as processes:
        results = [first_gradients(flags, int(sys.argv[3])) for flags in trainings]
        states = describe_processes(trainings[-1])
        if processes.is_first:
            torch.save({"steps": results, "states": states}, sys.argv[2])
