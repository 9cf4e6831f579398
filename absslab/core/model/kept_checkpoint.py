"""Keep the model that was used last, for work that comes in many small jobs."""

import threading
from pathlib import Path

from absslab.core.common.cluster import name_worker
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.common.files import file_version
from absslab.core.model.checkpoint import Checkpoint, load_checkpoint

_kept = threading.local()  # the threads of a worker share no model


def load_once(path: str | Path, device: str) -> Checkpoint:
    """Load a checkpoint, unless this thread loaded it last and its file is the same.

    Args:
        path: the file.
        device: the device of the model.

    Raises:
        InputError: see `load_checkpoint`.
    """
    key = (str(path), file_version(path), device)
    if getattr(_kept, "key", None) != key:
        _kept.checkpoint = load_checkpoint(path, device)
        _kept.key = key
    checkpoint: Checkpoint = _kept.checkpoint
    return checkpoint


def load_on_worker(path: str | Path, device: str) -> Checkpoint:
    """Load a checkpoint once on a worker of a cluster.

    Args:
        path: the file.
        device: the device of the model; auto: a GPU of the worker, or its CPU if it has none.

    Raises:
        InputError: the worker lacks the device, or can't read the file.
    """
    try:
        return load_once(path, str(choose_device(device)))
    except InputError as error:  # it is not the fault of a recording
        raise name_worker(error) from None
