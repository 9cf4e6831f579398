"""Named sets of settings; each is still a flag that can be changed."""

from collections.abc import Mapping
from typing import Any

RECIPES: dict[str, dict[str, Any]] = {
    # The settings of the thesis' own runs: 3 blocks of 5 × 5 × 64, GWRP, independent masks, L1 on
    # absent ones.
    "thesis": {
        "model_type": "VGG_like_CNN",
        "channels": (64, 64, 64),
        "kernel_sizes": (5, 5, 5),
        "drop_out_probs": (0.1, 0.1, 0.0),
        "pooling": "GWRP",
        "decay": 0.999,
        "masks": "independent",
        "normalisation": "scalar",
        "log_offset": 1e-8,
        "l1_weight": 0.3,
        "optimizer": "Adam",
        "learning_rate": 1e-3,
        "weight_decay": 1e-5,
        "scheduler_type": "stepLR",
        "scheduler_step_size": 50,
        "scheduler_gamma": 0.5,
        "n_epochs": 300,
        "test_every": 10,
    },
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
}


def apply_recipe(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe, changed by those that are given.

    A number of epochs that is given is not raised to the recipe's `least_steps`.
    """
    values = {**recipe, **given}
    if "n_epochs" in given and "least_steps" not in given:
        values.pop("least_steps", None)
    return values
