"""A real etcd for the load tester's runs; it serves all tests of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvcluster.client import connect
from tests.kvcluster.client.conftest import WAIT_S, free_port, start_etcd


async def _answers(url: str) -> None:
    async with asyncio.timeout(WAIT_S), await connect(url) as client:
        await client.get(b"ready")


@pytest.fixture(scope="session")
def etcd_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    folder: Path = tmp_path_factory.mktemp("etcd")
    process = start_etcd(folder, port)
    try:
        asyncio.run(_answers(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
