"""The benchmark of model sizes puts what models cost beside their scores."""

import sys

import model_sizes
import pytest

from absslab.core.runs.benchmark_results import BenchmarkResults, BenchmarkRow, write_results
from absslab.core.training.recipes import RECIPES


@pytest.fixture
def benchmark(mixtures, small_model, tmp_path, monkeypatch):
    """A benchmark with scores of one of two recipes, the other of which has fewer weights."""
    recipe = small_model | {"batch_size": 8, "n_epochs": 2, "share_weight": 1.0}
    monkeypatch.setitem(RECIPES, "recommended", recipe)
    monkeypatch.setitem(RECIPES, "small", recipe | {"unet_channels": (4, 4, 4)})
    folder = tmp_path / "B"
    (folder / "mixtures").mkdir(parents=True)
    (folder / "mixtures" / "sparse-0").symlink_to(mixtures)
    scores = {"tagging.auc": 0.9, "separation.si_sdr_improvement": -1.25}
    row = BenchmarkRow("sparse", "recommended", "weak", 0, 12, 6.0, 30.0, scores)
    write_results(folder, BenchmarkResults({}, (row,)), ())
    return folder


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["model_sizes.py", *map(str, arguments)])
    model_sizes.main()


def test_each_recipe_has_its_costs_beside_its_scores(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(model_sizes.torch, "set_num_threads", lambda n: None)
    monkeypatch.setattr(model_sizes, "measure_memory", lambda *_: 321.0)
    flags = ["--recipes", "small", "recommended", "--n_rounds", 1, "--minutes", 0.05]
    run(monkeypatch, "--benchmark", benchmark, "--condition", "sparse", *flags)
    header, _, *lines = capsys.readouterr().out.splitlines()
    titles, *rows = (line.strip("| ").split(" | ") for line in (header, *lines))
    small, recommended = (dict(zip(titles, row, strict=True)) for row in rows)
    assert (small["recipe"], recommended["recipe"]) == ("small", "recommended")
    assert 0 < int(small["weights"].replace(",", "")) < int(recommended["weights"].replace(",", ""))
    for name in ("clips/s", "masks, s per hour", "separation, s per hour"):
        assert float(small[name]) > 0, name
    assert small["memory, MiB"] == "321"
    scores = ("tagging AUC", "event F1", "SI-SDRi, dB", "training, min")
    assert [recommended[name] for name in scores] == ["0.900", "–", "−1.2", "6.0"]
    assert [small[name] for name in scores] == ["–"] * 4


def test_the_memory_is_that_of_a_separation_of_its_own(checkpoint, mixtures, tmp_path):
    recording = mixtures / "test" / "000000.wav"
    memory = model_sizes.measure_memory(checkpoint, recording, tmp_path / "out", "cpu")
    assert (tmp_path / "out" / "000000" / "residual.wav").exists()
    assert 100 < memory < 5000  # MiB


def test_a_condition_without_mixtures_is_told_in_one_line(benchmark, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "--benchmark", benchmark, "--condition", "pairs")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("B has no mixtures of pairs")
