"""The queue between who receives events and who iterates: bounded, and it never loses what it took."""

from __future__ import annotations

import asyncio

import pytest

from kvcluster.client import WatchQueue


async def test_what_goes_in_comes_out_in_order():
    queue: WatchQueue[int] = WatchQueue(lambda: None)
    assert queue.put(1, 10) and queue.put(2, 10)
    assert [await queue.get(), await queue.get()] == [1, 2]


async def test_a_reader_waits():
    queue: WatchQueue[int] = WatchQueue(lambda: None)
    reading = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put(1, 1)
    assert await reading == 1


@pytest.mark.parametrize(("max_bytes", "max_batches"), [(40, 1000), (1_000_000, 4)])
async def test_full_by_bytes_or_by_number_until_half_is_read(max_bytes: int, max_batches: int):
    drained: list[int] = []
    queue: WatchQueue[int] = WatchQueue(lambda: drained.append(1), max_bytes, max_batches)
    assert [queue.put(number, 10) for number in range(4)] == [True, True, True, False]
    assert queue.is_full
    assert await queue.get() == 0 and not drained
    assert await queue.get() == 1 and drained == [1], "told once, at the half"
    assert not queue.is_full
    assert [await queue.get(), await queue.get()] == [2, 3] and drained == [1]


async def test_one_batch_may_be_larger_than_the_bound():
    queue: WatchQueue[int] = WatchQueue(lambda: None, max_bytes=10)
    assert not queue.put(1, 1000)
    assert await queue.get() == 1 and not queue.is_full


async def test_an_error_comes_after_what_is_queued_and_stays():
    queue: WatchQueue[int] = WatchQueue(lambda: None)
    queue.put(1, 1)
    queue.fail(ValueError("first"))
    queue.fail(ValueError("second"))
    assert queue.is_over and queue.put(2, 1), "nothing is taken any more, and nobody is told to stop"
    assert await queue.get() == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="first"):
            await queue.get()


async def test_close_wakes_the_reader_and_drops_the_rest():
    queue: WatchQueue[int] = WatchQueue(lambda: None)
    reading = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.close()
    with pytest.raises(StopAsyncIteration):
        await reading
    assert queue.put(1, 1)
    with pytest.raises(StopAsyncIteration):
        await queue.get()
