"""absslab train."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, field_names, from_flags, look_up
from absslab.core.common.devices import choose_precision
from absslab.core.model.mask_networks import MASK_NETS
from absslab.core.model.pooling import POOLINGS
from absslab.core.model.separation_model import ModelConfig
from absslab.core.training.epoch_lines import print_epochs
from absslab.core.training.experiment import Experiment
from absslab.core.training.recipes import RECIPES
from absslab.core.training.settings import Settings


def run(arguments: Sequence[str]) -> None:
    """Train as the flags say."""
    experiment = _experiment(arguments)
    manager, settings = experiment.manager, experiment.settings
    print(
        f"training {settings.model.model_type} on {experiment.device} "
        f"({choose_precision(settings.training.precision, experiment.device)}): {len(manager.train)} recordings, "
        f"{len(manager.model.classes)} classes, validation on {len(manager.validation)}",
        flush=True,
    )
    if manager.epoch >= settings.training.n_epochs:
        print(f"the run is finished ({manager.epoch} epochs); --n_epochs trains longer")
    try:
        print_epochs(experiment.run(), settings.training.metric)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; {_how_to_go_on(experiment)}") from None
    if manager.epoch < settings.training.n_epochs and not manager.is_out_of_patience:
        print(f"stopped; {_how_to_go_on(experiment)}", flush=True)
    best = experiment.writer.save_path
    print(
        f"best model: {best}" if best.exists() else f"no model yet; {_how_to_go_on(experiment)}",
        flush=True,
    )


def _how_to_go_on(experiment: Experiment) -> str:
    last = experiment.writer.last_checkpoint
    return (
        f"go on with absslab train --checkpoint_path {last}"
        if last.exists()
        else "the same command starts again"
    )


def _experiment(arguments: Sequence[str]) -> Experiment:
    """What the flags ask for: a new training, or one to go on with."""
    about_parts = _first_look(arguments)
    recipe = look_up("recipe", about_parts.recipe, RECIPES) if about_parts.recipe else {}
    chosen = from_flags(ModelConfig, recipe | vars(about_parts))
    config_classes = Settings.config_classes(chosen)
    parser = Parser(
        "absslab train",
        usage="absslab train [--recipe recommended] --data_folder FOLDER --save_path R.ckpt [any flag below]",
        description="Train a model on weakly labelled recordings. Flags and defaults are those of the model type, "
        "the pooling and the recipe that are chosen.",
    )
    _add_choices(parser)
    first = {name: config_classes[name] for name in ("run", "data")}
    for config_class in (first | config_classes).values():
        add_flags(parser, config_class, defaults=recipe)
    given = vars(parser.parse(arguments, elsewhere=_other_choice))
    checkpoint, recipe_name = given.pop("checkpoint_path"), given.pop("recipe")
    for name in ("data_folder", "feature_store"):
        if given.get(name):
            given[name] = str(
                Path(given[name]).resolve()
            )  # a checkpoint is used from other working directories
    if checkpoint:
        return Experiment.resume(
            checkpoint, given | ({"recipe": recipe_name} if recipe_name else {})
        )
    return Experiment(Settings.from_flags(recipe | given))


def _first_look(arguments: Sequence[str]) -> Namespace:
    parser = Parser("absslab train", add_help=False)
    _add_choices(parser)
    add_flags(parser, ModelConfig)
    return parser.parse_known_args([word for word in arguments if word not in ("-h", "--help")])[0]


def _add_choices(parser: Parser) -> None:
    parser.add_argument(
        "--recipe",
        metavar="TEXT",
        help=f"sets many flags at once, each of which can be given besides: {', '.join(RECIPES)}",
    )
    parser.add_argument(
        "--checkpoint_path",
        metavar="TEXT",
        help="last.ckpt of a run directory: go on with that run, bit for bit",
    )


def _other_choice(flag: str) -> str:
    """Where an unknown flag is known: with another mask network or another pooling."""
    for kind, registry in (("model_type", MASK_NETS), ("pooling", POOLINGS)):
        for name, (config, _) in registry.items():
            if flag in field_names(config):
                return f": it is a setting of --{kind} {name}"
    return ""
