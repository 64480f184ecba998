"""How many of our own Python calls the hot paths take, above the wire. Counted, not timed."""

from __future__ import annotations

from typing import Any

from kvcluster import pb

PUT = b"/etcdserverpb.KV/Put"
RANGE = b"/etcdserverpb.KV/Range"


def test_a_put_is_proposed_in_six_calls(bench: Any, make_call: Any, own_calls: Any) -> None:
    """With the six of the wire (tests/kvcluster/wire) twelve from the socket to the queue."""
    handler = bench.services.methods[PUT].handler
    payload = pb.PutRequest(key=b"k", value=b"v" * 256).SerializeToString()
    names = own_calls(lambda: handler(make_call(), payload))
    assert names == ["put", "decode_unary", "check_put", "_propose", "propose", "add"]
    assert bench.member.pending_count == 1


def test_a_serializable_get_is_fifteen_calls_and_encodes_no_pair(bench: Any, make_call: Any, own_calls: Any) -> None:
    bench.put(b"k")
    handler = bench.services.methods[RANGE].handler
    payload = pb.RangeRequest(key=b"k", serializable=True).SerializeToString()
    handler(make_call(), payload)
    names = own_calls(lambda: handler(make_call(), payload))
    assert len(names) <= 15 and "encode_key_value" not in names, names


def test_a_synced_watcher_costs_two_calls_an_event(bench: Any, own_calls: Any) -> None:
    """deliver and the cached header; the events' bytes are shared."""

    def calls_of_a_put(watchers: int) -> int:
        stream = bench.watch()
        for _ in range(watchers):
            stream.create(b"k")
        event = bench.member.store.put(b"k", b"v", 0)
        hub = bench.member.hub
        names = own_calls(lambda: (hub.publish(bench.member.store.revision, (event,)), hub.flush()))
        assert len(stream.answers()) == watchers
        stream.handler.on_cancel()
        return len(names)

    assert (calls_of_a_put(110) - calls_of_a_put(10)) / 100 <= 2
