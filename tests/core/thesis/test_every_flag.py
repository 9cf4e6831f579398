"""Each flag of the thesis becomes the setting that it should, or says why it changes nothing."""

import pytest

from absslab.core.thesis.command_line import split_flags
from absslab.core.thesis.flags import FLAGS
from absslab.core.thesis.translation import Translation, translate_training
from absslab.core.training.settings import Settings

CNN = "--classifier_model_type DepthWiseCNNClassifier"
RNN = "--classifier_model_type ChannelWiseRNNClassifier"
POOLED = (
    "--mask_n_blocks 3 --mask_pooling_type avg --mask_pool_k_f 2 3 1 --mask_pool_k_t 3 2 1 "
    "--mask_pool_s_f 2 1 1 --mask_pool_s_t 1 2 1"
)
CNN_POOLED = (
    f"{CNN} --class_pooling_type max --class_pool_k_f 2 --class_pool_k_t 3 "
    "--class_pool_s_f 2 --class_pool_s_t 1"
)
STEPS = "--scheduler_type stepLR --scheduler_step_size 5 --scheduler_gamma 0.5"
MILESTONES = "--scheduler_type multiStepLR --scheduler_milestones 2 4 --scheduler_gamma 0.5"
PLATEAU = "--scheduler_type reduceLROnPlateau --scheduler_patience 3 --scheduler_gamma 0.5"
FILTER = "--train_pcen yes --train_pcen_use_s no --train_pcen_b 0.1 --train_pcen_a 1 -0.9"


def translate(line: str) -> Translation:
    given = {name: FLAGS[name].parse(name, words) for name, words in split_flags(line.split())}
    return translate_training({"n_epochs": 1} | given)


def build_settings(line: str) -> dict:
    """Return all settings of the training that a line of the thesis describes."""
    sections = Settings.from_flags(translate(line).settings).to_json().values()
    return {name: value for section in sections for name, value in section.items()}


@pytest.mark.parametrize(
    ("line", "setting", "value"),
    [
        ("--sampling_rate 22050", "sampling_rate", 22050),
        ("--STFT_frame_width_ms 40", "window_length", 0.04),
        ("--STFT_frame_shift_ms 10", "hop_length", 0.01),
        ("--STFT_window_function hann", "window", "hann"),
        ("--n_Mel_filters 40", "n_mels", 40),
        ("--Mel_min_freq 50", "f_min", 50),
        ("--Mel_max_freq 7000", "f_max", 7000),
        ("--feature_type spectrogram", "feature_type", "spectrogram"),
        ("--feature_type mel", "feature_type", "mel"),
        ("--feature_type mel", "mel_area", "slaney"),
        ("--feature_type log-mel", "feature_type", "log1p_mel"),
        ("--feature_type log-mel_no_shift", "log_offset", 1e-15),
        ("--feature_type log-mel-spectrogram", "feature_type", "decibel_mel"),
        ("--feature_type pcen", "pcen_direction", "both"),
        ("--feature_type pcen --pcen_s 0.02", "pcen_s", 0.02),
        ("--feature_type pcen --pcen_eps 1e-5", "pcen_eps", 1e-5),
        ("--feature_type pcen --pcen_alpha 0.9", "pcen_alpha", 0.9),
        ("--feature_type pcen --pcen_delta 1.5", "pcen_delta", 1.5),
        ("--feature_type pcen --pcen_r 0.25", "pcen_r", 0.25),
        ("--train_pcen yes", "train_pcen", True),
        ("--train_multi_pcen yes --n_multi_pcen 3", "train_pcen_channels", 3),
        ("--train_pcen yes --train_pcen_per_band_param yes", "train_pcen_per_band", True),
        ("--train_pcen yes --train_pcen_s 0.1 0.2", "train_pcen_s", [0.1, 0.2]),
        ("--train_pcen yes --train_pcen_eps 1e-4", "pcen_eps", 1e-4),
        (FILTER, "train_pcen_b", [0.1]),
        (FILTER, "train_pcen_a", [1, -0.9]),
        (f"{FILTER} --train_pcen_per_band_filter yes", "train_pcen_filter_per_band", True),
        ("--scaling_type standardization", "normalisation", "scalar"),
        ("--scaling_type min-max", "normalisation", "min_max"),
        ("--scaling_type none", "standardise", False),
        ("--data_set_type DCASE2013RemixedDataSet", "data_set_type", "mixture_folder"),
        ("--data_folder mixtures", "data_folder", "mixtures"),
        ("--data_set_save_folder_path features", "feature_store", "features"),
        ("--data_set_load_folder_path features", "feature_store", "features"),
        ("--multi_loudness yes", "gain_range", [-4.44, 0]),
    ],
)
def test_flags_of_data_and_features_become_settings(line, setting, value):
    assert build_settings(line)[setting] == value


