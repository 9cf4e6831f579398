"""Separate a recording while it plays: it is prepared once, then separated for each setting.

Axes: K classes, C channels, N samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.common.files import FileVersion
from absslab.core.data.mixture_folder import background_file, source_files
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.data.true_sources import check_channel
from absslab.core.evaluation.scorer import is_audible
from absslab.core.metrics.separation import si_sdr
from absslab.core.separation.detection import DetectionConfig, find_events, frame_activity
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.resynthesis import Resynthesis
from absslab.core.separation.separator import Separation, Separator
from absslab.widgets.listening.playback import read_known_events
from absslab.widgets.player.display import separation_tracks
from absslab.widgets.player.tracks import Resampled, Track, array_sound

_N_MODELS_KEPT = 4  # in memory


@dataclass(frozen=True)
class Excerpt:
    """An excerpt of a sound file."""

    path: Path
    start: float  # s
    end: float  # s, at most that of the file
    channels: Mapping[str, int] | None = field(default=None, hash=False)  # of true sources

    @classmethod
    def of(
        cls,
        path: str | Path,
        start: float = 0.0,
        length: float = 60.0,
        *,
        channels: Mapping[str, int] | None = None,
    ) -> "Excerpt":
        """Return an excerpt of a file, at most to its end.

        Args:
            path: the sound file.
            start: start of the excerpt, s.
            length: length of the excerpt, s.
            channels: for each class whose true source is a channel of the file, which one; the
                excerpt is then their sum. None: the excerpt has the channels of the file.

        Raises:
            InputError: if the file can't be read, or the stretch begins after its end or has no
                length.
        """
        duration = sound_files.info(path).duration
        if not 0 <= start < duration or not length > 0:
            raise InputError(
                f"the excerpt begins at {start:g} s and lasts {length:g} s: expected a length "
                f"above 0 and a beginning from 0 to below {duration:.2f} s, "
                f"where {Path(path).name} ends"
            )
        return cls(Path(path), start, min(duration, start + length), channels)

    def read(self, path: Path | None = None) -> tuple[np.ndarray, int]:
        """Read the samples of this excerpt.

        Args:
            path: path of a file that is synchronous with this one; this file if it is None.

        Returns:
            The samples (C, N), and their sampling rate in Hz.
        """
        if path is None and self.channels is not None:
            sources, rate = self.read_sources()
            return np.sum(list(sources.values()), axis=0), rate  # (1, N)
        path = path or self.path
        rate = sound_files.info(path).sampling_rate
        first = round(self.start * rate)
        n_samples = max(1, round(self.end * rate) - first)
        return sound_files.load_channels(path, start=first, n_samples=n_samples)

    def read_sources(self) -> tuple[dict[str, np.ndarray], int]:
        """Read the true sources that are channels of the file.

        Returns:
            The samples (1, N) of each, by class, and their sampling rate in Hz.

        Raises:
            InputError: the file lacks a channel.
        """
        samples, rate = self.read(self.path)  # (C, N)
        sources: dict[str, np.ndarray] = {}
        for name, channel in (self.channels or {}).items():
            check_channel(self.path, channel, len(samples))
            sources[name] = samples[channel : channel + 1]
        return sources, rate


@dataclass(frozen=True)
class LiveResult:
    """The separation of an excerpt with one setting.

    Attributes:
        tracks: tracks to listen to.
        events: detected events.
        probabilities: probability of each class whose source there is.
        si_sdr: dB: SI-SDR of the source of each class with a reference, and its improvement over
            the mixture.
        separation: the sources and masks.
        config: the setting.
        known_classes: those of the model, also those that were not found.
    """

    tracks: list[Track]
    events: list[SoundEvent]
    probabilities: dict[str, float]
    si_sdr: dict[str, tuple[float, float]]
    separation: Separation
    config: SeparationConfig
    known_classes: tuple[str, ...]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return a header, and a row for each class, the most probable first."""
        rows = []
        for name, probability in sorted(self.probabilities.items(), key=lambda pair: -pair[1]):
            scores = ["–", "–"]
            if name in self.si_sdr:
                scores = [f"{score:.1f}" for score in self.si_sdr[name]]
            rows.append([name, f"{probability:.3f}", *scores])
        return ["class", "probability", "SI-SDR / dB", "improvement / dB"], rows


