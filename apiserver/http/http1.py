"""HTTP/1.1 as bytes: request heads and chunked bodies in, response heads out. No socket, no clock.

A client sends the same headers again and again, and asks for the same things; what was understood is kept, within bounds, so
the usual head costs two look-ups in a dictionary. What RFC 9112 leaves open is refused: two lengths, a length beside chunks,
folded lines, space before a colon, a control character. Whoever wants to smuggle a request past a proxy finds no two readings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote

T = TypeVar("T")

MAX_HEAD_BYTES = 256 * 1024
MAX_CHUNK_LINE_BYTES = 1024
MAX_TRAILER_BYTES = 16 * 1024
MAX_KNOWN = 1024
"""Header blocks, and targets, that are remembered; then all are forgotten."""
MAX_KNOWN_BYTES = 4096


class BadRequestError(Exception):
    """What came is not HTTP/1.1; the answer is `status` with a plain text, and the connection ends."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Headers(NamedTuple):
    """What a block of headers says. length: of the body; -1: it comes in chunks."""

    values: Mapping[str, str]
    length: int
    closes: bool
    keeps_alive: bool
    expects_continue: bool
    accepts_gzip: bool
    has_host: bool


class Head(NamedTuple):
    """query: the first value of each name. Shared: nobody changes it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Headers
    is_http_10: bool


_METHODS = {method: method.decode() for method in (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS")}
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_known_headers: dict[bytes, Headers] = {}
_known_targets: dict[bytes, tuple[str, Mapping[str, str]]] = {}


def parse_head(head: bytes) -> Head:
    """`head`: up to the empty line, without it. Raises BadRequestError."""
    line, _, block = head.partition(b"\r\n")
    try:
        method, target, version = line.split(b" ")
    except ValueError:
        raise BadRequestError("malformed request line") from None
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if method == b"PRI":
            raise BadRequestError("this server does not speak HTTP/2")
        if version.startswith(b"HTTP/"):
            raise BadRequestError("unsupported protocol version", 505)
        raise BadRequestError("malformed HTTP version")
    name = _METHODS.get(method)
    if name is None:
        if not _TOKEN.fullmatch(method):
            raise BadRequestError("invalid method")
        name = method.decode()
    headers = _known_headers.get(block)
    if headers is None:
        headers = _parse_headers(block)
        _remember(_known_headers, block, headers)
    found = _known_targets.get(target)
    if found is None:
        found = _parse_target(target)
        _remember(_known_targets, target, found)
    if not headers.has_host and version == b"HTTP/1.1":
        raise BadRequestError("missing required Host header")
    return Head(name, found[0], found[1], headers, version == b"HTTP/1.0")


def _remember(known: dict[bytes, T], key: bytes, value: T) -> None:
    if len(key) <= MAX_KNOWN_BYTES:
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[key] = value


def _parse_target(target: bytes) -> tuple[str, Mapping[str, str]]:
    try:
        text = target.decode("ascii")
    except UnicodeDecodeError:
        text = target.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    if not text.startswith("/"):
        scheme, separator, rest = text.partition("://")
        if separator and scheme.lower() in ("http", "https"):  # absolute form, as a proxy gets it
            text = "/" + rest.partition("/")[2]
        elif text != "*":
            raise BadRequestError("malformed request target")
    path, _, query_text = text.partition("#")[0].partition("?")
    query: dict[str, str] = {}
    if query_text:
        try:
            for name, value in parse_qsl(query_text, keep_blank_values=True, max_num_fields=1000):
                query.setdefault(name, value)
        except ValueError:
            raise BadRequestError("too many query parameters") from None
    return unquote(path) if "%" in path else path, query


def _parse_headers(block: bytes) -> Headers:
    values: dict[str, str] = {}
    length_text = ""
    hosts = 0
    for line in block.split(b"\r\n") if block else ():
        raw_name, colon, raw_value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(raw_name):
            raise BadRequestError("malformed header line")
        value = raw_value.strip(b" \t")
        if _BAD_VALUE.search(value):
            raise BadRequestError("invalid header field value")
        name, text = raw_name.decode().lower(), value.decode("utf-8", "replace")
        if name in values:
            if name == "content-length" and text != length_text:
                raise BadRequestError("several Content-Length headers")
            if name == "transfer-encoding":
                raise BadRequestError("several Transfer-Encoding headers")
            if name.startswith(("impersonate-", "x-remote-")):
                text = f"{values[name]}\n{text}"  # all of them count, and no value can hold a newline
            elif name in ("accept", "accept-encoding", "connection"):
                text = f"{values[name]}, {text}"
        if name == "content-length":
            length_text = text
        elif name == "host":
            hosts += 1
        values[name] = text
    if hosts > 1:
        raise BadRequestError("too many Host headers")
    length = _body_length(values, length_text)
    connection = {part.strip() for part in values.get("connection", "").lower().split(",")}
    return Headers(
        values,
        length,
        "close" in connection,
        "keep-alive" in connection,
        values.get("expect", "").lower() == "100-continue",
        _accepts_gzip(values.get("accept-encoding", "")),
        hosts == 1,
    )


def _body_length(values: Mapping[str, str], length_text: str) -> int:
    coding = values.get("transfer-encoding")
    if coding is not None:
        if "content-length" in values:
            raise BadRequestError("both Content-Length and Transfer-Encoding")
        if coding.lower() != "chunked":
            raise BadRequestError("unsupported transfer encoding", 501)
        return -1
    if "content-length" not in values:
        return 0
    if not (length_text.isascii() and length_text.isdecimal()) or len(length_text) > 18:
        raise BadRequestError("bad Content-Length")
    return int(length_text)


def _accepts_gzip(text: str) -> bool:
    for item in text.split(","):
        coding, _, parameter = item.partition(";")
        if coding.strip().lower() == "gzip":
            return parameter.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class ChunkedBody:
    """A body in chunks, taken apart as it comes. `size`: bytes so far."""

    __slots__ = ("size", "parts", "_buffer", "_missing", "_trailer")

    def __init__(self) -> None:
        self.size = 0
        self.parts: list[bytes] = []
        self._buffer = b""
        self._missing = -1  # of the present chunk, its CRLF included; -1: a size line comes next
        self._trailer = -1  # bytes of trailers seen; -1: not there yet

    def feed(self, data: bytes) -> bytes | None:
        """None: more is to come; else what follows the body. Raises BadRequestError."""
        data = self._buffer + data if self._buffer else data
        self._buffer = b""
        while True:
            if self._trailer >= 0:
                line, newline, rest = data.partition(b"\r\n")
                self._trailer += len(line)
                if self._trailer > MAX_TRAILER_BYTES:
                    raise BadRequestError("trailers are too long", 431)
                if not newline:
                    self._trailer -= len(line)
                    self._buffer = data
                    return None
                if not line:
                    return rest
                data = rest
            elif self._missing > 0:
                if len(data) < self._missing:
                    self._take(data)
                    return None
                data = self._finish_chunk(data)
            else:
                line, newline, rest = data.partition(b"\r\n")
                if len(line) > MAX_CHUNK_LINE_BYTES:
                    raise BadRequestError("a chunk's size is too long")
                if not newline:
                    self._buffer = data
                    return None
                size = self._parse_size(line)
                data = rest
                if size:
                    self._missing = size + 2
                else:
                    self._trailer = 0

    def _parse_size(self, line: bytes) -> int:
        digits = line.partition(b";")[0].strip(b" \t")
        if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
            raise BadRequestError("bad chunk size")
        return int(digits, 16)

    def _take(self, data: bytes) -> None:
        """A part of a chunk; its last two bytes are no content."""
        if self._missing - len(data) >= 2:
            content = data
        else:
            content = data[: self._missing - 2]
            if not b"\r\n".startswith(data[len(content) :]):
                raise BadRequestError("a chunk is longer than its size")
        if content:
            self.parts.append(content)
            self.size += len(content)
        self._missing -= len(data)

    def _finish_chunk(self, data: bytes) -> bytes:
        missing = self._missing
        if data[max(missing - 2, 0) : missing] != b"\r\n"[-min(missing, 2) :]:
            raise BadRequestError("a chunk is longer than its size")
        if missing > 2:
            self.parts.append(data[: missing - 2])
            self.size += missing - 2
        self._missing = -1
        return data[missing:]


# ---- responses ----

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_known_starts: dict[tuple[object, ...], bytes] = {}


def response_start(status: int, headers: Mapping[str, str]) -> bytes:
    """The status line and the headers that are the same for many answers; "Cache-Control" unless they say another."""
    key = (status, *headers.items())
    start = _known_starts.get(key)
    if start is None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
        named = {"Cache-Control": "no-cache, private", **headers}
        lines += [f"{name}: {_clean(value)}" for name, value in named.items()]
        start = ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")
        if len(_known_starts) >= MAX_KNOWN:
            _known_starts.clear()
        _known_starts[key] = start
    return start


def header_line(name: str, value: str) -> bytes:
    return f"{name}: {_clean(value)}\r\n".encode("utf-8", "replace")


def _clean(value: str) -> str:
    """Without what would end the header."""
    return value.replace("\r", " ").replace("\n", " ") if "\n" in value or "\r" in value else value


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
