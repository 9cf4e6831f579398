"""How recordings are divided between processes that score them."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from process_groups import ends, group, wait_for

from absslab.core.evaluation import divided_evaluation
from absslab.core.evaluation.divided_evaluation import (
    PlaceConfig,
    _divide_threads,
    _use_threads,
    choose_n_workers,
    run_evaluation,
)
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.evaluation.scorer import ScoringConfig


@pytest.fixture
def eight_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)


@pytest.fixture
def free_memory(monkeypatch):
    def set_free(n_bytes):
        free = SimpleNamespace(available=n_bytes)
        monkeypatch.setattr(divided_evaluation.psutil, "virtual_memory", lambda: free)

    set_free(1e12)
    return set_free


@pytest.fixture
def evaluation(checkpoint):
    return open_evaluation(EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu"))


def repeat(evaluation, n):
    """Return the evaluation of n recordings, the first one again and again."""
    return replace(evaluation, data_set=evaluation.data_set.select([0] * n))


@pytest.mark.parametrize(("n", "expected"), [(15, 1), (31, 1), (32, 2), (100, 6), (1000, 8)])
def test_each_process_has_sixteen_recordings_and_a_thread_at_least(
    evaluation, eight_threads, free_memory, n, expected
):
    assert choose_n_workers(repeat(evaluation, n)) == expected


def test_processes_share_half_of_the_free_memory(evaluation, eight_threads, free_memory):
    free_memory(4e9)
    assert choose_n_workers(repeat(evaluation, 1000)) == 2
    free_memory(1e9)
    assert choose_n_workers(repeat(evaluation, 1000)) == 1


def test_a_gpu_scores_in_one_process(evaluation, eight_threads, free_memory, monkeypatch):
    monkeypatch.setattr(type(evaluation), "device", torch.device("cuda"))
    assert choose_n_workers(repeat(evaluation, 1000)) == 1


@pytest.mark.parametrize(
    ("n_workers", "n_jobs", "expected"), [(4, 100, 2), (8, 3, 2), (16, 100, 1), (2, 0, 8)]
)
def test_threads_are_divided_between_the_processes_that_start(
    eight_threads, n_workers, n_jobs, expected
):
    assert _divide_threads(PlaceConfig(n_workers=n_workers), n_jobs) == expected


def test_threads_are_as_before_after_a_job():
    before = torch.get_num_threads()
    with _use_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with _use_threads(None):
        assert torch.get_num_threads() == before


def test_where_processes_can_not_share_work_one_scores_with_all_threads(checkpoint, monkeypatch):
    config = EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu")
    evaluation = open_evaluation(config, scoring=ScoringConfig(bss_eval="none"))
    asked = []
    monkeypatch.setattr(divided_evaluation, "can_share_work", lambda: asked.append(1))
    monkeypatch.setattr(type(evaluation), "run", lambda self: "in this process")
    assert run_evaluation(evaluation, config, PlaceConfig(n_workers=2)) == "in this process"
    assert asked


@pytest.mark.slow
@pytest.mark.parametrize("is_scoring", [False, True], ids=["starting", "scoring"])
def test_ctrl_c_ends_all_processes_with_one_line_and_writes_nothing(
    checkpoint, mixtures, tmp_path, is_scoring
):
    """The recordings are links to one that takes long."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    rows = ["filename,event_labels"]
    for number in range(2000):
        Path(recordings / f"{number}.wav").symlink_to(mixtures / "test/000000.wav")
        rows.append(f"{number}.wav,speech")
    (recordings / "weak_labels.csv").write_text("\n".join(rows) + "\n")
    flags = ["--checkpoint_path", checkpoint, "--data_folder", recordings, "--n_workers", "2"]
    flags += ["--data_set_type", "weakly_labelled_folder", "--output", tmp_path / "scores.json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "absslab", "evaluate", *map(str, flags)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    wait_for(process, lambda: len(group(process)) >= 3)  # it, and two or more that it has started
    if is_scoring:
        assert re.match(r"scored: [1-9]\d* of 2000", process.stderr.readline())
    os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    lines = [line for line in err.splitlines() if not re.fullmatch(r".+: \d+ of \d+ \w+", line)]
    assert len(lines) == 1
    assert lines[0].startswith("absslab evaluate: interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["recordings"]
    assert ends(process)
