"""gRPC status codes, how a status travels in trailers, and what HTTP/2 itself means in them (gRPC over HTTP/2)."""

from __future__ import annotations

from urllib.parse import quote, unquote

from kvcluster.wire import frames

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

NAMES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
    "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
    "DataLoss", "Unauthenticated",
)  # fmt: skip
"""By code, as grpc-go prints them."""

# Printable ASCII but "%" travels as it is; the rest of the UTF-8 bytes as %XX.
_UNQUOTED = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

_OF_HTTP = {
    b"400": INTERNAL,
    b"401": UNAUTHENTICATED,
    b"403": PERMISSION_DENIED,
    b"404": UNIMPLEMENTED,
    b"429": UNAVAILABLE,
    b"502": UNAVAILABLE,
    b"503": UNAVAILABLE,
    b"504": UNAVAILABLE,
}
_OF_RESET = {
    frames.REFUSED_STREAM: UNAVAILABLE,
    frames.CANCEL: CANCELLED,
    frames.ENHANCE_YOUR_CALM: RESOURCE_EXHAUSTED,
    frames.INADEQUATE_SECURITY: PERMISSION_DENIED,
}


def encode_message(text: str) -> bytes:
    """The value of `grpc-message`."""
    return quote(text, safe=_UNQUOTED, errors="replace").encode("ascii")


def decode_message(value: bytes) -> str:
    """The text again; what is not valid is kept as well as it can be (the spec asks for it)."""
    return unquote(value.decode("latin-1"), errors="replace")


def parse_status(value: bytes) -> int:
    """The value of `grpc-status`; UNKNOWN for what is no code."""
    return int(value) if value.isdigit() and len(value) <= 3 else UNKNOWN


def of_http_status(status: bytes) -> int:
    """The gRPC code of an HTTP answer that carries none."""
    return _OF_HTTP.get(status, UNKNOWN)


def of_reset(code: int) -> int:
    """The gRPC code of a stream that was reset with an HTTP/2 error code."""
    return _OF_RESET.get(code, INTERNAL)
