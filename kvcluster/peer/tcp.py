"""Raft messages between processes, over TCP: bounded, may drop, never blocks.

One outgoing link per member: it keeps itself connected, says what there is in one write a turn, and drops what comes while it
is down or more than MAX_BUFFER_BYTES are unsent (raft repeats what matters). Nothing is ever sent twice: a forwarded proposal
has no identity. Incoming connections only receive.

    link      trying ──connect, HELLO, WELCOME──▶ up ──lost──▶ down ──a pause, or that member calls──▶ trying
                ├──no connection──▶ down; the pause doubles up to MAX_RETRY_S
                └──REFUSAL──▶ over: `failed` is called with PeerRefusedError
              What comes while it is trying is held, up to MAX_HELD_BYTES, until it is up or down: members that start
              together talk while they connect, and raft would repeat what they said only after half a second or more.
    incoming  silent ──HELLO──▶ welcome ──bytes that are no message──▶ closed
                └──anything else, or nothing within HANDSHAKE_S──▶ closed
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from kvcluster.errors import KvClusterError, MemberRemovedError
from kvcluster.member import PeerMessage, decode_peer_message, encode_peer_message
from kvcluster.peer.protocol import (
    ANSWER_BYTES,
    HELLO_BYTES,
    LENGTH,
    MAX_MESSAGE_BYTES,
    Acquaintances,
    Hello,
    decode_answer,
    decode_hello,
    encode_hello,
    encode_join,
    encode_refusal,
    encode_welcome,
    refusal_text,
)

log = logging.getLogger(__name__)

MAX_BUFFER_BYTES = 64 * 1024 * 1024
MAX_HELD_BYTES = 1024 * 1024
RETRY_S = 0.02
MAX_RETRY_S = 1.0
HANDSHAKE_S = 5.0

Deliver = Callable[[PeerMessage], object]
Addresses = tuple[tuple[str, int], ...]
"""Of one member; any of them will do."""


class PeerRefusedError(KvClusterError):
    """Another member does not let this one in; the text says why."""


class TcpPeerTransport:
    """The links of one member.

    peers: addresses of all members by id, this one's included. deliver: a message arrived. unreachable: one could not be
    sent to that member. reachable: from now on they can. failed: PeerRefusedError, once another member refuses this one.
    describe: the membership as JSON, for a newcomer who asks. client_context: the ssl.SSLContext to dial with; None: plaintext.
    """

    def __init__(
        self,
        *,
        cluster_id: int,
        member_id: int,
        incarnation: int,
        peers: Mapping[int, Addresses],
        deliver: Deliver,
        unreachable: Callable[[int], object],
        reachable: Callable[[int], object],
        failed: Callable[[PeerRefusedError], object],
        describe: Callable[[], bytes] = lambda: b"",
        client_context: Any = None,
    ) -> None:
        self.cluster_id = cluster_id
        self.member_id = member_id
        self.incarnation = incarnation
        self.acquaintances = Acquaintances()
        self.deliver = deliver
        self.unreachable = unreachable
        self.reachable = reachable
        self.failed = failed
        self.describe = describe
        self.client_context = client_context
        self._removed: dict[int, None] = {}
        self._is_started = False
        self.sent_bytes = 0
        self.received_bytes = 0
        self.dropped_sends = 0
        self._links = {id: _Link(self, id, addresses) for id, addresses in peers.items() if id != member_id}
        self._servers: list[asyncio.Server] = []
        self._incoming: dict[_Incoming, None] = {}

    async def serve(self, listening: socket.socket, context: Any = None) -> None:
        """Takes connections of the others on a socket that listens; context: an ssl.SSLContext, for TLS."""
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(lambda: _Incoming(self), sock=listening, ssl=context))

    def start(self) -> None:
        """Connects to all the others; a refusal is known at once and not at the first election."""
        self._is_started = True
        for link in self._links.values():
            link.start()

    def set_peers(self, peers: Mapping[int, Addresses], removed: Iterable[int]) -> None:
        """Members have come, gone or moved: links follow. Those removed are told so when they call."""
        self._removed = dict.fromkeys(removed)
        for id in [id for id, link in self._links.items() if peers.get(id) != link.addresses]:
            self._links.pop(id).cancel()
        for incoming in [incoming for incoming in self._incoming if incoming.sender in self._removed]:
            incoming.close()
        for id, addresses in peers.items():
            if id != self.member_id and id not in self._links:
                link = self._links[id] = _Link(self, id, addresses)
                if self._is_started:
                    link.start()

    def is_up(self, member_id: int) -> bool:
        """Whether there is a link to that member now."""
        link = self._links.get(member_id)
        return link is not None and link.is_up.is_set()

    def is_removed(self, member_id: int) -> bool:
        return member_id in self._removed

    def send(self, messages: Sequence[PeerMessage]) -> None:
        """Encodes and writes, one write a member; drops what cannot be sent now."""
        parts: dict[int, list[bytes]] = {}
        for message in messages:
            data = encode_peer_message(message)
            if len(data) > MAX_MESSAGE_BYTES:
                log.error("a message of %d bytes to member %x is too large to be sent", len(data), message.to)
                self.dropped_sends += 1
                continue
            parts.setdefault(message.to, []).extend((LENGTH.pack(len(data)), data))
        for id, pieces in parts.items():
            link = self._links.get(id)
            if link is None or not link.write(b"".join(pieces)):
                self.dropped_sends += 1
                self.unreachable(id)

    async def connected(self, member_id: int) -> None:
        """Returns once the link to that member is up. Raises KeyError where there is none; bound it with asyncio.timeout."""
        await self._links[member_id].is_up.wait()

    async def met(self, member_id: int) -> None:
        """Returns once both ways to and from that member are up. As `connected`."""
        await self._links[member_id].is_up.wait()
        await self._links[member_id].is_heard.wait()

    def heard(self, member_id: int) -> None:
        """That member has connected to this one, so it can be connected to."""
        link = self._links.get(member_id)
        if link is not None:
            link.heard()

    def knows(self, member_id: int) -> bool:
        """Whether it is one of the others."""
        return member_id in self._links

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for incoming in list(self._incoming):
            incoming.close()
        for link in self._links.values():
            await link.stop()


async def ask_membership(address: tuple[str, int], client_context: Any = None) -> bytes:
    """The membership of the cluster that somebody there is a member of, as JSON. Raises OSError, ValueError, TimeoutError."""
    async with asyncio.timeout(HANDSHAKE_S):
        reader, writer = await asyncio.open_connection(*address, ssl=client_context)
        try:
            writer.write(encode_join())
            answer = decode_answer(await reader.readexactly(ANSWER_BYTES))
            return await reader.readexactly(answer.text_bytes)
        except asyncio.IncompleteReadError as error:
            raise ValueError("the connection ended before the answer") from error
        finally:
            writer.close()


class _Link:
    """The way to one member; a task of its own connects, and connects again."""

    def __init__(self, owner: TcpPeerTransport, peer: int, addresses: Addresses) -> None:
        self._owner = owner
        self._peer = peer
        self.addresses = addresses
        self._attempt = 0
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_trying = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._called = asyncio.Event()
        """It has connected to us since the last attempt began."""
        self.is_up = asyncio.Event()
        self.is_heard = asyncio.Event()
        """The other way, from it to us, has been up."""

    def start(self) -> None:
        self._is_trying = True
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"peer link to {self._peer:x}")

    def write(self, data: bytes) -> bool:
        """False: dropped."""
        writer = self._writer
        if writer is None:
            return self._hold(data)
        if writer.transport.get_write_buffer_size() > MAX_BUFFER_BYTES:
            return False
        self._owner.sent_bytes += len(data)
        writer.write(data)
        return True

    def _hold(self, data: bytes) -> bool:
        if not self._is_trying or self._held_bytes + len(data) > MAX_HELD_BYTES:
            return False
        self._held.append(data)
        self._held_bytes += len(data)
        return True

    def _release(self) -> bytes:
        """What was held, to be sent or to be dropped."""
        held, self._held, self._held_bytes = b"".join(self._held), [], 0
        return held

    def heard(self) -> None:
        self.is_heard.set()
        self._called.set()

    async def _run(self) -> None:
        delay_s = RETRY_S
        while True:
            self._is_trying = True
            self._called.clear()
            try:
                async with asyncio.timeout(HANDSHAKE_S):
                    reader, writer = await asyncio.open_connection(
                        *self._next_address(), ssl=self._owner.client_context
                    )
                    try:
                        await self._greet(reader, writer)
                    except BaseException:
                        writer.close()
                        raise
                self._writer = writer
                if held := self._release():
                    self.write(held)
                self.is_up.set()
                self._owner.reachable(self._peer)
                delay_s = RETRY_S
                await reader.read(1)  # nothing comes on this connection but its end
            except PeerRefusedError as refusal:
                self._owner.failed(refusal)
                return
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                log.debug("peer %x: %s", self._peer, error)
            finally:
                self._is_trying = False
                if self._release():
                    self._owner.dropped_sends += 1
                self.is_up.clear()
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
            self._owner.unreachable(self._peer)
            try:
                async with asyncio.timeout(delay_s):
                    await self._called.wait()
                delay_s = RETRY_S
            except TimeoutError:
                delay_s = min(delay_s * 2, MAX_RETRY_S)

    def _next_address(self) -> tuple[str, int]:
        """One after the other, where a member has several."""
        self._attempt += 1
        return self.addresses[self._attempt % len(self.addresses)]

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        owner = self._owner
        writer.write(encode_hello(Hello(owner.cluster_id, owner.member_id, self._peer, owner.incarnation)))
        answer = decode_answer(await reader.readexactly(ANSWER_BYTES))
        text = (await reader.readexactly(answer.text_bytes)).decode("utf-8", "replace")
        if not answer.is_welcome and answer.is_final:
            raise PeerRefusedError(text)
        if not answer.is_welcome:
            raise ValueError(text)
        if not owner.acquaintances.meet(self._peer, answer.incarnation):
            raise ValueError(refusal_text(self._peer))

    def cancel(self) -> None:
        """The member is gone."""
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


class _Incoming(asyncio.Protocol):
    """A connection of another member: its hello, our answer, then its messages."""

    def __init__(self, owner: TcpPeerTransport) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._is_welcome = False
        self.sender = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self._owner._incoming[self] = None
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_S, self.close)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner._incoming.pop(self, None)
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._owner.received_bytes += len(data)
        self._buffer += data
        try:
            if not self._is_welcome and not self._take_hello():
                return
            self._take_messages()
        except ValueError as error:
            log.warning("peer connection closed: %s", error)
            self.close()

    def _take_hello(self) -> bool:
        if len(self._buffer) < HELLO_BYTES:
            return False
        first = bytes(self._buffer[:HELLO_BYTES])
        del self._buffer[:HELLO_BYTES]
        owner = self._owner
        assert self._transport is not None
        if first == encode_join():
            self._transport.write(encode_welcome(owner.incarnation, owner.describe()))
            self._transport.close()
            return False
        hello = decode_hello(first)
        refusal, is_final = "", True
        if hello.cluster_id != owner.cluster_id:
            refusal = f"cluster ID mismatch: this is cluster {owner.cluster_id:x}, not {hello.cluster_id:x}"
        elif hello.to != owner.member_id:
            refusal = f"this is member {owner.member_id:x}, not {hello.to:x}"
        elif owner.is_removed(hello.sender):
            refusal = MemberRemovedError.text
        elif not owner.knows(hello.sender):  # or not yet: it may have been added a moment ago
            refusal, is_final = f"member {hello.sender:x} is not of this cluster", False
        elif not owner.acquaintances.meet(hello.sender, hello.incarnation):
            refusal = refusal_text(hello.sender)
        if refusal:
            log.warning("refused a peer: %s", refusal)
            self._transport.write(encode_refusal(owner.incarnation, refusal, is_final=is_final))
            self._transport.close()
            return False
        self._stop_timer()
        self._transport.write(encode_welcome(owner.incarnation))
        self._is_welcome = True
        self.sender = hello.sender
        owner.heard(hello.sender)
        return True

    def _take_messages(self) -> None:
        buffer = self._buffer
        at = 0
        while len(buffer) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(buffer, at)
            if length > MAX_MESSAGE_BYTES:
                raise ValueError(f"a message of {length} bytes")
            end = at + LENGTH.size + length
            if end > len(buffer):
                break
            self._owner.deliver(decode_peer_message(bytes(buffer[at + LENGTH.size : end])))
            at = end
        del buffer[:at]
