"""Signals that the tests of the features and of the masks share."""

import torch

RATE = 16000


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
