"""Count and tell what happens to sounds in mixtures: they are cut, repeated or can't be heard."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from absslab.core.common.errors import InputWarning
from absslab.core.common.notices import give_notice
from absslab.core.data.mixing import Event, MixingConfig, MixtureSpec
from absslab.core.data.mixture_plan import MixturePlan

_N_NAMED = 5  # number of recordings that a line names
_PADDING = 0.01  # s; a recording that is so much longer was padded by its codec


@dataclass(frozen=True)
class ChangedSounds:
    """Number of events and backgrounds that are changed in mixtures, by paths of recordings.

    Args:
        cut: events that are shorter in their mixtures than their recordings.
        repeated: events that are repeated to fill their mixtures.
        repeated_backgrounds: backgrounds that are.
    """

    cut: Counter[str]
    repeated: Counter[str]
    repeated_backgrounds: Counter[str]

    def give_notices(self, output: Path, plan: MixturePlan) -> None:
        """Tell what was cut and repeated.

        Args:
            output: folder of the mixtures.
            plan: from which they were made.
        """
        length = plan.mixing.length
        # Others may be cut where they were drawn near the end, and whole elsewhere.
        longer = [] if plan.mixing.longest_event else _longer_than(length, plan)
        never_fit = Counter({path: self.cut[path] for path in longer if path in self.cut})
        if never_fit:
            give_notice(_cut_notice(output, never_fit, length))
        if self.repeated:
            give_notice(_repetition_notice(output, self.repeated, length, "event"))
        if self.repeated_backgrounds:
            repeated = self.repeated_backgrounds
            give_notice(_repetition_notice(output, repeated, length, "background"))


def count_changes(plan: MixturePlan, specs: Mapping[str, Sequence[MixtureSpec]]) -> ChangedSounds:
    """Count what is cut and repeated in the mixtures of a plan.

    Args:
        plan: the plan.
        specs: the mixtures of each split.
    """
    mixtures = list(chain.from_iterable(specs.values()))
    events = [event for spec in mixtures for event in spec.events]
    return ChangedSounds(
        cut=_count_cut_events(plan, events),
        repeated=Counter(event.recording for event in events if event.is_repeated),
        repeated_backgrounds=_count_repeated_backgrounds(plan, mixtures),
    )


def _count_cut_events(plan: MixturePlan, events: Sequence[Event]) -> Counter[str]:
    """Count the events that are shorter in their mixtures than their recordings, by their paths."""
    lengths = {recording.path: recording.duration for recording in plan.recordings}
    slack = 1.5 / plan.mixing.sampling_rate  # s; durations are rounded
    return Counter(
        event.recording for event in events if event.duration + slack < lengths[event.recording]
    )


def _count_repeated_backgrounds(plan: MixturePlan, specs: Sequence[MixtureSpec]) -> Counter[str]:
    """Count the backgrounds that are shorter than their mixtures, by the paths of recordings."""
    lengths = {item.path: item.duration for item in chain.from_iterable(plan.backgrounds.values())}
    slack = 1.5 / plan.mixing.sampling_rate  # s; durations are rounded
    backgrounds = [spec.background for spec in specs if spec.background and spec.has_background]
    return Counter(path for path in backgrounds if lengths[path] + slack < plan.mixing.length)


def _longer_than(length: float, plan: MixturePlan) -> list[str]:
    """Return the paths of the recordings that are longer than a mixture by more than padding."""
    return [item.path for item in plan.recordings if item.duration > length + _PADDING]


def silence_notice(output: Path, silent: Counter[str], mixing: MixingConfig) -> InputWarning:
    """Return what is said about events that can't be heard in their mixtures."""
    hint = "raise the level of these recordings, or --event_gain_range"
    if mixing.pairs:
        hint = "cut the silence off these recordings, or pass a longer --length"
    return _make_notice(
        silent,
        "would be silent in the mixtures of {output}, which have 16 bits: left out of their "
        f"labels; {hint}",
        output,
    )


def _cut_notice(output: Path, cut: Counter[str], length: float) -> InputWarning:
    """Return what is said about events that are cut, since they are longer than a mixture."""
    are = "is" if cut.total() == 1 else "are"
    return _make_notice(
        cut,
        f"{are} longer than a mixture and {are} cut in {{output}} to at most {length:g} s: "
        "pass a longer --length to keep them whole; manifest.json counts all events that are cut",
        output,
    )


def _repetition_notice(
    output: Path, repeated: Counter[str], length: float, kind: str
) -> InputWarning:
    """Return what is said about what is repeated, since it is shorter than a mixture."""
    are = "is" if repeated.total() == 1 else "are"
    return _make_notice(
        repeated,
        f"{are} shorter than a mixture and {are} repeated in {{output}} to fill {length:g} s; "
        "manifest.json counts all of them",
        output,
        kind,
    )


def _make_notice(
    counts: Counter[str], text: str, output: Path, kind: str = "event"
) -> InputWarning:
    """Return a line about events or backgrounds, which names some of their recordings."""
    paths = {f"recording_{number}": path for number, path in enumerate(counts)}
    names = [f"{{{name}}}" for name in list(paths)[:_N_NAMED]]
    n_more = len(paths) - len(names)
    more = f" and {n_more} more" if n_more else ""
    sounds = kind if counts.total() == 1 else f"{kind}s"
    return InputWarning(
        f"{counts.total()} {sounds} of {', '.join(names)}{more} {text}",
        output=output,
        **dict(list(paths.items())[:_N_NAMED]),
    )
