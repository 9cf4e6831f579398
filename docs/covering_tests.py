"""Find which tests cover a flag of the thesis, or a flaw, by reading the sources of the tests.

A test covers a flag if its function, its decorators, or a constant of its module that it uses,
contains a command line with the flag, or a dictionary with the flag's name as a key.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from absslab.core.thesis.command_line import split_flags

ROOT = Path(__file__).parents[1]
MARKER = "reference_flaw"
_FOLDERS = ("tests/core/thesis", "tests/cli")
_TRANSLATORS = {"absslab.core.thesis.command_line", "absslab.core.thesis.translation"}


@dataclass(frozen=True)
class FlagTest:
    """A test of the thesis' flags.

    Args:
        address: path and name, as pytest takes them.
        values: of each flag that it gives.
    """

    address: str
    values: Mapping[str, set[str]]


@dataclass
class _Source:
    """The names that the expressions of a module stand for."""

    constants: dict[str, ast.expr] = field(default_factory=dict)

    @classmethod
    def of(cls, module: ast.Module) -> "_Source":
        constants: dict[str, ast.expr] = {}
        for node in module.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                constants[node.targets[0].id] = node.value
        return cls(constants)

    def nodes(self, function: ast.FunctionDef) -> Iterator[ast.AST]:
        """Yield the nodes of a function and of the constants that it uses, but of no marker."""
        waiting: list[ast.AST] = [*function.decorator_list, *_without_docstring(function)]
        used: set[str] = set()
        while waiting:
            node = waiting.pop(0)
            if _is_marker(node):
                continue
            yield node
            waiting += ast.iter_child_nodes(node)
            if isinstance(node, ast.Name) and node.id in self.constants.keys() - used:
                used.add(node.id)
                waiting.append(self.constants[node.id])

    def text(self, node: ast.AST) -> str:
        """Return the text that an expression stands for; empty if it stands for none."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.text(self.constants[node.id])
        if isinstance(node, ast.FormattedValue):
            return self.text(node.value)
        if isinstance(node, ast.JoinedStr):
            return "".join(map(self.text, node.values))
        if isinstance(node, ast.List | ast.Tuple):
            return " ".join(map(self.text, node.elts))
        return ""


def read_flag_tests(root: Path = ROOT) -> list[FlagTest]:
    """Read all tests of the thesis' flags; those that give a flag themselves come first.

    These are tests of modules that import the translation of the thesis' settings, and tests with
    `thesis` in their name or in that of their file: others give flags of today, of the same names.
    """
    tests = []
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("test_*.py")):
            module = ast.parse(path.read_text())
            source = _Source.of(module)
            for function in _tests_of(module):
                if not _is_about_the_thesis(module, f"{path.stem} {function.name}"):
                    continue
                address = f"{path.relative_to(root).as_posix()}::{function.name}"
                tests.append(FlagTest(address, _values_of_flags(source, function)))
    return tests


def find_tests(tests: list[FlagTest], flag: str, value: str | None = None) -> list[str]:
    """Return the addresses of the tests that give a flag, or that give it a value."""
    return [
        test.address
        for test in tests
        if flag in test.values and (value is None or value in test.values[flag])
    ]


def read_flaws(root: Path = ROOT) -> list[tuple[str, str]]:
    """Return each flaw that a test is marked with, and the address of the test."""
    flaws = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        for function in _tests_of(ast.parse(path.read_text())):
            address = f"{path.relative_to(root).as_posix()}::{function.name}"
            for decorator in function.decorator_list:
                flaws += [(flaw, address) for flaw in _flaws_of(decorator)]
    return flaws


def _flaws_of(decorator: ast.expr) -> Iterator[str]:
    """Yield the flaws of a marker, which may stand at a case of a parametrised test as well."""
    for node in ast.walk(decorator):
        if _is_marker(node):
            (flaw,) = map(ast.literal_eval, node.args)
            yield flaw


def _is_marker(node: ast.AST) -> TypeGuard[ast.Call]:
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return is_method and node.func.attr == MARKER


def _tests_of(module: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def _without_docstring(function: ast.FunctionDef) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) else function.body


def _is_about_the_thesis(module: ast.Module, name: str) -> bool:
    imported = {node.module for node in module.body if isinstance(node, ast.ImportFrom)}
    return "thesis" in name or not _TRANSLATORS.isdisjoint(imported)


def _values_of_flags(source: _Source, function: ast.FunctionDef) -> dict[str, set[str]]:
    """Return the values that a function gives to each flag."""
    values: dict[str, set[str]] = defaultdict(set)
    for node in source.nodes(function):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    values[str(key.value)].update(source.text(value).split())
        elif isinstance(node, ast.Constant | ast.JoinedStr | ast.List | ast.Tuple):
            for flag, words in split_flags(source.text(node).split()):
                if flag:
                    values[flag].update(words)
    return dict(values)
