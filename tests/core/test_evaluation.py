"""From a checkpoint alone to the scores of a split."""

import shutil

import numpy as np
import pytest
import torch

from absslab.core.errors import InputError
from absslab.core.evaluation import Evaluation, EvaluationConfig
from absslab.core.metrics.tagging import tagging_scores


def evaluated(checkpoint, **options):
    evaluation = Evaluation(EvaluationConfig(checkpoint_path=str(checkpoint), **options))
    assert [step.done for step in evaluation.run()] == list(range(1, len(evaluation.data_set) + 1))
    return evaluation


def test_scores_are_those_of_the_model_on_that_split(checkpoint):
    evaluation = evaluated(checkpoint)
    scores = evaluation.scores()
    expected = tagging_scores(evaluation.data_set.labels, np.array(evaluation.probabilities))
    assert scores["tagging"]["auc"] == expected["roc_auc_score"]
    assert scores["tagging"]["f1"] == expected["f1-score"]
    assert (scores["split"], scores["n_mixtures"]) == ("test", 8)
    assert scores["separation"]["n_present"] + scores["separation"]["n_absent"] == 8 * 4


def test_present_and_absent_classes_are_never_averaged_together(checkpoint):
    evaluation = evaluated(checkpoint)
    for row in evaluation.rows:
        assert ("si_sdr_improvement" in row, "leakage" in row) == (row["present"], not row["present"])
    improvements = [row["si_sdr_improvement"] for row in evaluation.rows if row["present"]]
    assert evaluation.scores()["separation"]["si_sdr_improvement"] == pytest.approx(np.mean(improvements))
    assert min(improvements) > -60


def test_sources_are_joined_by_class_name_whatever_the_order_of_the_model(checkpoint, tmp_path):
    """The same model with its classes and masks in another order has the same score of each class."""
    content = torch.load(checkpoint, weights_only=True)
    order = [2, 0, 3, 1]
    content["classes"] = [content["classes"][k] for k in order]
    for name, value in content["weights"].items():
        if name.startswith(("mask_net.to_masks.", "mask_net.sharpen.3.")):
            content["weights"][name] = value[[*order, 4]]  # the background stays last
    torch.save(content, tmp_path / "permuted.ckpt")
    first, second = (evaluated(path).scores() for path in (checkpoint, tmp_path / "permuted.ckpt"))
    assert second["classes"] != first["classes"]
    for name, row in first["per_class"].items():
        assert second["per_class"][name] == pytest.approx(row, rel=1e-3, abs=1e-3, nan_ok=True)


def test_without_saved_sources_there_are_tagging_scores_and_no_separation_scores(checkpoint, mixtures, tmp_path):
    shutil.copytree(mixtures, tmp_path / "set")
    for folder in (tmp_path / "set" / "test").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    scores = evaluated(checkpoint, data_folder=str(tmp_path / "set")).scores()
    assert scores["separation"] is None
    assert scores["tagging"]["auc"] is not None


def test_classes_other_than_the_models_are_refused_and_named(checkpoint, mixtures, tmp_path):
    shutil.copytree(mixtures, tmp_path / "set")
    for table in (tmp_path / "set").rglob("weak_labels.csv"):
        table.write_text(table.read_text().replace("speech", "song"))
    with pytest.raises(InputError, match="lacks speech and adds song"):
        Evaluation(EvaluationConfig(checkpoint_path=str(checkpoint), data_folder=str(tmp_path / "set")))
