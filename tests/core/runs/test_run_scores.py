"""Scores of a run are found, ranked by mixture, and refused if damaged."""

import hashlib
import json
import os

import numpy as np
import pandas as pd
import pytest

from absslab.core.common.errors import InputError
from absslab.core.evaluation.score_files import write_scores
from absslab.core.evaluation.score_text import interval_rows, score_remarks, score_rows
from absslab.core.evaluation.scores import Scores
from absslab.core.runs.run_scores import (
    TAG_ERROR,
    RankedMixture,
    locate_mixture,
    read_run_scores,
    scores_path,
    typical_mixture,
)

NAN = np.nan
MIXTURES = ("a.wav", "b.wav", "c.wav")
CLASSES = ("alert", "knock")


def table():
    """A table: both classes in a.wav, alert in b.wav, none in c.wav."""
    pairs = [(mixture, name) for mixture in MIXTURES for name in CLASSES]
    present = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    return pd.DataFrame(
        {
            "mixture": [mixture for mixture, _ in pairs],
            "path": [f"/data/test/{mixture}" for mixture, _ in pairs],
            "class": [name for _, name in pairs],
            "label": present,
            "present": present,
            "probability": [0.8, 0.8, 1.0, 0.9, 0.1, 0.1],
            "si_sdr_improvement": [2.0, 6.0, 3.0, NAN, NAN, NAN],
            "leakage": [NAN, NAN, NAN, -20.0, -30.0, -50.0],
        }
    )


def scores(**change):
    def scores_of_class(value):
        return {"auc": value, "si_sdr_improvement": value, "leakage": None, "n_present": 2}

    return {
        "split": "test",
        "n_mixtures": 3,
        "classes": list(CLASSES),
        "version": "0.1",
        "missing": {},
        "breakdown": None,
        "tagging": {"auc": 0.5, "thresholds_from": "validation"},
        "detection": None,
        "segmentation": None,
        "separation": {"si_sdr_improvement": 3.5, "n_present": 3, "n_contradictions": 0},
        "mixtures": None,
        "baselines": {
            "mixture": {"si_sdr": -3.0, "si_sdr_improvement": 0.0},
            "ideal_ratio_mask_mel": {"si_sdr": 5.0, "si_sdr_improvement": 8.0},
        },
        "per_class": {"alert": scores_of_class(2.5), "knock": scores_of_class(None)},
        "intervals": {
            "scores": {
                "per_class.alert.si_sdr_improvement": [2.0, 3.0],
                "separation.si_sdr_improvement": [3.0, 4.0],
                "tagging.auc": [0.4, 0.6],
                "baselines.ideal_ratio_mask_mel.si_sdr_improvement": [7.0, 9.0],
            }
        },
    } | change


def write(path, **change):
    write_scores(path, Scores.from_json(scores(**change)), table())
    return path


def test_scores_are_found_in_the_run_or_beside_it_and_only_those_of_the_split(tmp_path):
    run = tmp_path / "run.v1"
    assert read_run_scores(run, "test") is None
    write(tmp_path / "run.v1.json")
    assert read_run_scores(run, "test").path == tmp_path / "run.v1.json"
    write(scores_path(run, "test"))
    assert read_run_scores(run, "test").path == run / "scores.json"
    assert read_run_scores(run, "validation") is None
    write(scores_path(run, "validation"), split="validation")
    assert read_run_scores(run, "validation").path == run / "scores-validation.json"


def test_scores_are_old_when_they_are_of_another_checkpoint_whatever_the_clocks_say(tmp_path):
    checkpoint = tmp_path / "run.ckpt"
    checkpoint.write_bytes(b"the weights")
    checksum = hashlib.sha256(b"the weights").hexdigest()
    path = write(tmp_path / "run" / "scores.json", checkpoint_checksum=checksum)
    for later in (3600, -3600):  # the clock was set, or the run was copied
        os.utime(checkpoint, (0, path.stat().st_mtime + later))
        assert not read_run_scores(tmp_path / "run", "test").is_old
    checkpoint.write_bytes(b"the weights of a later epoch")
    for later in (3600, -3600):
        os.utime(checkpoint, (0, path.stat().st_mtime + later))
        assert read_run_scores(tmp_path / "run", "test").is_old
    checkpoint.unlink()
    assert not read_run_scores(tmp_path / "run", "test").is_old


def test_scores_that_name_no_checkpoint_are_old_when_the_model_is_newer(tmp_path):
    path = write(tmp_path / "run" / "scores.json")
    assert not read_run_scores(tmp_path / "run", "test").is_old
    (tmp_path / "run.ckpt").touch()
    for later, expected in ((1, True), (-1, False)):
        os.utime(tmp_path / "run.ckpt", (0, path.stat().st_mtime + later))
        assert read_run_scores(tmp_path / "run", "test").is_old is expected


