"""Scores as text: a line per class, all together, floors and ceilings, and what is missing."""

from collections.abc import Mapping
from typing import Any

from absslab.core.evaluation.score_table import CEILING

COLUMNS = {
    "auc": ("AUC", ".3f"),
    "average_precision": ("AP", ".3f"),
    "f1": ("F1", ".3f"),
    "segment_f1": ("segment F1", ".3f"),
    "event_f1": ("event F1", ".3f"),
    "segmentation_f1": ("mask F1", ".3f"),
    "si_sdr_improvement": ("SI-SDRi/dB", ".2f"),
    "ceiling": ("ceiling/dB", ".2f"),
    "sdr": ("SDR/dB", ".2f"),
    "sir": ("SIR/dB", ".2f"),
    "sar": ("SAR/dB", ".2f"),
    "leakage": ("leakage/dB", ".1f"),
}
BASELINE_TITLES = {
    "mixture": "the mixture itself",
    "ideal_binary_mask": "ideal binary mask",
    "ideal_binary_mask_mel": "ideal binary mask, mel",
    "ideal_ratio_mask": "ideal ratio mask",
    "ideal_ratio_mask_mel": "ideal ratio mask, mel",
}


def score_text(scores: Mapping[str, Any]) -> str:
    """Scores for a terminal: a line per class, all together, floors and ceilings, what is missing and why."""
    rows = score_rows(scores)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    what = f"{scores['split']}: " if scores["split"] else ""
    lines = [f"{what}{scores['n_mixtures']} recordings"]
    for name, *cells in rows:
        aligned = "".join(
            f"  {cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)
        )
        lines.append(f"{name:{widths[0]}}{aligned}".rstrip())
    lines += ["", *_intervals(scores), *_ladder(scores), *_extremes(scores)]
    lines.append(
        "all: means over classes (AUC, AP, every F1), over sources that are there (SI-SDRi, SDR, SIR, SAR), over classes "
        "that are not (leakage); ceiling: ideal ratio mask, mel"
    )
    if scores["tagging"]:
        lines.append(f"F1 of tags: thresholds from {scores['tagging']['thresholds_from']}")
    if scores["separation"] and scores["separation"]["n_contradictions"]:
        n = scores["separation"]["n_contradictions"]
        lines.append(
            f"labels and sources contradict each other {n} times: see label and present in the table"
        )
    lines += [
        f"{'' if why.startswith('on ') else 'no '}{name}: {why}"
        for name, why in scores["missing"].items()
    ]
    return "\n".join(lines)


def score_rows(scores: Mapping[str, Any]) -> list[list[str]]:
    """Scores as rows of cells: a header, a row per class, all together, floors and ceilings; without empty columns."""
    columns = _columns(scores)
    rows = {**scores["per_class"], "all": _together(scores)}
    for name, row in _baselines(scores).items():
        rows[BASELINE_TITLES[name]] = row
    header = ["class", "present", *(title for title, _ in columns.values())]
    return [header] + [
        [name, _present(row), *(_cell(row.get(key), form) for key, (_, form) in columns.items())]
        for name, row in rows.items()
    ]


def interval_rows(scores: Mapping[str, Any]) -> list[list[str]]:
    """The 95 % intervals of `score_rows`, in the same places; nothing where there is none."""
    found, columns = scores["intervals"]["scores"], _columns(scores)
    of_all = {key: f"tagging.{key}" for key in ("auc", "average_precision", "f1")}
    of_all |= {f"{kind}_f1": f"detection.{kind}.f1" for kind in ("segment", "event")}
    of_all |= {
        "segmentation_f1": "segmentation.f1",
        "ceiling": f"baselines.{CEILING}.si_sdr_improvement",
    }
    rows = [{key: f"per_class.{name}.{key}" for key in columns} for name in scores["per_class"]]
    rows += [{key: of_all.get(key, f"separation.{key}") for key in columns}]
    rows += [{key: f"baselines.{name}.{key}" for key in columns} for name in _baselines(scores)]
    texts = [
        [_interval(found.get(row[key]), form) for key, (_, form) in columns.items()] for row in rows
    ]
    return [[""] * (len(columns) + 2), *(["", "", *cells] for cells in texts)]


def _columns(scores: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    together = _together(scores)
    return {key: value for key, value in COLUMNS.items() if together.get(key) is not None}


def _baselines(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        name: row for name, row in (scores["baselines"] or {}).items() if row["si_sdr"] is not None
    }


def _interval(ends: list[float] | None, form: str) -> str:
    return "" if ends is None else f"{ends[0]:{form}} to {ends[1]:{form}}"


def _present(row: Mapping[str, Any]) -> str:
    """In how many recordings a class is: by its sources, or by the labels where there are none."""
    count = row.get("n_present") if row.get("n_present") is not None else row.get("n_labelled")
    return "" if count is None else str(count)


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _together(scores: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the scores over all classes, named as those of a class."""
    detection, segmentation = scores["detection"] or {}, scores["segmentation"] or {}
    row = {**(scores["tagging"] or {}), **(scores["separation"] or {})}
    row |= {
        f"{kind}_f1": detection[kind]["f1"] for kind in ("segment", "event") if kind in detection
    }
    row |= {"segmentation_f1": segmentation["f1"]} if segmentation else {}
    return row | (
        {"ceiling": scores["baselines"][CEILING]["si_sdr_improvement"]}
        if scores["baselines"]
        else {}
    )


def _intervals(scores: Mapping[str, Any]) -> list[str]:
    found = scores["intervals"]["scores"]
    named = {
        "tagging.auc": "AUC",
        "detection.event.f1": "event F1",
        "separation.si_sdr_improvement": "SI-SDRi/dB",
    }
    parts = [
        f"{title} {found[name][0]:.3g} to {found[name][1]:.3g}"
        for name, title in named.items()
        if name in found
    ]
    return [f"95 % intervals over mixtures: {'; '.join(parts)}"] if parts else []


def _ladder(scores: Mapping[str, Any]) -> list[str]:
    if not scores["ladder"]:
        return []
    first, *steps = scores["ladder"]
    parts = [f"−{step['lost']:.1f} {step['to']}" for step in steps]
    parts = [part.replace("−-", "+") for part in parts]
    return [
        f"SI-SDRi/dB, what is lost to what: {first['si_sdr_improvement']:.1f} is all that {first['to']} leaves to a mask; "
        f"{'; '.join(parts)}; = {steps[-1]['si_sdr_improvement']:.1f}"
    ]


def _extremes(scores: Mapping[str, Any]) -> list[str]:
    if not scores["mixtures"]:
        return []
    parts = [
        f"{row['mixture']} ({', '.join(row['classes'])}: {row['si_sdr_improvement']:.1f})"
        for row in scores["mixtures"]["worst"][:3]
    ]
    return [f"worst mixtures, SI-SDRi/dB: {'; '.join(parts)}"]
