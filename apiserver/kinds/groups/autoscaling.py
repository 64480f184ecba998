"""autoscaling/v2 and v1: how many pods a workload should have. Stored as v2; v1 is a view of it (autoscaler_versions.py).

Source of the defaults: Kubernetes pkg/apis/autoscaling/v2/defaults.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds import autoscaler_versions
from apiserver.kinds.declaring import declare
from apiserver.kinds.rows.autoscaling import AUTOSCALER
from apiserver.kinds.strategy import set_missing
from apiserver.meta import deep_copy

Object = dict[str, Any]

_CPU_UTILIZATION = 80
_UP_POLICIES = (("Pods", 4, 15), ("Percent", 100, 15))
_DOWN_POLICIES = (("Percent", 100, 15),)


def default_autoscaler(autoscaler: Object) -> None:
    spec = autoscaler.setdefault("spec", {})
    spec.setdefault("scaleTargetRef", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": _CPU_UTILIZATION}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        up = behavior.setdefault("scaleUp", {})
        up.setdefault("stabilizationWindowSeconds", 0)
        _default_rules(up, _UP_POLICIES)
        _default_rules(behavior.setdefault("scaleDown", {}), _DOWN_POLICIES)
    status = autoscaler.setdefault("status", {})
    status.setdefault("desiredReplicas", 0)
    status.setdefault("currentMetrics", None)


def _default_rules(rules: Object, policies: tuple[tuple[str, int, int], ...]) -> None:
    set_missing(rules, "selectPolicy", "Max")
    if rules.get("policies") is None:
        rules["policies"] = [
            {"type": kind, "value": value, "periodSeconds": seconds} for kind, value, seconds in policies
        ]


def prepare_autoscaler(autoscaler: Object) -> None:
    autoscaler["status"] = {"desiredReplicas": 0, "currentMetrics": None}


AUTOSCALERS = declare(
    "autoscaling/v2 horizontalpodautoscalers",
    table=AUTOSCALER,
    defaults=default_autoscaler,
    prepare_create=prepare_autoscaler,
)

AUTOSCALERS_V1 = declare(
    "autoscaling/v1 horizontalpodautoscalers",
    hub=AUTOSCALERS,
    to_hub=autoscaler_versions.to_v2,
    from_hub=autoscaler_versions.from_v2,
    table=AUTOSCALER._replace(row=lambda obj, now: AUTOSCALER.row(autoscaler_versions.to_v2(deep_copy(obj)), now)),
)

RESOURCES = (AUTOSCALERS, AUTOSCALERS_V1)
