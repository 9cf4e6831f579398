"""Score recordings in several processes of this machine, or on the workers of a cluster.

Each scores a few recordings, and what they count is added. The scores are those of one process:
rows stand in the order of the recordings, and counts are whole numbers, whose sum does not depend
on who counted them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import psutil
import torch

from absslab.core.common.cluster import ClusterConfig, map_jobs
from absslab.core.common.cluster_files import SentPaths, SharedFiles
from absslab.core.common.config import option
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.parallel import can_share_work
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.audio_data_set import AudioDataSet
from absslab.core.data.shards.sequential_recordings import SequentialRecordings
from absslab.core.data.true_sources import SourceFile
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.external_estimates import EstimatesEvaluation
from absslab.core.evaluation.ideal_masks import IdealMasks
from absslab.core.evaluation.model_evaluation import Evaluation
from absslab.core.evaluation.reference_recordings import ReferenceRecording
from absslab.core.evaluation.scorer import Scorer, check_backend
from absslab.core.evaluation.scores import EvaluationResult
from absslab.core.model.kept_checkpoint import load_on_worker, load_once
from absslab.core.model.separation_model import SeparationModel

_CHUNK = 4  # recordings that a worker of a cluster scores before it reports
_FEWEST = 16  # recordings of a process: it takes about as long to begin as to score six
_PROCESS_MEMORY = 0.75e9  # bytes, without sources
_BYTES_PER_SAMPLE = 24  # of each source, with what is computed from it
_COUNTS = ("n_by_activity", "n_silent_estimates", "n_silent_mixtures", "n_shorter_than_filter")


@dataclass(frozen=True)
class PlaceConfig(ClusterConfig):
    """Where recordings are scored."""

    n_workers: int = option(
        0,
        "number of processes of this machine that score; 0: as many as PyTorch has threads, if the "
        f"model computes on a CPU, with {_FEWEST} recordings each at least",
        at_least=0,
    )


class _Scored(NamedTuple):
    """What a worker made of some recordings."""

    number: int  # of the job
    scorer: Scorer
    errors: dict[int, InputError]  # by index in the job: recordings that can't be used
    fitted: dict[str, list[Path]]  # of external estimates


@dataclass(frozen=True)
class _Job:
    """Some recordings, as an evaluation without its model, which each worker loads itself."""

    number: int
    checkpoint_path: str
    device: str
    evaluation: Evaluation
    n_threads: int | None  # of a process of this machine; None: of a cluster
    thresholds: Sequence[float] = ()

    @contextmanager
    def open(self) -> Iterator[Evaluation]:
        """Give the evaluation with the model, and these threads, for the block."""
        load = load_on_worker if self.n_threads is None else load_once
        model = load(self.checkpoint_path, self.device).model
        separator = replace(self.evaluation.separator, model=model)  # with its other settings
        with _use_threads(self.n_threads):
            yield replace(self.evaluation, separator=separator)


@contextmanager
def _use_threads(n: int | None) -> Iterator[None]:
    """Let PyTorch compute with so many threads in the block; None: as many as before."""
    if n is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_n_workers(evaluation: Evaluation | EstimatesEvaluation) -> int:
    """Return in how many processes of this machine recordings are scored soonest.

    They have a thread or more each, and share half of the memory that is free.
    """
    n_numbers = 0  # samples of the sources of the longest recording
    if isinstance(evaluation, EstimatesEvaluation):
        n_recordings = len(evaluation.references.recordings)
    elif evaluation.device.type != "cpu" or not isinstance(evaluation.data_set, AudioDataSet):
        return 1
    else:
        n_recordings = len(evaluation.data_set)
        n_numbers = len(evaluation.classes) * max(evaluation.data_set.lengths, default=0)
    needed = _PROCESS_MEMORY + _BYTES_PER_SAMPLE * n_numbers
    n_by_memory = int(psutil.virtual_memory().available / 2 / needed)
    return max(1, min(torch.get_num_threads(), n_recordings // _FEWEST, n_by_memory))


def run_evaluation(
    evaluation: Evaluation | EstimatesEvaluation,
    config: EvaluationConfig,
    place: PlaceConfig = PlaceConfig(),
) -> Steps[EvaluationResult]:
    """Score recordings where it is asked for, or soonest.

    Args:
        evaluation: the recordings.
        config: the model, if there is one, and its device.
        place: where they are scored.

    Yields:
        how many recordings are done.

    Returns:
        the scores, and their table.

    Raises:
        InputError: see `Evaluation.run`, `EstimatesEvaluation.run` and `map_on_cluster`.
        WorkError: see `map_jobs`.
    """
    n_workers = place.n_workers or choose_n_workers(evaluation)
    if not place.scheduler and (n_workers == 1 or not can_share_work()):
        return evaluation.run()
    place = replace(place, n_workers=n_workers)
    if isinstance(evaluation, EstimatesEvaluation):
        return _score_estimates_in_parts(evaluation, place)
    device = config.device if place.scheduler else str(evaluation.device)
    return _evaluate_in_parts(evaluation, config.checkpoint_path, device, place)


def _evaluate_in_parts(
    evaluation: Evaluation, checkpoint_path: str, device: str, place: PlaceConfig
) -> Steps[EvaluationResult]:
    """Choose thresholds and score recordings on the workers of a scheduler, or in processes.

    Args:
        evaluation: the recordings.
        checkpoint_path: its model.
        device: of the model; each worker of a cluster chooses its own if it is "auto".
        place: where they are scored.

    Yields:
        how many recordings of both sets are done.

    Returns:
        the scores, and their table, as `Evaluation.run` returns them.
    """
    evaluation.check()
    data_set = evaluation.data_set
    validation = evaluation.validation
    if not isinstance(data_set, AudioDataSet) or isinstance(validation, SequentialRecordings):
        raise InputError(
            "recordings in shards are read one after the other, by one process: leave scheduler "
            "and n_workers out, or score the folder that was packed"
        )
    n_validation = len(validation) if validation else 0
    total = n_validation + len(data_set)
    left_out = evaluation.left_out
    read: list[list[str]] = [[checkpoint_path], [item.path for item in data_set.recordings]]
    if validation:
        read.append([item.path for item in validation.recordings])
    shared = SharedFiles(read=read)
    paths = SentPaths()
    sent = replace(
        evaluation,
        separator=replace(evaluation.separator, model=cast(SeparationModel, None)),
        left_out=LeftOut("evaluate", on_error=left_out.on_error),
        table_folder=Path(paths.send(evaluation.table_folder)),
        validation=None,
    )
    model = (paths.send(checkpoint_path), device)
    map_parts = partial(
        map_jobs,
        n_workers=place.n_workers,
        scheduler=place.scheduler,
        shared=shared,
        paths=paths,
    )

    def stop_if_any() -> None:
        evaluation.stop_if_any(0)

    tags: dict[int, np.ndarray] = {}
    if validation:
        parts = _divide(n_validation, place)
        n_threads = _divide_threads(place, len(parts))
        empty = data_set.select([])
        jobs = [
            _Job(
                n,
                *model,
                replace(sent, data_set=empty, validation=_pick(validation, part, paths)),
                n_threads,
            )
            for n, part in enumerate(parts)
        ]
        n_done = 0
        errors: dict[int, InputError] = {}
        with closing(map_parts(_tag, jobs)) as outcomes:
            for number, found, failed in outcomes:
                part = parts[number]
                tags |= {part[index]: values for index, values in found.items()}
                errors |= _find_places(failed, part, paths)
                if failed and left_out.on_error == "stop":
                    break
                n_done += len(part)
                yield Progress(n_done, total)
        _leave_out(left_out, errors, evaluation.validation_path, stop_if_any)
    thresholds = evaluation.choose_thresholds(tags)
    parts = _divide(len(evaluation.data_set), place)
    n_threads = _divide_threads(place, len(parts))
    jobs = [
        _Job(
            n, *model, _pick_scored(sent, evaluation, data_set, part, paths), n_threads, thresholds
        )
        for n, part in enumerate(parts)
    ]
    scorer = evaluation.make_scorer(thresholds)
    scored = map_parts(_score, jobs)
    errors = yield from _add_in_order(scorer, scored, parts, left_out, n_validation, total, paths)
    _leave_out(left_out, errors, evaluation.data_set.path, stop_if_any)
    used = [index for index in range(len(evaluation.data_set)) if index not in errors]
    scorer.paths = [evaluation.data_set.recording(index).path for index in used]
    return evaluation.summarise(
        scorer, has_chosen=bool(tags), n_workers=_count_local_processes(place)
    )


def _score_estimates_in_parts(
    evaluation: EstimatesEvaluation, place: PlaceConfig
) -> Steps[EvaluationResult]:
    """Score sounds that another program has separated; see `_evaluate_in_parts`."""
    check_backend(evaluation.scoring)
    recordings = evaluation.references.recordings
    names = list(recordings)
    evaluation.stop_if_any(names)
    paths = SentPaths()
    estimates = paths.send(evaluation.config.estimates)
    sent = replace(
        evaluation,
        config=replace(evaluation.config, estimates=estimates),
        left_out=LeftOut("evaluate", on_error=evaluation.left_out.on_error),
        fitted={},
    )
    parts = _divide(len(names), place)
    jobs = [
        _EstimatesJob(
            number,
            _pick_references(sent, [names[index] for index in part], paths),
            _divide_threads(place, len(parts)),
        )
        for number, part in enumerate(parts)
    ]
    files = [part.path for recording in recordings.values() for part in recording.parts]
    tables = [Path(estimates, name, "events.tsv") for name in names]
    scorer = evaluation.make_scorer()
    scored = map_jobs(
        _score_estimates,
        jobs,
        n_workers=place.n_workers,
        scheduler=place.scheduler,
        shared=SharedFiles(read=[files, tables]),
        paths=paths,
    )
    left_out = evaluation.left_out
    fitted = evaluation.fitted
    errors = yield from _add_in_order(scorer, scored, parts, left_out, 0, len(names), paths, fitted)

    def path_of(index: int) -> Path:
        return recordings[names[index]].file

    _leave_out(left_out, errors, path_of, lambda: evaluation.stop_if_any(names))
    used = [index for index in range(len(names)) if index not in errors]
    scorer.paths = [str(path_of(index)) for index in used]
    return evaluation.summarise(scorer, n_workers=_count_local_processes(place))


def _count_local_processes(place: PlaceConfig) -> int:
    """Return the number of processes of this machine: one, if a scheduler has the work."""
    return 1 if place.scheduler else place.n_workers


def _divide_threads(place: PlaceConfig, n_jobs: int) -> int | None:
    """Return how many threads a process of this machine has; None: a scheduler has the work."""
    if place.scheduler:
        return None
    return max(1, torch.get_num_threads() // max(1, min(place.n_workers, n_jobs)))


def _divide(n: int, place: PlaceConfig) -> list[range]:
    """Divide recordings into jobs: of one each for processes, for whose jobs Ctrl-C waits."""
    size = _CHUNK if place.scheduler else 1
    return [range(start, min(start + size, n)) for start in range(0, n, size)]


def _pick(data_set: AudioDataSet, part: Sequence[int], paths: SentPaths) -> AudioDataSet:
    """Return some recordings, without what no worker needs."""
    picked = data_set.select(part).change_paths(paths.send)
    return replace(picked, event_reader=None, events=None)


def _pick_scored(
    sent: Evaluation,
    evaluation: Evaluation,
    data_set: AudioDataSet,
    part: Sequence[int],
    paths: SentPaths,
) -> Evaluation:
    events = sent.events
    if events is not None:
        names = [evaluation.name(index) for index in part]
        events = {name: events[name] for name in names if name in events}
    return replace(sent, data_set=_pick(data_set, part, paths), events=events)


def _pick_references(
    evaluation: EstimatesEvaluation, names: Sequence[str], paths: SentPaths
) -> EstimatesEvaluation:
    """Return the evaluation of some mixtures, with absolute paths."""
    references = evaluation.references
    own = {name: references.recordings[name] for name in names}
    events = evaluation.events
    if events is not None:
        events = {
            paths.send(recording.file): events[str(recording.file)] for recording in own.values()
        }
    references = replace(
        references,
        recordings={name: _change_paths(recording, paths) for name, recording in own.items()},
        folder=Path(paths.send(references.folder)),
        event_reader=None,
    )
    return replace(evaluation, references=references, events=events)


def _change_paths(recording: ReferenceRecording, paths: SentPaths) -> ReferenceRecording:
    def change(source: SourceFile) -> SourceFile:
        return source._replace(path=Path(paths.send(source.path)))

    return replace(
        recording,
        file=Path(paths.send(recording.file)),
        parts=[change(part) for part in recording.parts],
        sources={name: change(source) for name, source in recording.sources.items()},
    )


def _add_in_order(
    scorer: Scorer,
    scored: Iterator[_Scored],
    parts: Sequence[Sequence[int]],
    left_out: LeftOut,
    n_before: int,
    total: int,
    paths: SentPaths,
    fitted: dict[str, list[Path]] | None = None,
) -> Steps[dict[int, InputError]]:
    """Add what workers have scored in the order of the recordings.

    Args:
        scorer: gets all scores.
        scored: comes in any order.
        parts: indices of the recordings of each job.
        left_out: says whether an error ends the work.
        n_before: number of recordings of another set that are done.
        total: number of recordings of all sets.
        paths: has made paths absolute.
        fitted: gets the files that were made to fit.

    Yields:
        how many recordings are done.

    Returns:
        errors of recordings that can't be used, by index.
    """
    waiting: dict[int, _Scored] = {}
    errors: dict[int, InputError] = {}
    n_added = 0
    n_done = n_before
    with closing(scored):  # type: ignore[type-var]
        for outcome in scored:
            part = parts[outcome.number]
            waiting[outcome.number] = outcome
            errors |= _find_places(outcome.errors, part, paths)
            if outcome.errors and left_out.on_error == "stop":
                break
            while n_added in waiting:
                next_one = waiting.pop(n_added)
                merge_scores(scorer, next_one.scorer)
                for action, files in next_one.fitted.items():
                    if fitted is not None:
                        given = [Path(paths.restore(str(file))) for file in files]
                        fitted.setdefault(action, []).extend(given)
                n_added += 1
            n_done += len(part)
            yield Progress(n_done, total)
    return errors


def _find_places(
    errors: Mapping[int, InputError], part: Sequence[int], paths: SentPaths
) -> dict[int, InputError]:
    """Return the errors of a job by the indices of all recordings, with the caller's paths."""
    return {part[index]: error.change_paths(paths.restore) for index, error in errors.items()}


