import asyncio
import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from absslab.widgets.ui import main_loop
from absslab.widgets.ui.main_loop import MainLoop, current_main_loop


class SlowMainLoop(MainLoop):
    def __init__(self, *args):
        time.sleep(0.01)
        super().__init__(*args)


def refuse_to_start(thread):
    raise RuntimeError("can't start new thread")


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
    calls = []
    go = threading.Event()
    loop.start_thread(lambda: loop.call(calls.append, 1), "first")
    loop.start_thread(lambda: go.wait(20) and loop.call(calls.append, 2), "second")
    loop.run_until(lambda: calls)
    assert calls == [1]
    with pytest.raises(TimeoutError):
        loop.settle(seconds=0.01)
    go.set()
    loop.settle()
    assert calls == [1, 2]


def test_a_call_on_the_loops_own_thread_ends_the_wait_for_it(loop):
    async def main():
        calls = []
        waiting = asyncio.ensure_future(loop.until(lambda: calls, seconds=20))
        await asyncio.sleep(0)
        loop.call(calls.append, 1)
        await asyncio.wait_for(waiting, 2)
        return calls

    assert loop._loop.run_until_complete(main()) == [1]


def test_a_thread_that_cannot_start_is_not_waited_for(loop, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", refuse_to_start)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        loop.start_thread(lambda: None, "name")
    loop.settle(seconds=2)


def test_there_is_one_main_loop_for_an_event_loop(loop, monkeypatch):
    """Threads of subshells ask for the loop of the kernel at the same time."""
    event_loop = asyncio.new_event_loop()
    monkeypatch.setattr(main_loop, "kernel_main_loop", lambda: event_loop)
    monkeypatch.setattr(main_loop, "MainLoop", SlowMainLoop)
    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(lambda _: current_main_loop(), range(8)))
    event_loop.close()
    assert len({id(main_loop) for main_loop in found}) == 1


def test_the_loop_of_a_thread_is_closed_at_its_end_also_with_work_left():
    loops = []

    def use_loop():
        own = current_main_loop()
        own.later(60, lambda: None)
        loops.append(own._loop)

    thread = threading.Thread(target=use_loop)
    thread.start()
    thread.join()
    gc.collect()
    assert loops[0].is_closed()


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
        running = current_main_loop()
        calls = []
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
