"""Background work: results arrive on the main loop, and none after the end."""

import asyncio
import threading
import time

import pytest

from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress
from absslab.widgets.ui.background import BackgroundJob, LatestOnly
from absslab.widgets.ui.main_loop import current_main_loop


async def until(condition, seconds=20.0):
    """Let the loop run until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the callback was not called"
        await asyncio.sleep(0.005)


def work(loop, steps, **more):
    """Work whose callbacks record their arguments and thread."""
    calls = []

    def note(name):
        return lambda *args: calls.append(
            (name, *args, threading.current_thread() is threading.main_thread())
        )

    names = ("progress", "done", "failed", "cancelled")
    return BackgroundJob(loop, steps, **{name: note(name) for name in names} | more), calls


def counting(n, *, wait=None, ended=None):
    def steps():
        try:
            for i in range(1, n + 1):
                if wait is not None and i > 1:
                    wait.wait(20)
                yield Progress(i, n)
        finally:
            if ended is not None:
                ended.append(True)

    return steps


def test_a_call_from_another_thread_comes_on_the_loops_thread():
    async def main():
        loop, seen = current_main_loop(), []
        thread = threading.Thread(
            target=lambda: loop.call(lambda: seen.append(threading.current_thread()))
        )
        thread.start()
        await until(lambda: seen)
        thread.join()
        return seen

    assert asyncio.run(main()) == [threading.main_thread()]


def test_a_call_on_the_loop_itself_happens_at_once():
    async def main():
        seen = []
        current_main_loop().call(seen.append, 1)
        return list(seen)

    assert asyncio.run(main()) == [1]


def test_a_call_after_the_loops_end_is_dropped():
    async def main():
        return current_main_loop()

    seen = []
    asyncio.run(main()).call(seen.append, 1)
    assert seen == []


def test_a_ticker_ticks_until_it_is_cancelled_also_past_an_error(caplog):
    async def main():
        ticks = []

        def tick():
            ticks.append(1)
            raise KeyError("once")

        ticker = current_main_loop().every(0.01, tick)
        await until(lambda: len(ticks) >= 3)
        ticker.cancel()
        n = len(ticks)
        await asyncio.sleep(0.05)
        assert len(ticks) == n
        assert not ticker.is_running

    asyncio.run(main())
    assert "once" in caplog.text


def test_work_reports_its_progress_and_its_end_on_the_main_thread():
    async def main():
        job, calls = work(current_main_loop(), counting(1000))
        job.start()
        assert job.is_running
        await until(lambda: not job.is_running)
        return calls

    calls = asyncio.run(main())
    assert calls[0] == ("progress", Progress(1, 1000), True)
    assert calls[-2:] == [("progress", Progress(1000, 1000), True), ("done", True)]
    assert len(calls) < 500  # not each of the thousand values


def test_without_a_loop_work_is_done_when_start_returns():
    job, calls = work(current_main_loop(), counting(3))
    job.start()
    assert not job.is_running
    assert calls[-1] == ("done", True)


def test_cancelled_work_closes_its_generator_and_is_never_done():
    async def main():
        wait, ended = threading.Event(), []
        job, calls = work(current_main_loop(), counting(5, wait=wait, ended=ended))
        job.start()
        await until(lambda: calls)
        job.cancel()
        wait.set()
        await until(lambda: not job.is_running)
        return calls, ended

    calls, ended = asyncio.run(main())
    assert calls == [("progress", Progress(1, 5), True), ("cancelled", True)]
    assert ended == [True]


def test_work_that_is_cancelled_after_its_last_step_is_done():
    async def main():
        wait, ending = threading.Event(), []

        def steps():
            yield Progress(1, 1)
            ending.append(True)
            wait.wait(20)

        job, calls = work(current_main_loop(), steps)
        job.start()
        await until(lambda: ending and calls)
        job.cancel()
        wait.set()
        await until(lambda: not job.is_running)
        return calls

    assert [name for name, *_ in asyncio.run(main())] == ["progress", "done"]


def test_work_that_fails_while_it_is_cancelled_is_cancelled():
    async def main():
        wait, started = threading.Event(), []

        def steps():
            started.append(True)
            wait.wait(20)
            raise OSError("half-way")
            yield

        job, calls = work(current_main_loop(), steps)
        job.start()
        await until(lambda: started)
        job.cancel()
        wait.set()
        await until(lambda: not job.is_running)
        return calls

    assert [name for name, *_ in asyncio.run(main())] == ["cancelled"]


def test_closed_work_calls_nothing_back():
    async def main():
        wait, ended = threading.Event(), []
        job, calls = work(current_main_loop(), counting(5, wait=wait, ended=ended))
        job.start()
        await until(lambda: calls)
        job.close()
        wait.set()
        await until(lambda: not job.is_running)
        job.start()
        assert not job.is_running
        return calls, ended

    calls, ended = asyncio.run(main())
    assert [name for name, *_ in calls] == ["progress"]
    assert ended == [True]


def test_work_that_fails_hands_its_error_over():
    def steps():
        yield Progress(0, 2)
        raise InputError("no such folder")

    job, calls = work(current_main_loop(), steps)
    job.start()
    assert [name for name, *_ in calls] == ["progress", "failed"]
    assert str(calls[-1][1]) == "no such folder"


def test_work_that_runs_is_not_started_twice():
    async def main():
        started = []

        def steps():
            started.append(1)
            yield Progress(1, 1)

        job, _ = work(current_main_loop(), steps)
        job.start()
        job.start()
        await until(lambda: not job.is_running)
        return started

    assert asyncio.run(main()) == [1]


def test_of_many_requests_only_the_first_and_latest_are_computed_and_only_the_latest_delivered():
    async def main():
        go, computed, delivered = threading.Event(), [], []

        def double(x):
            computed.append(x)
            go.wait(20)
            return 2 * x

        latest = LatestOnly(
            current_main_loop(), double, deliver=delivered.append, failed=delivered.append
        )
        for x in range(5):
            latest.request(x)
            if not x:
                await until(lambda: computed)
        go.set()
        await until(lambda: not latest.is_running)
        await asyncio.sleep(0)
        return computed, delivered

    assert asyncio.run(main()) == ([0, 4], [8])


def test_an_error_of_the_latest_request_is_handed_over_and_the_next_request_is_answered():
    results, errors = [], []
    latest = LatestOnly(
        current_main_loop(), lambda x: 1 / x, deliver=results.append, failed=errors.append
    )
    latest.request(0)
    latest.request(2)
    assert isinstance(errors[0], ZeroDivisionError)
    assert results == [0.5]


def test_without_a_loop_an_error_of_the_delivery_is_the_callers_and_the_next_request_is_answered():
    delivered = []

    def deliver(x):
        if x == 0:
            raise InputError("not that")
        delivered.append(x)

    latest = LatestOnly(current_main_loop(), lambda x: x, deliver=deliver, failed=delivered.append)
    with pytest.raises(InputError, match="not that"):
        latest.request(0)
    assert not latest.is_running
    latest.request(1)
    assert delivered == [1]


def test_after_close_no_answer_is_delivered():
    async def main():
        go, started, delivered = threading.Event(), [], []

        def slow(x):
            started.append(x)
            go.wait(20)

        latest = LatestOnly(
            current_main_loop(), slow, deliver=delivered.append, failed=delivered.append
        )
        latest.request(1)
        await until(lambda: started)
        latest.close()
        go.set()
        await until(lambda: not latest.is_running)
        latest.request(2)
        await asyncio.sleep(0.02)
        return started, delivered

    assert asyncio.run(main()) == ([1], [])
