"""Import a model that the thesis' code trained, without executing anything in its file."""

import io
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from absslab.core.common.config import format_setting
from absslab.core.common.errors import InputError, Reason, escape_braces
from absslab.core.data.class_names import check_class_names, normalise
from absslab.core.model.checkpoint import save_checkpoint
from absslab.core.model.separation_model import SeparationModel, build_model
from absslab.core.thesis.flags import FLAGS
from absslab.core.thesis.translation import Translation, translate_model
from absslab.core.training.settings import Settings

# Everything besides tensors and plain data that its files hold: NumPy's scalars.
ALLOWED: list[Any] = [
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),  # its name before NumPy 2
    np.dtype,
    np.dtypes.Float64DType,
]
_NEEDED = ("model_state_dict", "config")
_EXPECTED = "expected a model that the thesis' code saved (its main.py --mode train)"
_WITHOUT_WEIGHTS = ("GMP", "GAP", "GWRP")
# Settings that say where the data were, or how far the training is.
_NOT_OF_MODEL = (
    "mode",
    "data_folder",
    "audio_folder",
    "yaml_file",
    "class_categories",
    "categories",
    "data_set_save_folder_path",
    "data_set_load_folder_path",
    "save_path",
    "checkpoint_path",
    "epoch_idx",
)


class ThesisModel:
    """A model of the thesis, read from its file.

    Args:
        path: the file.
        config: its configuration, by the thesis' names.
        weights: its weights, by the thesis' names.
        content: the rest of the file.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        content: Mapping[str, Any],
    ):
        self.path = path
        self.config = config
        self.weights = weights
        self.content = content

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
        if not all(isinstance(weight, Tensor) for weight in weights.values()):
            raise InputError(f"{{path}} has weights that are no tensors: {_EXPECTED}", path=path)
        rest = {name: value for name, value in content.items() if name not in _NEEDED}
        return cls(path, dict(content["config"]), dict(weights), rest)

    def convert(self, classes: Sequence[str] = ()) -> tuple[SeparationModel, Settings]:
        """Return the model, and the settings of a training as the thesis' was.

        Args:
            classes: names of its classes; needed if the file has none.

        Raises:
            InputError: its settings are not possible here, or weights do not fit them.
        """
        translation = self._translate()
        names = self._find_classes(classes)
        settings = Settings.from_flags(translation.settings)
        if settings.model.rescale or settings.model.pooling not in _WITHOUT_WEIGHTS:
            raise self._mismatch_error(
                f"its classification mapping {self.config.get('classifier_model_type')} has "
                "weights, which are not translated yet; expected GMP, GAP or GWRP"
            )
        model = build_model(settings.models, names)
        self._copy_weights(model)
        self._set_normalisation(model)
        return model.eval(), settings

    def _translate(self) -> Translation:
        given = {
            name: _to_type_of(name, value)
            for name, value in self.config.items()
            if name in FLAGS and name not in _NOT_OF_MODEL
        }
        try:
            return translate_model(given)
        except InputError as error:
            raise InputError(
                f"{{path}} can't be imported: {escape_braces(str(error))}", path=self.path
            ) from None

    def _find_classes(self, classes: Sequence[str]) -> list[str]:
        stored = self.config.get("classes")
        n_classes = self._n_masks()
        names = [normalise(str(name)) for name in (classes or stored or ())]
        if not names:
            raise InputError(
                f"{{path}} does not say the names of its {n_classes} classes: "
                "pass them in their order, as in --classes babycry glassbreak",
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
        last = f"mask_model.net.convolutions.{self.config.get('mask_n_blocks', 0) - 1}.weight"
        if last not in self.weights:
            raise self._mismatch_error(f"there are no weights {last}")
        return len(self.weights[last])

    def _copy_weights(self, model: SeparationModel) -> None:
        """Copy all weights of the file, each exactly once."""
        state = model.state_dict()
        left = set(self.weights)
        for name, target in state.items():
            if name.startswith("front_end."):
                continue
            old_name = _thesis_name(name)
            source = self.weights.get(old_name)
            if source is None:
                raise self._mismatch_error(f"there are no weights {old_name}")
            if source.shape != target.shape:
                raise self._mismatch_error(
                    f"{old_name} has the shape {tuple(source.shape)}: its configuration asks for "
                    f"{tuple(target.shape)}"
                )
            target.copy_(source)
            left.discard(old_name)
        if left:  # such as those of a classification mapping that learns
            raise self._mismatch_error(f"its configuration has no place for {min(left)}")
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
                raise self._mismatch_error(
                    f"{name} is {str(values)[:60]}: expected a list of one number"
                ) from None
            target.fill_(value)

    def _mismatch_error(self, reason: str) -> InputError:
        return InputError(f"{{path}} can't be imported: {escape_braces(reason)}", path=self.path)


def import_thesis_model(
    old: str | Path, new: str | Path, classes: Sequence[str] = ()
) -> SeparationModel:
    """Make a checkpoint of a model that the thesis' code trained.

    Args:
        old: file of the thesis.
        new: the checkpoint; it must not exist.
        classes: names of the classes in their order; needed if the file has none.

    Returns:
        the model.

    Raises:
        InputError: the file can't be imported, or there is already one in the place of the new.
    """
    if Path(new).exists():
        raise InputError("{path} exists already: choose another place", path=new)
    thesis_model = ThesisModel.open(old)
    model, settings = thesis_model.convert(classes)
    made = {
        "settings": settings.to_json(),
        "epoch": int(thesis_model.config.get("epoch_idx", 0)),
        "imported_from": "the thesis' code",
    }
    save_checkpoint(new, model, settings.models, made)
    return model


def _read(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{{path}} does not exist or is not a file: {_EXPECTED}", path=path)
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise InputError(
            "{path} can't be read: {reason}", path=path, reason=Reason.of(error)
        ) from error
    try:
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(ALLOWED):
            return torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{{path}} is not a checkpoint, or holds more than weights and plain data, and was not "
            f"loaded: {_EXPECTED}",
            path=path,
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # torch raises many kinds of errors for damaged files
        raise InputError(
            f"{{path}} is damaged or not a checkpoint: {_EXPECTED}", path=path
        ) from error


def _to_type_of(name: str, value: Any) -> Any:
    """Return a stored value in the type of its flag, if it can be one."""
    flag = FLAGS[name]
    if flag.is_list:
        return list(value) if isinstance(value, list | tuple) else [value]
    return value


def _thesis_name(name: str) -> str:
    """Return the thesis' name of weights: `mask_net.blocks.0.convolution.weight` and others."""
    part, _, rest = name.partition(".")
    words = rest.split(".")
    if part == "mask_net":
        return f"mask_model.net.{_LAYERS[words[2]]}.{words[1]}.{words[3]}"
    return name


_LAYERS = {"convolution": "convolutions", "norm": "batch_norms"}
