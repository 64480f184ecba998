"""What goes out of a connection: frames in order, and flow control that truly waits (RFC 9113 §5.2, §6.9).

    head, message, end ─▶ `output`                          while the windows allow and the socket takes it
                       ─▶ the stream's queue ─▶ `output`    later: a WINDOW_UPDATE, SETTINGS, or a writable socket pumps it

Invariant: while the connection's window is open, the socket writable and there is room in `output`, every stream that waits has
an empty window of its own. So what a stream's own event lets out is that stream's alone, and only the connection's events
pump everybody, in fair turns: one frame a stream a round.

Only DATA is flow-controlled. HEADERS and control frames go to `output` at once; a stream's trailers wait for its queue.

A peer may open its windows wider than our memory, so `output` takes MAX_OUTPUT_BYTES of DATA at a time; whoever takes it makes
room for more.

Messages of a stream that go out together share DATA frames: a watch stream with many watchers has one for each, and both sides
pay by the frame. The frame is open until `take`, or until it is full; its place in `output` is where its first message was, so
what follows it on its stream still follows it.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from kvcluster.wire import frames
from kvcluster.wire.frames import (
    DATA,
    DEFAULT_FRAME_SIZE,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    frame_head,
    message_frame_head,
)
from kvcluster.wire.method import HIGH_WATER_BYTES, LOW_WATER_BYTES
from kvcluster.wire.stream import Stream

MAX_OUTPUT_BYTES = 4 * 1024 * 1024

MAX_SHARED_BYTES = 4096
"""A larger message has a frame of its own, and is not copied into one."""

_MESSAGE_PREFIX = struct.Struct(">BI").pack
"""gRPC's five bytes in front of a message: compressed flag, length."""

_EMPTY_TABLE = b"\x20"
"""HPACK: "my dynamic table has size 0" (RFC 7541 §6.3). Ours is always empty."""


