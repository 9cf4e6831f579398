"""The section of a report with the worst, the median and the best mixtures."""

from absslab.core.runs.run_scores import TAG_ERROR, RankedMixture
from absslab.report.examples import choose_examples, interleave, render_example, separate_example
from absslab.report.page import MAX_CHARACTERS
from absslab.report.page_parts import Fragment, format_number, heading, prose
from absslab.report.reported_run import ReportedRun

_MAX_TRIALS = 3  # examples that do not fit, before the others are not made at all


def render_examples(run: ReportedRun, *, n_each: int, limit: int) -> Fragment:
    """Render the worst, the median and the best mixtures with pictures and sounds.

    Args:
        run: the run to report on.
        n_each: number of each kind.
        limit: largest number of characters; examples that exceed it are left out.
    """
    score, _ = run.scores.per_mixture("si_sdr_improvement")
    ranking = run.scores.ranking("si_sdr_improvement")
    if not ranking:
        return prose("No mixture has a score to choose by.")
    if not n_each:
        return prose("No mixture is shown, since n_examples is 0.")
    criterion = "the mean SI-SDR improvement of the classes in them"
    if score == TAG_ERROR:
        criterion = "the mean distance of the probabilities from the labels"
    rendered: dict[str, Fragment] = {}  # by kind
    n_characters = 0
    n_left_out = 0
    for kind, ranked in interleave(choose_examples(ranking, n_each)):
        if n_left_out >= _MAX_TRIALS:
            n_left_out += 1
            continue
        example = _render_ranked(run, kind, ranked, score)
        if n_characters + len(example.html) > limit:
            n_left_out += 1
            continue
        n_characters += len(example.html)
        rendered[kind] = rendered.get(kind, Fragment()) + example
    parts = prose(
        f"Chosen by {criterion}. Sounds are played at the level that they have in the file."
    )
    for kind in ("worst", "median", "best"):
        parts += rendered.get(kind, Fragment())
    if n_left_out:
        megabytes = MAX_CHARACTERS // 1_000_000
        parts += prose(f"{n_left_out} more did not fit: a report is limited to {megabytes} MB.")
    return parts


def _render_ranked(run: ReportedRun, kind: str, ranked: RankedMixture, score: str) -> Fragment:
    value = f"{format_number(ranked.score, '.1f')} dB"
    if score == TAG_ERROR:
        value = f"{ranked.score:.2f} from its labels"
    title = f"{kind}: {ranked.mixture}, {value}"
    example = separate_example(run.evaluation, run.scores, ranked.mixture)
    if example is None:
        return heading(title) + prose("It no longer exists in the data.")
    return render_example(run.evaluation, example, title)
