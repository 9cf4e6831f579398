"""A checkpoint is enough to compute the scores of a split."""

import csv
import hashlib
import json
import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import LongWork, run_to_end
from absslab.core.data.mixture_folder import source_files
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.evaluation.printed_metric import loss_line, metric_lines
from absslab.core.evaluation.score_summary import TAG_SCORE_NAMES, TRUE_TAGS
from absslab.core.evaluation.score_table import (
    BASELINES,
    BSS_EVAL,
    NO_BASELINE,
    SEPARATION,
    Statistics,
)
from absslab.core.evaluation.score_text import score_text
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.metrics import psds
from absslab.core.metrics.separation import si_sdr
from absslab.core.metrics.tagging import best_thresholds, tagging_scores
from absslab.core.model.event_thresholds import ClassThresholds, EventThresholds
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.separator import Separator
from absslab.core.training.losses import TAG_LOSSES

QUICK = ScoringConfig(bss_eval="none", n_resamples=0)
N_TEST = 8
N_VALIDATION = 8
N_CLASSES = 4


def prepare(checkpoint, scoring=QUICK, **options):
    return open_evaluation(
        EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu", **options), scoring=scoring
    )


def evaluate(checkpoint, scoring=QUICK, **options):
    return run_to_end(prepare(checkpoint, scoring, **options).run())


@pytest.fixture(scope="module")
def opened(checkpoint):
    return prepare(checkpoint, ScoringConfig(n_resamples=200))


@pytest.fixture(scope="module")
def evaluation(opened):
    return run_to_end(opened.run())


@pytest.fixture(scope="module")
def scores(evaluation):
    return evaluation.scores.to_json()


@pytest.fixture
def own_set(mixtures, tmp_path):
    """Copy the mixtures, so that a test may damage them."""
    return shutil.copytree(mixtures, tmp_path / "set")


def columns(table, *names):
    """Return columns of a table as (n, K) each."""
    return [table[name].to_numpy(float).reshape(-1, N_CLASSES) for name in names]


