"""A training on shards: as in a folder, and going on within an epoch."""

import itertools
import multiprocessing
import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from loopback_server import serve_folder
from shard_folders import pack

from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.notices import collect_notices
from absslab.core.common.process_group import Processes
from absslab.core.common.progress import LongWork, run_to_end
from absslab.core.data.layouts import DataConfig
from absslab.core.data.shards.shard_split import ShardSplit
from absslab.core.training import shard_source
from absslab.core.training.epoch_progress import EpochProgress
from absslab.core.training.events import EpochResult, StepDone
from absslab.core.training.experiment import Experiment, train_or_resume
from absslab.core.training.run_directory import RunReader, request_stop
from absslab.core.training.saving import RunSaver
from absslab.core.training.settings import Settings
from absslab.core.training.shard_source import ShardSource

N_TRAIN = 24
N_STEPS = 3  # of an epoch


@pytest.fixture(scope="module")
def shards(mixtures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "shards"
    pack(mixtures, folder, data=DataConfig(data_folder=str(mixtures)), shard_size=0.3)
    return folder


@pytest.fixture
def flags(small_model, shards, tmp_path) -> dict:
    """A training of two epochs with random variations and dropout."""
    return small_model | {
        "data_set_type": "weakly_labelled_shards",
        "data_folder": str(shards),
        "save_path": str(tmp_path / "run.ckpt"),
        "n_epochs": 2,
        "batch_size": 8,
        "test_every": 1,
        "shuffle_buffer": 5,
        "share_weight": 2.0,
        "pair_probability": 0.6,
        "roll": True,
        "average_decay": 0.9,
    }


@pytest.fixture
def drawn(monkeypatch) -> list[list[int]]:
    """The recordings of each batch that a training has had."""
    batches: list[list[int]] = []
    epoch = ShardSplit.epoch

    def remember(*arguments, **options):
        for batch in epoch(*arguments, **options):
            batches.append([] if batch is None else batch.indices.tolist())
            yield batch

    monkeypatch.setattr(ShardSplit, "epoch", remember)
    return batches


def join(batches) -> list[int]:
    return list(itertools.chain(*batches))


def train(experiment) -> LongWork:
    work = LongWork(experiment.run())
    with collect_notices():
        for _ in work:
            pass
    return work


def weights_of(path) -> dict:
    return torch.load(path, weights_only=True)["weights"]


def assert_same_weights(path, other) -> None:
    first, second = weights_of(path), weights_of(other)
    assert all(torch.equal(first[name], second[name]) for name in first)


def stop_after(n_steps, experiment, folder) -> None:
    """Ask a training to stop when it has done so many steps: it stops after the next one."""
    n_done = 0
    with collect_notices():
        for event in experiment.run():
            n_done += isinstance(event, StepDone)
            if n_done == n_steps:
                request_stop(folder)


def test_a_training_on_shards_ends_with_a_model_and_scores(flags, drawn):
    outcome = train(Experiment(Settings.from_flags(flags))).result
    assert outcome.state == "finished"
    assert outcome.save_path.is_file()
    reader = RunReader.open(outcome.save_path.with_suffix(""))
    lines = reader.poll()
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(0 <= line["metrics"]["roc_auc_score"] <= 1 for line in lines)
    for epoch in (drawn[:N_STEPS], drawn[N_STEPS:]):
        assert sorted(join(epoch)) == list(range(N_TRAIN))
    assert drawn[:N_STEPS] != drawn[N_STEPS:]
    log = (outcome.save_path.with_suffix("") / "log.txt").read_text()
    assert "chosen by" in log  # thresholds of events


def test_loaders_change_nothing(flags, tmp_path):
    train(Experiment(Settings.from_flags(flags | {"n_epochs": 1})))
    other = flags | {"n_epochs": 1, "n_loaders": 2, "save_path": str(tmp_path / "other.ckpt")}
    train(Experiment(Settings.from_flags(other)))
    assert_same_weights(tmp_path / "run.ckpt", tmp_path / "other.ckpt")


@pytest.mark.parametrize("n_steps", [1, 3])
def test_a_stop_within_an_epoch_goes_on_where_it_was(flags, drawn, tmp_path, n_steps):
    train(Experiment(Settings.from_flags(flags)))
    whole = list(drawn)
    drawn.clear()
    cut = Settings.from_flags(flags | {"save_path": str(tmp_path / "cut.ckpt")})
    stop_after(n_steps, Experiment(cut), tmp_path / "cut")
    assert len(drawn) == n_steps + 1
    last = tmp_path / "cut" / "last.ckpt"
    assert (
        f"saved after step {n_steps % 3 + 1} of epoch" in (tmp_path / "cut" / "log.txt").read_text()
    )
    outcome = train(Experiment.resume(last)).result
    assert outcome.state == "finished"
    assert drawn == whole
    assert_same_weights(tmp_path / "run" / "last.ckpt", last)
    losses = [
        [line["losses"] for line in RunReader.open(tmp_path / name).poll()]
        for name in ("run", "cut")
    ]
    assert losses[0] == losses[1]


def test_a_stop_in_a_training_of_steps_goes_on_where_it_was(flags, drawn, tmp_path):
    flags |= {"n_steps": 5, "scheduler_type": "oneCycle"}
    train(Experiment(Settings.from_flags(flags)))
    whole = list(drawn)
    assert len(whole) == 5
    drawn.clear()
    cut = Settings.from_flags(flags | {"save_path": str(tmp_path / "cut.ckpt")})
    stop_after(3, Experiment(cut), tmp_path / "cut")
    train(Experiment.resume(tmp_path / "cut" / "last.ckpt"))
    assert drawn == whole
    assert_same_weights(tmp_path / "run" / "last.ckpt", tmp_path / "cut" / "last.ckpt")


def test_a_training_that_is_closed_within_an_epoch_goes_on_there(flags, drawn, tmp_path):
    steps = Experiment(Settings.from_flags(flags)).run()
    with collect_notices():
        for event in steps:
            if isinstance(event, StepDone) and event.step == 2:
                steps.close()
    assert len(drawn) == 2
    with collect_notices():
        outcome = run_to_end(train_or_resume(flags))
    assert outcome.state == "finished"
    assert len(drawn) == 2 * N_STEPS
    assert sorted(join(drawn[:N_STEPS])) == list(range(N_TRAIN))


def test_long_epochs_are_saved_now_and_then(flags, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_source, "STEPS_BETWEEN_SAVES", 2)
    steps = Experiment(Settings.from_flags(flags)).run()
    last = tmp_path / "run" / "last.ckpt"
    with collect_notices():
        for event in steps:
            if isinstance(event, StepDone):
                assert last.exists() == (event.step >= 2)
                if event.step == 2:
                    break
    content = torch.load(last, weights_only=True)
    assert content["resume"]["progress"]["n_steps"] == 2
    assert content["resume"]["epoch"] == 0
    steps.close()


@pytest.mark.parametrize("end", ["error", "close", "every step"])
@pytest.mark.parametrize("what", ["losses", "weights"])
def test_what_has_diverged_is_not_saved(flags, tmp_path, monkeypatch, end, what):
    if end == "every step":
        monkeypatch.setattr(shard_source, "STEPS_BETWEEN_SAVES", 1)
    add = EpochProgress.add
    begin = RunSaver.begin
    trainers = []

    def diverge(progress, losses, rng):
        if trainers and trainers[0].epoch == 1:
            if what == "weights":
                next(trainers[0].model.parameters()).data.fill_(np.inf)
            else:
                losses = {name: value * np.nan for name, value in losses.items()}
        add(progress, losses, rng)

    def remember(saver, trainer, *arguments):
        trainers.append(trainer)
        begin(saver, trainer, *arguments)

    monkeypatch.setattr(EpochProgress, "add", diverge)
    monkeypatch.setattr(RunSaver, "begin", remember)
    last = tmp_path / "run" / "last.ckpt"
    steps = Experiment(Settings.from_flags(flags)).run()
    saved = b""
    with collect_notices(), suppress(InputError):
        for event in steps:
            if isinstance(event, EpochResult):
                saved = last.read_bytes()
            if (
                end == "close"
                and isinstance(event, StepDone)
                and (event.epoch, event.step) == (2, 1)
            ):
                steps.close()
    assert saved
    assert last.read_bytes() == saved
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "not saved after step" in log


def test_a_damaged_place_within_an_epoch_is_told(flags, tmp_path):
    stop_after(1, Experiment(Settings.from_flags(flags)), tmp_path / "run")
    last = tmp_path / "run" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    content["resume"]["progress"] = {"n_steps": 1}
    torch.save(content, last)
    with pytest.raises(InputError, match="its progress within the epoch is not what"):
        Experiment.resume(last)


def open_source(flags) -> ShardSource:
    with collect_notices():
        return run_to_end(Experiment(Settings.from_flags(flags)).prepare()).data


def parts_of(source, n_processes, **options) -> list[list[list[int]]]:
    """Return the recordings of each batch, by process."""
    parts = []
    for rank in range(n_processes):
        processes = Processes(rank, n_processes)
        rng = np.random.default_rng(5)
        own = source.train_parts(7, rng, processes, **options)
        parts.append([[] if p.batch is None else p.batch.indices.tolist() for p in own])
    return parts


@pytest.mark.parametrize("n_processes", [1, 2, 4])
def test_processes_see_each_recording_once_and_take_the_same_steps(flags, n_processes):
    source = open_source(flags)
    parts = parts_of(source, n_processes)
    assert {len(part) for part in parts} == {4}
    seen = [number for part in parts for batch in part for number in batch]
    assert sorted(seen) == list(range(N_TRAIN))
    rest = parts_of(source, n_processes, n_done=2, n_begun_with=n_processes)
    assert rest == [part[2:] for part in parts]


def test_an_epoch_goes_on_in_another_number_of_processes(flags):
    source = open_source(flags)
    begun = parts_of(source, 2)
    alone = parts_of(source, 1, n_done=1, n_begun_with=2)[0]
    together = [sorted(join(batch)) for batch in zip(*begun, strict=True)]
    assert [sorted(batch) for batch in alone] == together[1:]


def test_validation_is_divided_between_processes(flags):
    source = open_source(flags)
    seen = []
    for rank in range(3):
        batches = source.validation_batches(8, Processes(rank, 3))
        seen += [number for batch in batches for number in batch.indices.tolist()]
    assert sorted(seen) == list(range(len(source.validation)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"supervision": "events"}, "shards have weak labels alone"),
        ({"thresholds": (0.5, 0.5)}, "thresholds has 2 values: expected 1, or 4"),
    ],
)
def test_what_shards_do_not_allow_is_refused(flags, changes, text):
    with pytest.raises(InputError, match=text):
        train(Experiment(Settings.from_flags(flags | changes)))
    assert not Path(flags["save_path"]).with_suffix("").exists()


