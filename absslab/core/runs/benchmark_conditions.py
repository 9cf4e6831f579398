"""The conditions of the benchmark: mixtures of the same recordings, in rising difficulty."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from absslab.core.data.splits import SPLITS

_WITH_BACKGROUNDS: Mapping[str, Any] = {
    "overlap": True,
    "max_event": 5,
    "max_polyphony": 2,
    "snr_range": (0.0, 15.0),
}


@dataclass(frozen=True)
class Condition:
    """How the mixtures of a condition are made, and which model is scored on them.

    Args:
        summary: what is heard, in a few words.
        mixing: settings of `MixingConfig` that differ from their defaults.
        needs_backgrounds: whether the mixtures have recorded backgrounds.
        model_of: the condition whose model is scored; empty: one that is trained on these mixtures.
        at_own_rate: whether scores are those at the rate of the mixtures, with all their channels.
    """

    summary: str
    mixing: Mapping[str, Any]
    needs_backgrounds: bool = False
    model_of: str = ""
    at_own_rate: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are needed: none for training, if the model is another condition's."""
        return SPLITS[1:] if self.model_of else SPLITS


CONDITIONS = {
    "sparse": Condition("up to four events one after the other, white noise at 13 dB", {}),
    "overlap": Condition(
        "up to six events, at most three at once, white noise at 13 dB",
        {"overlap": True, "max_event": 6, "max_polyphony": 3},
    ),
    "background": Condition(
        "up to five events, at most two at once, over real backgrounds at 0 to 15 dB",
        _WITH_BACKGROUNDS,
        needs_backgrounds=True,
    ),
    "loud_background": Condition(
        "the same at −5 to 5 dB",
        {**_WITH_BACKGROUNDS, "snr_range": (-5.0, 5.0)},
        needs_backgrounds=True,
    ),
    "pairs": Condition(
        "two recordings of different classes over all of 5 s, at 0 dB, no background",
        {"pairs": True, "length": 5.0},
    ),
    "other_rate": Condition(
        "the model of background, on its mixtures at 44.1 kHz in stereo",
        {**_WITH_BACKGROUNDS, "sampling_rate": 44100, "channels": 2},
        needs_backgrounds=True,
        model_of="background",
        at_own_rate=True,
    ),
    "phone": Condition(
        "the model of background, on its mixtures in rooms, at 300 to 3,400 Hz, clipped",
        {
            **_WITH_BACKGROUNDS,
            "reverberation": (0.2, 0.6),
            "band": (300.0, 3400.0),
            "clipping": 0.5,
        },
        needs_backgrounds=True,
        model_of="background",
    ),
}