@pytest.mark.parametrize(
    ("line", "setting", "value"),
    [
        ("-m VGGLikeMaskModel", "model_type", "VGGLikeMaskModel"),
        ("--mask_n_blocks 2", "mask_n_blocks", 2),
        ("--mask_n_blocks 3 --mask_conv_o_c 8 4 4", "mask_conv_o_c", [8, 4, 4]),
        ("--mask_n_blocks 2 --mask_conv_k_f 5 3", "mask_conv_k_f", [5, 3]),
        ("--mask_n_blocks 2 --mask_conv_k_t 5 3", "mask_conv_k_t", [5, 3]),
        ("--mask_n_blocks 2 --mask_conv_s_f 2 1", "mask_conv_s_f", [2, 1]),
        ("--mask_n_blocks 2 --mask_conv_s_t 2 1", "mask_conv_s_t", [2, 1]),
        ("--mask_n_blocks 2 --mask_conv_p_f 2 1", "mask_conv_p_f", [2, 1]),
        ("--mask_n_blocks 2 --mask_conv_p_t 2 1", "mask_conv_p_t", [2, 1]),
        ("--mask_conv_pad_type zero", "mask_conv_pad_type", "zero"),
        ("--mask_conv_pad_type reflection", "mask_conv_pad_type", "reflection"),
        ("--mask_n_blocks 2 --mask_conv_groups 1 2", "mask_conv_groups", [1, 2]),
        (POOLED, "mask_pooling_type", "avg"),
        (POOLED, "mask_pool_k_f", [2, 3, 1]),
        (POOLED, "mask_pool_k_t", [3, 2, 1]),
        (POOLED, "mask_pool_s_f", [2, 1, 1]),
        (POOLED, "mask_pool_s_t", [1, 2, 1]),
        (f"{POOLED} --mask_pool_p_f 1 0 0", "mask_pool_p_f", [1, 0, 0]),
        (f"{POOLED} --mask_pool_p_t 0 1 0", "mask_pool_p_t", [0, 1, 0]),
        (f"{POOLED} --mask_pool_pad_type zero", "mask_pool_pad_type", "zero"),
        ("--mask_dropout_type 2D", "mask_dropout_type", "2D"),
        ("--mask_n_blocks 3 --mask_dropout_probs 0.5 0.2 0", "mask_dropout_probs", [0.5, 0.2, 0]),
        ("--mask_use_batch_norm no", "mask_use_batch_norm", False),
        (
            "--mask_n_blocks 3 --mask_activations relu lr sig",
            "mask_activations",
            ["relu", "lr", "sig"],
        ),
        ("--mask_n_blocks 2 --mask_activations lr sig", "masks", "independent"),
        ("--mask_n_blocks 2 --mask_activations lr softmax", "masks", "softmax"),
        ("--mask_freq_coord_conv yes", "mask_freq_coord_conv", True),
    ],
)
def test_flags_of_the_mask_network_become_settings(line, setting, value):
    assert build_settings(line)[setting] == value


@pytest.mark.parametrize(
    ("line", "setting", "value"),
    [
        ("-c GlobalMaxPooling2d", "pooling", "GMP"),
        ("-c GlobalAvgPooling2d", "pooling", "GAP"),
        ("-c GlobalWeightedRankPooling2d --class_dc 0.9", "decay", 0.9),
        ("-c AdaptiveGlobalWeightedRankPooling2d --class_dc 0.8", "first_decay", [0.8]),
        ("-c ChannelWiseFC2d --class_use_bias no", "fc_bias", False),
        ("-c ChannelWiseFC2d --class_activation softmax", "fc_activation", "softmax"),
        ("-c ChannelWiseFC2d --class_sort yes", "fc_sort", True),
        (f"{CNN} --class_n_blocks 2", "cnn_n_blocks", 2),
        (f"{CNN} --class_conv_k_f 3", "cnn_conv_k_f", [3]),
        (f"{CNN} --class_conv_k_t 3", "cnn_conv_k_t", [3]),
        (f"{CNN} --class_conv_s_f 2", "cnn_conv_s_f", [2]),
        (f"{CNN} --class_conv_s_t 2", "cnn_conv_s_t", [2]),
        (f"{CNN} --class_conv_p_f 1", "cnn_conv_p_f", [1]),
        (f"{CNN} --class_conv_p_t 1", "cnn_conv_p_t", [1]),
        (f"{CNN} --class_conv_pad_type reflection", "cnn_conv_pad_type", "reflection"),
        (CNN_POOLED, "cnn_pooling_type", "max"),
        (CNN_POOLED, "cnn_pool_k_f", [2]),
        (CNN_POOLED, "cnn_pool_k_t", [3]),
        (CNN_POOLED, "cnn_pool_s_f", [2]),
        (CNN_POOLED, "cnn_pool_s_t", [1]),
        (f"{CNN_POOLED} --class_pool_p_f 1", "cnn_pool_p_f", [1]),
        (f"{CNN_POOLED} --class_pool_p_t 1", "cnn_pool_p_t", [1]),
        (f"{CNN_POOLED} --class_pool_pad_type zero", "cnn_pool_pad_type", "zero"),
        (f"{CNN} --class_dropout_type 2D", "cnn_dropout_type", "2D"),
        (f"{CNN} --class_dropout_probs 0.2", "cnn_dropout_probs", [0.2]),
        (f"{CNN} --class_use_batch_norm yes", "cnn_use_batch_norm", True),
        (f"{CNN} --class_activations relu", "cnn_activations", ["relu"]),
        (f"{CNN} --class_FC_use_bias no", "fc_bias", False),
        (f"{RNN} --class_FC_activation softmax", "fc_activation", "softmax"),
        (f"{RNN} --class_FC_sort yes", "fc_sort", True),
        (f"{RNN} --class_RNN_cell_type LSTM", "rnn_cell", "LSTM"),
        (f"{RNN} --class_RNN_cell_type RNN", "rnn_cell", "Elman"),
        (f"{RNN} --class_hidden_size 8", "rnn_units", 8),
        (f"{RNN} --class_num_layers 2", "rnn_layers", 2),
        (f"{RNN} --class_use_bias no", "rnn_bias", False),
        (f"{RNN} --class_num_layers 2 --class_dropout 0.1", "rnn_drop_out", 0.1),
        (f"{RNN} --class_bidirectional yes", "rnn_bidirectional", True),
        ("--rescale_classification yes", "rescale", True),
    ],
)
def test_flags_of_the_mapping_become_settings(line, setting, value):
    assert build_settings(line)[setting] == value


