"""The controllers that keep house: namespaces, accounts, endpoints, garbage, silent nodes."""

from __future__ import annotations

import pytest

from apiserver.controllers import CONTROLLERS, ControllerManager

READY = [{"type": "Ready", "status": "True", "lastTransitionTime": "2023-11-14T22:13:20Z"}]
CONTAINERS = [{"name": "c", "image": "i"}]


def named(kind: str, name: str, namespace: str | None = "default", **fields) -> dict:
    metadata = {"name": name, **fields.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"kind": kind, "apiVersion": "v1", "metadata": metadata, **fields}


def owned_by(owner: dict, *, blocks: bool = False) -> dict:
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    return {"ownerReferences": [{**reference, "uid": owner["metadata"]["uid"], "blockOwnerDeletion": blocks}]}


async def add_pod(client, name: str, ip: str, *, ready: bool = True, labels: dict | None = None, **spec) -> None:
    pod = named("Pod", name, metadata={"labels": labels or {"app": "web"}}, spec={"containers": CONTAINERS, **spec})
    await client.create("pods", pod)
    status = {"phase": "Running", "podIP": ip, "conditions": READY if ready else []}
    await client.patch_status("pods", name, {"status": status}, "default")


# ---- choosing


def test_names_choose_as_in_kube_controller_manager(client, clock):
    everything = ControllerManager(client, clock)
    assert list(everything.controllers) == list(CONTROLLERS)
    less = ControllerManager(client, clock, ["*", "-garbage-collector-controller"])
    assert "garbage-collector-controller" not in less.controllers and len(less.controllers) == len(CONTROLLERS) - 1
    with pytest.raises(ValueError, match="'nonsense' is not a controller; there are: deployment-controller"):
        ControllerManager(client, clock, ["nonsense"])


# ---- namespaces


async def test_a_namespace_gets_an_account_and_a_certificate(run, client, api, eventually):
    run("serviceaccount-controller", "root-ca-certificate-publisher-controller", root_ca="PEM")
    await client.create("namespaces", named("Namespace", "team", None))
    await eventually(lambda: api.all("serviceaccounts") and api.all("configmaps"))
    assert api.one("serviceaccounts", "default", "team")
    assert api.one("configmaps", "kube-root-ca.crt", "team")["data"] == {"ca.crt": "PEM"}
    await client.delete("serviceaccounts", "default", "team")
    await client.patch("configmaps", "kube-root-ca.crt", {"data": {"ca.crt": "forged"}}, "team")
    await eventually(lambda: api.all("serviceaccounts"))
    await eventually(lambda: api.one("configmaps", "kube-root-ca.crt", "team")["data"] == {"ca.crt": "PEM"})


async def test_a_deleted_namespace_is_emptied_pods_first(run, client, api, eventually, settle):
    run("namespace-controller", "serviceaccount-controller")
    await client.create("namespaces", named("Namespace", "team", None))
    await client.create("configmaps", named("ConfigMap", "settings", "team"))
    await client.create("pods", named("Pod", "p", "team", spec={"nodeName": "node-0", "containers": CONTAINERS}))
    await eventually(lambda: api.all("serviceaccounts"))
    await client.delete("namespaces", "team")
    await eventually(lambda: api.one("pods", "p", "team")["metadata"].get("deletionTimestamp"))
    await settle()
    assert api.one("configmaps", "settings", "team"), "nothing else goes while pods are being stopped"
    reasons = {c["reason"] for c in api.one("namespaces", "team", "")["status"]["conditions"]}
    assert "SomeResourcesRemain" in reasons and api.one("namespaces", "team", "")["status"]["phase"] == "Terminating"
    await client.delete("pods", "p", "team", grace_period_s=0)
    await eventually(lambda: not api.all("namespaces"))
    assert not api.all("configmaps") and not api.all("serviceaccounts")


async def test_a_finalizer_holds_a_namespace_and_is_named(run, client, api, eventually):
    run("namespace-controller")
    await client.create("namespaces", named("Namespace", "team", None))
    held = named("ConfigMap", "held", "team", metadata={"finalizers": ["example.com/hold"]})
    await client.create("configmaps", held)
    await client.delete("namespaces", "team")

    def said() -> str:
        conditions = api.one("namespaces", "team", "")["status"].get("conditions") or []
        return " ".join(condition["message"] for condition in conditions)

    await eventually(lambda: "example.com/hold in 1 resource instances" in said())
    await client.patch("configmaps", "held", {"metadata": {"finalizers": None}}, "team")
    await eventually(lambda: not api.all("namespaces"), step_s=0.5)


