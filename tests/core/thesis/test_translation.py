"""The thesis' command lines become trainings here, and say what has no effect."""

from itertools import product

import pytest
import torch

from absslab.cli.main import main
from absslab.cli.train import read_settings
from absslab.core.common.errors import InputError
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.model.separation_model import build_model
from absslab.core.thesis.command_line import is_thesis_command, translate_command
from absslab.core.thesis.flags import FLAGS, Outcome
from absslab.core.thesis.translation import MAPPINGS, translate_model, translate_training
from absslab.core.training.run_directory import RunReader
from absslab.core.training.settings import Settings
from absslab.plots.curves import PCEN
from absslab.widgets.panels.training.run_view import RunView

TUT = "ICASSP2018JointSeparationClassificationDataSet"
# The network of the thesis' runs, on 4 classes.
NETWORK = {
    "mask_model_type": "VGGLikeMaskModel",
    "mask_n_blocks": 3,
    "mask_conv_i_c": [1, 64, 64],
    "mask_conv_o_c": [64, 64, 4],
    "mask_conv_k_f": [5, 5, 5],
    "mask_conv_k_t": [5, 5, 5],
    "mask_conv_s_f": [1, 1, 1],
    "mask_conv_s_t": [1, 1, 1],
    "mask_conv_p_f": [2, 2, 2],
    "mask_conv_p_t": [2, 2, 2],
    "mask_conv_groups": [1, 1, 1],
    "mask_dropout_probs": [0.1, 0.1, 0.0],
}
CLASSIFIERS = {
    "GMP": {"classifier_model_type": "GlobalMaxPooling2d"},
    "GAP": {"classifier_model_type": "GlobalAvgPooling2d"},
    "GWRP": {"classifier_model_type": "GlobalWeightedRankPooling2d", "class_dc": [0.999]},
    "FC": {"classifier_model_type": "ChannelWiseFC2d"},
    "FC-sort": {"classifier_model_type": "ChannelWiseFC2d", "class_sort": True},
    "CNN": {"classifier_model_type": "DepthWiseCNNClassifier"},
    "CNN_2_layer": {
        "classifier_model_type": "DepthWiseCNNClassifier",
        "class_n_blocks": 2,
        "class_conv_k_f": [5, 5],
        "class_conv_k_t": [5, 5],
        "class_pooling_type": "avg",
        "class_pool_k_f": [1, 1],
        "class_pool_k_t": [1, 1],
        "class_pool_s_f": [1, 1],
        "class_pool_s_t": [1, 1],
        "class_dropout_probs": [0.1, 0.1],
    },
    "CNN_3_layer": {"classifier_model_type": "DepthWiseCNNClassifier", "class_n_blocks": 3},
    "RNN": {"classifier_model_type": "ChannelWiseRNNClassifier"},
    "adaptive": {"classifier_model_type": "AdaptiveGlobalWeightedRankPooling2d"},
}
MASKS = {
    "sigmoid": {"mask_activations": ["lr", "lr", "sig"]},
    "softmax": {"mask_activations": ["lr", "lr", "softmax"]},
    "softmax, L1": {"mask_activations": ["lr", "lr", "softmax"], "l1_loss_lambda": 0.3},
}


@pytest.mark.parametrize(("classifier", "masks"), list(product(CLASSIFIERS, MASKS)))
def test_the_models_of_the_thesis_are_built_and_trained(classifier, masks):
    given = NETWORK | CLASSIFIERS[classifier] | MASKS[masks] | {"data_set_type": TUT}
    flags = translate_model(given).settings
    flags["l1_weight"] = given.get("l1_loss_lambda", 0.0)
    if classifier.startswith(("FC", "CNN")):
        flags["recording_frames"] = 61
    settings = Settings.from_flags(flags)
    sections = settings.to_json().values()
    assert set(flags) <= {name for section in sections for name in section}
    poolings = {"FC-sort": "FC", "CNN_2_layer": "CNN_FC", "CNN_3_layer": "CNN_FC"}
    poolings |= {"CNN": "CNN_FC", "RNN": "RNN_FC", "adaptive": "adaptive_GWRP"}
    assert settings.model.pooling == poolings.get(classifier, classifier)
    assert getattr(settings.pooling, "fc_sort", False) == (classifier == "FC-sort")
    n_blocks = {"CNN_2_layer": 2, "CNN_3_layer": 3}.get(classifier, 1)
    assert getattr(settings.pooling, "cnn_n_blocks", 1) == n_blocks
    torch.manual_seed(0)
    model = build_model(settings.models, ["babycry", "glassbreak", "gunshot", "scene"]).train()
    network = sum(weights.numel() for weights in model.mask_net.parameters())
    assert network == 1_664 + 102_464 + (64 * 25 + 1) * 4 + 2 * (64 + 64 + 4)
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        prediction = model(0.1 * torch.randn(2, 32_000))
        assert prediction.masks.shape == (2, 4, 64, 64)
        loss = torch.nn.functional.binary_cross_entropy(prediction.probabilities, torch.eye(2, 4))
        loss.backward()
        optimizer.step()
    assert all(torch.isfinite(weights.grad).all() for weights in model.parameters())


