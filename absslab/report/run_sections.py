"""Sections of a report on the run itself: summary, settings, data, training."""

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from absslab.core.data.layouts import SHARDS
from absslab.core.data.shards.shard_index import INDEX_FILE, read_index
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.scores import Scores
from absslab.core.runs.catalogue import find_best_epoch
from absslab.plots.charts import chart_height, draw_split_balance
from absslab.plots.curves import RATES, Curves, collect_training_curves
from absslab.report import provenance
from absslab.report.page_parts import (
    Fragment,
    box,
    chart,
    chart_axes,
    details,
    format_number,
    prose,
    table,
)
from absslab.report.reported_run import ReportedRun

_STATES = {
    "preparing": "it is being prepared for training; this report is on the best model so far",
    "running": "it is still being trained; this report is on the best model so far",
    "finished": "all epochs are done",
    "stopped": "it was stopped before its last epoch; this report is on the best model until then",
    "failed": "its training failed; this report is on the best model until then",
    "dead": "its process died before its last epoch; this report is on the best model until then",
}
_HEADLINES = {  # dotted name of the score → its title and format
    "tagging.auc": ("tagging AUC", ".3f"),
    "detection.event.f1": ("event F1", ".3f"),
    "segmentation.f1": ("mask F1", ".3f"),
    "separation.si_sdr_improvement": ("SI-SDR improvement, dB", ".1f"),
    "separation.plain_sdr_improvement": ("SDR improvement, dB", ".1f"),
    "separation.ca_sdr_improvement": ("CA-SDRi of sources and tags, dB", ".1f"),
    "separation.leakage": ("leakage of absent classes, dB", ".0f"),
}


def render_summary(run: ReportedRun) -> Fragment:
    """Render the most important scores, and what the run is."""
    status = run.reader.status()
    state = run.reader.state()
    scores = run.scores.scores
    metric = run.settings.training.metric
    epoch, value = find_best_epoch(run.reader.metrics, metric)
    best = "–" if value is None else f"epoch {epoch}, with {metric} {value:.4f} on validation"
    model = run.settings.model
    n_epochs = status.n_epochs or run.settings.training.n_epochs
    scored_at = provenance.format_file_time(run.scores.path)
    scored = f"{scores.n_mixtures} recordings"
    if scores.left_out:
        scored += f" ({len(scores.left_out)} that can't be used were left out)"
    rows = [
        ["run", str(run.folder)],
        ["state", f"{state}: {_STATES.get(state, 'it did not begin')}"],
        ["epochs", f"{status.epoch or 0} of {n_epochs}"],
        ["best model", best],
        ["network", f"{model.model_type}, {model.masks} masks, {model.pooling} pooling"],
        ["data", f"{run.data_folder}, {len(scores.classes)} classes"],
        ["trained on", status.device or "–"],
        ["scored", f"{scored} of the {run.split} split; {scored_at}"],
        ["report made", f"{provenance.format_time(time.time())}, on {run.evaluation.device}"],
    ]
    return box(_render_headlines(scores), "numbers") + table(["", ""], rows)


def render_configuration(run: ReportedRun) -> Fragment:
    """Render the settings that differ from their defaults, and all settings folded away."""
    header = ["part", "setting", "value", "default", "meaning"]
    changed = provenance.tabulate_settings(run.settings, changed_only=True)
    everything = provenance.tabulate_settings(run.settings, changed_only=False)
    return (
        prose(
            "The settings of this run that differ from their defaults, and its network, pooling "
            "and kind of masks:"
        )
        + table(header, changed)
        + details("all settings", table(header, everything))
    )


