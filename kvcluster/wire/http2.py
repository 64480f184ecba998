"""The HTTP/2 connection, sans I/O: frames in, frames out, flow control both ways (RFC 9113). Shared by both sides.

    receive(data) ─▶ parse frames ─▶ handler.on_head / on_data / on_reset / on_goaway / on_drain
    send_head, send_message, send_end ─▶ `output`, or a stream's queue while a window is empty ─▶ take_output()

What it is not: it knows no gRPC but the five bytes in front of a message, no sockets and no time. Whoever owns it writes
`take_output()` to the socket after each `receive`, and whenever `on_output` was called.

Windows: what may be sent is bounded by the stream's and the connection's window (§5.2); the rest waits in the stream's
queue and goes out in fair turns, one frame a stream a round. What may come in is bounded by ours, topped up when half is
used; a stream that `hold`s is not topped up, so its peer has to wait.

Errors of the peer (§5.4): a stream error resets the stream, a connection error says GOAWAY and closes; `receive` raises nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from kvcluster.wire import frames
from kvcluster.wire.blocks import BlockDecoder, BlockError
from kvcluster.wire.frames import (
    ACK,
    DATA,
    DEFAULT_FRAME_SIZE,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    frame,
    frame_head,
    message_frame_head,
)
from kvcluster.wire.limits import WireLimits
from kvcluster.wire.method import HIGH_WATER_BYTES, LOW_WATER_BYTES
from kvcluster.wire.stream import Stream


class ConnectionFault(Exception):
    """The peer broke a rule that ends the connection."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Handler(Protocol):
    """The side on top: server or client."""

    def parse_head(self, headers: list[tuple[bytes, bytes]]) -> Any:
        """Headers → whatever on_head wants; remembered by the block's bytes, so it must depend on nothing else."""
        ...

    def on_head(self, stream_id: int, head: Any, ended: bool) -> None: ...

    def on_data(self, stream: Any, data: bytes, ended: bool) -> None: ...

    def on_reset(self, stream: Any, code: int) -> None: ...

    def on_drain(self, stream: Any) -> None: ...

    def on_goaway(self, last_stream_id: int, code: int, text: str) -> None: ...


