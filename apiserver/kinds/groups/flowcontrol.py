"""flowcontrol.apiserver.k8s.io/v1: whose requests are answered first.

Source of the defaults: Kubernetes pkg/apis/flowcontrol/v1/defaults.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import administration as rows
from apiserver.kinds.strategy import empty_status, replace_only_status, set_missing

Object = dict[str, Any]

_GROUP = "flowcontrol.apiserver.k8s.io/v1"
_QUEUING = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}


def default_flow_schema(schema: Object) -> None:
    set_missing(schema.setdefault("spec", {}), "matchingPrecedence", 1000)


def default_priority_level(level: Object) -> None:
    spec = level.setdefault("spec", {})
    for field, shares in (("limited", 30), ("exempt", 0)):
        if spec.get(field) is not None:
            spec[field].setdefault("nominalConcurrencyShares", shares)
            spec[field].setdefault("lendablePercent", 0)
    if spec.get("limited") is not None:
        queuing = spec["limited"].setdefault("limitResponse", {}).get("queuing")
        if queuing is not None:
            for field, value in _QUEUING.items():
                set_missing(queuing, field, value)


FLOW_SCHEMAS = declare(
    f"{_GROUP} flowschemas",
    table=rows.FLOW_SCHEMA,
    tracks_generation=True,
    defaults=default_flow_schema,
    prepare_create=empty_status,
    prepare_status_update=replace_only_status,
)

PRIORITY_LEVELS = declare(
    f"{_GROUP} prioritylevelconfigurations",
    table=rows.PRIORITY_LEVEL,
    tracks_generation=True,
    defaults=default_priority_level,
    prepare_create=empty_status,
    prepare_status_update=replace_only_status,
)

RESOURCES = (FLOW_SCHEMAS, PRIORITY_LEVELS)
