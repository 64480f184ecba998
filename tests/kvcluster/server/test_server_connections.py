"""Connections of the client port that do not behave: they cost themselves, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kvcluster import pb
from kvcluster.server import ClientListener, Server, connections
from kvcluster.wire import PREFACE, ClientConnection, Outcome, WireLimits, frames

LARGE = WireLimits(max_message_bytes=2**31 - 1, connection_window_bytes=2**30, stream_window_bytes=2**30)


class Caller:
    """Our wire on asyncio streams; reads only when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.wire = ClientConnection(limits=LARGE)

    def flush(self) -> None:
        self.writer.write(b"".join(self.wire.take_output()))

    async def read(self) -> bool:
        data = await self.reader.read(1 << 16)
        self.wire.receive(data)
        self.flush()
        return bool(data)

    async def call(self, path: str, message: Any) -> Outcome:
        outcomes: list[Outcome] = []
        self.wire.call_unary(path, message.SerializeToString(), outcomes.append)
        self.flush()
        while not outcomes:
            assert await self.read()
        return outcomes[0]


async def dial(server: Server) -> Caller:
    host, _, port = server.client_url.removeprefix("http://").rpartition(":")
    return Caller(*await asyncio.open_connection(host, int(port)))


def listener_of(server: Server) -> ClientListener:
    assert server._listener is not None
    return server._listener


async def test_a_client_that_does_not_read_is_not_written_to(server: Server):
    """Its answers wait in their streams, and no more is asked of the store for it than the limit of what may wait."""
    caller = await dial(server)
    assert (await caller.call("/etcdserverpb.KV/Put", pb.PutRequest(key=b"big", value=bytes(1_000_000)))).ok
    request = pb.RangeRequest(key=b"big", serializable=True).SerializeToString()
    outcomes: list[Outcome] = []
    for _ in range(50):
        caller.wire.call_unary("/etcdserverpb.KV/Range", request, outcomes.append)
    caller.flush()
    (protocol,) = listener_of(server)._port.connections
    wire: Any = protocol._wire
    await server.driver.until(lambda: wire.call_count > 30)
    assert protocol._is_paused
    assert protocol._transport is not None
    assert protocol._transport.get_write_buffer_size() < 5_000_000 + connections.WRITE_BUFFER_BYTES
    other = await dial(server)
    assert (await other.call("/etcdserverpb.KV/Range", pb.RangeRequest(key=b"x"))).ok
    while len(outcomes) < 50:
        assert await caller.read()
    assert all(outcome.ok and len(outcome.payload) > 1_000_000 for outcome in outcomes)
    caller.writer.close()
    other.writer.close()


async def test_a_slow_watcher_costs_its_own_buffer(server: Server):
    """It stops being served when its buffer is full, and gets every event once it reads."""
    slow, writer = await dial(server), await dial(server)
    events: list[Any] = []
    created = asyncio.Event()

    def on_message(payload: bytes) -> None:
        response = pb.WatchResponse.FromString(payload)
        created.set()
        events.extend(response.events)

    stream = slow.wire.open_stream("/etcdserverpb.Watch/Watch", on_message, lambda outcome: None)
    create = pb.WatchCreateRequest(key=b"w")
    stream.send(pb.WatchRequest(create_request=create).SerializeToString())
    slow.flush()
    while not created.is_set():
        await slow.read()
    for number in range(60):
        assert (await writer.call("/etcdserverpb.KV/Put", pb.PutRequest(key=b"w", value=b"%d" % number * 200_000))).ok
    (call,) = [
        call
        for protocol in listener_of(server)._port.connections
        if protocol._wire is not None
        for call in protocol._wire.http2.streams.values()
    ]
    assert call.buffered_bytes < 2_000_000
    while len(events) < 60:
        assert await slow.read()
    assert [event.kv.version for event in events] == list(range(1, 61))
    slow.writer.close()
    writer.writer.close()


