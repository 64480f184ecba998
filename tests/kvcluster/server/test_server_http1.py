"""HTTP/1.1 on the client port: /health, /version, /metrics, and everything else that may knock there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kvcluster.config import ServerConfig
from kvcluster.server import Server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def dial(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.client_url.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_health(server: Server, session: aiohttp.ClientSession):
    for query in ("", "?serializable=true", "?exclude=NOSPACE"):
        async with session.get(f"{server.client_url}/health{query}") as response:
            assert response.status == 200
            assert await response.json(content_type=None) == {"health": "true", "reason": ""}


async def test_an_alarm_is_ill_health_but_where_it_is_excluded(server: Server, session: aiohttp.ClientSession):
    server.member.applier.state.alarms[(1, server.member.id)] = None
    async with session.get(f"{server.client_url}/health") as response:
        assert response.status == 503
        assert await response.json(content_type=None) == {"health": "false", "reason": "ALARM NOSPACE"}
    async with session.get(f"{server.client_url}/health?exclude=NOSPACE") as response:
        assert response.status == 200


async def test_health_without_a_leader(session: aiohttp.ClientSession, free_ports: Callable[[int], list[int]]):
    """One of three, alone."""
    urls = [f"http://127.0.0.1:{port}" for port in free_ports(3)]
    cluster = ",".join(f"m{number}={url}" for number, url in enumerate(urls))
    server = Server(
        ServerConfig(
            name="m0",
            listen_client_urls=("http://127.0.0.1:0",),
            listen_peer_urls=(urls[0],),
            initial_advertise_peer_urls=(urls[0],),
            initial_cluster=cluster,
        )
    )
    await server.start()
    async with session.get(f"{server.client_url}/health") as response:
        assert response.status == 503
        assert await response.json(content_type=None) == {"health": "false", "reason": "RAFT NO LEADER"}
    async with session.get(f"{server.client_url}/health?serializable=true") as response:
        assert response.status == 200
    await server.stop()


async def test_version(server: Server, session: aiohttp.ClientSession):
    async with session.get(f"{server.client_url}/version") as response:
        version = json.loads(await response.text())
    assert set(version) == {"etcdserver", "etcdcluster", "storage"}
    assert all(part.isdigit() for text in version.values() for part in text.split("."))


async def test_metrics_are_true(server: Server, session: aiohttp.ClientSession):
    async with grpc.aio.insecure_channel(server.client_url.removeprefix("http://")) as channel:
        put = channel.unary_unary("/etcdserverpb.KV/Put")
        for _ in range(5):
            await put(b"\x0a\x01a\x12\x01b")
        async with session.get(f"{server.client_url}/metrics") as response:
            assert response.headers["Content-Type"].startswith("text/plain")
            text = await response.text()
    values: dict[str, Any] = {
        sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
    }
    assert values["etcd_server_has_leader"] == values["etcd_server_is_leader"] == 1
    assert values["etcd_server_leader_changes_seen_total"] == 1
    assert values["etcd_debugging_mvcc_current_revision"] == 6
    assert values["etcd_server_proposals_applied_total"] >= 5
    assert values["etcd_server_proposals_applied_total"] == values["etcd_server_proposals_committed_total"]
    assert values["etcd_network_client_grpc_received_bytes_total"] > 5 * 7
    assert values["etcd_network_client_grpc_sent_bytes_total"] > 5 * 20
    assert values["etcd_mvcc_db_total_size_in_bytes"] > 0
    assert values["process_resident_memory_bytes"] > 0


async def test_what_is_not_there(server: Server, session: aiohttp.ClientSession):
    for path in ("/", "/v2/keys", "/v3/nothing", "/health/", "/debug/pprof"):
        async with session.get(f"{server.client_url}{path}") as response:
            assert response.status == 404
    for method in ("POST", "PUT", "DELETE"):
        async with session.request(method, f"{server.client_url}/health") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_one_byte_at_a_time_and_again_on_the_same_connection(server: Server):
    reader, writer = await dial(server)
    request = b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in range(2):
        for byte in request:
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        assert b"etcdserver" in await reader.readexactly(length)
    writer.close()


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"\x00" * 100])
async def test_noise_is_answered_or_closed_and_costs_nobody_else(
    server: Server, session: aiohttp.ClientSession, noise: bytes
):
    reader, writer = await dial(server)
    writer.write(noise)
    if noise.startswith(b"\x16"):
        writer.write_eof()
    said = await reader.readline()
    assert said == b"" or said.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    writer.close()
    async with session.get(f"{server.client_url}/health") as response:
        assert response.status == 200
