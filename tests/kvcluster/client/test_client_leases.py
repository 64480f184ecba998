"""What every client promises about leases, and keep_alive on top of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kvcluster import errors
from kvcluster.client import Client, LeaseInfo, LeaseLost, keep_alive

Key = Callable[[str], bytes]


async def test_grant_look_and_revoke(client: Client, key: Key):
    lease = await client.grant(60)
    assert lease.id > 0 and lease.ttl_s == lease.granted_ttl_s == 60
    put = await client.put(key("a"), b"1", lease=lease.id)
    await client.put(key("b"), b"1", lease=lease.id)
    found = await client.time_to_live(lease.id, keys=True)
    assert found.granted_ttl_s == 60 and 55 <= found.ttl_s <= 60
    assert sorted(found.keys) == [key("a"), key("b")]
    assert (await client.time_to_live(lease.id)).keys == []
    assert lease.id in await client.leases()
    await client.revoke(lease.id)
    gone = await client.get(key("a"))
    assert gone.kv is None and gone.revision == put.revision + 2, "all keys go in one revision"
    assert lease.id not in await client.leases()


async def test_a_lease_that_is_not_there(client: Client):
    missing = 987_654_321
    assert (await client.time_to_live(missing)) == LeaseInfo(missing, -1)
    with pytest.raises(errors.LeaseNotFoundError):
        await client.revoke(missing)
    with pytest.raises(errors.LeaseNotFoundError):
        await client.keep_alive_once(missing)


async def test_grant_under_a_chosen_id(client: Client):
    lease = await client.grant(60, id=4711)
    try:
        assert lease.id == 4711
        with pytest.raises(errors.LeaseExistsError):
            await client.grant(60, id=4711)
        with pytest.raises(errors.LeaseTtlTooLargeError):
            await client.grant(10_000_000_000)
    finally:
        await client.revoke(4711)


async def test_keep_alive_once_renews(client: Client):
    lease = await client.grant(60)
    assert await client.keep_alive_once(lease.id) == LeaseInfo(lease.id, 60, 60)
    await client.revoke(lease.id)


async def test_a_lease_that_nobody_renews_takes_its_keys(client: Client, key: Key):
    lease = await client.grant(1)
    watcher = await client.watch(key("a"))
    await client.put(key("a"), b"1", lease=lease.id)
    async with asyncio.timeout(15):
        events = [(await anext(watcher)).events[0] for _ in range(2)]
    assert [event.is_delete for event in events] == [False, True]
    await watcher.close()


class FakeLease:
    """Answers keep_alive_once from a list; the last answer repeats. `renewals` counts."""

    def __init__(self, *answers: LeaseInfo | Exception) -> None:
        self._answers = list(answers)
        self.renewals = 0
        self.renewed = asyncio.Event()
        self.renewed_twice = asyncio.Event()

    async def keep_alive_once(self, id: int) -> LeaseInfo:
        self.renewals += 1
        self.renewed.set()
        if self.renewals == 2:
            self.renewed_twice.set()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_keep_alive_renews_until_the_block_ends():
    fake = FakeLease(LeaseInfo(1, 60, 60))
    async with keep_alive(fake, LeaseInfo(1, 60, 60)) as kept:  # type: ignore[arg-type]
        await asyncio.wait_for(fake.renewed.wait(), 5)
        assert not kept.is_lost
    assert fake.renewals == 1


async def test_keep_alive_goes_on_after_a_failure():
    fake = FakeLease(errors.ConnectionLostError("for a moment"), LeaseInfo(1, 1, 1))
    async with keep_alive(fake, 1, ttl_s=1), asyncio.timeout(5):  # type: ignore[arg-type]
        await fake.renewed_twice.wait()


async def test_a_lost_lease_interrupts_the_block():
    fake = FakeLease(errors.LeaseNotFoundError())
    with pytest.raises(LeaseLost, match="expired or was revoked"):
        async with keep_alive(fake, 1, ttl_s=60):  # type: ignore[arg-type]
            await asyncio.Event().wait()
    current = asyncio.current_task()
    assert current is not None and not current.cancelling(), "the task itself goes on"


async def test_a_lost_lease_can_be_watched_for_instead():
    fake = FakeLease(errors.LeaseNotFoundError())
    async with keep_alive(fake, 0xABC, ttl_s=60, interrupt=False) as kept, asyncio.timeout(5):  # type: ignore[arg-type]
        assert "abc is gone" in str(await kept.lost())
        assert kept.is_lost


async def test_nobody_answers_for_a_whole_ttl():
    fake = FakeLease(errors.ConnectionLostError("refused"))
    with pytest.raises(LeaseLost, match="could not be renewed for 1 s: refused"):
        async with asyncio.timeout(10), keep_alive(fake, 1, ttl_s=1):  # type: ignore[arg-type]
            await asyncio.Event().wait()


async def test_a_cancelled_block_stays_cancelled():
    fake = FakeLease(LeaseInfo(1, 60, 60))

    async def work() -> None:
        async with keep_alive(fake, 1, ttl_s=60):  # type: ignore[arg-type]
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_is_its_own():
    with pytest.raises(KeyError):
        async with keep_alive(FakeLease(LeaseInfo(1, 60, 60)), 1, ttl_s=60):  # type: ignore[arg-type]
            raise KeyError("mine")


def test_a_ttl_must_be_known():
    with pytest.raises(ValueError, match="needs the lease's TTL"):
        keep_alive(FakeLease(LeaseInfo(1, 1)), 7)  # type: ignore[arg-type]


async def test_keep_alive_on_a_real_lease(client: Client, key: Key):
    lease = await client.grant(2)
    await client.put(key("a"), b"1", lease=lease.id)
    watcher = await client.watch(key("a"))
    with pytest.raises(LeaseLost, match="expired or was revoked"):
        async with asyncio.timeout(15), keep_alive(client, lease):
            await client.revoke(lease.id)
            await asyncio.Event().wait()
    assert (await anext(watcher)).events[0].is_delete
    await watcher.close()
