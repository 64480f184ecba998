"""The client's side of a connection: calls out, answers in. Sans I/O, callbacks only.

    connection.call_unary(path, payload, done)            done(Outcome), exactly once
    stream = connection.open_stream(path, on_message, on_end); stream.send(payload); stream.half_close(); stream.cancel()

Every call ends in one Outcome: a gRPC status, and whether the server can have seen the call at all (`was_sent`): what was
not sent may be tried again elsewhere, whatever it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kvcluster.wire import codes, frames
from kvcluster.wire.blocks import encode_block
from kvcluster.wire.http2 import Http2
from kvcluster.wire.limits import WireLimits
from kvcluster.wire.stream import MessageTooLarge, Stream

CLIENT_LIMITS = WireLimits(
    max_message_bytes=2**31 - 1, connection_window_bytes=64 * 1024 * 1024, stream_window_bytes=4 * 1024 * 1024
)


class Outcome(NamedTuple):
    """code: gRPC status; payload: the answer of a unary call that succeeded."""

    code: int
    text: str
    payload: bytes = b""
    was_sent: bool = True

    @property
    def ok(self) -> bool:
        return self.code == codes.OK


Done = Callable[[Outcome], object]


class _Head(NamedTuple):
    http_status: bytes
    grpc_status: int | None
    text: str


class ClientStream(Stream):
    """One call. on_message(payload) per message; on_end(Outcome) once, unless it was cancelled here."""

    __slots__ = ("_connection", "_on_message", "_on_end", "_payload", "_had_head")

    def __init__(
        self,
        id: int,
        connection: ClientConnection,
        on_message: Callable[[bytes], object] | None,
        on_end: Done,
    ) -> None:
        Stream.__init__(self, id, connection.http2.peer_window, connection.limits.stream_window_bytes)
        self._connection: ClientConnection | None = connection
        self._on_message = on_message
        self._on_end = on_end
        self._payload = b""
        self._had_head = False

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def send(self, *chunks: bytes) -> None:
        """One message. Nothing happens on a stream that is over."""
        if self._connection is not None:
            self._connection.http2.send_message(self, chunks)

    def half_close(self) -> None:
        if self._connection is not None:
            self._connection.http2.send_end(self)

    def cancel(self) -> None:
        """Ends the call from our side; on_end is not called."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.http2.reset(self, frames.CANCEL)
            connection.start_waiting()

    def hold(self) -> None:
        """Lets the server wait: its window is not topped up until `release`."""
        if self._connection is not None:
            self._connection.http2.hold(self)

    def release(self) -> None:
        if self._connection is not None:
            self._connection.http2.release(self)

    def _finish(self, outcome: Outcome) -> None:
        if self._connection is not None:
            self._connection = None
            self._on_end(outcome)


