"""absslab evaluate."""

from collections.abc import Mapping, Sequence
from typing import Any

from absslab.cli import Parser, drain
from absslab.core.config import add_flags, from_flags
from absslab.core.evaluation import Evaluation, EvaluationConfig
from absslab.core.files import write_json
from absslab.core.separation import SeparationConfig


def run(arguments: Sequence[str]) -> None:
    """Score as the flags say."""
    parser = Parser("absslab evaluate", description="Score a checkpoint on a split of the data it was made for.")
    add_flags(parser, EvaluationConfig)
    add_flags(parser, SeparationConfig)
    parser.add_argument("--output", metavar="TEXT", help="write the scores as JSON")
    given = vars(parser.parse(arguments))
    evaluation = Evaluation(from_flags(EvaluationConfig, given), from_flags(SeparationConfig, given))
    print(f"scoring on {evaluation.device}", flush=True)
    drain(evaluation.run(), "scored", "file")
    scores = evaluation.scores()
    print(table(scores))
    if given["output"]:
        write_json(given["output"], scores)


def table(scores: Mapping[str, Any]) -> str:
    """Scores as a table for a terminal: a line per class, and all together."""
    columns = {
        "auc": ("AUC", ".3f"),
        "average_precision": ("AP", ".3f"),
        "f1": ("F1", ".3f"),
        "si_sdr_improvement": ("SI-SDRi/dB", ".2f"),
        "leakage": ("leakage/dB", ".1f"),
    }
    width = max(len(name) for name in [*scores["classes"], "all (macro)"])
    lines = [f"{scores['split']}: {scores['n_mixtures']} recordings"]
    lines.append(f"{'class':{width}}  {'present':>7}" + "".join(f"  {title:>10}" for title, _ in columns.values()))
    together = {**scores["tagging"], **(scores["separation"] or {}), "n_present": ""}
    for name, row in [*scores["per_class"].items(), ("all", together)]:
        cells = "".join(
            f"  {'–' if row.get(key) is None else format(row[key], form):>10}" for key, (_, form) in columns.items()
        )
        lines.append(f"{name:{width}}  {row['n_present']!s:>7}{cells}")
    lines.append("AUC, AP, F1: mean over classes. SI-SDRi: mean over present classes; leakage: over absent ones.")
    return "\n".join(lines)