def rewritten(path, change, delimiter=","):
    """Rewrite a table with changed rows."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    lines = [header, *(change(row) for row in rows)]
    path.write_text("".join(delimiter.join(row) + "\n" for row in lines))


def flip_labels(row):
    return [row[0], *(str(1 - int(cell)) for cell in row[1:])]


def numbers(row):
    """Replace None by NaN."""
    return {name: np.nan if value is None else value for name, value in row.items()}


def thresholds(scores):
    return {name: row["threshold"] for name, row in scores["per_class"].items()}


def test_scores_are_those_of_the_model_on_that_split_with_thresholds_chosen_on_validation(
    checkpoint, settings, opened, evaluation, scores
):
    labels, probabilities = columns(
        evaluate(checkpoint, split="validation").table, "label", "probability"
    )
    chosen = best_thresholds(labels, probabilities, otherwise=settings.training.thresholds)
    assert list(thresholds(scores).values()) == chosen
    labels, probabilities = columns(evaluation.table, "label", "probability")
    np.testing.assert_array_equal(labels, opened.data_set.labels)
    expected = tagging_scores(labels, probabilities, thresholds=chosen)
    assert {TAG_SCORE_NAMES[name]: value for name, value in expected.items()}.items() <= scores[
        "tagging"
    ].items()
    for average in ("weighted", "micro"):
        expected = tagging_scores(labels, probabilities, thresholds=chosen, average=average)
        assert scores["tagging"][average] == {
            TAG_SCORE_NAMES[name]: value for name, value in expected.items()
        }
    assert scores["tagging"]["thresholds_from"] == "validation"
    assert (scores["split"], scores["n_mixtures"], scores["classes"]) == (
        "test",
        N_TEST,
        opened.classes,
    )
    assert (
        scores["separation"]["n_present"] + scores["separation"]["n_absent"] == N_TEST * N_CLASSES
    )


def test_what_is_scored_is_what_the_separator_gives(checkpoint, opened, evaluation):
    table = evaluation.table
    separator = Separator.from_checkpoint(str(checkpoint))
    for index in range(2):
        truth = opened.truth(index)
        separation = separator.separate(truth.mixture, truth.sampling_rate)
        rows = table[table["mixture"] == truth.name].set_index("class")
        np.testing.assert_allclose(rows["probability"], separation.probabilities, rtol=1e-5)
        for name, reference in truth.references.items():
            expected = si_sdr(reference, separation.sources[separator.classes.index(name)])
            assert rows.loc[name, "si_sdr"] == pytest.approx(expected, abs=1e-3)
            gained = expected - si_sdr(reference, truth.mixture)
            assert rows.loc[name, "si_sdr_improvement"] == pytest.approx(gained, abs=1e-3)


@pytest.mark.parametrize("tag_exponent", [0.0, 1.0])
def test_a_recording_is_scored_with_one_segment_in_memory(checkpoint, monkeypatch, tag_exponent):
    n_alive = []
    predicted = []
    predict = Separator.predict

    def watched(self, waveform):
        masks = predict(self, waveform)
        predicted.append(weakref.ref(masks.masks))
        n_alive.append(sum(reference() is not None for reference in predicted))
        return masks

    monkeypatch.setattr(Separator, "predict", watched)
    prepared_evaluation = open_evaluation(
        EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu"),
        SeparationConfig(tag_exponent=tag_exponent),
        scoring=QUICK,
    )
    truth = prepared_evaluation.truth(0)
    repeated = {name: np.tile(samples, 40) for name, samples in truth.references.items()}
    longer = replace(truth, mixture=np.tile(truth.mixture, 40), references=repeated)
    prepared_evaluation.estimate(longer)
    assert len(n_alive) > 2
    assert max(n_alive) <= 2


def test_true_tags_refine_the_masks_as_if_the_model_had_given_them(checkpoint, opened):
    truth = opened.truth(0)
    tags = np.array([float(name in truth.references) for name in opened.classes], np.float32)
    plain = Separator.from_checkpoint(str(checkpoint))

    class SeparatorWithTags(Separator):
        def postprocess(self, predicted, _=None, found=None):
            return super().postprocess(predicted, tags, found)

    assert plain.model.competing
    separator_with_tags = SeparatorWithTags(plain.model)
    estimate = opened.estimate(truth)
    separation = plain.separate(truth.mixture, truth.sampling_rate)
    refined = separator_with_tags.separate(truth.mixture, truth.sampling_rate).sources[tags > 0]
    order = [opened.classes.index(name) for name in truth.references]
    in_order = list(np.flatnonzero(tags))
    np.testing.assert_array_equal(estimate.sources, separation.sources)
    expected = refined[[in_order.index(index) for index in order]]
    np.testing.assert_array_equal(estimate.variants[TRUE_TAGS], expected)


def test_progress_goes_on_to_the_end_and_a_second_run_starts_anew(checkpoint):
    evaluation = prepare(checkpoint)
    for _ in range(2):
        work = LongWork(evaluation.run())
        steps = list(work)
        assert [step.done for step in steps] == list(range(1, N_VALIDATION + N_TEST + 1))
        assert {step.total for step in steps} == {N_VALIDATION + N_TEST}
        assert work.result.scores.n_mixtures == N_TEST


def test_the_scores_have_the_sections_and_names_that_others_read(scores):
    sections = {
        "tagging": {"auc", "average_precision", "f1", "precision", "recall", "accuracy", "matthews"}
        | {"eer", "weighted", "micro", "n_positive", "thresholds_from"},
        "detection": {"frame", "segment", "event", "psds"},
        "segmentation": {"f1", "auc", "average_precision"},
        "separation": set(SEPARATION),
        "baselines": {"mixture", "ideal_binary_mask", "ideal_ratio_mask"}
        | {"ideal_binary_mask_mel", "ideal_ratio_mask_mel"},
        "intervals": {"confidence", "n_resamples", "scores"},
    }
    assert {
        "split",
        "n_mixtures",
        "classes",
        "per_class",
        "missing",
        "settings",
        "breakdown",
        "mixtures",
    } <= set(scores)
    for section, names in sections.items():
        assert names <= set(scores[section]), section
    for kind in ("frame", "segment", "event"):
        assert {"f1", "precision", "recall", "error_rate"} <= set(scores["detection"][kind])
    assert {"auc", "average_precision", "eer"} <= set(scores["detection"]["frame"])
    assert list(scores["per_class"]) == scores["classes"]
    assert set(scores["settings"]) == {"evaluation", "separation", "detection", "scoring"}


def test_thresholds_by_hand_replace_those_of_the_validation_split(checkpoint):
    for by_hand in ((0.3,), (0.1, 0.2, 0.3, 0.4)):
        opened = prepare(checkpoint, tagging_thresholds=by_hand)
        assert opened.validation is None
        result = run_to_end(opened.run())
        found = [row.threshold for row in result.scores.per_class.values()]
        assert found == list(np.broadcast_to(by_hand, N_CLASSES))
        probabilities, decisions = columns(result.table, "probability", "decision")
        np.testing.assert_array_equal(decisions, probabilities >= np.array(by_hand))
        assert result.scores.tagging.thresholds_from == "tagging_thresholds"


def test_thresholds_of_frames_and_bins_decide_their_scores(checkpoint):
    def scores_at(threshold):
        scoring = replace(QUICK, frame_threshold=threshold, segmentation_threshold=threshold)
        return evaluate(checkpoint, scoring, n_recordings=2).scores

    everything = scores_at(0.0)
    assert everything.detection.frame.recall == 1
    nothing = scores_at(1.0)
    assert (nothing.detection.frame.recall, nothing.segmentation.f1) == (0, 0)
    assert everything.detection.event == nothing.detection.event
    assert everything.detection.frame.eer == nothing.detection.frame.eer
    assert everything.segmentation.f1 > 0


def test_frames_with_enough_activity_are_found(checkpoint):
    opened = prepare(checkpoint, replace(QUICK, frame_threshold=0.3), n_recordings=1)
    activity = opened.estimate(opened.truth(0)).activity  # (K, T)
    result = run_to_end(opened.run())
    centres = np.arange(round(2 / 0.02)) * 0.02
    nearest = np.rint(centres / 0.032).astype(int)
    n_found = (activity[:, nearest] >= 0.3).sum(1)
    counted = result.table["frame_tp"] + result.table["frame_fp"]
    np.testing.assert_array_equal(counted, n_found)


def test_only_the_first_recordings_are_scored(checkpoint, evaluation):
    table = evaluate(checkpoint, n_recordings=3).table
    for name in ("mixture", "class", "probability", "si_sdr"):
        expected = evaluation.table[name][: 3 * N_CLASSES]
        assert table[name].equals(expected), name
    assert evaluate(checkpoint, n_recordings=1000).scores.n_mixtures == N_TEST


def test_the_printed_metric_is_that_of_the_scores(evaluation):
    per_class = metric_lines(evaluation, "f1-score", None)
    assert per_class[0] == "f1-score of each class (test):"
    rows = evaluation.scores.per_class
    assert [line.split()[0] for line in per_class[1:]] == list(rows)
    for line, row in zip(per_class[1:], rows.values(), strict=True):
        assert line.split()[1] == ("not" if row.f1 is None else f"{row.f1:.4f}")
    for average in ("weighted", "micro"):
        value = getattr(evaluation.scores.tagging, average).eer
        lines = metric_lines(evaluation, "equal_error_rate", average)
        assert lines[1] == f"{average}  {value:.4f}"
    assert metric_lines(evaluation, "accuracy", "samples")[1].startswith("samples  0.")


def test_the_printed_loss_is_the_mean_over_known_labels(evaluation):
    table = evaluation.table.copy()
    table.loc[table.index[0], "label"] = np.nan
    table.loc[table.index[1], "probability"] = np.nan
    known = table[["label", "probability"]].dropna().to_numpy(float)
    assert len(known) == len(table) - 2
    label, probability = known.T
    cost = -np.log(np.where(label == 1, probability, 1 - probability)).mean()
    for loss in TAG_LOSSES:
        line = loss_line(evaluation._replace(table=table), loss)
        assert line == f"loss of the tags ({loss}): {cost:.4f}"
    scores = replace(evaluation.scores, tagging=None)
    assert loss_line(evaluation._replace(scores=scores), "BCE") is None


def test_scores_are_plain_data_without_nan(scores):
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_the_mixture_taken_for_its_sources_improves_nothing(evaluation, scores):
    improvements = evaluation.table["mixture.si_sdr_improvement"].dropna()
    assert len(improvements) == scores["separation"]["n_present"]
    assert (improvements == 0).all()
    assert scores["baselines"]["mixture"]["si_sdr_improvement"] == 0


def test_ideal_masks_are_better_than_the_mixture_and_bins_better_than_bands(scores):
    gained = {name: row["si_sdr_improvement"] for name, row in scores["baselines"].items()}
    assert all(gained[name] > 3 for name in BASELINES[1:])
    assert gained["ideal_binary_mask"] > gained["ideal_binary_mask_mel"]
    assert gained["ideal_ratio_mask"] > gained["ideal_ratio_mask_mel"]
    for name in BASELINES[1:]:
        assert scores["baselines"][name]["sdr"] > scores["baselines"]["mixture"]["sdr"]


def test_the_steps_from_the_best_mask_down_to_the_model_add_up(scores):
    first, *steps = scores["breakdown"]
    assert first["system"] == "phase_sensitive_mask"
    assert steps[-1]["system"] == "model"
    remaining = first["si_sdr_improvement"] - sum(step["lost"] for step in steps)
    assert remaining == pytest.approx(scores["separation"]["si_sdr_improvement"])


@pytest.mark.reference_flaw(
    "scores of classes that are absent were averaged with those of present ones"
)
def test_present_and_absent_classes_are_never_averaged_together(evaluation, scores):
    table = evaluation.table
    present = table["present"] == 1
    assert set(table["present"]) == {0, 1}
    of_present = set(SEPARATION) - set(NO_BASELINE) - {"sir"}  # a single class has no SIR
    for name in (*of_present, *(f"{system}.si_sdr" for system in BASELINES)):
        assert (table[name].notna() == present).all(), name
    assert (table["leakage"].notna() == ~present).all()
    # Labels and sources of these mixtures agree.
    np.testing.assert_array_equal(table["present"], table["label"])
    assert scores["separation"]["si_sdr_improvement"] == pytest.approx(
        table["si_sdr_improvement"][present].mean()
    )
    assert scores["separation"]["leakage"] == pytest.approx(table["leakage"][~present].mean())
    assert scores["separation"]["n_present"] == present.sum()
    for name, row in scores["per_class"].items():
        of_class = table[table["class"] == name]
        assert row["n_present"] == of_class["label"].sum()
        assert row["leakage"] == pytest.approx(of_class["leakage"].mean(), nan_ok=True)


def test_the_residual_is_what_no_class_took(opened, evaluation, scores):
    truth = opened.truth(0)
    rest = truth.mixture - opened.estimate(truth).sources.sum(0)
    expected = 10 * np.log10(
        np.square(rest, dtype=float).sum() / np.square(truth.mixture, dtype=float).sum()
    )
    residuals = evaluation.table.set_index("mixture")["residual"]
    assert residuals[truth.name].to_numpy() == pytest.approx([expected] * N_CLASSES, abs=1e-3)
    assert scores["separation"]["residual"] == pytest.approx(
        residuals.groupby(level=0).first().mean()
    )


def test_the_report_and_the_table_tell_the_same(evaluation, scores):
    """Scores are computed as a whole, and from the table: two ways, one result."""
    again = {
        name: float(value[0])
        for name, value in Statistics.from_table(evaluation.table).scores().items()
    }
    expected = {
        f"tagging.{name}": scores["tagging"][name] for name in ("auc", "average_precision", "f1")
    }
    expected |= {
        f"detection.{kind}.f1": scores["detection"][kind]["f1"]
        for kind in ("frame", "segment", "event")
    }
    expected |= {f"separation.{name}": scores["separation"][name] for name in SEPARATION}
    expected |= {
        f"baselines.{system}.si_sdr": scores["baselines"][system]["si_sdr"] for system in BASELINES
    }
    assert {name: again[name] for name in expected} == pytest.approx(expected)
    for name, row in scores["per_class"].items():
        assert again[f"per_class.{name}.si_sdr"] == pytest.approx(row["si_sdr"])


def test_intervals_enclose_the_scores_they_belong_to(scores):
    intervals = scores["intervals"]
    assert (intervals["confidence"], intervals["n_resamples"]) == (0.95, 200)
    for name in ("si_sdr", "si_sdr_improvement", "sdr", "leakage", "residual"):
        low, high = intervals["scores"][f"separation.{name}"]
        assert low <= scores["separation"][name] <= high
    assert intervals["scores"]["baselines.mixture.si_sdr_improvement"] == [0, 0]


def test_the_worst_and_the_best_mixtures_are_named(evaluation, scores):
    means = evaluation.table.groupby("mixture")["si_sdr_improvement"].mean()
    assert scores["mixtures"]["worst"][0]["mixture"] == means.idxmin()
    assert scores["mixtures"]["best"][0]["mixture"] == means.idxmax()
    assert scores["mixtures"]["best"][0]["si_sdr_improvement"] == pytest.approx(means.max())


@pytest.mark.reference_flaw(
    "separated sources were joined to classes by position, so that classes got the scores of others"
)
def test_sources_are_joined_by_class_name_whatever_the_order_of_the_model(
    checkpoint, tmp_path, scores
):
    """A model with its classes in another order has the same score for each class."""
    content = torch.load(checkpoint, weights_only=True)
    order = [2, 0, 3, 1]
    content["classes"] = [content["classes"][k] for k in order]
    for name, value in content["weights"].items():
        if name.startswith(("mask_net.to_masks.", "mask_net.sharpen.3.")):
            content["weights"][name] = value[[*order, 4]]  # the background stays last
    torch.save(content, tmp_path / "permuted.ckpt")
    permuted = evaluate(tmp_path / "permuted.ckpt", ScoringConfig(n_resamples=0)).scores.to_json()
    assert permuted["classes"] == [scores["classes"][k] for k in order]
    assert set(permuted["per_class"]) == set(scores["per_class"])
    for name, row in scores["per_class"].items():
        assert numbers(permuted["per_class"][name]) == pytest.approx(
            numbers(row), rel=1e-3, abs=1e-3, nan_ok=True
        )


def test_thresholds_do_not_depend_on_the_recordings_that_are_scored(checkpoint, own_set, scores):
    rewritten(own_set / "test/weak_labels.csv", flip_labels)
    for index, path in enumerate(sorted((own_set / "test").glob("*.wav"))):
        sound_files.save(path, 0.1 * np.random.default_rng(index).standard_normal(32000), 16000)
    with collect_notices():  # the labels name classes of which there are no sources
        other = evaluate(checkpoint, data_folder=str(own_set)).scores.to_json()
    assert thresholds(other) == thresholds(scores)
    assert other["tagging"]["auc"] != scores["tagging"]["auc"]
    rewritten(own_set / "validation/weak_labels.csv", flip_labels)
    with collect_notices():
        other = evaluate(checkpoint, data_folder=str(own_set)).scores.to_json()
    assert thresholds(other) != thresholds(scores)


@pytest.mark.parametrize("case", ["validation is scored", "there is no validation split"])
def test_thresholds_are_the_training_settings_where(checkpoint, settings, own_set, case):
    if case == "there is no validation split":
        shutil.rmtree(own_set / "validation")
    split = "validation" if case == "validation is scored" else "test"
    evaluation = prepare(checkpoint, data_folder=str(own_set), split=split)
    work = LongWork(evaluation.run())
    assert [step.done for step in work] == list(range(1, 9))
    own_scores = work.result.scores.to_json()
    assert own_scores["tagging"]["thresholds_from"] == "training settings"
    assert set(thresholds(own_scores).values()) == set(settings.training.thresholds)


@pytest.mark.parametrize("samples", [np.zeros(0), np.full(32000, np.nan)])
def test_a_validation_recording_that_can_not_be_read_is_refused_and_named(
    checkpoint, own_set, samples
):
    """Otherwise other thresholds would be used without notice."""
    soundfile.write(own_set / "validation/000001.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(InputError, match=r"validation/000001\.wav"):
        evaluate(checkpoint, data_folder=str(own_set))


def test_without_saved_sources_there_is_tagging_and_it_is_said_what_is_missing(
    checkpoint, own_set, scores
):
    for folder in (own_set / "test").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    own_scores = evaluate(
        checkpoint, ScoringConfig(n_resamples=20), data_folder=str(own_set)
    ).scores.to_json()
    for section in ("separation", "segmentation", "baselines", "breakdown", "mixtures"):
        assert own_scores[section] is None, section
    assert "sources" in own_scores["missing"]["separation"]
    assert "sources" in own_scores["missing"]["segmentation"]
    assert own_scores["tagging"] == scores["tagging"]
    assert scores["detection"]["truth"] == "activity"
    assert own_scores["detection"] == scores["detection_extent"]
    assert own_scores["detection_activity"] is own_scores["detection_extent"] is None
    json.dumps(own_scores, allow_nan=False)


def test_mixtures_of_which_only_some_have_sources_are_scored_where_they_have(
    checkpoint, own_set, evaluation, scores
):
    shutil.rmtree(own_set / "test/000003")
    own_evaluation = evaluate(checkpoint, data_folder=str(own_set))
    table = own_evaluation.table
    full_table = evaluation.table
    assert table[table["mixture"] == "000003.wav"]["present"].isna().all()
    rest = full_table[full_table["mixture"] != "000003.wav"]
    assert own_evaluation.scores.to_json()["separation"]["si_sdr"] == pytest.approx(
        rest["si_sdr"].mean()
    )
    assert own_evaluation.scores.to_json()["tagging"] == scores["tagging"]
    json.dumps(own_evaluation.scores.to_json(), allow_nan=False)


def test_without_strong_labels_there_is_no_detection_and_it_is_said(checkpoint, own_set, scores):
    (own_set / "test/events.tsv").unlink()
    own_scores = evaluate(checkpoint, data_folder=str(own_set)).scores.to_json()
    assert own_scores["detection"] is None
    assert "events.tsv" in own_scores["missing"]["detection"]
    assert own_scores["separation"]["si_sdr"] == pytest.approx(scores["separation"]["si_sdr"])
    json.dumps(own_scores, allow_nan=False)


def test_events_are_scored_with_the_thresholds_of_the_model(checkpoint, opened, scores):
    chosen = opened.separator.model.event_thresholds
    for name, row in scores["per_class"].items():
        thresholds = opened.detection.thresholds(chosen, name)
        assert (row["high_threshold"], row["low_threshold"]) == (thresholds.high, thresholds.low)
        assert row["median_filter"] == thresholds.median_filter
    source = f"strong labels of {N_VALIDATION} validation recordings"
    assert scores["detection"]["event_thresholds_from"] == source
    assert scores["detection"]["activity"] == chosen.activity == "clarity"
    fixed = DetectionConfig(high_threshold=0.3, low_threshold=0.1, median_filter=0.0)
    evaluation = open_evaluation(
        EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu"),
        detection=fixed,
        scoring=QUICK,
    )
    own_scores = run_to_end(evaluation.run()).scores
    assert own_scores.detection.event_thresholds_from == "settings"
    assert {row.high_threshold for row in own_scores.per_class.values()} == {0.3}


@pytest.mark.parametrize(("threshold", "n_found"), [(0.0, N_CLASSES), (1.0, 0)])
def test_events_are_found_with_the_thresholds_of_the_model(checkpoint, threshold, n_found):
    evaluation = open_evaluation(
        EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu"),
        detection=DetectionConfig(tag_threshold=0.0),
        scoring=QUICK,
    )
    thresholds = dict.fromkeys(evaluation.classes, ClassThresholds(threshold, threshold))
    evaluation.separator.model.event_thresholds = EventThresholds(thresholds)
    estimate = evaluation.estimate(evaluation.truth(0))
    assert len({event.event_label for event in estimate.events}) == n_found


@pytest.mark.parametrize("kind", ["magnitude", "clarity", "clarity_20_dB", "bins"])
def test_the_activity_is_of_the_kind_that_was_chosen_for_the_model(checkpoint, kind):
    def estimate(detection, chosen):
        evaluation = open_evaluation(
            EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu"),
            detection=detection,
            scoring=QUICK,
        )
        evaluation.separator.model.event_thresholds = chosen
        return evaluation.estimate(evaluation.truth(0))

    tagged = 0.03  # of a model that has hardly been trained
    of_model = estimate(DetectionConfig(tag_threshold=tagged), EventThresholds(activity=kind))
    as_set = estimate(DetectionConfig(tag_threshold=tagged, activity=kind), None)
    assert of_model.activity.any()
    np.testing.assert_array_equal(of_model.activity, as_set.activity)
    assert of_model.events == as_set.events
    is_tagged = (of_model.probabilities > tagged)[:, None]
    np.testing.assert_array_equal(of_model.activity, of_model.ungated_activity * is_tagged)


def test_a_model_that_hears_its_own_outputs_judges_tagged_classes(checkpoint, own_set):
    for folder in (own_set / "test").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    result = evaluate(checkpoint, data_folder=str(own_set), self_check=True)
    table = result.table
    judged = table["self_sdr"].notna()
    assert (judged == (table["decision"] == 1)).all()
    assert result.scores.self_check.n_sources == judged.sum()
    assert result.scores.self_check.sources is None  # there are no true sources
    assert evaluate(checkpoint).scores.self_check is None


def test_psds_is_a_number_where_its_package_is_there_and_said_to_be_missing_where_not(
    checkpoint, scores, monkeypatch
):
    if psds.is_available():
        assert set(scores["detection"]["psds"]) == {"psds1", "psds2"}
        assert all(0 <= value <= 1 for value in scores["detection"]["psds"].values())
        assert "psds" not in scores["missing"]
    monkeypatch.setattr(psds, "is_available", lambda: False)
    own_scores = evaluate(checkpoint).scores.to_json()
    assert own_scores["detection"]["psds"] is own_scores["detection"]["psds_ungated"] is None
    assert "absslab[psds]" in own_scores["missing"]["psds"]
    assert own_scores["detection"]["event"] == scores["detection"]["event"]


def test_without_bss_eval_there_is_si_sdr_alone(checkpoint, scores):
    own_scores = evaluate(
        checkpoint, ScoringConfig(bss_eval="none", n_resamples=0)
    ).scores.to_json()
    for row in (
        own_scores["separation"],
        *own_scores["baselines"].values(),
        *own_scores["per_class"].values(),
    ):
        assert all(row[name] is None for name in BSS_EVAL)
    for name in set(SEPARATION) - set(BSS_EVAL):
        assert own_scores["separation"][name] == scores["separation"][name]
    assert own_scores["intervals"]["scores"] == {}


def test_a_weakly_labelled_folder_with_the_same_recordings_has_the_same_scores(
    checkpoint, own_set, scores, tmp_path
):
    """Its tables are in the top folder, and recordings are named by their paths from there."""
    classes = None
    lines = []
    events = []
    for split in ("train", "validation", "test"):
        header, *rows = (own_set / split / "weak_labels.csv").read_text().splitlines()
        classes = header.split(",", 1)[1]
        lines += [f"{split}/{row},{split}" for row in rows]
        head, *rows = (own_set / split / "events.tsv").read_text().splitlines()
        events += [f"{split}/{row}" for row in rows]
    (own_set / "weak_labels.csv").write_text(
        "\n".join([f"filename,{classes},split", *lines]) + "\n"
    )
    (own_set / "events.tsv").write_text("\n".join([head, *events]) + "\n")
    content = torch.load(checkpoint, weights_only=True)
    content["made"]["settings"]["data"]["data_set_type"] = "weakly_labelled_folder"
    torch.save(content, tmp_path / "weak.ckpt")
    weak = prepare(tmp_path / "weak.ckpt", data_folder=str(own_set))
    assert weak.name(0) == "test/000000.wav"
    own_evaluation = run_to_end(weak.run())
    assert own_evaluation.scores.to_json()["tagging"] == scores["tagging"]
    assert own_evaluation.scores.to_json()["detection"] == scores["detection"]
    assert own_evaluation.scores.to_json()["separation"]["si_sdr"] == scores["separation"]["si_sdr"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("000000.wav\t1.5\t0.5\tspeech", "ends at 0.5 s, not after its onset at 1.5 s"),
        ("000000.wav\t0.5\t1.5\tsong", "unknown class 'song'"),
        ("000000.wav\t-1\t1\tspeech", "onset is '-1'"),
        ("000000.wav\t0\tnan\tspeech", "offset is 'nan'"),
        ("000000.wav\t\t1\tspeech", "onset is ''"),
        ("999999.wav\t0\t1\tspeech", "no recording '999999.wav'"),
    ],
)
def test_strong_labels_that_do_not_fit_are_refused_and_the_row_is_named(
    checkpoint, own_set, row, message
):
    path = own_set / "test/events.tsv"
    n_rows = len(path.read_text().splitlines())
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(InputError, match=rf"events\.tsv, row {n_rows + 1}") as error:
        prepare(checkpoint, data_folder=str(own_set))
    assert message in str(error.value)


def test_classes_other_than_the_models_are_refused_and_named(checkpoint, own_set):
    for table in own_set.rglob("weak_labels.csv"):
        table.write_text(table.read_text().replace("speech", "song"))
    with pytest.raises(InputError, match="lacks speech and adds song"):
        prepare(checkpoint, data_folder=str(own_set))


def test_a_class_that_the_labels_do_not_name_is_null_with_a_reason(checkpoint, own_set, tmp_path):
    """The other classes are scored; recordings of AudioSet's kind have a list of labels each."""
    names = ("knock", "pageturn", "alert")
    lines = ["filename\tevent_labels"]
    for path in sorted((own_set / "train").glob("*.wav"))[:9]:
        shutil.copy(path, tmp_path)
        lines.append(f"{path.name}\t{names[len(lines) % 3]}")
    (tmp_path / "weak.tsv").write_text("\n".join(lines) + "\n")
    with collect_notices() as notices:
        scores, _ = evaluate(
            checkpoint, data_folder=str(tmp_path), data_set_type="weakly_labelled_folder"
        )
    assert any("9 of 9 recordings" in str(notice) for notice in notices)
    assert scores.per_class["speech"].auc is None
    assert scores.per_class["speech"].f1 is None
    assert scores.missing["per_class.speech"].startswith("no recording has it")
    assert scores.tagging is not None
    assert all(scores.per_class[name].accuracy is not None for name in names)
    assert "class speech: no recording has it" in score_text(scores)


