"""absslab demo."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags
from absslab.core.common.progress import run_with_progress
from absslab.core.evaluation.score_text import score_text
from absslab.core.training.epoch_lines import print_epochs
from absslab.report.render import check_installed


def run(arguments: Sequence[str]) -> None:
    """Mix, train, evaluate and separate the built-in recordings."""
    check_installed()
    from absslab.demo import Demo, DemoConfig

    parser = Parser(
        "absslab demo", description="Mix, train, evaluate and separate the built-in recordings."
    )
    add_flags(parser, DemoConfig)
    demo = Demo.open(from_flags(DemoConfig, vars(parser.parse(arguments))))
    print(f"1/5 mixing {demo.config.n_files} mixtures of the built-in recordings", flush=True)
    run_with_progress(demo.mix(), "mixtures", "file")
    print(f"2/5 training by the recommended recipe, {demo.config.n_epochs} epochs", flush=True)
    print_epochs(demo.train(), "loss")
    print("3/5 scoring the test mixtures", flush=True)
    run_with_progress(demo.evaluate(), "scored", "file")
    print(score_text(demo.scores))
    print("4/5 separating test mixtures to files", flush=True)
    run_with_progress(demo.separate(), "separated", "file")
    print("5/5 drawing and writing the report", flush=True)
    report = demo.report()
    print(
        f"separated sounds: {demo.folder}/separated/   picture: {demo.folder}/masks.png   "
        f"report: {report.path}"
    )
