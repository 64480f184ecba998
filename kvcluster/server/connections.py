"""Client connections: bytes of a socket → wire → the method table, and one write a turn back.

The first bytes decide: the HTTP/2 preface makes a gRPC connection, anything else is handed to the HTTP/1.1 side with the
bytes that were read. While the socket's buffer is full the connection is not writable: answers wait in their streams' queues,
where the watch service sees them and stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from kvcluster.server.driver import Driver
from kvcluster.wire import PREFACE, Methods, ServerConnection

WRITE_BUFFER_BYTES = 1024 * 1024
"""What a socket's buffer may hold before the connection stops writing."""


class ClientProtocol(asyncio.Protocol):
    """One connection of a client."""

    def __init__(
        self,
        driver: Driver,
        methods: Methods,
        http1: Callable[[], asyncio.Protocol],
        connections: dict[ClientProtocol, None],
    ) -> None:
        self._driver = driver
        self._methods = methods
        self._http1 = http1
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._wire: ServerConnection | None = None
        self._first = b""
        self._is_dirty = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._connections[self] = None

    def data_received(self, data: bytes) -> None:
        wire = self._wire
        if wire is None:
            self._sniff(data)
            return
        wire.receive(data)
        if wire.has_output and not self._is_dirty:
            self._mark_dirty()
        self._driver.wake()

    def _sniff(self, data: bytes) -> None:
        first = self._first + data
        assert self._transport is not None
        if first.startswith(PREFACE) or PREFACE.startswith(first):
            if len(first) < len(PREFACE):
                self._first = first
                return
            self._first = b""
            host, port = (self._transport.get_extra_info("peername") or ("", 0))[:2]
            self._wire = ServerConnection(self._methods, peer=f"{host}:{port}", on_output=self._mark_dirty)
            self.data_received(first)
            return
        self._connections.pop(self, None)
        protocol = self._http1()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(first)

    def _mark_dirty(self) -> None:
        if not self._is_dirty:
            self._is_dirty = True
            self._driver.mark_dirty(self)

    def flush(self) -> None:
        """Writes what the turn produced, in one write."""
        self._is_dirty = False
        if self._wire is None or self._transport is None:
            return
        output = self._wire.take_output()
        if output:
            self._transport.write(b"".join(output))
        if self._wire.is_closed:
            self._transport.close()

    def pause_writing(self) -> None:
        if self._wire is not None:
            self._wire.http2.set_writable(False)

    def resume_writing(self) -> None:
        if self._wire is not None:
            self._wire.http2.set_writable(True)
            self._driver.wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.pop(self, None)
        if self._wire is not None:
            self._wire.lost()
            self._driver.wake()

    def close(self) -> None:
        """Says goodbye and closes once everything is written."""
        if self._wire is not None:
            self._wire.leave()
            self.flush()
        if self._transport is not None:
            self._transport.close()
