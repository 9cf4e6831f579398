"""What workers of a cluster make has the bytes of what this machine makes."""

import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import start_cluster

from absslab.cli.main import main
from absslab.core.common.config import to_flags
from absslab.core.common.files import read_json
from absslab.core.common.progress import run_to_end
from absslab.core.data.audio_data_set import open_split
from absslab.core.data.layouts import DataConfig
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.runs.sweep_results import read_sweep_results
from absslab.core.training import feature_store
from absslab.core.training.cluster_features import part_steps
from absslab.core.training.experiment import Experiment
from absslab.core.training.feature_store import store_path, store_steps
from absslab.core.training.run_directory import RunReader
from absslab.core.training.settings import Settings

distributed = pytest.importorskip("distributed")
MANUAL = Path(__file__).parents[2] / "docs/tasks/scale.md"
FLAGS = ["--n_files", "90", "--length", "1", "--sampling_rate", "8000"]


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with start_cluster(tmp_path_factory.mktemp("cluster") / "two") as two:
        yield two


@pytest.fixture(scope="module")
def whole(event_folder, tmp_path_factory):
    """The mixtures as this machine makes them."""
    folder = tmp_path_factory.mktemp("mixtures") / "whole"
    flags = ["--event_folder", str(event_folder), "--output_folder", str(folder), *FLAGS]
    assert main(["mix", *flags, "--n_workers", "1"]) == 0
    return contents(folder)


