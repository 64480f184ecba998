"""What a server finds or makes when it starts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.client import Client
from apiserver.config import ApiServerConfig
from apiserver.kinds import catalog, decode_object
from apiserver.meta import deep_copy
from apiserver.server import ApiServer
from apiserver.server.bootstrap_objects import Place, kubernetes_service, wanted_objects
from kvcluster import Cluster

PLACE = Place("10.0.0.1", 6443, True, ("10.96.0.0/16",))
WANTED = [
    *((each.group, each.plural, each.obj) for each in wanted_objects(PLACE, "2026-01-01T00:00:00Z")),
    ("", "services", kubernetes_service(PLACE)),
]


@pytest.mark.parametrize("wanted", WANTED, ids=lambda each: f"{each[1]}-{each[2]['metadata']['name']}")
def test_the_servers_own_objects_keep_the_rules(wanted: tuple[str, str, dict[str, Any]]):
    group, plural, obj = wanted
    resource = catalog.find(group, "v1", plural)
    assert resource is not None
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, **deep_copy(obj)}
    assert decode_object(obj, resource.schema, resource.version, resource.kind) == []
    resource.defaults(obj)
    resource.prepare_create(obj)
    assert resource.validate(obj) == []


async def names(client: Client, plural: str) -> set[str]:
    return {item["metadata"]["name"] for item in (await client.list(plural))["items"]}


async def test_an_empty_store_becomes_a_cluster():
    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(), store.client())
        await server.start()
        client = Client(server.in_process_transport())
        assert await names(client, "namespaces") == {"default", "kube-node-lease", "kube-public", "kube-system"}
        assert await names(client, "scheduling.k8s.io/v1/priorityclasses") == {
            "system-cluster-critical",
            "system-node-critical",
        }
        assert {"exempt", "catch-all", "global-default"} <= await names(
            client, "flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
        )
        assert {"exempt", "catch-all", "system-nodes", "probes"} <= await names(
            client, "flowcontrol.apiserver.k8s.io/v1/flowschemas"
        )
        assert await names(client, "networking.k8s.io/v1/servicecidrs") == {"kubernetes"}
        assert await names(client, "networking.k8s.io/v1/ipaddresses") == {"10.96.0.1"}
        cidr = await client.get("networking.k8s.io/v1/servicecidrs", "kubernetes")
        assert cidr["status"]["conditions"][0]["status"] == "True"
        namespace = await client.get("namespaces", "kube-system")
        assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "kube-system"}
        assert (namespace["spec"], namespace["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})
        service = await client.get("services", "kubernetes", "default")
        port = int(server.url.rsplit(":", 1)[1])
        assert service["spec"]["clusterIP"] == "10.96.0.1"
        assert service["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": port}]
        endpoints = await client.get("endpoints", "kubernetes", "default")
        assert endpoints["subsets"][0]["ports"] == [{"name": "http", "port": port, "protocol": "TCP"}]
        found = await client.get("discovery.k8s.io/v1/endpointslices", "kubernetes", "default")
        assert found["metadata"]["labels"] == {"kubernetes.io/service-name": "kubernetes"}
        assert found["endpoints"][0]["addresses"] == ["127.0.0.1"]
        await server.stop()


async def test_a_second_start_changes_only_where_the_server_is():
    async with Cluster(members=1) as store:
        seen = []
        for _ in range(2):
            server = ApiServer(ApiServerConfig(), store.client())
            await server.start()
            client = Client(server.in_process_transport())
            objects = {}
            for plural in (
                "namespaces",
                "flowcontrol.apiserver.k8s.io/v1/flowschemas",
                "flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations",
                "networking.k8s.io/v1/servicecidrs",
                "scheduling.k8s.io/v1/priorityclasses",
            ):
                for item in (await client.list(plural))["items"]:
                    objects[plural, item["metadata"]["name"]] = item["metadata"]["resourceVersion"]
            service = await client.get("services", "kubernetes", "default")
            found = await client.get("discovery.k8s.io/v1/endpointslices", "kubernetes", "default")
            port = int(server.url.rsplit(":", 1)[1])
            assert service["spec"]["ports"][0]["targetPort"] == found["ports"][0]["port"] == port
            seen.append((objects, service["spec"]["clusterIP"], service["metadata"]["uid"]))
            await server.stop()
        assert seen[0] == seen[1]


async def test_plugins_can_be_left_out():
    pod = {"metadata": {"name": "p", "namespace": "team"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(disabled_admission=("ServiceAccount",)), store.client())
        await server.start()
        client = Client(server.in_process_transport())
        await client.create("namespaces", {"metadata": {"name": "team"}})
        made = await client.create("pods", pod)
        assert "serviceAccountName" not in made["spec"]
        await server.stop()


async def test_two_servers_may_start_at_once():
    async with Cluster(members=1) as store:
        servers = [ApiServer(ApiServerConfig(), store.client()) for _ in range(3)]
        await asyncio.gather(*(server.start() for server in servers))
        clients = [Client(server.in_process_transport()) for server in servers]
        services = [await client.get("services", "kubernetes", "default") for client in clients]
        assert {service["spec"]["clusterIP"] for service in services} == {"10.96.0.1"}
        assert await names(clients[0], "networking.k8s.io/v1/ipaddresses") == {"10.96.0.1"}
        for server in servers:
            await server.stop()
