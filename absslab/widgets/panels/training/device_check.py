"""Find out what uses a device, beside the main loop, before something is started on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError
from absslab.core.runs.device_list import find_device_users
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.panel import Panel

GoOn = Callable[[list[str]], Any]  # called with what uses the device, in words


class DeviceCheck:
    """Sees what uses a device, then goes on; one at a time.

    Args:
        panel: whose part this is. It shows errors; without a loop they are raised.
        changed: called when a check begins, and when it has ended.
    """

    def __init__(self, panel: Panel, changed: Callable[[], Any]):
        self.is_running = False
        self._changed, self._failed = changed, panel.fail
        deliver = self._end if panel.loop.is_inline else panel.guard(self._end)
        self._latest = LatestOnly(panel.loop, _with_users, deliver=deliver, failed=self._fail)

    def request(self, device: str, runs_folder: str | Path, go_on: GoOn) -> None:
        """Call `go_on` with what uses a device.

        Raises:
            InputError: a check is going on.
        """
        if self.is_running:
            raise InputError("a training is being started: wait until it has begun")
        self.is_running = True
        self._changed()
        self._latest.request(device, runs_folder, go_on)

    def close(self) -> None:
        """Go on with nothing."""
        self._latest.close()

    def _end(self, answer: tuple[list[str], GoOn]) -> None:
        users, go_on = answer
        self.is_running = False
        try:
            go_on(users)
        finally:
            self._changed()

    def _fail(self, error: Exception) -> None:
        self.is_running = False
        self._changed()
        self._failed(error)


def _with_users(device: str, runs_folder: str | Path, go_on: GoOn) -> tuple[list[str], GoOn]:
    return find_device_users(device, runs_folder), go_on
