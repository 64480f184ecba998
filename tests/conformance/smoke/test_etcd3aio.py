"""etcd3aio (grpc.aio): keys, transactions, watches, leases, locks, elections, users, maintenance."""

import asyncio
import os
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from etcd3aio import Etcd3Client
from etcd3aio.kv import KVService, SortOrder, SortTarget, prefix_range_end
from grpc.aio import AioRpcError

ENDPOINTS = [urlsplit(url).netloc for url in os.environ["CONFORMANCE_URLS"].split(",")]


@pytest_asyncio.fixture
async def client():
    async with Etcd3Client(ENDPOINTS) as client:
        yield client
        await client.kv.delete(b"\0", b"\0")


async def test_ping(client):
    await client.ping()


async def test_keys(client):
    await client.kv.put("a", "1")
    answer = await client.kv.put("a", "2", prev_kv=True)
    assert answer.prev_kv.value == b"1"
    await client.kv.put("b", "x")
    ranged = await client.kv.get("a", prefix_range_end("a"))
    assert [(kv.key, kv.value, kv.version) for kv in ranged.kvs] == [(b"a", b"2", 2)]
    every = await client.kv.get("a", "z", sort_order=SortOrder.DESCEND, sort_target=SortTarget.KEY, limit=1)
    assert [kv.key for kv in every.kvs] == [b"b"] and every.more and every.count == 2
    assert (await client.kv.delete("a", "z", prev_kv=True)).deleted == 2


async def test_old_revisions_and_compaction(client):
    first = await client.kv.put("k", "1")
    second = await client.kv.put("k", "2")
    assert (await client.kv.get("k", revision=first.header.revision)).kvs[0].value == b"1"
    await client.kv.compact(second.header.revision)
    with pytest.raises(AioRpcError, match="compacted"):
        await client.kv.get("k", revision=first.header.revision)


async def test_a_transaction_takes_one_branch(client):
    await client.kv.put("k", "1")
    compare = [KVService.txn_compare_value("k", "1")]
    operations = [KVService.txn_op_put("k", "2"), KVService.txn_op_get("k")]
    answer = await client.kv.txn(compare, operations, [KVService.txn_op_delete("k")])
    assert answer.succeeded and answer.responses[1].response_range.kvs[0].value == b"2"
    answer = await client.kv.txn(compare, operations, [KVService.txn_op_delete("k")])
    assert not answer.succeeded and answer.responses[0].response_delete_range.deleted == 1


async def test_a_watch_from_a_revision(client):
    start = (await client.kv.put("w/1", "a")).header.revision
    await client.kv.put("w/2", "b")
    await client.kv.delete("w/1")
    seen = []
    async for answer in client.watch.watch("w/", prefix_range_end("w/"), start_revision=start, prev_kv=True):
        seen += [(event.type, event.kv.key, event.prev_kv.value) for event in answer.events]
        if len(seen) == 3:
            break
    assert seen == [(0, b"w/1", b""), (0, b"w/2", b""), (1, b"w/1", b"a")]


async def test_leases(client):
    lease = await client.lease.grant(60)
    await client.kv.put("l", "x", lease=lease.ID)
    async with client.lease.keep_alive_context(lease.ID, 60) as keep:
        assert keep.alive
    assert lease.ID in [status.ID for status in (await client.lease.leases()).leases]
    assert (await client.lease.time_to_live(lease.ID)).grantedTTL == 60
    await client.lease.revoke(lease.ID)
    assert not (await client.kv.get("l")).kvs
    with pytest.raises(AioRpcError, match="lease not found"):
        await client.lease.revoke(lease.ID)


async def test_a_lock_excludes(client):
    order = []

    async def hold(name):
        async with client.lock("lock", ttl=10):
            order.append((name, "in"))
            await client.kv.get("anything")
            order.append((name, "out"))

    await asyncio.gather(*(hold(number) for number in range(5)))
    assert [what for _, what in order] == ["in", "out"] * 5
    assert all(order[number][0] == order[number + 1][0] for number in range(0, 10, 2))


async def test_an_election(client):
    async with client.election("e", value=b"me") as election:
        assert (await election.leader()).kvs[0].value == b"me"
        await election.proclaim(b"still me")
        assert (await election.leader()).kvs[0].value == b"still me"


async def test_users_and_roles(client):
    await client.auth.role_add("reader")
    await client.auth.user_add("ann", "secret")
    await client.auth.user_grant_role("ann", "reader")
    assert list((await client.auth.user_get("ann")).roles) == ["reader"]
    with pytest.raises(AioRpcError, match="user name already exists"):
        await client.auth.user_add("ann", "secret")
    assert not (await client.auth.auth_status()).enabled
    await client.auth.user_delete("ann")
    await client.auth.role_delete("reader")


async def test_maintenance_and_members(client):
    status = await client.maintenance.status()
    assert status.version.startswith("3.") and status.leader
    assert not (await client.maintenance.alarms()).alarms
    await client.maintenance.defragment()
    assert (await client.maintenance.hash_kv()).hash
    members = (await client.cluster.member_list()).members
    assert status.header.member_id in [member.ID for member in members]
