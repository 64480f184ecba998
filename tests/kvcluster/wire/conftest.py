"""A toy service for the wire's tests, and frames in short writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest

from kvcluster.wire import (
    BIDI,
    PREFACE,
    SERVER_STREAM,
    UNARY,
    Method,
    ServerConnection,
    ServiceCall,
    WireLimits,
    frames,
)
from kvcluster.wire.blocks import encode_block


class Toy:
    """/toy/Echo, /toy/Fail, /toy/Never, /toy/Bug (unary); /toy/Chat (bidi: echoes); /toy/Count (server stream).

    `seen` is the story of what the handlers were told; `calls` are the calls, for tests that answer by hand; `on_seen` is
    called when the story goes on.
    """

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.on_seen: Callable[[], object] = lambda: None
        self.calls: list[ServiceCall] = []
        self.methods = {
            b"/toy/Echo": Method(UNARY, self.echo),
            b"/toy/Fail": Method(UNARY, self.fail),
            b"/toy/Never": Method(UNARY, self.never),
            b"/toy/Bug": Method(UNARY, self.bug),
            b"/toy/Chat": Method(BIDI, lambda call: _Chat(self, call)),
            b"/toy/Count": Method(SERVER_STREAM, lambda call: _Count(self, call)),
        }

    def tell(self, what: Any) -> None:
        self.seen.append(what)
        self.on_seen()

    def echo(self, call: ServiceCall, payload: bytes) -> None:
        self.tell(("echo", len(payload)))
        call.reply(payload[: len(payload) // 2], payload[len(payload) // 2 :])

    def fail(self, call: ServiceCall, payload: bytes) -> None:
        call.fail(payload[0], payload[1:].decode())

    def never(self, call: ServiceCall, payload: bytes) -> None:
        self.calls.append(call)
        self.tell(("never", dict(call.metadata)))

    def bug(self, call: ServiceCall, payload: bytes) -> None:
        raise ZeroDivisionError("a bug of the service")


class _Chat:
    def __init__(self, toy: Toy, call: ServiceCall) -> None:
        self.toy, self.call = toy, call
        toy.calls.append(call)
        toy.tell("opened")

    def on_message(self, payload: bytes) -> None:
        self.toy.tell(("message", len(payload)))
        if payload == b"bug":
            raise ZeroDivisionError("a bug of the service")
        self.call.send(payload)

    def on_half_close(self) -> None:
        self.toy.tell("half-closed")
        self.call.finish()

    def on_cancel(self) -> None:
        self.toy.tell("cancelled")

    def on_drain(self) -> None:
        self.toy.tell("drained")


class _Count(_Chat):
    """The request's bytes, one message each."""

    def on_message(self, payload: bytes) -> None:
        for value in payload:
            self.call.send(bytes([value]))


@pytest.fixture
def toy() -> Toy:
    return Toy()


class Frame(NamedTuple):
    kind: int
    flags: int
    stream_id: int
    payload: bytes


def parse_frames(data: bytes) -> list[Frame]:
    """Whole frames only, as a peer would read them."""
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 3], "big")
        stream_id = int.from_bytes(data[at + 5 : at + 9], "big")
        found.append(Frame(data[at + 3], data[at + 4], stream_id, data[at + 9 : at + 9 + length]))
        at += 9 + length
    assert at == len(data), "half a frame was sent"
    return found


class RawClient:
    """A client that speaks in frames, to a ServerConnection in memory."""

    frames = frames

    def __init__(self, methods: Any, **limits: int) -> None:
        self.bugs: list[Exception] = []
        self.server = ServerConnection(methods, limits=WireLimits(**limits), on_bug=self.bugs.append)
        self.server.take_output()

    def start(self, settings: dict[int, int] | None = None) -> RawClient:
        answer = self.send(PREFACE, frames.settings_frame(settings or {}), frames.frame(frames.SETTINGS, frames.ACK, 0))
        assert [(frame.kind, frame.flags) for frame in answer] == [(frames.SETTINGS, frames.ACK)]
        return self

    def send(self, *data: bytes) -> list[Frame]:
        """What the server answers to it."""
        self.server.receive(b"".join(data))
        return self.take()

    def take(self) -> list[Frame]:
        return parse_frames(b"".join(self.server.take_output()))

    @staticmethod
    def block(path: str = "/toy/Echo", extra: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
        return encode_block(
            [
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", path.encode()),
                (b":authority", b"toy"),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
                *extra,
            ]
        )

    def head(self, stream_id: int, path: str = "/toy/Echo", *extra: tuple[bytes, bytes], flags: int = 0) -> bytes:
        return frames.frame(frames.HEADERS, frames.END_HEADERS | flags, stream_id, self.block(path, extra))

    @staticmethod
    def message(stream_id: int, payload: bytes = b"", flags: int = frames.END_STREAM) -> bytes:
        return frames.frame(frames.DATA, flags, stream_id, b"\x00" + len(payload).to_bytes(4, "big") + payload)

    @property
    def fault(self) -> int | None:
        """The error code that ended the connection."""
        return self.server.http2.fault.code if self.server.http2.fault is not None else None


@pytest.fixture
def raw(toy: Toy) -> Callable[..., RawClient]:
    """raw(**limits): a client in frames on the toy service; not started, so that a test may begin badly."""
    return lambda **limits: RawClient(toy.methods, **limits)