def test_mixtures_are_ranked_from_the_worst_by_the_mean_over_their_classes(tmp_path):
    write(tmp_path / "run" / "scores.json")
    run_scores = read_run_scores(tmp_path / "run", "test")
    assert run_scores.ranking("si_sdr_improvement") == [
        RankedMixture("b.wav", "/data/test/b.wav", ("alert",), 3.0),
        RankedMixture("a.wav", "/data/test/a.wav", ("alert", "knock"), 4.0),
    ]
    assert [(ranked.mixture, ranked.score) for ranked in run_scores.ranking("leakage")] == [
        ("b.wav", -20.0),
        ("c.wav", -40.0),
    ]


def test_a_score_that_mixtures_do_not_have_ranks_them_by_how_far_tags_are_from_labels(tmp_path):
    write(tmp_path / "run" / "scores.json")
    run_scores = read_run_scores(tmp_path / "run", "test")
    assert run_scores.per_mixture("auc")[0] == TAG_ERROR
    ranked = run_scores.ranking("auc")
    assert [row.mixture for row in ranked] == ["b.wav", "a.wav", "c.wav"]
    assert [row.score for row in ranked] == pytest.approx([0.45, 0.2, 0.1])
    assert ranked[2].classes == ()


def test_what_classes_have_is_offered_the_improvement_first(tmp_path):
    write(tmp_path / "run" / "scores.json")
    run_scores = read_run_scores(tmp_path / "run", "test")
    assert list(run_scores.class_score_titles) == ["si_sdr_improvement", "auc"]
    assert run_scores.per_class("auc") == {"alert": 2.5, "knock": None}
    assert run_scores.intervals("si_sdr_improvement") == {"alert": [2.0, 3.0]}
    assert run_scores.column("b.wav", "si_sdr_improvement") == {"alert": 3.0}
    assert run_scores.column("b.wav", "sdr") == {}


def test_intervals_stand_where_their_scores_do():
    document = Scores.from_json(scores())
    rows = score_rows(document)
    intervals = interval_rows(document)
    assert [len(row) for row in intervals] == [len(row) for row in rows]
    place = {
        (row[0], title): ends
        for row, of in zip(rows, intervals, strict=True)
        for title, ends in zip(rows[0], of, strict=True)
    }
    assert {key: ends for key, ends in place.items() if ends} == {
        ("alert", "SI-SDRi/dB"): "2.00 to 3.00",
        ("all", "SI-SDRi/dB"): "3.00 to 4.00",
        ("all", "AUC"): "0.400 to 0.600",
        ("all", "ceiling/dB"): "7.00 to 9.00",
        ("ideal ratio mask, mel", "SI-SDRi/dB"): "7.00 to 9.00",
    }


@pytest.mark.parametrize(
    "change", [{"per_class": None}, {"intervals": []}, {"classes": 3}, {"tagging": {"rung": 1}}]
)
def test_scores_that_are_not_understood_are_refused_in_one_line(tmp_path, change):
    path = write(tmp_path / "run" / "scores.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change | {"version": "9.0"}))
    with pytest.raises(InputError, match=r"was written by 9\.0: score it once more") as error:
        read_run_scores(tmp_path / "run", "test")
    assert len(str(error.value).splitlines()) == 1


def test_a_mixture_is_found_where_it_was_or_in_the_folder_it_moved_to(tmp_path):
    for place in ("old", "new/test"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.wav").touch()
    ranked = RankedMixture("a.wav", str(tmp_path / "old" / "a.wav"), (), 0.0)
    assert locate_mixture(ranked, tmp_path / "new", "test") == tmp_path / "old" / "a.wav"
    (tmp_path / "old" / "a.wav").unlink()
    assert locate_mixture(ranked, tmp_path / "new", "test") == tmp_path / "new" / "test" / "a.wav"
    assert (
        locate_mixture(ranked, tmp_path / "new" / "test", "test")
        == tmp_path / "new" / "test" / "a.wav"
    )
    for folder in ("", tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"a\.wav does not exist any more: choose the folder"):
            locate_mixture(ranked, folder, "test")


def test_the_typical_mixture_has_several_classes_and_the_median_improvement():
    rows = [("few.wav", 0.0), ("few.wav", 1.0)]
    rows += [
        (name, value + step)
        for name, value in (("low", -9.0), ("middle", 5.0), ("high", 30.0))
        for step in (-1, 0, 1)
    ]
    scored_rows = pd.DataFrame(rows, columns=["mixture", "si_sdr_improvement"])
    assert typical_mixture(scored_rows) == "middle"
    assert typical_mixture(scored_rows[:2]) == "few.wav"


def test_the_legend_explains_the_columns_that_are_shown_and_no_others():
    legend = (
        "all: means over classes (AUC), over sources that are present (SI-SDRi); "
        "ceiling: ideal ratio mask, mel"
    )
    assert legend in score_remarks(Scores.from_json(scores()))
    tags_alone = scores(separation=None, baselines=None)
    assert "all: means over classes (AUC)" in score_remarks(Scores.from_json(tags_alone))
    nothing = scores(separation=None, baselines=None, tagging=None)
    assert not any(line.startswith("all:") for line in score_remarks(Scores.from_json(nothing)))
