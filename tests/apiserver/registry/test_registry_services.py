"""Addresses and node ports of services: given once, by however many servers, and given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.client import Client
from apiserver.config import ApiServerConfig
from apiserver.errors import StatusError
from apiserver.server import ApiServer
from kvcluster import Cluster
from kvcluster.clock import SystemClock

Object = dict[str, Any]

IP_ADDRESSES = "networking.k8s.io/v1/ipaddresses"


class OneHourLater(SystemClock):
    def now_s(self) -> float:
        return super().now_s() + 3600


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Client, Client]]:
    """Two servers on one store, with few addresses and fewer ports."""
    async with Cluster(members=1) as store:
        config = ApiServerConfig(service_networks=("10.96.0.0/26",), node_ports=(30000, 30029))
        both = [ApiServer(config, store.client()) for _ in range(2)]
        for server in both:
            await server.start()
        yield Client(both[0].in_process_transport()), Client(both[1].in_process_transport())
        for server in both:
            await server.stop()


def service(name: str, *ports: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": list(ports) or [{"port": 80}], **spec},
    }


async def refused(awaitable: Any) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await awaitable
    return caught.value


async def addresses(client: Client) -> dict[str, str]:
    """address → the service that holds it"""
    items = (await client.list(IP_ADDRESSES))["items"]
    return {item["metadata"]["name"]: item["spec"]["parentRef"]["name"] for item in items}


async def test_two_servers_never_give_the_same(servers):
    made = await asyncio.gather(
        *(servers[n % 2].create("services", service(f"s{n}", type="NodePort")) for n in range(30))
    )
    given = [each["spec"]["clusterIP"] for each in made]
    ports = [each["spec"]["ports"][0]["nodePort"] for each in made]
    assert len(set(given)) == len(set(ports)) == 30
    held = await addresses(servers[0])
    assert {held[address] for address in given} == {f"s{n}" for n in range(30)}
    full = await refused(servers[1].create("services", service("more", type="NodePort")))
    assert (full.code, "range is full" in full.message) == (500, True)
    assert "more" not in (await addresses(servers[0])).values()
    await servers[0].delete("services", "s3", "default")
    again = await servers[1].create("services", service("again", type="NodePort"))
    assert again["spec"]["ports"][0]["nodePort"] == ports[3]


async def test_an_address_object_says_whose_it_is(servers):
    client, _ = servers
    made = await client.create("services", service("s", clusterIP="10.96.0.9"))
    assert made["spec"]["clusterIPs"] == ["10.96.0.9"]
    found = await client.get(IP_ADDRESSES, "10.96.0.9")
    assert found["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    assert found["spec"]["parentRef"] == {"group": "", "resource": "services", "namespace": "default", "name": "s"}
    await client.delete("services", "s", "default")
    assert "10.96.0.9" not in await addresses(client)


async def test_what_cannot_be_had_is_said(servers):
    client, _ = servers
    await client.create(
        "services", service("s", {"port": 80, "nodePort": 30001}, type="NodePort", clusterIP="10.96.0.9")
    )
    for wanted, text in (
        (service("x", clusterIP="10.96.0.9"), "failed to allocate IP 10.96.0.9: provided IP is already allocated"),
        (service("x", clusterIP="1.2.3.4"), "The range of valid IPs is 10.96.0.0/26"),
        (
            service("x", {"port": 80, "nodePort": 30001}, type="NodePort"),
            "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated",
        ),
        (
            service("x", {"port": 80, "nodePort": 80}, type="NodePort"),
            "provided port is not in the valid range. The range of valid ports is 30000-30029",
        ),
        (
            service("x", ipFamilies=["IPv6"]),
            'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
        ),
        (service("x", ipFamilyPolicy="RequireDualStack"), "this cluster is not configured for dual-stack services"),
    ):
        assert text in (await refused(client.create("services", wanted))).message
    assert "x" not in (await addresses(client)).values()


async def test_a_refused_service_gives_everything_back(servers):
    client, _ = servers
    bad = service("bad", {"port": 80}, {"port": 81}, type="NodePort")  # ports without names
    assert (await refused(client.create("services", bad))).reason == "Invalid"
    await client.create("services", service("s", type="NodePort"))
    assert (await refused(client.create("services", service("s", type="NodePort")))).reason == "AlreadyExists"
    assert sorted((await addresses(client)).values()) == ["kubernetes", "s"]
    made = [await client.create("services", service(f"p{n}", type="NodePort")) for n in range(29)]
    assert len(made) == 29  # no port was lost


async def test_changing_the_type_gives_back_and_takes(servers):
    client, _ = servers
    made = await client.create("services", service("s", type="NodePort"))
    port = made["spec"]["ports"][0]["nodePort"]
    plain = await client.patch("services", "s", {"spec": {"type": "ClusterIP"}}, "default")
    assert "nodePort" not in plain["spec"]["ports"][0]
    other = await client.create("services", service("o", {"port": 80, "nodePort": port}, type="NodePort"))
    assert other["spec"]["ports"][0]["nodePort"] == port
    name = {"spec": {"type": "ExternalName", "externalName": "example.com", "ports": None}}
    outside = await client.patch("services", "s", name, "default")
    assert "clusterIP" not in outside["spec"]
    assert "s" not in (await addresses(client)).values()
    back = await client.patch(
        "services", "s", {"spec": {"type": "ClusterIP", "externalName": None, "ports": [{"port": 1}]}}, "default"
    )
    assert (await addresses(client))[back["spec"]["clusterIP"]] == "s"


async def test_what_only_the_old_type_needed_goes_with_it(servers):
    client, _ = servers
    await client.create("services", service("s", type="LoadBalancer", externalTrafficPolicy="Local"))
    cluster = await client.patch("services", "s", {"spec": {"externalTrafficPolicy": "Cluster"}}, "default")
    assert "healthCheckNodePort" not in cluster["spec"]
    plain = await client.patch("services", "s", {"spec": {"type": "ClusterIP", "externalIPs": ["1.2.3.4"]}}, "default")
    assert plain["spec"]["externalTrafficPolicy"] == "Cluster"
    assert "allocateLoadBalancerNodePorts" not in plain["spec"]
    inside = await client.patch("services", "s", {"spec": {"externalIPs": None}}, "default")
    assert "externalTrafficPolicy" not in inside["spec"]
    refusal = await refused(client.patch("services", "s", {"spec": {"clusterIP": "None"}}, "default"))
    assert 'spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set' in refusal.message


async def test_a_port_of_two_protocols_has_one_node_port(servers):
    client, _ = servers
    ports = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
    made = await client.create("services", service("dns", *ports, type="NodePort"))
    assert made["spec"]["ports"][0]["nodePort"] == made["spec"]["ports"][1]["nodePort"]


async def test_local_traffic_needs_a_port_for_health(servers):
    client, _ = servers
    local = service("lb", type="LoadBalancer", externalTrafficPolicy="Local")
    made = await client.create("services", local)
    assert 30000 <= made["spec"]["healthCheckNodePort"] <= 30029
    quiet = service("q", type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    assert "nodePort" not in (await client.create("services", quiet))["spec"]["ports"][0]


async def test_a_dry_run_takes_nothing(servers):
    client, _ = servers
    made = await client.create("services", service("s", type="NodePort"), dry_run=True)
    assert made["spec"]["clusterIP"] == "10.96.0.0"
    assert made["spec"]["ports"][0]["nodePort"] == 32769
    assert list((await addresses(client)).values()) == ["kubernetes"]


async def test_another_network_can_be_added(servers):
    client, _ = servers
    more = {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.97.0.0/28"]}}
    wanted = service("s", clusterIP="10.97.0.3")
    assert "not in the valid range" in (await refused(client.create("services", wanted))).message
    await client.create("networking.k8s.io/v1/servicecidrs", more)
    assert (await client.create("services", wanted))["spec"]["clusterIP"] == "10.97.0.3"
    assert (
        "already allocated" in (await refused(client.create("services", service("x", clusterIP="10.97.0.3")))).message
    )


async def test_headless_services_hold_nothing(servers):
    client, _ = servers
    made = await client.create("services", service("h", clusterIP="None"))
    assert made["spec"]["clusterIPs"] == ["None"]
    assert (made["spec"]["ipFamilies"], made["spec"]["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")
    ours = await client.create("services", service("o", clusterIP="None", selector={"a": "b"}))
    assert (ours["spec"]["ipFamilies"], ours["spec"]["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    assert list((await addresses(client)).values()) == ["kubernetes"]


async def test_a_start_repairs_what_a_crash_left_behind():
    async with Cluster(members=1) as store:
        first = ApiServer(ApiServerConfig(), store.client())
        await first.start()
        client = Client(first.in_process_transport())
        made = await client.create("services", service("s", type="NodePort"))
        gone = await client.create("services", service("gone"))
        await first.stop()
        kv = store.client()
        await kv.delete(b"/registry/ipaddresses/" + made["spec"]["clusterIP"].encode())
        await kv.delete(b"/registry/ranges/servicenodeports")
        await kv.delete(b"/registry/services/specs/default/gone")
        second = ApiServer(ApiServerConfig(), store.client(), OneHourLater())
        await second.start()
        client = Client(second.in_process_transport())
        held = await addresses(client)
        assert held[made["spec"]["clusterIP"]] == "s"
        assert gone["spec"]["clusterIP"] not in held
        port = made["spec"]["ports"][0]["nodePort"]
        refusal = await refused(client.create("services", service("o", {"port": 1, "nodePort": port}, type="NodePort")))
        assert "already allocated" in refusal.message
        await second.stop()


async def test_two_stacks():
    async with Cluster(members=1) as store:
        config = ApiServerConfig(service_networks=("10.96.0.0/16", "fd00:10::/112"))
        server = ApiServer(config, store.client())
        await server.start()
        client = Client(server.in_process_transport())
        both = await client.create("services", service("b", ipFamilyPolicy="PreferDualStack"))
        assert both["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
        assert len(both["spec"]["clusterIPs"]) == 2 and both["spec"]["clusterIPs"][1].startswith("fd00:10::")
        six = await client.create("services", service("six", ipFamilies=["IPv6"]))
        assert ":" in six["spec"]["clusterIP"]
        one = await client.patch("services", "b", {"spec": {"ipFamilyPolicy": "SingleStack"}}, "default")
        assert (one["spec"]["ipFamilies"], len(one["spec"]["clusterIPs"])) == (["IPv4"], 1)
        assert both["spec"]["clusterIPs"][1] not in await addresses(client)
        await server.stop()