class ClientConnection:
    """Feed `receive`, write `take_output`. Calls beyond the server's concurrent streams wait for a place."""

    def __init__(
        self,
        *,
        authority: str = "localhost",
        scheme: str = "http",
        limits: WireLimits = CLIENT_LIMITS,
        on_output: Callable[[], object] = lambda: None,
    ) -> None:
        self.limits = limits
        self.is_leaving = False
        self._next_id = 1
        self._fixed = [
            (b":method", b"POST"),
            (b":scheme", scheme.encode()),
            (b":authority", authority.encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", b"grpc-python-kvcluster/0.1"),
        ]
        self._blocks: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}
        self._waiting: deque[Callable[[], object]] = deque()
        self.http2 = Http2(self, is_client=True, limits=limits, on_output=on_output)
        self.take_output = self.http2.take_output

    @property
    def is_closed(self) -> bool:
        return self.http2.is_closed

    @property
    def call_count(self) -> int:
        return len(self.http2.streams) + len(self._waiting)

    def receive(self, data: bytes) -> None:
        """Takes bytes of the socket. A server that breaks the protocol ends every call with UNAVAILABLE."""
        self.http2.receive(data)
        if self.http2.fault is not None:
            self.lost(f"protocol error: {self.http2.fault.text}")

    def call_unary(
        self, path: str, payload: bytes, done: Done, metadata: Mapping[str, str] | None = None
    ) -> ClientStream | None:
        """Starts a unary call. -> its stream, to cancel it; None where it waits for a place or failed at once."""
        return self._start(path, metadata, None, done, (payload,))

    def open_stream(
        self,
        path: str,
        on_message: Callable[[bytes], object],
        on_end: Done,
        metadata: Mapping[str, str] | None = None,
    ) -> ClientStream:
        """Opens a stream; messages may be sent at once. Raises ConnectionError where the connection takes no more."""
        if self.is_leaving or self.is_closed:
            raise ConnectionError("the connection takes no more calls")
        return self._begin(path, metadata, on_message, on_end)

    def _start(
        self,
        path: str,
        metadata: Mapping[str, str] | None,
        on_message: Callable[[bytes], object] | None,
        done: Done,
        messages: Sequence[bytes],
    ) -> ClientStream | None:
        if self.is_leaving or self.is_closed:
            done(Outcome(codes.UNAVAILABLE, "the connection takes no more calls", was_sent=False))
            return None
        if len(self.http2.streams) >= self.http2.max_peer_streams:
            self._waiting.append(lambda: self._start(path, metadata, on_message, done, messages))
            return None
        stream = self._begin(path, metadata, on_message, done)
        http2 = self.http2
        for message in messages:
            http2.send_message(stream, (message,))
        http2.send_end(stream)
        return stream

    def _begin(
        self, path: str, metadata: Mapping[str, str] | None, on_message: Callable[[bytes], object] | None, done: Done
    ) -> ClientStream:
        stream = ClientStream(self._next_id, self, on_message, done)
        self._next_id += 2
        self.http2.open(stream)
        self.http2.send_head(stream, self._block(path, metadata))
        return stream

    def _block(self, path: str, metadata: Mapping[str, str] | None) -> bytes:
        key = (path, tuple(metadata.items()) if metadata else ())
        block = self._blocks.get(key)
        if block is None:
            extra = [(name.lower().encode(), value.encode()) for name, value in key[1]]
            block = encode_block([*self._fixed[:2], (b":path", path.encode()), *self._fixed[2:], *extra])
            if len(self._blocks) > 256:
                self._blocks.clear()
            self._blocks[key] = block
        return block

    def start_waiting(self) -> None:
        """Places may have become free."""
        while self._waiting and len(self.http2.streams) < self.http2.max_peer_streams and not self.is_leaving:
            self._waiting.popleft()()

    def lost(self, text: str = "connection lost") -> None:
        """The socket is gone: every call ends with UNAVAILABLE."""
        self.http2.is_closed = True
        streams = list(self.http2.streams.values())
        self.http2.streams.clear()
        for stream in streams:
            stream._finish(Outcome(codes.UNAVAILABLE, text))
        while self._waiting:
            self._waiting.popleft()()

    # ---- http2.Handler ----

    def parse_head(self, headers: list[tuple[bytes, bytes]]) -> _Head:
        http_status, grpc_status, text = b"", None, ""
        for name, value in headers:
            if name == b":status":
                http_status = bytes(value)
            elif name == b"grpc-status":
                grpc_status = int(value) if bytes(value).isdigit() else codes.UNKNOWN
            elif name == b"grpc-message":
                text = codes.decode_message(bytes(value))
        return _Head(http_status, grpc_status, text)

    def on_head(self, stream_id: int, head: _Head, ended: bool) -> None:
        stream = self.http2.streams.get(stream_id)
        if stream is None:
            return
        if not ended:
            stream._had_head = True
            if head.http_status not in (b"", b"200") and not head.http_status.startswith(b"1"):
                self._end(stream, Outcome(codes.UNKNOWN, f"the server answered HTTP {head.http_status.decode()}"))
            return
        stream.remote_ended = True
        code = head.grpc_status
        if code is None:
            status = head.http_status.decode() or "no status"
            self._end(stream, Outcome(codes.UNKNOWN, f"the answer has no grpc-status (HTTP {status})"))
        else:
            self._end(stream, Outcome(code, head.text, stream._payload))

    def on_data(self, stream: ClientStream, data: bytes, ended: bool) -> None:
        try:
            messages = stream.take_messages(data, self.limits.max_message_bytes) if data else ()
        except (MessageTooLarge, ValueError) as error:
            self._end(stream, Outcome(codes.INTERNAL, f"an answer that cannot be read: {error}"))
            return
        on_message = stream._on_message
        if on_message is None:
            if messages:
                stream._payload = messages[0]
        else:
            for message in messages:
                if stream._connection is not None:
                    on_message(message)
        if ended:
            self._end(stream, Outcome(codes.INTERNAL, "the answer ended without trailers"))

    def _end(self, stream: ClientStream, outcome: Outcome) -> None:
        if stream.local_ended and stream.remote_ended:
            self.http2.forget(stream)
        else:
            self.http2.reset(stream, frames.CANCEL)
        stream._finish(outcome)
        if self._waiting:
            self.start_waiting()

    def on_reset(self, stream: ClientStream, code: int) -> None:
        refused = code == frames.REFUSED_STREAM
        status = codes.UNAVAILABLE if refused else codes.CANCELLED if code == frames.CANCEL else codes.INTERNAL
        stream._finish(Outcome(status, f"the server reset the stream (code {code})", was_sent=not refused))
        if self._waiting:
            self.start_waiting()

    def on_drain(self, stream: ClientStream) -> None:
        """Senders look at `queued_bytes` themselves."""

    def on_goaway(self, last_stream_id: int, code: int, text: str) -> None:
        """Calls above `last_stream_id` were not seen by the server; the others go on."""
        self.is_leaving = True
        for stream in [stream for id, stream in self.http2.streams.items() if id > last_stream_id]:
            self.http2.forget(stream)
            stream._finish(Outcome(codes.UNAVAILABLE, f"the server is going away: {text}", was_sent=False))
        while self._waiting:
            self._waiting.popleft()()
