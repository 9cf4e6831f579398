"""Background work: results arrive on the main loop, and none after the end."""

import asyncio
import threading
from contextlib import nullcontext

import pytest

from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.notices import collect_notices, give_notice
from absslab.core.common.progress import Progress
from absslab.widgets.ui.background import BackgroundJob, LatestOnly
from absslab.widgets.ui.main_loop import current_main_loop


def work(loop, steps, **more):
    """Work whose callbacks record their arguments and thread."""
    calls = []

    def note(name):
        return lambda *args: calls.append(
            (name, *args, threading.current_thread() is threading.main_thread())
        )

    names = ("progress", "done", "failed", "cancelled")
    return BackgroundJob(loop, steps, **{name: note(name) for name in names} | more), calls


def refuse_to_start(thread):
    raise RuntimeError("can't start new thread")


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


def test_a_call_from_another_thread_comes_on_the_loops_thread(loop):
    seen = []
    thread = threading.Thread(
        target=lambda: loop.call(lambda: seen.append(threading.current_thread()))
    )
    thread.start()
    loop.run_until(lambda: seen)
    thread.join()
    assert seen == [threading.main_thread()]


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


def test_a_ticker_ticks_until_it_is_cancelled_also_past_an_error(loop, caplog):
    ticks = []

    def tick():
        ticks.append(1)
        raise KeyError("once")

    ticker = loop.every(0.01, tick)
    loop.run_until(lambda: len(ticks) >= 3)
    ticker.cancel()
    n = len(ticks)
    loop.later(0.05, lambda: None)
    loop.settle()
    assert len(ticks) == n
    assert not ticker.is_running
    assert "once" in caplog.text


def test_work_reports_its_progress_and_its_end_on_the_main_thread(loop):
    job, calls = work(loop, counting(1000))
    job.start()
    assert job.is_running
    loop.settle()
    assert not job.is_running
    assert calls[0] == ("progress", Progress(1, 1000), True)
    assert calls[-2:] == [("progress", Progress(1000, 1000), True), ("done", True)]
    assert len(calls) < 500  # not each of the thousand values


def test_where_a_loop_runs_work_is_done_without_more():
    async def main():
        loop = current_main_loop()
        job, calls = work(loop, counting(3))
        job.start()
        await loop.until(lambda: not job.is_running)
        return calls

    assert asyncio.run(main())[-1] == ("done", True)


def test_cancelled_work_closes_its_generator_and_is_never_done(loop):
    wait = threading.Event()
    ended = []
    job, calls = work(loop, counting(5, wait=wait, ended=ended))
    job.start()
    loop.run_until(lambda: calls)
    job.cancel()
    wait.set()
    loop.settle()
    assert not job.is_running
    assert calls == [("progress", Progress(1, 5), True), ("cancelled", True)]
    assert ended == [True]


def test_work_that_is_cancelled_after_its_last_step_is_done(loop):
    wait = threading.Event()
    ending = threading.Event()

    def steps():
        yield Progress(1, 1)
        ending.set()
        wait.wait(20)

    job, calls = work(loop, steps)
    job.start()
    loop.run_until(lambda: calls)
    assert ending.wait(20)
    job.cancel()
    wait.set()
    loop.settle()
    assert [name for name, *_ in calls] == ["progress", "done"]


def test_work_that_fails_while_it_is_cancelled_is_cancelled(loop):
    wait = threading.Event()
    started = threading.Event()

    def steps():
        started.set()
        wait.wait(20)
        raise OSError("half-way")
        yield

    job, calls = work(loop, steps)
    job.start()
    assert started.wait(20)
    job.cancel()
    wait.set()
    loop.settle()
    assert [name for name, *_ in calls] == ["cancelled"]


def test_closed_work_calls_nothing_back(loop):
    wait = threading.Event()
    ended = []
    job, calls = work(loop, counting(5, wait=wait, ended=ended))
    job.start()
    loop.run_until(lambda: calls)
    job.close()
    wait.set()
    loop.settle()
    job.start()
    assert not job.is_running
    assert [name for name, *_ in calls] == ["progress"]
    assert ended == [True]


def test_work_that_fails_hands_its_error_over(loop):
    def steps():
        yield Progress(0, 2)
        raise InputError("no such folder")

    job, calls = work(loop, steps)
    job.start()
    loop.settle()
    assert [name for name, *_ in calls] == ["progress", "failed"]
    assert str(calls[-1][1]) == "no such folder"


