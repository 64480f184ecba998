"""Locks, elections, STM, namespaces, users and members: on a real etcd, on ours through sockets, and without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kvcluster.client import (
    READWRITE,
    Compare,
    Election,
    Lock,
    Namespaced,
    NoLeader,
    NotLeader,
    Permission,
    PutOp,
    RangeOp,
    Session,
    Stm,
    TxnOp,
    connect,
    prefix_end,
    run_stm,
)
from kvcluster.client.sync import connect as connect_sync
from kvcluster.errors import (
    AuthFailedError,
    EmptyKeyError,
    MemberNotFoundError,
    PermissionDeniedError,
    RoleNotFoundError,
    UserNotFoundError,
)

Key = Callable[[str], bytes]


# ---- locks ----


async def test_a_lock_is_held_by_one(client: Any, key: Key):
    order: list[int] = []

    async def work(number: int) -> None:
        async with Session(client, ttl_s=10) as session, Lock(session, key("lock")):
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert order[::2] == order[1::2] and sorted(order[::2]) == list(range(5))


async def test_trying_a_lock(client: Any, key: Key):
    async with Session(client, ttl_s=10) as one, Session(client, ttl_s=10) as other:
        held, tried = Lock(one, key("lock")), Lock(other, key("lock"))
        assert await held.try_acquire()
        assert not await tried.try_acquire()
        await held.release()
        assert await tried.try_acquire()


async def test_a_session_that_ends_lets_go(client: Any, key: Key):
    async with Session(client, ttl_s=10) as session:
        await Lock(session, key("lock")).acquire()
    assert (await client.range(key("lock"), prefix_end(key("lock")))).kvs == []


async def test_whoever_stops_waiting_leaves_the_line(client: Any, key: Key):
    async with Session(client, ttl_s=10) as one, Session(client, ttl_s=10) as other, Lock(one, key("lock")):
        waiting = asyncio.ensure_future(Lock(other, key("lock")).acquire())
        while (await client.range(key("lock"), prefix_end(key("lock")))).count < 2:
            pass
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (await client.range(key("lock"), prefix_end(key("lock")))).count == 1


# ---- elections ----


async def test_the_next_candidate_leads_after_the_first(client: Any, key: Key):
    async with Session(client, ttl_s=10) as one, Session(client, ttl_s=10) as other:
        first, second = Election(one, key("e")), Election(other, key("e"))
        with pytest.raises(NoLeader):
            await first.leader()
        await first.campaign(b"one")
        waiting = asyncio.ensure_future(second.campaign(b"two"))
        await first.proclaim(b"more")
        assert (await second.leader()).value == b"more"
        await first.resign()
        await waiting
        assert (await first.leader()).value == b"two"
        with pytest.raises(NotLeader):
            await first.proclaim(b"late")


async def test_observers_see_leaders_come_and_speak(client: Any, key: Key):
    async with Session(client, ttl_s=10) as session:
        election = Election(session, key("e"))
        await election.campaign(b"one")
        seen = []
        async for kv in election.observe():
            seen.append(kv.value)
            if kv.value == b"one":
                await election.proclaim(b"two")
            elif kv.value == b"two":
                await election.resign()
                await election.campaign(b"three")
            else:
                break
        assert seen == [b"one", b"two", b"three"]


# ---- transactions that retry ----


async def test_stm_loses_no_update(client: Any, key: Key):
    async def add(stm: Stm) -> int:
        total = int(await stm.get(key("n")) or b"0") + 1
        stm.put(key("n"), b"%d" % total)
        assert await stm.get(key("n")) == b"%d" % total
        return total

    totals = await asyncio.gather(*(run_stm(client, add) for _ in range(10)))
    assert sorted(totals) == list(range(1, 11))


async def test_stm_moves_between_keys(client: Any, key: Key):
    await client.put(key("a"), b"5")

    async def move(stm: Stm) -> None:
        value = await stm.get(key("a"))
        assert value is not None
        stm.delete(key("a"))
        stm.put(key("b"), value)

    await run_stm(client, move)
    assert [kv.value for kv in (await client.range(key("a"), key("c"))).kvs] == [b"5"]


# ---- namespaces ----


async def test_a_namespace_hides_its_prefix(client: Any, key: Key):
    space = Namespaced(client, key(""))
    await client.put(key("a"), b"1")
    assert (await space.get(b"a")).kv.key == b"a"
    await space.put(b"b", b"2")
    assert (await client.get(key("b"))).kv.value == b"2"
    assert [kv.key for kv in (await space.range(b"\0", b"\0")).kvs] == [b"a", b"b"]
    assert [kv.key for kv in (await space.range(b"b", b"\0")).kvs] == [b"b"]
    result = await space.txn(
        [Compare(b"a", "value", "==", b"1")],
        [PutOp(b"c", b"3", prev_kv=True), RangeOp(b"a", b"z"), TxnOp(success=[RangeOp(b"c")])],
    )
    assert [kv.key for kv in result.results[1].kvs] == [b"a", b"b", b"c"]
    assert result.results[2].results[0].kvs[0].key == b"c"
    deleted = await space.delete(b"a", b"\0", prev_kv=True)
    assert [kv.key for kv in deleted.prev_kvs] == [b"a", b"b", b"c"]
    with pytest.raises(EmptyKeyError):
        await space.get(b"")


async def test_a_namespaces_watches_and_leases(client: Any, key: Key):
    space = Namespaced(client, key(""))
    watcher = await space.watch(b"\0", b"\0", prev_kv=True)
    lease = await space.grant(1000)
    await space.put(b"a", b"1", lease=lease.id)
    await client.put(key("")[:-1] + b"-other", b"1", lease=lease.id)
    await space.put(b"a", b"2")
    events = []
    async for batch in watcher:
        events += batch.events
        if len(events) >= 2:
            break
    assert [(event.kv.key, event.kv.value) for event in events] == [(b"a", b"1"), (b"a", b"2")]
    assert events[1].prev_kv.key == b"a"
    await space.put(b"b", b"1", lease=lease.id)
    assert (await space.time_to_live(lease.id, keys=True)).keys == [b"b"]
    await watcher.close()
    await space.revoke(lease.id)


# ---- administration ----


async def test_users_and_roles(client: Any, key: Key):
    name = key("").decode().strip("/")
    await client.role_add(name)
    await client.role_grant(name, READWRITE, b"a", b"b")
    await client.user_add(name, "secret")
    await client.user_grant_role(name, name)
    assert name in await client.users() and name in await client.roles()
    assert await client.user_roles(name) == [name]
    assert await client.role_permissions(name) == [Permission(READWRITE, b"a", b"b")]
    await client.role_revoke(name, b"a", b"b")
    await client.user_change_password(name, "other")
    await client.user_revoke_role(name, name)
    await client.user_delete(name)
    await client.role_delete(name)
    with pytest.raises(UserNotFoundError):
        await client.user_roles(name)
    with pytest.raises(RoleNotFoundError):
        await client.role_permissions(name)
    assert not await client.auth_is_enabled()


async def test_maintenance_and_members(client: Any, key: Key):
    assert await client.alarms() == []
    await client.defragment()
    before = await client.hash_kv()
    await client.put(key("a"), b"1")
    assert await client.hash_kv() != before
    (member,) = await client.members()
    await client.move_leader(member.id)
    with pytest.raises(MemberNotFoundError):
        await client.member_remove(99)


# ---- who is asking ----


@pytest.fixture
async def guarded() -> Any:
    """A server of ours where authentication is on: root, and alice who may use [a, b)."""
    from kvcluster import Cluster

    async with Cluster(members=1) as cluster:
        admin = cluster.client()
        for user in ("root", "alice"):
            await admin.user_add(user, f"{user}'s")
        await admin.user_grant_role("root", "root")
        await admin.role_add("some")
        await admin.role_grant("some", READWRITE, b"a", b"b")
        await admin.user_grant_role("alice", "some")
        await admin.auth_enable()
        yield cluster, await cluster.listen()


async def test_a_user_is_known_by_his_password(guarded: Any):
    _, url = guarded
    with pytest.raises(AuthFailedError):
        await connect(url, user="alice", password="wrong")
    async with await connect(url, user="alice", password="alice's") as alice:
        await alice.put(b"a1", b"v")
        with pytest.raises(PermissionDeniedError):
            await alice.get(b"q")
        watcher = await alice.watch(b"a1", start_revision=1)
        async for batch in watcher:
            assert batch.events[0].kv.value == b"v"
            break
        await watcher.close()


async def test_a_token_that_has_ended_is_replaced(guarded: Any):
    cluster, url = guarded
    async with await connect(url, user="alice", password="alice's") as alice:
        await alice.put(b"a1", b"v")
        alice._pool.metadata["token"] = "abcdefghijklmnop.1"
        assert (await alice.get(b"a1")).kv is not None


async def test_the_embedded_client_is_the_server_itself(guarded: Any):
    cluster, _ = guarded
    client = cluster.client()
    await client.put(b"q", b"v")
    assert (await client.get(b"q")).kv is not None
    await client.compact(2)
    lease = await client.grant(100)
    await client.put(b"q", b"w", lease=lease.id)
    await client.revoke(lease.id)


async def test_where_authentication_is_off_a_password_is_not_needed(etcd_url: str):
    async with await connect(etcd_url, user="nobody", password="x") as client:
        await client.get(b"a")


# ---- without an event loop ----


def test_the_blocking_client(etcd_url: str, key: Key):
    with connect_sync(etcd_url) as client:
        client.put(key("a"), b"1")
        assert client.get(key("a")).kv.value == b"1"
        with client.watch(key("a"), start_revision=client.get(key("a")).kv.mod_revision) as watcher:
            assert watcher.next(timeout_s=10).events[0].kv.value == b"1"
            with pytest.raises(TimeoutError):
                watcher.next(timeout_s=0.01)
            client.put(key("a"), b"2")
            assert next(iter(watcher)).events[0].kv.value == b"2"
        assert list(watcher) == []
        assert "put" in dir(client) and "_call" not in dir(client)
        with pytest.raises(AttributeError):
            client.nonsense  # noqa: B018
    client.close()
