"""The command line: flags are fields of configs, results go to stdout, progress to stderr.

Exit status: 0 done; 2 bad usage or bad input, with a one-line message; 3 done, but files that
can't be used were left out, or trainings have failed, with a line that says so; 130 interrupted;
1 anything else. Printing never ends the work: see `absslab.core.common.streams`.
"""

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import TYPE_CHECKING

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import (
    InputError,
    InputWarning,
    WorkError,
    describe_shortage,
    shorten,
)
from absslab.core.common.home import provide_home
from absslab.core.common.left_out import LeftOut
from absslab.core.common.memory import keep_freed_memory
from absslab.core.common.notices import listen_to_notices
from absslab.core.common.process_group import (
    LostProcessError,
    find_processes,
    has_failure_been_reported,
    is_started_by_torchrun,
    join_processes,
    may_report,
    wait_for_end_of_others,
)
from absslab.core.common.signals import remember_interrupts
from absslab.core.common.streams import tolerate_output_errors
from absslab.core.common.version import __version__

if TYPE_CHECKING:
    from absslab.core.runs.sweep_results import FailedTrainings

# Each command is the module of this name in absslab.cli, with _ for -.
COMMANDS = {
    "demo": "mix, train, evaluate and separate the built-in recordings, and write a report",
    "mix": "make a folder of mixtures from isolated recordings",
    "pack": "pack recordings into shards, for corpora that are larger than a disk",
    "train": "train a model on weakly labelled recordings, or resume an interrupted run",
    "evaluate": "score a checkpoint, or sounds of another program: tags, events, masks, sources",
    "benchmark": "mix, train and score under conditions of rising difficulty, for several seeds",
    "sweep": "train and score every combination of a grid of settings, and go on where it stopped",
    "compare": "compare scores of the same mixtures, with intervals of their differences",
    "average": "average the scores of folds: mean and deviation of each",
    "separate": "separate recordings into one file per class",
    "fetch": "download a published corpus, or say how to get it",
    "labels": "convert tables of events from and to Audacity's and Raven's",
    "dashboard": "serve a page for people who do not program: listen, separate, monitor, compare",
    "report": "write a report on a run as one HTML page: settings, data, curves, scores, examples",
    "lab": "open JupyterLab with the notebooks",
    "import-thesis": "make a checkpoint of a model that the thesis' code trained",
    "convert-segments": "convert AudioSet segments of the thesis to weakly labelled recordings",
}

