"""How a Jupyter kernel of this very Python is started, whatever else is installed under the name python3."""

import sys

KERNEL_ARGUMENTS = [
    sys.executable,
    "-m",
    "ipykernel_launcher",
    "-f",
    "{connection_file}",
    "--HistoryManager.enabled=False",
    "--log-level=ERROR",
]  # of a kernel specification
