"""Format scores as text: rows for each class, all classes and baselines, then remarks."""

from typing import Literal, NamedTuple

from absslab.core.evaluation.score_spread import ALL, WITH_BACKGROUND, WITHOUT_BACKGROUND
from absslab.core.evaluation.score_table import ACTIVITY, CEILING
from absslab.core.evaluation.scores import Scores, SelfCheckScores

_CLASSES = "classes"
_PRESENT = "sources that are present"
_ABSENT = "classes that are not"
_N_LEFT_OUT = 3  # number of recordings that a remark names


class ScoreColumn(NamedTuple):
    """A column of the table of scores."""

    title: str
    format: str
    all_classes: str  # dotted name of the score of all classes together
    mean_over: str  # what the score of all classes is the mean over, as the legend says it
    best: Literal["highest", "lowest"]
    explanation: str = ""  # for the legend, where the title does not say all


SCORE_COLUMNS = {  # by the name of the score of a class
    "auc": ScoreColumn("AUC", ".3f", "tagging.auc", _CLASSES, "highest"),
    "average_precision": ScoreColumn("AP", ".3f", "tagging.average_precision", _CLASSES, "highest"),
    "f1": ScoreColumn("F1", ".3f", "tagging.f1", _CLASSES, "highest"),
    "segment_f1": ScoreColumn("segment F1", ".3f", "detection.segment.f1", _CLASSES, "highest"),
    "event_f1": ScoreColumn("event F1", ".3f", "detection.event.f1", _CLASSES, "highest"),
    "activity_event_f1": ScoreColumn(
        "activity F1", ".3f", "detection_activity.event.f1", _CLASSES, "highest"
    ),
    "extent_event_f1": ScoreColumn(
        "extent F1", ".3f", "detection_extent.event.f1", _CLASSES, "highest"
    ),
    "segmentation_f1": ScoreColumn("mask F1", ".3f", "segmentation.f1", _CLASSES, "highest"),
    "si_sdr_improvement": ScoreColumn(
        "SI-SDRi/dB", ".2f", "separation.si_sdr_improvement", _PRESENT, "highest"
    ),
    "ceiling": ScoreColumn(
        "ceiling/dB",
        ".2f",
        f"baselines.{CEILING}.si_sdr_improvement",
        _PRESENT,
        "highest",
        "ceiling: ideal ratio mask, mel",
    ),
    "plain_sdr_improvement": ScoreColumn(
        "SDRi/dB",
        ".2f",
        "separation.plain_sdr_improvement",
        _PRESENT,
        "highest",
        "SDRi: of SDR without scaling and filter",
    ),
    "sdr": ScoreColumn(
        "BSS SDR/dB",
        ".2f",
        "separation.sdr",
        _PRESENT,
        "highest",
        "BSS: BSS Eval, with a filter of 512 samples",
    ),
    "sir": ScoreColumn("BSS SIR/dB", ".2f", "separation.sir", _PRESENT, "highest"),
    "sar": ScoreColumn("BSS SAR/dB", ".2f", "separation.sar", _PRESENT, "highest"),
    "leakage": ScoreColumn("leakage/dB", ".1f", "separation.leakage", _ABSENT, "lowest"),
}
BASELINE_TITLES = {
    "mixture": "the mixture itself",
    "ideal_binary_mask": "ideal binary mask",
    "ideal_binary_mask_mel": "ideal binary mask, mel",
    "ideal_ratio_mask": "ideal ratio mask",
    "ideal_ratio_mask_mel": "ideal ratio mask, mel",
}


_SPREAD_TITLES = {"sdr": "BSS SDR", "sir": "BSS SIR", "sar": "BSS SAR", "si_sdr": "SI-SDR"}
_MIXTURE_KINDS = {
    ALL: "",
    WITH_BACKGROUND: " in mixtures with a background",
    WITHOUT_BACKGROUND: " in mixtures without one",
}


class _Row(NamedTuple):
    """A row of the table."""

    title: str
    n_present: int | None  # number of recordings with the class
    names: list[str]  # dotted names of its scores, one per column


def score_text(scores: Scores) -> str:
    """Format the table of scores and its remarks for a terminal."""
    rows = score_rows(scores)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    split = f"{scores.split}: " if scores.split else ""
    n_left_out = len(scores.left_out)
    left_out = f", {n_left_out} left out" if n_left_out else ""
    lines = [f"{split}{scores.n_mixtures} recordings{left_out}"]
    for title, *cells in rows:
        aligned = "".join(
            f"  {cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)
        )
        lines.append(f"{title:{widths[0]}}{aligned}".rstrip())
    return "\n".join([*lines, "", *score_remarks(scores)])


