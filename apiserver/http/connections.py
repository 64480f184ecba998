"""The pipeline on sockets: aiohttp's HTTP/1.1 server, our requests and responses.

aiohttp parses, keeps connections alive, refuses what is no HTTP and frames the answers. Ours is what it leaves open:

    a whole body, up to MAX_BODY_BYTES ──▶ pipeline ──▶ an answer, packed where it is large and the client can unpack it
                                                    └─▶ a watch: initial pieces ──▶ live ──▶ its end

A live watch is not written by its request's task, which only waits for the end: the connection is an Outlet, to which the
group of watchers hands chunks that all of them share, straight to the transport. A client that hangs up cancels its request: its
watch ends then, not when the next event would have been sent. What was written to the store by then stays written.

Time is looked at once a second for all requests together: one that takes longer than it may is 504; a connection on which no
request comes is closed. A live watch is closed when WATCH_BUFFER_BYTES wait for its client.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import zlib

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from apiserver.errors import StatusError, bad_request, timeout, too_large
from apiserver.http.durations import REQUEST_TIMEOUT_S, request_timeout_s
from apiserver.http.heads import Headers, Target, read_headers, read_target
from apiserver.http.messages import Request, Response, Stream, warning_values
from apiserver.http.pipeline import MAX_BODY_BYTES, Pipeline
from apiserver.http.status import status_response
from apiserver.storage import Lines

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 256 * 1024
"""Of the request line, and of each header: selectors and tokens may be long."""
FIRST_REQUEST_S = 32.0
IDLE_TIMEOUT_S = 90.0
LINGER_S = 10.0
"""So long a refused body is still read, and dropped, so that the client can read its answer."""
SWEEP_S = 1.0
WATCH_BUFFER_BYTES = 4 * 1024 * 1024
GZIP_BYTES = 128 * 1024
THREAD_BYTES = 512 * 1024
"""Larger bodies are packed beside the event loop."""
MAX_AUDIT_ID = 64
SERVER = "kvcluster"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def chunk(data: bytes) -> bytes:
    """RFC 9112 7.1, for lines that many watchers share."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class _NoProtocolErrors(logging.Filter):
    """aiohttp reports what is no HTTP as an error of ours. It is the client's, which hears of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


_aiohttp_log = logging.getLogger(f"{__name__}.aiohttp")
_aiohttp_log.addFilter(_NoProtocolErrors())


class _TooLargeError(Exception):
    pass


class _Running:
    """A request that is being served. expires_s: on the loop's clock."""

    __slots__ = ("task", "expires_s", "is_expired")

    def __init__(self, task: asyncio.Task[object], expires_s: float) -> None:
        self.task = task
        self.expires_s = expires_s
        self.is_expired = False

    def expire(self) -> None:
        self.is_expired = True
        self.expires_s = float("inf")
        self.task.cancel()


