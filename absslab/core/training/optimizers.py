"""Optimizers that are ready at once.

PyTorch prepares the methods of its optimizers for torch.compile. The first optimizer that is made
therefore imports torch._dynamo, which takes two seconds. Nothing here is compiled, so that the
optimizers below have these methods without that preparation.
"""

from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer


class _NotCompiled(Optimizer):
    """The methods of all optimizers as they are before they are prepared for torch.compile."""

    add_param_group = unwrap(Optimizer.add_param_group)
    load_state_dict = unwrap(Optimizer.load_state_dict)
    state_dict = unwrap(Optimizer.state_dict)
    zero_grad = unwrap(Optimizer.zero_grad)


class Adam(_NotCompiled, torch.optim.Adam):
    """PyTorch's Adam."""

    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


class AdamW(_NotCompiled, torch.optim.AdamW):
    """PyTorch's AdamW, with decoupled weight decay."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


OPTIMIZERS: dict[str, Any] = {"Adam": Adam, "AdamW": AdamW}
