"""A run directory as the parts of a report, each something that a notebook shows."""

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from absslab.core.common.config import Config
from absslab.core.common.errors import InputError
from absslab.core.common.progress import Steps, run_with_progress
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.confusion import FEWEST, confusion
from absslab.core.evaluation.model_evaluation import Evaluation, EvaluationConfig, open_evaluation
from absslab.core.evaluation.score_files import write_scores
from absslab.core.evaluation.score_table import CEILING
from absslab.core.evaluation.score_text import BASELINE_TITLES
from absslab.core.evaluation.scores import BreakdownStep
from absslab.core.runs.catalogue import find_best_epoch
from absslab.core.runs.run_scores import (
    DOUBT,
    RankedMixture,
    RunScores,
    read_run_scores,
    scores_path,
)
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.run_directory import RunReader
from absslab.core.training.settings import Settings
from absslab.plots.charts import (
    chart_height,
    class_scores,
    confusion_map,
    distribution,
    improvement_breakdown,
    split_balance,
)
from absslab.plots.curves import RATES, Curves, training_curves
from absslab.plots.html_tables import html_table, score_table
from absslab.report import provenance
from absslab.report.examples import choose_examples, interleave, render_example, separate_example
from absslab.report.page import MAX_CHARACTERS
from absslab.report.page_parts import (
    Fragment,
    box,
    code,
    details,
    format_number,
    heading,
    paragraph,
    picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ConfigOf = TypeVar("ConfigOf", bound=Config)

CHARACTERS_FOR_EXAMPLES = 11_500_000  # of the characters of a page
_WIDTH = 4.9  # inches of a chart: two stand side by side on a wide page, and one fills a narrow one
_MOST_CONFUSED = 30  # classes of the map
_SHOWN_PAIRS = 10
_MOST_TRIED = 3  # examples that do not fit, before the others are not made at all
_PER_CLASS = ("si_sdr_improvement", "event_f1", "average_precision", "segmentation_f1", "leakage")
_STATES = {
    "finished": "all epochs are done",
    "stopped": "it was stopped before its last epoch; what follows is of the best model until then",
    "running": "it is still being trained; what follows is of the best model so far",
    "failed": "its training failed; what follows is of the best model until then",
    "dead": "its training died before its last epoch; what follows is of the best model until then",
}


class Report:
    """What there is to say, to see and to hear of a run; each method returns a part that a notebook shows.

    Args:
        run_directory: as `absslab train` writes it, with the best model beside it.
        split: train, validation or test.
        n_examples: how many of the worst, of the median and of the best mixtures are shown.
        device: what separates, and scores where that is needed: auto, cpu, cuda, cuda:1, ….
        limit: of the characters that examples may take; those beyond it are left out.

    Raises:
        InputError: not a run directory, no model yet, data that are gone, a split that they don't have.
    """

    def __init__(
        self,
        run_directory: str | Path,
        *,
        split: str = "test",
        n_examples: int = 1,
        device: str = "auto",
        limit: int = CHARACTERS_FOR_EXAMPLES,
    ):
        self.run = Path(run_directory)
        self.split, self.n_examples, self.device, self.limit = split, n_examples, device, limit
        self.reader = RunReader(self.run)
        if n_examples < 0:
            raise InputError(f"n_examples is {n_examples}: expected at least 0")
        if split not in SPLITS:
            raise InputError(f"there is no split {split!r}: expected one of {', '.join(SPLITS)}")
        if not self.run.name or self.run.name == "..":
            self.run = self.run.resolve()
        self.checkpoint = self.run.with_name(f"{self.run.name}.ckpt")
        if not self.checkpoint.is_file():
            raise InputError(
                f"{self.checkpoint} does not exist: the run has no best model yet; wait for its first validation, or bring "
                "the model beside the run directory"
            )
        try:
            self.settings = Settings.from_json(self.reader.config)
        except (KeyError, TypeError):
            raise InputError(
                f"{self.run}/config.json does not hold the settings of a training"
            ) from None
        self.reader.poll()
        self.unread = ""  # why scores that are there can't be used
        found = self._read_scores()
        self._scores = None if found is None or found.is_old else found
        self._known = found.scores.settings if found else {}  # that it was scored with
        self.evaluation = self._evaluation()

    def _read_scores(self) -> RunScores | None:
        """The scores; none where they are torn: they are made anew then."""
        try:
            return read_run_scores(self.run, self.split)
        except InputError as error:
            self.unread = str(error)
            return None

    @property
    def is_scored(self) -> bool:
        """Whether there are scores of the best model as it is."""
        return self._scores is not None

    def score(self) -> Steps[None]:
        """Score the best model on the split, as `absslab evaluate` does, into the run directory."""
        scores, table = yield from self.evaluation.run()
        write_scores(scores_path(self.run, self.split), scores, table)
        self._scores = read_run_scores(self.run, self.split)
        self._known = self._scores.scores.settings if self._scores else {}

    @property
    def scores(self) -> RunScores:
        """The scores; they are made where there are none."""
        if self._scores is None:
            run_with_progress(self.score(), "scored", "file")
        assert self._scores is not None
        return self._scores

    @property
    def data_folder(self) -> str:
        """Where the run's data are now."""
        return self._moved_to or self.settings.data.data_folder

    def summary(self) -> Fragment:
        """What it is, how far it came, how well it does."""
        status, state, scores = self.reader.status(), self.reader.state(), self.scores.scores
        metric = self.settings.training.metric
        epoch, value = find_best_epoch(self.reader.metrics, metric)
        best = "–" if value is None else f"epoch {epoch}, with {metric} {value:.4f} on validation"
        model = self.settings.model
        rows = [
            ["run", str(self.run)],
            ["state", f"{state}: {_STATES.get(state, 'it did not begin')}"],
            [
                "epochs",
                f"{status.epoch or 0} of {status.n_epochs or self.settings.training.n_epochs}",
            ],
            ["best model", best],
            [
                "network",
                f"{model.model_type}, {model.masks} masks, {model.pooling} pooling",
            ],
            ["data", f"{self.data_folder}, {len(scores.classes)} classes"],
            ["trained on", status.device or "–"],
            [
                "scored",
                f"{scores.n_mixtures} recordings of the {self.split} split; {provenance.when(self.scores.path)}",
            ],
            ["report made", f"{provenance.moment(time.time())}, on {self.evaluation.device}"],
        ]
        return box([_headline(*one) for one in self._headlines()], "numbers") + _table(
            ["", ""], rows
        )

    def configuration(self) -> Fragment:
        """The settings that are not the default, and all of them folded."""
        header = ["part", "setting", "value", "default", "meaning"]
        every = _table(header, provenance.setting_rows(self.settings, changed=False))
        changed = _table(header, provenance.setting_rows(self.settings, changed=True))
        about = paragraph(
            "What this run sets otherwise than the defaults, and its network, pooling and kind of masks:"
        )
        return about + changed + details("all settings", every)

    def data(self) -> Fragment:
        """What the recordings are, and how many of each class are in each split."""
        items, classes = provenance.labelled(self.settings, self.data_folder)
        per_split = {split: sum(item.split == split for item in items) for split in SPLITS}
        in_splits = ", ".join(f"{n} {split}" for split, n in per_split.items() if n)
        manifest = provenance.manifest_of(self.data_folder)
        kind = "mixtures" if manifest else "recordings"
        counts = provenance.counts(items, classes)
        about = paragraph(f"{len(items)} {kind} of {len(classes)} classes: {in_splits}.")
        charts = [self._balance(counts, kind, f"{kind} that hold a class")]
        header = ["class", *(f"{split} {kind}" for split in SPLITS)]
        rows = [[name, *map(str, by_split.values())] for name, by_split in counts.items()]
        if manifest is None:
            about += paragraph(
                "They come with weak labels alone: nothing tells how they were made."
            )
            return about + box(charts, "charts") + details("counts", _table(header, rows))
        drawn = provenance.recording_counts(manifest)
        n_recordings = sum(sum(by_split.values()) for by_split in drawn.values())
        about += paragraph(
            f"They are mixed, with seed {manifest['seed']}, from {n_recordings} isolated recordings, which were split "
            "before: no recording is in two splits."
        )
        charts.append(
            self._balance(drawn, "recordings", "isolated recordings that mixtures are drawn from")
        )
        header += [f"{split} recordings" for split in SPLITS]
        rows = [[*row, *map(str, drawn.get(row[0], {}).values())] for row in rows]
        mixing = _table(["setting", "value", "meaning"], provenance.mixing_rows(manifest))
        return (
            about
            + box(charts, "charts")
            + details("counts", _table(header, rows))
            + details("how they were mixed", mixing)
        )

    def training(self) -> Fragment:
        """Losses, scores on validation and the learning rate over the epochs."""
        metrics = self.reader.metrics
        if not metrics:
            return paragraph("There are no curves: metrics.jsonl of the run is empty or gone.")
        charts = []
        for title, lines in training_curves(metrics, self.settings.training.metric).items():
            if any(len(epochs) for epochs, _ in lines.values()):
                axes = _axes(3.0)
                Curves(axes, title=title, log=title == RATES).show(lines)
                charts.append(
                    _drawn(axes, f"{title}, over {len(metrics)} epochs: {', '.join(lines)}")
                )
        seconds = [
            line["seconds"]
            for line in metrics.values()
            if isinstance(line.get("seconds"), int | float)
        ]
        took = f"{sum(seconds) / 60:.1f} minutes" if seconds else "an unknown time"
        return paragraph(f"{len(metrics)} epochs took {took}.") + box(charts, "charts")

    def score_table(self) -> Fragment:
        """All scores, with their intervals, floors and ceilings, and what could not be scored."""
        return Fragment(score_table(self.scores))

    def score_charts(self) -> Fragment:
        """Scores class by class, their spread over mixtures, and what is lost to what."""
        scores, charts = self.scores, []
        for key in (key for key in _PER_CLASS if key in scores.choices):
            title = scores.choices[key].replace("/dB", " / dB")
            axes = _axes(chart_height(len(scores.per_class(key))))
            ceiling = (
                {BASELINE_TITLES[CEILING]: scores.per_class("ceiling")}
                if key == "si_sdr_improvement"
                else {}
            )
            class_scores(
                axes,
                scores.per_class(key),
                label=title,
                intervals=scores.intervals(key),
                baselines=ceiling,
            )
            charts.append(_drawn(axes, f"{title} of each class with its 95 % interval"))
        used, values = scores.per_mixture("si_sdr_improvement")
        label = "mean |label − probability|" if used == DOUBT else "SI-SDRi / dB, mean of a mixture"
        axes = _axes(3.0)
        distribution(axes, values.to_list(), label=label)
        charts.append(_drawn(axes, f"{label}: how many mixtures have it"))
        parts = paragraph(
            "Dots are the model's scores, bars their 95 % intervals over resampled mixtures."
        )
        parts += box(charts, "charts")
        if steps := scores.scores.breakdown:
            axes = _axes(3.2, width=7.5)
            improvement_breakdown(axes, steps)
            parts += heading("What is lost to what") + paragraph(
                "From the best that any mask could do down to the model:"
            )
            parts += _drawn(
                axes, f"SI-SDR improvement in dB: {_breakdown_words(steps)}", name="wide"
            )
        return parts

    def confusion(self) -> Fragment:
        """Which classes are tagged where others are."""
        found = confusion(self.scores.table)
        if found is None:
            return paragraph("There are no tags to confuse: they were not scored.")
        shown = found.of(found.most_confused(_MOST_CONFUSED))
        axes = _axes(
            1.6 + 0.28 * len(shown.classes), width=min(9.5, 2.2 + 0.33 * max(8, len(shown.classes)))
        )
        confusion_map(axes, shown.rates, shown.classes)
        pairs = found.pairs()
        said = [
            f"{one.tagged}, where {one.present} is: in {one.n_tagged} of {one.n_mixtures} ({100 * one.rate:.0f}\u00a0%)"
            for one in pairs[:_SHOWN_PAIRS]
        ]
        few = f"Pairs that fewer than {FEWEST} mixtures can tell are left out."
        parts = paragraph(
            "A row is a class that is in the mixture. On the diagonal: in how many of these mixtures it is found; in "
            "the other columns: how often that class is tagged though it is not there."
        ) + _drawn(
            axes,
            "How often each class is tagged where another one is; the pairs are listed below",
            name="wide",
        )
        if len(shown.classes) < len(found.classes):
            parts += paragraph(
                f"Of {len(found.classes)} classes those {len(shown.classes)} that are confused most are shown."
            )
        if not said:
            return parts + paragraph(f"No class was tagged where it is not. {few}")
        items = "".join(paragraph(line, "item").html for line in said)
        return (
            parts
            + paragraph(f"Tagged where it is not, the most frequent pairs first. {few}")
            + Fragment(items)
        )

    def examples(self) -> Fragment:
        """The worst, the median and the best mixtures, with pictures and sounds, as many as the page can hold."""
        used, _ = self.scores.per_mixture("si_sdr_improvement")
        ranking = self.scores.ranking("si_sdr_improvement")
        if not self.n_examples or not ranking:
            return paragraph(
                "No mixture is shown: none was asked for."
                if ranking
                else "No mixture has a score to choose by."
            )
        by = (
            "the distance of probabilities from labels"
            if used == DOUBT
            else "the mean SI-SDR improvement of what they hold"
        )
        made: dict[str, list[Fragment]] = {}
        spent, left_out = 0, 0
        for name, ranked in interleave(choose_examples(ranking, self.n_examples)):
            if left_out >= _MOST_TRIED:
                left_out += 1
                continue
            fragment = self._example(name, ranked, used)
            if spent + len(fragment.html) > self.limit:
                left_out += 1
                continue
            spent += len(fragment.html)
            made.setdefault(name, []).append(fragment)
        parts = paragraph(
            f"Chosen by {by}. Levels are true: what is quiet in the file is quiet here."
        )
        for name in ("worst", "median", "best"):
            parts += sum(made.get(name, ()), Fragment())
        if left_out:
            parts += paragraph(
                f"{left_out} more did not fit: a report stays under {MAX_CHARACTERS // 1_000_000} MB."
            )
        return parts

    def reproduction(self, output: str = "") -> Fragment:
        """Commands, seeds, device, dates, versions and checksums."""
        scores, run = self.scores, self.run
        page = {
            "split": self.split,
            "n_examples": self.n_examples,
            "device": self.device,
            "output": output or None,
        }
        scoring = provenance.scoring_flags(self._known) | {
            "split": self.split,
            "output": str(scores.path),
        }
        lines = provenance.commands(
            self.settings, run=run, data_folder=self.data_folder, scoring=scoring, page=page
        )
        dates = provenance.training_dates(run) | {"best model": provenance.when(self.checkpoint)}
        dates |= {"scores": provenance.when(scores.path), "report": provenance.moment(time.time())}
        devices = {
            "training": self.reader.status().device or "–",
            "report": str(self.evaluation.device),
        }
        seeds = provenance.seeds(self.settings, scores.scores, self.data_folder)
        versions = provenance.versions() | {"absslab, when it was scored": scores.scores.absslab}
        tables = [
            heading(title) + _table(["", ""], list(map(list, facts_of.items())))
            for title, facts_of in {
                "Seeds": seeds,
                "Devices": devices,
                "Dates": dates,
                "Versions": versions,
            }.items()
        ]
        sums = _table(["what", "file", "SHA-256"], provenance.checksums(run, self.data_folder))
        return (
            code(lines)
            + box((box([one], "column") for one in tables), "columns")
            + heading("Checksums")
            + sums
        )

    @cached_property
    def _moved_to(self) -> str | None:
        """Where the data were when they were scored, if that was elsewhere."""
        folder = self._known.get("evaluation", {}).get("data_folder")
        return folder if isinstance(folder, str) and Path(folder).is_dir() else None

    def _evaluation(self) -> Evaluation:
        """Of the settings that it was scored with, so that what is heard is what was scored."""
        config = EvaluationConfig(
            str(self.checkpoint), self.split, self._moved_to, device=self.device
        )
        return open_evaluation(
            config,
            self._scored_with("separation", SeparationConfig),
            self._scored_with("detection", DetectionConfig),
        )

    def _scored_with(self, section: str, kind: type[ConfigOf]) -> ConfigOf:
        try:
            return kind.from_json(self._known.get(section, {}))
        except InputError:  # of another version
            return kind.default_config()

    def _headlines(self) -> list[tuple[str, str]]:
        """Numbers and what they are."""
        found = []
        values = self.scores.scores.flat()
        ends = self.scores.scores.intervals.scores
        wanted = {
            "tagging.auc": ("tagging AUC", ".3f"),
            "detection.event.f1": ("event F1", ".3f"),
            "segmentation.f1": ("mask F1", ".3f"),
            "separation.si_sdr_improvement": ("SI-SDR improvement, dB", ".1f"),
            "separation.leakage": ("leakage of absent classes, dB", ".0f"),
        }
        for name, (title, form) in wanted.items():
            if name in values:
                interval = (
                    f"; 95 %: {format_number(ends[name][0], form)} to {format_number(ends[name][1], form)}"
                    if name in ends
                    else ""
                )
                found.append((format_number(values[name], form), f"{title}{interval}"))
        return found

    def _balance(self, counts: Mapping[str, Mapping[str, int]], unit: str, alt: str) -> Fragment:
        axes = _axes(chart_height(len(counts)))
        split_balance(axes, counts, unit=alt)
        return _drawn(axes, f"{alt}, per split: {unit}")

    def _example(self, name: str, ranked: RankedMixture, used: str) -> Fragment:
        score = (
            f"{ranked.score:.2f} from its labels"
            if used == DOUBT
            else f"{format_number(ranked.score, '.1f')} dB"
        )
        title = f"{name}: {ranked.mixture}, {score}"
        example = separate_example(self.evaluation, self.scores, ranked.mixture)
        if example is None:
            return heading(title) + paragraph("It is not in the data any more.")
        return render_example(self.evaluation, example, title)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Fragment:
    return Fragment(html_table(header, rows))


def _headline(value: str, what: str) -> Fragment:
    return box([paragraph(value, "value"), paragraph(what, "what")], "number")


def _axes(height: float, *, width: float = _WIDTH) -> "Axes":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").subplots()


def _drawn(axes: "Axes", alt: str, *, name: str = "chart") -> Fragment:
    figure = axes.get_figure()
    assert figure is not None
    return picture(figure, alt, name=name)  # type: ignore[arg-type]


def _breakdown_words(steps: Sequence[BreakdownStep]) -> str:
    return ", ".join(
        f"{step.system.replace('_', ' ')} {step.si_sdr_improvement:.1f}" for step in steps
    )
