"""Libraries get folders to write to where there is no home."""

import os
import pwd
import stat
import tempfile
from pathlib import Path

import pytest

from absslab.core.common.files import cache_folder
from absslab.core.common.home import private_folder, provide_home

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")
FOLDERS = ("MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "TORCHINDUCTOR_CACHE_DIR")


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """An environment of its own, with a folder for temporary files."""
    own = {name: value for name, value in os.environ.items() if name not in (*NAMES, *FOLDERS)}
    for name in ("XDG_CACHE_HOME", "ABSSLAB_CACHE"):
        own.pop(name, None)
    own["HOME"] = str(tmp_path)
    monkeypatch.setattr(os, "environ", own)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return own


def forbid_writing_to(folder, monkeypatch):
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != folder and allowed(path, mode)
    )


def test_where_there_is_a_home_nothing_is_set(environment, tmp_path):
    before = dict(environment)
    provide_home()
    assert environment == before
    assert cache_folder() == tmp_path / ".cache" / "absslab"


@pytest.mark.parametrize("home", ["/nonexistent", "", "~", None])
def test_without_a_home_there_is_a_private_one(environment, tmp_path, monkeypatch, home):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", home or "~"))
    provide_home()
    folder = tmp_path / f"absslab-{os.getuid()}"
    assert environment["HOME"] == str(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert Path(environment["XDG_CACHE_HOME"]).is_dir()
    assert all(Path(environment[name]).is_relative_to(folder) for name in FOLDERS)
    assert cache_folder().is_relative_to(folder)


def test_a_home_that_can_not_be_written_stays_and_caches_lie_elsewhere(
    environment, tmp_path, monkeypatch
):
    home = tmp_path / "home"
    home.mkdir()
    environment["HOME"] = str(home)
    environment["MPLCONFIGDIR"] = "/own"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", str(home)))
    forbid_writing_to(home, monkeypatch)
    assert cache_folder().is_relative_to(private_folder())
    provide_home()
    assert environment["HOME"] == str(home)
    assert environment["MPLCONFIGDIR"] == "/own"
    assert Path(environment["IPYTHONDIR"]).is_relative_to(private_folder())


def test_a_user_without_a_name_gets_one(environment, monkeypatch):
    def refuse(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", refuse)
    provide_home()
    assert environment["LOGNAME"] == f"user{os.getuid()}"


@pytest.mark.parametrize("taken", ["file", "open to all", "link"])
def test_a_folder_of_somebody_else_is_not_used(environment, tmp_path, taken):
    place = tmp_path / f"absslab-{os.getuid()}"
    if taken == "file":
        place.write_text("")
    elif taken == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.mkdir()
        place.chmod(0o777)
    folder = private_folder()
    assert folder != place
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
