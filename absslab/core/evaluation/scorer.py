"""Score the output of a system, one recording after the other.

Labels, events and sources are matched by class name. Only counts and one row per mixture and class
are kept, so that memory hardly grows with the number of mixtures.
Axes: K classes, J classes that are present, M bands, T frames, N samples.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import on_error_option
from absslab.core.common.memory import release_memory
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.evaluation.detection_scorer import DetectionScorer, Tolerances
from absslab.core.evaluation.ideal_masks import IdealMasks, binary_mask
from absslab.core.evaluation.score_table import (
    ACTIVITY,
    BASELINES,
    EXTENT,
    HAS_BACKGROUND,
    MIXTURE,
    TRUTHS,
)
from absslab.core.metrics import class_aware
from absslab.core.metrics.bss_eval import BACKENDS, FILTER_LENGTH, bss_eval, import_mir_eval
from absslab.core.metrics.ranking import BinnedCounts
from absslab.core.metrics.separation import leakage, plain_sdr, si_sdr
from absslab.core.separation.true_events import SoundingEvents, find_sounding_events

_RELEASE_EVERY = 50  # recordings; releasing memory more often costs time
_COUNTED = (  # attributes of a scorer that a recording changes, beside those by its name
    "bins",
    "n_by_activity",
    "n_scored",
    "n_silent_estimates",
    "n_silent_mixtures",
    "unlabelled",
)
_RATIOS = {"si_sdr": si_sdr, "plain_sdr": plain_sdr}
_CLASS_AWARE = {
    "ca_sdr_improvement": class_aware.class_aware_improvement,
    "casa_sdr_improvement": class_aware.class_and_source_aware_improvement,
}
_SOFTEST_BACKGROUND = -60.0  # dB below the mixture; less may be due to rounding in files
_LIMIT = 120.0  # dB: BSS Eval scores are clipped to ± this


@dataclass(frozen=True)
class ScoringConfig(Config):
    """Settings of the scores."""

    frame_length: float = option(
        0.02,
        "length of a frame in frame-based scores; use the same for all systems",
        unit="s",
        above=0,
    )
    segment_length: float = option(
        1.0, "length of a segment in segment-based scores", unit="s", above=0
    )
    collar: float = option(
        0.2, "largest difference of matching onsets in event-based scores", unit="s", at_least=0
    )
    share_of_length: float = option(
        0.5,
        "largest difference of matching offsets, as a fraction of the event's length; a "
        "difference up to the collar is always allowed",
        at_least=0,
        at_most=1,
    )
    truth: str = option(
        ACTIVITY,
        "true events: the parts of each labelled event in which its source sounds (activity), if "
        "the sources are known, or all of it (extent); scores against the other truth are "
        "detection_extent, or detection_activity",
        choices=TRUTHS,
    )
    true_onset_level: float = option(
        25.0,
        "truth by activity: a part has a frame at most this much below the loudest of its event",
        unit="dB",
        at_least=0,
    )
    true_offset_level: float = option(
        40.0,
        "truth by activity: a part lasts as long as its frames are at most this much below the "
        "loudest of its event",
        unit="dB",
        at_least=0,
    )
    true_close_gaps: float = option(
        0.3, "truth by activity: longest pause within a part", unit="s", at_least=0
    )
    true_shortest_event: float = option(
        0.1,
        "truth by activity: length of the shortest part; the longest of an event is always kept",
        unit="s",
        at_least=0,
    )
    criterion: float = option(
        0.0,
        "ideal binary masks are 1 where a class is louder than the rest by more than this",
        unit="dB",
    )
    frame_threshold: float | None = option(
        None,
        "a class counts as found in the frames of a model's activity of at least this, whatever "
        "its events are; by default in the frames of its events",
        at_least=0,
        at_most=1,
    )
    segmentation_threshold: float = option(
        0.5,
        "a bin counts as found for a class where its mask is at least this, in F1 of masks",
        at_least=0,
        at_most=1,
    )
    bss_eval: str = option("torch", "implementation of SDR, SIR, SAR", choices=(*BACKENDS, "none"))
    n_resamples: int = option(
        1000, "number of resamples of the mixtures for 95 % intervals; 0: no intervals", at_least=0
    )
    resampling_seed: int = option(0, "random seed for resampling", at_least=0)
    on_error: str = on_error_option("stop")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.true_onset_level > self.true_offset_level:
            raise InputError(
                f"true_onset_level is {self.true_onset_level:g}: expected at most "
                f"true_offset_level, {self.true_offset_level:g}"
            )


def check_backend(config: ScoringConfig) -> None:
    """Check that what computes BSS Eval is installed, before anything is scored.

    Raises:
        InputError: `mir_eval` is to compute it, but is not installed.
    """
    if config.bss_eval == "mir_eval":
        import_mir_eval()


def is_audible(samples: np.ndarray) -> bool:
    """Tell whether a source is audible: it is neither silent nor constant."""
    return bool(np.ptp(samples) > 0)


@dataclass(frozen=True)
class OwnSounds:
    """The sounds of a recording at its own rate, with all its channels."""

    mixture: np.ndarray  # (C, N)
    references: Mapping[str, np.ndarray]  # (C, N) by name of the present classes
    sampling_rate: int


@dataclass(frozen=True)
class Truth:
    """A recording, and its labels, events and sources where they are known."""

    name: str
    path: str
    mixture: np.ndarray  # (N,)
    sampling_rate: int
    labels: frozenset[str] | None = None  # the classes that are present
    events: Sequence[SoundEvent] | None = None
    references: Mapping[str, np.ndarray] | None = None  # (N,) by name of the present classes
    unlabelled: frozenset[str] = frozenset()  # the classes that labels and events can't tell
    # Separated sources are scored against these, if there are any: each source is one vector, its
    # channels one after the other.
    own_sounds: OwnSounds | None = None
    is_source: bool = False  # whether it is one true source alone: then nothing is to be separated

    def separated_sounds(self) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
        """Return the mixture and the references that sources are scored against: (N,) each."""
        if self.own_sounds is None:
            return self.mixture, self.references or {}
        references = self.own_sounds.references
        flat = {name: samples.reshape(-1) for name, samples in references.items()}
        return self.own_sounds.mixture.reshape(-1), flat


@dataclass(frozen=True)
class Estimate:
    """The output of a system for a recording; fields that it does not have are None."""

    probabilities: np.ndarray | None = None  # (K,)
    masks: np.ndarray | None = None  # (K, M, T)
    activity: np.ndarray | None = None  # (K, T)
    ungated_activity: np.ndarray | None = None  # (K, T), also of classes that are not tagged
    hop: float = 0.0  # s, from one frame to the next
    events: Sequence[SoundEvent] | None = None
    sources: np.ndarray | None = None  # (K, N)
    # What the model says of its own outputs, (K,) by the name of a column.
    self_check: Mapping[str, np.ndarray] = field(default_factory=dict)
    # Other estimates of the present classes, in the order of the references, (J, N) each: only
    # their SI-SDR and plain SDR are computed.
    variants: Mapping[str, np.ndarray] = field(default_factory=dict)


class Scorer:
    """Scores estimates recording by recording, and collects the results.

    Args:
        classes: K names, the order of an estimate's rows.
        config: settings of the scores.
        thresholds: a class is tagged from this probability on; one per class.
        ideal_masks: computes the estimates of the baselines.
        device: where BSS Eval is computed.
    """

    def __init__(
        self,
        classes: Sequence[str],
        config: ScoringConfig,
        *,
        thresholds: Sequence[float],
        ideal_masks: IdealMasks,
        device: str = "cpu",
    ):
        self.classes = list(classes)
        self.config = config
        self.thresholds = np.asarray(thresholds)
        self.ideal_masks = ideal_masks
        self.device = device
        self.columns: dict[str, list[np.ndarray]] = {}  # (K,) per mixture
        self.names: list[str] = []
        self.paths: list[str] = []
        tolerances = Tolerances(
            config.frame_length, config.segment_length, config.collar, config.share_of_length
        )
        threshold = config.frame_threshold
        self.detection = DetectionScorer(classes, tolerances, frame_threshold=threshold)
        # Against the truth that `config.truth` does not name.
        self.other_detection = DetectionScorer(classes, tolerances, frame_threshold=threshold)
        self.n_by_activity = 0  # recordings in `detection` whose truth is activity
        self.bins = BinnedCounts(len(self.classes), threshold=config.segmentation_threshold)
        self.n_scored = dict.fromkeys(
            ("tagging", "detection", "frames", "segmentation", "separation"), 0
        )
        self.n_silent_estimates = 0
        self.n_silent_mixtures = 0
        self.n_shorter_than_filter = 0  # recordings without BSS Eval
        self.unlabelled: set[str] = set()  # classes that no recording's labels say anything about
        self.n_labelled = 0  # recordings whose labels are known

    def add(self, truth: Truth, estimate: Estimate) -> None:
        """Score a recording, or raise an error and change nothing.

        Raises:
            InputError: estimates or references have another shape than expected, probabilities
                are NaN or outside [0, 1], or a reference belongs to an unknown class.
        """
        row: dict[str, np.ndarray] = {}
        before = self._copy_counts()
        try:
            self._check(truth, estimate)
            self._score_tags(truth, estimate, row)
            self._score_events(truth, estimate, row)
            self._score_masks(truth, estimate, row)
            self._score_sources(truth, estimate, row)
            row.update(estimate.self_check)
        except InputError as error:
            self._restore_counts(before, truth.name)
            raise error.wrap("{path}: {error}", path=truth.path) from None
        for name in {**self.columns, **row}:
            column = self.columns.setdefault(name, [self._empty()] * len(self.names))
            column.append(row.get(name, self._empty()))
        self.names.append(truth.name)
        self.paths.append(truth.path)
        if len(self.names) % _RELEASE_EVERY == 0:
            release_memory()

    def _copy_counts(self) -> dict[str, Any] | None:
        """Copy all that is counted; None if an error ends the whole work."""
        if self.config.on_error == "stop":
            return None
        before = copy.deepcopy({name: getattr(self, name) for name in _COUNTED})
        return before | {
            "detection": self.detection.copy_counts(),
            "other_detection": self.other_detection.copy_counts(),
        }

    def _restore_counts(self, before: Mapping[str, Any] | None, name: str) -> None:
        if before is None:
            return
        for counted, value in before.items():
            if counted in ("detection", "other_detection"):
                getattr(self, counted).restore_counts(value, name)
            else:
                setattr(self, counted, value)

    def table(self) -> pd.DataFrame:
        """Return the table, a row per mixture and class; undefined scores are NaN."""
        n = len(self.names)
        n_classes = len(self.classes)
        columns: dict[str, np.ndarray] = {
            "mixture": np.repeat(np.array(self.names, dtype=object), n_classes),
            "path": np.repeat(np.array(self.paths, dtype=object), n_classes),
            "class": np.tile(np.array(self.classes, dtype=object), n),
        }
        for name in ("label", "present"):  # columns that every table has
            columns[name] = np.full(n * n_classes, np.nan)
        columns |= {name: np.concatenate(values) for name, values in self.columns.items()}
        return pd.DataFrame(columns)

    def _empty(self) -> np.ndarray:
        return np.full(len(self.classes), np.nan)

    def _check(self, truth: Truth, estimate: Estimate) -> None:
        """Check that the estimates and the references have the shape of the mixture."""
        mixture, references = truth.separated_sounds()
        shape = (len(self.classes), len(mixture))
        if estimate.sources is not None and estimate.sources.shape != shape:
            raise InputError(
                f"estimates have the shape {estimate.sources.shape}: expected {shape}, "
                "one source per class, as long as the mixture"
            )
        for name, samples in references.items():
            if samples.shape != mixture.shape:
                raise InputError(
                    f"the source {name} has {len(samples)} samples, the mixture {len(mixture)}"
                )

    def _score_tags(self, truth: Truth, estimate: Estimate, row: dict[str, np.ndarray]) -> None:
        if truth.labels is not None:
            labels = [float(name in truth.labels) for name in self.classes]
            unknown = [name in truth.unlabelled for name in self.classes]
            row["label"] = np.where(unknown, np.nan, labels)
            is_first = not self.n_labelled
            self.unlabelled = (
                set(truth.unlabelled) if is_first else self.unlabelled & truth.unlabelled
            )
            self.n_labelled += 1
        if estimate.probabilities is not None:
            probabilities = np.asarray(estimate.probabilities, np.float64)  # (K,)
            is_valid = (probabilities >= 0) & (probabilities <= 1)
            if probabilities.shape != (len(self.classes),) or not is_valid.all():
                raise InputError(
                    f"probabilities of shape {probabilities.shape}: expected "
                    f"{len(self.classes)} values in [0, 1], no NaN"
                )
            row["probability"] = probabilities
            row["decision"] = (probabilities >= self.thresholds).astype(float)
            self.n_scored["tagging"] += truth.labels is not None

    def _score_events(self, truth: Truth, estimate: Estimate, row: dict[str, np.ndarray]) -> None:
        truths = self._find_truths(truth)
        if not truths or estimate.events is None:
            return
        length = len(truth.mixture) / truth.sampling_rate  # s
        detected = self._known_events(truth, estimate.events)
        main = self.config.truth if self.config.truth in truths else EXTENT
        for name, (events, n_silent) in truths.items():
            scorer = self.detection if name == main else self.other_detection
            prefix = "" if name == main else f"{name}."
            columns = scorer.add(
                truth.name,
                events,
                detected,
                length,
                n_silent=n_silent,
                activity=estimate.activity,
                activity_hop=estimate.hop,
            )
            row.update({f"{prefix}{column}": values for column, values in columns.items()})
            if estimate.activity is not None:
                scorer.add_activity(
                    truth.name, estimate.activity, estimate.hop, ungated=estimate.ungated_activity
                )
        self.n_by_activity += main == ACTIVITY
        self.n_scored["detection"] += 1
        self.n_scored["frames"] += estimate.activity is not None

    def _find_truths(self, truth: Truth) -> dict[str, SoundingEvents]:
        """Return the true events of a recording as they are labelled, and as they sound."""
        if truth.events is None:
            return {}
        extents = self._known_events(truth, truth.events)
        truths = {EXTENT: SoundingEvents(extents, 0)}
        if truth.references is not None:
            config = self.config
            truths[ACTIVITY] = find_sounding_events(
                extents,
                truth.references,
                truth.sampling_rate,
                onset_level=config.true_onset_level,
                offset_level=config.true_offset_level,
                close_gaps=config.true_close_gaps,
                shortest_event=config.true_shortest_event,
            )
        return truths

    def _known_events(self, truth: Truth, events: Sequence[SoundEvent]) -> list[SoundEvent]:
        """Return the events of classes that the labels tell."""
        return [event for event in events if event.event_label not in truth.unlabelled]

    def _score_masks(self, truth: Truth, estimate: Estimate, row: dict[str, np.ndarray]) -> None:
        if truth.references is None or truth.is_source or estimate.masks is None:
            return
        ideal = np.zeros(estimate.masks.shape, bool)  # (K, M, T)
        if truth.references:
            references = np.stack(list(truth.references.values()))
            masks = binary_mask(
                *self.ideal_masks.powers(truth.mixture, references), criterion=self.config.criterion
            )
            ideal[self._indices(truth.references)] = masks.cpu().numpy() > 0.5
        before = self.bins.decisions
        self.bins.add(estimate.masks, ideal)
        _set_counts(row, "segmentation", self.bins.decisions - before)
        self.n_scored["segmentation"] += 1

    def _score_sources(self, truth: Truth, estimate: Estimate, row: dict[str, np.ndarray]) -> None:
        if truth.references is None or truth.is_source or estimate.sources is None:
            return
        mixture, true_sources = truth.separated_sounds()
        present = self._indices(true_sources)  # (J,)
        absent = np.setdiff1d(np.arange(len(self.classes)), present)
        row["present"] = np.isin(np.arange(len(self.classes)), present).astype(float)
        row["leakage"] = self._spread(leakage(estimate.sources[absent], mixture), absent)
        residual = leakage(mixture - estimate.sources.sum(0), mixture)
        row["residual"] = np.full(len(self.classes), residual)
        self.n_scored["separation"] += 1
        self.n_silent_mixtures += not mixture.any()
        self._score_class_aware(truth, estimate, row)
        if not len(present):
            return
        references = np.stack(list(true_sources.values()))  # (J, N)
        background = leakage(mixture - references.sum(0), mixture)
        is_heard = float(background > _SOFTEST_BACKGROUND)
        row[HAS_BACKGROUND] = np.full(len(self.classes), is_heard)
        estimates = estimate.sources[present]
        self.n_silent_estimates += int((~estimates.any(-1)).sum())
        ideal = self._ideal_estimates(truth)  # (J, N) each
        floors = {
            score: compute(references, ideal[MIXTURE]) for score, compute in _RATIOS.items()
        }  # (J,) each
        compared = {"": estimates, **ideal, **estimate.variants}
        for system, system_estimates in compared.items():
            prefix = f"{system}." if system else ""
            for score, compute in _RATIOS.items():
                values = compute(references, system_estimates)  # (J,)
                floor = floors[score]
                row[f"{prefix}{score}"] = self._spread(values, present)
                row[f"{prefix}{score}_improvement"] = self._spread(values - floor, present)
        if self.config.bss_eval == "none":
            return
        if len(mixture) < FILTER_LENGTH:
            # Any sound of this length is a filtered reference.
            self.n_shorter_than_filter += 1
            return
        systems = ["", *BASELINES]
        stacked = np.stack([compared[system] for system in systems])  # (S, J, N)
        sources, images = bss_eval(
            references, stacked, backend=self.config.bss_eval, device=self.device
        )
        for s, system in enumerate(systems):
            prefix = f"{system}." if system else ""
            scores = {
                "sdr": sources.sdr,
                "sir": sources.sir,
                "sar": sources.sar,
                "image_sdr": images.sdr,
                "isr": images.isr,
            }  # (S, J) each
            for score, values in scores.items():
                limited = np.clip(values[s], -_LIMIT, _LIMIT)  # (J,)
                row[f"{prefix}{score}"] = self._spread(limited, present)

    def _ideal_estimates(self, truth: Truth) -> dict[str, np.ndarray]:
        """Return the estimates of ideal masks for the present classes: (J, N) each."""
        own = truth.own_sounds
        if own is None:
            assert truth.references is not None
            return self.ideal_masks.estimates(
                truth.mixture, np.stack(list(truth.references.values()))
            )
        references = np.stack(list(own.references.values()))  # (J, C, N)
        estimates = self.ideal_masks.own_estimates(own.mixture, references, own.sampling_rate)
        return {name: samples.reshape(len(samples), -1) for name, samples in estimates.items()}

    def _score_class_aware(
        self, truth: Truth, estimate: Estimate, row: dict[str, np.ndarray]
    ) -> None:
        """Score sources together with the decisions of tags, if there are any."""
        if "decision" not in row or truth.references is None or estimate.sources is None:
            return
        tagged = {
            name: estimate.sources[k]
            for k, name in enumerate(self.classes)
            if row["decision"][k] == 1
        }
        for score, compute in _CLASS_AWARE.items():
            mixture, references = truth.separated_sounds()
            value = compute(references, tagged, mixture)
            row[score] = np.full(len(self.classes), value)

    def _spread(self, values: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Place the values of some classes in a row of all classes: (J,) → (K,), others NaN."""
        spread = self._empty()
        spread[indices] = values
        return spread

    def _indices(self, references: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the indices (J,) of classes by name."""
        for name in references:
            if name not in self.classes:
                raise InputError(
                    f"there is a source of an unknown class {name!r}: expected "
                    f"{', '.join(self.classes)}"
                )
        return np.array([self.classes.index(name) for name in references], int)


def _set_counts(row: dict[str, np.ndarray], kind: str, decisions: np.ndarray) -> None:
    """Put true positives, false positives and false negatives (3, K) into columns of a row."""
    for name, values in zip(("tp", "fp", "fn"), decisions, strict=True):
        row[f"{kind}_{name}"] = values.astype(float)
