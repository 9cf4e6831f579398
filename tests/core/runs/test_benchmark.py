"""The benchmark: all conditions from mixing to the table, interrupted, refused and incomplete."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import read_left_out
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import read_manifest, read_specs
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.runs import benchmark
from absslab.core.runs.benchmark import BenchmarkConfig, benchmark_steps
from absslab.core.runs.benchmark_conditions import CONDITIONS, Condition
from absslab.core.runs.benchmark_results import (
    BenchmarkResults,
    BenchmarkRow,
    read_results,
    write_results,
)
from absslab.core.training.recipes import RECIPES
from absslab.core.training.run_directory import RunReader


@pytest.fixture(autouse=True)
def _small(monkeypatch, small_model):
    """Short mixtures, and a recipe that trains within a second."""
    for name, condition in CONDITIONS.items():
        mixing = {**condition.mixing, "length": 1.0}
        short = Condition(
            condition.summary,
            mixing,
            condition.needs_backgrounds,
            condition.model_of,
            condition.at_own_rate,
        )
        monkeypatch.setitem(CONDITIONS, name, short)
    recipe = small_model | {"batch_size": 8, "n_epochs": 1, "share_weight": 1.0, "test_every": 1}
    monkeypatch.setitem(RECIPES, "recommended", recipe)
    with collect_notices():  # about classes that so few mixtures do not hold
        yield


@pytest.fixture(scope="session")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    for index in range(3):
        noise = np.random.default_rng(index).uniform(-0.5, 0.5, 16000).astype(np.float32)
        sound_files.save(folder / f"street{index}.wav", noise, 16000)
    return folder


def config_of(event_folder, output, **settings):
    defaults = {
        "n_files": 20,
        "seeds": (0,),
        "split_percentages": (60, 20, 20),
        "n_workers": 1,
        "device": "cpu",
    }
    return BenchmarkConfig(
        event_folder=str(event_folder), output_folder=str(output), **defaults | settings
    )


def flags_of(event_folder, output, *flags):
    words = ["benchmark", "--event_folder", event_folder, "--output_folder", output]
    words += ["--n_files", "20", "--seeds", "0", "--split_percentages", "60", "20", "20"]
    return list(map(str, [*words, "--n_workers", "1", "--device", "cpu", *flags]))


def fail(capsys, arguments):
    """Run a command that must fail, and return its one line of output."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_conditions_are_scored_and_a_second_call_does_nothing(
    event_folder, streets, tmp_path, monkeypatch
):
    conditions = ("sparse", "background", "pairs", "other_rate", "phone")
    config = config_of(
        event_folder, tmp_path / "B", background_folder=str(streets), conditions=conditions
    )
    with collect_notices():
        results = run_to_end(benchmark_steps(config))
    assert [row.condition for row in results.rows] == list(conditions)
    assert not results.failures
    for row in results.rows:
        assert (row.recipe, row.supervision, row.seed, row.epochs) == ("recommended", "weak", 0, 1)
        assert row.minutes > 0
        assert row.clips_per_second > 0
        assert np.isfinite(row.scores["separation.si_sdr_improvement"])
        assert not any(name.startswith("per_class") for name in row.scores)
    assert read_results(tmp_path / "B") == results
    runs = sorted(path.name for path in (tmp_path / "B" / "runs").glob("*.ckpt"))
    trained = [name for name in conditions if not CONDITIONS[name].model_of]
    assert runs == sorted(f"{name}-recommended-weak-0.ckpt" for name in trained)
    phone = read_manifest(tmp_path / "B" / "mixtures" / "phone-0")
    background = read_manifest(tmp_path / "B" / "mixtures" / "background-0")
    assert set(phone.n_mixtures) == {"validation", "test"}
    assert phone.recordings == background.recordings
    assert phone.backgrounds == background.backgrounds
    for name in conditions:
        manifest = read_manifest(tmp_path / "B" / "mixtures" / f"{name}-0")
        mixed = MixingConfig(**CONDITIONS[name].mixing).to_json()
        assert {key: manifest.config[key] for key in mixed} == mixed | {
            "background_folder": str(streets) if CONDITIONS[name].needs_backgrounds else None
        }
        scores = read_scores_alone(tmp_path / "B" / "scores" / f"{name}-recommended-weak-0.json")
        assert scores.settings["evaluation"]["at_own_rate"] == (name == "other_rate")
    for spec, other in zip(
        read_specs(tmp_path / "B" / "mixtures" / "phone-0", "test"),
        read_specs(tmp_path / "B" / "mixtures" / "background-0", "test"),
        strict=True,
    ):
        assert tuple(replace(event, place_seed=0) for event in spec.events) == other.events
        assert (spec.background, spec.snr) == (other.background, other.snr)
        assert (spec.band, other.band) == ((300, 3400), None)
    with open(tmp_path / "B" / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["condition"] for row in rows] == list(conditions)
    assert float(rows[0]["tagging.auc"]) == pytest.approx(results.rows[0].scores["tagging.auc"])
    lines = (tmp_path / "B" / "results.md").read_text().splitlines()
    assert len(lines) == 2 + len(conditions)
    assert lines[0].startswith("| condition | recipe | labels | seeds | tagging AUC | event F1 |")

    monkeypatch.setattr(benchmark, "write_mixtures", None)
    monkeypatch.setattr(benchmark, "train_or_resume", None)
    monkeypatch.setattr(benchmark, "evaluation_steps", None)
    assert run_to_end(benchmark_steps(config)) == results


