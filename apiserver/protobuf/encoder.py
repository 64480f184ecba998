"""From plain objects to protobuf: the object walked once, each field written by the function that its name stands for.

    body = encode_message("core.v1.Pod", pod)       # apiVersion and kind are not part of it

Fields that the message does not have are left out, as is what is absent: a reader takes absence for the zero value. The fields'
order is the object's, not their numbers'; protobuf allows that. The objects are ours (canonical, from the store), so a value of a
wrong type is a bug here and raises what it raises.

Most scalars of most objects are of few values ("Always", 30, "TCP"), so each scalar field keeps the bytes of the first values
that it wrote, tag and all; objects that have just been read from JSON are then mostly look-ups.
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import orjson

from apiserver.meta import parse_time
from apiserver.protobuf.table import WireField, fields_of
from apiserver.protobuf.wire import BYTES, FIXED64, VARINT, delimited, heads_of, tag_of, varint

Object = dict[str, Any]
Parts = list[bytes]
Put = Callable[[Any, Parts], None]
"""(value of a field, where to add its bytes, tag included)"""
Body = Callable[[Any], bytes]
"""The bytes of a value, without tag and length."""


def encode_message(name: str, obj: Object) -> bytes:
    """Raises KeyError for a message that is not in the table."""
    return writer(name)(obj)


_KEPT = 128
"""Values whose bytes a scalar field keeps, and their length in characters."""
_Entry = tuple[dict[Any, bytes] | None, Put]
"""(kept bytes by value, None for what is no scalar; how the field is written)."""
_writers: dict[str, Body] = {}


def writer(name: str) -> Body:
    """Makes the writers of all messages below, too."""
    found = _writers.get(name)
    if found is None:
        fields = fields_of(name)
        entries: dict[str, _Entry] = {}
        inlines: list[tuple[int, Body]] = []
        has_inlines = any(field.inline for field in fields)
        found = _writers[name] = _writer(entries, inlines if has_inlines else None)  # known before its fields
        entries.update((field.name, _entry(field)) for field in fields if not field.inline)
        inlines += [(field.number, writer(field.type)) for field in fields if field.inline]
    return found


def _writer(entries: dict[str, _Entry], inlines: list[tuple[int, Body]] | None) -> Body:
    find = entries.get

    def write(obj: Object) -> bytes:
        parts: Parts = []
        for key, value in obj.items():
            entry = find(key)
            if entry is None or value is None:
                continue
            kept, put = entry
            if kept is None:
                put(value, parts)
                continue
            written = kept.get(value)
            if written is not None:
                parts.append(written)
                continue
            begin = len(parts)
            put(value, parts)
            if len(kept) < _KEPT and (type(value) is not str or len(value) < _KEPT):
                kept[value] = b"".join(parts[begin:])
        return b"".join(parts)

    def write_with_inlines(obj: Object) -> bytes:
        parts = [write(obj)]
        for number, inner in inlines or ():
            body = inner(obj)  # it finds its own fields there
            if body:
                parts.append(delimited(number, body))
        return b"".join(parts)

    return write if inlines is None else write_with_inlines


# Fields -------------------------------------------------------------------------------------------------------------


def _entry(field: WireField) -> _Entry:
    return ({} if field.type in _SCALARS else None), _put(field)


def _put(field: WireField) -> Put:
    kind, number = field.type, field.number
    if kind in _NUMBERS:
        return _put_number(tag_of(number, VARINT), field.drops_zero)
    if kind == "double":
        tag64 = tag_of(number, FIXED64)
        return lambda value, parts: parts.append(tag64 + struct.pack("<d", value))
    if kind == "string":
        return _put_text(number)
    if kind[0] == "[" and kind[1:-1] in _NUMBERS:
        return _put_numbers(tag_of(number, VARINT))
    if kind[0] == "[":
        return _put_list(number, body_of(kind[1:-1]))
    if kind == "{string}":
        return _put_texts(number)
    if kind[0] == "{":
        return _put_map(number, body_of(kind[1:-1]))
    return _put_body(number, body_of(kind))


_NUMBERS = ("boolean", "int32", "int64")
_SCALARS = (*_NUMBERS, "string", "quantity", "time", "int-or-string")


def _put_number(tag: bytes, drops_zero: bool) -> Put:
    def put(value: int, parts: Parts) -> None:
        if value or not drops_zero:
            parts.append(tag + varint(value))

    return put


def _put_numbers(tag: bytes) -> Put:
    def put(values: list[int], parts: Parts) -> None:
        for value in values:
            parts.append(tag + varint(value))

    return put


def _put_text(number: int) -> Put:
    heads, tag = heads_of(number), tag_of(number, BYTES)

    def put(value: str, parts: Parts) -> None:
        body = value.encode()
        size = len(body)
        parts += (heads[size], body) if size < 128 else (tag, varint(size), body)

    return put


def _put_body(number: int, make: Body) -> Put:
    heads, tag = heads_of(number), tag_of(number, BYTES)

    def put(value: Any, parts: Parts) -> None:
        body = make(value)
        size = len(body)
        parts += (heads[size], body) if size < 128 else (tag, varint(size), body)

    return put


def _put_list(number: int, make: Body) -> Put:
    heads, tag = heads_of(number), tag_of(number, BYTES)

    def put(values: list[Any], parts: Parts) -> None:
        for value in values:
            body = make(value)
            size = len(body)
            parts += (heads[size], body) if size < 128 else (tag, varint(size), body)

    return put


def _put_map(number: int, make: Body) -> Put:
    tag = tag_of(number, BYTES)
    key_of, value_of = _put_text(1), _put_body(2, make)

    def put(values: Object, parts: Parts) -> None:
        for key, value in values.items():
            entry: Parts = []
            key_of(key, entry)
            value_of(value, entry)
            parts += (tag, varint(sum(map(len, entry))), *entry)

    return put


def _put_texts(number: int) -> Put:
    """A map from text to text: labels, annotations, data."""
    heads, tag = heads_of(number), tag_of(number, BYTES)
    key_heads, value_heads = heads_of(1), heads_of(2)
    slow = _put_map(number, str.encode)

    def put(values: Object, parts: Parts) -> None:
        for key, value in values.items():
            left, right = key.encode(), value.encode()
            size = len(left) + len(right) + 4
            if size < 128:
                parts += (heads[size], key_heads[len(left)], left, value_heads[len(right)], right)
            elif len(left) < 128 and len(right) < 128:
                parts += (tag, varint(size), key_heads[len(left)], left, value_heads[len(right)], right)
            else:
                slow({key: value}, parts)

    return put


# Values -------------------------------------------------------------------------------------------------------------


def body_of(kind: str) -> Body:
    """How the bytes of a value of a type are made."""
    found = _BODIES.get(kind)
    return found if found is not None else writer(kind)


def _quantity(value: str | int | float) -> bytes:
    return delimited(1, str(value).encode())


def _time(text: str) -> bytes:
    return _timestamp(int(parse_time(text) // 1), 0)


def _micro_time(text: str) -> bytes:
    micros = round(parse_time(text) * 1_000_000)
    return _timestamp(micros // 1_000_000, micros % 1_000_000 * 1000)


def _timestamp(seconds: int, nanos: int) -> bytes:
    return b"".join((b"\x08", varint(seconds), b"\x10", varint(nanos)))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return b"\x08\x01\x10\x00" + delimited(3, value.encode())
    return b"\x08\x00\x10" + varint(value) + b"\x1a\x00"


def _raw(value: Any) -> bytes:
    return delimited(1, orjson.dumps(value))


def _wrapped(values: list[str]) -> bytes:
    return b"".join([delimited(1, value.encode()) for value in values])


def _schema(obj: Object) -> bytes:
    return writer("apiextensions.v1.JSONSchemaProps")(obj)


def _schema_or_array(value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join([delimited(2, _schema(item)) for item in value])
    return delimited(1, _schema(value))


def _schema_or_bool(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x08\x01" if value else b"\x08\x00"
    return b"\x08\x01" + delimited(2, _schema(value))


def _schema_or_strings(value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join([delimited(2, item.encode()) for item in value])
    return delimited(1, _schema(value))


_BODIES: dict[str, Body] = {
    "string": str.encode,
    "bytes": b64decode,
    "quantity": _quantity,
    "time": _time,
    "microtime": _micro_time,
    "int-or-string": _int_or_string,
    "raw": _raw,
    "wrapped": _wrapped,
    "schema-or-array": _schema_or_array,
    "schema-or-bool": _schema_or_bool,
    "schema-or-strings": _schema_or_strings,
}
