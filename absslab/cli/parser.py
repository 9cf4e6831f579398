"""The argument parser of all commands."""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, escape_braces


class FlagGroup(NamedTuple):
    """Flags that `--help` lists together."""

    title: str
    description: str
    flags: list[argparse.Action]


class Parser(argparse.ArgumentParser):
    """A parser that raises one-line errors, and suggests the nearest flag to an unknown one."""

    def __init__(self, prog: str, **options: Any):
        super().__init__(prog=prog, allow_abbrev=False, **options)

    def flag_groups(self) -> Iterator[FlagGroup]:
        """Yield the groups that hold any flag besides --help."""
        for group in self._action_groups:  # argparse offers them only by these private names
            flags = [action for action in group._group_actions if action.dest != "help"]
            if flags:
                yield FlagGroup(group.title or "", group.description or "", flags)

    def error(self, message: str) -> NoReturn:
        """Raise the error instead of printing it and exiting."""
        raise InputError(message)

    def parse(
        self, arguments: Sequence[str], explain_unknown: Callable[[str], str] = lambda flag: ""
    ) -> argparse.Namespace:
        """Parse all arguments.

        Args:
            arguments: arguments of the command.
            explain_unknown: returns a hint on an unknown flag; empty if it has none.

        Raises:
            InputError: a flag is unknown, or a value missing or wrong.
        """
        try:
            return self._parse(arguments, explain_unknown)
        except InputError as error:
            files = [name for name in arguments if name.startswith("-") and os.path.isfile(name)]
            if not files:
                raise
            raise InputError(
                f"{escape_braces(str(error))}; the file {{path}} is not taken for a flag if it is "
                f"written as {escape_braces(os.path.join('.', files[0]))}",
                path=files[0],
            ) from None

    def _parse(
        self, arguments: Sequence[str], explain_unknown: Callable[[str], str]
    ) -> argparse.Namespace:
        namespace, unknown = self.parse_known_args(arguments)
        if unknown:
            name = unknown[0].partition("=")[0]
            if not name.startswith("-"):
                raise InputError(
                    f"unexpected {name!r}: expected a flag; "
                    f"see absslab {self.prog.split()[-1]} --help"
                )
            known = [flag for flag in self._option_string_actions if flag.startswith("--")]
            hint = explain_unknown(name.lstrip("-")) or suggest_nearest(name, known)
            raise InputError(f"unknown flag {name}" + (hint if len(hint) < 200 else "; see --help"))
        return namespace
