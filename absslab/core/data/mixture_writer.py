"""Write a folder of mixtures with any number of processes; continue one that was interrupted."""

import itertools
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.cluster import check_scheduler, map_jobs
from absslab.core.common.cluster_files import SentPaths, SharedFiles
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.files import (
    check_output_folder,
    checksum,
    read_json,
    remove_unfinished,
    write_json,
    write_text,
)
from absslab.core.common.left_out import FILE_NAME, LeftOut
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps, name_stage
from absslab.core.common.tables import original_path, write_table
from absslab.core.data.changed_sounds import ChangedSounds, count_changes, silence_notice
from absslab.core.data.class_names import BACKGROUND_STEM, file_stem
from absslab.core.data.mixing import (
    MixingConfig,
    MixtureSpec,
    change_paths,
    check_memory,
    leave_out_events,
)
from absslab.core.data.mixture_folder import Manifest, MixedRecording, read_manifest
from absslab.core.data.mixture_plan import (
    MixtureFolderConfig,
    MixturePlan,
    event_steps,
    planning_steps,
)
from absslab.core.data.mixture_rendering import render
from absslab.core.data.recordings import IndexedFolder, Recording
from absslab.core.data.splits import SPLITS
from absslab.core.data.strong_labels import write_events

_SILENT_EVENTS = ".silent_events.json"  # end of the name of a list of a mixture's events
_CHUNK = 20  # number of mixtures that a worker makes before it reports
_SETTINGS_OF_PLACE = ("event_folder", "background_folder", "recordings_csv")  # may change


@dataclass(frozen=True)
class WrittenMixtures:
    """The folder that `write_mixtures` wrote, or found complete.

    Args:
        folder: folder of the mixtures.
        counts: number of mixtures of each split that has any.
        left_out: the recordings that could not be used.
    """

    folder: Path
    counts: dict[str, int]
    left_out: LeftOut = field(default_factory=lambda: LeftOut("mix"), compare=False)


def write_mixtures(
    config: MixtureFolderConfig,
    mixing: MixingConfig,
    indexed: IndexedFolder | None = None,
    *,
    scheduler: str = "",
) -> Steps[WrittenMixtures]:
    """Write a folder of mixtures; mixtures that exist are kept.

    The same seed and the same recordings give the same bytes, for any number of workers and of
    interruptions. Recordings that can't be used end the work before anything is written, or are
    left out and named in left_out.csv and in the manifest.

    Args:
        config: folders, number of mixtures and seed.
        mixing: settings for drawing mixtures.
        indexed: the event folder, if it has already been indexed.
        scheduler: address of a dask scheduler whose workers render the mixtures; empty: processes
            of this machine do.

    Yields:
        how many recordings are read, how many checksums are computed, and then how many mixtures
        exist by now; the stages before the last have names.

    Returns:
        the folder, and how many mixtures it holds.

    Raises:
        InputError: there are no recordings, a class has too few, or the folder does not hold
            mixtures or was made with other settings; see also `map_on_cluster`.
        OSError: the folder can't be written, or the disk is full.
    """
    for name in ("event_folder", "output_folder"):
        if not getattr(config, name):
            raise InputError(f"{name} is missing: pass --{name}")
    output = Path(config.output_folder)
    if output.resolve().is_relative_to(Path(config.event_folder).resolve()):
        raise InputError(
            "output_folder {path} lies in the event_folder: its mixtures would count as recordings",
            path=output,
        )
    _check_output_folder(output)
    check_memory(mixing)
    check_scheduler(scheduler, n_workers=config.n_workers)
    if indexed is None:
        indexing = event_steps(config, collect_left_out(config))
        indexed = yield from name_stage(indexing, "reading recordings")
    left_out = indexed.left_out
    planning = planning_steps(config, mixing, indexed.recordings, left_out)
    plan = yield from name_stage(planning, "reading backgrounds")
    specs = {
        split: [plan.spec(split, index) for index in range(count)]
        for split, count in plan.counts.items()
    }
    changes = count_changes(plan, specs)
    describing = _describe_plan(plan, left_out, changes)
    manifest = yield from name_stage(describing, "checksums of recordings")
    with _nothing_left(output):
        written = yield from _write_planned(
            output, plan, specs, manifest, indexed, left_out, scheduler
        )
    plan.give_notice_of_empty_splits()
    changes.give_notices(output, plan)
    return written


