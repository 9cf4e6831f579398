"""A limit on how often something may happen."""

import time
from collections.abc import Callable


class RateLimit:
    """How long the next message has to wait: short bursts are free, a flood is slowed down.

    Args:
        rate: that is allowed in the long run, in units per second.
        burst: units that may come at once after a pause.
        clock: returns the time in seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic):
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._spent = 0.0  # units that are not paid back yet
        self._last = clock()  # s

    def delay(self, amount: float) -> float:
        """Count an amount, and return how many seconds to wait before it may pass.

        Args:
            amount: in units.
        """
        now = self._clock()
        self._spent = max(0.0, self._spent - self._rate * (now - self._last)) + amount
        self._last = now
        return max(0.0, (self._spent - self._burst) / self._rate)
