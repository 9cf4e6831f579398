"""Score a checkpoint on a split. Labels, sources and masks are matched by class name.

Axes: K classes, M bands, T frames, N samples.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps, run_to_end
from absslab.core.data.audio_data_set import AudioDataSet, EmptySplitError
from absslab.core.data.clip_events import read_strong_labels
from absslab.core.data.layouts import DataConfig, find_table_folder
from absslab.core.data.shards.sequential_recordings import SequentialRecordings
from absslab.core.data.splits import ALL
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.data.weak_labels import LABEL_LISTS_FILE, MULTI_HOT_FILE
from absslab.core.evaluation.evaluation_config import EvaluationConfig, check_tagging_thresholds
from absslab.core.evaluation.ideal_masks import IdealMasks
from absslab.core.evaluation.reference_sounds import load_own_sounds, load_references
from absslab.core.evaluation.score_summary import (
    TRUE_TAGS,
    add_event_thresholds,
    summarise_scores,
)
from absslab.core.evaluation.scored_part import choose_part
from absslab.core.evaluation.scored_recordings import (
    ScoredRecordings,
    list_checks,
    open_scored_recordings,
)
from absslab.core.evaluation.scorer import (
    Estimate,
    Scorer,
    ScoringConfig,
    Truth,
    check_backend,
)
from absslab.core.evaluation.scores import EvaluationResult
from absslab.core.evaluation.self_check import check_recording
from absslab.core.metrics.tagging import best_thresholds
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.separation.detection import (
    ActivityCurves,
    DetectionConfig,
    find_events,
)
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.segmentation import Segment, concatenate
from absslab.core.separation.separator import ALL_SOURCES, Separator
from absslab.core.training.config import TrainingConfig


@dataclass(frozen=True)
class Evaluation:
    """A model and the recordings to score it on, as `open_evaluation` returns them.

    Args:
        split: name of the split that is scored.
        separator: the model, with the settings for its masks.
        detection: settings for finding events.
        scoring: settings of the scores.
        data_set: the recordings of the split.
        validation: recordings for choosing thresholds; None if there is no validation split.
        table_folder: folder with the label tables of the split.
        events: strong labels by name of the recording; None if there are none.
        trained_thresholds: for tags, if none are chosen on validation recordings: one per class, or
            one for all classes.
        settings: fields of the configs that the scores depend on, by section.
        left_out: recordings that can't be used.
        checkpoint_checksum: SHA-256 of the checkpoint's file.
        at_own_rate: whether sources are scored at the rate of the mixtures, with all channels.
        thresholds_from: where `trained_thresholds` come from, as text.
        self_check: whether the model also hears its own outputs.
        loss: name of the loss of the tags that the model was trained with.
    """

    split: str
    separator: Separator
    detection: DetectionConfig
    scoring: ScoringConfig
    data_set: ScoredRecordings
    validation: ScoredRecordings | None
    table_folder: Path
    events: dict[str, list[SoundEvent]] | None
    trained_thresholds: list[float]
    settings: dict[str, dict[str, object]]
    left_out: LeftOut
    checkpoint_checksum: str | None = None
    at_own_rate: bool = False
    self_check: bool = False
    thresholds_from: str = "training settings"
    loss: str = "BCE"

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the model's masks."""
        return self.separator.classes

    @property
    def device(self) -> torch.device:
        """The device on which the model computes."""
        return self.separator.device

    def run(self) -> Steps[EvaluationResult]:
        """Choose thresholds on the validation recordings, then score every recording.

        Yields:
            how many recordings of both sets are done.

        Returns:
            the scores, and their table.

        Raises:
            InputError: `mir_eval` is to compute BSS Eval, but is not installed; recordings can't be
                used and must not be left out, or none can be used.
        """
        self.check()
        n_validation = len(self.validation) if self.validation else 0
        total = n_validation + len(self.data_set)
        tags = {}
        for index in range(n_validation):
            with self.left_out.file(self.validation_path(index)):
                tags[index] = self.tag(index)
            self.stop_if_any(index + 1)
            yield Progress(index + 1, total)
        thresholds = self.choose_thresholds(tags)
        scorer = self.make_scorer(thresholds)
        for index in range(len(self.data_set)):
            with self.left_out.file(self.data_set.path(index)):
                self.score(index, scorer)
            self.stop_if_any(n_validation + index + 1)
            yield Progress(n_validation + index + 1, total)
        return self.summarise(scorer, has_chosen=bool(tags))

    def check(self) -> None:
        """Check that the scores can be computed.

        Raises:
            InputError: `mir_eval` is to compute BSS Eval, but is not installed, or BSS Eval is to
                be computed at the rate of the mixtures.
        """
        check_backend(self.scoring)
        if self.at_own_rate and self.scoring.bss_eval != "none":
            raise InputError(
                "at_own_rate is True, but BSS Eval is that of one channel at the model's rate: "
                "pass --bss_eval none"
            )

    def validation_path(self, index: int) -> Path:
        """Return the path of a recording for choosing thresholds."""
        assert self.validation is not None
        return self.validation.path(index)

    def tag(self, index: int) -> np.ndarray:
        """Return the probabilities (K,) of a recording for choosing thresholds."""
        assert self.validation is not None
        waveform = self.validation[index].numpy()  # (N,)
        probabilities = self._estimate_without_sources(waveform).probabilities
        assert probabilities is not None
        return probabilities

    def choose_thresholds(self, tags: Mapping[int, np.ndarray]) -> list[float]:
        """Return the thresholds of tags, a value per class.

        Args:
            tags: probabilities of recordings for choosing them, by index; empty: those of the
                training are used.
        """
        if not tags:
            return np.broadcast_to(self.trained_thresholds, len(self.classes)).tolist()
        assert self.validation is not None
        indices = sorted(tags)
        return best_thresholds(
            self.validation.labels[indices],
            np.array([tags[index] for index in indices]),
            otherwise=self.trained_thresholds,
        )

    def make_scorer(self, thresholds: Sequence[float]) -> Scorer:
        """Return a scorer that has scored nothing yet."""
        return Scorer(
            self.classes,
            self.scoring,
            thresholds=thresholds,
            ideal_masks=IdealMasks(
                self.separator.model.front_end, criterion=self.scoring.criterion
            ),
            device=str(self.device),
        )

    def score(self, index: int, scorer: Scorer) -> None:
        """Score a recording.

        Raises:
            InputError: it can't be used.
        """
        truth = self.truth(index)
        estimate = self.estimate(truth)
        if self.self_check:
            checked = check_recording(
                self.separator, truth.mixture, truth.sampling_rate, thresholds=scorer.thresholds
            )
            estimate = replace(estimate, self_check=checked)
        scorer.add(truth, estimate)

    def stop_if_any(self, n_done: int) -> None:
        """End the work if a recording can't be used and must not be left out.

        Args:
            n_done: number of recordings of both sets that are done; the rest is only read, so that
                the error names all that can't be.
        """
        if self.left_out:
            checks = list_checks(self.data_set, self.validation, self.classes)
            self.left_out.check_rest_and_stop(islice(checks, n_done, None))

    def truth(self, index: int) -> Truth:
        """Load a recording of the split, with its labels, events and sources."""
        recording = self.data_set.recording(index)
        rate = self.data_set.sampling_rate
        mixture = self.data_set[index].numpy()  # (N,)
        labels = recording.labels
        references = load_references(recording, self.classes, rate, len(mixture))
        own_sounds = None
        if self.at_own_rate and references is not None:
            own_sounds = load_own_sounds(recording, self.classes, references)
        if references is not None:
            _warn_about_lost_sources(
                self.data_set.path(index),
                sorted(labels.intersection(self.classes) - set(references)),
            )
        return Truth(
            name=self.name(index),
            path=recording.path,
            mixture=mixture,
            sampling_rate=rate,
            labels=labels,
            unlabelled=self.data_set.lacking | recording.unknown,
            events=None if self.events is None else self.events[self.name(index)],
            references=references,
            own_sounds=own_sounds,
            is_source=recording.is_source,
        )

    def estimate(self, truth: Truth) -> Estimate:
        """Tag, detect and separate a recording with the model."""
        if truth.references is None or truth.is_source:
            return self._estimate_without_sources(truth.mixture)
        rate = self.data_set.sampling_rate
        waveform = truth.mixture[None]  # (C, N)
        if truth.own_sounds is not None:
            rate = truth.own_sounds.sampling_rate
            waveform = truth.own_sounds.mixture
        n_classes = len(self.classes)
        present = [self.classes.index(name) for name in truth.references]  # (J,)
        # If tags decide how masks are refined, also separate with the true tags, to see how much
        # is lost through wrong tags.
        is_refined = self.separator.model.competing and self.separator.config.tag_exponent > 0
        tags = np.array([float(name in truth.references) for name in self.classes], np.float32)
        parts = list(
            self.separator.stream(
                [waveform],
                rate,
                waveform.shape[1],
                tags=tags,
                tagged=present if is_refined else (),
            )
        )
        synthesised = np.concatenate([part.sources for part in parts], -1)  # (K + J or K, C, N)
        synthesised = synthesised.reshape(len(synthesised), -1)  # the channels are one vector
        sources = synthesised[:n_classes]  # (K, N)
        refined = synthesised[n_classes:] if is_refined else sources[present]  # (J, N)
        return replace(
            self._make_estimate(parts, rate), sources=sources, variants={TRUE_TAGS: refined}
        )

    def name(self, index: int) -> str:
        """Return a recording's name in tables: its path relative to the folder with its labels."""
        return os.path.relpath(self.data_set.path(index), self.table_folder)

    def summarise(
        self, scorer: Scorer, *, has_chosen: bool, n_workers: int = 1
    ) -> EvaluationResult:
        """Return the scores of all recordings, and their table.

        Args:
            scorer: has scored them.
            has_chosen: whether thresholds of tags were chosen on validation recordings.
            n_workers: largest number of processes.

        Raises:
            InputError: none can be used.
            WorkError: one of several processes was ended from outside.
        """
        if not scorer.names:
            raise self.left_out.to_error()
        missing = {}
        if not scorer.n_scored["separation"]:
            missing["separation"] = "the recordings come without their sources"
            missing["segmentation"] = missing["separation"]
        if self.events is None:
            missing["detection"] = f"there is no {self.table_folder / 'events.tsv'}"
        scores = summarise_scores(
            scorer,
            split=self.split,
            missing=missing,
            thresholds_from="validation" if has_chosen else self.thresholds_from,
            settings=self.settings,
            left_out=self.left_out.reasons(self.table_folder),
            n_workers=n_workers,
        )
        scores = replace(
            add_event_thresholds(scores, self.detection, self.separator.model.event_thresholds),
            checkpoint_checksum=self.checkpoint_checksum,
        )
        return EvaluationResult(scores, scorer.table())

    def _estimate_without_sources(self, waveform: np.ndarray) -> Estimate:
        """Tag and detect a recording (N,) with the model, without separating it."""
        rate = self.data_set.sampling_rate
        parts = self.separator.stream([waveform[None]], rate, len(waveform), with_sources=False)
        return self._make_estimate(list(parts), rate)

    def _make_estimate(self, parts: list[Segment], sampling_rate: int) -> Estimate:
        """Detect events in a separated recording, and collect everything except its sources."""
        hop = self.separator.hop
        chosen = self.separator.model.event_thresholds
        curves = ActivityCurves(hop, self.detection, chosen)
        for part in parts:
            curves.add(part.masks, part.power, part.probabilities)
        activity = curves.gated()  # (K, T)
        recording = concatenate(parts)
        duration = recording.mixture.shape[1] / sampling_rate
        return Estimate(
            probabilities=recording.probabilities,
            masks=recording.masks,
            activity=activity,
            ungated_activity=curves.ungated(),
            hop=hop,
            events=find_events(
                activity,
                hop,
                self.classes,
                self.detection,
                length=duration,
                chosen=chosen,
            ),
        )


