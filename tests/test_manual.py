"""The paths and names in the manual exist, its commands are valid, and its code runs."""

import doctest
import importlib
import importlib.util
import pkgutil
import re
import shlex
import shutil
import sys
import tokenize
import tomllib
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import numpy as np
import pytest
import yaml
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

import absslab
from absslab.cli.main import COMMANDS, import_command, main
from absslab.cli.parser import Parser
from absslab.core.audio import sound_files
from absslab.core.common.notices import collect_notices
from absslab.core.model.mask_networks import MASK_NETS
from absslab.core.model.pooling import POOLINGS

ROOT = Path(__file__).parents[1]
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "data/README.md")
PAGES = [*TOP, *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
FOLDERS = ("absslab", "benchmarks", "dashboards", "docs", "notebooks", "tests")
WRITTEN = {"notebooks/results"}  # by what the page describes
MARKDOWN = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], pattern="*.md")


def script(name: str) -> ModuleType:
    """Import a script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """All pages of the manual, including those made from the code."""
    folder = tmp_path_factory.mktemp("manual") / "pages"
    script("make_pages").make_pages(folder)
    return folder


@pytest.fixture(scope="module")
def place(event_folder, mixtures, checkpoint, tmp_path_factory) -> Path:
    """A folder with the files that the examples of the manual need."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "data/runs").mkdir(parents=True)
    (folder / "data/recordings").symlink_to(event_folder)
    (folder / "data/mixtures").symlink_to(mixtures)
    shutil.copy(checkpoint, folder / "data/runs/first.ckpt")
    shutil.copytree(checkpoint.with_suffix(""), folder / "data/runs/first")
    shutil.copy(mixtures / "test/000000.wav", folder / "meeting.wav")
    arguments = ["--checkpoint_path", str(checkpoint), "--input", str(folder / "meeting.wav")]
    output = ["--output_folder", str(folder / "data/separated"), "--device", "cpu"]
    assert main(["separate", *arguments, *output]) == 0
    return folder


@pytest.fixture
def names(place, small_model, monkeypatch) -> dict[str, object]:
    """The variables that examples use without defining them."""
    monkeypatch.chdir(place)
    samples = sound_files.load("meeting.wav")
    references = np.stack([np.roll(samples, shift) for shift in (0, 4000)])  # (2, N)
    return {
        "absslab": absslab,
        "cleaned": 0.5 * samples,
        "estimates": references + 0.1 * np.roll(references, 100),
        "references": references,
        "samples": samples,
        "small_model": small_model,
    }


def shell_lines(text: str) -> list[str]:
    """Return the commands in the shell blocks of a page, with continued lines joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line]


def find_backticked(text: str) -> list[str]:
    """Return the text in backticks on a page, outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def resolves(dotted: str) -> bool:
    """Tell whether a dotted name is a module or a name in one."""
    module = dotted
    rest: list[str] = []
    while module:
        try:
            value = importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            rest = [last, *rest]
            continue
        for name in rest:
            value = getattr(value, name, None)
        return value is not None
    return False


