"""A training step needs no double precision, which Apple's GPUs lack."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from absslab.core.data.batches import Batch
from absslab.core.model.separation_model import build_model
from absslab.core.separation.separator import Separator
from absslab.core.training.losses import ShareTargets
from absslab.core.training.objective import Objective
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings

RATE = 16000


class NoDoubles(TorchDispatchMode):
    """Refuses each operation that gives numbers of double precision."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                assert tensor.dtype not in (torch.float64, torch.complex128), function
        return result


def test_double_precision_would_be_noticed():
    with NoDoubles(), pytest.raises(AssertionError):
        torch.ones(3).double()


@pytest.mark.parametrize("lengths", [None, [RATE, RATE // 2, RATE // 4]], ids=["equal", "padded"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_and_a_prediction_are_in_single_precision(recipe, lengths):
    settings = Settings.from_flags(apply_recipe(RECIPES[recipe], {"data_folder": "none"}))
    rate = settings.features.sampling_rate
    model = build_model(settings.models, ["alert", "knock", "speech"])
    targets = ShareTargets(model.front_end) if settings.training.share_weight else None
    objective = Objective(settings.training, settings.augmentation, torch.float32, targets)
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        0.1 * torch.randn(3, RATE, generator=generator),
        None if lengths is None else torch.tensor(lengths),
        (torch.rand(3, 3, generator=generator) > 0.5).float(),
        torch.arange(3),
    )
    rng = np.random.default_rng(0)
    with NoDoubles():
        objective(model, batch, rng).losses["total"].backward()
        separator = Separator(model.eval())
        separator.postprocess(separator.predict(0.1 * torch.randn(rate, generator=generator)))
    assert all(weights.grad is not None for weights in model.mask_net.parameters())