def evaluation_steps(
    config: EvaluationConfig,
    separation: SeparationConfig = SeparationConfig(),
    detection: DetectionConfig = DetectionConfig(),
    scoring: ScoringConfig = ScoringConfig(),
    left_out: LeftOut | None = None,
) -> Steps[Evaluation]:
    """Load a checkpoint, and open the recordings to score it on.

    Args:
        config: the checkpoint and the split.
        separation: settings for applying masks.
        detection: settings for finding events.
        scoring: settings of the scores.
        left_out: collects recordings that can't be used.

    Yields:
        how many headers of sound files have been read, split by split.

    Returns:
        the evaluation, ready to run.

    Raises:
        InputError: a checkpoint, folder or split can't be used, the recordings have other classes
            than the model, or strong labels do not fit the recordings.
    """
    if not config.checkpoint_path:
        raise InputError(
            "checkpoint_path is missing: pass --checkpoint_path, or --estimates and --references"
        )
    if left_out is None:
        left_out = LeftOut("evaluate", on_error=scoring.on_error)
    checkpoint = load_checkpoint(config.checkpoint_path, choose_device(config.device))
    try:
        settings = checkpoint.made["settings"]
        data = DataConfig.from_json(settings["data"])
        training = TrainingConfig.from_json(settings["training"])
    except (KeyError, TypeError):
        raise InputError(
            "{checkpoint_path} does not say what it was trained on",
            checkpoint_path=config.checkpoint_path,
        ) from None
    trained_on = data
    data = data.move(
        config.data_folder,
        audio_folder=config.audio_folder,
        yaml_file=config.yaml_file,
        data_set_type=config.data_set_type,
    )
    if config.audio_folder and not data.audio_folder:  # it is another name of data_folder
        config = replace(config, data_folder=config.audio_folder, audio_folder=None)
    data = replace(
        data,
        labels=_choose_labels(config, trained_on),
        class_columns=data.class_columns if config.class_columns is None else config.class_columns,
        in_memory=False,
    )
    separator = Separator(checkpoint.model, separation, sources=ALL_SOURCES)
    separator.check_method()
    trained_thresholds = list(training.thresholds)
    thresholds_from = "training settings"
    if config.tagging_thresholds is not None:
        thresholds_from = "tagging_thresholds"
        trained_thresholds = check_tagging_thresholds(config.tagging_thresholds, separator.classes)
    rate = separator.model.front_end.config.sampling_rate
    classes = separator.classes
    part = choose_part(
        data,
        config.split,
        is_other=_differ(data, trained_on),
        known=checkpoint.made.get("trained_on"),
    )
    data = part.data
    config = replace(config, split=part.split)
    may_run_command = bool(config.data_folder)  # else a checkpoint says where they are
    open_set = partial(
        open_scored_recordings,
        data,
        rate=rate,
        classes=classes,
        left_out=left_out,
        may_run_command=may_run_command,
    )
    data_set = yield from open_set(part.split)
    if isinstance(data_set, AudioDataSet):
        data_set = data_set.without(part.without)
    if config.n_recordings is not None:
        data_set = data_set.first(config.n_recordings)
    validation = None
    if part.split not in ("validation", ALL) and config.tagging_thresholds is None:
        with suppress(EmptySplitError):  # the thresholds of the training settings are used
            validation = yield from open_set("validation")
    left_out.n_files = len(left_out) + len(data_set) + (len(validation) if validation else 0)
    left_out.check_rest_and_stop(list_checks(data_set, validation, classes))
    if not len(data_set):
        raise left_out.to_error()
    table_folder = find_table_folder(data, data_set.path(0))
    n_left_out = checkpoint.made.get("n_left_out", 0)
    scoring_parts = {
        "evaluation": config,
        "separation": separation,
        "detection": detection,
        "scoring": scoring,
    }
    return Evaluation(
        split=part.split,
        separator=separator,
        detection=detection,
        scoring=scoring,
        data_set=data_set,
        validation=validation,
        table_folder=table_folder,
        events=_read_events(
            data_set,
            table_folder,
            may_lack_recordings=bool(left_out) or config.n_recordings is not None,
        ),
        trained_thresholds=trained_thresholds,
        settings=(
            {section: part.to_json() for section, part in scoring_parts.items()}
            | ({"training": {"n_left_out": n_left_out}} if n_left_out else {})
        ),
        left_out=left_out,
        checkpoint_checksum=checkpoint.checksum,
        at_own_rate=config.at_own_rate,
        self_check=config.self_check,
        thresholds_from=thresholds_from,
        loss=training.loss,
    )


