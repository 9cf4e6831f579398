"""A folder of mixtures on disk: written by any number of processes, gone on with after a cut, read back.

::

    O/manifest.json                   format version, config, seed, classes, recordings with checksums, split
    O/train/ validation/ test/
        000000.wav                    the mixture
        000000/speech.flac …          the sources that sound in it, and background.flac
        weak_labels.csv               filename,alert,clearthroat,…   0/1
        events.tsv                    filename onset offset event_label
        mixtures.jsonl                one MixtureSpec per line

The tables are written last: a split that has them is complete. Sources are FLAC, in which silence takes no space.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.common.files import read_json, remove_unfinished, write_json, write_text
from absslab.core.common.parallel import map_in_processes
from absslab.core.common.progress import Progress, Steps
from absslab.core.common.tables import original_path, read_table, write_table
from absslab.core.data.mixing import MixingConfig, MixtureSpec, render, sample_spec
from absslab.core.data.recordings import (
    Indexing,
    Recording,
    checksum,
    classes_of,
    index_backgrounds,
    split_recordings,
)
from absslab.core.data.splits import SPLITS, check_percentages
from absslab.core.data.strong_labels import write_events

FORMAT, VERSION = "absslab mixtures", 1
_CHUNK = 20  # mixtures that a worker makes before it reports


@dataclass(frozen=True)
class MixtureFolderConfig(Config):
    """What is written, from what, and where."""

    event_folder: str = option(
        "",
        "folder of isolated recordings, one sound each",
        aliases=("DCASE_2013_stereo_data_folder",),
    )
    output_folder: str = option("", "folder to write: new, empty, or one to go on with")
    n_files: int = option(2000, "how many mixtures", at_least=1)
    split_percentages: tuple[float, float, float] = option(
        (80.0, 10.0, 10.0), "train, validation and test", unit="%"
    )
    recordings_csv: str | None = option(
        None, "table with filename, event_label and, if known, origin"
    )
    origin_pattern: str | None = option(
        None, "regular expression that finds the origin in a file name"
    )
    sources: str = option("active", "which sources to save", choices=("none", "active", "all"))
    seed: int = option(0, "of the split and of all that is drawn", at_least=0)
    n_workers: int = option(0, "processes; 0: one per core", at_least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_percentages(self.split_percentages)


@dataclass
class MixturePlan:
    """Which mixtures a folder is going to hold: recordings are split first, then drawn from; there is no sound yet.

    Args:
        config: how many, and of what seed.
        mixing: how mixtures are drawn.
        recordings: those of the event folder.

    Raises:
        InputError: no recordings, or a class or a background folder with too few of them for the split.
    """

    config: MixtureFolderConfig
    mixing: MixingConfig
    recordings: Sequence[Recording]
    split: dict[str, list[Recording]] = field(
        init=False
    )  # those that train, validation and test mixtures are drawn from
    backgrounds: dict[str, list[Recording]] = field(
        init=False
    )  # the same; nothing where they are noise

    def __post_init__(self) -> None:
        self.split = split_recordings(
            self.recordings, percentages=self.config.split_percentages, seed=self.config.seed
        )
        self.backgrounds = _split_backgrounds(self.mixing, self.config)

    @property
    def classes(self) -> list[str]:
        """Of all splits, sorted."""
        return classes_of(self.recordings)

    @property
    def counts(self) -> dict[str, int]:
        """Mixtures per split: rounded down, what is left goes to train."""
        wanted = check_percentages(self.config.split_percentages)
        counts = {split: int(self.config.n_files * part / 100) for split, part in wanted.items()}
        counts["train"] += self.config.n_files - sum(counts.values())
        return {split: count for split, count in counts.items() if count}

    def spec(self, split: str, index: int) -> MixtureSpec:
        """Draw a mixture: the same for the same arguments, whether it is among those that are written or not.

        Raises:
            InputError: the split has no recordings.
        """
        if not self.split[split]:
            raise InputError(
                f"the {split} split has 0 % of the recordings: choose another split or other percentages"
            )
        seed = [self.config.seed, SPLITS.index(split), index]
        return sample_spec(
            np.random.default_rng(seed),
            self.split[split],
            self.mixing,
            filename=f"{index:06d}.wav",
            backgrounds=self.backgrounds[split],
            noise_seed=[*seed, 1],
        )


def write_mixtures(
    config: MixtureFolderConfig, mixing: MixingConfig, recordings: Sequence[Recording] | None = None
) -> Steps[None]:
    """Make a folder of mixtures; what exists is not made again.

    The same seed gives the same bytes, whatever the number of workers and however often the work was cut.

    Args:
        config: from what, where, how many.
        mixing: how mixtures are drawn.
        recordings: those of the event folder, where they are indexed already.

    Yields:
        how many mixtures there are by now.

    Raises:
        InputError: no recordings, a class with too few, a folder that is not ours or was made with other settings.
        OSError: the folder can't be written, the disk is full.
    """
    for name in ("event_folder", "output_folder"):
        if not getattr(config, name):
            raise InputError(f"{name} is missing: say it with --{name}")
    output = Path(config.output_folder)
    if output.resolve().is_relative_to(Path(config.event_folder).resolve()):
        raise InputError(
            f"output_folder {output} lies in the event_folder: its mixtures would count as recordings"
        )
    _refuse_foreign(output)
    plan = MixturePlan(config, mixing, indexing(config).all() if recordings is None else recordings)
    manifest = _manifest(plan)
    _start_or_go_on(output, manifest)
    remove_unfinished(output)
    jobs = [
        (str(output / name), plan.spec(name, index))
        for name, count in plan.counts.items()
        for index in range(count)
    ]
    missing = [
        (folder, spec) for folder, spec in jobs if not (Path(folder) / spec.filename).exists()
    ]
    done = len(jobs) - len(missing)
    yield Progress(done, len(jobs))
    for n_made in _make(missing, manifest["classes"], config):
        done += n_made
        yield Progress(done, len(jobs))
    for name in plan.counts:
        _write_tables(
            output / name,
            [spec for folder, spec in jobs if Path(folder).name == name],
            manifest["classes"],
        )


def indexing(config: MixtureFolderConfig) -> Indexing:
    """What finds the recordings that a folder of mixtures is made from."""
    return Indexing(
        config.event_folder, csv=config.recordings_csv, origin_pattern=config.origin_pattern
    )


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a folder of mixtures.

    Raises:
        InputError: there is none, or it is not ours, or of a newer version.
    """
    manifest = read_json(Path(folder) / "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{folder}/manifest.json was not written by absslab mix")
    if not isinstance(manifest.get("version"), int) or not isinstance(manifest.get("config"), dict):
        raise InputError(f"{folder}/manifest.json is damaged: it lacks its version or settings")
    if manifest["version"] > VERSION:
        raise InputError(
            f"{folder} has format version {manifest['version']}, newer than {VERSION}: update ABSSLab"
        )
    return manifest


