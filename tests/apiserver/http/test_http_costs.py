"""What requests and watches may cost, in our own Python calls and in encodings. Counted, not timed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import orjson

from apiserver.storage import stored as stored_module
from tests.apiserver.http.test_http_connections import HEADERS, open_wire, until

PODS = "/api/v1/namespaces/default/pods"
GET_CALLS = 75
WRITE_CALLS = 800
"""A pod from the socket to the answer: decoding, defaults, owners of fields, admission, rules, the store."""
PATCH_CALLS = 700
DELIVERY_CALLS = 2


def pod(number: int) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m"}}}
    return {"metadata": {"name": f"p{number}", "labels": {"n": "1"}}, "spec": {"containers": [container]}}


class Calls:
    """Counts calls of functions of ours, by name."""

    def __init__(self, packages: tuple[str, ...] = ("apiserver", "kvcluster")) -> None:
        self.names: list[str] = []
        self._packages = packages

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith(self._packages):
            self.names.append(frame.f_code.co_name)

    def __enter__(self) -> Calls:
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


async def count(http, raw: Callable[[int], str]) -> int:
    """Calls of one request, the store's included, once everything is warm. raw: the n-th request."""
    wire = await open_wire(http)
    for number in range(3):
        wire.send(raw(number))
        await wire.answer()
    best = 10**9
    for number in range(3, 6):
        with Calls() as calls:
            wire.send(raw(number))
            status, _, body = await wire.answer()
        assert status in (200, 201), body
        best = min(best, len(calls.names))  # ticks of the store fall into some of them
    wire.close()
    return best


def request(method: str, path: str, body: Any = None, content_type: str = "application/json") -> str:
    text = "" if body is None else json.dumps(body)
    length = f"Content-Type: {content_type}\r\nContent-Length: {len(text)}\r\n" if text else ""
    return f"{method} {path} HTTP/1.1\r\n{HEADERS}{length}\r\n{text}"


async def test_a_get(http):
    await http.call("POST", PODS, pod(0))
    assert await count(http, lambda number: request("GET", f"{PODS}/p0")) <= GET_CALLS


async def test_a_create(http):
    assert await count(http, lambda number: request("POST", PODS, pod(number))) <= WRITE_CALLS


async def test_a_patch_of_a_label(http):
    await http.call("POST", PODS, pod(0))

    def patch(number: int) -> str:
        body = {"metadata": {"labels": {"n": f"v{number}"}}}
        return request("PATCH", f"{PODS}/p0", body, "application/merge-patch+json")

    assert await count(http, patch) <= PATCH_CALLS


async def test_a_list_encodes_no_pod_twice(http, monkeypatch):
    """2,000 pods: their bytes are those of the writes. Neither encoded, decoded nor spliced for any list."""
    pods = 2000
    for begin in range(0, pods, 100):
        answers = await asyncio.gather(*(http.call("POST", PODS, pod(number)) for number in range(begin, begin + 100)))
        assert {status for status, _, _ in answers} == {201}
    spliced: list[bytes] = []
    encoded: list[Any] = []
    splice = stored_module.Stored._splice

    def counting_splice(self):
        spliced.append(self.key)
        return splice(self)

    class CountingJson:
        loads = staticmethod(orjson.loads)

        @staticmethod
        def dumps(*arguments: Any, **named: Any) -> bytes:
            encoded.append(arguments[0])
            return orjson.dumps(*arguments, **named)

    monkeypatch.setattr(stored_module.Stored, "_splice", counting_splice)
    monkeypatch.setattr(stored_module, "orjson", CountingJson)
    with Calls(("apiserver.storage", "apiserver.http")) as calls:
        for _ in range(3):
            status, listed, _ = await http.call("GET", PODS)
            assert (status, len(listed["items"])) == (200, pods)
    assert spliced == [], "the answer to the create had them already"
    assert encoded == []
    assert calls.names.count("encoded") == pods, "the items are joined once, for three lists"


async def test_an_event_is_rendered_once_and_a_watcher_costs_two_calls(http):
    watchers = 50
    await http.make("a")
    wires = [await open_wire(http) for _ in range(watchers)]
    cache = await http.server.registry.cache(http.server.registry.catalog.find("", "v1", "configmaps"))
    for wire in wires:
        wire.send(f"GET /api/v1/configmaps?watch=1&resourceVersion={cache.revision} HTTP/1.1\r\n{HEADERS}\r\n")
    async with asyncio.timeout(10):
        await until(lambda: cache.watchers == watchers)
    await http.make("b")
    for wire in wires:
        await wire.reader.readuntil(b"}\n\r\n")
    with Calls(("apiserver.storage", "apiserver.http")) as calls:
        await http.make("c")
        for wire in wires:
            await wire.reader.readuntil(b"}\n\r\n")
    assert calls.names.count("deliver") + calls.names.count("framed") <= DELIVERY_CALLS * watchers
    assert calls.names.count("chunk") == 1
    assert calls.names.count("__call__") <= 2, "the line is built once"
    for wire in wires:
        wire.close()
