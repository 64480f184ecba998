"""One HTTP/2 stream's bookkeeping; server calls and client streams are streams with something on top.

A stream is done when both sides have ended it, or either has reset it. Its gRPC messages may be split over DATA frames
anywhere: `take_messages` puts them together.
"""

from __future__ import annotations

from collections import deque


class MessageTooLarge(Exception):
    """A message over the limit; `size` is what its head announces."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Stream:
    """`send_window`, `receive_window` in bytes. `queue` holds what flow control does not let out yet."""

    __slots__ = (
        "id",
        "send_window",
        "receive_window",
        "queue",
        "queued_bytes",
        "is_slow",
        "trailers",
        "ends_after_queue",
        "local_ended",
        "remote_ended",
        "holds",
        "_partial",
    )

    def __init__(self, id: int, send_window: int, receive_window: int) -> None:
        self.id = id
        self.send_window = send_window
        self.receive_window = receive_window
        self.queue: deque[bytes] | None = None
        self.queued_bytes = 0
        self.is_slow = False
        self.trailers: bytes | None = None
        self.ends_after_queue = False
        self.local_ended = False
        self.remote_ended = False
        self.holds = False
        self._partial: bytearray | None = None

    def take_messages(self, data: bytes, max_bytes: int) -> list[bytes]:
        """The messages that `data` completes. Raises MessageTooLarge; ValueError for a compressed message."""
        partial = self._partial
        if partial is None:
            size = len(data)
            if size >= 5 and int.from_bytes(data[1:5], "big") == size - 5 <= max_bytes and not data[0]:
                return [data[5:]]
            partial = self._partial = bytearray()
        partial += data
        messages = []
        at = 0
        while len(partial) - at >= 5:
            if partial[at]:
                raise ValueError("grpc: Decompressor is not installed for the message's grpc-encoding")
            size = int.from_bytes(partial[at + 1 : at + 5], "big")
            if size > max_bytes:
                raise MessageTooLarge(size)
            if len(partial) - at - 5 < size:
                break
            messages.append(bytes(partial[at + 5 : at + 5 + size]))
            at += 5 + size
        if at:
            del partial[:at]
        if not partial:
            self._partial = None
        return messages

    @property
    def has_partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._partial is not None
