"""Read a folder of mixtures, which has this layout.

::

    output_folder/manifest.json       format version, config, seed, classes, recordings, split
    output_folder/train/ validation/ test/
        000000.wav                    the mixture
        000000/speech.flac …          the sources that sound in it, and background.flac
        weak_labels.csv               filename,alert,clearthroat,…   0/1
        events.tsv                    filename onset offset event_label
        mixtures.jsonl                one MixtureSpec per line

The tables are written last: a split that has them is complete. Sources are FLAC, in which silence
takes almost no space.
"""

import json
from pathlib import Path
from typing import Any

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.files import check_version, read_json
from absslab.core.common.tables import read_table
from absslab.core.data.mixing import MixtureSpec

FORMAT = "absslab mixtures"
VERSION = 1


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Read the manifest of a folder of mixtures.

    Raises:
        InputError: it is missing, was not written by ABSSLab, or has a newer version.
    """
    path = Path(folder) / "manifest.json"
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError("{path} was not written by absslab mix", path=path)
    check_version(manifest, path, newest=VERSION)
    if not isinstance(manifest.get("config"), dict):
        raise InputError("{path} is damaged: it lacks its settings", path=path)
    return manifest


def read_specs(folder: str | Path, split: str) -> list[MixtureSpec]:
    """Read the specifications of the mixtures of a split, in order."""
    lines = (Path(folder) / split / "mixtures.jsonl").read_text(encoding="utf-8").splitlines()
    return [MixtureSpec.from_json(json.loads(line)) for line in lines]


def mixture_names(folder: str | Path, split: str) -> list[str]:
    """List the files of a split's mixtures, as its table of weak labels names them.

    Raises:
        InputError: there is no such table: not a folder of mixtures, not finished, or without
            this split.
    """
    path = Path(folder) / split / "weak_labels.csv"
    if not path.is_file():
        raise InputError(
            "{path} does not exist: expected a folder that absslab mix has finished, "
            "and one of its splits",
            path=path,
        )
    return [row["filename"] for row in read_table(path, required=("filename",))]


def source_files(mixture: str | Path) -> dict[str, Path]:
    """Find the saved sources of a mixture by class, and its background as "background".

    Returns:
        the files; empty if no sources were saved.
    """
    folder = Path(mixture).with_suffix("")
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if sound_files.is_audio(path)}
