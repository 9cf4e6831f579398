"""One prediction → every score: recordings and what a system says of them go in, one by one; scores and a table come out.

Axes: K classes, J classes that are present, M bands, T frames, N samples. Everything is joined by class name, and kept as
counts and one row per mixture and class: memory hardly grows with the number of mixtures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.common.parallel import release_memory
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.evaluation.ideal_masks import IdealMasks, binary_mask
from absslab.core.evaluation.score_table import BASELINES, COUNTED
from absslab.core.metrics import psds
from absslab.core.metrics.bss_eval import BACKENDS, bss_eval, import_mir_eval
from absslab.core.metrics.detection import (
    Counts,
    event_counts,
    frame_counts,
    frame_roll,
    segment_counts,
)
from absslab.core.metrics.ranking import BinnedCounts
from absslab.core.metrics.separation import leakage, si_sdr

_TRIM_EVERY = 50  # recordings; more often costs time
_LIMIT = 120.0  # dB: what is beyond counts as this


@dataclass(frozen=True)
class ScoringConfig(Config):
    """How predictions are scored."""

    frame_length: float = option(
        0.02, "of frame-wise F1, the same for all systems", unit="s", above=0
    )
    segment_length: float = option(1.0, "of segment-based detection scores", unit="s", above=0)
    collar: float = option(
        0.2, "how far apart onsets may be in event-based scores", unit="s", at_least=0
    )
    share_of_length: float = option(
        0.5, "offsets may be apart by this part of the event, or the collar", at_least=0, at_most=1
    )
    criterion: float = option(
        0.0, "by how much a class exceeds the rest where its ideal binary mask is 1", unit="dB"
    )
    bss_eval: str = option("torch", "what computes SDR, SIR, SAR", choices=(*BACKENDS, "none"))
    n_resamples: int = option(1000, "of the mixtures, for 95 % intervals; 0: none", at_least=0)
    resampling_seed: int = option(0, "of what is resampled", at_least=0)


def is_audible(samples: np.ndarray) -> bool:
    """Whether a source sounds: it is neither silent nor constant."""
    return bool(np.ptp(samples) > 0)


@dataclass(frozen=True)
class Truth:
    """A recording and what is known of it."""

    name: str
    path: str
    mixture: np.ndarray  # (N,)
    sampling_rate: int
    labels: frozenset[str] | None = None  # the classes that are there
    events: Sequence[SoundEvent] | None = None
    references: Mapping[str, np.ndarray] | None = (
        None  # (N,) of the classes that are present, by name
    )


@dataclass(frozen=True)
class Estimate:
    """What a system says of a recording; None where it says nothing."""

    probabilities: np.ndarray | None = None  # (K,)
    masks: np.ndarray | None = None  # (K, M, T)
    activity: np.ndarray | None = None  # (K, T)
    hop: float = 0.0  # s, from one frame to the next
    events: Sequence[SoundEvent] | None = None
    sources: np.ndarray | None = None  # (K, N)
    variants: Mapping[str, np.ndarray] = field(
        default_factory=dict
    )  # (J, N) of the present classes, as in the references: of them only SI-SDR is wanted


class Scorer:
    """Takes recordings and estimates, keeps what scores need.

    Args:
        classes: K names, the order of an estimate's rows.
        config: how is scored.
        thresholds: of the tags' probabilities, one per class.
        ideal_masks: what draws floors and ceilings.
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
        self.classes, self.config, self.thresholds = list(classes), config, np.asarray(thresholds)
        self.ideal_masks, self.device = ideal_masks, device
        self.columns: dict[str, list[np.ndarray]] = {}  # per mixture (K,)
        self.names: list[str] = []
        self.paths: list[str] = []
        if config.bss_eval == "mir_eval":
            import_mir_eval()
        nothing = Counts(np.zeros((3, len(self.classes)), int))
        self.counts = dict.fromkeys(COUNTED, nothing)
        self.frames, self.bins = BinnedCounts(len(self.classes)), BinnedCounts(len(self.classes))
        self.activities: dict[str, np.ndarray] = {}  # (K, T), of recordings with strong labels
        self.events: dict[str, Sequence[SoundEvent]] = {}
        self.durations: dict[str, float] = {}  # s
        self.hop = 0.0
        self.n_scored = dict.fromkeys(
            ("tagging", "detection", "frames", "segmentation", "separation"), 0
        )
        self.n_silent_estimates = self.n_silent_mixtures = 0

    def add(self, truth: Truth, estimate: Estimate) -> None:
        """Score one more recording.

        Raises:
            InputError: estimates of another length, NaN, probabilities outside [0, 1], references of unknown classes.
        """
        row: dict[str, np.ndarray] = {}
        try:
            self._check(truth, estimate)
            self._score_tags(truth, estimate, row)
            self._score_events(truth, estimate, row)
            self._score_masks(truth, estimate, row)
            self._score_sources(truth, estimate, row)
        except InputError as error:
            raise InputError(f"{truth.path}: {error}") from None
        for name in {**self.columns, **row}:
            column = self.columns.setdefault(name, [self._empty()] * len(self.names))
            column.append(row.get(name, self._empty()))
        self.names.append(truth.name)
        self.paths.append(truth.path)
        if len(self.names) % _TRIM_EVERY == 0:
            release_memory()

    def table(self) -> pd.DataFrame:
        """A row per mixture and class: mixture, path, class, and all scores; what is not defined is NaN."""
        n, n_classes = len(self.names), len(self.classes)
        columns: dict[str, Any] = {
            "mixture": np.repeat(np.array(self.names, dtype=object), n_classes),
            "path": np.repeat(np.array(self.paths, dtype=object), n_classes),
            "class": np.tile(np.array(self.classes, dtype=object), n),
        }
        for name in ("label", "present"):  # there, though empty, when nothing is known
            columns[name] = np.full(n * n_classes, np.nan)
        return pd.DataFrame(
            columns | {name: np.concatenate(values) for name, values in self.columns.items()}
        )

    def psds(self) -> dict[str, float | None] | None:
        """PSDS 1 and 2; None where there are no curves of activity, or `sed_scores_eval` is missing."""
        if not self.activities:
            return None
        return psds.psds(self.activities, self.events, self.durations, self.classes, hop=self.hop)

    def _empty(self) -> np.ndarray:
        return np.full(len(self.classes), np.nan)

    def _check(self, truth: Truth, estimate: Estimate) -> None:
        """See that sources fit each other and the mixture."""
        shape = (len(self.classes), len(truth.mixture))
        if estimate.sources is not None and estimate.sources.shape != shape:
            raise InputError(
                f"estimates are {estimate.sources.shape}: expected {shape}, as many classes and samples"
            )
        for name, samples in (truth.references or {}).items():
            if samples.shape != truth.mixture.shape:
                raise InputError(
                    f"the source {name} has {len(samples)} samples, the mixture {len(truth.mixture)}"
                )

    def _score_tags(self, truth: Truth, estimate: Estimate, row: dict[str, np.ndarray]) -> None:
        if truth.labels is not None:
            row["label"] = np.array([float(name in truth.labels) for name in self.classes])
        if estimate.probabilities is not None:
            said = np.asarray(estimate.probabilities, np.float64)
            if said.shape != (len(self.classes),) or not ((said >= 0) & (said <= 1)).all():
                raise InputError(
                    f"probabilities of shape {said.shape}: expected {len(self.classes)} values in [0, 1], no NaN"
                )
            row["probability"], row["decision"] = said, (said >= self.thresholds).astype(float)
            self.n_scored["tagging"] += truth.labels is not None

    def _score_events(self, truth: Truth, estimate: Estimate, row: dict[str, np.ndarray]) -> None:
        if truth.events is None or estimate.events is None:
            return
        length = len(truth.mixture) / truth.sampling_rate
        config, both = self.config, (truth.events, estimate.events, self.classes)
        n_frames, hop = math.ceil(length / config.frame_length), config.frame_length
        active, found = (
            frame_roll(events, self.classes, n_frames=n_frames, hop=hop)
            for events in (truth.events, estimate.events)
        )  # (K, T)
        counts = {
            "frame": frame_counts(active, found),
            "segment": segment_counts(*both, length=length, segment_length=config.segment_length),
            "event": event_counts(
                *both, collar=config.collar, share_of_length=config.share_of_length
            ),
        }
        for kind, new in counts.items():
            self.counts[kind] += new
            _set_counts(row, kind, new.decisions)
            row[f"{kind}_errors"] = np.full(len(self.classes), float(new.errors))
        self.n_scored["detection"] += 1
        if estimate.activity is None:
            return
        n_frames = estimate.activity.shape[1]
        self.frames.add(
            estimate.activity,
            frame_roll(truth.events, self.classes, n_frames=n_frames, hop=estimate.hop),
        )
        self.n_scored["frames"] += 1
        if psds.is_available():
            self.activities[truth.name] = estimate.activity.astype(np.float32)
            self.events[truth.name], self.durations[truth.name], self.hop = (
                truth.events,
                length,
                estimate.hop,
            )

    def _score_masks(self, truth: Truth, estimate: Estimate, row: dict[str, np.ndarray]) -> None:
        if truth.references is None or estimate.masks is None:
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
        if truth.references is None or estimate.sources is None:
            return
        present = self._indices(truth.references)  # (J,)
        absent = np.setdiff1d(np.arange(len(self.classes)), present)
        row["present"] = np.isin(np.arange(len(self.classes)), present).astype(float)
        row["leakage"], row["residual"] = self._empty(), self._empty()
        row["leakage"][absent] = leakage(estimate.sources[absent], truth.mixture)
        row["residual"][:] = leakage(truth.mixture - estimate.sources.sum(0), truth.mixture)
        self.n_scored["separation"] += 1
        self.n_silent_mixtures += not truth.mixture.any()
        if not len(present):
            return
        references = np.stack(list(truth.references.values()))  # (J, N)
        estimates = estimate.sources[present]
        self.n_silent_estimates += int((~estimates.any(-1)).sum())
        ideal = self.ideal_masks.estimates(truth.mixture, references)  # (J, N) each
        floor = si_sdr(references, truth.mixture)  # (J,)
        compared = {
            "": estimates,
            **ideal,
            **estimate.variants,
        }
        for system, of_system in compared.items():
            values = si_sdr(references, of_system)
            self._set(
                row, system, present, {"si_sdr": values, "si_sdr_improvement": values - floor}
            )
        if self.config.bss_eval == "none":
            return
        systems = ["", *BASELINES]
        stacked = np.stack([compared[system] for system in systems])  # (S, J, N)
        sources, images = bss_eval(
            references, stacked, backend=self.config.bss_eval, device=self.device
        )
        for s, system in enumerate(systems):
            scores = {"sdr": sources.sdr, "sir": sources.sir, "sar": sources.sar}
            scores |= {"image_sdr": images.sdr, "isr": images.isr}
            limited = {name: np.clip(values[s], -_LIMIT, _LIMIT) for name, values in scores.items()}
            self._set(row, system, present, limited)

    def _set(
        self,
        row: dict[str, np.ndarray],
        system: str,
        present: np.ndarray,
        scores: Mapping[str, np.ndarray],
    ) -> None:
        for score, values in scores.items():
            name = f"{system}.{score}" if system else score
            row[name] = self._empty()
            row[name][present] = values

    def _indices(self, references: Mapping[str, np.ndarray]) -> np.ndarray:
        for name in references:
            if name not in self.classes:
                raise InputError(
                    f"there is a source of an unknown class {name!r}: expected {', '.join(self.classes)}"
                )
        return np.array([self.classes.index(name) for name in references], int)


def _set_counts(row: dict[str, np.ndarray], kind: str, decisions: np.ndarray) -> None:
    """Columns of true positives, false positives and false negatives (3, K)."""
    for name, values in zip(("tp", "fp", "fn"), decisions, strict=True):
        row[f"{kind}_{name}"] = values.astype(float)
