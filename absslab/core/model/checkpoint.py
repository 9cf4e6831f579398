"""Save a model completely or not at all, check it when reading, and load it ready to predict."""

import hashlib
import io
import json
import math
import pickle
import textwrap
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

from absslab.core.common.errors import InputError, Reason, escape_braces
from absslab.core.common.files import check_version, write_bytes
from absslab.core.common.version import __version__
from absslab.core.data.class_names import check_class_name
from absslab.core.model.event_thresholds import EventThresholds
from absslab.core.model.separation_model import ModelConfigs, SeparationModel, build_model

FORMAT = "absslab checkpoint"
VERSION = 1
_SMALL = 1 << 20  # numbers; a tensor of so many is made whatever the file holds
_MAKERS = (torch.empty, torch.zeros, torch.ones)  # of weights in the layers of torch.nn
_NAMES_IN_THESIS = (b"model_state_dict", b"classifier_model_type")  # of a file of the thesis' code
_NAMES_BEFORE = {"front_end.shift": "front_end.mean", "front_end.deviation": "front_end.std"}


class Checkpoint(NamedTuple):
    """A model on disk, with how it was made."""

    model: SeparationModel
    configs: ModelConfigs
    made: dict[str, Any]  # settings of training and data, scores, epoch, versions
    checksum: str  # SHA-256 of the file, in hexadecimal


def save_checkpoint(
    path: str | Path,
    model: SeparationModel,
    configs: ModelConfigs,
    made: Mapping[str, Any],
    **more: Any,
) -> None:
    """Write a model, whole or not at all.

    Args:
        path: the file.
        model: the model.
        configs: the configs that built it.
        made: plain data about the origin of the model.
        more: tensors and plain data for resuming.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "configs": configs.to_json(),
        "classes": list(model.classes),
        "weights": model.state_dict(),
        "event_thresholds": model.event_thresholds and model.event_thresholds.to_json(),
        "made": {
            "absslab": __version__,
            "torch": str(torch.__version__),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            **made,
        },
        **more,
    }
    buffer = io.BytesIO()  # so that a full disk raises Python's own OSError
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read the content of a checkpoint onto the CPU, without executing anything in it.

    Raises:
        InputError: the file is missing, damaged, from another program or from a newer version.
    """
    return _parse(path, read_stored_bytes(path))


def read_stored_bytes(
    path: str | Path, expected: str = "expected a checkpoint that absslab train wrote"
) -> bytes:
    """Read a file whole.

    Args:
        path: the file.
        expected: what it should be, for the message of an error.

    Raises:
        InputError: it is missing or can't be read.
    """
    if not Path(path).is_file():
        raise InputError(f"{{path}} does not exist or is not a file: {expected}", path=path)
    try:
        return Path(path).read_bytes()  # torch tells some damage by an OSError as well
    except OSError as error:
        reason = Reason.of(error)
        raise InputError("{path} can't be read: {reason}", path=path, reason=reason) from error


def load_plain(path: str | Path, stored: bytes, expected: str) -> Any:
    """Load tensors and plain data from the content of a file, without executing anything in it.

    Args:
        path: the file, for messages.
        stored: its content.
        expected: what it should be.

    Raises:
        InputError: it is damaged, or holds anything else.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # torch warns about other programs' files
            return torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            "{path} is not a checkpoint or holds more than weights and plain data: "
            f"it was not loaded, {expected}",
            path=path,
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # torch raises many kinds of errors for damaged files
        raise InputError(
            f"{{path}} is damaged or not a checkpoint: {expected}", path=path
        ) from error


def _parse(path: str | Path, stored: bytes) -> dict[str, Any]:
    if all(name in stored for name in _NAMES_IN_THESIS):
        raise InputError(
            "{path} is a model that the thesis' code saved: make a checkpoint of it with "
            "absslab import-thesis, and use that",
            path=path,
        )
    content = load_plain(path, stored, "expected a whole file that absslab train wrote")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(
            "{path} is from another program: expected a checkpoint that absslab train wrote",
            path=path,
        )
    check_version(content, path, newest=VERSION)
    return _translate_weight_names(content)


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Load a model, ready to predict.

    Args:
        path: the file.
        device: the device of the model.

    Raises:
        InputError: see `read_checkpoint`; also if weights do not fit their configs, or are NaN.
    """
    stored = read_stored_bytes(path)
    content = _parse(path, stored)
    try:
        json.dumps([content["configs"], content["classes"]])  # raises TypeError for tensors
        configs = ModelConfigs.from_json(content["configs"])
        classes = content["classes"]
        made = dict(content["made"])
        weights = content["weights"]
        if not all(isinstance(name, str) for name in classes):
            raise TypeError("a class has no name")
        for name in classes:
            check_class_name(name, path)  # it will name files
        # Any other error here, such as one of a library's cache, is not the file's fault.
        with _SizeLimit(weights):
            model = build_model(configs, classes)
        if thresholds := content.get("event_thresholds"):  # earlier versions chose none
            model.event_thresholds = EventThresholds.from_json(thresholds)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _mismatch_error(path, error) from None
    try:
        model.load_state_dict(weights)
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise _mismatch_error(path, error) from None
    if bad_weights := _find_bad_weights(model):
        raise InputError(
            "{path} can't be used: its weights hold NaN or infinite numbers "
            f"({escape_braces(bad_weights)}), so its training diverged or the file is damaged; "
            "choose another checkpoint, or train again with a lower --learning_rate",
            path=path,
        )
    checksum = hashlib.sha256(stored).hexdigest()
    return Checkpoint(model.to(device).eval(), configs, made, checksum)


class _SizeLimit(TorchFunctionMode):
    """Refuses tensors much larger than all weights of a file, whose configs then do not fit them.

    They could fill the memory before their shapes are compared with those of the weights.
    """

    def __init__(self, weights: Mapping[str, torch.Tensor]):
        super().__init__()
        self._largest = _SMALL + 2 * sum(weight.numel() for weight in weights.values())

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Make a tensor, or refuse it."""
        kwargs = kwargs or {}
        if func in _MAKERS:
            size = kwargs.get("size", args[0] if args and not isinstance(args[0], int) else args)
            if math.prod(size) > self._largest:
                raise ValueError(f"its settings ask for weights of the shape {tuple(size)}")
        return func(*args, **kwargs)


def _find_bad_weights(model: SeparationModel) -> str:
    """Return the name of the first weights that are not finite; empty if all are."""
    for name, weights in model.state_dict().items():
        if weights.is_floating_point() and not torch.isfinite(weights).all():
            return name
    return ""


def _mismatch_error(path: str | Path, error: Exception) -> InputError:
    text = textwrap.shorten(str(error), 300)  # torch lists every weight on a separate line
    return InputError(
        "{path} is damaged: its parts do not fit together ({reason})",
        path=path,
        reason=Reason.of(error)._replace(text=text),
    )


def _translate_weight_names(content: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the weights of checkpoints of version 0.1.0 to their current names."""
    translated = dict(content)
    if isinstance(content.get("weights"), dict):
        translated["weights"] = _rename_keys(content["weights"])
    resume = content.get("resume")
    if isinstance(resume, dict) and isinstance(resume.get("weights"), dict):
        translated["resume"] = resume | {"weights": _rename_keys(resume["weights"])}
    return translated


def _rename_keys(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES_BEFORE.get(name, name): value for name, value in weights.items()}
