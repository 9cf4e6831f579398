"""The document of scores: sections, dotted names, versions."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from absslab.core.common.errors import InputError
from absslab.core.evaluation.score_table import NO_BASELINE, PER_MIXTURE, SEPARATION
from absslab.core.evaluation.scores import (
    BreakdownStep,
    ClassScores,
    CountScores,
    DetectionScores,
    Intervals,
    Scores,
    SeparationScores,
    SourceScores,
    TaggingScores,
)

WRITTEN = Path(__file__).parents[2] / "fixtures" / "version_0_1_0"
SCORES = Scores(
    ("speech",),
    tagging=TaggingScores(auc=0.75, thresholds_from="validation"),
    detection=DetectionScores(event=CountScores(f1=0.5)),
    breakdown=(BreakdownStep("model", 3.0, "its tags", lost=1.0),),
    per_class={"speech": ClassScores(n_present=2, si_sdr=1.5)},
    intervals=Intervals({"tagging.auc": [0.5, 1.0]}, n_resamples=20),
    settings={"scoring": {"collar": 0.2, "names": ["a"]}},
)


def test_scores_come_back_from_json():
    content = json.loads(json.dumps(SCORES.to_json(), allow_nan=False))
    assert content["version"] == Scores.VERSION
    assert Scores.from_json(content) == SCORES


def test_every_defined_number_has_a_dotted_name():
    assert SCORES.flat() == {
        "tagging.auc": 0.75,
        "detection.event.f1": 0.5,
        "per_class.speech.n_present": 2,
        "per_class.speech.si_sdr": 1.5,
    }


def test_each_separation_score_has_its_fields():
    names = {
        document: {field.name for field in fields(document)}
        for document in (SourceScores, SeparationScores, ClassScores)
    }
    assert names[SourceScores] == set(SEPARATION) - set(NO_BASELINE)
    assert names[SeparationScores] >= set(SEPARATION)
    assert names[ClassScores] >= set(SEPARATION) - set(PER_MIXTURE)


def without_added(section, added):
    """Remove the scores that were added, and check that they are undefined."""
    if not isinstance(section, dict):
        return section
    assert all(section[name] is None for name in added & section.keys())
    return {
        name: without_added(value, added) for name, value in section.items() if name not in added
    }


@pytest.mark.parametrize("name", ["unet/scores.json", "vgg.json"])
def test_scores_of_version_0_1_0_keep_their_numbers(name, added_scores):
    """A new score is undefined in these files: add its name to `ADDED_SINCE_0_1_0`."""
    before = json.loads((WRITTEN / name).read_text())
    scores = Scores.from_json({key: value for key, value in before.items() if key != "table"})
    assert scores.absslab == before["version"]
    after = scores.to_json()
    for section in ("tagging", "detection", "segmentation", "separation", "baselines", "mixtures"):
        assert without_added(after[section], added_scores) == before[section]
    assert after["intervals"] == before["intervals"]
    for label, row in before["per_class"].items():
        assert row.items() <= after["per_class"][label].items()
    steps = [{**step, "cause": step["to"]} for step in before["ladder"]]
    for step in steps:
        del step["to"]
    assert after["breakdown"] == steps
    assert after["settings"]["scoring"] == before["settings"]["ScoringConfig"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": Scores.VERSION + 1}, f"newer than {Scores.VERSION}: update ABSSLab"),
        ({"tagging": {"auk": 0.5}}, "tagging has an unknown field 'auk'; did you mean auc"),
        ({"tagging": {"auc": "high"}}, "tagging.auc is 'high': expected a number"),
        ({"tagging": {"auc": True}}, "tagging.auc is True: expected a number"),
        ({"classes": "speech"}, "classes is 'speech': expected a list"),
        ({"breakdown": [{"system": "model"}]}, r"breakdown\[0\].si_sdr_improvement is missing"),
        ({"per_class": [1]}, r"per_class is \[1\]: expected named values"),
    ],
)
def test_what_is_not_understood_is_refused_and_named(change, message):
    with pytest.raises(InputError, match=message):
        Scores.from_json(SCORES.to_json() | change)


def test_scores_can_be_replaced_but_not_changed():
    assert replace(SCORES, n_mixtures=3).n_mixtures == 3
    with pytest.raises(AttributeError):
        SCORES.n_mixtures = 3