class Outbox:
    """Of one connection. on_output: called when there is output where there was none; on_ended(stream): our side's end is
    out; on_drain(stream): its queue fell below LOW_WATER_BYTES after it had been above HIGH_WATER_BYTES."""

    __slots__ = (
        "output",
        "window",
        "stream_window",
        "max_frame",
        "room",
        "is_writable",
        "queued_bytes",
        "owes_table_size",
        "_waiting",
        "_open",
        "_on_output",
        "_on_ended",
        "_on_drain",
    )

    def __init__(
        self,
        *,
        on_output: Callable[[], object],
        on_ended: Callable[[Any], object],
        on_drain: Callable[[Any], object],
    ) -> None:
        self.output: list[bytes | memoryview] = []
        self.window = DEFAULT_WINDOW
        self.stream_window = DEFAULT_WINDOW
        """What new streams start with: the peer's INITIAL_WINDOW_SIZE."""
        self.max_frame = DEFAULT_FRAME_SIZE
        self.room = MAX_OUTPUT_BYTES
        """DATA bytes that `output` still takes."""
        self.is_writable = True
        self.queued_bytes = 0
        self.owes_table_size = False
        """The peer has made our dynamic table smaller: the next block must say that we know."""
        self._waiting: dict[int, Stream] = {}
        self._open: list[Stream] = []
        """Streams with a DATA frame that may still grow."""
        self._on_output = on_output
        self._on_ended = on_ended
        self._on_drain = on_drain

    def dismantle(self) -> None:
        """Nobody uses it again."""
        del self._on_output, self._on_ended, self._on_drain

    @property
    def can_send(self) -> bool:
        """Whether any DATA may go out."""
        return self.is_writable and self.window > 0 and self.room > 0

    def put(self, frame: bytes) -> None:
        """A frame that no flow control holds back."""
        if not self.output:
            self._on_output()
        self.output.append(frame)

    def take(self) -> list[bytes | memoryview]:
        """Everything to be written now, in order. There may be more at once: then on_output was called."""
        if self._open:
            self._close_frames()
        output, self.output = self.output, []
        self.room = MAX_OUTPUT_BYTES
        if self._waiting:
            self.pump()
        return output

    def head(self, stream: Stream, block: bytes, *, ended: bool = False) -> None:
        """A header block that begins (or, `ended`, is) our side of the stream. Blocks here fit into a frame (encode_block)."""
        if self.owes_table_size:
            self.owes_table_size = False
            block = _EMPTY_TABLE + block
        flags = END_HEADERS | END_STREAM if ended else END_HEADERS
        if len(block) <= self.max_frame:
            self.put(frame_head(HEADERS, flags, stream.id, len(block)) + block)
        else:
            self._put_long_head(stream.id, block, flags)
        if ended:
            self._on_ended(stream)

    def _put_long_head(self, stream_id: int, block: bytes, flags: int) -> None:
        """HEADERS and CONTINUATIONs, with nothing in between (§6.10)."""
        pieces = [block[at : at + self.max_frame] for at in range(0, len(block), self.max_frame)]
        kind, flags = HEADERS, flags & ~END_HEADERS
        for piece in pieces[:-1]:
            self.put(frames.frame(kind, flags, stream_id, piece))
            kind, flags = frames.CONTINUATION, 0
        self.put(frames.frame(kind, END_HEADERS, stream_id, pieces[-1]))

    def message(self, stream: Stream, chunks: Sequence[bytes], *, ended: bool = False) -> None:
        """One gRPC message, given in pieces; `ended`: our last, and nothing follows it. Goes out at once or waits."""
        size = 0
        for chunk in chunks:
            size += len(chunk)
        length = size + 5
        if (
            length <= stream.send_window
            and length <= self.window
            and length <= self.max_frame
            and length <= self.room
            and self.is_writable
            and not stream.queue
        ):
            stream.send_window -= length
            self.window -= length
            self.room -= length
            if ended:
                output = self.output
                if not output:
                    self._on_output()
                output.append(message_frame_head(stream.id, size, END_STREAM))
                output += chunks
                self._on_ended(stream)
            elif length > MAX_SHARED_BYTES:
                if stream.frame:
                    self._close_frame(stream)
                output = self.output
                if not output:
                    self._on_output()
                output.append(message_frame_head(stream.id, size))
                output += chunks
            elif stream.frame and stream.frame_bytes + length <= self.max_frame:
                stream.frame_bytes += length
                stream.frame.append(_MESSAGE_PREFIX(0, size))
                stream.frame += chunks
            else:
                self._open_frame(stream, length, [_MESSAGE_PREFIX(0, size), *chunks])
            return
        if ended:
            stream.end = b""
        self.enqueue(stream, b"".join((b"\x00", size.to_bytes(4, "big"), *chunks)))
        self.pump_stream(stream)
        if stream.queued_bytes > HIGH_WATER_BYTES:
            stream.is_slow = True

    def _open_frame(self, stream: Stream, length: int, pieces: list[bytes]) -> None:
        """Begins a DATA frame; one that is full already stays where it is."""
        if stream.frame:
            self._close_frame(stream)
        else:
            self._open.append(stream)
        output = self.output
        if not output:
            self._on_output()
        stream.frame = pieces
        stream.frame_bytes = length
        stream.frame_at = len(output)
        output.append(b"")

    def _close_frame(self, stream: Stream) -> None:
        pieces, stream.frame = stream.frame, None
        if pieces:
            head = frame_head(DATA, 0, stream.id, stream.frame_bytes)
            self.output[stream.frame_at] = b"".join((head, *pieces))

    def _close_frames(self) -> None:
        streams, self._open = self._open, []
        for stream in streams:
            self._close_frame(stream)

    def enqueue(self, stream: Stream, data: bytes) -> None:
        """Lets `data` wait in the stream's queue until something pumps it."""
        if stream.queue is None:
            stream.queue = deque()
        stream.queue.append(data)
        stream.queued_bytes += len(data)
        self.queued_bytes += len(data)

    def answer(self, stream: Stream, head: bytes, chunks: Sequence[bytes], trailers: bytes) -> None:
        """HEADERS, one message and trailers: a whole unary answer, in one go where the windows allow."""
        size = 0
        for chunk in chunks:
            size += len(chunk)
        length = size + 5
        if (
            length > stream.send_window
            or length > self.window
            or length > self.max_frame
            or length > self.room
            or not self.is_writable
            or self.owes_table_size
        ):
            self.head(stream, head)
            self.message(stream, chunks)
            self.end(stream, trailers)
            return
        self.window -= length
        self.room -= length
        output = self.output
        if not output:
            self._on_output()
        id = stream.id
        output += (frame_head(HEADERS, END_HEADERS, id, len(head)), head, message_frame_head(id, size), *chunks,
                   frame_head(HEADERS, END_HEADERS | END_STREAM, id, len(trailers)), trailers)  # fmt: skip
        self._on_ended(stream)

    def end(self, stream: Stream, trailers: bytes = b"") -> None:
        """Ends our side, with trailers or without, after what is queued."""
        if stream.local_ended or stream.end is not None:
            return
        if stream.queue:
            stream.end = trailers
        elif trailers:
            self.head(stream, trailers, ended=True)
        else:
            self.put(frame_head(DATA, END_STREAM, stream.id, 0))
            self._on_ended(stream)

    def forget(self, stream: Stream) -> None:
        """The stream is over: what it still had queued is never sent."""
        self._waiting.pop(stream.id, None)
        self.queued_bytes -= stream.queued_bytes
        stream.queue = None
        stream.queued_bytes = 0

    def pump(self) -> None:
        """Lets out what the windows allow, a frame a stream in turn."""
        drained: list[Stream] = []
        progress = True
        while progress and self._waiting and self.can_send:
            progress = False
            for stream in list(self._waiting.values()):
                if stream.send_window > 0 and self.can_send:
                    self._pump_frame(stream, drained)
                    progress = True
        for stream in drained:
            self._on_drain(stream)

    def pump_stream(self, stream: Stream) -> None:
        """Lets out what the windows allow of one stream: its window has grown, or something was queued."""
        if not stream.queue:
            return
        self._waiting[stream.id] = stream
        drained: list[Stream] = []
        while stream.queue and stream.send_window > 0 and self.can_send:
            self._pump_frame(stream, drained)
        if drained:
            self._on_drain(stream)

    def _pump_frame(self, stream: Stream, drained: list[Stream]) -> None:
        room = min(stream.send_window, self.window, self.max_frame)
        pieces: list[bytes | memoryview] = []
        taken = 0
        queue = stream.queue
        assert queue
        if stream.frame:
            self._close_frame(stream)  # what is let out now comes after it
        while queue and taken < room:
            piece = queue[0]
            if len(piece) <= room - taken:
                queue.popleft()
            else:  # a view, not a copy: a large message is cut many times
                view = memoryview(piece)
                queue[0] = view[room - taken :]
                piece = view[: room - taken]
            pieces.append(piece)
            taken += len(piece)
        stream.send_window -= taken
        self.window -= taken
        self.room -= taken
        stream.queued_bytes -= taken
        self.queued_bytes -= taken
        ends_here = not queue and stream.end == b""
        self.put(frame_head(DATA, END_STREAM if ends_here else 0, stream.id, taken))
        self.output += pieces
        if stream.is_slow and stream.queued_bytes < LOW_WATER_BYTES:
            stream.is_slow = False
            drained.append(stream)
        if not queue:
            del self._waiting[stream.id]
            if ends_here:
                self._on_ended(stream)
            elif stream.end is not None:
                self.head(stream, stream.end, ended=True)
