"""Summarise what a scorer has collected as a document of scores.

Axes: K classes, n mixtures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from absslab.core.evaluation.detection_scorer import DetectionScorer
from absslab.core.evaluation.score_spread import summarise_spread
from absslab.core.evaluation.score_table import (
    ACTIVITY,
    BASELINES,
    CEILING,
    CLASS_AWARE,
    CONFIDENCE,
    EXTENT,
    NO_BASELINE,
    PER_MIXTURE,
    PHASE_SENSITIVE,
    SEPARATION,
    Statistics,
    known_values,
)
from absslab.core.evaluation.scorer import Scorer
from absslab.core.evaluation.scores import (
    BreakdownStep,
    ClassScores,
    CountScores,
    DetectionScores,
    ExtremeMixtures,
    FrameScores,
    Intervals,
    MixtureScore,
    PsdsScores,
    Scores,
    SegmentationScores,
    SeparationScores,
    SourceScores,
    TaggingScores,
    TagScores,
)
from absslab.core.evaluation.self_check import summarise_self_check
from absslab.core.metrics.bss_eval import FILTER_LENGTH
from absslab.core.metrics.detection import detection_scores, detection_scores_per_class, f1_score
from absslab.core.metrics.psds import MOST_COMPARED_CLASSES, psds
from absslab.core.metrics.ranking import BinnedCounts
from absslab.core.metrics.tagging import tagging_scores, tagging_scores_per_class
from absslab.core.metrics.undefined import mean_of_defined, number
from absslab.core.model.event_thresholds import EventThresholds
from absslab.core.separation.detection import DetectionConfig

TAG_SCORE_NAMES = {  # metric → field of TagScores
    "roc_auc_score": "auc",
    "average_precision_score": "average_precision",
    "f1-score": "f1",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "matthews_corrcoef": "matthews",
    "equal_error_rate": "eer",
}
TRUE_TAGS = "true_tags"  # the model's masks, given which classes are present
BREAKDOWN = {  # systems from the best mask to the model, and why each loses improvement
    PHASE_SENSITIVE: "the mixture's phase",
    "ideal_ratio_mask": "masks between 0 and 1, computed from powers",
    "ideal_ratio_mask_mel": "bands instead of bins",
    TRUE_TAGS: "the model's masks",
    "": "its tags",
}
_N_EXTREME = 5  # number of worst and of best mixtures
_WEIGHTING = (
    "means over all pairs of a mixture and a class present in it; leakage: absent; "
    "residual, CA-SDRi, CASA-SDRi: mixtures"
)

Columns = Mapping[str, list[float | None]]  # a value per class, by the name of a score


def summarise_scores(
    scorer: Scorer,
    *,
    split: str | None,
    missing: Mapping[str, str],
    thresholds_from: str,
    settings: Mapping[str, Mapping[str, object]],
    left_out: Mapping[str, str] | None = None,
    n_workers: int = 1,
) -> Scores:
    """Compute all scores of the recordings that a scorer has scored.

    Args:
        scorer: a scorer that has scored at least one recording.
        split: the split of the recordings.
        missing: why something could not be scored, by section.
        thresholds_from: where the thresholds of the tags come from, as text.
        settings: the settings of the evaluation, by section.
        left_out: why recordings could not be scored, by name.
        n_workers: largest number of processes.

    Raises:
        WorkError: one of several processes was ended from outside.
    """
    table = scorer.table()
    statistics = Statistics.from_table(table)
    values = {name: number(value[0]) for name, value in statistics.scores().items()}
    n_resamples = scorer.config.n_resamples
    intervals: dict[str, list[float]] = {}
    if n_resamples:
        intervals = statistics.intervals(
            n_resamples=n_resamples, seed=scorer.config.resampling_seed
        )
    truth = ACTIVITY if scorer.n_by_activity else EXTENT
    other_truth = EXTENT if scorer.config.truth == ACTIVITY else ACTIVITY
    psds_scores = _compute_psds([scorer.detection, scorer.other_detection], n_workers)
    detection = _summarise_detection(scorer.detection, truth, *psds_scores[:2])
    other_detection = _summarise_detection(scorer.other_detection, other_truth, *psds_scores[2:])
    return Scores(
        split=split,
        n_mixtures=len(scorer.names),
        classes=tuple(scorer.classes),
        tagging=_summarise_tagging(scorer, table, thresholds_from),
        detection=detection,
        **{f"detection_{other_truth}": other_detection},  # type: ignore[arg-type]
        segmentation=_summarise_segmentation(scorer),
        separation=_summarise_separation(scorer, table, values),
        baselines=_summarise_baselines(scorer, values),
        breakdown=_break_down(table),
        self_check=summarise_self_check(table),
        per_class=_summarise_classes(scorer, table, values),
        mixtures=_find_extreme_mixtures(table),
        intervals=Intervals(intervals, confidence=CONFIDENCE, n_resamples=n_resamples),
        settings=settings,
        n_scored=dict(scorer.n_scored),
        n_values={score: _count(table[score].notna()) for score in SEPARATION if score in table},
        missing={
            **missing,
            **_explain_partial(scorer),
            **_explain_left_out(scorer, detection),
            **_explain_classes(scorer, table),
        },
        left_out=dict(left_out or {}),
    )


def add_event_thresholds(
    scores: Scores, config: DetectionConfig, chosen: EventThresholds | None
) -> Scores:
    """Add to the scores of a model which thresholds its events were found with.

    Args:
        scores: the scores.
        config: settings for finding events.
        chosen: thresholds that were chosen for the model.
    """
    if scores.detection is None:
        return scores
    per_class = {}
    for name, row in scores.per_class.items():
        thresholds = config.thresholds(chosen, name)
        per_class[name] = replace(
            row,
            high_threshold=thresholds.high,
            low_threshold=thresholds.low,
            median_filter=thresholds.median_filter,
        )
    activity = config.choose_activity(chosen)
    source = "settings"
    if chosen is not None:
        fixed = replace(chosen, per_class={})
        names = list(per_class)
        has_own = any(
            config.thresholds(chosen, name) != config.thresholds(fixed, name) for name in names
        )
        are_set = None not in (config.high_threshold, config.low_threshold)
        if has_own or (activity != config.choose_activity(None) and not are_set):
            source = chosen.describe()
    detections: dict[str, Any] = {}
    for name in ("detection", "detection_activity", "detection_extent"):
        section = getattr(scores, name)
        if section is not None:
            detections[name] = replace(
                section,
                event_thresholds_from=source,
                activity=activity,
            )
    return replace(scores, per_class=per_class, **detections)


def _explain_left_out(scorer: Scorer, detection: DetectionScores | None) -> dict[str, str]:
    """Explain which possible scores were not computed, and why."""
    reasons = {}
    if scorer.n_scored["tagging"] and scorer.unlabelled.issuperset(scorer.classes):
        reasons["tagging"] = "no label of the recordings is known"
    if scorer.n_scored["separation"] and not set(CLASS_AWARE) & set(scorer.columns):
        reasons["class_aware_scores"] = "the sources come without tags"
    if scorer.n_scored["separation"] and scorer.config.bss_eval == "none":
        reasons["bss_eval"] = "--bss_eval none"
    if scorer.n_shorter_than_filter:
        n_scored = len(scorer.names) - scorer.n_shorter_than_filter
        reasons["bss_eval"] = (
            f"on {n_scored} of {len(scorer.names)} recordings only: the others are shorter than "
            f"its filter of {FILTER_LENGTH} samples"
        )
    if detection is None:
        return reasons
    if not scorer.n_scored["frames"]:
        reasons["psds"] = "events come without activity over time"
    elif detection.psds is None:
        reasons["psds"] = "sed_scores_eval is not installed: pip install 'absslab[psds]'"
    elif detection.psds.psds1 is None:
        reasons["psds"] = "it needs at least two classes with events"
    elif detection.psds.psds2 is None:
        reasons["psds2"] = (
            f"it compares each class with each, for {MOST_COMPARED_CLASSES} classes with events at "
            "most"
        )
    return reasons


def _explain_classes(scorer: Scorer, table: pd.DataFrame) -> dict[str, str]:
    """Explain why classes have no scores, or not all: no recording has them, or it is unknown."""
    reasons = {}
    for name in scorer.classes:
        labels = table.loc[table["class"] == name, "label"]
        if name in scorer.unlabelled:
            reasons[f"per_class.{name}"] = (
                "no recording has it, as far as is known: labels do not name it, or leave it open"
            )
        elif labels.notna().any() and not (labels == 1).any():
            reasons[f"per_class.{name}"] = "no recording has it"
    return reasons


def _explain_partial(scorer: Scorer) -> dict[str, str]:
    """Explain what was scored on only some of the recordings."""
    n = len(scorer.names)
    reasons = {
        section: f"on {n_scored} of {n} recordings only: the others lack what it needs"
        for section, n_scored in scorer.n_scored.items()
        if 0 < n_scored < n
    }
    if 0 < scorer.n_by_activity < scorer.n_scored["detection"]:
        reasons["activity"] = (
            f"on {scorer.n_by_activity} of {scorer.n_scored['detection']} recordings only: true "
            "events of the others are the labelled ones, since their sources are not known"
        )
    return reasons


def _labelled_tags(
    scorer: Scorer, table: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and probabilities (n, J) of the recordings and classes that have both.

    Returns:
        the labels, NaN where one of both is not known; the probabilities; which classes these are,
        (K,) bool.
    """
    shape = (len(scorer.names), len(scorer.classes))
    labels = table["label"].to_numpy(float).reshape(shape)  # (n, K)
    probabilities = table["probability"].to_numpy(float).reshape(shape)  # (n, K)
    both = labels + probabilities
    known, usable = known_values(both)
    labels = np.where(np.isnan(both), np.nan, labels)
    return labels[known][:, usable], np.nan_to_num(probabilities)[known][:, usable], usable


