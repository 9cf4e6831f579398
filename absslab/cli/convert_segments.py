"""absslab convert-segments."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags, parse_path
from absslab.core.common.progress import run_with_progress
from absslab.core.data.class_names import list_classes
from absslab.core.data.segment_conversion import SegmentsConfig, convert_segments


def run(arguments: Sequence[str]) -> None:
    """Convert AudioSet segments of the thesis to weakly labelled recordings."""
    parser = Parser(
        "absslab convert-segments",
        usage="absslab convert-segments FOLDER OUTPUT [other flags]",
        description="Convert AudioSet segments, which the thesis' code read as spectra from HDF5 "
        "files, to sound files with a table of weak labels.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=parse_path, help="of the HDF5 files")
    parser.add_argument("output", metavar="OUTPUT", type=parse_path, help="the new folder")
    add_flags(parser, SegmentsConfig)
    given = parser.parse(arguments)
    config = from_flags(SegmentsConfig, vars(given))
    steps = convert_segments(given.folder, given.output, config)
    converted = run_with_progress(steps, "convert", "segment")
    print(f"{converted.n_segments} segments, {list_classes(converted.classes)}")
    print(
        f"→ {given.output}; train with --data_set_type weakly_labelled_folder --data_folder "
        f"{given.output}"
    )
