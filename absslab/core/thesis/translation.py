"""Translate settings of the thesis' code to those of a training here."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from absslab.core.common.config import format_setting, look_up
from absslab.core.common.errors import InputError
from absslab.core.data.class_groups import UNGROUPED
from absslab.core.data.layouts import LAYOUT_ALIASES, LAYOUTS, TUT_RARE
from absslab.core.model.convolution_blocks import POOLS
from absslab.core.thesis.flags import FLAGS, Outcome

MAPPINGS = {  # classifier_model_type → pooling
    "GlobalMaxPooling2d": "GMP",
    "GlobalAvgPooling2d": "GAP",
    "GlobalWeightedRankPooling2d": "GWRP",
    "AdaptiveGlobalWeightedRankPooling2d": "adaptive_GWRP",
    "ChannelWiseFC2d": "FC",
    "DepthWiseCNNClassifier": "CNN_FC",
    "ChannelWiseRNNClassifier": "RNN_FC",
}
TUT = "ICASSP2018JointSeparationClassificationDataSet"
_AUDIOSET = "AudiosetSegments"
_AUDIOSET_FILES = "AudiosetSegmentsOnDisk"
DATA_SETS = {  # data_set_type → layout
    "DCASE2013RemixedDataSet": "mixture_folder",
    TUT: "TUT_rare_2017",
    _AUDIOSET: "weakly_labelled_folder",
    _AUDIOSET_FILES: "weakly_labelled_folder",
}
_SLANEY = {"mel_area": "slaney"}
FEATURES: dict[str, dict[str, Any]] = {  # feature_type → settings
    "spectrogram": {"feature_type": "spectrogram"},
    "mel": {"feature_type": "mel", **_SLANEY},
    "log-mel": {"feature_type": "log1p_mel", **_SLANEY},
    "log-mel_no_shift": {"feature_type": "log_mel", "log_offset": 1e-15, **_SLANEY},
    "pcen": {"feature_type": "pcen", "pcen_direction": "both", **_SLANEY},
    "log-mel-spectrogram": {"feature_type": "decibel_mel", **_SLANEY},
}
TUT_FEATURES = {"feature_type": "log_mel", "log_offset": 1e-8, **_SLANEY}
SCALINGS = {
    "standardization": {"normalisation": "scalar"},
    "min-max": {"normalisation": "min_max"},
    "none": {"standardise": False},
}
_NO_GROUPS = {(word,) for word in UNGROUPED}
_MOST_BLOCKS = 64
MASK_MODELS = {"VGGLikeMaskModel": "VGGLikeMaskModel"}
MASKS = {"sig": "independent", "softmax": "softmax"}  # by the last activation
SCHEDULES = {  # scheduler_type → the settings that it reads
    "": (),
    "stepLR": ("scheduler_step_size", "scheduler_gamma"),
    "multiStepLR": ("scheduler_milestones", "scheduler_gamma"),
    "reduceLROnPlateau": ("scheduler_patience", "scheduler_gamma"),
}
_THRESHOLDED = ("f1-score", "precision", "recall", "accuracy", "matthews_corrcoef")
# Settings that evaluate and separate read themselves, not from the checkpoint.
_OF_PLACE = ("mode", "checkpoint_path", "data_folder", "use_gpu", "gpu_no")
_OF_MODEL = {  # settings of features and model whose values stay as they are
    "sampling_rate": "sampling_rate",
    "STFT_window_function": "window",
    "n_Mel_filters": "n_mels",
    "Mel_min_freq": "f_min",
    "Mel_max_freq": "f_max",
    "rescale_classification": "rescale",
}
_OF_TRAINING = {
    "n_epochs": "n_epochs",
    "batch_size": "batch_size",
    "n_loaders": "n_loaders",
    "threshold": "thresholds",
    "loss_f": "loss",
    "l1_loss_lambda": "l1_weight",
    "optimizer": "optimizer",
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "test_every": "test_every",
}


@dataclass
class Translation:
    """Settings of the thesis in the names of this program.

    Args:
        given: those that were given, by the thesis' names.
        settings: what they became, with the defaults that the thesis' code had.
        notes: what has no effect, or another one; a sentence each, without a full stop.
    """

    given: Mapping[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def value(self, name: str) -> Any:
        """Return a setting of the thesis, or its default."""
        return self.given.get(name, FLAGS[name].default)

    def per_block(self, name: str, n_blocks: int) -> tuple[Any, ...]:
        """Return a setting that has a value per block, or one for all.

        Raises:
            InputError: it has another number of values.
        """
        if not 1 <= n_blocks <= _MOST_BLOCKS:
            raise InputError(f"there are {n_blocks} blocks: expected 1 to {_MOST_BLOCKS}")
        values = self.value(name)
        if name not in self.given:  # defaults are the same for all blocks but the last
            return (*[values[0]] * (n_blocks - 1), values[-1])
        if len(values) not in (1, n_blocks):
            raise InputError(
                f"{name} has {len(values)} values: expected one for each of {n_blocks} blocks"
            )
        return tuple(values) * (n_blocks if len(values) == 1 else 1)


def translate_model(given: Mapping[str, Any]) -> Translation:
    """Translate the settings of features, mask network and mapping.

    Args:
        given: settings by the thesis' names, in the types of `FLAGS`; the thesis' defaults hold
            for others.

    Raises:
        InputError: a setting does not exist, is not possible here, or does not fit others.
    """
    for name in given:
        if name not in FLAGS:
            look_up("setting of the thesis", name, FLAGS)
    translation = Translation(given)
    _refuse_missing(translation)
    if translation.value("mode") != "train":
        raise InputError(f"mode is {translation.value('mode')!r}: expected train")
    for part in (
        _translate_features,
        _translate_pcen,
        _translate_mask_network,
        _translate_mapping,
    ):
        part(translation)
    for old, new in _OF_MODEL.items():
        translation.settings[new] = translation.value(old)
    return translation


def translate_scoring(given: Mapping[str, Any]) -> Translation:
    """Translate settings of the thesis' evaluation; all others are those of the checkpoint.

    Args:
        given: settings by the thesis' names, as a command line had them.

    Raises:
        InputError: a setting does not exist, or is not possible here yet.
    """
    translation = Translation(given)
    settings = translation.settings
    settings["split"] = "test"
    _translate_place(translation)
    if {"data_set_type", "data_folder"} <= set(given):
        name = translation.value("data_set_type")
        layout = LAYOUT_ALIASES.get(name, name)
        settings["data_set_type"] = layout if layout in LAYOUTS else _find_layout(translation)
    metric = translation.value("metric")
    if metric not in ("", "none"):
        settings["metric"] = metric
        average = translation.value("average")
        settings["average"] = None if str(average) == "None" else average
        _note_accuracy(translation)
    if "threshold" in given:
        settings["tagging_thresholds"] = tuple(translation.value("threshold"))
    elif settings.get("metric") in _THRESHOLDED:
        translation.notes.append(
            "tags are decided with thresholds that are chosen on the validation split; those of "
            "the thesis are --threshold 0.5"
        )
    read = ["metric", "threshold"]
    if "metric" in settings:
        read.append("average")
    if "data_set_type" in settings:
        read.append("data_set_type")
    _note_rest(translation, read)
    return translation


def translate_separation(given: Mapping[str, Any], output_folder: str) -> Translation:
    """Translate settings of the thesis' separation; all others are those of the checkpoint.

    Args:
        given: settings by the thesis' names, as a command line had them.
        output_folder: its `separated_audio_folder`.
    """
    translation = Translation(given)
    translation.settings["split"] = "test"
    if output_folder:
        translation.settings["output_folder"] = output_folder
    _translate_place(translation)
    translation.notes.append(
        "separate writes the sources; SDR, SIR and SAR of the same split are printed by evaluate"
    )
    _note_rest(translation, [])
    return translation


def _translate_place(translation: Translation) -> None:
    """Translate where the model and its data are, and what computes."""
    names = ["checkpoint_path", "data_folder"]
    data_set = translation.value("data_set_type")
    if LAYOUT_ALIASES.get(data_set, data_set) == TUT_RARE:
        names += ["audio_folder", "yaml_file"]
    for name in names:
        if translation.given.get(name):
            translation.settings[name] = translation.given[name]
    if {"use_gpu", "gpu_no"} & set(translation.given):
        _translate_device(translation)


def _note_rest(translation: Translation, read: Collection[str]) -> None:
    """Say which settings have no effect, since the checkpoint holds them."""
    used = {*read, *_OF_PLACE, *translation.settings}
    rest = [name for name in translation.given if name not in used]
    if rest:
        verb = "has" if len(rest) == 1 else "have"
        translation.notes.append(
            f"{', '.join(rest)} {verb} no effect: the settings of the checkpoint hold"
        )


def translate_training(given: Mapping[str, Any]) -> Translation:
    """Translate all settings of a training; see `translate_model`."""
    translation = translate_model(given)
    for old, new in _OF_TRAINING.items():
        translation.settings[new] = translation.value(old)
    translation.settings["precision"] = "float32"  # it had no other
    for part in (_translate_data, _translate_device, _translate_scores, _translate_schedule):
        part(translation)
    _add_notes(translation)
    return translation


def _refuse_missing(translation: Translation) -> None:
    for name, value in translation.given.items():
        flag = FLAGS[name]
        if name == "class_freq_coord_conv":  # of one mapping alone; see below
            continue
        if flag.outcome is Outcome.REFUSED and value != flag.default:
            raise InputError(f"{name} is {format_setting(value)}: {flag.note}")


def _translate_features(translation: Translation) -> None:
    settings = translation.settings
    settings["window_length"] = translation.value("STFT_frame_width_ms") / 1000
    settings["hop_length"] = translation.value("STFT_frame_shift_ms") / 1000
    settings["borders"] = "valid"
    kind = translation.value("feature_type")
    features = look_up("feature type of the thesis", kind, FEATURES)
    if _find_layout(translation) == DATA_SETS[TUT]:
        if kind != "log-mel":
            translation.notes.append(
                f"feature_type {kind} had no effect with {TUT}, whose features were always the "
                "logarithm of mel magnitudes + 1e-8; here it has"
            )
        features = TUT_FEATURES if kind == "log-mel" else features
    settings |= features
    settings |= look_up("scaling type of the thesis", translation.value("scaling_type"), SCALINGS)
    if kind == "log-mel" and features is not TUT_FEATURES:
        translation.notes.append(
            "feature_type log-mel, 10 log10(1 + x), is almost linear: x is below 0.01 for most "
            "recordings"
        )


def _translate_pcen(translation: Translation) -> None:
    settings = translation.settings
    has_channels = translation.value("train_multi_pcen")
    is_learnt = translation.value("train_pcen") or has_channels
    if "n_multi_pcen" in translation.given and not has_channels:
        translation.notes.append("n_multi_pcen has no effect without train_multi_pcen")
    if not is_learnt and settings["feature_type"] != "pcen":
        for name in translation.given:
            if "pcen_" in name and name != "n_multi_pcen":
                translation.notes.append(f"{name} has no effect without feature_type pcen")
        return
    for name in ("pcen_s", "pcen_alpha", "pcen_delta", "pcen_r", "pcen_eps"):
        settings[name] = translation.value(name)
    if not is_learnt:
        for name in translation.given:
            if name.startswith("train_pcen_"):
                translation.notes.append(f"{name} has no effect without train_pcen")
        return
    settings |= FEATURES["pcen"]
    settings["train_pcen"] = True
    settings["pcen_eps"] = translation.value("train_pcen_eps")
    settings["train_pcen_per_band"] = translation.value("train_pcen_per_band_param")
    if has_channels:
        settings["train_pcen_channels"] = translation.value("n_multi_pcen")
        if settings["train_pcen_channels"] < 1:
            raise InputError(
                f"n_multi_pcen is {settings['train_pcen_channels']}: expected the number of PCENs, "
                "1 or more, since train_multi_pcen is given"
            )
    if not translation.value("train_pcen_use_s"):
        settings["train_pcen_b"] = tuple(translation.value("train_pcen_b"))
        settings["train_pcen_a"] = tuple(translation.value("train_pcen_a"))
        settings["train_pcen_filter_per_band"] = translation.value("train_pcen_per_band_filter")
        return
    values = translation.value("train_pcen_s")
    if values != FLAGS["train_pcen_s"].default:
        settings["train_pcen_s"] = tuple(values)
        return
    if has_channels:
        return
    translation.notes.append(
        f"one smoother is learnt, from s = {settings['pcen_s']:g}; in the thesis s was 0 if "
        "train_pcen_s was not given, and no training was possible"
    )


def _translate_mask_network(translation: Translation) -> None:
    settings = translation.settings
    name = translation.value("mask_model_type")
    settings["model_type"] = look_up("mask model of the thesis", name, MASK_MODELS)
    n_blocks = translation.value("mask_n_blocks")
    for name, flag in FLAGS.items():
        if not name.startswith("mask_") or not flag.here or name == "mask_model_type":
            continue
        settings[name] = (
            translation.per_block(name, n_blocks) if flag.is_list else translation.value(name)
        )
    last = settings["mask_activations"][-1]
    settings["masks"] = MASKS.get(last, "independent")  # it replaced others by a sigmoid
    if last not in MASKS:
        translation.notes.append(f"mask_activations ends with {last}: masks are sig or softmax")
    if settings["mask_pooling_type"] not in ("none", *POOLS):
        raise InputError(
            f"mask_pooling_type is {settings['mask_pooling_type']!r}: expected none, "
            f"{' or '.join(POOLS)}"
        )
    if settings["mask_pooling_type"] != "none":
        sizes = [settings[f"mask_pool_{part}"][-1] for part in ("k_f", "k_t", "s_f", "s_t")]
        paddings = [settings[f"mask_pool_p_{axis}"][-1] for axis in ("f", "t")]
        if set(sizes) != {1} or any(paddings):
            raise InputError(
                "mask_pooling_type pools the masks themselves: expected 1 for the last block in "
                "mask_pool_k_f, mask_pool_k_t, mask_pool_s_f and mask_pool_s_t, and no padding"
            )


def _translate_mapping(translation: Translation) -> None:
    settings = translation.settings
    name = translation.value("classifier_model_type")
    settings["pooling"] = look_up("classifier of the thesis", name, MAPPINGS)
    read = _READ_BY.get(name, lambda translation: [])(translation)
    _refuse_coordinates(translation, name)
    for flag in translation.given:
        is_own = flag.startswith("class_") and flag != "class_categories" and FLAGS[flag].here
        if is_own and flag not in read:
            translation.notes.append(f"{flag} has no effect with {name}")


def _refuse_coordinates(translation: Translation, classifier: str) -> None:
    if classifier == "DepthWiseCNNClassifier" and translation.value("class_freq_coord_conv"):
        note = FLAGS["class_freq_coord_conv"].note
        raise InputError(f"class_freq_coord_conv is True with {classifier}: {note}")


def _read_decay(translation: Translation) -> list[str]:
    values = translation.value("class_dc")
    if len(values) > 1:
        raise InputError(f"class_dc has {len(values)} values: expected one, the decay of GWRP")
    translation.settings["decay"] = values[0]
    return ["class_dc"]


def _read_adaptive(translation: Translation) -> list[str]:
    values = translation.given.get("class_dc", [0.9])
    translation.settings["first_decay"] = tuple(values)
    translation.notes.append(
        "AdaptiveGlobalWeightedRankPooling2d learns its decay here; in the thesis its gradient was "
        "cut, and it was the same as the average"
    )
    return ["class_dc"]


def _read_values(names: Mapping[str, str]) -> Callable[[Translation], list[str]]:
    def read(translation: Translation) -> list[str]:
        for name, setting in names.items():
            value = translation.value(name)
            translation.settings[setting] = tuple(value) if isinstance(value, list) else value
        return list(names)

    return read


_FC = {"use_bias": "fc_bias", "sort": "fc_sort", "activation": "fc_activation"}
_AFTER_OTHERS = {f"class_FC_{name}": setting for name, setting in _FC.items()}
_READ_BY: dict[str, Callable[[Translation], list[str]]] = {
    "GlobalWeightedRankPooling2d": _read_decay,
    "AdaptiveGlobalWeightedRankPooling2d": _read_adaptive,
    "ChannelWiseFC2d": _read_values({f"class_{name}": setting for name, setting in _FC.items()}),
    "DepthWiseCNNClassifier": _read_values(
        _AFTER_OTHERS
        | {name: flag.here for name, flag in FLAGS.items() if flag.here.startswith("cnn_")}
    ),
    "ChannelWiseRNNClassifier": _read_values(
        _AFTER_OTHERS
        | {"class_use_bias": "rnn_bias"}
        | {name: flag.here for name, flag in FLAGS.items() if flag.here.startswith("rnn_")}
    ),
}


def _find_layout(translation: Translation) -> str:
    """Return the layout of a data set of the thesis.

    Raises:
        InputError: there is no such data set.
    """
    name: str = translation.value("data_set_type")
    if name in DATA_SETS.values():  # under the name that it has here
        return name
    layout: str = look_up("data set of the thesis", name, DATA_SETS)
    return layout


def _translate_data(translation: Translation) -> None:
    settings = translation.settings
    name = translation.value("data_set_type")
    layout = settings["data_set_type"] = _find_layout(translation)
    if name in (_AUDIOSET, _AUDIOSET_FILES):
        translation.notes.append(
            f"data_set_type {name} is read from the folder that absslab convert-segments makes "
            "of it; splits are drawn by recording, unless those of the thesis do so"
        )
    _translate_groups(translation)
    for place in ("audio_folder", "yaml_file"):
        if translation.value(place) and layout == DATA_SETS[TUT]:
            settings[place] = translation.value(place)
        elif translation.value(place):
            translation.notes.append(f"{place} has no effect with data_set_type {name}")
    for name in ("data_folder", "save_path", "checkpoint_path"):
        if translation.value(name):
            settings[name] = translation.value(name)
    stores = [
        translation.value(f"data_set_{what}_folder_path")
        for what in ("save", "load")
        if translation.value(f"data_set_{what}_folder_path")
    ]
    if len(set(stores)) > 1:
        raise InputError(
            "data_set_save_folder_path and data_set_load_folder_path differ: expected one folder, "
            "from which features are read if they are there"
        )
    if stores:
        settings["feature_store"] = stores[0]
    if translation.value("multi_loudness"):
        settings["gain_range"] = (-4.44, 0.0)
        translation.notes.append(
            "multi_loudness changes the level of training recordings by −4.44 to 0 dB; in the "
            "thesis it scaled standardised features, of all splits"
        )

    if translation.value("n_loaders"):
        translation.notes.append("n_loaders has no effect without --in_memory False")


def _translate_groups(translation: Translation) -> None:
    """Translate the groups of classes, which each data set of the thesis had its own name for."""
    groups = {
        tuple(translation.value(name))
        for name in ("class_categories", "categories")
        if name in translation.given and tuple(translation.value(name)) not in _NO_GROUPS
    }
    if len(groups) > 1:
        raise InputError("class_categories and categories differ: expected one of them")
    if groups:
        (translation.settings["class_categories"],) = groups


def _translate_device(translation: Translation) -> None:
    number = translation.value("gpu_no")
    if not translation.value("use_gpu"):
        translation.settings["device"] = "cpu"
    else:
        translation.settings["device"] = f"cuda:{number}" if number else "auto"


def _translate_scores(translation: Translation) -> None:
    settings = translation.settings
    metric = translation.value("metric")
    if metric not in ("", "none"):
        settings["metric"] = metric
    _note_accuracy(translation)
    average = translation.value("average")
    if str(average) in ("None", "samples"):
        translation.notes.append(
            f"average {average}: the best model is chosen by the weighted average; metrics.jsonl "
            "has the value of each class"
        )
        average = "weighted"
    settings["metric_average"] = average
    settings["thresholds"] = tuple(translation.value("threshold"))


def _note_accuracy(translation: Translation) -> None:
    if translation.value("metric") == "accuracy":
        translation.notes.append(
            "metric accuracy is the mean over all tags; in the thesis a recording counted if all "
            "of its tags were right"
        )


def _translate_schedule(translation: Translation) -> None:
    settings = translation.settings
    kind = translation.value("scheduler_type")
    kind = "" if kind == "none" else kind
    if kind not in SCHEDULES:
        known = ", ".join(name for name in SCHEDULES if name)
        raise InputError(f"there is no scheduler of the thesis {kind!r}; there is {known}")
    used = SCHEDULES[kind]
    settings["scheduler_type"] = kind or "none"
    for name in used:
        value = translation.value(name)
        settings[name] = tuple(map(_to_whole, value)) if isinstance(value, list) else value
    if kind == "reduceLROnPlateau":
        translation.notes.append(
            "reduceLROnPlateau follows the validation score here, at each evaluation; in the "
            "thesis it was meant to follow the training loss, after each epoch"
        )
    for name in ("step_size", "gamma", "milestones", "patience"):
        name = f"scheduler_{name}"
        if name in translation.given and name not in used:
            translation.notes.append(f"{name} has no effect with scheduler_type {kind or 'none'}")


def _add_notes(translation: Translation) -> None:
    for name, value in translation.given.items():
        flag = FLAGS[name]
        if flag.outcome is Outcome.NOTE:
            translation.notes.append(f"{name} has no effect: {flag.note}")
        elif flag.outcome is Outcome.REFUSED and value != flag.default:
            classifier = translation.value("classifier_model_type")
            translation.notes.append(f"{name} has no effect with {classifier}")
        elif flag.note and value != flag.default:
            translation.notes.append(f"{name}: {flag.note}")
        part = name.partition("_")[0]
        is_pooling = name.startswith(("mask_pool_", "class_pool_"))
        if is_pooling and any(value if flag.is_list else ()) and not _pools(translation, part):
            translation.notes.append(f"{name} has no effect without {part}_pooling_type")


def _pools(translation: Translation, part: str) -> bool:
    return bool(translation.value(f"{part}_pooling_type") != "none")


def _to_whole(value: float) -> float:
    """Return a whole number as such; others stay as they are, and are refused later."""
    return int(value) if float(value).is_integer() else value
