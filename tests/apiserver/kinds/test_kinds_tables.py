"""What `kubectl get` shows: the columns of every kind are Kubernetes' (testdata/columns.json), and the cells say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.kinds import BUILTIN, Resource, catalog
from apiserver.kinds.strategy import DEFAULT_COLUMNS
from apiserver.meta import format_time

COLUMNS = json.loads((Path(__file__).parent / "testdata" / "columns.json").read_text())["columns"]

# Columns that printers add row by row, beyond the definitions that the file was made of.
MORE_COLUMNS = {"storage.k8s.io/CSIDriver": 4}
OF_OTHER_SERVERS = ("apiregistration.k8s.io/APIService",)  # the aggregator prints its own

NOW = 1_700_000_000.0
BORN = format_time(NOW - 300)


@pytest.mark.parametrize("resource", BUILTIN, ids=lambda r: f"{r.group}-{r.version}-{r.plural}")
def test_the_columns_are_those_of_kubernetes(resource: Resource):
    name = f"{'' if resource.group == 'events.k8s.io' else resource.group}/{resource.kind}"
    if name in OF_OTHER_SERVERS:
        return
    expected = COLUMNS.get(name)
    if expected is None:
        assert resource.columns == DEFAULT_COLUMNS
        return
    columns = [[column.name, column.type, column.priority] for column in resource.columns]
    assert columns[: len(expected)] == expected
    assert len(columns) == len(expected) + MORE_COLUMNS.get(name, 0)


def _row(where: str, obj: dict[str, Any]) -> list[Any]:
    group_version, plural = where.split()
    group, _, version = group_version.rpartition("/")
    resource = catalog.find(group, version, plural)
    assert resource is not None
    obj = {**obj, "metadata": {"name": "x", "creationTimestamp": BORN, **obj.get("metadata", {})}}
    cells = resource.row(obj, NOW)
    assert len(cells) == len(resource.columns)
    return [cell for cell, column in zip(cells, resource.columns, strict=True) if not column.priority]


TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "nginx"}], "nodeSelector": {"disk": "ssd"}}}


def _cpu(target: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


ROWS: list[tuple[str, dict[str, Any], list[Any]]] = [
    (
        "apps/v1 daemonsets",
        {
            "spec": {"template": TEMPLATE},
            "status": {"desiredNumberScheduled": 3, "currentNumberScheduled": 2, "numberReady": 1},
        },
        ["x", 3, 2, 1, 0, 0, "disk=ssd", "5m"],
    ),
    ("apps/v1 statefulsets", {"spec": {"replicas": 3}, "status": {"readyReplicas": 2}}, ["x", "2/3", "5m"]),
    (
        "batch/v1 jobs",
        {"spec": {"completions": 3}, "status": {"succeeded": 1, "startTime": format_time(NOW - 90)}},
        ["x", "Running", "1/3", "90s", "5m"],
    ),
    (
        "batch/v1 jobs",
        {
            "spec": {"parallelism": 4},
            "status": {
                "succeeded": 1,
                "startTime": format_time(NOW - 90),
                "completionTime": format_time(NOW - 50),
                "conditions": [{"type": "Complete", "status": "True"}],
            },
        },
        ["x", "Complete", "1/1 of 4", "40s", "5m"],
    ),
    (
        "batch/v1 jobs",
        {"spec": {"completions": 1}, "status": {"conditions": [{"type": "Suspended", "status": "True"}]}},
        ["x", "Suspended", "0/1", "", "5m"],
    ),
    (
        "batch/v1 cronjobs",
        {
            "spec": {"schedule": "*/5 * * * *", "suspend": True, "timeZone": "Etc/UTC"},
            "status": {"active": [{}], "lastScheduleTime": format_time(NOW - 60)},
        },
        ["x", "*/5 * * * *", "Etc/UTC", "True", 1, "60s", "5m"],
    ),
    ("batch/v1 cronjobs", {"spec": {"schedule": "@daily"}}, ["x", "@daily", "<none>", "False", 0, "<none>", "5m"]),
    (
        "autoscaling/v2 horizontalpodautoscalers",
        {
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                "minReplicas": 1,
                "maxReplicas": 3,
                "metrics": [
                    _cpu({"type": "Utilization", "averageUtilization": 80}),
                    _cpu({"type": "AverageValue", "averageValue": "500m"}),
                    {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"averageValue": "10"}}},
                ],
            },
            "status": {
                "currentReplicas": 2,
                "currentMetrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 50}}}
                ],
            },
        },
        ["x", "Deployment/d", "cpu: 50%/80%, cpu: <unknown>/500m + 1 more...", "1", 3, 2, "5m"],
    ),
    (
        "autoscaling/v1 horizontalpodautoscalers",
        {
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                "maxReplicas": 3,
                "targetCPUUtilizationPercentage": 70,
            },
            "status": {"currentReplicas": 1, "desiredReplicas": 1, "currentCPUUtilizationPercentage": 20},
        },
        ["x", "Deployment/d", "cpu: 20%/70%", "<unset>", 3, 1, "5m"],
    ),
    (
        "networking.k8s.io/v1 ingresses",
        {
            "spec": {"ingressClassName": "nginx", "rules": [{"host": "a.io"}, {"host": "b.io"}], "tls": [{}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}, {"hostname": "lb.io"}]}},
        },
        ["x", "nginx", "a.io,b.io", "10.0.0.9,lb.io", "80, 443", "5m"],
    ),
    ("networking.k8s.io/v1 ingresses", {"spec": {"rules": [{}]}}, ["x", "<none>", "*", "", "80", "5m"]),
    (
        "networking.k8s.io/v1 ingressclasses",
        {"spec": {"controller": "a/b", "parameters": {"apiGroup": "g.io", "kind": "P", "name": "p"}}},
        ["x", "a/b", "P.g.io/p", "5m"],
    ),
    ("networking.k8s.io/v1 networkpolicies", {"spec": {"podSelector": {}}}, ["x", "<none>", "5m"]),
    (
        "networking.k8s.io/v1 ipaddresses",
        {"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "kubernetes"}}},
        ["x", "services/default/kubernetes"],
    ),
    ("networking.k8s.io/v1 servicecidrs", {"spec": {"cidrs": ["10.0.0.0/16"]}}, ["x", "10.0.0.0/16", "5m"]),
    (
        "policy/v1 poddisruptionbudgets",
        {"spec": {"minAvailable": 1}, "status": {"disruptionsAllowed": 2}},
        ["x", "1", "N/A", 2, "5m"],
    ),
    (
        "v1 persistentvolumes",
        {
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"namespace": "default", "name": "c"},
                "storageClassName": "fast",
            },
            "status": {"phase": "Bound"},
        },
        ["x", "1Gi", "RWO,RWX", "Retain", "Bound", "default/c", "fast", "<unset>", "", "5m"],
    ),
    (
        "v1 persistentvolumeclaims",
        {"spec": {"resources": {"requests": {"storage": "1Gi"}}}, "status": {"phase": "Pending"}},
        ["x", "Pending", "", "", "", "", "<unset>", "5m"],
    ),
    (
        "v1 persistentvolumeclaims",
        {
            "metadata": {"deletionTimestamp": BORN},
            "spec": {"volumeName": "pv"},
            "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOncePod"]},
        },
        ["x", "Terminating", "pv", "2Gi", "RWOP", "", "<unset>", "5m"],
    ),
    (
        "v1 resourcequotas",
        {"status": {"hard": {"pods": "10", "limits.cpu": "2", "cpu": "1"}, "used": {"pods": "3"}}},
        ["x", "cpu: 0/1, pods: 3/10", "limits.cpu: 0/2", "5m"],
    ),
    ("v1 podtemplates", {"template": TEMPLATE}, ["x", "c", "nginx", "<none>"]),
    ("v1 replicationcontrollers", {"spec": {"replicas": 2, "template": TEMPLATE}}, ["x", 2, 0, 0, "5m"]),
    (
        "v1 componentstatuses",
        {"conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]},
        ["x", "Healthy", "ok", ""],
    ),
    (
        "storage.k8s.io/v1 storageclasses",
        {
            "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "p",
            "reclaimPolicy": "Delete",
        },
        ["x (default)", "p", "Delete", "Immediate", False, "5m"],
    ),
    (
        "storage.k8s.io/v1 csidrivers",
        {"spec": {"volumeLifecycleModes": ["Persistent"], "tokenRequests": [{"audience": "a"}]}},
        ["x", True, False, False, "a", False, "Persistent", "5m"],
    ),
    ("storage.k8s.io/v1 csinodes", {"spec": {"drivers": None}}, ["x", 0, "5m"]),
    (
        "storage.k8s.io/v1 volumeattachments",
        {"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "p"}}},
        ["x", "a", "p", "n", False, "5m"],
    ),
    (
        "rbac.authorization.k8s.io/v1 rolebindings",
        {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]},
        ["x", "Role/r", "5m"],
    ),
    (
        "certificates.k8s.io/v1 certificatesigningrequests",
        {
            "spec": {"signerName": "s/t", "username": "u", "expirationSeconds": 3600},
            "status": {"conditions": [{"type": "Approved", "status": "True"}], "certificate": "LQ=="},
        },
        ["x", "5m", "s/t", "u", "60m", "Approved,Issued"],
    ),
    (
        "apiregistration.k8s.io/v1 apiservices",
        {
            "spec": {"service": {"namespace": "n", "name": "s"}},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]},
        },
        ["x", "n/s", "False (MissingEndpoints)", "5m"],
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1 flowschemas",
        {"spec": {"priorityLevelConfiguration": {"name": "exempt"}, "matchingPrecedence": 1}},
        ["x", "exempt", 1, "<none>", "5m", "?"],
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations",
        {"spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 30}}},
        ["x", "Limited", 30, "<none>", "<none>", "<none>", "5m"],
    ),
    (
        "admissionregistration.k8s.io/v1 validatingadmissionpolicies",
        {"spec": {"validations": [{}], "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}},
        ["x", 1, "v1/ConfigMap", "5m"],
    ),
    (
        "admissionregistration.k8s.io/v1 validatingadmissionpolicybindings",
        {"spec": {"policyName": "p", "paramRef": {"name": "n"}}},
        ["x", "p", "*/n", "5m"],
    ),
    ("admissionregistration.k8s.io/v1 mutatingwebhookconfigurations", {"webhooks": [{}, {}]}, ["x", 2, "5m"]),
    ("resource.k8s.io/v1 resourceclaims", {"status": {}}, ["x", "pending", "5m"]),
    (
        "resource.k8s.io/v1 resourceclaims",
        {"status": {"allocation": {}, "reservedFor": [{}]}},
        ["x", "allocated,reserved", "5m"],
    ),
    ("node.k8s.io/v1 runtimeclasses", {"handler": "h"}, ["x", "h", "5m"]),
    (
        "events.k8s.io/v1 events",
        {
            "regarding": {"kind": "Pod", "name": "p"},
            "note": "m",
            "reason": "R",
            "type": "Normal",
            "eventTime": "2023-11-14T22:12:20.000000Z",
        },
        ["60s", "Normal", "R", "pod/p", "m"],
    ),
]


@pytest.mark.parametrize(("where", "obj", "cells"), ROWS, ids=[row[0].split()[1] for row in ROWS])
def test_a_row_says_what_kubernetes_says(where: str, obj: dict[str, Any], cells: list[Any]):
    assert _row(where, obj) == cells
