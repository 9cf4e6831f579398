"""Settings that are given but change nothing are named, and those of a recipe are not."""

import pytest

from absslab.cli.main import main
from absslab.core.training.idle_settings import _RULES, find_idle_settings
from absslab.core.training.settings import Settings


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"n_loaders": 2}, "--n_loaders has no effect without --in_memory False"),
        ({"in_memory": False, "feature_store": "f"}, "--in_memory has no effect with --feature"),
        ({"split_seed": 3}, "--split_seed has no effect with --data_set_type mixture_folder"),
        ({"feature_type": "log_spectrogram", "n_mels": 40}, "--n_mels has no effect without mel"),
        ({"feature_type": "mel", "log_offset": 1e-3}, "--log_offset has no effect without --feat"),
        ({"standardise": False, "normalisation": "scalar"}, "--normalisation has no effect with"),
        ({"decay": 0.9, "decay_fraction": 0.2}, "--decay has no effect with --decay_fraction"),
        ({"pair_gain_range": (-3.0, 3.0)}, "--pair_gain_range has no effect without --pair_prob"),
        ({"steady_classes": False}, "--steady_classes has no effect without --share_weight"),
        (
            {"scheduler_type": "none", "scheduler_gamma": 0.1},
            "--scheduler_gamma has no effect without --scheduler_type stepLR or multiStepLR or",
        ),
        (
            {"model_type": "VGGLikeMaskModel", "mask_pool_k_f": (2,)},
            "--mask_pool_k_f has no effect without --mask_pooling_type",
        ),
        ({"pooling": "CNN_FC", "cnn_pool_s_t": (2,)}, "--cnn_pool_s_t has no effect without --cnn"),
        ({"pooling": "RNN_FC", "rnn_drop_out": 0.5}, "--rnn_drop_out has no effect without a"),
        ({"n_steps": 50, "n_epochs": 3}, "--n_epochs has no effect with --n_steps"),
        ({"n_steps": 50, "least_steps": 3}, "--least_steps has no effect with --n_steps"),
        (
            {"scheduler_type": "oneCycle", "scheduler_unit": "steps"},
            "--scheduler_unit has no effect without --scheduler_type stepLR or multiStepLR",
        ),
        ({"masks": "complement"}, "--masks has no effect without --share_weight"),
        ({"scheduler_warm_up": 0.1}, "--scheduler_warm_up has no effect without --scheduler_type"),
    ],
)
def test_what_changes_nothing_is_said(values, sentence):
    (found,) = find_idle_settings(Settings.from_flags(values), values)
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    "values",
    [
        {"n_loaders": 2, "in_memory": False},
        {"split_seed": 3, "data_set_type": "weakly_labelled_folder"},
        {"n_mels": 40, "log_offset": 1e-3, "normalisation": "scalar"},
        {"decay": 0.9},
        {"pair_gain_range": (-3.0, 3.0), "pair_probability": 0.5},
        {"scheduler_step_size": 5, "scheduler_gamma": 0.1},
        {"masks": "complement", "share_weight": 1.0},
        {"n_steps": 50, "scheduler_unit": "steps", "scheduler_step_size": 5},
        {"n_loaders": 0, "split_percentages": (80.0, 10.0, 10.0)},
    ],
)
def test_what_has_an_effect_is_not_named(values):
    assert find_idle_settings(Settings.from_flags(values), values) == []


def _sections(choice):
    return Settings.from_flags(choice).to_json().values()


def test_the_rules_name_settings_that_exist():
    choices = [{}, {"model_type": "VGGLikeMaskModel", "pooling": "CNN_FC"}, {"pooling": "RNN_FC"}]
    sections = [section for choice in choices for section in _sections(choice)]
    known = {name for section in sections for name in section}
    assert {name for rule in _RULES for name in rule.names} <= known


def test_the_command_says_it_of_flags_and_not_of_a_recipe(mixtures, tmp_path, capsys):
    flags = f"--recipe small --data_folder {mixtures} --n_epochs 1 --device cpu --n_loaders 2"
    flags += f" --presence_channels 4 4 4 --presence_context 4 --save_path {tmp_path}/m.ckpt"
    assert main(["train", *flags.split()]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "no effect" in line]
    assert len(lines) == 1
    assert "--n_loaders has no effect without --in_memory False" in lines[0]
