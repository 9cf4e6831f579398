"""Write the figures of the mixtures that a report shows as files, such as vector graphics."""

from collections.abc import Sequence
from pathlib import Path

from absslab.core.common.files import atomic_write
from absslab.report.examples import choose_examples, draw_example, interleave, separate_example
from absslab.report.reported_run import ReportedRun


def write_figures(
    run: ReportedRun, folder: str | Path, formats: Sequence[str], *, n_each: int
) -> list[Path]:
    """Draw the worst, the median and the best mixtures of a run with their masks.

    Args:
        run: a run that is scored.
        folder: gets a file for each mixture and format, such as worst_000003.svg.
        formats: endings of files that matplotlib writes, such as svg.
        n_each: number of each kind of mixtures.

    Returns:
        the files.
    """
    chosen = choose_examples(run.scores.ranking("si_sdr_improvement"), n_each)
    written = []
    for kind, ranked in interleave(chosen):
        example = separate_example(run.evaluation, run.scores, ranked.mixture)
        if example is None:  # the data have no such mixture any more
            continue
        figure = draw_example(run.evaluation, example)
        name = "_".join((kind, *Path(ranked.mixture).with_suffix("").parts))
        for form in formats:
            path = Path(folder) / f"{name}.{form}"
            with atomic_write(path) as unfinished:
                figure.savefig(unfinished, format=form)
            written.append(path)
    return written
