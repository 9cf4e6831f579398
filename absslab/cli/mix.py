"""absslab mix."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import run_with_progress
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures


def run(arguments: Sequence[str]) -> LeftOut:
    """Write the mixtures that the flags describe, and return what was left out of them."""
    parser = Parser(
        "absslab mix", description="Make a folder of mixtures from isolated recordings."
    )
    add_flags(parser, MixtureFolderConfig)
    add_flags(parser, MixingConfig)
    given = vars(parser.parse(arguments))
    config = from_flags(MixtureFolderConfig, given)
    steps = write_mixtures(config, from_flags(MixingConfig, given))
    written = run_with_progress(steps, "mixtures", "file")
    per_split = ", ".join(f"{n} {split}" for split, n in written.counts.items())
    print(f"{config.n_files} mixtures in {config.output_folder}: {per_split}")
    return written.left_out
