"""Two versions of the same objects: autoscaling/v1 over v2, events.k8s.io/v1 over the core group's events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.kinds import catalog
from apiserver.meta import deep_copy, parse_field_selector

V2 = catalog.find("autoscaling", "v2", "horizontalpodautoscalers")
V1 = catalog.find("autoscaling", "v1", "horizontalpodautoscalers")
EVENTS = catalog.find("events.k8s.io", "v1", "events")
CORE_EVENTS = catalog.find("", "v1", "events")

PREFIX = "autoscaling.alpha.kubernetes.io/"


def _cpu(percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


METRICS: list[dict[str, Any]] = [
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
    {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "c",
            "target": {"type": "Utilization", "averageUtilization": 50},
        },
    },
    {
        "type": "Pods",
        "pods": {
            "metric": {"name": "qps", "selector": {"matchLabels": {"a": "b"}}},
            "target": {"type": "AverageValue", "averageValue": "10"},
        },
    },
    {
        "type": "Object",
        "object": {
            "describedObject": {"kind": "Ingress", "name": "i", "apiVersion": "networking.k8s.io/v1"},
            "metric": {"name": "rps"},
            "target": {"type": "Value", "value": "2k"},
        },
    },
    {
        "type": "External",
        "external": {
            "metric": {"name": "queue", "selector": {"matchLabels": {"q": "x"}}},
            "target": {"type": "AverageValue", "averageValue": "30"},
        },
    },
]

BEHAVIOR: dict[str, Any] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
    },
    "scaleDown": {
        "selectPolicy": "Disabled",
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        "tolerance": "50m",
    },
}


def _autoscaler(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "x"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 1, "maxReplicas": 3, **spec},
    }


def test_what_v1_has_no_field_for_travels_in_annotations():
    assert V1 is not None and V2 is not None and V1.hub is V2
    autoscaler = _autoscaler(metrics=[_cpu(70), *METRICS], behavior=BEHAVIOR)
    autoscaler["status"] = {
        "currentReplicas": 2,
        "desiredReplicas": 3,
        "currentMetrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "current": {"averageUtilization": 60, "averageValue": "1"}},
            }
        ],
        "conditions": [{"type": "AbleToScale", "status": "True"}],
    }
    old = V1.from_hub(deep_copy(autoscaler))
    assert old["apiVersion"] == "autoscaling/v1"
    assert old["spec"]["targetCPUUtilizationPercentage"] == 70
    assert old["status"] == {"currentReplicas": 2, "desiredReplicas": 3, "currentCPUUtilizationPercentage": 60}
    said = {key.removeprefix(PREFIX): json.loads(text) for key, text in old["metadata"]["annotations"].items()}
    assert [metric["type"] for metric in said["metrics"]] == [metric["type"] for metric in METRICS]
    assert said["metrics"][0]["resource"] == {"name": "memory", "targetAverageValue": "1Gi"}
    assert said["metrics"][3]["object"] == {
        "target": {"kind": "Ingress", "name": "i", "apiVersion": "networking.k8s.io/v1"},
        "metricName": "rps",
        "targetValue": "2k",
    }
    assert said["metrics"][4]["external"]["metricSelector"] == {"matchLabels": {"q": "x"}}
    assert said["current-metrics"][0]["resource"] == {
        "name": "cpu",
        "currentAverageUtilization": 60,
        "currentAverageValue": "1",
    }
    assert said["behavior"]["ScaleUp"] == {
        "StabilizationWindowSeconds": 0,
        "SelectPolicy": "Max",
        "Policies": [{"Type": "Pods", "Value": 4, "PeriodSeconds": 15}],
        "Tolerance": None,
    }
    assert V1.to_hub(old) == autoscaler  # and nothing is lost on the way back


def test_annotations_that_say_nothing_sensible_are_dropped():
    assert V1 is not None
    autoscaler = V1.from_hub(_autoscaler(metrics=[_cpu(50)]))
    autoscaler["metadata"]["annotations"] = {f"{PREFIX}metrics": "[1", f"{PREFIX}behavior": "7", "mine": "kept"}
    back = V1.to_hub(autoscaler)
    assert back["metadata"]["annotations"] == {"mine": "kept"}
    assert back["spec"]["metrics"] == [_cpu(50)]


def test_an_autoscaler_of_v1_without_a_target_gets_the_default_one():
    assert V1 is not None and V2 is not None
    autoscaler = {**_autoscaler(), "apiVersion": "autoscaling/v1"}
    hub = V1.to_hub(autoscaler)
    V2.defaults(hub)
    assert V1.from_hub(hub)["spec"]["targetCPUUtilizationPercentage"] == 80


EVENT = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "x", "namespace": "default"},
    "eventTime": "2026-01-02T03:04:05.000006Z",
    "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    "related": {"kind": "Node", "name": "n"},
    "note": "m",
    "reason": "R",
    "action": "A",
    "type": "Normal",
    "reportingController": "c/x",
    "reportingInstance": "i",
    "series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:05.000006Z"},
    "deprecatedSource": {"component": "old"},
    "deprecatedCount": 2,
    "deprecatedFirstTimestamp": "2026-01-02T03:04:05Z",
    "deprecatedLastTimestamp": "2026-01-02T03:04:06Z",
}


def test_an_event_is_the_same_in_both_groups():
    assert EVENTS is not None and EVENTS.hub is CORE_EVENTS
    core = EVENTS.to_hub(deep_copy(EVENT))
    assert core["apiVersion"] == "v1"
    assert (core["involvedObject"]["name"], core["message"], core["reportingComponent"]) == ("p", "m", "c/x")
    assert (core["source"], core["count"], core["firstTimestamp"]) == ({"component": "old"}, 2, "2026-01-02T03:04:05Z")
    assert EVENTS.from_hub(core) == EVENT


@pytest.mark.parametrize("selector", ["regarding.name=p", "reportingController=c/x", "reason=R", "type=Normal"])
def test_events_are_selected_by_the_names_of_their_version(selector: str):
    assert EVENTS is not None
    stored = EVENTS.to_hub(deep_copy(EVENT))
    assert EVENTS.bind_field_selector(parse_field_selector(selector))(stored)
    assert not EVENTS.bind_field_selector(parse_field_selector(selector.replace("=", "!=")))(stored)