def score_remarks(scores: Scores) -> list[str]:
    """Format what the table does not show: intervals, lost improvement, missing scores."""
    lines = [
        *_interval_remark(scores),
        *_equal_error_remark(scores),
        *_spread_remark(scores),
        *_class_aware_remark(scores),
        *_breakdown_remark(scores),
        *_self_check_remark(scores.self_check),
        *_worst_mixtures_remark(scores),
        *_legend(_columns(scores.flat())),
    ]
    if scores.tagging:
        lines.append(f"F1 of tags: thresholds from {scores.tagging.thresholds_from}")
    if scores.separation and scores.separation.n_contradictions:
        lines.append(
            f"labels and sources contradict each other {scores.separation.n_contradictions} "
            "times: compare the columns label and present of the table"
        )
    lines += _truth_remark(scores)
    if scores.detection and scores.detection.n_joined_events:
        lines.append(
            f"{scores.detection.n_joined_events} true events overlap or touch another of their "
            "class: joined with it, as one event"
        )
    for name, reason in scores.missing.items():
        if name.startswith("per_class."):
            lines.append(f"class {name.removeprefix('per_class.')}: {reason}")
        elif reason.startswith("on "):
            lines.append(f"{name}: {reason}")
        else:
            lines.append(f"no {name}: {reason}")
    return [*lines, *_left_out_remark(scores)]


def _truth_remark(scores: Scores) -> list[str]:
    """Say what counts as a true event, and which events can't be heard."""
    if scores.detection is None or scores.detection.truth is None:
        return []
    by_activity = "the parts of labelled events in which their sources sound"
    if scores.detection.truth == ACTIVITY:
        line = f"true events: {by_activity}"
        if scores.detection_extent:
            line += "; extent F1: of events against the labelled ones"
    else:
        line = "true events: as they are labelled"
        if scores.detection_activity:
            line += f"; activity F1: of events against {by_activity}"
    lines = [line]
    if scores.detection.event_thresholds_from:
        activity = f"; activity: {scores.detection.activity}" if scores.detection.activity else ""
        source = scores.detection.event_thresholds_from
        lines.append(f"thresholds of events: from {source}{activity}")
    if scores.detection.n_silent_events:
        lines.append(
            f"{scores.detection.n_silent_events} labelled events are no true ones: their sources "
            "are silent there"
        )
    return lines


def _left_out_remark(scores: Scores) -> list[str]:
    """Name the first recordings that could not be used."""
    if not scores.left_out:
        return []
    reasons = list(scores.left_out.values())
    n_more = len(reasons) - _N_LEFT_OUT
    more = f"; and {n_more} more" if n_more > 0 else ""
    return [f"{len(reasons)} left out: {'; '.join(reasons[:_N_LEFT_OUT])}{more}"]


def score_rows(scores: Scores) -> list[list[str]]:
    """Return scores as rows of text cells, without empty columns.

    Returns:
        a header, a row per class, a row for all classes together, a row per baseline.
    """
    values = scores.flat()
    columns = _columns(values)
    header = ["class", "n present", *(SCORE_COLUMNS[column].title for column in columns)]
    rows = [header]
    for title, n_present, names in _rows(scores, columns):
        cells = [
            _format_cell(values.get(name), SCORE_COLUMNS[column].format)
            for column, name in zip(columns, names, strict=True)
        ]
        rows.append([title, "" if n_present is None else str(n_present), *cells])
    return rows


def interval_rows(scores: Scores) -> list[list[str]]:
    """Return the 95 % intervals in the cells of `score_rows`; a cell without one is empty."""
    columns = _columns(scores.flat())
    rows = [[""] * (len(columns) + 2)]
    for row in _rows(scores, columns):
        cells = [
            _format_interval(scores.intervals.scores.get(name), SCORE_COLUMNS[column].format)
            for column, name in zip(columns, row.names, strict=True)
        ]
        rows.append(["", "", *cells])
    return rows


def _legend(columns: list[str]) -> list[str]:
    """Say what the scores of all classes in these columns are means over."""
    titles: dict[str, list[str]] = {}
    for name in columns:
        column = SCORE_COLUMNS[name]
        if name != "ceiling":
            titles.setdefault(column.mean_over, []).append(column.title.removesuffix("/dB"))
    if not titles:
        return []
    means = [f"over {items} ({', '.join(names)})" for items, names in titles.items()]
    parts = [f"all: means {', '.join(means)}"]
    parts += [text for name in columns if (text := SCORE_COLUMNS[name].explanation)]
    return ["; ".join(parts)]


def _columns(values: dict[str, float]) -> list[str]:
    """List the columns that have a score of all classes together."""
    return [name for name, column in SCORE_COLUMNS.items() if column.all_classes in values]


