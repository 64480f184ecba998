"""A transport for clients in the same process: the same pipeline, no socket. Has the shape that apiserver.client expects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple
from urllib.parse import unquote

from apiserver.auth import LOOPBACK_USER, User
from apiserver.errors import StatusError
from apiserver.http import Pipeline, Request, Response, request_timeout_s, response_of, warning_values

Pairs = Iterable[tuple[str, str]]


class InProcessAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class InProcessStream:
    """A watch: `async for line in stream`, lines without their newline."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response.stream is None:
            for line in self._response.body.splitlines():
                yield line
            return
        async for piece in self._response.stream:
            for line in piece.split(b"\n"):
                if line:
                    yield line

    async def close(self) -> None:
        if self._response.stream is not None:
            self._response.stream.close()


class InProcessTransport:
    """Every client may have one of its own, or share one. user: whom the server takes it for."""

    def __init__(self, pipeline: Pipeline, user: User = LOOPBACK_USER) -> None:
        self._pipeline = pipeline
        self._user = user

    async def _handle(self, method: str, path: str, query: Pairs, headers: Pairs, body: bytes) -> Response:
        values: dict[str, str] = {}
        for name, value in query:
            values.setdefault(name, value)
        named = {name.lower(): value for name, value in headers}
        request = Request(method, unquote(path), values, named, body, self._user)
        try:
            async with asyncio.timeout(request_timeout_s(values)):
                return await self._pipeline.handle(request)
        except (TimeoutError, StatusError) as error:
            return response_of(error)

    async def request(
        self, method: str, path: str, *, query: Pairs = (), headers: Pairs = (), body: bytes = b""
    ) -> InProcessAnswer:
        response = await self._handle(method, path, query, headers, body)
        headers_out = dict(response.headers)
        if response.warnings:
            headers_out["Warning"] = ", ".join(warning_values(response.warnings))
        return InProcessAnswer(response.status, headers_out, response.whole_body)

    async def stream(self, method: str, path: str, *, query: Pairs = (), headers: Pairs = ()) -> InProcessStream:
        return InProcessStream(await self._handle(method, path, query, headers, b""))

    async def close(self) -> None:
        """Nothing is open."""
