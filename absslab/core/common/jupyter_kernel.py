"""Start a Jupyter kernel in this Python, even if another one is installed as python3."""

import os
import sys
from pathlib import Path

from absslab.core.common.config import fingerprint
from absslab.core.common.files import cache_folder, write_json

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


def provide_kernel() -> None:
    """Let programs that this process starts find this Python as the kernel python3.

    A person may have another Python under this name; notebooks of this package would not find the
    package in it.

    Raises:
        OSError: its description can't be written.
    """
    folder = cache_folder() / f"jupyter-{fingerprint(sys.prefix)}"
    specification = {
        "argv": [*KERNEL_ARGUMENTS[:5]],
        "display_name": "Python 3 (absslab)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    write_json(folder / "kernels" / "python3" / "kernel.json", specification)
    # What stands here is looked at before the folders of the user.
    paths = [str(Path(folder).resolve()), os.environ.get("JUPYTER_PATH", "")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, paths))