def _rows(scores: Scores, columns: list[str]) -> list[_Row]:
    rows = []
    for name, row in scores.per_class.items():
        n_present = row.n_labelled if row.n_present is None else row.n_present
        rows.append(_Row(name, n_present, [f"per_class.{name}.{column}" for column in columns]))
    n_present = scores.separation.n_present if scores.separation else None
    rows.append(_Row("all", n_present, [SCORE_COLUMNS[column].all_classes for column in columns]))
    for name, baseline in (scores.baselines or {}).items():
        if baseline.si_sdr is not None:
            names = [f"baselines.{name}.{column}" for column in columns]
            rows.append(_Row(BASELINE_TITLES[name], None, names))
    return rows


def _format_cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _format_interval(ends: list[float] | None, form: str) -> str:
    return "" if ends is None else f"{ends[0]:{form}} to {ends[1]:{form}}"


def _interval_remark(scores: Scores) -> list[str]:
    titles = {
        "tagging.auc": "AUC",
        "detection.event.f1": "event F1",
        "separation.si_sdr_improvement": "SI-SDRi/dB",
    }
    parts = [
        f"{title} {_format_interval(scores.intervals.scores[name], '.3g')}"
        for name, title in titles.items()
        if name in scores.intervals.scores
    ]
    return [f"95 % intervals over mixtures: {'; '.join(parts)}"] if parts else []


def _equal_error_remark(scores: Scores) -> list[str]:
    """Give the equal error rates of tags and of frames."""
    values = scores.flat()
    names = {"tagging.eer": "of tags", "detection.frame.eer": "of frames"}
    parts = [f"{title} {values[name]:.3f}" for name, title in names.items() if name in values]
    return [f"equal error rate, mean over classes: {', '.join(parts)}"] if parts else []


def _spread_remark(scores: Scores) -> list[str]:
    """Give mean, standard deviation and median of scores of sources, by kind of mixtures."""
    spreads = (scores.separation and scores.separation.spread) or {}
    kinds = [kind for kind in _MIXTURE_KINDS if kind in spreads]
    lines = []
    for kind in kinds if len(kinds) > 2 else kinds[:1]:
        parts = [
            f"{_SPREAD_TITLES[name]} {spread.mean:.2f} ± {spread.std:.2f} ({spread.median:.2f})"
            for name, spread in spreads[kind].items()
        ]
        lines.append(
            f"sources{_MIXTURE_KINDS[kind]}, mean ± standard deviation (median) in dB: "
            f"{', '.join(parts)}"
        )
    return lines


def _class_aware_remark(scores: Scores) -> list[str]:
    """Give the scores of sources and tags together, which are means over recordings."""
    separation = scores.separation
    if separation is None or separation.ca_sdr_improvement is None:
        return []
    parts = [f"CA-SDRi {separation.ca_sdr_improvement:.2f} dB"]
    if separation.casa_sdr_improvement is not None:
        parts.append(f"CASA-SDRi {separation.casa_sdr_improvement:.2f} dB")
    return [f"sources and tags together, mean over recordings: {', '.join(parts)}"]


def _breakdown_remark(scores: Scores) -> list[str]:
    if not scores.breakdown:
        return []
    first, *steps = scores.breakdown
    parts = [f"{-(step.lost or 0.0):+.1f} {step.cause}".replace("-", "−", 1) for step in steps]
    return [
        "SI-SDRi, where improvement is lost: "
        f"{first.si_sdr_improvement:.1f} dB is the best that a mask can reach with {first.cause}; "
        f"{'; '.join(parts)}; = {steps[-1].si_sdr_improvement:.1f}"
    ]


def _self_check_remark(scores: SelfCheckScores | None) -> list[str]:
    """Say what the model says of its own outputs, and how far this agrees with SI-SDRi."""
    if scores is None:
        return []
    if scores.sdr is None:
        return ["the model's own outputs: no class is tagged"]
    lines = [
        f"the model's own outputs, heard again ({scores.n_sources} tagged sources): "
        f"SDR {scores.sdr:.1f} dB, probability of their class {scores.probability:.2f}, of "
        f"another {scores.other:.2f}, in the residual {scores.residual:.2f}"
    ]
    kinds = {"sources": scores.sources, "recordings": scores.recordings}
    parts = [
        f"Spearman {agreement.spearman:.2f}, Pearson {agreement.pearson:.2f} over "
        f"{agreement.n} {kind}"
        for kind, agreement in kinds.items()
        if agreement is not None
    ]
    if parts:
        lines.append(f"this SDR and SI-SDRi: {'; '.join(parts)}")
    return lines


def _worst_mixtures_remark(scores: Scores) -> list[str]:
    if not scores.mixtures:
        return []
    parts = [
        f"{row.mixture} ({', '.join(row.classes)}: {row.si_sdr_improvement:.1f})"
        for row in scores.mixtures.worst[:3]
    ]
    return [f"worst mixtures, SI-SDRi/dB: {'; '.join(parts)}"]
