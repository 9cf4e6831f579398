"""Named sets of settings; each is still a flag that can be changed."""

from collections.abc import Mapping
from typing import Any

# The settings of the thesis' own runs with global weighted rank pooling and independent masks: its
# network of 3 blocks of 5 × 5, its features and its schedule.
_THESIS: dict[str, Any] = {
    "model_type": "VGGLikeMaskModel",
    "mask_n_blocks": 3,
    "mask_conv_o_c": (64,),
    "mask_conv_k_f": (5,),
    "mask_conv_k_t": (5,),
    "mask_conv_p_f": (2,),
    "mask_conv_p_t": (2,),
    "mask_dropout_probs": (0.1,),
    "pooling": "GWRP",
    "decay": 0.999,
    "masks": "independent",
    "feature_type": "log_mel",
    "mel_area": "slaney",
    "log_offset": 1e-8,
    "normalisation": "scalar",
    "borders": "valid",
    "l1_weight": 0.0,
    "optimizer": "Adam",
    "learning_rate": 1e-3,
    "weight_decay": 1e-5,
    "scheduler_type": "stepLR",
    "scheduler_step_size": 50,
    "scheduler_gamma": 0.5,
    "batch_size": 32,
    "n_epochs": 300,
    "test_every": 10,
    "metric": "roc_auc_score",
    "metric_average": "weighted",
    "precision": "float32",
}

# The settings of the code of Kong et al.: 8 convolutions of 3 × 3, log-mel features, and a length
# in steps. Their networks are VGG_like_CNN of other sizes. The code adds 1e-8 to magnitudes that
# are larger than those of mel_area slaney by Σw / √Σw² of the window w, since it divides them by
# √Σw²; here the offset is smaller by this factor instead.
_KONG: dict[str, Any] = {
    "model_type": "VGG_like_CNN",
    "kernel_sizes": (3,),
    "use_batch_norm": True,
    "pooling": "GWRP",
    "window": "hamming",
    "window_length": 0.064,
    "feature_type": "log_mel",
    "n_mels": 64,
    "mel_area": "slaney",
    "normalisation": "band",
    "borders": "valid",
    "loss": "BCE",
    "l1_weight": 0.0,
    "optimizer": "Adam",
    "weight_decay": 0.0,
    "metric": "roc_auc_score",
    "metric_average": "macro",
    "test_every": 1,
    "precision": "float32",
}
# arXiv 1711.03037
_KONG_2017 = _KONG | {
    "channels": (64,) * 8,
    "drop_out_probs": (0.0, 0.3) * 4,
    "decay": 0.999,
    "masks": "complement",
    "sampling_rate": 16000,
    "hop_length": 0.033,
    "f_min": 0.0,
    "log_offset": 3.65e-10,
    "learning_rate": 1e-4,
    "scheduler_type": "none",
    "batch_size": 20,
    "n_steps": 10_001,
}
# arXiv 1804.04715
_KONG_2018 = _KONG | {
    "channels": (32, 32, 64, 64, 128, 128, 128, 128),
    "drop_out_probs": (0.0,),
    "decay": 0.9998,
    "masks": "independent",
    "sampling_rate": 32000,
    "hop_length": 0.032,
    "f_min": 50.0,
    "log_offset": 2.58e-10,
    "learning_rate": 1e-3,
    "scheduler_type": "stepLR",
    "scheduler_unit": "steps",
    "scheduler_step_size": 200,
    "scheduler_gamma": 0.9,
    "batch_size": 24,
    "n_steps": 10_000,
}

RECIPES: dict[str, dict[str, Any]] = {
    "thesis": _THESIS,
    "thesis_L1": _THESIS | {"l1_weight": 0.3},  # masks of absent classes are pushed to 0
    # Competing masks, trained with the known shares of two added recordings. The reasons are given
    # in docs/tasks/train.md.
    "recommended": {
        "model_type": "Presence_U_Net",
        "pooling": "linear_softmax",
        "masks": "competing",
        "normalisation": "band",
        "log_offset": 1.5e-4,
        "l1_weight": 0.0,
        "share_weight": 2.0,
        "pair_probability": 0.7,
        "pair_gain_range": (-6.0, 6.0),
        "roll": True,
        "gain_range": (-8.0, 4.0),
        "equaliser": 2.0,
        "optimizer": "AdamW",
        "learning_rate": 3e-3,
        "weight_decay": 0.02,
        "gradient_clip": 10.0,
        "scheduler_type": "oneCycle",
        "average_decay": 0.998,
        "batch_size": 16,
        "n_epochs": 12,
        "least_steps": 2000,
        "test_every": 1,
        "metric": "loss",
    },
}
# The same training of networks of other sizes; docs/tasks/train.md says what they cost.
RECIPES |= {
    "small": RECIPES["recommended"] | {"presence_channels": (16, 32, 64), "presence_context": 64},
    "large": RECIPES["recommended"]
    | {"presence_channels": (64, 128, 256), "presence_context": 256},
    "Kong_2017": _KONG_2017,
    "Kong_2018": _KONG_2018,
}


def apply_recipe(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe, changed by those that are given.

    A number of epochs that is given is the length of the training, instead of the recipe's
    `n_steps`, and is not raised to its `least_steps`.
    """
    values = {**recipe, **given}
    if "n_epochs" in given:
        for name in ("least_steps", "n_steps"):
            if name not in given:
                values.pop(name, None)
    return values
