"""From protobuf to plain objects: what the API server's protobuf decoder makes of a message, as canonical JSON would say it.

    pod = decode_message("core.v1.Pod", body)       # no apiVersion, no kind: they travel outside of the message

A message's reader is made from the table when it is first asked for: one loop over the bytes with a dict from tag to field.
Scalars and single messages are read in the loop, since they are nearly everything; the rest by a function per field.

Zero values of fields that Go always writes are left out, as its JSON encoder does (`?` in the table). Fields that are not known
are passed over. Everything wrong with the bytes is a ProtobufError, never anything else.
"""

from __future__ import annotations

import struct
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from apiserver.meta import canonical_quantity, format_time
from apiserver.protobuf.table import WireField, fields_of
from apiserver.protobuf.wire import (
    BYTES,
    FIXED64,
    MAX_DEPTH,
    VARINT,
    ProtobufError,
    read_length,
    read_varint,
    skip,
    too_deep,
    unexpected_end,
    wrong_wire_type,
)

Object = dict[str, Any]
Reader = Callable[[bytes, int, int, Object, int], None]
"""(data, begin, end, object to fill, depth)"""
Take = Callable[[bytes, int, int, int], Any]
"""(data, begin, end, depth) → value of a field that is written with its length."""
Step = Callable[[bytes, int, int, Object, int], int]
"""(data, at, end, object to fill, depth) → where the next tag stands."""

MAX_ITEMS = 10_000
"""Messages in one list, as of structs in JSON."""

# What the loop does itself with a field; OTHER: calls its step.
_STRING, _MESSAGE, _INT, _BOOLEAN, _OTHER = range(5)
_Entries = dict[int, tuple[int, str, Any, bool]]
"""Tag → (what to do, name, more, whether zero is dropped)."""
_INT64_SIGN = 1 << 63
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, which JSON can say


def decode_message(name: str, data: bytes) -> Object:
    """The object that a message says. Raises ProtobufError; KeyError for a message that is not in the table."""
    obj: Object = {}
    read = reader(name)
    try:
        read(data, 0, len(data), obj, 0)
    except IndexError:
        raise unexpected_end() from None
    except UnicodeDecodeError:
        raise ProtobufError("proto: string field contains invalid UTF-8") from None
    except RecursionError:
        raise too_deep() from None
    return obj


_readers: dict[str, Reader] = {}


def reader(name: str) -> Reader:
    """Makes the readers of all messages below, too."""
    found = _readers.get(name)
    if found is None:
        fields = fields_of(name)
        entries: _Entries = {}
        found = _readers[name] = _reader(entries, fields)  # known before its fields: messages refer to themselves
        _fill(entries, fields)
    return found


def _reader_of(*fields: WireField) -> Reader:
    entries: _Entries = {}
    read = _reader(entries, fields)
    _fill(entries, fields)
    return read


def _fill(entries: _Entries, fields: tuple[WireField, ...]) -> None:
    for field in fields:
        entries.update(_entries(field))


