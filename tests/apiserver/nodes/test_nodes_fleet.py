"""A fleet on a double of the API server: pods come to life and go, nodes beat, all by a clock moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from apiserver.errors import StatusError, service_unavailable, unauthorized
from apiserver.nodes import Fleet


@pytest.fixture
async def fleet(client, clock) -> AsyncIterator:
    """`await fleet(count)` starts one and waits for its registration."""
    tasks = []

    async def start(count: int, **options) -> Fleet:
        made = Fleet(client, count, clock=clock, **options)
        tasks.append(asyncio.create_task(made.run()))
        async with asyncio.timeout(5):
            await made.registered.wait()
        return made

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def bound_pod(client, name: str, node: str = "node-0", **extra) -> dict:
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}], **extra.pop("spec", {})}
    return await client.create(
        "pods", {"kind": "Pod", "metadata": {"name": name, "namespace": "default", **extra}, "spec": spec}
    )


def phase(api, name: str) -> str:
    return api.one("pods", name)["status"]["phase"]


async def test_nodes_register_as_kubelets_do(fleet, api):
    await fleet(4)
    assert sorted(node["metadata"]["name"] for node in api.all("nodes")) == [f"node-{n}" for n in range(4)]
    node = api.one("nodes", "node-3", "")
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-3"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "zone-a"
    assert node["spec"]["podCIDR"] == "10.128.3.0/24"
    assert node["status"]["allocatable"]["pods"] == "110"
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]} == {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "Ready": "True",
    }
    lease = api.one("leases", "node-3", "kube-node-lease")
    assert lease["spec"]["leaseDurationSeconds"] == 40
    assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]


async def test_leases_are_renewed_every_ten_seconds_without_being_read(fleet, api, clock, settle):
    await fleet(50)
    await settle()
    api.requests.clear()
    for _ in range(60):
        clock.advance(1.0)
        await settle()
    renewals = [request for request in api.requests if request.startswith("PUT") and "/leases/" in request]
    assert 50 * 5 <= len(renewals) <= 50 * 7
    assert not [request for request in api.requests if request.startswith("GET")]
    busiest = max(renewals.count(request) for request in set(renewals))
    assert busiest <= 7


async def test_a_bound_pod_runs_and_is_ready(fleet, client, api, eventually):
    await fleet(2)
    await bound_pod(client, "p", "node-1", spec={"initContainers": [{"name": "i", "image": "init"}]})
    await eventually(lambda: phase(api, "p") == "Running")
    status = api.one("pods", "p")["status"]
    assert status["podIP"] == "10.128.1.2" and status["podIPs"] == [{"ip": "10.128.1.2"}]
    assert status["hostIP"] == api.one("nodes", "node-1", "")["status"]["addresses"][0]["address"]
    held = {condition["type"] for condition in status["conditions"] if condition["status"] == "True"}
    assert held == {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"}
    (container,) = status["containerStatuses"]
    assert container["ready"] and "running" in container["state"] and container["name"] == "c"
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


async def test_addresses_differ_and_come_back(fleet, client, api, eventually):
    await fleet(1)
    for number in range(20):
        await bound_pod(client, f"p{number}")
    await eventually(lambda: all(phase(api, f"p{n}") == "Running" for n in range(20)))
    addresses = {pod["status"]["podIP"] for pod in api.all("pods")}
    assert len(addresses) == 20
    await bound_pod(client, "host", spec={"hostNetwork": True})
    await eventually(lambda: phase(api, "host") == "Running")
    assert api.one("pods", "host")["status"]["podIP"] == api.one("pods", "host")["status"]["hostIP"]


async def test_a_deleted_pod_is_stopped_and_then_goes(fleet, client, api, eventually):
    await fleet(1)
    await bound_pod(client, "p")
    await eventually(lambda: phase(api, "p") == "Running")
    seen = []
    stream = await client.watch("pods", "default", resource_version=str(api.version))
    await client.delete("pods", "p", "default")
    await eventually(lambda: not api.all("pods"))
    await stream.close()
    async for event in stream:
        status = event.object["status"]
        seen.append((event.type, status["phase"], next(iter(status["containerStatuses"][0]["state"]))))
    assert seen == [
        ("MODIFIED", "Running", "running"),
        ("MODIFIED", "Succeeded", "terminated"),
        ("DELETED", "Succeeded", "terminated"),
    ]


async def test_a_pod_that_says_how_long_it_works_succeeds(fleet, client, api, clock, eventually, settle):
    await fleet(1)
    annotations = {"nodes.kvcluster/complete-after-seconds": "30"}
    await bound_pod(client, "job", annotations=annotations, spec={"restartPolicy": "Never"})
    await eventually(lambda: phase(api, "job") == "Running")
    clock.advance(29.0)
    await settle()
    assert phase(api, "job") == "Running"
    await eventually(lambda: phase(api, "job") == "Succeeded", step_s=0.5)
    started = api.one("pods", "job")["status"]["containerStatuses"][0]["state"]["terminated"]["startedAt"]
    assert started == api.one("pods", "job")["status"]["startTime"]


async def test_refusals_and_lost_watches_are_survived(fleet, client, api, eventually):
    await fleet(1)
    api.fail("PATCH /api/v1/namespaces/default/pods", service_unavailable("later"), times=3)
    await bound_pod(client, "p")
    await eventually(lambda: phase(api, "p") == "Running")
    api.hang_up()
    api.compact()
    await bound_pod(client, "q")
    await eventually(lambda: phase(api, "q") == "Running", step_s=0.2)


async def test_a_fleet_that_is_started_again_goes_on(fleet, client, api, eventually):
    await fleet(2)
    await bound_pod(client, "p")
    await eventually(lambda: phase(api, "p") == "Running")
    await fleet(2)
    await bound_pod(client, "q")
    await eventually(lambda: phase(api, "q") == "Running")
    assert api.one("pods", "p")["status"]["podIP"] != api.one("pods", "q")["status"]["podIP"]


async def test_a_node_that_is_deleted_is_let_go_and_taken_back(fleet, client, api, clock, eventually, settle):
    await fleet(1)
    await settle()
    await client.delete("nodes", "node-0")
    await settle()
    api.requests.clear()
    clock.advance(60.0)
    await settle()
    assert not [request for request in api.requests if not request.startswith("WATCH")]
    await bound_pod(client, "p")
    await settle()
    clock.advance(5.0)
    await settle()
    assert phase(api, "p") == "Pending"
    await client.create("nodes", {"kind": "Node", "metadata": {"name": "node-0"}})
    await eventually(lambda: phase(api, "p") == "Running", step_s=0.1)
    await eventually(lambda: "capacity" in api.one("nodes", "node-0", "").get("status", {}))


async def test_a_node_declared_unknown_says_that_it_is_well(fleet, client, api, eventually):
    await fleet(1)
    unknown = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    await client.patch_status("nodes", "node-0", unknown)

    def ready() -> str:
        conditions = api.one("nodes", "node-0", "")["status"]["conditions"]
        return next(c["status"] for c in conditions if c["type"] == "Ready")

    await eventually(lambda: ready() == "True")


async def test_registration_waits_for_a_server_that_is_starting_but_not_for_a_refusal(client, api, clock, eventually):
    api.fail("POST /api/v1/nodes", service_unavailable("starting"), times=5)
    started = Fleet(client, 2, clock=clock)
    task = asyncio.create_task(started.run())
    await eventually(started.registered.is_set, step_s=0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    api.fail("POST /api/v1/nodes", unauthorized())
    with pytest.raises(ExceptionGroup) as refused:
        await Fleet(client, 1, clock=clock).run()
    assert refused.group_contains(StatusError, match="Unauthorized")


def test_an_impossible_count_is_refused(client):
    with pytest.raises(ValueError, match="at most 32768 nodes, not 40000"):
        Fleet(client, 40_000)


async def test_a_pod_may_run_only_for_so_long(fleet, client, api, clock, eventually, settle):
    await fleet(1)
    await bound_pod(client, "p", spec={"activeDeadlineSeconds": 3600})
    await eventually(lambda: phase(api, "p") == "Running")
    await client.patch("pods", "p", {"spec": {"activeDeadlineSeconds": 60}}, "default")
    await settle()
    clock.advance(30.0)
    await settle()
    assert phase(api, "p") == "Running"
    await eventually(lambda: phase(api, "p") == "Failed", step_s=1.0)
    assert api.one("pods", "p")["status"]["reason"] == "DeadlineExceeded"


async def test_a_readiness_gate_holds_a_pod_back(fleet, client, api, eventually):
    await fleet(1)
    await bound_pod(client, "p", spec={"readinessGates": [{"conditionType": "example.com/open"}]})

    def ready() -> tuple:
        found = {c["type"]: c for c in api.one("pods", "p")["status"].get("conditions") or []}.get("Ready", {})
        return found.get("status"), found.get("reason")

    await eventually(lambda: ready() == ("False", "ReadinessGatesNotReady"))
    opened = {"status": {"conditions": [{"type": "example.com/open", "status": "True"}]}}
    await client.patch_status("pods", "p", opened, "default")
    await eventually(lambda: ready()[0] == "True")


async def test_a_status_sees_the_spec_as_it_is_now(fleet, client, api, eventually):
    await fleet(1)
    await bound_pod(client, "p")
    await eventually(lambda: phase(api, "p") == "Running")
    await client.patch("pods", "p", {"spec": {"activeDeadlineSeconds": 3600}}, "default")
    pod = api.one("pods", "p")
    assert pod["metadata"]["generation"] == 2 and pod["status"]["observedGeneration"] == 1
    await eventually(lambda: api.one("pods", "p")["status"]["observedGeneration"] == 2)


async def test_a_pod_takes_its_time_to_stop_but_no_more_than_its_grace(fleet, client, api, clock, eventually, settle):
    await fleet(1)
    slow = {"nodes.kvcluster/terminate-after-seconds": "600"}
    await bound_pod(client, "p", annotations=slow)
    await eventually(lambda: phase(api, "p") == "Running")
    await client.delete("pods", "p", "default", grace_period_s=20)
    await settle()
    clock.advance(19.0)
    await settle()
    assert phase(api, "p") == "Running"
    await eventually(lambda: not api.all("pods"), step_s=0.5)


async def test_nodes_report_now_and_then(fleet, api, clock, settle):
    await fleet(1)
    first = api.one("nodes", "node-0", "")["status"]["conditions"][0]["lastHeartbeatTime"]
    for _ in range(40):
        clock.advance(10.0)
        await settle()
    assert api.one("nodes", "node-0", "")["status"]["conditions"][0]["lastHeartbeatTime"] > first
