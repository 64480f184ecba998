"""What the suites of client libraries share: a cluster, a server that can forget the past, and a custom resource.

Each file of this folder plays the same stories with one library, in the library's own idiom: objects and patches, apply with a
conflict, a watch or informer that survives 410, custom resources, logs where the client has them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from apiserver.client import Client
from apiserver.cluster import LocalCluster, write_kubeconfig
from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer
from kvcluster import Cluster

SHIRT = yaml.safe_load((Path(__file__).resolve().parents[1] / "manifests/shirt.yaml").read_text())


def config_map(name: str, **data: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data,
    }


def pod(name: str, **spec: object) -> dict:
    containers = [{"name": "main", "image": "busybox"}]
    metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


class ForgetfulServer:
    """An API server on a store of its own. `restart` brings it back on its port without the history that watches resume from."""

    def __init__(self, store: Cluster) -> None:
        self._store = store
        self._server: ApiServer | None = None
        self.url = ""

    async def start(self, port: int = 0) -> None:
        self._server = ApiServer(ApiServerConfig(port=port), self._store.client())
        await self._server.start()
        self.url = self._server.url

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop()

    async def restart(self) -> None:
        """Between stop and start things happen that nobody saw."""
        port = int(self.url.rpartition(":")[2])
        await self.stop()
        await self.start(port)

    def client(self) -> Client:
        assert self._server is not None
        return Client(self._server.in_process_transport())


@pytest.fixture
async def cluster() -> AsyncIterator[LocalCluster]:
    """With TLS and roles, as real clusters are; every client comes with the kubeconfig's certificate."""
    async with LocalCluster(nodes=1, authorization="RBAC") as running:
        yield running


@pytest.fixture
def kubeconfig(cluster: LocalCluster, tmp_path: Path) -> str:
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, cluster.url, cluster.credentials)
    return str(path)


@pytest.fixture
async def forgetful(tmp_path: Path) -> AsyncIterator[ForgetfulServer]:
    async with Cluster(members=1) as store:
        server = ForgetfulServer(store)
        await server.start()
        yield server
        await server.stop()
