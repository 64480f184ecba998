"""What a server answers to frames, good and bad: one rule of RFC 9113 (or of gRPC over HTTP/2) a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hpack import Decoder, Encoder

from kvcluster.wire import PREFACE, frames
from kvcluster.wire.frames import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    frame,
)

Raw = Callable[..., Any]


def headers_of(answer: Any) -> dict[bytes, bytes]:
    return dict(Decoder().decode(answer.payload, raw=True))


def code_of(answer: Any) -> int:
    return int.from_bytes(answer.payload[:4], "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def test_a_unary_call_is_answered_in_one_go(raw: Raw):
    client = raw().start()
    head, data, trailers = client.send(client.head(1), client.message(1, b"hello"))
    assert headers_of(head) == {b":status": b"200", b"content-type": b"application/grpc"}
    assert (data.kind, data.flags, data.payload) == (DATA, 0, b"\x00\x00\x00\x00\x05hello")
    assert trailers.flags == END_HEADERS | END_STREAM
    assert headers_of(trailers) == {b"grpc-status": b"0"}
    assert client.server.call_count == 0


def test_a_failed_call_is_trailers_only_with_a_readable_text(raw: Raw):
    client = raw().start()
    (answer,) = client.send(client.head(1, "/toy/Fail"), client.message(1, b"\x05" + "größe: 100%\n".encode()))
    assert answer.flags == END_HEADERS | END_STREAM
    assert headers_of(answer)[b"grpc-status"] == b"5"
    assert headers_of(answer)[b"grpc-message"] == b"gr%C3%B6%C3%9Fe: 100%25%0A"


def test_a_message_may_be_split_over_frames_and_padded(raw: Raw):
    client = raw().start()
    body = b"\x00\x00\x00\x00\x05hello"
    assert client.send(client.head(1), frame(DATA, 0, 1, body[:3])) == []
    padded = frame(DATA, PADDED | END_STREAM, 1, b"\x04" + body[3:] + bytes(4))
    assert [answer.payload for answer in client.send(padded) if answer.kind == DATA] == [body]


def test_headers_may_be_padded_prioritised_and_continued(raw: Raw):
    client = raw().start()
    block = client.block()
    first = frame(HEADERS, PADDED | HAS_PRIORITY, 1, b"\x02" + bytes(5) + block[:7] + bytes(2))
    rest = frame(CONTINUATION, 0, 1, block[7:9]) + frame(CONTINUATION, END_HEADERS, 1, block[9:])
    assert client.send(first, rest, client.message(1, b"x"))[1].payload == b"\x00\x00\x00\x00\x01x"


def test_repeated_blocks_mean_the_same_after_the_dynamic_table_changed(raw: Raw, toy: Any):
    """The same bytes, an index into the dynamic table, mean another thing once the table has moved."""
    client, encoder = raw().start(), Encoder()
    fixed = [(":method", "POST"), (":scheme", "http"), (":path", "/toy/Never"), ("content-type", "application/grpc")]

    def ask(stream_id: int, value: str) -> bytes:
        block = encoder.encode([*fixed, ("tag", value)])
        client.send(frame(HEADERS, END_HEADERS, stream_id, block), client.message(stream_id))
        return block

    blocks = [ask(1, "a"), ask(3, "a"), ask(5, "a"), ask(7, "b"), ask(9, "a"), ask(11, "b")]
    assert [metadata["tag"] for _, metadata in toy.seen] == ["a", "a", "a", "b", "a", "b"]
    assert blocks[1] == blocks[2] != blocks[4]


def test_pings_are_answered_however_many(raw: Raw):
    client = raw().start()
    answers = client.send(*(frame(PING, 0, 0, number.to_bytes(8, "big")) for number in range(1000)))
    assert [(answer.kind, answer.flags) for answer in answers] == [(PING, ACK)] * 1000
    assert answers[7].payload == (7).to_bytes(8, "big")
    assert client.send(frame(PING, ACK, 0, bytes(8)), frame(PRIORITY, 0, 5, bytes(5)), frame(0xBE, 7, 9, b"?")) == []


@pytest.mark.parametrize(
    ("path", "extra", "status", "text"),
    [
        ("/toy/Nothing", [], b"12", b"unknown method Nothing for service toy"),
        ("/toy/Echo", [(b"grpc-timeout", b"soon")], b"13", b'malformed grpc-timeout: "soon" is not a timeout'),
        ("/toy/Echo", [(b"trace-bin", b"!")], b"13", None),
    ],
)
def test_requests_that_no_method_can_take(raw: Raw, path: str, extra: list[Any], status: bytes, text: bytes | None):
    client = raw().start()
    answer, reset = client.send(client.head(1, path, *extra), client.message(1))[:2]
    assert headers_of(answer)[b"grpc-status"] == status
    assert text is None or headers_of(answer)[b"grpc-message"] == text
    assert (reset.kind, code_of(reset)) == (RST_STREAM, NO_ERROR)
    assert client.send(client.head(3), client.message(3, b"x"))[1].kind == DATA


def test_requests_that_are_not_grpc(raw: Raw):
    client = raw().start()
    get = Encoder().encode([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "toy")])
    assert headers_of(client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, get))[0])[b":status"] == b"405"
    post = Encoder().encode([(":method", "POST"), (":path", "/toy/Echo"), ("content-type", "text/html")])
    client = raw().start()
    assert headers_of(client.send(frame(HEADERS, END_HEADERS, 1, post))[0])[b":status"] == b"415"
    (reset,) = client.send(frame(HEADERS, END_HEADERS, 3, b""))
    assert (reset.kind, code_of(reset)) == (RST_STREAM, PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "sent",
    [
        ("head-ended",),
        ("head", "message", "message-ended"),
        ("head", "half-ended"),
        ("head", "ended"),
    ],
)
def test_a_unary_request_is_exactly_one_message(raw: Raw, sent: tuple[str, ...]):
    client = raw().start()
    parts = {
        "head": client.head(1),
        "head-ended": client.head(1, flags=END_STREAM),
        "message": client.message(1, b"x", 0),
        "message-ended": client.message(1, b"x"),
        "half-ended": frame(DATA, END_STREAM, 1, b"\x00\x00\x00\x00\x05he"),
        "ended": frame(DATA, END_STREAM, 1),
    }
    answers = client.send(*(parts[name] for name in sent))
    assert headers_of(answers[0])[b"grpc-status"] == b"13"
    assert client.fault is None


def test_messages_over_the_limit_and_compressed_ones_end_their_call_only(raw: Raw):
    client = raw(max_message_bytes=100).start()
    answer = client.send(client.head(1), client.message(1, bytes(101)))[0]
    assert headers_of(answer)[b"grpc-status"] == b"8"
    assert headers_of(answer)[b"grpc-message"] == b"grpc: received message larger than max (101 vs. 100)"
    answer = client.send(client.head(3, "/toy/Chat"), frame(DATA, 0, 3, b"\x01\x00\x00\x00\x01x"))[0]
    assert headers_of(answer)[b"grpc-status"] == b"12"
    assert client.send(client.head(5), client.message(5, bytes(100)))[1].kind == DATA


def test_a_bug_of_a_service_fails_its_call_and_is_reported(raw: Raw, toy: Any):
    client = raw().start()
    answer = client.send(client.head(1, "/toy/Bug"), client.message(1))[0]
    assert headers_of(answer)[b"grpc-status"] == b"13"
    client.send(client.head(3, "/toy/Chat"), client.message(3, b"bug", 0))
    assert [type(bug) for bug in client.bugs] == [ZeroDivisionError] * 2
    assert toy.seen[-1] == "cancelled"
    assert client.send(client.head(5), client.message(5, b"x"))[1].kind == DATA


def test_deadlines(raw: Raw, toy: Any):
    """Counted from the first look at the clock; an answer that comes later is dropped."""
    client = raw().start()
    client.send(client.head(1, "/toy/Never", (b"grpc-timeout", b"500m")), client.message(1))
    client.send(client.head(3, "/toy/Chat", (b"grpc-timeout", b"1S")), client.message(3, b"x", 0))
    for now_s in (10.0, 10.4):
        client.server.expire(now_s)
    assert client.take() == []
    client.server.expire(10.5)
    (answer,) = client.take()
    assert headers_of(answer)[b"grpc-status"] == b"4"
    assert headers_of(answer)[b"grpc-message"] == b"context deadline exceeded"
    assert not toy.calls[0].is_active
    toy.calls[0].reply(b"too late")
    assert client.take() == []
    client.server.expire(11.0)
    assert [answer.kind for answer in client.take()] == [HEADERS, RST_STREAM]
    assert toy.seen[-1] == "cancelled"


def test_a_cancelled_call_is_told_and_its_answer_dropped(raw: Raw, toy: Any):
    client = raw().start()
    client.send(client.head(1, "/toy/Chat"), client.head(3, "/toy/Never"), client.message(3))
    assert client.send(frames.rst_stream(1, CANCEL), frames.rst_stream(3, CANCEL)) == []
    assert toy.seen[-1] == "cancelled"
    for call in toy.calls:
        assert not call.is_active
        call.send(b"x")
        call.finish()
    assert client.take() == []
    assert client.send(frames.rst_stream(1, CANCEL), client.message(1), frames.window_update(1, 5)) == []


def test_a_lost_connection_cancels_every_call_once(raw: Raw, toy: Any):
    client = raw().start()
    client.send(client.head(1, "/toy/Chat"), client.head(3, "/toy/Chat"))
    client.server.lost()
    client.server.lost()
    assert toy.seen.count("cancelled") == 2


def test_a_server_that_leaves_finishes_what_it_has_and_refuses_the_rest(raw: Raw, toy: Any):
    client = raw().start()
    client.send(client.head(1, "/toy/Never"), client.message(1))
    client.server.leave()
    (goaway,) = client.take()
    assert (goaway.kind, goaway.payload[:8]) == (GOAWAY, u32(1) + u32(NO_ERROR))
    (refusal,) = client.send(client.head(3), client.message(3))
    assert (refusal.kind, code_of(refusal)) == (RST_STREAM, REFUSED_STREAM)
    toy.calls[0].reply(b"x")
    assert [answer.kind for answer in client.take()] == [HEADERS, DATA, HEADERS]


def test_streams_beyond_the_limit_are_refused(raw: Raw):
    client = raw(max_concurrent_streams=2).start()
    client.send(client.head(1, "/toy/Chat"), client.head(3, "/toy/Chat"))
    (refusal,) = client.send(client.head(5, "/toy/Chat"))
    assert (refusal.kind, refusal.stream_id, code_of(refusal)) == (RST_STREAM, 5, REFUSED_STREAM)
    client.send(frames.rst_stream(1, CANCEL))
    assert client.send(client.head(7), client.message(7, b"x"))[1].kind == DATA


def test_new_streams_are_refused_while_too_much_waits(raw: Raw):
    client = raw(max_queued_bytes=1000).start({frames.INITIAL_WINDOW_SIZE: 0})
    assert [answer.kind for answer in client.send(client.head(1), client.message(1, bytes(2000)))] == [HEADERS]
    assert code_of(client.send(client.head(3))[0]) == REFUSED_STREAM
    client.send(frames.window_update(1, 5000))
    assert client.send(client.head(5), client.message(5, b"x"))[0].kind == HEADERS


def test_a_smaller_header_table_is_acknowledged_in_the_next_block(raw: Raw):
    """RFC 7541 §4.2; ours is always empty, and says so once."""
    client = raw().start({frames.HEADER_TABLE_SIZE: 0})
    heads = [client.send(client.head(number), client.message(number, b"x"))[0].payload for number in (1, 3)]
    assert heads[0][:1] == b"\x20"
    assert heads[1] == heads[0][1:]


FAULTS = {
    "the first frame is not SETTINGS": (PROTOCOL_ERROR, [frame(PING, 0, 0, bytes(8))]),
    "the first frame is an ACK": (PROTOCOL_ERROR, [frame(SETTINGS, ACK, 0)]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_connection_must_begin_well(raw: Raw, name: str):
    code, sent = FAULTS[name]
    client = raw()
    (goaway,) = client.send(PREFACE, *sent)
    assert (goaway.kind, goaway.payload[4:8]) == (GOAWAY, u32(code))
    assert client.server.is_closed


def test_another_protocol_is_refused(raw: Raw):
    client = raw()
    (goaway,) = client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert goaway.payload[4:8] == u32(PROTOCOL_ERROR)


CONNECTION_ERRORS = {
    "a frame over 16 KiB": (FRAME_SIZE_ERROR, lambda c: (4 * 16384).to_bytes(3, "big") + bytes(6)),
    "a short PING": (FRAME_SIZE_ERROR, lambda c: frame(PING, 0, 0, bytes(7))),
    "a PING for a stream": (PROTOCOL_ERROR, lambda c: frame(PING, 0, 1, bytes(8))),
    "SETTINGS of 5 bytes": (FRAME_SIZE_ERROR, lambda c: frame(SETTINGS, 0, 0, bytes(5))),
    "SETTINGS for a stream": (PROTOCOL_ERROR, lambda c: frame(SETTINGS, 0, 1)),
    "an ACK with settings": (FRAME_SIZE_ERROR, lambda c: frame(SETTINGS, ACK, 0, bytes(6))),
    "a window of 2^31": (FLOW_CONTROL_ERROR, lambda c: frames.settings_frame({frames.INITIAL_WINDOW_SIZE: 2**31})),
    "frames of 1 byte": (PROTOCOL_ERROR, lambda c: frames.settings_frame({frames.MAX_FRAME_SIZE: 1})),
    "ENABLE_PUSH 2": (PROTOCOL_ERROR, lambda c: frames.settings_frame({frames.ENABLE_PUSH: 2})),
    "data on stream 0": (PROTOCOL_ERROR, lambda c: frame(DATA, 0, 0, b"x")),
    "data on an idle stream": (PROTOCOL_ERROR, lambda c: frame(DATA, 0, 7, b"x")),
    "a reset of an idle stream": (PROTOCOL_ERROR, lambda c: frames.rst_stream(7, CANCEL)),
    "a window for an idle stream": (PROTOCOL_ERROR, lambda c: frames.window_update(7, 1)),
    "headers on stream 0": (PROTOCOL_ERROR, lambda c: c.head(0)),
    "headers on an even stream": (PROTOCOL_ERROR, lambda c: c.head(2)),
    "headers shorter than their priority": (
        FRAME_SIZE_ERROR,
        lambda c: frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, bytes(4)),
    ),
    "padding longer than its frame": (PROTOCOL_ERROR, lambda c: frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09abc")),
    "CONTINUATION without HEADERS": (PROTOCOL_ERROR, lambda c: frame(CONTINUATION, END_HEADERS, 1)),
    "an interrupted block": (PROTOCOL_ERROR, lambda c: frame(HEADERS, 0, 1) + frame(PING, 0, 0, bytes(8))),
    "another stream's CONTINUATION": (PROTOCOL_ERROR, lambda c: frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 3)),
    "a block that is none": (
        COMPRESSION_ERROR,
        lambda c: frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff"),
    ),
    "headers larger than allowed": (COMPRESSION_ERROR, lambda c: _long_head(c, 14_900)),
    "an endless block": (
        ENHANCE_YOUR_CALM,
        lambda c: frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1, bytes(16_000)) * 5,
    ),
    "PUSH_PROMISE": (PROTOCOL_ERROR, lambda c: frame(PUSH_PROMISE, 0, 1, bytes(4))),
    "no window increment": (PROTOCOL_ERROR, lambda c: frames.window_update(0, 0)),
    "too large a window": (FLOW_CONTROL_ERROR, lambda c: frames.window_update(0, 2**31 - 1)),
    "a short WINDOW_UPDATE": (FRAME_SIZE_ERROR, lambda c: frame(WINDOW_UPDATE, 0, 0, bytes(3))),
    "a short RST_STREAM": (FRAME_SIZE_ERROR, lambda c: frame(RST_STREAM, 0, 1, bytes(3))),
    "a short GOAWAY": (FRAME_SIZE_ERROR, lambda c: frame(GOAWAY, 0, 0, bytes(7))),
    "GOAWAY for a stream": (PROTOCOL_ERROR, lambda c: frame(GOAWAY, 0, 1, bytes(8))),
    "PRIORITY for stream 0": (PROTOCOL_ERROR, lambda c: frame(PRIORITY, 0, 0, bytes(5))),
}


def _long_head(client: Any, size: int) -> bytes:
    block = client.block(extra=[(b"a%d" % number, bytes(size)) for number in range(4)])
    pieces = [block[at : at + 16_384] for at in range(0, len(block), 16_384)]
    last = len(pieces) - 1
    return b"".join(
        frame(CONTINUATION if n else HEADERS, END_HEADERS if n == last else 0, 1, piece)
        for n, piece in enumerate(pieces)
    )


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_connection_errors(raw: Raw, name: str):
    """GOAWAY with the code of the RFC, then nothing more is read."""
    code, build = CONNECTION_ERRORS[name]
    client = raw(max_header_list_bytes=60_000).start()
    answers = client.send(build(client))
    assert (answers[-1].kind, answers[-1].payload[4:8]) == (GOAWAY, u32(code))
    assert client.server.is_closed
    assert client.send(frame(PING, 0, 0, bytes(8))) == []


STREAM_ERRORS = {
    "data after the end": (STREAM_CLOSED, lambda c: c.message(1) + c.message(1)),
    "headers after the end": (STREAM_CLOSED, lambda c: c.message(1) + c.head(1)),
    "headers that are no trailers": (PROTOCOL_ERROR, lambda c: c.head(1)),
    "no window increment": (PROTOCOL_ERROR, lambda c: frames.window_update(1, 0)),
    "too large a window": (FLOW_CONTROL_ERROR, lambda c: frames.window_update(1, 2**31 - 1)),
}


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_stream_errors(raw: Raw, name: str, toy: Any):
    """RST_STREAM with the code of the RFC; the connection's other calls go on."""
    code, build = STREAM_ERRORS[name]
    client = raw().start()
    answers = client.send(client.head(1, "/toy/Never"), build(client))
    assert [(answer.kind, answer.stream_id, code_of(answer)) for answer in answers] == [(RST_STREAM, 1, code)]
    assert all(not call.is_active for call in toy.calls)
    assert client.send(client.head(3), client.message(3, b"x"))[1].kind == DATA


