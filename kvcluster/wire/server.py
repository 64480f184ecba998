"""The server's side of a connection: requests in, calls of the method table, answers out.

    HEADERS ─▶ Call ─▶ DATA… END_STREAM ─▶ handler(call, payload) ─▶ call.reply ─▶ HEADERS, DATA, trailers     unary
    HEADERS ─▶ Call ─▶ handler(call) ─▶ on_message per message … call.send … ─▶ call.finish ─▶ trailers        streaming

Where the windows allow, a unary answer is three frames in one go. A call that fails before it has answered is trailers only
(gRPC over HTTP/2, "Responses"). A Call is its stream, so a request costs one object.

A call is over when it has been answered, when the client resets it, when its deadline passes (`expire`, driven by whoever has
a clock), or when the connection is lost; `is_active` is then False and everything it is asked to send is dropped. A handler
that raises fails its own call with INTERNAL and is reported through `on_bug`; the connection goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kvcluster.wire import codes, frames
from kvcluster.wire.blocks import encode_block
from kvcluster.wire.http2 import Http2
from kvcluster.wire.limits import WireLimits
from kvcluster.wire.metadata import Metadata, decode_metadata, parse_timeout
from kvcluster.wire.method import UNARY, Method, Methods, StreamHandler
from kvcluster.wire.stream import CompressedMessage, MessageTooLarge, Stream

_HEAD_FIELDS = ((b":status", b"200"), (b"content-type", b"application/grpc"))
_HEAD = encode_block(_HEAD_FIELDS)
_TRAILERS_OK = encode_block([(b"grpc-status", b"0")])
MAX_STATUS_TEXT_BYTES = 8 * 1024
"""A longer text is cut: clients refuse trailers much larger than this."""


class Head(NamedTuple):
    """What a request's headers mean.

    http_status: of a request that is not gRPC, else b"". refusal: (grpc code, text) of one that no method can take.
    """

    method: Method | None
    metadata: Metadata = {}
    timeout_s: float | None = None
    refusal: tuple[int, str] | None = None
    http_status: bytes = b""
    is_malformed: bool = False


class Call(Stream):
    """One call: what a handler is given (wire.method.ServiceCall). See wire/method.py for who calls what."""

    __slots__ = (
        "metadata",
        "timeout_s",
        "deadline_s",
        "_connection",
        "_method",
        "_handler",
        "_has_answered",
        "_payload",
    )

    def __init__(
        self, id: int, send_window: int, receive_window: int, connection: ServerConnection, head: Head
    ) -> None:
        # Stream.__init__, written out: this runs for every request.
        self.id = id
        self.send_window = send_window
        self.receive_window = receive_window
        self.queue = None
        self.queued_bytes = 0
        self.is_slow = False
        self.end = None
        self.local_ended = False
        self.remote_ended = False
        self.holds = False
        self.partial = None
        self.frame = None
        self.metadata = head.metadata
        self.timeout_s = head.timeout_s
        self.deadline_s: float | None = None
        self._connection: ServerConnection | None = connection
        self._method = head.method
        self._handler: StreamHandler | None = None
        self._has_answered = False
        self._payload: bytes | None = None

    @property
    def is_active(self) -> bool:
        return self._connection is not None

    @property
    def peer(self) -> str:
        return self._connection.peer if self._connection is not None else ""

    @property
    def common_name(self) -> str:
        return self._connection.common_name if self._connection is not None else ""

    @property
    def buffered_bytes(self) -> int:
        return self.queued_bytes

    def when_cancelled(self, tell: Callable[[], object]) -> None:
        self._handler = _WaitingUnary(tell)

    def reply(self, *chunks: bytes) -> None:
        """The whole answer of a unary call."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            if self.timeout_s is not None:
                connection.forget_deadline(self)
            connection.http2.outbox.answer(self, _HEAD, chunks, _TRAILERS_OK)

    def fail(self, code: int, text: str) -> None:
        self.finish(code, text)

    def send(self, *chunks: bytes) -> None:
        """One message of a streaming call."""
        connection = self._connection
        if connection is None:
            return
        outbox = connection.http2.outbox
        if not self._has_answered:
            self._has_answered = True
            outbox.head(self, _HEAD)
        outbox.message(self, chunks)

    def finish(self, code: int = codes.OK, text: str = "") -> None:
        """Ends the call; messages sent before still go out first."""
        connection = self._connection
        if connection is None:
            return
        self._connection = None
        self._handler = None
        connection.forget_deadline(self)
        status = [(b"grpc-status", b"%d" % code)]
        if text:
            status.append((b"grpc-message", _cut(codes.encode_message(text))))
        outbox = connection.http2.outbox
        if self._has_answered:
            outbox.end(self, encode_block(status))
        else:
            outbox.head(self, encode_block([*_HEAD_FIELDS, *status]), ended=True)


