"""Find settings that were given but change nothing, because of the value of another setting."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from absslab.core.data.layouts import SHARDS, TUT_RARE
from absslab.core.model.pooling import find_pooling
from absslab.core.training.settings import Settings


class _Rule(NamedTuple):
    names: tuple[str, ...]
    is_idle: Callable[[Settings], bool]
    reason: str  # after "has no effect"


def _schedule_rule(name: str, *used_by: str) -> _Rule:
    return _Rule(
        (name,),
        lambda settings: settings.training.scheduler_type not in used_by,
        f"without --scheduler_type {' or '.join(used_by)}",
    )


_POOL_PARTS = ("k_f", "k_t", "s_f", "s_t", "p_f", "p_t", "pad_type")
_RULES = (
    _Rule(
        ("n_loaders",),
        lambda settings: (
            settings.data.data_set_type != SHARDS
            and (settings.data.in_memory or bool(settings.data.feature_store))
        ),
        "without --in_memory False: recordings are kept in memory",
    ),
    _Rule(
        ("in_memory",),
        lambda settings: bool(settings.data.feature_store),
        "with --feature_store, from which features are read",
    ),
    _Rule(
        ("shuffle_buffer", "shard_timeout"),
        lambda settings: settings.data.data_set_type != SHARDS,
        f"without --data_set_type {SHARDS}",
    ),
    _Rule(
        (
            *("in_memory", "clip_length", "labels", "class_columns", "class_categories"),
            *("split_percentages", "split_seed", "origin_pattern", "test_fold"),
        ),
        lambda settings: settings.data.data_set_type == SHARDS,
        f"with --data_set_type {SHARDS}: absslab pack has settled it",
    ),
    _Rule(
        ("split_percentages", "split_seed", "origin_pattern", "test_fold"),
        lambda settings: settings.data.data_set_type == "mixture_folder",
        "with --data_set_type mixture_folder, which has its splits",
    ),
    _Rule(
        ("yaml_file",),
        lambda settings: settings.data.data_set_type != TUT_RARE,
        f"without --data_set_type {TUT_RARE}",
    ),
    _Rule(
        ("n_mels", "f_min", "f_max", "mel_area"),
        lambda settings: not settings.features.is_mel,
        "without mel bands in --feature_type",
    ),
    _Rule(
        ("log_offset",),
        lambda settings: settings.features.feature_type not in ("log_mel", "log_spectrogram"),
        "without --feature_type log_mel or log_spectrogram",
    ),
    _Rule(
        ("pcen_s", "pcen_alpha", "pcen_delta", "pcen_r", "pcen_eps", "pcen_direction"),
        lambda settings: settings.features.feature_type != "pcen",
        "without --feature_type pcen",
    ),
    _Rule(
        (
            "train_pcen_per_band",
            "train_pcen_s",
            "train_pcen_b",
            "train_pcen_a",
            "train_pcen_filter_per_band",
            "train_pcen_channels",
        ),
        lambda settings: (
            not (settings.features.feature_type == "pcen" and settings.features.train_pcen)
        ),
        "without --feature_type pcen and --train_pcen True",
    ),
    _Rule(
        ("train_pcen",),
        lambda settings: settings.features.feature_type != "pcen",
        "without --feature_type pcen",
    ),
    _Rule(
        ("normalisation",),
        lambda settings: not settings.features.standardise,
        "with --standardise False",
    ),
    _Rule(
        ("decay",),
        lambda settings: getattr(settings.pooling, "decay_fraction", None) is not None,
        "with --decay_fraction",
    ),
    *(
        _Rule(
            tuple(f"{prefix}_pool_{part}" for part in _POOL_PARTS),
            lambda settings, prefix=prefix, part=part: (
                getattr(  # type: ignore[misc]
                    getattr(settings, part), f"{prefix}_pooling_type", "none"
                )
                == "none"
            ),
            f"without --{prefix}_pooling_type",
        )
        for prefix, part in (("mask", "mask_net"), ("cnn", "pooling"))
    ),
    _Rule(
        ("rnn_drop_out",),
        lambda settings: getattr(settings.pooling, "rnn_layers", 1) == 1,
        "without a second layer, --rnn_layers 2",
    ),
    _Rule(
        ("pair_gain_range",),
        lambda settings: not settings.augmentation.pair_probability,
        "without --pair_probability",
    ),
    _Rule(
        ("masks",),
        lambda settings: (
            settings.model.masks == "complement" and not settings.training.share_weight
        ),
        "without --share_weight: nothing else looks at the mask of the background",
    ),
    _Rule(
        ("steady_classes",),
        lambda settings: not settings.training.share_weight,
        "without --share_weight",
    ),
    _Rule(
        ("absent_classes",),
        lambda settings: (
            settings.training.supervision != "weak"
            or settings.model.masks != "competing"
            or settings.model.model_type != "Presence_U_Net"
            or settings.model.rescale
            or find_pooling(settings.model.pooling).tells_classes_apart
        ),
        "without --model_type Presence_U_Net, --masks competing, a --pooling that is alike for all "
        "classes, --rescale False and --supervision weak",
    ),
    _Rule(
        ("n_epochs", "least_steps"),
        lambda settings: settings.training.n_steps is not None,
        "with --n_steps, which is the length of the training",
    ),
    _schedule_rule("scheduler_unit", "stepLR", "multiStepLR"),
    _schedule_rule("scheduler_step_size", "stepLR"),
    _schedule_rule("scheduler_gamma", "stepLR", "multiStepLR", "reduceLROnPlateau"),
    _schedule_rule("scheduler_milestones", "multiStepLR"),
    _schedule_rule("scheduler_patience", "reduceLROnPlateau"),
    _schedule_rule("scheduler_warm_up", "oneCycle"),
)


def find_idle_settings(settings: Settings, given: Iterable[str]) -> list[str]:
    """Return a sentence, without a full stop, for each setting that was given and changes nothing.

    A setting that was given its default is left out.

    Args:
        settings: of a training.
        given: names of the settings that were given, rather than by a recipe or by default.
    """
    choice = {"model_type": settings.model.model_type, "pooling": settings.model.pooling}
    defaults = Settings.from_flags(choice)
    changed = {
        name
        for section, config in settings.sections().items()
        for name, value in vars(config).items()
        if value != getattr(defaults.sections()[section], name)
    }
    names = changed.intersection(given)
    return [
        f"--{name} has no effect {rule.reason}"
        for rule in _RULES
        if rule.is_idle(settings)
        for name in rule.names
        if name in names
    ]
