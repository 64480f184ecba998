"""Defaults beyond those of minimal objects: fields that have one only where a client sets their neighbours.

Controllers of Kubernetes read these fields without asking whether they are there. Each case is the part of an object
before and after; the objects are otherwise as a client would send them.
"""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.kinds import Resource, catalog
from apiserver.kinds.pod_resources import default_pod_resources
from apiserver.meta import deep_copy, find_field, set_field


def _resource(where: str) -> Resource:
    group_version, plural = where.split()
    group, _, version = group_version.rpartition("/")
    resource = catalog.find(group, version, plural)
    assert resource is not None
    return resource


def _defaulted(where: str, obj: dict[str, Any]) -> dict[str, Any]:
    obj = {"metadata": {"name": "x"}, **deep_copy(obj)}
    _resource(where).stored.defaults(obj)
    return obj


PODS = "v1 pods"
CONTAINER = {"name": "c", "image": "nginx:1"}

# (resource, path of the part, the part as sent, as defaulted)
CASES: list[tuple[str, str, Any, Any]] = [
    # Pods
    (
        PODS,
        "spec.containers",
        [{**CONTAINER, "resources": {"limits": {"cpu": "1", "memory": "100u"}}}],
        [
            {
                **CONTAINER,
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "resources": {"limits": {"cpu": "1", "memory": "1m"}, "requests": {"cpu": "1", "memory": "1m"}},
            }
        ],
    ),
    (PODS, "spec.volumes", [{"name": "v"}], [{"name": "v", "emptyDir": {}}]),
    (
        PODS,
        "spec.volumes",
        [{"name": "v", "image": {"reference": "r.io/data"}}],
        [{"name": "v", "image": {"reference": "r.io/data", "pullPolicy": "Always"}}],
    ),
    (
        PODS,
        "spec.volumes",
        [{"name": "v", "iscsi": {"targetPortal": "t", "iqn": "i", "lun": 0}}],
        [{"name": "v", "iscsi": {"targetPortal": "t", "iqn": "i", "lun": 0, "iscsiInterface": "default"}}],
    ),
    (
        PODS,
        "spec.volumes",
        [{"name": "v", "rbd": {"monitors": ["m"], "image": "i"}}],
        [
            {
                "name": "v",
                "rbd": {
                    "monitors": ["m"],
                    "image": "i",
                    "pool": "rbd",
                    "user": "admin",
                    "keyring": "/etc/ceph/keyring",
                },
            }
        ],
    ),
    (
        PODS,
        "spec.volumes",
        [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}}],
        [
            {
                "name": "v",
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "metadata": {},
                        "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "resources": {}},
                    }
                },
            }
        ],
    ),
    # Workloads
    (
        "apps/v1 statefulsets",
        "spec.updateStrategy",
        {"type": "RollingUpdate", "rollingUpdate": {}},
        {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    ),
    ("apps/v1 statefulsets", "spec.updateStrategy", {"type": "OnDelete"}, {"type": "OnDelete"}),
    (
        "apps/v1 statefulsets",
        "spec.persistentVolumeClaimRetentionPolicy",
        {"whenDeleted": "Delete"},
        {"whenDeleted": "Delete", "whenScaled": "Retain"},
    ),
    ("apps/v1 daemonsets", "spec.updateStrategy", {"type": "OnDelete"}, {"type": "OnDelete"}),
    (
        "apps/v1 daemonsets",
        "spec.updateStrategy",
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%"}},
        {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": "10%"}},
    ),
    # Jobs
    ("batch/v1 jobs", "spec.completions", None, 1),
    ("batch/v1 jobs", "spec.backoffLimitPerIndex", 1, 1),
    (
        "batch/v1 jobs",
        "spec.podFailurePolicy",
        {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]},
        {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]},
    ),
    # Autoscalers
    (
        "autoscaling/v2 horizontalpodautoscalers",
        "spec.behavior",
        {"scaleDown": {"stabilizationWindowSeconds": 60}},
        {
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [
                    {"type": "Pods", "value": 4, "periodSeconds": 15},
                    {"type": "Percent", "value": 100, "periodSeconds": 15},
                ],
            },
            "scaleDown": {
                "stabilizationWindowSeconds": 60,
                "selectPolicy": "Max",
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
            },
        },
    ),
    # Networking
    (
        "networking.k8s.io/v1 networkpolicies",
        "spec.egress",
        [{"ports": [{"port": 53}]}],
        [{"ports": [{"port": 53, "protocol": "TCP"}]}],
    ),
    (
        "networking.k8s.io/v1 ingressclasses",
        "spec.parameters",
        {"kind": "P", "name": "p"},
        {"kind": "P", "name": "p", "scope": "Cluster"},
    ),
    (
        "discovery.k8s.io/v1 endpointslices",
        "ports",
        [{"port": 80}],
        [{"port": 80, "name": "", "protocol": "TCP"}],
    ),
    ("discovery.k8s.io/v1 endpointslices", "endpoints", None, None),
    # Storage
    (
        "v1 persistentvolumes",
        "spec.scaleIO",
        {"gateway": "g", "system": "s"},
        {"gateway": "g", "system": "s", "storageMode": "ThinProvisioned", "fsType": "xfs"},
    ),
    ("v1 persistentvolumes", "spec.capacity", {"storage": "1500u"}, {"storage": "2m"}),
    ("storage.k8s.io/v1 csinodes", "spec.drivers", [], None),
    # Limits
    (
        "v1 limitranges",
        "spec.limits",
        [{"type": "Container", "min": {"cpu": "100m"}, "max": {"memory": "1Gi"}}],
        [
            {
                "type": "Container",
                "min": {"cpu": "100m"},
                "max": {"memory": "1Gi"},
                "default": {"memory": "1Gi"},
                "defaultRequest": {"cpu": "100m", "memory": "1Gi"},
            }
        ],
    ),
    ("v1 limitranges", "spec.limits", [{"type": "Pod", "max": {"cpu": "1"}}], [{"type": "Pod", "max": {"cpu": "1"}}]),
    # Access
    ("rbac.authorization.k8s.io/v1 clusterroles", "rules", None, None),
    (
        "rbac.authorization.k8s.io/v1 rolebindings",
        "roleRef",
        {"kind": "Role", "name": "r"},
        {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
    ),
    # Admission
    (
        "admissionregistration.k8s.io/v1 mutatingadmissionpolicies",
        "spec.matchConstraints",
        {"excludeResourceRules": [{"operations": ["*"]}]},
        {
            "excludeResourceRules": [{"operations": ["*"], "scope": "*"}],
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
        },
    ),
    (
        "admissionregistration.k8s.io/v1 validatingadmissionpolicybindings",
        "spec.matchResources",
        {},
        {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}},
    ),
    # Flow control
    (
        "flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations",
        "spec",
        {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {"queues": 8}}}},
        {
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": 30,
                "lendablePercent": 0,
                "limitResponse": {"type": "Queue", "queuing": {"queues": 8, "handSize": 8, "queueLengthLimit": 50}},
            },
        },
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations",
        "spec",
        {"type": "Exempt", "exempt": {}},
        {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    ),
    # Devices
    (
        "resource.k8s.io/v1 resourceclaims",
        "spec.devices.requests",
        [
            {"name": "a", "exactly": {"deviceClassName": "gpu", "tolerations": [{"key": "k"}]}},
            {"name": "b", "firstAvailable": [{"name": "s", "deviceClassName": "gpu", "allocationMode": "All"}]},
        ],
        [
            {
                "name": "a",
                "exactly": {
                    "deviceClassName": "gpu",
                    "allocationMode": "ExactCount",
                    "count": 1,
                    "tolerations": [{"key": "k", "operator": "Equal"}],
                },
            },
            {"name": "b", "firstAvailable": [{"name": "s", "deviceClassName": "gpu", "allocationMode": "All"}]},
        ],
    ),
    # Definitions
    (
        "apiextensions.k8s.io/v1 customresourcedefinitions",
        "spec.conversion",
        {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "s", "namespace": "n"}}}},
        {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "s", "namespace": "n", "port": 443}}}},
    ),
]


