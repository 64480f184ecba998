"""The JSON gateway, beside that of a real etcd: the same requests, the same statuses, headers and bodies.

What may differ: ids, terms and sizes; the words in which JSON that is none is refused; and what newer etcds added
(`details` in errors, /v3/maintenance/hashkv, /v3alpha).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from kvcluster.server import Server
from kvcluster.watch import State

ETCD = shutil.which("etcd")


def ask(path: str, body: Any = None) -> tuple[str, str, str]:
    return "POST", path, body if isinstance(body, str) else json.dumps(body or {})


KEY = {"key": "Zm9v"}
REQUESTS: list[tuple[str, str, str]] = [
    ask("/v3/kv/range", KEY),
    ask("/v3beta/kv/range", KEY),
    ask("/v3/kv/put", KEY | {"value": "YmFy"}),
    ask("/v3/kv/put", KEY | {"value": "YmFy", "prev_kv": True}),
    ask("/v3/kv/put", KEY | {"value": "YmFy", "prevKv": True}),
    ask("/v3/kv/put", KEY | {"value": "YmFy", "lease": "5"}),
    ask("/v3/kv/put", {"value": "YmFy"}),
    ask("/v3/kv/range", KEY),
    ask("/v3/kv/range", ""),
    ask("/v3/kv/range", "null"),
    ask("/v3/kv/range", "{"),
    ask("/v3/kv/range", "[]"),
    ask("/v3/kv/range", '"x"'),
    ask("/v3/kv/range", '{"key":5}'),
    ask("/v3/kv/range", '{"key":"!!"}'),
    ask("/v3/kv/range", KEY | {"nothing": 1}),
    ask("/v3/kv/range", KEY | {"limit": "1"}),
    ask("/v3/kv/range", KEY | {"limit": 1}),
    ask("/v3/kv/range", KEY | {"limit": "x"}),
    ask("/v3/kv/range", KEY | {"limit": 1.5}),
    ask("/v3/kv/range", KEY | {"count_only": "true"}),
    ask("/v3/kv/range", KEY | {"count_only": True}),
    ask("/v3/kv/range", KEY | {"keys_only": True}),
    ask("/v3/kv/range", KEY | {"sort_order": "DESCEND", "sort_target": "MOD"}),
    ask("/v3/kv/range", KEY | {"sort_order": 2}),
    ask("/v3/kv/range", KEY | {"sort_order": "X"}),
    ask("/v3/kv/range", KEY | {"revision": 100}),
    ask("/v3/kv/range", KEY | {"range_end": "AA=="}),
    ask("/v3/kv/range", '{"key":"Zm9v"} {"key":"YQ=="}'),
    ask("/v3/kv/range", '{"key":"Zm9v"} garbage'),
    ask("/v3/kv/range?key=Zm9v"),
    ask("/v3/kv/txn", {"compare": [KEY | {"target": "VALUE", "value": "YmFy"}],
                       "success": [{"requestPut": KEY | {"value": "YmF6"}}], "failure": [{"request_range": KEY}]}),
    ask("/v3/kv/txn", {"compare": [KEY | {"target": "VERSION", "version": "99"}],
                       "success": [{"request_put": KEY}], "failure": [{"request_range": KEY}]}),
    ask("/v3/kv/txn", {"success": [{"request_put": KEY}, {"request_delete_range": KEY}]}),
    ask("/v3/kv/txn", {"success": [{"request_txn": {"success": [{"request_range": KEY}]}}]}),
    ask("/v3/kv/deleterange", {"key": "bm8="}),
    ask("/v3/kv/deleterange", KEY | {"prev_kv": True}),
    ask("/v3/kv/compaction", {"revision": "2"}),
    ask("/v3/kv/compaction", {"revision": "2"}),
    ask("/v3/kv/compaction", {"revision": "99"}),
    ask("/v3/kv/range", KEY | {"revision": 1}),
    ask("/v3/lease/grant", {"TTL": "1000", "ID": "77"}),
    ask("/v3/lease/grant", {"TTL": 1000, "ID": 77}),
    ask("/v3/lease/grant", {"TTL": "9000000001"}),
    ask("/v3/lease/timetolive", {"ID": 77, "keys": True}),
    ask("/v3/kv/lease/timetolive", {"ID": 77}),
    ask("/v3/lease/timetolive", {"ID": 78}),
    ask("/v3/lease/leases"),
    ask("/v3/kv/lease/leases"),
    ask("/v3/lease/keepalive", {"ID": 77}),
    ask("/v3/lease/keepalive", '{"ID":77}{"ID":78}\n{"ID":77}'),
    ask("/v3/lease/keepalive", "{"),
    ask("/v3/lease/keepalive", '{"ID":"x"}'),
    ask("/v3/kv/lease/revoke", {"ID": 77}),
    ask("/v3/lease/revoke", {"ID": 77}),
    ask("/v3/watch", "{"),
    ask("/v3/watch", {"create_request": {"key": "!"}}),
    ask("/v3/cluster/member/list"),
    ask("/v3/maintenance/alarm"),
    ask("/v3/maintenance/alarm", {"action": "ACTIVATE", "alarm": "NOSPACE", "memberID": "5"}),
    ask("/v3/maintenance/alarm", {"action": "DEACTIVATE", "alarm": "NOSPACE", "memberID": "5"}),
    ask("/v3/maintenance/defragment"),
    ask("/v3/maintenance/transfer-leadership", {"targetID": 5}),
    ask("/v3/maintenance/downgrade", {"version": "9.9"}),
    ask("/v3/maintenance/downgrade", {"action": "CANCEL"}),
    ask("/v3/auth/status"),
    ask("/v3/auth/authenticate", {"name": "a", "password": "b"}),
    ask("/v3/auth/role/add", {"name": "r"}),
    ask("/v3/auth/role/grant", {"name": "r", "perm": {"permType": "READWRITE", "key": "YQ==", "range_end": "Yg=="}}),
    ask("/v3/auth/role/get", {"role": "r"}),
    ask("/v3/auth/role/list"),
    ask("/v3/auth/role/revoke", {"role": "r", "key": "YQ=="}),
    ask("/v3/auth/role/delete", {"role": "none"}),
    ask("/v3/auth/user/add", {"name": "u", "options": {"no_password": True}}),
    ask("/v3/auth/user/grant", {"user": "u", "role": "r"}),
    ask("/v3/auth/user/get", {"name": "u"}),
    ask("/v3/auth/user/list"),
    ask("/v3/auth/user/revoke", {"name": "u", "role": "none"}),
    ask("/v3/auth/user/delete", {"name": "u"}),
    ask("/v3/auth/enable"),
    ask("/v3/auth/disable"),
    ask("/v3/election/leader", {"name": "eA=="}),
    ask("/v3/election/proclaim"),
    ask("/v3/lock/unlock", {"key": "eA=="}),
    ("GET", "/v3/kv/range", ""),
    ("PUT", "/v3/kv/range", "{}"),
    ("DELETE", "/v3/kv/range", ""),
    ("OPTIONS", "/v3/kv/range", ""),
    ask("/v3/nothing"),
    ask("/v3/kv/range/"),
    ask("/nothing"),
    ("GET", "/", ""),
    ("GET", "/v2/keys/x", ""),
    ("GET", "/health", ""),
    ("POST", "/health", ""),
    ("GET", "/health?serializable=true&exclude=NOSPACE", ""),
    ("POST", "/version", ""),
    ("OPTIONS", "/health", ""),
]  # fmt: skip

HEADERS = ("Content-Type", "Grpc-Metadata-Content-Type", "Allow", "X-Content-Type-Options", "Access-Control-Allow-Origin",
           "Access-Control-Allow-Methods", "Access-Control-Allow-Headers")  # fmt: skip
VARIABLE = ("cluster_id", "member_id", "raft_term", "TTL", "members")
ETCDS_WORDS = ("etcdserver: ", "election: ", '"leader" field')


def comparable(body: str) -> Any:
    """A body as lines of JSON without what may differ; as it is where it is none."""
    try:
        return [_normal(json.loads(line)) for line in body.splitlines()]
    except json.JSONDecodeError:
        return body


def _normal(value: Any) -> Any:
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: "…" if name in VARIABLE else _normal(item) for name, item in value.items() if name != "details"}
    if not str(found.get("message", "etcdserver: ")).startswith(ETCDS_WORDS):
        found["message"] = found["error"] = "…"
    return found


async def answers(url: str) -> list[Any]:
    found = []
    async with aiohttp.ClientSession() as session:
        for method, path, body in REQUESTS:
            async with session.request(method, url + path, data=body or None, allow_redirects=False) as response:
                text = comparable(await response.text())
                headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
                found.append((f"{method} {path} {body}", response.status, headers, text))
    return found


@pytest.fixture
async def etcd(tmp_path: Any, free_ports: Any) -> AsyncIterator[str]:
    if ETCD is None:
        pytest.skip("no etcd to compare with")
    client, peer = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    process = await asyncio.create_subprocess_exec(
        ETCD, "--data-dir", str(tmp_path), "--listen-client-urls", client, "--advertise-client-urls", client,
         "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        "--unsafe-no-fsync", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{client}/health") as response:
                        if response.status == 200:
                            break
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.05)
        yield client
    finally:
        process.terminate()
        await process.wait()


async def test_the_gateway_answers_as_etcds(server: Server, etcd: str):
    ours, theirs = await answers(server.client_url), await answers(etcd)
    assert len(REQUESTS) > 90
    assert ours == theirs


# ---- what cannot be compared line by line ----


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(session: aiohttp.ClientSession, server: Server, path: str, **body: Any) -> Any:
    async with session.post(f"{server.client_url}/v3/{path}", json=body) as response:
        return await response.json()


async def test_a_watch_is_a_line_an_answer(server: Server, session: aiohttp.ClientSession):
    """Each line comes by itself and at once: clients parse every read of theirs as one document."""
    create = {"create_request": {"key": "Zm9v", "progress_notify": True}}
    async with session.post(f"{server.client_url}/v3/watch", json=create) as response:
        chunk, _ = await response.content.readchunk()
        assert json.loads(chunk)["result"]["created"] is True
        for value in ("MQ==", "Mg=="):
            await post(session, server, "kv/put", key="Zm9v", value=value)
            chunk, _ = await response.content.readchunk()
            (event,) = json.loads(chunk)["result"]["events"]
            assert event["kv"]["value"] == value
        assert len(server.member.hub) == 1
    await server.driver.until(lambda: not len(server.member.hub))  # the client has hung up


async def test_requests_of_a_stream_may_come_in_pieces(server: Server):
    """Cut anywhere, also within a character, a string or an escape."""
    first = '{"create_request": {"key": "Zm9v", "nothing": "{\\"é}"}}'.encode()
    second = b'{"progress_request": {}}'
    host, _, port = server.client_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v3/watch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(len(first + second)):
        writer.write(b"1\r\n" + (first + second)[at : at + 1] + b"\r\n")
        await writer.drain()
    lines = []
    while len(lines) < 2:
        line = await reader.readline()
        if line.startswith(b'{"result"'):
            lines.append(json.loads(line)["result"])
    assert (lines[0]["created"], lines[1]["watch_id"]) == (True, "-1")
    writer.close()


async def test_a_client_that_does_not_read_a_watch_costs_its_buffer(server: Server):
    host, _, port = server.client_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    create = json.dumps({"create_request": {"key": "Zm9v"}}).encode()
    writer.write(b"POST /v3/watch HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(create), create))
    await reader.readuntil(b'"created":true')
    async with aiohttp.ClientSession() as session:
        value = "A" * 400_000
        for _ in range(60):
            await post(session, server, "kv/put", key="Zm9v", value=value)
    assert server.member.hub.count(State.UNSYNCED) == 1
    writer.transport.abort()


async def test_a_lock_whose_client_goes_is_given_up(server: Server, session: aiohttp.ClientSession):
    held = await post(session, server, "lock/lock", name="bg==")
    waiting = asyncio.ensure_future(post(session, server, "lock/lock", name="bg=="))
    while (await post(session, server, "kv/range", key="bi8=", range_end="bjA="))["count"] != "2":
        pass
    waiting.cancel()
    while (await post(session, server, "kv/range", key="bi8=", range_end="bjA="))["count"] != "1":
        pass
    await post(session, server, "lock/unlock", key=held["key"])


async def test_a_timeout(server: Server, session: aiohttp.ClientSession):
    await post(session, server, "lock/lock", name="bg==")
    async with session.post(
        f"{server.client_url}/v3/lock/lock", json={"name": "bg=="}, headers={"Grpc-Timeout": "10m"}
    ) as response:
        assert (response.status, (await response.json())["message"]) == (504, "context deadline exceeded")


async def test_a_websocket_is_a_stream_too(server: Server, session: aiohttp.ClientSession):
    async with session.ws_connect(f"{server.client_url}/v3/watch") as socket:
        await socket.send_json({"create_request": {"key": "Zm9v"}})
        assert (await socket.receive_json())["result"]["created"] is True
        await post(session, server, "kv/put", key="Zm9v", value="MQ==")
        assert (await socket.receive_json())["result"]["events"][0]["kv"]["value"] == "MQ=="
        await socket.send_str("[")
        assert (await socket.receive_json())["error"]["code"] == 2
    await server.driver.until(lambda: not len(server.member.hub))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xfe", 400),
        (b'{"key":"' + b"A" * 12_000_000 + b'"}', 429),
        (b"[" * 100_000, 400),
        (b'{"success":' * 3_000, 400),
    ],
)
async def test_bodies_that_are_none(server: Server, session: aiohttp.ClientSession, body: bytes, status: int):
    async with session.post(f"{server.client_url}/v3/kv/range", data=body) as response:
        assert response.status == status
    assert (await post(session, server, "kv/range", key="Zm9v"))["header"]["revision"] == "1"


async def test_probes(server: Server, session: aiohttp.ClientSession):
    async def get(path: str) -> tuple[int, str]:
        async with session.get(server.client_url + path) as response:
            return response.status, await response.text()

    assert await get("/livez") == (200, "ok\n")
    assert await get("/livez?verbose") == (200, "[+]serializable_read ok\nok\n")
    everything = "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n"
    assert await get("/readyz?verbose=1") == (200, everything)
    assert await get("/readyz/linearizable_read") == (200, "ok\n")
    assert (await get("/readyz/nothing"))[0] == 404
    server.member.applier.state.alarms[2, 1] = None
    status, text = await get("/readyz")
    assert (status, text.splitlines()[0]) == (503, "[-]data_corruption failed: alarm activated: CORRUPT")
    assert (await get("/readyz?exclude=data_corruption"))[0] == 200
    assert (await get("/readyz/data_corruption"))[0] == 503


async def test_debug_vars(server: Server, session: aiohttp.ClientSession):
    async with session.get(f"{server.client_url}/debug/vars") as response:
        raft = (await response.json())["raft.status"]
    assert (raft["id"], raft["raftState"]) == (f"{server.member.id:x}", "StateLeader")
