"""From a checkpoint and a split to every score, joined by class name.

Axes: K classes, M bands, T frames, N samples.
"""

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from absslab.core.audio import sound_files
from absslab.core.common.config import Config, option
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.audio_data_set import AudioDataSet, EmptySplitError, open_split
from absslab.core.data.layouts import LAYOUT_ALIASES, LAYOUTS, DataConfig
from absslab.core.data.mixture_folder import source_files
from absslab.core.data.splits import SPLITS
from absslab.core.data.strong_labels import SoundEvent, read_events
from absslab.core.evaluation.ideal_masks import IdealMasks
from absslab.core.evaluation.scorer import Estimate, Scorer, ScoringConfig, Truth, is_audible
from absslab.core.evaluation.scores import TRUE_TAGS, score_report
from absslab.core.metrics.tagging import best_thresholds
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.separation.detection import DetectionConfig, find_events, frame_activity
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.resynthesis import Resynthesis
from absslab.core.separation.segmentation import Segment, concatenate
from absslab.core.separation.separator import Separator


@dataclass(frozen=True)
class EvaluationConfig(Config):
    """What is scored, and on what."""

    checkpoint_path: str = option("", "the model; what it was trained on is in it")
    split: str = option("test", "which recordings", choices=SPLITS)
    data_folder: str | None = option(None, "another folder of the same classes")
    data_set_type: str | None = option(
        None,
        "its layout, if that is another one",
        choices=LAYOUTS,
        value_aliases=LAYOUT_ALIASES,
    )
    device: str = option("auto", "auto: a GPU if there is one; cpu, cuda, cuda:1, …")


