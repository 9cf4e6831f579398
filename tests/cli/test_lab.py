"""absslab lab copies missing notebooks, keeps those that exist, and starts JupyterLab."""

import importlib.util
import json
import os
import sys

import pytest

from absslab.cli import lab
from absslab.cli.main import main


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """The notebooks of a package, beside the results of a run of one."""
    folder = tmp_path / "package" / "notebooks"
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "model.ckpt").touch()
    for name in ("1_first.ipynb", "2_second.ipynb"):
        (folder / name).write_text(f"{name} as shipped")
    monkeypatch.setattr(lab, "resource_folder", lambda name: folder)
    return folder


@pytest.fixture
def started(monkeypatch, tmp_path_factory):
    """The command lines of the programs that would have replaced this process."""
    lines = []
    monkeypatch.setenv("ABSSLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("JUPYTER_PATH", "")
    monkeypatch.setattr(os, "execv", lambda path, arguments: lines.append((path, arguments)))
    return lines


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_notebooks_are_copied_and_jupyterlab_is_started_there(
    shipped, started, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["lab"]) == 0
    assert names(tmp_path / "notebooks") == ["1_first.ipynb", "2_second.ipynb"]
    assert "copied to notebooks: 1_first.ipynb, 2_second.ipynb" in capsys.readouterr().out
    ((path, arguments),) = started
    assert path == arguments[0] == sys.executable
    assert arguments[1:3] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={tmp_path / 'notebooks'}" in arguments
    assert "--ServerApp.ip=127.0.0.1" in arguments


def test_what_a_person_has_is_never_overwritten(shipped, started, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    (own / "1_first.ipynb").write_text("mine")
    assert main(["lab", "--folder", str(own)]) == 0
    assert main(["lab", "--folder", str(own)]) == 0
    assert (own / "1_first.ipynb").read_text() == "mine"
    assert (own / "2_second.ipynb").read_text() == "2_second.ipynb as shipped"
    assert capsys.readouterr().out.count("copied") == 1


def test_a_clone_s_own_folder_is_used_as_it_is(shipped, started, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in shipped.rglob("*")}
    monkeypatch.chdir(shipped.parent)
    assert main(["lab"]) == 0
    assert {path: path.stat().st_mtime_ns for path in shipped.rglob("*")} == before
    assert f"--ServerApp.root_dir={shipped}" in started[0][1]


def test_flags_go_to_the_server(shipped, started, tmp_path):
    flags = [
        "--folder",
        str(tmp_path / "own"),
        "--port",
        "9999",
        "--host",
        "0.0.0.0",
        "--open_browser",
        "False",
    ]
    assert main(["lab", *flags]) == 0
    wanted = {"--ServerApp.port=9999", "--ServerApp.ip=0.0.0.0", "--ServerApp.open_browser=False"}
    assert wanted <= set(started[0][1])


def test_without_jupyterlab_one_line_says_how_to_get_it(started, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["lab"]) == 2
    error = capsys.readouterr().err
    assert error == "absslab lab: JupyterLab is not installed: pip install 'absslab[lab]'\n"
    assert (started, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--folder", "{tmp}/a_file"], "a_file is a file: expected a folder"),
        (["--folder", "{tmp}/a_file/below"], "Not a directory"),
        (["--port", "70000"], "port is 70000: expected at most 65535"),
        (["--ports", "1"], "unknown flag --ports; did you mean --port"),
    ],
)
def test_what_can_t_be_used_is_said(shipped, started, tmp_path, capsys, flags, message):
    (tmp_path / "a_file").touch()
    assert main(["lab", *(flag.format(tmp=tmp_path) for flag in flags)]) == 2
    assert message in capsys.readouterr().err
    assert started == []


def test_notebooks_get_this_python_even_if_another_is_called_python3(
    shipped, started, tmp_path, monkeypatch
):
    from jupyter_client.kernelspec import KernelSpecManager

    other = tmp_path / "data" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(
        json.dumps({"argv": ["/other/python"], "display_name": "other", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == "/other/python"
    assert main(["lab", "--folder", str(tmp_path / "own")]) == 0
    kernel = KernelSpecManager().get_kernel_spec("python3").argv
    assert kernel == [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
