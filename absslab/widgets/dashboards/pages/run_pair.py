"""Two runs, and what they make of the same recording."""

import os
from collections.abc import Sequence
from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.runs.run_data import run_recordings
from absslab.core.separation.separator import Separator
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.listening.live_separation import LiveModels
from absslab.widgets.listening.side_by_side import SideBySide, compare_models

LETTERS = ("A", "B")


class RunPair:
    """Two runs, and the recordings of the first one's split that both can be heard on.

    Args:
        shown: names the runs.

    Raises:
        InputError: their data can't be read, or hold no recording.
    """

    def __init__(self, shown: DashboardConfig):
        self.runs = [Path(run) for run in shown.run_directory]
        first, second = self.runs
        self.names = distinct_names(first, second)
        self._device = shown.device
        self._models = LiveModels()
        items = run_recordings(RunReader(first), shown.split, data_folder=shown.mixture_folder)
        if not items:
            raise InputError(
                f"the {shown.split} split of {first.name} holds no recording: choose another with --split"
            )
        self.items = [(Path(item.path), item.labels) for item in items]
        above = Path(os.path.commonpath([path.parent for path, _ in self.items]))
        self.by_name = {
            path.relative_to(above).as_posix(): path for path, _ in self.items
        }  # votes outlive a move

    @property
    def separators(self) -> dict[str, Separator]:
        """Both models, A and B.

        Raises:
            InputError: a model can't be read, or is gone.
        """
        found = [
            self._models.separator(best_checkpoint_path(run), self._device) for run in self.runs
        ]
        return dict(zip(LETTERS, found, strict=True))

    @property
    def common(self) -> set[str]:
        """The classes that both know."""
        first, second = (set(one.classes) for one in self.separators.values())
        return first & second

    def compare(self, path: Path, classes: Sequence[str] = ()) -> SideBySide:
        """What both make of a recording; see `compare_models`."""
        return compare_models(self.separators, path, classes)

    def pairs(self) -> list[tuple[str, str]]:
        """Every recording, by its name, with every class that it holds and both know."""
        common, labels = self.common, dict(self.items)
        return [
            (name, label)
            for name, path in self.by_name.items()
            for label in sorted(labels[path] & common)
        ]

    def close(self) -> None:
        """Free both models."""
        self._models.close()


def distinct_names(first: Path, second: Path) -> tuple[str, str]:
    """Names of two folders: as many of their last parts as tell them apart.

    Raises:
        InputError: they are the same.
    """
    ours, theirs = first.absolute().parts, second.absolute().parts
    for n in range(1, max(len(ours), len(theirs)) + 1):
        if ours[-n:] != theirs[-n:]:
            return "/".join(ours[-n:]), "/".join(theirs[-n:])
    raise InputError(f"{first} is named twice: expected two runs to compare")
