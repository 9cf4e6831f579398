"""The functions for Python: mix, train, evaluate, separate.

Each does what the command of the same name does, and takes the command's flags as keyword
arguments. `import absslab` offers them as `absslab.mix` and so on. They run the generators of the
core to their end; code that shows progress or stops the work uses these generators directly.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.config import (
    Config,
    field_names,
    from_flags,
    look_up,
    rename_settings,
    suggest_nearest,
)
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.common.files import check_output_path
from absslab.core.common.left_out import ON_ERROR, LeftOut
from absslab.core.common.progress import LongWork, Progress, Result, Step, run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.evaluation.divided_evaluation import PlaceConfig, run_evaluation
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import evaluation_steps
from absslab.core.evaluation.score_files import check_scores_path, write_scores
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.evaluation.scores import Scores
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.model.separation_model import ModelConfig, SeparationModel
from absslab.core.separation import separated_folder
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.separated_folder import checking_steps, find_inputs
from absslab.core.separation.separator import Separation, Separator
from absslab.core.training.events import TrainingEvent
from absslab.core.training.experiment import train_or_resume
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings, canonical_names, find_other_part

__all__ = ["Separator", "evaluate", "load_model", "mix", "separate", "separate_files", "train"]

_LONGEST_HINT = 200  # characters: a longer list of settings would hide the message
_MAX_CHANNELS = 64  # largest number of channels of an array with more channels than samples
Setting = str | float | Sequence[str | float] | None


def mix(
    event_folder: str | Path,
    output_folder: str | Path,
    *,
    progress: Callable[[Progress], object] | None = None,
    **settings: Setting,
) -> Path:
    """Write a folder of mixtures of isolated recordings.

    Args:
        event_folder: Folder of isolated recordings, one sound each.
        output_folder: Folder to write: new, empty, or one to continue.
        progress: A function that is called with each step of the work.
        settings: Any flags of `absslab mix`, such as n_files=2000, seed=0, max_event=6. The default
            of `n_workers` is 1 here; 0 is one process per core.

    Returns:
        The folder of mixtures.

    Raises:
        InputError: A folder or a setting can't be used.

    Examples:
        >>> folder = absslab.mix(event_folder, tmp_path / "mixtures", n_files=10, length=1.0)
        >>> sorted(path.name for path in folder.iterdir())
        ['manifest.json', 'test', 'train', 'validation']
    """
    values = {"n_workers": 1} | _plain_names(settings, (MixtureFolderConfig, MixingConfig))
    paths = {"event_folder": str(event_folder), "output_folder": str(output_folder)}
    config = from_flags(MixtureFolderConfig, values | paths)
    written = _run_steps(write_mixtures(config, from_flags(MixingConfig, values)), progress)
    written.left_out.give_notice()
    return written.folder


def train(
    data_folder: str | Path,
    save_path: str | Path,
    *,
    recipe: str | None = "recommended",
    progress: Callable[[TrainingEvent], object] | None = None,
    **settings: Setting,
) -> Path:
    """Train a model on weakly labelled recordings; the same call continues an interrupted run.

    It differs from `absslab train` in two ways. It uses the recipe "recommended", while the command
    uses the plain defaults unless --recipe is given. And the same call continues a run that was
    stopped, while the command needs --checkpoint_path R/last.ckpt.

    Args:
        data_folder: Folder of mixtures, or of recordings with weak labels.
        save_path: File for the best model, `R.ckpt`; the run directory `R` is made beside it.
        recipe: The settings to start from: recommended, small, large or thesis; None: the plain
            defaults.
        progress: A function that is called with each step and each epoch.
        settings: Any flags of `absslab train`, such as n_epochs=12, device="cpu".

    Returns:
        The file of the best model.

    Raises:
        InputError: A folder, labels or a setting can't be used, or there is a run with other
            settings in the same place.

    Examples:
        >>> absslab.train(mixture_folder, tmp_path / "R.ckpt", n_epochs=1, **small_model).name
        'R.ckpt'
    """
    start = {} if recipe is None else look_up("recipe", recipe, RECIPES)
    values = apply_recipe(start, canonical_names(settings))
    config_classes = Settings.config_classes(from_flags(ModelConfig, values)).values()
    # Refuses settings of other mask networks and poolings.
    _plain_names(settings, config_classes, find_other_part)
    paths = {"data_folder": str(data_folder), "save_path": str(save_path)}
    outcome = _run_steps(train_or_resume(values | paths), progress)
    if outcome is not None:
        outcome.left_out.give_notice()
    return Path(save_path)


def evaluate(
    model: str | Path,
    *,
    split: str = "test",
    data_folder: str | Path | None = None,
    output: str | Path | None = None,
    progress: Callable[[Progress], object] | None = None,
    **settings: Setting,
) -> Scores:
    """Score a model on recordings: tags, events, masks and sources.

    Args:
        model: The checkpoint, which also holds the settings of the data.
        split: The split to score: train, validation or test.
        data_folder: Another folder with the same classes, instead of the one used for training.
        output: File to write the scores to as JSON, with a table beside it as CSV.
        progress: A function that is called with each step of the work.
        settings: Any other flags of `absslab evaluate`, such as device="cpu", bss_eval="none". The
            default of `n_workers` is 1 here; 0 is as many processes as are worth it.

    Returns:
        The scores.

    Raises:
        InputError: A checkpoint, folder, split or setting can't be used.

    Examples:
        >>> scores = absslab.evaluate(model, bss_eval="none")
        >>> 0 <= scores.tagging.auc <= 1
        True
    """
    if output is not None:
        check_scores_path(output)
    configs = (EvaluationConfig, SeparationConfig, DetectionConfig, ScoringConfig, PlaceConfig)
    values = {"n_workers": 1} | _plain_names(settings, configs)
    values |= {"checkpoint_path": str(model), "split": split}
    if data_folder is not None:
        values["data_folder"] = str(data_folder)
    scoring = from_flags(ScoringConfig, values)
    left_out = LeftOut("evaluate", on_error=scoring.on_error)
    if output is not None:
        check_output_path(output)
        left_out.folder = Path(output).parent
        left_out.result = Path(output).name
        left_out.check()
    place = from_flags(PlaceConfig, values)
    config = from_flags(EvaluationConfig, values)
    opening = evaluation_steps(
        config,
        from_flags(SeparationConfig, values),
        from_flags(DetectionConfig, values),
        scoring,
        left_out,
    )
    evaluation = run_to_end(opening)
    scores, table = _run_steps(run_evaluation(evaluation, config, place), progress)
    left_out.write()
    if output is not None:
        write_scores(output, scores, table)
    left_out.give_notice()
    return scores


def separate(
    sound: str | Path | np.ndarray,
    model: str | Path | SeparationModel | Separator,
    *,
    sampling_rate: int | None = None,
    device: str = "auto",
    sources: str | None = None,
    **settings: Setting,
) -> Separation:
    """Separate a recording into one source per class, or per class that is found.

    The result is in memory; `separate_files` writes files of any length and number instead.

    Args:
        sound: A sound file, or an array (N,) or (C, N) of floats in [−1, 1].
        model: A checkpoint, a loaded model, or a separator.
        sampling_rate: Sampling rate of an array, Hz; leave it out for a file.
        device: Where a checkpoint computes: auto, cpu, cuda, cuda:1 and so on; a loaded model or a
            separator computes where it is.
        sources: "all", "found", or "auto": all of up to 50 classes, of more those found; by default
            what a separator says, or auto.
        settings: Any settings of the masks, such as mask_power=2; see `SeparationConfig`.

    Returns:
        Sources (J, C, N), residual (C, N), masks (J, M, T) and probabilities (J,) of the J classes
        that the result names; for an array (N,) without the channels.

    Raises:
        InputError: A file, an array, a checkpoint or a setting can't be used, or a device is given
            with a model that is already loaded.

    Examples:
        >>> separation = absslab.separate(mixture, model)
        >>> separation.sources.shape
        (4, 1, 32000)
    """
    _plain_names(settings, (SeparationConfig,))
    if isinstance(sound, str | Path):
        if sampling_rate is not None:
            raise InputError(
                f"sampling_rate is given, but {sound} is a file, which has its own sampling rate"
            )
        waveform, rate = sound_files.load_channels(sound)  # (C, N)
    else:
        if sampling_rate is None:
            raise InputError("sampling_rate is missing: pass the sampling rate of the array")
        waveform = np.asarray(sound)
        rate = sampling_rate
        _check_channels(waveform)
    return _separator(model, device, settings, sources).separate(waveform, rate)


def separate_files(
    sounds: str | Path | Iterable[str | Path],
    model: str | Path | SeparationModel | Separator,
    output_folder: str | Path,
    *,
    keep: Sequence[str] = (),
    gains: Mapping[str, float] | None = None,
    on_error: str = "skip",
    device: str = "auto",
    sources: str | None = None,
    progress: Callable[[Progress], object] | None = None,
    **settings: Setting,
) -> list[Path]:
    """Separate sound files of any length into a folder each, as `absslab separate` does.

    Args:
        sounds: Sound files, and folders of sound files.
        model: A checkpoint, a loaded model, or a separator.
        output_folder: The folder that gets a sub-folder for each file.
        keep: Also write remix.wav: the sum of only these classes.
        gains: Also write remix.wav: the sum with these gains in dB, by class or "residual".
        on_error: "skip" leaves out files that can't be used, names them in left_out.csv in the
            output folder and warns; "stop" raises an error that names them before the work.
        device: See `separate`.
        sources: See `separate`; classes that keep and gains name are always among those found.
        progress: A function that is called with each step of the work.
        settings: Any settings of the masks, such as mask_power=2; see `SeparationConfig`.

    Returns:
        The folders that were written.

    Raises:
        InputError: No file can be used, or one can't with on_error "stop"; a checkpoint, the output
            folder or a setting can't be used.

    Examples:
        >>> absslab.separate_files([mixture], model, tmp_path / "separated")[0].name
        '000000'
    """
    _plain_names(settings, (SeparationConfig,))
    if on_error not in ON_ERROR:
        raise InputError(f"on_error is {on_error!r}: expected one of {', '.join(ON_ERROR)}")
    separator = _separator(model, device, settings, sources)
    left_out = LeftOut("separate", on_error=on_error, folder=output_folder)
    inputs = [sounds] if isinstance(sounds, str | Path) else sounds
    files = find_inputs([str(path) for path in inputs], output_folder, left_out)
    _run_steps(checking_steps(files, left_out), progress)
    folders = []
    separations = separated_folder.separate_files(
        separator, files, output_folder, left_out, keep=keep, gains=gains
    )
    with closing(separations):
        for path, steps in separations:
            if _run_steps(steps, progress):
                folders.append(Path(output_folder) / path.stem)
    left_out.give_notice()
    return folders


def _check_channels(waveform: np.ndarray) -> None:
    """Refuse an array (N, C), the shape that some libraries use: it would have many channels."""
    if waveform.ndim == 2 and waveform.shape[0] > max(waveform.shape[1], _MAX_CHANNELS):
        n_channels, n_samples = waveform.shape
        raise InputError(
            f"the array has {n_channels} channels of {n_samples} samples: expected (C, N); "
            "transpose it"
        )


def load_model(path: str | Path, device: str = "auto") -> SeparationModel:
    """Load the model of a checkpoint, ready to predict.

    Args:
        path: The checkpoint.
        device: Where it computes: auto, cpu, cuda, cuda:1 and so on.

    Raises:
        InputError: The checkpoint can't be used, or there is no such device.

    Examples:
        >>> absslab.load_model(model).classes
        ('alert', 'knock', 'pageturn', 'speech')
    """
    return load_checkpoint(path, choose_device(device)).model


def _separator(
    model: str | Path | SeparationModel | Separator,
    device: str,
    settings: Mapping[str, Any],
    sources: str | None,
) -> Separator:
    if isinstance(model, str | Path):
        model = load_model(model, device)
    elif device != "auto":
        raise InputError(
            f"device is {device!r}, but the model is already loaded on a device: "
            "leave device out, or pass the checkpoint's path"
        )
    if isinstance(model, SeparationModel):
        model = Separator(model)
    if sources is not None:
        model = replace(model, sources=sources)
    return replace(model, config=replace(model.config, **settings))


def _plain_names(
    settings: Mapping[str, Setting],
    configs: Iterable[type[Config]],
    find_hint: Callable[[str], str] = lambda name: "",
) -> dict[str, Setting]:
    """Replace aliases of settings by the names of their fields.

    Args:
        settings: values by name or alias.
        configs: the configs that have the settings.
        find_hint: returns a hint for a setting that these configs do not have.

    Raises:
        InputError: a setting is unknown, or given by two of its names with different values.
    """
    names: dict[str, str] = {}
    for config in configs:
        names |= field_names(config)
    for name in settings:
        if name not in names:
            raise InputError(f"there is no setting {name!r}{_hint(name, names, find_hint)}")
    return rename_settings(names, settings)


def _hint(name: str, known: Iterable[str], find_hint: Callable[[str], str]) -> str:
    """Return a hint to append to a message about an unknown setting."""
    if hint := find_hint(name):
        return f": {hint}"
    nearest = suggest_nearest(name, known)
    return nearest if len(nearest) < _LONGEST_HINT else "; see the command's --help"


def _run_steps(
    steps: Generator[Step, None, Result], progress: Callable[[Step], object] | None
) -> Result:
    """Run long work; if `progress` raises, the work is closed too, so that it cleans up at once."""
    work = LongWork(steps)
    with closing(steps):
        for step in work:
            if progress is not None:
                progress(step)
    return work.result
