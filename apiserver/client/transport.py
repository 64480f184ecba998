"""The seam between a client and an API server: send a request, get an answer; or open a stream of lines.

Two implementations: `HttpTransport` here, over aiohttp, to any Kubernetes API server; and the in-process one that
`ApiServer.in_process_transport()` returns, which runs the same pipeline without a socket. Neither wing imports the
other, so what crosses the seam is described by protocols, not by shared classes.

A transport knows nothing of objects or Status bodies: a 404 is an `Answer` like any other. It raises
`ServerUnreachableError` when there was no answer at all.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit

import aiohttp

from apiserver.client.kubeconfig import Kubeconfig

Pairs = Sequence[tuple[str, str]]

USER_AGENT = "kvcluster-apiserver/0.1"
REQUEST_TIMEOUT_S = 70.0
"""A little more than the server's own 60 s, so that its 504 arrives before we give up."""
CONNECT_TIMEOUT_S = 10.0


class ServerUnreachableError(Exception):
    """No answer: refused, reset, timed out or closed. The request may or may not have been carried out."""


class Answer(Protocol):
    """A whole response. Header names are matched without regard to case by whoever reads them."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class Stream(Protocol):
    """An open response, line by line (the newline may be there or not). It ends when the server ends it."""

    @property
    def status(self) -> int: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def close(self) -> None: ...


class Transport(Protocol):
    """method: "GET", …; path: percent-encoded, starting with "/"; query and headers: pairs, in order."""

    async def request(
        self, method: str, path: str, *, query: Pairs = (), headers: Pairs = (), body: bytes = b""
    ) -> Answer: ...

    async def stream(self, method: str, path: str, *, query: Pairs = (), headers: Pairs = ()) -> Stream: ...


class HttpAnswer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpTransport:
    """Requests over HTTP/1.1 with keep-alive; every stream takes a connection of its own, as with any HTTP/1.1 client.

    url: "http://127.0.0.1:8001" or "https://…", a path prefix is kept. token: sent as a bearer token. ssl_context: for
    https, from `kubeconfig.load_kubeconfig` or the caller; None = the system's certificate authorities.
    Proxies and netrc of the environment are not consulted: a client goes where it was told to.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        ssl_context: ssl.SSLContext | None = None,
        user_agent: str = USER_AGENT,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{url!r} is not the URL of a server: it starts with http:// or https:// and names a host")
        self._base = url.rstrip("/")
        self._ssl: ssl.SSLContext | bool = ssl_context if ssl_context is not None else True
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._request_timeout = aiohttp.ClientTimeout(total=request_timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._stream_timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_kubeconfig(cls, kubeconfig: Kubeconfig) -> HttpTransport:
        return cls(kubeconfig.server, token=kubeconfig.token, ssl_context=kubeconfig.ssl_context)

    @property
    def url(self) -> str:
        return self._base

    async def request(
        self, method: str, path: str, *, query: Pairs = (), headers: Pairs = (), body: bytes = b""
    ) -> Answer:
        try:
            async with self._open().request(
                method,
                self._address(path, query),
                headers=dict(headers),
                data=body or None,
                ssl=self._ssl,
                timeout=self._request_timeout,
                allow_redirects=False,
            ) as response:
                return HttpAnswer(response.status, response.headers, await response.read())
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ServerUnreachableError(f"{method} {self._base}{path}: {_said(error)}") from error

    async def stream(self, method: str, path: str, *, query: Pairs = (), headers: Pairs = ()) -> Stream:
        try:
            response = await self._open().request(
                method,
                self._address(path, query),
                headers=dict(headers),
                ssl=self._ssl,
                timeout=self._stream_timeout,
                allow_redirects=False,
            )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ServerUnreachableError(f"{method} {self._base}{path}: {_said(error)}") from error
        return _HttpStream(response)

    async def close(self) -> None:
        """Closes every connection, open streams too."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        # Made late: a session belongs to the event loop that is running when it is made.
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, headers=self._headers, auto_decompress=True, trust_env=False
            )
        return self._session

    def _address(self, path: str, query: Pairs) -> str:
        return f"{self._base}{path}?{urlencode(query)}" if query else f"{self._base}{path}"


class _HttpStream:
    """Splits lines itself: aiohttp's own readline refuses lines over 128 KiB, and an object may have 1.5 MiB."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts: list[bytes] = []
        try:
            async for chunk in self._response.content.iter_any():
                head, newline, rest = chunk.partition(b"\n")
                parts.append(head)
                if not newline:
                    continue
                yield b"".join(parts)
                lines = rest.split(b"\n")
                parts = [lines.pop()]
                for line in lines:
                    yield line
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ServerUnreachableError(f"the stream broke: {_said(error)}") from error
        if any(parts):
            yield b"".join(parts)

    async def close(self) -> None:
        self._response.close()


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