@pytest.mark.parametrize("page", PAGES)
def test_every_path_and_dotted_name_of_a_page_exists(page):
    text = (ROOT / page).read_text()
    mentioned = [*find_backticked(text), *re.findall(r"python ((?:benchmarks|docs)/\w+\.py)", text)]
    paths = [name for name in mentioned if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*", name)]
    missing = [path for path in paths if not (ROOT / path).exists() and path not in WRITTEN]
    dotted = [name for name in mentioned if re.fullmatch(r"absslab(\.\w+)+", name)]
    assert missing + [name for name in dotted if not resolves(name)] == []


def test_every_identifier_of_the_architecture_is_in_the_code():
    suffixes = {".py", ".pyi", ".mjs", ".toml", ".j2", ".json", ".ipynb"}
    folders = [ROOT / name for name in FOLDERS if name != "docs"]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in suffixes]
    code = "\n".join(path.read_text() for path in [*files, ROOT / "pyproject.toml"])
    words = set(re.findall(r"\w+", code)) | {path.name for path in files}
    names = find_backticked((ROOT / "ARCHITECTURE.md").read_text())
    names = [name for name in names if re.fullmatch(r"[A-Za-z_][\w.]*(?:\(\))?", name)]
    unknown = [
        name
        for name in names
        if name not in words and not set(name.removesuffix("()").split(".")) <= words
    ]
    assert [name for name in unknown if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", TOP)
def test_links_of_the_files_at_the_top_lead_to_files(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", (ROOT / page).read_text())
    folder = (ROOT / page).parent
    assert [link for link in links if not (folder / link).exists()] == []


def test_links_of_the_manual_lead_to_its_pages(built):
    for page in built.rglob("*.md"):
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
        links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
        assert [link for link in links if not (page.parent / link).exists()] == [], page


def test_the_navigation_names_every_page(built):
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]

    def pages(entries):
        for entry in entries:
            if isinstance(entry, str):
                yield entry
            else:
                for inside in entry.values():
                    yield from [inside] if isinstance(inside, str) else pages(inside)

    files = {str(path.relative_to(built)) for path in built.rglob("*.md")}
    assert set(pages(nav)) == files


def flags_of_help(capsys, *arguments: str) -> set[str]:
    """Return the flags that the help of a command describes."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    lines = re.findall(r"^  (-.*)", capsys.readouterr().out, flags=re.MULTILINE)
    return set(re.findall(r"(?<![\w-])--[A-Za-z]\w*", "\n".join(lines))) - {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_of_a_command_has_the_flags_of_its_help(name, built, capsys):
    text = (built / "reference/commands.md").read_text()
    (section,) = re.findall(rf"^## absslab {name}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    described = set(re.findall(r"`(--\w+)`\{\.flag\}", section))
    flags = flags_of_help(capsys, name)
    if name == "train":  # it has other flags with other models
        for kind in MASK_NETS:
            flags |= flags_of_help(capsys, name, "--model_type", kind)
        for kind in POOLINGS:
            flags |= flags_of_help(capsys, name, "--pooling", kind)
    assert flags
    assert described == flags


def test_the_page_of_installation_names_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "docs/start/install.md").read_text()
    rows = set(re.findall(r"^\| `([\w-]+)` \|", text, flags=re.MULTILINE))
    assert rows == set(project["optional-dependencies"])


def test_the_architecture_names_every_package_and_folder_of_tests():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    (tree,) = re.findall(r"^## Packages\n\n```\n(.*?)^```", text, flags=re.M | re.S)
    modules = pkgutil.walk_packages(absslab.__path__, "absslab.")
    packages = {module.name.rpartition(".")[2] for module in modules if module.ispkg}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    names = packages | {name for name in folders if name.isidentifier() and name[0] != "_"}
    words = set(re.findall(r"\w+", tree))
    assert names - words == set()
    # A line of the tree begins with the name of a package or of a module.
    first = re.findall(r"^ +(\w+)/ ", tree, flags=re.MULTILINE)
    assert set(first) - packages == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_understood(page):
    """Commands are parsed by their own parsers, but not run."""
    parse = Parser.parse

    class ParsedError(Exception):
        pass

    def parse_only(parser, *args, **options):
        parse(parser, *args, **options)
        raise ParsedError

    for line in shell_lines((ROOT / page).read_text()):
        words = shlex.split(line, comments=True)
        if words[:3] == ["python", "-m", "absslab"]:
            words = words[2:]
        if not words or words[0] != "absslab":
            continue
        if "--help" in words:
            assert words[1] in (*COMMANDS, "COMMAND", "--help")
            continue
        at = words.index("--mode") if "--mode" in words else 0
        command = import_command(words[at + 1])
        with (
            patch.object(Parser, "parse", parse_only),
            collect_notices(),
            pytest.raises(ParsedError),
        ):
            command.run(words[1:at] + words[at + 2 :])


@pytest.mark.parametrize("page", PAGES)
def test_the_python_code_of_a_page_runs(page, names):
    document = MARKDOWN.parse(ROOT / page)
    document.namespace.update(names)
    for example in document.examples():
        example.evaluate()


def modules_with_examples() -> list[str]:
    """Find the modules whose docstrings contain examples."""
    modules = []
    for module in pkgutil.walk_packages(absslab.__path__, "absslab."):
        path = Path(importlib.util.find_spec(module.name).origin)
        with tokenize.open(path) as file:
            if ">>> " in file.read():
                modules.append(module.name)
    return modules


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_docstrings_run(name, names, mixtures, event_folder, checkpoint, tmp_path):
    mixture = mixtures / "test/000000.wav"
    variables = names | {
        "event_folder": event_folder,
        "mixture": mixture,
        "mixture_folder": mixtures,
        "model": checkpoint,
        "separator": absslab.Separator.from_checkpoint(checkpoint),
        "tmp_path": tmp_path,
        "waveform": sound_files.load(mixture),
    }
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    tests = doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs=variables)
    for test in tests:
        assert runner.run(test).failed == 0, test.name
    assert runner.tries > 0
    assert "doctest: +SKIP" not in Path(module.__file__).read_text()


def test_the_pictures_are_drawn(tmp_path):
    paths = script("pictures").write_pictures(tmp_path)
    assert {path.name for path in paths} < {
        path.name for path in (ROOT / "docs/pictures").iterdir()
    }
    assert all(path.stat().st_size > 10_000 for path in paths)


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("<img src='https://example.org/a.png'>", "loads https://example.org/a.png"),
        ("<script src='//example.org/a.js'></script>", "loads //example.org/a.js"),
        ("<link rel=stylesheet href='https://example.org/a.css'>", "loads https://example.org"),
        ("<p style='background: url(https://example.org/b)'>", "loads https://example.org/b"),
        ("<img src='none.png'>", "none.png, which does not exist"),
    ],
)
def test_a_page_that_loads_from_elsewhere_is_found(page, problem, tmp_path):
    (tmp_path / "index.html").write_text(f"<a href='https://example.org'>a link</a>{page}")
    (line,) = script("check_site").problems(tmp_path)
    assert problem in line


def test_a_page_that_loads_its_own_files_is_fine(tmp_path):
    (tmp_path / "a.css").write_text("p { background: url('data:image/png;base64,') }")
    (tmp_path / "index.html").write_text("<link rel=stylesheet href=a.css><a href='//b.org'>b</a>")
    assert list(script("check_site").problems(tmp_path)) == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
