"""Collect the pages of the manual: those written by hand in docs/, and those made from the code.

python docs/make_pages.py build/manual

This writes the references of commands and of Python, the notebooks as pages, and copies of files at
the top of the repository. `make docs` then builds the site from the folder, which is named in
`mkdocs.yml`.
"""

import importlib
import itertools
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat
from nbconvert import MarkdownExporter
from thesis_page import thesis_page

import absslab
from absslab.cli.main import COMMANDS, import_command
from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, describe_config, format_setting
from absslab.core.model.mask_networks import MASK_NETS
from absslab.core.model.pooling import POOLINGS
from absslab.core.training.recipes import RECIPES

ROOT = Path(__file__).parents[1]
COPIED = {  # page → the file at the top of the repository that it shows
    "development/architecture.md": "ARCHITECTURE.md",
    "development/contributing.md": "CONTRIBUTING.md",
    "development/changes.md": "CHANGELOG.md",
}
CHOICES = (("model_type", MASK_NETS), ("pooling", POOLINGS))

GENERAL = ("positional arguments", "options")  # groups that argparse makes
DEPENDENT = {  # titles of flags that exist only with one value of another flag
    describe_config(config)[0] for config, *_ in [*MASK_NETS.values(), *POOLINGS.values()]
}


def make_pages(folder: Path) -> None:
    """Write all pages of the manual.

    Args:
        folder: folder for the pages; its earlier content is removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py", "__pycache__", ".*")
    )
    pages = {page: _copied_page(name) for page, name in COPIED.items()}
    pages["reference/commands.md"] = "\n".join(_commands_page())
    pages["reference/python.md"] = "\n".join(_python_page())
    pages["reference/thesis.md"] = "\n".join(thesis_page())
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        pages[f"notebooks/{path.stem}.md"] = _notebook_page(path)
    for page, text in pages.items():
        path = folder / page
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def _notebook_page(path: Path) -> str:
    """Return a notebook as Markdown; its outputs are not in the repository.

    Its links lead to the pages of the manual.
    """
    notebook = nbformat.read(path, as_version=4)
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    text = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", text)
    return text.replace("](../docs/", "](../")


def _copied_page(name: str) -> str:
    """Return a file of the repository with its links changed to the pages of the manual."""
    text = (ROOT / name).read_text()
    pages = {name: page for page, name in COPIED.items()}

    def link(match: re.Match[str]) -> str:
        target = match[1]
        if target in pages:
            return f"]({Path(pages[target]).name})"
        return f"](../{target.removeprefix('docs/')})"

    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", link, text)


class ParserMadeError(Exception):
    """Raised in place of parsing, with the parser that a command has made."""


def command_parser(name: str, arguments: Sequence[str] = ()) -> Parser:
    """Return the parser that a command makes for these arguments.

    Args:
        name: name of the command.
        arguments: flags that decide which other flags exist, such as --recipe.
    """

    def stop(parser: Parser, *args: Any, **options: Any) -> None:
        raise ParserMadeError(parser)

    with patch.object(Parser, "parse", stop):
        try:
            import_command(name).run(arguments)
        except ParserMadeError as made:
            parser: Parser = made.args[0]
            return parser
    raise AssertionError(f"absslab {name} has parsed nothing")


def _commands_page() -> Iterator[str]:
    """Yield the lines of the reference of all commands."""
    yield "# Commands\n"
    yield "All flags with their units and defaults. `absslab COMMAND --help` prints the same.\n"
    for name, summary in COMMANDS.items():
        yield f"## absslab {name}\n"
        yield f"{summary[0].upper()}{summary[1:]}.\n"
        yield from _flag_tables(command_parser(name))
        if name == "train":
            yield from _choices_of_train()
            yield from _recipes()


def _choices_of_train() -> Iterator[str]:
    """Yield the flags that depend on another flag."""
    for flag, registry in CHOICES:
        for name, (config, *_) in registry.items():
            parser = Parser("absslab train", add_help=False)
            add_flags(parser, config)
            if any(parser.flag_groups()):
                yield f"### With `--{flag} {name}`\n"
                yield from _flag_tables(parser, titles=False)


def _recipes() -> Iterator[str]:
    """Yield the settings of each recipe."""
    yield "### Recipes\n"
    yield "The settings of each recipe; flags that are given as well take precedence.\n"
    yield f"| setting | {' | '.join(RECIPES)} |"
    yield f"|---|{'---|' * len(RECIPES)}"
    for name in dict.fromkeys(itertools.chain(*RECIPES.values())):
        cells = (
            format_setting(recipe[name]) if name in recipe else "" for recipe in RECIPES.values()
        )
        yield f"| `--{name}`{{.flag}} | {' | '.join(cells)} |"
    yield ""


def _flag_tables(parser: Parser, *, titles: bool = True) -> Iterator[str]:
    """Yield a table for each group of flags."""
    for group in parser.flag_groups():
        if titles and group.title in DEPENDENT:
            continue
        if titles and group.title not in GENERAL:
            yield f"### {group.title}\n"
            if group.description:
                yield f"{group.description}\n"
        yield "| flag | value | meaning |"
        yield "|---|---|---|"
        for action in group.flags:
            names = "<br>".join(f"`{name}`{{.flag}}" for name in action.option_strings) or "(none)"
            value = str(action.metavar or "").replace("|", " or ")
            meaning = (
                (action.help or "").replace("%%", "%").replace("|", "\\|").replace("<", "&lt;")
            )
            yield f"| {names} | {value}{' …' * (action.nargs == '+')} | {meaning} |"
        yield ""


def _python_page() -> Iterator[str]:
    """Yield the reference of all exported names, package by package."""
    yield "# Python\n"
    yield "The names that each package exports, with their docstrings.\n"
    yield "## absslab\n"
    for name in absslab.__all__:
        if not name.startswith("__"):
            yield from _entry(f"{getattr(absslab, name).__module__}.{name}")
    for module in pkgutil.walk_packages(absslab.__path__, "absslab."):
        if not module.ispkg:
            continue
        package = importlib.import_module(module.name)
        exported = [name for name in getattr(package, "__all__", ()) if name not in absslab.__all__]
        entries = [_defined_at(package, name) for name in exported]
        entries = [entry for entry in entries if entry]
        if entries:
            yield f"## {module.name}\n"
            yield f"{(package.__doc__ or '').strip().splitlines()[0]}\n"
            for entry in entries:
                yield from _entry(entry)


def _entry(path: str) -> Iterator[str]:
    yield f"::: {path}\n"


def _defined_at(package: Any, name: str) -> str:
    """Return the dotted name of an exported object; empty for a module."""
    exported = getattr(package, name)
    if hasattr(exported, "__module__") and hasattr(exported, "__qualname__"):
        return f"{exported.__module__}.{exported.__qualname__}"
    if not isinstance(getattr(exported, "__file__", None), str):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if getattr(importlib.import_module(module.name), name, None) is exported:
                return f"{module.name}.{name}"
    return ""


if __name__ == "__main__":
    make_pages(Path(sys.argv[1]))
