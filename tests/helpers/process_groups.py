"""Commands that run as a group of processes, and their end."""

import os
import time

import psutil


def wait_for(process, condition):
    """Wait until a condition is true; the process must not end before."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def group(process):
    """Return the processes of a process group that still run."""
    processes = []
    for member in psutil.process_iter():
        try:
            if os.getpgid(member.pid) == process.pid and member.status() != psutil.STATUS_ZOMBIE:
                processes.append(member)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return processes


def ends(process):
    """Tell whether all processes of a group end within some seconds."""
    for _ in range(500):
        if not group(process):
            return True
        time.sleep(0.02)
    return False
