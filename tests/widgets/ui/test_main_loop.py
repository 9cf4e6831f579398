import asyncio
import subprocess
import sys
import threading

import pytest

from absslab.widgets.ui.main_loop import current_main_loop


def test_where_no_loop_runs_results_wait_until_it_is_let_run(loop):
    calls = []
    assert current_main_loop() is loop
    loop.call(calls.append, "call")
    assert calls == ["call"]
    loop.later(0, lambda: calls.append("later"))
    loop.start_thread(lambda: loop.call(calls.append, "thread"), "name")
    worker = loop.make_worker("name")
    assert worker.submit(lambda: loop.call(calls.append, "worker") or 1).result(20) == 1
    assert calls == ["call"]
    loop.settle()
    assert sorted(calls[1:]) == ["later", "thread", "worker"]


def test_to_settle_is_to_wait_also_for_what_work_begins(loop):
    calls = []

    def begin(n):
        calls.append(n)
        if n < 3:
            loop.start_thread(lambda: loop.call(begin, n + 1), "name")

    begin(0)
    loop.settle()
    assert calls == [0, 1, 2, 3]


def test_a_loop_is_run_until_a_condition_and_no_further(loop):
    calls, go = [], threading.Event()
    loop.start_thread(lambda: loop.call(calls.append, 1), "first")
    loop.start_thread(lambda: go.wait(20) and loop.call(calls.append, 2), "second")
    loop.run_until(lambda: calls)
    assert calls == [1]
    with pytest.raises(TimeoutError):
        loop.settle(seconds=0.01)
    go.set()
    loop.settle()
    assert calls == [1, 2]


def test_a_ticker_ticks_while_the_loop_runs_or_by_hand(loop):
    ticks = []
    ticker = loop.every(0.0, lambda: ticks.append(1))
    assert ticks == []
    ticker.tick()
    assert ticks == [1]
    loop.run_until(lambda: len(ticks) >= 4)
    ticker.cancel()
    n = len(ticks)
    ticker.tick()
    loop.settle()
    assert len(ticks) == n


def test_where_a_loop_runs_it_is_the_main_loop(loop):
    async def main():
        running, calls = current_main_loop(), []
        assert running is not loop
        assert running is current_main_loop()
        running.later(0, lambda: calls.append("later"))
        assert calls == []
        future = running.make_worker("name").submit(lambda: "answer")
        await running.until(lambda: calls)
        return calls, await asyncio.wrap_future(future)

    assert asyncio.run(main()) == (["later"], "answer")


def test_a_loop_that_runs_is_not_run_again():
    async def main():
        with pytest.raises(RuntimeError, match="await"):
            current_main_loop().settle()

    asyncio.run(main())


def test_a_plain_script_has_a_loop_and_ends():
    script = (
        "from absslab.widgets.ui.main_loop import current_main_loop\n"
        "loop, calls = current_main_loop(), []\n"
        "loop.every(60, print)\n"
        "loop.start_thread(lambda: loop.call(print, 'done'), 'name')\n"
        "loop.settle()\n"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert (ended.stdout, ended.stderr) == ("done\n", "")
