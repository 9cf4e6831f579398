"""absslab fetch."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import parse_path
from absslab.core.common.progress import run_with_progress
from absslab.core.data.fetching import SOURCES, fetch_steps, find_corpus


def run(arguments: Sequence[str]) -> None:
    """Download the corpus that is named, or say how to get it."""
    parser = Parser(
        "absslab fetch",
        description="Download a published corpus and unpack it, or say how to get it by hand.",
    )
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(SOURCES)}")
    parser.add_argument(
        "--output_folder",
        metavar="FOLDER",
        type=parse_path,
        default="data",
        help="gets the folder of the corpus, which is called after it (default data)",
    )
    given = parser.parse(arguments)
    corpus = find_corpus(given.name)
    print(f"{corpus.title}: {corpus.page}; licence: {corpus.licence}", flush=True)
    steps = fetch_steps(given.name, corpus, given.output_folder)
    folder = run_with_progress(steps, given.name, "byte")
    print(f"→ {folder}; train with --data_set_type {given.name} --data_folder {folder}")