@pytest.mark.parametrize("n_blocks", [2, 3, 4, 5, 6])
def test_networks_of_two_to_six_blocks(n_blocks):
    given = {"mask_n_blocks": n_blocks, "mask_activations": ["lr"] * (n_blocks - 1) + ["softmax"]}
    settings = Settings.from_flags(translate_model(given).settings)
    model = build_model(settings.models, ["a", "b"])
    assert len(model.mask_net.blocks) == n_blocks
    assert settings.model.masks == "softmax"


def test_what_is_not_given_is_what_the_thesis_took():
    settings = Settings.from_flags(translate_training({"n_epochs": 3}).settings)
    assert settings.training.learning_rate == 1e-4
    assert settings.training.batch_size == 32
    assert settings.training.l1_weight == 0
    assert settings.training.scheduler_type == "none"
    assert settings.training.test_every == 1
    assert settings.training.precision == "float32"
    assert settings.mask_net.mask_dropout_probs == (0.3,)
    assert settings.features.feature_type == "log1p_mel"
    assert settings.features.normalisation == "scalar"
    assert settings.features.borders == "valid"
    model = build_model(settings.models, [str(index) for index in range(16)])
    assert sum(weights.numel() for weights in model.parameters()) == 158_256


def test_every_flag_of_the_thesis_has_an_outcome():
    counts = {
        outcome: [name for name, flag in FLAGS.items() if flag.outcome is outcome]
        for outcome in Outcome
    }
    assert sum(map(len, counts.values())) == 132
    assert all(FLAGS[name].note for name in counts[Outcome.REFUSED] + counts[Outcome.NOTE])
    for name in counts[Outcome.UNDERSTOOD]:
        assert set(FLAGS[name].here.split(", ")) <= _settings_here(), name


def _settings_here():
    """Return the names of all settings of trainings with the thesis' network."""
    names = {"mode", "checkpoint_path"}
    for pooling in MAPPINGS.values():
        settings = Settings.from_flags({"model_type": "VGGLikeMaskModel", "pooling": pooling})
        names |= {name for section in settings.to_json().values() for name in section}
    return names


@pytest.mark.reference_flaw("--use_cuda had no effect")
def test_yes_and_no_are_understood_in_any_case():
    command = translate_command(
        ["-m", "VGGLikeMaskModel", "-c", "GlobalMaxPooling2d", "-d", "DCASE2013RemixedDataSet"]
        + ["--n_epochs", "2", "--mask_use_batch_norm", "No", "--use_cuda", "Y"]
        + ["--rescale_classification", "t"]
    )
    assert "--mask_use_batch_norm=False" in command.arguments
    assert "--rescale=True" in command.arguments
    assert "--pooling=GMP" in command.arguments
    assert "--data_set_type=mixture_folder" in command.arguments
    assert "--device=auto" in command.arguments


def test_flags_of_today_may_be_added():
    command = translate_command(
        ["-m", "VGGLikeMaskModel", "--n_epochs=2", "--seed", "3", "--keep_every=1"]
    )
    assert command.arguments[-4:] == ["--seed", "3", "--keep_every", "1"]