def mix(event_folder, folder, scheduler):
    """Start `absslab mix` on a cluster, and wait for its first mixtures."""
    flags = ["--event_folder", event_folder, "--output_folder", folder, "--scheduler", scheduler]
    process = subprocess.Popen(
        [sys.executable, "-m", "absslab", "mix", *map(str, flags), *FLAGS],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    while process.poll() is None and not list(folder.glob("*/*.wav")):
        time.sleep(0.01)
    return process


def test_a_cluster_makes_the_same_mixtures(event_folder, whole, cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events").symlink_to(event_folder)  # workers have other working folders
    flags = ["mix", "--event_folder", "events", "--output_folder", "set"]
    assert main([*flags, *FLAGS, "--scheduler", cluster.address]) == 0
    made = contents(tmp_path / "set")
    assert set(made) == set(whole)
    for name, content in made.items():
        if name == "manifest.json" or name.endswith("mixtures.jsonl"):
            for setting in (b'"event_folder": "', b'"recording": "'):
                source = setting + str(event_folder).encode()
                content = content.replace(setting + b"events", source)
        assert content == whole[name], name


def test_a_killed_worker_changes_no_mixture(event_folder, whole, tmp_path):
    with start_cluster(tmp_path / "two") as two:
        process = mix(event_folder, tmp_path / "set", two.address)
        two.workers[0].kill()
        assert process.wait(timeout=120) == 0
    made = contents(tmp_path / "set")
    assert {name: made[name] for name in made if ".part" not in name} == whole


def test_when_the_scheduler_has_gone_the_same_command_goes_on(
    event_folder, whole, cluster, tmp_path
):
    with start_cluster(tmp_path / "one", 1) as one:
        process = mix(event_folder, tmp_path / "set", one.address)
        one.scheduler.kill()
        assert process.wait(timeout=120) == 1
        *_, line = process.stderr.read().splitlines()
        assert line.startswith(f"absslab mix: the scheduler {one.address} has gone: ")
    process = mix(event_folder, tmp_path / "set", cluster.address)
    assert process.wait(timeout=120) == 0
    made = contents(tmp_path / "set")
    assert {name: made[name] for name in made if ".part" not in name} == whole


def test_ctrl_c_ends_the_command_with_one_line(event_folder, cluster, tmp_path):
    process = mix(event_folder, tmp_path / "set", cluster.address)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    *_, line = process.stderr.read().splitlines()
    said = "interrupted; no file is left incomplete; workers finish what they have begun"
    assert line == f"absslab mix: {said}"


def test_bad_clusters_leave_nothing_behind(event_folder, tmp_path, capsys):
    flags = ["--event_folder", str(event_folder), "--output_folder", str(tmp_path / "set")]
    assert main(["mix", *flags, *FLAGS, "--scheduler", "here"]) == 2
    expected = "absslab mix: scheduler is here: expected an address such as tcp://host:8786\n"
    assert capsys.readouterr().err == expected
    assert not (tmp_path / "set").exists()


def test_the_script_of_the_manual_asks_slurm_for_workers(monkeypatch, capsys):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    jobqueue = pytest.importorskip("dask_jobqueue")
    for number, handler in handlers.items():  # its import replaces them
        signal.signal(number, handler)
    asked = {}
    monkeypatch.setattr(jobqueue.SLURMCluster, "adapt", lambda self, **flags: asked.update(flags))
    awaited = []
    monkeypatch.setattr(
        distributed.Client, "wait_for_workers", lambda self, n_workers: awaited.append(n_workers)
    )
    (code,) = re.findall(r"```python\n(.*?)while True:.*?```", MANUAL.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    with names["cluster"] as cluster:
        address = cluster.scheduler_address
        script = cluster.job_script()
    assert asked == {"minimum_jobs": 8, "maximum_jobs": 8}
    assert awaited == [1]
    assert capsys.readouterr().out == f"{address}\n"
    lines = script.splitlines()
    for line in ("-p gpu", "-n 1", "--cpus-per-task=1", "--mem=15G", "-t 24:00:00", "--gres=gpu:1"):
        assert f"#SBATCH {line}" in lines
    assert lines[-2] == "source /shared/absslab/bin/activate"
    assert re.match(rf"\S+ -m distributed.cli.dask_worker {address} .*--nthreads 1 ", lines[-1])
    assert "--lifetime 23h --lifetime-stagger 30m" in lines[-1]


def separate(capsys, checkpoint, sounds, folder, *flags):
    """Separate sounds into a folder; return exit status, what is written and what is said."""
    output = ["--output_folder", str(folder), "--device", "cpu"]
    given = ["--checkpoint_path", str(checkpoint), "--input", *map(str, sounds)]
    status = main(["separate", *given, *output, *map(str, flags)])
    lines = capsys.readouterr().err.replace(str(folder), "S").splitlines()
    return status, contents(folder), [line for line in lines if "warning" not in line]


def test_a_cluster_separates_into_the_same_bytes(
    checkpoint, mixtures, cluster, tmp_path, capsys, monkeypatch
):
    shutil.copytree(mixtures / "test", tmp_path / "test")
    monkeypatch.chdir(tmp_path)
    Path("broken").mkdir()
    Path("broken/a.wav").write_bytes(b"RIFF")
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    sounds = ["test", "broken", tmp_path / "b.wav"]
    here = separate(capsys, checkpoint, sounds, tmp_path / "here", "--keep", "speech")
    flags = ["--keep", "speech", "--scheduler", cluster.address]
    there = separate(capsys, checkpoint, sounds, tmp_path / "there", *flags)
    assert here == there
    assert here[0] == 3
    assert b"\nbroken/a.wav,broken/a.wav " in here[1]["left_out.csv"]
    assert len(here[1]) == 8 * 7 + 1  # four classes, residual, remix, events.tsv; left_out.csv


def test_a_file_that_ends_a_separation_ends_it_on_a_cluster_too(
    checkpoint, mixtures, cluster, tmp_path, capsys
):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    sounds = [tmp_path / "broken.wav"]
    here = separate(capsys, checkpoint, sounds, tmp_path / "here")
    there = separate(capsys, checkpoint, sounds, tmp_path / "there", "--scheduler", cluster.address)
    assert here == there
    assert here[0] == 2


def evaluate(capsys, output, *flags):
    """Score; return exit status, scores, table, left_out.csv, and what is printed."""
    status = main(["evaluate", "--output", str(output), *map(str, flags)])
    printed = capsys.readouterr()
    scores = read_json(output)
    for name in ("made", "date", "seconds"):
        scores.pop(name, None)
    table = output.with_suffix(".csv").read_text()
    left_out = output.with_name("left_out.csv")
    text = left_out.read_text() if left_out.exists() else ""
    said = (printed.out + printed.err).replace(str(output.parent), "S").splitlines()
    return status, scores, table, text, said[1:]


@pytest.fixture(params=["cluster", "processes"])
def elsewhere(request):
    """Flags that let the workers of a cluster, or processes of this machine, score."""
    if request.param == "processes":
        return ["--n_workers", "2"]
    return ["--scheduler", request.getfixturevalue("cluster").address]


def test_others_score_to_the_same_numbers(
    checkpoint, mixtures, elsewhere, tmp_path, capsys, monkeypatch
):
    copied = tmp_path / "set"
    shutil.copytree(mixtures, copied)
    (copied / "test/000003.wav").write_bytes(b"RIFF")
    cut = copied / "test/000004.wav"
    cut.write_bytes(cut.read_bytes()[:-1001])
    monkeypatch.chdir(tmp_path)  # workers have other working folders
    flags = ["--checkpoint_path", checkpoint, "--data_folder", "set", "--device", "cpu"]
    flags += ["--on_error", "skip", "--self_check", "True", "--bss_eval", "none"]
    here = evaluate(capsys, tmp_path / "here" / "scores.json", *flags)
    there = evaluate(capsys, tmp_path / "there" / "scores.json", *flags, *elsewhere)
    assert here == there
    assert any("000004.wav is cut short" in line for line in here[4])
    assert "\nset/test/000003.wav,set/test/000003.wav " in here[3]
    assert here[0] == 3


def test_a_recording_that_ends_an_evaluation_ends_that_of_others_too(
    checkpoint, mixtures, elsewhere, tmp_path, capsys
):
    shutil.copytree(mixtures, tmp_path / "set")
    (tmp_path / "set/test/000003.wav").unlink()
    (tmp_path / "set/test/000003.wav").symlink_to(mixtures / "test/000003.wav")
    for path in (tmp_path / "set/test/000005").iterdir():
        path.write_bytes(b"fLaC")
    flags = ["evaluate", "--checkpoint_path", str(checkpoint), "--device", "cpu"]
    flags += ["--data_folder", str(tmp_path / "set")]
    assert main(flags) == 2
    here = capsys.readouterr().err
    assert main([*flags, *elsewhere]) == 2
    assert capsys.readouterr().err == here


def test_others_score_sounds_of_another_program_to_the_same_numbers(
    checkpoint, mixtures, elsewhere, tmp_path, capsys, monkeypatch
):
    flags = ["--checkpoint_path", checkpoint, "--input", mixtures / "test", "--device", "cpu"]
    assert main(["separate", *map(str, flags), "--output_folder", str(tmp_path / "out")]) == 0
    for path in tmp_path.glob("out/00000[26]/knock.wav"):
        path.unlink()
    monkeypatch.chdir(tmp_path)
    flags = ["--estimates", "out", "--references", mixtures / "test", "--fit_estimates", "True"]
    flags += ["--bss_eval", "none"]
    capsys.readouterr()
    here = evaluate(capsys, tmp_path / "here" / "scores.json", *flags)
    there = evaluate(capsys, tmp_path / "there" / "scores.json", *flags, *elsewhere)
    assert here == there
    assert here[0] == 0


@pytest.mark.slow
def test_a_training_fills_its_feature_store_on_a_cluster(
    mixtures, small_model, cluster, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(mixtures)
    flags = to_flags({**small_model, "data_folder": ".", "n_epochs": 1, "batch_size": 8})
    output = ["--save_path", str(tmp_path / "run.ckpt"), "--feature_store", str(tmp_path / "there")]
    assert main(["train", *flags, *output, "--scheduler", cluster.address]) == 0
    settings = Settings.from_json(RunReader.open(tmp_path / "run").config)
    data = replace(settings.data, feature_store=str(tmp_path / "here"))
    run_to_end(Experiment(replace(settings, data=data)).prepare())
    here, there = (contents(tmp_path / name) for name in ("here", "there"))
    assert len(here) == 2
    assert here == there


def test_a_cluster_fills_a_feature_store_with_the_same_bytes_and_goes_on(
    mixtures, cluster, tmp_path
):
    data_set = open_split(DataConfig(data_folder=str(mixtures)), "train", sampling_rate=16000)
    front_end = FrontEnd(FeatureConfig())
    path = store_path(tmp_path, data_set, front_end)
    compute = feature_store._compute_features
    parts = run_to_end(part_steps(path, data_set, front_end.config, compute, cluster.address))
    before = parts[0].read_bytes()
    parts[1].unlink()
    first = next(store_steps(tmp_path, data_set, front_end, cluster.address))
    assert (first.done, first.total) == (20, 24)
    store = run_to_end(store_steps(tmp_path, data_set, front_end, cluster.address))
    store.file.close()
    (there,) = contents(tmp_path).values()
    assert before in there
    path.unlink()
    run_to_end(store_steps(tmp_path, data_set, front_end)).file.close()
    assert contents(tmp_path) == {path.name: there}


KILLING = """
import os, signal
from absslab.core.common import cluster
run = cluster._run_job
def run_and_kill(payload):
    run(payload)
    os.kill(int(os.environ.get("VICTIM", os.getpid())), signal.SIGKILL)
cluster._run_job = run_and_kill
"""


@pytest.fixture
def dying(tmp_path):
    """A cluster of which one worker ends after its first job, before that is delivered."""
    with start_cluster(tmp_path / "two", 1) as two:
        worker = two.start_worker(site=KILLING)
        two.wait(2)
        yield two
        assert worker.wait(timeout=10) == -signal.SIGKILL


def test_a_killed_worker_changes_no_separation(checkpoint, mixtures, dying, tmp_path, capsys):
    sounds = [mixtures / "test"]
    alone = separate(capsys, checkpoint, sounds, tmp_path / "alone")
    flags = ["--scheduler", dying.address]
    assert separate(capsys, checkpoint, sounds, tmp_path / "shared", *flags) == alone
    assert alone[0] == 0


def test_a_killed_worker_changes_no_score(checkpoint, mixtures, dying, tmp_path, capsys):
    flags = ["--checkpoint_path", checkpoint, "--data_folder", mixtures, "--device", "cpu"]
    flags += ["--bss_eval", "none"]
    alone = evaluate(capsys, tmp_path / "alone" / "scores.json", *flags)
    flags += ["--scheduler", dying.address]
    assert evaluate(capsys, tmp_path / "shared" / "scores.json", *flags) == alone
    assert alone[0] == 0


def test_a_killed_worker_changes_no_feature(mixtures, dying, tmp_path):
    data_set = open_split(DataConfig(data_folder=str(mixtures)), "train", sampling_rate=16000)
    front_end = FrontEnd(FeatureConfig())
    for name, scheduler in (("alone", ""), ("shared", dying.address)):
        (tmp_path / name).mkdir()
        run_to_end(store_steps(tmp_path / name, data_set, front_end, scheduler)).file.close()
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")


def test_a_separation_tells_that_its_scheduler_has_gone(checkpoint, mixtures, tmp_path, capsys):
    with start_cluster(tmp_path / "one", 0) as one:
        one.start_worker(site=KILLING, VICTIM=str(one.scheduler.pid))
        one.wait(1)
        flags = ["--scheduler", one.address]
        status, _, lines = separate(
            capsys, checkpoint, [mixtures / "test"], tmp_path / "out", *flags
        )
    assert status == 1
    assert lines[-1].startswith(f"absslab separate: the scheduler {one.address} has gone: ")


def test_a_scheduler_needs_a_feature_store_to_fill(mixtures, tmp_path, capsys):
    flags = ["--data_folder", str(mixtures), "--save_path", str(tmp_path / "run.ckpt")]
    assert main(["train", *flags, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "pass --feature_store FOLDER as well" in capsys.readouterr().err


GRID = """
common: {data_folder: set, model_type: U_Net, n_mels: 16, unet_channels: [4, 4, 4],
  fine_channels: 4, context: 4, n_epochs: 1, batch_size: 12, test_every: 1,
  choose_thresholds: none}
grid: {pooling: [GMP, GAP]}
"""


def read_rows(folder):
    """Return names, seeds and scores of a sweep."""
    rows = read_sweep_results(folder, "test").rows
    return [(row.name, row.seed, row.epochs, row.scores) for row in rows]


@pytest.mark.slow
def test_the_workers_of_a_cluster_train_what_a_sweep_trains(
    mixtures, cluster, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # workers have other working folders
    (tmp_path / "set").symlink_to(mixtures)
    (tmp_path / "grid.yaml").write_text(GRID)
    words = ["sweep", "grid.yaml", "--devices", "cpu", "--output_folder"]
    assert main([*words, "here"]) == 0
    capsys.readouterr()
    assert main([*words, "there", "--scheduler", cluster.address]) == 0
    assert "→ there/results.json, results.csv, results.md" in capsys.readouterr().out
    assert read_rows(tmp_path / "there") == read_rows(tmp_path / "here")
    before = (tmp_path / "there" / "pooling=GMP-seed0.ckpt").stat().st_mtime_ns
    assert main([*words, "there", "--scheduler", cluster.address]) == 0
    assert (tmp_path / "there" / "pooling=GMP-seed0.ckpt").stat().st_mtime_ns == before
    assert len(read_rows(tmp_path / "there")) == 2


@pytest.mark.slow
def test_a_training_of_a_killed_worker_goes_on(mixtures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").symlink_to(mixtures)
    (tmp_path / "grid.yaml").write_text(GRID.replace("[GMP, GAP]", "[GMP]"))
    words = [
        "sweep",
        "grid.yaml",
        "--devices",
        "cpu",
        "--output_folder",
        "there",
        "--n_epochs",
        "3",
    ]
    with start_cluster(tmp_path / "one", 1) as one:
        flags = [*words, "--scheduler", one.address]
        process = subprocess.Popen([sys.executable, "-m", "absslab", *flags])
        while not (tmp_path / "there" / "pooling=GMP-seed0" / "metrics.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.05)
        one.workers[0].kill()
        one.start_worker()
        assert process.wait(timeout=300) == 0
    ((_, _, n_epochs, _),) = read_rows(tmp_path / "there")
    assert n_epochs == 3


def test_a_training_that_fails_on_a_worker_is_told(cluster, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "grid.yaml").write_text(GRID.replace("[GMP, GAP]", "[GMP]"))
    words = ["sweep", "grid.yaml", "--devices", "cpu", "--output_folder", "there"]
    assert main([*words, "--scheduler", cluster.address]) == 1
    assert "pooling=GMP-seed0 has no scores: " in capsys.readouterr().err


def test_a_worker_trains_on_one_device_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "grid.yaml").write_text(GRID)
    words = ["sweep", "grid.yaml", "--devices", "cuda:0", "cuda:1", "--output_folder", "there"]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "each worker of a scheduler trains on one" in capsys.readouterr().err
