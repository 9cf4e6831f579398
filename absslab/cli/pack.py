"""absslab pack."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags, parse_path
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import run_with_progress
from absslab.core.data.class_names import list_classes
from absslab.core.data.layouts import SHARDS, DataConfig
from absslab.core.data.shards.packing import PackConfig, pack_steps

# They say how a training reads recordings, which packing reads once.
_ONLY_FOR_TRAINING = (
    "data_folder",
    "in_memory",
    "feature_store",
    "n_loaders",
    "shuffle_buffer",
    "shard_timeout",
)


def run(arguments: Sequence[str]) -> LeftOut:
    """Pack a folder of recordings into shards, and return what was left out."""
    parser = Parser(
        "absslab pack",
        usage="absslab pack FOLDER SHARDS [other flags]",
        description="Pack weakly labelled recordings into shards: tar files that a training reads "
        "in sequence, from a disk or from elsewhere, so that a corpus may be larger than any disk.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=parse_path, help="of the recordings")
    parser.add_argument("shards", metavar="SHARDS", type=parse_path, help="folder of the shards")
    add_flags(parser, PackConfig)
    add_flags(parser, DataConfig, without=_ONLY_FOR_TRAINING)
    given = vars(parser.parse(arguments))
    folder, shards = given.pop("folder"), given.pop("shards")
    config = from_flags(PackConfig, given)
    data = from_flags(DataConfig, {**given, "data_folder": folder})
    left_out = LeftOut("pack", on_error=config.on_error, folder=shards)
    left_out.check()
    steps = pack_steps(data, shards, config, left_out)
    index = run_with_progress(steps, "packed", "recording")
    left_out.write()
    per_split = ", ".join(f"{n.n_recordings} {split}" for split, n in index.totals.items())
    print(f"{index.n_recordings} recordings in {len(index.shards)} shards: {per_split}")
    print(list_classes(index.classes))
    print(f"→ {shards}; train with --data_set_type {SHARDS} --data_folder {shards}")
    return left_out
