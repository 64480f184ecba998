"""Our client and our server, joined in memory: flow control that waits, both ways, and the life of calls."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvcluster.wire import (
    HIGH_WATER_BYTES,
    LOW_WATER_BYTES,
    UNARY,
    ClientConnection,
    Method,
    Outcome,
    ServerConnection,
    WireLimits,
    codes,
)


class Pair:
    """Both ends. `run` carries bytes until neither has any; chunk(n) → how the next n bytes are cut."""

    def __init__(self, methods: Any, client: WireLimits = WireLimits(), server: WireLimits = WireLimits()) -> None:
        self.client = ClientConnection(limits=client)
        self.server = ServerConnection(methods, limits=server)
        self.random = random.Random(7)
        self.cut_bytes = 0
        self.carried: dict[str, int] = {"up": 0, "down": 0}

    def run(self) -> Pair:
        moved = True
        while moved:
            moved = self._carry("up", self.client, self.server) | self._carry("down", self.server, self.client)
        return self

    def _carry(self, way: str, source: Any, target: Any) -> bool:
        data = b"".join(source.take_output())
        self.carried[way] += len(data)
        at = 0
        while at < len(data):
            size = self.random.randint(1, self.cut_bytes) if self.cut_bytes else len(data)
            target.receive(data[at : at + size])
            at += size
        return bool(data)


class Caller:
    """Collects what a call brings."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.outcomes: list[Outcome] = []

    def on_message(self, payload: bytes) -> None:
        self.messages.append(payload)

    def on_end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @property
    def outcome(self) -> Outcome:
        (outcome,) = self.outcomes
        return outcome


def tiny(stream: int, connection: int) -> WireLimits:
    return WireLimits(stream_window_bytes=stream, connection_window_bytes=connection)


def test_a_call_and_its_answer(toy: Any):
    pair, caller = Pair(toy.methods), Caller()
    pair.client.call_unary("/toy/Echo", b"hello", caller.on_end)
    pair.run()
    assert caller.outcome == Outcome(codes.OK, "", b"hello")
    assert caller.outcome.ok
    assert pair.client.call_count == pair.server.call_count == 0


def test_an_empty_message_is_a_message(toy: Any):
    pair, caller = Pair(toy.methods), Caller()
    pair.client.call_unary("/toy/Echo", b"", caller.on_end)
    pair.run()
    assert caller.outcome == Outcome(codes.OK, "")


def test_errors_carry_code_and_text(toy: Any):
    pair, caller = Pair(toy.methods), Caller()
    pair.client.call_unary("/toy/Fail", b"\x09" + "nicht möglich 🙁".encode(), caller.on_end)
    pair.run()
    assert (caller.outcome.code, caller.outcome.text) == (codes.FAILED_PRECONDITION, "nicht möglich 🙁")


def test_a_very_long_error_text_is_cut(toy: Any):
    pair, caller = Pair({b"/x/Y": Method(UNARY, lambda call, payload: call.fail(13, "ü" * 100_000))}), Caller()
    pair.client.call_unary("/x/Y", b"", caller.on_end)
    pair.run()
    assert caller.outcome.text == "ü" * (len(caller.outcome.text))
    assert 1000 < len(caller.outcome.text) < 10_000


def test_metadata_and_timeout_reach_the_service(toy: Any):
    pair = Pair(toy.methods)
    sent = {"token": "abc", "trace-bin": b"\x00\xff"}
    pair.client.call_unary("/toy/Never", b"", Caller().on_end, sent, timeout_s=1.5)
    pair.client.call_unary("/toy/Never", b"", Caller().on_end, sent)
    pair.run()
    assert [metadata for _, metadata in toy.seen] == [sent, sent]
    assert [call.timeout_s for call in toy.calls] == [1.5, None]
    assert toy.calls[0].peer == ""


