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


class BlockError(ValueError):
    """A block that cannot be decoded; the connection's compression state is lost with it."""


class BlockDecoder:
    """One direction of one connection. `find(block)` answers what `remember` kept for the same bytes."""

    __slots__ = ("_decoder", "_kept")

    def __init__(self, max_list_bytes: int) -> None:
        self._decoder = Decoder(max_header_list_size=max_list_bytes)
        self._kept: dict[bytes, Any] = {}

    def find(self, block: bytes) -> Any:
        return self._kept.get(block)

    def decode(self, block: bytes) -> tuple[list[Any], bool]:
        """(headers, may be remembered). Raises BlockError."""
        table = self._decoder.header_table.dynamic_entries
        size, front = len(table), table[0] if table else None
        try:
            headers = list(self._decoder.decode(block, raw=True))
        except HPACKError as error:
            raise BlockError(str(error)) from error
        is_stable = len(table) == size and (table[0] if table else None) is front
        if not is_stable:
            self._kept.clear()
        return headers, is_stable

    def remember(self, block: bytes, meaning: Any) -> None:
        if len(self._kept) >= MAX_CACHED_BLOCKS:
            self._kept.clear()
        self._kept[block] = meaning


def encode_block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A block that means the same on every connection."""
    return bytes(Encoder().encode([(name, value, True) for name, value in headers], huffman=False))
