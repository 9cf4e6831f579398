"""The training commands of the thesis' two READMEs, as docs/thesis.md shows them, train here."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from absslab.cli.main import main
from absslab.core.model.checkpoint import load_checkpoint

PAGE = Path(__file__).parents[3] / "docs" / "thesis.md"
COMMANDS = re.findall(r"^python -m absslab (--mode train .*?)^```", PAGE.read_text(), re.M | re.S)

NETWORKS = {  # flag of a spelling → network, and number of its weights
    # 5 × 5 filters with biases, batch norm in all three blocks, 4 classes
    "--mask_model_type": (
        "VGGLikeMaskModel",
        1_664 + 102_464 + (64 * 25 + 1) * 4 + 2 * 132,
    ),
    "--model_type": ("VGG_like_CNN", None),
}


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


@pytest.fixture(scope="module", params=["--mask_model_type", "--model_type"])
def training(request, few_mixtures, tmp_path_factory) -> tuple[str, list[str], Path]:
    """A flag of a spelling, a shortened command with it, and the folder in which it trained."""
    folder = tmp_path_factory.mktemp("thesis")
    command = shorten(find_command(f"{request.param} "), few_mixtures, folder / "model.ckpt")
    assert main(command) == 0
    return request.param, command, folder


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "model" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_readme_command_of_the_thesis_trains(training):
    flag, _, folder = training
    checkpoint = load_checkpoint(folder / "model.ckpt")
    network, n_weights = NETWORKS[flag]
    assert checkpoint.configs.model.model_type == network
    if n_weights is not None:
        weights = checkpoint.model.mask_net.parameters()
        assert sum(weight.numel() for weight in weights) == n_weights
    losses = [epoch["losses"]["total"] for epoch in read_epochs(folder)]
    assert len(losses) == 2
    assert losses[1] < losses[0]


def test_the_manual_shows_a_command_of_each_spelling():
    assert len(COMMANDS) == 2


def test_the_same_command_with_its_last_checkpoint_goes_on(training, tmp_path, capsys):
    flag, command, folder = training
    command = [argument.replace(str(folder), str(tmp_path)) for argument in command]
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    command[command.index("--n_epochs") + 1] = "3"
    again = [*command, "--checkpoint_path", str(tmp_path / "model" / "last.ckpt")]
    assert main(again) == 0
    assert [epoch["epoch"] for epoch in read_epochs(tmp_path)] == [1, 2, 3]
    capsys.readouterr()
    again[again.index("--learning_rate") + 1] = "0.5"
    exit_status = main(again)
    said = capsys.readouterr().err
    if flag == "--model_type":
        assert exit_status == 2
        assert "learning_rate can't change from 0.0001 when a run is resumed" in said
    else:  # all flags that are fixed have no effect, which a line says
        assert exit_status == 0
        assert "learning_rate" in said
