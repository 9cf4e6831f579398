"""The page of the thesis' names: flags, values, what each is here, its source and its tests."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from covering_tests import find_tests, read_flag_tests, read_flaws

from absslab.core.common.config import format_setting
from absslab.core.model.convolution_blocks import ACTIVATIONS
from absslab.core.thesis.flags import FLAGS, Outcome
from absslab.core.thesis.translation import (
    DATA_SETS,
    FEATURES,
    MAPPINGS,
    MASK_MODELS,
    MASKS,
    SCALINGS,
    SCHEDULES,
    TUT_FEATURES,
)

_N_SHOWN = 2  # tests in a cell
_KONG_2017 = "Kong et al., arXiv 1711.03037"
_KONG_2018 = "Kong et al., arXiv 1804.04715"
_LIBROSA = "librosa's mel filters, which have equal areas"
_TORCH = "a schedule of PyTorch"
_THESIS = "the thesis"
SOURCES = {  # of what the thesis' names stand for; the thesis itself if a name is not here
    "VGGLikeMaskModel": f"the thesis, after {_KONG_2018}",
    "GlobalMaxPooling2d": _KONG_2017,
    "GlobalAvgPooling2d": _KONG_2017,
    "GlobalWeightedRankPooling2d": f"Kolesnikov, Lampert, arXiv 1603.06098; {_KONG_2017}",
    "AdaptiveGlobalWeightedRankPooling2d": "the thesis, after Kolesnikov, Lampert",
    "DCASE2013RemixedDataSet": "recordings of DCASE 2013, mixed by the thesis",
    "ICASSP2018JointSeparationClassificationDataSet": f"TUT Rare 2017, mixed as in {_KONG_2017}",
    "AudiosetSegments": "AudioSet (Gemmeke et al., ICASSP 2017), cut by the thesis",
    "AudiosetSegmentsOnDisk": "AudioSet (Gemmeke et al., ICASSP 2017), cut by the thesis",
    "mel": _LIBROSA,
    "log-mel": f"the thesis, 10 log10(1 + x); {_LIBROSA}",
    "log-mel_no_shift": f"the thesis, ln(x + 1e-15); {_LIBROSA}",
    "pcen": "Wang et al., arXiv 1607.05666, smoothed forwards and backwards by the thesis",
    "log-mel-spectrogram": "librosa, 20 log10(x), down to 80 dB below the maximum",
    "relu": "Nair, Hinton, ICML 2010",
    "lr": "Maas et al., 2013, with a slope of 0.01",
    "stepLR": _TORCH,
    "multiStepLR": _TORCH,
    "reduceLROnPlateau": _TORCH,
}


class Registry(NamedTuple):
    """The values of a flag of the thesis, and what each is here."""

    title: str
    flag: str
    here: Mapping[str, str]  # the thesis' value → flags, or why there are none


def registries() -> list[Registry]:
    """Return the values of all flags that name something of the thesis' code."""
    return [
        Registry("Mask networks", "mask_model_type", _settings("model_type", MASK_MODELS)),
        Registry("Mappings", "classifier_model_type", _settings("pooling", MAPPINGS)),
        Registry("Data sets", "data_set_type", _settings("data_set_type", DATA_SETS)),
        Registry("Features", "feature_type", _sections(FEATURES)),
        Registry("Scalings", "scaling_type", _sections(SCALINGS)),
        Registry("Activations", "mask_activations", _activations()),
        Registry("Schedules of the learning rate", "scheduler_type", _schedules()),
    ]


def thesis_page() -> Iterator[str]:
    """Yield the lines of the reference of the thesis' names."""
    yield "# Names of the thesis\n"
    yield (
        "All flags of the training command in the last version of the thesis' code, the names that "
        "they take, and what becomes of each. See [From the thesis](../thesis.md).\n"
    )
    yield from _flags()
    yield from _values()
    yield from _flaws()


def _flags() -> Iterator[str]:
    yield "## Flags\n"
    yield "| outcome | number of flags |"
    yield "|---|---|"
    outcomes = [flag.outcome for flag in FLAGS.values()]
    for outcome in Outcome:
        yield f"| {outcome.value} | {outcomes.count(outcome)} |"
    yield f"| all | {len(outcomes)} |"
    yield ""
    yield "A flag that is refused may be given with its default.\n"
    yield "| flag | default there | here | note | tested by |"
    yield "|---|---|---|---|---|"
    tests = read_flag_tests()
    for name, flag in FLAGS.items():
        default = tuple(flag.default) if flag.is_list else flag.default
        here = " ".join(f"`{setting}`" for setting in flag.here.split(", ") if setting)
        note = f"refused: {flag.note}" if flag.outcome is Outcome.REFUSED else flag.note
        tested = _addresses(find_tests(tests, name))
        yield f"| `--{name}` | {format_setting(default)} | {here} | {note} | {tested} |"
    yield ""


def _values() -> Iterator[str]:
    yield "## Values\n"
    tests = read_flag_tests()
    for title, flag, here in registries():
        yield f"### {title}\n"
        yield f"Values of `--{flag}`.\n"
        yield "| the thesis | here | source | tested by |"
        yield "|---|---|---|---|"
        for name, meaning in here.items():
            tested = _addresses(find_tests(tests, flag, name))
            yield f"| `{name}` | {meaning} | {SOURCES.get(name, _THESIS)} | {tested} |"
        yield ""
        if flag == "feature_type":
            yield (
                "With `ICASSP2018JointSeparationClassificationDataSet` the thesis' code had one "
                f"kind of features, whatever `--{flag}` was: ln(x + 1e-8), here "
                f"{_flags_of(TUT_FEATURES)}.\n"
            )


def _flaws() -> Iterator[str]:
    yield "## Flaws that are not repeated\n"
    yield (
        "What the thesis' code, or one of Kong's two codes that it is based on, did wrong, with "
        "the test which shows that it is right here.\n"
    )
    yield "| flaw there | tested by |"
    yield "|---|---|"
    for flaw, address in read_flaws():
        breakable = re.sub(r"(/|::|_)(?=\w)", r"\1<wbr>", address)  # lines may end there
        yield f"| {flaw} | <code>{breakable}</code> |"
    yield ""


def _settings(setting: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the flag of a setting for each name of the thesis."""
    return {name: _flags_of({setting: value}) for name, value in values.items()}


def _sections(values: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: _flags_of(settings) for name, settings in values.items()}


def _activations() -> dict[str, str]:
    """Return what each activation is; the last one of a network decides the kind of masks."""
    meanings = {}
    for name in ACTIVATIONS:
        meanings[name] = f"`--mask_activations {name}`"
        if name in MASKS:
            meanings[name] += f"; for the last block `--masks {MASKS[name]}`"
    return meanings


def _schedules() -> dict[str, str]:
    meanings = {}
    for name, read in SCHEDULES.items():
        if name:
            flags = ", ".join(f"`--{setting}`" for setting in read)
            meanings[name] = f"`--scheduler_type {name}` with {flags}"
    return meanings


def _flags_of(settings: Mapping[str, Any]) -> str:
    return " ".join(f"`--{name} {format_setting(value)}`" for name, value in settings.items())


def _addresses(tests: list[str]) -> str:
    return "<br>".join(f"`{address}`" for address in tests[:_N_SHOWN]) or "–"
