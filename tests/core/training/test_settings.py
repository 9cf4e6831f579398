"""The settings of a training can be given by their own names and by those of the thesis."""

from dataclasses import fields

import pytest

from absslab.core.common.errors import InputError
from absslab.core.training.settings import (
    SECTIONS,
    Settings,
    canonical_config,
    canonical_names,
    canonical_settings,
)

THESIS = {
    "loss_f": "MultiLabelSoftMarginLoss",
    "scale_transform": False,
    "classification_mapping": "GWRP",
    "dc": 0.9,
    "dc_fraction": 0.5,
}
TODAY = {
    "loss": "MultiLabelSoftMarginLoss",
    "standardise": False,
    "pooling": "GWRP",
    "decay": 0.9,
    "decay_fraction": 0.5,
}


def test_the_names_of_the_thesis_mean_those_of_today():
    assert canonical_names(THESIS | {"quantum": 1}) == TODAY | {"quantum": 1}
    settings = Settings.from_flags(THESIS)
    assert settings == Settings.from_flags(TODAY)
    assert settings.pooling.decay == 0.9
    assert settings.training.loss == "MultiLabelSoftMarginLoss"


def test_a_config_with_the_names_of_the_thesis_is_read():
    settings = Settings.from_flags(TODAY)
    before = settings.to_json()
    aliases = dict(zip(TODAY, THESIS, strict=True))
    for section in before:
        before[section] = {aliases.get(name, name): v for name, v in before[section].items()}
    assert "loss_f" in before["training"]
    assert Settings.from_json(before) == settings


def test_names_of_one_setting_with_two_values_are_refused():
    with pytest.raises(InputError, match="dc and decay are the same setting"):
        canonical_names({"dc": 0.9, "decay": 0.8})
    assert canonical_names({"dc": 0.9, "decay": 0.9}) == {"decay": 0.9}
    both = {"pooling": {"dc": 0.9, "decay": 0.8}}
    assert canonical_config(both) == both, "settings of a damaged file are shown unchanged"


def test_values_of_the_thesis_mean_those_of_today():
    before = {"data_set_type": "DCASE2013_remixed_data_set", "dc": 0.9, "quantum": [1]}
    today = {"data_set_type": "mixture_folder", "decay": 0.9, "quantum": [1]}
    assert canonical_settings(before) == today
    assert canonical_config({"data": before}) == {"data": today}


def test_the_sections_are_those_of_the_config_file():
    settings = Settings.from_flags({"model_type": "U_Net"})
    assert tuple(settings.to_json()) == tuple(settings.sections()) == SECTIONS
    assert tuple(field.name for field in fields(Settings)) == SECTIONS
    classes = Settings.config_classes(settings.model)
    assert {name: type(config) for name, config in settings.sections().items()} == classes


def test_a_setting_under_two_names_with_two_values_is_refused():
    with pytest.raises(InputError, match="same setting"):
        Settings.from_flags({"loss": "BCE", "loss_f": "MultiLabelSoftMarginLoss"})
