"""The table of scores: means, intervals, and writing and reading it."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from absslab.core.common.errors import InputError
from absslab.core.evaluation.score_files import read_scores, write_scores
from absslab.core.evaluation.score_table import Statistics, interval
from absslab.core.evaluation.scores import Scores, TaggingScores

NAN = np.nan


def new_table(n, classes=("speech", "knock"), **columns):
    """A row per mixture and class; columns are (n, K)."""
    table = pd.DataFrame(
        {
            "mixture": np.repeat([f"{index:06d}.wav" for index in range(n)], len(classes)),
            "path": "/somewhere/x.wav",
            "class": np.tile(classes, n),
            "label": NAN,
            "present": NAN,
        }
    )
    for name, values in columns.items():
        table[name] = np.broadcast_to(values, (n, len(classes))).ravel()
    return table


def tags(n, n_classes, seed=0, decimals=1):
    """Make labels and probabilities with ties; each class has positive and negative labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, n_classes)).astype(float)
    labels[0] = 0
    labels[1] = 1
    probabilities = np.clip(0.3 * labels + 0.7 * rng.uniform(size=labels.shape), 0, 1).round(
        decimals
    )
    return labels, probabilities, (probabilities >= 0.5).astype(float)


def width(table, name, **options):
    low, high = Statistics.from_table(table).intervals(
        **{"n_resamples": 2000, "seed": 0} | options
    )[name]
    return high - low


def test_means_are_those_of_what_there_is():
    values = np.array([[1.0, NAN], [3.0, 8.0], [NAN, NAN]])
    scores = Statistics.from_table(
        new_table(3, si_sdr=values, leakage=np.where(np.isnan(values), -30.0, NAN))
    ).scores()
    # Over three present sources, not over classes or mixtures.
    assert scores["separation.si_sdr"].tolist() == [4.0]
    assert scores["per_class.speech.si_sdr"].tolist() == [2.0]
    assert scores["per_class.knock.si_sdr"].tolist() == [8.0]
    assert scores["separation.leakage"].tolist() == [-30.0]


def test_weights_count_mixtures_as_often_as_they_say():
    values = np.array([[1.0, NAN], [3.0, 8.0], [NAN, 5.0]])
    scores = Statistics.from_table(new_table(3, si_sdr=values)).scores(
        np.array([[2, 1, 0], [0, 0, 3], [1, 0, 0]])
    )
    np.testing.assert_allclose(scores["separation.si_sdr"], [13 / 4, 5, 1])
    np.testing.assert_allclose(scores["per_class.knock.si_sdr"], [8, 5, NAN])


def test_the_residual_counts_each_mixture_once():
    residual = np.array([[-10.0] * 4, [-20.0] * 4, [-60.0] * 4])
    scores = Statistics.from_table(new_table(3, tuple("abcd"), residual=residual)).scores()
    assert scores["separation.residual"].tolist() == [-30.0]
    assert not any(name.endswith(".residual") for name in scores if name.startswith("per_class"))


def test_scores_of_baselines_have_names_of_their_own():
    table = new_table(2, **{"mixture.si_sdr": np.array([[1.0, 2.0], [3.0, NAN]]), "si_sdr": 7.0})
    scores = Statistics.from_table(table).scores()
    assert scores["baselines.mixture.si_sdr"].tolist() == [2.0]
    assert scores["separation.si_sdr"].tolist() == [7.0]
    assert "per_class.speech.mixture.si_sdr" not in scores


def test_the_order_of_rows_does_not_matter():
    labels, probabilities, decision = tags(12, 3)
    table = new_table(
        12,
        tuple("abc"),
        label=labels,
        probability=probabilities,
        decision=decision,
        si_sdr=probabilities - labels,
    )
    tables = (table, table.sample(frac=1, random_state=0))
    first, shuffled = (
        {name: value[0] for name, value in Statistics.from_table(one).scores().items()}
        for one in tables
    )
    assert shuffled == pytest.approx(first)


def test_rows_that_are_not_one_per_mixture_and_class_are_refused():
    table = new_table(3, si_sdr=1.0)
    for wrong in (table.iloc[1:], pd.concat([table, table.iloc[:1]])):
        with pytest.raises(InputError, match="one per mixture and class"):
            Statistics.from_table(wrong)


