"""absslab evaluate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absslab.cli.parser import Parser
from absslab.core.common.cluster import check_scheduler
from absslab.core.common.config import add_flags, from_flags, parse_path
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Steps, run_to_end, run_with_progress
from absslab.core.common.run_status import report_state, report_steps
from absslab.core.data.splits import ALL
from absslab.core.evaluation.divided_evaluation import (
    PlaceConfig,
    choose_n_workers,
    run_evaluation,
)
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.external_estimates import (
    EstimatesConfig,
    EstimatesEvaluation,
    open_estimates,
)
from absslab.core.evaluation.model_evaluation import Evaluation, evaluation_steps
from absslab.core.evaluation.printed_metric import PrintedMetricConfig, loss_line, metric_lines
from absslab.core.evaluation.score_files import check_scores_path, table_path, write_scores
from absslab.core.evaluation.score_text import score_text
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.evaluation.scores import EvaluationResult
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.thesis.command_line import is_thesis_use, translate_evaluate_command

_MODEL_CONFIGS = (EvaluationConfig, PrintedMetricConfig, SeparationConfig, DetectionConfig)
_PLACES_OF_REFERENCES = ("audio_folder", "yaml_file")


def run(arguments: Sequence[str]) -> LeftOut:
    """Score what the flags describe, and return the recordings that were left out."""
    notes: Sequence[str] = ()
    if is_thesis_use(arguments) and not {"-h", "--help"} & set(arguments):
        arguments, notes = translate_evaluate_command(arguments)
    parser = Parser(
        "absslab evaluate",
        description="Score a checkpoint on a split of the data it was trained on, or sounds that "
        "another program has separated.",
    )
    for config_class in (*_MODEL_CONFIGS, EstimatesConfig, ScoringConfig, PlaceConfig):
        add_flags(parser, config_class)
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=parse_path,
        help="write the scores as JSON, and a table beside it as CSV",
    )
    parser.add_argument(
        "--status_path",
        metavar="FILE",
        type=parse_path,
        help="JSON file that is kept up to date with the progress, for other programs",
    )
    given = vars(parser.parse(arguments))
    output = given.pop("output")
    status_path = given.pop("status_path")
    place = from_flags(PlaceConfig, given)
    if output is not None:
        check_scores_path(output)
    check_scheduler(place.scheduler, n_workers=place.n_workers)
    printed = from_flags(PrintedMetricConfig, given)
    if "average" in given and not printed.metric:
        raise InputError("average is that of a metric: pass --metric as well")
    left_out = LeftOut("evaluate", on_error=from_flags(ScoringConfig, given).on_error)
    if output is not None:
        left_out.folder = Path(output).parent
        left_out.result = Path(output).name
    left_out.check()
    with report_state(status_path) as status:
        opening = report_steps(status, _opening_steps(given, left_out), "reading recordings")
        evaluation = run_to_end(opening)
        for note in notes:
            give_notice(InputWarning(escape_braces(note)))
        if isinstance(evaluation, Evaluation):
            n_recordings = len(evaluation.data_set)
            recordings = "1 recording" if n_recordings == 1 else f"{n_recordings} recordings"
            part = "all" if evaluation.split == ALL else f"the {evaluation.split} split"
            print(f"scoring {recordings} ({part}) on {_name_place(evaluation, place)}", flush=True)
        running = run_evaluation(evaluation, from_flags(EvaluationConfig, given), place)
        steps = report_steps(status, running, "scoring")
        scores, table = run_with_progress(steps, "scored", "file")
        left_out.write()
        if output:
            write_scores(output, scores, table)
        result = EvaluationResult(scores, table)
        if printed.metric:
            lines = metric_lines(result, printed.metric, printed.average)
            print("\n".join([*lines, ""]))
        if isinstance(evaluation, Evaluation) and (line := loss_line(result, evaluation.loss)):
            print(f"{line}\n")
        print(score_text(scores))
        if output:
            print(f"→ {output}, {table_path(output)}")
    return left_out


def _name_place(evaluation: Evaluation, place: PlaceConfig) -> str:
    if place.scheduler:
        return f"the workers of {place.scheduler}"
    n_workers = place.n_workers or choose_n_workers(evaluation)
    device = str(evaluation.device)
    return f"{device}, in {n_workers} processes" if n_workers > 1 else device


def _opening_steps(
    given: Mapping[str, Any], left_out: LeftOut
) -> Steps[Evaluation | EstimatesEvaluation]:
    """Open the evaluation, and yield how many headers of recordings have been read."""
    scoring = from_flags(ScoringConfig, given)
    if not {"estimates", "references"} & set(given):
        return (
            yield from evaluation_steps(
                from_flags(EvaluationConfig, given),
                from_flags(SeparationConfig, given),
                from_flags(DetectionConfig, given),
                scoring,
                left_out,
            )
        )
    for config_class in _MODEL_CONFIGS:
        names = config_class.default_config().to_json()
        for name in given:
            if name in names and name not in _PLACES_OF_REFERENCES:
                raise InputError(
                    f"--{name} is for a model, --estimates for sounds that are already "
                    "separated: pass one of them"
                )
    places = {name: given.get(name) for name in _PLACES_OF_REFERENCES}
    return open_estimates(from_flags(EstimatesConfig, given), scoring, left_out, **places)