class LiveSeparation:
    """Separates an excerpt with a model, repeatedly with other settings; make one with `open`.

    Args:
        excerpt: excerpt to separate.
        resynthesis: of its samples (C, N).
        references: its true sources and its background, as far as they are known.
    """

    def __init__(self, excerpt: Excerpt, resynthesis: Resynthesis, references: list[Track]):
        self.separator = resynthesis.separator
        self.excerpt = excerpt
        self.waveform = resynthesis.waveform  # (C, N)
        self.sampling_rate = resynthesis.sampling_rate
        self.references = references
        self._resynthesis = resynthesis
        self._mixture_sound = array_sound(self.waveform, self.sampling_rate)

    @classmethod
    def open(cls, separator: Separator, excerpt: Excerpt) -> "LiveSeparation":
        """Read an excerpt and its references, and predict its masks.

        Args:
            separator: separator with the model.
            excerpt: excerpt to separate.

        Raises:
            InputError: if the file or its references can't be read.
        """
        waveform, sampling_rate = excerpt.read()  # (C, N)
        resynthesis = Resynthesis.prepare(separator, waveform, sampling_rate)
        references = _read_references(
            excerpt, sampling_rate=sampling_rate, n_channels=len(waveform)
        )
        groups = join_groups(references, separator.classes, n_samples=waveform.shape[1])
        return cls(excerpt, resynthesis, groups)

    def separate(
        self, config: SeparationConfig, detection: DetectionConfig = DetectionConfig()
    ) -> LiveResult:
        """Separate the excerpt with these settings, and detect its events."""
        separator = replace(self.separator, found_threshold=detection.tag_threshold)
        separation = replace(self._resynthesis, separator=separator).separate(config)
        classes = list(separation.classes)
        hop = self.separator.hop
        chosen = self.separator.model.event_thresholds
        activity = frame_activity(
            separation.masks,
            separation.power,
            separation.probabilities,
            hop,
            detection,
            chosen,
        )
        length = self.waveform.shape[1] / self.sampling_rate  # s
        events = find_events(
            activity,
            hop,
            classes,
            detection,
            length=length,
            chosen=chosen,
        )
        scores = {}
        for name, reference in self._audible_references.items():
            if name not in classes:  # it was not found
                continue
            source = separation.sources[classes.index(name)]  # (C, N)
            score = float(si_sdr(reference, source).mean())
            scores[name] = (score, score - self._mixture_scores[name])
        probabilities = dict(zip(classes, separation.probabilities.tolist(), strict=True))
        mixture, *others = interleave_references(separation, self.references)
        # The same sound each time: a page that has it does not get it again.
        tracks = [replace(mixture, sound=self._mixture_sound), *others]
        known = tuple(self.separator.classes)
        return LiveResult(tracks, events, probabilities, scores, separation, config, known)

    @cached_property
    def truth(self) -> list[SoundEvent] | None:
        """Events of the excerpt, from the table beside the file; None if that does not name it.

        Raises:
            InputError: if the table is damaged.
        """
        excerpt = self.excerpt
        events = read_known_events(excerpt.path)
        if events is None:
            return None
        shifted = [
            replace(
                event,
                onset=max(0.0, event.onset - excerpt.start),
                offset=min(event.offset, excerpt.end) - excerpt.start,
            )
            for event in events
        ]
        return [event for event in shifted if event.offset > event.onset]

    @cached_property
    def _audible_references(self) -> dict[str, np.ndarray]:
        """References (C, N) of the model's classes that are audible in the excerpt."""
        references = {}
        for track in self.references:
            if track.kind != "reference" or track.name not in self.separator.classes:
                continue  # what belongs to no class may be called like one
            samples = track.sound.read(0, self.waveform.shape[1])
            samples = np.broadcast_to(samples, self.waveform.shape)  # (C, N)
            if all(is_audible(channel) for channel in samples):
                references[track.name] = samples
        return references

    @cached_property
    def _mixture_scores(self) -> dict[str, float]:
        """SI-SDR of the mixture as an estimate of each reference, in dB."""
        return {
            name: float(si_sdr(samples, self.waveform).mean())
            for name, samples in self._audible_references.items()
        }