# Commands that work on many large arrays.
_COMPUTING = ("demo", "mix", "train", "evaluate", "benchmark", "sweep", "separate", "report")
_IN_SEVERAL_PROCESSES = ("train",)  # commands that torchrun may start
_N_NOTICES = 50  # number of warnings of a command that are printed
_LONGEST_LINE = 4000  # characters
_LONGEST_WORD = 1000
_CLOSE = "close other programs, or take a machine with more"
_SAVE_MEMORY = {  # what to do when the memory is full
    "train": "try a smaller --batch_size, --in_memory False or --clip_length 10, or another "
    "--device; a run goes on from its last.ckpt",
    "mix": "try fewer --n_workers or a shorter --length; the same command goes on",
    "pack": "try a shorter --clip_length; the same command goes on",
    "separate": "try --device cpu, or fewer channels; files that are done stay",
    "sweep": "the same command goes on; try a smaller --batch_size, or other --devices",
    "benchmark": "the same command goes on; try --n_workers 1, or another --device",
    "evaluate": "try --n_workers 1, --device cpu or --bss_eval none",
    "report": "try --device cpu or fewer --n_examples",
}
_NO_RIGHT = ": ask for the right, or choose another path"
_ADVICE = {  # what to do about the system's errors that no other part of the program explains
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: ": choose a path on a disk that can be written",
    errno.EISDIR: ": expected a file in the place of this folder",
    errno.ENOTDIR: ": expected a folder in the place of this file",
    errno.ELOOP: ": remove the link that leads to itself",
    errno.ENAMETOOLONG: ": choose a shorter path",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with remember_interrupts(), tolerate_output_errors() as output:
        end = None
        try:
            status = _run_command(arguments)
        except SystemExit as error:  # of --help
            end = error
            status = 0
        failure = output.find_failure()
        if failure and not status:
            return _fail("", f"not all could be printed ({failure}); files are complete", 2)
        if end is not None:
            raise end
        return status


def import_command(name: str) -> ModuleType:
    """Import the module of a command."""
    return importlib.import_module(f"absslab.cli.{name.replace('-', '_')}")


def _run_command(arguments: list[str]) -> int:
    """Run a command, say in one line what went wrong, and return the exit status."""
    if not is_started_by_torchrun():
        return _run_and_explain(arguments)
    try:
        with join_processes() as processes:
            if processes.is_first:
                return _run_and_explain(arguments)
            with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
                return _run_and_explain(arguments)
    except (InputError, WorkError) as error:
        return _fail("", str(error), 2 if isinstance(error, InputError) else 1)


def _run_and_explain(arguments: list[str]) -> int:
    command = ""
    try:
        command, own_arguments = _split_command(arguments)
        if not command:
            return 0
        if command not in _IN_SEVERAL_PROCESSES and is_started_by_torchrun():
            raise InputError(
                "this command works in one process: start it without torchrun, which is for "
                f"absslab {' and '.join(_IN_SEVERAL_PROCESSES)}"
            )
        provide_home()
        if command in _COMPUTING:
            keep_freed_memory()
        # A command returns what it left out, or what failed, if it works on much.
        run = import_command(command).run
        with _print_notices(command):
            left_out: LeftOut | FailedTrainings | int | None = run(own_arguments)
        if isinstance(left_out, int):  # of processes that have said why
            return left_out
        return _fail(command, left_out.summary(), 3) if left_out else 0
    except InputError as error:
        return _fail(command, str(error), 2)
    except LostProcessError as error:
        if not has_failure_been_reported():
            return _fail(command, str(error), 1)
        wait_for_end_of_others()
        return 1
    except WorkError as error:
        return _fail(command, str(error), 1)
    except UnicodeEncodeError as error:
        return _fail(
            command,
            f"{error.object!r:.200} can't be written in the encoding {error.encoding}: "
            "set PYTHONUTF8=1, or a locale of UTF-8",
            2,
        )
    except (MemoryError, OSError, RuntimeError, ImportError, SystemError) as error:
        if shortage := describe_shortage(error):
            return _fail(command, f"{shortage}: {_SAVE_MEMORY.get(command, _CLOSE)}", 1)
        if not isinstance(error, OSError):
            raise
        place = f"{error.filename}: " if error.filename else ""
        advice = _ADVICE.get(error.errno or 0, "")
        return _fail(command, f"{place}{error.strerror or error}{advice}", 2)
    except KeyboardInterrupt as error:
        if not find_processes().is_first:  # the first process says it
            return 130
        return _fail(command, str(error) or _describe_interruption(arguments), 130)


def _describe_interruption(arguments: Sequence[str]) -> str:
    said = "interrupted; no file is left incomplete"
    if any(word.startswith("--scheduler") for word in arguments):
        said += "; workers finish what they have begun"
    return said


@contextmanager
def _print_notices(command: str) -> Iterator[None]:
    """Print what the command tells about its input, and how many lines these were."""
    n_notices = 0

    def show(notice: InputWarning) -> None:
        nonlocal n_notices
        n_notices += 1
        if n_notices <= _N_NOTICES:
            _fail(command, f"warning: {notice}", 0)

    try:
        with listen_to_notices(show):
            yield
    finally:
        if n_notices > _N_NOTICES:
            n_more = n_notices - _N_NOTICES
            _fail(command, f"{n_notices} warnings: {n_more} more like those above", 0)
        elif n_notices > 1 and find_processes().is_first:  # others may have had fewer
            _fail(command, f"{n_notices} warnings, see above", 0)


def _split_command(arguments: list[str]) -> tuple[str, list[str]]:
    """Split arguments into the command and its arguments; also accept --mode COMMAND."""
    arguments = [
        part
        for word in arguments
        for part in (word.split("=", 1) if word.startswith("--mode=") else [word])
    ]
    if "--mode" in arguments[:-1]:
        at = arguments.index("--mode")
        arguments = [arguments[at + 1], *arguments[:at], *arguments[at + 2 :]]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return "", []
    if arguments[0] == "--version":
        print(__version__)
        return "", []
    if arguments[0] not in COMMANDS:
        raise InputError(
            f"there is no command {arguments[0]!r}{suggest_nearest(arguments[0], COMMANDS)}"
        )
    return arguments[0], arguments[1:]


def _overview() -> str:
    lines = (f"  {name:16} {summary}" for name, summary in COMMANDS.items())
    return "\n".join(
        [
            f"ABSSLab {__version__}: separate and detect sounds with models trained on weak labels",
            "",
            "usage: absslab COMMAND …         "
            "absslab COMMAND --help lists the flags with units and defaults",
            "",
            *lines,
        ]
    )


def _fail(command: str, message: str, status: int) -> int:
    if sys.getfilesystemencoding() != "utf-8" and any("\udc80" <= c <= "\udcff" for c in message):
        message += f" (names are read as {sys.getfilesystemencoding()}: set PYTHONUTF8=1)"
    # A path or a message of a library may have several lines, or a very long one.
    line = shorten(
        " ".join(shorten(word, _LONGEST_WORD) for word in message.split()), _LONGEST_LINE
    )
    line = f"absslab {command}: {line}" if command else f"absslab: {line}"
    is_failure = status not in (0, 3)
    if may_report(line, is_failure=is_failure):  # of several processes that say the same, one does
        print(line, file=sys.stderr)
    return status
