"""Parameters that are logits or logarithms do not decay towards 0."""

from dataclasses import replace

import pytest

from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.separation_model import build_model
from absslab.core.training.config import TrainingConfig
from absslab.core.training.settings import Settings
from absslab.core.training.trainer import parameter_groups


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_parameters_of_pcen_do_not_decay(optimizer):
    features = FeatureConfig(
        feature_type="pcen", train_pcen=True, train_pcen_per_band=True, train_pcen_s=(0.01, 0.1)
    )
    settings = replace(Settings.from_flags({}), features=features)
    model = build_model(settings.models, ["a", "b"])
    config = replace(TrainingConfig(), optimizer=optimizer, weight_decay=0.01)
    decaying, others = parameter_groups(model, config)
    assert decaying["weight_decay"] == 0.01
    assert others["weight_decay"] == 0
    still = {id(parameter) for parameter in others["params"]}
    assert all(id(parameter) in still for parameter in model.pcen.parameters())
    assert any(parameter.ndim == 4 for parameter in decaying["params"])
