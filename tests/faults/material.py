"""Small recordings, mixtures and runs on which the campaigns try their faults."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.data.synthetic.office_sounds import SAMPLING_RATE, synthesise
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.settings import SeparationSettings, write_settings

CLASSES = ("alert", "knock", "pageturn")
MODEL: dict[str, object] = {  # of a model that trains within a second
    "--model_type": "U_Net",
    "--unet_channels": (4, 4, 4),
    "--fine_channels": "2",
    "--context": "4",
    "--pooling": "linear_softmax",
    "--masks": "competing",
    "--n_mels": "24",
    "--device": "cpu",
    "--precision": "float32",
    "--batch_size": "8",
}


@dataclass(frozen=True)
class Material:
    """The files that the campaigns damage copies of."""

    folder: Path

    @property
    def events(self) -> Path:
        """Isolated recordings."""
        return self.folder / "events"

    @property
    def mixtures(self) -> Path:
        """A folder of mixtures of them."""
        return self.folder / "mixtures"

    @property
    def shards(self) -> Path:
        """Shards of these mixtures."""
        return self.folder / "shards"

    @property
    def checkpoint(self) -> Path:
        """The best model of a training with them."""
        return self.folder / "run.ckpt"


# Two shards hold the mixtures that are for training.
PACKING: dict[str, object] = {"--shard_size": 0.2}


def words(flags: Mapping[str, object]) -> list[str]:
    """Return flags as arguments of a command."""
    arguments: list[str] = []
    for flag, value in flags.items():
        values = value if isinstance(value, tuple) else (value,)
        arguments += [flag, *map(str, values)]
    return arguments


def make_material(folder: Path) -> int:
    """Write all files of the material, and return the exit status."""
    material = Material(folder)
    material.events.mkdir(parents=True)
    for name in CLASSES:
        for take in range(1, 5):
            path = material.events / f"{name}{take:02d}.wav"
            sound_files.save(path, synthesise(name, take), SAMPLING_RATE)
    mix = {
        "--event_folder": material.events,
        "--output_folder": material.mixtures,
        "--n_files": 20,
        "--length": 1,
        "--max_event": 1,
        "--n_workers": 1,
        "--split_percentages": (60, 20, 20),
    }
    train = MODEL | {
        "--data_folder": material.mixtures,
        "--save_path": material.checkpoint,
        "--n_epochs": 1,
        "--test_every": 1,
        "--keep_every": 1,
    }
    evaluate = {
        "--checkpoint_path": material.checkpoint,
        "--output": material.folder / "run" / "scores.json",
        "--device": "cpu",
    }
    few = mix | {
        "--output_folder": material.folder / "few_mixtures",
        "--n_files": 4,
        "--length": 0.5,
        "--split_percentages": (50, 25, 25),
    }
    commands = (
        ("mix", mix),
        ("mix", few),
        ("train", train),
        ("evaluate", evaluate),
        ("pack", PACKING),
    )
    for command, flags in commands:
        folders = [str(material.mixtures), str(material.shards)] if command == "pack" else []
        status = main([command, *folders, *words(flags)])
        if status:
            return status
    gains = {CLASSES[0]: -6.0, "residual": float("-inf")}
    write_settings(
        material.folder / "settings.json",
        SeparationSettings(SeparationConfig(smoothing=0.5), gains),
    )
    return 0
