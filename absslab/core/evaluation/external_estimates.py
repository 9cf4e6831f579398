"""Score separated sounds of any system against the true sources.

::

    references/a.wav                  the mixture; if missing, the sum of the sounds in a/
               a/speech.flac …        the sources that sound in it, and background.flac
               weak_labels.csv        optional: its columns are the classes
               events.tsv             optional: if it exists, detection is scored too
    estimates/a/speech.wav …          an estimate of every class, as absslab separate writes them
              a/events.tsv            optional: the events that were detected in the mixture

What does not fit is refused, and `--fit_estimates True` makes it fit instead: estimates of another
rate are resampled to that of the references; shorter ones end in silence and longer ones are cut at
the end; an estimate that is missing is silence, and a missing events.tsv says that nothing was
detected. How often this was done is said. Estimates of several channels are always averaged.

The references have the layout of a split that `absslab mix` wrote, or are TUT Rare 2017;
the estimates have the layout that `absslab separate` writes.

Axes: K classes, N samples.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError, InputWarning, escape_braces, join_errors
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.mixture_folder import source_files
from absslab.core.data.strong_labels import SoundEvent, open_events, read_events
from absslab.core.data.true_sources import SourceFile
from absslab.core.evaluation.ideal_masks import IdealMasks
from absslab.core.evaluation.reference_recordings import (
    ReferenceRecordings,
    find_references,
    list_folders,
)
from absslab.core.evaluation.score_summary import summarise_scores
from absslab.core.evaluation.scorer import (
    Estimate,
    Scorer,
    ScoringConfig,
    Truth,
    check_backend,
    is_audible,
)
from absslab.core.evaluation.scores import EvaluationResult
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd

_HOW_TO_FIT = "pass --fit_estimates True to score it nevertheless"
NOT_CLASSES = ("residual", "remix")  # names of files that are no class


@dataclass(frozen=True)
class EstimatesConfig(Config):
    """Separated sounds to score instead of a checkpoint."""

    estimates: str = option(
        "",
        "folder with a folder of separated sources per mixture, as absslab separate writes",
        metavar="FOLDER",
    )
    references: str = option(
        "",
        "folder of mixtures with their sources, as a split that absslab mix wrote; or the data "
        "folder of TUT_rare_2017, whose test split is scored",
        metavar="FOLDER",
    )
    fit_estimates: bool = option(
        False,
        "whether estimates that do not fit their references are scored nevertheless: those of "
        "another rate are resampled, short ones end in silence, long ones are cut, missing ones "
        "are silence",
    )


@dataclass(frozen=True)
class EstimatesEvaluation:
    """Separated sounds and their true sources, as `open_estimates` returns them.

    Args:
        config: the two folders.
        scoring: settings of the scores.
        references: the mixtures with their true sources.
        classes: the classes; every mixture has an estimate of each.
        events: strong labels by path of the mixture; None if there are none.
        has_detections: whether the estimates come with detected events.
        sampling_rate: Hz.
        left_out: mixtures that can't be scored.
        fitted: files that were made to fit, by what was done to them.
    """

    config: EstimatesConfig
    scoring: ScoringConfig
    references: ReferenceRecordings
    classes: list[str]
    events: dict[str, list[SoundEvent]] | None
    has_detections: bool
    sampling_rate: int
    left_out: LeftOut
    fitted: dict[str, list[Path]] = field(default_factory=dict)

    def run(self) -> Steps[EvaluationResult]:
        """Score every mixture, one at a time.

        Yields:
            how many mixtures are done.

        Returns:
            the scores, and their table.

        Raises:
            InputError: `mir_eval` is to compute BSS Eval, but is not installed; mixtures can't be
                scored and must not be left out, or none can be scored.
        """
        check_backend(self.scoring)
        scorer = self.make_scorer()
        recordings = self.references.recordings
        names = list(recordings)
        self.stop_if_any(names)
        for done, name in enumerate(names, start=1):
            with self.left_out.file(recordings[name].file):
                self.score(name, scorer)
            self.stop_if_any(names[done:])
            yield Progress(done, len(names))
        return self.summarise(scorer)

    @property
    def _features(self) -> FeatureConfig:
        """The spectra of ideal masks."""
        return FeatureConfig(sampling_rate=self.sampling_rate)

    def make_scorer(self) -> Scorer:
        """Return a scorer that has scored nothing yet."""
        return Scorer(
            self.classes,
            self.scoring,
            thresholds=[0.5] * len(self.classes),
            ideal_masks=IdealMasks(FrontEnd(self._features), criterion=self.scoring.criterion),
        )

    def score(self, name: str, scorer: Scorer) -> None:
        """Score a mixture.

        Raises:
            InputError: it can't be scored.
        """
        scorer.add(*self._load(name))

    def summarise(self, scorer: Scorer, *, n_workers: int = 1) -> EvaluationResult:
        """Return the scores of all mixtures, and their table.

        Args:
            scorer: has scored them.
            n_workers: largest number of processes.

        Raises:
            InputError: none can be scored.
            WorkError: one of several processes was ended from outside.
        """
        if not scorer.names:
            raise self.left_out.to_error()
        self._give_notices()
        scores = summarise_scores(
            scorer,
            split=None,
            missing=self._explain_missing(),
            thresholds_from="",
            settings={
                "estimates": self.config.to_json(),
                "scoring": self.scoring.to_json(),
                "features": self._features.to_json(),
            },
            left_out=self.left_out.reasons(self.references.folder),
            n_workers=n_workers,
        )
        return EvaluationResult(scores, scorer.table())

    def stop_if_any(self, later: list[str]) -> None:
        """End the work if a mixture can't be scored and must not be left out.

        Args:
            later: the mixtures that are not scored yet, which are only read: the error names all
                that can't be scored.
        """
        self.left_out.check_rest_and_stop(
            (self.references.recordings[name].file, partial(self._load, name)) for name in later
        )

    def _give_notices(self) -> None:
        """Say what was done to estimates, and to how many."""
        for action, files in self.fitted.items():
            estimates = "1 estimate was" if len(files) == 1 else f"{len(files)} estimates were"
            example = "" if len(files) == 1 else ", such as"
            give_notice(InputWarning(f"{estimates} {action}{example}: {{path}}", path=files[0]))

    def _explain_missing(self) -> dict[str, str]:
        missing = {
            "tagging": "sounds come without probabilities",
            "segmentation": "sounds come without masks",
        }
        if self.events is None:
            missing["detection"] = f"there is no {self.references.folder / 'events.tsv'}"
        elif not self.has_detections:
            missing["detection"] = f"there is no events.tsv in the folders of {self._estimates}"
        return missing

    @property
    def _estimates(self) -> Path:
        return Path(self.config.estimates)

    def _load(self, name: str) -> tuple[Truth, Estimate]:
        recording = self.references.recordings[name]
        sounds = {label: self._read_part(source) for label, source in recording.sources.items()}
        parts = [self._read_part(part) for part in recording.parts]
        lengths = {len(samples) for samples in parts}
        if len(lengths) > 1:
            raise InputError(
                f"{recording.file.with_suffix('')}: sources have {_list_some(lengths)} samples: "
                "expected the same"
            )
        mixture = np.sum(parts, axis=0)
        row = recording.labels
        truth = Truth(
            self.references.name(recording),
            str(recording.file),
            mixture,
            self.sampling_rate,
            labels=None if row is None else frozenset(row.labels),
            unlabelled=frozenset() if row is None else frozenset(row.unknown),
            events=None if self.events is None else self.events[str(recording.file)],
            references={
                label: samples
                for label, samples in sounds.items()
                if label in self.classes and is_audible(samples)
            },
            is_source=recording.is_source,
        )
        sources = np.stack(self._read_estimates(name, len(mixture), recording.file))  # (K, N)
        return truth, Estimate(events=self._read_detected(name, truth), sources=sources)

    def _read_estimates(self, name: str, n_samples: int, mixture: Path) -> list[np.ndarray]:
        """Read the estimate of each class, all as long as the mixture."""
        files = _find_estimates(self._estimates, name)
        estimates = []
        for label in self.classes:
            path = files.get(label)
            if path is None:  # refused before, unless it is to be silence
                self._count_fitted("missing, scored as silence", self._estimates / name / label)
                estimates.append(np.zeros(n_samples, np.float32))
                continue
            samples = self._read_estimate(path)
            if len(samples) != n_samples and not self.config.fit_estimates:
                raise InputError(
                    f"{{path}} has {len(samples)} samples, {{mixture}} has {n_samples}: "
                    f"expected the same length; {_HOW_TO_FIT}",
                    path=path,
                    mixture=mixture,
                )
            if len(samples) < n_samples:
                self._count_fitted("shorter than the mixture: silence added at the end", path)
            if len(samples) > n_samples:
                self._count_fitted("longer than the mixture: cut at the end", path)
            fitted = np.zeros(n_samples, np.float32)
            n_kept = min(n_samples, len(samples))
            fitted[:n_kept] = samples[:n_kept]
            estimates.append(fitted)
        return estimates

    def _read_estimate(self, path: Path) -> np.ndarray:
        info = sound_files.info(path)
        if info.n_channels > 1:
            self._count_fitted(f"averaged from {info.n_channels} channels", path)
        if info.sampling_rate == self.sampling_rate or not self.config.fit_estimates:
            return self._read_samples(path, f"; {_HOW_TO_FIT}")
        self._count_fitted(f"resampled from {info.sampling_rate} Hz", path)
        return sound_files.load(path, self.sampling_rate)

    def _count_fitted(self, action: str, path: Path) -> None:
        self.fitted.setdefault(action, []).append(path)

    def _read_detected(self, name: str, truth: Truth) -> list[SoundEvent] | None:
        """Read the events that were detected in a mixture."""
        if truth.events is None or not self.has_detections:
            return None
        path = self._estimates / name / "events.tsv"
        if not path.is_file():  # refused before, unless nothing is to be detected
            self._count_fitted("without events.tsv: nothing was detected", path)
            return []
        filenames = {row.cells["filename"] for row in open_events(path).rows}
        for filename in filenames:
            if Path(filename).stem != name:
                raise InputError(
                    f"{{path}} has events of {escape_braces(filename)}: "
                    f"expected the events of {escape_braces(truth.name)} alone",
                    path=path,
                )
        durations = dict.fromkeys(filenames, len(truth.mixture) / self.sampling_rate)
        events_by_file = read_events(path, classes=self.classes, durations=durations)
        return [event for events in events_by_file.values() for event in events]

    def _read_part(self, part: SourceFile) -> np.ndarray:
        """Read a recording, or a source of it, at its own rate."""
        self._check_rate(part.path)
        return part.load(self.sampling_rate)

    def _read_samples(self, path: Path, hint: str = "") -> np.ndarray:
        self._check_rate(path, hint)
        return sound_files.load(path, self.sampling_rate)

    def _check_rate(self, path: Path, hint: str = "") -> None:
        info = sound_files.info(path)
        if info.sampling_rate != self.sampling_rate:
            raise InputError(
                f"{{path}} has {info.sampling_rate} Hz: expected {self.sampling_rate} Hz, "
                f"as the first reference{hint}",
                path=path,
            )


def open_estimates(
    config: EstimatesConfig,
    scoring: ScoringConfig = ScoringConfig(),
    left_out: LeftOut | None = None,
    *,
    audio_folder: str | None = None,
    yaml_file: str | None = None,
) -> EstimatesEvaluation:
    """Check that folders of separated sounds and of references belong together, and open them.

    Args:
        config: the two folders.
        scoring: settings of the scores.
        left_out: collects mixtures that can't be scored.
        audio_folder: where the sounds of the references are; see `find_references`.
        yaml_file: where their list is.

    Raises:
        InputError: a folder is missing or empty, a mixture or class exists in only one of them,
            or strong labels do not fit the mixtures.
    """
    for flag in ("references", "estimates"):
        folder = getattr(config, flag)
        if not folder:
            raise InputError(f"{flag} is missing: pass --{flag}")
        if not Path(folder).is_dir():
            raise InputError(f"{flag}: {{folder}} is not a directory", folder=folder)
    estimates = Path(config.estimates)
    references = find_references(
        Path(config.references), audio_folder=audio_folder, yaml_file=yaml_file
    )
    names = list(references.recordings)
    estimated = list_folders(estimates)
    if config.fit_estimates and not set(names).isdisjoint(estimated):
        estimated = [*estimated, *names]
    _check_same(names, estimated, "mixture", config.references, str(estimates), _HOW_TO_FIT)
    if left_out is None:
        left_out = LeftOut("evaluate", on_error=scoring.on_error)
    left_out.n_files = len(names)
    readable = []
    for name, recording in references.recordings.items():
        with left_out.file(recording.file):
            sound_files.info(recording.any_file)
            readable.append(name)
    if not readable:
        raise left_out.to_error()
    references = references.only(readable)
    try:
        classes = _find_classes(config, references)
        first = references.recordings[readable[0]].any_file
        return EstimatesEvaluation(
            config,
            scoring,
            references=references,
            classes=classes,
            events=references.read_events(classes),
            has_detections=_has_detections(estimates, readable, may_lack=config.fit_estimates),
            sampling_rate=sound_files.info(first).sampling_rate,
            left_out=left_out,
        )
    except InputError as error:
        if left_out and left_out.on_error == "stop":  # all faults are told at once
            raise join_errors([left_out.to_error(), error]) from None
        raise


def _find_classes(config: EstimatesConfig, references: ReferenceRecordings) -> list[str]:
    """Find the classes of the references; every mixture must have an estimate of each.

    Args:
        config: the two folders, and whether estimates may be missing.
        references: the mixtures.
    """
    sounding: set[str] = set()
    for recording in references.recordings.values():
        sounding |= set(recording.sources) - set(NOT_CLASSES)
    classes = list(references.classes) or sorted(sounding)
    _check_same(
        classes,
        sorted(sounding | set(classes)),
        "class",
        references.place_of_classes,
        config.references,
    )
    for name in references.recordings:
        estimated = sorted(set(_find_estimates(Path(config.estimates), name)) - set(NOT_CLASSES))
        if config.fit_estimates:
            estimated = [*estimated, *classes]
        place = str(Path(config.estimates) / name)
        _check_same(classes, estimated, "class", config.references, place, _HOW_TO_FIT)
    return classes


def _has_detections(estimates: Path, names: list[str], *, may_lack: bool) -> bool:
    """Tell whether events were detected: in all mixtures, or in none.

    If some mixtures could be left out, leaving out difficult ones would improve the scores.

    Args:
        estimates: folder of the estimates.
        names: of the mixtures.
        may_lack: whether a missing table says that nothing was detected.
    """
    has_events = [(estimates / name / "events.tsv").is_file() for name in names]
    if may_lack:
        return any(has_events)
    if any(has_events) and not all(has_events):
        lacking = estimates / names[has_events.index(False)]
        raise InputError(
            f"{lacking} has no events.tsv, but others have one: expected it in each, or in none"
        )
    return all(has_events)


def _find_estimates(folder: Path, name: str) -> dict[str, Path]:
    return source_files(folder / f"{name}.wav")


def _check_same(
    expected: Iterable[str],
    given: Iterable[str],
    kind: str,
    expected_in: str,
    given_in: str,
    hint: str = "",
) -> None:
    """Check that two folders have the same mixtures or classes."""
    missing = sorted(set(expected) - set(given))
    foreign = sorted(set(given) - set(expected))
    if missing:
        raise InputError(
            f"{given_in} lacks the {kind} {_list_some(missing)}, which {expected_in} has: "
            "expected the same on both sides" + (f"; {hint}" if hint else "")
        )
    if foreign:
        raise InputError(
            f"{given_in} has the {kind} {_list_some(foreign)}, which {expected_in} lacks: "
            "expected the same on both sides"
        )


def _list_some(items: Iterable[str] | Iterable[int]) -> str:
    """List the first three items, and say how many more there are."""
    ordered = sorted(items)
    listed = ", ".join(map(str, ordered[:3]))
    return f"{listed} and {len(ordered) - 3} more" if len(ordered) > 3 else listed
