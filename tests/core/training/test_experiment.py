"""A training writes the expected run directory for its settings."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import torch

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError, InputWarning, WorkError
from absslab.core.common.left_out import read_left_out
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import LongWork, run_to_end
from absslab.core.model.checkpoint import load_checkpoint, read_checkpoint
from absslab.core.model.mask_networks import UNetConfig
from absslab.core.training.augmentation import AugmentationConfig
from absslab.core.training.epoch_lines import print_epochs
from absslab.core.training.events import (
    EpochResult,
    StepDone,
    TaskStep,
    TrainingStarted,
)
from absslab.core.training.experiment import Experiment, train_or_resume
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.run_directory import RunReader
from absslab.core.training.schedules import build_schedule
from absslab.core.training.settings import Settings


def finish(experiment: Experiment) -> list[EpochResult]:
    return [event for event in experiment.run() if isinstance(event, EpochResult)]


def cut_after(experiment: Experiment, n_epochs: int) -> None:
    """Interrupt the run in the middle of the next epoch, as a kill does."""
    run = experiment.run()
    for event in run:
        if isinstance(event, StepDone) and event.epoch == n_epochs + 1 and event.step == 2:
            break
    run.close()


def with_training(settings: Settings, **changes) -> Settings:
    return replace(settings, training=replace(settings.training, **changes))


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)["weights"]


@pytest.mark.parametrize(
    "scheduler", ["none", "stepLR", "multiStepLR", "reduceLROnPlateau", "oneCycle"]
)
@pytest.mark.reference_flaw("trainings had no seed")
def test_a_run_that_was_cut_ends_with_the_same_weights_as_one_that_was_not(
    new_run, tmp_path, scheduler
):
    options = dict(
        n_epochs=3,
        scheduler_type=scheduler,
        scheduler_step_size=1,
        scheduler_milestones=(1, 2),
        scheduler_patience=0,
    )
    uncut = with_training(new_run, **options)
    finish(Experiment(uncut))
    cut = replace(uncut, run=replace(uncut.run, save_path=str(tmp_path / "cut.ckpt")))
    cut_after(Experiment(cut), 1)
    results = finish(Experiment.resume(tmp_path / "cut" / "last.ckpt"))
    assert [result.epoch for result in results] == [2, 3]
    expected = read_checkpoint(tmp_path / "run/last.ckpt")
    resumed = read_checkpoint(tmp_path / "cut/last.ckpt")
    for part in ("weights",):
        for name, value in expected[part].items():
            assert torch.equal(value, resumed[part][name]), name
    for name, value in expected["resume"]["weights"].items():
        assert torch.equal(value, resumed["resume"]["weights"][name]), name
    best = weights(tmp_path / "run.ckpt")
    again = weights(tmp_path / "cut.ckpt")
    assert all(torch.equal(best[name], again[name]) for name in best)


def test_few_recordings_are_trained_with_more_epochs(new_run):
    settings = with_training(new_run, n_epochs=1, least_steps=7)  # an epoch has 3
    assert [result.n_epochs for result in finish(Experiment(settings))] == [3, 3, 3]
    enough = replace(
        settings, run=replace(settings.run, save_path=f"{new_run.run.save_path}2.ckpt")
    )
    enough = with_training(enough, least_steps=3)
    assert [result.n_epochs for result in finish(Experiment(enough))] == [1]


def test_a_run_with_more_epochs_than_were_given_is_resumed(new_run, tmp_path):
    settings = with_training(new_run, n_epochs=1, least_steps=9)
    cut_after(Experiment(settings), 2)
    last = tmp_path / "run/last.ckpt"
    assert [result.epoch for result in finish(Experiment.resume(last))] == [3]
    longer = Experiment.resume(last, {"n_epochs": 4})
    assert [result.n_epochs for result in finish(longer)] == [4]


def test_epochs_that_are_given_are_not_raised_to_the_steps_of_a_recipe():
    recipe = {"n_epochs": 12, "least_steps": 3000, "batch_size": 16}
    assert apply_recipe(recipe, {"n_epochs": 2}) == {"n_epochs": 2, "batch_size": 16}
    assert apply_recipe(recipe, {"seed": 1}) == recipe | {"seed": 1}
    both = {"n_epochs": 2, "least_steps": 5}
    assert apply_recipe(recipe, both) == recipe | both


@pytest.mark.reference_flaw(
    "the last model was saved without its folder, and the path of the run was overwritten"
)
def test_the_run_directory_holds_what_the_design_says(settings, checkpoint):
    folder = checkpoint.with_suffix("")
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "metrics.jsonl", "status.json", "log.txt", "last.ckpt"
    }  # fmt: skip
    assert Settings.from_json(json.loads((folder / "config.json").read_text())) == settings
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(set(line["losses"]) == {"total", "tag", "absent", "share"} for line in lines)
    assert set(lines[0]["per_class"]) == {"alert", "knock", "pageturn", "speech"}
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"
    assert "epoch 2" in (folder / "log.txt").read_text()


@pytest.mark.reference_flaw("the best model was compared by one metric and stored by another")
def test_the_saved_model_is_that_of_the_best_epoch_by_the_declared_metric(new_run):
    experiment = Experiment(with_training(new_run, n_epochs=4, metric="loss"))
    losses = {result.epoch: result.metrics["loss"] for result in finish(experiment)}
    provenance = load_checkpoint(new_run.run.save_path).made
    assert provenance["epoch"] == min(losses, key=losses.get)
    assert provenance["metrics"]["loss"] == min(losses.values())


@pytest.mark.reference_flaw("a resumed training forgot its best score")
def test_the_best_score_so_far_survives_a_resume(new_run, tmp_path):
    settings = with_training(new_run, n_epochs=3, metric="loss", scheduler_type="none")
    cut_after(Experiment(settings), 2)
    best = read_checkpoint(tmp_path / "run/last.ckpt")["resume"]["best"]
    trainer = run_to_end(Experiment.resume(tmp_path / "run/last.ckpt").prepare())
    assert trainer.best == best


def test_early_stopping_stops_after_so_many_evaluations_without_a_better_one(new_run):
    settings = with_training(
        new_run, n_epochs=30, metric="f1-score", patience=2, learning_rate=1e-9, average_decay=0.0
    )
    results = finish(Experiment(settings))
    assert len(results) < 30
    assert [result.is_best for result in results[-2:]] == [False, False]


def test_the_file_stop_stops_a_run_which_can_then_be_resumed(new_run, tmp_path):
    run = Experiment(new_run).run()
    while not isinstance(next(run), StepDone):
        pass
    (tmp_path / "run" / "stop").touch()
    rest = list(run)
    assert not any(isinstance(event, EpochResult) and event.epoch == 2 for event in rest)
    assert RunReader.open(tmp_path / "run").state() == "stopped"


def test_models_of_every_so_many_epochs_are_kept_and_can_be_used(new_run, tmp_path):
    settings = with_training(replace(new_run, run=replace(new_run.run, keep_every=2)), n_epochs=5)
    finish(Experiment(settings))
    checkpoints = RunReader.open(tmp_path / "run").epoch_checkpoints()
    assert list(checkpoints) == [2, 4]
    assert [load_checkpoint(path).made["epoch"] for path in checkpoints.values()] == [2, 4]
    first, second = (weights(path) for path in checkpoints.values())
    assert any(not torch.equal(first[name], second[name]) for name in first)
    list(Experiment.resume(tmp_path / "run/last.ckpt", {"n_epochs": 7, "keep_every": 3}).run())
    assert list(RunReader.open(tmp_path / "run").epoch_checkpoints()) == [2, 4, 6]


def test_a_run_is_not_overwritten_but_named_with_how_to_go_on(new_run):
    finish(Experiment(new_run))
    with pytest.raises(InputError, match=r"go on with --checkpoint_path .*last\.ckpt"):
        finish(Experiment(new_run))


def test_what_would_make_it_another_training_can_not_change_on_resume(new_run, tmp_path):
    finish(Experiment(new_run))
    last = tmp_path / "run" / "last.ckpt"
    rate = new_run.training.learning_rate
    with pytest.raises(InputError, match=f"learning_rate can't change from {rate:g} when"):
        Experiment.resume(last, {"learning_rate": 1.0})
    same = {"learning_rate": rate, "pooling": new_run.model.pooling, "n_epochs": 3}
    assert Experiment.resume(last, same).settings.training.n_epochs == 3
    with pytest.raises(InputError, match=r"pass its last\.ckpt"):
        Experiment.resume(tmp_path / "run.ckpt")
    assert [result.epoch for result in finish(Experiment.resume(last, {"n_epochs": 3}))] == [3]


@pytest.mark.parametrize("scheduler", ["stepLR", "reduceLROnPlateau", "oneCycle"])
def test_another_number_of_epochs_leads_to_the_rates_of_its_own_plan(scheduler, new_run, tmp_path):
    """A run of 30 epochs is cut, goes on to 4, and then to 30 after all."""
    options = dict(scheduler_type=scheduler, scheduler_step_size=2, scheduler_milestones=(3, 5))
    cut_after(Experiment(with_training(new_run, n_epochs=30, **options)), 2)
    last = tmp_path / "run" / "last.ckpt"
    with collect_notices() as notices:
        short = finish(Experiment.resume(last, {"n_epochs": 4}))
    assert [result.epoch for result in short] == [3, 4]
    if scheduler == "oneCycle":
        assert "plans the learning rate anew, for 4 epochs instead of 30" in str(notices[0])
        assert short[-1].learning_rate < 0.001 * new_run.training.learning_rate
    else:
        assert not notices
    longer = Experiment.resume(last, {"n_epochs": 30})
    with collect_notices() as notices:
        trainer = run_to_end(longer.prepare())
    assert len(notices) == (scheduler == "oneCycle")
    assert (trainer.epoch, trainer.config.n_epochs) == (4, 30)
    if scheduler == "oneCycle":
        rates = rates_of(with_training(new_run, n_epochs=30, **options), 4 * trainer.n_steps)
        assert trainer.schedule.learning_rate == pytest.approx(rates[-1])


def rates_of(settings, n_steps):
    """Return the rates of a plan that nothing has cut."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    schedule = build_schedule(optimizer, settings.training, 3)
    rates = []
    for _ in range(n_steps):
        optimizer.step()
        schedule.after_step()
        rates.append(schedule.learning_rate)
    return rates


