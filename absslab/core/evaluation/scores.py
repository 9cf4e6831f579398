"""What was scored, as plain data: numbers or None, never NaN."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from absslab.core.common.version import __version__
from absslab.core.evaluation.score_table import (
    BASELINES,
    CEILING,
    CONFIDENCE,
    COUNTED,
    PHASE_SENSITIVE,
    SEPARATION,
    Statistics,
)
from absslab.core.evaluation.scorer import Scorer
from absslab.core.metrics.detection import detection_scores, detection_scores_per_class, f1_score
from absslab.core.metrics.ranking import BinnedCounts
from absslab.core.metrics.tagging import tagging_scores, tagging_scores_per_class
from absslab.core.metrics.undefined import mean_of_defined, number

NAMES = {  # of tagging scores in JSON
    "roc_auc_score": "auc",
    "average_precision_score": "average_precision",
    "f1-score": "f1",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "matthews_corrcoef": "matthews",
}
TRUE_TAGS = "true_tags"  # the model's masks, refined by what is really in the recording
LADDER = {  # from what no mask can lose to what the model gives: each step has one cause
    PHASE_SENSITIVE: "the mixture's phase",
    "ideal_ratio_mask": "masks between 0 and 1, drawn from energies",
    "ideal_ratio_mask_mel": "bands instead of bins",
    TRUE_TAGS: "the model's masks",
    "": "its tags",
}
_N_EXTREME = 5  # of the worst and of the best mixtures


def score_report(
    scorer: Scorer,
    *,
    split: str | None,
    missing: Mapping[str, str],
    thresholds_from: str,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """All scores of what a scorer was given.

    Args:
        scorer: with at least one recording.
        split: which recordings these were.
        missing: why something could not be scored, by section.
        thresholds_from: where the tags' thresholds were chosen.
        settings: what all this was made with.
    """
    table = scorer.table()
    statistics = Statistics(table)
    values = {name: number(value[0]) for name, value in statistics.scores().items()}
    tagging, of_tags = _tagging(scorer, table, thresholds_from)
    detection, of_events = _detection(scorer)
    segmentation, of_bins = _segmentation(scorer)
    per_class: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(scorer.classes):
        rows = table[table["class"] == name]
        per_class[name] = {
            "n_labelled": _count(rows["label"] == 1) if rows["label"].notna().any() else None,
            "n_present": _count(rows["present"] == 1) if rows["present"].notna().any() else None,
            **{
                score: column[k]
                for part in (of_tags, of_events, of_bins)
                for score, column in part.items()
            },
            **{
                score: values.get(f"per_class.{name}.{score}")
                for score in SEPARATION
                if score != "residual"
            },
            "ceiling": _mean(
                rows.get(f"{CEILING}.si_sdr_improvement", pd.Series(dtype=float)).to_numpy()
            ),
        }
    config = scorer.config
    intervals = (
        statistics.intervals(n_resamples=config.n_resamples, seed=config.resampling_seed)
        if config.n_resamples
        else {}
    )
    return {
        "split": split,
        "n_mixtures": len(scorer.names),
        "classes": scorer.classes,
        "tagging": tagging,
        "detection": detection,
        "segmentation": segmentation,
        "separation": _separation(scorer, table, values),
        "baselines": _baselines(scorer, values),
        "ladder": _ladder(table),
        "per_class": per_class,
        "mixtures": _extremes(table),
        "intervals": {
            "confidence": CONFIDENCE,
            "n_resamples": config.n_resamples,
            "scores": intervals,
        },
        "settings": dict(settings),
        "n_scored": dict(scorer.n_scored),
        "n_values": {score: _count(table[score].notna()) for score in SEPARATION if score in table},
        "version": __version__,
        "missing": dict(missing) | _partly(scorer) | _left_out(scorer, detection),
    }


def _left_out(scorer: Scorer, detection: Mapping[str, Any] | None) -> dict[str, str]:
    """What could have been scored, but was not: it was not asked for, or something is lacking."""
    why = {}
    if scorer.n_scored["separation"] and scorer.config.bss_eval == "none":
        why["bss_eval"] = "--bss_eval none"
    if detection and not scorer.n_scored["frames"]:
        why["psds"] = "events come without curves of activity"
    elif detection and detection["psds"] is None:
        why["psds"] = "sed_scores_eval is not there: pip install 'absslab[psds]'"
    elif detection and None in detection["psds"].values():
        why["psds"] = "it is defined from two classes with events on"
    return why


def _partly(scorer: Scorer) -> dict[str, str]:
    """What was scored on some of the recordings only."""
    n = len(scorer.names)
    return {
        section: f"on {n_scored} of {n} recordings only: the others lack what it needs"
        for section, n_scored in scorer.n_scored.items()
        if 0 < n_scored < n
    }


def _tagging(
    scorer: Scorer, table: pd.DataFrame, thresholds_from: str
) -> tuple[dict[str, Any] | None, dict[str, list[Any]]]:
    if not scorer.n_scored["tagging"]:
        return None, {}
    shape = (len(scorer.names), len(scorer.classes))
    labels, said = (table[name].to_numpy(float).reshape(shape) for name in ("label", "probability"))
    known = ~np.isnan(labels + said).any(1)  # (n,)
    labels, said = labels[known], said[known]
    options: dict[str, Any] = {"thresholds": scorer.thresholds.tolist()}
    averages = {
        average: {
            NAMES[name]: value
            for name, value in tagging_scores(labels, said, average=average, **options).items()
        }
        for average in ("macro", "weighted", "micro")
    }
    by_class = tagging_scores_per_class(labels, said, **options)
    together = {
        **averages.pop("macro"),
        **averages,
        "n_positive": int(labels.sum()),
        "thresholds_from": thresholds_from,
    }
    return together, {NAMES[name]: column for name, column in by_class.items()} | {
        "threshold": options["thresholds"]
    }


def _detection(scorer: Scorer) -> tuple[dict[str, Any] | None, dict[str, list[Any]]]:
    if not scorer.n_scored["detection"]:
        return None, {}
    together: dict[str, Any] = {kind: detection_scores(scorer.counts[kind]) for kind in COUNTED}
    per_class = {
        f"{kind}_{score}": column
        for kind in COUNTED
        for score, column in detection_scores_per_class(scorer.counts[kind]).items()
        if score in ("f1", "error_rate")
    }
    areas, of_class = _areas(scorer.frames, known=bool(scorer.n_scored["frames"]))
    together["frame"] = areas | together["frame"]
    return together | {"psds": scorer.psds()}, per_class | {
        f"frame_{name}": column for name, column in of_class.items()
    }


def _segmentation(scorer: Scorer) -> tuple[dict[str, Any] | None, dict[str, list[Any]]]:
    if not scorer.n_scored["segmentation"]:
        return None, {}
    areas, of_class = _areas(scorer.bins, known=True)
    f1 = f1_score(scorer.bins.decisions)  # (K,)
    together = {"f1": _mean(f1), **areas}
    of_class = {"f1": [number(value) for value in f1], **of_class}
    return together, {f"segmentation_{name}": column for name, column in of_class.items()}


def _areas(
    counts: BinnedCounts, *, known: bool
) -> tuple[dict[str, Any], dict[str, list[float | None]]]:
    """Areas under curves: means over classes, by how much binning may have changed one at most, and each class's."""
    if not known:
        return {"auc": None, "average_precision": None}, {}
    areas, errors = counts.areas, counts.errors
    worst = {name: number(np.nanmax(values, initial=0)) for name, values in errors.items()}
    return {name: _mean(values) for name, values in areas.items()} | {"binning_error": worst}, {
        name: [number(value) for value in values] for name, values in areas.items()
    }


