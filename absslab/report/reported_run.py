"""The run that a report is on: its directory, its settings, its model and its scores."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from absslab.core.common.config import Config
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import Steps
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import Evaluation, open_evaluation
from absslab.core.evaluation.score_files import write_scores
from absslab.core.runs.run_scores import RunScores, read_run_scores, scores_path
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.core.training.settings import Settings

ConfigOf = TypeVar("ConfigOf", bound=Config)
ScoringSettings = Mapping[str, Mapping[str, object]]  # by section, as scores hold them


@dataclass(frozen=True)
class ReportedRun:
    """A run with all data for a report, as `open_run` returns it.

    Args:
        folder: the run directory.
        split: the split of its data to report on.
        reader: reader of the run directory, which has read the metrics.
        settings: settings of the training.
        evaluation: evaluation of the best model on the split.
        saved_scores: scores of the current best model; None if there are none.
        scoring_settings: settings with which the model was scored.
        requested_device: device for separating and scoring, as requested: auto, cpu, cuda, ….
        moved_data_folder: folder of the data, if they were moved since the training; else empty.
        scores_problem: why scores that are there can't be used; empty if they can.
    """

    folder: Path
    split: str
    reader: RunReader
    settings: Settings
    evaluation: Evaluation
    saved_scores: RunScores | None
    scoring_settings: ScoringSettings
    requested_device: str
    moved_data_folder: str = ""
    scores_problem: str = ""

    @property
    def checkpoint(self) -> Path:
        """Path of the best model."""
        return best_checkpoint_path(self.folder)

    @property
    def data_folder(self) -> str:
        """The folder where the data of the run are now."""
        return self.moved_data_folder or self.settings.data.data_folder

    @property
    def scores(self) -> RunScores:
        """The scores of the best model.

        Raises:
            InputError: the run is not scored.
        """
        if self.saved_scores is None:
            raise InputError(
                f"{{folder}} is not scored on its {self.split} split: "
                "call run_with_progress(report.score(), 'scored', 'file') first",
                folder=self.folder,
            )
        return self.saved_scores


def open_run(
    run_directory: str | Path, *, split: str, device: str, data_folder: str = ""
) -> ReportedRun:
    """Open a run: read its directory and its scores, load its model, open its data.

    Args:
        run_directory: as `absslab train` writes it, with the best model beside it.
        split: train, validation or test.
        device: device for separating and scoring: auto, cpu, cuda, cuda:1, ….
        data_folder: folder of the data, if they were moved since the training.

    Raises:
        InputError: it is not a run directory, it has no model yet, its data are gone, or they do
            not have this split; or a data folder is named although the data were not moved.
    """
    reader = RunReader.open(run_directory)
    folder = reader.folder
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}: expected one of {', '.join(SPLITS)}")
    checkpoint = best_checkpoint_path(folder)
    if not checkpoint.is_file():
        raise InputError(
            "{checkpoint} does not exist: the run has no best model yet; wait for its first "
            "validation, or bring the model beside the run directory",
            checkpoint=checkpoint,
        )
    try:
        settings = Settings.from_json(reader.config)
    except (KeyError, TypeError):
        raise InputError(
            "{config} does not hold the settings of a training", config=folder / "config.json"
        ) from None
    reader.poll()
    saved_scores = None
    scores_problem = ""
    try:
        saved_scores = read_run_scores(folder, split)
    except InputError as error:
        scores_problem = str(error)
    scoring_settings = saved_scores.scores.settings if saved_scores else {}
    moved_data_folder = _moved_data_folder(settings, scoring_settings, data_folder)
    evaluation = open_evaluation(  # with the same settings, so that one hears what was scored
        EvaluationConfig(str(checkpoint), split, moved_data_folder or None, device=device),
        _read_config(SeparationConfig, scoring_settings.get("separation", {})),
        _read_config(DetectionConfig, scoring_settings.get("detection", {})),
        left_out=LeftOut("report", on_error="skip"),  # the page says how many there are
    )
    return ReportedRun(
        folder=folder,
        split=split,
        reader=reader,
        settings=settings,
        evaluation=evaluation,
        saved_scores=None if saved_scores is None or saved_scores.is_old else saved_scores,
        scoring_settings=scoring_settings,
        requested_device=device,
        moved_data_folder=moved_data_folder,
        scores_problem=scores_problem,
    )


def score_run(run: ReportedRun) -> Steps[ReportedRun]:
    """Score the best model, as `absslab evaluate` does, and write the scores to the run directory.

    Yields:
        how many recordings are done.

    Returns:
        the run, with its scores.
    """
    scores, table = yield from run.evaluation.run()
    write_scores(scores_path(run.folder, run.split), scores, table)
    saved_scores = read_run_scores(run.folder, run.split)
    return replace(run, saved_scores=saved_scores, scoring_settings=scores.settings)


def _moved_data_folder(
    settings: Settings, scoring_settings: ScoringSettings, named_folder: str
) -> str:
    """Return the folder of the data if they were moved since the training; else nothing.

    Args:
        settings: settings of the training.
        scoring_settings: settings with which the model was scored.
        named_folder: where the data are, if it was said; else where they were scored.
    """
    scored_folder = scoring_settings.get("evaluation", {}).get("data_folder")
    if not isinstance(scored_folder, str) or not Path(scored_folder).is_dir():
        scored_folder = ""
    known_folder = scored_folder or settings.data.data_folder
    folder = named_folder or known_folder
    if not Path(folder).is_dir():
        raise InputError(
            "{data_folder}, the data of the run, does not exist: if they were moved, pass their "
            "folder as --data_folder",
            data_folder=folder,
        )
    if not named_folder:
        return scored_folder
    if Path(known_folder).is_dir() and not Path(known_folder).samefile(named_folder):
        raise InputError(
            "the data of the run are in {known}: leave data_folder out, it is for data that were "
            "moved; to score other data, call absslab evaluate --data_folder {named}",
            known=known_folder,
            named=named_folder,
        )
    return named_folder


def _read_config(config_class: type[ConfigOf], values: Mapping[str, object]) -> ConfigOf:
    try:
        return config_class.from_json(values)
    except InputError:  # of another version
        return config_class.default_config()
