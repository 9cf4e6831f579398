"""The report on a run; a notebook shows each of its parts."""

from collections.abc import Sequence
from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.common.files import check_output_path
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import Steps
from absslab.core.runs.run_scores import RunScores, scores_path
from absslab.core.training.run_directory import best_checkpoint_path
from absslab.plots.html_tables import render_score_table
from absslab.report import example_section, figure_files, reproduction, run_sections, score_sections
from absslab.report.page_parts import Fragment
from absslab.report.reported_run import ReportedRun, open_run, score_run

CHARACTERS_FOR_EXAMPLES = 11_500_000  # of those of a page


class Report:
    """The parts of a report, as `open_report` returns it.

    Args:
        run: the run to report on.
        n_examples: number of the worst, the median and the best mixtures to show.
        limit: number of characters that examples may take; those beyond it are left out.
    """

    def __init__(self, run: ReportedRun, *, n_examples: int, limit: int):
        self._run = run
        self._n_examples = n_examples
        self._limit = limit

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._run.folder.name

    @property
    def device(self) -> str:
        """The device that separates and scores."""
        return str(self._run.evaluation.device)

    @property
    def scores_problem(self) -> str:
        """The reason why existing scores can't be used; empty if they can."""
        return self._run.scores_problem

    @property
    def left_out(self) -> LeftOut:
        """The recordings that could not be used when the model was scored."""
        return self._run.evaluation.left_out

    @property
    def is_scored(self) -> bool:
        """Whether there are scores of the current best model."""
        return self._run.saved_scores is not None

    @property
    def scores(self) -> RunScores:
        """The scores of the best model.

        Raises:
            InputError: the run is not scored; see `score`.
        """
        return self._run.scores

    def check_scores_can_be_written(self) -> None:
        """Check, before the long work, that the scores of a run that is not scored have a place.

        Raises:
            InputError: the run directory can't be written.
        """
        if self.is_scored:
            return
        try:
            check_output_path(scores_path(self._run.folder, self._run.split))
        except InputError as error:
            raise InputError(
                "{folder} is not scored, and its scores can't be written there: make it writable, "
                "or copy it with {checkpoint} to another folder",
                folder=self._run.folder,
                checkpoint=best_checkpoint_path(self._run.folder),
            ) from error

    def score(self) -> Steps[RunScores]:
        """Score the best model on the split, as `absslab evaluate` does, into the run directory.

        Yields:
            how many recordings are done.

        Returns:
            the scores.
        """
        self._run = yield from score_run(self._run)
        return self._run.scores

    def summary(self) -> Fragment:
        """Render the most important scores, and facts about the run."""
        return run_sections.render_summary(self._run)

    def configuration(self) -> Fragment:
        """Render the settings that differ from their defaults, and all of them folded away."""
        return run_sections.render_configuration(self._run)

    def data(self) -> Fragment:
        """Render the number of recordings of each class in each split, and how they were mixed."""
        return run_sections.render_data(self._run)

    def training(self) -> Fragment:
        """Render the losses, the scores on validation and the learning rate over the epochs."""
        return run_sections.render_training(self._run)

    def score_table(self) -> Fragment:
        """Render all scores with intervals, floors and ceilings, and what could not be scored."""
        return Fragment(render_score_table(self.scores))

    def score_charts(self) -> Fragment:
        """Render the scores of each class, their spread, and where improvement is lost."""
        return score_sections.render_score_charts(self.scores)

    def confusion(self) -> Fragment:
        """Show which classes are tagged where others are present."""
        return score_sections.render_confusion(self.scores)

    def examples(self) -> Fragment:
        """Render the worst, the median and the best mixtures, as many as the page can hold."""
        return example_section.render_examples(
            self._run, n_each=self._n_examples, limit=self._limit
        )

    def write_figures(self, folder: str | Path, formats: Sequence[str]) -> list[Path]:
        """Write the figures of the examples as files; see `figure_files.write_figures`."""
        return figure_files.write_figures(self._run, folder, formats, n_each=self._n_examples)

    def reproduction(self, output: str = "") -> Fragment:
        """Render the commands, seeds, devices, dates, versions and checksums.

        Args:
            output: the file of the page, for the command that makes it again.
        """
        return reproduction.render_reproduction(
            self._run, n_examples=self._n_examples, output=output
        )


def open_report(
    run_directory: str | Path,
    *,
    split: str = "test",
    n_examples: int = 1,
    device: str = "auto",
    data_folder: str = "",
    limit: int = CHARACTERS_FOR_EXAMPLES,
) -> Report:
    """Open the report on a run; score it first (`Report.score`) if it is not scored.

    Args:
        run_directory: as `absslab train` writes it, with the best model beside it.
        split: train, validation or test.
        n_examples: number of the worst, the median and the best mixtures to show.
        device: device for separating and scoring: auto, cpu, cuda, cuda:1, ….
        data_folder: folder of the data, if they were moved since the training.
        limit: number of characters that examples may take; those beyond it are left out.

    Raises:
        InputError: it is not a run directory, it has no model yet, its data are gone, or they do
            not have this split; or a data folder is named although the data were not moved.
    """
    if n_examples < 0:
        raise InputError(f"n_examples is {n_examples}: expected at least 0")
    run = open_run(run_directory, split=split, device=device, data_folder=data_folder)
    return Report(run, n_examples=n_examples, limit=limit)