def test_a_source_of_an_unknown_class_is_refused_and_named(checkpoint, own_set):
    sound_files.save(own_set / "test/000002/song.flac", 0.1 * np.ones(32000), 16000)
    with pytest.raises(InputError, match=r"000002/song\.flac is the source of an unknown class"):
        evaluate(checkpoint, data_folder=str(own_set))


@pytest.mark.parametrize("n_samples", [31999, 32001, 1])
def test_a_source_of_another_length_than_its_mixture_is_refused(checkpoint, own_set, n_samples):
    path = next(
        path for path in sorted((own_set / "test/000002").iterdir()) if path.stem != "background"
    )
    sound_files.save(path, 0.1 * np.random.default_rng(0).standard_normal(n_samples), 16000)
    with pytest.raises(InputError, match=r"has \d+ samples, .*000002\.wav has 32000"):
        evaluate(checkpoint, data_folder=str(own_set))


def test_silent_sources_of_absent_classes_change_nothing(checkpoint, own_set, scores):
    """`absslab mix --sources all` writes such sources."""
    for folder in (path for path in (own_set / "test").iterdir() if path.is_dir()):
        for name in scores["classes"]:
            if not (folder / f"{name}.flac").exists():
                sound_files.save(folder / f"{name}.flac", np.zeros(32000), 16000)
    own_scores = evaluate(checkpoint, data_folder=str(own_set)).scores.to_json()
    assert own_scores["separation"]["n_absent"] == scores["separation"]["n_absent"]
    assert own_scores["separation"]["leakage"] == scores["separation"]["leakage"]


