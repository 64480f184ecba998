"""The priority levels and flow schemas that every Kubernetes cluster has: two of each are mandatory, the others suggested.

Requests are not queued by them here; clients read them, and answers may name them. Facts: Kubernetes 1.36,
pkg/apis/flowcontrol/bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

GROUP = "flowcontrol.apiserver.k8s.io"
AUTO_UPDATE = {"apf.kubernetes.io/autoupdate-spec": "true"}

MASTERS = "system:masters"
NODES = "system:nodes"
EVERYBODY = ("system:unauthenticated", "system:authenticated")
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"

# name: (shares, lendable percent, queues, hand size, queue length)
_QUEUED = {
    "system": (30, 33, 64, 6, 50),
    "node-high": (40, 25, 64, 6, 50),
    "leader-election": (10, 0, 16, 4, 50),
    "workload-high": (40, 50, 128, 6, 50),
    "workload-low": (100, 90, 128, 6, 50),
    "global-default": (20, 50, 128, 6, 50),
}


def _group(*names: str) -> list[Object]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _user(*names: str) -> list[Object]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _account(name: str) -> list[Object]:
    return [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}}]


def _resources(verbs: list[str], groups: list[str], resources: list[str], *, cluster: bool = False) -> Object:
    rule: Object = {"verbs": verbs, "apiGroups": groups, "resources": resources, "namespaces": ["*"]}
    return {**rule, "clusterScope": True} if cluster else rule


def _urls(verbs: list[str], *urls: str) -> Object:
    return {"verbs": verbs, "nonResourceURLs": list(urls)}


_ALL_RESOURCES = _resources(["*"], ["*"], ["*"], cluster=True)
_ALL_URLS = _urls(["*"], "*")


def _everything(subjects: list[Object]) -> Object:
    return {"subjects": subjects, "resourceRules": [_ALL_RESOURCES], "nonResourceRules": [_ALL_URLS]}


_LEASES = _resources(["get", "create", "update"], ["coordination.k8s.io"], ["leases"])

# (name, level, precedence, distinguisher, rules)
_SCHEMAS: tuple[tuple[str, str, int, str, list[Object]], ...] = (
    ("exempt", "exempt", 1, "", [_everything(_group(MASTERS))]),
    (
        "probes",
        "exempt",
        2,
        "",
        [{"subjects": _group(*EVERYBODY), "nonResourceRules": [_urls(["get"], "/healthz", "/readyz", "/livez")]}],
    ),
    (
        "system-leader-election",
        "leader-election",
        100,
        "ByUser",
        [{"subjects": _user(CONTROLLER_MANAGER, SCHEDULER), "resourceRules": [_LEASES]}],
    ),
    (
        "endpoint-controller",
        "workload-high",
        150,
        "ByUser",
        [
            {
                "subjects": [*_user(CONTROLLER_MANAGER), *_account("endpoint-controller")],
                "resourceRules": [_resources(["get", "create", "update"], [""], ["endpoints"])],
            }
        ],
    ),
    (
        "workload-leader-election",
        "leader-election",
        200,
        "ByUser",
        [{"subjects": _account("*"), "resourceRules": [_LEASES]}],
    ),
    (
        "system-node-high",
        "node-high",
        400,
        "ByUser",
        [
            {
                "subjects": _group(NODES),
                "resourceRules": [
                    _resources(["*"], [""], ["nodes", "nodes/status"], cluster=True),
                    _resources(["*"], ["coordination.k8s.io"], ["leases"]),
                ],
            }
        ],
    ),
    ("system-nodes", "system", 500, "ByUser", [_everything(_group(NODES))]),
    ("kube-controller-manager", "workload-high", 800, "ByNamespace", [_everything(_user(CONTROLLER_MANAGER))]),
    ("kube-scheduler", "workload-high", 800, "ByNamespace", [_everything(_user(SCHEDULER))]),
    ("kube-system-service-accounts", "workload-high", 900, "ByNamespace", [_everything(_account("*"))]),
    ("service-accounts", "workload-low", 9000, "ByUser", [_everything(_group("system:serviceaccounts"))]),
    ("global-default", "global-default", 9900, "ByUser", [_everything(_group(*EVERYBODY))]),
    ("catch-all", "catch-all", 10000, "ByUser", [_everything(_group(*EVERYBODY))]),
)


def priority_levels() -> Iterator[Object]:
    yield _level("exempt", {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}})
    reject = {"nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"}}
    yield _level("catch-all", {"type": "Limited", "limited": reject})
    for name, (shares, lendable, queues, hand, length) in _QUEUED.items():
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": length}
        response = {"type": "Queue", "queuing": queuing}
        limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
        yield _level(name, {"type": "Limited", "limited": limited})


def _level(name: str, spec: Object) -> Object:
    return {"metadata": {"name": name, "annotations": dict(AUTO_UPDATE)}, "spec": spec}


def flow_schemas(now: str) -> Iterator[Object]:
    """Each refers to a level that is there, and says so."""
    for name, level, precedence, distinguisher, rules in _SCHEMAS:
        spec: Object = {
            "priorityLevelConfiguration": {"name": level},
            "matchingPrecedence": precedence,
            "rules": rules,
        }
        if distinguisher:
            spec["distinguisherMethod"] = {"type": distinguisher}
        text = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" and it exists'
        found = {
            "type": "Dangling", "status": "False", "lastTransitionTime": now, "reason": "Found", "message": text,
        }  # fmt: skip
        metadata = {"name": name, "annotations": dict(AUTO_UPDATE)}
        yield {"metadata": metadata, "spec": spec, "status": {"conditions": [found]}}
