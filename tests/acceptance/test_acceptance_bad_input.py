"""Bad input over real sockets: the right Status, nothing lost, no 500, no memory without a bound.

Every case is sent to one server that holds one object; afterwards the object is as it was and the server answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest
import yarl

from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer
from kvcluster import Cluster

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
MERGE, STRATEGIC, JSON_PATCH, APPLY = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
MIB = 1024 * 1024


class Case(NamedTuple):
    """statuses: any of them is right."""

    name: str
    method: str
    path: str
    statuses: tuple[int, ...]
    body: bytes | None = None
    type: str = JSON
    accept: str = JSON


def nested(depth: int) -> bytes:
    head = b'{"metadata":{"name":"deep"},"data":'
    return head + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


def deep_list(depth: int) -> bytes:
    return b'{"metadata":{"name":"deep"},"data":' + b"[" * depth + b"]" * depth + b"}"


def yaml_bomb() -> bytes:
    """Nine levels of ten aliases each: 10^9 strings, were it expanded."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\n" + "\n".join(lines)).encode()


def config_map(name: str, **fields: Any) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}).encode()


def copies(count: int) -> bytes:
    """A JSON patch whose result doubles with each operation."""
    operations = [{"op": "add", "path": "/data/b", "value": "x" * 1000}]
    operations += [{"op": "copy", "from": "/data", "path": f"/data/c{n}"} for n in range(count)]
    return json.dumps(operations).encode()


def protobuf(raw: bytes) -> bytes:
    """A runtime.Unknown with `raw` as its object, claiming to be a v1 ConfigMap."""
    type_meta = b"\x0a\x02v1\x12\x09ConfigMap"
    return b"k8s\x00\x0a" + bytes([len(type_meta)]) + type_meta + b"\x12" + _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def nested_message(depth: int) -> bytes:
    """Length-delimited fields in each other."""
    raw = b""
    for _ in range(depth):
        raw = b"\x0a" + _varint(len(raw)) + raw
    return raw


