"""The two bits of wire format that rpc lays itself: varints and the joints between spliced events."""

from __future__ import annotations

_UINT64 = (1 << 64) - 1


def encode_varint(number: int) -> bytes:
    """A protobuf varint; negative numbers as 64-bit two's complement (ten bytes)."""
    number &= _UINT64
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def split_events(events: bytes, max_bytes: int) -> list[bytes]:
    """Spliced events (tag 11, length, Event; again and again) in parts of at most `max_bytes`, but at least one event."""
    parts: list[bytes] = []
    begin = at = 0
    while at < len(events):
        length, next_at = _read_varint(events, at + 1)
        end = next_at + length
        if end - begin > max_bytes and at > begin:
            parts.append(events[begin:at])
            begin = at
        at = end
    parts.append(events[begin:])
    return parts


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
