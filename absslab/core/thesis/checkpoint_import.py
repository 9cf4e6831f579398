"""Import a model that the thesis' code trained, without executing anything in its file."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from absslab.core.common.config import format_setting
from absslab.core.common.errors import InputError, describe_value, escape_braces
from absslab.core.common.files import check_output_path
from absslab.core.data.class_names import check_class_names, normalise
from absslab.core.model.checkpoint import load_plain, read_stored_bytes, save_checkpoint
from absslab.core.model.convolution_blocks import size_after
from absslab.core.model.pooling import find_pooling
from absslab.core.model.separation_model import SeparationModel, build_mask_net, build_model
from absslab.core.thesis.flags import FLAGS
from absslab.core.thesis.translation import TUT, translate_model
from absslab.core.training.settings import Settings

# Everything besides tensors and plain data that its files hold: NumPy's scalars.
ALLOWED: list[Any] = [
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),  # its name before NumPy 2
    np.dtype,
    np.dtypes.Float64DType,
]
_NEEDED = ("model_state_dict", "config")
# Without these nobody knows what the model computed; for others the thesis' defaults hold.
_NEEDED_SETTINGS = (
    "data_set_type",
    "feature_type",
    "scaling_type",
    "sampling_rate",
    "STFT_frame_width_ms",
    "STFT_frame_shift_ms",
    "n_Mel_filters",
    "mask_model_type",
    "mask_n_blocks",
    "mask_activations",
    "classifier_model_type",
)
_EXPECTED = "expected a model that the thesis' code saved (its main.py --mode train)"
_MOST_FRAMES = 20_000  # of recordings
_OF_MODEL = (  # settings that say what the model computes; others are not looked at
    *_NEEDED_SETTINGS,
    "STFT_window_function",
    "Mel_min_freq",
    "Mel_max_freq",
    "train_pcen",
    "train_multi_pcen",
    *(f"pcen_{name}" for name in ("s", "eps", "alpha", "delta", "r")),
    "rescale_classification",
)


class ThesisModel:
    """A model of the thesis, read from its file.

    Args:
        path: the file.
        config: its configuration, by the thesis' names.
        weights: its weights, by the thesis' names; those of the linear layers of all classes
            are joined, without the number of the class.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]):
        self.path = path
        self.config = config
        self.weights = weights

    @classmethod
    def open(cls, path: str | Path) -> "ThesisModel":
        """Read a file.

        Raises:
            InputError: it is missing, no checkpoint of the thesis, or holds more than weights and
                plain data.
        """
        path = Path(path)
        content = _read(path)
        if not isinstance(content, dict) or not all(
            isinstance(content.get(name), Mapping) for name in _NEEDED
        ):
            raise InputError(f"{{path}} has no {' or no '.join(_NEEDED)}: {_EXPECTED}", path=path)
        weights = content["model_state_dict"]
        if not all(map(_is_plain_tensor, weights.values())):
            raise InputError(
                f"{{path}} has weights that are no plain tensors: {_EXPECTED}", path=path
            )
        return cls(path, dict(content["config"]), _join_classes(weights))

    @property
    def epoch(self) -> int:
        """Number of epochs that it was trained; 0 if the file does not say it."""
        epoch = self.config.get("epoch_idx")
        return epoch if isinstance(epoch, int) else 0

    def convert(self, classes: Sequence[str] = ()) -> tuple[SeparationModel, Settings]:
        """Return the model, and the settings of a training as the thesis' was.

        Args:
            classes: names of its classes; needed if the file has none.

        Raises:
            InputError: its settings are not possible here, or weights do not fit them.
        """
        names = self._find_classes(classes)
        given = self._given()
        try:
            settings = Settings.from_flags(translate_model(given).settings)
        except InputError as error:
            raise self._mismatch_error(str(error)) from None
        self._refuse_other_formulas(settings)
        try:
            settings = self._fix_recording_length(settings, len(names))
            model = build_model(settings.models, names)
        except InputError as error:
            raise self._mismatch_error(str(error)) from None
        self._copy_weights(model, settings)
        self._set_normalisation(model)
        return model.eval(), settings

    def _refuse_other_formulas(self, settings: Settings) -> None:
        """Refuse a model whose weights belong to a formula that is another one here."""
        if settings.features.is_learnt:
            raise self._mismatch_error(
                "its PCEN was learnt from magnitudes that were standardised before, which are "
                "negative in part; expected fixed PCEN, or other features"
            )
        if settings.model.rescale:
            raise self._mismatch_error(
                "rescale_classification made its probabilities σ(w p), which is never below 0.5 "
                "for w above 0; expected a model without it"
            )
        if settings.model.pooling == "adaptive_GWRP":
            raise self._mismatch_error(
                "its AdaptiveGlobalWeightedRankPooling2d weighted by σ(ρʲ), where rʲ was meant; "
                "expected another classification mapping"
            )

    def _fix_recording_length(self, settings: Settings, n_classes: int) -> Settings:
        """Return settings with the length of recordings that weights of the mapping ask for.

        The file does not say it. Of the lengths that fit, which differ by frames that the
        convolutions skip at the end, this is the largest.
        """
        pooling: Any = settings.pooling
        if not find_pooling(settings.model.pooling).has_fixed_size:
            return settings
        name = f"{_LINEAR[settings.model.pooling]}.weight"
        if name not in self.weights:
            raise self._mismatch_error(f"there are no weights {name.replace('.w', '.0.w')}")
        n_inputs = self.weights[name].shape[-1]
        mask_net: Any = build_mask_net(settings.models, n_classes)
        blocks = ()  # of convolutions between masks and linear layers
        if hasattr(pooling, "blocks"):
            blocks = pooling.blocks(n_classes, n_classes, n_groups=n_classes)
        longest = None
        for n_frames in range(1, _MOST_FRAMES):
            try:
                size = mask_net.mask_size(settings.features.n_bands, n_frames)
                n_bands, n_left = size_after(blocks, size)
            except InputError:  # too short for the kernels
                continue
            if n_bands * n_left > n_inputs:
                break
            if n_bands * n_left == n_inputs:
                longest = n_frames
        if longest is None:
            raise self._mismatch_error(
                f"{name.replace('.w', '.0.w')} has {n_inputs} inputs: no length of recordings "
                "gives masks of this size"
            )
        return replace(settings, pooling=replace(pooling, recording_frames=longest))

    def _given(self) -> dict[str, Any]:
        """Return the settings of the model, each in the type of its flag."""
        missing = [name for name in _NEEDED_SETTINGS if name not in self.config]
        if missing:
            raise self._mismatch_error(f"its configuration lacks {', '.join(missing)}")
        given = {}
        for name, value in self.config.items():
            is_part = name.startswith(("mask_", "class_")) and name != "class_categories"
            if name in _OF_MODEL or (is_part and name in FLAGS):
                given[name] = self._to_type_of(name, value)
        if given["data_set_type"] == TUT:  # its features were these, whatever was asked for
            given["feature_type"] = "log-mel"
        return given

    def _to_type_of(self, name: str, value: Any) -> Any:
        flag = FLAGS[name]
        is_list = isinstance(value, list | tuple)
        values = list(value) if is_list else [value]
        kinds = (int, float) if flag.kind is float else (flag.kind,)
        is_right = all(
            isinstance(part, kinds) and isinstance(part, bool) == (flag.kind is bool)
            for part in values
        )
        if not is_right or (is_list and not flag.is_list):
            raise self._mismatch_error(
                f"{name} is {describe_value(value)}: expected {flag.kind.__name__}"
                + (" values" if flag.is_list else "")
            )
        return values if flag.is_list else value

    def _find_classes(self, classes: Sequence[str]) -> list[str]:
        stored = self.config.get("classes")
        n_classes = self._n_masks()
        if not isinstance(stored, list | tuple) or not all(isinstance(x, str) for x in stored):
            stored = ()
        names = [normalise(name) for name in (classes or stored)]
        if not names:
            raise InputError(
                f"{{path}} does not say the names of its {n_classes} classes: pass {n_classes} "
                "names in their order after --classes",
                path=self.path,
            )
        if len(names) != n_classes or len(set(names)) != len(names):
            raise InputError(
                f"{{path}} has {n_classes} classes: expected as many different names, not "
                f"{len(names)} ({escape_braces(format_setting(tuple(names)))})",
                path=self.path,
            )
        check_class_names(names, self.path)
        return names

    def _n_masks(self) -> int:
        n_blocks = self._to_type_of("mask_n_blocks", self.config.get("mask_n_blocks"))
        last = f"mask_model.net.convolutions.{n_blocks - 1}.weight"
        if last not in self.weights:
            raise self._mismatch_error(f"there are no weights {last}")
        return len(self.weights[last])

    def _copy_weights(self, model: SeparationModel, settings: Settings) -> None:
        """Copy all weights of the file, each exactly once."""
        state = model.state_dict()
        unused = set(self.weights)
        for name, target in state.items():
            if name.startswith(("front_end.", "pcen.")):
                continue
            old_name = _thesis_name(name, settings.model.pooling)
            source = self.weights.get(old_name)
            if source is None:
                raise self._mismatch_error(f"there are no weights {old_name}")
            if source.shape != target.shape:
                raise self._mismatch_error(
                    f"{old_name} has the shape {tuple(source.shape)}: its configuration asks for "
                    f"{tuple(target.shape)}"
                )
            target.copy_(source)
            unused.discard(old_name)
        if unused:
            raise self._mismatch_error(f"its configuration has no place for {min(unused)}")
        for name, weights in self.weights.items():
            if weights.is_floating_point() and not torch.isfinite(weights).all():
                raise self._mismatch_error(f"{name} holds NaN or infinite numbers")

    def _set_normalisation(self, model: SeparationModel) -> None:
        if not model.front_end.config.standardise:
            return
        for name, target in (("shift", model.front_end.mean), ("scaling", model.front_end.std)):
            values = self.config.get(name)
            try:
                (value,) = (float(value) for value in values)  # type: ignore[union-attr]
            except (TypeError, ValueError):
                value = math.nan
            if not math.isfinite(value) or (name == "scaling" and value <= 0):
                number = "a finite number" if name == "shift" else "a number above 0"
                raise self._mismatch_error(
                    f"{name} is {str(values)[:60]}: expected a list of {number}"
                )
            target.fill_(value)

    def _mismatch_error(self, reason: str) -> InputError:
        return InputError(f"{{path}} can't be imported: {escape_braces(reason)}", path=self.path)


