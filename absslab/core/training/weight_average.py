"""A running average of a model's weights."""

import copy

import torch
from torch import nn

from absslab.core.model.separation_model import SeparationModel


class WeightAverage:
    """A copy of a model whose weights follow slowly; without decay it is the model itself.

    Args:
        trained: the model that is trained.
        model: the copy; the trained model itself where no average is taken.
        decay: of the average, per step.
    """

    def __init__(self, trained: SeparationModel, model: SeparationModel, decay: float):
        self.trained = trained
        self.model = model
        self.decay = decay

    @torch.no_grad()
    def update(self, n_steps: int) -> None:
        """Move the average towards the weights of the trained model.

        Args:
            n_steps: number of optimizer steps so far; at first the average follows faster.
        """
        if self.model is self.trained:
            return
        decay = min(self.decay, n_steps / (n_steps + 10))
        averages = self.model.state_dict().values()
        weights = self.trained.state_dict().values()
        for average, weight in zip(averages, weights, strict=True):
            if average.is_floating_point():
                average.lerp_(weight, 1 - decay)
            else:
                average.copy_(weight)


def build_weight_average(trained: SeparationModel, decay: float) -> WeightAverage:
    """Begin an average with the present weights of a model.

    Args:
        trained: the model that is trained.
        decay: decay of the average per step; 0: no average.
    """
    return WeightAverage(trained, _copy_model(trained) if decay else trained, decay)


def _copy_model(model: SeparationModel) -> SeparationModel:
    copied = copy.deepcopy(model)
    for module in copied.modules():
        if isinstance(module, nn.RNNBase):
            # cuDNN joins weights that are apart at every call, and warns; a copy has them apart
            module.flatten_parameters()
    return copied
