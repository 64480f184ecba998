"""Independent clients (grpc.aio, grpcio) on a real socket against the wire; and our client against a grpc.aio server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from kvcluster.wire import ClientConnection, Outcome, ServerConnection, codes

MEGABYTE = 1024 * 1024
WAIT_S = 20.0


class Socket(asyncio.Protocol):
    """The thinnest shell around either end: bytes in, output out."""

    def __init__(self, build: Callable[[Callable[[], object]], Any]) -> None:
        self.end = build(self.wake)
        self.transport: Any = None
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.end.receive(data)
        self.flush()

    def wake(self) -> None:
        asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        output = self.end.take_output()
        if output and self.transport is not None:
            self.transport.write(b"".join(output))

    def pause_writing(self) -> None:
        self.end.http2.set_writable(False)

    def resume_writing(self) -> None:
        self.end.http2.set_writable(True)
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.end.lost()
        if not self.lost.done():
            self.lost.set_result(None)


@pytest.fixture
async def address(toy: Any) -> AsyncIterator[str]:
    """The toy service on a socket. Deadlines are looked at every 20 ms."""
    loop = asyncio.get_running_loop()
    sockets: list[Socket] = []

    def accept() -> Socket:
        sockets.append(Socket(lambda wake: ServerConnection(toy.methods, peer="test", on_output=wake)))
        return sockets[-1]

    async def look_at_the_clock() -> None:
        while True:
            for accepted in sockets:
                accepted.end.expire(loop.time())
            await asyncio.sleep(0.02)

    server = await loop.create_server(accept, "127.0.0.1", 0)
    clock = asyncio.ensure_future(look_at_the_clock())
    try:
        async with asyncio.timeout(WAIT_S):
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        clock.cancel()
        server.close()
        for accepted in sockets:
            accepted.transport.abort()


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel


async def story(toy: Any, part: Any) -> None:
    """Returns when the service was told `part`; the fixture bounds it."""
    told = asyncio.Event()
    toy.on_seen = told.set
    while part not in toy.seen:
        told.clear()
        await told.wait()


async def test_unary(channel: grpc.aio.Channel):
    echo = channel.unary_unary("/toy/Echo")
    answers = await asyncio.gather(*(echo(b"%d" % number) for number in range(500)))
    assert answers == [b"%d" % number for number in range(500)]


async def test_large_messages_both_ways(channel: grpc.aio.Channel):
    payload = bytes(range(256)) * (MEGABYTE // 256)
    assert await channel.unary_unary("/toy/Echo")(payload) == payload
    chat = channel.stream_stream("/toy/Chat")()
    for _ in range(4):
        await chat.write(payload)
        assert await chat.read() == payload
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF


async def test_a_message_over_the_limit(channel: grpc.aio.Channel):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await channel.unary_unary("/toy/Echo")(bytes(2 * MEGABYTE + 1))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert raised.value.details() == "grpc: received message larger than max (2097153 vs. 2097152)"
    assert await channel.unary_unary("/toy/Echo")(b"still here") == b"still here"


async def test_bidirectional_stream(channel: grpc.aio.Channel):
    chat = channel.stream_stream("/toy/Chat")()
    for number in range(100):
        await chat.write(b"%d" % number)
    assert [await chat.read() for _ in range(100)] == [b"%d" % number for number in range(100)]
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    assert await chat.code() is grpc.StatusCode.OK


async def test_server_stream(channel: grpc.aio.Channel):
    assert [message async for message in channel.unary_stream("/toy/Count")(b"abc")] == [b"a", b"b", b"c"]


async def test_errors_with_text_outside_of_ascii(channel: grpc.aio.Channel):
    text = "lease “größer” 100% ✗\nsecond line"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await channel.unary_unary("/toy/Fail")(bytes([codes.OUT_OF_RANGE]) + text.encode())
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.OUT_OF_RANGE, text)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await channel.unary_unary("/toy/Nothing")(b"")
    assert (raised.value.code(), raised.value.details()) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "unknown method Nothing for service toy",
    )


async def test_cancel_reaches_the_service(channel: grpc.aio.Channel, toy: Any):
    chat = channel.stream_stream("/toy/Chat")()
    await chat.write(b"hello")
    assert await chat.read() == b"hello"
    chat.cancel()
    await story(toy, "cancelled")
    assert not toy.calls[0].is_active


async def test_deadline_on_both_sides(channel: grpc.aio.Channel, toy: Any):
    chat = channel.stream_stream("/toy/Chat")(timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await chat.read()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await story(toy, "cancelled")
    assert 0 < toy.calls[0].timeout_s <= 0.201  # gRPC C rounds up to whole milliseconds


async def test_metadata(channel: grpc.aio.Channel, toy: Any):
    sent = {"token": "abc", "trace-bin": b"\x00\xff"}
    call = asyncio.ensure_future(_ask(channel, sent))
    await story(toy, ("never", sent))
    assert toy.calls[0].peer == "test"
    toy.calls[0].reply(b"done")
    assert await call == b"done"


async def _ask(channel: grpc.aio.Channel, metadata: dict[str, str | bytes]) -> bytes:
    answer: bytes = await channel.unary_unary("/toy/Never")(b"", metadata=tuple(metadata.items()))
    return answer


async def test_a_blocking_client_in_a_thread(address: str):
    """grpcio's synchronous API, many calls at once on one channel."""

    def talk() -> list[bytes]:
        with grpc.insecure_channel(address) as channel:
            pending = [channel.unary_unary("/toy/Echo").future(bytes([number]) * 1000) for number in range(100)]
            answers = [call.result(timeout=WAIT_S) for call in pending]
            return answers + list(channel.stream_stream("/toy/Chat")(iter([b"a", b"b"]), timeout=WAIT_S))

    answers = await asyncio.to_thread(talk)
    assert answers == [bytes([number]) * 1000 for number in range(100)] + [b"a", b"b"]


