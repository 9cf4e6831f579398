"""Processes that outlive the notebook, the devices they can use, and the runs that they left."""

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from absslab.core.runs.catalogue import find_runs

_PATIENCE = 5  # s that nvidia-smi may take


@dataclass(frozen=True)
class Device:
    """Something to train on."""

    name: str  # as the flag --device wants it
    description: str
    in_use_by: tuple[str, ...] = ()  # processes, in words


class Job:
    """A process that this one started, and that goes on when this one ends.

    Args:
        process: that was started.
        log: the file that gets its output.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path):
        self.log = log
        self._process = process
        threading.Thread(
            target=process.wait, daemon=True
        ).start()  # else it would linger as a zombie, and look alive

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def tail(self, n_lines: int = 20) -> str:
        """The last lines of its output."""
        return read_last_lines(self.log, n_lines)

    def stop(self) -> None:
        """Interrupt it, as Ctrl-C does; it cleans up and ends."""
        if self.poll() is None:
            self._process.send_signal(signal.SIGINT)


def start_process(arguments: Sequence[str], log: Path) -> Job:
    """Start `python -m absslab …` as a process of its own session.

    Args:
        arguments: of the command line, the command first.
        log: gets all that it prints; what it held before is lost.

    Raises:
        OSError: the log can't be written, or there is no memory for a process.
    """
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "absslab", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Job(process, log)


def read_last_lines(path: Path, n_lines: int = 20) -> str:
    """The end of a text file; of a file that is not there, nothing."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 400 * n_lines))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-n_lines:])


def cpu() -> Device:
    """The one device that is always there."""
    return Device("cpu", f"{os.cpu_count()} cores")


def devices() -> list[Device]:
    """What one can train on: the CPU, and the GPUs that nvidia-smi tells of; CUDA is not touched in this process.

    nvidia-smi may take seconds: not for the main loop.
    """
    gpus = _query("--query-gpu=index,uuid,name,memory.used,memory.total")
    processes = _query("--query-compute-apps=gpu_uuid,pid,used_memory") if gpus else []
    found = []
    for number, (_, uuid, name, used, total) in enumerate(
        _visible([row for row in gpus if len(row) == 5])
    ):
        users = tuple(
            _user(pid, memory)
            for of, pid, memory in (row for row in processes if len(row) == 3)
            if of == uuid
        )
        found.append(Device(f"cuda:{number}", f"{name}, {used} of {total} MiB in use", users))
    return [cpu(), *found]


def device_users(device: str, runs_folder: str | Path) -> list[str]:
    """What uses a device already, in words: runs of a folder, and processes that nvidia-smi tells of; see `devices`.

    Args:
        device: as the flag --device has it.
        runs_folder: where to look for runs.
    """
    known = devices()
    wanted = _own_name(device, known)
    runs = [
        run
        for run in find_runs(runs_folder)
        if run.state == "running" and _own_name(run.device, known) == wanted
    ]
    processes = [user for one in known if one.name == wanted for user in one.in_use_by]
    return [f"the training {run.name}" for run in runs] + processes


def find_process(**paths: Path) -> int | None:
    """The pid of a process of absslab that was started with any of these flags, from whichever folder its path leads on."""
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        if not any(Path(word).name == "absslab" for word in words):
            continue
        for name, path in paths.items():
            given = _value(words, f"--{name}")
            if given and Path(process.info["cwd"] or "/", given).resolve() == path.resolve():
                return int(process.info["pid"])
    return None


def _value(words: Sequence[str], flag: str) -> str:
    """What a command line says after a flag, or after it and “=”; else nothing."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == flag:
            return following
        if word.startswith(f"{flag}="):
            return word.removeprefix(f"{flag}=")
    return ""


def _own_name(device: str, known: Sequence[Device]) -> str:
    """The one device that a name stands for."""
    has_gpu = any(one.name.startswith("cuda") for one in known)
    return {"auto": "cuda:0" if has_gpu else "cpu", "cuda": "cuda:0"}.get(device, device)


def _query(what: str) -> list[list[str]]:
    """Rows that nvidia-smi prints; none where there is none, or where it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, what, "--format=csv,noheader,nounits"]
    try:
        text = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=True
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):  # ValueError: it is no text
        return []
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if row]


def _visible(gpus: list[list[str]]) -> list[list[str]]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order: PyTorch counts them so."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return gpus
    words = [word.strip() for word in chosen.split(",") if word.strip()]
    return [
        gpu
        for word in words
        for gpu in gpus
        if gpu[0] == word or (word.startswith("GPU-") and gpu[1].startswith(word))
    ]


def _user(pid: str, memory: str) -> str:
    try:
        name = psutil.Process(int(pid)).name()
    except (psutil.Error, ValueError):  # another user's, or in another container
        name = "unknown"
    return f"process {pid} ({name}, {memory} MiB)"
