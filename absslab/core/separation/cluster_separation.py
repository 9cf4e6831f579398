"""Separate the files of a folder on the workers of a cluster, each as `separate_file` does."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from absslab.core.common.cluster import map_on_cluster
from absslab.core.common.cluster_files import SentPaths, SharedFiles
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import run_to_end
from absslab.core.model.kept_checkpoint import load_on_worker
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.separated_folder import separate_file
from absslab.core.separation.separator import AUTO, Separator


@dataclass(frozen=True)
class FileSeparation:
    """How each file is separated.

    Args:
        checkpoint_path: the model.
        output_folder: gets a folder for each file.
        separation: settings for applying masks.
        device: of the model; each worker chooses its own if it is "auto".
        keep: see `separate_file`.
        gains: see `separate_file`.
        detection: settings for finding events.
        sources: see `Separator`.
    """

    checkpoint_path: str
    output_folder: str
    separation: SeparationConfig = SeparationConfig()
    device: str = "auto"
    keep: Sequence[str] = ()
    gains: Mapping[str, float] = field(default_factory=dict)
    detection: DetectionConfig = DetectionConfig()
    sources: str = AUTO


@dataclass(frozen=True)
class _Job:
    index: int
    path: str
    channels: Sequence[int] | None
    how: FileSeparation


def separate_on_cluster(
    how: FileSeparation,
    files: Sequence[Path],
    left_out: LeftOut,
    scheduler: str,
    *,
    channels: Mapping[Path, Sequence[int]] | None = None,
) -> Generator[tuple[Path, bool], None, None]:
    """Separate files on the workers of a scheduler, and go on after those that can't be used.

    Args:
        how: the model, and how files are separated.
        files: what `find_inputs` returned.
        left_out: collects the files that can't be used.
        scheduler: its address.
        channels: of files that are the sum of some of their channels.

    Yields:
        each file when it is done, and whether its folder is written.

    Raises:
        InputError: no file can be used, or one can't and must not be left out; see also
            `map_on_cluster`.
        OSError: the folder can't be written, or a disk is full.
    """
    paths = SentPaths()
    sent = replace(
        how,
        checkpoint_path=paths.send(how.checkpoint_path),
        output_folder=paths.send(how.output_folder),
    )
    jobs = [
        _Job(index, paths.send(path), (channels or {}).get(path), sent)
        for index, path in enumerate(files)
    ]
    shared = SharedFiles(Path(how.output_folder), [[how.checkpoint_path], files])
    with (
        left_out.write_at_end(),
        _in_order(files, left_out) as errors,
        closing(map_on_cluster(_separate, jobs, scheduler, shared, paths=paths)) as outcomes,
    ):
        for index, error in outcomes:
            if error is not None:
                errors[index] = error.change_paths(paths.restore)
                if left_out.on_error == "stop":
                    break
            yield files[index], error is None
    left_out.stop_if_any()
    left_out.stop_if_all()


@contextmanager
def _in_order(files: Sequence[Path], left_out: LeftOut) -> Iterator[dict[int, InputError]]:
    """Give a place for errors by the index of their file, and leave these files out in order."""
    errors: dict[int, InputError] = {}
    try:
        yield errors
    finally:
        for index in sorted(errors):
            left_out.add(files[index], errors[index])


def _separate(job: _Job) -> tuple[int, InputError | None]:
    """Separate a file on a worker; return its index, and why it can't be used."""
    how = job.how
    model = load_on_worker(how.checkpoint_path, how.device).model
    try:
        steps = separate_file(
            Separator(model, how.separation, how.sources),
            job.path,
            how.output_folder,
            keep=how.keep,
            gains=how.gains,
            detection=how.detection,
            channels=job.channels,
        )
        run_to_end(steps)
    except InputError as error:
        return job.index, error
    return job.index, None
