"""kubectl 1.37, unmodified, on a whole cluster: on one member, on three members, and on a real etcd 3.5.1.

Each test is a story a user would tell, in the words a user would type.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import yaml

WEB = str(Path(__file__).resolve().parents[2] / "examples/web.yaml")


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines() if line]


def manifest(kind: str, name: str, **fields: object) -> str:
    return yaml.safe_dump({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields})


async def deploy(kubectl) -> None:
    await kubectl("apply", "-f", WEB)
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")


async def test_looking_around(kubectl):
    version = yaml.safe_load(await kubectl("version", "-o", "yaml"))
    assert version["serverVersion"]["gitVersion"].startswith("v1.36")
    resources = rows(await kubectl("api-resources"))
    assert resources[0] == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    named = {row[0]: row for row in resources[1:]}
    assert named["pods"] == ["pods", "po", "v1", "true", "Pod"]
    assert named["deployments"] == ["deployments", "deploy", "apps/v1", "true", "Deployment"]
    assert {"namespaces", "nodes", "services", "endpoints", "endpointslices", "configmaps", "secrets"} <= named.keys()
    assert {"serviceaccounts", "events", "leases", "replicasets"} <= named.keys()
    namespaces = rows(await kubectl("get", "namespaces"))
    assert {row[0] for row in namespaces[1:]} >= {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert all(row[1] == "Active" for row in namespaces[1:])
    await kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=30s")
    nodes = rows(await kubectl("get", "nodes"))
    assert [row[:2] for row in nodes[1:]] == [["node-0", "Ready"], ["node-1", "Ready"], ["node-2", "Ready"]]


async def test_a_deployment_and_its_service(kubectl):
    created = await kubectl("apply", "-f", WEB)
    assert created == "deployment.apps/web created\nservice/web created\n"
    said = await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert 'deployment "web" successfully rolled out' in said
    again = await kubectl("apply", "-f", WEB)
    assert again == "deployment.apps/web unchanged\nservice/web unchanged\n"

    table = rows(await kubectl("get", "pods", "-o", "wide"))
    assert table[0][:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert len(table) == 4
    assert all(row[1:3] == ["1/1", "Running"] for row in table[1:])
    assert {row[6] for row in table[1:]} == {"node-0", "node-1", "node-2"}, "spread over the nodes"
    assert rows(await kubectl("get", "deployment", "web"))[1][:4] == ["web", "3/3", "3", "3"]
    assert rows(await kubectl("get", "rs"))[1][1:4] == ["3", "3", "3"]

    names = await kubectl("get", "pods", "-l", "app=web", "-o", "name")
    assert len(names.splitlines()) == 3
    assert all(line.startswith("pod/web-") for line in names.splitlines())
    assert await kubectl("get", "deploy/web", "-o", "jsonpath={.spec.replicas}") == "3"
    listed = json.loads(await kubectl("get", "pods", "-o", "json"))
    assert [item["status"]["phase"] for item in listed["items"]] == ["Running"] * 3
    service = yaml.safe_load(await kubectl("get", "service", "web", "-o", "yaml"))
    assert service["spec"]["clusterIP"].startswith("10.96.")
    slices = json.loads(await kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "json"))
    ready = [endpoint for item in slices["items"] for endpoint in item["endpoints"] if endpoint["conditions"]["ready"]]
    assert len(ready) == 3

    described = await kubectl("describe", "deployment", "web")
    assert "3 desired | 3 updated | 3 total | 3 available | 0 unavailable" in described
    pod = names.splitlines()[0]
    described = await kubectl("describe", pod)
    assert "Successfully assigned default/" in described
    assert "Status:           Running" in described


async def test_scaling_up_and_down(kubectl):
    await deploy(kubectl)
    assert await kubectl("scale", "deployment/web", "--replicas=10") == "deployment.apps/web scaled\n"
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    await kubectl("wait", "--for=jsonpath={.status.readyReplicas}=10", "deployment/web", "--timeout=30s")
    assert len((await kubectl("get", "pods", "-o", "name")).splitlines()) == 10
    await kubectl("scale", "deployment/web", "--replicas=2")
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    await kubectl("wait", "--for=jsonpath={.status.replicas}=2", "deployment/web", "--timeout=30s")
    # Pods that are being deleted may still be seen for a moment; wait until they are gone.
    for row in rows(await kubectl("get", "pods", "--no-headers")):
        if row[2] != "Running":
            await kubectl("wait", "--for=delete", f"pod/{row[0]}", "--timeout=30s")
    assert [row[1:3] for row in rows(await kubectl("get", "pods", "--no-headers"))] == [["1/1", "Running"]] * 2


async def test_a_rolling_update_and_back(kubectl):
    await deploy(kubectl)
    await kubectl("set", "image", "deployment/web", "web=nginx:1.30")
    said = await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "successfully rolled out" in said
    images = await kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    assert "nginx:1.30" in images
    history = await kubectl("rollout", "history", "deployment/web")
    assert [row[0] for row in rows(history)[-2:]] == ["1", "2"]
    await kubectl("rollout", "undo", "deployment/web")
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert (
        await kubectl("get", "deploy/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "nginx:1.29"
    )


async def test_editing_labelling_and_deleting(kubectl):
    created = await kubectl(
        "create", "-f", "-", stdin=manifest("ConfigMap", "settings", data={"colour": "blue", "size": "1"})
    )
    assert created == "configmap/settings created\n"
    for kind, patch in (
        ("merge", '{"data":{"colour":"green"}}'),
        ("strategic", '{"data":{"size":"2"}}'),
        ("json", '[{"op":"add","path":"/data/shape","value":"round"}]'),
    ):
        assert (
            await kubectl("patch", "configmap", "settings", "--type", kind, "-p", patch)
            == "configmap/settings patched\n"
        )
    data = json.loads(await kubectl("get", "configmap", "settings", "-o", "json"))["data"]
    assert data == {"colour": "green", "size": "2", "shape": "round"}
    assert await kubectl("label", "configmap", "settings", "tier=front") == "configmap/settings labeled\n"
    assert (await kubectl("get", "configmap", "-l", "tier=front", "-o", "name")).strip() == "configmap/settings"
    await kubectl("annotate", "configmap", "settings", "note=hello")
    refused = await kubectl.run("label", "configmap", "settings", "tier=back")
    assert refused.code != 0
    assert "already has a value (front)" in refused.err
    assert await kubectl("delete", "configmap", "settings") == 'configmap "settings" deleted from default namespace\n'
    missing = await kubectl.run("get", "configmap", "settings")
    assert missing.code == 1
    assert missing.err == 'Error from server (NotFound): configmaps "settings" not found\n'


async def test_what_is_wrong_is_said(kubectl):
    bad = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata: {}\nnonsense: true\n"
    output = await kubectl.run("create", "-f", "-", stdin=bad)
    assert output.code == 1
    assert 'unknown field "nonsense"' in output.err
    output = await kubectl.run("create", "-f", "-", stdin="apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec: {}\n")
    assert 'The Pod "p" is invalid: spec.containers: Required value' in output.err
    output = await kubectl.run("create", "-n", "nowhere", "-f", "-", stdin=manifest("ConfigMap", "c"))
    assert 'namespaces "nowhere" not found' in output.err
    await kubectl("create", "-f", "-", stdin=manifest("ConfigMap", "c"))
    output = await kubectl.run("create", "-f", "-", stdin=manifest("ConfigMap", "c"))
    assert output.err.endswith('configmaps "c" already exists\n')
    assert "(AlreadyExists)" in output.err
    output = await kubectl.run("get", "pods", "--field-selector", "spec.nonsense=1")
    assert "field label not supported" in output.err


async def test_watching_pods(kubectl):
    watch = await kubectl.start("get", "pods", "-w", "--output-watch-events")
    try:
        await deploy(kubectl)
        assert watch.stdout is not None
        seen = []
        async with asyncio.timeout(30):
            while sum("Running" in line for line in seen) < 3:
                seen.append((await watch.stdout.readline()).decode())
        assert seen[0].split()[:3] == ["EVENT", "NAME", "READY"]
        assert sum(line.startswith("ADDED") for line in seen) == 3
        assert any("Pending" in line for line in seen)
    finally:
        watch.kill()
        await watch.wait()


async def test_deleting_a_namespace_empties_it(kubectl):
    await kubectl("create", "-f", "-", stdin=manifest("Namespace", "team"))
    await kubectl("apply", "-n", "team", "-f", WEB)
    await kubectl("rollout", "status", "-n", "team", "deployment/web", "--timeout=30s")
    await kubectl("create", "-n", "team", "-f", "-", stdin=manifest("Secret", "password", stringData={"p": "s3cret"}))
    await kubectl("delete", "namespace", "team", "--timeout=40s")
    gone = await kubectl.run("get", "namespace", "team")
    assert 'namespaces "team" not found' in gone.err
    left = await kubectl(
        "get", "all,configmaps,secrets,endpointslices,events,serviceaccounts", "-n", "team", "-o", "name"
    )
    assert left == ""