def test_a_row_that_is_there_in_place_of_another_is_refused():
    table = new_table(3, si_sdr=1.0)
    # The expected number of rows, but one is there twice and one is missing.
    table.loc[0, "class"] = "knock"
    with pytest.raises(InputError, match="each only once"):
        Statistics.from_table(table)


@pytest.mark.parametrize("decimals", [1, 6])
def test_weighted_tagging_scores_are_scikit_learns_on_repeated_rows(decimals):
    labels, probabilities, decision = tags(15, 3, decimals=decimals)
    weights = np.random.default_rng(1).integers(0, 4, (20, 15))
    weights[:, :2] = 1  # every class has positive and negative labels
    table = new_table(15, tuple("abc"), label=labels, probability=probabilities, decision=decision)
    scores = Statistics.from_table(table).scores(weights)
    for row, weight in enumerate(weights):
        truth, probability, decided = (
            np.repeat(values, weight, 0).T for values in (labels, probabilities, decision)
        )
        for name, reference, of in (
            ("auc", roc_auc_score, probability),
            ("average_precision", average_precision_score, probability),
            ("f1", f1_score, decided),
        ):
            expected = np.mean(
                [reference(label, other) for label, other in zip(truth, of, strict=True)]
            )
            assert scores[f"tagging.{name}"][row] == pytest.approx(expected), name


def test_a_class_without_positives_among_the_resampled_is_left_out_of_the_mean_area():
    labels = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    probabilities = np.array([[0.9, 0.2], [0.1, 0.6], [0.4, 0.8]])
    table = new_table(3, label=labels, probability=probabilities, decision=probabilities > 0.5)
    auc = Statistics.from_table(table).scores(np.array([[1, 1, 1], [0, 1, 2], [0, 0, 1]]))[
        "tagging.auc"
    ]
    np.testing.assert_allclose(auc, [(1 + 0.5) / 2, 1, NAN])


def test_weighted_detection_scores_are_those_of_repeated_counts():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (3, 10, 2)).astype(float)
    table = new_table(10, **dict(zip(("event_tp", "event_fp", "event_fn"), counts, strict=True)))
    weights = rng.integers(0, 3, (5, 10))
    hits, made_up, missed = np.einsum("rn,cnk->crk", weights, counts)
    expected = (2 * hits / (2 * hits + made_up + missed)).mean(1)
    np.testing.assert_allclose(
        Statistics.from_table(table).scores(weights)["detection.event.f1"], expected
    )
    assert "detection.segment.f1" not in Statistics.from_table(table).scores()


def test_a_constant_has_an_interval_without_width():
    intervals = Statistics.from_table(new_table(20, si_sdr=3.5, leakage=-20.0)).intervals(
        n_resamples=300, seed=0
    )
    assert intervals["separation.si_sdr"] == [3.5, 3.5]
    assert intervals["separation.leakage"] == [-20.0, -20.0]
    assert intervals["per_class.speech.si_sdr"] == [3.5, 3.5]


@pytest.mark.parametrize(("n", "deviation"), [(400, 2.0), (100, 0.1)])
def test_the_interval_of_a_mean_is_that_of_the_normal_distribution(n, deviation):
    values = np.random.default_rng(0).normal(10, deviation, (n, 1))
    values = 10 + deviation * (values - values.mean()) / values.std()
    statistics = Statistics.from_table(new_table(n, ("speech",), si_sdr=values))
    low, high = statistics.intervals(n_resamples=4000, seed=0)["separation.si_sdr"]
    expected = 1.96 * deviation / np.sqrt(n)
    assert 10 - low == pytest.approx(expected, rel=0.15)
    assert high - 10 == pytest.approx(expected, rel=0.15)


def test_mixtures_are_resampled_and_not_rows():
    """Four rows that always agree are no more certain than one: the interval is twice as wide."""
    values = np.random.default_rng(0).standard_normal((200, 4))
    independent = new_table(200, tuple("abcd"), si_sdr=values)
    correlated = new_table(200, tuple("abcd"), si_sdr=values[:, :1])
    ratio = width(correlated, "separation.si_sdr") / width(independent, "separation.si_sdr")
    assert ratio == pytest.approx(2 * values[:, 0].std() / values.std(), rel=0.15)