def merge_scores(scorer: Scorer, other: Scorer) -> None:
    """Add the scores of other recordings to those of a scorer, as if it had scored them.

    Args:
        scorer: gets the scores.
        other: has scored recordings that come after its own.
    """
    n_before = len(scorer.names)
    n_new = len(other.names)
    empty = np.full(len(scorer.classes), np.nan)
    for name in {**scorer.columns, **other.columns}:
        column = scorer.columns.setdefault(name, [empty] * n_before)
        column += other.columns.get(name, [empty] * n_new)
    scorer.names += other.names
    scorer.paths += other.paths
    scorer.detection.merge(other.detection)
    scorer.other_detection.merge(other.other_detection)
    scorer.bins.counts += other.bins.counts
    for name in _COUNTS:
        setattr(scorer, name, getattr(scorer, name) + getattr(other, name))
    for name, number in other.n_scored.items():
        scorer.n_scored[name] += number
    if other.n_labelled:
        is_first = not scorer.n_labelled
        scorer.unlabelled = (
            set(other.unlabelled) if is_first else scorer.unlabelled & other.unlabelled
        )
        scorer.n_labelled += other.n_labelled


def _leave_out(
    left_out: LeftOut,
    errors: Mapping[int, InputError],
    path_of: Callable[[int], Path],
    stop_if_any: Callable[[], None],
) -> None:
    """Leave recordings out in their order, or end the work."""
    for index in sorted(errors):
        left_out.add(path_of(index), errors[index])
    stop_if_any()


