"""The pipeline on a socket: aiohttp's HTTP/1.1, our requests and responses.

Headers of a watch go out at once, and every piece as it comes. A client that hangs up cancels its request: its watch ends
then, not when the next event would have been sent. What was written to the store by then stays written.
"""

from __future__ import annotations

from uuid import uuid4

from aiohttp import web
from multidict import CIMultiDict

from apiserver.errors import too_large
from apiserver.http.messages import Request, Response, warning_values
from apiserver.http.pipeline import MAX_BODY_BYTES, Pipeline
from apiserver.http.status import status_response


def build_handler(pipeline: Pipeline) -> web.Server:
    """A web.Server (a protocol factory) that serves the pipeline."""

    async def handle(incoming: web.BaseRequest) -> web.StreamResponse:
        try:
            body = await _read(incoming)
        except _TooLargeError:
            limit = f"Request entity too large: limit is {MAX_BODY_BYTES}"
            return _whole(status_response(too_large(limit)))
        query: dict[str, str] = {}
        for name, value in incoming.query.items():
            query.setdefault(name, value)
        headers = _read_headers(incoming)
        request = Request(incoming.method, incoming.path, query, headers, body, certificate=_certificate(incoming))
        response = await pipeline.handle(request)
        if response.stream is None:
            return _whole(response)
        return await _stream(incoming, response)

    return web.Server(handle, handler_cancellation=True, access_log=None)


def _read_headers(incoming: web.BaseRequest) -> dict[str, str]:
    """The last value of each name; of Impersonate-* all of them, with newlines, which no header can hold."""
    headers: dict[str, str] = {}
    for name, value in incoming.headers.items():
        name = name.lower()
        if name.startswith("impersonate-") and name in headers:
            value = f"{headers[name]}\n{value}"
        headers[name] = value
    return headers


def _certificate(incoming: web.BaseRequest) -> bytes:
    """The client's certificate as DER, once TLS has found it good; b"" without one."""
    transport = incoming.transport
    secured = transport.get_extra_info("ssl_object") if transport is not None else None
    return (secured.getpeercert(binary_form=True) or b"") if secured is not None else b""


class _TooLargeError(Exception):
    pass


async def _read(incoming: web.BaseRequest) -> bytes:
    """The body, one byte more than allowed at the most."""
    if not incoming.can_read_body:
        return b""
    if (incoming.content_length or 0) > MAX_BODY_BYTES:
        raise _TooLargeError
    parts: list[bytes] = []
    size = 0
    async for part in incoming.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _TooLargeError
        parts.append(part)
    return b"".join(parts)


def _headers(response: Response) -> list[tuple[str, str]]:
    headers = {"Cache-Control": "no-cache, private", "Audit-Id": str(uuid4()), **response.headers}
    return [*headers.items(), *(("Warning", value) for value in warning_values(response.warnings))]


def _whole(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=CIMultiDict(_headers(response)), body=response.body)


async def _stream(incoming: web.BaseRequest, response: Response) -> web.StreamResponse:
    assert response.stream is not None
    outgoing = web.StreamResponse(status=response.status, headers=CIMultiDict(_headers(response)))
    outgoing.enable_chunked_encoding()
    try:
        await outgoing.prepare(incoming)
        async for piece in response.stream:
            await outgoing.write(piece)
        await outgoing.write_eof()
    except (ConnectionError, OSError):
        pass  # the client has gone
    finally:
        response.stream.close()
    return outgoing
