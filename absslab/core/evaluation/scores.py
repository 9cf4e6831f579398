"""The scores of a system as one document: sections with stable names, and a version.

Every number also has a dotted name, such as `tagging.auc`, `detection.event.f1` or
`per_class.speech.si_sdr_improvement` (`Scores.flat`): tables, reports, comparisons and the list
of runs use these names, and so do the intervals. A number that is not defined is None, never NaN.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, get_args, get_origin, get_type_hints

from absslab.core.common.documents import SavedDocument
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.version import __version__

if TYPE_CHECKING:
    import pandas as pd

_OLD_SETTINGS = {  # version 1 called the sections of the settings by their classes
    "EvaluationConfig": "evaluation",
    "SeparationConfig": "separation",
    "DetectionConfig": "detection",
    "ScoringConfig": "scoring",
    "EstimatesConfig": "estimates",
    "FeatureConfig": "features",
}


@dataclass(frozen=True)
class TagScores:
    """Scores of tags; all but `auc`, `average_precision` and `eer` depend on the thresholds."""

    auc: float | None = None
    average_precision: float | None = None
    f1: float | None = None
    precision: float | None = None
    recall: float | None = None
    accuracy: float | None = None
    matthews: float | None = None
    eer: float | None = None  # equal error rate; depends on no threshold


@dataclass(frozen=True)
class TaggingScores(TagScores):
    """Means over the classes, and weighted and micro averages."""

    weighted: TagScores | None = None
    micro: TagScores | None = None
    n_positive: int | None = None
    thresholds_from: str = ""


@dataclass(frozen=True)
class CountScores:
    """Scores of detections, counted in frames, segments or events."""

    f1: float | None = None  # mean over the classes, as precision and recall
    precision: float | None = None
    recall: float | None = None
    error_rate: float | None = None  # of all classes together
    f1_micro: float | None = None
    precision_micro: float | None = None
    recall_micro: float | None = None
    error_rate_macro: float | None = None


@dataclass(frozen=True)
class FrameScores(CountScores):
    """Scores counted in frames, and scores of the activity that need no threshold."""

    auc: float | None = None
    average_precision: float | None = None
    eer: float | None = None  # equal error rate
    # Upper bound of the error due to binning.
    binning_error: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class PsdsScores:
    """Polyphonic sound detection scores, for two sets of parameters."""

    psds1: float | None = None
    psds2: float | None = None


@dataclass(frozen=True)
class DetectionScores:
    """Scores of when each class sounds, compared with strong labels."""

    frame: FrameScores | None = None
    segment: CountScores | None = None
    event: CountScores | None = None
    psds: PsdsScores | None = None
    psds_ungated: PsdsScores | None = None  # of the activity also where a class is not tagged
    # True events that overlap or touch another of their class, and are one event with it.
    n_joined_events: int | None = None
    # What is a true event: extent or activity; None in older documents, which have extents.
    truth: str | None = None
    n_silent_events: int | None = None  # labelled events without any true one: they are silent
    event_thresholds_from: str | None = None  # how the thresholds of a model's events were chosen
    activity: str | None = None  # kind of activity in which a model's events were found


@dataclass(frozen=True)
class SegmentationScores:
    """Scores of masks, compared with the ideal binary masks of the classes."""

    f1: float | None = None
    auc: float | None = None
    average_precision: float | None = None
    eer: float | None = None  # equal error rate
    # Upper bound of the error due to binning.
    binning_error: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class SourceScores:
    """Scores of the estimates of present classes, dB: means, or those of one class."""

    si_sdr: float | None = None
    si_sdr_improvement: float | None = None
    plain_sdr: float | None = None  # as it is: no scaling, no filter
    plain_sdr_improvement: float | None = None
    sdr: float | None = None  # of BSS Eval, as the four that follow
    sir: float | None = None
    sar: float | None = None
    image_sdr: float | None = None
    isr: float | None = None


@dataclass(frozen=True)
class Spread:
    """How a score is spread over the sources that have it, dB."""

    mean: float
    std: float  # standard deviation
    median: float
    n: int  # number of sources


@dataclass(frozen=True)
class SeparationScores(SourceScores):
    """Scores of separated sources, and levels of leakage and residual, dB."""

    leakage: float | None = None  # mean over absent classes
    residual: float | None = None  # mean over mixtures
    ca_sdr_improvement: float | None = None  # mean over mixtures; class-aware, as of DCASE 2025
    casa_sdr_improvement: float | None = None  # mean over mixtures; class- and source-aware
    si_sdr_improvement_median: float | None = None
    # By kind of mixtures (all, with_background, without_background), then by score.
    spread: Mapping[str, Mapping[str, Spread]] | None = None
    n_present: int = 0
    n_absent: int = 0
    n_silent_estimates: int = 0  # these have no SIR, SAR and ISR
    n_silent_mixtures: int = 0  # these have no leakage and no residual
    n_contradictions: int = 0  # between labels and sources
    weighting: str = ""


@dataclass(frozen=True)
class BreakdownStep:
    """A step in the breakdown from the best possible mask down to the model."""

    system: str
    si_sdr_improvement: float  # dB, mean
    cause: str  # why this step loses improvement
    lost: float | None = None  # dB, less than the step before; None for the first


@dataclass(frozen=True)
class Agreement:
    """Correlation of the judgement with SI-SDR improvement."""

    spearman: float | None = None
    pearson: float | None = None
    n: int = 0


@dataclass(frozen=True)
class SelfCheckScores:
    """What a model says of its own outputs: means over the sources of tagged classes."""

    sdr: float | None = None  # dB: the SDR of what is separated from a source again
    probability: float | None = None  # of its class, in a source
    other: float | None = None  # the highest of another class, in a source
    residual: float | None = None  # of its class, in the residual
    n_sources: int = 0
    sources: Agreement | None = None  # with SI-SDR improvement of the sources
    recordings: Agreement | None = None  # of means over their sources that are tagged and present


@dataclass(frozen=True)
class ClassScores(TagScores, SourceScores):
    """All scores of a class; those of its sources are means over mixtures."""

    n_labelled: int | None = None  # recordings with its label
    n_present: int | None = None  # mixtures with its source
    threshold: float | None = None
    frame_f1: float | None = None
    frame_error_rate: float | None = None
    segment_f1: float | None = None
    segment_error_rate: float | None = None
    event_f1: float | None = None
    event_error_rate: float | None = None
    high_threshold: float | None = None  # of the activity, as the two that follow
    low_threshold: float | None = None
    median_filter: float | None = None  # s
    activity_event_f1: float | None = None  # that of detection_activity
    extent_event_f1: float | None = None  # that of detection_extent
    frame_auc: float | None = None
    frame_average_precision: float | None = None
    frame_eer: float | None = None
    segmentation_f1: float | None = None
    segmentation_auc: float | None = None
    segmentation_average_precision: float | None = None
    segmentation_eer: float | None = None
    leakage: float | None = None
    ceiling: float | None = None  # best SI-SDR improvement of masks over the model's bands


@dataclass(frozen=True)
class MixtureScore:
    """A mixture, and the mean SI-SDR improvement of the classes in it, dB."""

    mixture: str
    path: str | None
    classes: tuple[str, ...]
    si_sdr_improvement: float


@dataclass(frozen=True)
class ExtremeMixtures:
    """The mixtures with the lowest and the highest improvement."""

    worst: tuple[MixtureScore, ...]
    best: tuple[MixtureScore, ...]


@dataclass(frozen=True)
class Intervals:
    """Intervals over resampled mixtures, by the dotted names of their scores."""

    scores: Mapping[str, list[float]]
    confidence: float = 0.95
    n_resamples: int = 0


@dataclass(frozen=True)
class Scores(SavedDocument):
    """All scores of a system on some recordings; a section that was not scored is None."""

    FORMAT = "absslab scores"
    VERSION = 2  # version 1 is that of 0.1.0; no release has written version 2 yet

    classes: tuple[str, ...]
    split: str | None = None
    n_mixtures: int = 0
    tagging: TaggingScores | None = None
    detection: DetectionScores | None = None
    # The same against the other truth, if both are known; one of these is always None.
    detection_activity: DetectionScores | None = None
    detection_extent: DetectionScores | None = None
    segmentation: SegmentationScores | None = None
    separation: SeparationScores | None = None
    baselines: Mapping[str, SourceScores] | None = None
    breakdown: tuple[BreakdownStep, ...] | None = None
    self_check: SelfCheckScores | None = None  # what the model says of its own outputs
    per_class: Mapping[str, ClassScores] = field(default_factory=dict)
    mixtures: ExtremeMixtures | None = None
    intervals: Intervals = Intervals({})
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)  # by section
    n_scored: Mapping[str, int] = field(default_factory=dict)  # recordings, by section
    n_values: Mapping[str, int] = field(default_factory=dict)  # in each mean, by score
    missing: Mapping[str, str] = field(default_factory=dict)  # reasons, by section
    # Reasons, by name, why recordings could not be scored or used for choosing thresholds.
    left_out: Mapping[str, str] = field(default_factory=dict)
    # SHA-256 of the checkpoint that was scored; None of other systems, and of older documents.
    checkpoint_checksum: str | None = None
    absslab: str = __version__  # the version that computed the scores

    def flat(self) -> dict[str, float]:
        """Return all numbers that are defined, by their dotted names."""
        sections = (
            *("tagging", "detection", "detection_activity", "detection_extent"),
            *("segmentation", "separation", "baselines", "self_check", "per_class"),
        )
        return {
            name: number
            for section in sections
            for name, number in _numbers(section, getattr(self, section))
        }

    @classmethod
    def from_json(cls, content: object) -> Self:
        """Read a document of this or an earlier version.

        Raises:
            InputError: the document is of a newer version, or holds no scores.
        """
        if not isinstance(content, Mapping) or "classes" not in content:
            raise InputError("the file does not hold scores")
        version = content.get("version")
        if isinstance(version, int) and version > cls.VERSION:
            raise InputError(
                f"its format version is {version}, newer than {cls.VERSION}: update ABSSLab"
            )
        if not isinstance(version, int):  # in version 1 this was the version of the package
            content = _from_version_1(content)
        try:
            return super().from_json(content)
        except InputError as error:
            author = content.get("absslab", "an unknown version")
            raise error.wrap(
                f"{{error}}; it was written by {escape_braces(author)}: score it once more"
            ) from None


def is_score_name(name: str) -> bool:
    """Tell whether a score may have this dotted name; see `Scores.flat`.

    Examples:
        >>> is_score_name("detection.event.f1"), is_score_name("detection.event.f2")
        (True, False)
    """
    kind: Any = Scores
    for part in name.split("."):
        if is_dataclass(kind):
            kind = get_type_hints(kind).get(part)
        elif get_origin(kind) is Mapping:
            kind = get_args(kind)[1]
        else:
            return False
        if isinstance(kind, UnionType):  # with None
            kind = get_args(kind)[0]
    return kind in (float, int)


class EvaluationResult(NamedTuple):
    """The result of an evaluation."""

    scores: Scores
    table: "pd.DataFrame"  # a row per mixture and class


def _from_version_1(content: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the fields that had other names in version 1."""
    renamed = dict(content)
    renamed["absslab"] = str(renamed.pop("version", "an unknown version"))
    settings = renamed.get("settings")
    if isinstance(settings, Mapping):
        renamed["settings"] = {
            _OLD_SETTINGS.get(name, name): values for name, values in settings.items()
        }
    steps = renamed.pop("ladder", None)
    if isinstance(steps, list):
        renamed["breakdown"] = [_rename_cause(step) for step in steps]
    return renamed


def _rename_cause(step: object) -> object:
    if not isinstance(step, dict):
        return step
    return {("cause" if key == "to" else key): value for key, value in step.items()}


def _numbers(name: str, value: object) -> Iterator[tuple[str, float]]:
    """Yield the numbers below a section, with their dotted names."""
    if is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            yield from _numbers(f"{name}.{item.name}", getattr(value, item.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(f"{name}.{key}", item)
    elif isinstance(value, int | float):
        yield name, value