def test_a_cut_shard_is_told_before_the_run_begins(flags, shards, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in shards.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    cut = copy / "train-000001.tar"
    cut.write_bytes(cut.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"train-000001\.tar is cut: it has 1000 bytes of"):
        train(Experiment(Settings.from_flags(flags | {"data_folder": str(copy)})))
    assert not (tmp_path / "run").exists()


def test_other_shards_are_refused_when_a_run_goes_on(flags, mixtures, tmp_path):
    stop_after(1, Experiment(Settings.from_flags(flags)), tmp_path / "run")
    data = DataConfig(data_folder=str(mixtures))
    pack(mixtures, tmp_path / "others", data=data, seed=7)
    changes = {"data_folder": str(tmp_path / "others")}
    with pytest.raises(InputError, match="has other shards than the run began with"):
        train(Experiment.resume(tmp_path / "run" / "last.ckpt", changes))


def stall_after(n_steps, experiment, faults) -> None:
    """Train, and let the server stall for ever after so many steps."""
    n_done = 0
    with collect_notices():
        for event in experiment.run():
            n_done += isinstance(event, StepDone)
            if n_done == n_steps:
                faults.stalls = [0] * 50


@pytest.mark.parametrize("n_steps", [1, 3])  # while it validates, and in the second epoch
def test_a_server_that_stalls_ends_a_training_that_then_goes_on(
    flags, shards, drawn, tmp_path, n_steps
):
    train(Experiment(Settings.from_flags(flags)))
    whole = list(drawn)
    drawn.clear()
    with serve_folder(shards) as (url, faults):
        changes = {"data_folder": url, "shard_timeout": 0.1}
        remote = flags | changes | {"save_path": str(tmp_path / "remote.ckpt")}
        with pytest.raises(WorkError, match=r"no byte came in time.* goes on from its last\.ckpt$"):
            stall_after(n_steps, Experiment(Settings.from_flags(remote)), faults)
        faults.stalls = []
        assert RunReader.open(tmp_path / "remote").state() == "failed"
        outcome = train(Experiment.resume(tmp_path / "remote" / "last.ckpt")).result
    assert outcome.state == "finished"
    assert drawn == whole
    assert_same_weights(tmp_path / "run.ckpt", tmp_path / "remote.ckpt")


def test_a_command_of_a_checkpoint_runs_only_if_it_is_stated_again(flags, shards, tmp_path):
    command = f"pipe:cat {shards}/{{name}}"
    cut = Settings.from_flags(flags | {"data_folder": command})
    stop_after(1, Experiment(cut, may_run_command=True), tmp_path / "run")
    last = tmp_path / "run" / "last.ckpt"
    with pytest.raises(InputError, match="which a file says: to run it, pass it with"):
        train(Experiment.resume(last))
    assert train(Experiment.resume(last, {"data_folder": command})).result.state == "finished"


def test_another_number_of_processes_repeats_no_variations(flags, tmp_path):
    stop_after(1, Experiment(Settings.from_flags(flags)), tmp_path / "run")
    experiment = Experiment.resume(tmp_path / "run" / "last.ckpt")
    with collect_notices():
        trainer = run_to_end(experiment.prepare())
    trainer.progress._saved *= 2  # as two processes save it
    begun, _ = trainer._begin_epoch(EpochProgress(1))
    gone_on, _ = trainer._begin_epoch(trainer.progress)
    assert begun.integers(1 << 62) != gone_on.integers(1 << 62)


def test_what_reads_ahead_ends_with_the_training(flags):
    steps = Experiment(Settings.from_flags(flags | {"n_loaders": 2})).run()
    with collect_notices():
        for event in steps:
            if isinstance(event, StepDone):
                children = multiprocessing.active_children()
                for child in children:
                    os.kill(child.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
                steps.close()
    assert [child.exitcode for child in children] == [0, 0]  # none had to be killed
