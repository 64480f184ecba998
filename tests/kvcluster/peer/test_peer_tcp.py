"""Links between members on real sockets: delivery, refusals, strangers, bounds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kvcluster.member import LeaseRequest
from kvcluster.peer import PeerRefusedError, TcpPeerTransport, tcp
from kvcluster.peer.protocol import ANSWER_BYTES, HELLO_BYTES, LENGTH, Hello, encode_hello
from kvcluster.raft import Entry, EntryType, Message, MessageType

CLUSTER = 0xC1
WAIT_S = 10.0


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen()
    listening.setblocking(False)
    return listening


class Member:
    """A transport and what it told its owner."""

    def __init__(self, id: int, addresses: dict[int, tuple[str, int]], incarnation: int, cluster_id: int) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.unreachable: asyncio.Queue[int] = asyncio.Queue()
        self.reachable: asyncio.Queue[int] = asyncio.Queue()
        self.refusal: asyncio.Future[PeerRefusedError] = asyncio.get_running_loop().create_future()
        self.transport = TcpPeerTransport(
            cluster_id=cluster_id,
            member_id=id,
            incarnation=incarnation,
            peers={id: (address,) for id, address in addresses.items()},
            deliver=self.inbox.put_nowait,
            unreachable=self.unreachable.put_nowait,
            reachable=self.reachable.put_nowait,
            failed=lambda error: None if self.refusal.done() else self.refusal.set_result(error),
        )


class Net:
    """Addresses of members 1 and 2, and whoever was started on them."""

    def __init__(self) -> None:
        self.sockets = {1: listen(), 2: listen()}
        self.addresses = {id: sock.getsockname()[:2] for id, sock in self.sockets.items()}
        self.members: list[Member] = []

    async def start(self, id: int, incarnation: int = 100, cluster_id: int = CLUSTER) -> Member:
        member = Member(id, self.addresses, incarnation, cluster_id)
        self.members.append(member)
        listening = self.sockets.pop(id, None)
        if listening is not None:
            await member.transport.serve(listening)
        member.transport.start()
        return member

    async def dial(self, id: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A stranger's connection to a member."""
        return await asyncio.open_connection(*self.addresses[id])


@pytest.fixture
async def net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Net]:
    monkeypatch.setattr(tcp, "RETRY_S", 0.01)
    net = Net()
    async with asyncio.timeout(WAIT_S):
        yield net
        for member in net.members:
            await member.transport.stop()
    for listening in net.sockets.values():
        listening.close()


def beat(sender: int, to: int, index: int = 0, size: int = 0) -> Message:
    entries = [Entry(1, index, EntryType.NORMAL, bytes(size))] if size else []
    return Message(MessageType.APP, to, sender, 1, 1, index, entries)


async def exchange(sender: Member, receiver: Member, message: Message) -> None:
    """The link is up, and a message gets through."""
    await sender.transport.connected(receiver.transport.member_id)
    sender.transport.send([message])
    assert await receiver.inbox.get() == message


async def test_messages_arrive_in_order(net: Net):
    one, two = await net.start(1), await net.start(2)
    await exchange(one, two, beat(1, 2))
    await exchange(two, one, beat(2, 1))
    sent = [beat(1, 2, index, size=index * 100) for index in range(1, 200)] + [LeaseRequest(1, 2, 1, 5, 77)]
    one.transport.send(sent[:100])
    one.transport.send(sent[100:])
    assert [await two.inbox.get() for _ in sent] == sent
    assert one.transport.sent_bytes == two.transport.received_bytes - HELLO_BYTES


async def test_what_is_said_while_connecting_is_said_once_connected(net: Net):
    """Members that start together: the other listens, and does not answer yet."""
    one = await net.start(1)
    one.transport.send([beat(1, 2, 1), beat(1, 2, 2)])
    one.transport.send([beat(1, 2, 3)])
    two = await net.start(2)
    await one.transport.connected(2)
    one.transport.send([beat(1, 2, 4)])
    assert [(await two.inbox.get()).index for _ in range(4)] == [1, 2, 3, 4]
    assert one.transport.dropped_sends == 0 and one.unreachable.empty()


async def test_what_is_held_is_bounded(net: Net, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "MAX_HELD_BYTES", 2000)
    one = await net.start(1)
    one.transport.send([beat(1, 2, 1, size=1500)])
    one.transport.send([beat(1, 2, 2, size=1500)])
    assert one.unreachable.get_nowait() == 2 and one.transport.dropped_sends == 1
    two = await net.start(2)
    assert (await two.inbox.get()).index == 1
    await exchange(one, two, beat(1, 2, 3))


async def test_whoever_calls_is_called_at_once(net: Net, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "RETRY_S", 10 * WAIT_S)
    net.sockets.pop(2).close()
    one = await net.start(1)
    assert await one.unreachable.get() == 2
    net.sockets[2] = listen(*net.addresses[2])
    two = await net.start(2)
    await exchange(one, two, beat(1, 2))


async def test_a_large_message(net: Net):
    one, two = await net.start(1), await net.start(2)
    await exchange(one, two, beat(1, 2))
    snapshot = beat(1, 2, 9, size=20_000_000)
    one.transport.send([snapshot])
    assert await two.inbox.get() == snapshot