def render_data(run: ReportedRun) -> Fragment:
    """Render the number of recordings of each class in each split, and how they were mixed."""
    if run.settings.data.data_set_type == SHARDS:
        return _render_shards(run)
    labelled = provenance.read_labelled_recordings(run.settings, run.data_folder)
    recordings = labelled.recordings
    classes = labelled.classes
    manifest = provenance.find_manifest(run.data_folder)
    kind = "mixtures" if manifest else "recordings"
    n_per_split = Counter(recording.split for recording in recordings)
    splits = ", ".join(f"{n_per_split[split]} {split}" for split in SPLITS if n_per_split[split])
    counts = provenance.count_recordings(recordings, classes)
    text = prose(f"{len(recordings)} {kind} of {len(classes)} classes: {splits}.")
    for note in labelled.notes:
        text += prose(f"{note}.")
    charts = [_draw_balance(counts, kind, f"{kind} that hold a class")]
    header = ["class", *(f"{split} {kind}" for split in SPLITS)]
    rows = [[name, *map(str, by_split.values())] for name, by_split in counts.items()]
    if manifest is None:
        text += prose("They come only with weak labels; how they were made is not known.")
        text += prose(provenance.explain_missing_manifest(run.data_folder))
        return text + box(charts, "charts") + details("counts", table(header, rows))
    source_counts = provenance.count_sources(manifest)
    n_sources = sum(sum(by_split.values()) for by_split in source_counts.values())
    text += prose(
        f"They are mixed, with seed {manifest.seed}, from {n_sources} isolated recordings, "
        "which were split before: no recording is in two splits."
    )
    alt = "isolated recordings that mixtures are drawn from"
    charts.append(_draw_balance(source_counts, "recordings", alt))
    header += [f"{split} recordings" for split in SPLITS]
    rows = [[*row, *map(str, source_counts.get(row[0], {}).values())] for row in rows]
    mixing = table(["setting", "value", "meaning"], provenance.tabulate_mixing(manifest))
    return (
        text
        + box(charts, "charts")
        + details("counts", table(header, rows))
        + details("how they were mixed", mixing)
    )


def _render_shards(run: ReportedRun) -> Fragment:
    """Render the number of recordings of each class in each split of shards."""
    index = read_index(Path(run.data_folder) / INDEX_FILE)
    splits = [split for split in SPLITS if index.total(split).n_recordings]
    numbers = ", ".join(f"{index.total(split).n_recordings} {split}" for split in splits)
    text = prose(
        f"{index.n_recordings} recordings of {len(index.classes)} classes in {len(index.shards)} "
        f"shards: {numbers}. They come only with weak labels."
    )
    counts = {
        name: {split: index.total(split).present.get(name, 0) for split in SPLITS}
        for name in index.classes
    }
    header = ["class", *(f"{split} recordings" for split in SPLITS)]
    rows = [[name, *map(str, by_split.values())] for name, by_split in counts.items()]
    charts = [_draw_balance(counts, "recordings", "recordings that hold a class")]
    return text + box(charts, "charts") + details("counts", table(header, rows))


def render_training(run: ReportedRun) -> Fragment:
    """Render the losses, the scores on validation and the learning rate over the epochs."""
    metrics = run.reader.metrics
    if not metrics:
        return prose("There are no curves: metrics.jsonl of the run is empty or gone.")
    charts = []
    for title, lines in collect_training_curves(metrics, run.settings.training.metric).items():
        if any(len(epochs) for epochs, _ in lines.values()):
            axes = chart_axes(3.0)
            Curves(axes, title=title, log=title == RATES).show(lines)
            charts.append(chart(axes, f"{title}, over {len(metrics)} epochs: {', '.join(lines)}"))
    durations = [line.get("seconds") for line in metrics.values()]
    known = [seconds for seconds in durations if isinstance(seconds, int | float)]
    duration = f"{sum(known) / 60:.1f} minutes" if known else "an unknown time"
    return prose(f"{len(metrics)} epochs took {duration}.") + box(charts, "charts")


def _render_headlines(scores: Scores) -> list[Fragment]:
    """Render the most important numbers, each with what it is and its interval."""
    values = scores.flat()
    headlines = []
    for name, (title, form) in _HEADLINES.items():
        if name not in values:
            continue
        if name in scores.intervals.scores:
            low, high = (format_number(end, form) for end in scores.intervals.scores[name])
            title = f"{title}; 95 %: {low} to {high}"
        number = prose(format_number(values[name], form), "value")
        headlines.append(box([number, prose(title, "what")], "number"))
    return headlines


def _draw_balance(counts: Mapping[str, Mapping[str, int]], unit: str, alt: str) -> Fragment:
    axes = chart_axes(chart_height(len(counts)))
    draw_split_balance(axes, counts, unit=alt)
    return chart(axes, f"{alt}, per split: {unit}")
