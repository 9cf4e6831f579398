import asyncio

from absslab.widgets.ui.main_loop import AsyncioLoop, InlineLoop, current_main_loop


def test_where_no_loop_runs_everything_happens_at_once():
    loop, calls = current_main_loop(), []
    assert isinstance(loop, InlineLoop)
    loop.call(calls.append, "call")
    loop.later(60, lambda: calls.append("later"))
    loop.start_thread(lambda: calls.append("thread"), "name")
    assert loop.make_worker("name").submit(lambda: calls.append("worker") or 1).result() == 1
    assert calls == ["call", "later", "thread", "worker"]


def test_a_ticker_without_a_loop_ticks_by_hand_alone():
    ticks = []
    ticker = InlineLoop().every(0.0, lambda: ticks.append(1))
    assert ticks == []
    ticker.tick()
    assert ticks == [1]
    ticker.cancel()
    ticker.tick()
    assert ticks == [1]


def test_where_a_loop_runs_it_is_the_main_loop():
    async def main():
        loop, calls = current_main_loop(), []
        assert isinstance(loop, AsyncioLoop)
        loop.later(0, lambda: calls.append("later"))
        assert calls == []
        future = loop.make_worker("name").submit(lambda: "answer")
        await asyncio.sleep(0.01)
        return calls, await asyncio.wrap_future(future)

    assert asyncio.run(main()) == (["later"], "answer")