def _summarise_tagging(
    scorer: Scorer, table: pd.DataFrame, thresholds_from: str
) -> TaggingScores | None:
    if not scorer.n_scored["tagging"]:
        return None
    labels, probabilities, usable = _labelled_tags(scorer, table)
    if not usable.any():
        return None
    thresholds = scorer.thresholds[usable].tolist()

    def average(kind: str) -> dict[str, float | None]:
        scores = tagging_scores(labels, probabilities, thresholds=thresholds, average=kind)
        return {TAG_SCORE_NAMES[name]: value for name, value in scores.items()}

    return TaggingScores(
        **average("macro"),
        weighted=TagScores(**average("weighted")),
        micro=TagScores(**average("micro")),
        n_positive=int(np.nansum(labels)),
        thresholds_from=thresholds_from,
    )


def _compute_psds(scorers: Sequence[DetectionScorer], n_workers: int) -> list[PsdsScores | None]:
    """Compute PSDS of each scorer, after and before the gate of tags."""
    several = [scorer.psds_data(ungated=ungated) for scorer in scorers for ungated in (False, True)]
    known = [data for data in several if data is not None]
    scores = iter(psds(known, n_workers=n_workers) if known else [])
    return [None if data is None else PsdsScores(**next(scores)) for data in several]


def _summarise_detection(
    scorer: DetectionScorer,
    truth: str,
    psds_scores: PsdsScores | None,
    ungated_psds: PsdsScores | None,
) -> DetectionScores | None:
    if not scorer.n_scored:
        return None
    frame = FrameScores(**detection_scores(scorer.counts["frame"]))  # type: ignore[arg-type]
    if scorer.n_with_activity:
        errors = _binning_errors(scorer.frames)
        areas = _mean_areas(scorer.frames)
        frame = replace(frame, binning_error=errors, **areas)
    return DetectionScores(
        frame=frame,
        segment=CountScores(**detection_scores(scorer.counts["segment"])),
        event=CountScores(**detection_scores(scorer.counts["event"])),
        psds=psds_scores,
        psds_ungated=ungated_psds,
        n_joined_events=scorer.n_joined_events,
        truth=truth,
        n_silent_events=scorer.n_silent_events,
    )