CASES = [
    # bodies that are no objects
    Case("no JSON", "POST", MAPS, (400,), b"{nonsense"),
    Case("half a string", "POST", MAPS, (400,), b'{"metadata":{"name":"x'),
    Case("two objects", "POST", MAPS, (400,), b"{}{}"),
    Case("nothing", "POST", MAPS, (400,), b""),
    Case("a list", "POST", MAPS, (400,), b"[1,2]"),
    Case("null", "POST", MAPS, (400, 422), b"null"),
    Case("not UTF-8", "POST", MAPS, (400,), b'{"metadata":{"name":"\xff\xfe"}}'),
    Case("half a surrogate", "POST", MAPS, (400, 422, 201), rb'{"metadata":{"name":"surrogate"},"data":{"a":"\ud800"}}'),
    Case("NaN", "POST", MAPS, (400,), b'{"metadata":{"name":"x"},"data":NaN}'),
    Case("a huge number", "POST", PODS, (400,), b'{"metadata":{"name":"x"},"spec":{"priority":1e400}}'),
    Case("an integer of many digits", "POST", PODS, (400,), b'{"metadata":{"name":"x","generation":' + b"9" * 5000 + b"}}"),
    Case("a number for text", "POST", MAPS, (400,), b'{"metadata":{"name":1}}'),
    Case("text for an object", "POST", MAPS, (400,), b'{"metadata":"x"}'),
    Case("zero bytes", "POST", MAPS, (400,), b"\x00" * 100),
    Case("broken YAML", "POST", MAPS, (400,), b"a: [1, 2\nb: }", YAML),
    Case("YAML tags", "POST", MAPS, (400,), b"!!python/object/apply:os.system ['true']", YAML),
    Case("a YAML bomb", "POST", MAPS, (400, 413, 422), yaml_bomb(), YAML),
    Case("a YAML alias of itself", "POST", MAPS, (400,), b"kind: ConfigMap\nmetadata: &a {name: x, b: *a}", YAML),
    Case("protobuf without magic", "POST", MAPS, (400,), b"\x0a\x02v1", PROTOBUF),
    Case("protobuf: magic alone", "POST", MAPS, (400, 422), b"k8s\x00", PROTOBUF),
    Case("protobuf: cut off", "POST", MAPS, (400,), protobuf(b"\x0a\x7fabc"), PROTOBUF),
    Case("protobuf: noise", "POST", MAPS, (400, 422), protobuf(bytes(range(256)) * 4), PROTOBUF),
    Case("protobuf: an endless varint", "POST", MAPS, (400,), protobuf(b"\x08" + b"\xff" * 50), PROTOBUF),
    # depth
    Case("10,000 objects deep", "POST", MAPS, (400,), nested(10_000)),
    Case("10,000 lists deep", "POST", MAPS, (400,), deep_list(10_000)),
    Case("100,000 lists deep", "POST", MAPS, (400,), deep_list(100_000)),
    Case("deep YAML", "POST", MAPS, (400,), b"data: " + b"[" * 10_000, YAML),
    Case("deep merge patch", "PATCH", f"{MAPS}/kept", (400, 422), b'{"a":' * 10_000 + b"1" + b"}" * 10_000, MERGE),
    Case("deep strategic patch", "PATCH", f"{MAPS}/kept", (400, 422), b'{"a":' * 10_000 + b"1" + b"}" * 10_000, STRATEGIC),
    Case("deep apply", "PATCH", f"{MAPS}/kept?fieldManager=m", (400,), b'{"a":' * 10_000 + b"1" + b"}" * 10_000, APPLY),
    Case("deep protobuf", "POST", CRDS, (400, 415, 422), protobuf(nested_message(3_000)), PROTOBUF),
    # size
    Case("4 MiB", "POST", MAPS, (413,), config_map("big", data={"a": "x" * 4 * MIB})),
    Case("4 MiB of JSON patch", "PATCH", f"{MAPS}/kept", (413,), b"[" + b" " * 4 * MIB + b"]", JSON_PATCH),
    Case("a config map of 2 MiB", "POST", MAPS, (422,), config_map("big", data={"a": "x" * 2 * MIB})),
    Case("copies of copies", "PATCH", f"{MAPS}/kept", (400, 413, 422), copies(60), JSON_PATCH),
    Case("20,000 operations", "PATCH", f"{MAPS}/kept", (413,), json.dumps([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 20_000).encode(), JSON_PATCH),  # noqa: E501
    Case("annotations of 300 KiB", "POST", MAPS, (422,), json.dumps({"metadata": {"name": "a", "annotations": {"a": "x" * 300_000}}}).encode()),  # noqa: E501
    # verbs, types and paths
    Case("a verb of nobody", "BREW", MAPS, (400, 405)),
    Case("a verb of others", "PROPFIND", MAPS, (405,)),
    Case("a verb of others on nothing", "PROPFIND", "/nothing", (403, 404, 405)),
    Case("POST to an object", "POST", f"{MAPS}/kept", (405,), b"{}"),
    Case("PUT to a collection", "PUT", MAPS, (405,), b"{}"),
    Case("PATCH of a collection", "PATCH", MAPS, (405,), b"{}", MERGE),
    Case("text/plain", "POST", MAPS, (415,), b"{}", "text/plain"),
    Case("a form", "POST", MAPS, (415,), b"a=1", "application/x-www-form-urlencoded"),
    Case("a broken content type", "POST", MAPS, (400, 415), b"{}", ";;;"),
    Case("CBOR", "POST", MAPS, (415,), b"\xa0", "application/cbor"),
    Case("a patch of no type", "PATCH", f"{MAPS}/kept", (415,), b"{}", JSON),
    Case("strange Accept", "GET", MAPS, (406,), accept="image/png"),
    Case("broken Accept", "GET", MAPS, (200, 400, 406), accept=";;,,;q=x"),
    Case("a Table of version 9", "GET", MAPS, (406,), accept="application/json;as=Table;v=v9;g=meta.k8s.io"),
    Case("no such group", "GET", "/apis/nothing/v1/things", (404,)),
    Case("no such resource", "GET", "/api/v1/things", (404,)),
    Case("no such subresource", "GET", f"{MAPS}/kept/nothing", (404,)),
    Case("a path of a megabyte", "GET", f"{MAPS}/{'a' * MIB}", (400, 404, 414, 431)),
    Case("dots", "GET", "/api/v1/namespaces/default/../../v1/configmaps/%2e%2e", (400, 404)),
    Case("a zero byte in a name", "GET", f"{MAPS}/a%00b", (400, 404)),
    Case("a slash in a name", "GET", f"{MAPS}/a%2Fb", (400, 404)),
    Case("an impossible percent", "GET", f"{MAPS}/%ff%fe", (400, 404)),
    Case("an upper-case name", "POST", MAPS, (422,), config_map("UPPER")),
    Case("another kind", "POST", MAPS, (400,), b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}'),
    Case("another version", "POST", MAPS, (400,), b'{"apiVersion":"v9","kind":"ConfigMap","metadata":{"name":"x"}}'),
    # queries
    Case("limit=abc", "GET", f"{MAPS}?limit=abc", (400,)),
    Case("a broken continue", "GET", f"{MAPS}?limit=1&continue=!!!", (400,)),
    Case("a continue of another shape", "GET", f"{MAPS}?continue=eyJ2IjoxfQ", (400,)),
    Case("a version that is no number", "GET", f"{MAPS}?resourceVersion=abc", (400,)),
    Case("a negative version", "GET", f"{MAPS}?resourceVersion=-1", (400,)),
    Case("a version of many digits", "GET", f"{MAPS}?resourceVersion={'9' * 100}", (400,)),
    Case("a broken label selector", "GET", f"{MAPS}?labelSelector=((,", (400,)),
    Case("a broken field selector", "GET", f"{MAPS}?fieldSelector=a", (400,)),
    Case("an unknown field selector", "GET", f"{MAPS}?fieldSelector=spec.x=1", (400,)),
    Case("timeoutSeconds=abc", "GET", f"{MAPS}?watch=1&timeoutSeconds=abc", (400,)),
    Case("an unknown match", "GET", f"{MAPS}?resourceVersion=1&resourceVersionMatch=Maybe", (422,)),
    Case("initial events of a list", "GET", f"{MAPS}?sendInitialEvents=true", (422,)),
    Case("dryRun=Some", "POST", f"{MAPS}?dryRun=Some", (400, 422), config_map("dry")),
    Case("fieldValidation=Maybe", "POST", f"{MAPS}?fieldValidation=Maybe", (400, 422), config_map("dry")),
    Case("a manager of 300 letters", "POST", f"{MAPS}?fieldManager={'m' * 300}", (400, 422), config_map("dry")),
    # patches and options
    Case("a merge patch that is a list", "PATCH", f"{MAPS}/kept", (400, 422), b"[]", MERGE),
    Case("a JSON patch that is an object", "PATCH", f"{MAPS}/kept", (400,), b"{}", JSON_PATCH),
    Case("a JSON patch of nothing there", "PATCH", f"{MAPS}/kept", (422,), b'[{"op":"remove","path":"/x/y"}]', JSON_PATCH),
    Case("a patch that breaks the type", "PATCH", f"{MAPS}/kept", (400, 422), b'{"data":[1]}', MERGE),
    Case("a patch of kind", "PATCH", f"{MAPS}/kept", (400, 422), b'{"kind":"Pod"}', MERGE),
    Case("an apply without manager", "PATCH", f"{MAPS}/kept", (400, 422), config_map("kept"), APPLY),
    Case("an apply that is no object", "PATCH", f"{MAPS}/kept?fieldManager=m", (400,), b"- 1", APPLY),
    Case("delete with a broken body", "DELETE", f"{MAPS}/kept", (400,), b"{nonsense"),
    Case("delete with an unknown policy", "DELETE", f"{MAPS}/kept", (400, 422), b'{"propagationPolicy":"Perhaps"}'),
    Case("delete of another uid", "DELETE", f"{MAPS}/kept", (409,), b'{"preconditions":{"uid":"x"}}'),
    Case("an eviction of nothing", "POST", f"{PODS}/nobody/eviction", (404,), b'{"metadata":{"name":"nobody"}}'),
    Case("a scale of text", "PUT", "/apis/apps/v1/namespaces/default/deployments/x/scale", (400,), b'{"spec":{"replicas":"x"}}'),
]  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with Cluster(members=1) as store:
        running = ApiServer(ApiServerConfig(), store.client())
        await running.start()
        yield running
        await running.stop()


@pytest.fixture
async def session(server: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def send(session: aiohttp.ClientSession, server: ApiServer, case: Case) -> tuple[int, bytes]:
    headers = {"Accept": case.accept}
    if case.body is not None:
        headers["Content-Type"] = case.type
    url = yarl.URL(server.url + case.path, encoded=True)
    async with session.request(case.method, url, data=case.body, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_every_bad_request_gets_its_status_and_nothing_is_lost(server, session):
    kept = Case("", "POST", MAPS, (201,), config_map("kept", data={"a": "1"}))
    before = json.loads((await send(session, server, kept))[1])
    wrong = []
    for case in CASES:
        status, body = await send(session, server, case)
        if status not in case.statuses:
            wrong.append(f"{case.name}: {status}, not {case.statuses}: {body[:200]!r}")
        elif status >= 400 and body.startswith(b"{"):
            said = json.loads(body)
            if said.get("kind") != "Status" or said.get("code") != status or not said.get("message"):
                wrong.append(f"{case.name}: {body[:200]!r}")
    assert not wrong, "\n".join(wrong)
    _, body = await send(session, server, Case("", "GET", f"{MAPS}/kept", (200,)))
    assert json.loads(body) == before


async def test_a_hundred_megabytes_are_refused_before_they_are_read(server):
    """Content-Length says it: refused at once. Chunked: refused after what one request may have."""
    host, port = server.url.removeprefix("http://").split(":")
    for framing in (b"Content-Length: 104857600", b"Transfer-Encoding: chunked"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n\r\n" % (MAPS.encode(), framing)
        )
        sent = 0
        piece = b" " * 65536
        try:
            async with asyncio.timeout(30):
                answered = asyncio.ensure_future(reader.readline())
                while not answered.done() and sent < 100 * MIB:
                    writer.write(b"10000\r\n" + piece + b"\r\n" if b"chunked" in framing else piece)
                    await writer.drain()
                    sent += len(piece)
                    await asyncio.sleep(0)
                status = await answered
        except ConnectionError:
            status = b"closed"  # it did not even wait for us to read its answer
        finally:
            writer.close()
        assert b" 413 " in status or status == b"closed", status
        assert sent < 32 * MIB


async def test_bytes_that_are_no_http(server, session):
    host, port = server.url.removeprefix("http://").split(":")
    for noise in (
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"\x00" * 1000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"A" * 100_000,
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(noise)
        writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert answer == b"" or b" 400 " in answer.split(b"\r\n", 1)[0] or b"HTTP/2" in answer, answer[:100]
        writer.close()
    assert (await send(session, server, Case("", "GET", "/readyz", (200,))))[0] == 200


async def test_watchers_that_hang_up_are_forgotten(server, session):
    cache = await server.registry.cache(server.registry.catalog.find("", "v1", "configmaps"))
    answers = [await session.get(f"{server.url}{MAPS}?watch=1") for _ in range(20)]
    assert cache.watchers == 20
    for answer in answers:
        answer.close()
    async with asyncio.timeout(10):
        while cache.watchers:
            await send(
                session, server, Case("", "GET", "/readyz", (200,))
            )  # turns of the loop, until it has seen the ends


async def test_fields_are_reported_wherever_they_are(server, session):
    spec = {"containers": [{"name": "c", "image": "i", "typo": 1}]}
    body = json.dumps({"metadata": {"name": "x", "labels": {"a": "b"}, "bogus": 1}, "spec": spec})
    body = body.replace('"labels"', '"labels":{"a":"b"},"labels"', 1)
    case = Case("", "POST", f"{PODS}?fieldValidation=Strict", (400,), body.encode())
    status, answer = await send(session, server, case)
    assert status == 400
    message = json.loads(answer)["message"]
    for part in ('unknown field "metadata.bogus"', 'unknown field "spec.containers[0].typo"'):
        assert part in message
    assert 'duplicate field "metadata.labels"' in message