def _write_planned(
    output: Path,
    plan: MixturePlan,
    specs: dict[str, list[MixtureSpec]],
    manifest: Manifest,
    indexed: IndexedFolder,
    left_out: LeftOut,
    scheduler: str,
) -> Steps[WrittenMixtures]:
    """Write the manifest, the mixtures that do not exist yet, and the tables."""
    _write_or_compare_manifest(output, manifest)
    left_out.write()
    if indexed.lost_classes:
        lost = escape_braces(", ".join(indexed.lost_classes))
        give_notice(
            InputWarning(f"the mixtures of {{path}} lack {lost}: no file can be used", path=output)
        )
    remove_unfinished(output)
    jobs = [(output / split, spec) for split in specs for spec in specs[split]]
    missing = [(folder, spec) for folder, spec in jobs if not (folder / spec.filename).exists()]
    n_done = len(jobs) - len(missing)
    yield Progress(n_done, len(jobs))
    write_chunk = partial(_write_chunk, classes=plan.classes, sources=plan.config.sources)
    chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
    paths = SentPaths()
    if scheduler:  # whose workers have other working folders
        chunks = [
            [(Path(paths.send(folder)), change_paths(spec, paths.send)) for folder, spec in chunk]
            for chunk in chunks
        ]
    kinds = [itertools.chain(*part.values()) for part in (plan.split, plan.backgrounds)]
    finished = map_jobs(
        write_chunk,
        chunks,
        n_workers=plan.config.n_workers,
        scheduler=scheduler,
        shared=SharedFiles(output, [[recording.path for recording in kind] for kind in kinds]),
        paths=paths,
    )
    made: dict[tuple[str, str], Sequence[int]] = {}
    for silent_events in finished:
        made |= silent_events
        yield Progress(n_done + len(made), len(jobs))
    silent: Counter[str] = Counter()  # events of each recording
    for split in specs:
        audible_specs = _leave_out_silent_events(output / split, specs[split], made, silent)
        _write_tables(output / split, audible_specs, plan.classes)
    if silent:
        give_notice(silence_notice(output, silent, plan.mixing))
    return WrittenMixtures(output, plan.counts, left_out)


@contextmanager
def _nothing_left(output: Path) -> Iterator[None]:
    """Remove what an error leaves in a folder without mixtures that had no manifest before."""
    existed = output.exists()
    had_manifest = (output / "manifest.json").exists()
    try:
        yield
    except Exception:
        if not had_manifest and not any(output.glob("*/*.wav")):
            for split in SPLITS:
                shutil.rmtree(output / split, ignore_errors=True)
            (output / "manifest.json").unlink(missing_ok=True)
            (output / FILE_NAME).unlink(missing_ok=True)
            if not existed and output.exists() and not any(output.iterdir()):
                output.rmdir()
        raise


def collect_left_out(config: MixtureFolderConfig) -> LeftOut:
    """Return what collects the recordings that `write_mixtures` can't use."""
    return LeftOut("mix", on_error=config.on_error, folder=config.output_folder)


def _check_output_folder(output: Path) -> None:
    """Check that a folder is new, empty, or one of mixtures."""
    check_output_folder(output)
    names = [path.name for path in output.iterdir()] if output.is_dir() else []
    foreign = [
        name
        for name in names
        if name != FILE_NAME
        and not (name.startswith(".manifest.json.") and name.endswith(".part"))  # unfinished
    ]
    if foreign and "manifest.json" not in foreign:
        raise InputError(
            "{path} is not empty and holds no mixtures of ABSSLab: choose a new or an empty folder",
            path=output,
        )


def _describe_plan(plan: MixturePlan, left_out: LeftOut, changes: ChangedSounds) -> Steps[Manifest]:
    """Return the manifest of a plan, and yield how many files have been read."""
    config = plan.config
    settings = {**plan.mixing.to_json(), **config.to_json()}
    for name in ("output_folder", "n_workers", "on_error"):
        del settings[name]
    event_folder = config.event_folder
    background_folder = plan.mixing.background_folder or ""
    n_recordings = sum(map(len, plan.split.values()))
    n_backgrounds = sum(map(len, plan.backgrounds.values()))
    total = n_recordings + n_backgrounds
    recordings = yield from _describe_splits(plan.split, event_folder, 0, total)
    backgrounds = yield from _describe_splits(
        plan.backgrounds, background_folder, n_recordings, total
    )
    return Manifest(
        config=settings,
        seed=config.seed,
        classes=plan.classes,
        n_mixtures=plan.counts,
        recordings=recordings,
        backgrounds=backgrounds,
        left_out={
            _path_within(item.file, (event_folder, background_folder)): item.error.with_names()
            for item in left_out.files
        },
        cut_events=_count_by_name(changes.cut, event_folder),
        repeated_events=_count_by_name(changes.repeated, event_folder),
        repeated_backgrounds=_count_by_name(changes.repeated_backgrounds, background_folder),
    )


def _count_by_name(counts: Counter[str], folder: str) -> dict[str, int]:
    """Return counts of recordings by their paths in a folder."""
    return {_path_within(path, (folder,)): counts[path] for path in sorted(counts)}


def _path_within(file: str, folders: Sequence[str]) -> str:
    """Return the path of a file from the one of the folders that holds it, with slashes."""
    path = Path(file)
    for folder in folders:
        if folder and path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return path.as_posix()


def _describe_splits(
    splits: dict[str, list[Recording]], folder: str, n_done: int, total: int
) -> Steps[dict[str, list[MixedRecording]]]:
    """Describe the recordings of each split.

    Args:
        splits: the recordings.
        folder: the folder that they are in.
        n_done: number of files whose checksums were computed before.
        total: number of files whose checksums are computed in all.
    """
    described: dict[str, list[MixedRecording]] = {split: [] for split in splits}
    for split, recordings in splits.items():
        for recording in recordings:
            yield Progress(n_done, total)
            described[split].append(_describe_recording(recording, folder))
            n_done += 1
    return described