def import_thesis_model(
    old: str | Path, new: str | Path, classes: Sequence[str] = ()
) -> SeparationModel:
    """Make a checkpoint of a model that the thesis' code trained.

    Args:
        old: file of the thesis.
        new: the checkpoint, a name that ends in .ckpt; it must not exist.
        classes: names of the classes in their order; needed if the file has none.

    Returns:
        the model.

    Raises:
        InputError: the file can't be imported, or `new` exists already, has another suffix, or
            can't be written.
    """
    check_output_path(new, ".ckpt", name="new")
    if Path(new).exists():
        raise InputError("{path} exists already: choose another place", path=new)
    thesis_model = ThesisModel.open(old)
    model, settings = thesis_model.convert(classes)
    made = {
        "settings": settings.to_json(),
        "epoch": thesis_model.epoch,
        "imported_from": "the thesis' code",
    }
    save_checkpoint(new, model, settings.models, made)
    return model


def _read(path: Path) -> Any:
    stored = read_stored_bytes(path, _EXPECTED)
    with torch.serialization.safe_globals(ALLOWED):
        return load_plain(path, stored, _EXPECTED)


def _is_plain_tensor(value: Any) -> bool:
    is_dense = isinstance(value, Tensor) and value.layout is torch.strided
    return is_dense and value.device.type == "cpu"