@pytest.mark.parametrize(
    ("flags", "note"),
    [
        ("--mask_conv_i_c 1 64 64 64 64 64", "mask_conv_i_c has no effect: the model sets it"),
        ("--mask_H_coord_conv False", "mask_H_coord_conv has no effect: the thesis' code never"),
        ("--class_hidden_size 20", "class_hidden_size has no effect with GlobalWeightedRank"),
        ("--scheduler_gamma 0.5", "scheduler_gamma has no effect with scheduler_type none"),
        ("--epoch_idx 3", "epoch_idx has no effect: a run knows how far it is"),
        ("--metric accuracy", "metric accuracy is the mean over all tags"),
        ("--average None", "average None: the best model is chosen by the weighted average"),
        ("--multi_loudness True", "multi_loudness changes the level"),
        pytest.param(
            "--feature_type log-mel",
            "is almost linear",
            marks=pytest.mark.reference_flaw(
                "log10(1 + x) was taken of spectra so small that it is linear, and nothing said so"
            ),
        ),
        ("--n_loaders 2", "n_loaders has no effect without --in_memory False"),
        ("--pcen_s 0.01", "pcen_s has no effect without feature_type pcen"),
        ("--train_pcen_s 0.1", "train_pcen_s has no effect without feature_type pcen"),
        (
            "--feature_type pcen --train_pcen_s 0.1",
            "train_pcen_s has no effect without train_pcen",
        ),
        ("--n_multi_pcen 2", "n_multi_pcen has no effect without train_multi_pcen"),
        ("--train_pcen yes", "one smoother is learnt, from s = 0.04; in the thesis s was 0"),
        ("--mask_pool_k_f 2 2 2 2 2 2", "mask_pool_k_f has no effect without mask_pooling_type"),
        ("--rescale_classification yes", "rescale_classification: σ(w · logit p + b) here"),
        ("--loss_f MultiLabelSoftMarginLoss", "loss_f: MultiLabelSoftMarginLoss is BCE here"),
        (
            "--scheduler_type reduceLROnPlateau --scheduler_gamma 0.5",
            "follows the validation score here",
        ),
        (
            "--classifier_model_type AdaptiveGlobalWeightedRankPooling2d",
            "learns its decay here; in the thesis its gradient was cut",
        ),
        ("--class_freq_coord_conv yes", "class_freq_coord_conv has no effect with GlobalWeighted"),
        ("-d AudiosetSegments", "is read from the folder that absslab convert-segments makes"),
        ("-d AudiosetSegmentsOnDisk", "is read from the folder that absslab convert-segments"),
        (
            "--audio_folder a",
            "audio_folder has no effect with data_set_type DCASE2013",
        ),
        ("--yaml_file a", "yaml_file has no effect with data_set_type DCASE2013RemixedDataSet"),
    ],
)
def test_what_has_no_effect_is_said(flags, note):
    command = translate_command(f"--mask_model_type VGGLikeMaskModel --n_epochs 1 {flags}".split())
    assert any(note in line for line in command.notes), command.notes


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--mask_n_blocks 2.5", "--mask_n_blocks is '2.5': expected a whole number"),
        ("--mask_use_batch_norm maybe", "--mask_use_batch_norm is 'maybe': expected one of yes"),
        ("--learning_rate 1 2", "--learning_rate has 2 values: expected one"),
        ("--mask_conv_k_f 3 3", "mask_conv_k_f has 2 values: expected one for each of 6 blocks"),
        ("--feature_type MFCC", "there is no feature type of the thesis 'MFCC'"),
        ("--train_multi_pcen True", "n_multi_pcen is 0: expected the number of PCENs, 1 or more"),
        ("--data_set_type Audioset", "there is no data set of the thesis 'Audioset'"),
        (
            "--class_categories phone.alert --categories alert",
            "and categories differ",
        ),
        ("--classifier_model_type Mean", "there is no classifier of the thesis 'Mean'"),
        ("--mask_model_type Unet", "there is no mask model of the thesis 'Unet'"),
        ("--n_epochs 0", "--n_epochs is 0: expected at least 1"),
        ("--n_epochs -3", "--n_epochs is -3: expected at least 1"),
        ("--mask_n_blocks 0", "there are 0 blocks: expected 1 to 64"),
        ("--mask_n_blocks 1000000000", "there are 1000000000 blocks: expected 1 to 64"),
        (
            "--scheduler_type cosine",
            "there is no scheduler of the thesis 'cosine'; there is stepLR",
        ),
        ("--mode test", "mode is 'test': expected train"),
        ("--mask_pooling_type foo", "mask_pooling_type is 'foo': expected none, max or avg"),
        ("--recipe thesis", "--recipe names settings of absslab train"),
        (
            "--classifier_model_type DepthWiseCNNClassifier --class_freq_coord_conv yes",
            "class_freq_coord_conv is True with DepthWiseCNNClassifier",
        ),
        (
            "--mask_pooling_type max --mask_pool_k_f 2 --mask_pool_k_t 2 --mask_pool_s_f 2 "
            "--mask_pool_s_t 2",
            "pools the masks themselves",
        ),
    ],
)
def test_what_is_not_possible_is_one_line(flags, message):
    line = "--mask_model_type VGGLikeMaskModel --n_epochs 1 " + flags
    with pytest.raises(InputError, match=message):
        translate_command(line.split())


