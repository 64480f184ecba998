"""The bytes of protobuf: varints, tags, lengths, and how to pass over what is not known.

Everything read here comes from a client: each length is checked against the end of the message that it stands in. The errors'
texts are those of Kubernetes' generated code where it has one.
"""

from __future__ import annotations

VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32 = 0, 1, 2, 3, 4, 5

MAX_DEPTH = 100
"""Messages in messages. Only JSON schemas nest without end."""
_MAX_VARINT_BYTES = 10
_UINT64 = (1 << 64) - 1


class ProtobufError(ValueError):
    """Bytes that are no such message."""


def unexpected_end() -> ProtobufError:
    return ProtobufError("unexpected EOF")


def wrong_wire_type(wire_type: int, field: str) -> ProtobufError:
    return ProtobufError(f"proto: wrong wireType = {wire_type} for field {field[:1].upper()}{field[1:]}")


def too_deep() -> ProtobufError:
    return ProtobufError("proto: exceeded max depth")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of 64 bits, and where the next thing stands. Raises ProtobufError or IndexError (the end)."""
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    value = byte & 127
    for shift in range(7, 7 * _MAX_VARINT_BYTES, 7):
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value & _UINT64, at + 1
    raise ProtobufError("proto: integer overflow")


def read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(begin, stop) of what is written with its length before it. Raises ProtobufError."""
    size = data[at]
    at += 1
    if size >= 128:
        size, at = read_varint(data, at - 1)
    stop = at + size
    if stop > end:
        raise unexpected_end()
    return at, stop


def skip(data: bytes, at: int, end: int, tag: int, depth: int = 0) -> int:
    """Passes over the value of a field that is not known; returns where the next tag stands. Raises ProtobufError."""
    kind = tag & 7
    if tag >> 3 == 0:
        raise ProtobufError(f"proto: illegal tag {tag >> 3} (wire type {kind})")
    if kind == VARINT:
        at = read_varint(data, at)[1]
    elif kind == BYTES:
        at = read_length(data, at, end)[1]
    elif kind == FIXED64:
        at += 8
    elif kind == FIXED32:
        at += 4
    elif kind == START_GROUP:
        if depth > MAX_DEPTH:
            raise too_deep()
        while True:
            inner, at = read_varint(data, at)
            if inner & 7 == END_GROUP:
                break
            at = skip(data, at, end, inner, depth + 1)
    else:
        raise ProtobufError(f"proto: illegal wireType {kind}")
    if at > end:
        raise unexpected_end()
    return at


def varint(value: int) -> bytes:
    """A number of 64 bits; a negative one as its two's complement, ten bytes."""
    if 0 <= value < 128:
        return _SMALL[value]
    value &= _UINT64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = [bytes((value,)) for value in range(128)]


def tag_of(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def heads_of(number: int) -> list[bytes]:
    """Tag and length of a field of bytes, for each length under 128."""
    tag = tag_of(number, BYTES)
    return [tag + small for small in _SMALL]


def delimited(number: int, body: bytes) -> bytes:
    """A field of bytes: tag, length, body."""
    return b"".join((tag_of(number, BYTES), varint(len(body)), body))
