"""Find the users of a device in a thread, before a training is started on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError
from absslab.core.runs.device_list import find_device_users
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.panel import Panel

UsersHandler = Callable[[list[str]], Any]  # is called with descriptions of the users


class DeviceCheck:
    """Finds the users of a device, then calls a function with them; one check at a time.

    Args:
        panel: the panel of this check, which shows errors.
        changed: is called when a check begins, and when it has ended.
    """

    def __init__(self, panel: Panel, changed: Callable[[], Any]):
        self.is_running = False
        self._changed = changed
        self._show_error = panel.fail
        deliver = panel.guard(self._end)
        self._latest = LatestOnly(panel.loop, _find_users, deliver=deliver, failed=self._fail)

    def request(self, device: str, runs_folder: str | Path, handle_users: UsersHandler) -> None:
        """Call `handle_users` with the users of a device.

        Raises:
            InputError: if a check is running.
        """
        if self.is_running:
            raise InputError("a training is being started: wait until it has begun")
        self.is_running = True
        self._changed()
        self._latest.request(device, runs_folder, handle_users)

    def close(self) -> None:
        """Drop the check that is running."""
        self._latest.close()

    def _end(self, answer: tuple[list[str], UsersHandler]) -> None:
        users, handle_users = answer
        self.is_running = False
        try:
            handle_users(users)
        finally:
            self._changed()

    def _fail(self, error: Exception) -> None:
        self.is_running = False
        self._changed()
        self._show_error(error)


def _find_users(
    device: str, runs_folder: str | Path, handle_users: UsersHandler
) -> tuple[list[str], UsersHandler]:
    return find_device_users(device, runs_folder), handle_users
