"""Compare our scores with those of trusted implementations on generated cases.

Used by the tests and by agreement.py.

Each function scores one case twice and returns the largest differences by score. Cases are
hypothesis strategies.
"""

import warnings
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any

import numpy as np
from hypothesis import strategies as st

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics import psds
from absslab.core.metrics.bss_eval import bss_eval, bss_eval_images
from absslab.core.metrics.detection import (
    Counts,
    detection_scores,
    detection_scores_per_class,
    event_counts,
    segment_counts,
)
from absslab.core.metrics.ranking import BinnedCounts, area_under_roc, average_precision
from absslab.core.metrics.tagging import tagging_scores

CLASSES = ["cough", "knock", "speech"]
LIMIT = 120.0  # dB: both sides are limited to this before they are compared

Differences = dict[str, float]


@contextmanager
def quiet() -> Any:
    """Without the warnings of the other implementations."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


# --- tagging and ranking against scikit-learn -----------------------------------------------------


@st.composite
def taggings(draw: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Labels and probabilities (n, K) with ties, classes that are always or never there, and
    thresholds.
    """
    n = draw(st.integers(1, 40))
    n_classes = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = (rng.random((n, n_classes)) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))).astype(
        np.float32
    )
    n_levels = draw(st.sampled_from([1, 3, 10, 10_000]))
    probabilities = rng.integers(0, n_levels + 1, (n, n_classes)) / n_levels
    if draw(st.booleans()):
        probabilities = np.clip(0.7 * probabilities + 0.3 * labels, 0, 1)
    return labels, probabilities, rng.random(n_classes).tolist()


def tagging_differences(case: tuple[np.ndarray, np.ndarray, list[float]]) -> Differences:
    """Macro, weighted and micro scores against scikit-learn's own averages, over the classes where
    they are defined.
    """
    from sklearn import metrics

    labels, probabilities, thresholds = case
    decisions = probabilities >= np.array(thresholds)
    both = (labels.min(0) == 0) & (labels.max(0) == 1)
    differences: Differences = {}
    with quiet():
        for average in ("macro", "weighted", "micro"):
            ours = tagging_scores(labels, probabilities, thresholds=thresholds, average=average)
            ranked = np.ones(labels.shape[1], bool) if average == "micro" else both
            for name, area in (
                ("roc_auc_score", metrics.roc_auc_score),
                ("average_precision_score", metrics.average_precision_score),
            ):
                truth = labels[:, ranked]
                ranked_probabilities = probabilities[:, ranked]
                if ours[name] is None:
                    assert not ranked.any() or len(np.unique(truth)) < 2
                else:
                    differences[f"{average} {name}"] = abs(
                        ours[name] - area(truth, ranked_probabilities, average=average)
                    )
            for name, score in (
                ("f1-score", metrics.f1_score),
                ("precision", metrics.precision_score),
                ("recall", metrics.recall_score),
            ):
                anywhere = labels.any(0) | decisions.any(
                    0
                )  # where there is neither, scikit-learn says 0 and we say None
                if average == "micro":
                    known = bool(anywhere.any())
                    expected = score(
                        labels.ravel(), decisions.ravel(), zero_division=0
                    )  # average=micro is accuracy here
                else:
                    weights = labels.sum(0)[anywhere] if average == "weighted" else None
                    known = bool(anywhere.any()) if weights is None else bool(weights.sum())
                    per_class = [
                        score(labels[:, k], decisions[:, k], zero_division=0)
                        for k in np.flatnonzero(anywhere)
                    ]
                    expected = np.average(per_class, weights=weights) if known else None
                if not known:
                    assert ours[name] is None
                    continue
                differences[f"{average} {name}"] = abs(ours[name] - expected)
    return differences


