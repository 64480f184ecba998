"""How many requests are served at once: so many that read, so many that write; one more is told to come back in a second.

    reading    400      --max-requests-inflight             GET, HEAD
    writing    200      --max-mutating-requests-inflight    everything else

What lasts (watches, logs) is not counted, and who may do everything anyway is always let in: the server's own clients, and
administrators of a server that knows them. Source: kube-apiserver's max-in-flight filter.
"""

from __future__ import annotations

from apiserver.auth import LOOPBACK_USER, MASTERS
from apiserver.http.messages import Request, Response
from apiserver.http.query import parse_bool

MAX_READING, MAX_WRITING = 400, 200
READING, WRITING = "readOnly", "mutating"
LASTING = ("attach", "exec", "log", "portforward", "proxy")

_TEXT = b"Too many requests, please try again later.\n"


class InFlight:
    """`now` counts by kind; `dropped` those that were sent away."""

    def __init__(self, max_reading: int = MAX_READING, max_writing: int = MAX_WRITING) -> None:
        self.limits = {READING: max_reading, WRITING: max_writing}
        self.now = {READING: 0, WRITING: 0}
        self.dropped = {READING: 0, WRITING: 0}

    def try_enter(self, request: Request) -> str | None:
        """The kind to leave with; "" for what is not counted; None: there are too many."""
        kind = READING if request.method in ("GET", "HEAD") else WRITING
        if kind is READING and is_lasting(request):
            return ""
        if self.now[kind] >= self.limits[kind]:
            if _is_exempt(request):
                return ""
            self.dropped[kind] += 1
            return None
        self.now[kind] += 1
        return kind

    def leave(self, kind: str) -> None:
        if kind:
            self.now[kind] -= 1


def is_lasting(request: Request) -> bool:
    """A watch or a stream: it ends when it ends."""
    if "watch" in request.query and parse_bool(request.query, "watch"):
        return True
    return "/watch/" in request.path or request.path.endswith(LASTING)


def _is_exempt(request: Request) -> bool:
    return request.user is LOOPBACK_USER or (MASTERS in request.user.groups and not request.gate.is_open)


def too_many_requests() -> Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Retry-After": "1", "X-Content-Type-Options": "nosniff"}
    return Response(429, headers, _TEXT)
