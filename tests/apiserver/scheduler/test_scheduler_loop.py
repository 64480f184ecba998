"""The whole scheduler against a double of an API server, with a clock moved by hand."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.scheduler import SUCCESS, Code, Scheduler, SchedulerConfig, Status, with_plugins


def node(name: str, cpu: str = "1", **spec: Any) -> dict[str, Any]:
    status = {"allocatable": {"cpu": cpu, "memory": "1Gi", "pods": "10"}, "capacity": {"cpu": cpu}}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def pod(name: str, cpu: str = "100m", **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container], **spec}}


class Gatekeeper:
    """A permit plugin that lets nobody through by itself."""

    name = "Gatekeeper"

    def permit(self, state: dict, pod: Any, node_name: str) -> Status:
        return Status(Code.WAIT, timeout_s=60.0)


class Counter:
    """Counts what is reserved and given back."""

    name = "Counter"
    reserved = 0
    returned = 0

    def reserve(self, state: dict, pod: Any, node_name: str) -> Status:
        Counter.reserved += 1
        return SUCCESS

    def unreserve(self, state: dict, pod: Any, node_name: str) -> None:
        Counter.returned += 1


@pytest.fixture
async def run(client, clock) -> AsyncIterator[Callable[..., Scheduler]]:
    """`run(plugins…)` starts a scheduler that ends with the test."""
    tasks = []

    def start(*plugins: str) -> Scheduler:
        scheduler = Scheduler(client, with_plugins(SchedulerConfig(), plugins), clock=clock)
        tasks.append(asyncio.create_task(scheduler.run()))
        return scheduler

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def node_of(api, name: str) -> str:
    return api.one("pods", name)["spec"].get("nodeName", "")


async def test_pods_are_placed_and_told_of(api, client, run, eventually):
    await client.create("nodes", node("a"))
    run()
    await client.create("pods", pod("p"))
    await eventually(lambda: node_of(api, "p") == "a")
    await eventually(lambda: any(event["reason"] == "Scheduled" for event in api.all("events")))
    (event,) = [event for event in api.all("events") if event["reason"] == "Scheduled"]
    assert event["message"] == "Successfully assigned default/p to a"


async def test_a_pod_without_room_waits_for_a_node(api, client, run, eventually):
    await client.create("nodes", node("small", cpu="50m"))
    run()
    await client.create("pods", pod("p"))

    def conditions() -> list[dict[str, Any]]:
        return (api.one("pods", "p").get("status") or {}).get("conditions") or []

    await eventually(lambda: any(c.get("reason") == "Unschedulable" for c in conditions()))
    (condition,) = [c for c in conditions() if c["type"] == "PodScheduled"]
    assert condition["status"] == "False"
    assert condition["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    await client.create("nodes", node("large"))
    await eventually(lambda: node_of(api, "p") == "large", step_s=0.1)


async def test_assumed_pods_count_before_the_watch_says_so(api, client, run, eventually):
    for name in ("a", "b"):
        await client.create("nodes", node(name, cpu="100m"))
    for name in ("p", "q"):
        await client.create("pods", pod(name))
    run()
    await eventually(lambda: {node_of(api, "p"), node_of(api, "q")} == {"a", "b"})


async def test_a_refused_binding_is_tried_again(api, client, run, eventually):
    await client.create("nodes", node("a"))
    api.fail("/binding", StatusError(500, "InternalError", "not now"), times=1)
    scheduler = run()
    await client.create("pods", pod("p"))
    await eventually(lambda: node_of(api, "p") == "a", step_s=0.1)
    scheduler.cache._check()


async def test_a_held_pod_waits_for_its_permit(api, client, clock, run, eventually, settle, monkeypatch):
    monkeypatch.setitem(sys.modules, "gatekeeper_plugin", SimpleNamespace(Gatekeeper=Gatekeeper))
    await client.create("nodes", node("a"))
    scheduler = run("gatekeeper_plugin:Gatekeeper")
    await client.create("pods", pod("p"))
    await eventually(lambda: scheduler.cache.is_assumed(("default", "p")))
    await settle()
    assert node_of(api, "p") == ""
    scheduler.allow(("default", "p"))
    await eventually(lambda: node_of(api, "p") == "a")


async def test_a_rejected_pod_gives_back_what_was_reserved(api, client, run, eventually, settle, monkeypatch):
    Counter.reserved = Counter.returned = 0
    plugins = SimpleNamespace(Gatekeeper=Gatekeeper, Counter=Counter)
    monkeypatch.setitem(sys.modules, "permit_plugins", plugins)
    await client.create("nodes", node("a"))
    scheduler = run("permit_plugins:Counter", "permit_plugins:Gatekeeper")
    await client.create("pods", pod("p"))
    await eventually(lambda: scheduler.cache.is_assumed(("default", "p")))
    await settle()
    scheduler.reject(("default", "p"), "no")
    await eventually(lambda: Counter.returned == 1)
    assert node_of(api, "p") == ""
    scheduler.cache._check()


async def test_pods_of_another_scheduler_and_gated_pods_are_left_alone(api, client, run, eventually, settle):
    await client.create("nodes", node("a"))
    run()
    await client.create("pods", pod("other", schedulerName="somebody-else"))
    await client.create("pods", pod("gated", schedulingGates=[{"name": "example.com/later"}]))
    await client.create("pods", pod("mine"))
    await eventually(lambda: node_of(api, "mine") == "a")
    await settle()
    assert node_of(api, "other") == node_of(api, "gated") == ""
    await client.patch("pods", "gated", {"spec": {"schedulingGates": None}}, "default")
    await eventually(lambda: node_of(api, "gated") == "a", step_s=0.1)
