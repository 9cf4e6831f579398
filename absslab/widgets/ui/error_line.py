"""Errors in one line for a person: a researcher sees whole paths, a visitor only names of files."""

import logging

from absslab.core.common.errors import (
    InputError,
    InputWarning,
    WorkError,
    describe_error,
    describe_shortage,
    is_complete_without_folders,
)

_log = logging.getLogger("absslab")
_hides_folders = False


def error_line(error: BaseException) -> str:
    """Return an error as one line; it names no folders after a call of `hide_folders`.

    What another library says may name folders. Then it is not shown, but written to the log
    `absslab`.
    """
    if shortage := describe_shortage(error):
        return f"{shortage[0].upper()}{shortage[1:]}: close other notebooks and programs"
    text = describe_error(error, names_only=_hides_folders)
    is_foreign = not isinstance(error, InputError | InputWarning | WorkError | OSError)
    if _hides_folders and not is_complete_without_folders(error):
        _log.warning("shown without what another library said: %s", describe_error(error))
        text = f"{text}; the host's log has the details"
    elif is_foreign:
        text = f"{type(error).__name__}: {text}"
    if is_foreign:
        text = f"Something went wrong: {text}"
    return " ".join(text.split())


def are_folders_hidden() -> bool:
    """Return whether the readers are visitors, who see no folders."""
    return _hides_folders


def hide_folders() -> None:
    """Show no folders in errors from now on: the readers are visitors."""
    global _hides_folders
    _hides_folders = True