def _choose_labels(config: EvaluationConfig, data: DataConfig) -> str | None:
    """Return the table of labels: the given one, else that of another folder or of the training."""
    if config.labels or not config.data_folder:
        return config.labels or data.labels
    folder = Path(config.data_folder)
    has_own = any((folder / name).is_file() for name in (MULTI_HOT_FILE, LABEL_LISTS_FILE))
    return None if has_own or config.data_set_type else data.labels


def _differ(data: DataConfig, trained_on: DataConfig) -> bool:
    """Tell whether the recordings or their labels are others than those of the training."""
    for name in ("data_folder", "labels"):
        path, other = (getattr(config, name) or "" for config in (data, trained_on))
        if os.path.realpath(path) != os.path.realpath(other):
            return True
    return data.data_set_type != trained_on.data_set_type


def open_evaluation(
    config: EvaluationConfig,
    separation: SeparationConfig = SeparationConfig(),
    detection: DetectionConfig = DetectionConfig(),
    scoring: ScoringConfig = ScoringConfig(),
    left_out: LeftOut | None = None,
) -> Evaluation:
    """Open an evaluation without reporting progress; see `evaluation_steps`."""
    return run_to_end(evaluation_steps(config, separation, detection, scoring, left_out))


def _read_events(
    data_set: ScoredRecordings, table_folder: Path, *, may_lack_recordings: bool
) -> dict[str, list[SoundEvent]] | None:
    """Read the strong labels of the recordings by name; None if there is no file of them."""
    if isinstance(data_set, SequentialRecordings):
        return None
    events = read_strong_labels(
        data_set.durations,
        data_set.classes,
        table_folder,
        data_set.event_reader,
        may_lack_recordings=may_lack_recordings,
    )
    if events is None:
        return None
    return {os.path.relpath(path, table_folder): own for path, own in events.items()}


def _warn_about_lost_sources(mixture: Path, lost: Sequence[str]) -> None:
    """Tell of which classes a mixture has the label, but no source."""
    if lost:
        give_notice(
            InputWarning(
                f"{{mixture}} is labelled {escape_braces(', '.join(lost))}, but {{folder}} has no "
                "audible source of it: its separation is not scored, and what a model puts there "
                "counts as leakage; bring the file back, or correct the labels",
                mixture=mixture,
                folder=mixture.with_suffix(""),
            )
        )