def test_a_command_without_a_length_is_refused():
    with pytest.raises(InputError, match="--n_epochs is missing: expected the number of epochs"):
        translate_command(["--mask_model_type", "VGGLikeMaskModel"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--l1_weight 0.1 --l1_loss_lambda 0.3",
            "--l1_loss_lambda 0.3 and --l1_weight 0.1 contradict each other, since both set "
            "l1_weight: pass one of them",
        ),
        ("--l1_loss_lambda 0.0 --l1_weight=0.3", "--l1_loss_lambda 0.0 and --l1_weight 0.3"),
        ("--class_dc 0.999 --dc 0.5", "--class_dc 0.999 and --dc 0.5 .* both set decay"),
        ("--use_cuda yes --device cpu", "--use_cuda yes and --device cpu .* both set device"),
        ("--gpu_no 1 --device cuda:2", "--gpu_no 1 and --device cuda:2"),
        ("--mask_activations lr sig --mask_n_blocks 2 --masks softmax", "lr sig and --masks soft"),
        ("--threshold 0.5 --thresholds 0.3 0.4", "--threshold 0.5 and --thresholds 0.3 0.4"),
        ("--STFT_frame_width_ms 64 --window_length 0.1", "--window_length 0.1"),
    ],
)
def test_two_flags_of_one_setting_that_contradict_are_refused(flags, message):
    line = "--mask_model_type VGGLikeMaskModel --n_epochs 1 " + flags
    with pytest.raises(InputError, match=message):
        translate_command(line.split())


@pytest.mark.parametrize(
    ("flags", "setting", "value"),
    [
        ("--l1_loss_lambda 0.3 --l1_weight 3e-1", "l1_weight", 0.3),
        ("--rescale_classification yes --rescale true", "rescale", True),
        ("--STFT_frame_width_ms 64 --window_length 0.064", "window_length", 0.064),
        ("--threshold 0.5 --thresholds 0.5", "thresholds", (0.5,)),
        ("--use_gpu True --device cuda:1", "device", "cuda:1"),
        ("--multi_loudness False --gain_range -6 0", "gain_range", (-6, 0)),
        ("--l1_weight 0.1", "l1_weight", 0.1),
    ],
)
def test_flags_of_today_may_repeat_or_complete_those_of_the_thesis(flags, setting, value):
    line = f"--mask_model_type VGGLikeMaskModel --n_epochs 1 --save_path a.ckpt {flags}"
    sections = read_settings(line.split()).to_json()
    assert [section[setting] for section in sections.values() if setting in section] == [
        list(value) if isinstance(value, tuple) else value
    ]


@pytest.mark.parametrize("name", ["class_categories", "categories"])
def test_groups_of_classes_are_understood_and_their_defaults_mean_none(name):
    given = {"n_epochs": 1, name: ["phone.alert", "speech"]}
    settings = Settings.from_flags(translate_training(given).settings)
    assert settings.data.class_categories == ("phone.alert", "speech")
    words = {"class_categories": ["all_separated"], "categories": ["none"]}
    for defaults in (
        {"n_epochs": 1},
        words | {"n_epochs": 1},
    ):  # the thesis' code compared its own default with a text
        settings = Settings.from_flags(translate_training(defaults).settings)
        assert settings.data.class_categories is None


