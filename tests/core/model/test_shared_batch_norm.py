"""Batch norm of a shared batch is PyTorch's where the parts are the batch."""

import pytest
import torch
from torch import nn

from absslab.core.common import shared_batch
from absslab.core.model.shared_batch_norm import SharedBatchNorm, share_batch_norms


def build(**options) -> tuple[nn.Module, nn.Module]:
    """Return a network, and a copy of it whose batch norms are shared."""
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, **options)) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    share_batch_norms(networks[1])
    return networks[0], networks[1]


@pytest.mark.parametrize(
    "options", [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}]
)
def test_outputs_gradients_and_running_averages_are_those_of_torch(monkeypatch, options):
    plain, shared = build(**options)
    assert isinstance(shared[1], SharedBatchNorm)
    assert list(shared.state_dict()) == list(plain.state_dict())
    # A group of one process, without a network: what it adds is its own part.
    monkeypatch.setattr(shared_batch, "_group", object())
    monkeypatch.setattr(shared_batch, "_exchange", lambda part, operation: part.clone())
    for _ in range(3):
        images = torch.randn(4, 2, 6, 5) + 3
        expected, found = plain(images), shared(images)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        weights = torch.randn_like(expected)
        for network, output in ((plain, expected), (shared, found)):
            network.zero_grad()
            (output * weights).sum().backward()
        torch.testing.assert_close(
            shared[0].weight.grad, plain[0].weight.grad, rtol=1e-3, atol=1e-4
        )
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    images = torch.randn(4, 2, 6, 5)
    torch.testing.assert_close(shared.eval()(images), plain.eval()(images), rtol=1e-4, atol=1e-5)
