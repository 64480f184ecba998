"""Rows of autoscalers, and of scales."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.rows.cells import NONE, UNKNOWN, UNSET, Table, name_of, part, shortened
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column

Object = dict[str, Any]

_SHOWN_METRICS = 2

_COLUMNS = (
    NAME,
    Column("Reference"),
    Column("Targets"),
    Column("MinPods"),
    Column("MaxPods"),
    Column("Replicas"),
    AGE,
)

# metric type: its field, and whether the cell says the resource's name.
_FIELDS = {
    "External": ("external", False),
    "Pods": ("pods", False),
    "Object": ("object", False),
    "Resource": ("resource", True),
    "ContainerResource": ("containerResource", True),
}


def _metrics(wanted: list[Object], observed: list[Object]) -> str:
    texts = [_metric(metric, observed[index] if index < len(observed) else {}) for index, metric in enumerate(wanted)]
    return shortened(texts, NONE, _SHOWN_METRICS, ", ")


def _metric(metric: Object, observed: Object) -> str:
    """ "cpu: 50%/80%": what is, and what is wanted."""
    kind = metric.get("type", "")
    if kind not in _FIELDS:
        return "<unknown type>"
    field, is_resource = _FIELDS[kind]
    wanted, seen = part(metric, field), observed.get(field)
    target, current = part(wanted, "target"), None if seen is None else part(seen, "current")
    average, suffix = target.get("averageValue"), ""
    if is_resource:
        name = f"{wanted.get('name', '')}: "
        if average is not None:
            return f"{name}{_current(current, 'averageValue')}/{average}"
        used = None if current is None else current.get("averageUtilization")
        goal = target.get("averageUtilization")
        shown = UNKNOWN if used is None else f"{used}%"
        return f"{name}{shown}/{'<auto>' if goal is None else f'{goal}%'}"
    if kind == "Pods":
        return f"{_current(current, 'averageValue')}/{average or 0}"
    if average is not None:
        suffix = " (avg)"
        return f"{_current(current, 'averageValue')}/{average}{suffix}"
    return f"{_current(current, 'value')}/{target.get('value', 0)}"


def _current(current: Object | None, field: str) -> str:
    return UNKNOWN if current is None or current.get(field) is None else str(current[field])


def _row(autoscaler: Object, now: float) -> list[Any]:
    spec, status = part(autoscaler, "spec"), part(autoscaler, "status")
    target = part(spec, "scaleTargetRef")
    least = spec.get("minReplicas")
    return [
        name_of(autoscaler),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(spec.get("metrics") or [], status.get("currentMetrics") or []),
        UNSET if least is None else str(least),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        object_age(autoscaler, now),
    ]


AUTOSCALER = Table(_COLUMNS, _row)