def _join_classes(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join the linear layers of classes: `FCs.0.weight` (1, I) and others → `FCs.weight` (K, I)."""
    joined = dict(weights)
    layers: dict[str, list[tuple[int, str]]] = {}
    for name in weights:
        found = _LAYER_OF_CLASS.fullmatch(name)
        if found:
            layers.setdefault(f"{found[1]}.{found[3]}", []).append((int(found[2]), name))
    for name, numbered in layers.items():
        parts = [joined.pop(old) for _, old in sorted(numbered)]
        if len({part.shape for part in parts}) == 1 and parts[0].dim():
            joined[name] = torch.cat(parts)
    return joined


def _thesis_name(name: str, pooling: str) -> str:
    """Return the thesis' name of weights: `mask_net.blocks.0.convolution.weight` and others."""
    part, _, rest = name.partition(".")
    words = rest.split(".")
    if part == "mask_net":
        return f"mask_model.net.{_LAYERS[words[2]]}.{words[1]}.{words[3]}"
    if part == "pooling" and words[0] == "blocks":
        return f"classifier_model.CNN.{_LAYERS[words[2]]}.{words[1]}.{words[3]}"
    if part == "pooling" and words[0] == "recurrent":
        return f"classifier_model.RNN.{words[1]}"
    if part == "pooling":
        return f"{_LINEAR[pooling]}.{words[-1]}"
    return name


_LAYERS = {"convolution": "convolutions", "norm": "batch_norms"}
_LINEAR = {  # pooling → the thesis' linear layers, one for each class
    "FC": "classifier_model.FCs",
    "CNN_FC": "classifier_model.FC.FCs",
    "RNN_FC": "classifier_model.ChannelWiseFC.FCs",
}
_LAYER_OF_CLASS = re.compile(r"(.*FCs)\.(\d+)\.(weight|bias)")
