"""Connections: what a socket may do to the server, and what it gets for it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable

import pytest

from apiserver.http import connections
from apiserver.http.pipeline import MAX_BODY_BYTES

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
HEADERS = "Host: h\r\n"


class Wire:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), headers, body

    async def is_over(self) -> bool:
        try:
            async with asyncio.timeout(20):
                return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.writer.close()


@pytest.fixture
async def wire(http) -> AsyncIterator[Wire]:
    connection = await open_wire(http)
    yield connection
    connection.close()


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - what the server does by itself has no event
        await asyncio.sleep(0)


async def open_wire(http) -> Wire:
    port = int(http.server.url.rsplit(":", 1)[1])
    return Wire(*await asyncio.open_connection("127.0.0.1", port))


async def test_a_request_may_come_in_any_pieces(http, wire):
    body = json.dumps({"metadata": {"name": "a"}})
    raw = f"POST {CONFIGMAPS} HTTP/1.1\r\n{HEADERS}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    for letter in raw:
        wire.send(letter)
        await asyncio.sleep(0)
    status, headers, _ = await wire.answer()
    assert status == 201
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-cache, private"
    assert len(headers["audit-id"]) == 36
    assert headers["date"].endswith("GMT")


async def test_several_requests_at_once_are_answered_in_order(http, wire):
    first, *others = (f"GET {path} HTTP/1.1\r\n{HEADERS}\r\n" for path in ("/healthz", "/nope", "/version"))
    wire.send(first + "\r\n\r\n" + "".join(others))
    assert [(await wire.answer())[0] for _ in range(3)] == [200, 404, 200]


async def test_a_body_in_chunks(http, wire):
    body = json.dumps({"metadata": {"name": "chunked"}}).encode()
    wire.send(f"POST {CONFIGMAPS} HTTP/1.1\r\n{HEADERS}Transfer-Encoding: chunked\r\n\r\n")
    for at in range(0, len(body), 7):
        piece = body[at : at + 7]
        wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await asyncio.sleep(0)
    wire.send("0\r\n\r\n")
    assert (await wire.answer())[0] == 201


async def test_who_asks_first_whether_to_send_its_body_is_told_to(http, wire):
    body = json.dumps({"metadata": {"name": "expected"}})
    wire.send(f"POST {CONFIGMAPS} HTTP/1.1\r\n{HEADERS}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n")
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(body)
    assert (await wire.answer())[0] == 201


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused_and_not_kept(http, wire, is_chunked: bool):
    size = MAX_BODY_BYTES + 1
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    wire.send(f"POST {CONFIGMAPS} HTTP/1.1\r\n{HEADERS}{length}\r\n\r\n")
    filler = b"x" * 65536
    for _ in range(size // len(filler) + 1):
        wire.send(b"%x\r\n%b\r\n" % (len(filler), filler) if is_chunked else filler)
    status, headers, body = await wire.answer()
    assert (status, headers["connection"]) == (413, "close")
    assert json.loads(body)["reason"] == "RequestEntityTooLarge"
    assert await wire.is_over()


@pytest.mark.parametrize(
    "raw",
    [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    + [
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_hung_up_on(http, wire, raw: bytes):
    wire.send(raw)
    wire.writer.write_eof()
    async with asyncio.timeout(20):
        answer = await wire.reader.read()
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"505")


async def test_an_endless_head_is_refused(http, wire):
    wire.send(b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * (300 * 1024))
    assert (await wire.answer())[0] in (400, 431)


@pytest.mark.parametrize(
    ("line", "header", "stays"),
    [
        ("HTTP/1.1", "", True),
        ("HTTP/1.1", "Connection: close\r\n", False),
        ("HTTP/1.0", "", False),
        ("HTTP/1.0", "Connection: keep-alive\r\n", True),
    ],
)
async def test_how_long_a_connection_stays(http, wire, line: str, header: str, stays: bool):
    wire.send(f"GET /healthz {line}\r\n{HEADERS}{header}\r\n")
    assert (await wire.answer())[0] == 200
    if stays:
        wire.send(f"GET /healthz HTTP/1.1\r\n{HEADERS}\r\n")
        assert (await wire.answer())[0] == 200
    else:
        assert await wire.is_over()


async def test_a_head_request_has_a_length_and_no_body(http, wire):
    wire.send(f"HEAD /version HTTP/1.1\r\n{HEADERS}\r\n")
    head = (await wire.reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert int(head.split("content-length: ")[1].split("\r\n")[0]) > 100
    wire.send(f"GET /healthz HTTP/1.1\r\n{HEADERS}\r\n")
    assert (await wire.answer())[2] == b"ok"


async def test_a_clients_audit_id_is_its_own(http, wire):
    wire.send(f"GET /healthz HTTP/1.1\r\n{HEADERS}Audit-ID: mine\r\n\r\n")
    assert (await wire.answer())[1]["audit-id"] == "mine"
    wire.send(f"GET /healthz HTTP/1.1\r\n{HEADERS}\r\n" * 2)
    first, second = [(await wire.answer())[1]["audit-id"] for _ in range(2)]
    assert first != second


async def test_large_answers_are_packed_for_who_can_unpack_them(http, wire):
    for name in ("a", "b"):
        await http.make(name, filler="x" * 100_000)
    plain = f"GET {CONFIGMAPS} HTTP/1.1\r\n{HEADERS}\r\n"
    wire.send(plain)
    _, headers, body = await wire.answer()
    assert "content-encoding" not in headers
    wire.send(plain[:-2] + "Accept-Encoding: gzip\r\n\r\n")
    _, headers, packed = await wire.answer()
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(packed) == body
    assert len(packed) < len(body) / 10
    wire.send(f"GET {CONFIGMAPS}/a HTTP/1.1\r\n{HEADERS}Accept-Encoding: gzip\r\n\r\n")
    assert "content-encoding" not in (await wire.answer())[1], "100 KB are sent as they are"


async def test_a_request_takes_no_longer_than_it_asked_for(http, wire, monkeypatch):
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(type(http.server.registry), "get", never)
    wire.send(f"GET {CONFIGMAPS}/a?timeout=20ms HTTP/1.1\r\n{HEADERS}\r\n")
    status, _, body = await wire.answer()
    said = json.loads(body)
    assert (status, said["reason"]) == (504, "Timeout")
    assert said["message"].startswith("Timeout: request did not complete within requested timeout")
    wire.send(f"GET {CONFIGMAPS}/a?timeout=soon HTTP/1.1\r\n{HEADERS}\r\n")
    assert (await wire.answer())[0] == 400


async def test_the_sweep_ends_what_takes_too_long(http, wire):
    wire.send("GET / HT")
    web = http.server._web
    async with asyncio.timeout(10):
        await until(lambda: bool(web.connections))
    web.expire(float("inf"))
    assert await wire.is_over()


async def test_a_client_that_hangs_up_leaves_nothing_behind(http):
    web = http.server._web
    cache = await http.server.registry.cache(http.server.registry.catalog.find("", "v1", "configmaps"))
    wires = [await open_wire(http) for _ in range(5)]
    for wire in wires:
        wire.send(f"GET {CONFIGMAPS}?watch=1 HTTP/1.1\r\n{HEADERS}\r\n")
        await wire.reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(10):
        await until(lambda: cache.watchers == 5)
        for wire in wires:
            wire.writer.transport.abort()
        await until(lambda: not cache.watchers and not web.connections)
    assert cache._groups == {}


async def test_a_watch_for_a_client_without_chunks(http, wire):
    """HTTP/1.0: the lines as they are, until the connection ends."""
    wire.send(f"GET {CONFIGMAPS}?watch=1&timeoutSeconds=1 HTTP/1.0\r\n\r\n")
    await http.make("a")
    async with asyncio.timeout(10):
        raw = await wire.reader.read()
    body = raw.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["object"]["metadata"]["name"] == "a"


async def test_a_connection_goes_on_after_its_watch(http, wire):
    wire.send(
        f"GET {CONFIGMAPS}?watch=1&timeoutSeconds=1 HTTP/1.1\r\n{HEADERS}\r\nGET /healthz HTTP/1.1\r\n{HEADERS}\r\n"
    )
    async with asyncio.timeout(10):
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        assert await wire.reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert (await wire.answer())[2] == b"ok"


async def test_a_watcher_that_does_not_read_is_closed_and_others_are_not(http, monkeypatch):
    monkeypatch.setattr(connections, "WATCH_BUFFER_BYTES", 64 * 1024)
    cache = await http.server.registry.cache(http.server.registry.catalog.find("", "v1", "configmaps"))
    slow = await open_wire(http)
    slow.writer.transport.pause_reading()
    slow.send(f"GET {CONFIGMAPS}?watch=1 HTTP/1.1\r\n{HEADERS}\r\n")
    quick = await http.watch("")
    async with asyncio.timeout(20):
        await until(lambda: cache.watchers == 2)
        number = 0
        while cache.watchers == 2:
            await http.make(f"n{number}", filler="x" * 500_000)
            assert await quick.names(1) == [("ADDED", f"n{number}")]
            number += 1
    assert number < 100, "the kernel's buffers and ours, and no more"
    slow.close()


async def test_a_server_that_stops_lets_requests_end(http, wire):
    wire.send(f"GET /healthz HTTP/1.1\r\n{HEADERS}\r\n")
    await wire.answer()
    async with asyncio.timeout(10):
        await http.server.stop()
    assert await wire.is_over()


async def test_what_clients_say_breaks_no_header(http):
    """A warning names the unknown field, whatever its name is; a redirect names the path."""
    body = json.dumps({"metadata": {"name": "odd"}, "a\x00\x1f\x7f\r\nb\u00e9": 1}).encode()
    status, _, headers = await http.call("POST", CONFIGMAPS, body)
    assert (status, headers["Warning"].count("unknown field")) == (201, 1)
    wire = await open_wire(http)
    wire.send(b"GET /openapi/v3/apis/apps/v1?hash=%00\xff HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await wire.answer())[0] in (301, 400)
    wire.close()


async def test_deep_nesting_is_a_bad_request(http):
    for body in (
        b"[" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"metadata":{"name":"a"},"data":' + b"[" * 10_000,
    ):
        status, said, _ = await http.call("POST", CONFIGMAPS, body)
        assert (status, said["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "PURGE"])
async def test_unknown_verbs_are_405(http, wire, method: str):
    wire.send(f"{method} {CONFIGMAPS} HTTP/1.1\r\n{HEADERS}\r\n")
    status, _, body = await wire.answer()
    assert (status, json.loads(body)["reason"]) == (405, "MethodNotAllowed")
