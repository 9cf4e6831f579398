"""Mix, train and score under all conditions of a benchmark; go on with one that was interrupted.

::

    output_folder/results.json, results.csv, results.md
    output_folder/mixtures/<condition>-<seed>/
    output_folder/runs/<condition>-<recipe>-<supervision>-<seed>.ckpt, and its run directory
    output_folder/scores/<condition>-<recipe>-<supervision>-<seed>.json, and its table
"""

import shutil
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from absslab.core.common.config import Config, fingerprint, format_setting, option
from absslab.core.common.devices import choose_device, device_option
from absslab.core.common.errors import InputError, InputWarning, WorkError, escape_braces
from absslab.core.common.files import check_output_folder, checksum, file_lock
from absslab.core.common.left_out import LeftOut, on_error_option
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import LongWork, Progress, Steps, name_stage
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig, event_steps, smallest_number
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.recordings import Recording, background_steps, split_recordings
from absslab.core.evaluation.divided_evaluation import run_evaluation
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import evaluation_steps
from absslab.core.evaluation.score_files import read_scores_alone, write_scores
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.evaluation.scores import is_score_name
from absslab.core.runs.benchmark_conditions import CONDITIONS
from absslab.core.runs.benchmark_results import (
    BenchmarkFailure,
    BenchmarkResults,
    BenchmarkRow,
    read_results,
    write_results,
)
from absslab.core.runs.result_tables import COLUMNS, measure_cost
from absslab.core.runs.run_scores import are_current
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.config import SUPERVISIONS
from absslab.core.training.events import (
    StepDone,
    TaskStep,
    TrainingEvent,
    TrainingOutcome,
)
from absslab.core.training.experiment import train_or_resume
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.run_directory import RunReader

_COMPARED = ("n_files", "n_epochs", "split_percentages")
_OF_MIXTURES = (  # settings that are those of the folders of mixtures
    "event_folder",
    "n_files",
    "split_percentages",
    "recordings_csv",
    "origin_pattern",
    "background_origin_pattern",
    "n_workers",
    "on_error",
)
_SOUNDS = ("recordings", "backgrounds")  # fingerprints of what mixtures are made of
_LOCK = ".results.lock"  # of results.json, .csv and .md
_NOT_COUNTED = "per_class."  # scores of single classes, which the results leave out


