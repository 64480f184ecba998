"""What every client promises about keys, ranges, transactions and errors; on etcd, on ours, and without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kvcluster import errors
from kvcluster.client import (
    Client,
    Compare,
    DeleteOp,
    DeleteResult,
    PutOp,
    PutResult,
    RangeOp,
    RangeResult,
    TxnOp,
    TxnResult,
    prefix_end,
)

Key = Callable[[str], bytes]


async def test_put_then_get(client: Client, key: Key):
    before = (await client.get(key("a"))).revision
    put = await client.put(key("a"), b"1")
    assert put.revision == before + 1 and put.prev_kv is None
    found = await client.get(key("a"))
    assert found.revision == put.revision
    assert found.kv == (key("a"), b"1", put.revision, put.revision, 1, 0)


async def test_get_of_nothing(client: Client, key: Key):
    assert (await client.get(key("nothing"))).kv is None


async def test_put_answers_the_pair_before_on_request(client: Client, key: Key):
    first = await client.put(key("a"), b"1", prev_kv=True)
    second = await client.put(key("a"), b"2", prev_kv=True)
    assert first.prev_kv is None
    assert second.prev_kv is not None and second.prev_kv.value == b"1"
    kv = (await client.get(key("a"), serializable=True)).kv
    assert kv is not None and (kv.version, kv.create_revision) == (2, first.revision)


async def test_range_in_key_order_with_limit_count_and_more(client: Client, key: Key):
    for name in "cab":
        await client.put(key(name), name.encode())
    everything = await client.range(key(""), prefix_end(key("")))
    assert [kv.value for kv in everything.kvs] == [b"a", b"b", b"c"]
    assert (everything.count, everything.more) == (3, False)
    cut = await client.range(key(""), prefix_end(key("")), limit=2)
    assert ([kv.value for kv in cut.kvs], cut.count, cut.more) == ([b"a", b"b"], 3, True)
    half = await client.range(key("a"), key("c"))
    assert [kv.value for kv in half.kvs] == [b"a", b"b"]


async def test_keys_only_and_count_only(client: Client, key: Key):
    await client.put(key("a"), b"1")
    await client.put(key("b"), b"2")
    keys = await client.range(key(""), prefix_end(key("")), keys_only=True)
    assert [(kv.key, kv.value) for kv in keys.kvs] == [(key("a"), b""), (key("b"), b"")]
    count = await client.range(key(""), prefix_end(key("")), count_only=True, serializable=True)
    assert (count.kvs, count.count, count.more) == ([], 2, False)


async def test_reads_of_the_past(client: Client, key: Key):
    first = await client.put(key("a"), b"1")
    await client.put(key("a"), b"2")
    await client.delete(key("a"))
    past = await client.get(key("a"), revision=first.revision)
    assert past.kv is not None and past.kv.value == b"1"
    assert past.revision == first.revision + 2, "the header carries the newest revision"


async def test_reads_of_the_future_and_of_what_is_compacted(client: Client, key: Key):
    first = await client.put(key("a"), b"1")
    last = await client.put(key("a"), b"2")
    with pytest.raises(errors.FutureRevisionError):
        await client.get(key("a"), revision=last.revision + 1000)
    await client.compact(last.revision, physical=True)
    with pytest.raises(errors.CompactedError):
        await client.range(key("a"), revision=first.revision)
    with pytest.raises(errors.CompactedError):
        await client.compact(first.revision)
    with pytest.raises(errors.FutureRevisionError):
        await client.compact(last.revision + 1000)
    kv = (await client.get(key("a"), revision=last.revision)).kv
    assert kv is not None and kv.value == b"2", "the compacted revision itself can be read"


async def test_delete_of_a_range(client: Client, key: Key):
    for name in "abc":
        await client.put(key(name), name.encode())
    gone = await client.delete(key("a"), key("c"), prev_kv=True)
    assert gone.deleted == 2 and [kv.value for kv in gone.prev_kvs] == [b"a", b"b"]
    nothing = await client.delete(key("a"))
    assert nothing == DeleteResult(0, gone.revision, []), "deleting nothing makes no revision"
    assert (await client.get(key("c"))).kv is not None


async def test_everything_from_a_key_on(client: Client, key: Key):
    await client.put(key("z"), b"1")
    found = await client.range(key("z"), b"\x00")
    assert found.kvs[0].key == key("z")


async def test_binary_keys_and_values(client: Client, key: Key):
    name, value = key("") + bytes(range(256)), bytes(range(256)) * 10
    await client.put(name, value)
    kv = (await client.get(name)).kv
    assert kv is not None and (kv.key, kv.value) == (name, value)
    await client.put(name, b"")
    kv = (await client.get(name)).kv
    assert kv is not None and kv.value == b""


async def test_large_values(client: Client, key: Key):
    value = b"x" * 1_400_000
    for name in "abc":
        await client.put(key(name), value)
    found = await client.range(key(""), prefix_end(key("")))
    assert [kv.value == value for kv in found.kvs] == [True] * 3


async def test_put_if_creates_updates_and_refuses(client: Client, key: Key):
    created = await client.put_if(key("a"), b"1", mod_revision=0)
    assert created.succeeded and created.kv is None
    again = await client.put_if(key("a"), b"other", mod_revision=0)
    assert not again.succeeded and again.kv is not None and again.kv.value == b"1"
    updated = await client.put_if(key("a"), b"2", mod_revision=created.revision)
    assert updated.succeeded and updated.revision == created.revision + 1
    stale = await client.put_if(key("a"), b"3", mod_revision=created.revision)
    assert not stale.succeeded and stale.kv is not None and stale.kv.mod_revision == updated.revision
    missing = await client.put_if(key("b"), b"1", mod_revision=updated.revision)
    assert (missing.succeeded, missing.kv) == (False, None)


async def test_delete_if(client: Client, key: Key):
    put = await client.put(key("a"), b"1")
    refused = await client.delete_if(key("a"), mod_revision=put.revision - 1)
    assert not refused.succeeded and refused.kv is not None and refused.kv.value == b"1"
    done = await client.delete_if(key("a"), mod_revision=put.revision)
    assert done.succeeded and done.revision == put.revision + 1
    assert (await client.delete_if(key("a"), mod_revision=put.revision)).kv is None


@pytest.mark.parametrize(
    ("target", "result", "operand", "holds"),
    [
        ("version", "==", 2, True),
        ("version", ">", 2, False),
        ("create", "<", 1 << 60, True),
        ("mod", "!=", 0, True),
        ("mod", ">", 1 << 60, False),
        ("value", "==", b"2", True),
        ("value", "!=", b"2", False),
        ("value", "<", b"3", True),
        ("lease", "==", 0, True),
    ],
)
async def test_compares(client: Client, key: Key, target: str, result: str, operand: int | bytes, holds: bool):
    await client.put(key("a"), b"1")
    await client.put(key("a"), b"2")
    answer = await client.txn([Compare(key("a"), target, result, operand)], [PutOp(key("yes"), b"")])
    assert answer.succeeded is holds
    assert ((await client.get(key("yes"))).kv is not None) is holds


async def test_txn_results_stand_in_the_order_of_operations(client: Client, key: Key):
    await client.put(key("old"), b"0")
    answer = await client.txn(
        success=[
            PutOp(key("a"), b"1"),
            RangeOp(key("a")),
            DeleteOp(key("old"), prev_kv=True),
            PutOp(key("b"), b"2", prev_kv=True),
            TxnOp([Compare(key("old"), "version", ">", 0)], [RangeOp(key(""), prefix_end(key("")))], []),
        ]
    )
    assert answer.succeeded
    put, read, delete, second, nested = answer.results
    assert put == PutResult(answer.revision) and second == PutResult(answer.revision, None)
    assert isinstance(read, RangeResult) and read.kvs[0].value == b"1", "a range sees the puts before it"
    assert isinstance(delete, DeleteResult) and delete.deleted == 1 and delete.prev_kvs[0].value == b"0"
    assert isinstance(nested, TxnResult) and nested.succeeded, "compares look at the state before the transaction"
    assert isinstance(nested.results[0], RangeResult) and nested.results[0].count == 2


async def test_txn_failure_branch(client: Client, key: Key):
    answer = await client.txn(
        [Compare(key("a"), "create", ">", 0)], [PutOp(key("a"), b"then")], [PutOp(key("a"), b"else")]
    )
    assert not answer.succeeded
    kv = (await client.get(key("a"))).kv
    assert kv is not None and kv.value == b"else"


async def test_a_read_only_txn_makes_no_revision(client: Client, key: Key):
    put = await client.put(key("a"), b"1")
    answer = await client.txn(success=[RangeOp(key("a")), RangeOp(key("a"), count_only=True)])
    assert answer.revision == put.revision
    first, second = answer.results
    assert isinstance(first, RangeResult) and isinstance(second, RangeResult)
    assert (first.kvs[0].value, second.kvs, second.count) == (b"1", [], 1)


async def test_refusals_have_names_and_change_nothing(client: Client, key: Key):
    before = (await client.get(key("a"))).revision
    with pytest.raises(errors.EmptyKeyError):
        await client.put(b"", b"1")
    with pytest.raises(errors.EmptyKeyError):
        await client.get(b"")
    with pytest.raises(errors.EmptyKeyError):
        await client.range(b"", b"\x00", serializable=True)
    with pytest.raises(errors.EmptyKeyError):
        await client.delete(b"")
    with pytest.raises(errors.EmptyKeyError):
        await client.put_if(b"", b"", mod_revision=0)
    with pytest.raises(errors.LeaseNotFoundError):
        await client.put(key("a"), b"1", lease=123_456_789)
    with pytest.raises(errors.TooManyOpsError):
        await client.txn(success=[PutOp(key(str(number)), b"") for number in range(129)])
    with pytest.raises(errors.DuplicateKeyError):
        await client.txn(success=[PutOp(key("a"), b""), PutOp(key("a"), b"")])
    with pytest.raises(errors.FutureRevisionError):
        await client.txn(success=[PutOp(key("a"), b""), RangeOp(key("a"), revision=before + 1000)])
    with pytest.raises(errors.RequestTooLargeError):
        await client.put(key("a"), b"x" * 1_800_000)
    with pytest.raises(errors.RequestTooLargeError):
        await client.put(key("a"), b"x" * 3_000_000)
    assert (await client.get(key("a"))).revision == before


async def test_records_that_mean_nothing_are_refused_before_they_are_sent(client: Client, key: Key):
    with pytest.raises(ValueError, match="compare target 'color'"):
        await client.txn([Compare(key("a"), "color", "==", 1)])
    with pytest.raises(ValueError, match="compare result '~'"):
        await client.txn([Compare(key("a"), "mod", "~", 1)])
    with pytest.raises(ValueError, match="not of its type"):
        await client.txn([Compare(key("a"), "value", "==", 1)])


async def test_many_calls_at_once(client: Client, key: Key):
    puts = await asyncio.gather(*(client.put(key(f"{number:03}"), b"%d" % number) for number in range(300)))
    assert len({put.revision for put in puts}) == 300
    found = await client.range(key(""), prefix_end(key("")))
    assert [int(kv.value) for kv in found.kvs] == list(range(300))


async def test_a_cancelled_call_harms_nobody(client: Client, key: Key):
    calls = [asyncio.ensure_future(client.put(key(str(number)), b"")) for number in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert all(not call.cancelled() for call in calls[1::2])
    await client.put(key("after"), b"1")
    assert (await client.get(key("after"))).kv is not None


async def test_status_and_members(client: Client):
    status = await client.status()
    members = await client.members()
    assert [member.id for member in members] == [status.member_id]
    assert status.leader == status.member_id and status.raft_term > 0 and not status.errors
    assert status.raft_applied_index <= status.raft_index
    assert [int(part) >= 0 for part in status.version.split(".")] == [True] * 3
    assert members[0].name and members[0].peer_urls and not members[0].is_learner