def _tag(job: _Job) -> tuple[int, dict[int, np.ndarray], dict[int, InputError]]:
    """Tag recordings for choosing thresholds, on a worker."""
    tags: dict[int, np.ndarray] = {}
    errors: dict[int, InputError] = {}
    with job.open() as evaluation:
        assert evaluation.validation is not None
        for index in range(len(evaluation.validation)):
            try:
                tags[index] = evaluation.tag(index)
            except InputError as error:
                errors[index] = error
    return job.number, tags, errors


def _score(job: _Job) -> _Scored:
    """Score recordings on a worker."""
    errors: dict[int, InputError] = {}
    with job.open() as evaluation:
        scorer = evaluation.make_scorer(job.thresholds)
        for index in range(len(evaluation.data_set)):
            try:
                evaluation.score(index, scorer)
            except InputError as error:
                errors[index] = error
    return _Scored(job.number, _without_model(scorer), errors, {})


class _EstimatesJob(NamedTuple):
    """Some mixtures whose sources another program has separated."""

    number: int
    evaluation: EstimatesEvaluation
    n_threads: int | None  # see `_Job`


def _score_estimates(job: _EstimatesJob) -> _Scored:
    """Score sounds that another program has separated, on a worker."""
    evaluation = job.evaluation
    scorer = evaluation.make_scorer()
    errors: dict[int, InputError] = {}
    with _use_threads(job.n_threads):
        for index, name in enumerate(evaluation.references.recordings):
            try:
                evaluation.score(name, scorer)
            except InputError as error:
                errors[index] = error
    return _Scored(job.number, _without_model(scorer), errors, evaluation.fitted)


def _without_model(scorer: Scorer) -> Scorer:
    """Return a scorer that can be sent: ideal masks have a front end, which is not needed."""
    scorer.ideal_masks = cast(IdealMasks, None)
    return scorer
