"""Client connections: bytes of a socket → wire → the method table, and one write a turn back.

    sniffing ──HTTP/2 preface──▶ gRPC ──fault, stop──▶ closing ──client closes──▶ closed
        │                                                └──LINGER_S──▶ aborted
        └──anything else──▶ handed to the HTTP/1.1 side, with the bytes that were read

While the socket's buffer is full the connection is not writable: answers wait in their streams' queues, where the watch
service sees them and stops; everything else waits in the wire's output, which is bounded too (WireLimits). Nothing is written
to a socket that does not take it.

A closing connection sends its end and waits for the client's: closing at once, with bytes of the client unread, would make
the kernel throw away answers that the client has not read yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from kvcluster.server.driver import Driver
from kvcluster.tls import common_name_of
from kvcluster.wire import PREFACE, Methods, ServerConnection, WireLimits

log = logging.getLogger(__name__)

WRITE_BUFFER_BYTES = 1024 * 1024
"""What a socket's buffer may hold before the connection stops writing."""
SNIFF_S = 30.0
"""How long a connection may say nothing that tells what it is."""
LINGER_S = 1.0
"""How long a closing connection may take to be read empty."""


class ClientPort:
    """What the connections of a member's client port share."""

    def __init__(
        self, driver: Driver, methods: Methods, http1: Callable[[], asyncio.Protocol], limits: WireLimits
    ) -> None:
        self.driver = driver
        self.methods = methods
        self.http1 = http1
        self.limits = limits
        self.connections: dict[ClientProtocol, None] = {}
        self.received_bytes = 0
        self.sent_bytes = 0
        self.is_empty = asyncio.Event()

    def __call__(self) -> ClientProtocol:
        return ClientProtocol(self)

    def expire(self, now_s: float) -> None:
        """Ends the calls whose deadline has passed."""
        for connection in list(self.connections):
            connection.expire(now_s)


class ClientProtocol(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, port: ClientPort) -> None:
        self._port = port
        self._driver = port.driver
        self._transport: asyncio.Transport | None = None
        self._wire: ServerConnection | None = None
        self._first = b""
        self._is_dirty = False
        self._is_paused = False
        self._is_closing = False
        self._timer: asyncio.TimerHandle | None = None
        """Ends a connection that does not say what it is, or does not go when it is closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._port.connections[self] = None
        self._port.is_empty.clear()
        self._timer = asyncio.get_running_loop().call_later(SNIFF_S, self.abort)

    def data_received(self, data: bytes) -> None:
        wire = self._wire
        if self._is_closing:
            return
        if wire is None:
            self._sniff(data)
            return
        self._port.received_bytes += len(data)
        wire.receive(data)
        if wire.has_output and not self._is_dirty:
            self._mark_dirty()
        self._driver.wake()

    def _sniff(self, data: bytes) -> None:
        first = self._first + data
        transport = self._transport
        assert transport is not None
        if PREFACE.startswith(first[: len(PREFACE)]):
            if len(first) < len(PREFACE):
                self._first = first
                return
            self._first = b""
            self._stop_timer()
            host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
            self._wire = ServerConnection(
                self._port.methods,
                peer=f"{host}:{port}",
                common_name=common_name_of(transport.get_extra_info("peercert")),
                limits=self._port.limits,
                on_output=self._mark_dirty,
                on_bug=_log_bug,
            )
            self.data_received(first)
            return
        self._gone()
        protocol = self._port.http1()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(first)

    def _mark_dirty(self) -> None:
        if not self._is_dirty:
            self._is_dirty = True
            self._driver.mark_dirty(self)

    def flush(self) -> None:
        """Writes what the turn produced, in one write."""
        self._is_dirty = False
        wire, transport = self._wire, self._transport
        if wire is None or transport is None or self._is_closing or (self._is_paused and not wire.is_closed):
            return
        output = wire.take_output()
        if output:
            data = b"".join(output)
            self._port.sent_bytes += len(data)
            transport.write(data)
        if wire.is_closed:
            self._hang_up()

    def expire(self, now_s: float) -> None:
        if self._wire is not None:
            self._wire.expire(now_s)

    def pause_writing(self) -> None:
        self._is_paused = True
        if self._wire is not None:
            self._wire.http2.set_writable(False)

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._wire is not None:
            self._wire.http2.set_writable(True)
            self._mark_dirty()

    def connection_lost(self, error: Exception | None) -> None:
        self._gone()
        self._transport = None
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.lost()
            wire.dismantle()
            self._driver.wake()

    def close(self) -> None:
        """Says goodbye and closes once everything is written."""
        if self._wire is not None:
            self._wire.leave()
            self.flush()
        self._hang_up()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _hang_up(self) -> None:
        """Our end, after what is written already; calls that are open are over."""
        if self._transport is None or self._is_closing:
            return
        self._is_closing = True
        if self._wire is not None:
            self._wire.lost()
        self._stop_timer()
        if self._transport.is_closing():
            return
        if not self._transport.can_write_eof():  # TLS has no half of an end
            self._transport.close()
        else:
            try:
                self._transport.write_eof()
            except OSError:  # the client has gone already
                self._transport.abort()
                return
        self._timer = asyncio.get_running_loop().call_later(LINGER_S, self.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _gone(self) -> None:
        """Lost, or somebody else's from here on."""
        self._stop_timer()
        self._port.connections.pop(self, None)
        if not self._port.connections:
            self._port.is_empty.set()


def _log_bug(error: Exception) -> None:
    log.error("a call failed by a bug", exc_info=error)
