"""What is served, to whom, and within which limits: told to the server by flags, to its kernels by their environment."""

import json
import os
from dataclasses import dataclass

from absslab.core.common.config import Config, option
from absslab.core.data.splits import SPLITS

DASHBOARDS = {
    "listen": "the test mixtures of a run: see them, hear them, compare with references and scores",
    "separate": "take a sound apart, keep or remove what is in it, hear it before and after, download it",
    "monitor": "trainings as they run, to look at",
    "compare": "two runs on the same mixtures, and a blind listening test whose votes are kept",
}  # each is the notebook of this name
ENVIRONMENT = "ABSSLAB_DASHBOARD"  # settings as JSON, in the environment of each visitor's kernel
NO_TOKEN = "none"


@dataclass(frozen=True)
class DashboardConfig(Config):
    """What is shown, and what a visitor may do."""

    run_directory: tuple[str, ...] = option((), "the run to show; compare takes two of them")
    runs_folder: str = option(
        "", "of monitor: the folder with the runs; by default the one that run_directory is in"
    )
    split: str = option("test", "whose mixtures are offered", choices=SPLITS)
    mixture_folder: str = option(
        "", "where the mixtures are now, if not where the run was trained on them"
    )
    device: str = option("cpu", "that separates: cpu, auto, cuda, cuda:1, …")
    max_upload_size: float = option(100.0, "of an upload", unit="MB", above=0, at_most=4000)
    max_uploads: int = option(20, "of one visitor", at_least=0)
    max_duration: float = option(300.0, "of a sound that is separated", unit="s", above=0)
    votes_folder: str = option(
        "", "where compare keeps its votes; by default listening_tests beside the first run"
    )
    allow_training: bool = option(
        False, "monitor may also start and stop trainings, with files and folders of this machine"
    )
    visitors_folder: str = option(
        "", "where uploads are kept while they are needed; by default among temporary files"
    )


@dataclass(frozen=True)
class ServerConfig(Config):
    """Where it is served, and how many may come."""

    host: str = option(
        "127.0.0.1", "address to listen on; any but this machine's own needs a token"
    )
    port: int = option(8866, "to listen on; 0: any that is free", at_least=0, at_most=65535)
    base_url: str = option("/", "path below which a proxy reaches it")
    token: str = option(
        "", f"that visitors have to give; {NO_TOKEN}: a proxy in front of it knows who may enter"
    )
    max_visitors: int = option(8, "at a time; each is a process of its own", at_least=1)
    idle_time: float = option(
        300.0, "after which a page that was left behind is ended", unit="s", at_least=10
    )
    preheat: int = option(0, "processes kept ready, so that pages open at once", at_least=0)
    open_browser: bool = option(False, "open the page here")


def settings_from_environment() -> DashboardConfig:
    """The settings of the dashboard that this process belongs to; the defaults where it belongs to none."""
    return DashboardConfig.from_json(json.loads(os.environ.get(ENVIRONMENT, "{}")))
