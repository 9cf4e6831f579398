"""absslab import-thesis."""

from collections.abc import Sequence

from absslab.cli.parser import Parser
from absslab.core.common.config import parse_path
from absslab.core.data.class_names import list_classes
from absslab.core.thesis.checkpoint_import import import_thesis_model


def run(arguments: Sequence[str]) -> None:
    """Make a checkpoint of a model that the thesis' code trained."""
    parser = Parser(
        "absslab import-thesis",
        usage="absslab import-thesis OLD NEW [--classes NAME …]",
        description="Make a checkpoint of a model that the thesis' code saved. It separates, "
        "scores, and a training can begin with it (--initial_weights). Nothing in the file is "
        "executed.",
    )
    parser.add_argument("old", metavar="OLD", type=parse_path, help="file of the thesis' code")
    parser.add_argument(
        "new", metavar="NEW", type=parse_path, help="file for the checkpoint, which ends in .ckpt"
    )
    parser.add_argument(
        "--classes",
        metavar="NAME",
        nargs="+",
        default=(),
        help="names of the classes in their order; required if the file has none, as those of the "
        "data set TUT Rare 2017",
    )
    given = parser.parse(arguments)
    model = import_thesis_model(given.old, given.new, given.classes)
    config = model.front_end.config
    print(list_classes(model.classes))
    print(
        f"{config.feature_type}, {config.n_bands} bands at {config.sampling_rate} Hz, "
        f"{model.masks} masks"
    )
    print(f"→ {given.new}; separate with absslab separate --checkpoint_path {given.new}")
