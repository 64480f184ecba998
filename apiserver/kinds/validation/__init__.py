"""What may be stored, kind by kind: `find_rules(name)` is the pair of hooks (validate, validate_update) of a resource;
`find_status_rules(name)` is the hook of writes to its /status.

A module holds the kinds of one purpose; pods have several modules, because they are in the middle of everything. Each function
takes a part of an object with its path and returns what is wrong, in Kubernetes' words and order; an empty list means that it is
good. Nothing raises, nothing changes what it is given. Validation runs after defaulting: what has a default is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.validation import (
    apps,
    autoscaling,
    batch,
    cluster,
    configuration,
    devices,
    extending,
    networking,
    pods,
    rbac,
    services,
    storage,
)
from apiserver.kinds.validation.statuses import find_status_rules

Object = dict[str, Any]
Rules = tuple[Callable[[Object], list[Cause]], Callable[[Object, Object], list[Cause]]]

_RULES: Mapping[str, Rules] = {
    **apps.RULES,
    **autoscaling.RULES,
    **batch.RULES,
    **cluster.RULES,
    **configuration.RULES,
    **devices.RULES,
    **extending.RULES,
    **networking.RULES,
    **pods.RULES,
    **rbac.RULES,
    **services.RULES,
    **storage.RULES,
}


def find_rules(name: str) -> Rules | None:
    """name: as in `declare`: "apps/v1 deployments". None: the rules of metadata are all there are."""
    return _RULES.get(name)


def names() -> tuple[str, ...]:
    """The resources that have rules of their own."""
    return tuple(_RULES)


__all__ = ["Rules", "find_rules", "find_status_rules", "names"]
