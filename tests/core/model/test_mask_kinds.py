"""Logits become the same masks, whether a gradient is wanted or not."""

import pytest
import torch

from absslab.core.model.mask_kinds import MASK_KINDS


@pytest.mark.parametrize("kind", MASK_KINDS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_masks_do_not_depend_on_whether_there_is_a_gradient(kind, layout):
    logits = 10 * torch.randn(2, 5, 8, 12, generator=torch.Generator().manual_seed(0))
    logits = logits.to(memory_format=layout)
    plain = MASK_KINDS[kind].activate(logits)
    trained = MASK_KINDS[kind].activate(logits.clone().requires_grad_())
    for values, expected in zip(plain, trained, strict=True):
        torch.testing.assert_close(values, expected.detach(), rtol=1e-5, atol=1e-7)


def test_a_background_without_a_share_has_a_finite_logarithm():
    logits = torch.zeros(1, 3, 1, 1)
    logits[0, 0] = 1000
    _, log_background = MASK_KINDS["competing"].activate(logits)
    assert torch.isfinite(log_background).all()