class _WaitingUnary:
    """A unary call's handler, where one is wanted: who is told when it is cancelled."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell

    def on_cancel(self) -> None:
        self._tell()

    def on_message(self, payload: bytes) -> None: ...

    def on_half_close(self) -> None: ...

    def on_drain(self) -> None: ...


class ServerConnection:
    """Sans I/O: feed `receive`, write `take_output`. `on_output` is called when there is output where there was none."""

    def __init__(
        self,
        methods: Methods,
        *,
        peer: str = "",
        common_name: str = "",
        limits: WireLimits = WireLimits(),  # noqa: B008 - an immutable value
        on_output: Callable[[], object] = lambda: None,
        on_bug: Callable[[Exception], object] = lambda error: None,
    ) -> None:
        self.peer = peer
        self.common_name = common_name
        self._methods = methods
        self._limits = limits
        self._on_bug = on_bug
        self._is_leaving = False
        self._timed: dict[int, Call] = {}
        self.http2 = Http2(self, is_client=False, limits=limits, on_output=on_output)
        self.receive = self.http2.receive
        self.take_output = self.http2.take_output

    @property
    def is_closed(self) -> bool:
        """The connection is over: write the output, then close."""
        return self.http2.is_closed

    @property
    def has_output(self) -> bool:
        return bool(self.http2.outbox.output)

    @property
    def call_count(self) -> int:
        return len(self.http2.streams)

    def leave(self) -> None:
        """No new calls; those open go on."""
        self._is_leaving = True
        self.http2.go_away("server stopping")

    def expire(self, now_s: float) -> None:
        """Ends calls whose deadline (grpc-timeout) has passed. now_s: any clock that never goes back.

        A deadline is counted from the first `expire` after the call's start, so it is late by the caller's period at most.
        """
        if not self._timed:
            return
        for call in list(self._timed.values()):
            if call.deadline_s is None and call.timeout_s is not None:
                call.deadline_s = now_s + call.timeout_s
            elif call.deadline_s is not None and call.deadline_s <= now_s:
                self._refuse(call, codes.DEADLINE_EXCEEDED, "context deadline exceeded")

    def forget_deadline(self, call: Call) -> None:
        self._timed.pop(call.id, None)

    def lost(self) -> None:
        """The socket is gone: every open call is cancelled."""
        self.http2.is_closed = True
        for call in list(self.http2.streams.values()):
            self.http2.forget(call)
            self._cancel(call)

    def dismantle(self) -> None:
        """The owner lets go of a lost connection: it takes its own cycles apart, so that it goes at once."""
        self.http2.dismantle()
        del self.receive, self.take_output

    # ---- http2.Handler ----

    def parse_head(self, headers: list[tuple[bytes, bytes]]) -> Head:
        fields = dict(headers)
        path = fields.get(b":path")
        verb = fields.get(b":method")
        if path is None or verb is None:
            return Head(None, is_malformed=True)
        if verb != b"POST":
            return Head(None, http_status=b"405")
        if not fields.get(b"content-type", b"").startswith(b"application/grpc"):
            return Head(None, http_status=b"415")
        try:
            metadata = decode_metadata(headers)
        except ValueError as error:
            return Head(None, refusal=(codes.INTERNAL, str(error)))
        try:
            timeout = fields.get(b"grpc-timeout")
            timeout_s = None if timeout is None else parse_timeout(timeout)
        except ValueError as error:
            return Head(None, metadata, refusal=(codes.INTERNAL, f"malformed grpc-timeout: {error}"))
        method = self._methods.get(path)
        if method is None:
            return Head(None, metadata, refusal=(codes.UNIMPLEMENTED, _unknown(path, self._methods)))
        return Head(method, metadata, timeout_s)

    def on_open(self, stream_id: int, head: Head, ended: bool) -> None:
        http2 = self.http2
        call = Call(stream_id, http2.outbox.stream_window, http2.initial_receive_window, self, head)
        call.remote_ended = ended
        http2.streams[stream_id] = call
        method = head.method
        if (
            self._is_leaving
            or len(http2.streams) > self._limits.max_concurrent_streams
            or http2.outbox.queued_bytes > self._limits.max_queued_bytes
        ):
            call._connection = None
            http2.reset(call, frames.REFUSED_STREAM)
        elif method is None:
            self._refuse_head(call, head)
        else:
            if head.timeout_s is not None:
                self._timed[stream_id] = call
            if method.kind != UNARY:
                self._start_stream(call, method)
                if ended:
                    self._half_close(call)
            elif ended:
                call.fail(codes.INTERNAL, "the request has no message")

    def _refuse_head(self, call: Call, head: Head) -> None:
        if head.refusal is not None:
            call.fail(*head.refusal)
            return
        call._connection = None
        if head.is_malformed:
            self.http2.reset(call, frames.PROTOCOL_ERROR)
        else:
            self.http2.outbox.head(call, encode_block([(b":status", head.http_status)]), ended=True)

    def _start_stream(self, call: Call, method: Method) -> None:
        try:
            handler = method.handler(call)
        except Exception as error:  # as below
            self._report(call, error)
            return
        if call.is_active:
            call._handler = handler

    def on_head(self, stream: Call, head: Head, ended: bool) -> None:
        """The client's trailers: they say nothing but that it is done."""
        if ended:
            self.on_data(stream, b"", True)
        else:
            self.http2.break_stream(stream, frames.PROTOCOL_ERROR)

    def on_data(self, stream: Call, data: bytes, ended: bool) -> None:
        if stream._connection is None:
            return
        method = stream._method
        assert method is not None
        size = len(data) - 5
        if (  # the whole request of a unary call in one frame: nearly always
            ended
            and size >= 0
            and method.kind == UNARY
            and stream.partial is None
            and stream._payload is None
            and data[:5] == b"\x00" + size.to_bytes(4, "big")
            and size <= self._limits.max_message_bytes
        ):
            try:
                method.handler(stream, data[5:])
            except Exception as error:  # a bug of the service must not cost the connection's other calls
                self._report(stream, error)
            return
        try:
            messages = stream.take_messages(data, self._limits.max_message_bytes) if data else ()
        except MessageTooLarge as error:
            self._refuse(stream, codes.RESOURCE_EXHAUSTED, str(error))
            return
        except CompressedMessage as error:
            self._refuse(stream, codes.UNIMPLEMENTED, str(error))
            return
        try:
            if method.kind == UNARY:
                self._take_request(stream, method, messages, ended)
                return
            for message in messages:
                if stream._handler is not None:
                    stream._handler.on_message(message)
            if ended:
                self._half_close(stream)
        except Exception as error:  # as above
            self._report(stream, error)

    def _take_request(self, call: Call, method: Method, messages: list[bytes] | tuple[()], ended: bool) -> None:
        if messages:
            if call._payload is not None or len(messages) > 1:
                call.fail(codes.INTERNAL, "the request of a unary call has more than one message")
                return
            call._payload = messages[0]
        if ended:
            payload, call._payload = call._payload, None
            if payload is None or call.partial is not None:
                call.fail(codes.INTERNAL, "the request has no message, or half a message")
            else:
                method.handler(call, payload)

    def _half_close(self, call: Call) -> None:
        if call._handler is None:
            return
        if call.partial is not None:
            self._refuse(call, codes.INTERNAL, "the stream ended within a message")
        else:
            call._handler.on_half_close()

    def _report(self, call: Call, error: Exception) -> None:
        self._on_bug(error)
        self._refuse(call, codes.INTERNAL, f"internal error: {type(error).__name__}")

    def _refuse(self, call: Call, code: int, text: str) -> None:
        """Ends a call without its service's doing."""
        handler = call._handler
        call.finish(code, text)
        self._tell_cancelled(handler)

    def on_reset(self, stream: Call, code: int) -> None:
        self._cancel(stream)
        if not stream._has_answered:
            self.http2.count_nuisance()

    def _cancel(self, call: Call) -> None:
        handler, call._handler, call._connection = call._handler, None, None
        self.forget_deadline(call)
        self._tell_cancelled(handler)

    def _tell_cancelled(self, handler: StreamHandler | None) -> None:
        if handler is not None:
            try:
                handler.on_cancel()
            except Exception as error:  # as above
                self._on_bug(error)

    def on_drain(self, stream: Call) -> None:
        if stream._handler is not None:
            try:
                stream._handler.on_drain()
            except Exception as error:  # as above
                self._report(stream, error)

    def on_goaway(self, last_stream_id: int, code: int, text: str) -> None:
        """The client opens no more streams; it closes when it is done."""


def _cut(message: bytes) -> bytes:
    """At most MAX_STATUS_TEXT_BYTES, and no half of a %XX at the end."""
    if len(message) <= MAX_STATUS_TEXT_BYTES:
        return message
    cut = message[:MAX_STATUS_TEXT_BYTES]
    percent = cut.rfind(b"%", len(cut) - 2)
    return cut if percent < 0 else cut[:percent]


def _unknown(path: bytes, methods: Methods) -> str:
    """grpc-go's words for a path that is not served."""
    service, slash, method = path.decode("latin-1").removeprefix("/").rpartition("/")
    if not slash:
        return f"malformed method name: {path.decode('latin-1')!r}"
    prefix = f"/{service}/".encode("latin-1")
    if not any(known.startswith(prefix) for known in methods):
        return f"unknown service {service}"
    return f"unknown method {method} for service {service}"
