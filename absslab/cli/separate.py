"""absslab separate."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from absslab.cli.parser import Parser
from absslab.core.common.cluster import ClusterConfig, check_scheduler
from absslab.core.common.config import add_flags, from_flags
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps, run_with_progress
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.separation.checkpoint_split import list_checkpoint_split
from absslab.core.separation.cluster_separation import FileSeparation, separate_on_cluster
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.separated_folder import (
    SeparatedFolderConfig,
    check_remix,
    checking_steps,
    find_inputs,
    separate_files,
)
from absslab.core.separation.separator import Separator
from absslab.core.separation.settings import SeparationSettings, parse_gains, read_settings
from absslab.core.thesis.command_line import is_thesis_use, translate_separate_command

_DEFAULT_SPLIT = "test"


def run(arguments: Sequence[str]) -> LeftOut:
    """Separate the files that are given by the flags, and return those that were left out."""
    notes: Sequence[str] = ()
    if is_thesis_use(arguments) and not {"-h", "--help"} & set(arguments):
        arguments, notes = translate_separate_command(arguments)
    parser = Parser("absslab separate", description="Separate recordings into one file per class.")
    for config_class in (SeparatedFolderConfig, SeparationConfig, DetectionConfig, ClusterConfig):
        add_flags(parser, config_class)
    given = vars(parser.parse(arguments))
    config = from_flags(SeparatedFolderConfig, given)
    for name in ("checkpoint_path", "output_folder"):
        if not getattr(config, name):
            raise InputError(f"{name} is missing: pass --{name}")
    for name in ("split", "data_folder", "audio_folder", "yaml_file"):
        if config.input and name in given:
            raise InputError(
                f"--{name} is for the data of the model, --input for other sounds: pass one of them"
            )
    scheduler = from_flags(ClusterConfig, given).scheduler
    check_scheduler(scheduler)
    settings = read_settings(config.settings) if config.settings else SeparationSettings()
    gains = {**settings.gains, **parse_gains(config.gains)}
    device = choose_device(config.device)
    separation = from_flags(SeparationConfig, settings.separation.to_json() | given)
    checkpoint = load_checkpoint(config.checkpoint_path, device)
    detection = from_flags(DetectionConfig, given)
    separator = Separator(checkpoint.model, separation, sources=config.sources)
    separator.check_method()
    check_remix(config.keep, gains, separator.classes)
    left_out = LeftOut("separate", on_error=config.on_error, folder=config.output_folder)
    recordings = [] if config.input else _list_split(config, checkpoint.made, left_out)
    inputs = config.input or [recording.path for recording in recordings]
    channels = {
        Path(recording.path): list(recording.channels.values())
        for recording in recordings
        if recording.channels
    }
    files = find_inputs(inputs, config.output_folder, left_out)[: config.n_recordings]
    if not config.input:
        part = f"the {config.split or _DEFAULT_SPLIT} split of the model's data"
        print(f"separating {len(files)} recordings ({part}) on {device}", flush=True)
    run_with_progress(checking_steps(files, left_out), "checking the files", "file")
    for note in notes:
        give_notice(InputWarning(escape_braces(note)))
    if scheduler:
        how = FileSeparation(
            config.checkpoint_path,
            config.output_folder,
            separation,
            config.device,
            config.keep,
            gains,
            detection,
            config.sources,
        )
        separated = separate_on_cluster(how, files, left_out, scheduler, channels=channels)
        run_with_progress(_tell(separated, config.output_folder, len(files)), "separated", "file")
        return left_out
    separations = separate_files(
        separator,
        files,
        config.output_folder,
        left_out,
        keep=config.keep,
        gains=gains,
        detection=detection,
        channels=channels,
    )
    with closing(separations):  # what was left out is also written if the work is interrupted
        for path, steps in separations:
            if run_with_progress(steps, path.name, "sample"):
                print(f"{path} → {config.output_folder}/{path.stem}/ (on {device})", flush=True)
    return left_out


def _tell(
    separated: Generator[tuple[Path, bool], None, None], output_folder: str, n_files: int
) -> Steps[None]:
    """Tell which folders a cluster has written, and yield how many files are done."""
    with closing(separated):
        for n_done, (path, is_written) in enumerate(separated, start=1):
            if is_written:
                print(f"{path} → {output_folder}/{path.stem}/", flush=True)
            yield Progress(n_done, n_files)


def _list_split(
    config: SeparatedFolderConfig, made: Mapping[str, Any], left_out: LeftOut
) -> list[LabelledRecording]:
    """List the recordings of a split of the data that the model was trained on."""
    return list_checkpoint_split(
        made,
        config.split or _DEFAULT_SPLIT,
        checkpoint_path=config.checkpoint_path,
        data_folder=config.data_folder,
        audio_folder=config.audio_folder,
        yaml_file=config.yaml_file,
        left_out=left_out,
    )
