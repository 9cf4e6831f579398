"""The training commands of the thesis' two READMEs, as docs/thesis.md shows them, train here."""

import json
import re
import shlex
from pathlib import Path

import pytest

from absslab.cli.main import main
from absslab.core.model.checkpoint import load_checkpoint

PAGE = Path(__file__).parents[3] / "docs" / "thesis.md"
COMMANDS = re.findall(r"^python -m absslab (--mode train .*?)^```", PAGE.read_text(), re.M | re.S)


def find_command(flag: str) -> list[str]:
    [command] = [command for command in COMMANDS if flag in command]
    return shlex.split(command.replace("\\\n", " "))


def shorten(command: list[str], data_folder: Path, save_path: Path) -> list[str]:
    """Return a command with a small folder, few epochs and evaluations at the end of each."""
    command = list(command)
    small = {"data_folder": data_folder, "save_path": save_path, "n_epochs": 2, "test_every": 1}
    for name, value in small.items():
        command[command.index(f"--{name}") + 1] = str(value)
    return [*command, "--device", "cpu", "--seed", "0"]


@pytest.mark.parametrize(
    ("flag", "network", "n_weights"),
    [
        # 5 × 5 filters with biases, batch norm in all three blocks, 4 classes
        ("--mask_model_type", "VGGLikeMaskModel", 1_664 + 102_464 + (64 * 25 + 1) * 4 + 2 * 132),
        ("--model_type", "VGG_like_CNN", None),
    ],
)
def test_a_readme_command_of_the_thesis_trains(flag, network, n_weights, mixtures, tmp_path):
    command = shorten(find_command(f"{flag} "), mixtures, tmp_path / "model.ckpt")
    assert main(command) == 0
    checkpoint = load_checkpoint(tmp_path / "model.ckpt")
    assert checkpoint.configs.model.model_type == network
    if n_weights is not None:
        weights = checkpoint.model.mask_net.parameters()
        assert sum(weight.numel() for weight in weights) == n_weights
    lines = (tmp_path / "model" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["losses"]["total"] for line in lines]
    assert len(losses) == 2
    assert losses[1] < losses[0]


def test_the_manual_shows_a_command_of_each_spelling():
    assert len(COMMANDS) == 2
