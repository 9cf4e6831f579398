"""A recording that is separated while one listens: prepared once, answered anew for each setting of the masks.

Axes: K classes, C channels, N samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import source_files
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.evaluation.scorer import is_audible
from absslab.core.metrics.separation import si_sdr
from absslab.core.separation.detection import DetectionConfig, find_events, frame_activity
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.resynthesis import Resynthesis
from absslab.core.separation.separator import Separation, Separator
from absslab.widgets.listening.playback import events_of
from absslab.widgets.player.display import separation_tracks
from absslab.widgets.player.tracks import Resampled, Track, array_sound

_MODELS = 4  # that are kept in memory


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a sound file."""

    path: Path
    start: float  # s
    end: float  # s, at most that of the file

    @classmethod
    def of(cls, path: str | Path, start: float = 0.0, length: float = 60.0) -> "Excerpt":
        """A stretch that begins at `start` and lasts `length` seconds, or till the end of the file.

        Raises:
            InputError: a file that can't be read, a stretch that lies behind its end or has no length.
        """
        duration = sound_files.info(path).duration
        if not 0 <= start < duration or not length > 0:
            raise InputError(
                f"the excerpt begins at {start:g} s and lasts {length:g} s: expected a length above 0 and a "
                f"beginning from 0 to below {duration:.2f} s, where {Path(path).name} ends"
            )
        return cls(Path(path), start, min(duration, start + length))

    def read(self, path: Path | None = None) -> tuple[np.ndarray, int]:
        """Samples (C, N) of this stretch, of this file or of another one that runs along with it, and its rate in Hz."""
        path = path or self.path
        rate = sound_files.info(path).sampling_rate
        first = round(self.start * rate)
        return sound_files.load_channels(
            path, start=first, n_samples=max(1, round(self.end * rate) - first)
        )


@dataclass(frozen=True)
class Answer:
    """What came of a setting."""

    tracks: list[Track]
    events: list[SoundEvent]
    probabilities: dict[str, float]  # by class
    si_sdr: dict[
        str, tuple[float, float]
    ]  # class with a reference → (of its source, its improvement over the mixture), dB
    separation: Separation
    config: SeparationConfig  # that made it

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and a row per class, the most probable first."""
        rows = []
        for name, probability in sorted(self.probabilities.items(), key=lambda pair: -pair[1]):
            scores = (
                [f"{score:.1f}" for score in self.si_sdr[name]]
                if name in self.si_sdr
                else ["–", "–"]
            )
            rows.append([name, f"{probability:.3f}", *scores])
        return ["class", "probability", "SI-SDR / dB", "improvement / dB"], rows


class LiveSeparation:
    """Separates an excerpt with a model, as often as one likes.

    Args:
        separator: the model.
        excerpt: what is separated.

    Raises:
        InputError: the file or its references can't be read.
    """

    def __init__(self, separator: Separator, excerpt: Excerpt):
        self.separator, self.excerpt = separator, excerpt
        self.waveform, self.sampling_rate = excerpt.read()  # (C, N)
        self._resynthesis = Resynthesis(separator, self.waveform, self.sampling_rate)
        self.references = self._read_references()

    def answer(
        self, config: SeparationConfig, detection: DetectionConfig = DetectionConfig()
    ) -> Answer:
        """Masks as these settings have them, and what comes of them."""
        separation, classes = self._resynthesis.separate(config), self.separator.classes
        activity = frame_activity(
            separation.masks, separation.power, separation.probabilities, detection
        )
        length = self.waveform.shape[1] / self.sampling_rate
        events = find_events(activity, self.separator.hop, classes, detection, length=length)
        scores = {}
        for name, reference in self._heard.items():
            score = float(si_sdr(reference, separation.sources[classes.index(name)]).mean())
            scores[name] = score, score - self._floor[name]
        probabilities = dict(zip(classes, separation.probabilities.tolist(), strict=True))
        tracks = beside_references(separation, self.references)
        return Answer(tracks, events, probabilities, scores, separation, config)

    @cached_property
    def truth(self) -> list[SoundEvent] | None:
        """Events that the table beside the file says, as they lie in the excerpt; None where it says nothing of the file.

        Raises:
            InputError: the table is damaged.
        """
        excerpt, events = self.excerpt, events_of(self.excerpt.path)
        if events is None:
            return None
        shifted = [
            replace(
                one,
                onset=max(0.0, one.onset - excerpt.start),
                offset=min(one.offset, excerpt.end) - excerpt.start,
            )
            for one in events
        ]
        return [one for one in shifted if one.offset > one.onset]

    @cached_property
    def _heard(self) -> dict[str, np.ndarray]:
        """References of the model's classes that sound in the excerpt, (C, N) each."""
        found = {}
        for track in self.references:
            samples = np.broadcast_to(
                track.sound.read(0, self.waveform.shape[1]), self.waveform.shape
            )
            if track.name in self.separator.classes and all(
                is_audible(channel) for channel in samples
            ):
                found[track.name] = samples
        return found

    @cached_property
    def _floor(self) -> dict[str, float]:
        return {
            name: float(si_sdr(samples, self.waveform).mean())
            for name, samples in self._heard.items()
        }

    def _read_references(self) -> list[Track]:
        found = []
        for name, path in source_files(self.excerpt.path).items():
            sound = array_sound(*self.excerpt.read(path))
            if sound.sampling_rate != self.sampling_rate:
                sound = Resampled(sound, self.sampling_rate)
            if sound.n_channels not in (1, len(self.waveform)):
                raise InputError(
                    f"{path} has {sound.n_channels} channels, its mixture {len(self.waveform)}: expected as many, or one"
                )
            found.append(Track(name, sound, "background" if name == "background" else "reference"))
        return found


