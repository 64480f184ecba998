"""The pipeline on sockets: one Protocol for each connection, HTTP/1.1 with keep-alive, one request at a time.

    reading ──whole request──▶ busy ──answer written──▶ reading …      Connection: close, or the server stops ──▶ closed
                                 └──a watch──▶ initial pieces ──▶ live ──its end──▶ reading …
    reading ──too large──▶ answered 413, the rest is dropped, closed

A request is a task; a live watch is none: its connection is an Outlet that the group of watchers writes to. Headers of a watch
go out at once. A client that hangs up cancels its request: its watch ends then, not when the next event would have been sent.
What was written to the store by then stays written.

Time is looked at once a second for all connections together: a request that takes longer than it may is 504; a head that does
not come and a connection that nobody uses are closed. A live watch is closed when WATCH_BUFFER_BYTES wait for its client.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import zlib
from email.utils import formatdate
from typing import cast

from apiserver.errors import StatusError, timeout, too_large
from apiserver.http.durations import REQUEST_TIMEOUT_S, request_timeout_s
from apiserver.http.http1 import (
    LAST_CHUNK,
    MAX_HEAD_BYTES,
    BadRequestError,
    ChunkedBody,
    Head,
    chunk,
    header_line,
    parse_head,
    response_start,
)
from apiserver.http.messages import Request, Response, warning_values
from apiserver.http.pipeline import MAX_BODY_BYTES, Pipeline
from apiserver.http.status import status_response
from apiserver.storage import Lines

log = logging.getLogger(__name__)

HEAD_TIMEOUT_S = 32.0
IDLE_TIMEOUT_S = 90.0
DROP_TIMEOUT_S = 30.0
SWEEP_S = 1.0
WATCH_BUFFER_BYTES = 4 * 1024 * 1024
MAX_AHEAD_BYTES = 64 * 1024
"""What a client may send while its request is served; then nobody reads on."""
GZIP_BYTES = 128 * 1024
THREAD_BYTES = 512 * 1024
"""Larger bodies are packed beside the event loop."""
MAX_AUDIT_ID = 64


class HttpServer:
    """A protocol factory, and everything its connections share."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.connections: dict[Connection, None] = {}
        self.is_stopping = False
        self.date = b""
        self._audit_prefix = (
            f"{os.urandom(4).hex()}-{os.urandom(2).hex()}-4{os.urandom(2).hex()[1:]}-8{os.urandom(2).hex()[1:]}-"
        )
        self._audit_number = int.from_bytes(os.urandom(5), "big")
        self._sweeper: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()

    def __call__(self) -> Connection:
        return Connection(self)

    def next_audit_id(self) -> str:
        """A UUID of this process' own family: random bits for each answer would cost more than routing it."""
        self._audit_number += 1
        return f"{self._audit_prefix}{self._audit_number & 0xFFFFFFFFFFFF:012x}"

    def enter(self, connection: Connection) -> None:
        self.connections[connection] = None
        if self._sweeper is None:
            self._sweep()

    def leave(self, connection: Connection) -> None:
        self.connections.pop(connection, None)
        if not self.connections:
            self._idle.set()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.date = f"Date: {formatdate(time.time(), usegmt=True)}\r\n".encode()
        now_s = loop.time()
        for connection in list(self.connections):
            if connection.deadline_s <= now_s:
                connection.expire()
        if self.connections:
            self._sweeper = loop.call_later(SWEEP_S, self._sweep)
        else:
            self._sweeper = None

    async def shutdown(self, grace_s: float) -> None:
        """Nothing new is begun; what is under way has so long to end."""
        self.is_stopping = True
        for connection in list(self.connections):
            connection.stop()
        if self.connections:
            self._idle.clear()
            try:
                async with asyncio.timeout(grace_s):
                    await self._idle.wait()
            except TimeoutError:
                for connection in list(self.connections):
                    connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None


