"""The client's side of a connection: calls out, answers in. Sans I/O, callbacks only.

    connection.call_unary(path, payload, done)            done(Outcome), exactly once
    stream = connection.open_stream(path, on_message, on_end); stream.send(payload); stream.half_close(); stream.cancel()

    waiting ──a place is free──▶ begun ──answered, reset, lost──▶ over (one Outcome)      cancel(): over, without an Outcome

Calls beyond the server's concurrent streams wait for a place; what they send waits with them. Every call that is not cancelled
here ends in one Outcome: a gRPC status, and whether the server can have seen the call at all (`was_sent`): what was not sent
may be tried again elsewhere, whatever it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kvcluster.wire import codes, frames
from kvcluster.wire.blocks import encode_block
from kvcluster.wire.http2 import Http2
from kvcluster.wire.limits import WireLimits
from kvcluster.wire.metadata import Metadata, decode_metadata, encode_metadata, encode_timeout
from kvcluster.wire.stream import CompressedMessage, MessageTooLarge, Stream

CLIENT_LIMITS = WireLimits(
    max_message_bytes=2**31 - 1, connection_window_bytes=64 * 1024 * 1024, stream_window_bytes=4 * 1024 * 1024
)
MAX_KEPT_BLOCKS = 256


class Outcome(NamedTuple):
    """code: gRPC status; payload: the answer of a unary call that succeeded; metadata: the server's, of the trailers."""

    code: int
    text: str
    payload: bytes = b""
    was_sent: bool = True
    metadata: Metadata = {}

    @property
    def ok(self) -> bool:
        return self.code == codes.OK


Done = Callable[[Outcome], object]
OnMessage = Callable[[bytes], object]


class _Head(NamedTuple):
    http_status: bytes
    grpc_status: int | None
    text: str
    metadata: Metadata


