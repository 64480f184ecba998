"""The rows of `kubectl get`: one word for everything that can go on in a pod, and the cells of the other kinds."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.kinds import catalog
from apiserver.meta import format_time

NOW = 1_700_000_000.0
BORN = format_time(NOW - 300)


def row(plural: str, obj: dict[str, Any], group: str = "") -> list[Any]:
    resource = catalog.find(group, "v1", plural)
    assert resource is not None
    obj.setdefault("metadata", {}).update(name="x", creationTimestamp=BORN)
    cells = resource.row(obj, NOW)
    assert len(cells) == len(resource.columns)
    return cells


def running(**more: Any) -> dict[str, Any]:
    return {"name": "c", "ready": True, "state": {"running": {}}, **more}


def waiting(reason: str) -> dict[str, Any]:
    return {"name": "c", "state": {"waiting": {"reason": reason}}}


def ended(**terminated: Any) -> dict[str, Any]:
    return {"name": "c", "state": {"terminated": terminated}}


READY = [{"type": "Ready", "status": "True"}]

PODS = [
    ("pending", {"phase": "Pending"}, "0/1", "Pending"),
    ("running", {"phase": "Running", "containerStatuses": [running()]}, "1/1", "Running"),
    ("creating", {"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]}, "0/1", "ContainerCreating"),
    ("crashing", {"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff")]}, "0/1", "CrashLoopBackOff"),
    ("done", {"phase": "Succeeded", "containerStatuses": [ended(reason="Completed")]}, "0/1", "Completed"),
    ("failed", {"phase": "Failed", "containerStatuses": [ended(exitCode=3)]}, "0/1", "ExitCode:3"),
    ("killed", {"phase": "Failed", "containerStatuses": [ended(exitCode=137, signal=9)]}, "0/1", "Signal:9"),
    ("evicted", {"phase": "Failed", "reason": "Evicted"}, "0/1", "Evicted"),
    (
        "gated",
        {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
        "0/1",
        "SchedulingGated",
    ),
    (
        "one of two done, not ready",
        {"phase": "Running", "containerStatuses": [ended(reason="Completed"), running()]},
        "1/1",
        "NotReady",
    ),
    (
        "one of two done, ready",
        {"phase": "Running", "containerStatuses": [ended(reason="Completed"), running()], "conditions": READY},
        "1/1",
        "Running",
    ),
]


@pytest.mark.parametrize(("status", "ready", "word"), [pytest.param(*case[1:], id=case[0]) for case in PODS])
def test_the_word_for_a_pod(status: dict[str, Any], ready: str, word: str):
    cells = row("pods", {"spec": {"containers": [{"name": "c"}]}, "status": status})
    assert cells[:5] == ["x", ready, word, "0", "5m"]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"running": {}}, "Init:1/2"),
        ({"waiting": {"reason": "PodInitializing"}}, "Init:1/2"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "Init:CrashLoopBackOff"),
        ({"terminated": {"exitCode": 2}}, "Init:ExitCode:2"),
        ({"terminated": {"exitCode": 2, "reason": "Error"}}, "Init:Error"),
        ({"terminated": {"exitCode": 2, "signal": 9}}, "Init:Signal:9"),
    ],
)
def test_the_word_for_a_pod_that_is_starting(state: dict[str, Any], word: str):
    statuses = [ended(exitCode=0), {"name": "i", "state": state, "restartCount": 2}]
    spec = {"containers": [{"name": "c"}], "initContainers": [{"name": "j"}, {"name": "i"}]}
    cells = row("pods", {"spec": spec, "status": {"phase": "Pending", "initContainerStatuses": statuses}})
    assert cells[1:4] == ["0/1", word, "2"]


def test_a_sidecar_counts_as_a_container():
    spec = {"containers": [{"name": "c"}], "initContainers": [{"name": "s", "restartPolicy": "Always"}]}
    sidecar = running(name="s", started=True, restartCount=1)
    status = {"phase": "Running", "initContainerStatuses": [sidecar], "containerStatuses": [running()]}
    assert row("pods", {"spec": spec, "status": status})[1:4] == ["2/2", "Running", "1"]


def test_a_pod_that_is_going():
    pod = {"metadata": {"deletionTimestamp": BORN}, "spec": {"containers": [{}]}, "status": {"phase": "Running"}}
    assert row("pods", pod)[2] == "Terminating"
    pod["status"] = {"phase": "Running", "reason": "NodeLost"}
    assert row("pods", pod)[2] == "Unknown"
    pod["status"] = {"phase": "Succeeded"}
    assert row("pods", pod)[2] == "Succeeded"


def test_restarts_say_when():
    last = {"terminated": {"finishedAt": format_time(NOW - 30)}}
    status = {"phase": "Running", "containerStatuses": [running(restartCount=3, lastState=last)]}
    assert row("pods", {"spec": {"containers": [{}]}, "status": status})[3] == "3 (30s ago)"


def test_wide_cells_of_a_pod():
    status = {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "g", "status": "True"}]}
    spec = {"containers": [{}], "nodeName": "n", "readinessGates": [{"conditionType": "g"}, {"conditionType": "h"}]}
    assert row("pods", {"spec": spec, "status": status})[5:] == ["10.0.0.1", "n", "<none>", "1/2"]


def test_nodes():
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "Unknown"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2", "osImage": "Linux"},
        },
    }
    assert row("nodes", node) == [
        "x", "NotReady,SchedulingDisabled", "control-plane", "5m", "v1.36.2", "10.0.0.1", "<none>", "Linux",
        "<unknown>", "<unknown>",
    ]  # fmt: skip


def test_services():
    spec = {"type": "NodePort", "clusterIP": "10.96.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}
    assert row("services", {"spec": spec}) == [
        "x", "NodePort", "10.96.0.1", "<none>", "80:30080/TCP", "5m", "<none>",
    ]  # fmt: skip
    assert row("services", {"spec": {"type": "LoadBalancer", "selector": {"b": "1", "a": "2"}}})[3:] == [
        "<pending>", "<none>", "5m", "a=2,b=1",
    ]  # fmt: skip


def test_workloads():
    template = {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    status = {"replicas": 4, "readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2}
    wide = ["c,d", "i,j", "a=b"]
    assert row("deployments", {"spec": spec, "status": status}, "apps") == ["x", "2/3", 1, 2, "5m", *wide]
    assert row("replicasets", {"spec": spec, "status": status}, "apps") == ["x", 3, 4, 2, "5m", *wide]


def test_events():
    event = {
        "involvedObject": {"kind": "Pod", "name": "p"},
        "firstTimestamp": format_time(NOW - 60),
        "lastTimestamp": format_time(NOW - 10),
        "count": 4,
        "type": "Normal",
        "reason": "R",
        "message": " m\n",
        "source": {"component": "kubelet", "host": "n"},
    }
    assert row("events", event) == ["10s", "Normal", "R", "pod/p", "", "kubelet, n", "m", "60s", 4, "x"]


def test_addresses():
    subsets = [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(5)], "ports": [{"port": 80}]}]
    assert row("endpoints", {"subsets": subsets})[1] == "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more..."
    assert row("endpoints", {})[1] == "<none>"
    endpoint_slice = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]}
    assert row("endpointslices", endpoint_slice, "discovery.k8s.io")[1:4] == ["IPv4", "80", "10.0.0.1"]
