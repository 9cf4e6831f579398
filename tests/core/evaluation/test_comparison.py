"""Comparisons of systems: differences on the same mixtures, and their intervals."""

import json

import numpy as np
import pandas as pd
import pytest

from absslab.core.common.errors import InputError
from absslab.core.common.files import write_json
from absslab.core.evaluation.comparison import (
    ComparedScore,
    ComparisonConfig,
    compare,
    comparison_text,
    read_comparison,
)
from absslab.core.evaluation.score_files import write_scores
from absslab.core.evaluation.scores import Scores

CLASSES = ["knock", "speech"]
CONFIG = ComparisonConfig(n_resamples=400)


def make_table(improvements, *, n=30, labels=None, probabilities=None):
    """Make a table of scores; "knock" is in every mixture, "speech" in every second one."""
    present = np.stack([np.ones(n), np.arange(n) % 2], 1)
    labels = present if labels is None else labels
    return pd.DataFrame(
        {
            "mixture": np.repeat([f"{i:06d}.wav" for i in range(n)], 2),
            "path": "",
            "class": CLASSES * n,
            "label": labels.ravel(),
            "present": present.ravel(),
            "probability": (labels * 0.9 if probabilities is None else probabilities).ravel(),
            "decision": labels.ravel(),
            "si_sdr_improvement": np.where(present > 0, improvements, np.nan).ravel(),
            "leakage": np.where(present > 0, np.nan, -60.0).ravel(),
        }
    )


def write(folder, name, table, **scores):
    path = folder / f"{name}.json"
    write_scores(path, Scores(tuple(CLASSES)), table)
    path.write_text(json.dumps(json.loads(path.read_text()) | scores))
    return path


def noise(seed, n=30):
    return np.random.default_rng(seed).normal(10, 5, (n, 2))


def test_a_system_compared_with_itself_differs_by_nothing(tmp_path):
    path = write(tmp_path, "a", make_table(noise(0)))
    for row in compare([path, path], CONFIG).scores.values():
        assert row.differences == [None, 0.0]
        assert row.intervals[1] == [0.0, 0.0]


def test_a_constant_gain_is_found_exactly_however_much_mixtures_differ(tmp_path):
    """Mixtures are paired, so their spread of 5 dB does not widen the interval."""
    first = write(tmp_path, "a", make_table(noise(0)))
    second = write(tmp_path, "b", make_table(noise(0) + 0.5))
    row = compare([first, second], CONFIG).scores["separation.si_sdr_improvement"]
    assert row.values[1] - row.values[0] == pytest.approx(0.5, abs=1e-5)
    assert row.intervals[1] == pytest.approx([0.5, 0.5], abs=1e-5)


def test_systems_that_differ_by_chance_have_an_interval_that_holds_zero(tmp_path):
    first = write(tmp_path, "a", make_table(noise(0)))
    second = write(tmp_path, "b", make_table(noise(1)))
    row = compare([first, second], CONFIG).scores["separation.si_sdr_improvement"]
    low, high = row.intervals[1]
    assert low < 0 < high
    assert high - low == pytest.approx(2 * 1.96 * 5 * np.sqrt(2 / 45), rel=0.4)


def test_the_first_is_what_all_others_are_compared_with(tmp_path):
    paths = [
        write(tmp_path, name, make_table(noise(0) + gain))
        for name, gain in (("a", 0), ("b", 1), ("c", -2))
    ]
    row = compare(paths, CONFIG).scores["separation.si_sdr_improvement"]
    assert row.differences[1:] == pytest.approx([1, -2], abs=1e-5)


def test_rows_are_joined_by_mixture_and_class_whatever_their_order(tmp_path):
    table = make_table(noise(0))
    path = write(tmp_path, "a", table)
    shuffled = write(tmp_path, "b", table.sample(frac=1, random_state=0))
    for row in compare([path, shuffled], CONFIG).scores.values():
        assert row.differences[1] == pytest.approx(0, abs=1e-9)
        assert row.intervals[1] == pytest.approx([0, 0], abs=1e-9)


