"""The files of the project agree with each other."""

import ast
import dataclasses
import importlib.util
import pkgutil
import re
import tomllib
from pathlib import Path

import yaml

import absslab
from absslab.cli.main import COMMANDS
from absslab.core.common.config import Config
from absslab.core.thesis.flags import FLAGS

ROOT = Path(__file__).parents[1]
PAGES = [  # the README and the manual, which holds what the README links to
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
CONDA_NAMES = {"pysoundfile": "soundfile", "soxr-python": "soxr", "pytorch": "torch"}


def requirement(text: str) -> tuple[str, str]:
    name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", text.replace(" ", "")).groups()
    name = CONDA_NAMES.get(name, name)
    return name.lower().replace("_", "-"), bounds


def test_the_conda_environment_has_the_same_packages_and_bounds_as_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed_extras = [extras[name] for name in extras if name not in ("psds", "benchmark")]
    wanted = [*project["dependencies"], *(line for lines in listed_extras for line in lines)]
    wanted = {requirement(line) for line in wanted if not line.startswith("absslab[")}
    wanted.add(("python", project["requires-python"]))
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = [line for line in listed[-1]["pip"] if not line.startswith("--")]
    lines = [line for line in listed if isinstance(line, str) and line != "pip"]
    assert {requirement(line) for line in [*lines, *by_pip]} == wanted


def test_the_readme_names_commands_flags_and_files_that_exist():
    text = "\n".join(path.read_text() for path in PAGES)
    commands = set(re.findall(r"^absslab ([a-z][a-z-]+)", text, flags=re.MULTILINE))
    assert commands
    assert commands <= set(COMMANDS)
    for target in re.findall(r"^make ([a-z]+)", text, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE), (
            target
        )
    for path in re.findall(r"(?:\]\(|`)((?:docs|absslab|benchmarks)/[\w./]+)", text):
        assert (ROOT / path).exists(), path
    for module in pkgutil.walk_packages(absslab.__path__, "absslab."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    fields = [field for config in Config.__subclasses__() for field in dataclasses.fields(config)]
    known = {name for field in fields for name in (field.name, *field.metadata["aliases"])}
    known |= {"recipe", "checkpoint_path", "output", "mode", "help", "classes", "copy_to"}
    known |= {"separated_audio_folder"}  # of the thesis' separation
    known |= set(FLAGS)  # of the thesis
    known |= {"training_percentage", "development_percentage"}  # of its mixing script
    for script in (*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "docs").glob("*.py")):
        known |= set(re.findall(r'add_argument\("--(\w+)"', script.read_text()))
    known |= {"editable", "index", "directory"}  # of pip and of http.server
    known |= {
        "standalone",
        "nnodes",
        "nproc_per_node",
        "rdzv_backend",
        "rdzv_endpoint",
    }  # of torchrun
    known |= {"gres", "lifetime", "memory", "nthreads", "nworkers"}  # of SLURM and of dask worker
    text += (ROOT / "CHANGELOG.md").read_text()
    flags = set(re.findall(r"(?<![\w-])--([A-Za-z]\w*)", text))
    assert flags - known == set()


def test_scripts_import_names_that_exist():
    """Scripts of benchmarks take long, so that most of them are run by no test."""
    for folder in ("benchmarks", "docs"):
        for script in (ROOT / folder).glob("*.py"):
            for node in ast.walk(ast.parse(script.read_text())):
                if not isinstance(node, ast.ImportFrom) or not node.module.startswith("absslab"):
                    continue
                module = importlib.import_module(node.module)
                for alias in node.names:
                    name = f"{node.module}.{alias.name}"
                    exists = hasattr(module, alias.name) or importlib.util.find_spec(name)
                    assert exists, (script.name, name)


def test_no_source_file_has_more_than_560_lines():
    files = [path for suffix in ("py", "mjs") for path in (ROOT / "absslab").rglob(f"*.{suffix}")]
    assert {path.suffix for path in files} == {".py", ".mjs"}
    assert {path.name: n for path in files if (n := len(path.read_text().splitlines())) > 560} == {}