def test_metadata_that_cannot_travel_is_refused_before_anything_is_sent(toy: Any):
    pair = Pair(toy.methods).run()
    with pytest.raises(ValueError, match="printable ASCII"):
        pair.client.call_unary("/toy/Echo", b"", Caller().on_end, {"a": "b\nc"})
    assert pair.client.take_output() == []


def echo(call: Any, payload: bytes) -> None:
    call.reply(payload)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30_000), min_size=1, max_size=6),
    stream=st.integers(200, 3000),
    connection=st.integers(65_535, 80_000),
    cut=st.integers(0, 5000),
)
def test_everything_arrives_through_windows_of_any_size(sizes: list[int], stream: int, connection: int, cut: int):
    """Many calls at once, the bytes cut anywhere: every message arrives whole, once."""
    limits = tiny(stream, connection)
    pair = Pair({b"/x/Echo": Method(UNARY, echo)}, limits, limits)
    pair.cut_bytes = cut
    callers = [Caller() for _ in sizes]
    for number, (size, caller) in enumerate(zip(sizes, callers, strict=True)):
        pair.client.call_unary("/x/Echo", bytes([number]) * size, caller.on_end)
    pair.run()
    for number, (size, caller) in enumerate(zip(sizes, callers, strict=True)):
        assert caller.outcome == Outcome(codes.OK, "", bytes([number]) * size)
    assert pair.server.http2.outbox.queued_bytes == pair.client.http2.outbox.queued_bytes == 0


def test_large_messages_cross_small_windows(toy: Any):
    pair = Pair(toy.methods, tiny(1000, 65_535), tiny(500, 65_535))
    pair.cut_bytes = 4000
    unary, chat = Caller(), Caller()
    pair.client.call_unary("/toy/Echo", bytes(300_000), unary.on_end)
    stream = pair.client.open_stream("/toy/Chat", chat.on_message, chat.on_end)
    for number in range(20):
        stream.send(bytes([number]), bytes(10_000))
    stream.half_close()
    pair.run()
    assert unary.outcome.payload == bytes(300_000)
    assert [(message[0], len(message)) for message in chat.messages] == [(number, 10_001) for number in range(20)]
    assert chat.outcome == Outcome(codes.OK, "")


def test_nothing_is_sent_beyond_the_peers_window(toy: Any):
    """The server's answers stop where the client's window ends, and go on when it is opened."""
    pair, caller = Pair(toy.methods, tiny(4096, 65_535)), Caller()
    stream = pair.client.open_stream("/toy/Chat", caller.on_message, caller.on_end)
    pair.run()
    stream.hold()
    before = pair.carried["down"]
    stream.send(bytes(100_000))
    pair.run()
    assert 4096 <= pair.carried["down"] - before < 4096 + 1000
    assert toy.calls[0].buffered_bytes == 100_005 - 4096
    assert caller.messages == []
    stream.release()
    pair.run()
    assert caller.messages == [bytes(100_000)]
    assert toy.calls[0].buffered_bytes == 0


def test_settings_move_the_windows_of_open_streams(toy: Any):
    """RFC 9113 §6.9.2: a window may become negative, and nothing is sent until it is positive again."""
    pair, caller = Pair(toy.methods), Caller()
    pair.client.open_stream("/toy/Chat", caller.on_message, caller.on_end)
    pair.run()
    call = toy.calls[0]
    from_client = pair.server.http2
    call.send(bytes(50_000))
    window = call.send_window
    from_client._take_setting(4, 100)
    assert call.send_window == window - (WireLimits().stream_window_bytes - 100) < 0
    call.send(bytes(10))
    pair.run()
    assert call.buffered_bytes == 15
    from_client._take_setting(4, 100_000)
    from_client.outbox.pump()
    pair.run()
    assert [len(message) for message in caller.messages] == [50_000, 10]


