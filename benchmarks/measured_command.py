"""Run commands of ABSSLab, and measure their time and memory."""

import json
import subprocess
import sys
from typing import NamedTuple

# The most memory of a process counts from when it was forked, as large as its parent was. So the
# command gets a small parent.
_MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds = time.perf_counter() - start
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([done.returncode, done.stdout + done.stderr, seconds, memory]))
"""


class MeasuredCommand(NamedTuple):
    """What a command took."""

    seconds: float
    memory: float  # MiB, the most


def run_command(*arguments: object) -> MeasuredCommand:
    """Run `absslab …`; end this program, with the output, if it fails.

    Args:
        arguments: the command and its arguments.
    """
    command = [sys.executable, "-c", _MEASURE, sys.executable, "-m", "absslab"]
    command += [str(argument) for argument in arguments]
    measured = subprocess.run(command, check=True, capture_output=True, text=True)
    status, output, seconds, memory = json.loads(measured.stdout)
    if status:
        raise SystemExit(f"absslab {arguments[0]} ended with exit status {status}:\n{output}")
    return MeasuredCommand(seconds, memory)
