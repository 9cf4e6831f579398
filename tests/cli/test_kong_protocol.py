"""The commands of the protocols of Kong et al., on the built-in recordings."""

import pytest

from absslab.cli.main import main
from absslab.core.common.notices import collect_notices
from absslab.core.model.checkpoint import load_checkpoint, read_checkpoint

N_CLASSES = 4  # of the built-in recordings that tests use
PROTOCOLS = {  # flags of mix, and weights: those of the network, and those of each class
    "Kong_2017": ("--length 4 --n_events 1 --sampling_rate 16000", 259_648, 64 + 1),
    "Kong_2018": (
        "--length 2 --n_events 3 --onsets 0.1 0.6 1.1 --longest_event 0.4 --sampling_rate 32000",
        587_593 - 41 * (128 + 1),  # published for 41 classes
        128 + 1,
    ),
}


@pytest.mark.parametrize("recipe", PROTOCOLS)
def test_a_recipe_of_kong_trains_on_mixtures_of_a_fold(recipe, event_folder, tmp_path):
    of_mixtures, n_weights, n_weights_of_class = PROTOCOLS[recipe]
    mixtures = tmp_path / "fold2"
    flags = f"--event_folder {event_folder} --output_folder {mixtures} --n_files 16 --event_snr 0"
    flags += f" {of_mixtures} --n_folds 4 --holdout_fold 2 --n_workers 1"
    model_path = tmp_path / "model.ckpt"
    training = f"--recipe {recipe} --data_folder {mixtures} --save_path {model_path} --device cpu"
    with collect_notices() as notices:
        assert main(["mix", *flags.split()]) == 0
        assert main(["train", *training.split(), "--n_steps", "2", "--batch_size", "4"]) == 0
    assert not [notice for notice in notices if "has no effect" in str(notice)]
    last = read_checkpoint(tmp_path / "model" / "last.ckpt")
    assert last["resume"]["schedule"]["n_steps_done"] == 2
    model = load_checkpoint(model_path).model
    assert len(model.classes) == N_CLASSES
    found = sum(weights.numel() for weights in model.parameters())
    assert found == n_weights + N_CLASSES * n_weights_of_class
