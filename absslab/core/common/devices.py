"""The device to compute on, and the arithmetic that it can do."""

import torch

from absslab.core.common.errors import InputError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        name: auto (a GPU if there is one), cpu, cuda or cuda:1, ….

    Raises:
        InputError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device is {name!r}: expected auto, cpu, cuda or cuda:1, …") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device is {name!r}: expected auto, cpu, cuda or cuda:1, …")
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        raise InputError(
            f"device is {name!r}, but PyTorch finds {n_gpus or 'no'} CUDA GPU{'s' * (n_gpus > 1)}: use auto or cpu"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """The arithmetic to use: auto takes bfloat16 where the hardware has it, which is faster and as good.

    Raises:
        InputError: float16 on a CPU.
    """
    if name == "float16" and device.type == "cpu":
        raise InputError(
            "precision is float16, which a CPU does not train in: use auto, bfloat16 or float32"
        )
    if name != "auto":
        return name
    has_bfloat16 = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if device.type == "cuda"
        else hasattr(torch.cpu, "get_capabilities")
        and torch.cpu.get_capabilities().get("avx512_bf16", False)
    )
    return "bfloat16" if has_bfloat16 else "float32"
