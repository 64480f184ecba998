"""The server's side of a connection: requests in, calls of the method table, answers out.

A unary call goes HEADERS, DATA(END_STREAM) → handler(call, payload) → HEADERS, DATA, trailers; where the windows allow the
answer is three frames in one go. A call that fails before it has answered is trailers only (gRPC over HTTP/2).

A Call is its stream, so a request costs one object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kvcluster.wire import codes, frames
from kvcluster.wire.blocks import encode_block
from kvcluster.wire.http2 import Http2
from kvcluster.wire.limits import WireLimits
from kvcluster.wire.method import UNARY, Method, Methods, StreamHandler
from kvcluster.wire.stream import MessageTooLarge, Stream

_HEAD = encode_block([(b":status", b"200"), (b"content-type", b"application/grpc")])
_TRAILERS_OK = encode_block([(b"grpc-status", b"0")])
_RESERVED = ("te", "content-type", "user-agent", "grpc-accept-encoding", "accept-encoding")


class Head(NamedTuple):
    """What a request's headers mean. `refusal`: (grpc code, text) of a request that no method can take."""

    method: Method | None
    metadata: Mapping[str, str]
    refusal: tuple[int, str] | None
    is_grpc: bool = True


class Call(Stream):
    """One call: what a handler is given (wire.method.ServiceCall). See wire/method.py for who calls what."""

    __slots__ = ("metadata", "_connection", "_method", "_handler", "_head_sent", "_payload")

    def __init__(
        self, id: int, send_window: int, receive_window: int, connection: ServerConnection, head: Head
    ) -> None:
        Stream.__init__(self, id, send_window, receive_window)
        self.metadata = head.metadata
        self._connection: ServerConnection | None = connection
        self._method = head.method
        self._handler: StreamHandler | None = None
        self._head_sent = False
        self._payload: bytes | None = None

    @property
    def is_active(self) -> bool:
        return self._connection is not None

    @property
    def peer(self) -> str:
        return self._connection.peer if self._connection is not None else ""

    @property
    def buffered_bytes(self) -> int:
        return self.queued_bytes

    def reply(self, *chunks: bytes) -> None:
        """The whole answer of a unary call."""
        connection = self._connection
        if connection is None:
            return
        self._connection = None
        http2 = connection.http2
        http2.send_head(self, _HEAD)
        http2.send_message(self, chunks)
        http2.send_end(self, _TRAILERS_OK)

    def fail(self, code: int, text: str) -> None:
        self.finish(code, text)

    def send(self, *chunks: bytes) -> None:
        """One message of a streaming call."""
        connection = self._connection
        if connection is None:
            return
        if not self._head_sent:
            self._head_sent = True
            connection.http2.send_head(self, _HEAD)
        connection.http2.send_message(self, chunks)

    def finish(self, code: int = codes.OK, text: str = "") -> None:
        """Ends the call; messages sent before still go out first."""
        connection = self._connection
        if connection is None:
            return
        self._connection = None
        self._handler = None
        http2 = connection.http2
        status = [(b"grpc-status", b"%d" % code)]
        if text:
            status.append((b"grpc-message", codes.encode_message(text)))
        if self._head_sent:
            http2.send_end(self, encode_block(status))
        else:
            block = encode_block([(b":status", b"200"), (b"content-type", b"application/grpc"), *status])
            http2.send_head(self, block, ended=True)
        if not self.remote_ended and not self.ends_after_queue:
            # The client may still be sending; tell it to stop once our end is out (RFC 9113 §8.1).
            http2.reset(self, frames.NO_ERROR)


