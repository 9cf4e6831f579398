"""The device to compute on, and the precision that it supports."""

from collections.abc import Sequence
from typing import Any

import torch

from absslab.core.common.config import option
from absslab.core.common.errors import InputError
from absslab.core.common.process_group import ALONE, Processes

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_NAMES = "auto, cpu, cuda or cuda:1, …, mps"


def device_option(default: str = "auto", help: str = "", more: str = "") -> Any:
    """Describe the field of a config that names a device.

    Args:
        default: its default.
        help: text before the list of names.
        more: text after it.
    """
    names = "auto (a CUDA GPU if there is one), cpu, cuda, cuda:1, …, mps (Apple's GPU)"
    return option(default, f"{help}{names}{more}", metavar="DEVICE")


def choose_device(name: str = "auto", processes: Processes = ALONE) -> torch.device:
    """Choose the device to compute on.

    Args:
        name: auto (a CUDA GPU if there is one), cpu, cuda or cuda:1, …, mps (Apple's GPU); or
            several, see `split_devices`.
        processes: which process this is; each of a machine gets a GPU of its own.

    Raises:
        InputError: there is no such device, or fewer than processes.
    """
    names = split_devices(name)
    if len(names) > 1:
        if len(names) != processes.local_size:
            raise InputError(
                f"device is {name!r}, {len(names)} devices for {processes.local_size} "
                f"{'process' if processes.local_size == 1 else 'processes'}: expected one; "
                "absslab train starts a process for each"
            )
        return _use(choose_device(names[processes.local_rank]))
    if processes.local_size > 1 and name != "cpu":
        return _choose_own_gpu(name, processes)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device is {name!r}: expected {_NAMES}") from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"device is {name!r}: expected {_NAMES}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(
            f"device is {name!r}, but PyTorch finds no GPU of Apple here: use auto or cpu"
        )
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        raise InputError(
            f"device is {name!r}, but PyTorch finds {n_gpus or 'no'} CUDA "
            f"{'GPUs' if n_gpus > 1 else 'GPU'}: use auto or cpu"
        )
    return device


def _choose_own_gpu(name: str, processes: Processes) -> torch.device:
    """Choose the GPU of one of several processes of a machine; without any it is the CPU."""
    if name not in ("auto", "cuda"):
        raise InputError(
            f"device is {name!r} for {processes.local_size} processes: expected auto, cpu or cuda, "
            "with which each takes another GPU; CUDA_VISIBLE_DEVICES says which there are"
        )
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not n_gpus and name == "auto":
        return torch.device("cpu")
    if n_gpus < processes.local_size:
        raise InputError(
            f"PyTorch finds {n_gpus or 'no'} CUDA {'GPUs' if n_gpus > 1 else 'GPU'} for "
            f"{processes.local_size} processes: start one for each GPU, or pass --device cpu"
        )
    return _use(torch.device("cuda", processes.local_rank))


def _use(device: torch.device) -> torch.device:
    """Let what names no GPU mean this one, and return it."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def split_devices(name: str) -> list[str]:
    """Return the devices that a setting names: one, or several for as many processes.

    Args:
        name: of a device; or names with commas between: cuda:0,cuda:1, or cpu,cpu.

    Raises:
        InputError: a GPU is named twice, or several are named by a word that is no single one.
    """
    names = name.split(",")
    if len(names) > 1:
        are_cpus = set(names) == {"cpu"}
        are_gpus = all(part.startswith("cuda:") for part in names) and len(set(names)) == len(names)
        if not (are_cpus or are_gpus):
            raise InputError(
                f"device is {name!r}: expected one, or different GPUs as in cuda:0,cuda:1, or "
                "cpu,cpu for two processes"
            )
    return names


def choose_devices(names: Sequence[str]) -> list[str]:
    """Choose the devices that work at the same time.

    Args:
        names: of the devices, each once; or auto alone: all GPUs, or the CPU if there is none.

    Returns:
        the names of devices, each with its number.

    Raises:
        InputError: there is no such device, or one is named twice.
    """
    if list(names) == ["auto"]:
        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return [f"cuda:{number}" for number in range(n_gpus)] or ["cpu"]
    chosen = ["cuda:0" if name == "cuda" else name for name in names]
    if not chosen or len(set(chosen)) < len(chosen) or "auto" in chosen:
        raise InputError(
            f"devices is {' '.join(names) or 'none'}: expected auto, or one or more, each once"
        )
    for name in chosen:
        choose_device(name)
    return chosen


def choose_precision(name: str, device: torch.device) -> str:
    """Choose the precision to train in.

    Args:
        name: auto, float32, bfloat16 or float16; auto chooses bfloat16 if the hardware supports it,
            which is faster and gives equally good models.
        device: the device to compute on.

    Returns:
        float32, bfloat16 or float16.

    Raises:
        InputError: float16 on a CPU.
    """
    if name == "float16" and device.type == "cpu":
        raise InputError(
            "precision is float16, which a CPU does not train in: use auto, bfloat16 or float32"
        )
    if name != "auto":
        return name
    return "bfloat16" if _has_bfloat16(device) else "float32"


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