DAMAGES = {
    "cut": None,
    "no state": lambda content: content | {"resume": None},
    "no settings": lambda content: content | {"made": {}},
    "no classes": lambda content: content | {"classes": 3},
    "no weights": lambda content: content | {"weights": []},
    "other weights": lambda content: content | {"weights": {"a": torch.zeros(2)}},
}
for _name in ("weights", "optimizer", "schedule", "scaler", "epoch", "data"):
    for _value in (None, {}, -1):
        DAMAGES[f"{_name} {_value!r}"] = lambda content, name=_name, value=_value: (
            content | {"resume": content["resume"] | {name: value}}
        )


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "scaler {}"])
def test_a_damaged_last_checkpoint_is_told_in_one_line(damage, checkpoint, tmp_path):
    shutil.copytree(checkpoint.with_suffix(""), tmp_path / "r")
    shutil.copy(checkpoint, tmp_path / "r.ckpt")
    last = tmp_path / "r" / "last.ckpt"
    if DAMAGES[damage] is None:
        last.write_bytes(last.read_bytes()[:5000])
    else:
        torch.save(DAMAGES[damage](torch.load(last, weights_only=True)), last)
    with pytest.raises(InputError) as error:
        run_to_end(Experiment.resume(last, {"n_epochs": 3}).prepare())
    assert "\n" not in str(error.value)
    assert f"{last} is damaged" in str(error.value)
    assert f"the best model, {tmp_path}/r.ckpt, is a file of its own" in str(error.value)
    assert "start a new run with another --save_path" in str(error.value)


