"""HorizontalPodAutoscalers in two versions: v2, which is stored, and v1, which knows one metric, the use of cpu.

What v1 has no field for travels in annotations, in the form that Kubernetes gives it there: the other metrics, all
current metrics, the conditions and the behavior. Whoever reads v1 and writes it back loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

Object = dict[str, Any]

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT, CONDITIONS, BEHAVIOR = (
    f"{_PREFIX}{name}" for name in ("metrics", "current-metrics", "conditions", "behavior")
)

_STATUS_FIELDS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
# In this order, with these names: the text is an internal form that Kubernetes once began to write, and still does.
_RULE_FIELDS = (
    ("stabilizationWindowSeconds", "StabilizationWindowSeconds"),
    ("selectPolicy", "SelectPolicy"),
    ("policies", "Policies"),
    ("tolerance", "Tolerance"),
)
_POLICY_FIELDS = (("type", "Type"), ("value", "Value"), ("periodSeconds", "PeriodSeconds"))


def from_v2(autoscaler: Object) -> Object:
    spec, status = autoscaler.get("spec") or {}, autoscaler.get("status") or {}
    metrics, current = spec.pop("metrics", None) or [], status.get("currentMetrics") or []
    behavior = spec.pop("behavior", None)
    cpu = next((metric for metric in metrics if _is_cpu(metric, "target")), None)
    if cpu is not None:
        spec["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"]
    v1_status = {field: status[field] for field in _STATUS_FIELDS if field in status}
    v1_status.setdefault("currentReplicas", 0)
    v1_status.setdefault("desiredReplicas", 0)
    used = next((metric for metric in current if _is_cpu(metric, "current")), None)
    if used is not None:
        v1_status["currentCPUUtilizationPercentage"] = used["resource"]["current"]["averageUtilization"]
    others = [_old_metric(metric, "target") for metric in metrics if not _is_cpu(metric, "target")]
    annotations = {
        METRICS: others,
        CURRENT: [_old_metric(metric, "current") for metric in current],
        CONDITIONS: status.get("conditions"),
        BEHAVIOR: None if behavior is None else _internal_behavior(behavior),
    }
    said = {key: orjson.dumps(value).decode() for key, value in annotations.items() if value}
    if said:
        autoscaler["metadata"]["annotations"] = {**(autoscaler["metadata"].get("annotations") or {}), **said}
    return {**autoscaler, "apiVersion": "autoscaling/v1", "spec": spec, "status": v1_status}


def to_v2(autoscaler: Object) -> Object:
    """Annotations that are not what they should be are dropped: they are nobody's to write."""
    spec, status = autoscaler.get("spec") or {}, autoscaler.get("status") or {}
    annotations = autoscaler["metadata"].get("annotations") or {}
    metrics = [_new_metric(metric, "target") for metric in _read_list(annotations.pop(METRICS, None))]
    cpu = spec.pop("targetCPUUtilizationPercentage", None)
    if cpu is not None:
        target = {"type": "Utilization", "averageUtilization": cpu}
        metrics.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    if not status.get("currentReplicas"):
        status.pop("currentReplicas", None)  # v2 leaves a zero out
    used = status.pop("currentCPUUtilizationPercentage", None)
    current = [_new_metric(metric, "current") for metric in _read_list(annotations.pop(CURRENT, None))]
    if not current and used is not None:
        current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": used}}}]
    if current:
        status["currentMetrics"] = current
    conditions = _read_list(annotations.pop(CONDITIONS, None))
    if conditions:
        status["conditions"] = conditions
    behavior = _read(annotations.pop(BEHAVIOR, None))
    if isinstance(behavior, dict):
        spec["behavior"] = _behavior_of(behavior)
    if not annotations:
        autoscaler["metadata"].pop("annotations", None)
    converted = {**autoscaler, "apiVersion": "autoscaling/v2", "spec": spec}
    if status:
        converted["status"] = status
    return converted


def _is_cpu(metric: Object, side: str) -> bool:
    resource = metric.get("resource") or {}
    is_cpu = metric.get("type") == "Resource" and resource.get("name") == "cpu"
    return is_cpu and (resource.get(side) or {}).get("averageUtilization") is not None


