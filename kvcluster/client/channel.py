"""One connection to one endpoint: kvcluster.wire on an asyncio transport, and its outcomes as errors.

    open_channel --TCP--> --preface, SETTINGS--> USABLE --GOAWAY--> LEAVING (calls in flight go on) --> CLOSED
                                                   '--- lost, broken, silent, close() ----------------->'

Everything that a turn of the event loop wants to send is written once, at the turn's end. While calls are in flight a
server that says nothing is pinged after two beats of BEAT_S and given up after a third: a watch may be silent for hours,
a dead peer too. (etcd refuses more than a ping per 5 s, and pings without calls.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol, cast

from kvcluster.client.endpoints import Endpoint
from kvcluster.client.errors import INTERNAL, RpcError, error_of
from kvcluster.errors import ConnectionLostError
from kvcluster.wire import ClientConnection, ClientStream, Outcome

log = logging.getLogger(__name__)

BEAT_S = 5.0
SILENT_BEATS_TO_PING = 2


class StreamHandler(Protocol):
    """Our side of a stream."""

    def on_message(self, payload: bytes) -> None: ...

    def on_end(self, error: Exception | None) -> None:
        """The stream is over, without our doing; None: the server ended it without complaint."""
        ...


async def open_channel(endpoint: Endpoint, context: Any = None, metadata: Mapping[str, str] | None = None) -> Channel:
    """A usable channel: the server has answered in HTTP/2. context: an ssl.SSLContext for an https endpoint; metadata: of
    every call, looked at when it is made. Raises OSError, ConnectionLostError."""
    loop = asyncio.get_running_loop()
    _, channel = await loop.create_connection(
        lambda: Channel(endpoint, metadata), endpoint.host, endpoint.port, ssl=context if endpoint.is_tls else None
    )
    try:
        await channel.greeted
    except BaseException:
        channel.close()
        raise
    return channel


class Channel(asyncio.Protocol):
    """See the module's contract. Made by `open_channel`."""

    def __init__(self, endpoint: Endpoint, metadata: Mapping[str, str] | None = None) -> None:
        self.endpoint = endpoint
        self.metadata: Mapping[str, str] = {} if metadata is None else metadata
        self._loop = asyncio.get_running_loop()
        self._connection = ClientConnection(
            authority=endpoint.authority,
            scheme="https" if endpoint.is_tls else "http",
            on_output=self._schedule_flush,
        )
        self._transport: asyncio.Transport | None = None
        self._flush_is_scheduled = False
        self._heard = False
        self._silent_beats = 0
        self._beat_timer: asyncio.TimerHandle | None = None
        self.greeted: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_usable(self) -> bool:
        """New calls are taken."""
        return not (self._connection.is_closed or self._connection.is_leaving)

    @property
    def is_closed(self) -> bool:
        return self._connection.is_closed

    async def call(self, path: str, payload: bytes) -> bytes:
        """One request, one answer. Raises what the status stands for, ConnectionLostError. Cancelling cancels the call."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        stream = self._connection.call_unary(path, payload, partial(self._settle, future), self.metadata or None)
        try:
            return await future
        except asyncio.CancelledError:
            if stream is not None:
                stream.cancel()
            raise

    def _settle(self, future: asyncio.Future[bytes], outcome: Outcome) -> None:
        if future.done():
            return
        if outcome.ok:
            future.set_result(outcome.payload)
        else:
            future.set_exception(self._error(outcome))

    def _error(self, outcome: Outcome) -> Exception:
        if self._connection.is_closed or not outcome.was_sent:
            return ConnectionLostError(f"{self.endpoint}: {outcome.text}", maybe_done=outcome.was_sent)
        return error_of(outcome.code, outcome.text)

    def open_stream(self, path: str, handler: StreamHandler, metadata: Mapping[str, str]) -> ClientStream:
        """Opens a stream in both directions. Raises ConnectionLostError where the channel takes no more calls."""

        def on_message(payload: bytes) -> None:
            try:
                handler.on_message(payload)
            except (
                Exception
            ) as cause:  # a message that is not of this protocol must not break the connection's other calls
                log.exception("a message of %s that cannot be understood", self.endpoint)
                stream.cancel()
                handler.on_end(RpcError(f"a message that cannot be understood: {cause!r}", code=INTERNAL))

        def on_end(outcome: Outcome) -> None:
            handler.on_end(None if outcome.ok else self._error(outcome))

        try:
            stream = self._connection.open_stream(path, on_message, on_end, {**metadata, **self.metadata})
        except ConnectionError as cause:
            raise ConnectionLostError(f"{self.endpoint}: {cause}") from cause
        return stream

    def close(self) -> None:
        """Ends the connection at once; calls in flight fail."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self._beat_timer = self._loop.call_later(BEAT_S, self._beat)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._connection.receive(data)
        self._flush()
        is_left = self._connection.is_leaving and not self._connection.call_count
        if is_left or self._connection.is_closed:  # closed: the server broke the protocol
            self.close()
        elif not self.greeted.done():
            self.greeted.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        text = f"connection lost: {error}" if error is not None else "connection lost"
        if not self.greeted.done():
            fault = self._connection.http2.fault
            self.greeted.set_exception(
                ConnectionLostError(f"{self.endpoint}: {f'not gRPC: {fault.text}' if fault is not None else text}")
            )
        self._connection.lost(text)

    def pause_writing(self) -> None:
        self._connection.http2.set_writable(False)

    def resume_writing(self) -> None:
        self._connection.http2.set_writable(True)
        self._flush()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _schedule_flush(self) -> None:
        if not self._flush_is_scheduled:
            self._flush_is_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_scheduled = False
        output = self._connection.take_output()
        if output and self._transport is not None:
            self._transport.write(b"".join(output))

    def _beat(self) -> None:
        """Every BEAT_S: is anybody there?"""
        if self._heard or not self._connection.call_count:
            self._silent_beats = 0
        else:
            self._silent_beats += 1
        self._heard = False
        if self._silent_beats > SILENT_BEATS_TO_PING:
            log.warning("%s does not answer a ping; giving the connection up", self.endpoint)
            self.close()
            return
        if self._silent_beats == SILENT_BEATS_TO_PING:
            self._connection.http2.ping(b"kvclient")
        self._beat_timer = self._loop.call_later(BEAT_S, self._beat)
