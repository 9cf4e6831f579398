"""A grid of settings in a YAML file, and the trainings that it describes.

::

    output_folder: data/sweep      # this and the next two: any flag of absslab sweep
    seeds: [0, 1, 2]
    split: test

    common:                        # settings of all trainings
      recipe: recommended
      data_folder: data/mixtures

    grid:                          # every value of one setting with every value of the others
      pooling: [GMP, GWRP]
      masks:                       # values with names of their own, each with several settings
        sigmoid: {masks: independent}
        softmax: {masks: softmax, l1_weight: 0.1}

    runs:                          # trainings besides those of the grid
      slow: {pooling: GAP, learning_rate: 0.0001}

Settings are flags of `absslab train`, or those of the thesis' training command.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from absslab.core.common.config import format_setting, suggest_nearest
from absslab.core.common.errors import InputError, describe_value, escape_braces
from absslab.core.common.files import check_output_path, fold_name, write_bytes
from absslab.core.common.resources import resource_folder
from absslab.core.common.yaml_files import read_yaml

BUILT_IN = "sweeps"  # the folder of the grids that come with the package
_SECTIONS = ("common", "grid", "runs")
_MOST_RUNS = 10_000
_SETTING = re.compile(r"[A-Za-z]\w*")
_RUN_NAME = re.compile(r"\w[\w.+=,-]*")
_NOT_IN_NAMES = re.compile(r"[^\w.+=,-]+")
_OWN = {  # settings that a sweep gives to each training itself, and what to pass instead
    "save_path": "--output_folder",
    "checkpoint_path": "--output_folder",
    "device": "--devices",
    "use_gpu": "--devices",
    "use_cuda": "--devices",
    "gpu_no": "--devices",
    "seed": "--seeds",
    "mode": "nothing",
}
Settings = Mapping[str, Any]  # by their names, as they stand in the file


@dataclass(frozen=True)
class GridRun:
    """A training of a grid, for any seed.

    Args:
        name: name of its files.
        own: the settings that are not those of all trainings.
        values: what the grid varies: name of the setting → its value, as text.
    """

    name: str
    own: Settings
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SweepGrid:
    """The content of a grid.

    Args:
        flags: flags of `absslab sweep` that it gives.
        common: settings of all trainings.
        runs: its trainings.
    """

    flags: Settings
    common: Settings
    runs: tuple[GridRun, ...]

    def select(self, patterns: Sequence[str]) -> list[GridRun]:
        """Return the trainings whose names fit any of the patterns; without patterns, all.

        Args:
            patterns: names, in which `*` stands for any characters.

        Raises:
            InputError: nothing fits one of them.
        """
        names = [run.name for run in self.runs]
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                nearest = suggest_nearest(pattern, names)
                raise InputError(f"no training of the grid is called {pattern!r}{nearest}")
        return [
            run
            for run in self.runs
            if not patterns or any(fnmatchcase(run.name, pattern) for pattern in patterns)
        ]


class _Choice(NamedTuple):
    """A value of an axis of the grid."""

    name: str  # part of the names of its trainings
    text: str
    settings: Settings


def find_grid(name: str | Path) -> Path:
    """Find the file of a grid.

    Args:
        name: path of a file, or the name of a grid that comes with the package, such as thesis or
            sweeps/thesis.yaml.

    Raises:
        InputError: there is neither.
    """
    path = Path(name)
    built_in = {file.stem: file for file in sorted(resource_folder(BUILT_IN).glob("*.yaml"))}
    if str(name) in built_in:
        return built_in[str(name)]
    if path.is_file():
        return path
    if path.parent == Path(BUILT_IN) and path.suffix == ".yaml" and path.stem in built_in:
        return built_in[path.stem]
    raise InputError(
        "{path} does not exist or is no file: expected a grid in YAML, or one of those that come "
        f"with the package: {', '.join(built_in)}",
        path=path,
    )


def is_built_in(path: Path) -> bool:
    """Tell whether the file of a grid comes with the package."""
    return path.parent == resource_folder(BUILT_IN)


def copy_grid(path: Path, target: str | Path) -> None:
    """Copy the file of a grid, to change the copy.

    Args:
        path: the file.
        target: the copy.

    Raises:
        InputError: there is such a file already, or none can be written there.
    """
    if Path(target).exists():
        raise InputError("{path} exists already: choose another place", path=target)
    check_output_path(target, ".yaml", name="copy_to")
    write_bytes(target, path.read_bytes())


def read_grid(path: str | Path, flags: Sequence[str]) -> SweepGrid:
    """Read a grid.

    Args:
        path: the YAML file; nothing in it is executed.
        flags: the flags of `absslab sweep` that may stand in it.

    Raises:
        InputError: it can't be read, is no grid, or describes no training, or two with one name.
    """
    content = read_yaml(path, "a grid of settings")
    try:
        return _read_content(content, flags)
    except InputError as error:
        raise error.wrap("{path}: {error}", path=path) from None


def _read_content(content: Any, flags: Sequence[str]) -> SweepGrid:
    if not isinstance(content, Mapping):
        raise InputError(
            f"it holds {describe_value(content, 50)}: expected names with values, such as common, "
            "grid and runs"
        )
    for name in content:
        if name not in (*_SECTIONS, *flags):
            nearest = suggest_nearest(str(name), (*_SECTIONS, *flags))
            raise InputError(f"it has an unknown part {escape_braces(repr(name))}{nearest}")
    common = _read_settings("common", content.get("common") or {})
    axes = {}
    for name, choices in _read_mapping("grid", content.get("grid") or {}).items():
        axes[name] = list(_read_axis(name, choices))
    runs = []
    for name, settings in _read_mapping("runs", content.get("runs") or {}).items():
        _check_run_name(name)
        runs.append(GridRun(name, _read_settings(f"the run {name}", settings)))
    runs = [*_multiply(axes), *runs]
    if not runs:
        raise InputError("it describes no training: expected a grid, or runs, or both")
    _check_names(runs)
    return SweepGrid(
        {name: value for name, value in content.items() if name in flags}, common, tuple(runs)
    )


def _read_mapping(name: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise InputError(
            f"{name} is {escape_braces(describe_value(content, 50))}: expected names with values"
        )
    for key in content:
        if isinstance(key, bool) or not isinstance(key, str | int | float):
            raise InputError(
                f"{name} has the name {escape_braces(describe_value(key, 50))}: expected a text; "
                "put it into quotes"
            )
    return {str(key): value for key, value in content.items()}


def _read_settings(name: str, content: Any) -> dict[str, Any]:
    """Check the names and the kinds of settings; what they mean is checked by the training."""
    settings = _read_mapping(name, content or {})
    for setting, value in settings.items():
        check_setting(name, setting)
        for element in value if isinstance(value, list) else [value]:
            if element is not None and not isinstance(element, str | int | float):
                raise InputError(
                    f"{setting} of {name} is {escape_braces(describe_value(value, 50))}: expected "
                    "a text, a number, True or False, or a list of these"
                )
        if value == []:
            raise InputError(f"{setting} of {name} is an empty list: expected at least one value")
    return settings


def check_setting(name: str, setting: str) -> None:
    """Check that a setting may be given to the trainings of a sweep.

    Args:
        name: where it stands.
        setting: its name.

    Raises:
        InputError: it is no name, or the sweep itself sets it.
    """
    if not _SETTING.fullmatch(setting):
        raise InputError(
            f"{name} has the setting {escape_braces(repr(setting))}: expected the name of a flag "
            "of absslab train, without dashes"
        )
    if setting in _OWN:
        raise InputError(
            f"{name} has the setting {setting}, which a sweep gives to each training itself: pass "
            f"{_OWN[setting]} instead"
        )


def _read_axis(name: str, choices: Any) -> Iterator[_Choice]:
    """Yield the values of a part of the grid."""
    if not isinstance(choices, list | Mapping):
        raise InputError(
            f"grid has {escape_braces(describe_value(choices, 50))} for {escape_braces(name)}: "
            "expected a list of values, or values with names and settings"
        )
    if not choices:
        raise InputError(
            f"grid has an empty list for {escape_braces(name)}: expected at least one value"
        )
    if isinstance(choices, Mapping):
        for label, settings in _read_mapping(name, choices).items():
            _check_run_name(label)
            yield _Choice(label, label, _read_settings(f"{label} of grid", settings))
        return
    for value in choices:
        settings = _read_settings("grid", {name: value})
        text = format_setting(tuple(value) if isinstance(value, list) else value)
        yield _Choice(_NOT_IN_NAMES.sub("_", f"{name}={text}"), text, settings)


def _check_run_name(name: str) -> None:
    if not _RUN_NAME.fullmatch(name):
        raise InputError(
            f"a training is called {escape_braces(repr(name))}: expected letters, digits and any "
            "of _ . + = , -, since files get its name"
        )


def _multiply(axes: Mapping[str, Sequence[_Choice]]) -> list[GridRun]:
    """Return the trainings with every value of one part of the grid and every value of others."""
    if not axes:
        return []
    n_runs = math.prod(map(len, axes.values()))
    if n_runs > _MOST_RUNS:
        raise InputError(f"grid describes {n_runs} trainings: expected at most {_MOST_RUNS}")
    runs = []
    for choices in product(*axes.values()):
        own: dict[str, Any] = {}
        for axis, choice in zip(axes, choices, strict=True):
            twice = own.keys() & choice.settings
            if twice:
                raise InputError(
                    f"grid sets {twice.pop()} in {escape_braces(axis)} and in another part: "
                    "expected it in one of them"
                )
            own |= choice.settings
        values = {axis: choice.text for axis, choice in zip(axes, choices, strict=True)}
        runs.append(GridRun("-".join(choice.name for choice in choices), own, values))
    return runs


def _check_names(runs: Sequence[GridRun]) -> None:
    """Check that no two trainings have the same files, on a disk that does not know cases too."""
    known: dict[str, str] = {}
    for run in runs:
        key = fold_name(run.name)
        if key in known:
            names = run.name if run.name == known[key] else f"{known[key]} and {run.name}"
            raise InputError(
                f"two trainings would have one place, {escape_braces(names)}: give one another name"
            )
        known[key] = run.name
