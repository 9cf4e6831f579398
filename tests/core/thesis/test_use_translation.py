"""Command lines of the thesis that evaluate and separate are translated, and run."""

import pytest

from absslab.cli.main import main
from absslab.cli.train import read_settings
from absslab.core.thesis.command_line import (
    is_thesis_use,
    translate_evaluate_command,
    translate_separate_command,
)
from absslab.core.thesis.flags import OLDEST_FLAGS

TRAINING = (
    "-m VGGLikeMaskModel -c GlobalWeightedRankPooling2d --mask_use_batch_norm yes --class_dc 0.999 "
    "--n_epochs 300 --learning_rate 0.001"
)


def test_an_evaluation_of_the_thesis_scores_the_third_split():
    command = translate_evaluate_command(
        f"--checkpoint_path a.ckpt {TRAINING} -d DCASE2013RemixedDataSet --data_folder sounds "
        "--metric f1-score --average None --threshold 0.3 0.4 --use_cuda no --n_resamples 0".split()
    )
    assert command.arguments == [
        *("--split=test", "--checkpoint_path=a.ckpt", "--data_folder=sounds", "--device=cpu"),
        *("--data_set_type=mixture_folder", "--metric=f1-score", "--average=none"),
        *("--tagging_thresholds", "0.3", "0.4", "--n_resamples", "0"),
    ]
    assert command.notes == [
        "mask_model_type, classifier_model_type, mask_use_batch_norm, class_dc, n_epochs, "
        "learning_rate have no effect: the settings of the checkpoint hold"
    ]


@pytest.mark.reference_flaw("separation took the second split, by which the model had been chosen")
def test_a_separation_of_the_thesis_separates_the_third_split():
    """Its own code separated the second one, which had chosen the model."""
    command = translate_separate_command(
        f"--checkpoint_path a.ckpt --separated_audio_folder out {TRAINING} --gpu_no 1".split()
    )
    assert command.arguments == [
        *("--split=test", "--output_folder=out", "--checkpoint_path=a.ckpt", "--device=cuda:1")
    ]
    assert "SDR, SIR and SAR of the same split are printed by evaluate" in command.notes[0]
    assert command.notes[1].startswith("mask_model_type, classifier_model_type")
    by_file = translate_separate_command(["-m", "VGGLikeMaskModel", "--input", "a.wav"])
    assert by_file.arguments == ["--input", "a.wav"]


OLDEST = (
    "--model_type VGG_like_CNN --drop_out_probs 0.3 0.4 0.5 0.5 0.5 0.0 --use_batch_norm True "
    "--dc 0.999 --scale_transform True --classification_mapping GWRP --loss_f BCE --n_epochs 500"
)
NO_EFFECT = (
    "model_type, drop_out_probs, use_batch_norm, dc, scale_transform, classification_mapping, "
    "loss_f, n_epochs have no effect: the settings of the checkpoint hold"
)


def test_the_oldest_spelling_is_understood_as_well():
    flags = f"--checkpoint_path a.ckpt {OLDEST}".split()
    read_settings([*OLDEST.split(), "--data_folder", "sounds"])
    assert set(OLDEST_FLAGS) <= set(OLDEST.replace("--", "").split())
    data = ["--data_set_type", "DCASE2013_remixed_data_set", "--data_folder", "sounds"]
    command = translate_evaluate_command([*flags, *data])
    assert command.arguments == [
        *("--split=test", "--checkpoint_path=a.ckpt", "--data_folder=sounds"),
        "--data_set_type=mixture_folder",
    ]
    assert command.notes == [NO_EFFECT]
    separation = translate_separate_command([*flags, "--separated_audio_folder", "out"])
    assert separation.notes[1:] == [NO_EFFECT]


@pytest.mark.parametrize(
    ("flags", "note"),
    [
        ("--metric f1-score", "those of the thesis are --threshold 0.5"),
        ("--metric accuracy --threshold 0.5", "metric accuracy is the mean over all tags"),
        ("--average micro --threshold 0.5", "average has no effect"),
        ("-d AudiosetSegments", "data_set_type has no effect: the settings of the checkpoint"),
    ],
)
def test_what_an_evaluation_does_not_read_is_said(flags, note):
    command = translate_evaluate_command(f"--checkpoint_path a.ckpt {flags}".split())
    assert any(note in line for line in command.notes), command.notes


def test_flags_of_today_go_before_what_the_thesis_did():
    command = translate_evaluate_command(
        ["--use_gpu", "True", "--device", "cuda:1", "--split", "train"]
    )
    assert command.arguments == ["--device", "cuda:1", "--split", "train"]


def test_uses_of_today_are_left_alone():
    today = "--checkpoint_path a.ckpt --metric recall --average None --data_folder sounds"
    assert not is_thesis_use(today.split())
    assert not is_thesis_use(["--data_set_type", "mixture_folder"])
    signs = ("-m VGGLikeMaskModel", "--threshold 0.5", "-d DCASE2013RemixedDataSet", "--dc 0.5")
    for sign in signs:
        assert is_thesis_use(f"{today} {sign}".split())


@pytest.mark.parametrize("training", [TRAINING, OLDEST])
def test_commands_of_the_thesis_evaluate_and_separate(
    training, checkpoint, mixtures, tmp_path, capsys
):
    line = f"--checkpoint_path {checkpoint} {training} --device cpu"
    scores = f"--mode evaluate {line} --metric recall --average None --threshold 0"
    assert main([*scores.split(), "--bss_eval", "none", "--n_resamples", "0"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith("scoring 8 recordings (the test split)")
    assert lines[1] == "recall of each class (test):"
    assert [row.split()[1] for row in lines[2:6]] == ["1.0000"] * 4
    assert "have no effect: the settings of the checkpoint hold" in printed.err
    separation = f"{line} --mode=separate --separated_audio_folder {tmp_path}/out"
    assert main([*separation.split(), "--n_recordings", "2"]) == 0
    assert "(the test split of the model's data)" in capsys.readouterr().out
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["000000", "000001"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--mode evaluate --threshold 0.5", "checkpoint_path is missing"),
        ("--mode evaluate --threshold high", "--threshold is 'high': expected a number"),
        ("--mode evaluate --metric recall --average all --threshold 1", "average is 'all'"),
        (
            "--mode separate -m VGGLikeMaskModel --checkpoint_path a.ckpt",
            "output_folder is missing",
        ),
        ("--mode separate --separated_audio_folder a b", "--separated_audio_folder has 2 values"),
        ("--mode evaluate --threshold 0.5 --use_gpu maybe", "--use_gpu is 'maybe'"),
        (
            "--mode evaluate --threshold 0.5 --tagging_thresholds 0.3",
            "--threshold 0.5 and --tagging_thresholds 0.3 contradict each other",
        ),
        (
            "--mode separate --separated_audio_folder a --output_folder b",
            "--separated_audio_folder a and --output_folder b contradict each other",
        ),
        ("--mode evaluate --threshold 0.5 --use_gpu yes --device cpu", "--device cpu contradict"),
    ],
)
def test_what_is_wrong_with_a_use_is_one_line(line, message, capsys):
    assert main(line.split()) == 2
    (printed,) = capsys.readouterr().err.splitlines()
    assert message in printed
