"""The benchmark of noise suppression aligns, scores and tabulates what suppressors return."""

import argparse
import importlib.util
from pathlib import Path

import noise_suppression
import numpy as np
import pandas as pd
import pytest
import suppressors
from noise_suppression import (
    Source,
    find_delay,
    find_test,
    main,
    score_outputs,
    score_perception,
    shift,
)
from suppressors import SUPPRESSORS, Cost, Job, Suppressor

from absslab.core.audio import sound_files
from absslab.core.data.mixture_folder import mixture_names, source_files
from absslab.core.separation.separated_folder import separate_file
from absslab.core.separation.separator import Separator

RATE = 16000


def noise(n=RATE, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


@pytest.fixture
def benchmark(mixtures, checkpoint, tmp_path):
    """A folder as absslab benchmark writes it, with a condition and a seed."""
    folder = tmp_path / "benchmark"
    for part in ("runs", "mixtures"):
        (folder / part).mkdir(parents=True)
    (folder / "runs/overlap-recommended-weak-0.ckpt").symlink_to(checkpoint)
    (folder / "mixtures/overlap-0").symlink_to(mixtures)
    return folder


@pytest.fixture
def kept(mixtures):
    """A class that test mixtures hold."""
    names = mixture_names(mixtures, "test")
    return next(name for name in source_files(mixtures / "test" / names[0]) if name != "background")


def flags(folder, tmp_path, kept, *more):
    places = ["--benchmark_folder", str(folder), "--output_folder", str(tmp_path / "out")]
    return ["noise_suppression.py", *places, "--conditions", "overlap", "--keep", kept, *more]


def test_a_delay_is_found_and_cut_off():
    waveform = noise()
    late = np.concatenate([np.zeros(320, np.float32), 0.3 * waveform])
    assert find_delay(waveform, late, RATE) == 320
    assert shift(late, 320, RATE) == pytest.approx(0.3 * waveform)
    assert not shift(late[:1000], 320, RATE)[680:].any()
    assert find_delay(waveform, waveform, RATE) == 0


def test_frames_that_come_late_are_complete():
    waveform = noise(1000)
    memory = [np.zeros(160, np.float32)]

    def delay_by_one(frame):
        memory.append(frame.copy())
        return memory[-2]

    late = suppressors.process_frames(waveform, 160, RATE, delay_by_one)
    assert shift(late, 160, 1000) == pytest.approx(waveform)


def test_a_suppressor_of_another_rate_returns_the_rate_of_the_mixture():
    rates = []

    def keep_all(waveform):
        rates.append(len(waveform) / 0.5)
        return waveform

    tone = np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE).astype(np.float32)
    returned = suppressors.at_rate(48000, keep_all)(tone, RATE)
    assert rates == [48000]
    assert returned == pytest.approx(tone, abs=0.01)


def test_ours_is_what_separate_keeps(mixtures, checkpoint, kept, tmp_path):
    mixture = mixtures / "test" / mixture_names(mixtures, "test")[0]
    job = Job("ABSSLab", [str(mixture)], str(tmp_path), str(checkpoint), kept)
    cost = suppressors.work(job)
    assert cost.duration == pytest.approx(2.0)
    assert cost.memory > 10
    separator = Separator.from_checkpoint(str(checkpoint))
    for _ in separate_file(separator, mixture, tmp_path / "separated", keep=[kept]):
        pass
    written = sound_files.load(tmp_path / "separated" / mixture.stem / "remix.wav")
    assert sound_files.load(tmp_path / mixture.name) == pytest.approx(written, abs=2 / 32768)


def test_outputs_are_scored_without_their_delay(tmp_path):
    speech, other = noise(seed=1), noise(seed=2)
    folder = tmp_path / "suppressed"
    folder.mkdir()
    sources = []
    for number in range(3):
        source = Source(tmp_path / f"{number}.wav", tmp_path / f"speech{number}.wav")
        sound_files.save(source.mixture, speech + other, RATE)
        sound_files.save(source.reference, speech, RATE)
        late = np.concatenate([np.zeros(100, np.float32), speech + 0.1 * other])
        sound_files.save(folder / source.mixture.name, late, RATE)
        sources.append(source)
    rows = score_outputs(sources, folder, perceive=lambda *pair: {})
    assert [row["delay"] for row in rows] == [100 / RATE] * 3
    assert [row["plain_sdr_improvement"] for row in rows] == pytest.approx([20] * 3, abs=0.1)
    assert [row["si_sdr_improvement"] for row in rows] == pytest.approx([20] * 3, abs=0.2)


def test_silence_has_the_worst_scores_of_perception(monkeypatch):
    monkeypatch.setattr(noise_suppression, "list_perceptual", lambda: ["pesq", "stoi", "estoi"])
    scores = score_perception(noise(), np.zeros(RATE, np.float32), RATE)
    assert scores == {"pesq": 1.0, "stoi": 0.0, "estoi": 0.0}


def test_more_noise_has_worse_scores_of_perception():
    pytest.importorskip("pystoi")
    speech, other = noise(3 * RATE, seed=1), noise(3 * RATE, seed=2)
    little = score_perception(speech, speech + 0.1 * other, RATE)
    much = score_perception(speech, speech + other, RATE)
    assert little["stoi"] > much["stoi"]
    assert little["estoi"] > much["estoi"]
    assert np.isnan(score_perception(speech[:1000], speech[:1000], RATE)["stoi"])