def test_work_that_runs_is_not_started_twice(loop):
    started = []

    def steps():
        started.append(1)
        yield Progress(1, 1)

    job, _ = work(loop, steps)
    job.start()
    job.start()
    loop.settle()
    assert started == [1]


def test_a_job_whose_thread_cannot_start_fails_and_can_be_started_again(loop):
    ended = []
    job, calls = work(loop, counting(1), ended=lambda: ended.append(True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_to_start)
        job.start()
    loop.settle(seconds=2)
    assert not job.is_running
    assert [name for name, *_ in calls] == ["failed"]
    assert "thread" in str(calls[0][1])
    assert ended == [True]
    job.start()
    loop.settle()
    assert [name for name, *_ in calls[1:]] == ["progress", "done"]


def test_a_request_whose_thread_cannot_start_fails_and_the_next_one_is_answered(loop):
    delivered = []
    errors = []
    latest = LatestOnly(loop, lambda x: x, deliver=delivered.append, failed=errors.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_to_start)
        latest.request(1)
    loop.settle(seconds=2)
    assert not latest.is_running
    assert "thread" in str(errors[0])
    latest.request(2)
    loop.settle()
    assert delivered == [2]


def test_of_many_requests_only_the_first_and_latest_are_computed_and_only_the_latest_delivered(
    loop,
):
    started = threading.Event()
    go = threading.Event()
    computed = []
    delivered = []

    def double(x):
        computed.append(x)
        started.set()
        go.wait(20)
        return 2 * x

    latest = LatestOnly(loop, double, deliver=delivered.append, failed=delivered.append)
    for x in range(5):
        latest.request(x)
        assert started.wait(20)
    go.set()
    loop.settle()
    assert not latest.is_running
    assert (computed, delivered) == ([0, 4], [8])


def test_an_error_of_the_latest_request_is_handed_over_and_the_next_request_is_answered(loop):
    results = []
    errors = []
    latest = LatestOnly(loop, lambda x: 1 / x, deliver=results.append, failed=errors.append)
    latest.request(0)
    loop.settle()
    latest.request(2)
    loop.settle()
    assert isinstance(errors[0], ZeroDivisionError)
    assert results == [0.5]


def test_an_error_of_the_delivery_is_logged_and_the_next_request_is_answered(caplog):
    delivered = []

    def deliver(x):
        if x == 0:
            raise InputError("not that")
        delivered.append(x)

    async def main():
        loop = current_main_loop()
        latest = LatestOnly(loop, lambda x: x, deliver=deliver, failed=delivered.append)
        latest.request(0)
        await loop.until(lambda: "not that" in caplog.text and not latest.is_running)
        latest.request(1)
        await loop.until(lambda: delivered)

    asyncio.run(main())
    assert delivered == [1]


def test_after_close_no_answer_is_delivered(loop):
    started = threading.Event()
    go = threading.Event()
    requests = []
    delivered = []

    def slow(x):
        requests.append(x)
        started.set()
        go.wait(20)

    latest = LatestOnly(loop, slow, deliver=delivered.append, failed=delivered.append)
    latest.request(1)
    assert started.wait(20)
    latest.close()
    go.set()
    loop.settle()
    assert not latest.is_running
    latest.request(2)
    loop.settle()
    assert (requests, delivered) == ([1], [])


@pytest.mark.parametrize("has_listener", [True, False])
def test_notices_of_a_thread_reach_the_panel_whoever_asked_for_its_work(loop, has_listener):
    """A method of a panel may be called anywhere, by a script or by a page that is being built."""
    notices = []
    threads = []
    answers = []

    def note(notice):
        notices.append(str(notice))
        threads.append(threading.current_thread())

    def read(name):
        give_notice(InputWarning(f"{name} is cut short"))
        return name

    def steps():
        yield Progress(1, 1)
        read("b.wav")

    latest = LatestOnly(loop, read, deliver=answers.append, failed=print, noticed=note)
    job, _ = work(loop, steps, noticed=note)
    with collect_notices() if has_listener else nullcontext([]) as heard:
        latest.request("a.wav")
        job.start()
        loop.settle()
    assert sorted(notices) == ["a.wav is cut short", "b.wav is cut short"]
    assert set(threads) == {threading.main_thread()}
    assert answers == ["a.wav"]
    assert heard == []


def test_notices_of_a_worker_reach_whoever_gave_it_the_work(loop):
    worker = loop.make_worker("test")
    with collect_notices() as notices:
        worker.submit(give_notice, InputWarning("a.wav is cut short"))
        loop.settle()
    worker.shutdown()
    assert [str(notice) for notice in notices] == ["a.wav is cut short"]