def _summarise_segmentation(scorer: Scorer) -> SegmentationScores | None:
    if not scorer.n_scored["segmentation"]:
        return None
    return SegmentationScores(
        f1=_mean(f1_score(scorer.bins.decisions)),
        **_mean_areas(scorer.bins),
        binning_error=_binning_errors(scorer.bins),
    )


def _mean_areas(counts: BinnedCounts) -> dict[str, float | None]:
    """Compute the means over classes of areas under curves."""
    return {name: _mean(values) for name, values in counts.areas.items()}


def _binning_errors(counts: BinnedCounts) -> dict[str, float | None]:
    """Return the upper bounds of the errors of areas due to binning."""
    return {name: number(np.nanmax(values, initial=0)) for name, values in counts.errors.items()}


def _summarise_separation(
    scorer: Scorer, table: pd.DataFrame, values: Mapping[str, float | None]
) -> SeparationScores | None:
    if not scorer.n_scored["separation"]:
        return None
    median = np.nan
    if "si_sdr_improvement" in table:
        median = table["si_sdr_improvement"].median()
    both_known = table[["label", "present"]].notna().all(axis=1)
    return SeparationScores(
        **{score: values.get(f"separation.{score}") for score in SEPARATION},
        si_sdr_improvement_median=number(median),
        spread=summarise_spread(table),
        n_present=_count(table["present"] == 1),
        n_absent=_count(table["present"] == 0),
        n_silent_estimates=scorer.n_silent_estimates,
        n_silent_mixtures=scorer.n_silent_mixtures,
        n_contradictions=_count((table["label"] != table["present"]) & both_known),
        weighting=_WEIGHTING,
    )