def _reader(entries: _Entries, fields: tuple[WireField, ...]) -> Reader:
    names = {field.number: field.name for field in fields}
    find = entries.get

    def read(data: bytes, at: int, end: int, obj: Object, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise too_deep()
        while at < end:
            tag = data[at]
            at += 1
            if tag > 127:
                tag, at = read_varint(data, at - 1)
            entry = find(tag)
            if entry is None:
                if tag >> 3 in names:
                    raise wrong_wire_type(tag & 7, names[tag >> 3])
                at = skip(data, at, end, tag)
                continue
            does, name, more, drops = entry
            if does == _OTHER:
                at = more(data, at, end, obj, depth)
                continue
            value = data[at]
            at += 1
            if value > 127:
                value, at = read_varint(data, at - 1)
            if does == _STRING:
                stop = at + value
                if stop > end:
                    raise unexpected_end()
                if value or not drops:
                    obj[name] = data[at:stop].decode()
                at = stop
            elif does == _MESSAGE:
                stop = at + value
                if stop > end:
                    raise unexpected_end()
                inner = obj.get(name)
                if inner is None:
                    inner = obj[name] = {}
                more(data, at, stop, inner, depth + 1)
                at = stop
            elif value or not drops:
                obj[name] = value != 0 if does == _BOOLEAN else more(value)
        if at > end:
            raise unexpected_end()

    return read


def _entries(field: WireField) -> list[tuple[int, tuple[int, str, Any, bool]]]:
    """The entries of one field; two for a list of numbers, which may be packed."""
    kind = field.type
    length, number = field.number << 3 | BYTES, field.number << 3 | VARINT
    if field.inline:
        return [(length, (_OTHER, field.name, _inline(kind), False))]
    if kind == "string":
        return [(length, (_STRING, field.name, None, field.drops_zero))]
    if kind == "boolean":
        return [(number, (_BOOLEAN, field.name, None, field.drops_zero))]
    if kind in _INTEGERS:
        return [(number, (_INT, field.name, _INTEGERS[kind], field.drops_zero))]
    if kind == "double":
        return [(field.number << 3 | FIXED64, (_OTHER, field.name, _double(field), False))]
    if kind[0] == "{":
        return [(length, (_OTHER, field.name, _map(field.name, kind[1:-1]), False))]
    if kind[0] == "[" and kind[1:-1] in ("boolean", *_INTEGERS):
        convert = bool if kind[1:-1] == "boolean" else _INTEGERS[kind[1:-1]]
        return [
            (number, (_OTHER, field.name, _numbers(field.name, convert, packed=False), False)),
            (length, (_OTHER, field.name, _numbers(field.name, convert, packed=True), False)),
        ]
    if kind[0] == "[":
        return [(length, (_OTHER, field.name, _list(field.name, kind[1:-1]), False))]
    if kind in _TAKES:
        return [(length, (_OTHER, field.name, _single(field, _TAKES[kind]), False))]
    return [(length, (_MESSAGE, field.name, reader(kind), False))]


# Fields that are more than a scalar or a message -------------------------------------------------------------------------


def _inline(name: str) -> Step:
    read = reader(name)

    def step(data: bytes, at: int, end: int, obj: Object, depth: int) -> int:
        at, stop = read_length(data, at, end)
        read(data, at, stop, obj, depth + 1)
        return stop

    return step


def _single(field: WireField, take: Take) -> Step:
    name, drops = field.name, field.drops_zero

    def step(data: bytes, at: int, end: int, obj: Object, depth: int) -> int:
        at, stop = read_length(data, at, end)
        value = take(data, at, stop, depth + 1)
        if value is not None and (value or not drops):
            obj[name] = value
        return stop

    return step


def _list(name: str, kind: str) -> Step:
    take = _take_of(kind)
    most = sys.maxsize if kind in _TAKES else MAX_ITEMS

    def step(data: bytes, at: int, end: int, obj: Object, depth: int) -> int:
        at, stop = read_length(data, at, end)
        value = take(data, at, stop, depth + 1)
        items = obj.get(name)
        if items is None:
            obj[name] = [value]
        elif len(items) < most:
            items.append(value)
        else:
            raise ProtobufError(f"{name} has more than {MAX_ITEMS} items")
        return stop

    return step


def _numbers(name: str, convert: Callable[[int], Any], *, packed: bool) -> Step:
    def step(data: bytes, at: int, end: int, obj: Object, depth: int) -> int:
        items = obj.setdefault(name, [])
        if not packed:
            value, at = read_varint(data, at)
            items.append(convert(value))
            return at
        at, stop = read_length(data, at, end)
        while at < stop:
            value, at = read_varint(data, at)
            items.append(convert(value))
        return stop

    return step


def _map(name: str, kind: str) -> Step:
    """An entry of a map: a message of a key (1) and a value (2)."""
    take = _take_of(kind)
    zero = {"string": "", "bytes": "", "quantity": "0", "wrapped": None}.get(kind)
    is_message = kind not in _TAKES and kind != "string"

    def step(data: bytes, at: int, end: int, obj: Object, depth: int) -> int:
        at, stop = read_length(data, at, end)
        key = ""
        value: Any = {} if is_message else [] if kind == "wrapped" else zero
        while at < stop:
            tag, at = read_varint(data, at)
            if tag == 0x0A:
                begin, at = read_length(data, at, stop)
                key = data[begin:at].decode()
            elif tag == 0x12:
                begin, at = read_length(data, at, stop)
                value = take(data, begin, at, depth + 1)
            else:
                at = skip(data, at, stop, tag)
        inner = obj.get(name)
        if inner is None:
            obj[name] = {key: value}
        else:
            inner[key] = value
        return stop

    return step


def _double(field: WireField) -> Step:
    name = field.name

    def step(data: bytes, at: int, end: int, obj: Object, depth: int) -> int:
        if at + 8 > end:
            raise unexpected_end()
        (value,) = struct.unpack_from("<d", data, at)
        if value != value or value in (float("inf"), float("-inf")):
            raise ProtobufError("proto: a number that JSON cannot say")
        obj[name] = int(value) if value.is_integer() and abs(value) < 2**53 else value
        return at + 8

    return step


# Values -------------------------------------------------------------------------------------------------------------


def _int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def _int64(value: int) -> int:
    return value - (1 << 64) if value & _INT64_SIGN else value


_INTEGERS: dict[str, Callable[[int], int]] = {"int32": _int32, "int64": _int64}


def _take_of(kind: str) -> Take:
    found = _TAKES.get(kind)
    if found is not None:
        return found
    read = reader(kind)

    def take(data: bytes, at: int, end: int, depth: int) -> Object:
        obj: Object = {}
        read(data, at, end, obj, depth)
        return obj

    return take


def _string(data: bytes, at: int, end: int, depth: int) -> str:
    return data[at:end].decode()


def _bytes(data: bytes, at: int, end: int, depth: int) -> str:
    return b64encode(data[at:end]).decode()


_read_quantity = _reader_of(WireField("string", 1, "string", False, False))
_read_time = _reader_of(WireField("seconds", 1, "int64", False, False), WireField("nanos", 2, "int32", False, False))
_read_int_or_string = _reader_of(
    WireField("type", 1, "int64", False, False),
    WireField("intVal", 2, "int32", False, False),
    WireField("strVal", 3, "string", False, False),
)


def _quantity(data: bytes, at: int, end: int, depth: int) -> str:
    """A message of one text, nearly always nothing else."""
    size = end - at - 2
    if 0 <= size < 128 and data[at] == 0x0A and data[at + 1] == size:
        return _canonical(data[at + 2 : end])
    obj: Object = {}
    _read_quantity(data, at, end, obj, depth)
    return _canonical(obj.get("string", "").encode())


@lru_cache(maxsize=4096)
def _canonical(text: bytes) -> str:
    try:
        return canonical_quantity(text.decode()) if text else "0"
    except ValueError as problem:
        raise ProtobufError(str(problem)) from None


def _time_parts(data: bytes, at: int, end: int, depth: int) -> tuple[int, int] | None:
    """(seconds, nanoseconds); None for the zero time, which Go writes as no bytes at all."""
    if at == end:
        return None
    obj: Object = {}
    _read_time(data, at, end, obj, depth)
    seconds, nanos = obj.get("seconds", 0), obj.get("nanos", 0)
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS or not 0 <= nanos < 1_000_000_000:
        raise ProtobufError("Time.MarshalJSON: year outside of range [0,9999]")
    return seconds, nanos


def _time(data: bytes, at: int, end: int, depth: int) -> str | None:
    parts = _time_parts(data, at, end, depth)
    return None if parts is None else _format_seconds(parts[0])


@lru_cache(maxsize=1024)
def _format_seconds(seconds: int) -> str:
    return format_time(seconds)


def _micro_time(data: bytes, at: int, end: int, depth: int) -> str | None:
    parts = _time_parts(data, at, end, depth)
    if parts is None:
        return None
    return f"{_format_seconds(parts[0])[:-1]}.{parts[1] // 1000:06}Z"


def _int_or_string(data: bytes, at: int, end: int, depth: int) -> int | str:
    obj: Object = {}
    _read_int_or_string(data, at, end, obj, depth)
    kind = obj.get("type", 0)
    if kind not in (0, 1):
        raise ProtobufError("impossible IntOrString.Type")
    value: int | str = obj.get("strVal", "") if kind else obj.get("intVal", 0)
    return value


def _blob(data: bytes, at: int, end: int) -> bytes:
    """The bytes of a message whose only field is bytes: a RawExtension, a FieldsV1, a JSON."""
    found = b""
    while at < end:
        tag, at = read_varint(data, at)
        if tag == 0x0A:
            begin, at = read_length(data, at, end)
            found = data[begin:at]
        else:
            at = skip(data, at, end, tag)
    return found


def _raw(data: bytes, at: int, end: int, depth: int) -> Any:
    """JSON in bytes; None for none."""
    found = _blob(data, at, end)
    if not found:
        return None
    try:
        return orjson.loads(found)
    except orjson.JSONDecodeError as problem:
        raise ProtobufError(f"json: {problem}") from None


def _wrapped(data: bytes, at: int, end: int, depth: int) -> list[str]:
    """A message of one list of texts."""
    items = []
    while at < end:
        tag, at = read_varint(data, at)
        if tag == 0x0A:
            begin, at = read_length(data, at, end)
            items.append(data[begin:at].decode())
        else:
            at = skip(data, at, end, tag)
    return items


# A JSON schema where something else may stand: one reader for each of the two, and the number of the schema.


def _schema_or(number: int, other: WireField, choose: Callable[[Object], Any]) -> Take:
    schema = WireField("schema", number, "apiextensions.v1.JSONSchemaProps", False, False)
    entries: _Entries = {}
    read = _reader(entries, (schema, other))

    def take(data: bytes, at: int, end: int, depth: int) -> Any:
        if not entries:
            _fill(entries, (schema, other))
        obj: Object = {}
        read(data, at, end, obj, depth)
        return choose(obj)

    return take


_TAKES: dict[str, Take] = {
    "string": _string,
    "bytes": _bytes,
    "quantity": _quantity,
    "time": _time,
    "microtime": _micro_time,
    "int-or-string": _int_or_string,
    "raw": _raw,
    "wrapped": _wrapped,
}
_TAKES |= {
    "schema-or-array": _schema_or(
        1,
        WireField("array", 2, "[apiextensions.v1.JSONSchemaProps]", False, False),
        lambda found: found["array"] if "array" in found else found.get("schema"),
    ),
    "schema-or-bool": _schema_or(
        2,
        WireField("allows", 1, "boolean", False, False),
        lambda found: found.get("schema", found.get("allows", False)),
    ),
    "schema-or-strings": _schema_or(
        1, WireField("property", 2, "[string]", False, False), lambda found: found.get("schema", found.get("property"))
    ),
}
