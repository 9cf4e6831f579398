"""Two runs, and what they make of the same recording."""

from collections.abc import Sequence
from pathlib import Path

from absslab.core.errors import InputError
from absslab.core.run_data import recordings_of
from absslab.core.runs import RunReader
from absslab.core.separation import Separator
from absslab.serving.checks import model_of
from absslab.serving.settings import ServedConfig
from absslab.widgets.live import LiveModels
from absslab.widgets.side_by_side import SideBySide, compare_models

LETTERS = ("A", "B")


class Pair:
    """Two runs, and the recordings of the first one's split that both can be heard on.

    Args:
        shown: names the runs.

    Raises:
        InputError: their data can't be read, or hold no recording.
    """

    def __init__(self, shown: ServedConfig):
        self.runs = [Path(run) for run in shown.run_directory]
        first, second = self.runs
        names = [run.name if first.name != second.name else f"{run.parent.name}/{run.name}" for run in self.runs]
        self.names = (names[0], names[1])
        self._device = shown.device
        self._models = LiveModels()
        items = recordings_of(RunReader(first), shown.split, data_folder=shown.mixture_folder)
        self.items = [(Path(item.path), item.labels) for item in items]
        if not self.items:
            raise InputError(f"the {shown.split} split of {first.name} holds no recording: choose another with --split")

    @property
    def separators(self) -> dict[str, Separator]:
        """Both models, A and B.

        Raises:
            InputError: a model can't be read, or is gone.
        """
        found = [self._models.separator(model_of(run), self._device) for run in self.runs]
        return dict(zip(LETTERS, found, strict=True))

    @property
    def common(self) -> set[str]:
        """The classes that both know."""
        first, second = (set(one.classes) for one in self.separators.values())
        return first & second

    def compare(self, path: Path, classes: Sequence[str] = ()) -> SideBySide:
        """What both make of a recording; see `compare_models`."""
        return compare_models(self.separators, path, classes)

    def close(self) -> None:
        """Free both models."""
        self._models.close()
