"""Two runs and what they make of the same recording."""

from dataclasses import dataclass
from pathlib import Path

from absslab.core.errors import InputError
from absslab.core.run_data import recordings_of
from absslab.core.runs import RunReader
from absslab.core.separation import SeparationConfig
from absslab.serving.checks import model_of
from absslab.serving.settings import ServedConfig
from absslab.widgets.live import Answer, Excerpt, LiveModels
from absslab.widgets.sounds import Track

_LONGEST = 30.0  # s of a recording
LETTERS = ("A", "B")


@dataclass(frozen=True)
class PairAnswer:
    """A recording as both runs separate it."""

    path: Path
    answers: tuple[Answer, Answer]

    @property
    def tracks(self) -> list[Track]:
        """The mixture; of each class what A and B made of it, and the reference; those with a reference first."""
        mixture = self.answers[0].tracks[0]
        tracks = [mixture]
        of_class = [{track.name: track for track in answer.tracks if track.kind == "source"} for answer in self.answers]
        references = {track.name.removesuffix(" (reference)"): track for track in self.references}
        names = sorted({*of_class[0], *of_class[1]}, key=lambda name: (name not in references, name))
        for name in names:
            for letter, sources in zip(LETTERS, of_class, strict=True):
                if name in sources:
                    tracks.append(Track(f"{name}, {letter}", sources[name].sound, "source", sources[name].mask))
            if name in references:
                tracks.append(references[name])
        return tracks

    @property
    def references(self) -> list[Track]:
        """What was mixed."""
        return [track for track in self.answers[0].tracks if track.kind == "reference"]

    @property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header, and a row per class: probabilities and improvements of both."""
        first, second = self.answers
        names = sorted({*first.probabilities, *second.probabilities}, key=lambda name: -first.probabilities.get(name, 0.0))
        names.sort(key=lambda name: name not in first.si_sdr)
        rows = []
        for name in names:
            row = [name]
            row += [f"{one.probabilities[name]:.3f}" if name in one.probabilities else "–" for one in self.answers]
            improvements = [one.si_sdr[name][1] if name in one.si_sdr else None for one in self.answers]
            row += ["–" if value is None else f"{value:.1f}" for value in improvements]
            a, b = improvements
            rows.append([*row, "–" if a is None or b is None else f"{b - a:+.1f}".replace("-", "−")])
        header = ["class", "probability, A", "probability, B", "improvement / dB, A", "improvement / dB, B", "B − A / dB"]
        return header, rows

    def sources(self, label: str) -> tuple[Track, Track]:
        """What A and B made of a class."""
        found = [
            next(track for track in one.tracks if track.kind == "source" and track.name == label) for one in self.answers
        ]
        return found[0], found[1]


class Pair:
    """Two runs, and the recordings of the first one's split that both can be heard on.

    Args:
        shown: names the runs.

    Raises:
        InputError: their data or models can't be read, or they know no class in common.
    """

    def __init__(self, shown: ServedConfig):
        runs = [Path(run) for run in shown.run_directory]
        self.names = (runs[0].name, runs[1].name) if runs[0].name != runs[1].name else (str(runs[0]), str(runs[1]))
        self._device = shown.device
        self._models = (LiveModels(), LiveModels())  # each keeps the recording that it was last asked for
        self._checkpoints = [model_of(run) for run in runs]
        items = recordings_of(RunReader(runs[0]), shown.split, data_folder=shown.mixture_folder)
        self.items = [(Path(item.path), item.labels) for item in items]
        if not self.items:
            raise InputError(f"the {shown.split} split of {runs[0].name} holds no recording: choose another with --split")

    @property
    def common(self) -> set[str]:
        """The classes that both know."""
        known = [
            set(models.separator(path, self._device).classes)
            for models, path in zip(self._models, self._checkpoints, strict=True)
        ]
        return known[0] & known[1]

    def answer(self, path: Path) -> PairAnswer:
        """What both make of a recording."""
        excerpt = Excerpt.of(path, length=_LONGEST)
        answers = [
            models.answer(checkpoint, self._device, excerpt, SeparationConfig())[0]
            for models, checkpoint in zip(self._models, self._checkpoints, strict=True)
        ]
        return PairAnswer(path, (answers[0], answers[1]))

    def close(self) -> None:
        """Free both models."""
        for models in self._models:
            models.close()