@pytest.mark.parametrize(("where", "path", "sent", "expected"), CASES, ids=[f"{c[0].split()[1]}-{c[1]}" for c in CASES])
def test_what_is_left_out_is_filled_in(where: str, path: str, sent: Any, expected: Any):
    obj: dict[str, Any] = {}
    if sent is not None:
        set_field(obj, path, deep_copy(sent))
    assert find_field(_defaulted(where, obj), path) == expected


def test_defaulting_again_changes_nothing():
    for where, path, sent, _ in CASES:
        obj: dict[str, Any] = {}
        if sent is not None:
            set_field(obj, path, deep_copy(sent))
        once = _defaulted(where, obj)
        assert _defaulted(where, once) == once, where


def test_a_limit_per_index_leaves_no_limit_for_the_whole_job():
    job = _defaulted("batch/v1 jobs", {"spec": {"backoffLimitPerIndex": 1, "podFailurePolicy": {}}})
    assert job["spec"]["backoffLimit"] == 2**31 - 1
    assert job["spec"]["podReplacementPolicy"] == "Failed"


def test_a_policy_with_egress_rules_is_about_both_directions():
    policy = _defaulted("networking.k8s.io/v1 networkpolicies", {"spec": {"egress": [{}]}})
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_the_address_of_a_load_balancer_is_virtual_unless_it_says_otherwise():
    ingress = [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2", "ipMode": "Proxy"}, {"hostname": "h"}]
    service = _defaulted(
        "v1 services", {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": ingress}}}
    )
    assert [entry.get("ipMode") for entry in service["status"]["loadBalancer"]["ingress"]] == ["VIP", "Proxy", None]


# Resources of a pod as a whole --------------------------------------------------------------------------------------


def _container(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **more: Any) -> Any:
    return {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def test_pod_requests_follow_from_containers_and_then_from_limits():
    spec = {
        "containers": [_container({"cpu": "100m"}), _container({"cpu": "200m"})],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    }
    default_pod_resources(spec)
    assert spec["resources"] == {
        "limits": {"cpu": "1", "memory": "1Gi"},
        "requests": {"cpu": "300m", "memory": "1Gi"},
    }


def test_pod_requests_count_the_highest_moment_of_the_start():
    spec = {
        "initContainers": [
            _container({"memory": "64Mi"}, restartPolicy="Always"),
            _container({"memory": "512Mi"}),
        ],
        "containers": [_container({"memory": "256Mi"})],
        "resources": {"limits": {"memory": "1Gi"}},
    }
    default_pod_resources(spec)
    assert spec["resources"]["requests"] == {"memory": "576Mi"}  # the sidecar is there already


def test_pod_limits_follow_only_from_containers_that_all_have_one():
    spec = {
        "containers": [_container(limits={"cpu": "1", "memory": "1Gi"}), _container(limits={"cpu": "500m"})],
        "resources": {"requests": {"cpu": "100m"}},
    }
    default_pod_resources(spec)
    assert spec["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "1500m"}}


def test_a_pod_without_resources_of_its_own_gets_none():
    spec = {"containers": [_container({"cpu": "1"})]}
    default_pod_resources(spec)
    assert "resources" not in spec
