"""The command line: the flags it accepts, and its messages for wrong ones."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut, read_left_out
from absslab.core.common.progress import Progress, run_with_progress
from absslab.core.common.run_status import StatusFile, read_status
from absslab.core.evaluation.score_files import read_scores
from absslab.core.training.events import TrainingOutcome
from absslab.core.training.recipes import RECIPES


def run_refused(capsys, *arguments: object) -> str:
    """Run a command that must be refused with status 2, one line on stderr and no output."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    return err


def small_flags(settings) -> list[str]:
    """Return the flags of the small training of the tests."""
    flags = []
    for section, config in settings.sections().items():
        for name, value in ({} if section in ("data", "run") else config.to_json()).items():
            if value is not None:
                flags += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return flags


def test_the_overview_and_the_version_import_nothing_that_takes_long():
    code = (
        "import sys; from absslab.cli.main import main\n"
        "main(['--help']); main(['--version'])\n"
        "slow = ('torch', 'numpy', 'pandas', 'dask', 'distributed', 'asyncio', 'concurrent')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(
        command in done.stdout for command in ("demo", "mix", "train", "evaluate", "separate")
    )


def test_the_core_imports_nothing_that_draws_or_shows():
    code = (
        "import importlib, pkgutil, sys, absslab.core\n"
        "for module in pkgutil.walk_packages(absslab.core.__path__, 'absslab.core.'):\n"
        "    importlib.import_module(module.name)\n"
        "forbidden = ('absslab.widgets', 'ipywidgets', 'IPython', 'matplotlib')\n"
        "print([name for name in forbidden if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["demo", "mix", "train", "evaluate", "separate"])
def test_help_lists_flags_with_units_and_defaults(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "(default" in text
    if command == "mix":
        assert "length of a mixture (default 10, s)" in text
        assert "--DCASE_2013_stereo_data_folder" in text
    if command == "train":
        assert "--drop_out_probs" in text
        assert "passes over the training recordings (default 300)" in text


def test_the_help_of_a_recipe_shows_the_recipes_flags_and_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--recipe", "recommended", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--presence_channels" in text
    assert "--drop_out_probs" not in text
    assert (
        f"passes over the training recordings (default {RECIPES['recommended']['n_epochs']})"
        in text
    )


@pytest.mark.reference_flaw("unknown flags were ignored without a word")
def test_unknown_flags_and_commands_are_refused_with_the_nearest_known_one(capsys):
    assert "did you mean train" in run_refused(capsys, "trian")
    assert "unknown flag --lenght; did you mean --length?" in run_refused(
        capsys, "mix", "--lenght", 3
    )
    assert "unknown flag --use_cuda" in run_refused(capsys, "train", "--use_cuda", "True")
    assert "it is a setting of --model_type VGG_like_CNN" in run_refused(
        capsys, "train", "--model_type", "U_Net", "--drop_out_probs", 0.1
    )
    assert "it is a setting of --pooling GWRP" in run_refused(
        capsys, "train", "--classification_mapping", "GMP", "--dc", 0.9
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max_event", "0"], "max_event is 0: expected at least 1"),
        (["--white_noise_ratio", "2"], "white_noise_ratio is 2: expected at most 1"),
        (["--sampling_rate", "11025"], "expected one of 8000, 16000, 22050"),
        (["-sr", "11025"], "sampling_rate is 11025"),
        (["-p_tr", "0.9", "-p_dev", "0.2"], "shares from 0 to 1, as in 0.8 and 0.1"),
        (["--training_percentage", "80"], "training_percentage is 80"),
        (["-p_dev", "0.1", "--split_percentages", "80", "10", "10"], "pass one of them"),
        (["--n_events", "2", "--onsets", "1"], "pass --n_events 1"),
        (["--length", "0.01"], "one analysis window"),
        (["--length", "ten"], "'ten' is not a number"),
        (["--n_files", "1.5"], "'1.5' is not a whole number"),
        (["--overlap", "maybe"], "--overlap is 'maybe': expected one of yes, true, t, y, 1"),
        (["-o=maybe"], "--overlap is 'maybe': expected one of yes, true, t, y, 1"),
        (["-M", "2.5"], "'2.5' is not a whole number"),
        (["--split_percentages", "50", "50"], "expected 3"),
        (["--event_gain_range", "3", "-3"], "lower value first"),
    ],
)
def test_values_out_of_range_are_refused_in_one_line(
    capsys, event_folder, tmp_path, flags, message
):
    error = run_refused(
        capsys, "mix", "--event_folder", event_folder, "--output_folder", tmp_path / "out", *flags
    )
    assert message in error
    assert not (tmp_path / "out").exists()


def test_the_thesis_form_of_a_command_is_understood(capsys, event_folder, tmp_path):
    flags = [
        "--DCASE_2013_stereo_data_folder",
        str(event_folder),
        "--output_folder",
        str(tmp_path / "out"),
    ]
    assert (
        main(["--mode", "mix", *flags, "--n_files", "10", "--length", "1", "--n_workers", "1"]) == 0
    )
    assert len(list((tmp_path / "out").rglob("weak_labels.csv"))) == 3


def test_the_short_flags_of_the_thesis_mixing_script_are_understood(event_folder, tmp_path):
    output = tmp_path / "out"
    flags = f"-df {event_folder} -of {output} -N 10 -l 1 -M 2.0 -o yes -r 0.1 -sr 8000 -p_tr 0.6"
    assert main(["mix", *flags.split(), "-p_dev=0.2", "--n_workers", "1"]) == 0
    config = json.loads((output / "manifest.json").read_text())["config"]
    assert config["split_percentages"] == [60, 20, 20]
    assert (config["length"], config["max_event"], config["overlap"]) == (1, 2, True)
    assert (config["white_noise_ratio"], config["sampling_rate"]) == (0.1, 8000)
    assert len(list((output / "train").glob("*.wav"))) == 6


def test_the_thesis_own_training_command_runs_as_it_stands(mixtures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Datadir").mkdir()
    (tmp_path / "Datadir/remixed_DCASE2013_2k").symlink_to(mixtures)
    command = (
        "--mode train --model_type VGG_like_CNN --drop_out_probs 0.3 0.4 0.5 0.5 0.5 0.0 "
        "--classification_mapping GWRP --data_set_type DCASE2013_remixed_data_set "
        "--data_folder Datadir/remixed_DCASE2013_2k --loss_f BCE "
        "--scale_transform True --use_batch_norm True --n_epochs 1 "
        "--scheduler_type multiStepLR --scheduler_gamma 1.0 --scheduler_milestones 150 300 "
        "--test_every 5 --learning_rate 0.0001 --weight_decay 0.0 --metric f1-score "
        "--save_path results/models/test1.ckpt"
    )
    assert main(command.split()) == 0
    assert "best model: results/models/test1.ckpt" in capsys.readouterr().out
    config = json.loads((tmp_path / "results/models/test1/config.json").read_text())
    assert config["mask_net"]["drop_out_probs"] == [0.3, 0.4, 0.5, 0.5, 0.5, 0.0]
    assert config["training"]["scheduler_milestones"] == [150, 300]


def test_train_says_why_there_are_more_epochs(settings, mixtures, tmp_path, capsys):
    data = ["--data_folder", str(mixtures), "--save_path", str(tmp_path / "model.ckpt")]
    flags = [*small_flags(settings), "--n_epochs", "1", "--device", "cpu"]
    assert main(["train", *data, *flags, "--least_steps", "6"]) == 0
    lines = capsys.readouterr().out.splitlines()
    why = "2 epochs, so that there are 6 steps; --n_epochs N trains for N epochs"
    assert lines.index(why) < next(k for k, line in enumerate(lines) if "epoch   1/2" in line)


def test_train_evaluate_separate_from_the_command_line(settings, mixtures, tmp_path, capsys):
    model = tmp_path / "runs" / "model.ckpt"
    flags = small_flags(settings)
    assert (
        main(
            [
                "train",
                "--data_folder",
                str(mixtures),
                "--save_path",
                str(model),
                "--device",
                "cpu",
                *flags,
            ]
        )
        == 0
    )
    assert "on cpu (float32)" in capsys.readouterr().out
    scores = tmp_path / "scores.json"
    assert main(["evaluate", "--checkpoint_path", str(model), "--output", str(scores)]) == 0
    out = capsys.readouterr().out
    assert "SI-SDRi/dB" in out
    assert f"→ {scores}, {tmp_path}/scores.csv" in out
    table = read_scores(scores).table
    sections = json.loads(scores.read_text())
    assert {
        "split",
        "n_mixtures",
        "classes",
        "tagging",
        "detection",
        "segmentation",
        "separation",
    } <= set(sections)
    assert {"baselines", "per_class", "intervals", "settings", "missing", "table"} <= set(sections)
    assert (sections["split"], sections["n_mixtures"], len(table)) == ("test", 8, 8 * 4)
    mixture = mixtures / "test/000000.wav"
    out = tmp_path / "out"
    command = [
        "separate",
        "--checkpoint_path",
        str(model),
        "--input",
        str(mixture),
        "--output_folder",
        str(out),
    ]
    assert main([*command, "--keep", "speech", "knock"]) == 0
    assert {path.name for path in (out / "000000").iterdir()} == {
        "alert.wav",
        "knock.wav",
        "pageturn.wav",
        "speech.wav",
        "residual.wav",
        "remix.wav",
        "events.tsv",
    }
    again = ["train", "--data_folder", str(mixtures), "--save_path", str(model), *flags]
    assert "go on with --checkpoint_path" in run_refused_after_output(capsys, again)


def run_refused_after_output(capsys, arguments):
    capsys.readouterr()
    return run_refused(capsys, *arguments)


def test_recipes_are_one_flag_apart_and_each_setting_is_still_a_flag(few_mixtures, tmp_path):
    for recipe in RECIPES:
        path = tmp_path / f"{recipe}.ckpt"
        flags = [
            "--recipe",
            recipe,
            "--n_epochs",
            "1",
            "--device",
            "cpu",
            "--learning_rate",
            "0.002",
        ]
        data = ["--data_folder", str(few_mixtures), "--save_path", str(path)]
        assert main(["train", *data, *flags]) == 0
        config = json.loads((tmp_path / recipe / "config.json").read_text())
        assert config["training"]["learning_rate"] == 0.002
        assert config["model"]["model_type"] == RECIPES[recipe]["model_type"]
        assert config["training"]["optimizer"] == RECIPES[recipe]["optimizer"]


def bad_file(path, kind):
    """Write a file that can't be used as an input."""
    good = 0.1 * np.random.default_rng(0).standard_normal(16000)
    if kind == "text":
        path.write_text("This is no sound at all. " * 100)
    elif kind == "empty":
        path.write_bytes(b"")
    else:
        samples = {"silent": 0 * good, "nan": good * np.nan, "no samples": good[:0]}.get(kind, good)
        soundfile.write(path, samples, 16000, subtype="FLOAT")
        if kind == "truncated":
            path.write_bytes(path.read_bytes()[:9000])
        if kind == "corrupt":
            path.write_bytes(np.random.default_rng(0).bytes(30000))
    return path


# A WAV that is cut short can be separated: what is there is read, and the rest is told.
NOT_SEPARATED = ["text", "empty", "nan", "no samples", "corrupt"]
BAD_FILES = ["silent", *NOT_SEPARATED]


@pytest.mark.parametrize("kind", NOT_SEPARATED)
def test_separate_refuses_bad_files_before_it_writes_anything_if_it_is_to_stop(
    capsys, checkpoint, mixtures, tmp_path, kind
):
    bad = bad_file(tmp_path / "bad.wav", kind)
    good = mixtures / "test/000000.wav"
    flags = ["--checkpoint_path", checkpoint, "--output_folder", tmp_path / "out"]
    error = run_refused(
        capsys, "separate", *flags, "--on_error", "stop", "--input", good, bad, tmp_path / "gone.au"
    )
    assert "bad.wav" in error
    assert "gone.au" in error
    assert "pass --on_error skip" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", NOT_SEPARATED)
def test_separate_refuses_a_single_bad_file(capsys, checkpoint, tmp_path, kind):
    bad = bad_file(tmp_path / "bad.wav", kind)
    flags = ["--checkpoint_path", checkpoint, "--output_folder", tmp_path / "out"]
    assert "bad.wav" in run_refused(capsys, "separate", *flags, "--input", bad)
    assert not (tmp_path / "out").exists()


def test_separate_leaves_bad_files_out_and_tries_them_again(capsys, checkpoint, mixtures, tmp_path):
    inputs = tmp_path / "in"
    inputs.mkdir()
    for kind in ("silent", *NOT_SEPARATED):
        bad_file(inputs / f"{kind}.wav", kind)
    shutil.copy(mixtures / "test/000000.wav", inputs / "good.wav")
    soundfile.write(inputs / "phone.aiff", 0.1 * np.random.default_rng(0).standard_normal(800), 800)
    (inputs / "memo.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    (inputs / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (inputs / "notes.txt").write_text("no sound, and no word about it")
    out = tmp_path / "out"
    flags = ["--checkpoint_path", checkpoint, "--output_folder", out, "--input", inputs]
    arguments = list(map(str, ["separate", *flags]))
    assert main(arguments) == 3
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3
    (line,) = printed.err.splitlines()
    assert line.startswith(f"absslab separate: 7 of 10 files were left out, see {out}/left_out.csv")
    done = {"good", "silent", "phone"}
    assert {path.name for path in out.iterdir()} == done | {"left_out.csv"}
    left_out = {
        Path(row["file"]).name: row["reason"] for row in read_left_out(out / "left_out.csv")
    }
    bad = {f"{kind}.wav" for kind in NOT_SEPARATED}
    assert set(left_out) == bad | {"memo.m4a", "gone.wav"}
    assert all(name in reason for name, reason in left_out.items())
    # A file of floats also holds the time at which it was written.
    before = {path: soundfile.read(path)[0].tolist() for path in out.rglob("*.wav")}

    for name in bad - {"nan.wav"}:
        (inputs / name).unlink()
    shutil.copy(mixtures / "test/000001.wav", inputs / "text.wav")
    (inputs / "memo.m4a").unlink()
    (inputs / "gone.wav").unlink()
    assert main(arguments) == 3
    assert "1 of 5 files was left out" in capsys.readouterr().err
    assert {path: soundfile.read(path)[0].tolist() for path in before} == before
    (inputs / "nan.wav").unlink()
    assert main(arguments) == 0
    assert {path.name for path in out.iterdir()} == done | {"text"}


def test_without_input_the_test_split_of_the_model_is_separated(
    capsys, checkpoint, mixtures, tmp_path
):
    """The split that the command documents, not the one that chose the model."""
    command = ["separate", "--checkpoint_path", str(checkpoint), "--output_folder"]
    assert main([*command, str(tmp_path / "all")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("separating 8 recordings (the test split of the model's data)")
    folders = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert folders == sorted(path.stem for path in (mixtures / "test").glob("*.wav"))
    path = mixtures / "test/000003.wav"
    assert f"{path} → {tmp_path}/all/000003/ (on cpu)" in lines
    parts = [
        sound_files.load(part, 16000) for part in sorted((tmp_path / "all/000003").glob("*.wav"))
    ]
    np.testing.assert_allclose(sum(parts), sound_files.load(path, 16000), atol=1e-6)
    some = ["--split", "validation", "--n_recordings", "2"]
    assert main([*command, str(tmp_path / "some"), *some]) == 0
    assert "(the validation split" in capsys.readouterr().out
    assert len(list((tmp_path / "some").iterdir())) == 2


def test_a_split_that_can_not_be_separated_is_one_line(
    capsys, settings, checkpoint, mixtures, tmp_path
):
    moved = tmp_path / "moved.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    content["made"]["settings"]["data"]["data_folder"] = str(tmp_path / "gone")
    torch.save(content, moved)
    command = ["separate", "--output_folder", tmp_path / "out", "--checkpoint_path"]
    assert "gone, the data of" in run_refused(capsys, *command, moved)
    del content["made"]["settings"]
    torch.save(content, moved)
    assert "does not say what it was trained on" in run_refused(capsys, *command, moved)
    for flags, message in (
        (["--split", "tset"], "split is 'tset': expected one of train, validation, test"),
        (["--n_recordings", 0], "n_recordings is 0: expected at least 1"),
        (["--data_folder", tmp_path], "moved.ckpt"),
        (["--split", "test", "--input", mixtures], "--split is for the data of the model"),
        (["--data_folder", mixtures, "--input", mixtures], "--data_folder is for the data of"),
    ):
        assert message in run_refused(capsys, *command, moved, *flags)
    assert not (tmp_path / "out").exists()


def test_only_the_first_inputs_are_separated(checkpoint, mixtures, tmp_path):
    command = ["separate", "--checkpoint_path", str(checkpoint), "--output_folder"]
    files = ["--input", str(mixtures / "test"), "--n_recordings", "1"]
    assert main([*command, str(tmp_path / "out"), *files]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["000000"]


def test_silence_is_separated_into_silence(capsys, checkpoint, tmp_path):
    silent = bad_file(tmp_path / "silent.wav", "silent")
    out = tmp_path / "out"
    flags = ["--checkpoint_path", checkpoint, "--output_folder", out, "--input", silent]
    assert main(list(map(str, ["separate", *flags]))) == 0
    sounds = [soundfile.read(path)[0] for path in (out / "silent").glob("*.wav")]
    assert len(sounds) == 5
    assert not np.any(sounds)
    assert (out / "silent/events.tsv").read_text().count("\n") == 1


def test_files_that_would_share_a_folder_are_left_out_and_one_given_twice_is_not(
    capsys, checkpoint, mixtures, tmp_path
):
    for name in ("a.wav", "a.flac", "b.wav"):
        samples, rate = soundfile.read(mixtures / "test/000000.wav")
        soundfile.write(tmp_path / name, samples, rate)
    (tmp_path / "out/b").mkdir(parents=True)
    (tmp_path / "out/b/mine.txt").write_text("mine")
    flags = ["--checkpoint_path", checkpoint, "--output_folder", tmp_path / "out", "--input"]
    inputs = [tmp_path / "a.wav", tmp_path, tmp_path / "a.wav"]
    assert main(list(map(str, ["separate", *flags, *inputs]))) == 3
    assert "2 of 3 files were left out" in capsys.readouterr().err
    reasons = [row["reason"] for row in read_left_out(tmp_path / "out/left_out.csv")]
    assert "would both write to a/" in reasons[0]
    assert "was not written by absslab separate" in reasons[1]
    assert (tmp_path / "out/b/mine.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", BAD_FILES)
def test_mix_refuses_bad_recordings_before_it_writes_anything(capsys, event_folder, tmp_path, kind):
    folder = tmp_path / "events"
    folder.mkdir()
    for path in event_folder.iterdir():
        (folder / path.name).symlink_to(path)
    bad_file(folder / "speech99.wav", kind)
    error = run_refused(
        capsys, "mix", "--event_folder", folder, "--output_folder", tmp_path / "out"
    )
    assert "speech99.wav" in error
    assert not (tmp_path / "out").exists()


def train_on_a_folder_with(tmp_path, settings, kind):
    """Train on a folder in which one of seven recordings is damaged, and return the exit status."""
    rng = np.random.default_rng(0)
    rows = ["filename,hum,split"]
    for index, split in enumerate(["train"] * 4 + ["validation"] * 2 + ["test"]):
        soundfile.write(tmp_path / f"{index}.wav", 0.1 * rng.standard_normal(16000), 16000)
        rows.append(f"{index}.wav,{index % 2},{split}")
    bad_file(tmp_path / "1.wav", kind)
    (tmp_path / "weak_labels.csv").write_text("\n".join(rows) + "\n")
    flags = [
        "--data_set_type",
        "weakly_labelled_folder",
        "--data_folder",
        tmp_path,
        "--save_path",
        tmp_path / "runs/r.ckpt",
    ]
    return main(["train", *map(str, flags), *small_flags(settings)])


@pytest.mark.parametrize("kind", BAD_FILES)
def test_train_refuses_bad_recordings(capsys, settings, tmp_path, kind):
    assert train_on_a_folder_with(tmp_path, settings, kind) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "1.wav" in err
    assert not (tmp_path / "runs/r.ckpt").exists()


def test_train_uses_a_recording_that_is_cut_short_and_says_so(capsys, settings, tmp_path):
    assert train_on_a_folder_with(tmp_path, settings, "truncated") == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert line.startswith(f"absslab train: warning: {tmp_path}/1.wav is cut short: 2")
    assert (tmp_path / "runs/r.ckpt").exists()


def test_what_is_missing_is_named(capsys, checkpoint, mixtures, tmp_path):
    assert "event_folder is missing" in run_refused(capsys, "mix")
    assert "save_path is missing" in run_refused(capsys, "train")
    assert "data_folder is missing" in run_refused(
        capsys, "train", "--save_path", tmp_path / "r.ckpt"
    )
    assert "checkpoint_path is missing" in run_refused(capsys, "evaluate")
    assert "checkpoint_path is missing" in run_refused(capsys, "separate")
    assert "does not exist" in run_refused(
        capsys, "evaluate", "--checkpoint_path", tmp_path / "none.ckpt"
    )
    flags = [
        "--checkpoint_path",
        checkpoint,
        "--output_folder",
        tmp_path / "o",
        "--input",
        tmp_path / "none.wav",
    ]
    assert "none.wav" in run_refused(capsys, "separate", *flags)
    assert "cuda" in run_refused(
        capsys, "evaluate", "--checkpoint_path", checkpoint, "--device", "cuda:99"
    )
    assert not (tmp_path / "o").exists()


def test_a_malicious_checkpoint_is_refused_and_never_executed(capsys, mixtures, tmp_path):
    class Malicious:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    torch.save(
        {"format": "absslab checkpoint", "version": 1, "made": Malicious()}, tmp_path / "m.ckpt"
    )
    assert "not loaded" in run_refused(capsys, "evaluate", "--checkpoint_path", tmp_path / "m.ckpt")
    assert "not loaded" in run_refused(capsys, "train", "--checkpoint_path", tmp_path / "m.ckpt")
    assert not (tmp_path / "executed").exists()


def test_an_output_folder_that_can_not_be_written_is_refused(
    capsys, checkpoint, event_folder, mixtures, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    impossible_folder = tmp_path / "file" / "below"
    assert "file" in run_refused(
        capsys,
        "mix",
        "--event_folder",
        event_folder,
        "--output_folder",
        impossible_folder,
        "--n_workers",
        1,
    )
    mixture = mixtures / "test/000000.wav"
    run_refused(
        capsys,
        "separate",
        "--checkpoint_path",
        checkpoint,
        "--input",
        mixture,
        "--output_folder",
        impossible_folder,
    )
    run_refused(
        capsys,
        "train",
        "--recipe",
        "recommended",
        "--data_folder",
        mixtures,
        "--save_path",
        impossible_folder / "r.ckpt",
    )


def test_ctrl_c_while_training_is_one_line_that_says_how_to_go_on(settings, mixtures, tmp_path):
    flags = small_flags(settings)
    flags[flags.index("--n_epochs") + 1] = "1000"
    command = [
        sys.executable,
        "-m",
        "absslab",
        "train",
        "--data_folder",
        mixtures,
        "--save_path",
        tmp_path / "r.ckpt",
        *flags,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    for line in process.stdout:
        if line.startswith("epoch   2"):
            break
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert messages(err) == [
        f"absslab train: stopped; go on with absslab train --checkpoint_path {tmp_path}/r/last.ckpt"
    ]
    assert json.loads((tmp_path / "r/status.json").read_text())["state"] == "stopped"
    assert not list(tmp_path.rglob("*.part"))
    more = ["train", "--checkpoint_path", str(tmp_path / "r/last.ckpt"), "--n_epochs", "4"]
    assert main(more) == 0


def test_a_run_stopped_in_its_first_epoch_is_told_once_to_start_again(
    mixtures, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "r.ckpt"

    def stop_before_an_epoch(experiment):
        yield from ()
        return TrainingOutcome("stopped", 0, 1, path, tmp_path / "r/last.ckpt")

    monkeypatch.setattr("absslab.cli.train.Experiment.run", stop_before_an_epoch)
    assert main(["train", "--data_folder", str(mixtures), "--save_path", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "stopped; no epoch was complete yet: "
        "give the same command again to start from the beginning"
    ]


def messages(err: str) -> list[str]:
    """Return the lines on stderr without progress, which only slow machines print."""
    return [line for line in err.splitlines() if not re.fullmatch(r".+: \d+ of \d+ \w+", line)]


def test_a_full_disk_ends_a_training_in_one_line_and_leaves_no_half_checkpoint(
    settings, mixtures, tmp_path, full_disk
):
    command = [
        sys.executable,
        "-m",
        "absslab",
        "train",
        "--data_folder",
        mixtures,
        "--save_path",
        tmp_path / "r.ckpt",
    ]
    with full_disk(20_000):
        done = subprocess.run([*command, *small_flags(settings)], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(messages(done.stderr)) == 1
    assert "r.ckpt" in done.stderr
    assert not list(tmp_path.rglob("*.ckpt"))
    assert not list(tmp_path.rglob("*.part"))
    assert json.loads((tmp_path / "r/status.json").read_text())["state"] == "failed"


def labels_that(problem, folder):
    """Write a weakly labelled folder with an error in its table."""
    rows = {
        "name an unknown file": ["filename,hum", "0.wav,1", "9.wav,0"],
        "lack a column": ["name,hum", "0.wav,1"],
        "have a row twice": ["filename,hum", "0.wav,1", "0.wav,1"],
        "have another value than 0 and 1": ["filename,hum", "0.wav,2"],
    }[problem]
    folder.mkdir()
    soundfile.write(folder / "0.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), 16000)
    (folder / "weak_labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize(
    "problem",
    [
        "name an unknown file",
        "lack a column",
        "have a row twice",
        "have another value than 0 and 1",
    ],
)
def test_train_refuses_labels_that(capsys, tmp_path, problem):
    folder = labels_that(problem, tmp_path / "set")
    flags = [
        "--data_set_type",
        "weakly_labelled_folder",
        "--data_folder",
        folder,
        "--save_path",
        tmp_path / "runs/r.ckpt",
    ]
    assert "weak_labels.csv" in run_refused(capsys, "train", *flags)
    assert not (tmp_path / "runs").exists()


def test_empty_folders_and_folders_without_audio_are_refused(capsys, checkpoint, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("no sound")
    for name in ("empty", "texts"):
        separate = [
            "--checkpoint_path",
            checkpoint,
            "--input",
            tmp_path / name,
            "--output_folder",
            tmp_path / "out",
        ]
        assert name in run_refused(capsys, "separate", *separate)
        assert name in run_refused(
            capsys, "mix", "--event_folder", tmp_path / name, "--output_folder", tmp_path / "out"
        )
        for layout in ("weakly_labelled_folder", "DCASE2013_remixed_data_set"):
            train = [
                "--data_set_type",
                layout,
                "--data_folder",
                tmp_path / name,
                "--save_path",
                tmp_path / "out/r.ckpt",
            ]
            assert name in run_refused(capsys, "train", *train)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["truncated", "another program's", "text"])
def test_every_command_refuses_a_checkpoint_that_is(capsys, checkpoint, mixtures, tmp_path, damage):
    bad = tmp_path / "bad.ckpt"
    if damage == "truncated":
        bad.write_bytes(checkpoint.read_bytes()[:3000])
    elif damage == "text":
        bad.write_text("weights")
    else:
        torch.save({"state_dict": {"weight": torch.zeros(3)}}, bad)
    mixture = mixtures / "test/000000.wav"
    for command in (
        ["evaluate", "--checkpoint_path", bad],
        ["train", "--checkpoint_path", bad],
        [
            "separate",
            "--checkpoint_path",
            bad,
            "--input",
            mixture,
            "--output_folder",
            tmp_path / "out",
        ],
    ):
        assert "bad.ckpt" in run_refused(capsys, *command)
    assert not (tmp_path / "out").exists()


def test_other_classes_than_the_models_are_refused_and_named(
    capsys, checkpoint, mixtures, tmp_path
):
    shutil.copytree(mixtures, tmp_path / "set")
    for table in (tmp_path / "set").rglob("weak_labels.csv"):
        table.write_text(table.read_text().replace("speech", "song"))
    last = checkpoint.with_suffix("") / "last.ckpt"
    for command in (
        ["evaluate", "--checkpoint_path", checkpoint],
        ["train", "--checkpoint_path", last],
    ):
        assert "lacks speech and adds song" in run_refused(
            capsys, *command, "--data_folder", tmp_path / "set"
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_is_refused_by_every_command_where_there_is_none(
    capsys, checkpoint, mixtures, tmp_path
):
    mixture = mixtures / "test/000000.wav"
    for command in (
        ["evaluate", "--checkpoint_path", checkpoint],
        [
            "separate",
            "--checkpoint_path",
            checkpoint,
            "--input",
            mixture,
            "--output_folder",
            tmp_path / "out",
        ],
        [
            "train",
            "--recipe",
            "recommended",
            "--data_folder",
            mixtures,
            "--save_path",
            tmp_path / "out/r.ckpt",
        ],
        ["demo", "--output_folder", tmp_path / "out"],
    ):
        assert "no CUDA GPU" in run_refused(capsys, *command, "--device", "cuda")
    assert not (tmp_path / "out").exists()


def run_failing(capsys, *arguments: object) -> str:
    """Run a command that fails with status 2 and one line on stderr, and return that line.

    Before it fails, the command may print where it runs.
    """
    assert main([str(argument) for argument in arguments]) == 2
    _, err = capsys.readouterr()
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    return err


def test_scores_that_can_not_be_written_are_one_line(capsys, checkpoint, tmp_path):
    (tmp_path / "file").write_text("in the way")
    output = tmp_path / "file/scores.json"
    run_failing(
        capsys,
        "evaluate",
        "--checkpoint_path",
        checkpoint,
        "--bss_eval",
        "none",
        "--output",
        output,
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


def test_a_folder_in_the_place_of_the_scores_is_refused_and_nothing_is_written(
    capsys, checkpoint, tmp_path
):
    (tmp_path / "folder").mkdir()
    run_failing(
        capsys,
        "evaluate",
        "--checkpoint_path",
        checkpoint,
        "--bss_eval",
        "none",
        "--output",
        tmp_path / "folder",
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_scores_are_not_written_in_place_of_their_table(capsys, checkpoint, tmp_path):
    error = run_refused(
        capsys, "evaluate", "--checkpoint_path", checkpoint, "--output", tmp_path / "x.csv"
    )
    assert "x.csv': expected the name of a file that ends in .json" in error
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_written_scores(capsys, checkpoint, tmp_path, full_disk):
    with full_disk(1000):
        run_failing(
            capsys,
            "evaluate",
            "--checkpoint_path",
            checkpoint,
            "--output",
            tmp_path / "scores.json",
        )
    assert not list(tmp_path.iterdir())


@pytest.fixture
def own_set(mixtures, tmp_path):
    """Copy the mixtures, so that a test may damage them."""
    return shutil.copytree(mixtures, tmp_path / "set")


def damage_split(folder, problem):
    """Damage a split so that it can't be scored; return what the message must contain."""
    table = folder / "weak_labels.csv"
    events = folder / "events.tsv"
    if problem == "has no folder":
        shutil.rmtree(folder)
        return "no recordings in its test split"
    if problem == "has no rows":
        table.write_text(table.read_text().splitlines()[0] + "\n")
        return "weak_labels.csv has no rows"
    if problem == "lacks its table":
        table.unlink()
        return "weak_labels.csv is missing"
    if problem == "lacks a recording":
        (folder / "000001.wav").unlink()
        return "000001.wav"
    if problem == "has an event that ends before it begins":
        events.write_text(events.read_text() + "000000.wav\t1.5\t0.5\tspeech\n")
        return "events.tsv, row"
    if problem == "has a recording with NaN":
        soundfile.write(folder / "000001.wav", np.full(32000, np.nan), 16000, subtype="FLOAT")
        return "000001.wav holds NaN"
    if problem == "has a source that is shorter than its mixture":
        source = next(
            path for path in sorted((folder / "000001").iterdir()) if path.stem != "background"
        )
        soundfile.write(source, 0.1 * np.random.default_rng(0).standard_normal(31000), 16000)
        return "31000"
    (folder / "000001/speech.flac").write_text("no sound")
    return "000001/speech.flac"


@pytest.mark.parametrize(
    "problem",
    [
        "has no folder",
        "has no rows",
        "lacks its table",
        "lacks a recording",
        "has an event that ends before it begins",
        "has a recording with NaN",
        "has a source that is shorter than its mixture",
        "has a source that is no sound",
    ],
)
def test_evaluate_refuses_in_one_line_a_split_that(capsys, checkpoint, own_set, tmp_path, problem):
    message = damage_split(own_set / "test", problem)
    output = tmp_path / "out/scores.json"
    command = [
        "evaluate",
        "--checkpoint_path",
        checkpoint,
        "--data_folder",
        own_set,
        "--bss_eval",
        "none",
    ]
    assert message in run_failing(capsys, *command, "--output", output)
    assert not output.parent.exists()


def test_recordings_without_sources_and_strong_labels_are_scored_and_it_is_said_what_is_missing(
    capsys, checkpoint, own_set, tmp_path
):
    for path in (own_set / "test").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    (own_set / "test/events.tsv").unlink()
    flags = [
        "--checkpoint_path",
        checkpoint,
        "--data_folder",
        own_set,
        "--output",
        tmp_path / "scores.json",
    ]
    assert main(["evaluate", *map(str, flags)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for expected in (
        "test: 8 recordings",
        "AUC",
        "no separation:",
        "no segmentation:",
        "no detection:",
    ):
        assert expected in out
    assert not [line for line in out.splitlines() if line.startswith("class") and "SI-SDRi" in line]
    assert read_scores(tmp_path / "scores.json").scores.separation is None


@pytest.fixture(scope="module")
def separated(checkpoint, mixtures, tmp_path_factory):
    """The folder that `absslab separate` wrote for the test split."""
    folder = tmp_path_factory.mktemp("separated") / "out"
    flags = [
        "--checkpoint_path",
        checkpoint,
        "--input",
        mixtures / "test",
        "--output_folder",
        folder,
    ]
    assert main(["separate", *map(str, flags)]) == 0
    return folder


def test_separated_sounds_of_any_system_are_scored_from_the_command_line(
    capsys, mixtures, separated, tmp_path
):
    output = tmp_path / "scores.json"
    flags = [
        "--references",
        mixtures / "test",
        "--estimates",
        separated,
        "--n_resamples",
        50,
        "--output",
        output,
    ]
    assert main(["evaluate", *map(str, flags)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for expected in (
        "8 recordings",
        "SI-SDRi/dB",
        "ideal binary mask",
        "no tagging: sounds come without probabilities",
    ):
        assert expected in out
    table = read_scores(output).table
    scores = json.loads(output.read_text())
    assert (scores["split"], scores["n_mixtures"], scores["table"]) == (None, 8, "scores.csv")
    assert scores["tagging"] is scores["segmentation"] is None
    assert scores["separation"]["si_sdr_improvement"] == pytest.approx(
        table["si_sdr_improvement"].mean(), rel=1e-5
    )
    assert scores["settings"]["estimates"] == {
        "estimates": str(separated),
        "references": str(mixtures / "test"),
        "fit_estimates": False,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.csv", "scores.json"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--checkpoint_path", "model.ckpt"],
        ["--split", "validation"],
        ["--data_folder", "set"],
        ["--smoothing", 0],
        ["--high_threshold", 0.4],
    ],
)
def test_settings_of_a_model_do_not_go_with_separated_sounds(
    capsys, mixtures, separated, tmp_path, flags
):
    command = [
        "evaluate",
        "--references",
        mixtures / "test",
        "--estimates",
        separated,
        "--output",
        tmp_path / "s.json",
    ]
    error = run_refused(capsys, *command, *flags)
    assert f"{flags[0]} is for a model" in error
    assert not list(tmp_path.iterdir())


def test_separated_sounds_that_can_not_be_scored_are_one_line(
    capsys, mixtures, separated, tmp_path
):
    references = mixtures / "test"
    output = tmp_path / "out/scores.json"
    assert "references is missing" in run_refused(capsys, "evaluate", "--estimates", separated)
    assert "estimates is missing" in run_refused(capsys, "evaluate", "--references", references)
    none = tmp_path / "none"
    assert "is not a directory" in run_refused(
        capsys, "evaluate", "--references", none, "--estimates", separated
    )
    shutil.copytree(separated, tmp_path / "estimates")
    soundfile.write(tmp_path / "estimates/000007/speech.wav", 0.1 * np.ones(31999), 16000)
    flags = [
        "--references",
        references,
        "--estimates",
        tmp_path / "estimates",
        "--bss_eval",
        "none",
        "--output",
        output,
    ]
    assert "000007/speech.wav has 31999 samples" in run_refused(capsys, "evaluate", *flags)
    (tmp_path / "estimates/000007/speech.wav").unlink()
    assert "000007 lacks the class speech" in run_refused(capsys, "evaluate", *flags)
    assert not output.parent.exists()


def test_settings_of_scores_out_of_range_are_refused_in_one_line(capsys, checkpoint):
    for flags, message in (
        (["--segment_length", 0], "segment_length is 0: expected more than 0"),
        (["--collar", -1], "collar is -1: expected at least 0"),
        (["--bss_eval", "fast"], "bss_eval is 'fast': expected one of"),
        (["--n_resamples", -5], "n_resamples is -5"),
        (["--split", "tset"], "split is 'tset': expected one of train, validation, test"),
        (["--n_recordings", 0], "n_recordings is 0: expected at least 1"),
        (["--tagging_thresholds", 0.1, 0.2], "tagging_thresholds has 2 values: expected 1, or 4"),
        (["--tagging_thresholds", 1.5], "tagging_thresholds is 1.5: expected at most 1"),
        (["--frame_threshold", -1], "frame_threshold is -1: expected at least 0"),
        (["--segmentation_threshold", 2], "segmentation_threshold is 2: expected at most 1"),
        (["--metric", "auc"], "metric is 'auc': expected one of roc_auc_score"),
        (["--metric", "recall", "--average", "mean"], "weighted, macro, micro, samples, None"),
        (["--average", "micro"], "average is that of a metric: pass --metric as well"),
    ):
        assert message in run_refused(capsys, "evaluate", "--checkpoint_path", checkpoint, *flags)


def test_one_metric_is_printed_per_class(capsys, checkpoint):
    command = ["evaluate", "--checkpoint_path", str(checkpoint), "--bss_eval", "none"]
    options = ["--split", "validation", "--metric", "f1-score", "--average", "None"]
    assert main([*command, *options, "--n_recordings", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("scoring 3 recordings (the validation split)")
    assert lines[1] == "f1-score of each class (validation):"
    assert [line.split()[0] for line in lines[2:6]] == ["alert", "knock", "pageturn", "speech"]
    assert lines[7].startswith("loss of the tags (BCE): 0.")
    assert main([*command, "--metric", "recall", "--average", "micro", "--n_recordings", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("micro  ")


SETTINGS = {"format": "absslab separation settings", "version": 1}


def separate_flags(checkpoint, mixtures, out) -> list[object]:
    return [
        "separate",
        "--checkpoint_path",
        checkpoint,
        "--input",
        mixtures / "test/000000.wav",
        "--output_folder",
        out,
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--gains", "speach=-6"], "did you mean speech"),
        (["--gains", "speech=loud"], "expected CLASS=dB"),
        (["--gains", "speech=nan"], "expected CLASS=dB"),
        (["--gains", "speech=inf"], "expected dB up to 60"),
        (["--gains", "speech"], "expected CLASS=dB"),
        (["--gains", "speech=1", "speech=2"], "speech twice"),
        (["--gains", "speech=1", "--keep", "speech"], "give one of them"),
        (["--settings", "gains.json", "--keep", "speech"], "give one of them"),
        (["--settings", "newer.json"], "newer than 1: update ABSSLab"),
        (["--settings", "foreign.json"], "no settings of a separation"),
        (["--settings", "none.json"], "does not exist"),
        (["--settings", "gains.json", "--gains", "hum=3"], "not a class of the model"),
        (["--mask_floor", "2"], "mask_floor is 2: expected at most 1"),
        (["--mask_power", "-1"], "mask_power is -1: expected at least 0"),
        (["--wiener", "nan"], "wiener is nan: expected a finite number"),
    ],
)
def test_settings_and_gains_that_can_not_be_meant_are_refused_before_anything_is_written(
    capsys, checkpoint, mixtures, tmp_path, monkeypatch, flags, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gains.json").write_text(json.dumps(SETTINGS | {"gains": {"speech": 3}}))
    (tmp_path / "newer.json").write_text(json.dumps(SETTINGS | {"version": 2}))
    (tmp_path / "foreign.json").write_text("{}")
    assert message in run_refused(
        capsys, *separate_flags(checkpoint, mixtures, tmp_path / "out"), *flags
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.reference_flaw("a file of settings took precedence over flags")
def test_settings_that_were_saved_are_applied_and_flags_go_before_them(
    checkpoint, mixtures, tmp_path
):
    saved = SETTINGS | {
        "separation": {"mask_power": 3.0, "mask_floor": 0.1},
        "gains": {"speech": None, "knock": 6.0},
    }
    (tmp_path / "s.json").write_text(json.dumps(saved))

    def separated(name, *flags):
        assert (
            main(
                [
                    str(part)
                    for part in (*separate_flags(checkpoint, mixtures, tmp_path / name), *flags)
                ]
            )
            == 0
        )
        return {
            path.stem: soundfile.read(path)[0]
            for path in (tmp_path / name / "000000").glob("*.wav")
        }

    by_file = separated("file", "--settings", tmp_path / "s.json")
    by_flags = separated(
        "flags", "--mask_power", 3, "--mask_floor", 0.1, "--gains", "speech=-inf", "knock=6"
    )
    for name, samples in by_file.items():
        np.testing.assert_array_equal(samples, by_flags[name], err_msg=name)
    both = separated(
        "both", "--settings", tmp_path / "s.json", "--mask_floor", 0, "--gains", "knock=0"
    )
    expected = separated("plain", "--mask_power", 3)
    np.testing.assert_array_equal(both["knock"], expected["knock"])
    np.testing.assert_allclose(
        both["remix"], soundfile.read(mixtures / "test/000000.wav")[0] - both["speech"], atol=1e-6
    )
    assert "remix" not in expected


def test_ctrl_c_while_separating_leaves_nothing_half_written(checkpoint, tmp_path):
    samples = 0.1 * np.random.default_rng(0).standard_normal(16000 * 600)
    soundfile.write(tmp_path / "long.wav", samples, 16000)
    command = [
        "separate",
        "--checkpoint_path",
        checkpoint,
        "--input",
        tmp_path / "long.wav",
        "--output_folder",
        tmp_path / "o",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "absslab", *command],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    while not list(tmp_path.glob("o/.long*/.residual*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(messages(err)) == 1
    assert list((tmp_path / "o").iterdir()) == []


def test_scores_are_compared_from_end_to_end(checkpoint, tmp_path, capsys):
    for name, options in (("a", []), ("b", ["--smoothing", "0"])):
        flags = [
            "--checkpoint_path",
            str(checkpoint),
            "--bss_eval",
            "none",
            "--output",
            str(tmp_path / f"{name}.json"),
        ]
        assert main(["evaluate", *flags, *options]) == 0
    capsys.readouterr()
    both = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert (
        main(["compare", *both, "--n_resamples", "100", "--output", str(tmp_path / "c.json")]) == 0
    )
    out = capsys.readouterr().out
    assert "8 mixtures; differences from a" in out
    assert "separation.si_sdr_improvement" in out
    compared = json.loads((tmp_path / "c.json").read_text())
    assert compared["systems"] == both
    first, second = compared["scores"]["separation.si_sdr_improvement"]["values"]
    assert compared["scores"]["separation.si_sdr_improvement"]["differences"][1] == pytest.approx(
        second - first
    )
    assert main(["compare", both[0]]) == 2
    assert "expected at least two" in capsys.readouterr().err
    assert main(["compare", both[0], str(tmp_path / "gone.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_scores_never_take_the_place_of_other_files(capsys, checkpoint, tmp_path):
    flags = ["--checkpoint_path", str(checkpoint), "--bss_eval", "none", "--n_resamples", "0"]
    (tmp_path / "weak_labels.csv").write_text("filename,a\n")
    assert "is something else" in run_refused(
        capsys, "evaluate", *flags, "--output", str(tmp_path / "weak_labels.json")
    )
    copy = shutil.copy(checkpoint, tmp_path / "model.ckpt")
    assert "ends in .json" in run_refused(capsys, "evaluate", *flags, "--output", copy)
    assert main(["evaluate", *flags, "--output", str(tmp_path / "a.json")]) == 0
    # Its own may be written anew.
    assert main(["evaluate", *flags, "--output", str(tmp_path / "a.json")]) == 0
    capsys.readouterr()
    both = [str(tmp_path / "a.json")] * 2
    assert "is one of the scores" in run_refused(capsys, "compare", *both, "--output", both[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.csv",
        "a.json",
        "model.ckpt",
        "weak_labels.csv",
    ]


def test_where_there_is_no_terminal_long_work_says_now_and_then_how_far_it_is(monkeypatch, capsys):
    now = iter(range(1000))
    monkeypatch.setattr("absslab.core.common.progress.LINE_INTERVAL", 5.0)
    monkeypatch.setattr("absslab.core.common.progress.time.monotonic", lambda: next(now) * 2.0)
    run_with_progress((Progress(done, 8) for done in range(1, 9)), "scored", "file")
    lines = capsys.readouterr().err.splitlines()
    assert 1 < len(lines) < 8
    assert lines[0].startswith("scored: ")
    assert lines[0].endswith(" of 8 files")


def test_evaluate_says_how_far_it_is_while_headers_are_read(checkpoint, tmp_path, monkeypatch):
    tasks = []
    report = StatusFile.report

    def watched(self, task, done, total, **options):
        tasks.append((task, done, total))
        report(self, task, done, total, **options)

    monkeypatch.setattr(StatusFile, "report", watched)
    status_path = tmp_path / "status.json"
    flags = ["--checkpoint_path", str(checkpoint), "--status_path", str(status_path)]
    assert main(["evaluate", *flags, "--bss_eval", "none", "--device", "cpu"]) == 0
    assert ("reading recordings", 8, 8) in tasks
    assert tasks[-1] == ("scoring", 16, 16)
    assert read_status(status_path).state == "finished"


def test_a_command_that_left_files_out_ends_with_status_3(monkeypatch, capsys):
    left_out = LeftOut("separate")
    with left_out.file("/x/a.wav"):
        raise InputError("{path} is broken", path="/x/a.wav")
    monkeypatch.setattr("absslab.cli.separate.run", lambda arguments: left_out)
    assert main(["separate"]) == 3
    assert capsys.readouterr().err == "absslab separate: 1 file was left out: /x/a.wav is broken\n"
    monkeypatch.setattr("absslab.cli.separate.run", lambda arguments: LeftOut("separate"))
    assert main(["separate"]) == 0
