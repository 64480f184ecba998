"""The work queue's promises, and the clock that all of these tests move by hand."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.client import ManualTimerClock, QueueClosedError, WorkQueue


async def test_a_key_waits_once(clock):
    queue = WorkQueue(clock)
    for key in ("a", "b", "a"):
        queue.add(key)
    assert len(queue) == 2
    assert await queue.get() == "a" and await queue.get() == "b"


async def test_a_key_in_work_is_queued_again_once_when_done(clock):
    queue = WorkQueue(clock)
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0, "no second worker gets it meanwhile"
    queue.done("a")
    assert len(queue) == 1
    await queue.get()
    queue.done("a")
    assert queue.is_idle()


async def test_the_earliest_delay_counts(clock):
    queue = WorkQueue(clock)
    queue.add_after("a", 10.0)
    queue.add_after("a", 2.0)
    queue.add_after("a", 5.0)
    clock.advance(1.9)
    assert len(queue) == 0
    clock.advance(0.2)
    assert len(queue) == 1
    await queue.get()
    queue.done("a")
    clock.advance(20.0)
    assert len(queue) == 0


async def test_failures_are_spaced_out_and_forgotten(clock):
    queue = WorkQueue(clock, base_delay_s=1.0, max_delay_s=8.0)
    waits = []
    for _ in range(6):
        queue.add_rate_limited("a")
        waits.append(clock.next_due_s())
        clock.advance(clock.next_due_s())
        await queue.get()
        queue.done("a")
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    queue.forget("a")
    queue.add_rate_limited("a")
    assert clock.next_due_s() == 1.0


async def test_a_cancelled_worker_loses_no_key(clock, settle):
    queue = WorkQueue(clock)
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await settle()
    queue.add("a")
    first.cancel()  # together with the wake-up
    assert await asyncio.wait_for(second, 5) == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_closing_lets_everyone_go(clock, settle):
    queue = WorkQueue(clock)
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    queue.add_after("a", 1.0)
    await settle()
    queue.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, QueueClosedError) for result in results)
    assert clock.next_due_s() is None


async def test_timers_run_in_order_and_within_the_step(settle):
    clock = ManualTimerClock()
    ran = []
    clock.call_later(2.0, lambda: ran.append(("late", clock.monotonic_s())))
    clock.call_later(1.0, lambda: clock.call_later(0.5, lambda: ran.append(("nested", clock.monotonic_s()))))
    clock.call_later(1.0, ran.append, "never").cancel()
    sleeper = asyncio.create_task(clock.sleep(3.0))
    await settle()
    clock.advance(2.5)
    assert ran == [("nested", 1.5), ("late", 2.0)] and not sleeper.done()
    clock.advance(0.5)
    await asyncio.wait_for(sleeper, 5)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1.0)
