"""absslab train."""

from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from absslab.cli.parser import Parser
from absslab.core.common.cluster import ClusterConfig, check_scheduler
from absslab.core.common.config import add_flags, from_flags, look_up, parse_path
from absslab.core.common.devices import choose_device, split_devices
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import give_notice
from absslab.core.common.process_group import find_processes, is_started_by_torchrun
from absslab.core.common.process_start import start_processes
from absslab.core.common.progress import LongWork, run_to_end
from absslab.core.common.signals import raise_if_interrupted
from absslab.core.data.class_names import list_classes
from absslab.core.data.shards.places import resolve_place
from absslab.core.model.separation_model import ModelConfig
from absslab.core.thesis.command_line import is_thesis_command, translate_command
from absslab.core.training.epoch_lines import print_epochs
from absslab.core.training.events import TrainingEvent, TrainingStarted
from absslab.core.training.experiment import Experiment
from absslab.core.training.idle_settings import find_idle_settings
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.resumption import CHANGEABLE
from absslab.core.training.run_directory import run_directory
from absslab.core.training.settings import Settings, find_other_part


def run(arguments: Sequence[str]) -> LeftOut | int:
    """Train, or resume a training.

    Returns:
        the recordings that were left out; the exit status if other processes have trained.
    """
    notes: Sequence[str] = ()
    given = arguments
    is_old = is_thesis_command(arguments) and not {"-h", "--help"} & set(arguments)
    if is_old:
        arguments, notes = translate_command(arguments)
    experiment = _open_experiment(arguments, names_idle=not is_old)
    settings = experiment.settings
    devices = split_devices(settings.run.device)
    if len(devices) > 1 and not is_started_by_torchrun():
        for device in devices:
            choose_device(device)  # one that is not there is told once
        return start_processes(["train", *given], len(devices))
    if find_processes().is_first:
        check_scheduler(experiment.scheduler)
    for note in notes:
        give_notice(InputWarning(escape_braces(note)))
    if not find_processes().is_first:
        run_to_end(experiment.run())
        return LeftOut("train")  # the first process prints, and tells what was left out
    # Closing writes the end of the run even if printing fails.
    with closing(experiment.run()) as steps:
        training = LongWork(steps)
        try:
            print_epochs(_announce(training, settings), settings.training.metric)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped; {_how_to_resume(settings)}") from None
    outcome = training.result
    if outcome.state == "stopped":
        print(f"stopped; {_how_to_resume(settings)}", flush=True)
    elif outcome.epoch < outcome.n_epochs:
        patience = settings.training.patience
        print(
            f"ended early: the last {patience} evaluations were no better; to go on all the same: "
            f"{_resuming_command(settings)} --patience N (more than {patience}, or 0)",
            flush=True,
        )
    if outcome.save_path.exists():
        print(f"best model: {outcome.save_path}", flush=True)
    elif outcome.state != "stopped":
        print(f"no model yet; {_how_to_resume(settings)}", flush=True)
    return outcome.left_out


def read_settings(arguments: Sequence[str]) -> Settings:
    """Return the settings of the new training that arguments describe; no file is read.

    Args:
        arguments: flags of `absslab train`, or of the thesis' command.

    Raises:
        InputError: a flag is unknown, or a value wrong.
    """
    if is_thesis_command(arguments):
        arguments, _ = translate_command(arguments)
    return _open_experiment(arguments).settings


def _announce(events: Iterable[TrainingEvent], settings: Settings) -> Iterator[TrainingEvent]:
    """Yield all events, and describe the training when it starts."""
    for event in events:
        raise_if_interrupted()
        if isinstance(event, TrainingStarted):
            print(list_classes(event.classes), flush=True)
            print(
                f"training {settings.model.model_type} on {event.device} ({event.precision}): "
                f"{event.n_recordings} recordings, {event.n_classes} classes, "
                f"validation on {event.n_validation_recordings}"
                + (f"; {event.n_left_out} left out" if event.n_left_out else ""),
                flush=True,
            )
            n_steps = settings.training.n_steps
            if n_steps is not None:
                epochs = "epoch" if event.n_epochs == 1 else "epochs"
                print(f"{n_steps} steps, in {event.n_epochs} {epochs}", flush=True)
            elif event.n_epochs > settings.training.n_epochs:
                print(
                    f"{event.n_epochs} epochs, so that there are "
                    f"{settings.training.least_steps} steps; --n_epochs N trains for N epochs",
                    flush=True,
                )
            if event.epoch >= event.n_epochs:
                longer = f"--n_epochs N (more than {event.n_epochs})"
                if n_steps is not None:
                    longer = f"--n_steps N (more than {n_steps})"
                print(
                    f"the run is finished ({event.epoch} epochs); to train longer: "
                    f"{_resuming_command(settings)} {longer}"
                )
        yield event