async def test_a_member_that_is_not_there_is_unreachable_and_comes_back(net: Net):
    net.sockets.pop(2).close()
    one = await net.start(1)
    one.transport.send([beat(1, 2), beat(1, 2)])
    assert await one.unreachable.get() == 2
    assert one.transport.dropped_sends == 1 and one.reachable.empty()
    net.sockets[2] = listen(*net.addresses[2])
    two = await net.start(2)
    assert await one.reachable.get() == 2
    await exchange(one, two, beat(1, 2, 5))
    await two.transport.stop()
    while not one.unreachable.empty():
        one.unreachable.get_nowait()
    assert await one.unreachable.get() == 2  # the loss of the connection is told


async def test_a_member_with_another_memory_is_refused(net: Net):
    """Whoever has met the first life refuses the second, whichever of the two dials."""
    one, two = await net.start(1), await net.start(2, incarnation=100)
    await exchange(two, one, beat(2, 1))
    await two.transport.stop()
    again = await net.start(2, incarnation=101)
    refusal = await again.refusal
    assert "member 2 has run before with another memory" in str(refusal)
    assert "may not rejoin the cluster under its old identity" in str(refusal)
    assert isinstance(refusal, PeerRefusedError)
    again.transport.send([beat(2, 1)])
    assert one.inbox.empty()
    assert not one.refusal.done()


async def test_a_member_of_another_cluster_is_refused(net: Net):
    await net.start(1)
    two = await net.start(2, cluster_id=0xC2)
    assert str(await two.refusal) == "cluster ID mismatch: this is cluster c1, not c2"


@pytest.mark.parametrize(
    ("hello", "text"),
    [
        (Hello(CLUSTER, 2, 3, 1), "this is member 1, not 3"),
        (Hello(CLUSTER, 9, 1, 1), "member 9 is not of this cluster"),
        (Hello(CLUSTER, 1, 1, 1), "member 1 is not of this cluster"),
    ],
)
async def test_strangers_who_know_how_to_greet(net: Net, hello: Hello, text: str):
    await net.start(1)
    reader, writer = await net.dial(1)
    writer.write(encode_hello(hello))
    said = await reader.read()
    assert said[ANSWER_BYTES:].decode() == text
    writer.close()


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: somebody\r\nAccept: */*\r\n\r\n",
        encode_hello(Hello(CLUSTER, 2, 1, 5)) + LENGTH.pack(2**32 - 1) + b"x",
        encode_hello(Hello(CLUSTER, 2, 1, 5)) + LENGTH.pack(5) + b"\x00noise",
        encode_hello(Hello(CLUSTER, 2, 1, 5)) + LENGTH.pack(0),
    ],
)
async def test_noise_closes_its_connection_and_nothing_else(net: Net, noise: bytes):
    one = await net.start(1)
    reader, writer = await net.dial(1)
    writer.write(noise)
    assert len(await reader.read()) in (0, ANSWER_BYTES)
    writer.close()
    assert one.inbox.empty()
    two = await net.start(2, incarnation=5)
    await exchange(two, one, beat(2, 1))


async def test_who_does_not_greet_is_shown_the_door(net: Net, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "HANDSHAKE_S", 0.05)
    await net.start(1)
    reader, writer = await net.dial(1)
    writer.write(b"kvpeer1")
    assert await reader.read() == b""
    writer.close()


async def test_a_stranger_on_a_members_port_does_not_end_this_member(net: Net):
    """Something else may have taken the port; the link tries again and the member goes on."""
    answered = asyncio.Event()

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()
        answered.set()

    stranger = await asyncio.start_server(answer, sock=net.sockets.pop(2))
    one = await net.start(1)
    for _ in range(2):
        answered.clear()
        await answered.wait()
    assert await one.unreachable.get() == 2
    assert not one.refusal.done()
    stranger.close()


async def test_a_member_that_does_not_read_loses_messages_not_our_memory(net: Net, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "MAX_BUFFER_BYTES", 1_000_000)
    welcomed = asyncio.Event()

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(40)
        writer.write(tcp.encode_welcome(7))
        welcomed.set()

    deaf = await asyncio.start_server(welcome, sock=net.sockets.pop(2), limit=1024)
    one = await net.start(1)
    await welcomed.wait()
    await one.transport.connected(2)
    for _ in range(40):
        one.transport.send([beat(1, 2, 1, size=1_000_000)])
    assert one.transport.dropped_sends > 10
    assert one.transport._links[2]._writer.transport.get_write_buffer_size() < 3_000_000
    deaf.close()


async def test_a_message_too_large_for_the_wire_is_dropped(net: Net, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "MAX_MESSAGE_BYTES", 1000)
    one, two = await net.start(1), await net.start(2)
    await exchange(one, two, beat(1, 2))
    one.transport.send([beat(1, 2, 1, size=2000), beat(1, 2, 2)])
    assert await two.inbox.get() == beat(1, 2, 2)


async def test_stopping_is_quick_and_may_be_done_twice(net: Net):
    one, two = await net.start(1), await net.start(2)
    await exchange(one, two, beat(1, 2))
    await one.transport.stop()
    await one.transport.stop()
    one.transport.send([beat(1, 2)])
