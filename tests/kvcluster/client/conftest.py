"""The servers that the client's suite runs on: a real etcd 3.5.1, ours through sockets, ours without sockets.

The etcd process serves all tests of a run; each test therefore works under a prefix of its own, and thinks of revisions as
differences. Ports are random, every process ends with the run.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from kvcluster.client import Client, connect

_numbers = itertools.count()
WAIT_S = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_etcd(folder: Path, client_port: int) -> subprocess.Popen[bytes]:
    binary = shutil.which("etcd", path=str(Path(sys.executable).parent)) or shutil.which("etcd")
    assert binary, "etcd is not installed; `make test` installs it"
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{free_port()}"
    return subprocess.Popen(
        [binary, "--data-dir", str(folder), "--unsafe-no-fsync", "--log-level", "error",
         "--listen-client-urls", client, "--advertise-client-urls", client,
         "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
         "--initial-cluster", f"default={peer}", "--experimental-watch-progress-notify-interval", "200ms"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="session")
def etcd_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real etcd for the whole run."""
    port = free_port()
    process = start_etcd(tmp_path_factory.mktemp("etcd"), port)
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture
def key() -> Callable[[str], bytes]:
    """`key("a")` is a key under this test's own prefix; `key("")` is the prefix."""
    prefix = f"test-{next(_numbers)}/"
    return lambda name: (prefix + name).encode()


@pytest.fixture(params=["etcd", "served", "embedded"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """The same promises, three ways."""
    if request.param == "etcd":
        async with await connect(request.getfixturevalue("etcd_url")) as remote:
            async with asyncio.timeout(WAIT_S):
                await remote.get(b"ready")
            yield remote
        return
    from kvcluster import Cluster

    async with Cluster(members=1, watch_progress_notify_interval_s=0.2) as cluster:
        if request.param == "embedded":
            yield cluster.client()
            return
        url = await cluster.listen()
        async with await connect(url) as remote:
            yield remote


@pytest.fixture
async def remote(etcd_url: str) -> AsyncIterator[Client]:
    """A remote client of the real etcd, for what only the remote client does."""
    async with await connect(etcd_url) as client:
        await client.get(b"ready")
        yield client