def test_a_training_that_was_killed_goes_on(event_folder, tmp_path):
    config = config_of(event_folder, tmp_path / "B", conditions=("sparse", "overlap"), n_epochs=3)
    steps = benchmark_steps(config)
    last = tmp_path / "B" / "runs" / "overlap-recommended-weak-0" / "last.ckpt"
    for _ in steps:
        if last.exists():
            break
    steps.close()
    (row,) = read_results(tmp_path / "B").rows
    assert row.condition == "sparse"
    scores = tmp_path / "B" / "scores" / "sparse-recommended-weak-0.json"
    before = scores.stat().st_mtime_ns
    assert RunReader.open(last.parent).state() == "stopped"
    results = run_to_end(benchmark_steps(config))
    assert [row.condition for row in results.rows] == ["sparse", "overlap"]
    assert [row.epochs for row in results.rows] == [3, 3]
    assert scores.stat().st_mtime_ns == before
    assert "stopped after epoch" in (last.parent / "log.txt").read_text()


@pytest.mark.parametrize("stage", ["mixing", "scoring"])
def test_what_was_killed_while_mixing_or_scoring_goes_on(event_folder, tmp_path, stage):
    config = config_of(event_folder, tmp_path / "B", conditions=("sparse",))
    steps = benchmark_steps(config)
    for step in steps:
        if step.stage.endswith(stage) and step.done:
            break
    steps.close()
    assert read_results(tmp_path / "B").rows == ()
    (row,) = run_to_end(benchmark_steps(config)).rows
    assert row.scores


def test_seeds_and_conditions_are_added_to_a_folder(event_folder, tmp_path):
    first = config_of(event_folder, tmp_path / "B", conditions=("sparse",), keep_mixtures=False)
    run_to_end(benchmark_steps(first))
    assert not list((tmp_path / "B" / "mixtures").iterdir())
    of_another_process = tmp_path / "B" / "mixtures" / "pairs-0"
    of_another_process.mkdir()
    run_to_end(benchmark_steps(first))
    assert of_another_process.exists()
    more = config_of(
        event_folder, tmp_path / "B", conditions=("pairs",), supervision=("sources",), seeds=(1,)
    )
    with collect_notices():
        results = run_to_end(benchmark_steps(more))
    assert [(row.condition, row.supervision, row.seed) for row in results.rows] == [
        ("sparse", "weak", 0),
        ("pairs", "sources", 1),
    ]


