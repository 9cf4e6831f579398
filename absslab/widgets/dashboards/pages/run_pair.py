"""Two runs, and the recordings on which they are compared."""

import os
from collections.abc import Sequence
from pathlib import Path

from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.runs.run_data import require_recordings
from absslab.core.separation.separator import Separator
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.widgets.dashboards.settings import DashboardConfig, same_run_error
from absslab.widgets.listening.live_separation import LiveModels
from absslab.widgets.listening.side_by_side import SideBySide, compare_models

LETTERS = ("A", "B")


class RunPair:
    """Two runs, and the recordings of the first one's split; make one with `open`.

    Args:
        runs: folders of the two runs.
        recordings: those of the split.
        device: where the models compute.

    Raises:
        InputError: the runs are the same.
    """

    def __init__(self, runs: Sequence[Path], recordings: Sequence[LabelledRecording], device: str):
        first, second = runs
        self.runs = [first, second]
        self.names = distinct_names(first, second)
        self.recordings = [(Path(item.path), item.labels) for item in recordings]
        self._channels = {Path(item.path): item.channels for item in recordings}
        self._device = device
        self._models = LiveModels()
        # votes name recordings by their paths below the common folder, which may be moved
        folder = Path(os.path.commonpath([path.parent for path, _ in self.recordings]))
        self.paths = {path.relative_to(folder).as_posix(): path for path, _ in self.recordings}

    @classmethod
    def open(cls, config: DashboardConfig) -> "RunPair":
        """Find the recordings of the first run.

        Args:
            config: names the runs, the split and the device.

        Raises:
            InputError: the runs are the same, or the data of the first one cannot be read, or hold
                no recording.
        """
        runs = [Path(run) for run in config.run_directory]
        recordings = require_recordings(
            RunReader.open(runs[0]), config.split, data_folder=config.mixture_folder
        )
        return cls(runs, recordings, config.device)

    @property
    def separators(self) -> dict[str, Separator]:
        """The models of both runs, by the letters A and B.

        Raises:
            InputError: a model cannot be read, or was deleted.
        """
        separators = [
            self._models.separator(best_checkpoint_path(run), self._device) for run in self.runs
        ]
        return dict(zip(LETTERS, separators, strict=True))

    @property
    def common_classes(self) -> set[str]:
        """The classes that both models know."""
        first, second = self.separators.values()
        return set(first.classes) & set(second.classes)

    def compare(self, path: Path, classes: Sequence[str] = ()) -> SideBySide:
        """Separate a recording with both models; see `compare_models`."""
        channels = self._channels[path]
        return compare_models(self.separators, path, classes, channels=channels)

    def trial_candidates(self) -> list[tuple[str, str]]:
        """Return the name of each recording with each of its classes that both models know."""
        labels = dict(self.recordings)
        common_classes = self.common_classes
        candidates = []
        for name, path in self.paths.items():
            for label in sorted(labels[path] & common_classes):
                candidates.append((name, label))
        return candidates

    def close(self) -> None:
        """Free both models."""
        self._models.close()


def distinct_names(first: Path, second: Path) -> tuple[str, str]:
    """Return short names for two folders: as many of their last parts as make them differ.

    Raises:
        InputError: they are the same folder.
    """
    first_parts = first.absolute().parts
    second_parts = second.absolute().parts
    for n in range(1, max(len(first_parts), len(second_parts)) + 1):
        if first_parts[-n:] != second_parts[-n:]:
            return "/".join(first_parts[-n:]), "/".join(second_parts[-n:])
    raise same_run_error(first)