def _how_to_resume(settings: Settings) -> str:
    if _last_checkpoint(settings).exists():
        return f"go on with {_resuming_command(settings)}"
    return "no epoch was complete yet: give the same command again to start from the beginning"


def _resuming_command(settings: Settings) -> str:
    return f"absslab train --checkpoint_path {_last_checkpoint(settings)}"


def _last_checkpoint(settings: Settings) -> Path:
    return run_directory(settings.run.save_path) / "last.ckpt"


def _open_experiment(arguments: Sequence[str], *, names_idle: bool = False) -> Experiment:
    """Make the training that the flags describe: a new one, or one to resume.

    Args:
        arguments: of the command.
        names_idle: whether to say which flags have no effect.
    """
    model_flags = _parse_model_flags(arguments)
    recipe = look_up("recipe", model_flags.recipe, RECIPES) if model_flags.recipe else {}
    chosen = from_flags(ModelConfig, recipe | vars(model_flags))
    config_classes = Settings.config_classes(chosen)
    parser = Parser(
        "absslab train",
        usage="absslab train [--recipe recommended] --data_folder FOLDER --save_path R.ckpt "
        "[other flags]",
        description="Train a model on weakly labelled recordings. "
        "The flags and defaults shown are those of the chosen model type, pooling and recipe.",
    )
    _add_choices(parser)
    first = {name: config_classes[name] for name in ("run", "data")}
    for config_class in (first | config_classes).values():
        add_flags(parser, config_class, defaults=recipe)
    add_flags(parser, ClusterConfig)
    given = vars(parser.parse(arguments, explain_unknown=_hint_at_other_part))
    checkpoint = given.pop("checkpoint_path")
    del given["recipe"]  # known from model_flags
    scheduler = from_flags(ClusterConfig, given).scheduler
    given.pop("scheduler", None)
    paths = ("data_folder", "audio_folder", "yaml_file", "labels", "feature_store")
    for name in (*paths, "initial_weights"):
        if given.get(name):
            # A checkpoint is also used from other working directories.
            given[name] = resolve_place(given[name])
    if checkpoint:
        if given.get("initial_weights"):
            raise InputError(
                "--initial_weights begins a new training, --checkpoint_path goes on with one: "
                "pass one of them"
            )
        changes = {
            name: value
            for name, value in apply_recipe(recipe, given).items()
            if name in given or name not in CHANGEABLE
        }
        return _add_scheduler(Experiment.resume(checkpoint, changes), scheduler)
    settings = Settings.from_flags(apply_recipe(recipe, given))
    for sentence in find_idle_settings(settings, given) if names_idle else ():
        give_notice(InputWarning(sentence))
    experiment = Experiment(settings, may_run_command="data_folder" in given)
    return _add_scheduler(experiment, scheduler)


def _add_scheduler(experiment: Experiment, scheduler: str) -> Experiment:
    """Let the workers of a scheduler fill the feature store of a training.

    Raises:
        InputError: it has none.
    """
    if scheduler and not experiment.settings.data.feature_store:
        raise InputError(
            "scheduler is given, but its workers only compute the features of a training: pass "
            "--feature_store FOLDER as well, or leave scheduler out"
        )
    return replace(experiment, scheduler=scheduler)


def _parse_model_flags(arguments: Sequence[str]) -> Namespace:
    """Parse the flags that decide which other flags exist."""
    parser = Parser("absslab train", add_help=False)
    _add_choices(parser)
    add_flags(parser, ModelConfig)
    return parser.parse_known_args([word for word in arguments if word not in ("-h", "--help")])[0]


def _add_choices(parser: Parser) -> None:
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"sets many flags at once; flags that are given as well take precedence; one of "
        f"{', '.join(RECIPES)}",
    )
    parser.add_argument(
        "--checkpoint_path",
        metavar="FILE",
        type=parse_path,
        help="last.ckpt of a run directory: resume that run as if it had not been interrupted; "
        "no other flag is required, but those of its training may be given",
    )


def _hint_at_other_part(flag: str) -> str:
    hint = find_other_part(flag)
    return f": {hint}" if hint else ""
