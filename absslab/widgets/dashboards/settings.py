"""Settings of a dashboard and of its server.

The server gets both as flags. It passes the settings of the dashboard to its kernels in an
environment variable.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.config import Config, option
from absslab.core.common.devices import device_option
from absslab.core.common.errors import InputError
from absslab.core.data.splits import SPLITS

ENVIRONMENT = "ABSSLAB_DASHBOARD"  # settings as JSON, in the environment of each visitor's kernel
NO_TOKEN = "none"


@dataclass(frozen=True)
class DashboardConfig(Config):
    """Content of the dashboard, and limits for its visitors."""

    run_directory: tuple[str, ...] = option(
        (), "run directory of the run to show; compare needs two", metavar="FOLDER"
    )
    runs_folder: str = option(
        "",
        "for monitor: folder of the runs; by default the parent of run_directory",
        metavar="FOLDER",
    )
    split: str = option("test", "split whose mixtures can be chosen", choices=SPLITS)
    mixture_folder: str = option(
        "",
        "folder of the mixtures, if they were moved since the run was trained on them",
        metavar="FOLDER",
    )
    device: str = device_option("cpu", "device for separation: ")
    max_upload_size: float = option(
        100.0, "largest size of an upload", unit="MB", above=0, at_most=4000
    )
    max_uploads: int = option(20, "largest number of uploads per visitor", at_least=0)
    max_duration: float = option(
        300.0, "length of the longest recording that can be separated", unit="s", above=0
    )
    max_memory: float = option(
        4000.0,
        "memory that the process of a visitor may take on the CPU, unless allow_training is set; "
        "0: no limit",
        unit="MB",
        at_least=0,
    )
    max_disk: float = option(
        4000.0,
        "disk that the files of a visitor may take: uploads, and what is made of them; 0: no limit",
        unit="MB",
        at_least=0,
    )
    votes_folder: str = option(
        "",
        "for compare: folder for the votes; by default listening_tests beside the first run",
        metavar="FOLDER",
    )
    allow_training: bool = option(
        False,
        "for monitor: let visitors start and stop trainings, which read and write files of the "
        "server",
    )
    visitors_folder: str = option(
        "",
        "folder for uploads while they are in use; by default a temporary folder",
        metavar="FOLDER",
    )


@dataclass(frozen=True)
class ServerConfig(Config):
    """Address of the server, and access of visitors."""

    host: str = option(
        "127.0.0.1",
        "address to listen on; one that other machines can reach needs a token",
        metavar="ADDRESS",
    )
    port: int = option(8866, "port to listen on; 0: any free port", at_least=0, at_most=65535)
    public_host: tuple[str, ...] = option(
        (),
        "names by which a proxy or the network reaches the server, such as sounds.example.org",
        metavar="NAME",
    )
    trusted_proxy: tuple[str, ...] = option(
        (),
        "addresses of proxies whose X-Forwarded-For is believed, so that limits hold for each "
        "visitor's own address; by default this machine's own, if no other can reach the server",
        metavar="ADDRESS",
    )
    base_url: str = option("/", "path of the server's URL, if a proxy adds one", metavar="PATH")
    token: str = option(
        "",
        f"token that visitors have to enter; {NO_TOKEN}: no token, since a proxy checks visitors",
        metavar="TOKEN",
    )
    max_visitors: int = option(
        8, "largest number of visitors at the same time; each gets its own process", at_least=1
    )
    max_visitors_per_address: int = option(
        0,
        "largest number of visitors at the same time from one address; 0: three quarters of "
        "max_visitors, and all of them from this machine, where a proxy may be",
        at_least=0,
    )
    idle_time: float = option(
        300.0,
        "time after which the process of a page that nobody has open is ended",
        unit="s",
        at_least=10,
    )
    preheat: int = option(
        0, "number of processes started in advance, so that pages open fast", at_least=0
    )
    open_browser: bool = option(False, "open the page in a browser on this machine")


def settings_from_environment() -> DashboardConfig:
    """Return the settings of the dashboard that runs this kernel, or the defaults outside one."""
    return DashboardConfig.from_json(json.loads(os.environ.get(ENVIRONMENT, "{}")))


def same_run_error(run: Path) -> InputError:
    """Return the error for a run that would be compared with itself."""
    return InputError("{run} is named twice: expected two runs to compare", run=run)