def _summarise_baselines(
    scorer: Scorer, values: Mapping[str, float | None]
) -> dict[str, SourceScores] | None:
    if not scorer.n_scored["separation"]:
        return None
    return {
        system: SourceScores(**_by_score(values, f"baselines.{system}", NO_BASELINE))
        for system in BASELINES
    }


def _summarise_classes(
    scorer: Scorer, table: pd.DataFrame, values: Mapping[str, float | None]
) -> dict[str, ClassScores]:
    columns = {
        **_tags_per_class(scorer, table),
        **_events_per_class(scorer),
        **_masks_per_class(scorer),
    }
    per_class = {}
    for k, name in enumerate(scorer.classes):
        rows = table[table["class"] == name]
        ceilings = rows.get(f"{CEILING}.si_sdr_improvement", pd.Series(dtype=float))
        per_class[name] = ClassScores(
            n_labelled=_count_ones(rows["label"]),
            n_present=_count_ones(rows["present"]),
            **{score: column[k] for score, column in columns.items()},
            **_by_score(values, f"per_class.{name}", PER_MIXTURE),
            ceiling=_mean(ceilings.to_numpy()),
        )
    return per_class


def _by_score(
    values: Mapping[str, float | None], section: str, without: tuple[str, ...]
) -> dict[str, float | None]:
    """Select the scores of separation of a section."""
    return {score: values.get(f"{section}.{score}") for score in SEPARATION if score not in without}