class LiveModels:
    """Separates any excerpt with any model.

    The latest models and the latest excerpt are kept, so that another setting is quick.
    """

    def __init__(self) -> None:
        self._load = lru_cache(maxsize=_N_MODELS_KEPT)(_load)
        self._live: tuple[tuple[Path, int, str, Excerpt], LiveSeparation] | None = None

    def separator(self, checkpoint: Path, device: str) -> Separator:
        """Return the separator of a checkpoint, as the file is now.

        Raises:
            InputError: if the checkpoint or the device can't be used.
        """
        try:
            return self._load(checkpoint, FileVersion.of(checkpoint), device)
        except FileNotFoundError:
            message = "{checkpoint} was deleted: choose another model"
            raise InputError(message, checkpoint=checkpoint) from None

    def separate_excerpt(
        self, checkpoint: Path, device: str, excerpt: Excerpt, config: SeparationConfig
    ) -> tuple[LiveResult, LiveSeparation]:
        """Separate an excerpt with a model."""
        separator = self.separator(checkpoint, device)
        key = (checkpoint, id(separator), device, excerpt)
        if self._live is None or self._live[0] != key:
            self._live = (key, LiveSeparation.open(separator, excerpt))
        live = self._live[1]
        return live.separate(config), live

    def close(self) -> None:
        """Free the models and sounds."""
        self._load.cache_clear()
        self._live = None


def _load(checkpoint: Path, version: FileVersion, device: str) -> Separator:
    """Load a checkpoint; `version` is that of its file, so that a new file is reloaded."""
    return Separator.from_checkpoint(str(checkpoint), choose_device(device))


def _read_references(excerpt: Excerpt, *, sampling_rate: int, n_channels: int) -> list[Track]:
    """Read the sources and the background that are saved beside an excerpt, or are its channels.

    Args:
        excerpt: an excerpt of a mixture.
        sampling_rate: sampling rate of the mixture, Hz.
        n_channels: number of channels of the mixture.

    Raises:
        InputError: if a file can't be read, or has other channels than the mixture.
    """
    references: list[Track] = []
    if excerpt.channels is not None:
        sources, rate = excerpt.read_sources()
        return [
            Track(name, array_sound(samples, rate), "reference")
            for name, samples in sources.items()
        ]
    files = [(name, path, "reference") for name, path in source_files(excerpt.path).items()]
    if background := background_file(excerpt.path):
        files.append(("background", background, "background"))
    for name, path, kind in files:
        sound = array_sound(*excerpt.read(path))
        if sound.sampling_rate != sampling_rate:
            sound = Resampled(sound, sampling_rate)
        if sound.n_channels not in (1, n_channels):
            raise InputError(
                f"{{path}} has {sound.n_channels} channels, its mixture {n_channels}: "
                "expected as many, or one",
                path=path,
            )
        references.append(Track(name, sound, kind))
    return references


def join_groups(
    references: Sequence[Track], classes: Sequence[str], *, n_samples: int
) -> list[Track]:
    """Return references in which those of a group of classes are one, the sum of its members.

    Args:
        references: true sources and the background, of one sampling rate.
        classes: of a model; the name of a group is that of its members, joined by dots.
        n_samples: length of the references.
    """
    joined: list[Track] = []
    members: dict[str, list[Track]] = {}
    for track in references:
        groups = [name for name in classes if f".{track.name}." in f".{name}."]
        if track.kind != "reference" or track.name in classes or not groups:
            joined.append(track)
        else:
            members.setdefault(groups[0], []).append(track)
    for name, tracks in members.items():
        samples = sum(track.sound.read(0, n_samples) for track in tracks)  # (C, N)
        sound = array_sound(np.asarray(samples), tracks[0].sound.sampling_rate)
        joined.append(Track(name, sound, "reference"))
    return joined


def interleave_references(separation: Separation, references: Sequence[Track]) -> list[Track]:
    """Return the mixture, the sources, each followed by its reference, and the residual.

    Classes with a reference come first.
    """
    known = {track.name: track for track in references if track.kind == "reference"}
    mixture, *sources, residual = separation_tracks(separation)
    tracks = [mixture]
    for source in sorted(sources, key=lambda track: track.name not in known):  # stable
        tracks.append(source)
        if source.name in known:
            tracks.append(replace(known.pop(source.name), name=f"{source.name} (reference)"))
    others = [track for track in references if track.kind != "reference"]
    return [*tracks, residual, *known.values(), *others]
