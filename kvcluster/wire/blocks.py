"""Header blocks: bytes ↔ lists of headers, by the hpack library, remembered where that is safe.

A gRPC client repeats the same block for every call. A block decodes to the same headers for as long as the dynamic table
has not changed (RFC 7541 §2.3), so its result is kept until a block changes the table. What we send never touches the
peer's dynamic table: every literal is sent as "never indexed", so a block can be built once and sent on any connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hpack import Decoder, Encoder, HPACKError

MAX_CACHED_BLOCKS = 64
MAX_CACHED_BLOCK_BYTES = 4096


class BlockError(ValueError):
    """A block that cannot be decoded; the connection's compression state is lost with it."""


class BlockDecoder:
    """One direction of one connection. `find(block)` answers what `remember` kept for the same bytes, or None."""

    __slots__ = ("find", "_decoder", "_kept")

    def __init__(self, max_list_bytes: int) -> None:
        self._decoder = Decoder(max_header_list_size=max_list_bytes)
        self._kept: dict[bytes, Any] = {}
        self.find = self._kept.get  # bound once: it is asked for every request

    def decode(self, block: bytes) -> tuple[list[Any], bool]:
        """(headers, may be remembered). Raises BlockError."""
        table = self._decoder.header_table.dynamic_entries
        size, front = len(table), table[0] if table else None
        try:
            headers = list(self._decoder.decode(block, raw=True))
        except (HPACKError, ValueError, IndexError) as error:
            raise BlockError(f"header block: {error}") from error
        # A block may begin with a change of the table's size (001xxxxx, RFC 7541 §6.3): it must be decoded every time.
        is_stable = len(table) == size and (table[0] if table else None) is front and not _resizes(block)
        if not is_stable:
            self._kept.clear()
        return headers, is_stable

    def remember(self, block: bytes, meaning: Any) -> None:
        if len(block) > MAX_CACHED_BLOCK_BYTES:
            return
        if len(self._kept) >= MAX_CACHED_BLOCKS:
            self._kept.clear()
        self._kept[block] = meaning


def _resizes(block: bytes) -> bool:
    return bool(block) and block[0] & 0xE0 == 0x20


def encode_block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A block that means the same on every connection."""
    return bytes(Encoder().encode([(name, value, True) for name, value in headers], huffman=False))