class Http2:
    """One connection. `streams` holds the open ones; the handler adds them, `forget` removes them."""

    def __init__(
        self, handler: Handler, *, is_client: bool, limits: WireLimits, on_output: Callable[[], object]
    ) -> None:
        self.streams: dict[int, Any] = {}
        self.output: list[bytes] = []
        self.is_closed = False
        self.fault: ConnectionFault | None = None
        self.max_peer_streams = 2**31
        self.peer_window = DEFAULT_WINDOW
        self.send_window = DEFAULT_WINDOW
        self.is_writable = True
        self._handler = handler
        self._is_client = is_client
        self._limits = limits
        self._on_output = on_output
        self._blocks = BlockDecoder(limits.max_header_list_bytes)
        self._buffer: bytes | None = b"" if is_client else None
        self._preface = b""
        self._peer_frame_size = DEFAULT_FRAME_SIZE
        self._receive_window = limits.connection_window_bytes
        self._waiting: dict[int, Stream] = {}
        self._head_parts: tuple[int, bytes, bool] | None = None
        self._highest_id = 0
        self._nuisances = 0
        settings = {
            frames.MAX_CONCURRENT_STREAMS: limits.max_concurrent_streams,
            frames.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
            frames.MAX_HEADER_LIST_SIZE: limits.max_header_list_bytes,
        }
        if is_client:
            settings[frames.ENABLE_PUSH] = 0
            del settings[frames.MAX_CONCURRENT_STREAMS]
            self.output.append(frames.PREFACE)
        self.output.append(frames.settings_frame(settings))
        self.output.append(frames.window_update(0, limits.connection_window_bytes - DEFAULT_WINDOW))

    # ---- what comes in ----

    def receive(self, data: bytes) -> None:
        """Takes bytes of the socket, split anywhere. Afterwards look at take_output and is_closed."""
        if self.is_closed:
            return
        if self._buffer is None:
            data = self._take_preface(data)
        elif self._buffer:
            data = self._buffer + data
        if self.is_closed or self._buffer is None:
            return
        at, end = 0, len(data)
        max_frame = DEFAULT_FRAME_SIZE
        try:
            while end - at >= 9:
                length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
                if length > max_frame:
                    raise ConnectionFault(frames.FRAME_SIZE_ERROR, f"frame of {length} bytes")
                stop = at + 9 + length
                if stop > end:
                    break
                kind, flags = data[at + 3], data[at + 4]
                stream_id = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
                payload = data[at + 9 : stop]
                at = stop
                if self._head_parts is not None and kind != frames.CONTINUATION:
                    raise ConnectionFault(frames.PROTOCOL_ERROR, "a header block was interrupted")
                if kind == DATA:
                    self._take_data(stream_id, flags, payload)
                elif kind == HEADERS:
                    self._take_headers(stream_id, flags, payload)
                elif kind in _CONTROL:
                    _CONTROL[kind](self, stream_id, flags, payload)
                if self.is_closed:
                    return
        except ConnectionFault as fault:
            self._break(fault)
            return
        self._buffer = data[at:]

    def _take_preface(self, data: bytes) -> bytes:
        """The client's first 24 bytes (§3.4); answers what follows them."""
        seen = self._preface + data
        preface = frames.PREFACE
        if not seen.startswith(preface[: len(seen)]) and not seen.startswith(preface):
            self._break(ConnectionFault(frames.PROTOCOL_ERROR, "not an HTTP/2 connection preface"))
            return b""
        if len(seen) < len(preface):
            self._preface = seen
            return b""
        self._buffer = b""
        return seen[len(preface) :]

    def _take_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        length = len(payload)
        self._receive_window -= length
        if self._receive_window < 0:
            raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "more data than the connection's window")
        window = self._limits.connection_window_bytes
        if self._receive_window < window // 2:
            self.output.append(frames.window_update(0, window - self._receive_window))
            self._receive_window = window
        if flags & PADDED:
            payload = _unpad(payload)
        stream = self.streams.get(stream_id)
        if stream is None:
            if stream_id == 0 or stream_id > self._highest_id:
                raise ConnectionFault(frames.PROTOCOL_ERROR, f"data on idle stream {stream_id}")
            return
        if stream.remote_ended:
            self.reset(stream, frames.STREAM_CLOSED)
            self._handler.on_reset(stream, frames.STREAM_CLOSED)
            return
        stream.receive_window -= length
        if stream.receive_window < 0:
            self.reset(stream, frames.FLOW_CONTROL_ERROR)
            self._handler.on_reset(stream, frames.FLOW_CONTROL_ERROR)
            return
        ended = bool(flags & END_STREAM)
        if ended:
            stream.remote_ended = True
        elif not stream.holds:
            self._top_up(stream)
        self._handler.on_data(stream, payload, ended)

    def _top_up(self, stream: Stream) -> None:
        window = self._limits.stream_window_bytes
        if stream.receive_window < window // 2:
            self.output.append(frames.window_update(stream.id, window - stream.receive_window))
            stream.receive_window = window

    def _take_headers(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id == 0:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "headers on stream 0")
        if flags & PADDED:
            payload = _unpad(payload)
        if flags & HAS_PRIORITY:
            payload = payload[5:]
        ended = bool(flags & END_STREAM)
        if not flags & END_HEADERS:
            self._head_parts = (stream_id, payload, ended)
            return
        self._take_block(stream_id, payload, ended)

    def _take_continuation(self, stream_id: int, flags: int, payload: bytes) -> None:
        if self._head_parts is None or self._head_parts[0] != stream_id:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        _, block, ended = self._head_parts
        block += payload
        if len(block) > self._limits.max_header_list_bytes:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "header block too large")
        self._head_parts = (stream_id, block, ended)
        if not payload:
            self._count_nuisance()
        if flags & END_HEADERS:
            self._head_parts = None
            self._take_block(stream_id, block, ended)

    def _take_block(self, stream_id: int, block: bytes, ended: bool) -> None:
        blocks = self._blocks
        head = blocks.find(block)
        if head is None:
            try:
                headers, is_stable = blocks.decode(block)
            except BlockError as error:
                raise ConnectionFault(frames.COMPRESSION_ERROR, str(error)) from error
            head = self._handler.parse_head(headers)
            if is_stable:
                blocks.remember(block, head)
        if not self._is_client and stream_id > self._highest_id:
            if not stream_id & 1:
                raise ConnectionFault(frames.PROTOCOL_ERROR, f"client opened stream {stream_id}")
            self._highest_id = stream_id
        self._handler.on_head(stream_id, head, ended)

    def _take_settings(self, stream_id: int, flags: int, payload: bytes) -> None:
        if flags & ACK:
            return
        if len(payload) % 6 or stream_id:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "malformed SETTINGS")
        self._count_nuisance()
        for key, value in frames.parse_settings(payload):
            if key == frames.INITIAL_WINDOW_SIZE:
                if value > frames.MAX_WINDOW:
                    raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE too large")
                for stream in self.streams.values():
                    stream.send_window += value - self.peer_window
                self.peer_window = value
            elif key == frames.MAX_FRAME_SIZE:
                if not DEFAULT_FRAME_SIZE <= value < 2**24:
                    raise ConnectionFault(frames.PROTOCOL_ERROR, "MAX_FRAME_SIZE out of range")
                self._peer_frame_size = value
            elif key == frames.MAX_CONCURRENT_STREAMS:
                self.max_peer_streams = value
        self.output.append(frame(frames.SETTINGS, ACK, 0))
        self._pump()

    def _take_ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        if len(payload) != 8 or stream_id:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "malformed PING")
        if not flags & ACK:
            self.output.append(frame(frames.PING, ACK, 0, payload))

    def _take_window_update(self, stream_id: int, flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "malformed WINDOW_UPDATE")
        increment = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if stream_id == 0:
            self.send_window += increment
            if not increment or self.send_window > frames.MAX_WINDOW:
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "bad window increment")
        else:
            stream = self.streams.get(stream_id)
            if stream is None:
                return
            stream.send_window += increment
            if not increment or stream.send_window > frames.MAX_WINDOW:
                self.reset(stream, frames.FLOW_CONTROL_ERROR)
                self._handler.on_reset(stream, frames.FLOW_CONTROL_ERROR)
                return
        if self._waiting:
            self._pump()

    def _take_rst_stream(self, stream_id: int, flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "malformed RST_STREAM")
        stream = self.streams.get(stream_id)
        if stream is not None:
            self.forget(stream)
            self._handler.on_reset(stream, int.from_bytes(payload, "big"))

    def _take_goaway(self, stream_id: int, flags: int, payload: bytes) -> None:
        if len(payload) < 8:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "malformed GOAWAY")
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        self._handler.on_goaway(last, int.from_bytes(payload[4:8], "big"), payload[8:].decode("utf-8", "replace"))

    def _take_push_promise(self, stream_id: int, flags: int, payload: bytes) -> None:
        raise ConnectionFault(frames.PROTOCOL_ERROR, "PUSH_PROMISE is switched off")

    def _take_priority(self, stream_id: int, flags: int, payload: bytes) -> None:
        """Deprecated (§5.3); read over."""

    def _count_nuisance(self) -> None:
        """Frames that cost us an answer and the peer nothing are counted; an honest peer sends few."""
        self._nuisances += 1
        if self._nuisances > self._limits.max_nuisances:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many control frames")

    def _break(self, fault: ConnectionFault) -> None:
        self.fault = fault
        self.is_closed = True
        self.output.append(frames.goaway(self._highest_id, fault.code, fault.text))

    # ---- what goes out ----

    def take_output(self) -> list[bytes]:
        """Everything to be written now, in order."""
        output, self.output = self.output, []
        return output

    def open(self, stream: Any) -> None:
        """Adds a stream, ours or one that the peer has just opened."""
        self.streams[stream.id] = stream
        if self._is_client:
            self._highest_id = stream.id

    def send_head(self, stream: Stream, block: bytes, *, ended: bool = False) -> None:
        if not self.output:
            self._on_output()
        flags = END_HEADERS | END_STREAM if ended else END_HEADERS
        self.output.append(frame_head(HEADERS, flags, stream.id, len(block)) + block)
        if ended:
            self._end_local(stream)

    def send_message(self, stream: Stream, chunks: Sequence[bytes]) -> None:
        """One gRPC message, given in pieces. Goes out at once, or waits in the stream's queue."""
        size = 0
        for chunk in chunks:
            size += len(chunk)
        length = size + 5
        if (
            not stream.queue
            and length <= stream.send_window
            and length <= self.send_window
            and length <= self._peer_frame_size
            and self.is_writable
        ):
            stream.send_window -= length
            self.send_window -= length
            output = self.output
            if not output:
                self._on_output()
            output.append(message_frame_head(stream.id, size))
            output += chunks
            return
        queue = stream.queue
        if queue is None:
            queue = stream.queue = deque()
        queue.append(b"".join((b"\x00", size.to_bytes(4, "big"), *chunks)))
        stream.queued_bytes += length
        if stream.queued_bytes > HIGH_WATER_BYTES:
            stream.is_slow = True
        self._waiting[stream.id] = stream
        self._pump()

    def send_end(self, stream: Stream, trailers: bytes | None = None) -> None:
        """Ends our side, with trailers or without, after what is queued."""
        if stream.local_ended or stream.ends_after_queue:
            return
        if stream.queue:
            stream.trailers = trailers
            stream.ends_after_queue = True
            return
        if not self.output:
            self._on_output()
        if trailers is None:
            self.output.append(frame(DATA, END_STREAM, stream.id))
        else:
            self.output.append(frame_head(HEADERS, END_HEADERS | END_STREAM, stream.id, len(trailers)) + trailers)
        self._end_local(stream)

    def _end_local(self, stream: Stream) -> None:
        stream.local_ended = True
        if stream.remote_ended:
            self.forget(stream)

    def reset(self, stream: Stream, code: int) -> None:
        """RST_STREAM; the stream is gone."""
        if self.streams.get(stream.id) is stream:
            if not self.output:
                self._on_output()
            self.output.append(frames.rst_stream(stream.id, code))
            self.forget(stream)

    def forget(self, stream: Stream) -> None:
        self.streams.pop(stream.id, None)
        self._waiting.pop(stream.id, None)
        stream.queue = None
        stream.queued_bytes = 0

    def hold(self, stream: Stream) -> None:
        """Stops topping up the stream's window: the peer may send what is left of it, then waits."""
        stream.holds = True

    def release(self, stream: Stream) -> None:
        stream.holds = False
        if not stream.remote_ended and stream.id in self.streams:
            if not self.output:
                self._on_output()
            self._top_up(stream)

    def ping(self, payload: bytes) -> None:
        if not self.output:
            self._on_output()
        self.output.append(frame(frames.PING, 0, 0, payload))

    def go_away(self, text: str = "") -> None:
        """Says that no new streams are taken; those open go on."""
        if not self.output:
            self._on_output()
        self.output.append(frames.goaway(self._highest_id, frames.NO_ERROR, text))

    def set_writable(self, is_writable: bool) -> None:
        """Whether the socket takes more. While it does not, messages wait in their streams' queues."""
        self.is_writable = is_writable
        if is_writable and self._waiting:
            self._pump()

    def _pump(self) -> None:
        """Lets out what the windows allow, a frame a stream in turn."""
        drained: list[Stream] = []
        had_output = bool(self.output)
        while self._waiting and self.is_writable and self.send_window > 0:
            progress = False
            for stream in list(self._waiting.values()):
                if stream.send_window > 0 and self.send_window > 0:
                    self._pump_frame(stream)
                    progress = True
                    if stream.is_slow and stream.queued_bytes < LOW_WATER_BYTES:
                        stream.is_slow = False
                        drained.append(stream)
            if not progress:
                break
        if self.output and not had_output:
            self._on_output()
        for stream in drained:
            self._handler.on_drain(stream)

    def _pump_frame(self, stream: Stream) -> None:
        room = min(stream.send_window, self.send_window, self._peer_frame_size)
        pieces: list[bytes] = []
        taken = 0
        queue = stream.queue
        assert queue is not None
        while queue and taken < room:
            piece = queue[0]
            if len(piece) <= room - taken:
                queue.popleft()
            else:
                queue[0] = piece[room - taken :]
                piece = piece[: room - taken]
            pieces.append(piece)
            taken += len(piece)
        stream.send_window -= taken
        self.send_window -= taken
        stream.queued_bytes -= taken
        self.output.append(frame_head(DATA, 0, stream.id, taken))
        self.output += pieces
        if not queue:
            del self._waiting[stream.id]
            if stream.ends_after_queue:
                stream.ends_after_queue = False
                self.send_end(stream, stream.trailers)


def _unpad(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(frames.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]


_CONTROL: dict[int, Callable[[Http2, int, int, bytes], None]] = {
    frames.PRIORITY: Http2._take_priority,
    frames.RST_STREAM: Http2._take_rst_stream,
    frames.SETTINGS: Http2._take_settings,
    frames.PUSH_PROMISE: Http2._take_push_promise,
    frames.PING: Http2._take_ping,
    frames.GOAWAY: Http2._take_goaway,
    frames.WINDOW_UPDATE: Http2._take_window_update,
    frames.CONTINUATION: Http2._take_continuation,
}
