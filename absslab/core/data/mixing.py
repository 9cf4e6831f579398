"""Settings for drawing mixtures, and a drawn mixture as plain data (`MixtureSpec`)."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from absslab.core.common.config import Config, format_setting, option
from absslab.core.common.errors import InputError

SAMPLING_RATES = (8000, 16000, 22050, 32000, 44100, 48000)  # Hz
SHORTEST_LENGTH = 0.064  # s: one analysis window
SHORTEST_EVENT = 0.05  # s: an event that is cut shorter than this is left out
_NOT_WITH_PAIRS = (
    "overlap",
    "max_event",
    "n_events",
    "onsets",
    "longest_event",
    "event_gain_range",
    "event_snr",
)
_REPLACED = {  # settings that leave others without effect
    "n_events": ("max_event", "max_polyphony", "max_overlap"),
    "event_snr": ("snr_range", "white_noise_ratio", "event_gain_range"),
}
_FIELDS_OF_0_1_0 = ("background", "background_start")  # of those that have defaults
_ARRAYS = 4  # of the length of a mixture while it is rendered, besides those of its events


@dataclass(frozen=True)
class MixingConfig(Config):
    """Settings for drawing mixtures."""

    length: float = option(10.0, "length of a mixture", unit="s", above=0)
    max_event: int = option(4, "largest number of events in a mixture", at_least=1)
    n_events: int | None = option(
        None,
        "exact number of events in each mixture, instead of 1 to max_event; without overlap, those "
        "that do not fit together are cut to one longest length",
        at_least=1,
    )
    onsets: tuple[float, ...] | None = option(
        None,
        "with n_events: when each event begins; without overlap, an event ends where the next "
        "begins",
        unit="s",
        at_least=0,
    )
    longest_event: float | None = option(
        None,
        "longest event: of longer recordings only the beginning is used",
        unit="s",
        at_least=SHORTEST_EVENT,
    )
    overlap: bool = option(False, "whether events may overlap")
    max_polyphony: int | None = option(
        None, "with overlap: largest number of events at the same time", at_least=1
    )
    max_overlap: float | None = option(
        None, "with overlap: longest overlap of two events", unit="s", at_least=0
    )
    pairs: bool = option(
        False,
        "whether each mixture is two recordings of different classes with the same energy, both "
        "as long as the mixture: longer ones are cut at a random place, shorter ones repeated; "
        "without a background, unless there is a background_folder or an snr_range",
    )
    pair_level: tuple[float, float] = option(
        (0.0, 0.0),
        "with pairs: range of the level of the second recording above the first",
        unit="dB",
    )
    white_noise_ratio: float = option(
        0.05,
        "energy of the background, divided by the energy of the events; pairs have white noise "
        "only with an snr_range",
        at_least=0,
        at_most=1,
    )
    snr_range: tuple[float, float] | None = option(
        None,
        "range of the level of the events above the background; replaces white_noise_ratio",
        unit="dB",
    )
    event_snr: float | None = option(
        None,
        "level of each event above the background: its mean power while it sounds, over that of "
        "the background in the whole mixture; replaces white_noise_ratio",
        unit="dB",
    )
    background_folder: str | None = option(
        None, "folder of recordings to use as background instead of white noise", metavar="FOLDER"
    )
    event_gain_range: tuple[float, float] = option(
        (0.0, 0.0), "range of the random gain of each event", unit="dB"
    )
    without_events: float = option(
        0.0,
        "share of the mixtures of each split that hold only background, and have no label",
        at_least=0,
        at_most=0.9,
    )
    channels: int = option(
        1, "channels; with 2, each event comes from a random direction", choices=(1, 2)
    )
    reverberation: tuple[float, float] | None = option(
        None,
        "range of the reverberation time (T60) of the room, drawn for each mixture; each event has "
        "a place of its own in it",
        unit="s",
        above=0,
        at_most=10,
    )
    band: tuple[float, float] | None = option(
        None, "lowest and highest frequency that events and background keep", unit="Hz", above=0
    )
    clipping: float | None = option(
        None,
        "the level, as a share of the highest peak, at which the mixture is clipped; what is lost "
        "is part of the background, so that the sum stays the mixture",
        above=0,
        at_most=1,
    )
    sampling_rate: int = option(
        16000, "sampling rate of the mixtures", unit="Hz", choices=SAMPLING_RATES
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < SHORTEST_LENGTH:
            raise InputError(
                f"length is {self.length:g}: expected at least {SHORTEST_LENGTH} s, "
                "one analysis window"
            )
        for name in ("snr_range", "event_gain_range", "pair_level", "reverberation", "band"):
            bounds = getattr(self, name)
            is_empty = name == "band" and bounds is not None and bounds[0] == bounds[1]
            if is_empty or (bounds is not None and bounds[0] > bounds[1]):
                raise InputError(
                    f"{name} is {bounds[0]:g} {bounds[1]:g}: expected the lower value first"
                )
        if not self.overlap and (self.max_polyphony is not None or self.max_overlap is not None):
            raise InputError(
                "max_polyphony and max_overlap limit an overlap that is off: "
                "add --overlap True or leave them out"
            )

        if self.band is not None and self.band[1] >= self.sampling_rate / 2:
            raise InputError(
                f"band is {format_setting(self.band)}: expected less than half the sampling_rate, "
                f"{self.sampling_rate / 2:g} Hz"
            )
        self._check_pairs()
        self._check_replaced()
        self._check_onsets()
        if self.without_events and not self.has_background:
            raise InputError(
                f"without_events is {self.without_events:g}, but mixtures have no background, and "
                "those without events would be silent: pass --snr_range or --white_noise_ratio"
            )

    def _check_pairs(self) -> None:
        """Check that no setting is given that would be of no effect."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        names = _NOT_WITH_PAIRS if self.pairs else ("pair_level",)
        given = [name for name in names if getattr(self, name) != fields[name].default]
        if given and self.pairs:
            raise InputError(
                f"{given[0]} is {format_setting(getattr(self, given[0]))}, but pairs are two "
                f"events that last as long as the mixture: leave out --{given[0]} or --pairs"
            )
        if self.pairs and not self.has_background:
            ratio = self.white_noise_ratio
            if ratio not in (0, fields["white_noise_ratio"].default):
                raise InputError(
                    f"white_noise_ratio is {ratio:g}, but pairs have white noise only with an "
                    "snr_range: pass --snr_range instead"
                )
        if given:
            raise InputError(
                f"pair_level is {format_setting(self.pair_level)}, but mixtures are no pairs: "
                "add --pairs True or leave it out"
            )

    def _check_replaced(self) -> None:
        """Check that no setting is given that another one replaces."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, replaced in _REPLACED.items():
            if getattr(self, name) is None:
                continue
            for other in replaced:
                if getattr(self, other) != defaults[other]:
                    raise InputError(
                        f"{name} is {format_setting(getattr(self, name))}, and {other} "
                        f"{format_setting(getattr(self, other))}: {name} alone decides; "
                        f"leave out --{name} or --{other}"
                    )

    def _check_onsets(self) -> None:
        """Check that all events that are asked for have a place."""
        if self.n_events is not None and self.n_events * SHORTEST_EVENT > self.length:
            raise InputError(
                f"n_events is {self.n_events}: expected at most "
                f"{int(self.length / SHORTEST_EVENT)} in {self.length:g} s, since none is shorter "
                f"than {SHORTEST_EVENT:g} s"
            )
        if self.onsets is None:
            return
        n_onsets = len(self.onsets)
        if self.n_events != n_onsets:
            raise InputError(
                f"onsets has {n_onsets} values, and n_events is {format_setting(self.n_events)}: "
                f"expected an onset for each event; pass --n_events {n_onsets}"
            )
        latest = self.length - SHORTEST_EVENT
        if max(self.onsets) > latest:
            raise InputError(
                f"onsets is {format_setting(self.onsets)}: expected at most {latest:g} s, "
                f"{SHORTEST_EVENT:g} s before the end of a mixture; pass a longer --length"
            )
        gaps = [later - earlier for earlier, later in itertools.pairwise(self.onsets)]
        if not self.overlap and min(gaps, default=SHORTEST_EVENT) < SHORTEST_EVENT:
            raise InputError(
                f"onsets is {format_setting(self.onsets)}: expected each at least "
                f"{SHORTEST_EVENT:g} s after the one before it, or --overlap True"
            )

    @property
    def has_background(self) -> bool:
        """Whether mixtures have a background."""
        if self.snr_range is not None or self.event_snr is not None:
            return True
        is_quiet = self.pairs and self.background_folder is None
        return self.white_noise_ratio > 0 and not is_quiet

    @property
    def most_events(self) -> int:
        """The largest number of events in a mixture."""
        return self.max_event if self.n_events is None else self.n_events

    @property
    def n_samples(self) -> int:
        """Length of a mixture in samples."""
        return round(self.length * self.sampling_rate)


@dataclass(frozen=True)
class Event:
    """A recording that is part of a mixture, with its time and gain."""

    recording: str  # path of the sound file
    event_label: str
    onset: float  # s
    duration: float  # s, after cutting
    gain: float  # dB
    start: float = 0.0  # s into the recording
    is_repeated: bool = False  # the recording is repeated until it fills the duration
    pan: float = 0.0  # where it comes from, of two channels: −1 (left) to 1 (right)
    place_seed: int = 0  # seed of the room's response at its place
    fade: float = 0.0  # s at its end, where it is cut within the mixture

    @property
    def offset(self) -> float:
        """The time at which the event ends, in seconds."""
        return self.onset + self.duration


@dataclass(frozen=True)
class MixtureSpec:
    """Everything that is needed to render a mixture, as plain data."""

    filename: str
    length: float  # s
    sampling_rate: int  # Hz
    events: tuple[Event, ...]  # in the order of their onsets
    snr: float | None  # level of all events above the background, dB; None: not given
    noise_seed: tuple[int, ...]
    background: str | None = None  # path of a recording; None: white noise
    background_start: float = 0.0  # s into that recording
    seam_fade: float = 0.0  # s: crossfade where a recording is repeated that is too short
    n_channels: int = 1
    reverberation: float | None = None  # T60 of the room, s; None: no room
    band: tuple[float, float] | None = None  # Hz
    clipping: float | None = None  # share of the highest peak
    pair_level: float | None = None  # of the second event above the first, dB; None: as they are
    event_snr: float | None = None  # level of each event above the background, dB, instead of snr
    # Events that are not in the mixture: its background is as loud as it would be with them.
    level_events: tuple[Event, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The classes of the events, sorted."""
        return sorted({event.event_label for event in self.events})

    @property
    def has_background(self) -> bool:
        """Whether the mixture has a background."""
        return self.snr is not None or self.event_snr is not None

    def to_json(self) -> dict[str, Any]:
        """Return the spec as plain data that can be written as JSON."""
        content = _without_added(self)
        for name in ("events", "level_events"):
            if name in content:
                content[name] = [_without_added(event) for event in getattr(self, name)]
        return content

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "MixtureSpec":
        """Make a spec from the data that `to_json` returned."""
        parts: dict[str, Any] = {
            name: tuple(Event(**event) for event in values.get(name, ()))
            for name in ("events", "level_events")
        }
        band = values.get("band")
        parts["band"] = None if band is None else tuple(band)
        return cls(**{**values, **parts, "noise_seed": tuple(values["noise_seed"])})


