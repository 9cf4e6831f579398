"""The flags of the thesis' training command: their types, their defaults, what becomes of them.

These are all flags of the last version of its public code, by what reads them. A name that begins
with `mask_` belongs to the mask network, with `class_` to the classification mapping.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from absslab.core.common.errors import InputError, describe_value

_TRUE = ("yes", "true", "t", "y", "1")
_FALSE = ("no", "false", "f", "n", "0")


class Outcome(Enum):
    """What becomes of a flag."""

    UNDERSTOOD = "understood"
    NOTE = "accepted with a note"
    REFUSED = "refused"


@dataclass(frozen=True)
class Flag:
    """A flag of the thesis.

    Args:
        kind: of its value: int, float, bool or str.
        default: what its code took if the flag was not given; for a list, a list.
        here: settings that it becomes.
        note: why it changes nothing, if it becomes none; what differs, if it becomes some.
        is_refused: it can't be used, unless it has its default; the note says why.
    """

    kind: type
    default: Any = None
    here: str = ""
    note: str = ""
    is_refused: bool = False

    @property
    def outcome(self) -> Outcome:
        """What becomes of the flag."""
        if self.is_refused:
            return Outcome.REFUSED
        return Outcome.UNDERSTOOD if self.here else Outcome.NOTE

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return isinstance(self.default, list)

    def parse(self, name: str, words: Sequence[str]) -> Any:
        """Read the value of the flag from words of a command line.

        Raises:
            InputError: a word is of another kind, or there are too many or too few.
        """
        if self.kind is bool and not words:
            return True  # it was None, which counted as False: surely not what was meant
        if not words or (len(words) > 1 and not self.is_list):
            raise InputError(
                f"--{name} has {len(words)} values: expected "
                f"{'at least one' if self.is_list else 'one'}"
            )
        values = [self._parse_word(name, word) for word in words]
        return values if self.is_list else values[0]

    def _parse_word(self, name: str, word: str) -> Any:
        if self.kind is bool:
            if word.lower() in (*_TRUE, *_FALSE):
                return word.lower() in _TRUE
            raise InputError(
                f"--{name} is {describe_value(word)}: expected one of {', '.join(_TRUE)}, or of "
                f"{', '.join(_FALSE)}"
            )
        try:
            return self.kind(word)
        except ValueError:
            expected = "a whole number" if self.kind is int else "a number"
            raise InputError(f"--{name} is {describe_value(word)}: expected {expected}") from None


_BY_MODEL = "the model sets it itself"

FLAGS = {
    "mode": Flag(str, "train", "mode"),
    "mask_model_type": Flag(str, "VGGLikeMaskModel", "model_type"),
    "classifier_model_type": Flag(str, "GlobalWeightedRankPooling2d", "pooling"),
    "data_set_type": Flag(str, "DCASE2013RemixedDataSet", "data_set_type, feature_type"),
    # data
    "sampling_rate": Flag(int, 16000, "sampling_rate"),
    "feature_type": Flag(str, "log-mel", "feature_type, mel_area, log_offset"),
    "STFT_frame_width_ms": Flag(int, 64, "window_length"),
    "STFT_frame_shift_ms": Flag(int, 32, "hop_length"),
    "STFT_window_function": Flag(str, "hamming", "window"),
    "n_Mel_filters": Flag(int, 64, "n_mels"),
    "Mel_min_freq": Flag(float, 0, "f_min"),
    "Mel_max_freq": Flag(float, 8000, "f_max"),
    "pcen_s": Flag(float, 0.04, "pcen_s"),
    "pcen_eps": Flag(float, 1e-6, "pcen_eps"),
    "pcen_alpha": Flag(float, 0.98, "pcen_alpha"),
    "pcen_delta": Flag(float, 2.0, "pcen_delta"),
    "pcen_r": Flag(float, 0.5, "pcen_r"),
    "data_folder": Flag(str, "Datadir/remixed_DCASE2013", "data_folder"),
    "scaling_type": Flag(str, "standardization", "standardise, normalisation"),
    "class_categories": Flag(str, ["all_separated"], "class_categories"),
    "categories": Flag(str, ["none"], "class_categories"),
    "data_set_save_folder_path": Flag(str, "", "feature_store"),
    "data_set_load_folder_path": Flag(str, "", "feature_store"),
    "thread_max_worker": Flag(int, 3, note="recordings are read by as many threads as help"),
    "audio_folder": Flag(str, "", "audio_folder"),
    "yaml_file": Flag(str, "", "yaml_file"),
    "multi_loudness": Flag(bool, False, "gain_range"),
    # the model
    "train_pcen": Flag(bool, False, "train_pcen"),
    "train_multi_pcen": Flag(bool, False, "train_pcen, train_pcen_channels"),
    "n_multi_pcen": Flag(int, 0, "train_pcen_channels"),
    "train_pcen_per_band_param": Flag(bool, False, "train_pcen_per_band"),
    "train_pcen_use_s": Flag(bool, True, "train_pcen_s, train_pcen_b, train_pcen_a"),
    "train_pcen_s": Flag(float, [0.0], "train_pcen_s, pcen_s"),
    "train_pcen_per_band_filter": Flag(bool, False, "train_pcen_filter_per_band"),
    "train_pcen_b": Flag(float, [0.0], "train_pcen_b"),
    "train_pcen_a": Flag(float, [1.0], "train_pcen_a"),
    "train_pcen_eps": Flag(float, 1e-6, "pcen_eps"),
    "rescale_classification": Flag(
        bool, False, "rescale", "σ(w · logit p + b) here, σ(w · p) there, which is never below 0.5"
    ),
    # the mask network
    "mask_n_blocks": Flag(int, 6, "mask_n_blocks"),
    "mask_H_coord_conv": Flag(bool, False, note="the thesis' code never read it"),
    "mask_conv_i_c": Flag(int, [1, 64, 64, 64, 64, 64], note=_BY_MODEL),
    "mask_conv_o_c": Flag(int, [64, 64, 64, 64, 64, 16], "mask_conv_o_c"),
    "mask_conv_k_f": Flag(int, [3] * 6, "mask_conv_k_f"),
    "mask_conv_k_t": Flag(int, [3] * 6, "mask_conv_k_t"),
    "mask_conv_s_f": Flag(int, [1] * 6, "mask_conv_s_f"),
    "mask_conv_s_t": Flag(int, [1] * 6, "mask_conv_s_t"),
    "mask_conv_pad_type": Flag(str, "zero", "mask_conv_pad_type"),
    "mask_conv_p_f": Flag(int, [1] * 6, "mask_conv_p_f"),
    "mask_conv_p_t": Flag(int, [1] * 6, "mask_conv_p_t"),
    "mask_conv_groups": Flag(int, [1] * 6, "mask_conv_groups"),
    "mask_pooling_type": Flag(str, "none", "mask_pooling_type"),
    "mask_pool_k_f": Flag(int, [0], "mask_pool_k_f"),
    "mask_pool_k_t": Flag(int, [0], "mask_pool_k_t"),
    "mask_pool_s_f": Flag(int, [0], "mask_pool_s_f"),
    "mask_pool_s_t": Flag(int, [0], "mask_pool_s_t"),
    "mask_pool_pad_type": Flag(str, "reflection", "mask_pool_pad_type"),
    "mask_pool_p_f": Flag(int, [0], "mask_pool_p_f"),
    "mask_pool_p_t": Flag(int, [0], "mask_pool_p_t"),
    "mask_dropout_type": Flag(str, "1D", "mask_dropout_type"),
    "mask_dropout_probs": Flag(float, [0.3] * 6, "mask_dropout_probs"),
    "mask_use_batch_norm": Flag(bool, True, "mask_use_batch_norm"),
    "mask_activations": Flag(str, ["lr"] * 5 + ["sig"], "mask_activations, masks"),
    "mask_freq_coord_conv": Flag(bool, False, "mask_freq_coord_conv"),
    # the classification mapping
    "class_dc": Flag(float, [0.999], "decay, first_decay"),
    "class_in_channels": Flag(int, 1, note=_BY_MODEL),
    "class_in_features": Flag(int, 1, note=_BY_MODEL),
    "class_out_features": Flag(int, 1, note="a class has one probability"),
    "class_use_bias": Flag(bool, True, "fc_bias, rnn_bias"),
    "class_activation": Flag(str, "sig", "fc_activation"),
    "class_sort": Flag(bool, False, "fc_sort"),
    "class_n_blocks": Flag(int, 1, "cnn_n_blocks"),
    "class_n_blocs": Flag(int, 1, note="misspelt: the thesis' code never read it"),
    "class_H_coord_conv": Flag(bool, False, note="the thesis' code never read it"),
    "class_conv_i_c": Flag(int, [1], note=_BY_MODEL),
    "class_conv_o_c": Flag(int, [1], note=_BY_MODEL),
    "class_conv_k_f": Flag(int, [5], "cnn_conv_k_f"),
    "class_conv_k_t": Flag(int, [5], "cnn_conv_k_t"),
    "class_conv_s_f": Flag(int, [3], "cnn_conv_s_f"),
    "class_conv_s_t": Flag(int, [3], "cnn_conv_s_t"),
    "class_conv_pad_type": Flag(str, "zero", "cnn_conv_pad_type"),
    "class_conv_p_f": Flag(int, [0], "cnn_conv_p_f"),
    "class_conv_p_t": Flag(int, [0], "cnn_conv_p_t"),
    "class_conv_groups": Flag(int, [1], note=_BY_MODEL),
    "class_pooling_type": Flag(str, "none", "cnn_pooling_type"),
    "class_pool_k_f": Flag(int, [0], "cnn_pool_k_f"),
    "class_pool_k_t": Flag(int, [0], "cnn_pool_k_t"),
    "class_pool_s_f": Flag(int, [0], "cnn_pool_s_f"),
    "class_pool_s_t": Flag(int, [0], "cnn_pool_s_t"),
    "class_pool_pad_type": Flag(str, "reflection", "cnn_pool_pad_type"),
    "class_pool_p_f": Flag(int, [0], "cnn_pool_p_f"),
    "class_pool_p_t": Flag(int, [0], "cnn_pool_p_t"),
    "class_dropout_type": Flag(str, "1D", "cnn_dropout_type"),
    "class_dropout_probs": Flag(float, [0.0], "cnn_dropout_probs"),
    "class_use_batch_norm": Flag(bool, False, "cnn_use_batch_norm"),
    "class_activations": Flag(str, ["lr"], "cnn_activations"),
    "class_freq_coord_conv": Flag(
        bool, False, note="with one group per class it can't be built", is_refused=True
    ),
    "class_FC_in_channels": Flag(int, 1, note=_BY_MODEL),
    "class_FC_in_features": Flag(int, 1, note=_BY_MODEL),
    "class_FC_out_features": Flag(int, 1, note="a class has one probability"),
    "class_FC_use_bias": Flag(bool, True, "fc_bias"),
    "class_FC_activation": Flag(str, "sig", "fc_activation"),
    "class_FC_sort": Flag(bool, False, "fc_sort"),
    "class_RNN_cell_type": Flag(str, "GRU", "rnn_cell"),
    "class_hidden_size": Flag(int, 40, "rnn_units"),
    "class_num_layers": Flag(int, 1, "rnn_layers"),
    "class_batch_first": Flag(bool, True, note=_BY_MODEL),
    "class_dropout": Flag(float, 0.0, "rnn_drop_out"),
    "class_bidirectional": Flag(bool, False, "rnn_bidirectional"),
    "class_input_size": Flag(int, 1, note=_BY_MODEL),
    "class_num_channels": Flag(int, 1, note=_BY_MODEL),
    # training
    "batch_size": Flag(int, 32, "batch_size"),
    "n_loaders": Flag(int, 0, "n_loaders"),
    "use_gpu": Flag(bool, True, "device"),
    "gpu_no": Flag(int, 0, "device", "it has no effect if use_gpu is False"),
    "metric": Flag(str, "", "metric"),
    "average": Flag(str, "weighted", "metric_average"),
    "threshold": Flag(float, [0.5], "thresholds"),
    "loss_f": Flag(str, "BCE", "loss", "MultiLabelSoftMarginLoss is BCE here, but not there"),
    "l1_loss_lambda": Flag(float, 0.0, "l1_weight"),
    "optimizer": Flag(str, "Adam", "optimizer"),
    "learning_rate": Flag(float, 1e-4, "learning_rate"),
    "weight_decay": Flag(float, 1e-5, "weight_decay"),
    "scheduler_type": Flag(str, "", "scheduler_type"),
    "scheduler_step_size": Flag(int, 0, "scheduler_step_size"),
    "scheduler_gamma": Flag(float, 0.0, "scheduler_gamma"),
    "scheduler_milestones": Flag(float, [0.0], "scheduler_milestones"),
    "scheduler_patience": Flag(int, 0, "scheduler_patience"),
    "epoch_idx": Flag(int, 0, note="a run knows how far it is"),
    "n_epochs": Flag(int, 0, "n_epochs"),
    "test_every": Flag(int, 1, "test_every"),
    "save_path": Flag(str, "", "save_path"),
    "checkpoint_path": Flag(str, "", "checkpoint_path"),
}
# Flags of the oldest spelling, which are settings of `absslab train` by the same names.
OLDEST_FLAGS = (
    "model_type",
    "drop_out_probs",
    "use_batch_norm",
    "scale_transform",
    "classification_mapping",
    "dc",
)
SHORT_FLAGS = {
    "-m": "mask_model_type",
    "-c": "classifier_model_type",
    "-d": "data_set_type",
}
