"""Reads bytes that lie in pieces, as if they were one: a snapshot of a gigabyte never is.

    reader = ChunkReader(chunks)
    reader.begin_section(100)        # what is read from here on: 100 bytes, whatever comes behind them
    reader.begin_checksum(); reader.take(7); reader.take(93); reader.checksum()

Reading beyond the section raises EOFError, and so does a section that is longer than what is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

MAX_CHECKED_BYTES = 1 << 20
"""Checksums are made of pieces up to about this size."""


class ChunkReader:
    """`left_bytes`: what the section still has. For reading only."""

    __slots__ = ("left_bytes", "_chunks", "_chunk", "_at", "_checked_to", "_checksum")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.left_bytes = 0
        self._chunks = iter(chunks)
        self._chunk = b""
        self._at = 0
        self._checked_to = 0
        self._checksum = 0

    def begin_section(self, size_bytes: int) -> None:
        self.left_bytes = size_bytes

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        self.left_bytes -= count
        if self.left_bytes < 0:
            raise EOFError("the section ends too early")
        start = self._at
        end = self._at = start + count
        if end <= len(self._chunk):
            if end - self._checked_to > MAX_CHECKED_BYTES:
                self._check()
            return self._chunk[start:end]
        self._at = len(self._chunk)
        parts = [self._chunk[start:]]
        missing = end - len(self._chunk)
        while missing > 0:
            self._next_chunk()
            self._at = min(missing, len(self._chunk))
            parts.append(self._chunk[: self._at])
            missing -= self._at
        return b"".join(parts)

    def is_at_end(self) -> bool:
        """Whether there is nothing behind what was read."""
        while self._at == len(self._chunk):
            try:
                self._next_chunk()
            except EOFError:
                return True
        return False

    def begin_checksum(self) -> None:
        """From here on."""
        self._checksum = 0
        self._checked_to = self._at

    def checksum(self) -> int:
        """crc32 of what was read since `begin_checksum`."""
        self._check()
        return self._checksum

    def _check(self) -> None:
        while self._checked_to < self._at:
            end = min(self._at, self._checked_to + MAX_CHECKED_BYTES)
            self._checksum = crc32(self._chunk[self._checked_to : end], self._checksum)
            self._checked_to = end

    def _next_chunk(self) -> None:
        """The one in hand has been read to its end."""
        self._check()
        chunk = next(self._chunks, None)
        if chunk is None:
            raise EOFError("there is no more")
        self._chunk = chunk
        self._at = self._checked_to = 0