@dataclass
class Evaluation:
    """Scores a checkpoint on a split; iterate over `run`, then take `scores` and `table`.

    Args:
        config: which checkpoint, which split.
        separation: how masks are applied.
        detection: how events are found.
        scoring: how all of it is scored.

    Raises:
        InputError: a checkpoint, folder or split that can't be used, classes other than the model's, strong labels that
            do not fit.
    """

    config: EvaluationConfig
    separation: SeparationConfig = SeparationConfig()
    detection: DetectionConfig = DetectionConfig()
    scoring: ScoringConfig = ScoringConfig()

    def __post_init__(self) -> None:
        config = self.config
        if not config.checkpoint_path:
            raise InputError(
                "checkpoint_path is missing: say it with --checkpoint_path, or give --estimates and --references"
            )
        self.device = choose_device(config.device)
        checkpoint = load_checkpoint(config.checkpoint_path, self.device)
        try:
            settings = checkpoint.made["settings"]
            data = DataConfig.from_json(settings["data"])
            self._trained_thresholds = list(settings["training"]["thresholds"])
        except (KeyError, TypeError):
            raise InputError(
                f"{config.checkpoint_path} does not say what it was trained on"
            ) from None
        if config.data_folder:
            data = replace(data, data_folder=config.data_folder)
        if config.data_set_type:
            data = replace(data, data_set_type=config.data_set_type)
        self._data = replace(data, in_memory=False)
        self.separator = Separator(checkpoint.model, self.separation)
        self.data_set = self._open(config.split)
        self.validation = self._open_validation()
        self.events = self._read_events()
        self.scorer = self._new_scorer()

    @property
    def classes(self) -> list[str]:
        """Names, in the order of the model's masks."""
        return self.separator.classes

    def run(self) -> Steps[None]:
        """Choose thresholds on the validation recordings, then separate and score every recording, one at a time."""
        done, total = 0, (len(self.validation) if self.validation else 0) + len(self.data_set)
        self.scorer = self._new_scorer()
        if self.validation:
            tags = []
            for waveform in (
                self.validation[index].numpy() for index in range(len(self.validation))
            ):
                tags.append(self._estimate_without_sources(waveform).probabilities)
                done += 1
                yield Progress(done, total)
            self.scorer.thresholds = np.array(
                best_thresholds(
                    self.validation.labels, np.array(tags), otherwise=self._trained_thresholds
                )
            )
        for index in range(len(self.data_set)):
            truth = self.truth(index)
            self.scorer.add(truth, self.estimate(truth))
            done += 1
            yield Progress(done, total)

    def truth(self, index: int) -> Truth:
        """A recording of the split, and what is known of it."""
        data_set, path = self.data_set, self.data_set.path(index)
        mixture = data_set[index].numpy()  # (N,)
        return Truth(
            name=self.name(index),
            path=str(path),
            mixture=mixture,
            sampling_rate=data_set.sampling_rate,
            labels=data_set.recording(index).labels,
            events=None if self.events is None else self.events[self.name(index)],
            references=load_references(path, self.classes, data_set.sampling_rate, len(mixture)),
        )

    def estimate(self, truth: Truth) -> Estimate:
        """Let the model tag, detect and separate a recording."""
        if truth.references is None:
            return self._estimate_without_sources(truth.mixture)
        rate = self.data_set.sampling_rate
        resynthesis = Resynthesis(self.separator, truth.mixture, rate)
        parts = list(resynthesis.stream(self.separation))
        sources = concatenate(parts).sources[:, 0]  # (K, N)
        present = [self.classes.index(name) for name in truth.references]  # (J,)
        if present and self.separator.model.competing and self.separation.tag_exponent:
            # Tags decide how masks are refined: what would the true ones give?
            tags = np.array([float(name in truth.references) for name in self.classes], np.float32)
            tagged = list(resynthesis.stream(self.separation, tags=tags, classes=present))
            refined = concatenate(tagged).sources[:, 0]  # (J, N)
        else:
            refined = sources[present]  # (J, N)
        return replace(
            self._make_estimate(parts, rate), sources=sources, variants={TRUE_TAGS: refined}
        )

    def name(self, index: int) -> str:
        """What a recording is called in tables: its path from the folder that has its labels on."""
        return os.path.relpath(self.data_set.path(index), self._table_folder)

    def scores(self) -> dict[str, Any]:
        """The scores as plain data; null where there is none, and why."""
        missing = {}
        if not self.scorer.n_scored["separation"]:
            missing["separation"] = missing["segmentation"] = (
                "the recordings come without their sources"
            )
        if self.events is None:
            missing["detection"] = f"there is no {self._table_folder / 'events.tsv'}"
        settings = {
            part.__class__.__name__: part.to_json()
            for part in (self.config, self.separation, self.detection, self.scoring)
        }
        return score_report(
            self.scorer,
            split=self.config.split,
            missing=missing,
            thresholds_from="validation" if self.validation else "training settings",
            settings=settings,
        )

    def table(self) -> pd.DataFrame:
        """A row per mixture and class."""
        return self.scorer.table()

    def _new_scorer(self) -> Scorer:
        thresholds = np.broadcast_to(self._trained_thresholds, len(self.classes)).tolist()
        ideal_masks = IdealMasks(self.separator.model.front_end, criterion=self.scoring.criterion)
        return Scorer(
            self.classes,
            self.scoring,
            thresholds=thresholds,
            ideal_masks=ideal_masks,
            device=str(self.device),
        )

    def _estimate_without_sources(self, waveform: np.ndarray) -> Estimate:
        """Let the model tag and detect a recording (N,)."""
        rate = self.data_set.sampling_rate
        parts = self.separator.stream([waveform[None]], rate, len(waveform), with_sources=False)
        return self._make_estimate(list(parts), rate)

    def _make_estimate(self, parts: list[Segment], sampling_rate: int) -> Estimate:
        """Detect events in a separated recording, and put all together but the sources."""
        activity = np.concatenate(
            [
                frame_activity(part.masks, part.power, part.probabilities, self.detection)
                for part in parts
            ],
            -1,
        )  # (K, T)
        whole = concatenate(parts)
        hop = self.separator.hop
        duration = whole.mixture.shape[1] / sampling_rate
        return Estimate(
            probabilities=whole.probabilities,
            masks=whole.masks,
            activity=activity,
            hop=hop,
            events=find_events(activity, hop, self.classes, self.detection, length=duration),
        )

    def _open(self, split: str) -> AudioDataSet:
        rate = self.separator.model.front_end.config.sampling_rate
        return open_split(self._data, split, sampling_rate=rate, classes=self.classes)

    def _open_validation(self) -> AudioDataSet | None:
        """Where thresholds are chosen; None where that is what is scored, or where there is none."""
        if self.config.split == "validation":
            return None
        try:
            return self._open("validation")
        except EmptySplitError:
            return None

    @cached_property
    def _table_folder(self) -> Path:
        """Where the tables of the split are: beside its recordings, or on top of them."""
        is_split_folder = self._data.data_set_type == "mixture_folder"
        return self.data_set.path(0).parent if is_split_folder else Path(self._data.data_folder)

    def _read_events(self) -> dict[str, list[SoundEvent]] | None:
        path = self._table_folder / "events.tsv"
        if not path.is_file():
            return None
        rate, lengths = self.data_set.sampling_rate, self.data_set.lengths
        durations = {self.name(index): lengths[index] / rate for index in range(len(self.data_set))}
        return read_events(path, classes=self.classes, durations=durations)


def load_references(
    mixture: Path, classes: list[str], sampling_rate: int, n_samples: int
) -> dict[str, np.ndarray] | None:
    """The sources that were mixed and are heard, by class name; None where they were not saved.

    Raises:
        InputError: a source of a class that the model does not know, or not as long as the mixture.
    """
    files = source_files(mixture)
    if not {*classes, "background"} & set(files):  # a folder of that name, but not of sources
        return None
    references = {}
    for name, path in files.items():
        if name == "background":
            continue
        if name not in classes:
            raise InputError(
                f"{path} is the source of an unknown class: expected {', '.join(classes)}"
            )
        samples = sound_files.load(path, sampling_rate)
        if len(samples) != n_samples:
            raise InputError(
                f"{path} has {len(samples)} samples, {mixture} has {n_samples}: expected the same length"
            )
        if is_audible(samples):  # silent sources were written for absent classes
            references[name] = samples
    return references