def test_two_processes_may_run_other_seeds_in_one_folder(event_folder, tmp_path):
    first, second = (
        benchmark_steps(
            config_of(event_folder, tmp_path / "B", conditions=("sparse",), seeds=(seed,))
        )
        for seed in (0, 1)
    )
    for _ in range(30):  # both have begun, and neither has a row
        next(first)
        next(second)
    run_to_end(first)
    results = run_to_end(second)
    assert [row.seed for row in results.rows] == [0, 1]
    assert read_results(tmp_path / "B") == results


def test_one_bad_condition_does_not_lose_the_others(event_folder, tmp_path, capsys):
    lonely = tmp_path / "streets" / "a.wav"
    sound_files.save(lonely, np.random.default_rng(0).uniform(-0.5, 0.5, 16000), 16000)
    flags = ["--background_folder", lonely.parent, "--conditions", "background", "sparse"]
    flags += ["--keep_mixtures", "False"]  # when all of them are scored
    assert main(flags_of(event_folder, tmp_path / "B", *flags)) == 1
    out, err = capsys.readouterr()
    assert "| sparse | recommended | weak | 0 |" in out
    lines = [line for line in err.splitlines() if "has no scores" in line]
    assert lines == [
        "absslab benchmark: warning: background, recommended, seed 0 has no scores: "
        f"background_folder {lonely.parent} has 1 recordings: expected at least 3, one for each "
        "split"
    ]
    assert err.splitlines()[-1] == (
        "absslab benchmark: no scores of background (recommended, weak, seed 0): results.json says "
        "why; the same command tries again"
    )
    assert (tmp_path / "B" / "mixtures" / "sparse-0").exists()
    results = read_results(tmp_path / "B")
    assert [row.condition for row in results.rows] == ["sparse"]
    assert [item.condition for item in results.failures] == ["background"]
    table = (tmp_path / "B" / "results.md").read_text()
    assert "- no scores of background, recommended, weak, seed 0: background_folder " in table


def test_conditions_with_backgrounds_are_left_out_without_a_folder(event_folder, tmp_path):
    config = config_of(event_folder, tmp_path / "B", conditions=("sparse", "phone", "background"))
    with collect_notices() as notices:
        results = run_to_end(benchmark_steps(config))
    assert str(notices[0]) == (
        "left out, since there is no background_folder: background, phone; "
        "pass --background_folder to have them too"
    )
    assert [row.condition for row in results.rows] == ["sparse"]


def test_another_benchmark_in_the_folder_is_refused_in_one_line(event_folder, tmp_path, capsys):
    folder = tmp_path / "B"
    config = config_of(event_folder, folder)
    settings = {
        "n_files": 20,
        "n_epochs": None,
        "split_percentages": [60.0, 20.0, 20.0],
        "recordings": "other",
        "recipes": {},
    }
    folder.mkdir()
    write_results(folder, BenchmarkResults(settings), config.columns)
    content = (folder / "results.json").read_bytes()
    assert fail(capsys, flags_of(event_folder, folder)) == (
        f"absslab benchmark: {folder} holds a benchmark of other recordings than these: "
        "choose another folder\n"
    )
    assert (folder / "results.json").read_bytes() == content
    del settings["recordings"]
    write_results(folder, BenchmarkResults({**settings, "n_files": 21}), config.columns)
    assert fail(capsys, flags_of(event_folder, folder)) == (
        f"absslab benchmark: {folder} holds a benchmark with n_files 21, not 20: "
        "choose another folder or the same n_files\n"
    )
    recipes = {"recommended": "other"}
    write_results(folder, BenchmarkResults({**settings, "recipes": recipes}), config.columns)
    assert fail(capsys, flags_of(event_folder, folder)) == (
        f"absslab benchmark: {folder} holds a benchmark in which the recipe recommended had other "
        "settings: choose another folder\n"
    )
    assert not (folder / "mixtures").exists()


