"""absslab labels."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags
from absslab.core.common.errors import InputError
from absslab.core.data.event_formats import ConversionConfig, convert_events


def run(arguments: Sequence[str]) -> None:
    """Convert the tables of events that the flags name."""
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
    files = convert_events(config)
    if config.to == "events":
        print(f"→ {config.output}")
    else:
        print(f"{len(files)} {'file' if len(files) == 1 else 'files'} in {config.output}")