def read_specs(folder: str | Path, split: str) -> list[MixtureSpec]:
    """The specs of a split's mixtures, in their order."""
    lines = (Path(folder) / split / "mixtures.jsonl").read_text(encoding="utf-8").splitlines()
    return [MixtureSpec.from_json(json.loads(line)) for line in lines]


def mixture_names(folder: str | Path, split: str) -> list[str]:
    """The files of a split's mixtures, as its table of weak labels names them.

    Raises:
        InputError: there is no such table: no folder of mixtures, not finished, or without this split.
    """
    path = Path(folder) / split / "weak_labels.csv"
    if not path.is_file():
        raise InputError(
            f"{path} does not exist: expected a folder that absslab mix has finished, and one of its splits"
        )
    return [row["filename"] for row in read_table(path, required=("filename",))]


def source_files(mixture: str | Path) -> dict[str, Path]:
    """The saved sources of a mixture by class, and its background under that name; empty where none were saved."""
    folder = Path(mixture).with_suffix("")
    return (
        {path.stem: path for path in sorted(folder.iterdir()) if sound_files.is_audio(path)}
        if folder.is_dir()
        else {}
    )


def _split_backgrounds(
    mixing: MixingConfig, config: MixtureFolderConfig
) -> dict[str, list[Recording]]:
    if mixing.background_folder is None:
        return {split: [] for split in SPLITS}
    found = index_backgrounds(mixing.background_folder, origin_pattern=config.origin_pattern)
    n_origins, n_splits = (
        len({one.origin for one in found}),
        len(check_percentages(config.split_percentages)),
    )
    if n_origins < n_splits:
        raise InputError(
            f"background_folder {mixing.background_folder} has {n_origins} recordings: expected at least {n_splits}, "
            "one for each split"
        )
    return split_recordings(found, percentages=config.split_percentages, seed=config.seed)