def test_a_folder_with_something_else_is_refused_and_left_alone(event_folder, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    assert "is not empty and holds no benchmark of ABSSLab" in fail(
        capsys, flags_of(event_folder, tmp_path)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    (tmp_path / "results.json").write_text(json.dumps({"format": "something else"}))
    assert "results.json was not written by absslab benchmark" in fail(
        capsys, flags_of(event_folder, tmp_path)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "thesis.txt"]


@pytest.mark.parametrize(
    ("n_takes", "message"),
    [
        (1, "class 'alert' has 1 origin: expected at least 3, one for each of train"),
        (2, "class 'alert' has 2 origins: expected at least 3, one for each of train"),
    ],
)
def test_a_class_that_can_not_be_in_each_split_is_told_at_once(
    event_folder, tmp_path, capsys, n_takes, message
):
    events = tmp_path / "E"
    events.mkdir()
    for path in event_folder.iterdir():
        if int(path.stem[-2:]) <= n_takes or not path.stem.startswith("alert"):
            shutil.copy(path, events)
    assert message in fail(capsys, flags_of(events, tmp_path / "B"))
    assert not (tmp_path / "B").exists()


def test_a_silent_background_is_told_before_anything_is_trained(
    event_folder, streets, tmp_path, capsys
):
    shutil.copytree(streets, tmp_path / "S")
    sound_files.save(tmp_path / "S" / "silent.wav", np.zeros(16000, np.float32), 16000)
    flags = flags_of(event_folder, tmp_path / "B", "--background_folder", tmp_path / "S")
    assert "silent.wav is silent" in fail(capsys, flags)
    assert not (tmp_path / "B").exists()


def test_backgrounds_that_are_events_are_told_before_anything_is_mixed(
    event_folder, streets, tmp_path, capsys
):
    shutil.copytree(streets, tmp_path / "S")
    shutil.copy(event_folder / "alert01.wav", tmp_path / "S")
    flags = flags_of(event_folder, tmp_path / "B", "--background_folder", tmp_path / "S")
    assert "is the same sound as" in fail(capsys, flags)
    assert not (tmp_path / "B").exists()


def test_what_can_not_be_used_is_left_out_and_named(event_folder, streets, tmp_path, capsys):
    shutil.copytree(streets, tmp_path / "S")
    sound_files.save(tmp_path / "S" / "silent.wav", np.zeros(16000, np.float32), 16000)
    flags = ["--background_folder", tmp_path / "S", "--conditions", "sparse"]
    flags = flags_of(event_folder, tmp_path / "B", *flags, "--on_error", "skip")
    assert main(flags) == 3
    assert "silent.wav is silent" in capsys.readouterr().err.splitlines()[-1]
    (row,) = read_left_out(tmp_path / "B" / "left_out.csv")
    assert (Path(row["file"]).name, row["command"]) == ("silent.wav", "benchmark")
    assert read_results(tmp_path / "B").rows


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--conditions quiet", "conditions is 'quiet': expected one of sparse, overlap"),
        ("--recipes best", "recipes is 'best': expected one of thesis, thesis_L1"),
        ("--seeds 0 0", "seeds is 0 0: expected one or more, each once"),
        ("--n_files 0", "n_files is 0: expected at least 1"),
        ("--device tpu", "device"),
        ("--columns tagging.auc tagging.auk", "columns names tagging.auk, which is no mean"),
        ("--columns per_class.alert.auc", "columns names per_class.alert.auc, which is no mean"),
        ("--n_files 9", "n_files is 9: expected at least 10, so that each split has a mixture"),
        ("--split_percentages 80 20 0", "split_percentages is 80 20 0: a benchmark trains"),
        ("--conditions background phone", "can't be run without a background_folder: pass"),
    ],
)
def test_a_bad_setting_is_told_in_one_line(event_folder, tmp_path, capsys, flags, message):
    arguments = ["benchmark", "--event_folder", str(event_folder)]
    arguments += ["--output_folder", str(tmp_path / "B"), *flags.split()]
    assert message in fail(capsys, arguments)
    assert not (tmp_path / "B").exists()


@pytest.mark.parametrize("missing", ["--event_folder", "--output_folder"])
def test_a_missing_folder_is_told_in_one_line(tmp_path, capsys, missing):
    (other,) = {"--event_folder", "--output_folder"} - {missing}
    assert f"pass {missing}" in fail(capsys, ["benchmark", other, str(tmp_path / "B")])


