"""Values as CEL sees them: by the schema, with names that CEL can spell.

Only what the schema names can be reached by a rule (of metadata: name and generateName). A property is reached by its
escaped name: `a-b` is `a__dash__b`, `namespace` is `__namespace__`; keys of a map are as they are.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from apiserver.meta.structural import Schema

_KEYWORDS = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
))  # fmt: skip
_ACCESSIBLE = re.compile(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*")
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def escape(name: str) -> str | None:
    """None for a name that no rule can spell."""
    if name in _KEYWORDS:
        return f"__{name}__"
    if not _ACCESSIBLE.fullmatch(name):
        return None
    for plain, escaped in _ESCAPES:
        name = name.replace(plain, escaped)
    return name


def to_cel(value: Any, schema: Schema, *, is_whole: bool = False) -> Any:
    """A value that the binding takes. is_whole: a resource, with apiVersion, kind and metadata."""
    if isinstance(value, dict):
        return _map(value, schema, is_whole or schema.embedded)
    if isinstance(value, list):
        items = schema.items
        return [each if items is None else to_cel(each, items) for each in value]
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if schema.type == "integer" and isinstance(value, float):
        return int(value)
    if schema.type == "string" and schema.format in _FORMATS and isinstance(value, str):
        return _FORMATS[schema.format](value)
    return value


def _map(value: dict[str, Any], schema: Schema, is_whole: bool) -> dict[str, Any]:
    if not schema.properties and not is_whole:
        additional = schema.additional
        return {key: inner if additional is None else to_cel(inner, additional) for key, inner in value.items()}
    made = {}
    for key, inner in value.items():
        found = schema.properties.get(key)
        if is_whole and key in ("apiVersion", "kind"):
            made[key] = inner
        elif is_whole and key == "metadata":
            made[key] = {name: inner[name] for name in ("name", "generateName") if name in inner}
        elif found is not None:
            escaped = escape(key)
            if escaped is not None:
                made[escaped] = to_cel(inner, found)
    return made


def _to_timestamp(text: str) -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    made = Timestamp()
    try:
        if len(text) == 10:
            made.FromDatetime(datetime.fromisoformat(text))
        else:
            made.FromJsonString(text)
    except ValueError:
        return text
    return made


def _to_duration(text: str) -> Any:
    from google.protobuf.duration_pb2 import Duration

    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text)
    if _DURATION.sub("", body) not in ("", "0"):
        return text
    nanos = sum(int(float(number) * _UNITS[unit]) for number, unit in _DURATION.findall(body))
    made = Duration()
    try:
        made.FromNanoseconds(sign * nanos)
    except ValueError:  # more than 10,000 years
        return text
    return made


def _to_bytes(text: str) -> Any:
    import base64
    import binascii

    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text


_FORMATS = {
    "date-time": _to_timestamp,
    "datetime": _to_timestamp,
    "date": _to_timestamp,
    "duration": _to_duration,
    "byte": _to_bytes,
}
