"""Settings are checked before a server starts, and reach the kernels of its visitors."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from jupyter_server.services.kernels.kernelmanager import (
    MappingKernelManager,
    ServerKernelManager,
)

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.resources import resource_folder
from absslab.widgets.dashboards import server as server_module
from absslab.widgets.dashboards.checks import validate_settings
from absslab.widgets.dashboards.registry import DASHBOARDS
from absslab.widgets.dashboards.server import (
    DashboardServer,
    OwnKernelSpecs,
    ensure_token,
    serve,
)
from absslab.widgets.dashboards.settings import (
    ENVIRONMENT,
    DashboardConfig,
    ServerConfig,
    settings_from_environment,
)
from absslab.widgets.dashboards.visitors import (
    create_server_folder,
    create_visitor_folder,
    remove_abandoned_folders,
)


def test_every_dashboard_is_a_notebook_of_one_cell_that_opens_its_page():
    for name in DASHBOARDS:
        notebook = json.loads((resource_folder("dashboards") / f"{name}.ipynb").read_text())
        (cell,) = notebook["cells"]
        assert f'open_page("{name}")' in "".join(cell["source"])
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_every_dashboard_has_a_page_of_its_own():
    pages = {name: dashboard.import_page().__name__ for name, dashboard in DASHBOARDS.items()}
    assert pages == {name: f"{name.capitalize()}Page" for name in DASHBOARDS}


def test_the_template_names_no_other_machine():
    for path in (resource_folder("dashboards") / "voila").rglob("*"):
        if path.is_file():
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert re.findall(r"(?:https?:|[\"'(])//\w", text) == [], path


def test_paths_are_made_absolute_and_defaults_are_filled_in(run, monkeypatch):
    monkeypatch.chdir(run.parent)
    config = validate_settings("listen", DashboardConfig(run_directory=(run.name,)))
    assert config.run_directory == (str(run),)
    assert config.runs_folder == str(run.parent)
    assert config.votes_folder == str(run.parent / "listening_tests")


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("listen", {}, "names 0 runs: listen shows 1"),
        ("lisen", {"run_directory": ("RUN",)}, "there is no dashboard 'lisen'"),
        ("compare", {"run_directory": ("RUN",)}, "names 1 runs: compare shows 2"),
        ("separate", {"run_directory": ("RUN", "RUN")}, "names 2 runs"),
        ("listen", {"run_directory": ("nowhere",)}, "nowhere is not a run directory"),
        ("monitor", {"runs_folder": "nowhere"}, "nowhere is not a directory"),
        (
            "listen",
            {"run_directory": ("RUN",), "mixture_folder": "nowhere"},
            "mixture_folder is 'nowhere'",
        ),
        ("listen", {"run_directory": ("RUN",), "mixture_folder": "."}, "train"),
        ("listen", {"run_directory": ("RUN",), "device": "cuda:99"}, "cuda"),
        ("compare", {"run_directory": ("RUN", "RUN")}, "is named twice"),
    ],
)
def test_what_can_not_be_served_is_said(run, name, given, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "run_directory" in given:
        given = given | {
            "run_directory": tuple(
                str(run) if name == "RUN" else name for name in given["run_directory"]
            )
        }
    with pytest.raises(InputError, match=line):
        validate_settings(name, DashboardConfig(**given))


def test_a_run_without_a_model_can_be_followed_but_not_heard(run, tmp_path):
    shutil.copytree(run, tmp_path / "young")
    with pytest.raises(InputError, match="has no model yet"):
        validate_settings("listen", DashboardConfig(run_directory=(str(tmp_path / "young"),)))
    assert validate_settings(
        "monitor", DashboardConfig(run_directory=(str(tmp_path / "young"),))
    ).runs_folder == str(tmp_path)


def test_a_server_that_others_reach_has_a_token():
    assert ensure_token(ServerConfig()).token == ""
    tokens = [ensure_token(ServerConfig(host="0.0.0.0")).token for _ in range(2)]
    assert min(map(len, tokens)) >= 24
    assert tokens[0] != tokens[1]
    assert ensure_token(ServerConfig(host="0.0.0.0", token="mine")).token == "mine"
    assert ensure_token(ServerConfig(host="0.0.0.0", token="none")).token == "none"
    assert ensure_token(ServerConfig(), allow_training=True).token


def test_a_port_that_is_taken_is_said_before_anything_is_started(run):
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        with pytest.raises(InputError, match=r"cannot listen on 127\.0\.0\.1:"):
            serve(
                "listen",
                DashboardConfig(run_directory=(str(run),)),
                ServerConfig(port=occupied.getsockname()[1]),
            )


def test_an_address_that_is_not_this_machines_is_said():
    with pytest.raises(InputError, match="choose another host or port"):
        serve("monitor", DashboardConfig(), ServerConfig(host="192.0.2.1", port=0))


def test_kernels_hear_what_the_server_was_told_and_nothing_is_left(run, monkeypatch, tmp_path):
    started = {}

    class App:
        voila_configuration = SimpleNamespace()

        def __init__(self, server, folder, allow_training):
            started.update(server=server, folder=folder, allow_training=allow_training)

        def initialize(self, arguments):
            started["arguments"] = arguments

        def start(self):
            started.update(told=settings_from_environment(), is_there=started["folder"].is_dir())

    monkeypatch.setattr(server_module, "DashboardServer", App)
    monkeypatch.setenv(ENVIRONMENT, "{}")
    monkeypatch.setenv("JUPYTER_PATH", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = DashboardConfig(
        run_directory=(str(run),), max_uploads=3, visitors_folder=str(tmp_path / "visitors")
    )
    hangup = signal.getsignal(signal.SIGHUP)
    serve("listen", config, ServerConfig(port=0, max_visitors=2, preheat=1))
    signal.signal(signal.SIGHUP, hangup)
    assert started["told"].max_uploads == 3
    assert started["told"].visitors_folder == str(started["folder"])
    assert started["is_there"]
    assert started["server"].port > 0, "0 means any free port"
    assert App.voila_configuration.kernel_spec_manager_class is OwnKernelSpecs
    assert OwnKernelSpecs().get_kernel_spec("python3").argv[0] == sys.executable
    assert list((tmp_path / "visitors").iterdir()) == []
    assert "--VoilaConfiguration.preheat_kernel=True" in started["arguments"]
    assert f"--Voila.connection_dir_root={started['folder']}" in started["arguments"]
    assert os.environ["JUPYTER_PATH"] == str(resource_folder("dashboards"))


def test_folders_of_processes_that_are_gone_are_removed(tmp_path):
    folder = create_visitor_folder(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    code = (
        "import os, sys; from absslab.widgets.dashboards.visitors import create_visitor_folder\n"
        "create_visitor_folder(sys.argv[1]); os._exit(1)"  # killed
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (tmp_path / "visitor-x-mine").mkdir()
    assert len(list(tmp_path.iterdir())) == 3
    assert remove_abandoned_folders(tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, "visitor-x-mine"}


def test_a_server_removes_what_killed_servers_left(tmp_path):
    code = (
        "import os, sys; from absslab.widgets.dashboards.visitors import create_server_folder\n"
        "create_server_folder(sys.argv[1]); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    ours = create_server_folder(tmp_path)
    assert list(tmp_path.iterdir()) == [ours]
    assert left != ours
    assert ours.is_absolute()


def test_a_process_can_not_take_more_memory_than_its_limit():
    code = (
        "import numpy as np\n"
        "from absslab.widgets.dashboards.visitors import limit_memory\n"
        "limit_memory(500)\n"
        "np.ones(10_000_000)\n"
        "try:\n"
        "    np.ones(100_000_000)\n"
        "except MemoryError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_a_file_can_not_become_larger_than_its_limit(tmp_path):
    code = (
        "import sys\n"
        "from absslab.widgets.dashboards.visitors import limit_files\n"
        "limit_files(1)\n"
        "try:\n"
        "    open(sys.argv[1], 'wb').write(bytes(2_000_000))\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "large")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"


def test_a_process_that_ends_takes_its_folder_with_it(tmp_path):
    code = (
        "import sys; from absslab.widgets.dashboards.visitors import create_visitor_folder\n"
        "print(create_visitor_folder(sys.argv[1]).is_dir())"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout
    assert out.strip() == "True"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "the name of a dashboard is missing: expected one of listen (see and hear"),
        (["lisen"], "there is no dashboard 'lisen'; did you mean listen?"),
        (["listen"], "listen shows 1"),
        (["listen", "--prot", "1"], "unknown flag --prot; did you mean --port?"),
        (["listen", "--port", "99999"], "port is 99999"),
    ],
)
def test_bad_usage_is_one_line(arguments, line, capsys):
    assert main(["dashboard", *arguments]) == 2
    printed = capsys.readouterr().err
    assert line in " ".join(printed.split())
    assert printed.count("\n") == 1


def test_without_voila_it_says_how_to_get_it(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "absslab.widgets.dashboards.server", None)
    monkeypatch.delitem(sys.modules, "absslab.widgets.dashboards.server")
    monkeypatch.setitem(sys.modules, "voila.app", None)
    assert main(["dashboard", "listen", "--run_directory", str(run)]) == 2
    assert "pip install 'absslab[lab]'" in capsys.readouterr().err


def test_the_processes_of_all_visitors_share_one_recorder_of_events(tmp_path):
    """Python keeps the logger of each recorder for as long as the server runs."""
    server = DashboardServer(ServerConfig(), tmp_path)
    manager = MappingKernelManager(parent=server)
    recorders = [ServerKernelManager(parent=manager).event_logger for _ in range(3)]
    assert all(recorder is server.event_logger for recorder in recorders)