def test_more_than_the_window_is_an_error(raw: Raw):
    """A service that reads at once has its window topped up, so this takes one burst over all of it."""
    client = raw(stream_window_bytes=10_000, connection_window_bytes=100_000).start()
    answers = client.send(client.head(1, "/toy/Never"), frame(DATA, 0, 1, b"\x00\x00\x10\x00\x00" + bytes(9_996)))
    assert (RST_STREAM, FLOW_CONTROL_ERROR) in [(a.kind, code_of(a)) for a in answers]
    client = raw(stream_window_bytes=70_000, connection_window_bytes=70_000).start()
    client.server.http2._receive_window = 10
    client.send(client.head(1, "/toy/Never"), frame(DATA, 0, 1, bytes(11)))
    assert client.fault == FLOW_CONTROL_ERROR


def test_windows_are_topped_up_when_half_is_used(raw: Raw):
    client = raw(stream_window_bytes=20_000, connection_window_bytes=70_000).start()
    client.send(client.head(1, "/toy/Never"))
    updates = client.send(frame(DATA, 0, 1, b"\x00\x00\x10\x00\x00" + bytes(9_995)))
    assert updates == []
    for _ in range(5):
        updates += client.send(frame(DATA, 0, 1, bytes(10_000)))
    increments = [(answer.stream_id, code_of(answer)) for answer in updates if answer.kind == WINDOW_UPDATE]
    assert increments == [(1, 20_000), (0, 40_000), (1, 20_000), (1, 20_000)]
    assert client.fault is None