def ranking_differences(case: tuple[np.ndarray, np.ndarray, list[float]]) -> Differences:
    """Areas from counts per level, exact and weighted, against scikit-learn; binned ones by how far
    beyond their bound.
    """
    from sklearn import metrics

    labels = case[0][:, 0]
    probabilities = case[1][:, 0]
    weights = case[1][:, -1] + 0.1
    if len(np.unique(labels)) < 2:
        return {}
    levels, places = np.unique(probabilities, return_inverse=True)
    positives, negatives = (
        np.bincount(places, weights * of, len(levels)) for of in (labels == 1, labels == 0)
    )
    binned = BinnedCounts(1)
    binned.add(probabilities[None], labels[None] == 1)
    exact = {
        "auc": metrics.roc_auc_score(labels, probabilities),
        "average_precision": metrics.average_precision_score(labels, probabilities),
    }
    beyond = {
        name: max(0.0, abs(binned.areas[name][0] - exact[name]) - binned.errors[name][0])
        for name in exact
    }
    return {
        "weighted auc": abs(
            area_under_roc(positives, negatives)
            - metrics.roc_auc_score(labels, probabilities, sample_weight=weights)
        ),
        "weighted average precision": abs(
            average_precision(positives, negatives)
            - metrics.average_precision_score(labels, probabilities, sample_weight=weights)
        ),
        "binned auc beyond its bound": beyond["auc"],
        "binned average precision beyond its bound": beyond["average_precision"],
    }


# --- detection against sed_eval and sed_scores_eval -----------------------------------------------


@st.composite
def detections(
    draw: Callable[[Any], Any],
) -> list[tuple[list[SoundEvent], list[SoundEvent], float]]:
    """Recordings: events that are there, events that were said (some of them moved ones), and a
    length in s.
    """
    recordings = []
    for _ in range(draw(st.integers(1, 3))):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        length = float(rng.choice([3.0, 9.99, 10.0]))
        reference = [_event(rng, length) for _ in range(draw(st.integers(0, 6)))]
        estimated = [_event(rng, length) for _ in range(draw(st.integers(0, 3)))]
        for event in reference:
            if rng.random() < 0.7:
                onset = float(np.clip(event.onset + rng.normal(0, 0.15), 0, length - 0.02))
                offset = float(np.clip(event.offset + rng.normal(0, 0.3), onset + 0.01, length))
                label = event.event_label if rng.random() < 0.8 else str(rng.choice(CLASSES))
                estimated.append(SoundEvent(label, onset, offset))
        recordings.append((reference, estimated, length))
    return recordings


def _event(rng: np.random.Generator, length: float) -> SoundEvent:
    onset = float(rng.uniform(0, length - 0.1))
    return SoundEvent(str(rng.choice(CLASSES[:2])), onset, float(rng.uniform(onset + 0.05, length)))


def detection_differences(
    recordings: list[tuple[list[SoundEvent], list[SoundEvent], float]],
) -> Differences:
    """Segment- and event-based F1, precision, recall and error rate, overall and of each class,
    against sed_eval.
    """
    with quiet():
        import sed_eval

        theirs = {
            "segment": sed_eval.sound_event.SegmentBasedMetrics(CLASSES, time_resolution=1.0),
            "event": sed_eval.sound_event.EventBasedMetrics(
                CLASSES,
                t_collar=0.2,
                percentage_of_length=0.5,
                empty_system_output_handling="zero_score",
            ),
        }
        theirs["segment"].empty_system_output_handling = "zero_score"
        counts = {kind: Counts(np.zeros((3, len(CLASSES)), int)) for kind in theirs}
        for reference, estimated, length in recordings:
            both = [_dictionaries(reference), _dictionaries(estimated)]
            theirs["segment"].evaluate(*both, evaluated_length_seconds=length)
            theirs["event"].evaluate(*both)
            counts["segment"] += segment_counts(reference, estimated, CLASSES, length=length)
            counts["event"] += event_counts(reference, estimated, CLASSES)
        differences: Differences = {}
        for kind, metric in theirs.items():
            ours = detection_scores(counts[kind])
            of_class = detection_scores_per_class(counts[kind])
            expected = metric.results_overall_metrics()
            pairs = [(f"{kind} F1", ours["f1_micro"], expected["f_measure"]["f_measure"])]
            pairs.append(
                (f"{kind} error rate", ours["error_rate"], expected["error_rate"]["error_rate"])
            )
            for k, name in enumerate(CLASSES):
                of_one = metric.results_class_wise_metrics()[name]
                pairs.append(
                    (f"{kind} F1 of a class", of_class["f1"][k], of_one["f_measure"]["f_measure"])
                )
                rate = of_one["error_rate"]["error_rate"]
                pairs.append((f"{kind} error rate of a class", of_class["error_rate"][k], rate))
            for name, mine, other in pairs:
                if mine is not None:
                    differences[name] = max(differences.get(name, 0.0), abs(mine - other))
                # nothing there, and for F1 nothing said either: sed_eval gives 0, NaN, or divides
                # by 2e-16
                else:
                    assert np.isnan(other) or other == 0 or other > 1e12
    return differences