def make_row(seed, **scores):
    return BenchmarkRow("sparse", "recommended", "weak", seed, 12, 6.0, 30.0, scores)


def test_the_table_shows_means_and_deviations_over_seeds():
    rows = tuple(make_row(seed, **{"tagging.auc": 0.9 + 0.01 * seed}) for seed in range(3))
    results = BenchmarkResults({}, rows)
    header, rule, line = results.to_markdown(("tagging.auc", "minutes", "other")).splitlines()
    assert header == "| condition | recipe | labels | seeds | tagging AUC | training, min | other |"
    assert rule == "| --- | --- | --- | --- | --- | --- | --- |"
    assert line == ("| sparse | recommended | weak | 0, 1, 2 | 0.910 ± 0.010 | 6.0 ± 0.0 | – |")
    alone = BenchmarkResults({}, rows[:1]).to_markdown(("tagging.auc",)).splitlines()[-1]
    assert alone == "| sparse | recommended | weak | 0 | 0.900 |"
    zero = BenchmarkResults({}, (make_row(0, **{"tagging.auc": -0.0001}),))
    assert zero.to_markdown(("tagging.auc",)).endswith("| weak | 0 | 0.000 |\n")


def test_the_table_shows_what_part_of_true_sources_weak_labels_reach():
    name = "separation.si_sdr_improvement"
    rows = tuple(
        replace(make_row(seed, **{name: improvement}), supervision=supervision)
        for supervision, values in {"weak": (8.0, 9.5, 3.0), "sources": (10.0, 10.0)}.items()
        for seed, improvement in enumerate(values)
    )
    columns = (name, "share_of_sources")
    header, _, *lines = BenchmarkResults({}, rows[:2] + rows[3:]).to_markdown(columns).splitlines()
    assert header.endswith("| SI-SDRi, dB | of that with true sources, % |")
    assert lines[0].endswith("| 8.8 ± 1.1 | 88 ± 11 |")
    assert lines[1].endswith("| 10.0 ± 0.0 | – |")
    of_three = BenchmarkResults({}, rows).to_markdown(columns).splitlines()[2]
    assert of_three.endswith("| – |")  # one has no counterpart
    alone = BenchmarkResults({}, rows[:3]).to_markdown(columns)
    assert "of that with true sources" not in alone


def test_results_are_read_as_they_were_written(tmp_path):
    results = BenchmarkResults({"n_files": 20}, (make_row(0, **{"separation.leakage": -99.0}),))
    write_results(tmp_path, results, ("separation.leakage",))
    assert read_results(tmp_path) == results
    assert "| −99 |" in (tmp_path / "results.md").read_text()
    content = json.loads((tmp_path / "results.json").read_text())
    assert (content["format"], content["version"]) == ("absslab benchmark", 1)
    content["version"] = 2
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="has format version 2, newer than 1: update ABSSLab"):
        read_results(tmp_path)


def test_the_settings_of_all_conditions_can_be_mixed():
    for condition in CONDITIONS.values():
        folder = "streets" if condition.needs_backgrounds else None
        assert MixingConfig(**condition.mixing, background_folder=folder).has_background != (
            "pairs" in condition.mixing
        )
        assert not condition.model_of or not CONDITIONS[condition.model_of].model_of


def test_the_manual_and_the_help_say_what_each_condition_is(capsys):
    page = Path(__file__).parents[3] / "docs" / "tasks" / "benchmark.md"
    rows = [line.split("|")[1].strip() for line in page.read_text().splitlines() if "| `" in line]
    assert rows == [f"`{name}`" for name in CONDITIONS]
    with pytest.raises(SystemExit):
        main(["benchmark", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, condition in CONDITIONS.items():
        assert f"{name}: {condition.summary}" in text


def test_scores_that_someone_deleted_are_made_again(event_folder, tmp_path):
    config = config_of(event_folder, tmp_path / "B", conditions=("sparse",))
    results = run_to_end(benchmark_steps(config))
    shutil.rmtree(tmp_path / "B" / "scores")
    again = run_to_end(benchmark_steps(config))
    assert again == results
    assert Path(tmp_path / "B" / "scores").is_dir()
