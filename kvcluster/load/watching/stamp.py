"""The writer's stamp: when a value was written, and its number. It stands at the beginning of the value.

    | written_ns, 8 bytes | number, 8 bytes | padding |        big endian; number counts from 0

A value is at least the stamp, however small --val-size is. For HTTP the stamp is text: "written_ns number".
"""

from __future__ import annotations

import struct

_STAMP = struct.Struct(">QQ")
STAMP_BYTES = _STAMP.size


def stamp_value(written_ns: int, number: int, size_bytes: int) -> bytes:
    """A value of `size_bytes`, or of the stamp's size where that is more."""
    return _STAMP.pack(written_ns, number).ljust(size_bytes, b"x")


def read_stamp(value: bytes) -> tuple[int, int] | None:
    """(written_ns, number); None for a value that cannot be a writer's."""
    if len(value) < STAMP_BYTES:
        return None
    return _STAMP.unpack_from(value)


def stamp_text(written_ns: int, number: int) -> str:
    return f"{written_ns} {number}"


def read_stamp_text(text: object) -> tuple[int, int] | None:
    """(written_ns, number); None for what is not a stamp."""
    if not isinstance(text, str):
        return None
    written, _, number = text.partition(" ")
    if not (written.isascii() and written.isdigit() and number.isascii() and number.isdigit()):
        return None
    return int(written), int(number)