def test_the_data_set_of_tut_rare_is_understood():
    given = {"data_set_type": TUT, "data_folder": "h5", "audio_folder": "wav", "yaml_file": "a.csv"}
    data = Settings.from_flags(translate_training(given | {"n_epochs": 1}).settings).data
    assert data.data_set_type == "TUT_rare_2017"
    assert (data.data_folder, data.audio_folder, data.yaml_file) == ("h5", "wav", "a.csv")


def test_commands_of_today_are_left_alone():
    today = ["--recipe", "thesis", "--data_set_type", "mixture_folder", "--seed", "3"]
    assert not is_thesis_command(today)
    assert not is_thesis_command(["--data_set_type=DCASE2013RemixedDataSet"])
    assert not is_thesis_command(["--model_type", "VGG_like_CNN", "--use_gpu", "yes"])


@pytest.mark.parametrize(
    "line",
    [
        "-c GlobalMaxPooling2d",
        "-d ICASSP2018JointSeparationClassificationDataSet --n_epochs 1",
        "--l1_loss_lambda 0.3",
        "--STFT_frame_width_ms=32 --seed 3",
    ],
)
def test_any_name_that_the_thesis_alone_had_makes_a_command_one_of_its(line):
    assert is_thesis_command(line.split())


@pytest.mark.reference_flaw(
    "the default of --class_categories made the data set DCASE2013 impossible to build"
)
def test_a_command_of_the_thesis_trains(mixtures, tmp_path, capsys):
    line = (
        "--mode train --mask_model_type VGGLikeMaskModel --mask_n_blocks 2 --mask_conv_i_c 1 4 "
        "--mask_conv_o_c 4 16 --mask_conv_k_f 3 3 --mask_conv_k_t 3 3 --mask_conv_s_f 1 1 "
        "--mask_conv_s_t 1 1 --mask_conv_p_f 1 1 --mask_conv_p_t 1 1 --mask_conv_groups 1 1 "
        "--mask_dropout_probs 0.1 0.0 --mask_activations lr sig "
        "--classifier_model_type GlobalWeightedRankPooling2d --class_dc 0.999 "
        f"--data_set_type DCASE2013RemixedDataSet --data_folder {mixtures} --feature_type log-mel "
        "--l1_loss_lambda 0.3 --learning_rate 0.001 --scheduler_type stepLR "
        "--scheduler_step_size 50 --scheduler_gamma 0.5 --n_epochs 1 --test_every 1 "
        f"--metric roc_auc_score --use_cuda False --device cpu --save_path {tmp_path}/model.ckpt"
    )
    assert main(line.split()) == 0
    printed = capsys.readouterr()
    assert "mask_conv_i_c has no effect: the model sets it itself" in printed.err
    configs = load_checkpoint(tmp_path / "model.ckpt").configs
    assert configs.mask_net.mask_conv_o_c == (4,)
    assert configs.features.feature_type == "log1p_mel"
    again = f"--mask_model_type VGGLikeMaskModel --checkpoint_path {tmp_path}/model/last.ckpt"
    assert main(["train", *again.split(), "--n_epochs", "2", "--learning_rate", "0.1"]) == 0
    note = "keeps its settings: mask_model_type, learning_rate have no effect"
    assert note in capsys.readouterr().err
    assert len((tmp_path / "model/metrics.jsonl").read_text().splitlines()) == 2


