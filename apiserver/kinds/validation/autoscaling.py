"""Horizontal pod autoscalers, as autoscaling/v2 has them."""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.metadata import check_path_segment, update_validator, validator
from apiserver.kinds.validation.selecting import label_selector
from apiserver.kinds.validation.values import POSITIVE, Object, needs
from apiserver.meta import forbidden, invalid, not_supported, parse_quantity, required

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_TARGETS = ("AverageValue", "Utilization", "Value")
_MAX_PERIOD_S = 1800
_MAX_WINDOW_S = 3600


def _autoscaler(autoscaler: Object) -> list[Cause]:
    spec = autoscaler.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    causes: list[Cause] = []
    if least is not None and least < 1:
        causes.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        causes.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
    if least is not None and most < least:
        causes.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    causes += _reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    for index, metric in enumerate(spec.get("metrics") or ()):
        causes += _metric(metric, f"spec.metrics[{index}]")
    behavior = spec.get("behavior") or {}
    for direction in ("scaleUp", "scaleDown"):
        if behavior.get(direction) is not None:
            causes += _rules_of_scaling(behavior[direction], f"spec.behavior.{direction}")
    return causes


def _reference(reference: Object, path: str) -> list[Cause]:
    causes = needs(f"{path}.kind", reference.get("kind", ""), check_path_segment)
    return causes + needs(f"{path}.name", reference.get("name", ""), check_path_segment)


def _metric(metric: Object, path: str) -> list[Cause]:
    kind = metric.get("type", "")
    causes: list[Cause] = []
    if not kind:
        causes.append(required(f"{path}.type", "must specify a metric source type"))
    elif kind not in _SOURCES:
        causes.append(not_supported(f"{path}.type", kind, tuple(_SOURCES)))
    expected = _SOURCES.get(kind)
    for field in _SOURCES.values():
        source, where = metric.get(field), f"{path}.{field}"
        if source is None:
            if field == expected:
                causes.append(required(where, "must populate information for the given metric source"))
            continue
        if expected and field != expected:
            why = "must populate the given metric source only"
            causes.append(forbidden(where, why))
        causes += _source(source, where, field)
    return causes


def _source(source: Object, path: str, field: str) -> list[Cause]:
    causes: list[Cause] = []
    target = source.get("target") or {}
    if field in ("resource", "containerResource"):
        if not source.get("name"):
            causes.append(required(f"{path}.name", "must specify a resource name"))
        if field == "containerResource" and not source.get("container"):
            causes.append(required(f"{path}.container", "must specify a container"))
    else:
        metric = source.get("metric") or {}
        if field == "object":
            causes += _reference(source.get("describedObject") or {}, f"{path}.describedObject")
        causes += needs(f"{path}.metric.name", metric.get("name", ""), check_path_segment)
        causes += label_selector(metric.get("selector"), f"{path}.metric.selector")
    causes += _target(target, f"{path}.target")
    given = {name: target.get(name) for name in ("averageUtilization", "averageValue", "value")}
    if field in ("resource", "containerResource"):
        if given["averageUtilization"] is None and given["averageValue"] is None:
            why = "must set either a target raw value or a target utilization"
            causes.append(required(f"{path}.target.averageUtilization", why))
        if given["averageUtilization"] is not None and given["averageValue"] is not None:
            why = "may not set both a target raw value and a target utilization"
            causes.append(forbidden(f"{path}.target.averageValue", why))
    elif field == "pods":
        if given["averageValue"] is None or parse_quantity(given["averageValue"]) <= 0:
            causes.append(required(f"{path}.target.averageValue", "must specify a positive target averageValue"))
    elif given["value"] is None and given["averageValue"] is None:
        why = "must set either a target value for metric or a per-pod target"
        causes.append(required(f"{path}.target.averageValue", why))
    return causes


def _target(target: Object, path: str) -> list[Cause]:
    kind = target.get("type", "")
    causes: list[Cause] = []
    if not kind:
        causes.append(required(f"{path}.type", "must specify a metric target type"))
    elif kind not in _TARGETS:
        causes.append(invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue"))
    for field in ("value", "averageValue"):
        amount = target.get(field)
        if amount is not None and parse_quantity(amount) <= 0:
            causes.append(invalid(f"{path}.{field}", amount, "must be positive"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        causes.append(invalid(f"{path}.averageUtilization", utilization, "must be greater than 0"))
    return causes


def _rules_of_scaling(rules: Object, path: str) -> list[Cause]:
    window, policies = rules.get("stabilizationWindowSeconds"), rules.get("policies") or ()
    causes: list[Cause] = []
    if window is not None and window < 0:
        causes.append(invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero"))
    if window is not None and window > _MAX_WINDOW_S:
        why = f"must be less than or equal to {_MAX_WINDOW_S}"
        causes.append(invalid(f"{path}.stabilizationWindowSeconds", window, why))
    chosen = rules.get("selectPolicy")
    if chosen is not None and chosen not in ("Disabled", "Max", "Min"):
        causes.append(not_supported(f"{path}.selectPolicy", chosen, ("Disabled", "Max", "Min")))
    if not policies:
        causes.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(policies):
        where, period = f"{path}.policies[{index}]", policy.get("periodSeconds", 0)
        if policy.get("type", "") not in ("Percent", "Pods"):
            causes.append(not_supported(f"{where}.type", policy.get("type", ""), ("Percent", "Pods")))
        if policy.get("value", 0) <= 0:
            causes.append(invalid(f"{where}.value", policy.get("value", 0), POSITIVE))
        if period <= 0:
            causes.append(invalid(f"{where}.periodSeconds", period, POSITIVE))
        if period > _MAX_PERIOD_S:
            causes.append(invalid(f"{where}.periodSeconds", period, f"must be less than or equal to {_MAX_PERIOD_S}"))
    return causes


RULES = {"autoscaling/v2 horizontalpodautoscalers": (validator(_autoscaler), update_validator())}
