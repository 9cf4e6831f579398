"""Optimizers compute what PyTorch's do, and a training starts without the compiler."""

import subprocess
import sys
from copy import deepcopy

import pytest
import torch
from torch.optim import lr_scheduler

from absslab.core.common.config import to_flags
from absslab.core.training.optimizers import OPTIMIZERS


def take_steps(optimizer_class, n_steps, state=None):
    """Train a line, and return its parameters and the state of the optimizer."""
    torch.manual_seed(0)
    line = torch.nn.Linear(3, 2)
    groups = [{"params": [line.weight], "weight_decay": 0.1}, {"params": [line.bias]}]
    optimizer = optimizer_class(groups, lr=0.01)
    if state is not None:
        optimizer.load_state_dict(deepcopy(state))  # steps write into it
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
    for _ in range(n_steps):
        optimizer.zero_grad()
        line(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
        schedule.step()
    return [*line.parameters()], optimizer.state_dict()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_and_states_are_those_of_pytorch(name):
    original = getattr(torch.optim, name)
    expected, state = take_steps(original, 4)
    found, own_state = take_steps(OPTIMIZERS[name], 4)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(own_state, state, rtol=0, atol=0)
    expected, _ = take_steps(original, 3, state)
    found, _ = take_steps(OPTIMIZERS[name], 3, state)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_training_does_not_import_the_compiler(small_model, mixtures, tmp_path):
    flags = small_model | {
        "data_folder": str(mixtures),
        "save_path": str(tmp_path / "run.ckpt"),
        "n_epochs": 1,
        "scheduler_type": "oneCycle",
        "average_decay": 0.9,
    }
    code = (
        "import sys; from absslab.cli.main import main; status = main(sys.argv[1:]); "
        "print('torch._dynamo' in sys.modules); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "train", *to_flags(flags)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "False"
