"""Each admission plugin alone: what it makes of an object, and when it says no."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission import (
    CREATE,
    DELETE,
    PLUGINS,
    UPDATE,
    Attributes,
    Plugin,
    claim_resize,
    default_ingress_class,
    default_storage_class,
    default_tolerations,
    namespace_lifecycle,
    node_taints,
    pod_topology,
    priority,
    runtime_class,
    service_account,
    storage_in_use,
    without,
)
from apiserver.errors import StatusError
from apiserver.kinds import catalog

Object = dict[str, Any]


class World:
    """What plugins can look up. objects: "storageclasses.storage.k8s.io" → objects."""

    def __init__(self, **objects: list[Object]) -> None:
        self.objects = {what.replace("__", "."): found for what, found in objects.items()}

    async def find(self, what: str, namespace: str, name: str) -> Object | None:
        for obj in self.objects.get(what, ()):
            if obj["metadata"]["name"] == name and obj["metadata"].get("namespace", "") == namespace:
                return obj
        return None

    async def list(self, what: str) -> list[Object]:
        return self.objects.get(what, [])

    async def ask(
        self,
        plugin: Plugin,
        name: str,
        obj: Object | None,
        operation: str = CREATE,
        old: Object | None = None,
        subresource: str = "",
    ) -> Object:
        """name: of the resource, "v1 pods". -> the object, as the plugin leaves it."""
        group_version, _, plural = name.partition(" ")
        group, _, version = group_version.rpartition("/")
        resource = catalog.find(group, version, plural)
        assert resource is not None
        said = (obj or old or {}).get("metadata") or {}
        attributes = Attributes(
            operation,
            resource,
            subresource,
            said.get("namespace", ""),
            said.get("name", ""),
            obj,
            old,
            self.find,
            self.list,
        )
        if plugin.mutate is not None and operation != DELETE:
            await plugin.mutate(attributes)
        if plugin.validate is not None:
            await plugin.validate(attributes)
        return obj or {}

    async def refused(self, *args: Any, **more: Any) -> StatusError:
        with pytest.raises(StatusError) as caught:
            await self.ask(*args, **more)
        return caught.value


def named(name: str, namespace: str = "", **metadata: Any) -> Object:
    return {"metadata": {"name": name, **({"namespace": namespace} if namespace else {}), **metadata}}


def pod(**spec: Any) -> Object:
    return {**named("p", "team", uid="u"), "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def test_the_chain_can_lose_plugins_by_name():
    assert [plugin.name for plugin in without(PLUGINS, ("ServiceAccount",))] == [
        plugin.name for plugin in PLUGINS if plugin.name != "ServiceAccount"
    ]
    with pytest.raises(ValueError, match="Nonsense"):
        without(PLUGINS, ("Nonsense",))


def test_the_order_is_that_of_kubernetes():
    assert [plugin.name for plugin in PLUGINS][:11] == [
        "NamespaceLifecycle",
        "ServiceAccount",
        "TaintNodesByCondition",
        "Priority",
        "DefaultTolerationSeconds",
        "DefaultStorageClass",
        "StorageObjectInUseProtection",
        "PersistentVolumeClaimResize",
        "RuntimeClass",
        "DefaultIngressClass",
        "PodTopologyLabels",
    ]


# Namespaces ---------------------------------------------------------------------------------------------------------


async def test_namespaces_must_be_there_and_alive():
    plugin = namespace_lifecycle.PLUGIN
    ending = {**named("team", deletionTimestamp="2026-01-01T00:00:00Z"), "status": {"phase": "Terminating"}}
    missing = await World().refused(plugin, "v1 pods", pod())
    assert (missing.code, missing.message) == (404, 'namespaces "team" not found')
    refusal = await World(namespaces=[ending]).refused(plugin, "v1 pods", pod())
    assert refusal.message == (
        'pods "p" is forbidden: unable to create new content in namespace team because it is being terminated'
    )
    assert refusal.details is not None
    assert refusal.details["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace team is being terminated",
            "field": "metadata.namespace",
        }
    ]
    await World(namespaces=[ending]).ask(plugin, "v1 pods", pod(), UPDATE, pod())


async def test_some_namespaces_are_immortal():
    plugin = namespace_lifecycle.PLUGIN
    refusal = await World().refused(plugin, "v1 namespaces", None, DELETE, named("kube-system"))
    assert refusal.message == 'namespaces "kube-system" is forbidden: this namespace may not be deleted'
    await World().ask(plugin, "v1 namespaces", None, DELETE, named("kube-node-lease"))


# Pods ---------------------------------------------------------------------------------------------------------------


async def test_a_pod_gets_the_token_of_its_account():
    world = World(serviceaccounts=[{**named("default", "team"), "imagePullSecrets": [{"name": "s"}]}])
    spec = (await world.ask(service_account.PLUGIN, "v1 pods", pod(initContainers=[{"name": "i", "image": "i"}])))[
        "spec"
    ]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    assert spec["imagePullSecrets"] == [{"name": "s"}]
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-") and len(volume["name"]) == len("kube-api-access-") + 5
    assert volume["projected"]["defaultMode"] == 420
    assert volume["projected"]["sources"][0] == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    assert volume["projected"]["sources"][1]["configMap"]["name"] == "kube-root-ca.crt"
    mount = {"name": volume["name"], "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    assert spec["containers"][0]["volumeMounts"] == spec["initContainers"][0]["volumeMounts"] == [mount]


async def test_a_token_is_not_mounted_where_nobody_wants_it():
    quiet = World(serviceaccounts=[{**named("default", "team"), "automountServiceAccountToken": False}])
    assert "volumes" not in (await quiet.ask(service_account.PLUGIN, "v1 pods", pod()))["spec"]
    loud = await quiet.ask(service_account.PLUGIN, "v1 pods", pod(automountServiceAccountToken=True))
    assert "volumes" in loud["spec"]
    taken = pod()
    taken["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": service_account.MOUNT_PATH}]
    assert "volumes" not in (await World(serviceaccounts=[named("default", "team")]).ask(
        service_account.PLUGIN, "v1 pods", taken
    ))["spec"]  # fmt: skip


async def test_the_default_account_is_waited_for_and_others_are_not():
    world = World(serviceaccounts=[])
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            world.objects["serviceaccounts"].append(named("default", "team"))

    plugin = service_account.build_plugin(sleep)
    await world.ask(plugin, "v1 pods", pod())
    assert len(waits) == 3
    refusal = await world.refused(plugin, "v1 pods", pod(serviceAccountName="bot"))
    assert refusal.message == (
        'pods "p" is forbidden: error looking up service account team/bot: serviceaccount "bot" not found'
    )
    assert (refusal.code, len(waits)) == (403, 3)
    world.objects["serviceaccounts"].clear()
    waits.clear()
    waits += [0.0] * 10
    assert (await world.refused(plugin, "v1 pods", pod())).code == 403
    assert len(waits) == 10 + service_account.ATTEMPTS - 1


async def test_mirror_pods_are_left_alone():
    mirror = pod()
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert "serviceAccountName" not in (await World().ask(service_account.PLUGIN, "v1 pods", mirror))["spec"]
    mirror["spec"]["serviceAccountName"] = "a"
    assert "mirror pod" in (await World().refused(service_account.PLUGIN, "v1 pods", mirror)).message


async def test_priorities_come_from_classes():
    high = {**named("high"), "value": 100, "preemptionPolicy": "Never"}
    low = {**named("low"), "value": 5, "globalDefault": True}
    world = World(priorityclasses__scheduling__k8s__io=[high])
    spec = (await world.ask(priority.PLUGIN, "v1 pods", pod()))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    spec = (await world.ask(priority.PLUGIN, "v1 pods", pod(priorityClassName="high")))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (100, "Never")
    refusal = await world.refused(priority.PLUGIN, "v1 pods", pod(priorityClassName="none"))
    assert refusal.message == 'pods "p" is forbidden: no PriorityClass with name none was found'
    refusal = await world.refused(priority.PLUGIN, "v1 pods", pod(priority=3))
    assert "the integer value of priority (3) must not be provided in pod spec" in refusal.message
    world = World(priorityclasses__scheduling__k8s__io=[high, low])
    spec = (await world.ask(priority.PLUGIN, "v1 pods", pod()))["spec"]
    assert (spec["priorityClassName"], spec["priority"]) == ("low", 5)
    second = {**named("second"), "value": 1, "globalDefault": True}
    refusal = await world.refused(priority.PLUGIN, "scheduling.k8s.io/v1 priorityclasses", second)
    assert "PriorityClass low is already marked as default. Only one default can exist" in refusal.message
    await world.ask(priority.PLUGIN, "scheduling.k8s.io/v1 priorityclasses", low, UPDATE, low)


async def test_tolerations_of_failing_nodes():
    spec = (await World().ask(default_tolerations.PLUGIN, "v1 pods", pod()))["spec"]
    assert [(t["key"], t["tolerationSeconds"]) for t in spec["tolerations"]] == [
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    ]
    spec = (await World().ask(default_tolerations.PLUGIN, "v1 pods", pod(tolerations=[{"operator": "Exists"}])))["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}]


async def test_a_runtime_class_brings_overhead_and_place():
    heavy = {
        **named("heavy"),
        "handler": "h",
        "overhead": {"podFixed": {"cpu": "250m"}},
        "scheduling": {"nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm", "operator": "Exists"}]},
    }
    world = World(runtimeclasses__node__k8s__io=[heavy])
    spec = (await world.ask(runtime_class.PLUGIN, "v1 pods", pod(runtimeClassName="heavy")))["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == ({"cpu": "250m"}, {"vm": "yes"})
    assert spec["tolerations"] == [{"key": "vm", "operator": "Exists"}]
    for changed, text in (
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        ({"runtimeClassName": "heavy", "overhead": {"cpu": "1"}}, "doesn't match RuntimeClass's defined Overhead"),
        ({"overhead": {"cpu": "1"}}, "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
        ({"runtimeClassName": "heavy", "nodeSelector": {"vm": "no"}}, "runtimeClass.scheduling.nodeSelector[vm] = yes"),
    ):
        assert text in (await world.refused(runtime_class.PLUGIN, "v1 pods", pod(**changed))).message


async def test_a_bound_pod_is_told_its_zone():
    node = named("n", labels={"topology.kubernetes.io/zone": "a", "other": "b"})
    world = World(nodes=[node])
    bound = pod(nodeName="n")
    await world.ask(pod_topology.PLUGIN, "v1 pods", bound, UPDATE, pod(), "binding")
    assert bound["metadata"]["labels"] == {"topology.kubernetes.io/zone": "a"}
    changed = pod(nodeName="n")
    await world.ask(pod_topology.PLUGIN, "v1 pods", changed, UPDATE, pod())
    assert "labels" not in changed["metadata"]


# Others -------------------------------------------------------------------------------------------------------------


async def test_a_new_node_is_not_ready():
    node = await World().ask(node_taints.PLUGIN, "v1 nodes", named("n"))
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    again = await World().ask(node_taints.PLUGIN, "v1 nodes", node)
    assert len(again["spec"]["taints"]) == 1


async def test_a_claim_gets_the_default_class():
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    classes = [
        named("old", annotations=default, creationTimestamp="2026-01-01T00:00:00Z"),
        named("new", annotations=default, creationTimestamp="2026-02-01T00:00:00Z"),
        named("other", creationTimestamp="2026-03-01T00:00:00Z"),
    ]
    world = World(storageclasses__storage__k8s__io=classes)
    plugin, kind = default_storage_class.PLUGIN, "v1 persistentvolumeclaims"
    claim = await world.ask(plugin, kind, {**named("c", "team"), "spec": {}})
    assert claim["spec"]["storageClassName"] == "new"
    none = await world.ask(plugin, kind, {**named("c", "team"), "spec": {"storageClassName": ""}})
    assert none["spec"]["storageClassName"] == ""
    assert (await World().ask(plugin, kind, {**named("c", "team"), "spec": {}}))["spec"] == {}


async def test_storage_in_use_is_protected():
    volume = await World().ask(storage_in_use.PLUGIN, "v1 persistentvolumes", named("v"))
    assert volume["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    claim = await World().ask(
        storage_in_use.PLUGIN, "v1 persistentvolumeclaims", named("c", "team", finalizers=["a/b"])
    )
    assert claim["metadata"]["finalizers"] == ["a/b", "kubernetes.io/pvc-protection"]


async def test_claims_grow_where_their_class_can():
    def claim(size: str, phase: str = "Bound", name: str = "grows") -> Object:
        spec = {"storageClassName": name, "resources": {"requests": {"storage": size}}}
        return {**named("c", "team"), "spec": spec, "status": {"phase": phase}}

    classes = [{**named("grows"), "allowVolumeExpansion": True}, named("fixed")]
    world, plugin = World(storageclasses__storage__k8s__io=classes), claim_resize.PLUGIN
    kind = "v1 persistentvolumeclaims"
    await world.ask(plugin, kind, claim("2Gi"), UPDATE, claim("1Gi"))
    await world.ask(plugin, kind, claim("1Gi", name="fixed"), UPDATE, claim("1024Mi", name="fixed"))
    refusal = await world.refused(plugin, kind, claim("2Gi", "Pending"), UPDATE, claim("1Gi", "Pending"))
    assert "Only bound persistent volume claims can be expanded" in refusal.message
    refusal = await world.refused(plugin, kind, claim("2Gi", name="fixed"), UPDATE, claim("1Gi", name="fixed"))
    assert "only dynamically provisioned pvc can be resized" in refusal.message


async def test_an_ingress_gets_the_default_class():
    found = named("nginx", annotations={"ingressclass.kubernetes.io/is-default-class": "true"})
    world, kind = World(ingressclasses__networking__k8s__io=[found]), "networking.k8s.io/v1 ingresses"
    plugin = default_ingress_class.PLUGIN
    assert (await world.ask(plugin, kind, {**named("i", "team"), "spec": {}}))["spec"]["ingressClassName"] == "nginx"
    old = {**named("i", "team", annotations={"kubernetes.io/ingress.class": "x"}), "spec": {}}
    assert (await world.ask(plugin, kind, old))["spec"] == {}
