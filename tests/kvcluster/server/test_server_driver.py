"""The driver: turns, ticks, ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from kvcluster import pb
from kvcluster.errors import StoppedError
from kvcluster.member import Member, MemberConfig, MemberRecord, ops
from kvcluster.raft import Entry, MemoryStorage
from kvcluster.server import Driver

WAIT_S = 10.0


class Storage(MemoryStorage):
    """Counts what is appended."""

    appends: list[int] = []

    def append(self, entries: Sequence[Entry]) -> None:
        self.appends.append(len(entries))
        super().append(entries)


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    record = MemberRecord(1, "alone", ("http://127.0.0.1:0",), ())
    storage = Storage(voters=[1])
    driver = Driver(Member(MemberConfig(id=1, members=(record,)), storage), storage, tick_s=0.01)
    driver.start()
    async with asyncio.timeout(WAIT_S):
        await driver.until(lambda: driver.member.is_published)
        yield driver
    driver.stop()


def put(driver: Driver, key: bytes, answers: list[Any]) -> None:
    driver.member.propose(ops.PUT, pb.PutRequest(key=key).SerializeToString(), answers.append)
    driver.wake()


async def test_a_single_member_leads_at_once(driver: Driver):
    assert driver.member.is_leader
    assert driver.leader_changes == 1


async def test_what_comes_in_one_turn_is_one_append_and_is_answered_in_the_next(driver: Driver):
    Storage.appends.clear()
    answers: list[Any] = []
    for number in range(100):
        put(driver, b"%d" % number, answers)
    assert answers == []
    await asyncio.sleep(0)
    assert Storage.appends == [100]
    assert [applied.revision for applied in answers] == list(range(2, 102))


async def test_a_connection_is_flushed_once_a_turn(driver: Driver):
    class Connection:
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

    connection = Connection()
    answers: list[Any] = []
    driver.mark_dirty(connection)
    put(driver, b"a", answers)
    await asyncio.sleep(0)
    assert (connection.flushes, len(answers)) == (1, 1)
    await asyncio.sleep(0)
    assert connection.flushes == 1


async def test_time_is_ticks(driver: Driver):
    ticks: list[int] = []
    done = asyncio.Event()

    def on_tick() -> None:
        ticks.append(driver.member.now_tick)
        if len(ticks) == 5:
            done.set()

    driver.on_tick.append(on_tick)
    await done.wait()
    assert ticks == list(range(ticks[0], ticks[0] + 5))


async def test_a_stop_answers_what_waits_and_what_comes_later(driver: Driver):
    waiting = asyncio.ensure_future(driver.until(lambda: False))
    answers: list[Any] = []
    put(driver, b"a", answers)
    driver.stop()
    driver.stop()
    put(driver, b"b", answers)
    assert [type(applied.error) for applied in answers] == [StoppedError, StoppedError]
    with pytest.raises(StoppedError):
        await waiting
    assert driver.failed.cancelled()


async def test_a_member_that_breaks_answers_nothing_more_and_says_so(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def breaks(member: Member, ready: Any) -> None:
        raise ZeroDivisionError("a bug")

    answers: list[Any] = []
    monkeypatch.setattr(Member, "advance", breaks)
    put(driver, b"a", answers)
    with pytest.raises(ZeroDivisionError):
        await asyncio.shield(driver.failed)
    assert [type(applied.error) for applied in answers] == [StoppedError]
    put(driver, b"b", answers)
    assert type(answers[1].error) is StoppedError
    assert "cannot go on" in caplog.text
