"""absslab report."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from absslab.cli.parser import Parser
from absslab.core.common.config import Config, add_flags, from_flags, option
from absslab.core.common.devices import device_option
from absslab.core.common.errors import InputError
from absslab.core.common.files import check_output_path
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import run_with_progress
from absslab.core.data.splits import SPLITS


@dataclass(frozen=True)
class ReportConfig(Config):
    """The run to report on, and the page to write."""

    run_directory: str = option(
        "",
        "run directory R of a training, beside its model R.ckpt",
        metavar="FOLDER",
        required=True,
    )
    data_folder: str = option(
        "", "folder of the data, if they were moved since the training", metavar="FOLDER"
    )
    split: str = option("test", "split to report on", choices=SPLITS)
    n_examples: int = option(
        1, "number of the worst, of the median and of the best mixtures to show", at_least=0
    )
    figures: tuple[str, ...] = option(
        (),
        "also write the figures of these mixtures and their masks as files, into a folder beside "
        "the page",
        choices=("svg", "pdf", "eps", "png"),
    )
    output: str = option(
        "",
        "page to write, a file that ends in .html; by default report.html in the run directory",
        metavar="FILE",
    )
    device: str = device_option()


def run(arguments: Sequence[str]) -> LeftOut:
    """Write the report that the flags describe, and return what could not be scored."""
    begin = time.monotonic()
    parser = Parser(
        "absslab report",
        description="Write a report on a run as one HTML page that needs no network.",
    )
    add_flags(parser, ReportConfig)
    config = from_flags(ReportConfig, vars(parser.parse(arguments)))
    if not config.run_directory:
        raise InputError("run_directory is missing: pass it, as in --run_directory runs/first")
    output = Path(config.output or Path(config.run_directory) / "report.html")
    from absslab.report.render import check_installed, write_report

    check_installed()
    from absslab.report.report import open_report

    report = open_report(  # checks all input before the long work
        config.run_directory,
        split=config.split,
        n_examples=config.n_examples,
        device=config.device,
        data_folder=config.data_folder,
    )
    check_output_path(output, ".html")
    report.check_scores_can_be_written()
    if report.scores_problem:
        print(f"scoring again: {report.scores_problem}", file=sys.stderr, flush=True)
    if not report.is_scored:
        print(f"scoring on {report.device}", file=sys.stderr, flush=True)
        run_with_progress(report.score(), "scored", "file")
    print("making the report", file=sys.stderr, flush=True)
    names = ("run_directory", "data_folder", "split", "n_examples", "device", "output")
    parameters = {name: getattr(config, name) for name in names}
    written = write_report(output, parameters, title=f"{report.name}: report")
    if config.figures:
        folder = output.with_name(f"{output.stem}_figures")
        for path in report.write_figures(folder, config.figures):
            print(f"→ {path}")
    seconds = time.monotonic() - begin
    print(f"{written.path}: {written.n_bytes / 1e6:.1f} MB in {seconds:.0f} s")
    return report.left_out
