"""etcd-client-py (Rust: etcd-client over tonic): keys, prefixes, transactions, watches, leases, locks."""

import asyncio
import os

import pytest
from etcd_client import (
    Client,
    Compare,
    CompareOp,
    EtcdLockOption,
    GRPCStatusError,
    Txn,
    TxnOp,
    WatchEventType,
)

ENDPOINTS = os.environ["CONFORMANCE_URLS"].split(",")


def connect():
    return Client(ENDPOINTS).connect()


async def test_keys_and_prefixes():
    async with connect() as etcd:
        await etcd.put(b"dir/1", b"one")
        await etcd.put(b"dir/2", b"two")
        assert bytes(await etcd.get(b"dir/1")) == b"one"
        assert await etcd.get(b"missing") is None
        found = [(bytes(key), bytes(value)) for key, value in await etcd.get_prefix(b"dir/")]
        assert found == [(b"dir/1", b"one"), (b"dir/2", b"two")]
        assert [bytes(key) for key in await etcd.keys_prefix(b"dir/")] == [b"dir/1", b"dir/2"]
        await etcd.delete(b"dir/1")
        assert await etcd.get(b"dir/1") is None
        await etcd.delete_prefix(b"dir/")
        assert await etcd.keys_prefix(b"dir/") == []


async def test_a_transaction_takes_one_branch():
    async with connect() as etcd:
        await etcd.put(b"t", b"1")
        txn = Txn().when([Compare.value(b"t", CompareOp.EQUAL, b"1")])
        txn = txn.and_then([TxnOp.put(b"t", b"2")]).or_else([TxnOp.delete(b"t")])
        assert (await etcd.txn(txn)).succeeded()
        assert bytes(await etcd.get(b"t")) == b"2"
        assert not (await etcd.txn(txn)).succeeded()
        assert await etcd.get(b"t") is None


async def test_a_watch_sees_what_is_written():
    async with connect() as etcd, connect() as writer:
        seen = []

        async def watch():
            async for event in etcd.watch_prefix(b"w/"):
                if bytes(event.key) != b"w/ready":
                    seen.append((event.event == WatchEventType.PUT, bytes(event.key), bytes(event.value)))
                else:
                    ready.set()
                if len(seen) == 3:
                    return

        ready = asyncio.Event()
        task = asyncio.create_task(watch())
        while not ready.is_set():  # the client does not say when its watch is there
            await writer.put(b"w/ready", b"")
            await asyncio.sleep(0.01)
        await writer.put(b"w/1", b"a")
        await writer.put(b"w/2", b"b")
        await writer.delete(b"w/1")
        await task
        assert seen == [(True, b"w/1", b"a"), (True, b"w/2", b"b"), (False, b"w/1", b"")]


async def test_leases():
    async with connect() as etcd:
        assert await etcd.lease_grant(60) == ()  # version 0.5.1 keeps the new lease's id to itself
        with pytest.raises(GRPCStatusError):
            await etcd.lease_revoke(12345)


async def test_a_lock_excludes():
    order = []

    async def hold():
        async with Client(ENDPOINTS).with_lock(EtcdLockOption(lock_name=b"lock", timeout=30.0, ttl=10)) as etcd:
            order.append("in")
            await etcd.get(b"anything")
            order.append("out")

    await asyncio.gather(*(hold() for _ in range(4)))
    assert order == ["in", "out"] * 4