# ---- services


async def test_slices_and_endpoints_follow_pods(run, client, api, eventually):
    run("endpointslice-controller", "endpoints-controller")
    await client.create(
        "nodes", named("Node", "node-0", None, metadata={"labels": {"topology.kubernetes.io/zone": "a"}})
    )
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    service = named("Service", "web", spec={"selector": {"app": "web"}, "ports": ports, "clusterIP": "10.96.0.7"})
    await client.create("services", service)
    await eventually(lambda: api.all("endpointslices"))
    assert not api.all("endpointslices")[0].get("endpoints")
    container = {"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 8080}]}
    await add_pod(client, "one", "10.128.0.2", nodeName="node-0", containers=[container])
    await add_pod(client, "two", "10.128.0.3", ready=False, containers=[container])
    await add_pod(client, "other", "10.128.0.4", labels={"app": "db"}, containers=[container])
    await eventually(lambda: len(api.all("endpointslices")[0].get("endpoints") or []) == 2)
    (endpoint_slice,) = api.all("endpointslices")
    assert endpoint_slice["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert endpoint_slice["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    ready = {e["addresses"][0]: e["conditions"]["ready"] for e in endpoint_slice["endpoints"]}
    assert ready == {"10.128.0.2": True, "10.128.0.3": False}
    assert endpoint_slice["endpoints"][0]["zone"] == "a"
    (subset,) = api.one("endpoints", "web")["subsets"]
    assert [a["ip"] for a in subset["addresses"]] == ["10.128.0.2"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.128.0.3"]

    await client.delete("pods", "one", "default")  # it is stopped for a while
    await eventually(lambda: api.all("endpointslices")[0]["endpoints"][0]["conditions"]["terminating"])
    conditions = api.all("endpointslices")[0]["endpoints"][0]["conditions"]
    assert conditions == {"ready": False, "serving": True, "terminating": True}
    await client.delete("services", "web", "default")
    await eventually(lambda: not api.all("endpoints"))


async def test_many_backends_are_cut_into_slices(run, client, api, eventually):
    run("endpointslice-controller")
    await client.create("services", named("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}))
    for number in range(150):
        await add_pod(client, f"pod-{number:03d}", f"10.128.1.{number + 2}")
    await eventually(lambda: sum(len(s.get("endpoints") or []) for s in api.all("endpointslices")) == 150)
    assert sorted(len(s["endpoints"]) for s in api.all("endpointslices")) == [50, 100]


# ---- garbage


async def test_what_nobody_owns_any_more_goes(run, client, api, eventually, settle):
    run("garbage-collector-controller")
    owner = await client.create("configmaps", named("ConfigMap", "owner"))
    child = await client.create("configmaps", named("ConfigMap", "child", metadata=owned_by(owner)))
    await client.create("configmaps", named("ConfigMap", "grandchild", metadata=owned_by(child)))
    await client.create("configmaps", named("ConfigMap", "free"))
    await settle()
    assert len(api.all("configmaps")) == 4
    await client.delete("configmaps", "owner", "default")
    await eventually(lambda: [c["metadata"]["name"] for c in api.all("configmaps")] == ["free"])


async def test_a_dependent_of_an_owner_that_never_was_goes(run, client, api, eventually):
    run("garbage-collector-controller")
    ghost = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ghost", "uid": "uid-ghost"}}
    await client.create("configmaps", named("ConfigMap", "child", metadata=owned_by(ghost)))
    await eventually(lambda: not api.all("configmaps"))


async def test_one_living_owner_is_enough(run, client, api, eventually):
    run("garbage-collector-controller")
    first = await client.create("configmaps", named("ConfigMap", "first"))
    second = await client.create("configmaps", named("ConfigMap", "second"))
    both = owned_by(first)["ownerReferences"] + owned_by(second)["ownerReferences"]
    await client.create("configmaps", named("ConfigMap", "child", metadata={"ownerReferences": both}))
    await client.delete("configmaps", "first", "default")
    await eventually(lambda: len(api.one("configmaps", "child")["metadata"]["ownerReferences"]) == 1)
    assert api.one("configmaps", "child")["metadata"]["ownerReferences"][0]["name"] == "second"


async def test_an_owner_of_an_unknown_kind_is_not_guessed_to_be_dead(run, client, api, settle):
    run("garbage-collector-controller")
    owner = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "uid": "uid-w"}}
    await client.create("configmaps", named("ConfigMap", "child", metadata=owned_by(owner)))
    await settle()
    assert len(api.all("configmaps")) == 1


async def test_foreground_deletion_takes_the_owner_last(run, client, api, eventually, settle):
    run("garbage-collector-controller")
    owner = await client.create("configmaps", named("ConfigMap", "owner"))
    held = {**owned_by(owner, blocks=True), "finalizers": ["example.com/hold"]}
    await client.create("configmaps", named("ConfigMap", "child", metadata=held))
    await settle()
    await client.delete("configmaps", "owner", "default", propagation_policy="Foreground")
    await eventually(lambda: api.one("configmaps", "child")["metadata"].get("deletionTimestamp"))
    await settle()
    assert api.one("configmaps", "owner")
    await client.patch("configmaps", "child", {"metadata": {"finalizers": None}}, "default")
    await eventually(lambda: not api.all("configmaps"))


async def test_orphaned_dependents_stay(run, client, api, eventually, settle):
    run("garbage-collector-controller")
    owner = await client.create("configmaps", named("ConfigMap", "owner"))
    await client.create("configmaps", named("ConfigMap", "child", metadata=owned_by(owner)))
    await settle()
    await client.delete("configmaps", "owner", "default", propagation_policy="Orphan")
    await eventually(lambda: len(api.all("configmaps")) == 1)
    await settle()
    assert not api.one("configmaps", "child")["metadata"].get("ownerReferences")


# ---- nodes


def ready_of(node: dict) -> str:
    return next(c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready")


async def test_a_silent_node_becomes_unknown_and_recovers(run, client, api, clock, eventually, settle):
    run("node-lifecycle-controller")
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    mine = {"key": "example.com/mine", "effect": "NoSchedule"}
    node = named("Node", "node-0", None, spec={"taints": [taint, mine]}, status={"conditions": READY})
    await client.create("nodes", node)
    lease = named("Lease", "node-0", "kube-node-lease", spec={"renewTime": "2023-11-14T22:13:20.000000Z"})
    lease["apiVersion"] = "coordination.k8s.io/v1"
    await client.create("coordination.k8s.io/v1/leases", lease)
    await add_pod(client, "p", "10.128.0.2", nodeName="node-0")
    await eventually(lambda: api.one("nodes", "node-0", "")["spec"]["taints"] == [mine], step_s=0)
    clock.advance(49.0)
    await settle()
    assert ready_of(api.one("nodes", "node-0", "")) == "True"
    await eventually(lambda: ready_of(api.one("nodes", "node-0", "")) == "Unknown", step_s=0.5)

    def taints() -> list:
        return [(t["key"], t["effect"]) for t in api.one("nodes", "node-0", "")["spec"].get("taints") or []]

    unreachable = "node.kubernetes.io/unreachable"
    await eventually(lambda: (unreachable, "NoExecute") in taints() and (unreachable, "NoSchedule") in taints())
    assert ("example.com/mine", "NoSchedule") in taints()
    await eventually(lambda: api.one("pods", "p")["status"]["conditions"][0]["status"] == "False")

    renewed = {"spec": {"renewTime": "2023-11-14T22:15:20.000000Z"}}
    await client.patch("coordination.k8s.io/v1/leases", "node-0", renewed, "kube-node-lease")
    await client.patch_status("nodes", "node-0", {"status": {"conditions": READY}})
    await eventually(lambda: taints() == [("example.com/mine", "NoSchedule")])


async def test_pods_of_a_node_that_is_gone_go_after_a_while(run, client, api, clock, eventually, settle):
    run("pod-garbage-collector-controller")
    await client.create("nodes", named("Node", "node-0", None))
    await add_pod(client, "p", "10.128.0.2", nodeName="node-0")
    await add_pod(client, "waiting", "", ready=False)
    await settle()
    await client.delete("nodes", "node-0")
    await settle()
    clock.advance(30.0)
    await settle()
    assert len(api.all("pods")) == 2
    await eventually(lambda: [p["metadata"]["name"] for p in api.all("pods")] == ["waiting"], step_s=1.0)
