"""One HTTP/2 stream's bookkeeping; server calls and client streams are streams with something on top.

    idle ──open──▶ open ──local_ended──▶ half-closed (local) ──remote_ended──▶ closed      (RFC 9113 §5.1)
                     └──remote_ended──▶ half-closed (remote) ──local_ended──▶ closed       a reset closes at once

A closed stream is in no table any more. Its gRPC messages may be split over DATA frames anywhere: `take_messages` puts them
together.
"""

from __future__ import annotations

import struct
from collections import deque

from kvcluster.wire.frames import DEFAULT_WINDOW

_PREFIX = struct.Struct(">BI").unpack_from


class MessageTooLarge(Exception):
    """A message over the limit; `size` is what its head announces."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"grpc: received message larger than max ({size} vs. {limit})")


class CompressedMessage(Exception):
    """A message whose compressed flag is set: no compression was agreed on."""

    def __init__(self) -> None:
        super().__init__("grpc: compressed flag set, but no decompressor is installed")


class Stream:
    """`send_window`, `receive_window` in bytes. `queue` holds what flow control does not let out yet (wire/outbox.py)."""

    __slots__ = (
        "id",
        "send_window",
        "receive_window",
        "queue",
        "queued_bytes",
        "is_slow",
        "end",
        "local_ended",
        "remote_ended",
        "holds",
        "partial",
        "frame",
        "frame_bytes",
        "frame_at",
    )

    def __init__(self, id: int = 0, send_window: int = DEFAULT_WINDOW, receive_window: int = DEFAULT_WINDOW) -> None:
        self.id = id
        self.send_window = send_window
        self.receive_window = receive_window
        self.queue: deque[bytes | memoryview] | None = None
        self.queued_bytes = 0
        self.is_slow = False
        self.end: bytes | None = None
        """How our side ends once the queue is empty: a block of trailers, or b"" for none. None: it does not end yet."""
        self.local_ended = False
        self.remote_ended = False
        self.holds = False
        self.partial: bytearray | None = None
        """A message that has begun and not ended."""
        self.frame: list[bytes] | None = None
        """The pieces of a DATA frame that may still grow; frame_bytes, frame_at: its size and place (wire/outbox.py)."""
        self.frame_bytes = 0
        self.frame_at = 0

    def take_messages(self, data: bytes, max_bytes: int) -> list[bytes]:
        """The messages that `data` completes. Raises MessageTooLarge, CompressedMessage."""
        partial = self.partial
        if partial is None:
            size = len(data)
            if size >= 5 and int.from_bytes(data[1:5], "big") == size - 5 <= max_bytes and not data[0]:
                return [data[5:]]
            messages, at = _split(data, max_bytes)
            if at < size:
                self.partial = bytearray(data[at:])
            return messages
        partial += data
        messages, at = _split(partial, max_bytes)
        del partial[:at]
        if not partial:
            self.partial = None
        return messages


def _split(data: bytes | bytearray, max_bytes: int) -> tuple[list[bytes], int]:
    """The whole messages at the beginning, and where the rest begins."""
    messages: list[bytes] = []
    at, end = 0, len(data)
    while end - at >= 5:
        compressed, size = _PREFIX(data, at)
        if compressed:
            raise CompressedMessage
        if size > max_bytes:
            raise MessageTooLarge(size, max_bytes)
        at += 5
        if end - at < size:
            return messages, at - 5
        messages.append(bytes(data[at : at + size]))
        at += size
    return messages, at