def test_streams_take_turns(toy: Any):
    """When the connection's window is the bottleneck no stream waits for another to finish."""
    pair, caller = Pair(toy.methods, tiny(10_000_000, 65_535)), Caller()
    for _ in range(3):
        pair.client.open_stream("/toy/Chat", caller.on_message, caller.on_end)
    pair.run()
    for call in toy.calls:
        call.send(bytes(1_000_000))
    progress = []
    for _ in range(6):
        pair.client.receive(b"".join(pair.server.take_output()))
        pair.server.receive(b"".join(pair.client.take_output()))
        progress.append([call.buffered_bytes for call in toy.calls])
    sent = [before - now for before, now in zip(progress[0], progress[-1], strict=True)]
    assert min(sent) > 50_000
    assert max(sent) - min(sent) <= 5 * 16_384
    pair.run()
    assert [len(message) for message in caller.messages] == [1_000_000] * 3


def test_a_slow_stream_is_told_when_it_has_drained(toy: Any):
    pair, caller = Pair(toy.methods, tiny(50_000, 65_535)), Caller()
    stream = pair.client.open_stream("/toy/Chat", caller.on_message, caller.on_end)
    pair.run()
    stream.hold()
    call = toy.calls[0]
    while call.buffered_bytes <= HIGH_WATER_BYTES:
        call.send(bytes(20_000))
        pair.run()
    assert "drained" not in toy.seen
    stream.release()
    pair.run()
    assert toy.seen.count("drained") == 1
    assert call.buffered_bytes < LOW_WATER_BYTES


def test_a_socket_that_takes_nothing_fills_the_queue_not_the_output(toy: Any):
    pair, caller = Pair(toy.methods), Caller()
    pair.client.open_stream("/toy/Chat", caller.on_message, caller.on_end)
    pair.run()
    pair.server.http2.set_writable(False)
    call = toy.calls[0]
    call.send(b"first")
    call.send(b"second")
    call.finish()
    assert call.buffered_bytes == 21
    assert sum(map(len, pair.server.take_output())) < 100
    pair.server.http2.set_writable(True)
    pair.run()
    assert caller.messages == [b"first", b"second"]
    assert caller.outcome.ok


def test_an_end_waits_for_what_is_queued(toy: Any):
    pair, caller = Pair(toy.methods, tiny(1000, 65_535)), Caller()
    stream = pair.client.open_stream("/toy/Chat", caller.on_message, caller.on_end)
    pair.run()
    stream.hold()
    toy.calls[0].send(bytes(5000))
    toy.calls[0].finish(codes.UNAVAILABLE, "etcdserver: no leader")
    pair.run()
    assert caller.outcomes == []
    stream.release()
    pair.run()
    assert [len(message) for message in caller.messages] == [5000]
    assert (caller.outcome.code, caller.outcome.text) == (codes.UNAVAILABLE, "etcdserver: no leader")
    assert pair.client.call_count == pair.server.call_count == 0


def test_a_cancelled_stream_frees_what_it_had_queued(toy: Any):
    pair, caller = Pair(toy.methods, tiny(1000, 65_535)), Caller()
    stream = pair.client.open_stream("/toy/Chat", caller.on_message, caller.on_end)
    pair.run()
    toy.calls[0].send(bytes(100_000))
    pair.client.take_output()
    stream.cancel()
    stream.cancel()
    pair.run()
    assert toy.seen[-1] == "cancelled"
    assert pair.server.http2.outbox.queued_bytes == 0
    assert caller.outcomes == []
    stream.send(b"x")
    stream.half_close()
    assert pair.client.take_output() == []


