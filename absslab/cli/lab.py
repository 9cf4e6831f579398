"""absslab lab."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from absslab.cli.parser import Parser
from absslab.core.common.config import Config, add_flags, from_flags, option
from absslab.core.common.errors import InputError
from absslab.core.common.files import write_bytes
from absslab.core.common.jupyter_kernel import provide_kernel
from absslab.core.common.resources import resource_folder


@dataclass(frozen=True)
class LabConfig(Config):
    """The folder of the notebooks, and the address of JupyterLab."""

    folder: str = option(
        "notebooks",
        "folder for your copies of the notebooks: missing ones are added, none is overwritten",
        metavar="FOLDER",
    )
    host: str = option(
        "127.0.0.1",
        "address to listen on; anyone with access and the token can run any code",
        metavar="ADDRESS",
    )
    port: int = option(
        8888, "port to listen on; if it is in use, the next free one", at_least=0, at_most=65535
    )
    open_browser: bool = option(True, "open JupyterLab in a browser")


def run(arguments: Sequence[str]) -> None:
    """Copy the notebooks that are missing, and replace this process by JupyterLab."""
    parser = Parser("absslab lab", description="Open JupyterLab with the notebooks.")
    add_flags(parser, LabConfig)
    config = from_flags(LabConfig, vars(parser.parse(arguments)))
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError("JupyterLab is not installed: pip install 'absslab[lab]'")
    folder = Path(config.folder).expanduser()
    copied = copy_notebooks(folder)
    if copied:
        print(f"copied to {folder}: {', '.join(path.name for path in copied)}", flush=True)
    settings: dict[str, object] = {
        "root_dir": folder.resolve(),
        "ip": config.host,
        "port": config.port,
        "open_browser": config.open_browser,
    }
    # Root is common in a container; without this flag JupyterLab does not start.
    if os.geteuid() == 0:
        settings["allow_root"] = True
    flags = [f"--ServerApp.{name}={value}" for name, value in settings.items()]
    provide_kernel()
    # JupyterLab replaces this process, so it gets Ctrl-C and sets the exit status.
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *flags])


def copy_notebooks(folder: Path) -> list[Path]:
    """Copy the notebooks of the package into a folder; existing ones are not changed.

    Returns:
        the notebooks that were copied.

    Raises:
        InputError: the folder is a file, or the package lacks its notebooks.
        OSError: the folder can't be written.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("{folder} is a file: expected a folder for the notebooks", folder=folder)
    shipped = sorted(resource_folder("notebooks").glob("*.ipynb"))
    missing = {path: folder / path.name for path in shipped if not (folder / path.name).exists()}
    for path, copy in missing.items():
        write_bytes(copy, path.read_bytes())
    return list(missing.values())
