"""Whole clusters and real clients, for the tests of what was promised to users.

The cluster runs in the test's own event loop, real sockets included; kubectl, etcdctl and etcd are real processes. Everything
listens on random ports of 127.0.0.1, sees no kubeconfig but the test's own, and ends with the test.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from apiserver.cluster import LocalCluster, write_kubeconfig
from apiserver.server import Credentials

WAIT_S = 60.0
NO_CREDENTIALS = Credentials()


def find_binary(name: str) -> str:
    """A client from this environment first, then from PATH; the test is skipped only for what is optional."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    assert found, f"{name} is not installed; `make test` installs it"
    return found


class Output(NamedTuple):
    code: int
    out: str
    err: str


class Kubectl:
    """The real kubectl on one kubeconfig, with a home and a cache of its own."""

    def __init__(
        self, folder: Path, url: str, binary: str = "kubectl", credentials: Credentials = NO_CREDENTIALS
    ) -> None:
        self.kubeconfig = folder / "kubeconfig"
        write_kubeconfig(self.kubeconfig, url, credentials)
        self._binary = find_binary(binary)
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(self.kubeconfig)}

    async def start(self, *arguments: str, stdin: bytes | None = None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            self._binary,
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, stdin: str | None = None) -> Output:
        """Runs it to its end, whatever that is."""
        payload = stdin.encode() if stdin is not None else None
        process = await self.start(*arguments, stdin=payload)
        try:
            async with asyncio.timeout(WAIT_S):
                out, err = await process.communicate(payload)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Output(process.returncode, out.decode(), err.decode())

    async def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs it and answers what it printed; fails the test where it failed."""
        output = await self.run(*arguments, stdin=stdin)
        assert output.code == 0, f"kubectl {' '.join(arguments)}\n{output.out}\n{output.err}"
        return output.out


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def real_etcd(folder: Path) -> AsyncIterator[str]:
    """etcd 3.5.1 on a random port; its client URL."""
    client, peer = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        find_binary("etcd"),
        *("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error"),
        *(
            "--listen-client-urls",
            f"http://127.0.0.1:{client}",
            "--advertise-client-urls",
            f"http://127.0.0.1:{client}",
        ),
        *(
            "--listen-peer-urls",
            f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls",
            f"http://127.0.0.1:{peer}",
        ),
        *("--initial-cluster", f"default=http://127.0.0.1:{peer}"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{client}"
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def local_cluster(store: str, folder: Path, **options: object) -> AsyncIterator[LocalCluster]:
    """A LocalCluster on "one" member, "three" members, or a real "etcd"."""
    if store == "etcd":
        async with real_etcd(folder) as url, LocalCluster(etcd_servers=[url], **options) as cluster:
            yield cluster
    else:
        async with LocalCluster(replicas={"one": 1, "three": 3}[store], **options) as cluster:
            yield cluster


@pytest.fixture
def open_cluster(tmp_path: Path):
    """`async with open_cluster("one", nodes=1) as cluster` for tests that choose for themselves."""
    return lambda store, **options: local_cluster(store, tmp_path, **options)


@pytest.fixture(params=["one", "three", "etcd"])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LocalCluster]:
    async with local_cluster(request.param, tmp_path, nodes=3) as running:
        yield running


@pytest.fixture
async def kubectl(cluster: LocalCluster, tmp_path: Path) -> Kubectl:
    return Kubectl(tmp_path, cluster.url)
