"""A snapshot of ours in the hands of etcd's own tools: saved, checked, restored, and served by a real etcd.

3.5's etcdctl still has what moved to etcdutl.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kvcluster.client import READWRITE, RemoteClient, connect
from kvcluster.server import Server
from tests.kvcluster.differential.sides import etcd_binary, free_ports

pytestmark = pytest.mark.skipif(etcd_binary() is None, reason="there is no etcd to restore to")
TOOLS = Path(sys.executable).parent


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def save(server_url: str, path: Path) -> dict[str, Any]:
    await run(str(TOOLS / "etcdctl"), "--endpoints", server_url, "snapshot", "save", str(path))
    status: dict[str, Any] = json.loads(
        await run(str(TOOLS / "etcdctl"), "snapshot", "status", str(path), "-w", "json")
    )
    return status


async def fill(client: RemoteClient) -> None:
    lease = await client.grant(5000, id=77)
    await client.put(b"with lease", b"v", lease=lease.id)
    for number in range(3000):
        if number % 500 == 0:
            await asyncio.gather(
                *(client.put(b"k%04d" % each, b"v" * (each % 90)) for each in range(number, number + 500))
            )
    await client.put(b"large", b"x" * 20_000)
    for number in range(0, 3000, 3):
        await client.delete(b"k%04d" % number)
    await client.compact(2000)
    await client.put(b"last", b"1")
    await client.role_add("some")
    await client.role_grant("some", READWRITE, b"a", b"b")
    await client.user_add("alice", "secret")
    await client.user_grant_role("alice", "some")


async def test_a_real_etcd_goes_on_with_it(tmp_path: Path):
    server = Server(_config())
    await server.start()
    try:
        await server.ready()
        async with await connect(server.client_url) as client:
            await fill(client)
            status = await save(server.client_url, tmp_path / "backup.db")
            before = await client.range(b"\0", b"\0")
            old = await client.range(b"k", b"l", revision=2500)
        assert status["revision"] == before.revision
    finally:
        await server.stop()

    ports = free_ports(2)
    client_url, peer_url = (f"http://127.0.0.1:{port}" for port in ports)
    data = str(tmp_path / "restored")
    cluster = ["--name", "r", "--initial-cluster", f"r={peer_url}", "--initial-advertise-peer-urls", peer_url]
    await run(str(TOOLS / "etcdctl"), "snapshot", "restore", str(tmp_path / "backup.db"), "--data-dir", data, *cluster)
    process = await asyncio.create_subprocess_exec(
        etcd_binary() or "etcd", "--data-dir", data, "--listen-client-urls", client_url, "--advertise-client-urls",
        client_url, "--listen-peer-urls", peer_url, *cluster, "--unsafe-no-fsync", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            client = await _until_served(client_url)
        async with client:
            after = await client.range(b"\0", b"\0")
            assert (after.kvs, after.revision) == (before.kvs, before.revision)
            assert (await client.range(b"k", b"l", revision=2500)).kvs == old.kvs
            assert (await client.time_to_live(77, keys=True)).keys == [b"with lease"]
            assert await client.user_roles("alice") == ["some"]
            assert (await client.role_permissions("some"))[0].key == b"a"
            watcher = await client.watch(b"last", start_revision=2001)
            async for batch in watcher:
                assert batch.events[0].kv.value == b"1"
                break
            await watcher.close()
            await client.put(b"new", b"1")
    finally:
        process.kill()
        await process.wait()


async def _until_served(url: str) -> RemoteClient:
    while True:
        try:
            client = await connect(url)
            await client.get(b"k")
            return client
        except OSError:
            await asyncio.sleep(0.05)


async def test_an_empty_store(tmp_path: Path):
    server = Server(_config())
    await server.start()
    try:
        await server.ready()
        status = await save(server.client_url, tmp_path / "backup.db")
        assert status["totalSize"] % 4096 == 0
    finally:
        await server.stop()


def _config() -> Any:
    from kvcluster.config import ServerConfig

    return ServerConfig(listen_client_urls=("http://127.0.0.1:0",), listen_peer_urls=("http://127.0.0.1:0",))