def _separation(
    scorer: Scorer, table: pd.DataFrame, values: Mapping[str, float | None]
) -> dict[str, Any] | None:
    if not scorer.n_scored["separation"]:
        return None
    median = table["si_sdr_improvement"].median() if "si_sdr_improvement" in table else np.nan
    return {
        **{score: values.get(f"separation.{score}") for score in SEPARATION},
        "si_sdr_improvement_median": number(median),
        "n_present": _count(table["present"] == 1),
        "n_absent": _count(table["present"] == 0),
        "n_silent_estimates": scorer.n_silent_estimates,  # they have no SIR, SAR and ISR
        "n_silent_mixtures": scorer.n_silent_mixtures,  # they have no leakage and no residual
        "n_contradictions": _count(
            (table["label"] != table["present"]) & table[["label", "present"]].notna().all(axis=1)
        ),
        "weighting": "means over all pairs of a mixture and a class present in it; leakage: absent; residual: mixtures",
    }


def _baselines(scorer: Scorer, values: Mapping[str, float | None]) -> dict[str, Any] | None:
    if not scorer.n_scored["separation"]:
        return None
    scores = [score for score in SEPARATION if score not in ("leakage", "residual")]
    return {
        system: {score: values.get(f"baselines.{system}.{score}") for score in scores}
        for system in BASELINES
    }


def _ladder(table: pd.DataFrame) -> list[dict[str, Any]] | None:
    """Mean SI-SDR improvement from the best that any mask can do down to the model, and what each step costs."""
    columns = {
        system: f"{system}.si_sdr_improvement" if system else "si_sdr_improvement"
        for system in LADDER
    }
    columns = {system: name for system, name in columns.items() if name in table}
    if TRUE_TAGS not in columns or table[columns[TRUE_TAGS]].isna().all():
        return None
    steps: list[dict[str, Any]] = []
    for system, name in columns.items():
        mean = float(table[name].mean())
        cost = steps[-1]["si_sdr_improvement"] - mean if steps else None
        steps.append(
            {
                "system": system or "model",
                "si_sdr_improvement": mean,
                "lost": cost,
                "to": LADDER[system],
            }
        )
    return steps


def _extremes(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]] | None:
    """The mixtures with the lowest and the highest mean improvement of what is present."""
    if "si_sdr_improvement" not in table or table["si_sdr_improvement"].isna().all():
        return None
    scored = table.dropna(subset="si_sdr_improvement")
    by_mixture = scored.groupby("mixture", sort=False).agg(
        path=("path", "first"),
        classes=("class", list),
        si_sdr_improvement=("si_sdr_improvement", "mean"),
    )
    ordered = (
        by_mixture.sort_values("si_sdr_improvement", kind="stable").reset_index().to_dict("records")
    )
    return {"worst": ordered[:_N_EXTREME], "best": ordered[::-1][:_N_EXTREME]}


def _mean(values: np.ndarray) -> float | None:
    return number(mean_of_defined(values))


def _count(which: "pd.Series[bool]") -> int:
    return int(which.sum())