def _describe_recording(recording: Recording, folder: str) -> MixedRecording:
    return MixedRecording(
        path=Path(recording.path).relative_to(folder).as_posix(),
        event_label=recording.event_label,
        origin=recording.origin,
        duration=recording.duration,
        sha256=checksum(recording.path),
    )


def _write_or_compare_manifest(output: Path, manifest: Manifest) -> None:
    """Write the manifest, or check that the existing one differs only in where recordings lie."""
    if not (output / "manifest.json").exists():
        write_json(output / "manifest.json", manifest.to_json())
        return
    existing = read_manifest(output)
    # What an earlier version did not write down, it did as by default.
    defaults = {**MixingConfig().to_json(), **MixtureFolderConfig().to_json()}
    for name, value in manifest.config.items():
        before = existing.config.get(name, defaults[name])
        if before != value and name not in _SETTINGS_OF_PLACE:
            raise InputError(
                f"{{path}} was made with {name} {escape_braces(before)}, "
                f"not {escape_braces(value)}: "
                f"choose another folder or the same {name}",
                path=output,
            )
    parts = {
        "recordings": (existing.recordings, manifest.recordings),
        "backgrounds": (existing.backgrounds, manifest.backgrounds),
    }
    for name, (before, now) in parts.items():
        if before != now:
            n_left_out = len(existing.left_out)
            then = f" ({n_left_out} were left out then)" if n_left_out else ""
            raise InputError(
                f"{{path}} was made from other {name} than these{then}: choose another folder",
                path=output,
            )


def _write_chunk(
    chunk: list[tuple[Path, MixtureSpec]], classes: list[str], sources: str
) -> dict[tuple[str, str], Sequence[int]]:
    """Render and write some mixtures; return the silent events of each by split and file name."""
    return {
        (folder.name, spec.filename): _write_mixture(folder, spec, classes, sources)
        for folder, spec in chunk
    }


def _write_mixture(
    folder: Path, spec: MixtureSpec, classes: list[str], sources: str
) -> Sequence[int]:
    """Write a mixture, and return the indices of its events that can't be heard.

    Its sources are written first: each existing mixture then has its sources.
    """
    rendered = render(spec)
    if rendered.silent_events:
        write_json(folder / f"{Path(spec.filename).stem}{_SILENT_EVENTS}", rendered.silent_events)
    parts: dict[str, np.ndarray] = {}
    if sources == "all":
        parts = {file_stem(name): np.zeros_like(rendered.mixture) for name in classes}
    if sources != "none":
        parts |= {file_stem(name): samples for name, samples in rendered.sources.items()}
        parts[BACKGROUND_STEM] = rendered.background
    stem = Path(spec.filename).stem
    for part, samples in parts.items():
        path = folder / stem / f"{part}.flac"
        sound_files.save(path, _to_16_bit(samples), spec.sampling_rate)
    sound_files.save(folder / spec.filename, _to_16_bit(rendered.mixture), spec.sampling_rate)
    return rendered.silent_events


def _to_16_bit(samples: np.ndarray) -> np.ndarray:
    return (samples * 32768).astype(np.int16)  # exact, since the samples are rounded to 16 bit


def _leave_out_silent_events(
    folder: Path,
    specs: list[MixtureSpec],
    made: Mapping[tuple[str, str], Sequence[int]],
    silent: Counter[str],
) -> list[MixtureSpec]:
    """Return mixtures without the events that can't be heard in them.

    Args:
        folder: of the split.
        specs: the mixtures as they were drawn.
        made: what `_write_chunk` returned of those that were just made: a shared disk may list
            their files later. The files of the others say it.
        silent: counts the events that are left out, by the path of their recording.
    """
    lists = {path.name: path for path in folder.glob(f"*{_SILENT_EVENTS}")}
    audible_specs = []
    for spec in specs:
        indices = made.get((folder.name, spec.filename))
        if indices is None:
            path = lists.get(f"{Path(spec.filename).stem}{_SILENT_EVENTS}")
            indices = read_json(path) if path else ()
        if indices:
            silent.update(spec.events[index].recording for index in indices)
            spec = leave_out_events(spec, indices)
        audible_specs.append(spec)
    return audible_specs


def _write_tables(folder: Path, specs: list[MixtureSpec], classes: list[str]) -> None:
    lines = [json.dumps(spec.to_json()) + "\n" for spec in specs]
    write_text(folder / "mixtures.jsonl", "".join(lines))
    events = []
    for spec in specs:
        for event in spec.events:
            events.append((spec.filename, event.onset, event.offset, event.event_label))
    write_events(folder / "events.tsv", events)
    table = folder / "weak_labels.csv"
    if table.exists() and original_path(table).exists():
        return  # it holds corrections by the user
    rows = []
    for spec in specs:
        labels = {name: int(name in spec.labels) for name in classes}
        rows.append({"filename": spec.filename} | labels)
    write_table(table, ["filename", *classes], rows)