class LiveModels:
    """Answers for any model and excerpt; the last ones are kept, so that only other settings are quick."""

    def __init__(self) -> None:
        self._load = lru_cache(maxsize=_MODELS)(_load)
        self._live: tuple[tuple[Path, int, str, Excerpt], LiveSeparation] | None = None

    def separator(self, checkpoint: Path, device: str) -> Separator:
        """The separator of a checkpoint, as it is now.

        Raises:
            InputError: the checkpoint or the device can't be used.
        """
        try:
            return self._load(checkpoint, checkpoint.stat().st_mtime_ns, device)
        except FileNotFoundError:
            raise InputError(f"{checkpoint} was deleted: choose another model") from None

    def answer(
        self, checkpoint: Path, device: str, excerpt: Excerpt, config: SeparationConfig
    ) -> tuple[Answer, LiveSeparation]:
        """What a model makes of an excerpt."""
        separator = self.separator(checkpoint, device)
        about = checkpoint, id(separator), device, excerpt
        if self._live is None or self._live[0] != about:
            self._live = about, LiveSeparation(separator, excerpt)
        live = self._live[1]
        return live.answer(config), live

    def close(self) -> None:
        """Free models and sounds."""
        self._load.cache_clear()
        self._live = None


def _load(checkpoint: Path, changed: int, device: str) -> Separator:
    """`changed` is when the file was; a model that was trained on is another one."""
    return Separator.from_checkpoint(str(checkpoint), choose_device(device))


def beside_references(separation: Separation, references: Sequence[Track]) -> list[Track]:
    """Mixture, sources and residual, each source that has a reference followed by it; classes that have one come first."""
    known = {track.name: track for track in references}
    mixture, *sources, residual = separation_tracks(separation)
    tracks = [mixture]
    for source in sorted(sources, key=lambda track: track.name not in known):  # stable
        tracks.append(source)
        if source.name in known:
            tracks.append(replace(known.pop(source.name), name=f"{source.name} (reference)"))
    return [*tracks, residual, *known.values()]
