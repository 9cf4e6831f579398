"""The command line: flags made from the configs' fields, results on stdout, progress on stderr.

Exit status: 0 done; 2 bad usage or bad input, said in one line; 130 interrupted; 1 anything else.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import absslab
from absslab.core.config import nearest
from absslab.core.errors import InputError, WorkError

BETWEEN_LINES = 5.0  # s between two signs of life where stderr is a file


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and which names the nearest flag to an unknown one."""

    def __init__(self, prog: str, **options: Any):
        super().__init__(prog=prog, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise InputError(message)

    def parse(self, arguments: Sequence[str], elsewhere: Callable[[str], str] = lambda flag: "") -> argparse.Namespace:
        """Parse all arguments.

        Args:
            arguments: of the command.
            elsewhere: what to say of a flag that is unknown here but has a meaning with other choices.

        Raises:
            InputError: an unknown flag, a missing or wrong value.
        """
        namespace, unknown = self.parse_known_args(arguments)
        if unknown:
            name = unknown[0].partition("=")[0]
            if not name.startswith("-"):
                raise InputError(f"unexpected {name!r}: expected a flag; see absslab {self.prog.split()[-1]} --help")
            known = [flag for flag in self._option_string_actions if flag.startswith("--")]
            hint = elsewhere(name.lstrip("-")) or nearest(name, known)
            raise InputError(f"unknown flag {name}" + (hint if len(hint) < 200 else "; see --help"))
        return namespace


def drain(progress: Iterable[Any], words: str, unit: str) -> None:
    """Iterate over a long work and show how far it is: a bar in a terminal, elsewhere a line now and then."""
    if not sys.stderr.isatty():
        said = time.monotonic()
        for step in progress:
            if time.monotonic() - said >= BETWEEN_LINES:
                print(f"{words}: {step.done} of {step.total} {unit}s", file=sys.stderr, flush=True)
                said = time.monotonic()
        return
    from tqdm import tqdm

    with tqdm(desc=words, unit=f" {unit}s", file=sys.stderr, leave=False, unit_scale=unit == "sample") as bar:
        for step in progress:
            bar.total = step.total
            bar.update(step.done - bar.n)


COMMANDS = {
    "demo": "mix, train, evaluate and separate the built-in recordings; ends with a report to open",
    "mix": "make a folder of mixtures from isolated recordings",
    "train": "train a model on weakly labelled recordings, or go on with a run that was cut",
    "evaluate": "score a checkpoint, or sounds that others separated: tags, events, masks, sources",
    "compare": "put scores of the same mixtures side by side, with intervals of their differences",
    "separate": "take recordings apart into one file per class",
    "dashboard": "serve a page for those who never see code: listen, separate, monitor, compare",
    "report": "one HTML page on a run: settings, data, curves, scores, mixtures to see and to hear",
    "lab": "open JupyterLab with the notebooks",
}  # each is the module of this name in absslab.commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command = ""
    try:
        command, rest = _command(arguments)
        if command:
            importlib.import_module(f"absslab.commands.{command}").run(rest)
        return 0
    except InputError as error:
        return _fail(command, str(error), 2)
    except WorkError as error:
        return _fail(command, str(error), 1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(command, f"{place}{error.strerror or error}", 2)
    except KeyboardInterrupt as error:
        return _fail(command, str(error) or "interrupted; nothing is half-written", 130)


def _command(arguments: list[str]) -> tuple[str, list[str]]:
    """The command and its arguments; the thesis wrote --mode COMMAND."""
    arguments = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--mode=") else [word])]
    if "--mode" in arguments[:-1]:
        at = arguments.index("--mode")
        arguments = [arguments[at + 1], *arguments[:at], *arguments[at + 2 :]]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return "", []
    if arguments[0] == "--version":
        print(absslab.__version__)
        return "", []
    if arguments[0] not in COMMANDS:
        raise InputError(f"there is no command {arguments[0]!r}{nearest(arguments[0], COMMANDS)}")
    return arguments[0], arguments[1:]


def _overview() -> str:
    lines = (f"  {name:10} {summary}" for name, summary in COMMANDS.items())
    return "\n".join(
        [
            f"ABSSLab {absslab.__version__}: {absslab.__doc__}",
            "",
            "usage: absslab COMMAND …         absslab COMMAND --help lists the flags with units and defaults",
            "",
            *lines,
        ]
    )


def _fail(command: str, message: str, status: int) -> int:
    words = " ".join(message.split())  # one line, whatever a path or a library's message holds
    print(f"absslab {command}: {words}" if command else f"absslab: {words}", file=sys.stderr)
    return status