def _tags_per_class(scorer: Scorer, table: pd.DataFrame) -> Columns:
    if not scorer.n_scored["tagging"]:
        return {}
    labels, probabilities, usable = _labelled_tags(scorer, table)
    if not usable.any():
        return {}
    thresholds = scorer.thresholds[usable].tolist()
    scores = tagging_scores_per_class(labels, probabilities, thresholds=thresholds)
    columns: dict[str, list[float | None]] = {"threshold": scorer.thresholds.tolist()}
    for name, values in scores.items():
        column: list[float | None] = [None] * len(scorer.classes)
        for k, value in zip(np.flatnonzero(usable), values, strict=True):
            column[k] = value
        columns[TAG_SCORE_NAMES[name]] = column
    return columns


def _events_per_class(scorer: Scorer) -> Columns:
    columns: dict[str, list[float | None]] = {}
    detection = scorer.detection
    if detection.n_scored:
        for kind, counts in detection.counts.items():
            scores = detection_scores_per_class(counts)
            columns |= {f"{kind}_{score}": scores[score] for score in ("f1", "error_rate")}
    if detection.n_with_activity:
        columns |= _areas_per_class("frame", detection.frames)
    if scorer.other_detection.n_scored:
        truth = EXTENT if scorer.config.truth == ACTIVITY else ACTIVITY
        scores = detection_scores_per_class(scorer.other_detection.counts["event"])
        columns[f"{truth}_event_f1"] = scores["f1"]
    return columns


def _masks_per_class(scorer: Scorer) -> Columns:
    if not scorer.n_scored["segmentation"]:
        return {}
    f1 = [number(value) for value in f1_score(scorer.bins.decisions)]  # (K,)
    return {"segmentation_f1": f1, **_areas_per_class("segmentation", scorer.bins)}


def _areas_per_class(prefix: str, counts: BinnedCounts) -> dict[str, list[float | None]]:
    return {f"{prefix}_{name}": list(map(number, values)) for name, values in counts.areas.items()}


def _break_down(table: pd.DataFrame) -> tuple[BreakdownStep, ...] | None:
    """Compute the mean SI-SDR improvement of each system, and its loss to the one before."""
    columns = {
        system: f"{system}.si_sdr_improvement" if system else "si_sdr_improvement"
        for system in BREAKDOWN
    }
    columns = {system: name for system, name in columns.items() if name in table}
    if TRUE_TAGS not in columns or table[columns[TRUE_TAGS]].isna().all():
        return None
    steps: list[BreakdownStep] = []
    for system, name in columns.items():
        mean = float(table[name].mean())
        steps.append(
            BreakdownStep(
                system=system or "model",
                si_sdr_improvement=mean,
                lost=steps[-1].si_sdr_improvement - mean if steps else None,
                cause=BREAKDOWN[system],
            )
        )
    return tuple(steps)


def _find_extreme_mixtures(table: pd.DataFrame) -> ExtremeMixtures | None:
    """Find the mixtures with the lowest and the highest mean improvement of present classes."""
    if "si_sdr_improvement" not in table or table["si_sdr_improvement"].isna().all():
        return None
    by_mixture = (
        table.dropna(subset="si_sdr_improvement")
        .groupby("mixture", sort=False)
        .agg(
            path=("path", "first"),
            classes=("class", tuple),
            si_sdr_improvement=("si_sdr_improvement", "mean"),
        )
    )
    ordered = by_mixture.sort_values("si_sdr_improvement", kind="stable").reset_index()
    mixtures = tuple(MixtureScore(**row) for row in ordered.to_dict("records"))
    return ExtremeMixtures(worst=mixtures[:_N_EXTREME], best=mixtures[::-1][:_N_EXTREME])


def _mean(values: np.ndarray) -> float | None:
    return number(mean_of_defined(values))


def _count(is_counted: "pd.Series[bool]") -> int:
    return int(is_counted.sum())


def _count_ones(column: "pd.Series[float]") -> int | None:
    """Count ones; None if no value is known."""
    return _count(column == 1) if column.notna().any() else None