def _read(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def _read_list(text: str | None) -> list[Object]:
    read = _read(text)
    return [item for item in read if isinstance(item, dict)] if isinstance(read, list) else []


# Metrics ------------------------------------------------------------------------------------------------------------

# (kind, what names the metric in v2, the field in v2, the field in the old form). `{}` in an old name: "target" or "current".
_RESOURCE = (
    ("averageUtilization", "{}AverageUtilization"),
    ("averageValue", "{}AverageValue"),
)
_AMOUNTS: dict[str, tuple[tuple[str, str], ...]] = {
    "resource": _RESOURCE,
    "containerResource": _RESOURCE,
    "pods": (("averageValue", "{}AverageValue"),),
    "object": (("value", "{}Value"), ("averageValue", "averageValue")),
    "external": (("value", "{}Value"), ("averageValue", "{}AverageValue")),
}


def _selector_name(kind: str) -> str:
    return "metricSelector" if kind == "external" else "selector"


def _old_metric(metric: Object, side: str) -> Object:
    """side: "target" of a wish, "current" of an observation."""
    old: Object = {"type": metric.get("type", "")}
    for kind, amounts in _AMOUNTS.items():
        new = metric.get(kind)
        if new is None:
            continue
        said: Object = {field: new[field] for field in ("name", "container") if field in new}
        if "describedObject" in new:
            said["target"] = new["describedObject"]
        if "metric" in new:
            said["metricName"] = new["metric"].get("name", "")
            if "selector" in new["metric"]:
                said[_selector_name(kind)] = new["metric"]["selector"]
        _copy(new.get(side) or {}, said, [(here, there.format(side)) for here, there in amounts])
        old[kind] = said
    return old


def _new_metric(metric: Object, side: str) -> Object:
    new: Object = {"type": metric.get("type", "")}
    for kind, amounts in _AMOUNTS.items():
        old = metric.get(kind)
        if not isinstance(old, dict):
            continue
        said: Object = {field: old[field] for field in ("name", "container") if field in old}
        if kind == "object" and "target" in old:
            said["describedObject"] = old["target"]
        if "metricName" in old:
            said["metric"] = {"name": old["metricName"]}
            if _selector_name(kind) in old:
                said["metric"]["selector"] = old[_selector_name(kind)]
        amount: Object = {}
        _copy(old, amount, [(there.format(side), here) for here, there in amounts])
        said[side] = {"type": _target_type(amount), **amount} if side == "target" else amount
        new[kind] = said
    return new


def _target_type(amount: Object) -> str:
    if "averageUtilization" in amount:
        return "Utilization"
    return "AverageValue" if "averageValue" in amount else "Value"


def _copy(source: Object, target: Object, names: list[tuple[str, str]]) -> None:
    for here, there in names:
        if source.get(here) is not None:
            target[there] = source[here]


# Behavior -----------------------------------------------------------------------------------------------------------


def _internal_behavior(behavior: Object) -> Object:
    return {
        name: _renamed_rules(behavior.get(field), _to_internal)
        for field, name in (("scaleUp", "ScaleUp"), ("scaleDown", "ScaleDown"))
    }


def _behavior_of(internal: Object) -> Object:
    read = {
        field: _renamed_rules(internal.get(name), _from_internal)
        for field, name in (("scaleUp", "ScaleUp"), ("scaleDown", "ScaleDown"))
    }
    return {field: rules for field, rules in read.items() if rules is not None}


Rename = Callable[[Object, tuple[tuple[str, str], ...]], Object]


def _to_internal(said: Object, fields: tuple[tuple[str, str], ...]) -> Object:
    return {internal: said.get(field) for field, internal in fields}


def _from_internal(said: Object, fields: tuple[tuple[str, str], ...]) -> Object:
    return {field: said[internal] for field, internal in fields if said.get(internal) is not None}


def _renamed_rules(rules: Any, rename: Rename) -> Object | None:
    if not isinstance(rules, dict):
        return None
    renamed = rename(rules, _RULE_FIELDS)
    for name in ("policies", "Policies"):
        if isinstance(renamed.get(name), list):
            renamed[name] = [rename(policy, _POLICY_FIELDS) for policy in renamed[name] if isinstance(policy, dict)]
    return renamed