class Reference(grpc.GenericRpcHandler):
    """The toy service once more, on grpc.aio."""

    def service(self, details: Any) -> Any:
        async def echo(payload: bytes, context: Any) -> bytes:
            if payload == b"fail":
                await context.abort(grpc.StatusCode.ABORTED, "größe ✗")
            return payload

        async def chat(payloads: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for payload in payloads:
                yield payload

        if details.method == "/toy/Echo":
            return grpc.unary_unary_rpc_method_handler(echo)
        return grpc.stream_stream_rpc_method_handler(chat) if details.method == "/toy/Chat" else None


async def test_our_client_against_grpc_aio():
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((Reference(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    loop = asyncio.get_running_loop()
    _, ours = await loop.create_connection(
        lambda: Socket(lambda wake: ClientConnection(authority="toy", on_output=wake)), "127.0.0.1", port
    )
    client: ClientConnection = ours.end

    async def call(path: str, payload: bytes) -> Outcome:
        done = loop.create_future()
        client.call_unary(path, payload, done.set_result)
        outcome: Outcome = await done
        return outcome

    async with asyncio.timeout(WAIT_S):
        payload = bytes(range(256)) * (MEGABYTE // 256)
        assert (await call("/toy/Echo", payload)).payload == payload
        answers = await asyncio.gather(*(call("/toy/Echo", b"%d" % number) for number in range(300)))
        assert [answer.payload for answer in answers] == [b"%d" % number for number in range(300)]
        failed = await call("/toy/Echo", b"fail")
        assert (failed.code, failed.text) == (codes.ABORTED, "größe ✗")
        assert (await call("/toy/Nothing", b"")).code == codes.UNIMPLEMENTED

        got: list[bytes] = []
        ended = loop.create_future()
        stream = client.open_stream("/toy/Chat", got.append, ended.set_result)
        for number in range(50):
            stream.send(b"%d" % number, bytes(20_000))
        stream.half_close()
        assert (await ended).ok
        assert got == [b"%d" % number + bytes(20_000) for number in range(50)]
    ours.transport.close()
    await server.stop(None)
