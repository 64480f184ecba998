"""The HTTP/2 connection, sans I/O (RFC 9113): frames in, events to the side on top. Shared by server and client.

    receive(data) ─▶ frames ─▶ handler.on_open / on_head / on_data / on_reset / on_goaway
    handler       ─▶ outbox (wire/outbox.py) ─▶ take_output()

What it is not: it knows no gRPC, no sockets and no time. Whoever owns it writes `take_output()` to the socket after each
`receive` and whenever `on_output` was called, and closes the socket once `is_closed`.

Windows: what may come in is bounded by our windows, topped up when half is used; a stream that `hold`s is not topped up, so
its peer has to wait.

Errors of the peer (§5.4): a stream error resets the stream, a connection error says GOAWAY and closes. `receive` raises
nothing for bytes, whatever they are. Frames for streams that are over are read and forgotten: they may have been under way
when the stream ended (§5.1).
"""

from __future__ import annotations

from collections.abc import Callable
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
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PROTOCOL_ERROR,
    frame,
)
from kvcluster.wire.limits import WireLimits
from kvcluster.wire.outbox import Outbox
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
        """Headers → whatever on_open and on_head want; remembered by the block's bytes, so it depends on nothing else."""
        ...

    def on_open(self, stream_id: int, head: Any, ended: bool) -> None:
        """The peer opens a stream (only towards servers)."""
        ...

    def on_head(self, stream: Any, head: Any, ended: bool) -> None: ...

    def on_data(self, stream: Any, data: bytes, ended: bool) -> None: ...

    def on_reset(self, stream: Any, code: int) -> None:
        """The stream is gone, without the handler's doing."""
        ...

    def on_drain(self, stream: Any) -> None: ...

    def on_goaway(self, last_stream_id: int, code: int, text: str) -> None: ...


