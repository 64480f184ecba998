"""Request and response of our own, so that one pipeline serves a socket and a caller in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol

from apiserver.auth import ANONYMOUS_USER, Gate, User, open_gate
from apiserver.meta import encode
from apiserver.storage import Lines

JSON = "application/json"
Object = dict[str, Any]
_OPEN = open_gate()


class Request:
    """method in upper case; path decoded; query: the first value of each name; headers with lower-case names.

    user: who asks; set by the pipeline's authentication, or by a caller in the same process. certificate: the client's, as DER,
    checked by TLS; b"" without one. gate: who decides over the request; set by the pipeline. A header that came several times
    has its last value; Impersonate-* headers have all of them, with newlines.
    """

    __slots__ = ("method", "path", "query", "headers", "body", "user", "certificate", "gate")

    def __init__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        user: User = ANONYMOUS_USER,
        certificate: bytes = b"",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.user = user
        self.certificate = certificate
        self.gate: Gate = _OPEN


class Outlet(Protocol):
    """Where a live watch goes. Nothing here may raise."""

    def deliver(self, lines: Lines) -> bool:
        """False: it has too much to send already, and the watch is over."""
        ...

    def finish(self) -> None:
        """The regular end: everything was delivered."""
        ...

    def abort(self) -> None:
        """The end of a watcher that was too slow."""
        ...


class Stream(Protocol):
    """A body that never is whole: `initial` first, piece by piece, then `attach`; or `async for`, which does both."""

    def initial(self) -> AsyncIterator[bytes]: ...

    def attach(self, outlet: Outlet) -> None: ...

    def close(self) -> None:
        """At the end, whoever ends it. Safe to call twice."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Response(NamedTuple):
    """body and `rest`, which other answers share and nobody copies; or `stream`: a watch, sent piece by piece."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    stream: Stream | None = None
    warnings: tuple[str, ...] = ()
    rest: bytes = b""

    @property
    def whole_body(self) -> bytes:
        return self.body + self.rest if self.rest else self.body


def warning_values(warnings: tuple[str, ...]) -> list[str]:
    """Values of Warning headers (RFC 7234 5.5; Kubernetes uses code 299)."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in warnings)
    return [f'299 - "{text}"' for text in quoted]


def json_response(obj: Any, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"Content-Type": JSON, **named}, encode(obj))


def bytes_response(body: bytes, status: int = 200, content_type: str = JSON) -> Response:
    return Response(status, {"Content-Type": content_type}, body)


def text_response(text: str, status: int = 200) -> Response:
    return Response(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())