class Connection(asyncio.Protocol):
    """See the module. Also the Outlet of a live watch."""

    __slots__ = (
        "deadline_s", "_server", "_loop", "_transport", "_certificate", "_buffer", "_head", "_body", "_size", "_chunked",
        "_task", "_stream", "_is_dropping", "_closes", "_is_expired", "_is_paused", "_is_reading", "_drained", "_is_chunking",
        "_timer", "_is_secure",
    )  # fmt: skip

    def __init__(self, server: HttpServer) -> None:
        self.deadline_s = 0.0
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._certificate = b""
        self._is_secure = False
        self._buffer = b""
        self._head: Head | None = None  # of the request whose body is being read
        self._body: list[bytes] = []
        self._size = 0
        self._chunked: ChunkedBody | None = None
        self._task: asyncio.Task[None] | None = None
        self._stream: object = None  # a live watch
        self._is_dropping = False
        self._closes = False
        self._is_expired = False
        self._is_paused = False
        self._is_reading = True
        self._drained: asyncio.Future[None] | None = None
        self._is_chunking = True
        self._timer: asyncio.TimerHandle | None = None

    # ---- the transport's side ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        secured = transport.get_extra_info("ssl_object")
        if secured is not None:
            self._is_secure = True
            self._certificate = secured.getpeercert(binary_form=True) or b""
        self._transport.set_write_buffer_limits(high=WATCH_BUFFER_BYTES)
        self.deadline_s = self._loop.time() + HEAD_TIMEOUT_S
        self._server.enter(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._server.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._end_stream()

    def eof_received(self) -> bool:
        """A client that has sent all it wanted may still wait for its answer; a watcher that says so has gone."""
        self._closes = True
        return self._task is not None and self._stream is None and not self._is_secure

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._is_dropping:
            return
        if self._task is not None or self._stream is not None:
            self._buffer += data
            if len(self._buffer) > MAX_AHEAD_BYTES and self._is_reading and self._transport is not None:
                self._is_reading = False
                self._transport.pause_reading()
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        try:
            self._read(data)
        except BadRequestError as error:
            self._refuse(error.status, error.text)

    # ---- reading ----

    def _read(self, data: bytes) -> None:
        head = self._head
        if head is None:
            end = data.find(b"\r\n\r\n")
            if end <= 0:
                self._wait_for_head(data, end)
                return
            head = self._head = parse_head(data[:end])
            length = head.headers.length
            data = data[end + 4 :]
            if length == 0:
                self._begin(head, b"", data)
                return
            if length > MAX_BODY_BYTES:
                self._refuse_body(head)
                return
            self.deadline_s = self._loop.time() + REQUEST_TIMEOUT_S
            if length < 0:
                self._chunked = ChunkedBody()
            if head.headers.expects_continue and not data and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._chunked is not None:
            self._read_chunks(head, data)
            return
        missing = head.headers.length - self._size
        if len(data) < missing:
            if data:
                self._body.append(data)
                self._size += len(data)
            return
        if not self._body:
            body = data if len(data) == missing else data[:missing]
        else:
            body = b"".join([*self._body, data[:missing]])
        self._begin(head, body, data[missing:])

    def _wait_for_head(self, data: bytes, end: int) -> None:
        if end == 0 or data.startswith(b"\r\n"):  # empty lines before a request are passed over
            data = data.lstrip(b"\r\n")
            if data:
                self._read(data)
            return
        if len(data) > MAX_HEAD_BYTES:
            raise BadRequestError("Request Header Fields Too Large", 431)
        if b"\n\n" in data or data.startswith((b"\x16\x03", b"PRI * HTTP/2")):
            raise BadRequestError("Client sent something that is not HTTP/1.1")
        self._buffer = data

    def _read_chunks(self, head: Head, data: bytes) -> None:
        chunked = self._chunked
        assert chunked is not None
        rest = chunked.feed(data)
        if chunked.size > MAX_BODY_BYTES:
            self._refuse_body(head)
        elif rest is not None:
            self._begin(head, b"".join(chunked.parts), rest)

    def _begin(self, head: Head, body: bytes, rest: bytes) -> None:
        """The request is whole."""
        self._head = None
        self._chunked = None
        self._size = 0
        if self._body:
            self._body = []
        self._buffer = rest
        headers = head.headers
        if headers.closes or (head.is_http_10 and not headers.keeps_alive):
            self._closes = True
        request = Request(head.method, head.path, head.query, headers.values, body, certificate=self._certificate)
        try:
            timeout_s = request_timeout_s(head.query)
        except StatusError as error:
            self._answer(head, status_response(error))
            return
        now_s = self._loop.time()
        self.deadline_s = now_s + timeout_s
        if "timeout" in head.query:
            self._timer = self._loop.call_later(timeout_s, self.expire)
        self._task = self._loop.create_task(self._serve(head, request))

    async def _serve(self, head: Head, request: Request) -> None:
        try:
            response = await self._server.pipeline.handle(request)
            if response.stream is not None:
                await self._start_stream(head, response)
                return
            if len(response.body) + len(response.rest) > GZIP_BYTES and head.headers.accepts_gzip:
                response = await _pack(response)
        except asyncio.CancelledError:
            if not self._is_expired or self._transport is None:
                raise
            self._is_expired = False
            message = "Timeout: request did not complete within requested timeout - context deadline exceeded"
            response = status_response(timeout(message))
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._task = None
        if self._transport is not None:
            self._answer(head, response)

    # ---- answering ----

    def _start(self, head: Head, response: Response) -> list[bytes]:
        """Everything of a response's head but its length."""
        audit_id = head.headers.values.get("audit-id", "")
        if not audit_id or len(audit_id) > MAX_AUDIT_ID:
            audit_id = self._server.next_audit_id()
        parts = [
            response_start(response.status, response.headers),
            header_line("Audit-Id", audit_id),
            self._server.date,
        ]
        if response.warnings:
            parts += [header_line("Warning", value) for value in warning_values(response.warnings)]
        if self._closes or self._server.is_stopping:
            self._closes = True
            parts.append(b"Connection: close\r\n")
        elif head.is_http_10:
            parts.append(b"Connection: keep-alive\r\n")
        return parts

    def _answer(self, head: Head, response: Response) -> None:
        transport = self._transport
        assert transport is not None
        body, rest = response.body, response.rest
        parts = self._start(head, response)
        if response.status != 304:
            parts.append(b"Content-Length: %d\r\n\r\n" % (len(body) + len(rest)))
        else:
            parts.append(b"\r\n")
        if head.method == "HEAD" or not body:
            transport.write(b"".join(parts))
        elif len(body) < 65536:
            parts.append(body)
            transport.write(b"".join(parts))
            if rest:
                transport.write(rest)
        else:
            transport.writelines([b"".join(parts), body])
            if rest:
                transport.write(rest)
        self._go_on()

    def _go_on(self) -> None:
        """The answer is out: the next request, or the end."""
        transport = self._transport
        if transport is None:
            return
        if self._closes or self._server.is_stopping:
            transport.close()
            return
        self.deadline_s = self._loop.time() + IDLE_TIMEOUT_S
        if not self._is_reading:
            self._is_reading = True
            transport.resume_reading()
        if self._buffer:
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        """What the client sent while its last request was served."""
        if self._task is None and self._stream is None and self._transport is not None:
            self.data_received(b"")

    def _refuse(self, status: int, text: str) -> None:
        """What came cannot be understood, so neither can what follows."""
        if self._transport is None:
            return
        body = f"{status} {text}\n".encode() if status != 400 else f"400 Bad Request: {text}".encode()
        start = response_start(status, {"Content-Type": "text/plain; charset=utf-8"})
        self._transport.write(b"%bConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (start, len(body), body))
        self._drop()

    def _refuse_body(self, head: Head) -> None:
        self._closes = True
        response = status_response(too_large(f"Request entity too large: limit is {MAX_BODY_BYTES}"))
        transport = self._transport
        assert transport is not None
        parts = self._start(head, response)
        transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (b"".join(parts), len(response.body), response.body))
        self._drop()

    def _drop(self) -> None:
        """Reads on and forgets, so that the client can read its answer before the connection breaks."""
        self._is_dropping = True
        self._head = None
        self._chunked = None
        self._body = []
        self._buffer = b""
        self.deadline_s = self._loop.time() + DROP_TIMEOUT_S
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    # ---- watches ----

    async def _start_stream(self, head: Head, response: Response) -> None:
        stream = response.stream
        assert stream is not None
        try:
            self._is_chunking = not head.is_http_10
            if head.is_http_10:
                self._closes = True
            parts = self._start(head, response)
            parts.append(b"Transfer-Encoding: chunked\r\n\r\n" if self._is_chunking else b"\r\n")
            self.deadline_s = float("inf")
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._write(b"".join(parts))
            async for piece in stream.initial():
                self._write(chunk(piece) if self._is_chunking else piece)
                if self._is_paused:
                    await self._drain()
        except Exception:
            log.exception("a watch failed")
            stream.close()
            self.abort()
            return
        except BaseException:
            stream.close()
            raise
        if self._transport is None:
            stream.close()
            return
        self._stream = stream
        stream.attach(self)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def _drain(self) -> None:
        while self._is_paused and self._transport is not None:
            self._drained = self._loop.create_future()
            await self._drained

    def deliver(self, lines: Lines) -> bool:
        transport = self._transport
        if self._is_paused or transport is None:
            return False
        transport.write(lines.framed(chunk) if self._is_chunking else lines.data)
        return True

    def finish(self) -> None:
        if self._transport is None:
            return
        if self._is_chunking:
            self._transport.write(LAST_CHUNK)
        self._end_stream()
        self._go_on()

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()  # type: ignore[attr-defined]

    # ---- ends ----

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def expire(self) -> None:
        """Its time is over: a request is answered 504, everything else is closed."""
        if self._task is not None:
            self._is_expired = True
            self.deadline_s = float("inf")
            self._task.cancel()
        elif self._transport is not None and self._stream is None:
            self._transport.close()

    def stop(self) -> None:
        """The server stops: what is idle is closed, what is busy after its answer."""
        if self._task is None and self._stream is None and self._transport is not None:
            self._transport.close()


async def _pack(response: Response) -> Response:
    """gzip, level 1, as kube-apiserver does it for large answers."""
    body = response.whole_body
    packed = _gzip(body) if len(body) < THREAD_BYTES else await asyncio.to_thread(_gzip, body)
    headers = dict(response.headers)
    headers["Content-Encoding"] = "gzip"
    headers["Vary"] = f"{headers['Vary']}, Accept-Encoding" if headers.get("Vary") else "Accept-Encoding"
    return response._replace(body=packed, headers=headers, rest=b"")


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
