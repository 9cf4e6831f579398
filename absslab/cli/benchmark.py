"""absslab benchmark."""

from collections.abc import Sequence
from pathlib import Path

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags
from absslab.core.common.errors import WorkError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import run_with_progress
from absslab.core.runs.benchmark import BenchmarkConfig, benchmark_steps
from absslab.core.runs.benchmark_conditions import CONDITIONS


def run(arguments: Sequence[str]) -> LeftOut:
    """Train and score under the conditions that the flags name, and print the results.

    Returns:
        the recordings that were left out.
    """
    conditions = [f"{name}: {condition.summary}" for name, condition in CONDITIONS.items()]
    parser = Parser(
        "absslab benchmark",
        epilog=f"Conditions: {'; '.join(conditions)}.",
        description="Mix, train and score the same recordings under conditions of rising "
        "difficulty; the same command goes on where it was interrupted.",
    )
    add_flags(parser, BenchmarkConfig)
    config = from_flags(BenchmarkConfig, vars(parser.parse(arguments)))
    folder = Path(config.output_folder)
    left_out = LeftOut("benchmark", on_error=config.on_error, folder=folder)
    try:
        results = run_with_progress(benchmark_steps(config, left_out), "benchmark", "step")
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on") from None
    print(results.to_markdown(config.columns))
    print(f"→ {folder / 'results.json'}, results.csv, results.md")
    if results.failures:
        failed = [
            f"{item.condition} ({item.recipe}, {item.supervision}, seed {item.seed})"
            for item in results.failures
        ]
        raise WorkError(
            f"no scores of {', '.join(failed)}: results.json says why; the same command tries again"
        )
    return left_out
