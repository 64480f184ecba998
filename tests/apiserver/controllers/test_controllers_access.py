"""The controllers of access: roles that gather others' rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from apiserver.controllers import ControllerManager
from apiserver.controllers.cluster_role_aggregation import gather_rules

CLUSTER_ROLES = "rbac.authorization.k8s.io/v1/clusterroles"


@pytest.fixture
async def run(client, clock) -> AsyncIterator:
    """`run(*names)` starts those controllers for the length of the test."""
    tasks = []

    def start(*names: str, **options) -> ControllerManager:
        manager = ControllerManager(client, clock, names, **options)
        tasks.append(asyncio.create_task(manager.run()))
        return manager

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def changed(client, resource, name, done):
    """The object once `done(object)`."""
    async with asyncio.timeout(10):
        items, version = await client.list_all(resource)
        for item in items:
            if item["metadata"]["name"] == name and done(item):
                return item
        stream = await client.watch(resource, resource_version=version)
        try:
            async for event in stream:
                if event.object["metadata"].get("name") == name and done(event.object):
                    return event.object
        finally:
            await stream.close()


def role(name, *rules, labels=None, gathers=None):
    obj = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels or {}},
        "rules": list(rules),
    }
    if gathers is not None:
        obj["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": gathers}]}
    return obj


def reads(resource):
    return {"apiGroups": [""], "resources": [resource], "verbs": ["get"]}


def test_rules_are_gathered_by_name_and_once():
    chosen = {"to": "view"}
    roles = [
        role("b", reads("pods"), reads("nodes"), labels=chosen),
        role("a", reads("nodes"), reads("secrets"), labels=chosen),
        role("other", reads("events")),
    ]
    view = role("view", labels=chosen, gathers=chosen)
    assert gather_rules(view, [*roles, view]) == [reads("nodes"), reads("secrets"), reads("pods")]


async def test_a_gathering_role_follows_the_others(client, run):
    run("clusterrole-aggregation-controller")
    await client.create(CLUSTER_ROLES, role("view", gathers={"to": "view"}))
    await client.create(CLUSTER_ROLES, role("pods", reads("pods"), labels={"to": "view"}))
    await changed(client, CLUSTER_ROLES, "view", lambda obj: obj.get("rules") == [reads("pods")])
    await client.create(CLUSTER_ROLES, role("nodes", reads("nodes"), labels={"to": "view"}))
    await changed(client, CLUSTER_ROLES, "view", lambda obj: obj.get("rules") == [reads("nodes"), reads("pods")])
    await client.delete(CLUSTER_ROLES, "pods")
    await changed(client, CLUSTER_ROLES, "view", lambda obj: obj.get("rules") == [reads("nodes")])
