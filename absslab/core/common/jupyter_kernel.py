"""Start a Jupyter kernel in this Python, even if another one is installed as python3."""

import sys

# The command line of a kernel specification.
KERNEL_ARGUMENTS = [
    sys.executable,
    "-m",
    "ipykernel_launcher",
    "-f",
    "{connection_file}",
    "--HistoryManager.enabled=False",
    "--log-level=ERROR",
]
