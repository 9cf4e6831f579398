"""List the devices of this machine for training, and the processes that use them."""

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import psutil

from absslab.core.common.run_status import LIVE_STATES
from absslab.core.runs.catalogue import find_runs

_MOST_COMBINED = 4  # GPUs of which all combinations are offered
_TIME_LIMIT = 5  # s, time limit for nvidia-smi


@dataclass(frozen=True)
class Device:
    """A device to train on.

    Args:
        name: its name for the flag --device.
        description: description for the user.
        in_use_by: the processes that use it, each described in a few words.
    """

    name: str
    description: str
    in_use_by: tuple[str, ...] = ()


def cpu_device() -> Device:
    """Return the CPU, which every machine has."""
    return Device("cpu", f"{os.cpu_count()} cores")


def list_devices() -> list[Device]:
    """Return the CPU, and the GPUs that nvidia-smi lists; CUDA is not touched in this process.

    nvidia-smi may take seconds: do not call this in the main loop.
    """
    gpus = _query("--query-gpu=index,uuid,name,memory.used,memory.total")
    gpus = [row for row in gpus if len(row) == 5]
    processes = _query("--query-compute-apps=gpu_uuid,pid,used_memory") if gpus else []
    processes = [row for row in processes if len(row) == 3]
    devices = [cpu_device()]
    for number, (_, uuid, name, used, total) in enumerate(_select_visible(gpus)):
        users = tuple(
            _describe_process(pid, memory) for gpu, pid, memory in processes if gpu == uuid
        )
        devices.append(Device(f"cuda:{number}", f"{name}, {used} of {total} MiB in use", users))
    return devices


def find_device_users(device: str, runs_folder: str | Path) -> list[str]:
    """Describe what uses a device: runs of a folder, and the processes that nvidia-smi lists.

    Args:
        device: value of the flag --device.
        runs_folder: the folder of runs.
    """
    devices = list_devices()
    wanted = _resolve_names(device, devices)
    runs = [
        run
        for run in find_runs(runs_folder)
        if run.state in LIVE_STATES and _resolve_names(run.device, devices) & wanted
    ]
    users = [f"the training {run.name}" for run in runs]
    for known in devices:
        if known.name in wanted:
            users += known.in_use_by
    return users


def join_gpus(devices: Sequence[Device]) -> list[Device]:
    """Return what a training in several processes may use: several of the GPUs.

    Args:
        devices: the devices of this machine.

    Returns:
        all choices of two or more GPUs of up to four; of more the first two, four, … and all.
    """
    gpus = [device.name for device in devices if device.name.startswith("cuda:")]
    if len(gpus) <= _MOST_COMBINED:
        sizes = range(2, len(gpus) + 1)
        chosen = [names for size in sizes for names in combinations(gpus, size)]
    else:
        chosen = [tuple(gpus[:size]) for size in range(2, len(gpus) + 1, 2)]
        chosen += [tuple(gpus)] if len(gpus) % 2 else []
    return [Device(",".join(names), f"{len(names)} GPUs, a process on each") for names in chosen]


def _resolve_names(device: str, devices: Sequence[Device]) -> set[str]:
    """Return the names of the devices that a value of --device stands for."""
    has_gpu = any(known.name.startswith("cuda") for known in devices)
    names = {"auto": "cuda:0" if has_gpu else "cpu", "cuda": "cuda:0"}
    return {names.get(name, name) for name in device.split(",")}


def _query(flag: str) -> list[list[str]]:
    """Return the rows that nvidia-smi prints; none if it is not installed or does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, flag, "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIME_LIMIT, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):  # ValueError: it is not text
        return []
    rows = csv.reader(io.StringIO(answer.stdout))
    return [list(map(str.strip, row)) for row in rows if row]


def _select_visible(gpus: list[list[str]]) -> list[list[str]]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES selects, in its order: PyTorch numbers them so."""
    selection = os.environ.get("CUDA_VISIBLE_DEVICES")
    if selection is None:
        return gpus
    visible = []
    for selected in map(str.strip, selection.split(",")):
        for gpu in gpus:
            index, uuid = gpu[:2]
            if index == selected or (selected.startswith("GPU-") and uuid.startswith(selected)):
                visible.append(gpu)
    return visible


def _describe_process(pid: str, memory: str) -> str:
    try:
        name = psutil.Process(int(pid)).name()
    except (psutil.Error, ValueError):  # the process of another user, or in another container
        name = "unknown"
    return f"process {pid} ({name}, {memory} MiB)"