def test_scores_that_only_one_system_has_are_left_out_or_empty(tmp_path):
    first = write(tmp_path, "a", make_table(noise(0)))
    second = write(tmp_path, "b", make_table(noise(0)).drop(columns=["probability", "decision"]))
    assert "tagging.auc" not in compare([first, second], CONFIG).scores
    row = compare([first, second, first], CONFIG).scores["tagging.auc"]
    assert row.values[1] is None
    assert row.intervals == [None, None, [0.0, 0.0]]


def test_scores_that_are_no_means_over_mixtures_are_compared_without_an_interval(tmp_path):
    paths = [
        write(tmp_path, name, make_table(noise(0)), segmentation={"auc": f1})
        for name, f1 in (("a", 0.5), ("b", 0.75))
    ]
    row = compare(paths, CONFIG).scores["segmentation.auc"]
    assert row == ComparedScore([0.5, 0.75], [None, 0.25], [None, None])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda table: table[table["mixture"] != "000003.wav"],
            "different mixtures: only one has 000003.wav",
        ),
        (
            lambda table: table.replace({"class": {"speech": "song"}}),
            "different classes: only one has speech",
        ),
        (lambda table: table.assign(label=1.0), "differ in whether 000000.wav holds speech"),
        (
            lambda table: pd.concat([table, table[:1]]),
            "has the row of 000000.wav and knock twice",
        ),
        (
            lambda table: table[1:].replace({"mixture": {"000001.wav": "000000.wav"}}),
            "has the row of 000000.wav and speech twice",
        ),
        (lambda table: table[1:], "has 59 rows: expected one for each of 30 mixtures and 2 cl"),
    ],
)
def test_scores_of_other_data_are_refused(tmp_path, change, message):
    table = make_table(noise(0))
    first = write(tmp_path, "a", table)
    second = write(tmp_path, "b", change(table))
    with pytest.raises(InputError, match=message):
        compare([first, second], CONFIG)


def test_one_file_alone_and_files_that_are_no_scores_are_refused(tmp_path):
    path = write(tmp_path, "a", make_table(noise(0)))
    with pytest.raises(InputError, match="expected at least two"):
        compare([path])
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(InputError, match=r"other.json does not hold scores with a table"):
        compare([path, tmp_path / "other.json"])
    (tmp_path / "a.csv").unlink()
    with pytest.raises(InputError, match=r"a.csv, the table of .*a.json, can't be read"):
        compare([path, path])


def test_systems_that_were_scored_otherwise_are_refused(tmp_path):
    def scored_with(collar, n_resamples):
        return {"settings": {"scoring": {"collar": collar, "n_resamples": n_resamples}}}

    table = make_table(noise(0))
    first = write(tmp_path, "a", table, **scored_with(0.2, 10))
    alike = write(tmp_path, "b", table, **scored_with(0.2, 20))
    assert compare([first, alike], CONFIG).n_mixtures == 30
    other = write(tmp_path, "c", table, **scored_with(2.0, 10))
    with pytest.raises(
        InputError,
        match=r"a.json was scored with collar 0.2, .*c.json with 2.0: "
        "evaluate both with the same settings",
    ):
        compare([first, other], CONFIG)


def test_a_table_with_text_in_the_place_of_numbers_is_refused(tmp_path):
    path = write(tmp_path, "a", make_table(noise(0)))
    damaged = write(tmp_path, "b", make_table(noise(0)).assign(label="yes"), detection=[1])
    with pytest.raises(
        InputError, match=r"b.csv: the column label holds other things than numbers"
    ):
        compare([path, damaged], CONFIG)


def test_a_comparison_comes_back_as_it_was_written(tmp_path):
    first = write(tmp_path, "a", make_table(noise(0)))
    second = write(tmp_path, "b", make_table(noise(0)).drop(columns=["probability", "decision"]))
    compared = compare([first, second, first], CONFIG)
    path = tmp_path / "compared.json"
    written = compared.to_json()
    write_json(path, written)
    assert read_comparison(path) == compared
    assert (written["format"], written["version"]) == ("absslab comparison", 1)
    write_json(path, written | {"version": 2})
    with pytest.raises(InputError, match=f"{path} .* newer than 1: update ABSSLab"):
        read_comparison(path)
    write_json(path, written | {"format": "absslab scores"})
    with pytest.raises(InputError, match=f"{path} was not written by absslab compare"):
        read_comparison(path)
    write_json(path, written | {"n_mixtures": "many"})
    with pytest.raises(InputError, match=f"{path} .*n_mixtures is 'many': expected a whole number"):
        read_comparison(path)


