"""The same shell on uvloop, which the commands use: its transports are not asyncio's, and differ at the edges."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from kvcluster.config import ServerConfig
from kvcluster.server import Server

uvloop = pytest.importorskip("uvloop")


async def _talk(stubs_on: Any) -> None:
    server = Server(ServerConfig(listen_client_urls=("http://127.0.0.1:0",), listen_peer_urls=("http://127.0.0.1:0",)))
    await server.start()
    await server.ready()
    host, _, port = server.client_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b'{"health":"true"' in await reader.read()
    writer.close()
    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        stubs = stubs_on(channel)
        value = bytes(1_000_000)
        assert (await stubs.Put(key=b"big", value=value)).header.revision == 2
        assert (await stubs.Range(key=b"big")).kvs[0].value == value
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))  # DATA before SETTINGS
        assert b"the first frame is not SETTINGS" in await reader.read()
        writer.close()
        await server.stop()
    await server.stop()


def test_a_server_on_uvloop(stubs_on: Any):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(_talk(stubs_on), 20))
