"""absslab separate."""

from collections.abc import Sequence
from contextlib import closing

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, from_flags
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import run_with_progress
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


def run(arguments: Sequence[str]) -> LeftOut:
    """Separate the files that are given by the flags, and return those that were left out."""
    parser = Parser("absslab separate", description="Separate recordings into one file per class.")
    for config_class in (SeparatedFolderConfig, SeparationConfig, DetectionConfig):
        add_flags(parser, config_class)
    given = vars(parser.parse(arguments))
    config = from_flags(SeparatedFolderConfig, given)
    for name in ("checkpoint_path", "input", "output_folder"):
        if not getattr(config, name):
            raise InputError(f"{name} is missing: pass --{name}")
    settings = read_settings(config.settings) if config.settings else SeparationSettings()
    gains = {**settings.gains, **parse_gains(config.gains)}
    device = choose_device(config.device)
    separation = from_flags(SeparationConfig, settings.separation.to_json() | given)
    separator = Separator.from_checkpoint(config.checkpoint_path, device, separation)
    check_remix(config.keep, gains, separator.classes)
    detection = from_flags(DetectionConfig, given)
    left_out = LeftOut("separate", on_error=config.on_error, folder=config.output_folder)
    files = find_inputs(config.input, config.output_folder, left_out)
    run_with_progress(checking_steps(files, left_out), "checking the files", "file")
    separations = separate_files(
        separator,
        files,
        config.output_folder,
        left_out,
        keep=config.keep,
        gains=gains,
        detection=detection,
    )
    with closing(separations):  # what was left out is also written if the work is interrupted
        for path, steps in separations:
            if run_with_progress(steps, path.name, "sample"):
                print(f"{path} → {config.output_folder}/{path.stem}/ (on {device})", flush=True)
    return left_out
