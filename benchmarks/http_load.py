"""A load generator for HTTP/1.1 that costs little itself: prepared bytes, keep-alive connections, one request at a time each.

It runs in the benchmark's process; the server has one of its own. It understands what API servers send: Content-Length, or the
chunks of a watch, whose lines are counted and not looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import cast


def request(method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> bytes:
    """The head as a Go client sends it, and the body."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


class Caller(asyncio.Protocol):
    """Sends the next request when the last is answered, until there is none. `bodies`: bytes received without heads."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], expected: bytes) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.body_bytes = 0
        self._requests = requests
        self._latencies = latencies
        self._expected = b"HTTP/1.1 " + expected
        self._parts: list[bytes] = []
        self._missing = -1  # bytes of the present answer that are still to come; -1: its head is not there yet
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        following = next(self._requests, None)
        if following is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._sent_s = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            if self._parts:
                data = b"".join([*self._parts, data])
                self._parts.clear()
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._parts.append(data)
                return
            head = data[:end]
            if not head.startswith(self._expected):
                self.fail(RuntimeError(data[:400]))
                return
            at = head.lower().index(b"content-length:") + 15
            self._missing = length = int(head[at:].split(b"\r\n", 1)[0])
            self.body_bytes += length
            data = data[end + 4 :]
        self._missing -= len(data)
        if self._missing == 0:
            self._missing = -1
            self._latencies.append(time.perf_counter() - self._sent_s)
            self._next()

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))


async def call_all(
    port: int, requests: Iterator[bytes], callers: int, expected: bytes = b"200"
) -> tuple[float, list[float], int]:
    """(seconds, latencies, body bytes) of sending all requests over `callers` connections."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    began_s = time.perf_counter()
    connections = [
        (await loop.create_connection(lambda: Caller(requests, latencies, expected), "127.0.0.1", port))[1]
        for _ in range(callers)
    ]
    await asyncio.gather(*(connection.done for connection in connections))
    return time.perf_counter() - began_s, latencies, sum(connection.body_bytes for connection in connections)


LINE = b'{"type":"'


class Watching(asyncio.Protocol):
    """One watch. `lines` counts what came; `reached` is done when that is `wanted`."""

    def __init__(self, request: bytes, end: bytes = b"\n\r\n") -> None:
        self.lines = 0
        self.bytes = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wanted = 0
        self._request = request
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        if not self.opened.done():
            self.opened.set_result(None)
            assert data.startswith(b"HTTP/1.1 200"), data[:300]
        data = self._tail + data  # a line's beginning may be cut in two
        self._tail = data[-len(LINE) + 1 :]
        self.lines += data.count(LINE)
        if self.wanted and self.lines >= self.wanted and not self.reached.done():
            self.reached.set_result(None)

    def want(self, lines: int, *, so_far: bool = False) -> None:
        """From now on; so_far: with those that came already."""
        self.reached = asyncio.get_running_loop().create_future()
        self.lines, self.wanted = self.lines if so_far else 0, lines
        if self.lines >= lines:
            self.reached.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.opened, self.reached):
            if not future.done():
                future.set_exception(error or ConnectionError("the watch ended"))
                future.exception()


async def open_watches(port: int, path: str, count: int) -> list[Watching]:
    loop = asyncio.get_running_loop()
    wanted = request("GET", path)
    watches = []
    for _ in range(count):
        watches.append((await loop.create_connection(lambda: Watching(wanted), "127.0.0.1", port))[1])
        await watches[-1].opened
    return watches
