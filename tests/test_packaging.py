"""The wheel holds package, notebooks and dashboards, built from a clone or from an sdist."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

pytest.importorskip("hatchling", reason="the extra dev installs it")

ROOT = Path(__file__).parents[1]
FOLDERS = ("absslab", "dashboards", "notebooks")
FILES = ("pyproject.toml", "README.md", "LICENSE", ".gitignore")


def build(folder: Path, target: str) -> Path:
    """Build a wheel or an sdist of a source folder, and return its path."""
    output = folder / "dist"
    command = [sys.executable, "-m", "hatchling", "build", "--target", target]
    subprocess.run([*command, "--directory", output], cwd=folder, check=True, capture_output=True)
    (path,) = output.glob({"wheel": "*.whl", "sdist": "*.tar.gz"}[target])
    return path


def files_below(folder: Path) -> set[str]:
    paths = folder.rglob("*")
    return {str(path.relative_to(folder)) for path in paths if path.is_file()}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the sources for building a wheel or an sdist."""
    folder = tmp_path_factory.mktemp("clone")
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "results")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def used_clone(clone, tmp_path_factory):
    """The same, with the files that Jupyter, reports and Python leave behind."""
    folder = shutil.copytree(clone, tmp_path_factory.mktemp("used") / "clone")
    for name in (
        "notebooks/.ipynb_checkpoints/1-checkpoint.ipynb",
        "notebooks/results/report.html",
        "dashboards/.ipynb_checkpoints/listen-checkpoint.ipynb",
        "absslab/__pycache__/demo.cpython-311.pyc",
    ):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return folder


@pytest.fixture(scope="module")
def wheel(used_clone):
    with ZipFile(build(used_clone, "wheel")) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_package_with_notebooks_and_dashboards(clone, wheel):
    expected = {f"absslab/{name}" for name in files_below(clone / "absslab")}
    for folder in ("dashboards", "notebooks"):
        expected |= {f"absslab/{folder}/{name}" for name in files_below(clone / folder)}
    assert wheel == expected


def test_the_wheel_holds_what_is_not_python(wheel):
    assert {
        "absslab/py.typed",
        "absslab/dashboards/voila.json",
        "absslab/dashboards/voila/templates/absslab/dashboard.css",
        "absslab/notebooks/6_report.ipynb",
        "absslab/plots/templates/table.html.j2",
        "absslab/report/templates/page.html.j2",
        "absslab/widgets/dashboards/pages/templates/heading.html.j2",
        "absslab/widgets/dashboards/static/page_heartbeat.js",
        "absslab/widgets/player/static/player.js",
        "absslab/widgets/ui/css/panel.css",
        "absslab/widgets/ui/templates/style.html.j2",
    } <= wheel


def test_an_sdist_builds_the_same_wheel(used_clone, wheel, tmp_path):
    with tarfile.open(build(used_clone, "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    with ZipFile(build(unpacked, "wheel")) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == wheel


def test_the_wheel_has_the_version_of_the_package(used_clone, wheel):
    from absslab.core.common.version import __version__

    (path,) = (used_clone / "dist").glob("*.whl")
    assert path.name.split("-")[:2] == ["absslab", __version__]