def test_fewer_epochs_than_are_done_are_refused_and_change_nothing(new_run, tmp_path):
    finish(Experiment(new_run))
    config = (tmp_path / "run/config.json").read_bytes()
    with pytest.raises(InputError, match="n_epochs is 1, but 2 epochs are done"):
        Experiment.resume(tmp_path / "run" / "last.ckpt", {"n_epochs": 1})
    assert (tmp_path / "run/config.json").read_bytes() == config


def test_thresholds_are_one_or_one_per_class(new_run):
    with pytest.raises(InputError, match="expected 1, or 4"):
        finish(Experiment(with_training(new_run, thresholds=(0.5, 0.5))))
    assert finish(Experiment(with_training(new_run, n_epochs=1, thresholds=(0.1, 0.2, 0.3, 0.4))))


def test_a_device_that_is_not_there_is_refused(new_run):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="no CUDA GPU"):
        finish(Experiment(replace(new_run, run=replace(new_run.run, device="cuda"))))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_as_a_cpu_does(new_run, tmp_path):
    on_cpu = finish(Experiment(new_run))
    gpu_run = replace(new_run.run, device="cuda", save_path=str(tmp_path / "gpu.ckpt"))
    on_gpu = finish(Experiment(replace(new_run, run=gpu_run)))
    assert on_gpu[0].losses["total"] == pytest.approx(on_cpu[0].losses["total"], rel=1e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("error")
def test_a_gpu_trains_and_validates_the_average_without_a_warning(new_run):
    settings = with_training(new_run, average_decay=0.9)
    u_net = replace(
        settings,
        model=replace(settings.model, model_type="U_Net"),
        mask_net=UNetConfig(unet_channels=(4, 4, 4), fine_channels=3, context=4),
        run=replace(new_run.run, device="cuda"),
    )
    assert np.isfinite(finish(Experiment(u_net))[-1].losses["total"])


def test_features_can_come_from_a_store_and_are_the_same(new_run, tmp_path):
    augmentation = replace(new_run.augmentation, pair_probability=0.0, roll=False, equaliser=0.0)
    plain = with_training(replace(new_run, augmentation=augmentation), share_weight=0.0)
    stored = replace(
        plain,
        data=replace(plain.data, feature_store=str(tmp_path / "store")),
        run=replace(plain.run, save_path=str(tmp_path / "stored.ckpt")),
    )
    loss, stored_loss = (  # the same weights, before any training
        run_to_end(Experiment(settings).prepare()).validate().metrics
        for settings in (plain, stored)
    )
    assert stored_loss["loss"] == pytest.approx(loss["loss"], rel=1e-5)
    assert (
        len(
            finish(
                Experiment(
                    replace(stored, run=replace(stored.run, save_path=str(tmp_path / "other.ckpt")))
                )
            )
        )
        == 2
    )
    with pytest.raises(InputError, match="feature_store"):
        finish(Experiment(replace(new_run, data=stored.data)))


def test_dropout_and_early_stopping_resume_bit_for_bit_as_well(new_run, tmp_path):
    flags = {
        "model_type": "VGG_like_CNN",
        "channels": (4, 4),
        "drop_out_probs": (0.5, 0.5),
        "pooling": "GWRP",
        "n_mels": 16,
        "data_folder": new_run.data.data_folder,
        "n_epochs": 9,
        "test_every": 1,
        "patience": 3,
        "metric": "f1-score",
        "batch_size": 8,
        "device": "cpu",
        "precision": "float32",
    }
    uncut, cut = (
        Settings.from_flags(flags | {"save_path": str(tmp_path / f"{name}.ckpt")})
        for name in ("whole", "cut")
    )
    results = finish(Experiment(uncut))
    cut_after(Experiment(cut), 2)
    assert finish(Experiment.resume(tmp_path / "cut/last.ckpt"))[-1].epoch == results[-1].epoch
    expected = weights(tmp_path / "whole/last.ckpt")
    resumed = weights(tmp_path / "cut/last.ckpt")
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


@pytest.mark.parametrize("recipe", ["thesis", "recommended"])
def test_a_recipe_trains_in_bfloat16(recipe, new_run, few_mixtures):
    flags = {
        "data_folder": str(few_mixtures),
        "save_path": new_run.run.save_path,
        "n_epochs": 1,
        "precision": "bfloat16",
        "device": "cpu",
    }
    settings = Settings.from_flags(apply_recipe(RECIPES[recipe], flags))
    (result,) = finish(Experiment(settings))
    assert np.isfinite(result.losses["total"])
    assert result.metrics["roc_auc_score"] is not None


def test_recordings_of_different_lengths_train(tmp_path, new_run):
    rng = np.random.default_rng(0)
    rows = ["filename,hum,split"]
    for index in range(12):
        split = ("train", "train", "validation", "test")[index % 4]
        sound_files.save(
            tmp_path / f"{index}.wav", 0.1 * rng.standard_normal(8000 + 900 * index), 16000
        )
        rows.append(f"{index}.wav,{index // 4 % 2},{split}")
    (tmp_path / "weak_labels.csv").write_text("\n".join(rows) + "\n")
    data = replace(
        new_run.data,
        data_set_type="weakly_labelled_folder",
        data_folder=str(tmp_path),
        clip_length=0.7,
        in_memory=False,
    )
    results = finish(Experiment(replace(new_run, data=data)))
    assert all(np.isfinite(result.losses["total"]) for result in results)
    assert results[-1].metrics["roc_auc_score"] is not None


def test_a_bad_recording_leaves_no_run_behind_and_the_same_settings_work_once_it_is_mended(
    new_run, mixtures, tmp_path
):
    shutil.copytree(mixtures, tmp_path / "set")
    settings = replace(new_run, data=replace(new_run.data, data_folder=str(tmp_path / "set")))
    for split in ("train", "validation"):
        path = tmp_path / "set" / split / "000000.wav"
        good = path.read_bytes()
        path.write_bytes(good[:20])
        with pytest.raises(InputError, match=r"000000\.wav is not a readable sound file"):
            finish(Experiment(settings))
        reader = RunReader.open(tmp_path / "run")  # it says what failed, and blocks no other start
        assert reader.state() == "failed"
        assert "000000.wav is not a readable sound file" in reader.read_log_end()
        assert not (tmp_path / "run" / "last.ckpt").exists()
        assert not (tmp_path / "run.ckpt").exists()
        path.write_bytes(good)
    assert len(finish(Experiment(settings))) == 2


def test_a_run_is_resumed_where_it_lies_whatever_the_working_directory(
    new_run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    cut_after(Experiment(replace(new_run, run=replace(new_run.run, save_path="runs/a.ckpt"))), 1)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    finish(Experiment.resume("../runs/a/last.ckpt"))
    assert (tmp_path / "runs" / "a.ckpt").exists()
    assert RunReader.open(tmp_path / "runs" / "a").state() == "finished"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_other_recordings_than_the_run_began_with_are_refused(new_run, mixtures, tmp_path):
    cut_after(Experiment(new_run), 1)
    shutil.copytree(mixtures, tmp_path / "set")
    table = tmp_path / "set/train/weak_labels.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match="other recordings or labels"):
        finish(
            Experiment.resume(tmp_path / "run/last.ckpt", {"data_folder": str(tmp_path / "set")})
        )


@pytest.mark.parametrize(
    "moment",
    [
        "first",
        0.02,
        pytest.param(0.0, marks=pytest.mark.slow),
        pytest.param(0.3, marks=pytest.mark.slow),
    ],
)
def test_a_kill_at_any_moment_leaves_a_run_that_resumes_or_starts_again(settings, tmp_path, moment):
    flags = []
    for section, config in settings.sections().items():
        for name, value in ({} if section == "run" else config.to_json()).items():
            if value is not None and value != "":
                flags += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    flags[flags.index("--n_epochs") + 1] = "40"
    command = [
        sys.executable,
        "-m",
        "absslab",
        "train",
        *flags,
        "--save_path",
        str(tmp_path / "killed.ckpt"),
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    for line in process.stdout:
        if line.startswith("training" if moment == "first" else "epoch   3"):
            break
    time.sleep(0 if moment == "first" else moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    last = tmp_path / "killed" / "last.ckpt"
    if not last.exists():
        changed = replace(
            settings, run=replace(settings.run, save_path=str(tmp_path / "killed.ckpt"))
        )
        assert [result.epoch for result in finish(Experiment(changed))] == [1, 2]
        return
    reader = RunReader.open(tmp_path / "killed")
    assert reader.state() == "dead"
    reader.poll()
    done = max(reader.metrics)
    run = Experiment.resume(last).run()
    event = next(event for event in run if isinstance(event, EpochResult))
    run.close()
    assert event.epoch in (done, done + 1)
    assert [epoch["epoch"] for epoch in reader.poll()] == [event.epoch]


def test_a_training_that_diverges_ends_with_what_to_do(new_run, tmp_path):
    diverging = with_training(new_run, learning_rate=1e18, average_decay=0.0)
    with pytest.raises(InputError, match=r"the loss is .* in epoch 1: lower learning_rate"):
        finish(Experiment(diverging))
    assert RunReader.open(tmp_path / "run").state() == "failed"


def test_a_training_is_done_once_gone_on_with_after_a_cut_and_refused_with_other_settings(
    settings, tmp_path
):
    flags = {name: value for part in settings.to_json().values() for name, value in part.items()}
    flags |= {"save_path": str(tmp_path / "once.ckpt"), "n_epochs": 2}
    cut = train_or_resume(flags)
    while not isinstance(next(cut), EpochResult):
        pass
    cut.close()
    rest = [event.epoch for event in train_or_resume(flags) if isinstance(event, EpochResult)]
    assert rest == [2]
    assert list(train_or_resume(flags)) == []
    with pytest.raises(
        InputError, match=r"once was trained with n_epochs 2, not 3: choose another place"
    ):
        list(train_or_resume(flags | {"n_epochs": 3}))


def test_a_run_says_that_it_prepares_before_a_recording_is_opened(new_run, tmp_path, monkeypatch):
    seen = []
    opened = sound_files.info

    def info(path):
        seen.append(RunReader.open(tmp_path / "run").status())
        return opened(path)

    monkeypatch.setattr(sound_files, "info", info)
    events = list(Experiment(new_run).run())
    assert seen[0].state == "preparing"
    (started,) = [event for event in events if isinstance(event, TrainingStarted)]
    tasks = events[: events.index(started)]
    assert all(0 <= event.done <= event.total for event in tasks)
    assert tasks[-1].done == tasks[-1].total == 24
    assert (started.n_recordings, started.n_validation_recordings) == (24, 8)


def test_a_training_tells_how_far_the_choice_of_thresholds_is(new_run, tmp_path):
    seen = []
    for event in Experiment(new_run).run():
        if event == TaskStep("choosing thresholds of events", 3, 8):
            seen.append(RunReader.open(tmp_path / "run").status())
    assert isinstance(event, TaskStep)
    assert [status.state for status in seen] == ["running"]
    assert seen[0].progress.task == "choosing thresholds of events"
    assert RunReader.open(tmp_path / "run").status().progress is None


def test_a_run_stopped_in_the_choice_of_thresholds_goes_on_with_it(new_run, tmp_path):
    training = LongWork(Experiment(new_run).run())
    for event in training:
        if isinstance(event, TaskStep) and event.task == "choosing thresholds of events":
            (tmp_path / "run" / "stop").touch()
    assert (training.result.state, training.result.epoch) == ("stopped", 2)
    assert load_checkpoint(tmp_path / "run.ckpt").model.event_thresholds is None
    finish(Experiment.resume(tmp_path / "run" / "last.ckpt"))
    assert RunReader.open(tmp_path / "run").state() == "finished"
    assert load_checkpoint(tmp_path / "run.ckpt").model.event_thresholds is not None


def test_a_training_returns_how_it_ended(new_run, tmp_path):
    training = LongWork(Experiment(new_run).run())
    assert list(training)
    assert (training.result.state, training.result.epoch) == ("finished", 2)
    assert training.result.save_path == tmp_path / "run.ckpt"
    assert training.result.last_checkpoint == tmp_path / "run" / "last.ckpt"


def test_a_training_writes_its_end_when_its_epochs_can_not_be_printed(
    new_run, tmp_path, monkeypatch
):
    def fail(*args, **options):
        raise BrokenPipeError("nobody reads")

    monkeypatch.setattr("builtins.print", fail)
    with pytest.raises(BrokenPipeError) as raised:
        print_epochs(Experiment(new_run).run(), "loss")
    status = RunReader.open(tmp_path / "run").status()
    assert raised.value.__traceback__ is not None  # which would keep the training alive
    assert (status.state, status.epoch) == ("stopped", 1)


def test_settings_that_can_not_be_used_overwrite_nothing(new_run, tmp_path):
    cut_after(Experiment(new_run), 1)
    config = (tmp_path / "run" / "config.json").read_bytes()
    for changes in ({"data_folder": str(tmp_path)}, {"device": "cuda:99"}):
        with pytest.raises(InputError):
            finish(Experiment.resume(tmp_path / "run/last.ckpt", changes))
        assert (tmp_path / "run" / "config.json").read_bytes() == config
        assert RunReader.open(tmp_path / "run").state() == "stopped"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x" * 251 + ".ckpt", "a name has 256 bytes: expected at most 255.*choose shorter names"),
        ("ä" * 130 + ".ckpt", "a name has 265 bytes"),
        ("x" * 300 + "/r.ckpt", "a name has 300 bytes"),
        ("folder.ckpt", "save_path is the folder .*expected the name of a file"),
        ("file/r.ckpt", "nothing can be written to .*file .*choose another place"),
        ("file.ckpt", "nothing can be written to .*file .*choose another place"),
        ("/proc/r.ckpt", "nothing can be written to /proc .*choose another place"),
    ],
)
def test_a_model_that_can_not_be_saved_is_told_before_the_work(new_run, tmp_path, name, line):
    (tmp_path / "folder.ckpt").mkdir()
    (tmp_path / "file").write_text("in the place of a run directory")
    settings = replace(new_run, run=replace(new_run.run, save_path=str(tmp_path / name)))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=line):
        next(Experiment(settings).run())
    assert sorted(tmp_path.rglob("*")) == before


def damage(mixtures, folder):
    """Copy the mixtures, damage some, and return the names of these."""
    shutil.copytree(mixtures, folder)
    (folder / "train/000002.wav").unlink()
    (folder / "train/000005.wav").write_bytes(b"no sound")
    nan = np.full(32000, np.nan)
    soundfile.write(folder / "train/000007.wav", nan, 16000, subtype="FLOAT")
    sound_files.save(folder / "validation/000001.wav", np.zeros(32000, np.float32), 16000)
    (folder / "test/000000.wav").unlink()
    return {
        "train/000002.wav",
        "train/000005.wav",
        "train/000007.wav",
        "validation/000001.wav",
        "test/000000.wav",
    }


def in_folder(settings: Settings, folder, **run) -> Settings:
    return replace(
        settings,
        data=replace(settings.data, data_folder=str(folder)),
        run=replace(settings.run, **run),
    )


def names_left_out(run, folder):
    rows = read_left_out(run / "left_out.csv")
    return {Path(row["file"]).relative_to(folder).as_posix() for row in rows}


def test_recordings_that_can_not_be_used_are_told_at_once(mixtures, new_run, tmp_path):
    bad = damage(mixtures, tmp_path / "set")
    settings = in_folder(new_run, tmp_path / "set")
    with pytest.raises(InputError, match="5 of 40 files can't be used") as error:
        finish(Experiment(settings))
    for name in (*bad, "pass --on_error skip"):
        assert Path(name).name in str(error.value)
    assert "NaN" in str(error.value)
    assert "is silent" in str(error.value)
    assert not (tmp_path / "run").exists()
    for name in ("train/000002.wav", "test/000000.wav"):
        shutil.copy(mixtures / name, tmp_path / "set" / name)
    with pytest.raises(InputError, match="3 of 40 files can't be used") as error:
        finish(Experiment(settings))
    for name in bad - {"train/000002.wav", "test/000000.wav"}:
        assert name in str(error.value)
    assert not (tmp_path / "run/left_out.csv").exists()


@pytest.mark.parametrize("store", [None, "features"])
def test_recordings_are_left_out_of_their_split_and_of_a_resumed_run(
    mixtures, new_run, tmp_path, store
):
    folder = tmp_path / "set"
    bad = damage(mixtures, folder)
    settings = in_folder(new_run, folder, on_error="skip")
    if store:
        settings = replace(
            settings,
            data=replace(settings.data, feature_store=str(tmp_path / store)),
            augmentation=AugmentationConfig(pair_probability=0, equaliser=0, roll=False),
            training=replace(settings.training, share_weight=0.0),
        )
    whole = in_folder(settings, folder, save_path=str(tmp_path / "whole.ckpt"))
    work = LongWork(Experiment(whole).run())
    (started,) = (event for event in work if isinstance(event, TrainingStarted))
    assert (started.n_recordings, started.n_validation_recordings) == (21, 7)
    assert started.n_left_out == len(work.result.left_out) == 5
    assert names_left_out(tmp_path / "whole", folder) == bad
    assert "5 of 40 files were left out" in (tmp_path / "whole/log.txt").read_text()
    assert read_checkpoint(tmp_path / "whole.ckpt")["made"]["n_left_out"] == 5

    cut_after(Experiment(settings), 1)
    for name in ("train/000005.wav", "validation/000001.wav"):  # mended too late for this run
        shutil.copy(mixtures / name, folder / name)
    finish(Experiment.resume(tmp_path / "run/last.ckpt"))
    assert names_left_out(tmp_path / "run", folder) == bad
    expected = weights(tmp_path / "whole.ckpt")
    resumed = weights(tmp_path / "run.ckpt")
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)

    (folder / "train/000000.wav").unlink()
    with pytest.raises(InputError, match=r"000000\.wav.*put it back"):
        run_to_end(Experiment.resume(tmp_path / "run/last.ckpt", {"n_epochs": 3}).run())