def _manifest(plan: MixturePlan) -> dict[str, Any]:
    config, mixing = plan.config, plan.mixing

    def described(recordings: Sequence[Recording], folder: str | None) -> list[dict[str, Any]]:
        return [
            {
                "path": Path(one.path).relative_to(folder or "").as_posix(),
                "event_label": one.event_label,
                "origin": one.origin,
                "duration": one.duration,
                "sha256": checksum(one.path),
            }
            for one in recordings
        ]

    settings = {**mixing.to_json(), **config.to_json()}
    for name in ("output_folder", "n_workers"):
        del settings[name]
    return {
        "format": FORMAT,
        "version": VERSION,
        "config": settings,
        "seed": config.seed,
        "classes": plan.classes,
        "n_mixtures": plan.counts,
        "recordings": {
            name: described(part, config.event_folder) for name, part in plan.split.items()
        },
        "backgrounds": {
            name: described(part, mixing.background_folder)
            for name, part in plan.backgrounds.items()
        },
    }


def _refuse_foreign(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file: expected a folder to write mixtures to")
    held = [path.name for path in output.iterdir()] if output.is_dir() else []
    unfinished = [
        name for name in held if name.startswith(".manifest.json.") and name.endswith(".part")
    ]
    if held != unfinished and "manifest.json" not in held:
        raise InputError(
            f"{output} is not empty and holds no mixtures of ours: choose a new or an empty folder"
        )


def _start_or_go_on(output: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, or see that the one there is the same but for where the recordings lie."""
    if not (output / "manifest.json").exists():
        write_json(output / "manifest.json", manifest)
        return
    old = read_manifest(output)
    places = ("event_folder", "background_folder", "recordings_csv")
    for name, value in manifest["config"].items():
        before = old["config"].get(name)
        if before != value and name not in places:
            raise InputError(
                f"{output} was made with {name} {before}, not {value}: choose another folder or the same {name}"
            )
    for name in ("recordings", "backgrounds"):
        if old[name] != manifest[name]:
            raise InputError(
                f"{output} was made from other {name} than these: choose another folder"
            )


def _make(
    missing: list[tuple[str, MixtureSpec]], classes: list[str], config: MixtureFolderConfig
) -> Iterator[int]:
    """Render and write; yields how many were made since the last time."""
    chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
    yield from map_in_processes(
        partial(_write_chunk, classes=classes, sources=config.sources), chunks, config.n_workers
    )


def _write_chunk(chunk: list[tuple[str, MixtureSpec]], classes: list[str], sources: str) -> int:
    for folder, spec in chunk:
        _write_mixture(Path(folder), spec, classes, sources)
    return len(chunk)


def _write_mixture(folder: Path, spec: MixtureSpec, classes: list[str], sources: str) -> None:
    """The sources first and the mixture last: a mixture that is there has its sources."""
    rendered = render(spec)
    parts = {} if sources == "none" else {**rendered.sources, "background": rendered.background}
    if sources == "all":
        parts = {name: np.zeros_like(rendered.mixture) for name in classes} | parts
    for name, samples in parts.items():
        sound_files.save(
            folder / Path(spec.filename).stem / f"{name}.flac", _int16(samples), spec.sampling_rate
        )
    sound_files.save(folder / spec.filename, _int16(rendered.mixture), spec.sampling_rate)


def _int16(samples: np.ndarray) -> np.ndarray:
    return (samples * 32768).astype(np.int16)  # exact: the samples lie on the 16-bit grid


def _write_tables(folder: Path, specs: list[MixtureSpec], classes: list[str]) -> None:
    write_text(
        folder / "mixtures.jsonl", "".join(json.dumps(spec.to_json()) + "\n" for spec in specs)
    )
    events = [
        (spec.filename, one.onset, one.offset, one.event_label)
        for spec in specs
        for one in spec.events
    ]
    write_events(folder / "events.tsv", events)
    table = folder / "weak_labels.csv"
    if table.exists() and original_path(table).exists():  # a person corrected it
        return
    labels = [
        {"filename": spec.filename} | {name: int(name in spec.labels) for name in classes}
        for spec in specs
    ]
    write_table(table, ["filename", *classes], labels)