class ServerConnection:
    """Sans I/O: feed `receive`, write `take_output`. `on_output` is called when there is output where there was none."""

    def __init__(
        self,
        methods: Methods,
        *,
        peer: str = "",
        limits: WireLimits = WireLimits(),  # noqa: B008 - an immutable value
        on_output: Callable[[], object] = lambda: None,
    ) -> None:
        self.peer = peer
        self._methods = methods
        self._limits = limits
        self._is_leaving = False
        self.http2 = Http2(self, is_client=False, limits=limits, on_output=on_output)
        self.receive = self.http2.receive
        self.take_output = self.http2.take_output

    @property
    def is_closed(self) -> bool:
        """The connection is over: write the output, then close."""
        return self.http2.is_closed

    @property
    def call_count(self) -> int:
        return len(self.http2.streams)

    def leave(self) -> None:
        """No new calls; those open go on."""
        self._is_leaving = True
        self.http2.go_away("server stopping")

    def lost(self) -> None:
        """The socket is gone: every open call is cancelled."""
        self.http2.is_closed = True
        for call in list(self.http2.streams.values()):
            self.http2.forget(call)
            self._cancel(call)

    # ---- http2.Handler ----

    def parse_head(self, headers: list[tuple[bytes, bytes]]) -> Head:
        path = b""
        content_type = b""
        metadata: dict[str, str] = {}
        for name, value in headers:
            if name == b":path":
                path = bytes(value)
            elif name == b"content-type":
                content_type = bytes(value)
            elif not name.startswith(b":"):
                text = bytes(name).decode("latin-1")
                if text not in _RESERVED:
                    metadata[text] = bytes(value).decode("utf-8", "replace")
        if not content_type.startswith(b"application/grpc"):
            return Head(None, metadata, None, is_grpc=False)
        method = self._methods.get(path)
        if method is None:
            return Head(None, metadata, (codes.UNIMPLEMENTED, _unknown(path)))
        return Head(method, metadata, None)

    def on_head(self, stream_id: int, head: Head, ended: bool) -> None:
        http2 = self.http2
        known = http2.streams.get(stream_id)
        if known is not None:  # the client's trailers: they say nothing but that it is done
            known.remote_ended = True
            self.on_data(known, b"", True)
            return
        call = Call(stream_id, http2.peer_window, self._limits.stream_window_bytes, self, head)
        call.remote_ended = ended
        http2.open(call)
        if self._is_leaving or len(http2.streams) > self._limits.max_concurrent_streams:
            call._connection = None
            http2.reset(call, frames.REFUSED_STREAM)
        elif not head.is_grpc:
            call._connection = None
            http2.send_head(call, encode_block([(b":status", b"415")]), ended=True)
            http2.reset(call, frames.NO_ERROR)
        elif head.method is None:
            assert head.refusal is not None
            call.fail(*head.refusal)
        elif head.method.kind != UNARY:
            call._handler = head.method.handler(call)
            if ended:
                self._half_close(call)
        elif ended:
            call.fail(codes.INTERNAL, "the request has no message")

    def on_data(self, stream: Call, data: bytes, ended: bool) -> None:
        if stream._connection is None:
            return
        try:
            messages = stream.take_messages(data, self._limits.max_message_bytes) if data else ()
        except MessageTooLarge as error:
            text = f"grpc: received message larger than max ({error.size} vs. {self._limits.max_message_bytes})"
            self._refuse(stream, codes.RESOURCE_EXHAUSTED, text)
            return
        except ValueError as error:
            self._refuse(stream, codes.UNIMPLEMENTED, str(error))
            return
        if stream._handler is not None:
            for message in messages:
                if stream._handler is not None:
                    stream._handler.on_message(message)
            if ended:
                self._half_close(stream)
            return
        if messages:
            if stream._payload is not None or len(messages) > 1:
                stream.fail(codes.INTERNAL, "the request of a unary call has more than one message")
                return
            stream._payload = messages[0]
        if ended:
            if stream._payload is None or stream.has_partial:
                stream.fail(codes.INTERNAL, "the request has no message, or half a message")
                return
            payload, stream._payload = stream._payload, None
            assert stream._method is not None
            stream._method.handler(stream, payload)

    def _refuse(self, call: Call, code: int, text: str) -> None:
        handler = call._handler
        call.finish(code, text)
        if handler is not None:
            handler.on_cancel()

    def _half_close(self, call: Call) -> None:
        if call._handler is None:
            return
        if call.has_partial:
            self._refuse(call, codes.INTERNAL, "the stream ended within a message")
            return
        call._handler.on_half_close()

    def on_reset(self, stream: Call, code: int) -> None:
        self._cancel(stream)

    def _cancel(self, call: Call) -> None:
        handler, call._handler, call._connection = call._handler, None, None
        if handler is not None:
            handler.on_cancel()

    def on_drain(self, stream: Call) -> None:
        if stream._handler is not None:
            stream._handler.on_drain()

    def on_goaway(self, last_stream_id: int, code: int, text: str) -> None:
        """The client opens no more streams; it closes when it is done."""


def _unknown(path: bytes) -> str:
    """grpc-go's words for a path that is not served."""
    service, _, method = path.decode("latin-1").lstrip("/").rpartition("/")
    return f"unknown method {method} for service {service}"