def _without_added(value: Event | MixtureSpec) -> dict[str, Any]:
    """Return the fields, but leave out those at their defaults that earlier versions don't know."""
    content = dataclasses.asdict(value)
    for field in dataclasses.fields(value):
        if field.name not in _FIELDS_OF_0_1_0 and content[field.name] == field.default:
            del content[field.name]
    return content


def change_paths(spec: MixtureSpec, change: Callable[[str], str]) -> MixtureSpec:
    """Return a mixture of the same recordings by other paths."""

    def change_all(events: Sequence[Event]) -> tuple[Event, ...]:
        return tuple(
            dataclasses.replace(event, recording=change(event.recording)) for event in events
        )

    return dataclasses.replace(
        spec,
        events=change_all(spec.events),
        level_events=change_all(spec.level_events),
        background=None if spec.background is None else change(spec.background),
    )


def leave_out_events(spec: MixtureSpec, indices: Sequence[int]) -> MixtureSpec:
    """Return a mixture without some of its events."""
    events = [event for index, event in enumerate(spec.events) if index not in indices]
    return dataclasses.replace(spec, events=tuple(events))


def check_memory(config: MixingConfig) -> None:
    """Check that the memory of this machine is large enough to render a mixture.

    Raises:
        InputError: it is not.
    """
    import psutil

    n_arrays = (_ARRAYS + config.most_events) * config.channels
    needed = 8.0 * config.n_samples * n_arrays
    available = psutil.virtual_memory().total
    if needed > available:
        raise InputError(
            f"length is {config.length:g}: a mixture would take {needed / 2**30:.0f} GiB of memory "
            f"while it is made, and this machine has {available / 2**30:.0f} GiB: expected at most "
            f"{available / 8 / n_arrays / config.sampling_rate:.0f} s"
        )