@pytest.mark.parametrize("column", ["label", "probability", "decision"])
def test_a_class_whose_column_is_partly_empty_has_no_score_and_the_others_have(tmp_path, column):
    table = make_table(noise(0), labels=np.arange(60).reshape(30, 2) // 3 % 2)
    whole = write(tmp_path, "whole", table)
    is_speech = table["class"] == "speech"
    table.loc[is_speech & (table.index < 20), column] = np.nan
    partly = write(tmp_path, "partly", table)
    for paths in ([whole, partly], [partly, whole], [partly, partly]):
        comparison = compare(paths, CONFIG)
        assert comparison.scores["tagging.auc"].values == [1.0, 1.0]
        assert comparison.scores["separation.si_sdr_improvement"].differences[1] == 0.0
        if whole in paths:
            (note,) = comparison.notes
            assert "class speech has no label" in note
            assert "partly.json lacks it for some mixtures" in note
            assert note in comparison_text(comparison)


def test_a_class_without_improvement_of_some_mixtures_is_compared_in_neither_table(tmp_path):
    table = make_table(noise(0))
    whole = write(tmp_path, "whole", table)
    table.loc[(table["class"] == "knock") & (table.index < 20), "si_sdr_improvement"] = np.nan
    comparison = compare([whole, write(tmp_path, "partly", table)], CONFIG)
    assert "per_class.knock.si_sdr_improvement" not in comparison.scores or (
        comparison.scores["per_class.knock.si_sdr_improvement"].values == [None, None]
    )
    assert comparison.scores["per_class.speech.si_sdr_improvement"].differences[1] == 0.0
    assert "class knock has no si_sdr_improvement" in comparison.notes[0]


@pytest.mark.parametrize(
    ("score", "columns"),
    [("si_sdr_improvement", ["si_sdr_improvement"]), ("label", ["probability", "decision"])],
)
def test_a_class_that_a_system_lacks_wholly_is_in_no_mean(tmp_path, score, columns):
    table = make_table(noise(0), labels=np.arange(60).reshape(30, 2) // 3 % 2)
    whole = write(tmp_path, "whole", table)
    without = write(tmp_path, "without", table.drop(columns=columns))
    table.loc[table["class"] == "knock", columns] = np.nan
    lacking = write(tmp_path, "lacking", table)
    name = "tagging.auc" if score == "label" else "separation.si_sdr_improvement"
    for paths in ([whole, lacking], [lacking, whole], [whole, without, lacking]):
        comparison = compare(paths, CONFIG)
        assert comparison.notes == (f"class knock has no {score}: {lacking} lacks it",)
        row = comparison.scores[name]
        assert row.values[0] == row.values[-1]
        assert row.intervals[-1] == [0.0, 0.0]
    comparison = compare([whole, without], CONFIG)
    assert comparison.notes == ()


def test_the_first_mixtures_that_are_not_compared_are_named(tmp_path):
    left_out = {f"{index:06d}.wav": "is broken" for index in range(12)}
    first = write(tmp_path, "a", make_table(noise(0)))
    second = write(tmp_path, "b", make_table(noise(0)).iloc[24:], left_out=left_out)
    (note,) = compare([first, second], CONFIG).notes
    assert "(without 000000.wav, " in note
    assert note.endswith("000009.wav and 2 more)")


def test_rows_without_the_name_of_a_class_are_refused(tmp_path):
    table = make_table(noise(0))
    table.loc[3, "class"] = ""
    path = write(tmp_path, "a", table)
    with pytest.raises(InputError, match="column class is empty in 1 rows"):
        compare([path, path], CONFIG)


def test_systems_are_compared_on_the_mixtures_that_all_have_if_others_were_left_out(tmp_path):
    whole = make_table(noise(0))
    part = make_table(noise(0) + 1.0).iloc[4:]
    left_out = {f"{index:06d}.wav": "is broken" for index in range(2)}
    first = write(tmp_path, "a", whole, tagging={"auc": 0.5})
    second = write(tmp_path, "b", part, left_out=left_out, tagging={"auc": 0.9})
    comparison = compare([first, second], CONFIG)
    assert comparison.n_mixtures == 28
    row = comparison.scores["separation.si_sdr_improvement"]
    assert row.differences[1] == pytest.approx(1.0, abs=1e-5)
    assert row.values[0] == pytest.approx(whole["si_sdr_improvement"].iloc[4:].mean())
    assert (
        "2 mixtures were left out of some of the scores: compared on the 28 that all have "
        "(without 000000.wav, 000001.wav)"
    ) in comparison_text(comparison)
    unexplained = write(tmp_path, "c", part, left_out={"000000.wav": "is broken"})
    with pytest.raises(InputError, match="different mixtures"):
        compare([first, unexplained], CONFIG)


# --- events that were scored against other truths -------------------------------------------------


def add_detection(table, prefix, found):
    """Add counts of events: one true event per row, found in a share of the mixtures."""
    is_found = np.repeat(np.arange(len(table) // 2) < found * len(table) // 2, 2)
    counts = {"tp": is_found, "fp": ~is_found, "fn": ~is_found, "errors": 2 * ~is_found}
    for count, values in counts.items():
        table[f"{prefix}event_{count}"] = values.astype(float)
    return table


def of_truth(truth, f1):
    return {"event": {"f1": f1}, "psds": {"psds1": f1}, "truth": truth}


def compare_truths(folder, first, second):
    """Compare two systems, given F1 by the prefix of the table; the first has no prefix."""
    paths = []
    for name, (truth, by_prefix) in {"a": first, "b": second}.items():
        table = make_table(noise(0))
        sections = {}
        for prefix, f1 in by_prefix.items():
            add_detection(table, prefix, f1)
            section = f"detection_{prefix.strip('.')}" if prefix else "detection"
            sections[section] = of_truth(prefix.strip(".") or truth, f1)
        paths.append(write(folder, name, table, **sections))
    return compare(paths, CONFIG)


def test_scores_against_the_same_truth_are_compared(tmp_path):
    result = compare_truths(tmp_path, ("activity", {"": 0.5}), ("activity", {"": 1.0}))
    assert result.scores["detection.event.f1"].values == [0.5, 1.0]
    assert result.notes == ()


def test_the_truth_that_both_have_is_compared(tmp_path):
    before = (None, {"": 0.5})  # an earlier version: the labelled events
    now = ("activity", {"": 1.0, "extent.": 0.2})
    result = compare_truths(tmp_path, before, now)
    assert result.scores["detection.event.f1"].values == pytest.approx([0.5, 0.2])
    assert result.scores["detection.psds.psds1"].values == [0.5, 0.2]
    assert result.notes == ("detection is compared by extent, the true events that all have",)
    result = compare_truths(tmp_path, now, before)
    assert result.scores["detection.event.f1"].values == pytest.approx([0.2, 0.5])


def test_events_that_were_found_in_different_ways_are_compared_with_a_note(tmp_path):
    paths = []
    for name, kind in {"a": "magnitude", "b": "clarity", "c": None}.items():
        table = make_table(noise(0))
        add_detection(table, "", 0.5)
        section = of_truth("activity", 0.5) | {"activity": kind}
        paths.append(write(tmp_path, name, table, detection=section))
    (note,) = compare(paths, CONFIG).notes
    assert note.startswith("events were found in different ways: ")
    assert "a.json by magnitude" in note
    assert "b.json by clarity" in note
    assert "c.json" not in note
    assert compare(paths[1:], CONFIG).notes == ()


def test_scores_against_different_truths_are_not_compared(tmp_path):
    result = compare_truths(tmp_path, ("extent", {"": 0.5}), ("activity", {"": 1.0}))
    assert not [name for name in result.scores if name.startswith("detection")]
    assert "separation.si_sdr_improvement" in result.scores
    (note,) = result.notes
    assert "a.json by extent" in note
    assert "b.json by activity" in note
