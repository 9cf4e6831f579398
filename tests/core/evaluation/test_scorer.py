"""The scorer gives known scores and tables for synthetic signals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from absslab.core.common.errors import InputError
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.evaluation.ideal_masks import IdealMasks
from absslab.core.evaluation.score_summary import summarise_scores
from absslab.core.evaluation.score_table import BASELINES, SEPARATION, Statistics
from absslab.core.evaluation.score_text import score_text
from absslab.core.evaluation.scorer import Estimate, Scorer, ScoringConfig, Truth
from absslab.core.metrics import psds
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd

CLASSES = ("speech", "knock", "alert")
RATE = 16000
N = 8000
FRONT_END = FrontEnd(FeatureConfig(sampling_rate=RATE))
HOP = FRONT_END.config.hop_size / RATE  # s
N_FRAMES = FRONT_END.config.n_frames(N)
PATH = "/somewhere/a.wav"


def sounds(n_sounds, seed=0):
    """Make signals (n_sounds, N) with zero mean, orthogonal and of equal energy."""
    signals = np.random.default_rng(seed).standard_normal((N, n_sounds))
    return (5 * np.linalg.qr(signals - signals.mean(0))[0].T).astype(np.float32)


def recording(references, *, rest=0.0, name="a.wav", labels=None, events=None):
    """Make a recording: the sum of its sources and of a remainder."""
    mixture = np.sum([*references.values(), np.zeros(N, np.float32) + rest], axis=0).astype(
        np.float32
    )
    labels = frozenset(references) if labels is None else frozenset(labels)
    return Truth(name, f"/somewhere/{name}", mixture, RATE, labels, events, references)


def sources(estimates, classes=CLASSES):
    """Make estimates (K, N), silent unless given."""
    return np.stack([estimates.get(name, np.zeros(N, np.float32)) for name in classes])


def new_scorer(classes=CLASSES, criterion=0.0, **settings):
    config = ScoringConfig(**{"n_resamples": 0, "criterion": criterion} | settings)
    masks = IdealMasks(FRONT_END, criterion=criterion)
    return Scorer(classes, config, thresholds=[0.5] * len(classes), ideal_masks=masks)


def score(*pairs, classes=CLASSES, **settings):
    scorer = new_scorer(classes, **settings)
    for truth, estimate in pairs:
        scorer.add(truth, estimate)
    return scorer


def report(scorer):
    """Format the scores as text, and check that there is no NaN in it."""
    scores = summarise_scores(
        scorer, split="test", missing={}, thresholds_from="validation", settings={}
    ).to_json()
    json.dumps(scores, allow_nan=False)
    return scores


def cell(scorer, of_class, column, mixture="a.wav"):
    table = scorer.table()
    (value,) = table[(table["mixture"] == mixture) & (table["class"] == of_class)][column]
    return value


def test_perfect_estimates_have_the_highest_scores_and_leave_nothing():
    speech, knock = sounds(2)
    truth = recording({"speech": speech, "knock": knock})
    scores = report(score((truth, Estimate(sources=sources(truth.references)))))
    separation = scores["separation"]
    assert separation["si_sdr"] == pytest.approx(120)
    # The SI-SDR of a mixture of two equally loud sounds is 0 dB.
    assert separation["si_sdr_improvement"] == pytest.approx(120)
    assert separation["leakage"] == pytest.approx(-120)
    assert separation["residual"] == pytest.approx(-120)
    assert min(separation[name] for name in ("sdr", "sir", "sar", "image_sdr", "isr")) > 100
    assert (separation["n_present"], separation["n_absent"], separation["n_silent_estimates"]) == (
        2,
        1,
        0,
    )


@pytest.mark.parametrize("snr", [-20.0, 0.0, 13.0, 40.0])
def test_estimates_with_orthogonal_noise_have_its_ratio_as_si_sdr(snr):
    speech, knock, noise = sounds(3)
    truth = recording({"speech": speech, "knock": knock})
    estimate = {
        name: source + noise * 10 ** (-snr / 20) for name, source in truth.references.items()
    }
    scorer = score((truth, Estimate(sources=sources(estimate))), bss_eval="none")
    for name in ("speech", "knock"):
        assert cell(scorer, name, "si_sdr") == pytest.approx(snr, abs=1e-2)
        assert cell(scorer, name, "si_sdr_improvement") == pytest.approx(snr, abs=1e-2)


def test_plain_sdr_counts_a_wrong_level_as_an_error():
    speech, knock = sounds(2)
    truth = recording({"speech": speech, "knock": knock})
    half = {name: 0.5 * source for name, source in truth.references.items()}
    scores = report(score((truth, Estimate(sources=sources(half)))))
    assert scores["separation"]["si_sdr"] == pytest.approx(120)
    # The error has a quarter of the energy; the SDR of two equally loud sounds together is 0 dB.
    for name in ("speech", "knock"):
        row = scores["per_class"][name]
        assert row["plain_sdr"] == pytest.approx(20 * np.log10(2), abs=1e-3)
        assert row["plain_sdr_improvement"] == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert scores["separation"]["sdr"] > 100  # BSS Eval allows a filter
    floor = scores["baselines"]["mixture"]
    assert floor["plain_sdr"] == pytest.approx(0, abs=1e-3)
    assert floor["plain_sdr_improvement"] == 0
    for name in BASELINES[1:]:
        assert scores["baselines"][name]["plain_sdr_improvement"] is not None


def test_class_aware_scores_take_the_tags_into_account():
    """Sources 10 dB above their errors improve the SDR of the mixture, 0 dB, by 10 dB."""
    speech, knock, noise = sounds(3)
    truth = recording({"speech": speech, "knock": knock})
    separated = {name: truth.references[name] + noise / np.sqrt(10) for name in truth.references}
    expected = {(0.9, 0.9, 0.1): 10, (0.9, 0.1, 0.1): 5, (0.9, 0.1, 0.9): 10 / 3, (0, 0, 0.9): 0}
    for tags, improvement in expected.items():
        estimate = Estimate(probabilities=np.array(tags), sources=sources(separated))
        scorer = score((truth, estimate), bss_eval="none")
        for name in ("ca_sdr_improvement", "casa_sdr_improvement"):
            assert report(scorer)["separation"][name] == pytest.approx(improvement, abs=1e-2)
            assert cell(scorer, "alert", name) == cell(scorer, "speech", name)
        scores = summarise_scores(scorer, split="test", missing={}, thresholds_from="", settings={})
        assert f"CA-SDRi {improvement:.2f} dB" in score_text(scores)


def test_class_aware_scores_are_means_over_recordings():
    speech, noise = sounds(2)
    truth = recording({"speech": speech}, rest=noise)
    nothing = recording({}, rest=noise, name="b.wav")
    silent = Estimate(probabilities=np.zeros(3), sources=sources({}))
    separated = Estimate(
        probabilities=np.array([0.9, 0.1, 0.1]),
        sources=sources({"speech": speech + noise / np.sqrt(10)}),
    )
    separation = report(score((truth, separated), (nothing, silent)))["separation"]
    assert separation["ca_sdr_improvement"] == pytest.approx(10, abs=1e-2)
    false_alarm = replace(silent, probabilities=np.array([0.9, 0.1, 0.1]))
    separation = report(score((truth, separated), (nothing, false_alarm)))["separation"]
    assert separation["ca_sdr_improvement"] == pytest.approx(5, abs=1e-2)


def test_class_aware_scores_need_tags():
    speech, knock = sounds(2)
    truth = recording({"speech": speech, "knock": knock})
    scores = report(score((truth, Estimate(sources=sources(truth.references)))))
    assert scores["separation"]["ca_sdr_improvement"] is None
    assert scores["missing"]["class_aware_scores"] == "the sources come without tags"


def test_silent_estimates_are_counted_and_have_the_lowest_score():
    speech, knock = sounds(2)
    truth = recording({"speech": speech, "knock": knock})
    scorer = score((truth, Estimate(sources=sources({"speech": speech}))))
    scores = report(scorer)
    assert scores["separation"]["n_silent_estimates"] == 1
    assert scores["per_class"]["knock"]["si_sdr"] == pytest.approx(-120)
    assert scores["per_class"]["knock"]["sdr"] == pytest.approx(-120)
    assert scores["separation"]["si_sdr"] == pytest.approx(0, abs=1e-6)
    assert (
        report(score((truth, Estimate(sources=sources({})))))["separation"]["n_silent_estimates"]
        == 2
    )


def test_an_all_silent_mixture_without_classes_is_scored_without_nan():
    scorer = score((recording({}), Estimate(sources=sources({}), probabilities=np.zeros(3))))
    separation = report(scorer)["separation"]
    assert (
        separation["si_sdr"] is separation["sdr"] is separation["si_sdr_improvement_median"] is None
    )
    assert separation["leakage"] is separation["residual"] is None
    assert separation["n_silent_mixtures"] == 1
    assert (separation["n_present"], separation["n_absent"], separation["n_silent_estimates"]) == (
        0,
        3,
        0,
    )
    assert report(scorer)["mixtures"] is None


def test_the_spread_is_what_one_computes_by_hand_with_and_without_background():
    speech, knock, noise = sounds(3)
    pairs = []
    for name, levels, rest in (
        ("a.wav", (0.1, 1.0), 0.0),  # SI-SDR 20 and 0 dB
        ("b.wav", (10**-0.5, 0.1), noise),  # 10 and 20 dB
    ):
        first, second = levels
        truth = recording({"speech": speech, "knock": knock}, rest=rest, name=name)
        estimates = {"speech": speech + first * noise, "knock": knock + second * noise}
        pairs.append((truth, Estimate(sources=sources(estimates))))
    spread = report(score(*pairs))["separation"]["spread"]
    assert spread["all"]["si_sdr"] == pytest.approx(
        {"mean": 12.5, "std": np.sqrt(68.75), "median": 15, "n": 4}, abs=1e-3
    )
    assert spread["without_background"]["si_sdr"]["mean"] == pytest.approx(10, abs=1e-3)
    assert spread["with_background"]["si_sdr"] == pytest.approx(
        {"mean": 15, "std": 5, "median": 15, "n": 2}, abs=1e-3
    )
    assert set(spread["all"]) == {"sdr", "sir", "sar", "si_sdr"}
    text = score_text(
        summarise_scores(score(*pairs), split=None, missing={}, thresholds_from="", settings={})
    )
    assert "SI-SDR 12.50 ± 8.29 (15.00)" in text
    assert "sources in mixtures with a background, mean ± standard deviation (median)" in text
    only = report(score(pairs[0]))["separation"]["spread"]
    assert set(only) == {"all", "without_background"}


def test_leakage_is_the_level_of_an_absent_class_below_the_mixture():
    speech, noise = sounds(2)
    truth = recording({"speech": speech}, rest=noise)
    estimate = sources({"speech": speech, "knock": 0.1 * truth.mixture, "alert": 0.01 * noise})
    scorer = score((truth, Estimate(sources=estimate)), bss_eval="none")
    assert cell(scorer, "knock", "leakage") == pytest.approx(-20, abs=1e-4)
    assert cell(scorer, "alert", "leakage") == pytest.approx(-40 - 10 * np.log10(2), abs=1e-3)
    assert np.isnan(cell(scorer, "speech", "leakage"))
    assert np.isnan(cell(scorer, "knock", "si_sdr"))
    assert report(scorer)["separation"]["leakage"] == pytest.approx(-30 - 5 * np.log10(2), abs=1e-3)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.9, -20.0), (0.0, 0.0), (1.0, -120.0), (11.0, 20.0)]
)
def test_the_residual_is_the_level_of_what_no_class_took(share, expected):
    (speech,) = sounds(1)
    truth = recording({"speech": speech})
    scorer = score(
        (truth, Estimate(sources=sources({"speech": share * truth.mixture}))), bss_eval="none"
    )
    assert report(scorer)["separation"]["residual"] == pytest.approx(expected, abs=1e-3)


def test_the_residual_counts_a_mixture_once_and_not_once_per_class():
    (speech,) = sounds(1)
    truths = [recording({"speech": speech}, name=name) for name in ("a.wav", "b.wav")]
    estimates = [Estimate(sources=sources({"speech": taken * speech})) for taken in (0.9, 0.0)]
    separation = report(score(*zip(truths, estimates, strict=True), bss_eval="none"))["separation"]
    assert separation["residual"] == pytest.approx(-10, abs=1e-3)


def test_scores_do_not_depend_on_the_order_of_sources_and_classes():
    speech, knock, noise = sounds(3)
    estimates = {
        "speech": speech + 0.3 * noise,
        "knock": knock + 0.1 * speech,
        "alert": 0.2 * noise,
    }
    probabilities = {"speech": 0.9, "knock": 0.4, "alert": 0.6}
    events = [SoundEvent("speech", 0.1, 0.4)]
    results = []
    for classes in (CLASSES, CLASSES[::-1]):
        truth = recording(
            {name: {"speech": speech, "knock": knock}[name] for name in classes if name != "alert"},
            rest=noise,
        )
        truth = replace(truth, events=events)
        estimate = Estimate(
            probabilities=np.array([probabilities[name] for name in classes]),
            events=[SoundEvent("speech", 0.1, 0.4), SoundEvent("knock", 0.1, 0.4)],
            sources=sources(estimates, classes),
        )
        results.append(report(score((truth, estimate), classes=classes))["per_class"])
    assert set(results[0]) == set(results[1])
    for name, row in results[0].items():
        assert {key for key, value in row.items() if value is None} == {
            key for key, value in results[1][name].items() if value is None
        }
        assert {
            key: value for key, value in results[1][name].items() if value is not None
        } == pytest.approx(
            {key: value for key, value in row.items() if value is not None}, abs=1e-6
        )


def test_the_mixture_is_the_floor_and_ideal_masks_are_above_it():
    """Two tones of different frequencies, each with half of the energy: masks separate them."""
    time = np.arange(N) / RATE
    low, high = (0.1 * np.sin(2 * np.pi * f * time).astype(np.float32) for f in (500, 4000))
    truth = recording({"speech": low, "alert": high})
    scores = report(
        score((truth, Estimate(sources=sources({"speech": truth.mixture, "alert": truth.mixture}))))
    )
    assert (
        scores["baselines"]["mixture"]["si_sdr_improvement"]
        == scores["separation"]["si_sdr_improvement"]
        == 0
    )
    assert scores["baselines"]["mixture"]["si_sdr"] == pytest.approx(0, abs=0.01)
    for name in BASELINES[1:]:
        assert scores["baselines"][name]["si_sdr_improvement"] > 20, name


def test_masks_that_are_the_ideal_binary_masks_segment_perfectly_and_their_inverse_not_at_all():
    speech, knock = sounds(2)
    truth = recording({"speech": speech, "knock": knock})
    power, rest = IdealMasks(FRONT_END).powers(truth.mixture, np.stack([speech, knock]))
    masks = torch.zeros(3, *power.shape[1:])
    masks[:2] = (power > rest).float()
    scores = report(score((truth, Estimate(masks=masks.numpy()))))
    assert {name: scores["segmentation"][name] for name in ("f1", "auc", "average_precision")} == {
        "f1": 1.0,
        "auc": 1.0,
        "average_precision": 1.0,
    }
    assert scores["per_class"]["alert"]["segmentation_auc"] is None  # it has no bins
    assert scores["separation"] is None
    inverse = report(score((truth, Estimate(masks=1 - masks.numpy()))))["segmentation"]
    assert inverse["f1"] == inverse["auc"] == 0


def test_the_criterion_says_by_how_much_a_class_must_exceed_the_rest():
    """A tone 10 dB above another in its band exceeds it by 5 dB, but not by 15 dB."""
    (speech,) = sounds(1)
    truth = recording({"speech": speech}, rest=10 ** (-10 / 20) * speech)
    masks = np.ones((3, FRONT_END.config.n_bands, N_FRAMES), np.float32)
    recalled = {}
    for criterion in (5.0, 15.0):
        recalled[criterion] = report(score((truth, Estimate(masks=masks)), criterion=criterion))[
            "per_class"
        ]["speech"]
    assert recalled[5.0]["segmentation_f1"] == pytest.approx(1)
    assert recalled[15.0]["segmentation_f1"] == 0


def test_one_class_alone_is_scored_and_has_no_sir():
    speech, noise = sounds(2)
    truth = recording({"speech": speech}, rest=noise)
    estimate = Estimate(probabilities=np.array([0.8]), sources=(speech + 0.1 * noise)[None])
    scores = report(score((truth, estimate), classes=("speech",)))
    assert scores["separation"]["si_sdr"] == pytest.approx(20, abs=1e-2)
    assert scores["separation"]["sdr"] == pytest.approx(20, abs=1)
    assert scores["separation"]["sir"] is None
    assert scores["separation"]["leakage"] is None
    assert (scores["tagging"]["f1"], scores["tagging"]["auc"]) == (1.0, None)


@pytest.mark.parametrize("labels", [(), CLASSES])
def test_classes_that_are_never_or_always_there_have_no_area_under_a_curve(labels):
    pairs = [
        (
            recording({}, name=f"{index}.wav", labels=labels),
            Estimate(probabilities=np.full(3, 0.3 + 0.2 * index)),
        )
        for index in range(3)
    ]
    scores = report(score(*pairs, n_resamples=10))
    assert scores["tagging"]["auc"] is scores["tagging"]["average_precision"] is None
    assert all(row["auc"] is None for row in scores["per_class"].values())
    assert "tagging.auc" not in scores["intervals"]["scores"]
    # Two of three are above the threshold.
    assert scores["tagging"]["f1"] == pytest.approx(0.8 if labels else 0)


def test_a_class_counts_as_said_from_its_threshold_on():
    scorer = Scorer(
        CLASSES,
        ScoringConfig(n_resamples=0),
        thresholds=[0.3, 0.5, 0.9],
        ideal_masks=IdealMasks(FRONT_END),
    )
    scorer.add(recording({}, labels=CLASSES), Estimate(probabilities=np.array([0.3, 0.49, 0.95])))
    assert scorer.table()["decision"].tolist() == [1, 0, 1]
    per_class = report(scorer)["per_class"]
    assert [per_class[name]["f1"] for name in CLASSES] == [1, 0, 1]
    assert [per_class[name]["threshold"] for name in CLASSES] == [0.3, 0.5, 0.9]


def test_events_that_are_the_true_ones_are_all_found():
    events = [SoundEvent("speech", 0.1, 0.3), SoundEvent("knock", 0.05, 0.45)]
    scores = report(
        score((recording({}, events=events), Estimate(events=events)), segment_length=0.1)
    )
    for kind in ("frame", "segment", "event"):
        assert scores["detection"][kind]["f1"] == 1
        assert scores["detection"][kind]["error_rate"] == 0
        assert scores["per_class"]["speech"][f"{kind}_f1"] == 1
        assert scores["per_class"]["alert"][f"{kind}_f1"] is None  # neither present nor detected
    assert scores["detection"]["psds"] is None
    assert scores["detection"]["frame"]["auc"] is None


def test_a_missed_and_a_made_up_event_are_counted_in_their_classes():
    truth = recording(
        {}, events=[SoundEvent("speech", 0.0, 0.25), SoundEvent("speech", 0.375, 0.5)]
    )
    estimate = Estimate(events=[SoundEvent("speech", 0.0, 0.25), SoundEvent("knock", 0.0, 0.1)])
    scorer = score((truth, estimate), collar=0.05, segment_length=0.125)
    assert [cell(scorer, "speech", f"event_{name}") for name in ("tp", "fp", "fn")] == [1, 0, 1]
    assert [cell(scorer, "speech", f"segment_{name}") for name in ("tp", "fp", "fn")] == [2, 0, 1]
    assert [cell(scorer, "knock", f"event_{name}") for name in ("tp", "fp", "fn")] == [0, 1, 0]
    detection = report(scorer)["detection"]
    assert detection["event"]["f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert detection["event"]["f1_micro"] == pytest.approx(2 / 4)
    assert detection["event"]["error_rate"] == pytest.approx(2 / 2)


def test_activity_that_is_high_exactly_where_events_are_ranks_frames_perfectly():
    events = [SoundEvent("speech", 4.5 * HOP, 9.5 * HOP), SoundEvent("knock", 1.5 * HOP, 5.5 * HOP)]
    activity = np.full((3, N_FRAMES), 0.1)
    activity[0, 5:10] = activity[1, 2:6] = 0.8
    scores = report(
        score((recording({}, events=events), Estimate(activity=activity, hop=HOP, events=events)))
    )
    assert (
        scores["detection"]["frame"]["auc"]
        == scores["detection"]["frame"]["average_precision"]
        == 1
    )
    assert scores["per_class"]["alert"]["frame_auc"] is None
    reverse = report(
        score(
            (recording({}, events=events), Estimate(activity=1 - activity, hop=HOP, events=events))
        )
    )
    assert reverse["detection"]["frame"]["auc"] == 0


def test_variants_have_si_sdr_alone():
    speech, noise = sounds(2)
    truth = recording({"speech": speech}, rest=noise)
    better = (speech + 0.01 * noise)[None]  # row of the present class
    scorer = score(
        (
            truth,
            Estimate(sources=sources({"speech": truth.mixture}), variants={"true_tags": better}),
        )
    )
    assert cell(scorer, "speech", "true_tags.si_sdr") == pytest.approx(40, abs=0.01)
    assert "true_tags.sdr" not in scorer.table()
    assert [step["system"] for step in report(scorer)["breakdown"]][-2:] == ["true_tags", "model"]


def test_mixtures_of_which_only_some_have_strong_labels_or_sources():
    speech, noise = sounds(2)
    complete = recording({"speech": speech}, rest=noise, events=[SoundEvent("speech", 0.0, 0.5)])
    bare = replace(complete, name="b.wav", references=None, events=None)
    estimate = Estimate(
        probabilities=np.array([0.9, 0.2, 0.1]),
        masks=np.full((3, FRONT_END.config.n_bands, N_FRAMES), 0.3, np.float32),
        events=[SoundEvent("speech", 0.0, 0.5)],
        sources=sources({"speech": speech + 0.1 * noise}),
    )
    alone = report(score((complete, estimate)))
    for order in ((complete, bare), (bare, complete)):
        scorer = score(*((truth, estimate) for truth in order))
        scores = report(scorer)
        table = scorer.table()
        assert scores["n_mixtures"] == 2
        assert table["mixture"].tolist() == [truth.name for truth in order for _ in CLASSES]
        for section in ("separation", "segmentation", "baselines", "detection"):
            assert scores[section] == alone[section], section
        assert scores["tagging"]["n_positive"] == 2
        assert (
            table[table["mixture"] == "b.wav"][["present", "si_sdr", "leakage", "event_tp"]]
            .isna()
            .all(axis=None)
        )


def test_recordings_without_weak_labels_are_left_out_of_tagging():
    pairs = [
        (
            recording({}, labels=labels, name=f"{index}.wav"),
            Estimate(probabilities=np.array([0.9, 0.2, 0.6])),
        )
        for index, labels in enumerate([{"speech"}, {"knock", "alert"}])
    ]
    unlabelled = replace(pairs[0][0], name="c.wav", labels=None)
    alone = report(score(*pairs))["tagging"]
    assert report(score(*pairs, (unlabelled, pairs[0][1])))["tagging"] == alone


def test_nothing_known_leaves_every_section_empty_and_the_table_whole():
    truth = Truth("a.wav", PATH, sounds(1)[0], RATE)
    scorer = score((truth, Estimate(probabilities=np.full(3, 0.5))), n_resamples=5)
    scores = report(scorer)
    assert all(
        scores[name] is None
        for name in ("tagging", "detection", "segmentation", "separation", "baselines")
    )
    assert scores["intervals"]["scores"] == {}
    table = scorer.table()
    assert table[["mixture", "path", "class"]].to_numpy().tolist() == [
        ["a.wav", PATH, name] for name in CLASSES
    ]
    assert table[["label", "present"]].isna().all(axis=None)


def test_the_report_and_the_statistics_of_the_table_agree():
    rng = np.random.default_rng(3)
    pairs = []
    for index in range(6):
        speech, knock, noise = sounds(3, seed=index)
        references = {"speech": speech} if index % 2 else {"speech": speech, "knock": knock}
        if index == 5:
            references = {"alert": knock}
        events = [SoundEvent(name, 0.1, 0.4) for name in references]
        truth = recording(references, rest=0.1 * noise, name=f"{index}.wav", events=events)
        gains = rng.uniform(0.1, 1, 3)
        detected = [
            SoundEvent(name, 0.1, 0.4)
            for name, gain in zip(CLASSES, gains, strict=True)
            if gain > 0.5
        ]
        estimate = sources({name: source + gains[0] * noise for name, source in references.items()})
        pairs.append(
            (truth, Estimate(probabilities=rng.uniform(size=3), events=detected, sources=estimate))
        )
    scorer = score(*pairs)
    scores = report(scorer)
    again = Statistics.from_table(scorer.table()).scores()
    for section in ("tagging", "separation"):
        for name in set(scores[section]) & {
            key.partition(".")[2] for key in again if key.startswith(f"{section}.")
        }:
            assert again[f"{section}.{name}"][0] == pytest.approx(scores[section][name]), name
    for kind in ("frame", "segment", "event"):
        assert again[f"detection.{kind}.f1"][0] == pytest.approx(scores["detection"][kind]["f1"])
    for name in CLASSES:
        assert again[f"per_class.{name}.si_sdr"][0] == pytest.approx(
            scores["per_class"][name]["si_sdr"]
        )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_estimates_that_are_not_finite_are_refused_and_the_file_is_named(value):
    speech, knock = sounds(2)
    for name in CLASSES:
        estimate = sources({"speech": speech, "knock": knock})
        estimate[CLASSES.index(name), 100] = value
        with pytest.raises(InputError, match=f"{PATH}: .*NaN"):
            score((recording({"speech": speech, "knock": knock}), Estimate(sources=estimate)))


@pytest.mark.parametrize(
    "probabilities",
    [[0.5, np.nan, 0.5], [0.5, 1.01, 0.5], [-0.01, 0.5, 0.5], [0.5, 0.5], [[0.5] * 3]],
)
def test_probabilities_that_are_none_are_refused_and_the_file_is_named(probabilities):
    with pytest.raises(InputError, match=f"{PATH}: probabilities of shape .* expected 3 values"):
        score((recording({}), Estimate(probabilities=np.array(probabilities))))


def test_masks_and_activity_with_nan_are_refused_and_the_file_is_named():
    (speech,) = sounds(1)
    masks = np.full((3, FRONT_END.config.n_bands, N_FRAMES), 0.5, np.float32)
    masks[2, 3, 4] = np.nan
    with pytest.raises(InputError, match=f"{PATH}: .*NaN"):
        score((recording({"speech": speech}), Estimate(masks=masks)))
    with pytest.raises(InputError, match=f"{PATH}: .*NaN"):
        score((recording({}, events=[]), Estimate(activity=masks[:, 3], hop=HOP, events=[])))


@pytest.mark.parametrize("shape", [(3, N - 1), (3, N + 1), (2, N), (4, N)])
def test_estimates_of_another_shape_are_refused(shape):
    (speech,) = sounds(1)
    with pytest.raises(
        InputError,
        match=rf"{PATH}: estimates have the shape \({shape[0]}, {shape[1]}\): "
        rf"expected \(3, {N}\)",
    ):
        score((recording({"speech": speech}), Estimate(sources=np.ones(shape, np.float32))))


@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize("n_samples", [N - 1, N + 1])
def test_references_of_another_length_are_refused(n_samples, with_masks):
    speech, knock = sounds(2)
    truth = recording({"speech": speech})
    other = np.resize(knock, n_samples)
    masks = (
        np.full((3, FRONT_END.config.n_bands, N_FRAMES), 0.5, np.float32) if with_masks else None
    )
    for references in ({"knock": other}, {"speech": speech, "knock": other}):
        changed = replace(truth, references=references)
        with pytest.raises(InputError, match=f"{PATH}: .*knock has {n_samples} samples.*{N}"):
            score((changed, Estimate(masks=masks, sources=sources({"speech": speech}))))


@pytest.mark.parametrize("part", ["masks", "sources"])
def test_references_of_unknown_classes_are_refused_and_named(part):
    (song,) = sounds(1)
    of_part = {
        "masks": np.full((3, FRONT_END.config.n_bands, N_FRAMES), 0.5, np.float32),
        "sources": sources({}),
    }
    with pytest.raises(
        InputError, match=f"{PATH}: .*unknown class 'song': expected speech, knock, alert"
    ):
        score((recording({"song": song}), Estimate(**{part: of_part[part]})))


def test_a_class_whose_name_is_in_braces_is_named_as_it_is():
    (speech,) = sounds(1)
    estimate = Estimate(sources=sources({"speech": speech}))
    with pytest.raises(InputError, match=rf"{PATH}: .*unknown class '\{{path\}}': expected"):
        score((recording({"{path}": speech}), estimate))


def test_a_reference_that_is_silent_or_constant_is_refused():
    (speech,) = sounds(1)
    for silent in (np.zeros(N, np.float32), np.full(N, 0.1, np.float32)):
        with pytest.raises(InputError, match=f"{PATH}: a reference is silent"):
            score(
                (
                    recording({"knock": silent}, rest=speech),
                    Estimate(sources=sources({"knock": speech})),
                )
            )


def test_nothing_is_beyond_120_dB():
    speech, knock = sounds(2)
    truth = recording({"speech": speech, "knock": knock})
    tags = np.array([0.9, 0.9, 0.1])
    perfect = Estimate(probabilities=tags, sources=sources(truth.references))
    absurd = Estimate(probabilities=1 - tags, sources=sources({"alert": 1e8 * speech}))
    scorer = score((truth, perfect), (replace(truth, name="b.wav"), absurd))
    for name in SEPARATION:
        if name.endswith("_improvement"):  # a difference of two scores
            continue
        values = scorer.table()[name].dropna()
        assert len(values), name
        assert values.abs().max() <= 120 + 1e-9, name


# --- events that overlap, and classes that the labels do not name ---------------------------------


def test_events_of_a_class_that_overlap_are_one_so_that_a_perfect_detector_is_perfect():
    events = [SoundEvent("speech", 0.1, 0.3), SoundEvent("speech", 0.2, 0.4)]
    events += [SoundEvent("speech", 0.4, 0.45), SoundEvent("knock", 0.2, 0.3)]
    truth = recording({}, rest=noise_floor(), labels=["speech", "knock"], events=events)
    heard = [SoundEvent("speech", 0.1, 0.45), SoundEvent("knock", 0.2, 0.3)]
    for detected in (heard, events):
        scorer = score((truth, Estimate(events=detected)))
        detection = report(scorer)["detection"]
        assert detection["event"]["f1"] == 1.0
        assert detection["segment"]["f1"] == 1.0
        assert detection["n_joined_events"] == 2
        scores = summarise_scores(scorer, split="test", missing={}, thresholds_from="", settings={})
        assert "2 true events overlap or touch another of their class" in score_text(scores)


# --- true events as they are labelled, and as their sources sound ---------------------------------


def paused(part, length=N):
    """Make a source that sounds from 0 to 0.1 s and from 0.3 to 0.4 s, as the given noise."""
    source = np.zeros(length, np.float32)
    for start in (0, round(0.3 * RATE)):
        source[start : start + RATE // 10] = part[: RATE // 10]
    return source


def paused_recording(detected, name="a.wav", **settings):
    """Score detected events of a source that pauses within its label, from 0 to 0.4 s."""
    speech = paused(sounds(1)[0])
    events = [SoundEvent("speech", 0.0, 0.4)]
    truth = recording({"speech": speech}, rest=noise_floor(), events=events, name=name)
    estimate = Estimate(events=detected, activity=np.full((3, N_FRAMES), 0.4, np.float32), hop=HOP)
    scorer = new_scorer(
        **{"true_close_gaps": 0.1, "collar": 0.05, "share_of_length": 0.0} | settings
    )
    scorer.add(truth, estimate)
    return scorer


AS_LABELLED = [SoundEvent("speech", 0.0, 0.4)]
AS_IT_SOUNDS = [SoundEvent("speech", 0.0, 0.1), SoundEvent("speech", 0.3, 0.4)]


@pytest.mark.parametrize(
    ("detected", "by_activity", "by_extent"), [(AS_IT_SOUNDS, 1.0, 0.0), (AS_LABELLED, 0.0, 1.0)]
)
def test_events_are_scored_against_both_truths(detected, by_activity, by_extent):
    for truth, main, other in (
        ("activity", by_activity, by_extent),
        ("extent", by_extent, by_activity),
    ):
        scorer = paused_recording(detected, truth=truth)
        scores = report(scorer)
        others = {"activity": "detection_extent", "extent": "detection_activity"}
        other_section = scores[others[truth]]
        assert scores["detection"]["truth"] == truth
        assert scores["detection"]["event"]["f1"] == main
        assert other_section["event"]["f1"] == other
        assert other_section["frame"]["auc"] is not None
        assert scores["per_class"]["speech"]["event_f1"] == main
        name = others[truth].removeprefix("detection_")
        assert scores["per_class"]["speech"][f"{name}_event_f1"] == other
        n_true = {"activity": 2, "extent": 1}[name]
        assert cell(scorer, "speech", f"{name}.event_tp") == other * n_true
        assert scores[f"detection_{truth}"] is None


def test_a_recording_without_sources_is_scored_against_its_labels():
    truth = recording({}, rest=noise_floor(), labels=["speech"], events=AS_LABELLED)
    truth = replace(truth, references=None)
    scores = report(score((truth, Estimate(events=AS_LABELLED))))
    assert scores["detection"]["truth"] == "extent"
    assert scores["detection"]["event"]["f1"] == 1.0
    assert scores["detection_activity"] is scores["detection_extent"] is None


def test_recordings_of_which_some_have_sources_are_said():
    scorer = paused_recording(AS_IT_SOUNDS)
    without = recording({}, rest=noise_floor(), labels=["speech"], events=AS_LABELLED, name="b.wav")
    scorer.add(replace(without, references=None), Estimate(events=AS_LABELLED))
    scores = report(scorer)
    assert scores["detection"]["event"]["f1"] == 1.0
    assert scores["missing"]["activity"].startswith("on 1 of 2 recordings only")


def test_labelled_events_that_are_silent_are_counted_and_said():
    speech = np.zeros(N, np.float32)
    speech[: RATE // 10] = sounds(1)[0][: RATE // 10]
    events = [SoundEvent("speech", 0.0, 0.1), SoundEvent("speech", 0.2, 0.3)]
    truth = recording({"speech": speech}, rest=noise_floor(), events=events)
    scorer = score((truth, Estimate(events=events[:1])))
    scores = summarise_scores(scorer, split="test", missing={}, thresholds_from="", settings={})
    assert scores.detection.event.f1 == 1.0
    assert scores.detection.n_silent_events == 1
    assert "1 labelled events are no true ones" in score_text(scores)


@pytest.mark.skipif(not psds.is_available(), reason="sed_scores_eval is missing")
def test_psds_before_tags_decide_is_that_of_the_activity_without_their_gate():
    """The knock is not tagged, so its activity counts only before the gate."""
    events = [SoundEvent("speech", 0.1, 0.2), SoundEvent("knock", 0.3, 0.4)]
    truth = replace(recording({}, rest=noise_floor(), events=events), references=None)
    ungated = np.zeros((3, N_FRAMES), np.float32)
    for k, event in enumerate(events):
        ungated[k, round(event.onset / HOP + 0.5) : round(event.offset / HOP + 0.5)] = 0.9
    gated = ungated * np.array([1, 0, 0], np.float32)[:, None]
    estimate = Estimate(activity=gated, ungated_activity=ungated, hop=HOP, events=[])
    detection = report(score((truth, estimate)))["detection"]
    assert detection["psds"]["psds1"] < 0.6
    assert detection["psds_ungated"]["psds1"] == pytest.approx(1.0)


def test_levels_in_the_wrong_order_are_refused():
    with pytest.raises(InputError, match="true_onset_level is 50: expected at most"):
        ScoringConfig(true_onset_level=50.0)


def noise_floor():
    return 0.01 * np.random.default_rng(0).standard_normal(N).astype(np.float32)


def test_a_class_that_the_labels_do_not_name_has_no_score_but_a_reason():
    pairs = []
    for index, present in enumerate([("speech",), ("knock",), ("speech", "knock"), ()]):
        truth = replace(
            recording({}, rest=noise_floor(), name=f"{index}.wav", labels=present, events=[]),
            unlabelled=frozenset({"alert"}),
        )
        probabilities = [0.9 if name in present else 0.1 for name in CLASSES]
        probabilities[CLASSES.index("alert")] = 0.8
        events = [SoundEvent("alert", 0.1, 0.3)]
        pairs.append((truth, Estimate(probabilities=np.array(probabilities), events=events)))
    scores = report(score(*pairs))
    assert scores["tagging"]["auc"] == scores["tagging"]["f1"] == 1.0
    assert scores["per_class"]["speech"]["f1"] == scores["per_class"]["knock"]["auc"] == 1.0
    alert = scores["per_class"]["alert"]
    assert {alert[name] for name in ("auc", "f1", "accuracy", "event_f1", "n_labelled")} == {None}
    assert "no recording has it" in scores["missing"]["per_class.alert"]


def test_labels_that_are_all_unknown_are_said():
    truth = replace(
        recording({}, rest=noise_floor(), labels=[]), unlabelled=frozenset(CLASSES), references=None
    )
    scores = report(score((truth, Estimate(probabilities=np.full(len(CLASSES), 0.5)))))
    assert scores["missing"]["tagging"] == "no label of the recordings is known"
    assert "or leave it open" in scores["missing"]["per_class.knock"]
    assert scores["tagging"] is None


def test_a_class_that_no_recording_has_is_said():
    truth = recording({}, rest=noise_floor(), labels=["speech"])
    scores = report(score((truth, Estimate(probabilities=np.full(len(CLASSES), 0.5)))))
    assert scores["missing"]["per_class.knock"] == "no recording has it"


@pytest.mark.parametrize("fault", ["activity", "masks", "source"])
def test_a_recording_that_can_not_be_scored_changes_no_score(fault):
    speech, knock = sounds(2)
    events = [SoundEvent("speech", 0.1, 0.3)]
    good = recording({"speech": speech}, rest=0.1 * knock, events=events)
    n_frames = N_FRAMES
    estimate = Estimate(
        probabilities=np.array([0.9, 0.2, 0.1]),
        masks=np.full((3, FRONT_END.config.n_bands, n_frames), 0.4, np.float32),
        activity=np.full((3, n_frames), 0.4),
        hop=HOP,
        events=events,
        sources=sources({"speech": speech}),
    )
    bad_truth = replace(good, name="b.wav")
    bad_estimate = estimate
    if fault == "activity":
        bad_estimate = replace(estimate, activity=np.full((3, n_frames), np.nan))
    elif fault == "masks":
        bad_estimate = replace(estimate, masks=np.full_like(estimate.masks, np.nan))
    else:
        bad_truth = replace(bad_truth, references={"speech": np.zeros(N, np.float32)})
    expected = report(score((good, estimate), on_error="skip"))
    scorer = new_scorer(on_error="skip")
    with pytest.raises(InputError):
        scorer.add(bad_truth, bad_estimate)
    scorer.add(good, estimate)
    with pytest.raises(InputError):
        scorer.add(bad_truth, bad_estimate)
    assert report(scorer) == expected
    assert len(scorer.table()) == 3
