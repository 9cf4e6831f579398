"""Scores of folds: mean and deviation as one computes them by hand, of folds that fit together."""

import json
import re

import pytest

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.evaluation.fold_average import FoldAverage, average_folds, average_text
from absslab.core.evaluation.scores import Scores, TaggingScores

CLASSES = ("knock", "speech")


@pytest.fixture
def write(tmp_path):
    """Return a function that writes the scores of a fold, and returns their path."""

    def write_fold(number, auc, **changes):
        content = {
            "classes": CLASSES,
            "split": "test",
            "n_mixtures": 10 * number,
            "tagging": TaggingScores(auc=auc),
            "settings": {"scoring": {"truth": "activity", "collar": 0.2}},
            "checkpoint_checksum": f"model {number}",
        }
        path = tmp_path / f"fold{number}.json"
        path.write_text(json.dumps(Scores(**(content | changes)).to_json()))
        return str(path)

    return write_fold


@pytest.mark.reference_flaw("the summary of folds could not run")
def test_mean_and_deviation_are_those_by_hand(write):
    paths = [write(number, auc) for number, auc in ((1, 0.7), (2, 0.8), (3, 0.9))]
    average = average_folds(paths)
    score = average.scores["tagging.auc"]
    assert score.values == (0.7, 0.8, 0.9)
    assert score.mean == pytest.approx(0.8)
    assert score.deviation == pytest.approx(0.1)  # √((0.1² + 0 + 0.1²) / 2)
    assert average.n_mixtures == (10, 20, 30)
    assert FoldAverage.from_json(json.loads(json.dumps(average.to_json()))) == average


def test_a_score_that_a_fold_lacks_has_no_mean(write):
    average = average_folds([write(1, 0.7), write(2, None)])
    assert average.scores["tagging.auc"].mean is None
    assert average.scores["tagging.auc"].values == (0.7, None)
    assert re.search(r"tagging\.auc +– +0\.700 +–", average_text(average))


def test_the_command_prints_a_table_and_writes_it(write, tmp_path, capsys):
    paths = [write(1, 0.7), write(2, 0.9)]
    output = tmp_path / "average.json"
    assert main(["average", *paths, "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"tagging\.auc +0\.800 ± 0\.141 +0\.700 +0\.900", printed)
    assert f"2  {paths[1]}, 20 mixtures" in printed
    assert json.loads(output.read_text())["scores"]["tagging.auc"]["values"] == [0.7, 0.9]
    assert main(["average", *paths, "--output", paths[0]]) == 2
    assert "is one of the scores" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint_checksum": "model 1"}, "are scores of one model: expected a model for each"),
        ({"classes": ("knock",)}, "have other classes: expected folds of the same recordings"),
        ({"split": "validation"}, "have other split: expected folds of the same recordings"),
        ({"settings": {"scoring": {"collar": 0.5}}}, "was scored with collar 0.5"),
    ],
)
def test_folds_that_do_not_fit_together_are_refused(write, changes, message):
    with pytest.raises(InputError) as caught:
        average_folds([write(1, 0.7), write(2, 0.8, **changes)])
    assert message in str(caught.value)


def test_one_fold_or_one_file_twice_is_refused(write):
    path = write(1, 0.7)
    with pytest.raises(InputError, match="expected the scores of two folds or more"):
        average_folds([path])
    with pytest.raises(InputError, match="a file of scores is given twice"):
        average_folds([path, path])