@pytest.mark.parametrize(
    ("line", "setting", "value"),
    [
        ("--mode train --batch_size 16", "batch_size", 16),
        ("--n_loaders 2", "n_loaders", 2),
        ("--use_gpu yes", "device", "auto"),
        ("--use_gpu no --gpu_no 1", "device", "cpu"),
        ("--use_gpu yes --gpu_no 1", "device", "cuda:1"),
        ("--metric f1-score", "metric", "f1-score"),
        ("--average macro", "metric_average", "macro"),
        ("--threshold 0.3 0.6", "thresholds", [0.3, 0.6]),
        ("--loss_f BCE", "loss", "BCE"),
        ("--loss_f MultiLabelSoftMarginLoss", "loss", "MultiLabelSoftMarginLoss"),
        ("--l1_loss_lambda 0.3", "l1_weight", 0.3),
        ("--optimizer Adam", "optimizer", "Adam"),
        ("--learning_rate 0.01", "learning_rate", 0.01),
        ("--weight_decay 0", "weight_decay", 0),
        (STEPS, "scheduler_type", "stepLR"),
        (STEPS, "scheduler_step_size", 5),
        (STEPS, "scheduler_gamma", 0.5),
        (MILESTONES, "scheduler_type", "multiStepLR"),
        (MILESTONES, "scheduler_milestones", [2, 4]),
        (PLATEAU, "scheduler_type", "reduceLROnPlateau"),
        (PLATEAU, "scheduler_patience", 3),
        ("--scheduler_type none", "scheduler_type", "none"),
        ("--n_epochs 7", "n_epochs", 7),
        ("--test_every 2", "test_every", 2),
        ("--save_path runs/model.ckpt", "save_path", "runs/model.ckpt"),
    ],
)
def test_flags_of_training_become_settings(line, setting, value):
    assert build_settings(line)[setting] == value


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--thread_max_worker 8", "recordings are read by as many threads as help"),
        ("--mask_H_coord_conv yes", "the thesis' code never read it"),
        ("--mask_conv_i_c 1 8 8 8 8 8", "the model sets it itself"),
        ("--class_in_channels 4", "the model sets it itself"),
        ("--class_in_features 20000", "the model sets it itself"),
        ("--class_out_features 2", "a class has one probability"),
        ("--class_n_blocs 2", "misspelt: the thesis' code never read it"),
        ("--class_H_coord_conv yes", "the thesis' code never read it"),
        ("--class_conv_i_c 4", "the model sets it itself"),
        ("--class_conv_o_c 4", "the model sets it itself"),
        ("--class_conv_groups 4", "the model sets it itself"),
        ("--class_FC_in_channels 4", "the model sets it itself"),
        ("--class_FC_in_features 20000", "the model sets it itself"),
        ("--class_FC_out_features 2", "a class has one probability"),
        ("--class_batch_first no", "the model sets it itself"),
        ("--class_input_size 64", "the model sets it itself"),
        ("--class_num_channels 4", "the model sets it itself"),
        ("--epoch_idx 3", "a run knows how far it is"),
    ],
)
def test_flags_that_change_nothing_say_why(line, reason):
    name = line.split()[0].removeprefix("--")
    translation = translate(line)
    assert any(note.startswith(f"{name} has no effect: {reason}") for note in translation.notes), (
        translation.notes
    )
    assert translation.settings == translate("").settings


@pytest.mark.reference_flaw("a flag without a value counted as no")
def test_a_flag_without_a_value_means_yes():
    assert build_settings("--mask_freq_coord_conv")["mask_freq_coord_conv"] is True
