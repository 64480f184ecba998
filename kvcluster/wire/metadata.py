"""Metadata and deadlines as they travel in headers (gRPC over HTTP/2, "Custom-Metadata" and "Timeout").

A key that ends in "-bin" has a binary value, in base64 on the wire (with or without its padding). A key that comes more than
once means its values joined by commas.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterable, Mapping

Metadata = Mapping[str, str | bytes]
"""Keys in lower case; bytes for keys that end in "-bin"."""

RESERVED = frozenset(
    ("te", "content-type", "content-length", "user-agent", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding",
     "accept-encoding", "grpc-message-type", "grpc-status", "grpc-message")
)  # fmt: skip
"""Keys that are the protocol's own and never metadata."""

_NAME = re.compile(r"[0-9a-z_.\-]+")
_TEXT = re.compile(r"[\x20-\x7e]*")
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNIT_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


def decode_metadata(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str | bytes]:
    """What of the headers is metadata. Raises ValueError for a binary value that is not base64."""
    found: dict[str, str | bytes] = {}
    for raw_name, raw_value in headers:
        name = bytes(raw_name).decode("latin-1")
        if name.startswith(":") or name in RESERVED:
            continue
        if name.endswith("-bin"):
            found[name] = _decode_binary(name, bytes(raw_value))
            continue
        value = bytes(raw_value).decode("utf-8", "replace")
        before = found.get(name)
        found[name] = f"{before},{value}" if isinstance(before, str) else value
    return found


def _decode_binary(name: str, value: bytes) -> bytes:
    try:
        return base64.b64decode(value.rstrip(b"=") + b"=" * (-len(value.rstrip(b"=")) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(
            f'malformed binary metadata "{value.decode("latin-1")}" in header "{name}": {error}'
        ) from error


def encode_metadata(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """As headers. Raises ValueError for a key or a value that cannot travel."""
    headers = []
    for key, value in metadata.items():
        name = key.lower()
        if not _NAME.fullmatch(name) or name in RESERVED or name.startswith("grpc-"):
            raise ValueError(f"{key!r} cannot be a metadata key")
        if name.endswith("-bin"):
            raw = value.encode() if isinstance(value, str) else value
            headers.append((name.encode(), base64.b64encode(raw).rstrip(b"=")))
        elif isinstance(value, str) and _TEXT.fullmatch(value):
            headers.append((name.encode(), value.encode()))
        else:
            raise ValueError(f"the value of metadata {key!r} must be printable ASCII; binary values need a key in -bin")
    return headers


def parse_timeout(value: bytes) -> float:
    """The value of `grpc-timeout`, in seconds. Raises ValueError."""
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise ValueError(f'"{value.decode("latin-1")}" is not a timeout')
    return int(match[1]) * _UNIT_S[match[2]]


def encode_timeout(timeout_s: float) -> bytes:
    """The finest unit whose number has at most 8 digits, rounded up: a call never gets less than it was given."""
    for unit in (b"n", b"u", b"m", b"S", b"M", b"H"):
        count = max(math.ceil(timeout_s / _UNIT_S[unit]), 0)
        if count < 100_000_000:
            return b"%d%s" % (count, unit)
    return b"99999999H"
