"""Settings of a dashboard and of its server.

The server gets them as flags, and passes those of the dashboard on to its kernels in their
environment.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.data.splits import SPLITS

ENVIRONMENT = "ABSSLAB_DASHBOARD"  # settings as JSON, in the environment of each visitor's kernel
NO_TOKEN = "none"


@dataclass(frozen=True)
class DashboardConfig(Config):
    """What a dashboard shows, and what a visitor may do."""

    run_directory: tuple[str, ...] = option((), "the run to show; compare needs two")
    runs_folder: str = option(
        "", "for monitor: the folder with the runs; by default the parent of run_directory"
    )
    split: str = option("test", "whose mixtures are offered", choices=SPLITS)
    mixture_folder: str = option(
        "", "where the mixtures are now, if they were moved since the run was trained on them"
    )
    device: str = option("cpu", "that separates: cpu, auto, cuda, cuda:1, …")
    max_upload_size: float = option(
        100.0, "largest size of an upload", unit="MB", above=0, at_most=4000
    )
    max_uploads: int = option(20, "number of uploads that each visitor may make", at_least=0)
    max_duration: float = option(300.0, "longest recording to separate", unit="s", above=0)
    votes_folder: str = option(
        "", "where compare stores its votes; by default listening_tests beside the first run"
    )
    allow_training: bool = option(
        False, "let visitors of monitor start and stop trainings, which read and write files here"
    )
    visitors_folder: str = option(
        "", "where uploads are stored while they are needed; by default a temporary folder"
    )


@dataclass(frozen=True)
class ServerConfig(Config):
    """The address of a dashboard's server, who may enter, and how many."""

    host: str = option(
        "127.0.0.1", "address to listen on; any but this machine's own needs a token"
    )
    port: int = option(8866, "to listen on; 0: any that is free", at_least=0, at_most=65535)
    base_url: str = option("/", "path below which a proxy reaches the server")
    token: str = option(
        "", f"that visitors have to enter; {NO_TOKEN}: a proxy in front decides who may enter"
    )
    max_visitors: int = option(
        8, "number of visitors at a time; each has a process of their own", at_least=1
    )
    idle_time: float = option(
        300.0, "after which a page that nobody looks at is ended", unit="s", at_least=10
    )
    preheat: int = option(
        0, "number of processes started ahead, so that pages open at once", at_least=0
    )
    open_browser: bool = option(False, "open the page in a browser on this machine")


def settings_from_environment() -> DashboardConfig:
    """Return the settings of the dashboard that runs this kernel, or the defaults outside one."""
    return DashboardConfig.from_json(json.loads(os.environ.get(ENVIRONMENT, "{}")))


def same_run_error(run: Path) -> InputError:
    """Return the error for a run that would be compared with itself."""
    return InputError("{run} is named twice: expected two runs to compare", run=run)