def test_a_silent_recording_without_classes_is_scored(checkpoint, own_set):
    sound_files.save(own_set / "test/000001.wav", np.zeros(32000), 16000)
    shutil.rmtree(own_set / "test/000001")
    sound_files.save(own_set / "test/000001/background.flac", np.zeros(32000), 16000)
    rewritten(
        own_set / "test/weak_labels.csv",
        lambda row: [row[0], *"0000"] if row[0] == "000001.wav" else row,
    )
    lines = (own_set / "test/events.tsv").read_text().splitlines(keepends=True)
    (own_set / "test/events.tsv").write_text(
        "".join(line for line in lines if not line.startswith("000001.wav"))
    )
    evaluation = evaluate(checkpoint, ScoringConfig(n_resamples=20), data_folder=str(own_set))
    rows = evaluation.table.set_index("mixture").loc["000001.wav"]
    assert (rows["present"] == 0).all()
    assert np.isfinite(rows["probability"]).all()
    assert rows[["leakage", "residual"]].isna().all(axis=None)  # relative to silence
    scores = evaluation.scores.to_json()
    assert scores["separation"]["n_silent_mixtures"] == 1
    json.dumps(scores, allow_nan=False)


def test_a_model_of_mixtures_scores_a_weakly_labelled_folder(checkpoint, mixtures, tmp_path):
    """Recordings are long, of another rate, in sub-folders, with strong labels but no sources."""
    rng = np.random.default_rng(0)
    (tmp_path / "deep").mkdir()
    for name in ("a.wav", "deep/b.wav"):
        sound_files.save(tmp_path / name, 0.1 * rng.standard_normal((2, 25 * 8000)), 8000)
    (tmp_path / "weak_labels.csv").write_text(
        "filename,split,alert,knock,pageturn,speech\na.wav,test,1,0,0,1\ndeep/b.wav,test,0,1,0,0\n"
    )
    (tmp_path / "events.tsv").write_text(
        "filename\tonset\toffset\tevent_label\na.wav\t1\t24\talert\na.wav\t2\t3\tspeech\ndeep/b.wav\t0\t25\tknock\n"
    )
    options = {"data_folder": str(tmp_path), "data_set_type": "weakly_labelled_folder"}
    evaluation = evaluate(checkpoint, ScoringConfig(n_resamples=0), **options)
    scores = evaluation.scores.to_json()
    assert scores["separation"] is None
    assert scores["tagging"]["thresholds_from"] == "training settings"
    assert scores["tagging"]["n_positive"] == 3
    assert scores["detection"]["segment"]["error_rate"] is not None
    assert set(evaluation.table["mixture"]) == {"a.wav", "deep/b.wav"}