class ClientStream(Stream):
    """One call. on_message(payload) per message; on_end(Outcome) once, unless it was cancelled here."""

    __slots__ = ("_connection", "_block", "_on_message", "_on_end", "_payload")

    def __init__(self, connection: ClientConnection, block: bytes, on_message: OnMessage | None, on_end: Done) -> None:
        Stream.__init__(self)
        self._connection: ClientConnection | None = connection
        self._block = block
        self._on_message = on_message
        self._on_end = on_end
        self._payload: bytes | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def is_unary(self) -> bool:
        return self._on_message is None

    def send(self, *chunks: bytes) -> None:
        """One message. Nothing happens on a stream that is over."""
        connection = self._connection
        if connection is None:
            return
        outbox = connection.http2.outbox
        if self.id:
            outbox.message(self, chunks)
        else:
            outbox.enqueue(self, b"".join((b"\x00", sum(map(len, chunks)).to_bytes(4, "big"), *chunks)))

    def half_close(self) -> None:
        """Nothing more is sent; the answers go on."""
        if self._connection is not None:
            if self.id:
                self._connection.http2.outbox.end(self)
            else:
                self.end = b""

    def cancel(self) -> None:
        """Ends the call from our side; on_end is not called."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop(self)

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
    """Feed `receive`, write `take_output`."""

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
        """The server takes no more calls, or the stream ids are used up."""
        self._next_id = 1
        self._scheme = scheme.encode()
        self._authority = authority.encode()
        self._blocks: dict[tuple[str, tuple[tuple[str, str | bytes], ...]], bytes] = {}
        self._waiting: dict[ClientStream, None] = {}
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
        self,
        path: str,
        payload: bytes,
        done: Done,
        metadata: Metadata | None = None,
        *,
        timeout_s: float | None = None,
    ) -> ClientStream | None:
        """Starts a unary call. -> its stream, to cancel it; None where it failed at once (`done` was called).

        timeout_s is told to the server; whoever has a clock cancels the call too. Raises ValueError for metadata that
        cannot travel.
        """
        if self.is_leaving or self.is_closed:
            done(Outcome(codes.UNAVAILABLE, "the connection takes no more calls", was_sent=False))
            return None
        stream = ClientStream(self, self._block(path, metadata, timeout_s), None, done)
        if not self._waiting and len(self.http2.streams) < self.http2.max_peer_streams:
            self._begin(stream)
            self.http2.outbox.message(stream, (payload,), ended=True)
        else:
            self._waiting[stream] = None
            stream.send(payload)
            stream.half_close()
        return stream

    def open_stream(
        self,
        path: str,
        on_message: OnMessage,
        on_end: Done,
        metadata: Metadata | None = None,
        *,
        timeout_s: float | None = None,
    ) -> ClientStream:
        """Opens a stream; messages may be sent at once. Raises ConnectionError where the connection takes no more calls,
        ValueError for metadata that cannot travel."""
        if self.is_leaving or self.is_closed:
            raise ConnectionError("the connection takes no more calls")
        stream = ClientStream(self, self._block(path, metadata, timeout_s), on_message, on_end)
        self._waiting[stream] = None
        self._start_waiting()
        return stream

    def _begin(self, stream: ClientStream) -> None:
        """Gives the stream its place."""
        http2 = self.http2
        stream.id = self._next_id
        stream.send_window = http2.outbox.stream_window
        stream.receive_window = http2.initial_receive_window
        self._next_id += 2
        if self._next_id > frames.MAX_STREAM_ID:
            self.is_leaving = True
        http2.open(stream)
        http2.outbox.head(stream, stream._block)

    def _block(self, path: str, metadata: Metadata | None, timeout_s: float | None) -> bytes:
        """The request's headers. Blocks change no table, so what differs by call is simply appended to what is kept."""
        key = (path, tuple(metadata.items()) if metadata else ())
        block = self._blocks.get(key)
        if block is None:
            block = encode_block(
                [
                    (b":method", b"POST"),
                    (b":scheme", self._scheme),
                    (b":path", path.encode()),
                    (b":authority", self._authority),
                    (b"te", b"trailers"),
                    (b"content-type", b"application/grpc"),
                    (b"user-agent", b"grpc-python-kvcluster/0.1"),
                    *(encode_metadata(metadata) if metadata else ()),
                ]
            )
            if len(self._blocks) >= MAX_KEPT_BLOCKS:
                self._blocks.clear()
            self._blocks[key] = block
        if timeout_s is not None:
            block += encode_block([(b"grpc-timeout", encode_timeout(timeout_s))])
        return block

    def _start_waiting(self) -> None:
        """Places may have become free."""
        streams = self.http2.streams
        while self._waiting and len(streams) < self.http2.max_peer_streams and not (self.is_leaving or self.is_closed):
            stream = next(iter(self._waiting))
            del self._waiting[stream]
            self._begin(stream)
            if stream.queue:
                self.http2.outbox.pump_stream(stream)
            elif stream.end is not None:
                stream.end = None
                self.http2.outbox.end(stream)
        if self.is_leaving:
            self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        while self._waiting:
            stream = next(iter(self._waiting))
            self._forget_waiting(stream)
            stream._finish(Outcome(codes.UNAVAILABLE, "the connection takes no more calls", was_sent=False))

    def _forget_waiting(self, stream: ClientStream) -> None:
        self._waiting.pop(stream, None)
        self.http2.outbox.forget(stream)

    def drop(self, stream: ClientStream) -> None:
        """The caller has cancelled."""
        if stream.id:
            self.http2.reset(stream, frames.CANCEL)
            self._start_waiting()
        else:
            self._forget_waiting(stream)

    def lost(self, text: str = "connection lost") -> None:
        """The socket is gone: every call ends with UNAVAILABLE."""
        self.http2.is_closed = True
        for stream in list(self.http2.streams.values()):
            self.http2.forget(stream)
            stream._finish(Outcome(codes.UNAVAILABLE, text))
        self._refuse_waiting()

    # ---- http2.Handler ----

    def parse_head(self, headers: list[tuple[bytes, bytes]]) -> _Head:
        fields = dict(headers)
        try:
            metadata = decode_metadata(headers)
        except ValueError:  # of no use to anybody, and no reason to lose the answer
            metadata = {}
        status = fields.get(b"grpc-status")
        return _Head(
            fields.get(b":status", b""),
            None if status is None else codes.parse_status(status),
            codes.decode_message(fields.get(b"grpc-message", b"")),
            metadata,
        )

    def on_open(self, stream_id: int, head: _Head, ended: bool) -> None:
        """Servers open no streams (push is off)."""

    def on_head(self, stream: ClientStream, head: _Head, ended: bool) -> None:
        status = head.http_status
        if not ended:
            if status not in (b"", b"200") and not status.startswith(b"1"):
                self._end(stream, Outcome(codes.of_http_status(status), f"the server answered HTTP {_text(status)}"))
            return
        code, text, payload = head.grpc_status, head.text, stream._payload
        if code is None:
            code = codes.of_http_status(status)
            text = f"the answer has no grpc-status (HTTP {_text(status) or 'status missing'})"
        elif code == codes.OK and (stream.partial is not None or (payload is None and stream.is_unary)):
            code, text = codes.INTERNAL, "the answer ended without a message, or within one"
        self._end(stream, Outcome(code, text, payload or b"", True, head.metadata))

    def on_data(self, stream: ClientStream, data: bytes, ended: bool) -> None:
        try:
            messages = stream.take_messages(data, self.limits.max_message_bytes) if data else ()
        except (MessageTooLarge, CompressedMessage) as error:
            code = codes.RESOURCE_EXHAUSTED if isinstance(error, MessageTooLarge) else codes.INTERNAL
            self._end(stream, Outcome(code, str(error)))
            return
        on_message = stream._on_message
        if on_message is None:
            if messages:
                if len(messages) > 1 or stream._payload is not None:
                    self._end(stream, Outcome(codes.INTERNAL, "more than one message answers a unary call"))
                    return
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
            self._start_waiting()

    def on_reset(self, stream: ClientStream, code: int) -> None:
        text = f"the server reset the stream (HTTP/2 error {code})"
        stream._finish(Outcome(codes.of_reset(code), text, was_sent=code != frames.REFUSED_STREAM))
        if self._waiting:
            self._start_waiting()

    def on_drain(self, stream: ClientStream) -> None:
        """Senders look at `queued_bytes` themselves."""

    def on_goaway(self, last_stream_id: int, code: int, text: str) -> None:
        """Calls above `last_stream_id` were not seen by the server; the others go on."""
        self.is_leaving = True
        for stream in [stream for id, stream in self.http2.streams.items() if id > last_stream_id]:
            self.http2.forget(stream)
            stream._finish(Outcome(codes.UNAVAILABLE, f"the server is going away: {text}", was_sent=False))
        self._refuse_waiting()


def _text(status: bytes) -> str:
    return status.decode("latin-1")