def test_the_same_seed_gives_the_same_intervals_and_another_one_others():
    """A new score with an interval is added to `expected`."""
    labels, probabilities, decision = tags(30, 2)
    table = new_table(
        30, label=labels, probability=probabilities, decision=decision, si_sdr=probabilities
    )
    first, again, other = (
        Statistics.from_table(table).intervals(n_resamples=250, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    per_class = {"per_class.speech.si_sdr", "per_class.knock.si_sdr"}
    expected = {
        "separation.si_sdr",
        "tagging.auc",
        "tagging.average_precision",
        "tagging.f1",
    }
    assert set(first) == per_class | expected
    assert first["separation.si_sdr"] != other["separation.si_sdr"]


def test_the_same_mixtures_are_drawn_in_every_table():
    """The spread of the mixtures then does not hide the difference of two systems."""
    values = np.random.default_rng(0).standard_normal((25, 2))
    first, other = (Statistics.from_table(new_table(25, si_sdr=values + gain)) for gain in (0, 1))
    resampled = [
        statistics.resampled(n_resamples=130, seed=5)["separation.si_sdr"]
        for statistics in (first, other)
    ]
    assert resampled[0].shape == (130,)
    np.testing.assert_allclose(resampled[1] - resampled[0], 1)


def test_more_resamples_begin_with_the_same_ones():
    statistics = Statistics.from_table(new_table(9, si_sdr=np.arange(18.0).reshape(9, 2)))
    few, many = (
        statistics.resampled(n_resamples=n, seed=0)["separation.si_sdr"] for n in (100, 300)
    )
    np.testing.assert_array_equal(many[:100], few)


def test_undefined_scores_and_few_mixtures_have_no_interval_and_undefined_resamples_are_left_out():
    values = np.full((6, 2), NAN)
    values[:5, 0] = 4.0
    intervals = Statistics.from_table(new_table(6, si_sdr=values, sir=NAN)).intervals(
        n_resamples=100, seed=0
    )
    assert intervals["separation.si_sdr"] == [4.0, 4.0]
    assert "separation.sir" not in intervals
    assert "per_class.knock.si_sdr" not in intervals
    values[4, 0] = NAN
    assert (
        Statistics.from_table(new_table(6, si_sdr=values)).intervals(n_resamples=100, seed=0) == {}
    )


def test_an_interval_leaves_out_two_and_a_half_percent_on_either_side():
    assert interval(np.arange(1001.0)) == pytest.approx([25, 975])
    assert interval(np.append(np.arange(1001.0), NAN)) == pytest.approx([25, 975])


def test_some_mixtures_without_labels_or_counts_leave_the_rest_as_it_is():
    labels, probabilities, decision = tags(6, 2)
    labels[3] = NAN
    table = new_table(
        6, label=labels, probability=probabilities, decision=decision, si_sdr=probabilities
    )
    scores = Statistics.from_table(table).scores()
    assert scores["separation.si_sdr"][0] == pytest.approx(probabilities.mean())
    labelled = np.arange(6) != 3
    labelled_table = new_table(
        5, label=labels[labelled], probability=probabilities[labelled], decision=decision[labelled]
    )
    for name in ("tagging.auc", "tagging.average_precision", "tagging.f1"):
        assert scores[name][0] == pytest.approx(
            Statistics.from_table(labelled_table).scores()[name][0]
        )


NAMES = ("NA", "nan", "None", "1", "true")
MIXTURES = ("000000.wav", "007", "NA", "sub/a, b.wav", 'say "x".wav', "1e3", "ü.wav")


def awkward_table():
    """A table with names that look like numbers or are empty, and with empty cells."""
    rng = np.random.default_rng(0)
    n = len(MIXTURES)
    n_classes = len(NAMES)
    si_sdr = 20 * rng.standard_normal((n, n_classes))
    present = rng.integers(0, 2, (n, n_classes)).astype(float)
    table = new_table(
        n,
        NAMES,
        si_sdr=np.where(present, si_sdr, NAN),
        label=present,
        present=present,
        sir=NAN,
        residual=-40.0,
    )
    return table.assign(
        mixture=np.repeat(MIXTURES, n_classes),
        path=np.repeat([f"/x/{name}" for name in MIXTURES], n_classes),
    )


def test_scores_and_table_come_back_as_they_were_written(tmp_path):
    table = awkward_table()
    scores = Scores(tuple(NAMES), split="test", missing={"x": "0.1"})
    write_scores(tmp_path / "deep" / "scores.json", scores, table)
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [
        "scores.csv",
        "scores.json",
    ]
    again, read = read_scores(tmp_path / "deep" / "scores.json")
    assert again == scores
    content = json.loads((tmp_path / "deep" / "scores.json").read_text())
    assert content == {**scores.to_json(), "table": "scores.csv"}
    for name in ("mixture", "class", "path"):
        assert read[name].tolist() == table[name].tolist()
    numbers = ["label", "present", "si_sdr", "sir", "residual"]
    assert list(read.columns) == list(table.columns)
    np.testing.assert_allclose(
        read[numbers].to_numpy(float), table[numbers].to_numpy(float), rtol=1e-6
    )
    statistics = Statistics.from_table(read)
    assert (statistics.mixtures, statistics.classes) == (list(MIXTURES), list(NAMES))
    expected = {name: value[0] for name, value in Statistics.from_table(table).scores().items()}
    recomputed = {name: value[0] for name, value in statistics.scores().items()}
    assert recomputed == pytest.approx(expected, rel=1e-5)


def test_the_folder_may_be_moved(tmp_path):
    write_scores(tmp_path / "a/scores.json", Scores(tuple(NAMES)), awkward_table())
    (tmp_path / "a").rename(tmp_path / "b")
    assert len(read_scores(tmp_path / "b/scores.json")[1]) == len(NAMES) * len(MIXTURES)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("scores.json", None, "does not exist"),
        ("scores.json", "{", "not readable JSON"),
        ("scores.json", b"\xff\xfe\x00", "not readable JSON"),
        ("scores.json", "[]", "does not hold scores with a table"),
        ("scores.json", "null", "does not hold scores with a table"),
        ("scores.json", '{"classes": ["a"]}', "does not hold scores with a table"),
        ("scores.json", '{"table": "scores.csv"}', "does not hold scores with a table"),
        ("scores.json", '{"table": "other.csv", "classes": []}', "other.csv"),
        ("scores.json", '{"table": null, "classes": []}', "can't be read"),
        ("scores.csv", None, "can't be read"),
        ("scores.csv", "", "can't be read"),
        ("scores.csv", b"\xff\xfe\x00", "can't be read"),
        ("scores.csv", 'a,b\n1,2,3\n"', "can't be read"),
        ("scores.csv", "mixture,path,class,label,present\n", "lacks rows"),
        ("scores.csv", "mixture,path,class,label\na,b,c,1\n", "lacks present"),
        ("scores.csv", "x\n1\n", "lacks mixture, class, label, present"),
    ],
)
def test_files_that_hold_no_scores_are_refused_in_one_line(tmp_path, file, content, message):
    write_scores(tmp_path / "scores.json", Scores(("speech", "knock")), new_table(2, si_sdr=1.0))
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as error:
        read_scores(tmp_path / "scores.json")
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("column", ["label", "si_sdr"])
def test_a_table_with_text_in_the_place_of_numbers_is_refused_in_one_line(tmp_path, column):
    table = new_table(2, si_sdr=1.0).astype({column: object})
    table.loc[1, column] = "loud"
    write_scores(tmp_path / "scores.json", Scores(("speech", "knock")), table)
    with pytest.raises(InputError) as error:
        Statistics.from_table(read_scores(tmp_path / "scores.json")[1]).scores()
    assert len(str(error.value).splitlines()) == 1


def with_auc(auc):
    return Scores((), tagging=TaggingScores(auc=auc))


def test_scores_with_nan_are_not_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_scores(tmp_path / "scores.json", with_auc(NAN), new_table(1))
    assert not list(tmp_path.glob("*.json"))
    write_scores(tmp_path / "scores.json", with_auc(None), new_table(1))
    assert json.loads((tmp_path / "scores.json").read_text())["tagging"]["auc"] is None
