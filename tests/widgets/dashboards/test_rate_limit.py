"""Bursts pass, floods wait."""

import pytest

from absslab.widgets.dashboards.rate_limit import RateLimit


def test_a_burst_is_free_and_a_flood_waits():
    time = [0.0]
    limit = RateLimit(rate=10.0, burst=5.0, clock=lambda: time[0])
    assert [limit.delay(1) for _ in range(5)] == [0.0] * 5
    assert limit.delay(1) == pytest.approx(0.1)
    assert limit.delay(4) == pytest.approx(0.5)
    time[0] = 0.5
    assert limit.delay(1) == pytest.approx(0.1)
    time[0] = 100.0
    assert [limit.delay(1) for _ in range(5)] == [0.0] * 5