async def test_a_lost_connection_cancels_its_calls(server: Server):
    caller = await dial(server)
    got: list[bytes] = []
    stream = caller.wire.open_stream("/etcdserverpb.Watch/Watch", got.append, lambda outcome: None)
    for key in (b"a", b"b"):
        stream.send(pb.WatchRequest(create_request=pb.WatchCreateRequest(key=key)).SerializeToString())
    caller.flush()
    while len(got) < 2:
        await caller.read()
    assert len(server.member.hub) == 2
    caller.writer.transport.abort()
    await server.driver.until(lambda: not len(server.member.hub))


async def test_a_protocol_error_is_told_and_closes(server: Server):
    caller = await dial(server)
    caller.writer.write(PREFACE + frames.settings_frame({}) + frames.frame(frames.PING, 0, 0, b"short"))
    said = await caller.reader.read()
    assert frames.goaway(0, frames.FRAME_SIZE_ERROR, "malformed PING") in said
    caller.writer.close()


async def test_a_preface_may_come_in_pieces(server: Server):
    caller = await dial(server)
    outcomes: list[Outcome] = []
    caller.wire.call_unary("/etcdserverpb.KV/Range", pb.RangeRequest(key=b"a").SerializeToString(), outcomes.append)
    for byte in b"".join(caller.wire.take_output()):
        caller.writer.write(bytes([byte]))
        await caller.writer.drain()
    while not outcomes:
        await caller.read()
    assert outcomes[0].ok
    caller.writer.close()


async def test_who_says_nothing_is_shown_the_door(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "SNIFF_S", 0.05)
    server = await start()
    caller = await dial(server)
    caller.writer.write(PREFACE[:5])
    with pytest.raises(ConnectionError):
        assert await caller.reader.read() == b""
        raise ConnectionError
    caller.writer.close()


async def test_deadlines_are_kept_by_the_server(server: Server, monkeypatch: pytest.MonkeyPatch):
    """A client that asked for an answer within 200 ms gets one, even if the member does not answer."""
    monkeypatch.setattr(type(server.member), "propose", lambda *arguments: None)
    caller = await dial(server)
    outcomes: list[Outcome] = []
    request = pb.PutRequest(key=b"a").SerializeToString()
    caller.wire.call_unary("/etcdserverpb.KV/Put", request, outcomes.append, timeout_s=0.2)
    caller.flush()
    while not outcomes:
        assert await caller.read()
    assert (outcomes[0].code, outcomes[0].text) == (4, "context deadline exceeded")
    caller.writer.close()


async def test_stopping_answers_what_waits(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(server.member), "has_ready", lambda member: False)
    caller = await dial(server)
    outcomes: list[Outcome] = []
    caller.wire.call_unary("/etcdserverpb.KV/Put", pb.PutRequest(key=b"a").SerializeToString(), outcomes.append)
    caller.flush()
    await server.driver.until(lambda: server.member.pending_count > 0)
    stopping = asyncio.ensure_future(server.stop())
    while await caller.read():
        pass
    assert (outcomes[0].code, outcomes[0].text) == (14, "etcdserver: server stopped")
    assert caller.wire.is_leaving
    await stopping
    caller.writer.close()


async def test_stopping_does_not_wait_for_a_client_that_does_not_read(server: Server):
    caller = await dial(server)
    assert (await caller.call("/etcdserverpb.KV/Put", pb.PutRequest(key=b"big", value=bytes(1_500_000)))).ok
    request = pb.RangeRequest(key=b"big", serializable=True).SerializeToString()
    for _ in range(20):
        caller.wire.call_unary("/etcdserverpb.KV/Range", request, lambda outcome: None)
    caller.flush()
    (protocol,) = listener_of(server)._port.connections
    await server.driver.until(lambda: protocol._is_paused)
    await asyncio.wait_for(server.stop(), 1.8)
    assert listener_of(server).connection_count == 0
    caller.writer.close()
