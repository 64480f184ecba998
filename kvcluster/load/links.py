"""Connections of the generator: kvcluster.wire on an asyncio transport, callbacks only, one write a turn.

kvcluster.client is for programs; this is for load: no task, no future and no retry for a request. A link that cannot be opened
raises LoadError with the reason; one that is lost ends its calls with an Outcome that says so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import cast

from kvcluster.client import Endpoint, parse_endpoints
from kvcluster.errors import KvClusterError
from kvcluster.wire import ClientConnection

CONNECT_TIMEOUT_S = 5.0
FRAME_HEAD_BYTES = 9
TLS_ALERT = b"\x15\x03"


class LoadError(KvClusterError):
    """The run cannot begin, or cannot go on."""


class Link(asyncio.Protocol):
    """One connection. `connection` starts calls; `after_read` is called once after each read of the socket.

    lost: the reason, once the connection is gone; on_lost is called with it, unless it was closed here.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self.connection = ClientConnection(authority=endpoint.authority, on_output=self._schedule_flush)
        self.after_read: Callable[[], object] | None = None
        self.on_lost: Callable[[str], object] | None = None
        self.lost: str | None = None
        self.greeted: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._is_scheduled = False
        self._is_closed = False
        self._greeting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.connection.receive(data)
        self._flush()
        if self.after_read is not None:
            self.after_read()
        if self.connection.is_closed:  # the server broke the protocol
            self.close_now()
        elif not self.greeted.done():
            self._greet(data)

    def _greet(self, data: bytes) -> None:
        """A whole frame without a fault is HTTP/2; what a TLS server says to plain text is shorter than a frame."""
        self._greeting += data
        if self._greeting.startswith(TLS_ALERT):
            self.greeted.set_exception(LoadError(f"{self.endpoint} speaks TLS, which is not supported yet"))
            self.close()
        elif len(self._greeting) >= FRAME_HEAD_BYTES:
            self.greeted.set_result(None)
            self._greeting = b""

    def connection_lost(self, error: Exception | None) -> None:
        fault = self.connection.http2.fault
        if fault is not None:
            self.lost = f"{self.endpoint} does not speak gRPC: {fault.text}"
        else:
            self.lost = f"{self.endpoint}: connection lost" + (f": {error}" if error is not None else "")
        if not self.greeted.done():
            self.greeted.set_exception(LoadError(self.lost))
        self.connection.lost(self.lost)
        if self.on_lost is not None and not self._is_closed:
            self.on_lost(self.lost)

    def pause_writing(self) -> None:
        self.connection.http2.set_writable(False)

    def resume_writing(self) -> None:
        self.connection.http2.set_writable(True)
        self._flush()

    def close(self) -> None:
        """Not a loss: on_lost is not called."""
        self._is_closed = True
        self.close_now()

    def close_now(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _schedule_flush(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        output = self.connection.take_output()
        if output and self._transport is not None:
            self._transport.write(b"".join(output))


async def open_links(endpoints: Sequence[str], count: int, *, offset: int = 0) -> list[Link]:
    """`count` links, spread over the endpoints from number `offset` on. Raises LoadError, ConfigError; none stays open then."""
    known = parse_endpoints(endpoints)
    links: list[Link] = []
    try:
        for number in range(count):
            links.append(await open_link(known[(offset + number) % len(known)]))
    except BaseException:
        for link in links:
            link.close()
        raise
    return links


async def open_link(endpoint: Endpoint) -> Link:
    """A link on which the server has answered in HTTP/2. Raises LoadError."""
    loop = asyncio.get_running_loop()
    link: Link | None = None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, link = await loop.create_connection(lambda: Link(endpoint), endpoint.host, endpoint.port)
            await link.greeted
    except TimeoutError:
        if link is not None:
            link.close()
        raise LoadError(f"{endpoint} does not answer within {CONNECT_TIMEOUT_S:.0f} s: is it an etcd?") from None
    except OSError as error:
        # asyncio's own text names the address again, but not what went wrong.
        said = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise LoadError(f"{endpoint}: {said}") from error
    return link
