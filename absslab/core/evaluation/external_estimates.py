"""Separated sounds that any system made, scored against the sources they should be.

::

    references/a.wav                  the mixture; where it is missing, the sum of what lies in a/
               a/speech.flac …        the sources that sound in it, and background.flac
               weak_labels.csv        if there is one, its columns are the classes
               events.tsv             if there is one, detection is scored too
    estimates/a/speech.wav …          an estimate of every class, as absslab separate writes them
              a/events.tsv            what was detected in it

This is the layout of a split of a folder of mixtures, and of what `absslab separate` writes. Axes: K classes, N samples.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from absslab.core.audio import sound_files
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress, Steps
from absslab.core.common.tables import read_table
from absslab.core.data.mixture_folder import source_files
from absslab.core.data.strong_labels import SoundEvent, read_events
from absslab.core.data.weak_labels import read_one_hot
from absslab.core.evaluation.ideal_masks import IdealMasks
from absslab.core.evaluation.scorer import Estimate, Scorer, ScoringConfig, Truth, is_audible
from absslab.core.evaluation.scores import score_report
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd

NOT_CLASSES = ("background", "residual", "remix")


@dataclass(frozen=True)
class EstimatesConfig(Config):
    """Separated sounds to score instead of a checkpoint."""

    estimates: str = option(
        "", "folder with a folder of separated sources per mixture, as absslab separate writes"
    )
    references: str = option(
        "", "folder of mixtures with their sources, as a split that absslab mix wrote"
    )


@dataclass
class EstimatesEvaluation:
    """Scores separated sounds; iterate over `run`, then take `scores` and `table`.

    Args:
        config: which folders.
        scoring: how they are scored.

    Raises:
        InputError: a folder that is missing or empty, mixtures or classes that only one of them has, strong labels that
            do not fit.
    """

    config: EstimatesConfig
    scoring: ScoringConfig = ScoringConfig()

    def __post_init__(self) -> None:
        for name in ("references", "estimates"):
            if not getattr(self.config, name):
                raise InputError(f"{name} is missing: say it with --{name}")
            if not Path(getattr(self.config, name)).is_dir():
                raise InputError(f"{name}: {getattr(self.config, name)} is no folder")
        self.references, self.estimates = Path(self.config.references), Path(self.config.estimates)
        self.names = _sub_folders(self.references)
        if "test" in self.names and (self.references / "test" / "weak_labels.csv").is_file():
            raise InputError(
                f"{self.references} holds whole splits: expected one of them, such as {self.references}/test"
            )
        if not self.names:
            raise InputError(
                f"{self.references} holds no folders of sources: expected one per mixture"
            )
        _same(
            self.names,
            _sub_folders(self.estimates),
            "mixture",
            str(self.references),
            str(self.estimates),
        )
        self.labels, labelled = self._read_labels()
        for name in self.names:
            self._any_sound(name)
        self.classes = self._find_classes(labelled)
        self.sampling_rate = sound_files.info(self._any_sound(self.names[0])).sampling_rate
        self.features = FeatureConfig(sampling_rate=self.sampling_rate)  # of ideal masks
        self.events = self._read_events()
        self.detects = self._detects()
        self.scorer = self._new_scorer()

    def run(self) -> Steps[None]:
        """Score every mixture, one at a time."""
        self.scorer = self._new_scorer()
        for done, name in enumerate(self.names, start=1):
            self.scorer.add(*self._load(name))
            yield Progress(done, len(self.names))

    def scores(self) -> dict[str, Any]:
        """The scores as plain data; null where there is none, and why."""
        missing = {
            "tagging": "sounds come without probabilities",
            "segmentation": "sounds come without masks",
        }
        if self.events is None:
            missing["detection"] = f"there is no {self.references / 'events.tsv'}"
        elif not self.detects:
            missing["detection"] = f"there is no events.tsv in the folders of {self.estimates}"
        return score_report(
            self.scorer,
            split=None,
            missing=missing,
            thresholds_from="",
            settings={
                part.__class__.__name__: part.to_json()
                for part in (self.config, self.scoring, self.features)
            },
        )

    def table(self) -> pd.DataFrame:
        """A row per mixture and class."""
        return self.scorer.table()

    def _new_scorer(self) -> Scorer:
        masks = IdealMasks(FrontEnd(self.features), criterion=self.scoring.criterion)
        return Scorer(
            self.classes, self.scoring, thresholds=[0.5] * len(self.classes), ideal_masks=masks
        )

    def _load(self, name: str) -> tuple[Truth, Estimate]:
        files = self._files(self.references, name)
        sounds = {one: self._samples(path) for one, path in files.items()}
        path = self._mixture(name)
        if path:
            mixture = self._samples(path)
        else:
            lengths = {len(samples) for samples in sounds.values()}
            if len(lengths) > 1:
                raise InputError(
                    f"{self.references / name}: sources have {_listed(lengths)} samples: expected the same"
                )
            mixture = np.sum(list(sounds.values()), axis=0)
        estimated = self._files(self.estimates, name)
        estimates = []
        for of_class in self.classes:
            samples = self._samples(estimated[of_class])
            if len(samples) != len(mixture):
                raise InputError(
                    f"{estimated[of_class]} has {len(samples)} samples, {path or self.references / name} has "
                    f"{len(mixture)}: expected the same length"
                )
            estimates.append(samples)
        references = {
            one: samples
            for one, samples in sounds.items()
            if one in self.classes and is_audible(samples)
        }
        truth = Truth(
            self._filename(name),
            str(path or self.references / name),
            mixture,
            self.sampling_rate,
            labels=self.labels.get(name),
            events=None if self.events is None else self.events[self._filename(name)],
            references=references,
        )
        return truth, Estimate(events=self._detected(name, truth), sources=np.stack(estimates))

    def _detected(self, name: str, truth: Truth) -> list[SoundEvent] | None:
        if truth.events is None or not self.detects:
            return None
        path = self.estimates / name / "events.tsv"
        rows = read_table(path, required=("filename",), delimiter="\t", key=None, may_be_empty=True)
        said = {row["filename"] for row in rows}
        for one in said:
            if Path(one).stem != name:
                raise InputError(
                    f"{path} speaks of {one}: expected the events of {self._filename(name)} alone"
                )
        durations = dict.fromkeys(said, len(truth.mixture) / self.sampling_rate)
        found = read_events(path, classes=self.classes, durations=durations)
        return [event for events in found.values() for event in events]

    def _samples(self, path: Path) -> np.ndarray:
        about = sound_files.info(path)
        if about.sampling_rate != self.sampling_rate:
            raise InputError(
                f"{path} has {about.sampling_rate} Hz: expected {self.sampling_rate} Hz, as the first reference"
            )
        return sound_files.load(path, self.sampling_rate)

    def _detects(self) -> bool:
        """Whether events were detected: in all mixtures or in none, so that leaving some out does not pay."""
        has = [(self.estimates / name / "events.tsv").is_file() for name in self.names]
        if any(has) and not all(has):
            lacking = self.estimates / self.names[has.index(False)]
            raise InputError(
                f"{lacking} has no events.tsv, but others have: expected one in each, or in none"
            )
        return all(has)

    def _any_sound(self, name: str) -> Path:
        """A sound that is as long as the mixture: itself, or a source."""
        files = [
            path
            for path in (self._mixture(name), *self._files(self.references, name).values())
            if path
        ]
        if not files:
            raise InputError(
                f"{self.references / name} holds no sounds, and there is no {name}.wav beside it"
            )
        return files[0]

    def _mixture(self, name: str) -> Path | None:
        candidates = [self.references / f"{name}{suffix}" for suffix in sound_files.SUFFIXES]
        return next((path for path in candidates if path.is_file()), None)

    def _filename(self, name: str) -> str:
        """What a mixture is called in events.tsv."""
        path = self._mixture(name)
        return path.name if path else f"{name}.wav"

    def _files(self, folder: Path, name: str) -> dict[str, Path]:
        return source_files(folder / f"{name}.wav")

    def _read_labels(self) -> tuple[dict[str, frozenset[str]], list[str]]:
        """What each mixture holds, and all classes, where there are weak labels."""
        path = self.references / "weak_labels.csv"
        if not path.is_file():
            return {}, []
        table = read_one_hot(path)
        labels = {Path(row.filename).stem: frozenset(row.labels) for row in table.rows}
        return labels, table.classes

    def _find_classes(self, labelled: list[str]) -> list[str]:
        """Those of the references, each of which every mixture must have an estimate of."""
        sounding = {one for name in self.names for one in self._files(self.references, name)} - set(
            NOT_CLASSES
        )
        classes = labelled or sorted(sounding)
        _same(
            classes,
            sorted(sounding | set(classes)),
            "class",
            f"{self.references}/weak_labels.csv",
            str(self.references),
        )
        for name in self.names:
            estimated = set(self._files(self.estimates, name)) - set(NOT_CLASSES)
            _same(
                classes,
                sorted(estimated),
                "class",
                str(self.references),
                str(self.estimates / name),
            )
        return classes

    def _read_events(self) -> dict[str, list[SoundEvent]] | None:
        path = self.references / "events.tsv"
        if not path.is_file():
            return None
        durations = {
            self._filename(name): sound_files.info(self._any_sound(name)).duration
            for name in self.names
        }
        return read_events(path, classes=self.classes, durations=durations)


def _sub_folders(folder: Path) -> list[str]:
    return sorted(
        one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")
    )


def _same(there: list[str], said: list[str], kind: str, one: str, other: str) -> None:
    missing, foreign = sorted(set(there) - set(said)), sorted(set(said) - set(there))
    if missing:
        raise InputError(
            f"{other} lacks the {kind} {_listed(missing)}, which {one} has: expected the same on both sides"
        )
    if foreign:
        raise InputError(
            f"{other} has the {kind} {_listed(foreign)}, which {one} lacks: expected the same on both sides"
        )


def _listed(names: Any) -> str:
    names = sorted(names)
    return ", ".join(map(str, names[:3])) + (
        f" and {len(names) - 3} more" if len(names) > 3 else ""
    )
