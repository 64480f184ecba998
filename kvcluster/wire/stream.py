"""One HTTP/2 stream's bookkeeping; server calls and client streams are streams with something on top.

    idle ──open──▶ open ──local_ended──▶ half-closed (local) ──remote_ended──▶ closed      (RFC 9113 §5.1)
                     └──remote_ended──▶ half-closed (remote) ──local_ended──▶ closed       a reset closes at once

A closed stream is in no table any more. Its gRPC messages may be split over DATA frames anywhere: `take_messages` puts them
together.
"""

from __future__ import annotations

from collections import deque

from kvcluster.wire.frames import DEFAULT_WINDOW


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

    def take_messages(self, data: bytes, max_bytes: int) -> list[bytes]:
        """The messages that `data` completes. Raises MessageTooLarge, CompressedMessage."""
        partial = self.partial
        if partial is None:
            size = len(data)
            if size >= 5 and int.from_bytes(data[1:5], "big") == size - 5 <= max_bytes and not data[0]:
                return [data[5:]]
            partial = self.partial = bytearray()
        partial += data
        messages = []
        at = 0
        while len(partial) - at >= 5:
            if partial[at]:
                raise CompressedMessage
            size = int.from_bytes(partial[at + 1 : at + 5], "big")
            if size > max_bytes:
                raise MessageTooLarge(size, max_bytes)
            if len(partial) - at - 5 < size:
                break
            messages.append(bytes(memoryview(partial)[at + 5 : at + 5 + size]))
            at += 5 + size
        if at:
            del partial[:at]
        if not partial:
            self.partial = None
        return messages
