"""Kubernetes' objects in protobuf (`application/vnd.kubernetes.protobuf`), to and from plain objects.

Typed Go clients send it by default and do not fall back. There are no classes: a message's reader and writer are made from one
table when first needed (a walk over google.protobuf's messages costs as much, and makes no plain objects). Knows nothing of
HTTP, of what is served or of what an object means.
"""

from __future__ import annotations

from apiserver.protobuf.decoder import decode_message
from apiserver.protobuf.encoder import encode_message
from apiserver.protobuf.envelope import (
    MAGIC,
    MEDIA_TYPE,
    WATCH_MEDIA_TYPE,
    Opened,
    decode_object,
    encode_list,
    encode_object,
    open_envelope,
    watch_frame,
    wrap,
)
from apiserver.protobuf.gnostic import V2_MEDIA_TYPE, V3_MEDIA_TYPE, encode_openapi_v2, encode_openapi_v3
from apiserver.protobuf.table import WireField, fields_of, has_message, messages
from apiserver.protobuf.wire import ProtobufError

__all__ = [
    "MAGIC",
    "MEDIA_TYPE",
    "V2_MEDIA_TYPE",
    "V3_MEDIA_TYPE",
    "WATCH_MEDIA_TYPE",
    "Opened",
    "ProtobufError",
    "WireField",
    "decode_message",
    "decode_object",
    "encode_list",
    "encode_message",
    "encode_object",
    "encode_openapi_v2",
    "encode_openapi_v3",
    "fields_of",
    "has_message",
    "messages",
    "open_envelope",
    "watch_frame",
    "wrap",
]