def _dictionaries(events: list[SoundEvent]) -> list[dict[str, Any]]:
    return [vars(event) | {"filename": "a.wav"} for event in events]


@st.composite
def activities(
    draw: Callable[[Any], Any],
) -> tuple[dict[str, np.ndarray], dict[str, list[SoundEvent]]]:
    """Curves of activity (K, T) of some recordings of 5 s that follow their events more or less, 50
    frames a second.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    curves = {}
    events = {}
    for index in range(draw(st.integers(1, 4))):
        sounding: list[SoundEvent] = []
        for event in (_event(rng, 5.0) for _ in range(draw(st.integers(0, 4)))):
            rivals = (other for other in sounding if other.event_label == event.event_label)
            if all(
                event.onset > other.offset + 0.01 or event.offset < other.onset - 0.01
                for other in rivals
            ):
                sounding.append(event)
        curve = rng.random((len(CLASSES), 251)) * draw(st.sampled_from([0.2, 0.6, 1.0]))
        for event in sounding:
            start, stop = (
                round(time * 50 + rng.normal(0, 3)) for time in (event.onset, event.offset)
            )
            curve[CLASSES.index(event.event_label), max(0, start) : max(0, stop)] += rng.random()
        curves[f"{index}.wav"] = np.clip(curve, 0, 1).round(2)
        events[f"{index}.wav"] = sounding
    return curves, events


def psds_differences(
    case: tuple[dict[str, np.ndarray], dict[str, list[SoundEvent]]],
) -> Differences:
    """PSDS 1 and 2 against sed_scores_eval called by hand."""
    import pandas as pd

    curves, events = case
    durations = dict.fromkeys(curves, 5.0)
    ours = psds.psds(curves, events, durations, CLASSES, hop=0.02)
    names = [
        name
        for name in CLASSES
        if any(event.event_label == name for of in events.values() for event in of)
    ]
    if len(names) < 2:
        assert ours == {"psds1": None, "psds2": None}
        return {}
    times = np.r_[0.0, np.arange(0.01, 4.995, 0.02), 5.0].round(6)
    rows = [CLASSES.index(name) for name in names]
    read_only = pd.Series.to_numpy, pd.DataFrame.to_numpy
    with quiet():
        from sed_scores_eval.base_modules.scores import create_score_dataframe
        from sed_scores_eval.intersection_based import psds as theirs

        frames = {
            name: create_score_dataframe(curve[rows].T, times, names)
            for name, curve in curves.items()
        }
        truth = {
            name: [(e.onset, e.offset, e.event_label) for e in of] for name, of in events.items()
        }
        pd.Series.to_numpy = lambda self, *a, **k: np.array(read_only[0](self, *a, **k))
        pd.DataFrame.to_numpy = lambda self, *a, **k: np.array(read_only[1](self, *a, **k))
        try:
            expected = {
                "psds1": theirs(
                    frames, truth, durations, dtc_threshold=0.7, gtc_threshold=0.7, alpha_st=1
                )[0],
                "psds2": theirs(
                    frames,
                    truth,
                    durations,
                    dtc_threshold=0.1,
                    gtc_threshold=0.1,
                    cttc_threshold=0.3,
                    alpha_ct=0.5,
                    alpha_st=1,
                )[0],
            }
        finally:
            pd.Series.to_numpy, pd.DataFrame.to_numpy = read_only
    return {name: abs(ours[name] - value) for name, value in expected.items()}


# --- separation against mir_eval ------------------------------------------------------------------


@st.composite
def separations(draw: Callable[[Any], Any], n_at_most: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """References and estimates (J, N): noise, tones, clicks, short ones, repeated ones; mixed up,
    filtered, quantised.
    """
    n_sources = draw(st.integers(1, n_at_most))
    n = draw(st.sampled_from([2500, 6000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    references = np.stack(
        [_signal(draw(st.sampled_from(_SIGNALS)), n, rng) for _ in range(n_sources)]
    )
    if n_sources > 1 and draw(st.integers(0, 9)) == 0:
        references[1] = np.roll(
            references[0], draw(st.integers(0, 30))
        )  # the Gram matrix is singular, or nearly
    mixing = np.eye(n_sources) + draw(st.sampled_from([0.0, 0.05, 0.8])) * rng.standard_normal(
        (n_sources, n_sources)
    )
    estimates = mixing @ references
    if draw(st.booleans()):
        taps = rng.standard_normal(32) * np.exp(-np.arange(32) / 4)
        estimates = np.stack([np.convolve(source, taps)[:n] for source in estimates])
    return references, estimates + draw(st.sampled_from([1e-4, 0.01, 1.0])) * rng.standard_normal(
        (n_sources, n)
    )


_SIGNALS = ("noise", "tone", "click", "short", "coloured")


def _signal(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """A signal as recordings are: with a trace of noise, 90 dB below full scale, and on the 16-bit
    grid.
    """
    signal = 0.3 * rng.standard_normal(n)
    if kind == "tone":
        signal = 0.5 * np.sin(
            2 * np.pi * rng.uniform(0.01, 0.45) * np.arange(n) + rng.uniform(0, 6)
        )
    elif kind == "click":
        signal = np.zeros(n)
        signal[rng.integers(0, n, 3)] = rng.uniform(-1, 1, 3)
    elif kind == "short":
        signal[rng.integers(50, n // 2) :] = 0
    elif kind == "coloured":
        signal = np.convolve(signal, np.hanning(40) / 10, mode="same")
    noisy = np.clip(signal + 3e-5 * rng.standard_normal(n), -1, 1)
    return np.round(noisy * 32767) / 32768


def bss_differences(case: tuple[np.ndarray, np.ndarray]) -> Differences:
    """Sources and images, of one channel."""
    ours, theirs = (bss_eval(*case, backend=backend) for backend in ("torch", "mir_eval"))
    return {
        f"{variant} {score.upper()}": _apart(mine, other)
        for variant, of_ours, of_theirs in zip(("sources", "images"), ours, theirs, strict=True)
        for score, mine, other in zip(of_ours._fields, of_ours, of_theirs, strict=True)
    }


def stereo_differences(case: tuple[np.ndarray, np.ndarray]) -> Differences:
    """Images of two channels: in the second all is later, softer, noisier, and mixed up a
    little.
    """
    from mir_eval import separation

    noise = 1e-3 * np.random.default_rng(0).standard_normal(case[0].shape)
    turned = np.stack([case[0], 0.5 * np.roll(case[0], 7, axis=1) + noise], 1)  # (J, C, N)
    estimates = np.stack([case[1], 0.4 * np.roll(case[1], 8, axis=1)], 1)
    ours = bss_eval_images(turned, estimates)
    with quiet():
        *theirs, _ = separation.bss_eval_images(
            turned.transpose(0, 2, 1), estimates.transpose(0, 2, 1), compute_permutation=False
        )
    if len(turned) == 1:
        theirs[2] = np.full(1, np.nan)  # SIR: ours is undefined where there is nothing to interfere
    return {
        f"stereo images {name.upper()}": _apart(a, b)
        for name, a, b in zip(ours._fields, ours, theirs, strict=True)
    }


def _apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    return float(
        np.nan_to_num(np.abs(np.clip(ours, -LIMIT, LIMIT) - np.clip(theirs, -LIMIT, LIMIT))).max()
    )


def largest(cases: Iterable[Differences]) -> dict[str, tuple[float, int]]:
    """(largest difference, number of cases) by score."""
    result: dict[str, tuple[float, int]] = {}
    for differences in cases:
        for name, value in differences.items():
            worst, n = result.get(name, (0.0, 0))
            result[name] = (max(worst, float(value)), n + 1)
    return result


COMPARISONS = {  # with whom: (cases, how)
    "scikit-learn: tagging": (taggings(), tagging_differences),
    "scikit-learn: areas from counts": (taggings(), ranking_differences),
    "sed_eval": (detections(), detection_differences),
    "sed_scores_eval": (activities(), psds_differences),
    "mir_eval": (separations(), bss_differences),
    "mir_eval, two channels": (separations(n_at_most=2), stereo_differences),
}
