"""etcd's RPCs over a socket, by an independent client: the same on our transport and on grpc.aio's.

What each RPC means is tested in rpc/ and etcdctl/; this is about the way there and back.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from kvcluster import pb
from kvcluster.server import Server


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details()


async def test_put_and_range(both: Server, stubs: Any):
    put = await stubs.Put(key=b"a", value=b"1")
    assert put.header.revision == 2
    assert put.header.member_id == both.member.id
    got = await stubs.Range(key=b"a")
    assert [(kv.key, kv.value, kv.mod_revision, kv.version) for kv in got.kvs] == [(b"a", b"1", 2, 1)]
    assert got.header.raft_term == both.member.term
    assert (await stubs.Range(key=b"a", serializable=True)).count == 1


async def test_many_calls_at_once(stubs: Any):
    answers = await asyncio.gather(*(stubs.Put(key=b"k%d" % number, value=b"v") for number in range(300)))
    assert sorted(answer.header.revision for answer in answers) == list(range(2, 302))
    assert (await stubs.Range(key=b"k", range_end=b"l", count_only=True)).count == 300


async def test_transactions_and_deletes(stubs: Any):
    await stubs.Put(key=b"a", value=b"1")
    swap = {
        "compare": [pb.Compare(key=b"a", target=pb.Compare.MOD, result=pb.Compare.EQUAL, mod_revision=2)],
        "success": [pb.RequestOp(request_put=pb.PutRequest(key=b"a", value=b"2"))],
        "failure": [pb.RequestOp(request_range=pb.RangeRequest(key=b"a"))],
    }
    assert (await stubs.Txn(**swap)).succeeded
    second = await stubs.Txn(**swap)
    assert not second.succeeded
    assert second.responses[0].response_range.kvs[0].value == b"2"
    assert (await stubs.DeleteRange(key=b"a")).deleted == 1


async def test_large_values_both_ways(stubs: Any):
    """Larger than any window or frame; the answer of three is larger than a client's default window."""
    value = bytes(range(256)) * 4096
    for number in range(3):
        await stubs.Put(key=b"big%d" % number, value=value)
    got = await stubs.Range(key=b"big0")
    assert got.kvs[0].value == value
    got = await stubs.Range(key=b"big", range_end=b"bih", keys_only=True)
    assert [kv.key for kv in got.kvs] == [b"big0", b"big1", b"big2"]


async def test_a_watch_with_events_from_history_and_from_now(stubs: Any):
    await stubs.Put(key=b"w/1", value=b"old")
    watch = stubs.watch()
    create = pb.WatchCreateRequest(key=b"w/", range_end=b"w0", start_revision=2)
    await watch.write(pb.WatchRequest(create_request=create))
    assert (await watch.read()).created
    events = list((await watch.read()).events)
    await stubs.Put(key=b"other", value=b"x")
    await stubs.Put(key=b"w/2", value=b"new")
    await stubs.DeleteRange(key=b"w/1")
    while len(events) < 3:
        events += (await watch.read()).events
    assert [(event.type, event.kv.key, event.kv.mod_revision) for event in events] == [
        (0, b"w/1", 2),
        (0, b"w/2", 4),
        (1, b"w/1", 5),
    ]
    await watch.write(pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=0)))
    assert (await watch.read()).canceled
    watch.cancel()


async def test_a_watcher_that_hangs_up_is_forgotten(both: Server, stubs: Any):
    watch = stubs.watch()
    await watch.write(pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"a")))
    await watch.read()
    assert len(both.member.hub) == 1
    watch.cancel()
    await both.driver.until(lambda: not len(both.member.hub))


async def test_leases(stubs: Any):
    grant = await stubs.LeaseGrant(TTL=60)
    await stubs.Put(key=b"leased", value=b"x", lease=grant.ID)
    alive = stubs.keep_alive()
    for _ in range(3):
        await alive.write(pb.LeaseKeepAliveRequest(ID=grant.ID))
        assert (await alive.read()).TTL == 60
    await alive.done_writing()
    assert await alive.read() is grpc.aio.EOF
    left = await stubs.LeaseTimeToLive(ID=grant.ID, keys=True)
    assert (left.grantedTTL, list(left.keys)) == (60, [b"leased"])
    await stubs.LeaseRevoke(ID=grant.ID)
    assert (await stubs.Range(key=b"leased")).count == 0


async def test_errors_have_etcds_codes_and_texts(stubs: Any):
    assert await refusal(stubs.Put(key=b"", value=b"x")) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "etcdserver: key is not provided",
    )
    assert await refusal(stubs.Range(key=b"a", revision=99)) == (
        grpc.StatusCode.OUT_OF_RANGE,
        "etcdserver: mvcc: required revision is a future revision",
    )
    assert await refusal(stubs.LeaseRevoke(ID=1)) == (
        grpc.StatusCode.NOT_FOUND,
        "etcdserver: requested lease not found",
    )


async def test_requests_that_are_too_large(stubs: Any):
    """Over --max-request-bytes the service refuses; over the message limit the transport does, and the server goes on."""
    assert await refusal(stubs.Put(key=b"a", value=bytes(1_600_000))) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "etcdserver: request is too large",
    )
    code, text = await refusal(stubs.Put(key=b"a", value=bytes(3_000_000)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "received message larger than max (30000" in text.replace("Received", "received")
    assert (await stubs.Put(key=b"a", value=b"x")).header.revision == 2


async def test_methods_that_do_not_exist_and_bytes_that_are_no_message(stubs: Any):
    nothing = stubs.channel.unary_unary("/etcdserverpb.KV/Nothing")
    assert (await refusal(nothing(b"")))[0] is grpc.StatusCode.UNIMPLEMENTED
    put = stubs.channel.unary_unary("/etcdserverpb.KV/Put")
    code, text = await refusal(put(b"\x0a\xff"))
    assert code is grpc.StatusCode.INTERNAL
    assert text.startswith("grpc: error unmarshalling request")


async def test_who_is_there(both: Server, stubs: Any):
    (member,) = (await stubs.MemberList()).members
    assert (member.name, list(member.clientURLs)) == ("default", [both.client_url])
    status = await stubs.Status()
    assert status.leader == both.member.id
    assert status.version.startswith("3.")


async def test_what_waits_is_answered_when_the_server_stops(both: Server, stubs: Any):
    """A watch ends with the connection; a request that cannot be answered any more ends with etcd's text or UNAVAILABLE."""
    watch = stubs.watch()
    await watch.write(pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"a")))
    await watch.read()
    await asyncio.wait_for(both.stop(), 3)
    with pytest.raises(grpc.aio.AioRpcError):
        while await watch.read() is not grpc.aio.EOF:
            pass
    assert (await refusal(stubs.Put(key=b"a", value=b"x", timeout=1)))[0] in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
