"""absslab labels."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.data.event_formats import ConversionConfig, convert_events


def run(arguments: Sequence[str]) -> LeftOut:
    """Convert the tables of events that the flags name, and return what was left out."""
    parser = Parser(
        "absslab labels",
        description="Convert tables of events (strong labels): label tracks of Audacity, selection "
        "tables of Raven, and events.tsv, each into another.",
    )
    parser.add_argument("action", choices=("convert",), help="what to do with labels")
    add_flags(parser, ConversionConfig)
    given = vars(parser.parse(arguments))
    del given["action"]
    config = from_flags(ConversionConfig, given)
    for name in ("input", "output"):
        if not getattr(config, name):
            raise InputError(f"{name} is missing: pass --{name}")
    converted = convert_events(config)
    n_files = len(converted.files)
    if config.to == "events":
        print(f"→ {config.output}")
    else:
        print(f"{n_files} {'file' if n_files == 1 else 'files'} in {config.output}")
    return converted.left_out