SKIPPING = replace(QUICK, on_error="skip")


def damage(folder):
    """Damage three mixtures of the test split in three ways, and one of validation."""
    (folder / "test/000001.wav").write_bytes(b"no sound")
    nan = np.full(32000, np.nan)
    soundfile.write(folder / "test/000004.wav", nan, 16000, subtype="FLOAT")
    source = next((folder / "test/000006").glob("*.flac"))
    sound_files.save(source.with_name("alert.flac"), np.ones(7, np.float32), 16000)
    soundfile.write(folder / "validation/000002.wav", nan, 16000, subtype="FLOAT")


@pytest.mark.reference_flaw("scores of chosen recordings were written out of range")
def test_recordings_that_can_not_be_scored_are_left_out_and_change_no_other_score(
    checkpoint, own_set
):
    complete = run_to_end(prepare(checkpoint, data_folder=str(own_set)).run())
    damage(own_set)
    result = evaluate(checkpoint, SKIPPING, data_folder=str(own_set))
    scores = result.scores
    bad = ["000001.wav", "000004.wav", "000006.wav"]
    assert sorted(scores.left_out) == ["../validation/000002.wav", *bad]
    assert "is not a readable sound file" in scores.left_out["000001.wav"]
    assert (scores.n_mixtures, scores.n_scored["separation"]) == (5, 5)
    assert sum(item.n_labelled for item in scores.per_class.values()) == scores.tagging.n_positive
    kept = complete.table[~complete.table["mixture"].isin(bad)].reset_index(drop=True)
    names = ["mixture", "class", "label", "present", "probability", "si_sdr", "leakage"]
    assert result.table[names].equals(kept[names])
    assert "5 recordings, 4 left out" in score_text(scores)
    assert type(scores).from_json(scores.to_json()) == scores


