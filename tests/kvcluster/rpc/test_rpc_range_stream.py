"""RangeStream: the chunks together are what Range answers, whatever happens to the store meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from kvcluster import pb

INVALID, OUT_OF_RANGE, UNIMPLEMENTED = 3, 11, 12
PATH = "/etcdserverpb.KV/RangeStream"


def stream_of(bench: Any, request: Any, buffered_bytes: int = 0) -> Any:
    stream = bench.stream(PATH, pb.RangeStreamResponse)
    stream.call.buffered_bytes = buffered_bytes
    stream.handler.on_message(request.SerializeToString())
    stream.handler.on_half_close()
    bench.turn()
    return stream


def joined(answers: list[Any]) -> tuple[list[bytes], bool, int]:
    """(keys, more, count); only the last chunk has a header."""
    responses = [answer.range_response for answer in answers]
    assert [response.HasField("header") for response in responses] == [False] * (len(responses) - 1) + [True]
    keys = [kv.key for response in responses for kv in response.kvs]
    return keys, responses[-1].more, responses[-1].count


@pytest.fixture
def filled(bench: Any) -> Any:
    for number in range(300):
        bench.put(b"k%03d" % number, b"v" * (number % 7))
    return bench


@pytest.mark.parametrize(
    "request_",
    [
        pb.RangeRequest(key=b"k", range_end=b"l"),
        pb.RangeRequest(key=b"k010", range_end=b"k020"),
        pb.RangeRequest(key=b"k", range_end=b"l", limit=1),
        pb.RangeRequest(key=b"k", range_end=b"l", limit=10),
        pb.RangeRequest(key=b"k", range_end=b"l", limit=77),
        pb.RangeRequest(key=b"k", range_end=b"l", limit=300),
        pb.RangeRequest(key=b"k", range_end=b"l", revision=100),
        pb.RangeRequest(key=b"k", range_end=b"l", keys_only=True, serializable=True),
        pb.RangeRequest(key=b"k", range_end=b"l", count_only=True),
        pb.RangeRequest(key=b"k007"),
        pb.RangeRequest(key=b"none"),
        pb.RangeRequest(key=b"\0", range_end=b"\0"),
        pb.RangeRequest(key=b"k2", range_end=b"\0", limit=150),
    ],
)
def test_the_chunks_are_the_range(filled: Any, request_: Any) -> None:
    stream = stream_of(filled, request_)
    whole = filled.ask("KV/Range", request_)
    assert stream.call.status == (0, "")
    assert joined(stream.answers()) == ([kv.key for kv in whole.kvs], whole.more, whole.count)


def test_a_change_meanwhile_is_not_seen(filled: Any) -> None:
    stream = stream_of(filled, pb.RangeRequest(key=b"k", range_end=b"l"), buffered_bytes=1 << 20)
    assert stream.call.sent == []  # the client has no room
    filled.ask("KV/DeleteRange", pb.DeleteRangeRequest(key=b"k", range_end=b"l"))
    stream.call.buffered_bytes = 0
    stream.handler.on_drain()
    keys, more, count = joined(stream.answers())
    assert (len(keys), more, count) == (300, False, 300)


def test_a_compaction_meanwhile_ends_it(filled: Any) -> None:
    stream = stream_of(filled, pb.RangeRequest(key=b"k", range_end=b"l"), buffered_bytes=1 << 20)
    filled.put(b"other")
    filled.ask("KV/Compact", pb.CompactionRequest(revision=filled.member.store.revision))
    stream.call.buffered_bytes = 0
    stream.handler.on_drain()
    assert stream.call.status == (OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (pb.RangeRequest(), INVALID, "etcdserver: key is not provided"),
        (pb.RangeRequest(key=b"k", revision=999), OUT_OF_RANGE,
         "etcdserver: mvcc: required revision is a future revision"),
        (pb.RangeRequest(key=b"k", sort_order=2), UNIMPLEMENTED, "RangeStream does not support custom sort orders"),
        (pb.RangeRequest(key=b"k", sort_target=1), UNIMPLEMENTED, "RangeStream does not support custom sort orders"),
        (pb.RangeRequest(key=b"k", min_mod_revision=1), UNIMPLEMENTED,
         "RangeStream does not support revision filters"),
    ],
)  # fmt: skip
def test_refusals(filled: Any, request_: Any, code: int, text: str) -> None:
    assert stream_of(filled, request_).call.status == (code, text)