def test_until_our_settings_are_acknowledged_the_peer_may_know_only_the_default_window(raw: Raw):
    client = raw(stream_window_bytes=1000)
    client.send(PREFACE, frames.settings_frame({}), client.head(1))
    body = b"\x00\x00\x00\xea\x60" + bytes(60_000)
    pieces = [frame(DATA, 0, 1, body[at : at + 10_000]) for at in range(0, 60_000, 10_000)]
    assert not any(answer.kind == RST_STREAM for answer in client.send(*pieces))
    (update,) = client.send(frame(SETTINGS, ACK, 0))
    assert (update.kind, update.stream_id) == (WINDOW_UPDATE, 1)
    assert 1000 - code_of(update) <= 65_535 - 60_000
    assert client.send(frame(DATA, END_STREAM, 1, body[60_000:]))[1].kind == DATA


FLOODS = {
    "SETTINGS": lambda c, n: frames.settings_frame({}),
    "empty DATA": lambda c, n: (c.head(1, "/toy/Chat") if n == 0 else b"") + frame(DATA, 0, 1),
    "rapid resets": lambda c, n: c.head(2 * n + 1, "/toy/Chat") + frames.rst_stream(2 * n + 1, CANCEL),
    "broken streams": lambda c, n: c.head(2 * n + 1, "/toy/Chat") + frames.window_update(2 * n + 1, 0),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_end_the_connection(raw: Raw, name: str):
    client = raw(max_nuisances=50).start()
    for number in range(200):
        client.send(FLOODS[name](client, number))
    assert client.fault == ENHANCE_YOUR_CALM


def test_calls_that_come_to_their_end_are_no_flood(raw: Raw):
    """A client that cancels half of its calls for ever is an ordinary client."""
    client = raw(max_nuisances=50).start()
    for number in range(1, 1000, 4):
        client.send(client.head(number, "/toy/Chat"), frames.rst_stream(number, CANCEL))
        client.send(client.head(number + 2), client.message(number + 2))
    assert client.fault is None


def test_a_peer_that_asks_and_never_reads_is_cut_off(raw: Raw):
    client = raw(max_unsent_frames=100).start()
    for _ in range(200):
        client.server.receive(frame(PING, 0, 0, bytes(8)))
    assert client.fault == ENHANCE_YOUR_CALM
    assert len(client.take()) <= 102
