"""gRPC status codes, and how a status travels in trailers (gRPC over HTTP/2, "Responses")."""

from __future__ import annotations

from urllib.parse import quote, unquote

OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
DATA_LOSS = 15
UNAUTHENTICATED = 16

# Printable ASCII but "%" travels as it is; the rest of the UTF-8 bytes as %XX.
_UNQUOTED = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def encode_message(text: str) -> bytes:
    """The value of `grpc-message`."""
    return quote(text, safe=_UNQUOTED).encode("ascii")


def decode_message(value: bytes) -> str:
    """The text again; what is not valid is kept as well as it can be (the spec asks for it)."""
    return unquote(value.decode("latin-1"), errors="replace")