class HttpServer:
    """A protocol factory, and everything its connections share."""

    def __init__(self, pipeline: Pipeline, *, is_secure: bool = False) -> None:
        self.pipeline = pipeline
        self.is_stopping = False
        self._is_secure = is_secure
        self._web = web.Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            logger=_aiohttp_log,
            keepalive_timeout=IDLE_TIMEOUT_S,
            lingering_time=LINGER_S,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            auto_decompress=False,  # no client packs its bodies, and a small one may unpack to a large one
        )
        self._running: dict[_Running, None] = {}
        self._silent: dict[web.RequestHandler, float] = {}  # has not asked yet → until when it may
        self._sweeper: asyncio.TimerHandle | None = None
        self._audit_prefix = (
            f"{os.urandom(4).hex()}-{os.urandom(2).hex()}-4{os.urandom(2).hex()[1:]}-8{os.urandom(2).hex()[1:]}-"
        )
        self._audit_number = int.from_bytes(os.urandom(5), "big")

    def __call__(self) -> web.RequestHandler:
        connection = self._web()
        self._silent[connection] = asyncio.get_running_loop().time() + FIRST_REQUEST_S
        if self._sweeper is None:
            self._sweep()
        return connection

    @property
    def connections(self) -> list[web.RequestHandler]:
        return list(self._web.connections)

    def next_audit_id(self) -> str:
        """A UUID of this process' own family: random bits for each answer would cost more than routing it."""
        self._audit_number += 1
        return f"{self._audit_prefix}{self._audit_number & 0xFFFFFFFFFFFF:012x}"

    # ---- time ----

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.expire(loop.time())
        if self._running or self._silent:
            self._sweeper = loop.call_later(SWEEP_S, self._sweep)
        else:
            self._sweeper = None

    def expire(self, now_s: float) -> None:
        """Ends what has taken too long by `now_s`."""
        for running in [each for each in self._running if each.expires_s <= now_s]:
            running.expire()
        for connection in [each for each, until_s in self._silent.items() if until_s <= now_s]:
            del self._silent[connection]
            connection.force_close()

    async def shutdown(self, grace_s: float) -> None:
        """Nothing new is begun; what is under way has so long to end."""
        self.is_stopping = True
        await self._web.shutdown(grace_s)
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    # ---- a request ----

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        self._silent.pop(incoming.protocol, None)
        headers = read_headers(incoming.raw_headers)
        try:
            target = read_target(incoming.raw_path)
            timeout_s = request_timeout_s(target.query)
        except ValueError:
            return self._whole(status_response(bad_request("too many query parameters")), headers)
        except StatusError as error:
            return self._whole(status_response(error), headers)
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        running = _Running(task, loop.time() + timeout_s)
        self._running[running] = None
        if self._sweeper is None:
            self._sweep()
        timer = loop.call_later(timeout_s, running.expire) if timeout_s < REQUEST_TIMEOUT_S else None
        try:
            response = await self._answer(incoming, headers, target)
        except asyncio.CancelledError:
            if not running.is_expired:
                raise
            task.uncancel()
            message = "Timeout: request did not complete within requested timeout - context deadline exceeded"
            response = status_response(timeout(message))
        finally:
            del self._running[running]
            if timer is not None:
                timer.cancel()
        if response.stream is not None:
            return await self._stream(incoming, headers, response, response.stream)
        if response.rest and incoming.method != "HEAD":
            return await self._in_parts(incoming, headers, response)
        return self._whole(response, headers)

    async def _answer(self, incoming: web.BaseRequest, headers: Headers, target: Target) -> Response:
        try:
            body = await _read(incoming, headers) if incoming.can_read_body else b""
        except _TooLargeError:
            return status_response(too_large(f"Request entity too large: limit is {MAX_BODY_BYTES}"))
        certificate = b""
        if self._is_secure and incoming.transport is not None:
            certificate = incoming.transport.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        request = Request(incoming.method, target.path, target.query, headers.values, body, certificate=certificate)
        response = await self.pipeline.handle(request)
        if len(response.body) + len(response.rest) > GZIP_BYTES and headers.accepts_gzip and response.stream is None:
            return await _pack(response)
        return response

    # ---- answers ----

    def _headers(self, response: Response, headers: Headers) -> CIMultiDict[str]:
        audit_id = headers.values.get("audit-id", "")
        if not audit_id or len(audit_id) > MAX_AUDIT_ID:
            audit_id = self.next_audit_id()
        named = CIMultiDict({"Cache-Control": "no-cache, private", **response.headers})
        named["Audit-Id"] = audit_id
        named["Server"] = SERVER
        for value in warning_values(response.warnings) if response.warnings else ():
            named.add("Warning", _clean(value))
        return named

    def _whole(self, response: Response, headers: Headers) -> web.Response:
        answer = web.Response(
            status=response.status, headers=self._headers(response, headers), body=response.whole_body
        )
        if self.is_stopping or response.status == 413:
            answer.force_close()
        return answer

    async def _in_parts(self, incoming: web.BaseRequest, headers: Headers, response: Response) -> web.StreamResponse:
        """A body whose larger part is shared with other answers: megabytes that are handed on, not copied."""
        outgoing = web.StreamResponse(status=response.status, headers=self._headers(response, headers))
        outgoing.content_length = len(response.body) + len(response.rest)
        if self.is_stopping:
            outgoing.force_close()
        try:
            await outgoing.prepare(incoming)
            await outgoing.write(response.body)
            await outgoing.write(response.rest)
            await outgoing.write_eof()
        except (ConnectionError, OSError):
            pass  # the client has gone
        return outgoing

    async def _stream(
        self, incoming: web.BaseRequest, headers: Headers, response: Response, stream: Stream
    ) -> web.StreamResponse:
        outgoing = web.StreamResponse(status=response.status, headers=self._headers(response, headers))
        is_chunked = incoming.version >= (1, 1)
        if is_chunked:
            outgoing.enable_chunked_encoding()
        else:
            outgoing.force_close()
        try:
            await outgoing.prepare(incoming)
            async for piece in stream.initial():
                await outgoing.write(piece)
            transport = incoming.transport
            if transport is not None:
                live = _LiveWatch(transport, is_chunked)
                stream.attach(live)
                await live.ended
            await outgoing.write_eof()
        except (ConnectionError, OSError):
            pass  # the client has gone
        finally:
            stream.close()
        return outgoing


class _LiveWatch:
    """A connection as the Outlet of a watch. Everything before was written by aiohttp, and so is the end."""

    __slots__ = ("ended", "_transport", "_is_chunked")

    def __init__(self, transport: asyncio.Transport, is_chunked: bool) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport = transport
        self._is_chunked = is_chunked

    def deliver(self, lines: Lines) -> bool:
        transport = self._transport
        if transport.get_write_buffer_size() > WATCH_BUFFER_BYTES or transport.is_closing():
            return False
        transport.write(lines.framed(chunk) if self._is_chunked else lines.data)
        return True

    def finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def abort(self) -> None:
        self._transport.abort()
        self.finish()


async def _read(incoming: web.BaseRequest, headers: Headers) -> bytes:
    """The body, never more than a piece beyond what is allowed. Raises _TooLargeError."""
    if (incoming.content_length or 0) > MAX_BODY_BYTES:
        raise _TooLargeError
    if headers.expects_continue and incoming.transport is not None:
        incoming.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    parts: list[bytes] = []
    size = 0
    async for part in incoming.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _TooLargeError
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _clean(value: str) -> str:
    """Without what no header may have: clients choose the names of fields that warnings repeat."""
    if value.isascii() and value.isprintable():
        return value
    return _CONTROLS.sub(" ", value).encode("utf-8", "replace").decode()


async def _pack(response: Response) -> Response:
    """gzip, level 1, as kube-apiserver does it for large answers."""
    body = response.whole_body
    packed = _gzip(body) if len(body) < THREAD_BYTES else await asyncio.to_thread(_gzip, body)
    headers = dict(response.headers)
    headers["Content-Encoding"] = "gzip"
    headers["Vary"] = f"{headers['Vary']}, Accept-Encoding" if headers.get("Vary") else "Accept-Encoding"
    return response._replace(body=packed, headers=headers, rest=b"")


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()
