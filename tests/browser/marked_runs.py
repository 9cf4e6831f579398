"""Runs and mixtures whose names hold markup, for tests that it stays text."""

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from absslab.core.data.class_names import file_stem

SCRIPT = "window.markupHasRun=1"
MARKS = (
    f"<img src=x onerror={SCRIPT}>",
    f"</script><script>{SCRIPT}</script>",
    f"\"'><svg onload={SCRIPT}>",
    "{{7*7}}${7*7}<b>&lt;i&gt;",
)


def mark_mixtures(mixtures: Path, target: Path, classes: Mapping[str, str]) -> Path:
    """Copy a folder of mixtures, with other names of classes and files.

    Args:
        mixtures: the folder.
        target: the new folder.
        classes: the new name of each class.
    """
    for split in ("train", "validation", "test"):
        _mark_split(mixtures / split, target / split, classes)
    manifest = _rename(json.loads((mixtures / "manifest.json").read_text()), classes)
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def _mark_split(split: Path, target: Path, classes: Mapping[str, str]) -> None:
    target.mkdir(parents=True)
    names = dict(classes)
    for number, path in enumerate(sorted(split.glob("*.wav"))):
        mark = MARKS[number % len(MARKS)].replace("/", "_")
        stem = f"{mark}{number}" if number else mark
        names[path.name] = f"{stem}.wav"
        shutil.copy(path, target / f"{stem}.wav")
        (target / stem).mkdir()
        for sound in path.with_suffix("").iterdir():
            name = file_stem(classes.get(sound.stem, sound.stem))
            shutil.copy(sound, target / stem / f"{name}{sound.suffix}")
    for table, delimiter in (("weak_labels.csv", ","), ("events.tsv", "\t")):
        with open(split / table, newline="") as file:
            rows = list(csv.reader(file, delimiter=delimiter))
        with open(target / table, "w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(_rename(rows, names))
    lines = (split / "mixtures.jsonl").read_text().splitlines()
    marked = [json.dumps(_rename(json.loads(line), names)) for line in lines]
    (target / "mixtures.jsonl").write_text("\n".join(marked) + "\n")


def mark_run(checkpoint: Path, target: Path, classes: Mapping[str, str]) -> Path:
    """Copy a run with other names of classes, and settings that hold markup.

    Args:
        checkpoint: its model.
        target: the new run directory.
        classes: the new name of each class.
    """
    shutil.copytree(checkpoint.with_suffix(""), target)
    content = torch.load(checkpoint, weights_only=True)
    content["classes"] = [classes[name] for name in content["classes"]]
    torch.save(content, f"{target}.ckpt")
    config = json.loads((target / "config.json").read_text())
    config["training"]["optimizer"] = f"{target.name} {MARKS[1]}"  # other than that of other runs
    (target / "config.json").write_text(json.dumps(config))
    status = json.loads((target / "status.json").read_text())
    (target / "status.json").write_text(json.dumps(status | {"device": MARKS[0]}))
    return target


def _rename(content: Any, names: Mapping[str, str]) -> Any:
    """Replace names within JSON, as keys and as values."""
    if isinstance(content, dict):
        return {names.get(key, key): _rename(value, names) for key, value in content.items()}
    if isinstance(content, list):
        return [_rename(item, names) for item in content]
    return names.get(content, content) if isinstance(content, str) else content
