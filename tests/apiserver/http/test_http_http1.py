"""HTTP/1.1 as bytes: heads, chunks and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.http import http1
from apiserver.http.durations import parse_duration, request_timeout_s
from apiserver.http.http1 import BadRequestError, ChunkedBody, chunk, parse_head, response_start


def head(line: str = "GET / HTTP/1.1", *headers: str) -> http1.Head:
    return parse_head("\r\n".join([line, "Host: h", *headers]).encode())


def test_a_request_is_taken_apart():
    found = head("GET /api/v1/a%2Fb?limit=3&x=a+b&x=second&watch HTTP/1.1", "Accept: a", "X-Two: 1", "x-two: 2")
    assert (found.method, found.path) == ("GET", "/api/v1/a/b")
    assert found.query == {"limit": "3", "x": "a b", "watch": ""}
    assert found.headers.values == {"host": "h", "accept": "a", "x-two": "2"}
    assert not found.is_http_10


def test_what_was_understood_once_is_found_again():
    first, second = head("GET /same?a=1 HTTP/1.1"), head("GET /same?a=1 HTTP/1.1")
    assert first.headers is second.headers
    assert first.query is second.query


def test_what_is_remembered_is_bounded():
    for number in range(3000):
        head(f"GET /{number} HTTP/1.1", f"X: {number}")
    head("GET / HTTP/1.1", "X: " + "x" * 10_000)
    assert len(http1._known_headers) <= http1.MAX_KNOWN
    assert len(http1._known_targets) <= http1.MAX_KNOWN
    assert all(len(block) <= http1.MAX_KNOWN_BYTES for block in http1._known_headers)


def test_acting_as_several_groups_keeps_all_of_them():
    found = head("GET / HTTP/1.1", "Impersonate-Group: a", "Impersonate-Group: b, c", "Accept: x", "Accept: y")
    assert found.headers.values["impersonate-group"] == "a\nb, c"
    assert found.headers.values["accept"] == "x, y"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        (["Content-Length: 5"], {"length": 5}),
        (["Content-Length: 5", "Content-Length: 5"], {"length": 5}),
        (["Transfer-Encoding: Chunked"], {"length": -1}),
        (["Connection: Keep-Alive, close"], {"closes": True, "keeps_alive": True}),
        (["Expect: 100-Continue"], {"expects_continue": True}),
        (["Accept-Encoding: deflate, gzip;q=0.5"], {"accepts_gzip": True}),
        (["Accept-Encoding: gzip;q=0, br"], {"accepts_gzip": False}),
    ],
)
def test_what_headers_mean(headers: list[str], wanted: dict):
    found = head("POST / HTTP/1.1", *headers).headers
    assert {name: getattr(found, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /", 400),
        (b"GET / HTTP/2.0\r\nHost: h", 505),
        (b"GET / HTTQ/1.1\r\nHost: h", 400),
        (b"GET  / HTTP/1.1\r\nHost: h", 400),
        (b"GE(T / HTTP/1.1\r\nHost: h", 400),
        (b"GET nowhere HTTP/1.1\r\nHost: h", 400),
        (b"GET / HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        (b"GET / HTTP/1.1\r\nHost : h", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\n folded", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nno colon", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked", 501),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        (b"GET /?" + b"&".join(b"a=1" for _ in range(2000)) + b" HTTP/1.1\r\nHost: h", 400),
    ],
)
def test_what_can_be_read_two_ways_is_refused(raw: bytes, status: int):
    with pytest.raises(BadRequestError) as refused:
        parse_head(raw)
    assert refused.value.status == status


@given(st.binary(max_size=200))
def test_nonsense_is_refused_and_nothing_else_happens(raw: bytes):
    for candidate in (raw, b"GET / HTTP/1.1\r\nHost: h\r\n" + raw, b"GET /" + raw + b" HTTP/1.1\r\nHost: h"):
        try:
            parse_head(candidate)
        except BadRequestError:
            pass


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.binary(max_size=10), st.data())
def test_a_chunked_body_is_the_same_however_it_arrives(pieces: list[bytes], rest: bytes, data):
    raw = b"".join(chunk(piece) for piece in pieces) + b"0\r\nX-Trailer: 1\r\n\r\n" + rest
    body, at, left = ChunkedBody(), 0, None
    while left is None:
        step = data.draw(st.integers(1, 40))
        left = body.feed(raw[at : at + step])
        at += step
    assert b"".join(body.parts) == b"".join(pieces)
    assert body.size == len(b"".join(pieces))
    assert left + raw[at:] == rest


@pytest.mark.parametrize(
    "raw",
    [b"x\r\n", b"-1\r\n", b"\r\n", b"1\r\nabc", b"1\r\naXX", b"f" * 16 + b"\r\n", b"1;" + b"x" * 2000, b"1 1\r\n"],
)
def test_a_chunk_that_is_none_is_refused(raw: bytes):
    for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
        body = ChunkedBody()
        with pytest.raises(BadRequestError):
            for piece in pieces:
                assert body.feed(piece) is None


def test_endless_trailers_are_refused():
    body = ChunkedBody()
    body.feed(b"0\r\n")
    with pytest.raises(BadRequestError):
        for _ in range(10_000):
            body.feed(b"X: y\r\n")


def test_a_header_cannot_be_broken_out_of():
    start = response_start(200, {"X": "a\r\nSet-Cookie: b"})
    assert start == b"HTTP/1.1 200 OK\r\nCache-Control: no-cache, private\r\nX: a  Set-Cookie: b\r\n"
    assert response_start(404, {"Cache-Control": "public"}) == b"HTTP/1.1 404 Not Found\r\nCache-Control: public\r\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("0", 0),
        ("-2s", -2),
        ("10", None),
        ("s", None),
        ("", None),
    ],
)
def test_durations_are_written_as_go_writes_them(text: str, seconds: float | None):
    assert parse_duration(text) == seconds


def test_a_client_may_ask_for_less_time_and_not_for_more():
    assert [request_timeout_s({"timeout": text}) for text in ("1s", "5m", "0", "")] == [1, 60, 60, 60]
