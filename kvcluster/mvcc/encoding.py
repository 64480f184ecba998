"""The bytes of mvccpb.KeyValue, of mvccpb.Event, and of the responses they are spliced into, laid by hand.

What it is: pure functions from field values to protobuf wire bytes. What it is not: a protobuf library; the messages
come from kvcluster.pb, and a test compares the two byte for byte. By hand because these bytes are made once for each
change and then shared: by every watcher, every range and every member's answer. A protobuf object in between would
cost three times as much as the rest of a put.

    KeyValue  1 key  2 create_revision  3 mod_revision  4 version  5 value  6 lease        (mvccpb, kv.proto)
    Event     1 type (DELETE = 1; PUT = 0 is not written)  2 kv  3 prev_kv
    spliced   WatchResponse.events = field 11, RangeResponse: kvs = 2, more = 3, count = 4

Invariant, as in every proto3 encoder: fields in number order, a zero or empty field is not written, a negative int64
is ten bytes long.
"""

from __future__ import annotations

_ONE_BYTE = tuple(bytes((n,)) for n in range(0x80))
_UINT64_MASK = (1 << 64) - 1


def encode_varint(number: int) -> bytes:
    """A protobuf varint; a negative number as its 64-bit two's complement."""
    if 0 <= number < 0x80:
        return _ONE_BYTE[number]
    number &= _UINT64_MASK
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    if number < 0x200000:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode_key_value(
    key: bytes, value: bytes, create_revision: int, mod_revision: int, version: int, lease: int
) -> bytes:
    """One mvccpb.KeyValue, without a tag or a length in front."""
    parts: list[bytes] = []
    if key:
        parts += (b"\x0a", encode_varint(len(key)), key)
    modified = encode_varint(mod_revision)
    if create_revision:
        parts += (b"\x10", modified if create_revision == mod_revision else encode_varint(create_revision))
    if mod_revision:
        parts += (b"\x18", modified)
    if version:
        parts += (b"\x20", encode_varint(version))
    if value:
        parts += (b"\x2a", encode_varint(len(value)), value)
    if lease:
        parts += (b"\x30", encode_varint(lease))
    return b"".join(parts)


def splice_event(is_delete: bool, kv_wire: bytes, prev_wire: bytes = b"") -> bytes:
    """One element of WatchResponse.events: tag 11, length, mvccpb.Event. prev_wire empty: no prev_kv field."""
    kv_length = encode_varint(len(kv_wire))
    kind = b"\x08\x01\x12" if is_delete else b"\x12"
    length = len(kind) + len(kv_length) + len(kv_wire)
    if not prev_wire:
        return b"".join((b"\x5a", encode_varint(length), kind, kv_length, kv_wire))
    prev_length = encode_varint(len(prev_wire))
    length += 1 + len(prev_length) + len(prev_wire)
    return b"".join((b"\x5a", encode_varint(length), kind, kv_length, kv_wire, b"\x1a", prev_length, prev_wire))


_pair_heads: dict[int, bytes] = {}
"""Tag and length of RangeResponse.kvs by length: those of small pairs, which are often of one length."""


def _pair_head(size: int) -> bytes:
    head = b"\x12" + encode_varint(size)
    if size < 0x4000:
        _pair_heads[size] = head
    return head


def encode_range_body(wires: list[bytes], *, more: bool, count: int) -> bytes:
    """A RangeResponse without its header (field 1), from the `wire` of each pair.

    Protobuf messages concatenate: header bytes + this body is the response.
    """
    parts: list[bytes] = []
    for wire in wires:
        size = len(wire)
        head = _pair_heads.get(size)
        if head is None:
            head = _pair_head(size)
        parts += (head, wire)
    if more:
        parts.append(b"\x18\x01")
    if count:
        parts += (b"\x20", encode_varint(count))
    return b"".join(parts)