def test_help_is_that_of_today(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--mask_model_type", "VGGLikeMaskModel", "--help"])
    assert "usage: absslab train" in capsys.readouterr().out


@pytest.mark.parametrize("milestone", ["nan", "inf", "1.5"])
def test_milestones_are_whole_numbers(milestone, capsys):
    line = f"--mask_model_type VGGLikeMaskModel --n_epochs 1 --scheduler_type multiStepLR {0}"
    line = line.replace("0", f"--scheduler_gamma 0.5 --scheduler_milestones {milestone}")
    assert main(["train", *line.split(), "--save_path", "x.ckpt"]) == 2
    assert "scheduler_milestones" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.reference_flaw("--feature_type had no effect with TUT Rare 2017, and nothing said so")
@pytest.mark.parametrize("name", [TUT, "TUT_rare_2017"])
def test_features_that_a_data_set_never_had_are_computed_and_noted(name):
    given = {"data_set_type": name, "feature_type": "pcen", "pcen_s": 0.01}
    translation = translate_model(given)
    assert (translation.settings["feature_type"], translation.settings["pcen_s"]) == ("pcen", 0.01)
    assert any("feature_type pcen had no effect" in note for note in translation.notes)
    settings = translate_model({"data_set_type": name}).settings
    assert (settings["feature_type"], settings["log_offset"]) == ("log_mel", 1e-8)


def test_what_stands_for_no_schedule_and_no_metric_is_understood():
    given = {"n_epochs": 1, "scheduler_type": "none", "metric": "none"}
    settings = Settings.from_flags(translate_training(given).settings)
    assert settings.training.scheduler_type == "none"
    assert settings.training.metric == "roc_auc_score"


def test_what_is_wrong_is_one_line(capsys):
    line = "--mask_model_type VGGLikeMaskModel --n_epochs 1 --mask_conv_i_c 1 64 64 64 64 64"
    assert main(["train", *line.split(), "--class_dc", "1.5", "--save_path", "x.ckpt"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_pcen_of_the_thesis_is_smoothed_both_ways():
    given = {"feature_type": "pcen", "pcen_s": 0.01, "pcen_alpha": 0.9}
    settings = translate_model(given).settings
    assert settings["feature_type"] == "pcen"
    assert settings["pcen_direction"] == "both"
    assert (settings["pcen_s"], settings["pcen_alpha"], settings["pcen_delta"]) == (0.01, 0.9, 2.0)
    assert settings["mel_area"] == "slaney"
    assert "train_pcen" not in settings


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"train_pcen_s": [0.01, 0.1]}, {"train_pcen_s": (0.01, 0.1)}),
        ({"train_pcen_s": [0.2]}, {"train_pcen_s": (0.2,)}),
        ({"train_pcen_per_band_param": True}, {"train_pcen_per_band": True, "pcen_s": 0.04}),
        (
            {"train_pcen_use_s": False, "train_pcen_b": [0.1], "train_pcen_a": [1.0, -0.9]},
            {"train_pcen_b": (0.1,), "train_pcen_a": (1.0, -0.9)},
        ),
        ({"train_pcen_eps": 1e-4}, {"pcen_eps": 1e-4}),
        ({"train_multi_pcen": True, "n_multi_pcen": 3}, {"train_pcen_channels": 3}),
    ],
)
def test_pcen_that_is_learnt_is_built(given, wanted):
    settings = translate_model({"train_pcen": True, "mask_n_blocks": 2} | given).settings
    assert settings["feature_type"] == "pcen"
    assert {name: settings[name] for name in wanted} == wanted
    model = build_model(Settings.from_flags(settings).models, ["a", "b"])
    channels = getattr(model.pcen, "channels", [model.pcen])
    assert len(channels) == wanted.get("train_pcen_channels", 1)
    assert all(channel.gain_logit.requires_grad for channel in channels)


def test_a_training_that_learns_pcen_writes_it_down_and_goes_on(mixtures, tmp_path):
    line = (
        "--mode train -m VGGLikeMaskModel --mask_n_blocks 2 --mask_conv_o_c 4 4 "
        "-c GlobalWeightedRankPooling2d -d DCASE2013RemixedDataSet --train_pcen yes "
        f"--data_folder {mixtures} --learning_rate 0.01 --n_epochs 1 "
        f"--save_path {tmp_path}/model.ckpt --device cpu --seed 0"
    )
    assert main(line.split()) == 0
    again = f"train --checkpoint_path {tmp_path}/model/last.ckpt --n_epochs 2"
    assert main(again.split()) == 0
    reader = RunReader(tmp_path / "model")
    reader.poll()
    first, second = (reader.metrics[epoch]["pcen"] for epoch in (1, 2))
    assert set(first) == {"alpha", "delta", "r", "eps", "s"}
    assert all(first[name] != second[name] for name in first)
    model = load_checkpoint(tmp_path / "model.ckpt").model
    assert any(model.pcen.values() == values for values in (first, second))
    view = RunView()
    view.follow(reader)
    view.update("finished")
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in view.plot.figure.axes]
    assert len(titles) == 4
    assert titles[-1] == PCEN