def test_a_class_that_has_no_recording_left_ends_the_training(new_run, tmp_path):
    rows = ["filename,hum,buzz,split"]
    for index, split in enumerate(["train"] * 4 + ["validation"] * 2):
        samples = 0.1 * np.random.default_rng(index).standard_normal(16000)
        sound_files.save(tmp_path / f"set/{index}.wav", samples, 16000)
        rows.append(f"{index}.wav,{int(index % 2)},{int(index in (0, 4))},{split}")
    (tmp_path / "set/weak_labels.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "set/0.wav").write_bytes(b"no sound")
    settings = in_folder(new_run, tmp_path / "set", on_error="skip")
    data = replace(settings.data, data_set_type="weakly_labelled_folder")
    with pytest.raises(InputError, match=r"0\.wav.*no training recording of buzz is left"):
        finish(Experiment(replace(settings, data=data)))


def test_what_is_lost_or_changed_of_recordings_stands_in_the_log_too(mixtures, new_run, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(mixtures, folder)
    path = folder / "train/000003.wav"
    content = bytearray(path.read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = bytes(4)  # a recorder that lost power
    path.write_bytes(content)
    cut = folder / "validation/000002.wav"
    cut.write_bytes(cut.read_bytes()[:30044])
    settings = in_folder(new_run, folder)
    with collect_notices() as notices:
        cut_after(Experiment(settings), 1)
    log = (tmp_path / "run/log.txt").read_text()
    heard = {str(notice) for notice in notices}
    assert {notice.path for notice in notices} == {path, cut}
    written = RunReader.open(tmp_path / "run").poll_warnings()
    assert sorted(written) == sorted(heard)
    assert log.index("warning: ") < log.index("training on")
    with collect_notices():
        finish(Experiment.resume(tmp_path / "run/last.ckpt"))
    log = (tmp_path / "run/log.txt").read_text()
    assert log.count(f"warning: {path} says 0 samples") == 2  # once for each time it was run


def test_notices_of_a_training_nobody_drains_with_an_ear_are_warnings_and_in_its_log(
    mixtures, new_run, tmp_path
):
    folder = tmp_path / "set"
    shutil.copytree(mixtures, folder)
    cut = folder / "validation/000002.wav"
    cut.write_bytes(cut.read_bytes()[:30044])
    with pytest.warns(InputWarning, match=r"000002\.wav is cut short"):
        cut_after(Experiment(in_folder(new_run, folder)), 1)
    assert "000002.wav is cut short" in (tmp_path / "run/log.txt").read_text()


def test_a_loader_that_is_killed_ends_the_training_in_one_line(new_run, tmp_path):
    """It is noticed while it is waited for, or at any other moment of a step."""
    data = replace(new_run.data, in_memory=False, n_loaders=1)

    def train():
        for event in Experiment(replace(new_run, data=data)).run():
            if isinstance(event, StepDone):
                for child in psutil.Process().children():
                    child.kill()

    begin = time.monotonic()
    with pytest.raises(WorkError, match="read recordings was ended from outside, perhaps because"):
        train()
    assert time.monotonic() - begin < 60
    assert RunReader.open(tmp_path / "run").state() == "failed"
    assert "was ended from outside" in (tmp_path / "run/log.txt").read_text()


def test_an_error_of_a_killed_loader_between_batches_is_one_line(new_run, monkeypatch):
    def step(self, *given):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr("absslab.core.training.objective.Objective.__call__", step)
    with pytest.raises(WorkError, match="was ended from outside"):
        finish(Experiment(new_run))


def test_a_resumed_run_tells_that_metrics_of_its_epochs_are_gone(new_run, tmp_path):
    settings = with_training(new_run, n_epochs=2, scheduler_type="none")
    cut_after(Experiment(settings), 1)
    (tmp_path / "run/metrics.jsonl").write_text("")
    with collect_notices() as notices:
        finish(Experiment.resume(tmp_path / "run/last.ckpt"))
    (notice,) = notices
    assert "metrics.jsonl lacks 1 of 1 epochs, the first 1" in str(notice)
    assert "metrics.jsonl lacks" in (tmp_path / "run/log.txt").read_text()
