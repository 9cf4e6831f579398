"""Only the sources of classes that were found are synthesised; the rest stays in the residual."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

import absslab
from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.resynthesis import Resynthesis
from absslab.core.separation.separated_folder import separate_file
from absslab.core.separation.separator import Separator

RATE = 16000
CLASSES = ["alert", "knock", "pageturn", "speech"]


@dataclass
class ToldSeparator(Separator):
    """Finds the classes that `told` names for each segment, one after the other."""

    told: list[list[str]] = field(default_factory=list)

    def predict(self, waveform):
        names = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        probabilities = torch.tensor([0.9 * (name in names) for name in self.classes])
        return super().predict(waveform)._replace(probabilities=probabilities)


@pytest.fixture(scope="module")
def everything(checkpoint) -> Separator:
    return Separator.from_checkpoint(str(checkpoint))


def tell(separator: Separator, *told: list[str], **changes) -> ToldSeparator:
    return ToldSeparator(separator.model, **changes, told=list(told))


def middle(probabilities: np.ndarray) -> float:
    """Return a threshold that some of the classes exceed."""
    return float(np.median(probabilities))


def noise(n: int, channels: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((channels, n))).astype(np.float32)


def test_all_classes_of_a_large_ontology_are_not_synthesised_by_default():
    few, many = (Separator(SimpleNamespace(classes=range(n))) for n in (50, 51))
    assert few.has_all_sources
    assert not many.has_all_sources
    assert not replace(few, sources="found").has_all_sources
    assert replace(many, sources="all").has_all_sources


@pytest.mark.parametrize(
    "config",
    [
        SeparationConfig(),
        SeparationConfig(smoothing=0.5, tag_exponent=1.0),
        SeparationConfig(wiener=2.0),
        SeparationConfig(mask_power=2.0, mask_floor=0.1),
        SeparationConfig(tag_exponent=0.0, mask_threshold=0.3),
    ],
    ids=["default", "smooth", "wiener", "shaped", "threshold"],
)
def test_a_found_source_is_the_one_that_it_is_among_all(everything, config):
    waveform = noise(3 * RATE, 2)
    told = tell(everything, ["knock", "speech"], config=config)
    whole = told.separate(waveform, RATE)
    found = replace(told, sources="found").separate(waveform, RATE)
    assert found.classes == ("knock", "speech")
    np.testing.assert_array_equal(found.sources, whole.sources[[1, 3]])
    np.testing.assert_array_equal(found.masks, whole.masks[[1, 3]])
    assert found.probabilities.tolist() == whole.probabilities[[1, 3]].tolist()
    rest = whole.residual + whole.sources[[0, 2]].sum(0)
    np.testing.assert_allclose(found.residual, rest, atol=1e-6)
    np.testing.assert_allclose(found.sources.sum(0) + found.residual, waveform, atol=1e-7)


def test_a_source_that_is_found_late_is_silent_until_then(everything):
    n = 75 * RATE  # four segments, of which one begins every 20 s
    told = [["alert"], ["alert"], ["alert", "speech"], ["speech"]]
    separated = tell(everything, *told, sources="found").separate(noise(n)[0], RATE)
    assert separated.classes == ("alert", "speech")
    alert, speech = np.abs(separated.sources)
    assert speech[: 39 * RATE].max() == 0
    assert speech[45 * RATE : 60 * RATE].max() > 0
    assert alert[50 * RATE : 60 * RATE].max() > 0
    assert alert[65 * RATE :].max() == 0
    total = separated.sources.sum(0) + separated.residual
    np.testing.assert_allclose(total, noise(n)[0], atol=1e-7)


def test_nothing_found_leaves_everything_in_the_residual(everything):
    waveform = noise(RATE)[0]
    separated = tell(everything, [], sources="found").separate(waveform, RATE)
    assert separated.classes == ()
    assert separated.sources.shape == (0, RATE)
    np.testing.assert_array_equal(separated.residual, waveform)


def test_a_threshold_says_what_is_found(everything):
    told = tell(everything, ["speech"], sources="found", found_threshold=0.95)
    assert told.separate(noise(RATE)[0], RATE).classes == ()


def test_the_live_separation_finds_the_same(everything):
    waveform = noise(45 * RATE)
    told = [["alert"], ["alert", "speech"], []]
    expected = tell(everything, *told, sources="found").separate(waveform, RATE)
    live = Resynthesis.prepare(tell(everything, *told, sources="found"), waveform, RATE)
    separated = live.separate(everything.config)
    assert separated.classes == expected.classes == ("alert", "speech")
    np.testing.assert_array_equal(separated.sources, expected.sources)


def test_files_of_found_classes_alone_add_up_to_the_recording(everything, tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(45 * RATE, 2).T, RATE, subtype="PCM_16")
    told = tell(everything, ["alert"], ["alert", "speech"], [], sources="found")
    list(separate_file(told, path, tmp_path / "out"))
    files = sorted((tmp_path / "out/long").glob("*.wav"))
    assert [file.stem for file in files] == ["alert", "residual", "speech"]
    total = sum(soundfile.read(file, always_2d=True)[0] for file in files)
    np.testing.assert_array_equal(total, soundfile.read(path, always_2d=True)[0])


def test_events_are_those_that_all_masks_give(everything, mixtures, tmp_path):
    path = mixtures / "test/000000.wav"
    threshold = middle(everything.separate(sound_files.load(path, RATE), RATE).probabilities)
    detection = DetectionConfig(high_threshold=1e-3, low_threshold=0, tag_threshold=threshold)
    for sources in ("all", "found"):
        separator = replace(everything, sources=sources, found_threshold=detection.tag_threshold)
        list(separate_file(separator, path, tmp_path / sources, detection=detection))
    events = (tmp_path / "all/000000/events.tsv").read_text()
    assert (tmp_path / "found/000000/events.tsv").read_text() == events
    assert len(events.splitlines()) > 1


def test_what_a_remix_names_is_there_though_it_was_not_found(everything, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(RATE)[0], RATE, subtype="PCM_16")
    told = tell(everything, ["speech"], sources="found")
    everywhere = replace(told, sources="all")
    for name, how in {"kept": {"keep": ["alert"]}, "off": {"gains": {"alert": -np.inf}}}.items():
        list(separate_file(told, path, tmp_path / name, **how))
        list(separate_file(everywhere, path, tmp_path / f"{name} of all", **how))
        remix, expected = (
            soundfile.read(tmp_path / folder / "a/remix.wav")[0]
            for folder in (name, f"{name} of all")
        )
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(remix, expected, atol=1e-6)
        files = {file.stem for file in (tmp_path / name / "a").glob("*.wav")}
        assert files == {"alert", "speech", "residual", "remix"}


def test_other_words_for_sources_are_refused(everything):
    with pytest.raises(InputError, match="sources is 'every': expected one of auto, all, found"):
        replace(everything, sources="every").separate(noise(RATE)[0], RATE)


def test_a_function_takes_the_choice_as_well(everything):
    told = tell(everything, ["speech"])
    assert absslab.separate(noise(RATE), told, sampling_rate=RATE).classes == tuple(CLASSES)
    found = absslab.separate(noise(RATE), told, sampling_rate=RATE, sources="found")
    assert found.classes == ("speech",)


def test_the_command_writes_what_it_finds(checkpoint, mixtures, tmp_path):
    path = mixtures / "test/000000.wav"
    flags = ["--checkpoint_path", str(checkpoint), "--input", str(path)]
    flags += ["--output_folder", str(tmp_path), "--sources", "found"]
    separated = Separator.from_checkpoint(str(checkpoint)).separate(
        sound_files.load(path, RATE), RATE
    )
    threshold = middle(separated.probabilities)
    assert main(["separate", *flags, "--tag_threshold", str(threshold)]) == 0
    expected = {
        name
        for name, probability in zip(CLASSES, separated.probabilities, strict=True)
        if probability > threshold
    }
    files = {file.stem for file in (tmp_path / "000000").glob("*.wav")}
    assert files == {*expected, "residual"}
    assert 0 < len(expected) < len(CLASSES)


def test_the_thresholds_of_tags_and_of_found_classes_agree():
    assert Separator(None).found_threshold == DetectionConfig().tag_threshold
