"""What stands around a message: who it is, lists of messages, frames of a watch.

An object travels as four bytes `k8s\\0` and a runtime.Unknown: {1: {1: apiVersion, 2: kind}, 2: the message}. A list is
{1: ListMeta, 2: the items' messages, as they are}, in the same envelope. A watch sends frames: a length of four bytes, big
endian, and a WatchEvent {1: type, 2: {1: an object in its envelope}}, itself without one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from apiserver.protobuf.decoder import decode_message
from apiserver.protobuf.encoder import encode_message
from apiserver.protobuf.wire import ProtobufError, delimited, read_length, read_varint, skip, unexpected_end

MAGIC = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
WATCH_MEDIA_TYPE = "application/vnd.kubernetes.protobuf;stream=watch"
_MAGIC_TEXT = "[107 56 115 0]"


class Opened(NamedTuple):
    """What an envelope says: the object's type (either may be empty) and its message."""

    api_version: str
    kind: str
    message: bytes


def wrap(api_version: str, kind: str, message: bytes) -> bytes:
    type_meta = delimited(1, api_version.encode()) + delimited(2, kind.encode())
    return b"".join((MAGIC, delimited(1, type_meta), delimited(2, message), b"\x1a\x00\x22\x00"))


def open_envelope(data: bytes) -> Opened:
    """Raises ProtobufError."""
    if not data:
        raise ProtobufError("empty data")
    if not data.startswith(MAGIC):
        raise ProtobufError(f"provided data does not appear to be a protobuf message, expected prefix {_MAGIC_TEXT}")
    try:
        return _open(data)
    except IndexError:
        raise unexpected_end() from None
    except UnicodeDecodeError:
        raise ProtobufError("proto: string field contains invalid UTF-8") from None


def _open(data: bytes) -> Opened:
    api_version = kind = ""
    message = b""
    at, end = len(MAGIC), len(data)
    while at < end:
        tag, at = read_varint(data, at)
        if tag == 0x0A:
            at, stop = read_length(data, at, end)
            while at < stop:
                inner, at = read_varint(data, at)
                if inner not in (0x0A, 0x12):
                    at = skip(data, at, stop, inner)
                    continue
                begin, at = read_length(data, at, stop)
                if inner == 0x0A:
                    api_version = data[begin:at].decode()
                else:
                    kind = data[begin:at].decode()
        elif tag == 0x12:
            begin, at = read_length(data, at, end)
            message = data[begin:at]
        else:
            at = skip(data, at, end, tag)
    return Opened(api_version, kind, message)


def encode_object(message_name: str, obj: dict[str, Any]) -> bytes:
    """An object that says its own type, in its envelope."""
    return wrap(obj.get("apiVersion", ""), obj.get("kind", ""), encode_message(message_name, obj))


def decode_object(message_name: str, data: bytes) -> dict[str, Any]:
    """The object of an envelope, with the type that it says. Raises ProtobufError."""
    opened = open_envelope(data)
    return {"kind": opened.kind, "apiVersion": opened.api_version, **decode_message(message_name, opened.message)}


def encode_list(api_version: str, kind: str, metadata: dict[str, Any], messages: Iterable[bytes]) -> bytes:
    """A list of items that are messages already, in its envelope."""
    parts = [delimited(1, encode_message("meta.v1.ListMeta", metadata))]
    parts += [delimited(2, message) for message in messages]
    return wrap(api_version, kind, b"".join(parts))


def watch_frame(type_: str, enveloped: bytes) -> bytes:
    """One event of a watch. enveloped: the object in its envelope."""
    event = delimited(1, type_.encode()) + delimited(2, delimited(1, enveloped))
    return len(event).to_bytes(4, "big") + event