def test_calls_beyond_the_servers_limit_wait_for_a_place(toy: Any):
    pair = Pair(toy.methods, server=WireLimits(max_concurrent_streams=2)).run()
    callers = [Caller() for _ in range(5)]
    streams = [pair.client.open_stream("/toy/Chat", caller.on_message, caller.on_end) for caller in callers[:3]]
    unary = pair.client.call_unary("/toy/Echo", b"unary", callers[3].on_end)
    never_sent = pair.client.call_unary("/toy/Echo", b"cancelled", callers[4].on_end)
    streams[2].send(b"early")
    streams[2].half_close()
    pair.run()
    assert len(toy.calls) == 2
    assert (pair.client.call_count, callers[2].messages) == (5, [])
    assert unary is not None
    assert never_sent is not None
    never_sent.cancel()
    streams[0].cancel()
    pair.run()
    assert callers[2].messages == [b"early"]
    assert callers[3].outcome.payload == b"unary"
    assert ("echo", len(b"cancelled")) not in toy.seen
    assert pair.client.call_count == 1
    assert pair.client.http2.outbox.queued_bytes == 0


def test_a_waiting_stream_without_messages_may_be_half_closed(toy: Any):
    pair = Pair(toy.methods, server=WireLimits(max_concurrent_streams=1)).run()
    first, second = Caller(), Caller()
    held = pair.client.open_stream("/toy/Chat", first.on_message, first.on_end)
    pair.client.open_stream("/toy/Chat", second.on_message, second.on_end).half_close()
    pair.run()
    held.half_close()
    pair.run()
    assert first.outcome.ok
    assert second.outcome.ok


def test_goaway_lets_old_calls_finish_and_says_that_new_ones_were_not_sent(toy: Any):
    pair, old, new = Pair(toy.methods), Caller(), Caller()
    pair.client.call_unary("/toy/Never", b"", old.on_end)
    pair.run()
    pair.server.leave()
    pair.client.call_unary("/toy/Echo", b"", new.on_end)  # under way while the server says goodbye
    pair.run()
    assert (new.outcome.code, new.outcome.was_sent) == (codes.UNAVAILABLE, False)
    assert pair.client.is_leaving
    late = Caller()
    assert pair.client.call_unary("/toy/Echo", b"", late.on_end) is None
    assert (late.outcome.code, late.outcome.was_sent) == (codes.UNAVAILABLE, False)
    with pytest.raises(ConnectionError):
        pair.client.open_stream("/toy/Chat", late.on_message, late.on_end)
    toy.calls[0].reply(b"at last")
    pair.run()
    assert old.outcome.payload == b"at last"


def test_a_lost_connection_ends_every_call_once(toy: Any):
    pair = Pair(toy.methods, server=WireLimits(max_concurrent_streams=1)).run()
    begun, waiting = Caller(), Caller()
    pair.client.call_unary("/toy/Never", b"", begun.on_end)
    pair.client.call_unary("/toy/Never", b"", waiting.on_end)
    pair.run()
    pair.client.lost()
    pair.client.lost()
    assert (begun.outcome.code, begun.outcome.was_sent) == (codes.UNAVAILABLE, True)
    assert (waiting.outcome.code, waiting.outcome.was_sent) == (codes.UNAVAILABLE, False)


def test_a_server_stream_and_one_that_is_refused(toy: Any):
    pair, count, unknown = Pair(toy.methods), Caller(), Caller()
    stream = pair.client.open_stream("/toy/Count", count.on_message, count.on_end)
    stream.send(b"abc")
    stream.half_close()
    pair.client.open_stream("/toy/Unknown", unknown.on_message, unknown.on_end)
    pair.run()
    assert (count.messages, count.outcome.ok) == ([b"a", b"b", b"c"], True)
    assert (unknown.outcome.code, unknown.outcome.text) == (
        codes.UNIMPLEMENTED,
        "unknown method Unknown for service toy",
    )
    assert pair.client.call_count == pair.server.call_count == 0


def test_stream_ids_run_out(toy: Any):
    pair, caller = Pair(toy.methods).run(), Caller()
    pair.client._next_id = 2**31 - 1
    pair.client.call_unary("/toy/Echo", b"last", caller.on_end)
    pair.run()
    assert caller.outcome.payload == b"last"
    assert pair.client.is_leaving