@dataclass(frozen=True)
class BenchmarkConfig(Config):
    """Recordings, conditions and trainings of a benchmark."""

    event_folder: str = option(
        "", "folder of isolated recordings, as for absslab mix", metavar="FOLDER", required=True
    )
    background_folder: str | None = option(
        None,
        "folder of recorded backgrounds; conditions that need it are left out without it",
        metavar="FOLDER",
    )
    output_folder: str = option(
        "", "folder to write: new, empty, or one to continue", metavar="FOLDER", required=True
    )
    conditions: tuple[str, ...] = option(
        tuple(CONDITIONS), "conditions to run, see below", choices=CONDITIONS
    )
    recipes: tuple[str, ...] = option(
        ("recommended",), "recipes to train by, each in each condition", choices=RECIPES
    )
    supervision: tuple[str, ...] = option(
        ("weak",), "what each recipe is trained with, as in absslab train", choices=SUPERVISIONS
    )
    seeds: tuple[int, ...] = option(
        (0, 1, 2), "seeds, each of a split, its mixtures and trainings", at_least=0
    )
    n_files: int = option(2000, "number of mixtures per condition and seed", at_least=1)
    n_epochs: int | None = option(
        None, "number of training epochs; none: that of the recipe", at_least=1
    )
    columns: tuple[str, ...] = option(
        tuple(COLUMNS), "columns of results.md: dotted names of scores", metavar="NAME"
    )
    split_percentages: tuple[float, float, float] = option(
        (80.0, 10.0, 10.0), "train, validation and test", unit="%"
    )
    recordings_csv: str | None = option(
        None, "table with filename, event_label and, if known, origin", metavar="FILE"
    )
    origin_pattern: str | None = option(
        None, "regular expression that finds the origin, as for absslab mix", metavar="PATTERN"
    )
    background_origin_pattern: str | None = option(
        None, "the same for background_folder; none: origin_pattern", metavar="PATTERN"
    )
    keep_mixtures: bool = option(
        True, "whether mixtures stay when the trainings of their seed have been scored"
    )
    device: str = device_option()
    n_workers: int = option(0, "number of processes that mix; 0: one per core", at_least=0)
    on_error: str = on_error_option("stop")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("conditions", "recipes", "supervision", "seeds", "columns"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise InputError(
                    f"{name} is {format_setting(values)}: expected one or more, each once"
                )

    def mixture_folder(self, condition: str, seed: int) -> MixtureFolderConfig:
        """Return the settings of the folder of mixtures of a condition."""
        return MixtureFolderConfig(
            **{name: getattr(self, name) for name in _OF_MIXTURES},
            output_folder=str(Path(self.output_folder) / "mixtures" / f"{condition}-{seed}"),
            splits=CONDITIONS[condition].splits,
            seed=seed,
        )


class Trial(NamedTuple):
    """A model that is scored in a condition."""

    condition: str
    recipe: str
    supervision: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its files."""
        return "-".join(map(str, self))

    @property
    def title(self) -> str:
        """Name of its stages of progress."""
        supervision = "" if self.supervision == "weak" else f", {self.supervision}"
        return f"{self.condition}, {self.recipe}{supervision}, seed {self.seed}"


def benchmark_steps(
    config: BenchmarkConfig, left_out: LeftOut | None = None
) -> Steps[BenchmarkResults]:
    """Mix, train and score under all conditions; what exists is kept.

    Results are written after each trial. A trial that fails does not end the others.

    Args:
        config: recordings, conditions and trainings.
        left_out: collects recordings that can't be used.

    Yields:
        how far each stage is; all stages have names.

    Returns:
        all results of the folder, also those of earlier calls.

    Raises:
        InputError: recordings can't be used or divided, or the folder holds something else, or
            results of other settings or recordings.
        OSError: the folder can't be written, or the disk is full.
    """
    for name in ("event_folder", "output_folder"):
        if not getattr(config, name):
            raise InputError(f"{name} is missing: pass --{name}")
    _check_column_names(config)
    _check_splits(config)
    chosen = _choose_conditions(config)
    choose_device(config.device)
    folder = Path(config.output_folder)
    _check_folder(folder)
    if left_out is None:
        left_out = LeftOut("benchmark", on_error=config.on_error, folder=folder)
    sounds = yield from name_stage(_fingerprint_steps(config, left_out), "reading recordings")
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / _LOCK):
        results = _open_results(folder, _settings(config) | sounds)
        write_results(folder, results, config.columns)
    _give_notice_of_left_out(config, chosen)
    work = Benchmark(config, folder)
    left_out.write()
    for seed in config.seeds:
        trials = [
            Trial(condition, recipe, supervision, seed)
            for condition in chosen
            for recipe in config.recipes
            for supervision in config.supervision
        ]
        for trial in trials:
            try:
                row = yield from work.run(trial)
                results = _record(folder, config, trial, row)
            except (InputError, WorkError) as error:
                reason = " ".join(str(error).split())
                failure = BenchmarkFailure(*trial, reason)
                results = _record(folder, config, trial, failure)
                give_notice(InputWarning(f"{trial.title} has no scores: {escape_braces(reason)}"))
        is_complete = {_trial_of(row) for row in results.rows}.issuperset(trials)
        if is_complete and not config.keep_mixtures:
            work.remove_mixtures(seed, chosen)
    _check_columns(config, results)
    return results


@dataclass
class Benchmark:
    """Runs the trials of a benchmark.

    Args:
        config: recordings, conditions and trainings.
        folder: of all output.
    """

    config: BenchmarkConfig
    folder: Path
    _mixed: set[str] = field(default_factory=set)  # folders that are complete

    def run(self, trial: Trial) -> Steps[BenchmarkRow]:
        """Mix, train and score, as far as this has not been done; return the row of results."""
        condition = CONDITIONS[trial.condition]
        trained = trial._replace(condition=condition.model_of or trial.condition)
        model = self.folder / "runs" / f"{trained.name}.ckpt"
        scores = self.folder / "scores" / f"{trial.name}.json"
        if not are_current(scores, model):
            yield from self._train(trained, model)
            mixtures = yield from self._mix(trial)
            steps = self._score(model, mixtures, scores, at_own_rate=condition.at_own_rate)
            yield from name_stage(steps, f"{trial.title}: scoring")
        return make_row(trial, scores, model.with_suffix(""))

    def remove_mixtures(self, seed: int, conditions: Sequence[str]) -> None:
        """Remove the mixtures of conditions, and of those whose models they score."""
        trained = [CONDITIONS[name].model_of or name for name in conditions]
        for condition in {*conditions, *trained}:
            folder = self.config.mixture_folder(condition, seed).output_folder
            self._mixed.discard(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def _mix(self, trial: Trial) -> Steps[Path]:
        """Write the mixtures of a condition, and return their folder."""
        folder = self.config.mixture_folder(trial.condition, trial.seed)
        output = folder.output_folder
        if output not in self._mixed:
            condition = CONDITIONS[trial.condition]
            backgrounds = self.config.background_folder if condition.needs_backgrounds else None
            mixing = MixingConfig(**condition.mixing, background_folder=backgrounds)
            stage = f"{trial.condition}, seed {trial.seed}: mixing"
            yield from name_stage(write_mixtures(folder, mixing), stage)
            self._mixed.add(output)
        return Path(output)

    def _train(self, trial: Trial, model: Path) -> Steps[None]:
        """Train a model, or go on with its training, unless it is finished."""
        run = model.with_suffix("")
        if model.exists() and RunReader.open(run).state() == "finished":
            return
        mixtures = yield from self._mix(trial)
        flags: dict[str, Any] = {
            "data_folder": str(mixtures),
            "save_path": str(model),
            "supervision": trial.supervision,
            "seed": trial.seed,
            "device": self.config.device,
        }
        if self.config.n_epochs is not None:
            flags["n_epochs"] = self.config.n_epochs
        training = train_or_resume(apply_recipe(RECIPES[trial.recipe], flags))
        yield from training_steps(training, f"{trial.title}: training")

    def _score(
        self, model: Path, mixtures: Path, output: Path, *, at_own_rate: bool
    ) -> Steps[None]:
        config = EvaluationConfig(
            checkpoint_path=str(model),
            split="test",
            data_folder=str(mixtures.resolve()),
            at_own_rate=at_own_rate,
            device=self.config.device,
        )
        yield from scoring_steps(config, output)


def training_steps(
    training: Generator[TrainingEvent, None, TrainingOutcome | None], stage: str
) -> Steps[None]:
    """Yield the progress of a training.

    Raises:
        WorkError: it was stopped before its end.
    """
    work = LongWork(training)
    n_epochs = 0
    n_steps = 0
    for event in work:
        if isinstance(event, TaskStep):
            yield Progress(event.done, event.total, f"{stage}, {event.task}")
        elif isinstance(event, StepDone):
            n_steps = max(n_steps, event.n_steps)  # of a whole epoch; the last may be cut short
            done = (event.epoch - 1) * n_steps + event.step
            yield Progress(done, n_epochs * n_steps, stage)
        else:
            n_epochs = event.n_epochs
    if work.result is not None and work.result.state != "finished":
        raise WorkError("its training was stopped: give the same command again to go on")


def scoring_steps(
    config: EvaluationConfig, output: Path, separation: SeparationConfig = SeparationConfig()
) -> Steps[None]:
    """Score a model, without BSS Eval, and write its scores.

    Args:
        config: model and recordings.
        output: file of the scores; their table lies beside it.
        separation: how masks are refined before they are applied.
    """
    evaluation = yield from evaluation_steps(
        config, separation, scoring=ScoringConfig(bss_eval="none")
    )
    scores, table = yield from run_evaluation(evaluation, config)
    write_scores(output, scores, table)


def _fingerprint_steps(config: BenchmarkConfig, left_out: LeftOut) -> Steps[dict[str, object]]:
    """Read all recordings, check that they can be divided, and return what identifies them.

    Returns:
        a fingerprint of the recordings, and one of the backgrounds if there are any.
    """
    folder = config.mixture_folder(config.conditions[0], config.seeds[0])
    indexed = yield from event_steps(folder, left_out)
    backgrounds: list[Recording] = []
    if config.background_folder is not None:
        backgrounds = yield from background_steps(
            config.background_folder,
            origin_pattern=config.background_origin_pattern or config.origin_pattern,
            left_out=left_out,
            events=indexed.recordings,
        )
    left_out.stop_if_any()
    if left_out and not indexed.recordings:
        raise left_out.to_error()
    split_recordings(indexed.recordings, percentages=config.split_percentages)
    return {
        name: fingerprint([[item.event_label, item.origin, checksum(item.path)] for item in part])
        for name, part in zip(_SOUNDS, (indexed.recordings, backgrounds), strict=True)
        if part
    }


def _settings(config: BenchmarkConfig) -> dict[str, object]:
    """Return the settings on which the results of a trial depend."""
    values = config.to_json()
    recipes = {name: fingerprint(RECIPES[name]) for name in config.recipes}
    return {name: values[name] for name in _COMPARED} | {"recipes": recipes}


def _check_column_names(config: BenchmarkConfig) -> None:
    """Check that scores may have the names of the columns."""
    for name in config.columns:
        if name not in COLUMNS and (name.startswith(_NOT_COUNTED) or not is_score_name(name)):
            raise InputError(
                f"columns names {escape_braces(name)}, which is no mean of a score: expected "
                "dotted names as in results.csv, such as tagging.auc"
            )


def _check_splits(config: BenchmarkConfig) -> None:
    """Check that there are mixtures to train on, to validate on and to test on."""
    percentages = config.split_percentages
    given = " ".join(f"{part:g}" for part in percentages)
    if min(percentages) <= 0:
        raise InputError(
            f"split_percentages is {given}: a benchmark trains, validates and tests, so all "
            "three must be above 0"
        )
    least = smallest_number(percentages)
    if config.n_files < least:
        raise InputError(
            f"n_files is {config.n_files}: expected at least {least}, so that each split has a "
            f"mixture with split_percentages {given}"
        )


def _choose_conditions(config: BenchmarkConfig) -> list[str]:
    """Return the conditions in their order, without those that need backgrounds if there are none.

    Raises:
        InputError: none is left.
    """
    chosen = [name for name in CONDITIONS if name in config.conditions]
    if config.background_folder is not None:
        return chosen
    possible = [name for name in chosen if not CONDITIONS[name].needs_backgrounds]
    if not possible:
        raise InputError(
            f"conditions is {format_setting(config.conditions)}, which can't be run without a "
            "background_folder: pass --background_folder"
        )
    return possible


def _give_notice_of_left_out(config: BenchmarkConfig, chosen: Collection[str]) -> None:
    """Tell which conditions are not run since there are no backgrounds."""
    left_out = [name for name in CONDITIONS if name in config.conditions and name not in chosen]
    if left_out:
        give_notice(
            InputWarning(
                f"left out, since there is no background_folder: {', '.join(left_out)}; "
                "pass --background_folder to have them too"
            )
        )


def _check_folder(folder: Path) -> None:
    """Check that a folder is new, empty, or that of a benchmark."""
    check_output_folder(folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names - {_LOCK} and "results.json" not in names:
        raise InputError(
            "{path} is not empty and holds no benchmark of ABSSLab: choose a new or an empty one",
            path=folder,
        )
    if "results.json" in names:
        read_results(folder)


def _open_results(folder: Path, settings: dict[str, Any]) -> BenchmarkResults:
    """Return the results that a folder holds already, if they are of the same settings."""
    if not (folder / "results.json").exists():
        return BenchmarkResults(settings)
    results = read_results(folder)
    before: Mapping[str, Any] = results.settings
    for name in _SOUNDS:
        if name in before and name in settings and before[name] != settings[name]:
            raise InputError(
                f"{{path}} holds a benchmark of other {name} than these: choose another folder",
                path=folder,
            )
    for name in _COMPARED:
        if before.get(name) == settings[name]:
            continue
        was, now = (escape_braces(format_setting(part.get(name))) for part in (before, settings))
        raise InputError(
            f"{{path}} holds a benchmark with {name} {was}, not {now}: "
            f"choose another folder or the same {name}",
            path=folder,
        )
    recipes = before.get("recipes", {})
    for name, mark in settings["recipes"].items():
        if recipes.get(name, mark) != mark:
            raise InputError(
                f"{{path}} holds a benchmark in which the recipe {name} had other settings: "
                "choose another folder",
                path=folder,
            )
    recipes = {**recipes, **settings["recipes"]}
    return replace(results, settings={**before, **settings, "recipes": recipes})


def make_row(trial: Trial, scores: Path, run: Path) -> BenchmarkRow:
    """Return the row of results of a trial that is done."""
    cost = measure_cost(run)
    values = read_scores_alone(scores).flat()
    return BenchmarkRow(
        *trial,
        *cost,
        scores={k: v for k, v in values.items() if not k.startswith(_NOT_COUNTED)},
    )


def _record(
    folder: Path, config: BenchmarkConfig, trial: Trial, result: BenchmarkRow | BenchmarkFailure
) -> BenchmarkResults:
    """Write the result of a trial, and return it with all others of the folder.

    Another process may run other seeds or conditions in the same folder.
    """
    with file_lock(folder / _LOCK):
        results = _replace(read_results(folder), trial, result)
        write_results(folder, results, config.columns)
    return results


def _trial_of(result: BenchmarkRow | BenchmarkFailure) -> Trial:
    return Trial(result.condition, result.recipe, result.supervision, result.seed)


def _replace(
    results: BenchmarkResults, trial: Trial, result: BenchmarkRow | BenchmarkFailure
) -> BenchmarkResults:
    """Return the results with another result of a trial."""
    rows = [item for item in results.rows if _trial_of(item) != trial]
    failures = [item for item in results.failures if _trial_of(item) != trial]
    if isinstance(result, BenchmarkRow):
        rows.append(result)
        order = list(CONDITIONS)
        rows.sort(key=lambda row: (order.index(row.condition), *_trial_of(row)[1:]))
    else:
        failures.append(result)
    return replace(results, rows=tuple(rows), failures=tuple(failures))


def _check_columns(config: BenchmarkConfig, results: BenchmarkResults) -> None:
    """Tell which columns no result has."""
    known = {name for row in results.rows for name in row.scores} | set(COLUMNS)
    unknown = [name for name in config.columns if name not in known]
    if unknown and results.rows:
        give_notice(
            InputWarning(
                f"no score is called {escape_braces(', '.join(unknown))}: results.csv names all"
            )
        )