class Http2:
    """One connection. `streams` holds the open ones; the handler adds them by `open`, `forget` removes them."""

    def __init__(
        self, handler: Handler, *, is_client: bool, limits: WireLimits, on_output: Callable[[], object]
    ) -> None:
        self.streams: dict[int, Any] = {}
        self.is_closed = False
        self.fault: ConnectionFault | None = None
        self.max_peer_streams = 2**31
        """How many streams the peer lets us open at once."""
        self.outbox = outbox = Outbox(on_output=on_output, on_ended=self._end_local, on_drain=handler.on_drain)
        self.take_output = outbox.take
        self._handler = handler
        self._is_client = is_client
        self._limits = limits
        self._blocks = BlockDecoder(limits.max_header_list_bytes)
        self._preface = b"" if is_client else frames.PREFACE
        """What of the client's preface has not come yet."""
        self._buffer = b""
        self._is_between_blocks = False
        """Any kind of frame may come: the peer's SETTINGS are here, and no header block is under way."""
        self._receive_window = limits.connection_window_bytes
        self.initial_receive_window = max(limits.stream_window_bytes, DEFAULT_WINDOW)
        """Of new streams. The default binds the peer until it has acknowledged our SETTINGS (§6.9.2)."""
        self._head_parts: tuple[int, bytearray, int] | None = None
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
            outbox.output.append(frames.PREFACE)
        outbox.output.append(frames.settings_frame(settings))
        if limits.connection_window_bytes > DEFAULT_WINDOW:
            outbox.output.append(frames.window_update(0, limits.connection_window_bytes - DEFAULT_WINDOW))

    # ---- what comes in ----

    def receive(self, data: bytes) -> None:
        """Takes bytes of the socket, split anywhere. Afterwards look at take_output and is_closed."""
        if self.is_closed:
            return
        try:
            if self._preface:
                data = self._take_preface(data)
            if self._buffer:
                data = self._buffer + data
            at, end = 0, len(data)
            while end - at >= 9 and not self.is_closed:
                length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
                if length > DEFAULT_FRAME_SIZE:  # we offer no other MAX_FRAME_SIZE
                    raise ConnectionFault(FRAME_SIZE_ERROR, f"a frame of {length} bytes")
                stop = at + 9 + length
                if stop > end:
                    break
                kind, flags = data[at + 3], data[at + 4]
                stream_id = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
                payload = data[at + 9 : stop]
                at = stop
                if not self._is_between_blocks:
                    self._check_order(kind, flags)
                if kind == DATA:
                    self._take_data(stream_id, flags, payload)
                elif kind == HEADERS:
                    self._take_headers(stream_id, flags, payload)
                elif kind in _CONTROL:  # frames of unknown kinds are ignored (§5.5)
                    _CONTROL[kind](self, stream_id, flags, payload)
            self._buffer = data[at:]
        except ConnectionFault as fault:
            self._break(fault)

    def _check_order(self, kind: int, flags: int) -> None:
        """The first frame is SETTINGS (§3.4), and nothing comes between HEADERS and their CONTINUATIONs (§6.10)."""
        if self._head_parts is not None:
            if kind != frames.CONTINUATION:
                raise ConnectionFault(PROTOCOL_ERROR, "a header block was interrupted")
        elif kind != frames.SETTINGS or flags & ACK:
            raise ConnectionFault(PROTOCOL_ERROR, "the first frame is not SETTINGS")

    def _take_preface(self, data: bytes) -> bytes:
        """The client's first 24 bytes (§3.4); answers what follows them."""
        preface = self._preface
        common = min(len(preface), len(data))
        if data[:common] != preface[:common]:
            raise ConnectionFault(PROTOCOL_ERROR, "not an HTTP/2 connection preface")
        self._preface = preface[common:]
        return data[common:]

    def _take_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        length = len(payload)
        self._receive_window -= length
        if self._receive_window < 0:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "more data than the connection's window")
        window = self._limits.connection_window_bytes
        if self._receive_window < window // 2:
            self.outbox.put(frames.window_update(0, window - self._receive_window))
            self._receive_window = window
        if flags & PADDED:
            payload = _unpad(payload)
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_not_idle(stream_id)
            return
        ended = bool(flags & END_STREAM)
        stream.receive_window -= length
        if stream.remote_ended or stream.receive_window < 0:
            self.break_stream(stream, frames.STREAM_CLOSED if stream.remote_ended else FLOW_CONTROL_ERROR)
            return
        if ended:
            stream.remote_ended = True
        elif not stream.holds:
            if not payload:
                self.count_nuisance()
            self._top_up(stream)
        self._handler.on_data(stream, payload, ended)

    def _top_up(self, stream: Stream) -> None:
        window = self._limits.stream_window_bytes
        if stream.receive_window < window // 2:
            self.outbox.put(frames.window_update(stream.id, window - stream.receive_window))
            stream.receive_window = window

    def _take_headers(self, stream_id: int, flags: int, payload: bytes) -> None:
        if flags & (PADDED | HAS_PRIORITY | END_HEADERS) != END_HEADERS:
            payload = _unwrap(flags, payload)
            if not flags & END_HEADERS:
                self._head_parts = (stream_id, bytearray(payload), flags)
                self._is_between_blocks = False
                return
        head = self._blocks.find(payload)
        if head is None:
            head = self._decode(payload)
        stream = self.streams.get(stream_id)
        if stream is None:
            if stream_id <= self._highest_id or not stream_id & 1 or self._is_client:
                self._check_not_idle(stream_id)
                return
            self._highest_id = stream_id
            self._handler.on_open(stream_id, head, bool(flags & END_STREAM))
        elif stream.remote_ended:
            self.break_stream(stream, frames.STREAM_CLOSED)
        else:
            stream.remote_ended = ended = bool(flags & END_STREAM)
            self._handler.on_head(stream, head, ended)

    def _take_continuation(self, stream_id: int, flags: int, payload: bytes) -> None:
        if self._head_parts is None or self._head_parts[0] != stream_id:
            raise ConnectionFault(PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        _, block, first_flags = self._head_parts
        block += payload
        if len(block) > self._limits.max_header_list_bytes:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "header block too large")
        if not payload:
            self.count_nuisance()
        if flags & END_HEADERS:
            self._head_parts = None
            self._is_between_blocks = True
            self._take_headers(stream_id, END_HEADERS | first_flags & END_STREAM, bytes(block))

    def _decode(self, block: bytes) -> Any:
        try:
            headers, is_stable = self._blocks.decode(block)
        except BlockError as error:
            raise ConnectionFault(frames.COMPRESSION_ERROR, str(error)) from error
        head = self._handler.parse_head(headers)
        if is_stable:
            self._blocks.remember(block, head)
        return head

    def _check_not_idle(self, stream_id: int) -> None:
        """A frame for a stream that is not open: forgotten if the stream is over, an error if it never was (§5.1)."""
        if stream_id > self._highest_id or not stream_id & 1:  # only clients open streams: odd ones
            raise ConnectionFault(PROTOCOL_ERROR, f"a frame for stream {stream_id}, which was never opened")

    def _take_settings(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(PROTOCOL_ERROR, "SETTINGS for a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise ConnectionFault(FRAME_SIZE_ERROR, "malformed SETTINGS")
        if flags & ACK:
            self._take_settings_ack()
            return
        self._is_between_blocks = True
        self.count_nuisance()
        for key, value in frames.parse_settings(payload):
            self._take_setting(key, value)
        self._put_reply(frame(frames.SETTINGS, ACK, 0))
        self.outbox.pump()

    def _take_settings_ack(self) -> None:
        """From here on the peer's windows for us are those that we asked for."""
        change = self._limits.stream_window_bytes - self.initial_receive_window
        self.initial_receive_window = self._limits.stream_window_bytes
        if change:
            for stream in self.streams.values():
                stream.receive_window += change
                if not stream.holds and not stream.remote_ended:
                    self._top_up(stream)

    def _take_setting(self, key: int, value: int) -> None:
        """§6.5.2. Unknown ones are ignored, as are those that bind only what we never do."""
        outbox = self.outbox
        if key == frames.INITIAL_WINDOW_SIZE:
            if value > frames.MAX_WINDOW:
                raise ConnectionFault(FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
            change = value - outbox.stream_window
            for stream in self.streams.values():
                stream.send_window += change
                if stream.send_window > frames.MAX_WINDOW:
                    raise ConnectionFault(FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE makes a window too large")
            outbox.stream_window = value
        elif key == frames.MAX_FRAME_SIZE:
            if not DEFAULT_FRAME_SIZE <= value < 2**24:
                raise ConnectionFault(PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of range")
            outbox.max_frame = value
        elif key == frames.MAX_CONCURRENT_STREAMS:
            self.max_peer_streams = value
        elif key == frames.HEADER_TABLE_SIZE:
            outbox.owes_table_size = outbox.owes_table_size or value < frames.DEFAULT_TABLE_SIZE
        elif key == frames.ENABLE_PUSH and value > (0 if self._is_client else 1):
            raise ConnectionFault(PROTOCOL_ERROR, "ENABLE_PUSH is out of range")

    def _take_ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(PROTOCOL_ERROR, "PING for a stream")
        if len(payload) != 8:
            raise ConnectionFault(FRAME_SIZE_ERROR, "malformed PING")
        if not flags & ACK:
            self._put_reply(frame(frames.PING, ACK, 0, payload))

    def _take_window_update(self, stream_id: int, flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(FRAME_SIZE_ERROR, "malformed WINDOW_UPDATE")
        increment = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if stream_id == 0:
            if not increment:
                raise ConnectionFault(PROTOCOL_ERROR, "a window increment of 0")
            self.outbox.window += increment
            if self.outbox.window > frames.MAX_WINDOW:
                raise ConnectionFault(FLOW_CONTROL_ERROR, "the connection's window is too large")
            self.outbox.pump()
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_not_idle(stream_id)
            return
        stream.send_window += increment
        if not increment:
            self.break_stream(stream, PROTOCOL_ERROR)
        elif stream.send_window > frames.MAX_WINDOW:
            self.break_stream(stream, FLOW_CONTROL_ERROR)
        else:
            self.outbox.pump_stream(stream)

    def _take_rst_stream(self, stream_id: int, flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(FRAME_SIZE_ERROR, "malformed RST_STREAM")
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_not_idle(stream_id)
        else:
            self.forget(stream)
            self._handler.on_reset(stream, int.from_bytes(payload, "big"))

    def _take_goaway(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(PROTOCOL_ERROR, "GOAWAY for a stream")
        if len(payload) < 8:
            raise ConnectionFault(FRAME_SIZE_ERROR, "malformed GOAWAY")
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        self._handler.on_goaway(last, int.from_bytes(payload[4:8], "big"), payload[8:].decode("utf-8", "replace"))

    def _take_push_promise(self, stream_id: int, flags: int, payload: bytes) -> None:
        raise ConnectionFault(PROTOCOL_ERROR, "PUSH_PROMISE is switched off")

    def _take_priority(self, stream_id: int, flags: int, payload: bytes) -> None:
        """Deprecated (§5.3): checked and read over."""
        if not stream_id:
            raise ConnectionFault(PROTOCOL_ERROR, "PRIORITY for stream 0")
        if len(payload) != 5:
            raise ConnectionFault(FRAME_SIZE_ERROR, "malformed PRIORITY")

    def _put_reply(self, reply: bytes) -> None:
        """An answer to a control frame. A peer that asks and never reads is not answered for ever."""
        if len(self.outbox.output) > self._limits.max_unsent_frames:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "nothing that was sent is read")
        self.outbox.put(reply)

    def count_nuisance(self) -> None:
        """Frames that cost us work and the peer nothing are counted; an honest peer sends few. Raises ConnectionFault."""
        self._nuisances += 1
        if self._nuisances > self._limits.max_nuisances:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    def _break(self, fault: ConnectionFault) -> None:
        self.fault = fault
        self.is_closed = True
        last = 0 if self._is_client else self._highest_id
        self.outbox.put(frames.goaway(last, fault.code, fault.text))

    # ---- for the side on top ----

    def open(self, stream: Any) -> None:
        """Adds a stream, ours or one that the peer has just opened."""
        self.streams[stream.id] = stream
        if self._is_client:
            self._highest_id = stream.id

    def dismantle(self) -> None:
        """Nobody uses it again: it lets go of its handler, and of itself."""
        self.outbox.dismantle()
        del self.take_output, self._handler

    def _end_local(self, stream: Stream) -> None:
        """Our side's end is out. A server's end is the call's: a client that still sends is told to stop (§8.1)."""
        stream.local_ended = True
        if self._nuisances:
            self._nuisances -= 1
        if stream.remote_ended:
            self.forget(stream)
        elif not self._is_client:
            self.reset(stream, frames.NO_ERROR)

    def reset(self, stream: Stream, code: int) -> None:
        """RST_STREAM by our own choice; the stream is gone."""
        if self.streams.get(stream.id) is stream:
            self.outbox.put(frames.rst_stream(stream.id, code))
            self.forget(stream)

    def break_stream(self, stream: Any, code: int) -> None:
        """RST_STREAM for what the peer did; the handler is told."""
        self.count_nuisance()
        self.reset(stream, code)
        self._handler.on_reset(stream, code)

    def forget(self, stream: Stream) -> None:
        """The stream is over; what it had queued is dropped."""
        if self.streams.pop(stream.id, None) is not None and stream.queue is not None:
            self.outbox.forget(stream)

    def hold(self, stream: Stream) -> None:
        """Stops topping up the stream's window: the peer may send what is left of it, then waits."""
        stream.holds = True

    def release(self, stream: Stream) -> None:
        stream.holds = False
        if not stream.remote_ended and stream.id in self.streams:
            self._top_up(stream)

    def ping(self, payload: bytes) -> None:
        """payload: eight bytes."""
        self.outbox.put(frame(frames.PING, 0, 0, payload))

    def go_away(self, text: str = "") -> None:
        """Says that no new streams are taken; those open go on."""
        self.outbox.put(frames.goaway(0 if self._is_client else self._highest_id, frames.NO_ERROR, text))

    def set_writable(self, is_writable: bool) -> None:
        """Whether the socket takes more. While it does not, messages wait in their streams' queues."""
        self.outbox.is_writable = is_writable
        if is_writable:
            self.outbox.pump()


def _unwrap(flags: int, payload: bytes) -> bytes:
    """The header block of a HEADERS frame, without padding and priority (§6.2)."""
    if flags & PADDED:
        payload = _unpad(payload)
    if not flags & HAS_PRIORITY:
        return payload
    if len(payload) < 5:
        raise ConnectionFault(FRAME_SIZE_ERROR, "HEADERS shorter than their priority")
    return payload[5:]


def _unpad(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(PROTOCOL_ERROR, "padding longer than its frame")
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
