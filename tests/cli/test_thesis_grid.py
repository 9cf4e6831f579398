"""The grid of the thesis' results: each of its trainings is translated, built, trained, saved."""

import pytest

from absslab.cli.main import main
from absslab.cli.sweep import make_runs
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.runs.sweep import SweepConfig
from absslab.core.runs.sweep_grid import find_grid, read_grid

GRID = read_grid(find_grid("thesis"), ())
NAMES = [run.name for run in GRID.runs]
MAPPINGS = ("GMP", "GAP", "GWRP", "FC", "FC-sort", "CNN", "CNN_2_layer", "CNN_3_layer", "RNN")
MASKS = ("sigmoid", "softmax", "softmax_L1_0_3")


def test_its_names_are_those_of_the_thesis():
    assert NAMES[:27] == [f"{mapping}-{masks}" for mapping in MAPPINGS for masks in MASKS]
    assert NAMES[27:] == [
        "GWRP_L1_0_3",
        "GWRP_pcen-sigmoid",
        "GWRP_pcen-softmax",
        *(f"GWRP_{n_blocks}_blocks" for n_blocks in range(2, 7)),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_training_is_translated_built_trained_and_saved(name, few_mixtures, tmp_path):
    config = SweepConfig(output_folder=str(tmp_path), only=(name,))
    small = {"data_folder": [str(few_mixtures)], "n_epochs": ["1"], "batch_size": ["6"]}
    (run,) = make_runs(GRID, config, small)
    assert run.settings.training.learning_rate == 1e-3
    has_penalty = name.endswith(("L1_0_3", "blocks")) or "pcen" in name
    assert run.settings.training.l1_weight == (0.3 if has_penalty else 0)
    assert ("pcen" in run.settings.features.feature_type) == ("pcen" in name)
    assert main(["train", *run.arguments, "--device", "cpu", "--choose_thresholds", "none"]) == 0
    model = load_checkpoint(tmp_path / f"{name}-seed0.ckpt").model
    assert model.masks == ("softmax" if "softmax" in name or "blocks" in name else "independent")
    n_blocks = int(name[5]) if name.endswith("_blocks") else 3
    assert [block.convolution.kernel_size for block in model.mask_net.blocks] == [(5, 5)] * n_blocks
    channels = [block.convolution.out_channels for block in model.mask_net.blocks]
    assert channels == [64] * (n_blocks - 1) + [4]