@pytest.mark.parametrize("name", [name for name, item in SUPPRESSORS.items() if item.module])
def test_another_package_returns_the_whole_mixture(name):
    pytest.importorskip(SUPPRESSORS[name].module)
    suppress = SUPPRESSORS[name].prepare(Job(name, [], "", "", ""))
    waveform = noise(2 * RATE)
    suppressed = np.asarray(suppress(waveform, RATE))
    assert suppressed.ndim == 1
    assert len(suppressed) >= len(waveform)
    assert np.isfinite(suppressed).all()
    assert np.square(suppressed).sum() < np.square(waveform).sum()


def test_packages_that_are_not_installed_are_left_out(monkeypatch, capsys):
    missing = Suppressor(SUPPRESSORS["WebRTC"].prepare, package="nothing", module="no_such_module")
    monkeypatch.setitem(SUPPRESSORS, "missing", missing)
    assert noise_suppression.list_installed(["missing", "ABSSLab"]) == ["ABSSLab"]
    line = "missing is left out: nothing is not installed (pip install 'absslab[benchmark]')"
    assert line in capsys.readouterr().err.splitlines()


def test_a_table_says_which_mixtures_a_score_leaves_out():
    row = {"condition": "overlap", "seed": 0, "suppressor": "ABSSLab", "plain_sdr_improvement": 9.0}
    rows = [
        row | {"mixture": "a", "si_sdr_improvement": -1.0, "stoi": 0.5},
        row | {"mixture": "b", "si_sdr_improvement": -2.0, "stoi": np.nan},
    ]
    lines = noise_suppression.tabulate_scores(pd.DataFrame(rows)).splitlines()
    assert lines[2] == "| overlap | ABSSLab | 2 | −1.5 (−1.5) | 9.0 | 0.50 |"
    assert lines[-1] == "STOI leaves out 1 of 2 mixtures."


def test_costs_are_medians_with_the_size_of_the_weights(tmp_path):
    model = tmp_path / "model.ckpt"
    model.write_bytes(bytes(1_500_000))
    costs = {"ABSSLab": [Cost(s, 10.0, m) for s, m in ((1.0, 300), (9.0, 100), (2.0, 200))]}
    text = noise_suppression.tabulate_costs(costs, model)
    assert text.splitlines()[2] == "| ABSSLab | – | 0.2000 | 200 | 1.5 | MIT |"


def test_the_benchmark_writes_and_prints_its_tables(benchmark, kept, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(noise_suppression, "run_in_process", suppressors.work)
    monkeypatch.setattr(noise_suppression, "score_perception", lambda *pair: {})
    monkeypatch.setattr(noise_suppression, "list_perceptual", list)
    numbers = ["--n_timed", "1", "--n_repetitions", "1"]
    chosen = ["--suppressors", "mixture as it is", "ABSSLab"]
    monkeypatch.setattr("sys.argv", flags(benchmark, tmp_path, kept, *numbers, *chosen))
    main()
    text = capsys.readouterr().out
    assert text == (tmp_path / "out/table.md").read_text()
    first, second = [line for line in text.splitlines() if line.startswith("| overlap")]
    assert first.startswith("| overlap | mixture as it is | ")
    assert first.endswith(" | 0.0 (0.0) | 0.0 |")
    assert second.startswith("| overlap | ABSSLab | ")
    monkeypatch.setattr(noise_suppression, "run_in_process", None)  # nothing is done again
    monkeypatch.setattr("sys.argv", [*flags(benchmark, tmp_path, kept), *chosen, *numbers[:3], "0"])
    main()
    assert capsys.readouterr().out.splitlines() == text.splitlines()[:4]


def test_a_process_of_its_own_says_what_it_took(mixtures):
    mixture = str(mixtures / "test" / mixture_names(mixtures, "test")[0])
    job = Job("mixture as it is", [mixture], "", "", "")
    cost = noise_suppression.run_in_process(job)
    assert cost.duration == pytest.approx(2.0)
    assert 5 < cost.memory < suppressors.measure_peak_memory()  # it does not load PyTorch


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("runs/overlap-recommended-weak-0.ckpt", "does not exist: expected the folder of an abssl"),
        ("mixtures/overlap-0", "expected a folder that absslab mix has finished"),
    ],
)
def test_an_unfinished_benchmark_is_refused(
    missing, message, benchmark, kept, tmp_path, monkeypatch, capsys
):
    (benchmark / missing).unlink()
    monkeypatch.setattr("sys.argv", flags(benchmark, tmp_path, kept))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_mixtures_without_a_model_of_their_own_are_heard_by_that_of_their_condition(
    benchmark, kept, tmp_path
):
    (benchmark / "runs/overlap-recommended-weak-0.ckpt").rename(
        benchmark / "runs/background-recommended-weak-0.ckpt"
    )
    (benchmark / "mixtures/overlap-0").rename(benchmark / "mixtures/phone-0")
    arguments = argparse.Namespace(
        benchmark_folder=benchmark, recipe="recommended", keep=kept, n_mixtures=1
    )
    test = find_test(arguments, "phone", 0)
    assert test.model.name == "background-recommended-weak-0.ckpt"
    assert len(test.sources) == 1


def test_a_class_that_no_mixture_holds_is_refused(benchmark, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", flags(benchmark, tmp_path, "no_such_class"))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "holds the class no_such_class: choose another with --keep" in capsys.readouterr().err


def test_weights_are_those_of_the_package():
    for name, suppressor in SUPPRESSORS.items():
        if suppressor.weights and importlib.util.find_spec(suppressor.module):
            assert noise_suppression.measure_weights(name, Path()) > 1_000_000
    assert noise_suppression.measure_weights("WebRTC", Path()) == 0
