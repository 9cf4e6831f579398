"""How a model finds events: activity and thresholds; they travel with its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from absslab.core.common.documents import SavedDocument
from absslab.core.common.errors import InputError

# Kinds of activity of a class in a frame; absslab.core.separation.detection computes them.
MAGNITUDE = "magnitude"
CLARITY = "clarity"
LOUD_CLARITY = "clarity_20_dB"
BINS = "bins"
ACTIVITIES = (MAGNITUDE, CLARITY, LOUD_CLARITY, BINS)
BY_EVENTS = "events"
BY_TAGS = "tags"
_LABELS = {BY_EVENTS: "strong labels", BY_TAGS: "weak labels"}


@dataclass(frozen=True)
class ClassThresholds:
    """When a class is active: see `absslab.core.separation.detection`."""

    high: float  # an event has a frame with at least this activity
    low: float  # an event lasts as long as the activity stays above this
    median_filter: float = 0.0  # s, of the activity


@dataclass(frozen=True)
class EventThresholds(SavedDocument):
    """Kind of activity and thresholds of classes, and how they were chosen."""

    FORMAT = "absslab event thresholds"
    VERSION = 1

    per_class: Mapping[str, ClassThresholds] = field(default_factory=dict)  # not of all classes
    chosen_by: str = BY_EVENTS  # strong labels (events), or weak ones alone (tags)
    n_recordings: int = 0  # validation recordings that they were chosen on
    activity: str = MAGNITUDE  # the kind of activity that they are thresholds of

    def __post_init__(self) -> None:
        if self.activity not in ACTIVITIES:
            raise InputError(
                f"thresholds are of the activity {self.activity!r:.50}: expected "
                f"{', '.join(ACTIVITIES)}"
            )
        if self.chosen_by not in _LABELS:
            raise InputError(
                f"thresholds were chosen by {self.chosen_by!r:.50}: expected {BY_EVENTS}, {BY_TAGS}"
            )
        for name, thresholds in self.per_class.items():
            in_order = 0 <= thresholds.low <= thresholds.high <= 1
            if not in_order or not thresholds.median_filter >= 0:
                raise InputError(
                    f"the thresholds of {name} are {thresholds.low:g} and {thresholds.high:g}, "
                    f"with a median filter of {thresholds.median_filter:g} s: expected "
                    "0 ≤ low ≤ high ≤ 1, and no negative time"
                )

    def describe(self) -> str:
        """Say how they were chosen."""
        return f"{_LABELS[self.chosen_by]} of {self.n_recordings} validation recordings"
