"""A training step with fresh weights on noise, for benchmarks of its cost."""

from typing import NamedTuple

import numpy as np
import torch

from absslab.core.data.batches import Batch
from absslab.core.model.separation_model import SeparationModel, build_model
from absslab.core.training.losses import ShareTargets
from absslab.core.training.objective import Objective
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings


class FreshTraining(NamedTuple):
    """What a step takes: `objective(model, batch, rng)`."""

    model: SeparationModel
    objective: Objective
    batch: Batch


def build_fresh_model(recipe: str, n_classes: int) -> tuple[SeparationModel, Settings]:
    """Build the model of a recipe with fresh weights."""
    settings = Settings.from_flags(apply_recipe(RECIPES[recipe], {"data_folder": "none"}))
    return build_model(settings.models, [f"class{k}" for k in range(n_classes)]), settings


def build_fresh_training(
    recipe: str, *, n_classes: int, batch_size: int, seconds: int
) -> FreshTraining:
    """Build a training whose recordings are noise, and have two classes each, or all if fewer.

    Args:
        recipe: name of the recipe.
        n_classes: number of classes.
        batch_size: number of recordings.
        seconds: length of each, s.
    """
    model, settings = build_fresh_model(recipe, n_classes)
    targets = ShareTargets(model.front_end) if settings.training.share_weight else None
    objective = Objective(settings.training, settings.augmentation, torch.float32, targets)
    n_samples = seconds * model.front_end.config.sampling_rate
    waveforms = 0.1 * torch.randn(
        batch_size, n_samples, generator=torch.Generator().manual_seed(0)
    )  # (B, N)
    labels = torch.zeros(batch_size, n_classes)  # (B, K)
    rng = np.random.default_rng(0)
    for row in labels:
        row[rng.permutation(n_classes)[:2]] = 1
    return FreshTraining(model, objective, Batch(waveforms, None, labels, torch.arange(batch_size)))