def test_scores_name_the_checkpoint_they_are_of(scores, checkpoint):
    assert scores["checkpoint_checksum"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def test_all_recordings_that_can_not_be_scored_are_told_at_once(checkpoint, own_set):
    damage(own_set)
    with pytest.raises(InputError, match=r"4 of 16 files can't be used") as error:
        prepare(checkpoint, data_folder=str(own_set))
    names = ("test/000001.wav", "validation/000002.wav", "test/000004.wav", "000006/alert.flac")
    for name in names:
        assert name in str(error.value)
    assert "pass --on_error skip" in str(error.value)
    shutil.copy(own_set / "test/000000.wav", own_set / "test/000001.wav")
    opened = prepare(checkpoint, data_folder=str(own_set))
    with pytest.raises(InputError, match="3 of 16 files can't be used") as error:
        run_to_end(opened.run())
    for name in ("validation/000002.wav", "test/000004.wav", "000006/alert.flac"):
        assert name in str(error.value)


def test_a_split_without_any_usable_recording_is_refused(checkpoint, own_set):
    for path in (own_set / "test").glob("*.wav"):
        path.write_bytes(b"no sound")
    with pytest.raises(InputError, match="8 of 16 files can't be used"):
        prepare(checkpoint, SKIPPING, data_folder=str(own_set))


@pytest.mark.parametrize("problem", ["gone", "silent"])
def test_a_source_that_the_labels_name_but_the_folder_lacks_is_told(checkpoint, own_set, problem):
    opened = prepare(checkpoint, data_folder=str(own_set))
    with collect_notices() as notices:
        opened.truth(0)
    assert notices == []
    mixture = own_set / "test/000000.wav"
    lost, path = next(item for item in source_files(mixture).items() if item[0] != "background")
    if problem == "gone":
        path.unlink()
    else:
        soundfile.write(path, np.zeros_like(soundfile.read(path)[0]), 16000)
    with collect_notices() as notices:
        opened.truth(0)
    (notice,) = notices
    assert f"{mixture} is labelled {lost}, but {path.parent} has no audible source" in str(notice)
